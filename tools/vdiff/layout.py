# SPDX-License-Identifier: GPL-2.0-only
"""layout.py - the router that a ruleset is about: interfaces, addresses, routes

	wire a ---- eth0  198.18.0.1/24   router   docker0 198.18.1.1/24 ---- wire b ...

Every interface that a rule names (one for a wildcard that none of them fits, and a
spare one that no rule names) is an Ethernet device with a wire of its own. Behind
`-o IF -d NET` and `-i IF -s NET` lies that network; `-d HOST` of INPUT alone is an
address of the router. Everything else is reached by a default route through the
first of eth0, ppp0, ... The layout depends on the rules alone, so both worlds are
the same and a saved reproducer meets it again.
"""
import ipaddress
import re

LETTERS = [c for c in "abcdfghijkmnpqrsuvwxyz"]
OUTSIDE = ("eth0", "ppp0", "wan", "enp0s3", "ens3")
SPARE = "vdspare0"
NO_ROUTE = "198.19.255.0/24"


def num(addr):
    return int(ipaddress.IPv4Address(addr))


def dotted(n):
    return str(ipaddress.IPv4Address(n & 0xffffffff))


def addr_mask(spec):
    """'a/len' or 'a/mask' as (value, mask)"""
    addr, _, mask = spec.partition("/")
    if "." in mask:
        m = num(mask)
    else:
        m = (0xffffffff << (32 - int(mask or 32))) & 0xffffffff
    return num(addr) & m, m


class Layout:
    """Names, letters, addresses and routes; where() says behind which wire a host is"""

    def __init__(self, rs):
        self.names = self.interfaces(rs)
        self.letter = dict(zip(self.names, LETTERS))
        self.left_out = self.names[len(LETTERS):]
        self.names = self.names[:len(LETTERS)]
        self.outside = next((n for n in OUTSIDE if n in self.names), self.names[0])
        self.local = {f"198.18.{i}.1": n for i, n in enumerate(self.names)}
        self.broadcasts = {f"198.18.{i}.255" for i in range(len(self.names))}
        self.addresses = [(f"198.18.{i}.1/24", n) for i, n in enumerate(self.names)]
        self.routes = []
        self.networks(rs)

    @staticmethod
    def interfaces(rs):
        concrete, wild = [], []
        for r in rs.rules:
            for opt, _, args in r.options():
                if opt not in ("-i", "-o") or not args:
                    continue
                name = args[0]
                if name.endswith("+"):
                    wild.append(name[:-1])
                elif name != "lo" and re.fullmatch(r"[\w.@-]{1,15}", name):
                    concrete.append(name)
        names = list(dict.fromkeys(concrete))
        for w in dict.fromkeys(wild):
            if w and not any(n.startswith(w) for n in names) and not "lo".startswith(w):
                names.append((w + "0")[:15])
        for n in ("eth0", "eth1"):
            if len(names) < 2 and n not in names:
                names.append(n)
        return names + [SPARE]

    def device(self, pattern):
        """An interface that -i/-o @pattern means"""
        if pattern.endswith("+"):
            return next((n for n in self.names if n.startswith(pattern[:-1])), None)
        return pattern if pattern in self.names else None

    def networks(self, rs):
        taken = set()
        for chain, hooks in rs.paths().items():
            for hook, way in hooks.items():
                for r in [x for x in rs.rules if x.chain == chain]:
                    opts = [o for x in way + [r] for o in x.options() if not o[1] and o[2]]
                    self.network(opts, hook, list(hooks) == ["INPUT"], taken)

    def network(self, opts, hook, only_input, taken):
        val = {o: args[0] for o, _, args in opts}
        for dev, net in (("-o", "-d"), ("-i", "-s")):
            if net not in val or val[net] in taken:
                continue
            a, m = addr_mask(val[net])
            plen = bin(m).count("1")
            contiguous = m == (0xffffffff << (32 - plen)) & 0xffffffff
            if not plen or not contiguous or a >> 28 >= 14 or a >> 24 in (0, 127):
                continue
            if net == "-d" and only_input and hook == "INPUT":
                taken.add(val[net])
                name = self.device(val.get("-i", "")) if "-i" in val else None
                name = name or self.outside
                if plen == 32 and a & 255 == 255:
                    self.own(dotted(a - 254), 24, name)
                    self.broadcasts.add(dotted(a))
                else:
                    self.own(dotted(a if plen >= 31 else a + 1), 32, name)
            elif dev in val and self.device(val[dev]):
                taken.add(val[net])
                self.routes.append((a, m, self.device(val[dev])))

    def own(self, addr, plen, name):
        if addr not in self.local and len(self.local) < 200:
            self.local[addr] = name
            self.addresses.append((f"{addr}/{plen}", name))

    def where(self, addr):
        """The interface that packets to @addr leave by, 'lo' for the router's own"""
        if addr in self.local or addr.startswith("127."):
            return "lo"
        n, best = num(addr), (0, self.outside)
        nets = self.routes + [(num(f"198.18.{i}.0"), 0xffffff00, name)
                              for i, name in enumerate(self.names)]
        for a, m, name in nets:
            if n & m == a and m >= best[0]:
                best = (m, name)
        return best[1]

    def host(self, name, k=2):
        """Host number @k behind interface @name"""
        return f"198.18.{self.names.index(name)}.{k}"

    def router_of(self, name):
        return f"198.18.{self.names.index(name)}.1"

    def commands(self, peer_ns):
        """`ip -batch` lines for the router's namespace"""
        out = []
        for i, name in enumerate(self.names):
            out += [f"link add {name} address 02:00:00:00:{i:02x}:01 numtxqueues 1 numrxqueues 1 type veth "
                    f"peer name w{self.letter[name]} address 02:00:00:00:{i:02x}:02 netns {peer_ns} "
                    "numtxqueues 1 numrxqueues 1",
                    f"link set {name} arp off up"]
        for addr, name in self.addresses:
            out.append(f"addr add {addr} brd + dev {name}" if addr.endswith("/24")
                       else f"addr add {addr} dev {name}")
        for a, m, name in self.routes:
            out.append(f"route replace {dotted(a)}/{bin(m).count('1')} dev {name}")
        out += [f"route add default dev {self.outside}", f"route add throw {NO_ROUTE}"]
        return out
