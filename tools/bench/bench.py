#!/usr/bin/env python3
# SPDX-License-Identifier: GPL-2.0-only
"""
bench.py - every contender in one run, on one machine, with the same packets

    bench.py [--workload NAME]... [--rounds N] [--ms N] [--quick] [--out DIR] [--resume]
             [--bpfilter BFCLI]

Without --out what was measured is printed only; with it DIR gets results.csv,
summary.rst and a plot per workload (report.py), and keeps a journal while the run
lasts: a run that was interrupted goes on with --resume after the last step that ended.

Exit: 0; 1 when a step failed (the others are reported), 2 for trouble.
"""
import argparse
import importlib
import os
import shutil
import signal
import sys
import time

sys.path.insert(0, os.path.dirname(os.path.abspath(__file__)))
import measure
import report
import world

WORKLOADS = ("rules", "papers", "classbench", "sockets", "attack", "updates", "memory", "latency",
             "forward")


def steps(names):
    for name in names:
        module = importlib.import_module("w_" + name)
        for x, step in module.steps():
            yield "%s %s" % (name, x), step
        world.close_all()


def run(names):
    """Every step that is not done already. Return: how many failed."""
    failed = 0
    for name, step in steps(names):
        if name in measure.results.done:
            continue
        try:
            step()
            measure.results.step_done(name)
        except (RuntimeError, OSError, ValueError) as e:
            world.note("%s failed: %s" % (name, e))
            measure.results.step_failed()
            world.close_all()
            failed += 1
    return failed


def main():
    ap = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawTextHelpFormatter)
    ap.add_argument("--workload", action="append", choices=WORKLOADS)
    ap.add_argument("--rounds", type=int)
    ap.add_argument("--ms", type=int, help="milliseconds of one burst")
    ap.add_argument("--quick", action="store_true", help="fewer points, fewer rounds")
    ap.add_argument("--out", help="directory of the report")
    ap.add_argument("--resume", action="store_true")
    ap.add_argument("--bpfilter", help="a built bfcli of facebook/bpfilter")
    args = ap.parse_args()
    if os.geteuid():
        sys.exit("bench: needs root")
    opt = measure.Options
    opt.quick = args.quick
    opt.rounds = args.rounds or (3 if args.quick else 5)
    opt.ms = args.ms or (10 if args.quick else 20)
    if args.bpfilter:
        os.environ["BPFILTER"] = args.bpfilter
    for sig in (signal.SIGTERM, signal.SIGHUP):
        signal.signal(sig, lambda *_: sys.exit(2))
    start = time.time()
    world.sweep()
    os.mkdir(world.TMP)
    machine = report.machine()
    journal = os.path.join(args.out, "journal.json") if args.out else None
    try:
        if journal:
            os.makedirs(args.out, exist_ok=True)
            measure.results.journal(journal, [dict(machine)["commit"], opt.quick, opt.rounds, opt.ms],
                                    args.resume)
        failed = run(args.workload or WORKLOADS)
    finally:
        world.close_all()
        shutil.rmtree(world.TMP, ignore_errors=True)
    print("# %d s" % (time.time() - start))
    if args.out:
        report.write(args.out, machine, measure.results.rows, world.notes)
        os.unlink(journal)
    sys.exit(1 if failed else 0)


if __name__ == "__main__":
    main()
