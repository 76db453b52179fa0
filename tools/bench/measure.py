# SPDX-License-Identifier: GPL-2.0-only
"""
measure.py - bursts in every world in turn, and what they say

A round's figure is its fastest burst; a figure is the median over the rounds, its spread is from the lowest to the highest
round. Rounds visit every contender before the next begins.
"""
import os
import statistics
import subprocess

from world import BLAST, TMP, note


class Options:
    """What the command line asked for; see bench.py."""
    rounds, ms, quick = 5, 20, False


class Results:
    """Rows of (workload, x, series, contender, unit, median, low, high)."""

    def __init__(self):
        self.rows = []

    def add(self, workload, x, series, contender, unit, values):
        if values:
            row = (workload, x, series, contender, unit, statistics.median(values),
                   min(values), max(values))
            self.rows.append(row)
            print("%-12s %8s %-14s %-17s %12.1f %s (%.1f-%.1f)" % (
                workload, x, series, contender, row[5], unit, row[6], row[7]), flush=True)


results = Results()


def blast(workload, x, series, worlds, frames, deliver=None):
    """ns/packet of each world; `deliver`: 1 all frames must come out, 0 none, None any."""
    path = os.path.join(TMP, "templates")
    with open(path, "wb") as f:
        f.write(b"".join(frames[:4096]))
    if not worlds:
        return
    cmd = [BLAST, "run", "-r", str(Options.rounds), "-t", str(Options.ms), path]
    r = subprocess.run(cmd + [w.spec() for w in worlds], capture_output=True, text=True)
    if r.returncode > 1 or (r.returncode and not r.stdout):
        note("%s %s %s: %s" % (workload, x, series, r.stderr.strip()))
        return
    ns, wrong = {}, {}
    for line in r.stdout.splitlines():
        name, _, _, took, seen = line.split()
        ns.setdefault(name, []).append(int(took))
        if deliver is not None and float(seen) != deliver:
            wrong[name] = "%.1f %% of the" % (100 * float(seen))
    for name, what in wrong.items():
        note("%s %s %s: %s delivered %s frames: not counted" % (workload, x, series, name, what))
        del ns[name]
    for w in worlds:
        results.add(workload, x, series, w.name, "ns/packet", ns.get(w.name, []))
