# SPDX-License-Identifier: GPL-2.0-only
"""
w_rules.py - FORWARD with N random 5-tuple rules

none: packets that no rule knows, policy ACCEPT. last, random: rules say ACCEPT,
policy DROP, so that what comes out proves the match. One flow and 4096 flows.
"""
import random

from measure import POLICY, RULES, Options, blast
from rulesets import Rules, five_tuples, flows, frame_of
from world import note, worlds

COUNTS = (0, 1, 10, 100, 1000, 5000, 10000, 50000, 100000)
# Beyond these a contender's packets or its loading take too long to wait for (bpfilter: 20 s
# for 5000 rules one by one; 6000 the kernel does not take).
MOST = {"iptables-nft": 10000, "bpfilter-tc": 5000, "bpfilter-netfilter": 5000, "bpfilter-xdp": 5000}


def steps():
    for n in (0, 10, 1000, 10000, 100000) if Options.quick else COUNTS:
        yield n, lambda n=n: at(n)


def at(n):
    ws = worlds(["none", "iptables-legacy", "iptables-nft", "nft-set", "ours-tc",
                 "ours-netfilter", "ours-xdp", "ours-xdp-forward", "bpfilter-tc", "bpfilter-netfilter",
                 "bpfilter-xdp", "bpfilter-tc-set", "bpfilter-netfilter-set", "bpfilter-xdp-set"])
    able = []
    rules = Rules(five_tuples(n, "ACCEPT"), "ACCEPT")
    for w in ws:
        if n <= MOST.get(w.name, n) and w.load(rules):
            able.append(w)
        elif n > MOST.get(w.name, n):
            note("%s is not tried with %d rules" % (w.name, n))
    blast("rules", n, "none-1", able, flows(1), 1, POLICY)
    blast("rules", n, "none-4096", able, flows(4096), 1, POLICY)
    if not n:
        return
    drop = Rules(rules.rules, "DROP")
    for w in able:
        if w.kind in ("legacy", "nft", "ours"):
            w.run(w.tool() + ["-P", "FORWARD", "DROP"])
        else:
            w.load(drop)
    rng = random.Random(3)
    blast("rules", n, "last-1", able, [frame_of(rules.rules[-1])], 1, RULES)
    blast("rules", n, "random-4096", able,
          [frame_of(rng.choice(rules.rules)) for _ in range(4096)], 1, RULES)
