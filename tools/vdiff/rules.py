# SPDX-License-Identifier: GPL-2.0-only
"""rules.py - iptables-save text as rules, and which chains each hook reaches

The text comes from iptables-save itself (the file was loaded and saved by the
native tool first), so only the canonical spelling has to be understood, and only as
far as aiming packets needs it: an option that is not known here loses nothing but
packets made for it.
"""
import re

BUILTIN = ("INPUT", "FORWARD", "OUTPUT")


def words(line):
    """A rule's words: double quotes with backslash escapes, as iptables-restore"""
    out = []
    for m in re.finditer(r'"((?:[^"\\]|\\.)*)"|(\S+)', line):
        out.append(re.sub(r"\\(.)", r"\1", m.group(1)) if m.group(1) is not None else m.group(2))
    return out


class Rule:
    """One -A line"""

    def __init__(self, text):
        self.text = text
        self.words = words(text)
        self.chain = self.words[1]
        self.target, self.goto = None, False
        for i, w in enumerate(self.words[:-1]):
            if w in ("-j", "-g"):
                self.target, self.goto = self.words[i + 1], w == "-g"

    def options(self):
        """(option, negated, [arguments]) of everything but -A, -j, -g and -m"""
        neg, i, w = False, 2, self.words
        while i < len(w):
            if w[i] == "!":
                neg = True
                i += 1
                continue
            if not w[i].startswith("-"):
                i += 1
                continue
            opt, i, args = w[i], i + 1, []
            while i < len(w) and w[i] != "!" and (not w[i].startswith("-") or w[i][1:].isdigit()):
                args.append(w[i])
                i += 1
            if opt in ("-j", "-g"):
                return
            if opt != "-m":
                yield opt, neg, args
            neg = False

    def parts(self):
        """The rule cut into pieces that can be left out: each option, each -m, the target"""
        piece, out = [], []
        for w in words_kept(self.text)[2:]:
            starts = w == "!" or (w.startswith("-") and piece[-1:] != ["!"])
            if starts and piece:
                out.append(piece)
                piece = []
            piece.append(w)
        return out + ([piece] if piece else [])


def words_kept(line):
    """The words with their quotes, to be put together again"""
    return re.findall(r'"(?:[^"\\]|\\.)*"|\S+', line)


class Ruleset:
    """The filter table of one iptables-save text"""

    def __init__(self, policies, chains, rules):
        self.policies, self.chains, self.rules = policies, chains, rules

    def text(self):
        """iptables-save text, without the chains that nothing uses"""
        used = {r.chain for r in self.rules} | {r.target for r in self.rules}
        out = ["*filter"]
        out += [f":{c} {self.policies.get(c, 'ACCEPT')} [0:0]" for c in BUILTIN]
        out += [f":{c} - [0:0]" for c in self.chains if c in used]
        return "\n".join(out + [r.text for r in self.rules] + ["COMMIT", ""])

    def paths(self):
        """{chain: {hook: [rules jumped through]}}, by the shortest way to each"""
        by_chain = {}
        for r in self.rules:
            by_chain.setdefault(r.chain, []).append(r)
        found = {}
        for hook in BUILTIN:
            queue = [(hook, [])]
            while queue:
                chain, way = queue.pop(0)
                if hook in found.setdefault(chain, {}):
                    continue
                found[chain][hook] = way
                for r in by_chain.get(chain, []):
                    if r.target in self.chains:
                        queue.append((r.target, way + [r]))
        return found

    def uses(self, *names):
        """Does any rule use one of these matches (-m) or targets (-j)?"""
        for r in self.rules:
            for a, b in zip(r.words, r.words[1:]):
                if a in ("-m", "-j") and b in names:
                    return True
        return False

    def tracks(self):
        """Does native iptables track connections because of these rules?"""
        return self.uses("state", "conntrack", "connlimit", "connbytes", "connmark", "helper",
                         "connlabel", "CONNMARK", "CONNSECMARK", "SYNPROXY", "cluster")


def tables(text):
    """{table: its lines, from *table to COMMIT}"""
    out, name = {}, None
    for line in text.splitlines():
        if line.startswith("*"):
            name = line[1:].strip()
            out[name] = []
        if name:
            out[name].append(line)
        if line.strip() == "COMMIT":
            name = None
    return out


def parse(text):
    """The filter table's Ruleset of iptables-save output"""
    policies, chains, rules = {}, [], []
    for line in tables(text).get("filter", []):
        if line.startswith(":"):
            name, policy = line[1:].split()[:2]
            if name in BUILTIN:
                policies[name] = policy
            else:
                chains.append(name)
        m = re.match(r"(?:\[\d+:\d+\] )?(-A .*)", line)
        if m:
            rules.append(Rule(m.group(1)))
    return Ruleset(policies, chains, rules)


def steady(rs):
    """A copy of @rs in which nothing depends on how fast the packets come; and notes

    Rates are slowed so that no token comes back during a run (bursts are kept);
    windows are made longer than a run; a random choice becomes always or never.
    """
    notes, out = set(), []
    for r in rs.rules:
        t = r.text
        burst = re.search(r"--limit-burst (\d+)", t)
        slow = "hour" if int(burst.group(1) if burst else 5) <= 100 else "min"
        n = re.sub(r"--limit \d+/\w+", f"--limit 1/{slow}", t)
        n = re.sub(r"(--hashlimit-(?:upto|above)) \d+/\w+",
                   lambda m: f"{m.group(1)} 1/{'hour' if hash_burst(t) <= 100 else 'min'}", n)
        n = re.sub(r"(--hashlimit-htable-expire) \d+", r"\1 600000", n)
        n = re.sub(r"(-m recent .*?--seconds) \d+", lambda m: m.group(1) + " 3600", n)
        n = re.sub(r"(--probability) ([\d.]+)",
                   lambda m: f"{m.group(1)} {'1.0' if float(m.group(2)) >= 0.5 else '0.0'}", n)
        if n != t:
            for what in ("limit", "hashlimit", "recent", "statistic"):
                if f"-m {what} " in t:
                    notes.add(what)
        out.append(Rule(n))
    words_of = {"limit": "limit: rates slowed to 1/hour or 1/min in both, bursts as they are",
                "hashlimit": "hashlimit: rates slowed to 1/hour or 1/min in both, bursts as they are",
                "recent": "recent: --seconds made 3600 in both",
                "statistic": "statistic: --probability made 0 or 1 in both"}
    told = [words_of[n] for n in sorted(notes)]
    if rs.uses("time"):
        told.append("time: compared at this moment only")
    if rs.uses("owner"):
        told.append("owner: packets are sent by root only")
    if re.search(r"--hashlimit-(upto|above) \d+k?m?b/s", rs.text()):
        told.append("hashlimit by bytes: rates as they are, a bucket may fill between two packets")
    return Ruleset(rs.policies, rs.chains, out), told


def hash_burst(text):
    m = re.search(r"--hashlimit-burst (\d+)", text)
    return int(m.group(1)) if m else 5
