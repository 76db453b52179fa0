# SPDX-License-Identifier: GPL-2.0-only
"""
w_attack.py - the papers' DDoS: a service goes on while its host drops a flood

1000 rules (20 sources, 50 source ports) drop the flood's UDP in INPUT, two state rules
let the service through. Flood, clients and server share one CPU, the flood's packets
before all else as on a real host: connections per second are what is left over when
so many packets a second have been dropped, or as many of them as the CPU could take
(dropped). The rules that drop have counted every packet of the flood.
"""
import random
import time

from measure import Options, note, results
from rulesets import frame
from w_papers import product
from w_sockets import HOST, PORT, stateful
from world import BLAST, CPUS, PEER, TMP, Process, sh, worlds

NAMES = ["iptables-legacy", "iptables-nft", "ipset", "nft-set", "ours-tc", "ours-netfilter",
         "ours-xdp", "ours-hybrid"]
CPU = CPUS - 1


def steps():
    for rate in (0, 200000, 1000000) if Options.quick else (0, 50000, 200000, 500000, 1000000, 2000000):
        yield rate, lambda rate=rate: at(rate)


def connect(w):
    made, took = sh([PEER, "connect", HOST, PORT, "1" if Options.quick else "2", "8"], w.outside, cpu=CPU,
                    check=False, timeout=120).split()
    return int(made) / float(took) / 1000


def under(w, rate, path):
    """1000 connections a second, 1000 packets of the flood a second, what went wrong."""
    if not rate:
        return connect(w), None, None
    before = w.hits("DROP")
    flood = Process([BLAST, "flood", "-p", str(rate), "-c", str(CPU), "60", path, w.spec()], None)
    with flood:
        start = time.perf_counter()
        got = connect(w)
    took, sent, dropped = time.perf_counter() - start, int(flood.out), w.hits("DROP")[1][0] - before[1][0]
    bad = None if sent == dropped and sent else "%d sent, %d dropped by rules" % (sent, dropped)
    return got, dropped / took / 1000, bad


def at(rate):
    rules = product(20, 0, 50, 0, "DROP")
    rng = random.Random(5)
    path = TMP + "/flood"
    with open(path, "wb") as f:
        for _ in range(4096):
            r = rng.choice(rules)
            f.write(frame(r[0], HOST, "udp", r[3], rng.randrange(9090, 10000)))
    ws = [w for w in worlds(NAMES, True) if w.load(stateful(rules))]
    values = {w: [] for w in ws}
    for _ in range(Options.rounds):
        for w in ws:
            with Process([PEER, "serve", PORT, "2"], w.router, CPU, "ready"):
                got, drops, bad = under(w, rate, path)
            if bad:
                note("attack %d: %s has no figure: %s" % (rate, w.name, bad))
                values[w] = None
            if values[w] is not None:
                values[w].append((got, drops))
    for w in ws:
        results.add("attack", rate, "service", w.name, "1000 connections/s", [v[0] for v in values[w] or ()])
    for w in ws if rate else ():
        results.add("attack", rate, "dropped", w.name, "1000 packets/s", [v[1] for v in values[w] or ()])
