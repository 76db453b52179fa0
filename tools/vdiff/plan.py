# SPDX-License-Identifier: GPL-2.0-only
"""plan.py - the exchanges to try: aimed at each rule, then seeded noise

An exchange is a few frames that belong together (a handshake and what follows, a
datagram in fragments). For every rule and every hook that reaches it a base packet
is made that meets the rule and the jumps that lead to it; then one field at a time
takes each of its boundaries, and the packet comes from every interface. A rule that
asks for a connection state gets the packets that bring it about.

An exchange whose packet a hook is known to see differently carries that row's name
(rows of Documentation/iptables-compat.rst and table D); it is run apart.
"""
import random

from .aim import aim
from .layout import NO_ROUTE, num
from .packet import ICMP, PORTS, SCTP, TCP, UDP, Packet, fragments

# row: what may differ: counters; answers (errors, RST) as well; or all that comes out
ROWS = {
    "later fragments of what is received here": "answers",
    "fragmented datagrams sent from here": "answers",
    "fragments, once a rule looks at the state": "all",
    "multicast group nobody joined": "counters",
    "spoofed source addresses that the routing code drops": "answers",
    "no route to the destination": "all",
    "IP options that the stack refuses": "all",
    "broadcast and multicast sent from here": "all",
    "own broadcasts and multicasts that come back": "counters",
    "REJECT of a packet whose IP options an answer would echo": "all",
    "REJECT of what a raw socket sends from a broadcast address": "answers",
    "errors about no route, which the kernel limits by time (net.ipv4.route.error_cost)": "answers",
    "table D1: TCP at fragment offset 1": "all",
    "table D2: tinygrams": "all",
    "table D3, D4: ports in later fragments": "all",
}

# no-operation, router alert, record route; loose and strict source route, one too long
GOOD_OPTIONS = ("01010101", "94040000", "0707040000000001")
BAD_OPTIONS = ("830704c612000100", "890704c612000100", "07ff0400")


class Exchange:
    """@lines in order; @row the known row it belongs to, or None; @rule what it is for"""

    def __init__(self, lines, rule=None, row=None):
        self.lines, self.rule, self.row = lines, rule, row


