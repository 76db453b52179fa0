#!/usr/bin/env python3
# SPDX-License-Identifier: GPL-2.0-only
"""
fuzz.py - words nobody would write, to iptables-legacy and to bpf-iptables

	SEED=1 FIRST=0 COUNT=120 selftests/cli/fuzz.py [restore|argv]...

Mutated restore files and command lines, made from the case files beside this script and
the dumps of $SHARED/rulesets: lines and words deleted, doubled, swapped, taken from
elsewhere; numbers set to their limits; bytes changed. Each goes to both programs, in a
network namespace each, and

	- ours ends by itself, within 20 seconds, without a sanitizer's complaint;
	- what fails has changed nothing (a restore: when nothing follows its only COMMIT);
	- what iptables-legacy takes ours takes, and then both save the same rules, or it is refused
	  by name ("cannot be enforced by this hook", exit status 2);
	- what iptables-legacy refuses ours refuses, with the same exit status.

Case i of a seed is always the same, whatever ran before it: each starts from the same
ruleset. A failure prints the input and the line that runs just that case.

Environment: SEED (default 1), FIRST, COUNT (default 120 of each kind), BPFIPT, SHARED.
`make fuzz' runs it for long, under the sanitizers.
"""
import glob
import os
import random
import re
import shlex
import shutil
import subprocess
import sys
import tempfile

HERE = os.path.dirname(os.path.abspath(__file__))
ROOT = os.path.dirname(os.path.dirname(HERE))
BPFIPT = os.path.realpath(os.environ.get("BPFIPT", ROOT + "/build/bpf-iptables"))
SHARED = os.environ.get("SHARED", ROOT + "/../shared")
SEED = os.environ.get("SEED", "1")
FIRST = int(os.environ.get("FIRST", "0"))
COUNT = int(os.environ.get("COUNT", "120"))
TIMEOUT = 20
LONGEST = 60			# lines of a restore file

BASE = """*filter
:INPUT ACCEPT [0:0]
:FORWARD DROP [0:0]
:OUTPUT ACCEPT [0:0]
:mine - [0:0]
:other - [0:0]
-A INPUT -s 10.0.0.0/8 -p tcp -m tcp --dport 22 -j ACCEPT
-A INPUT -j mine
-A FORWARD -p udp -m multiport --dports 1,2 -j other
-A mine -s 192.0.2.1/32 -j DROP
-A mine -p icmp -j RETURN
COMMIT
"""
WORDS = """-A -I -D -R -C -N -X -F -Z -P -E -L -S -j -g -s -d -p -m -i -o -f -c -t -n -v -x -w ! --
INPUT FORWARD OUTPUT PREROUTING mine other nosuch ACCEPT DROP RETURN REJECT LOG MARK NFLOG QUEUE CONNMARK
tcp udp icmp all 6 0 255 256 -1 eth0 lo eth+ + 10.0.0.0/8 0.0.0.0/0 1.2.3.4/255.0.255.0 ::1 localhost
1.1.1.1,2.2.2.2 --dport --sport --dports --sports --ports --syn --tcp-flags --icmp-type --state --ctstate --limit
--limit-burst --mark --set-mark --comment --length --ttl-eq --tos --reject-with --log-prefix NEW,ESTABLISHED
state conntrack limit comment multiport iprange mac length ttl tos mark recent hashlimit u32 string connlimit
owner addrtype statistic time quota tcpmss esp ah dscp ecn pkttype physdev set cpu socket policy
1:65535 65535:1 0x0/0x0 0xffffffff 4294967296 99999999999999999999 '' ' ' "a b" [0:0] [1:2] *filter COMMIT :x""".split()
LIMITS = ["0", "1", "-1", "255", "256", "65535", "65536", "2147483648", "4294967295", "4294967296", "18446744073709551616", "1e9", "0x", ""]


def corpora():
    """Restore files and command lines to start from."""
    texts, lines = [], []
    for path in sorted(glob.glob(HERE + "/*.cases")):
        for row in open(path):
            row = row.rstrip("\n")
            if row.startswith("restore ") and "|" in row:
                texts.append(row.split("|", 1)[1].strip(" ").encode().decode("unicode_escape"))
            elif row.startswith("iptables "):
                try:
                    lines.append(shlex.split(row)[1:])
                except ValueError:
                    pass
    for path in sorted(glob.glob(SHARED + "/rulesets/*.rules")):
        m = re.search(r"^\*filter.*?^COMMIT\n", open(path).read(), re.S | re.M)
        if m:
            all_lines = m.group(0).split("\n")
            texts.append("\n".join(all_lines[:LONGEST] + ["COMMIT", ""]))
    lines = [w for w in lines if safe(w)]
    rules = [shlex.join(w) for w in lines if w and w[0] in ("-A", "-I", "-D")]
    return texts, lines, rules


# of the matches and targets those that are words of bpf-iptables, too (user/main.c)
OURS = ("conntrack", "hashlimit", "log", "recent")


