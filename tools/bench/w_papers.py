# SPDX-License-Identifier: GPL-2.0-only
"""
w_papers.py - the scenarios of the pcn-iptables papers' own test suite

baseline: no rules. sweep: cross products of exact values, every packet hits. fields:
1000 rules on one more field each. dmz: a stateful server farm, a tenth of the packets
meets the policy. blacklist: 1000 and 10000 sources dropped (the papers' HORUS) beside
two XDP programs that set the bar: a bare drop, and one hash lookup. xdp-vs-tc: TCP into
a host without rules. conntrack: the rate of new connections. The papers' DDoS, a
service under attack, is w_attack.py.
"""
import itertools
import random

import w_sockets
from measure import POLICY, RULES, Options, blast
from rulesets import Rules, flows, frame_of
from world import worlds

FORWARD = ["none", "iptables-legacy", "iptables-nft", "nft-set", "ours-tc", "ours-netfilter",
           "ours-xdp", "ours-xdp-forward"]
SWEEP = ((50, 3, 3, 3, 2), (100, 5, 5, 2, 2), (500, 5, 5, 10, 2), (1000, 10, 5, 4, 5), (5000, 10, 5, 10, 10))
FIELDS = (("src", (1000, 0, 0, 0), None), ("src dst", (40, 25, 0, 0), None),
          ("proto", (40, 25, 0, 0), "udp"), ("sport", (10, 10, 10, 0), "udp"),
          ("dport", (10, 5, 4, 5), "udp"))
DMZ = ((51, 5, 9), (501, 10, 49), (5001, 50, 99))
STATE = ["-A FORWARD -m conntrack --ctstate ESTABLISHED -j ACCEPT"]


def product(nsrc, ndst, nsport, ndport, target, proto="udp"):
    """All combinations; 0 of a field leaves it out."""
    fields = [["192.168.%d.%d" % (i // 250, 1 + i % 250) for i in range(nsrc)] or [None],
              ["192.168.10.%d" % (i + 1) for i in range(ndst)] or [None], [proto],
              [10100 + i for i in range(nsport)] or [None], [8080 + i for i in range(ndport)] or [None]]
    return [(*f, target) for f in itertools.product(*fields)]


def hits(rules):
    rng = random.Random(5)
    return [frame_of(rng.choice(rules), rng) for _ in range(4096)]


def steps():
    q = Options.quick
    yield "baseline", baseline
    for n, *shape in SWEEP[::2] if q else SWEEP:
        yield "sweep %d" % n, lambda n=n, shape=shape: exact(n, "sweep", product(*shape, "ACCEPT"))
    for name, shape, proto in FIELDS:
        yield "fields " + name, lambda name=name, shape=shape, proto=proto: exact(
            name, "fields", product(*shape, "ACCEPT", proto))
    for n, *shape in DMZ[::2] if q else DMZ:
        yield "dmz %d" % n, lambda n=n, shape=shape: dmz(n, *shape)
    for n in (1000, 10000):
        yield "blacklist %d" % n, lambda n=n: blacklist(n)
    yield "xdp-vs-tc", lambda: w_sockets.throughput(
        "papers", "xdp-vs-tc", ["none", "ours-tc", "ours-xdp"], "INPUT", [], "ACCEPT")
    yield "conntrack", lambda: w_sockets.conntrack_rate("papers", "conntrack")


def baseline():
    ws = [w for w in worlds(FORWARD) if w.load(Rules([], "ACCEPT"))]
    blast("papers", 0, "baseline", ws, flows(4096), 1, POLICY)


def exact(x, series, rules):
    ws = [w for w in worlds(FORWARD) if w.load(Rules(rules, "DROP"))]
    blast("papers", x, series, ws, hits(rules), 1, RULES)


def dmz(n, servers, ports):
    rules = product(0, servers, 0, ports, "ACCEPT")
    rng = random.Random(5)
    frames = [frame_of((None, r[1], "udp", None, r[4] + (1000 if i % 10 == 0 else 0), ""), rng)
              for i, r in enumerate(rng.choice(rules) for _ in range(4096))]
    ws = [w for w in worlds(FORWARD) if w.load(Rules(rules, "DROP", before=STATE))]
    blast("papers", n, "dmz", ws, frames)


def blacklist(n):
    rules = [("10.%d.%d.%d" % (i >> 16, i >> 8 & 255, i & 255), None, None, None, None, "DROP")
             for i in range(1, n + 1)]
    ws = [w for w in worlds(["xdp-drop", "xdp-hash-drop", "iptables-legacy", "ipset", "nft-set",
                             "ours-tc", "ours-xdp", "ours-hybrid", "bpfilter-xdp-set"]) if w.load(Rules(rules, "ACCEPT"))]
    blast("papers", n, "blacklist", ws, hits(rules), 0, RULES)
