# SPDX-License-Identifier: GPL-2.0-only
"""
w_papers.py - the scenarios of the pcn-iptables papers' own test suite

sweep: cross products of exact values, every packet hits. fields: 1000 rules on one
more field each. dmz: a stateful server farm, a tenth of the packets meets the policy.
blacklist: 1000 sources x ports dropped (the papers' HORUS) beside two XDP programs that
set the bar: a bare drop, and one hash lookup.
"""
import itertools
import random

from measure import Options, blast
from rulesets import Rules, frame_of
from world import worlds

FORWARD = ["none", "iptables-legacy", "iptables-nft", "nft-set", "ours-tc", "ours-netfilter",
           "ours-xdp", "ours-xdp-forward"]


def product(nsrc, ndst, nsport, ndport, target, proto="udp"):
    """All combinations; 0 of a field leaves it out."""
    fields = [["192.168.%d.%d" % (i // 250, 1 + i % 250) for i in range(nsrc)] or [None],
              ["192.168.10.%d" % (i + 1) for i in range(ndst)] or [None], [proto],
              [10100 + i for i in range(nsport)] or [None], [8080 + i for i in range(ndport)] or [None]]
    return [(*f, target) for f in itertools.product(*fields)]


def hits(rules):
    rng = random.Random(5)
    return [frame_of(rng.choice(rules), rng) for _ in range(4096)]


def run():
    ws = worlds(FORWARD)
    sweep = ((50, 3, 3, 3, 2), (100, 5, 5, 2, 2), (500, 5, 5, 10, 2), (1000, 10, 5, 4, 5), (5000, 10, 5, 10, 10))
    for n, *shape in sweep if not Options.quick else sweep[::4]:
        rules = product(*shape, "ACCEPT")
        blast("papers", n, "sweep", [w for w in ws if w.load(Rules(rules, "DROP"))], hits(rules), 1)
    for name, shape, proto in (("src", (1000, 0, 0, 0), None), ("src dst", (40, 25, 0, 0), None),
                               ("proto", (40, 25, 0, 0), "udp"), ("sport", (10, 10, 10, 0), "udp"),
                               ("dport", (10, 5, 4, 5), "udp")):
        rules = product(*shape, "ACCEPT", proto)
        blast("papers", name, "fields", [w for w in ws if w.load(Rules(rules, "DROP"))], hits(rules), 1)
    dmz(ws)
    blacklist()


def dmz(ws):
    state = ["-A FORWARD -m conntrack --ctstate ESTABLISHED -j ACCEPT"]
    for n, servers, ports in ((51, 5, 9), (501, 10, 49), (5001, 50, 99)):
        rules = product(0, servers, 0, ports, "ACCEPT")
        full = Rules(rules, "DROP", before=state)
        rng = random.Random(5)
        frames = [frame_of((None, r[1], "udp", None, r[4] + (1000 if i % 10 == 0 else 0), ""), rng)
                  for i, r in enumerate(rng.choice(rules) for _ in range(4096))]
        blast("papers", n, "dmz", [w for w in ws if w.load(full)], frames)


def blacklist():
    ws = worlds(["xdp-drop", "xdp-hash-drop", "iptables-legacy", "ipset", "nft-set", "ours-tc", "ours-xdp"])
    for n in (1000, 10000):
        rules = [("10.%d.%d.%d" % (i >> 16, i >> 8 & 255, i & 255), None, None, None, None, "DROP")
                 for i in range(1, n + 1)]
        blast("papers", n, "blacklist", [w for w in ws if w.load(Rules(rules, "ACCEPT"))], hits(rules), 0)
