# SPDX-License-Identifier: GPL-2.0-only
"""
rulesets.py - rules and frames that meet them

A rule is (src, dst, proto, sport, dport, target): addresses as text with or without
a prefix, ports as number, "first:last" or None. A Rules writes itself in each
contender's own language, and says None where that cannot hold it.
"""
import gzip
import random
import socket
import struct

PROTO = {"tcp": 6, "udp": 17, "icmp": 1}
MAC_IN = bytes.fromhex("020000000101" "020000000102")


def addr(n):
    return socket.inet_ntoa(struct.pack(">I", n))


def number(a):
    return struct.unpack(">I", socket.inet_aton(a))[0]


def iptables_rule(chain, r):
    src, dst, proto, sport, dport, target = r
    s = "-A " + chain
    if src:
        s += " -s " + src
    if dst:
        s += " -d " + dst
    if proto:
        s += " -p %s" % proto
        if sport is not None or dport is not None:
            s += " -m %s" % proto
    if sport is not None:
        s += " --sport %s" % sport
    if dport is not None:
        s += " --dport %s" % dport
    return s + " -j " + target


class Rules:
    """
    A chain of rules and its policy. Literal rules may come before them, in iptables'
    words, or after them, each as (iptables' words, nft's words).
    """

    def __init__(self, rules, policy, chain="FORWARD", before=(), after=()):
        self.rules, self.policy, self.chain = rules, policy, chain
        self.before, self.after = list(before), list(after)

    def restore(self, rules=None):
        policy = {c: "ACCEPT" for c in ("INPUT", "FORWARD", "OUTPUT")}
        policy[self.chain] = self.policy
        out = ["*filter"] + [":%s %s [0:0]" % p for p in policy.items()]
        out += self.before
        out += [iptables_rule(self.chain, r) for r in (self.rules if rules is None else rules)]
        out += [text for text, _ in self.after]
        return "\n".join(out + ["COMMIT", ""])

    def _shape(self):
        """Which fields the rules use, when all use the same, exactly, with one target."""
        shapes = {tuple(v is not None for v in r[:5]) for r in self.rules}
        exact = all("/" not in str(v) and ":" not in str(v) for r in self.rules for v in r[:5])
        if self.before or len(shapes) != 1 or not exact or len({r[5] for r in self.rules}) != 1:
            return None
        return shapes.pop()

    def nft_set(self):
        """One rule that looks a concatenation up in a set; then what the policy gets is counted."""
        head = "table ip t {\n%%s chain c { type filter hook %s priority 0; policy %s;\n%%s\n counter\n }\n}\n" % (
            self.chain.lower(), self.policy.lower())
        after = "\n".join(text for _, text in self.after)
        if not self.rules and not self.before:
            return head % ("", after)
        shape = self._shape()
        if not shape:
            return None
        fields = [("ipv4_addr", "ip saddr"), ("ipv4_addr", "ip daddr"), ("inet_proto", "meta l4proto"),
                  ("inet_service", "th sport"), ("inet_service", "th dport")]
        used = [f for f, on in zip(fields, shape) if on]
        elems = sorted({" . ".join(str(v) for v in r[:5] if v is not None) for r in self.rules})
        decl = " set s { type %s; elements = { %s } }\n" % (
            " . ".join(f[0] for f in used), ", ".join(elems))
        rule = " . ".join(f[1] for f in used) + " @s counter " + self.rules[0][5].lower()
        if not shape[2] and (shape[3] or shape[4]):
            return None
        return head % (decl, rule + "\n" + after)

    def ipset(self):
        """hash:ip, hash:net or hash:ip,port with one iptables rule; (None, None) else."""
        shape = self._shape()
        if not self.rules or shape not in ((True, False, False, False, False),
                                           (True, False, True, True, False)):
            return None, None
        kind = "hash:ip" if not shape[3] else "hash:ip,port"
        names = {"hash:ip": "src", "hash:ip,port": "src,src"}
        sets = ["create s %s hashsize 65536 maxelem 1000000" % kind]
        for r in self.rules:
            sets.append("add s %s" % (r[0] if not shape[3] else "%s,%s:%s" % (r[0], r[2], r[3])))
        restore = "*filter\n:%s %s [0:0]\n-A %s -m set --match-set s %s -j %s\n%s\nCOMMIT\n" % (
            self.chain, self.policy, self.chain, names[kind], self.rules[0][5],
            "\n".join(text for text, _ in self.after))
        return "\n".join(sets) + "\n", restore

    def blacklist(self):
        return "\n".join(r[0] for r in self.rules) + "\n"

    def bpfilter(self, hook, sets):
        """
        bfcli's language: rules one by one, or @sets of them, a set for each choice of
        fields. At tc and XDP the chain is of all that comes in, not of FORWARD alone.
        """
        if self.before or self.after or any("/" in str(v) or ":" in str(v) for r in self.rules for v in r[:5]):
            return None
        if sets and len({r[5] for r in self.rules}) > 1:
            return None
        out, by_fields = ["chain f %s %s" % (hook, self.policy)], {}
        for src, dst, proto, sport, dport, target in self.rules:
            fields = {"ip4.saddr": src, "ip4.daddr": dst, "%s.sport" % proto: sport, "%s.dport" % proto: dport}
            if sport is None and dport is None:
                fields["ip4.proto"] = proto
            m = {k: str(v) for k, v in fields.items() if v is not None}
            by_fields.setdefault(tuple(m), []).append(",".join(m.values()))
            if not sets:
                out.append("rule %s counter %s" % (" ".join(k + " eq " + v for k, v in m.items()), target))
        for fields, values in by_fields.items() if sets else ():
            out.append("rule (%s) in {%s} counter %s" % (", ".join(fields), ";".join(values), self.rules[0][5]))
        return "\n".join(out) + "\n"


