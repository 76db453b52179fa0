# SPDX-License-Identifier: GPL-2.0-only
"""world.py - the two routers, what is loaded into them and what comes out

Two namespaces a world: the router, and one that holds the far ends of all wires.
tools/inject.c sends the frames and attributes every delivery to one of them.
Commands run with nsenter, which keeps /sys/fs/bpf in sight.
"""
import atexit
import ctypes
import os
import re
import secrets
import shutil
import signal
import socket
import struct
import subprocess
import sys
import tempfile
from concurrent.futures import ThreadPoolExecutor

from .frames import without_nat_ports

ROOT = os.path.dirname(os.path.dirname(os.path.dirname(os.path.abspath(__file__))))
BUILD = os.environ.get("O", os.path.join(ROOT, "build"))
BPFIPT = os.environ.get("BPFIPT") or os.path.join(BUILD, "bpf-iptables")
SYSCTLS = """net/ipv4/ip_forward=1 net/ipv4/icmp_ratelimit=0 net/ipv4/icmp_ratemask=0
 net/ipv4/ipfrag_time=600 net/ipv4/conf/all/rp_filter=0 net/ipv4/conf/default/rp_filter=0
 net/ipv4/conf/all/send_redirects=0 net/ipv4/conf/default/send_redirects=0
 net/ipv6/conf/all/disable_ipv6=1 net/ipv6/conf/default/disable_ipv6=1"""
EMPTY = "*filter\n:INPUT ACCEPT [0:0]\n:FORWARD ACCEPT [0:0]\n:OUTPUT ACCEPT [0:0]\nCOMMIT\n"


class CannotTest(Exception):
    """Exit status 2: what and why"""


def run(cmd, stdin=None, check=False, env=None):
    p = subprocess.run(cmd, input=stdin, capture_output=True, text=True, check=False,
                       env=dict(os.environ, **(env or {})))
    if check and p.returncode:
        raise CannotTest(f"{' '.join(cmd)}: exit {p.returncode}: {p.stderr.strip()}")
    return p


def ct_socket(ns):
    """A ctnetlink socket of another namespace (setns is per thread and undone)"""
    libc = ctypes.CDLL(None, use_errno=True)
    here = os.open("/proc/thread-self/ns/net", os.O_RDONLY)
    there = os.open(f"/run/netns/{ns}", os.O_RDONLY)
    libc.setns(there, 0)
    try:
        return socket.socket(socket.AF_NETLINK, socket.SOCK_RAW, 12)
    finally:
        libc.setns(here, 0)
        os.close(here)
        os.close(there)


class World:
    """One router. @kind: legacy, nft or bpf; @forward: init --forward"""

    def __init__(self, name, kind, hook, forward, tmp):
        self.kind, self.hook, self.forward, self.tmp, self.name = kind, hook, forward, tmp, name
        tag = secrets.token_hex(3)
        self.router, self.far = f"vd{tag}r", f"vd{tag}w"
        self.cpu = 0
        for ns in (self.router, self.far):
            run(["ip", "netns", "add", ns], check=True)
        run(["ip", "-n", self.router, "link", "set", "lo", "up"], check=True)
        self.in_ns("sh", "-c", "for i; do echo ${i#*=} >/proc/sys/${i%%=*}; done 2>/dev/null", "sh",
                   *SYSCTLS.split())
        run(["nsenter", f"--net=/run/netns/{self.far}", "sh", "-c",
             "echo 1 >/proc/sys/net/ipv6/conf/default/disable_ipv6"])
        self.ct = ct_socket(self.router)
        self.started = False

    def close(self):
        if self.started:
            self.in_ns(BPFIPT + "-clean")
        for ns in (self.router, self.far):
            run(["ip", "netns", "del", ns])

    def in_ns(self, *cmd, stdin=None, check=False):
        return run(["nsenter", f"--net=/run/netns/{self.router}", "--", *cmd], stdin, check,
                   {"XTABLES_LOCKFILE": f"{self.tmp}/lock.{self.name}"})

    def tool(self, suffix, *args, stdin=None):
        name = BPFIPT if self.kind == "bpf" else f"iptables-{self.kind}"
        return self.in_ns(name + suffix, *args, stdin=stdin)

    def build(self, layout):
        run(["ip", "-n", self.router, "-batch", "-"], "\n".join(layout.commands(self.far)) + "\n", True)
        far = [f"link set w{layout.letter[n]} arp off up" for n in layout.names]
        run(["ip", "-n", self.far, "-batch", "-"], "\n".join(far) + "\n", True)
        off = "gro off gso off tso off tx off rx off txvlan off rxvlan off"
        for ns, devs in ((self.router, layout.names), (self.far, ["w" + layout.letter[n] for n in layout.names])):
            run(["nsenter", f"--net=/run/netns/{ns}", "sh", "-c",
                 f"for d; do ethtool -K $d {off}; done", "sh", *devs])
            if self.forward and ns == self.far:		# or no driver takes XDP frames
                run(["nsenter", f"--net=/run/netns/{ns}", "sh", "-c",
                     "for d; do ethtool -K $d gro on; done", "sh", *devs])
        self.wires = []
        for n in layout.names:
            self.wires += ["-w", f"{layout.letter[n]}:{self.far}:w{layout.letter[n]}:{n}"]

    def start(self):
        """Put the firewall in place"""
        if self.kind != "bpf":
            self.tool("", "-S")
            return
        self.started = True
        p = self.tool("-init", "--hook", self.hook, *["--forward"] * self.forward)
        if p.returncode:
            raise CannotTest(f"bpf-iptables-init --hook {self.hook}: {p.stderr.strip()}")
        if "no native XDP" in p.stderr:		# tc would stand in, and be what is compared
            raise CannotTest(p.stderr.strip())

    def sent_on(self):
        """Frames that the driver sent on by itself"""
        found = re.search(r"^event forwarded +(\d+)", self.in_ns(BPFIPT, "status").stdout, re.M)
        return int(found.group(1)) if found else 0

    def restore(self, text, *args):
        return self.tool("-restore", *args, stdin=text)

    def fresh(self, text):
        """A namespace that remembers nothing, then @text. Return: what went wrong"""
        self.restore(EMPTY)
        # nfnetlink: delete every conntrack entry (struct nfgenmsg, AF_INET)
        self.ct.send(struct.pack("=IHHII", 20, 1 << 8 | 2, 1, 1, 0) + struct.pack("BBH", 2, 0, 0))
        if self.kind == "bpf" and self.hook in ("tc", "xdp"):
            self.in_ns(BPFIPT, "conntrack", "-F")
        p = self.restore(text)
        return "" if p.returncode == 0 else f"exit {p.returncode}: {p.stderr.strip()}"

    def inject(self, lines):
        """Send; [(frame number, where, hex)] of what came out"""
        exe = os.path.join(BUILD, "inject")
        p = run(["taskset", "-c", str(self.cpu), exe, "-r", self.router, *self.wires],
                "\n".join(lines) + "\n")
        if p.returncode:
            raise CannotTest(f"inject: exit {p.returncode}: {p.stderr.strip()}")
        out = [tuple(x.split(" ", 2)) for x in p.stdout.splitlines()]
        if self.hook in ("tc", "xdp"):
            # the error a dropped sendto() gives its caller is no part of the verdict there
            out = [x for x in out if x[1] != "e"]
        return [(int(n), where, data) for n, where, data in out]

    def saved(self, counters=True):
        p = self.tool("-save", *(["-c"] if counters else []), "-t", "filter")
        if p.returncode:
            raise CannotTest(f"{self.kind} save: {p.stderr.strip()}")
        return "".join(x + "\n" for x in p.stdout.splitlines() if not x.startswith("#"))


