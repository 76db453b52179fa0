# SPDX-License-Identifier: GPL-2.0-only
"""w_classbench.py - filter sets of ClassBench (../shared/classbench), 4096 packets aimed at their rules"""
import glob
import os
import random

from measure import Options, blast
from rulesets import Rules, classbench, frame_of
from world import REPO, note, worlds


def run():
    files = sorted(glob.glob(os.path.join(REPO, "../shared/classbench/*_1000*.rules.gz")))
    if not files:
        note("classbench: no filter sets in ../shared/classbench")
        return
    ws = worlds(["none", "iptables-legacy", "iptables-nft", "ours-tc", "ours-netfilter", "ours-xdp"])
    for path in files if not Options.quick else files[:2]:
        rules = classbench(path)
        rng = random.Random(9)
        frames = [frame_of(rng.choice(rules), rng) for _ in range(4096)]
        blast("classbench", os.path.basename(path).split(".")[0], "aimed-4096",
              [w for w in ws if w.load(Rules(rules, "ACCEPT"))], frames)
