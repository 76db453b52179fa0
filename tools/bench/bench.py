#!/usr/bin/env python3
# SPDX-License-Identifier: GPL-2.0-only
"""
bench.py - every contender in one run, on one machine, with the same packets

    bench.py [--workload NAME]... [--rounds N] [--ms N] [--quick] [--out DIR]
             [--bpfilter BFCLI]

Without --out what was measured is printed only; with it DIR gets results.csv,
summary.rst and a plot per workload (report.py).
"""
import argparse
import importlib
import os
import signal
import sys
import time

sys.path.insert(0, os.path.dirname(os.path.abspath(__file__)))
import measure
import report
import world

WORKLOADS = ("rules", "papers", "classbench", "updates")


def main():
    ap = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawTextHelpFormatter)
    ap.add_argument("--workload", action="append", choices=WORKLOADS)
    ap.add_argument("--rounds", type=int)
    ap.add_argument("--ms", type=int, help="milliseconds of one burst")
    ap.add_argument("--quick", action="store_true", help="fewer points, about 3 minutes")
    ap.add_argument("--out", help="directory of the report")
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
    signal.signal(signal.SIGTERM, lambda *_: sys.exit(1))
    start = time.time()
    try:
        for name in args.workload or WORKLOADS:
            importlib.import_module("w_" + name).run()
            world.close_all()
    finally:
        world.close_all()
    print("# %d s" % (time.time() - start))
    if args.out:
        report.write(args.out, measure.results.rows, world.notes)


if __name__ == "__main__":
    main()
