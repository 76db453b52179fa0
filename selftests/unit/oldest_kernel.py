#!/usr/bin/env python3
# SPDX-License-Identifier: GPL-2.0-only
"""
oldest_kernel.py - what Linux 6.1 asks of the built programs, as far as their ELF files tell

A newer kernel's verifier forgives what 6.1's does not, so that a change which shuts
6.1 out is seen on no other kernel, and under QEMU (make vmtest) only by who waits for
it. Checked here for the programs that are loaded there, without loading them:

  - the stack of every chain of calls, callbacks too: frames rounded up to 32 bytes
    (16 since Linux 6.8), 512 in all, at most 8 frames (check_max_stack_depth())
  - no loop is entered by falling through into its end (check_cfg(), push_insn(); any
    loop may since Linux 6.6)
  - no instruction of -mcpu=v4, no younger helper, and a kfunc only if it may be missing
  - a bpf_spin_lock is a member of the map's value itself (btf_find_field(), until 6.2)
  - what a map's update or deletion answers is read as 32 bits: the function that stands in
    place of the helper returns an int, so that an error is no negative long (until 6.4)

How many states the verifier goes through only the kernel itself can tell.
"""
import json
import os
import struct
import subprocess
import sys

BUILD = os.environ.get("O", "build")
STACK_MAX, FRAME_STEP, FRAMES_MAX = 512, 32, 8
HELPER_MAX = 209	# BPF_FUNC_user_ringbuf_drain
LOCKABLE_MAPS = (1, 2)	# hash, array
R_BPF_64_64, R_BPF_64_32 = 1, 10
PSEUDO_CALL = 1
SHT_SYMTAB, SHT_REL, SHF_EXECINSTR = 2, 9, 4
STT_FUNC, STB_WEAK = 2, 2
CALL, EXIT, JA, LDDW = 0x85, 0x95, 0x05, 0x18
MOV64_REG, ADD64_IMM = 0xbf, 0x07
JEQ, JNE = 0x15, 0x55
INT_HELPERS = (2, 3, 87, 88, 89)	# map update, delete, push, pop, peek
FP = 10


class Insn:
    """One instruction; @rel: the symbol that a relocation says it refers to."""

    def __init__(self, raw):
        self.code, regs, self.off, self.imm = struct.unpack("<BBhi", raw)
        self.dst, self.src = regs & 15, regs >> 4
        self.rel = None