# --- rulesets -----------------------------------------------------------------

def five_tuples(n, target, seed=1):
    """n different random rules; nobody's packets but theirs match them."""
    rng = random.Random(seed)
    return [(addr(0x0b000000 | rng.randrange(1 << 24)), addr(0x14000000 | rng.randrange(1 << 26)),
             rng.choice(("tcp", "udp")), rng.randrange(1024, 65536), rng.randrange(1, 65536), target)
            for _ in range(n)]


def classbench(path):
    """A ClassBench file: @src dst  lo : hi  lo : hi  proto/mask ..., as iptables rules."""
    rules = []
    with gzip.open(path, "rt") as f:
        for i, line in enumerate(f):
            w = line.lstrip("@").replace(":", " ").split()
            src, dst, ports = w[0], w[1], [int(x) for x in w[2:6]]
            proto, mask = (int(x, 16) for x in w[6].split("/"))
            name = {6: "tcp", 17: "udp"}.get(proto, str(proto)) if mask else None
            p = [None, None]
            for j in (0, 1):
                lo, hi = ports[2 * j:2 * j + 2]
                if (lo, hi) != (0, 65535) and name in ("tcp", "udp"):
                    p[j] = str(lo) if lo == hi else "%d:%d" % (lo, hi)
            rules.append((None if src.endswith("/0") else src, None if dst.endswith("/0") else dst,
                          name, p[0], p[1], "ACCEPT" if i % 3 else "DROP"))
    return rules


# --- frames -------------------------------------------------------------------

def csum(data):
    s = sum(struct.unpack(">%dH" % (len(data) // 2), data))
    while s >> 16:
        s = (s & 0xffff) + (s >> 16)
    return ~s & 0xffff


def frame(src, dst, proto, sport, dport, flags=0x10):
    """64 bytes of Ethernet, IPv4 and transport header, as a host would send them."""
    ip = struct.pack(">BBHHHBBH4s4s", 0x45, 0, 50, 0, 0x4000, 64, PROTO.get(proto, proto), 0,
                     socket.inet_aton(src), socket.inet_aton(dst))
    ip = ip[:10] + struct.pack(">H", csum(ip)) + ip[12:]
    if proto == "tcp":
        l4 = struct.pack(">HHIIBBHHH", sport, dport, 1, 1, 0x50, flags, 65535, 0, 0) + bytes(10)
    elif proto == "udp":
        l4 = struct.pack(">HHHH", sport, dport, 30, 0) + bytes(22)
    else:
        l4 = bytes(30)
    if proto in ("tcp", "udp"):
        pseudo = ip[12:20] + struct.pack(">HH", PROTO[proto], 30)
        at = 16 if proto == "tcp" else 6
        l4 = l4[:at] + struct.pack(">H", csum(pseudo + l4) or 0xffff) + l4[at + 2:]
    return MAC_IN + b"\x08\x00" + ip + l4


def frame_of(rule, rng=random):
    """A frame that meets the rule: a random address, port of each range."""
    src, dst, proto, sport, dport, _ = rule

    def pick(net, default):
        if not net:
            return default
        a, _, bits = net.partition("/")
        size = 1 << (32 - int(bits or 32))
        return addr((number(a) & ~(size - 1)) | rng.randrange(size))

    def port(p):
        if p is None:
            return rng.randrange(1024, 65536)
        lo, _, hi = str(p).partition(":")
        return rng.randint(int(lo), int(hi or lo))

    proto = proto or "udp"
    return frame(pick(src, "12.1.2.3"), pick(dst, "21.1.2.3"),
                 proto if proto in PROTO else int(proto), port(sport), port(dport))


def forwardable(f):
    """Would a router forward this frame: unicast addresses, none of them its own or local?"""
    return all(0 < f[at] < 224 and f[at] not in (10, 127) and f[at:at + 2] != b"\xa9\xfe" for at in (26, 30))


def flows(n, proto="udp", seed=7):
    """n frames of different flows, of which no generated rule knows anything."""
    rng = random.Random(seed)
    return [frame(addr(0x0c000000 | rng.randrange(1 << 20)), addr(0x15000000 | rng.randrange(1 << 20)),
                  proto, rng.randrange(1024, 65536), rng.randrange(1, 65536)) for _ in range(n)]
