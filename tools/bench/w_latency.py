# SPDX-License-Identifier: GPL-2.0-only
"""
w_latency.py - round trips through the router: median and 99th percentile, while rules change

A ping-pong of single datagrams between two hosts, on one CPU; meanwhile, or not, one rule
is appended and deleted again and again on another. The rules that accept it have
counted both ways of every round trip.
"""
import threading

from measure import Options, note, results
from rulesets import Rules, five_tuples
from world import CPUS, PEER, Process, sh, worlds

NAMES = ["none", "iptables-legacy", "iptables-nft", "ours-tc", "ours-netfilter", "ours-xdp"]
RULE = "FORWARD -s 9.9.9.9 -j DROP".split()
PORT = "7007"
ADDR = "10.2.0.2"
CPU, OTHER = CPUS - 1, 0


def steps():
    for n in (1000,) if Options.quick else (10, 1000, 10000):
        yield n, lambda n=n: at(n)


class Changes(threading.Thread):
    """-A and -D by turns until the `with` block ends."""

    def __init__(self, w):
        super().__init__()
        self.w, self.over, self.made = w, False, 0

    def run(self):
        while not self.over:
            for op in ("-A", "-D"):
                self.w.run(self.w.tool() + [op] + RULE, cpu=OTHER)
                self.made += 1

    def __enter__(self):
        self.start()
        return self

    def __exit__(self, *_):
        self.over = True
        self.join()


def ping(w):
    with Process([PEER, "echo", PORT], w.server, CPU, "ready"):
        out = sh([PEER, "ping", ADDR, PORT, "1" if Options.quick else "3"], w.outside, cpu=CPU, timeout=60)
    trips, p50, p99, _, lost = out.split()
    if int(lost):
        note("latency: %s lost %s of %s round trips" % (w.name, lost, trips))
    return int(trips), float(p50), float(p99)


def pings(w):
    """[(when, p50, p99)], with the counters looked at when no rule is being changed."""
    before = w.hits()
    trips, p50, p99 = ping(w)
    found = [("quiet", p50, p99)]
    if before:
        with Changes(w) as changes:
            more, p50, p99 = ping(w)
        found.append(("changing", p50, p99))
        counted = w.hits()[1][0] - before[1][0]
        # of what arrives while rules change legacy iptables may lose count
        if not changes.made or counted < 2 * (trips if w.kind == "legacy" else trips + more):
            raise RuntimeError("%s: %d changes; %d and %d round trips, the rules counted %d packets" % (
                w.name, changes.made, trips, more, counted))
    return found


def at(n):
    after = [("-A FORWARD -p udp -m udp --%sport %s -j ACCEPT" % (d, PORT), "") for d in "ds"]
    rules = Rules(five_tuples(n, "DROP"), "DROP", after=after)
    ws = [w for w in worlds(NAMES, True) if w.load(rules)]
    rows = {}
    for _ in range(Options.rounds):
        for w in ws:
            for when, p50, p99 in pings(w):
                rows.setdefault(("p50-" + when, w.name), []).append(p50)
                rows.setdefault(("p99-" + when, w.name), []).append(p99)
    for (series, name), values in sorted(rows.items(), key=lambda r: r[0][0]):
        results.add("latency", n, series, name, "us", values)
