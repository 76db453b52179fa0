# SPDX-License-Identifier: GPL-2.0-only
"""w_classbench.py - filter sets of ClassBench (../shared/classbench), 4096 packets aimed at their rules"""
import glob
import os
import random

from measure import Options, blast
from rulesets import Rules, classbench, forwardable, frame_of
from world import REPO, note, worlds


def steps():
    files = sorted(glob.glob(os.path.join(REPO, "../shared/classbench/*_1000*.rules.gz")))
    if not files:
        note("classbench: no filter sets in ../shared/classbench")
    if Options.quick:		# the big ones
        files = [f for f in files if "_10000." in f]
    for path in files:
        yield os.path.basename(path).split(".")[0], lambda path=path: at(path)


def at(path):
    ws = worlds(["none", "iptables-legacy", "iptables-nft", "ours-tc", "ours-netfilter", "ours-xdp"])
    rules = classbench(path)
    rng = random.Random(9)
    frames = []
    while len(frames) < 4096:
        frame = frame_of(rng.choice(rules), rng)
        if forwardable(frame):
            frames.append(frame)
    blast("classbench", os.path.basename(path).split(".")[0], "aimed-4096",
          [w for w in ws if w.load(Rules(rules, "ACCEPT"))], frames)
