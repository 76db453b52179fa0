# SPDX-License-Identifier: GPL-2.0-only
"""
w_memory.py - kernel memory of N rules

For every contender by the same measure: by how much unreclaimable slab, vmalloc and
per-CPU memory of the whole machine grow when N rules take the place of none. Where it can
be told, also what belongs to the ruleset alone, none of it left out (charged): for ours the
maps and programs in force as the kernel charges them (bpftool), which an empty ruleset has
too; for iptables-legacy the table's blob and its counters on every CPU.
"""
import ctypes
import json
import os
import shutil
import socket
import struct
import time

from measure import Options, results
from rulesets import Rules, five_tuples
from world import CPUS, enter, netns_fd, sh, worlds

NAMES = ["iptables-legacy", "iptables-nft", "nft-set", "ours-tc", "ours-netfilter", "ours-xdp"]
NFT_MOST = 10000
SO_NETNS_COOKIE = 71
IPT_SO_GET_INFO = 64	# struct ipt_getinfo: name, hooks, 5 entries, 5 underflows, entries, size
GETINFO = struct.Struct("=32s13I")
SETTLE = 0.4		# seconds in which what was replaced goes away
BPFTOOL = shutil.which("bpftool") or "/usr/sbin/bpftool"


def steps():
    for n in (1000, 10000) if Options.quick else (10, 1000, 10000, 100000):
        yield n, lambda n=n: at(n)


def kernel_kb():
    time.sleep(SETTLE)
    with open("/proc/meminfo") as f:
        info = {line.split(":")[0]: int(line.split()[1]) for line in f}
    return sum(info[k] for k in ("SUnreclaim", "VmallocUsed", "Percpu"))


def sockopt(w, kind, level, name, value):
    """A socket option as a socket in the world's namespace has it."""
    home, there = os.open("/proc/thread-self/ns/net", os.O_RDONLY), netns_fd(w.router)
    try:
        enter(there)
        with socket.socket(socket.AF_INET, kind, 255 if kind == socket.SOCK_RAW else 0) as s:
            libc, buf = ctypes.CDLL(None, use_errno=True), ctypes.create_string_buffer(value, len(value))
            size = ctypes.c_uint(len(value))
            if libc.getsockopt(s.fileno(), level, name, buf, ctypes.byref(size)):
                raise OSError(ctypes.get_errno(), "getsockopt")
            return buf.raw
    finally:
        enter(home)
        os.close(home)
        os.close(there)


def legacy_kb(w):
    info = GETINFO.unpack(sockopt(w, socket.SOCK_RAW, socket.SOL_IP, IPT_SO_GET_INFO,
                                  GETINFO.pack(b"filter", *[0] * 13)))
    entries, size = info[-2:]
    return (size + entries * 16 * CPUS) / 1024


def ours_kb(w):
    """What bpftool says of the maps and programs of the generation in force."""
    cookie = int.from_bytes(sockopt(w, socket.SOCK_DGRAM, socket.SOL_SOCKET, SO_NETNS_COOKIE, bytes(8)), "little")
    path = "/sys/fs/bpf/bpf-iptables/ns-%x/current/" % cookie
    total = 0
    for name in os.listdir(path):
        out = json.loads(sh([BPFTOOL, "-j", name.split("-")[0], "show", "pinned", path + name]))
        total += int((out[0] if isinstance(out, list) else out).get("bytes_memlock", 0))
    return total / 1024


def at(n):
    ws = [w for w in worlds(NAMES) if n <= NFT_MOST or w.kind != "nft"]
    grown = {w: [] for w in ws}
    none, full = Rules([], "ACCEPT"), Rules(five_tuples(n, "ACCEPT"), "ACCEPT")
    for _ in range(Options.rounds):
        for w in ws:
            if w.kind == "ours":	# programs sized for no rules
                sh(w.tool("-clean"), w.router, env=w.env)
                sh(w.tool("-init") + w.init, w.router, env=w.env)
            w.load(none)
            before = kernel_kb()
            w.load(full)
            grown[w].append(kernel_kb() - before)
    for w in ws:
        results.add("memory", n, "grown", w.name, "kB", grown[w])
    for w in ws:
        charged = {"legacy": legacy_kb, "ours": ours_kb}.get(w.kind)
        if charged:
            results.add("memory", n, "charged", w.name, "kB", [charged(w)])