class Object:
    """The functions of an ELF file: name -> instructions."""

    def __init__(self, path):
        with open(path, "rb") as f:
            self.data = f.read()
        shoff, = struct.unpack_from("<Q", self.data, 40)
        shnum, shstr = struct.unpack_from("<HH", self.data, 60)
        self.sections = [struct.unpack_from("<IIQQQQIIQQ", self.data, shoff + 64 * i)
                         for i in range(shnum)]
        self.weak = set()
        self.symbols = self.read_symbols()
        self.code = {i: self.read_code(s) for i, s in enumerate(self.sections)
                     if s[2] & SHF_EXECINSTR and s[5]}
        for s in self.sections:
            if s[1] == SHT_REL and s[7] in self.code:
                self.relocate(s)
        self.entries = {n for n, kind, shndx, _, _ in self.symbols
                        if kind == STT_FUNC and self.name(shstr, self.sections[shndx][0]) != ".text"}
        self.at = {(shndx, value // 8): n for n, kind, shndx, value, _ in self.symbols
                   if kind == STT_FUNC}
        self.functions = {n: self.code[shndx][value // 8:(value + size) // 8]
                          for n, kind, shndx, value, size in self.symbols if kind == STT_FUNC}
        self.place = {n: (shndx, value // 8) for n, kind, shndx, value, _ in self.symbols
                      if kind == STT_FUNC}

    def name(self, table, off):
        start = self.sections[table][4] + off
        return self.data[start:self.data.index(b"\0", start)].decode()

    def read_symbols(self):
        out = []
        for s in self.sections:
            if s[1] != SHT_SYMTAB:
                continue
            for off in range(s[4], s[4] + s[5], 24):
                name, info, _, shndx, value, size = struct.unpack_from("<IBBHQQ", self.data, off)
                if info >> 4 == STB_WEAK:
                    self.weak.add(self.name(s[6], name))
                out.append((self.name(s[6], name), info & 15, shndx, value, size))
        return out

    def read_code(self, section):
        return [Insn(self.data[o:o + 8]) for o in range(section[4], section[4] + section[5], 8)]

    def relocate(self, section):
        for off in range(section[4], section[4] + section[5], 16):
            where, info = struct.unpack_from("<QQ", self.data, off)
            if info & 0xffffffff in (R_BPF_64_64, R_BPF_64_32):
                self.code[section[7]][where // 8].rel = self.symbols[info >> 32]

    def callee(self, function, i):
        """The function that instruction @i calls, or hands to a helper; None: neither."""
        insn = self.functions[function][i]
        if insn.code == CALL and insn.src == PSEUDO_CALL:
            if insn.rel and not insn.rel[2]:
                return None	# a kfunc, elsewhere
            if insn.rel:
                return self.at[insn.rel[2], insn.rel[3] // 8 + insn.imm + 1]
            shndx, start = self.place[function]
            return self.at[shndx, start + i + insn.imm + 1]
        if insn.code == LDDW and insn.rel and insn.rel[2] in self.code:
            return self.at[insn.rel[2], (insn.rel[3] + insn.imm) // 8]
        return None


def frame_size(insns):
    """The lowest byte of its stack that a function touches, as the verifier sees it."""
    deep, copies = 1, set()
    for i in insns:
        if i.code == MOV64_REG and i.src == FP:
            copies.add(i.dst)
            continue
        if i.code == ADD64_IMM and i.dst in copies:
            deep = max(deep, -i.imm)
        if i.code & 7 in (1, 2, 3):	# LDX, ST, STX
            if (i.src if i.code & 7 == 1 else i.dst) == FP:
                deep = max(deep, -i.off)
        if i.code & 7 in (0, 1, 4, 7):	# what has a destination
            copies.discard(i.dst)
    return (deep + FRAME_STEP - 1) // FRAME_STEP * FRAME_STEP


def deepest(obj, name, known):
    """(bytes, frames, path) of the calls that take most stack, and of the longest."""
    if name not in known:
        below = {c for c in (obj.callee(name, i) for i in range(len(obj.functions[name]))) if c}
        paths = [deepest(obj, c, known) for c in sorted(below)]
        mine = frame_size(obj.functions[name])
        stack = max((p[0] for p in paths), default=(0, []))
        frames = max((p[1] for p in paths), default=(0, []))
        known[name] = ((stack[0] + mine, [f"{name} {mine}"] + stack[1]),
                       (frames[0] + 1, [name] + frames[1]))
    return known[name]


def check_stack(obj):
    bad, known = [], {}
    for name in sorted(obj.entries):
        stack, frames = deepest(obj, name, known)
        if stack[0] > STACK_MAX:
            bad.append(f"{stack[0]} bytes of stack: " + ", ".join(stack[1]))
        if frames[0] > FRAMES_MAX:
            bad.append(f"{frames[0]} frames: " + ", ".join(frames[1]))
    return bad


def edges(insns, t):
    """Where instruction @t leads: [(target, may it close a loop)], in check_cfg()'s order."""
    i = insns[t]
    if i.code == EXIT:
        return []
    if i.code & 7 not in (5, 6) or i.code == CALL:
        return [(t + 1, False)]
    if i.code == JA:
        return [(t + 1 + i.off, True)]
    return [(t + 1, True), (t + 1 + i.off, True)]


def check_loops(obj):
    bad = []
    for name, insns in sorted(obj.functions.items()):
        state = {0: iter(edges(insns, 0))}	# discovered; None once explored
        stack = [0]
        while stack:
            t = stack[-1]
            for to, loop_ok in state[t]:
                if to not in state:
                    state[to] = iter(edges(insns, to))
                    stack.append(to)
                    break
                if state[to] is not None and not loop_ok:
                    bad.append(f"{name}: back-edge from instruction {t} to {to}")
            else:
                state[t] = None
                stack.pop()
    return bad


def check_instructions(obj):
    bad = []
    for name, insns in sorted(obj.functions.items()):
        second = False		# half of an lddw
        for n, i in enumerate(insns):
            if second:
                second = False
                continue
            second = i.code == LDDW
            cls = i.code & 7
            v4 = (cls == 1 and i.code & 0xe0 == 0x80 or i.code == 0x06 or
                  cls == 7 and i.code & 0xf0 == 0xd0 or
                  cls in (4, 7) and i.code & 0xf0 in (0x30, 0x90, 0xb0) and i.off)
            if v4:
                bad.append(f"{name}: instruction {n} ({i.code:#x}) is of -mcpu=v4")
            if i.code != CALL:
                continue
            if i.rel and i.rel[2] == 0 and i.rel[0] not in obj.weak:
                bad.append(f"{name}: kfunc {i.rel[0]}")
            elif i.src == 0 and not i.rel and i.imm > HELPER_MAX:
                bad.append(f"{name}: helper {i.imm}")
    return bad


def check_answers(obj):
    """A map operation's answer, in r0 and where it is copied to, compared as 64 bits."""
    bad = set()
    for name, insns in sorted(obj.functions.items()):
        todo = [(n + 1, frozenset([0])) for n, i in enumerate(insns)
                if i.code == CALL and i.src == 0 and not i.rel and i.imm in INT_HELPERS]
        seen = set()
        while todo:
            n, answer = todo.pop()
            if not answer or (n, answer) in seen:
                continue
            seen.add((n, answer))
            i = insns[n]
            if i.code == CALL:
                after = answer - set(range(6))
            elif i.code == MOV64_REG and i.src in answer:
                after = answer | {i.dst}
            elif i.code and i.code & 7 in (0, 1, 4, 7):	# not the half of an lddw
                after = answer - {i.dst}
            else:
                after = answer
            if i.code & 7 == 5 and i.code not in (CALL, EXIT, JA) and i.dst in answer and \
               not (i.code in (JEQ, JNE) and i.imm == 0):
                bad.add(f"{name}: instruction {n} takes a map operation's answer for a long")
            todo += [(to, after) for to, _ in edges(insns, n)]
    return sorted(bad)


def check_locks(path):
    """Values of maps whose lock is in a structure inside of them."""
    out = subprocess.run(["bpftool", "-j", "btf", "dump", "file", path, "format", "raw"],
                         check=True, capture_output=True).stdout
    types = {t["id"]: t for t in json.loads(out)["types"]}

    def bare(tid):
        while types.get(tid, {}).get("kind") in ("TYPEDEF", "CONST", "VOLATILE", "ARRAY", "PTR"):
            tid = types[tid]["type_id"]
        return types.get(tid, {})

    def members(t):
        return {m["name"]: bare(m["type_id"]) for m in t.get("members", [])
                if types[m["type_id"]]["kind"] != "PTR"}

    def holds_lock(t):
        return t.get("name") == "bpf_spin_lock" or any(map(holds_lock, members(t).values()))

    bad = []
    for section in (t for t in types.values() if t.get("name") == ".maps"):
        for var in (types[v["type_id"]] for v in section["vars"]):
            fields = {m["name"]: m["type_id"] for m in bare(var["type_id"])["members"]}
            if types[types[fields["type"]]["type_id"]]["nr_elems"] not in LOCKABLE_MAPS:
                continue
            bad += [f"map {var['name']}: the lock is in the value's {name}"
                    for name, t in members(bare(fields.get("value"))).items()
                    if t.get("name") != "bpf_spin_lock" and holds_lock(t)]
    return bad


def main():
    n = bad = 0
    for hook in ("tc", "xdp", "early", "ifstamp"):
        path = os.path.join(BUILD, hook + ".bpf.o")
        obj = Object(path)
        for what, found in (("the stack is deep enough", check_stack(obj)),
                            ("loops", check_loops(obj)),
                            ("instructions, helpers, kfuncs", check_instructions(obj)),
                            ("answers of map operations", check_answers(obj)),
                            ("locks", check_locks(path))):
            n += 1
            bad += bool(found)
            for f in found:
                print("#", f)
            print("not ok" if found else "ok", n, f"- {hook}: {what}")
    print(f"1..{n}")
    return bad != 0


sys.exit(main())
