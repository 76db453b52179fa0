# SPDX-License-Identifier: GPL-2.0-only
"""
w_updates.py - what a change of the rules costs: one command at N rules, a restore, 1000 commands

A command's time is from its start to its end, as a script that calls it would see. What it
did is looked at afterwards: the rule is there, or gone. Who comes behind whom changes from
round to round: the 17 ms of an iptables-nft leave cold caches to the next.
"""
import os
import random
import time

from measure import Options, results
from rulesets import Rules, five_tuples, iptables_rule
from world import close_all, enter, netns_fd, worlds

NAMES = ["iptables-legacy", "iptables-nft", "ours-tc", "ours-netfilter", "ours-xdp"]
RULE = "-s 9.9.9.9 -p udp --dport 9 -j DROP".split()
OPS = {"append": (["-A", "FORWARD"] + RULE, True), "delete": (["-D", "FORWARD"] + RULE, False),
       "insert": (["-I", "FORWARD", "1"] + RULE, True), "delete-first": (["-D", "FORWARD", "1"], False)}
NFT_MOST = 10000


def steps():
    for n in (0, 10, 1000, 10000, 100000):
        yield n, lambda n=n: at(n)
    yield "commands-in-a-row", in_a_row


def spawn(w, args):
    """Milliseconds of a command in the world's namespace, with as little around it as can be."""
    home, there = os.open("/proc/thread-self/ns/net", os.O_RDONLY), netns_fd(w.router)
    env = dict(os.environ, **w.env)
    try:
        enter(there)
        start = time.perf_counter()
        status = os.waitpid(os.posix_spawnp(args[0], args, env), 0)[1]
        took = time.perf_counter() - start
    finally:
        enter(home)
        os.close(home)
        os.close(there)
    if status:
        raise RuntimeError("%s: status %d" % (" ".join(args), status))
    return 1000 * took


def has_rule(w):
    return not os.system("nsenter --net=/run/netns/%s %s -C FORWARD %s 2>/dev/null" % (
        w.router, " ".join(w.tool()), " ".join(RULE)))


def at(n):
    ws = [w for w in worlds(NAMES) if n <= NFT_MOST or w.kind != "nft"]
    text = Rules(five_tuples(n, "ACCEPT"), "ACCEPT").restore()
    restore = {w: [] for w in ws}
    for _ in range(min(Options.rounds, 3) if n > 10000 else Options.rounds):
        for w in random.sample(ws, len(ws)):
            start = time.perf_counter()
            w.run(w.tool("-restore"), stdin=text)
            restore[w].append(1000 * (time.perf_counter() - start))
    for w in ws:
        results.add("updates", n, "restore", w.name, "ms", restore[w])
        if len([x for x in w.run(w.tool("-save") + ["-t", "filter"]).splitlines() if x.startswith("-A")]) != n:
            raise RuntimeError("%s does not hold %d rules" % (w.name, n))
    took = {(w, op): [] for w in ws for op in OPS}
    for i in range(Options.rounds * (5 if n <= 10000 else 1)):
        for op, (args, there) in OPS.items():
            for w in random.sample(ws, len(ws)):
                took[w, op].append(spawn(w, w.tool() + args))
                if not i and has_rule(w) != there:
                    raise RuntimeError("%s: %s did nothing" % (w.name, op))
    for op in OPS:
        for w in ws:
            results.add("updates", n, op, w.name, "ms", took[w, op])


def in_a_row():
    """A shell script of 1000 commands, from no rules on, on hosts that never had any."""
    rules = five_tuples(1000, "ACCEPT", 5)
    close_all()
    ws = worlds(NAMES)
    took = {w: [] for w in ws}
    for _ in range(min(Options.rounds, 3)):
        for w in random.sample(ws, len(ws)):
            w.load(Rules([], "ACCEPT"))
            script = "\n".join(" ".join(w.tool()) + " " + iptables_rule("FORWARD", r) for r in rules)
            start = time.perf_counter()
            w.run(["sh", "-e"], stdin=script)
            took[w].append(1000 * (time.perf_counter() - start))
    for w in ws:
        results.add("updates", len(rules), "commands-in-a-row", w.name, "ms", took[w])
