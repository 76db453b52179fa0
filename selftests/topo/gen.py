#!/usr/bin/python3
# SPDX-License-Identifier: GPL-2.0-only
"""gen.py - random rulesets and the frames to try them with, for random.sh

	gen.py SEED COUNT DIR [--avoid a,b,...] [--frames N] [--rules N]

Writes DIR/<i>.rules (iptables-save text) and DIR/<i>.frames (notation of
tools/frame.h) for i in 0..COUNT-1. Ruleset i depends on SEED+i alone, so
`gen.py SEED+i 1 DIR` makes that one again.

Rules and frames draw from the same small pools of addresses, ports and values,
so that most rules are hit by some frame and near misses are common. User chain k
jumps only to chains above k: no loops. --avoid leaves out matches and targets by
the names used here and in gen_late.py; "late" all of the latter. One ruleset in two has
some of those. Where connections are tracked, frames answer earlier ones, and are no fragments
(a row of Documentation/iptables-compat.rst at tc and xdp).
"""
import argparse
import random

from gen_late import late, late_target

LOCAL = ["10.1.0.1", "10.2.0.1"]
CLIENTS = ["10.1.0.2", "10.1.0.3", "10.1.0.66", "10.1.0.130", "10.1.0.254"]
SERVERS = ["10.2.0.2", "10.2.0.3", "10.2.0.65", "10.2.0.129", "10.2.5.9", "172.16.33.1",
           "172.32.1.1", "192.168.1.7", "192.168.1.200", "8.8.8.8"]
TCP_FLAGS = ["FIN", "SYN", "RST", "PSH", "ACK", "URG"]
ICMP = ["0", "3", "3/1", "3/3", "3/4", "8", "11", "17", "any", "echo-request"]


def ip2n(a):
    n = 0
    for part in a.split("."):
        n = n << 8 | int(part)
    return n


def n2ip(n):
    return ".".join(str(n >> s & 255) for s in (24, 16, 8, 0))


