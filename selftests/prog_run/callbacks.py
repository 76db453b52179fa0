#!/usr/bin/env python3
# SPDX-License-Identifier: GPL-2.0-only
"""
callbacks.py - the verifier has taken no branch out of what bpf_loop() calls

Until Linux 6.7 it goes through such a function once, believes that what is a constant
on the stack then is one at every round, and removes the branches which that excludes:
the program loads, and does something else. So a newer kernel's verdict is noted first
($O/callbacks.json: the conditional jumps that it leaves of each source line), and an
older one's must not fall short of it. make vmtest has it noted by the host.
"""
import collections
import glob
import hashlib
import json
import os
import re
import subprocess
import sys
import tempfile

BUILD = os.environ.get("O", "build")
NOTED = os.path.join(BUILD, "callbacks.json")
HOOKS = ("tc", "xdp", "early")
SOUND = (6, 7)


def callbacks():
    """Names of the functions that the sources hand to bpf_loop()."""
    names = set()
    for path in glob.glob("progs/*.h"):
        with open(path, encoding="utf-8") as f:
            names.update(re.findall(r"\bbpf_loop\([^;]*?, (\w+), &?\w", f.read()))
    return names


def count(text, names, branches):
    """Add the jumps of bpftool's listing of one program to branches[function line], but for
    the bounds check of a look-up in an array, which some kernels have in place of the call."""
    function = line = None
    for row in text.splitlines():
        head = re.match(r"\w.*?(\w+)\(.*\):$", row)
        if head:
            function = head[1]
        elif row.startswith(";"):
            where = re.search(r"/(\w[\w.]*) line_num:(\d+)", row)
            line = f"{where[1]}:{where[2]}" if where else row
        elif function in names and re.match(r" *\d+: \((?!35\) if r0 >= )..\) if ", row):
            branches[f"{function} {line}"] += 1


def left(hook, names):
    """What the kernel leaves of the hook's programs: {function line: jumps}; None: no load."""
    branches = collections.Counter()
    with tempfile.TemporaryDirectory(dir="/sys/fs/bpf", prefix="callbacks-") as pins:
        where = os.path.join(pins, "p")
        loaded = subprocess.run(["bpftool", "prog", "loadall", f"{BUILD}/{hook}.bpf.o", where],
                                capture_output=True, check=False)
        if loaded.returncode:
            print("#", loaded.stderr.decode()[-500:].replace("\n", "\n# "))
            return None
        for prog in sorted(os.listdir(where)):
            count(subprocess.run(["bpftool", "prog", "dump", "xlated", "pinned",
                                  os.path.join(where, prog), "linum"],
                                 capture_output=True, check=True, text=True).stdout,
                  names, branches)
            os.unlink(os.path.join(where, prog))
        os.rmdir(where)
    return dict(branches)


def digest(hook):
    with open(f"{BUILD}/{hook}.bpf.o", "rb") as f:
        return hashlib.sha256(f.read()).hexdigest()


def missing(old, new):
    """Lines of functions that both have, where the old kernel left fewer jumps."""
    there = {key.split()[0] for key in old}
    return [f"{key}: {old.get(key, 0)} of {n} branches left" for key, n in sorted(new.items())
            if key.split()[0] in there and old.get(key, 0) < n]


def main():
    if os.geteuid():
        print("1..0 # SKIP needs root")
        return 4
    release = tuple(int(n) for n in os.uname().release.split("-")[0].split(".")[:2])
    names, noted, bad = callbacks(), {}, 0
    if release < SOUND and os.path.exists(NOTED):
        with open(NOTED, encoding="utf-8") as f:
            noted = json.load(f)
    for n, hook in enumerate(HOOKS, 1):
        text = f"{n} - {hook}: every branch of a callback is there"
        branches = left(hook, names)
        found = ["it does not load"] if branches is None else []
        if release >= SOUND:
            noted[hook] = [digest(hook), branches]
        elif noted.get(hook, [None])[0] != digest(hook):
            print(f"ok {text} # SKIP not noted on Linux 6.7 or later before")
            continue
        elif branches is not None:
            found = missing(branches, noted[hook][1])
        if branches is not None and len(branches) < 50:
            found.append(f"only {len(branches)} lines were recognised")
        for f in found:
            print("#", f)
        print("not ok" if found else "ok", text)
        bad += bool(found)
    if release >= SOUND:
        with open(NOTED, "w", encoding="utf-8") as f:
            json.dump(noted, f)
    print(f"1..{len(HOOKS)}")
    return bad != 0


sys.exit(main())
