# SPDX-License-Identifier: GPL-2.0-only
"""
w_forward.py - the stack's own forwarding, and the driver's (init --forward)

A number of random 5-tuple rules that accept everything, the packet's the last one or any
of them; states: new connections accepted by their state, then found in the table.
"""
import random

from measure import POLICY, RULES, Options, blast
from rulesets import Rules, five_tuples, flows, frame_of
from world import worlds

COUNTS = (0, 10, 1000, 10000)
STATES = ["-A FORWARD -m conntrack --ctstate RELATED,ESTABLISHED -j ACCEPT",
          "-A FORWARD -m conntrack --ctstate NEW -j ACCEPT"]


def steps():
    for n in COUNTS[:3] if Options.quick else COUNTS:
        yield n, lambda n=n: at(n)
    yield "states", states


def contenders():
    return worlds(["none", "iptables-legacy", "ours-xdp", "ours-xdp-forward"])


def at(n):
    ws = contenders()
    rules = Rules(five_tuples(n, "ACCEPT"), "DROP" if n else "ACCEPT")
    for w in ws:
        w.load(rules)
    one, many = flows(1), flows(4096)
    if n:
        rng = random.Random(3)
        one = [frame_of(rules.rules[-1])]
        many = [frame_of(rng.choice(rules.rules)) for _ in range(4096)]
    blast("forward", n, "one flow", ws, one, 1, RULES if n else POLICY)
    blast("forward", n, "4096 flows", ws, many, 1, RULES if n else POLICY)


def states():
    ws = contenders()
    for w in ws:
        w.load(Rules([], "DROP", before=STATES))
    blast("forward", "states", "one flow", ws, flows(1), 1, RULES)
    blast("forward", "states", "4096 flows", ws, flows(4096), 1, RULES)