class Gen:
    """One ruleset and its frames"""

    def __init__(self, seed, args):
        self.r = random.Random(seed)
        self.seed, self.serial = seed, 0
        self.ct = False         # a rule asks for connections
        self.past = []          # frames that may be answered
        self.avoid = set(args.avoid.split(",")) if args.avoid else set()
        self.ports = [self.r.choice([22, 53, 80, 443, 1024, 8080, 65535, 0]) for _ in range(3)]
        self.ports += [self.r.randrange(65536) for _ in range(3)]
        self.args = args
        self.late = self.some("late") and self.chance(0.5)
        # rules that count connections, and packets of a few of them; its own dice
        self.limits = self.some("late", "connlimit") and random.Random(f"limits{seed}").random() < args.limits
        self.late |= self.limits
        self.last_port = 80
        self.hint = {}      # what a frame needs to meet the rule being made
        self.hints = [{}]

    def some(self, *names):
        """May these be used?"""
        return not self.avoid & set(names)

    def chance(self, p):
        return self.r.random() < p

    def neg(self, p=0.15):
        return "! " if self.chance(p) else ""

    def port(self):
        p = self.r.choice(self.ports)
        return max(0, min(65535, p + self.r.choice([0, 0, 0, 0, 1, -1])))

    def port_range(self):
        if self.chance(0.5):
            self.last_port = self.port()
            return str(self.last_port)
        a, b = sorted((self.port(), self.port()))
        if not self.some("from0"):
            a, b = max(a, 1), max(b, 1)
            return f"{a}:{b}"
        return self.r.choice([f"{a}:{b}", f":{b}", f"{a}:"])

    def addr_spec(self, pool):
        a = ip2n(self.r.choice(pool))
        k = self.r.random()
        if k < 0.4:
            return n2ip(a)
        if k < 0.95:
            ln = self.r.choice([0, 1, 7, 8, 12, 16, 20, 23, 24, 25, 26, 28, 30, 31])
            mask = (0xffffffff << (32 - ln)) & 0xffffffff
            return f"{n2ip(a & mask)}/{ln}"
        mask = self.r.choice([0xff00ff00, 0xffff00ff, 0x000000ff, 0xffffff01])
        return f"{n2ip(a & mask)}/{n2ip(mask)}"

    def addr(self, opt, pool):
        spec = self.addr_spec(pool)
        neg = "" if spec.endswith("/0") and not self.some("not-any") else self.neg()
        if not neg and "/" not in spec:
            self.hint["src" if opt == "-s" else "dst"] = spec
        return f"{neg}{opt} {spec}"

    def proto_part(self):
        """-p and the matches that need it"""
        p = self.r.choice(["tcp"] * 4 + ["udp"] * 3 + ["icmp"] * 2 + ["udplite", "sctp", "47", "esp", "ah"])
        if self.chance(0.1):
            return f"{self.neg(0.5)}-p {p}"
        out = [f"-p {p}"]
        self.hint["proto"] = {"esp": "50", "ah": "51"}.get(p, p)
        if p in ("tcp", "udp", "udplite", "sctp"):
            k = self.r.random()
            if k < 0.2 and p != "sctp" and self.some("multiport"):
                kind = self.r.choice(["--sports", "--dports", "--ports"])
                lst = sorted({self.port() for _ in range(self.r.randrange(1, 6))})
                lst = [str(x) for x in lst]
                if self.chance(0.4):
                    a = min(self.port(), 65000)
                    lst.append(f"{a}:{a + self.r.randrange(1, 500)}")
                out.append(f"-m multiport {self.neg()}{kind} {','.join(lst)}")
            elif k < 0.9 and p != "udplite" and self.some(p):
                one = []
                if self.chance(0.4):
                    one.append(f"{self.neg()}--sport {self.port_range()}")
                if self.chance(0.7):
                    one.append(f"{self.neg()}--dport {self.port_range()}")
                    self.hint["dport"] = self.last_port
                if p == "tcp" and self.chance(0.3):
                    mask = self.r.sample(TCP_FLAGS, self.r.randrange(1, 6))
                    comp = [f for f in mask if self.chance(0.5)]
                    one.append(f"{self.neg()}--tcp-flags {','.join(mask)} {','.join(comp) or 'NONE'}")
                if p == "tcp" and self.chance(0.08) and self.some("tcp-option"):
                    one.append(f"{self.neg()}--tcp-option {self.r.choice([2, 3, 4, 8, 30])}")
                if one or self.chance(0.5):
                    out.append(f"-m {p} {' '.join(one)}".rstrip())
        elif p == "icmp" and self.chance(0.8) and self.some("icmp"):
            out.append(f"-m icmp {self.neg()}--icmp-type {self.r.choice(ICMP)}")
        elif p in ("esp", "ah") and self.some(p):
            lo = self.r.randrange(0, 600)
            out.append(f"-m {p} {self.neg()}--{p}spi {lo}:{lo + self.r.randrange(300)}")
        return " ".join(out)

    def extra(self, reach):
        """One more match; @reach: the built-in chains that may lead here"""
        k = self.r.choice(["iprange", "mac", "length", "ttl", "tos", "dscp", "ecn", "pkttype", "mark", "comment"])
        if not self.some(k):
            return ""
        if k == "iprange":
            pool, opt = self.r.choice([(CLIENTS, "--src-range"), (SERVERS, "--dst-range")])
            a, b = sorted((ip2n(self.r.choice(pool)), ip2n(self.r.choice(pool))))
            return f"-m iprange {self.neg()}{opt} {n2ip(a)}-{n2ip(b)}"
        if k == "mac":
            if "OUTPUT" in reach:
                return ""
            mac = self.r.choice(["02:00:00:00:01:02", "02:00:00:00:02:02", "02:00:00:00:00:07"])
            return f"-m mac {self.neg(0.4)}--mac-source {mac}"
        if k == "length":
            a = self.r.choice([0, 28, 40, 41, 60, 100])
            return f"-m length {self.neg()}--length {a}:{a + self.r.choice([0, 1, 30, 500])}"
        if k == "ttl":
            return f"-m ttl --ttl-{self.r.choice(['eq', 'lt', 'gt'])} {self.r.choice([1, 2, 63, 64, 127])}"
        if k == "tos":
            return f"-m tos {self.neg()}--tos {self.r.choice(['0x10', '0x08/0x3f', '0x00/0xff', '0xb8/0xfc'])}"
        if k == "dscp":
            return f"-m dscp {self.neg()}--dscp {self.r.choice(['0x00', '0x2e', '0x04', '0x08'])}"
        if k == "ecn":
            return f"-m ecn {self.neg(0.3)}--ecn-ip-ect {self.r.randrange(4)}"
        if k == "pkttype":
            return f"-m pkttype {self.neg()}--pkt-type {self.r.choice(['unicast', 'broadcast', 'multicast'])}"
        if k == "mark":
            return f"-m mark {self.neg()}--mark {self.r.choice(['0x0', '0x1', '0x1/0x1', '0x2/0x3'])}"
        return '-m comment --comment "why not"'

    def target(self, chain, later):
        k = self.r.random()
        if k < 0.28:
            return "-j ACCEPT"
        if k < 0.5:
            return "-j DROP"
        if k < 0.75 and later:
            return f"-{self.r.choice('jjg') if self.some('goto') else 'j'} {self.r.choice(later)}"
        if k < 0.82:
            return "-j RETURN"
        if k < 0.88 and self.some("MARK"):
            return f"-j MARK --set-xmark {self.r.choice(['0x1/0x1', '0x2/0xffffffff', '0x0/0x3'])}"
        if k < 0.94 and self.some("REJECT"):
            return "-j REJECT --reject-with " + self.r.choice(
                ["icmp-port-unreachable", "icmp-host-unreachable", "icmp-admin-prohibited", "icmp-net-prohibited"])
        return ""

    def rule(self, chain, later, reach):
        out = [f"-A {chain}"]
        self.hint = {}
        self.hints.append(self.hint)
        if self.chance(0.35):
            out.append(self.addr("-s", CLIENTS + SERVERS[:3]))
        if self.chance(0.4):
            pool = LOCAL + CLIENTS[:2] if chain == "INPUT" else SERVERS + LOCAL
            out.append(self.addr("-d", pool))
        names = ["eth0", "eth1", "eth+", "e+", "lo", "ppp0", "eth", "wg+"]
        if chain != "OUTPUT" and self.chance(0.15):
            out.append(f"{self.neg()}-i {self.r.choice(names)}")
        if chain != "INPUT" and self.chance(0.15):
            out.append(f"{self.neg()}-o {self.r.choice(names)}")
        if self.chance(0.6):
            out.append(self.proto_part())
        if self.chance(0.06) and self.some("fragment"):
            out.append(f"{self.neg(0.5)}-f")
        for _ in range(2):
            if self.chance(0.12):
                out.append(self.extra(reach))
        if self.late and self.chance(0.45):
            out.append(late(self, chain, reach))
        t = self.target(chain, later)
        if self.late and not t and self.chance(0.6):
            t = late_target(self, self.hint.get("proto"))
        # what ends the walk must not catch all, or the rules below are never tried
        if t[:4] in ("-j A", "-j D", "-j R", "-g u") and len(out) < 3:
            out.insert(1, self.addr("-s", CLIENTS))
            if len(out) < 3:
                out.append(self.proto_part())
            out = [x for i, x in enumerate(out) if " -s " not in f" {x}" or i == 1]
        text = " ".join(x for x in out if x)
        return f"{text} {t}".rstrip()

    def rules(self):
        n_user = self.r.randrange(0, 8)
        users = [f"u{i}" for i in range(n_user)]
        lines = ["*filter"]
        for c in ("INPUT", "FORWARD", "OUTPUT"):
            lines.append(f":{c} {self.r.choice(['ACCEPT', 'DROP'])} [0:0]")
        lines += [f":{u} - [0:0]" for u in users]
        top = self.args.rules
        for c in ("INPUT", "FORWARD", "OUTPUT"):
            for _ in range(self.r.choice([0, 1, 3, 10, 30, top])):
                lines.append(self.rule(c, users, [c]))
        for i, u in enumerate(users):
            for _ in range(self.r.choice([0, 1, 2, 5, 12])):
                lines.append(self.rule(u, users[i + 1:], ["INPUT", "FORWARD", "OUTPUT"]))
        return lines + ["COMMIT"]

    def few_frame(self):
        """The first frame of one of a few connections"""
        frm = self.r.choice("cccs")
        src, dst = (CLIENTS[:3], SERVERS[:3])[::1 if frm == "c" else -1]
        proto = self.r.choice(["tcp"] * 4 + ["udp"] * 2 + ["icmp"])
        src, dst = self.r.choice(src), self.r.choice(dst + LOCAL[:1] if frm == "c" else dst)
        if proto == "icmp":
            return f"{frm} icmp {src} {dst} type=8"
        ports = f"{frm} {proto} {src}:{self.r.randrange(1024, 1028)} {dst}:{self.r.choice(self.ports[:2])}"
        return ports + (" flags=" + self.r.choice(["S", "S", "S", "A", "FA", "R"]) if proto == "tcp" else "")

    def frame(self):
        """One frame, or, of a connection, the answer to an earlier one"""
        if not self.ct:
            return self.new_frame()
        if self.past and self.chance(0.45):
            frm, proto, src, dst, flags = self.r.choice(self.past)
            if self.chance(0.7):
                frm, src, dst = self.side(dst), dst, src
            out = [frm, proto, src, dst]
            if proto == "tcp":
                out.append("flags=" + self.r.choice({"S": ["SA", "RA", "S"], "": ["A", "S"]}.get(flags, ["A", "PA", "FA"])))
            if proto == "icmp":
                out.append(f"type={self.r.choice([0, 0, 8])}")
            return " ".join(out + ([f"len={self.r.choice([1, 30, 200])}"] if self.chance(0.5) else []))
        line = self.few_frame() if self.limits and self.chance(0.8) else self.new_frame()
        w = line.split()
        self.past.append((*w[:4], next((x[6:] for x in w if x.startswith("flags=")), "")))
        return line

    @staticmethod
    def side(addr):
        """Where frames from this address come from"""
        a = addr.split(":")[0]
        return "o" if a in LOCAL else "c" if a in CLIENTS else "s"

    def new_frame(self):
        k = self.r.random()
        if k < 0.5:
            frm, src, dst = "c", self.r.choice(CLIENTS), self.r.choice(SERVERS)
        elif k < 0.65:
            frm, src, dst = "s", self.r.choice(SERVERS), self.r.choice(CLIENTS)
        elif k < 0.85:
            frm, src, dst = "c", self.r.choice(CLIENTS), self.r.choice(LOCAL)
        else:
            frm, src, dst = "o", self.r.choice(LOCAL), self.r.choice(SERVERS + CLIENTS[:2] + LOCAL[:1])
        h = self.r.choice(self.hints) if self.chance(0.6) else {}
        if frm == "c":
            src, dst = h.get("src", src), h.get("dst", dst)
        proto = h.get("proto") or self.r.choice(["tcp"] * 4 + ["udp"] * 3 + ["icmp"] * 2 + ["udplite", "sctp", "47", "50", "51"])
        ports = proto in ("tcp", "udp", "udplite", "sctp")
        out = [frm, proto, f"{src}:{self.port()}" if ports else src,
               f"{dst}:{h.get('dport', self.port())}" if ports else dst]
        if proto == "tcp":
            out.append("flags=" + "".join(self.r.sample("FSRPAUEC", self.r.randrange(0, 4))))
            if self.chance(0.2):
                out.append("topt=" + self.r.choice(["020405b4", "0101080a0000000100000002", "0402", "030307", "1e00"]))
        if proto == "icmp":
            out += [f"type={self.r.choice([0, 3, 3, 8, 8, 11, 17, 30])}", f"code={self.r.choice([0, 1, 3, 4])}"]
        if proto in ("50", "51"):
            out.append("pay=%08x%08x0000000000000000" % ((self.r.randrange(800), 1) if proto == "50"
                                                           else (0x06020000, self.r.randrange(800))))
        elif self.chance(0.5):
            out.append(f"len={self.r.choice([0, 1, 12, 20, 60, 72, 500])}")
        if self.chance(0.15):
            # over lo the TTL is not decremented; 1 would only test forwarding
            out.append(f"ttl={self.r.choice([2, 3, 64, 65, 128, 255])}")
        if self.chance(0.15):
            out.append(f"tos={self.r.choice(['0x10', '0x08', '0xb8', '0x02', '0x01', '0x03', '0x13'])}")
        if self.chance(0.04):
            out.append("opt=" + self.r.choice(["01010101", "94040000"]))
        if frm in "cs" and dst not in LOCAL and not self.ct:
            if self.chance(0.06) and self.some("D3"):
                out.append(f"off={self.r.choice([2, 3, 100])} id={self.r.randrange(1, 65535)}")
            elif self.chance(0.03):
                out.append(f"mf id={self.r.randrange(1, 65535)}")
            elif self.chance(0.03) and self.some("D1"):
                out.append(f"off=1 id={self.r.randrange(1, 65535)}")
        if self.chance(0.04) and self.some("D2") and frm != "o":
            out.append(f"l4={self.r.randrange(0, 20)}")
        return " ".join(out)


def main():
    ap = argparse.ArgumentParser()
    ap.add_argument("seed", type=int)
    ap.add_argument("count", type=int)
    ap.add_argument("dir")
    ap.add_argument("--avoid", default="")
    ap.add_argument("--frames", type=int, default=250)
    ap.add_argument("--rules", type=int, default=100)
    ap.add_argument("--limits", type=float, default=0.12, help="how many rulesets ask connlimit")
    args = ap.parse_args()
    for i in range(args.count):
        g = Gen(args.seed + i, args)
        with open(f"{args.dir}/{i}.rules", "w", encoding="ascii") as f:
            f.write("\n".join(g.rules()) + "\n")
        with open(f"{args.dir}/{i}.frames", "w", encoding="ascii") as f:
            f.write("\n".join(g.frame() for _ in range(args.frames // (2 if g.limits else 1))) + "\n")


if __name__ == "__main__":
    main()
