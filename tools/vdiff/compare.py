# SPDX-License-Identifier: GPL-2.0-only
"""compare.py - what two trials show, and the smallest case that still shows it

small() is delta debugging (Zeller and Hildebrandt, "Simplifying and isolating
failure-inducing input", IEEE TSE 2002): first exchanges and frames, then rules, then
parts of the rules that are left, then keys of the frames, for as long as the
difference stays and time allows.
"""
import time

from .rules import Rule, Ruleset
from .world import CannotTest


def is_answer(where, data):
    """Is this delivery an ICMP error or a TCP reset?"""
    if where == "e":
        return True
    ip = bytes.fromhex(data)[0 if where in "lt" else 14:]
    l4 = ip[(ip[0] & 15) * 4:] if ip else b""
    return len(l4) > 13 and ip[9] == 6 and bool(l4[13] & 4) or \
        len(l4) > 0 and ip[9] == 1 and l4[0] in (3, 4, 5, 11, 12)


def differs(a, b, row=None):
    """'' when equal, else which of deliveries and counters are not

    @row: None, or what may differ in a known row: then it is not asked which frame
    a delivery came of, and with "answers" errors and resets are left out
    """
    def rx(side):
        if row is None:
            return side[0]
        return sorted((w, d) for _, w, d in side[0] if row == "counters" or not is_answer(w, d))
    out = []
    if rx(a) != rx(b):
        out.append("deliveries")
    if a[1] != b[1]:
        out.append("counters")
    return " and ".join(out)


def ddmin(items, test, deadline):
    """A smaller list for which test() still holds; it holds for @items"""
    n = 2
    while len(items) > 1 and time.time() < deadline:
        size = max(1, len(items) // n)
        for start in range(0, len(items), size):
            rest = items[:start] + items[start + size:]
            if rest and time.time() < deadline and test(rest):
                items, n = rest, max(n - 1, 2)
                break
        else:
            if size == 1:
                break
            n = min(n * 2, len(items))
    if len(items) == 1 and time.time() < deadline and test([]):
        return []
    return items


class Shrinker:
    """One difference made small

    @row: what may differ in the known row that the frames belong to, or None
    """

    def __init__(self, twins, seconds, row=None):
        self.twins, self.deadline, self.row = twins, time.time() + seconds, row

    def shows(self, rs, lines):
        try:
            what = bool(lines) and differs(*self.twins.trial(rs.text(), lines), row=self.row)
        except CannotTest:
            return False
        return "deliveries" in (what or "") if self.row else bool(what)

    def small(self, rs, exchanges):
        """(Ruleset, lines)"""
        def lines_of(xs):
            return [line for x in xs for line in x.lines]
        first = None if self.row else self.first_frame(rs, lines_of(exchanges))
        if first:
            alone = [x for x in exchanges if first in x.lines][:1]
            exchanges = alone if self.shows(rs, lines_of(alone)) else exchanges
        exchanges = ddmin(exchanges, lambda xs: self.shows(rs, lines_of(xs)), self.deadline)
        lines = ddmin(lines_of(exchanges), lambda ls: self.shows(rs, ls), self.deadline)
        rules = ddmin(rs.rules, lambda r: self.shows(self.with_rules(rs, r), lines), self.deadline)
        rs = self.parts(self.with_rules(rs, rules), lines)
        rs = self.policies(rs, lines)
        lines = ddmin(lines, lambda ls: self.shows(rs, ls), self.deadline)
        return rs, [self.keys(rs, lines, i) for i in range(len(lines))]

    def first_frame(self, rs, lines):
        """The line of the first frame delivered differently, if any is"""
        a, b = self.twins.trial(rs.text(), lines)
        odd = sorted(set(a[0]) ^ set(b[0]))
        return lines[odd[0][0] - 1] if odd and odd[0][0] else None

    @staticmethod
    def with_rules(rs, rules):
        return Ruleset(rs.policies, rs.chains, rules)

    def parts(self, rs, lines):
        """Leave out single matches of the rules that are left"""
        for i in range(len(rs.rules)):
            done = False
            while not done and time.time() < self.deadline:
                done = True
                pieces = rs.rules[i].parts()
                for k in range(len(pieces)):
                    rest = [w for j, p in enumerate(pieces) if j != k for w in p]
                    rule = Rule(" ".join(["-A", rs.rules[i].chain] + rest))
                    shorter = self.with_rules(rs, rs.rules[:i] + [rule] + rs.rules[i + 1:])
                    if self.shows(shorter, lines):
                        rs, done = shorter, False
                        break
        return rs

    def policies(self, rs, lines):
        for hook, policy in rs.policies.items():
            if policy == "DROP":
                other = Ruleset({**rs.policies, hook: "ACCEPT"}, rs.chains, rs.rules)
                if self.shows(other, lines):
                    rs = other
        return rs

    def keys(self, rs, lines, i):
        """Leave out keys of frame @i; @lines is changed in place"""
        keep = lines[i].split()[:4]
        for key in lines[i].split()[4:]:
            words = lines[i].split()
            words.remove(key)
            if len(words) >= len(keep) and time.time() < self.deadline:
                shorter = lines[:i] + [" ".join(words)] + lines[i + 1:]
                if self.shows(rs, shorter):
                    lines[i] = shorter[i]
        return lines[i]
