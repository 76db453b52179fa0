# SPDX-License-Identifier: GPL-2.0-only
"""w_updates.py - what a change of the rules costs: one command at N rules, a restore, 1000 commands"""
import time

from measure import Options, results
from rulesets import Rules, five_tuples, iptables_rule
from world import worlds

RULE = "-s 9.9.9.9 -p udp --dport 9 -j DROP".split()


def timed(w, args, **kw):
    start = time.perf_counter()
    w.run(args, **kw)
    return 1000 * (time.perf_counter() - start)


def run():
    ws = worlds(["iptables-legacy", "iptables-nft", "ours-tc", "ours-netfilter", "ours-xdp"])
    rounds = Options.rounds
    for n in (0, 10, 1000, 10000) if Options.quick else (0, 10, 1000, 10000, 100000):
        some = [w for w in ws if n <= 10000 or w.kind != "nft"]
        text = Rules(five_tuples(n, "ACCEPT"), "ACCEPT").restore()
        restore = {w: [] for w in some}
        ops = {w: ([], [], []) for w in some}
        for _ in range(rounds if n <= 10000 else 1):
            for w in some:
                restore[w].append(timed(w, w.tool("-restore"), stdin=text))
        for _ in range(rounds):
            for w in some:
                for i, op in enumerate((["-A", "FORWARD"], ["-I", "FORWARD", "1"], None)):
                    args = op + RULE if op else ["-D", "FORWARD", "1"]
                    ops[w][i].append(timed(w, w.tool() + args))
                w.run(w.tool() + ["-D", "FORWARD"] + RULE)
        for w in some:
            results.add("updates", n, "restore", w.name, "ms", restore[w])
            for i, name in enumerate(("append", "insert", "delete")):
                results.add("updates", n, name, w.name, "ms", ops[w][i])
    rules = five_tuples(1000 if not Options.quick else 200, "ACCEPT", 5)
    for w in ws:
        w.load(Rules([], "ACCEPT"))
        script = "\n".join(" ".join(w.tool()) + " " + iptables_rule("FORWARD", r) for r in rules)
        results.add("updates", len(rules), "commands-in-a-row", w.name, "ms",
                    [timed(w, ["sh", "-e"], stdin=script)])