def safe(words):
    """Not what runs another program, names a namespace (ours alone) or waits."""
    words = [w if isinstance(w, str) else w.decode("latin-1") for w in words]
    if words and words[0] in ("-n", "--numeric") + OURS:
        return False
    return not any(w.startswith(("-M", "--mo", "-w", "-W", "--w")) or w == "--m" or "\0" in w for w in words)


def mutate_words(r, words, other):
    words = list(words)
    for _ in range(r.choice((1, 1, 1, 2))):
        at = r.randrange(len(words) + 1)
        some = r.randrange(7)
        if some == 0 and words:
            del words[min(at, len(words) - 1)]
        elif some == 1:
            words.insert(at, r.choice(WORDS))
        elif some == 2 and words:
            words[min(at, len(words) - 1)] = r.choice(WORDS)
        elif some == 3 and len(words) > 1:
            i, j = r.randrange(len(words)), r.randrange(len(words))
            words[i], words[j] = words[j], words[i]
        elif some == 4 and words:
            i = min(at, len(words) - 1)
            words[i] = re.sub(r"\d+", lambda m: r.choice(LIMITS), words[i], count=1)
        elif some == 5 and words:
            i = min(at, len(words) - 1)
            w = list(words[i]) or ["x"]
            w[r.randrange(len(w))] = r.choice("!-+:,/.*%[]{}\"'\\ x9\t\x01\xff")
            words[i] = "".join(w) * r.choice((1, 1, 1, 40))
        else:
            cut = r.randrange(len(other) + 1)
            words[at:] = other[cut:]
    return words


def mutate_text(r, text, texts, rules):
    lines = text.split("\n")[:LONGEST]
    for _ in range(r.choice((1, 1, 1, 3))):
        at = r.randrange(len(lines))
        some = r.randrange(8)
        if some == 0 and len(lines) > 1:
            del lines[at]
        elif some == 1:
            lines.insert(at, lines[r.randrange(len(lines))])
        elif some == 2:
            j = r.randrange(len(lines))
            lines[at], lines[j] = lines[j], lines[at]
        elif some == 3:
            lines.insert(at, r.choice(rules))
        elif some in (4, 5):
            lines[at] = " ".join(mutate_words(r, lines[at].split(" "), r.choice(rules).split(" ")))
        elif some == 6:
            lines.insert(at, r.choice(r.choice(texts).split("\n")))
        else:
            data = bytearray("\n".join(lines).encode("utf-8", "surrogateescape"))
            if data:
                i = r.randrange(len(data))
                if r.random() < 0.5:
                    data[i] ^= 1 << r.randrange(8)
                elif r.random() < 0.5:
                    data[i:i] = bytes([r.randrange(256)]) * r.choice((1, 3, 600, 12000))
                else:
                    del data[i:]
            lines = data.decode("utf-8", "surrogateescape").split("\n")
    return "\n".join(lines).encode("utf-8", "surrogateescape")


class Side:
    """One program in its own network namespace."""

    def __init__(self, tmp, name, binary):
        self.dir = os.path.join(tmp, name)
        os.mkdir(self.dir)
        for tool in ("iptables", "iptables-save", "iptables-restore"):
            os.symlink(binary if binary else shutil.which(tool.replace("iptables", "iptables-legacy")),
                       os.path.join(self.dir, tool))
        if binary:
            os.symlink(binary, os.path.join(self.dir, "bpf-iptables-clean"))
        self.env = dict(os.environ, XTABLES_LOCKFILE=os.path.join(tmp, "lock." + name), LC_ALL="C",
                        BPF_IPTABLES_NATIVE=shutil.which("iptables-legacy"),
                        ASAN_OPTIONS="detect_leaks=0:exitcode=99:allocator_may_return_null=1",
                        UBSAN_OPTIONS="print_stacktrace=1")
        self.holder = subprocess.Popen(["unshare", "-n", "sleep", "infinity"])
        mine = os.readlink("/proc/self/ns/net")
        while os.readlink("/proc/%d/ns/net" % self.holder.pid) == mine:
            pass
        self.ns = "--net=/proc/%d/ns/net" % self.holder.pid

    def run(self, tool, args=(), data=b""):
        """Exit status (None: it hung), stdout, stderr"""
        try:
            p = subprocess.run(["nsenter", self.ns, os.path.join(self.dir, tool), *args], input=data, env=self.env,
                               timeout=TIMEOUT, capture_output=True)
        except subprocess.TimeoutExpired:
            return None, b"", b""
        return p.returncode, p.stdout, p.stderr

    def saved(self):
        rc, out, err = self.run("iptables-save", ["-c", "-t", "filter"])
        if rc:
            return b"save: %r %s" % (rc, err)
        return b"\n".join(re.sub(rb"^(:[A-Z]+ [A-Z]+) \[.*", rb"\1", line) for line in out.split(b"\n")
                          if not line.startswith(b"#"))

    def base(self):
        rc, _, err = self.run("iptables-restore", data=BASE.encode())
        if rc:
            sys.exit("Bail out! the base ruleset: %s" % err.decode())
        return self.saved()

    def close(self):
        if os.path.exists(self.dir + "/bpf-iptables-clean"):
            self.run("bpf-iptables-clean")
        self.holder.kill()
        self.holder.wait()