class Twins:
    """Both worlds, side by side"""

    def __init__(self, hook, reference, forward):
        for tool in ("ip", "nsenter", "ethtool", "taskset", f"iptables-{reference}"):
            if not shutil.which(tool):
                raise CannotTest(f"needs {tool}")
        if os.geteuid():
            raise CannotTest("needs root")
        for f in (BPFIPT, os.path.join(BUILD, "inject")):
            if not os.access(f, os.X_OK):
                raise CannotTest(f"no {f}: make all tests")
        self.tmp = tempfile.mkdtemp(prefix="verdict-diff.")
        self.worlds = []
        atexit.register(self.close)
        for sig in (signal.SIGTERM, signal.SIGHUP):
            signal.signal(sig, lambda *_: sys.exit(143))
        self.ref = self.add("ref", reference, hook, forward)
        self.dut = self.add("dut", "bpf", hook, forward)
        self.pool = ThreadPoolExecutor(2)
        self.nft = reference == "nft"
        self.nat = False

    def add(self, *args):
        w = World(*args, self.tmp)
        self.worlds.append(w)
        return w

    def close(self):
        for w in self.worlds:
            w.close()
        self.worlds = []
        shutil.rmtree(self.tmp, ignore_errors=True)

    def both(self, what):
        a = self.pool.submit(what, self.ref)
        b = self.pool.submit(what, self.dut)
        return a.result(), b.result()

    def one_cpu(self, yes):
        """One after the other on one CPU (for -m cpu), or each on its own"""
        cpus = sorted(os.sched_getaffinity(0))
        self.ref.cpu, self.dut.cpu = cpus[0], cpus[0 if yes else -1]

    def trial(self, text, lines):
        """Fresh worlds with @text, the frames in. Return: ((deliveries, counters), (..))"""
        def one(w):
            err = w.fresh(text)
            if err:
                return err
            rx = w.inject(lines)
            return rx, w.saved()
        a, b = self.both(one)
        for side, r in (("native iptables", a), ("bpf-iptables", b)):
            if isinstance(r, str):
                raise CannotTest(f"{side} does not take the rules: {r}")
        if self.nat:
            ports = {int(p) for line in lines for p in re.findall(r":(\d+)\b", line)}
            a, b = [([(n, w, d if w in "lte" else without_nat_ports(d, ports)) for n, w, d in rx], c)
                    for rx, c in (a, b)]
        return (a[0], self.ordered(a[1])), (b[0], self.ordered(b[1]))

    def ordered(self, saved):
        """nft lists chains by age: put them in name order"""
        if not self.nft:
            return saved
        def key(line):
            m = re.match(r"\[.*?\] -A (\S+)", line)
            kind = 0 if line[0] == "*" else 1 if line[0] == ":" else 2 if m else 3
            return kind, m.group(1) if m else line.split()[0]
        return "".join(sorted(saved.splitlines(True), key=key))
