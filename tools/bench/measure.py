# SPDX-License-Identifier: GPL-2.0-only
"""
measure.py - bursts in every world in turn, and what they say

A round's figure is its fastest burst; a figure is the median over the rounds, its spread
the quartiles. Rounds visit every contender before the next begins, so a ratio is one of
figures of the same round.

No figure without its control: the frames that were sent, and no others, were counted by
the contender's own rules (or policy), and came out at the far end or did not as they
should. A contender that fails it has a note in place of a row.
"""
import json
import os
import statistics

from world import BLAST, TMP, note, notes, sh


class Options:
    """What the command line asked for; see bench.py."""
    rounds, ms, quick = 5, 20, False


def middle(values):
    """Lower quartile, median, upper quartile."""
    if len(values) < 2:
        return (values[0],) * 3
    return tuple(statistics.quantiles(values, n=4, method="inclusive"))


class Results:
    """
    Rows of (workload, x, series, contender, unit, values), and which steps are done. With
    a journal (a file) they survive the process: see resume().
    """

    def __init__(self):
        self.rows, self.done, self.path, self.pending = [], set(), None, []

    def add(self, workload, x, series, contender, unit, values):
        if values:
            row = (workload, str(x), series, contender, unit, list(values))
            self.pending.append(row)
            low, mid, high = middle(values)
            print("%-10s %8s %-16s %-17s %12.2f %s (%.2f-%.2f)" % (
                workload, x, series, contender, mid, unit, low, high), flush=True)

    def step_done(self, step):
        """The rows of a step that ended are kept, with what was noted so far."""
        self.rows += self.pending
        self.done.add(step)
        if self.path:
            with open(self.path, "a") as f:
                f.write(json.dumps({"step": step, "rows": self.pending, "notes": notes}) + "\n")
        self.pending = []

    def step_failed(self):
        self.pending = []

    def journal(self, path, what, resume):
        """Keep a journal for a run described by @what; take up an earlier one if asked to."""
        lines = []
        if resume and os.path.exists(path):
            with open(path) as f:
                lines = [json.loads(text) for text in f if text.endswith("\n")]
            if not lines or lines[0] != what:
                note("the run to resume was of another commit or setting: begun again")
                lines = []
        for line in lines[1:]:
            self.rows += [tuple(r) for r in line["rows"]]
            self.done.add(line["step"])
            for text in line["notes"]:
                note(text)
        if not lines:
            with open(path, "w") as f:
                f.write(json.dumps(what) + "\n")
        self.path = path


results = Results()

POLICY, RULES = "policy", "rules"


def counted_wrong(before, after, sent, by):
    """Why the counters do not say that @sent packets were judged as they should; None: they do."""
    if before is None:
        return None
    policy, rules = (after[i][0] - before[i][0] for i in (0, 1))
    if policy + rules != sent or (by == POLICY and rules) or (by == RULES and policy):
        return "%d sent, but the policy counted %d and the rules %d" % (sent, policy, rules)
    return None


def driver_missed(before, after, sent):
    """Why this is no figure of forwarding at the driver; None: it is, or was not asked for."""
    if before is not None and after - before < 0.98 * sent:
        return "%d sent, but the driver sent only %d on" % (sent, after - before)
    return None


def blast(workload, x, series, worlds, frames, deliver=None, by=None):
    """
    ns/packet of each world; `deliver`: 1 all frames must come out, 0 none, None any; `by`:
    POLICY or RULES must have counted them, None either.
    """
    if not worlds:
        return
    path = os.path.join(TMP, "templates")
    with open(path, "wb") as f:
        f.write(b"".join(frames[:4096]))
    before = [(w.hits(), w.sent_on()) for w in worlds]
    cmd = [BLAST, "run", "-r", str(Options.rounds), "-t", str(Options.ms), path]
    ns, wrong, sent = {}, {}, {}
    for line in sh(cmd + [w.spec() for w in worlds]).splitlines():
        word = line.split()
        if word[1] == "sent":
            sent[word[0]] = int(word[2])
            continue
        ns.setdefault(word[0], []).append(int(word[3]))
        if deliver is not None and float(word[4]) != deliver:
            wrong[word[0]] = "delivered %.1f %% of the frames" % (100 * float(word[4]))
    for w, (hits, sent_on) in zip(worlds, before):
        bad = wrong.get(w.name) or counted_wrong(hits, w.hits(), sent[w.name], by) or \
            (deliver == 1 and driver_missed(sent_on, w.sent_on(), sent[w.name]))
        if bad:
            note("%s %s %s: %s has no figure: %s" % (workload, x, series, w.name, bad))
        else:
            results.add(workload, x, series, w.name, "ns/packet", ns[w.name])