def crashed(rc, err):
    if rc is None:
        return "hangs"
    if rc < 0 or rc >= 99 or b"runtime error" in err or b"AddressSanitizer" in err:
        return "crashes (exit status %d)" % rc
    return None


def judge(ours, legacy, tool, args, data, base, stats):
    """None, or what is wrong"""
    rc, _, err = ours.run(tool, args, data)
    after = ours.saved()
    what = crashed(rc, err)
    if what:
        return what + "\n" + err.decode(errors="replace")
    one_step = b"COMMIT" not in data or re.search(rb"^COMMIT\n?\Z", data, re.M) and data.count(b"COMMIT") == 1
    if rc and one_step and after != base[0]:
        return "fails with %d, and changes something:\n%s" % (rc, after.decode(errors="replace"))
    rc_l, _, err_l = legacy.run(tool, args, data)
    if rc_l is None or rc_l < 0:
        stats["legacy itself fails"] += 1
        return None
    if rc == 2 and b"cannot be enforced by this hook" in err or \
            (rc and not rc_l and b"bpf-iptables" in err) or "-E" in args and b"too long (must" in err:
        stats["refused by name"] += 1
        return None
    if rc != rc_l:
        return "exit status %d, iptables-legacy's %d\n%s%s" % (rc, rc_l, err.decode(errors="replace"),
                                                               err_l.decode(errors="replace"))
    stats["accepted" if rc == 0 else "refused by both"] += 1
    want = legacy.saved() if rc == 0 or not one_step else base[1]
    if want != after:
        return "saves\n%s\niptables-legacy\n%s" % (after.decode(errors="replace"), want.decode(errors="replace"))
    return None


def fuzz(kind, ours, legacy):
    texts, lines, rules = corpora()
    stats = dict.fromkeys(("accepted", "refused by both", "refused by name", "legacy itself fails"), 0)
    bad = skipped = 0
    base = ours.base(), legacy.base()
    for case in range(FIRST, FIRST + COUNT):
        r = random.Random("%s:%s:%d" % (kind, SEED, case))
        args, data = [], b""
        if kind == "restore":
            tool = "iptables-restore"
            data = mutate_text(r, r.choice(texts), texts, rules)
            args = r.choice(([], [], ["-n"], ["-c"], ["-n", "-c"], ["-t"]))
            good = safe([b""] + data.split()) and not re.search(rb"^\*(?!filter)", data, re.M)
        else:
            tool = "iptables"
            args = mutate_words(r, r.choice(lines), r.choice(lines))
            good = safe(args) and not any(a in ("nat", "mangle", "raw", "security") for a in args)
        if not good:
            skipped += 1
            continue
        wrong = judge(ours, legacy, tool, args, data, base, stats)
        if wrong:
            bad += 1
            text = "%s %s\n%s\n%s" % (tool, shlex.join(args), data[:3000].decode("latin-1").encode(
                "unicode_escape").decode().replace("\\n", "\n"), wrong)
            print("\n".join("# " + line for line in text.split("\n")[:120]))
            print("# again: SEED=%s FIRST=%d COUNT=1 selftests/cli/fuzz.py %s" % (SEED, case, kind), flush=True)
        if ours.saved() != base[0]:
            ours.base()
        if legacy.saved() != base[1]:
            legacy.base()
    print("# %s: SEED=%s, %s, %d not tried" % (kind, SEED, ", ".join("%d %s" % (n, what) for what, n in stats.items()),
                                              skipped))
    return bad, stats


def main():
    if os.geteuid() or not shutil.which("iptables-legacy") or not os.access(BPFIPT, os.X_OK):
        print("1..0 # SKIP needs root, iptables-legacy and %s" % BPFIPT)
        return 4
    kinds = sys.argv[1:] or ["restore", "argv"]
    failed = n = 0
    with tempfile.TemporaryDirectory() as tmp:
        ours, legacy = Side(tmp, "ours", BPFIPT), Side(tmp, "legacy", None)
        try:
            for kind in kinds:
                bad, stats = fuzz(kind, ours, legacy)
                n += 1
                failed += bad > 0
                print("%sok %d - %s: %d mutated inputs, as iptables-legacy or refused by name" % (
                    "not " if bad else "", n, kind, COUNT))
                if COUNT >= 50:
                    n += 1
                    good = stats["accepted"] > COUNT / 20 and stats["refused by both"] > COUNT / 20
                    failed += not good
                    print("%sok %d - %s: some were good, some bad" % ("" if good else "not ", n, kind))
        finally:
            ours.close()
            legacy.close()
    print("1..%d" % n)
    return failed > 0


if __name__ == "__main__":
    sys.exit(main())