class Planner:
    """All exchanges for one ruleset"""

    def __init__(self, rs, lay, sets, hook, nft, seed):
        self.rs, self.lay, self.sets = rs, lay, sets
        self.early = hook in ("tc", "xdp")
        self.xdp = hook == "xdp"
        self.nft = nft
        self.rng = random.Random(seed)
        self.tracks = rs.tracks()
        self.paths = rs.paths()
        self.index = {lay.letter[n]: i for i, n in enumerate(lay.names)}
        self.values = []	# fields the rules name, for noise

    # --- one packet into lines

    def emit(self, pkt, rule=None):
        """The exchanges that deliver @pkt in the state it is to have"""
        state, n = pkt.f.get("state"), pkt.f.get("times", 1)
        p = Packet(pkt.hook, **{k: v for k, v in pkt.f.items() if k not in ("state", "times")})
        p = p.settle(self.lay, self.rng)
        if n > 1:
            lines = []
            for i in range(n):
                q = p.but(sport=20000 + i) if i % 2 and "sport" in p.f else p
                lines.append(q.line())
            return [self.exchange(lines, p, rule)]
        make = {"ESTABLISHED": self.established, "RELATED": self.related, "INVALID": self.invalid,
                "REPLY": self.established}.get(state)
        if not make:
            return [self.exchange([p.line()], p, rule)]
        return [self.exchange(lines, p, rule) for lines in make(p)]

    def exchange(self, lines, p, rule):
        row = self.row_of(p)
        if not row and len(lines) > 1:
            row = self.row_of(p.back(self.lay))		# some of @lines go the other way
        return Exchange(lines, rule, row)

    def row_of(self, p):
        """The known row of this packet at this hook, if any"""
        f = p.f
        frag = f.get("mf") or f.get("off")
        local = self.lay.where(f["dst"]) == "lo" or f["dst"] in self.lay.broadcasts
        if self.nft:
            if f.get("off") == 1 and f["proto"] == TCP:
                return "table D1: TCP at fragment offset 1"
            if "l4" in f:
                return "table D2: tinygrams"
            if f.get("off"):
                return "table D3, D4: ports in later fragments"
        if not self.early:
            if f["from"] != "o" and f["dst"].startswith(NO_ROUTE.rsplit(".", 1)[0] + "."):
                return "errors about no route, which the kernel limits by time (net.ipv4.route.error_cost)"
            return None
        if f.get("opt") in BAD_OPTIONS:
            return "IP options that the stack refuses"
        if f.get("opt", "").startswith("07") and self.rs.uses("REJECT"):
            return "REJECT of a packet whose IP options an answer would echo"
        if f["from"] == "o" and (f["dst"] in self.lay.broadcasts or f["dst"] == "255.255.255.255"
                                 or num(f["dst"]) >> 28 == 14):
            return "broadcast and multicast sent from here"
        if f["from"] == "o" and self.rs.uses("REJECT") and \
                (f["src"] in self.lay.broadcasts or f["src"] == "127.255.255.255"):
            return "REJECT of what a raw socket sends from a broadcast address"
        if self.xdp and f["from"] == "o" and (f["src"] in self.lay.broadcasts or f["src"] == "255.255.255.255"):
            return "own broadcasts and multicasts that come back"	# the answer, to a broadcast address
        if frag and f["from"] == "o":
            return "fragmented datagrams sent from here"
        if frag and f["from"] != "o" and local:
            return "later fragments of what is received here"
        if frag and self.tracks:
            return "fragments, once a rule looks at the state"
        if f["from"] != "o" and f["dst"].startswith(NO_ROUTE.rsplit(".", 1)[0] + "."):
            return "no route to the destination"
        if f["from"] != "o" and num(f["dst"]) >> 28 == 14 and f["dst"] != "224.0.0.1":
            return "multicast group nobody joined"
        if f["from"] != "o" and (f["src"] in self.lay.local or f["src"] in self.lay.broadcasts):
            return "spoofed source addresses that the routing code drops"
        return None

    def established(self, p):
        f = p.f
        back = p.back(self.lay)
        if f["proto"] == TCP:
            syn, sa = dict(flags="S", seq=100), dict(flags="SA", seq=500, ack=101)
            bare = {k: v for k, v in f.items() if k not in ("flags", "topt", "size", "pay", "len")}
            q = Packet(p.hook, **bare)
            data = p.but(flags="PA" if f.get("flags") == "S" else f["flags"])
            return [
                [q.but(**syn).line(), back.but(**sa).line(), q.but(flags="A", seq=101, ack=501).line(),
                 data.but(seq=101, ack=501).line(), back.but(flags="A", seq=501, ack=101 + 5).line(),
                 q.but(flags="FA", seq=101, ack=501).line()],
                [back.but(**syn).line(), q.but(**sa).line(), back.but(flags="A", seq=101, ack=501).line(),
                 data.but(seq=501, ack=101).line(), q.but(flags="R", seq=501).line(),
                 data.but(seq=501, ack=101).line()],
            ]
        return [[p.line(), back.line(), p.line()], [back.line(), p.line(), back.line(), p.line()]]

    def related(self, p):
        """An ICMP error from the packet's source about a flow its destination began"""
        f = p.f
        flow = Packet(p.hook, **{"proto": UDP, "sport": 33333, "dport": 4444, **p.but(
            proto=f["proto"] if f["proto"] in (UDP, TCP) else UDP).back(self.lay).f})
        if f["proto"] not in (UDP, TCP):
            flow = flow.but(sport=self.rng.randrange(20000, 60000), dport=4444)
        if flow.f["proto"] == TCP:
            flow = flow.but(flags="S", seq=8)
        out = []
        for t, c in ((3, 1), (11, 0), (3, 4)):
            err = {k: v for k, v in f.items() if k in ("from", "src", "dst", "ttl", "tos", "smac", "dmac")}
            e = Packet(p.hook, proto=ICMP, type=t, code=c, rest=1500 if c == 4 else 0, pay=flow.quoted(), **err)
            out.append([flow.line(), e.line()])
        stranger = flow.but(sport=9999) if "sport" in flow.f else flow
        e = Packet(p.hook, proto=ICMP, type=3, code=1, pay=stranger.quoted(),
                   **{k: v for k, v in f.items() if k in ("from", "src", "dst")})
        return out + [[flow.line(), e.line()]]

    def invalid(self, p):
        f = p.f
        if f["proto"] == TCP:
            return [[p.but(flags=x).line()] for x in ("", "SA", "R", "FPU", "SF")] + \
                   [[p.but(badl4=True).line()]]
        if f["proto"] == ICMP:
            return [[p.but(type=0).line()], [p.but(badl4=True).line()]]
        return [[p.but(badl4=True).line()], [p.but(l4=7).line()]] if f["proto"] == UDP else [[p.line()]]

    # --- aimed at the rules

    def derive(self):
        out = []
        for rule in self.rs.rules:
            for hook, way in self.paths.get(rule.chain, {}).items():
                out += self.for_rule(rule, hook, way)
        return out

    def asks(self, rule):
        """[(meets, misses)] of a rule's options, `!` applied"""
        out = []
        for opt, neg, args in rule.options():
            try:
                meets, misses = aim(opt, args, self.lay, self.sets)
            except (ValueError, KeyError, IndexError, OSError):
                continue
            if neg:
                meets, misses = misses, meets
            if meets or misses:
                out.append((meets, misses))
        return out

    def for_rule(self, rule, hook, way):
        fields = {}
        for r in way:
            for meets, _ in self.asks(r):
                for k, v in (meets[0] if meets else {}).items():
                    fields.setdefault(k, v)
        own = self.asks(rule)
        for meets, _ in own:
            fields.update(meets[0] if meets else {})
        base = Packet(hook, **fields)
        out = self.emit(base, rule)
        for meets, misses in own:
            for f in meets[1:] + misses:
                self.values.append(f)
                out += self.emit(base.but(**{"times": 1, **f}), rule)
        plain = base.but(times=1)
        if hook != "OUTPUT":
            for n in self.lay.names:
                out += self.emit(plain.but(iif=n), rule)
        if hook != "INPUT" and "dst" not in fields:
            for n in self.lay.names:
                out += self.emit(plain.but(oif=n), rule)
        if "state" not in fields and self.tracks:
            out += self.emit(plain.but(state="ESTABLISHED"), rule)[:1]
        return out

    # --- noise

    def noise(self, bases):
        """One exchange of something unusual, by chance on top of an aimed packet"""
        rng = self.rng
        base = rng.choice(bases) if bases else Packet(rng.choice(("INPUT", "FORWARD", "OUTPUT")))
        kinds = [self.noise_fields] * 5 + [self.noise_fragments, self.noise_odd, self.noise_odd, self.noise_cast,
                                           self.noise_flow, self.noise_flow]
        return rng.choice(kinds)(base)

    def noise_fields(self, base):
        """A mixture of what the rules name"""
        rng, f = self.rng, {}
        for _ in range(rng.randrange(1, 4)):
            if self.values:
                f.update(rng.choice(self.values))
        f["times"] = 1
        return self.emit(Packet(base.hook, **{**({} if rng.random() < 0.5 else base.f), **f}))

    def noise_fragments(self, base):
        """A whole datagram in two or three fragments, now and then in the wrong order"""
        rng = self.rng
        p = base.but(times=1, state=None).settle(self.lay, rng)
        if p.f["proto"] not in (TCP, UDP, ICMP):
            p.f.update(proto=UDP, sport=p.f.get("sport", 1024), dport=p.f.get("dport", 53))
        p.f["id"] = rng.randrange(1, 65536)
        lines = fragments(p, self.index.get(p.f["from"]), rng.choice((96, 160)), rng.choice((1, 2)))
        if rng.random() < 0.2 and p.f["from"] != "o":	# what a host sends is in order
            lines.reverse()
        return [Exchange(lines, None, self.row_of(p.but(mf=True)))]

    def noise_odd(self, base):
        """Tinygrams, options, TTL, DF over the MTU, martians, broken headers"""
        rng = self.rng
        odd = rng.choice([
            {"l4": rng.randrange(0, 20)}, {"off": 1, "id": rng.randrange(1, 65536)},
            {"opt": rng.choice(GOOD_OPTIONS + BAD_OPTIONS)},
            {"ttl": 1}, {"ttl": 2}, {"ttl": 0}, {"df": True, "len": 1472}, {"df": True, "len": 1460},
            {"badip": True}, {"badl4": True}, {"ihl": 4}, {"ihl": 15}, {"ver": 5}, {"totlen": 10},
            {"totlen": 3000}, {"cut": 19}, {"cut": 24}, {"pad": 18}, {"vlan": 7},
            {"src": rng.choice(("127.0.0.1", "0.0.0.0", "255.255.255.255", "224.0.0.1", "240.0.0.1"))},
            {"src": rng.choice(sorted(self.lay.local))}, {"dst": rng.choice(("0.0.0.0", "127.0.0.1", "240.0.0.1"))},
            {"dst": NO_ROUTE.rsplit(".", 1)[0] + ".9"}, {"dmac": "other"}, {"nocsum": True, "proto": UDP},
            {"proto": rng.randrange(256)}, {"proto": TCP, "doff": rng.randrange(16)}, {"urg": 7, "flags": "AU", "proto": TCP},
        ])
        p = base.but(times=1, state=None, **odd).settle(self.lay, rng)
        if p.f["from"] == "o" and set(odd) & {"badip", "ihl", "ver", "totlen", "cut", "l4", "off", "src", "dst", "opt"}:
            # a raw socket refuses some of these itself; with wires they all arrive
            p.f["from"] = self.lay.letter[self.lay.outside]
        return [self.exchange([p.line()], p, None)]

    def noise_cast(self, base):
        rng = self.rng
        name = rng.choice(self.lay.names)
        net = self.lay.host(name, 255)
        odd = rng.choice([
            {"dst": "255.255.255.255", "dmac": "bcast"}, {"dst": net, "dmac": "bcast"}, {"dst": net},
            {"dst": "224.0.0.1", "dmac": "mcast"}, {"dst": "239.1.2.3", "dmac": "mcast"},
            {"dmac": "bcast"}, {"dmac": "mcast"}, {"src": "0.0.0.0", "dst": "255.255.255.255", "dmac": "bcast"},
        ])
        p = base.but(times=1, state=None, **odd)
        p.hook = "INPUT"
        p = p.but(iif=name).settle(self.lay, rng)
        return [self.exchange([p.line()], p, None)]

    def noise_flow(self, base):
        """A conversation: opening, answers, errors about it, an end that may be abrupt"""
        rng = self.rng
        p = base.but(times=1, state=None).settle(self.lay, rng)
        p.f.pop("state", None)
        p.f.pop("times", None)
        if p.f["proto"] not in PORTS + (ICMP,) or p.f["proto"] == SCTP:
            p = p.but(proto=rng.choice((TCP, UDP)), sport=rng.randrange(20000, 60000), dport=80)
        lines = list(rng.choice(self.established(p)))
        if rng.random() < 0.4 and p.f["proto"] != ICMP:
            lines += rng.choice(self.related(p))
        if rng.random() < 0.3 and p.f["proto"] == TCP:
            lines.insert(rng.randrange(len(lines)), p.but(flags="RA", seq=101, ack=501).line())
        if rng.random() < 0.3:
            del lines[rng.randrange(len(lines))]
        if rng.random() < 0.2:
            lines.append(rng.choice(lines))
        return [self.exchange(lines, p, None)]

    def plan(self, total):
        """Exchanges of about @total frames, and how many aimed ones there were"""
        aimed = self.derive()
        seen, unique = set(), []
        for x in aimed:
            key = tuple(x.lines)
            if key not in seen:
                seen.add(key)
                unique.append(x)
        self.rng.shuffle(unique)
        # every rule keeps a few, however small @total is
        kept, rest, per_rule = [], [], {}
        for x in unique:
            n = per_rule.get(id(x.rule), 0)
            per_rule[id(x.rule)] = n + 1
            (kept if n < 4 else rest).append(x)
        out, frames = [], 0
        for i, x in enumerate(kept + rest):
            if frames < total * 4 // 5 or i < min(len(kept), total // 5):
                out.append(x)
                frames += len(x.lines)
        bases = []
        for rule in self.rs.rules:
            for hook, way in self.paths.get(rule.chain, {}).items():
                f = {}
                for r in way + [rule]:
                    for meets, _ in self.asks(r):
                        f.update(meets[0] if meets else {})
                bases.append(Packet(hook, **f))
        while frames < total:
            for x in self.noise(bases):
                out.append(x)
                frames += len(x.lines)
        self.rng.shuffle(out)
        return out, len(unique)
