# SPDX-License-Identifier: GPL-2.0-only
"""
world.py - one router per contender, all alive at once

    outside: c0 ---- eth0 router eth1 ---- s0 :outside

Frames enter at c0 and come back at s0, where an XDP program drops them. Names,
addresses and MACs are the same in every world; only the firewall differs. A
contender that cannot be had here is left out, with a note. With IP stacks at both
ends (`stack`) the two ends are two namespaces, and s0 drops nothing.

What a run makes carries its process id in its name, and its processes die with it;
sweep() removes the namespaces of a run that was killed.
"""
import ctypes
import os
import re
import shutil
import signal
import subprocess
import sys

REPO = os.path.dirname(os.path.dirname(os.path.dirname(os.path.abspath(__file__))))
BUILD = os.path.join(REPO, os.environ.get("O", "build"))
BLAST = os.path.join(BUILD, "bench/blast")
PEER = os.path.join(BUILD, "bench/peer")
OURS = os.path.join(BUILD, "bpf-iptables")
TMP = "/tmp/bpfipt-bench.%d" % os.getpid()

CPUS = os.cpu_count()
# name -> (kind, options of init or bpfilter's hook)
CONTENDERS = {
    "none": ("none", None),
    "iptables-legacy": ("legacy", None),
    "iptables-nft": ("nft", None),
    "nft-set": ("nftset", None),
    "ipset": ("ipset", None),
    "ours-tc": ("ours", ["--hook", "tc"]),
    "ours-netfilter": ("ours", ["--hook", "netfilter"]),
    "ours-xdp": ("ours", ["--hook", "xdp"]),
    "ours-xdp-forward": ("ours", ["--hook", "xdp", "--forward"]),
    "ours-hybrid": ("ours", ["--hook", "hybrid"]),
    "xdp-drop": ("sink", None),
    "xdp-hash-drop": ("hash", None),
    "bpfilter-tc": ("bpfilter", "BF_HOOK_TC_INGRESS{ifindex=%d}"),
    "bpfilter-netfilter": ("bpfilter", "BF_HOOK_NF_FORWARD{priorities=101-102}"),
    "bpfilter-xdp": ("bpfilter", "BF_HOOK_XDP{ifindex=%d}"),
    "bpfilter-tc-set": ("bpfilter", "BF_HOOK_TC_INGRESS{ifindex=%d}"),
    "bpfilter-netfilter-set": ("bpfilter", "BF_HOOK_NF_FORWARD{priorities=101-102}"),
    "bpfilter-xdp-set": ("bpfilter", "BF_HOOK_XDP{ifindex=%d}"),
}
notes = []


def note(text):
    if text not in notes:
        notes.append(text)
        print("# " + text, file=sys.stderr, flush=True)


def die_with_us():
    """In a child, before exec: it does not outlive this process."""
    ctypes.CDLL(None).prctl(1, signal.SIGKILL)


def netns_fd(name):
    return os.open("/run/netns/" + name, os.O_RDONLY)


def enter(fd):
    """This thread into a namespace; a look-up of symbols, one system call."""
    if ctypes.CDLL(None, use_errno=True).setns(fd, 0x40000000):
        raise OSError(ctypes.get_errno(), "setns")


def inside(netns, args, cpu=None):
    where = ["nsenter", "--net=/run/netns/" + netns] if netns else []
    return where + (["taskset", "-c", str(cpu)] if cpu is not None else []) + args


def sh(args, netns=None, stdin=None, check=True, env=None, timeout=600, cpu=None):
    """Run a command, in a namespace and on a CPU if given; its output. Raises RuntimeError."""
    try:
        r = subprocess.run(inside(netns, args, cpu), input=stdin, capture_output=True, text=True,
                           timeout=timeout, preexec_fn=die_with_us, env=dict(os.environ, **(env or {})))
    except subprocess.TimeoutExpired as e:
        raise RuntimeError("%s: not done after %d s" % (" ".join(args)[:200], timeout)) from e
    if check and r.returncode:
        raise RuntimeError("%s: exit %d: %s" % (" ".join(args)[:200], r.returncode,
                                                (r.stderr or r.stdout).strip()[:300]))
    return r.stdout


class Process:
    """
    A command in a namespace, on a CPU, that runs while the `with` block does. The block
    begins when a line of its output has @ready in it.
    """

    def __init__(self, args, netns, cpu=None, ready=None):
        self.args, self.netns, self.cpu, self.ready, self.out = args, netns, cpu, ready, ""

    def __enter__(self):
        self.p = subprocess.Popen(inside(self.netns, self.args, self.cpu), stdout=subprocess.PIPE,
                                  stderr=subprocess.DEVNULL, text=True, preexec_fn=die_with_us)
        while self.ready:
            line = self.p.stdout.readline()
            if self.ready in line:
                break
            if not line:
                self.__exit__()
                raise RuntimeError("%s did not start" % " ".join(self.args))
        return self

    def __exit__(self, *_):
        self.p.terminate()
        self.out = self.p.communicate()[0]


class World:
    """One contender's router. rulesets.py says what goes in; load() puts it there."""

    all = []
    made = 0

    def __init__(self, name, stack=False):
        self.name = name
        self.kind, self.init = CONTENDERS[name]
        self.chain = "FORWARD"
        World.made += 1
        tag = "%d.%d" % (os.getpid(), World.made)
        self.router, self.outside = "bnr" + tag, "bno" + tag
        self.server = "bns" + tag if stack else self.outside
        self.env = {"XTABLES_LOCKFILE": os.path.join(TMP, "lock." + tag)}
        World.all.append(self)
        self._links(stack)
        if self.kind == "ours":
            sh([OURS + "-init"] + self.init, self.router, env=self.env)
        elif self.kind == "sink":
            sh([BLAST, "attach", self.router, "eth0", "sink"])
        elif self.kind == "bpfilter":
            self.pins = "/sys/fs/bpf/bpfipt-bench-" + tag.replace(".", "-")	# bpffs takes no dots
            os.mkdir(self.pins)

    def _links(self, stack):
        for ns in {self.router, self.outside, self.server}:
            sh(["ip", "netns", "add", ns])
            sh(["sh", "-c", "echo 1 >/proc/sys/net/ipv6/conf/all/disable_ipv6;"
                "echo 1 >/proc/sys/net/ipv6/conf/default/disable_ipv6;"
                "echo 0 >/proc/sys/net/ipv4/conf/all/rp_filter;"
                "echo 0 >/proc/sys/net/ipv4/conf/default/rp_filter;"
                "echo 1 >/proc/sys/net/ipv4/ip_forward"], ns)
        r = self.router
        sh(["ip", "-n", r, "-batch", "-"], stdin="\n".join([
            "link set lo up",
            "link add eth0 address 02:00:00:00:01:01 numrxqueues 1 numtxqueues 1 type veth peer"
            " name c0 address 02:00:00:00:01:02 numrxqueues 1 numtxqueues 1 netns " + self.outside,
            "link add eth1 address 02:00:00:00:02:01 numrxqueues 1 numtxqueues 1 type veth peer"
            " name s0 address 02:00:00:00:02:02 numrxqueues 1 numtxqueues 1 netns " + self.server,
            "addr add 10.1.0.1/24 dev eth0", "addr add 10.2.0.1/24 dev eth1",
            "link set eth0 up", "link set eth1 up",
            "neigh add 10.1.0.2 lladdr 02:00:00:00:01:02 dev eth0 nud permanent",
            "neigh add 10.2.0.2 lladdr 02:00:00:00:02:02 dev eth1 nud permanent", ""]))
        for ns, dev, addr, gw in ((self.outside, "c0", "10.1.0.2/24", "10.1.0.1"),
                                  (self.server, "s0", "10.2.0.2/24", "10.2.0.1")):
            sh(["ip", "-n", ns, "link", "set", dev, "up"])
            if stack:
                sh(["ip", "-n", ns, "addr", "add", addr, "dev", dev])
                sh(["ip", "-n", ns, "link", "set", "lo", "up"])
                sh(["ip", "-n", ns, "route", "add", "default", "via", gw])
        sh(["ip", "-n", r, "route", "add", "default", "via", "10.2.0.2"])
        for ns, dev in ((r, "eth0"), (r, "eth1"), (self.outside, "c0"), (self.server, "s0")):
            if stack or ns == r:
                sh(["ethtool", "-K", dev, "gro", "on"], ns)
        if not stack:
            sh([BLAST, "attach", self.server, "s0", "sink"])

    def tool(self, suffix=""):
        """This contender's iptables command, as an argument list."""
        return [OURS + suffix] if self.kind == "ours" else ["iptables-%s%s" % (self.kind, suffix)]

    def run(self, args, **kw):
        return sh(args, self.router, env=self.env, **kw)

    def load(self, rules):
        """
        Put a rulesets.Rules in force, replacing what was there. False: this contender
        cannot express it.
        """
        self.chain = rules.chain
        if self.kind in ("none", "sink"):
            return True
        if self.kind in ("legacy", "nft", "ours"):
            self.run(self.tool("-restore"), stdin=rules.restore())
            return True
        if self.kind == "nftset":
            script = rules.nft_set()
            if script:
                self.run(["nft", "-f", "-"], stdin="flush ruleset\n" + script)
            return bool(script)
        if self.kind == "ipset":
            sets, restore = rules.ipset()
            if not restore:
                return False
            self.run(["iptables-legacy", "-F"])
            self.run(["ipset", "destroy"])
            self.run(["ipset", "restore"], stdin=sets)
            self.run(["iptables-legacy-restore"], stdin=restore)
            return True
        if self.kind == "hash":
            path = os.path.join(TMP, "blacklist")
            with open(path, "w") as f:
                f.write(rules.blacklist())
            sh(["ip", "-n", self.router, "link", "set", "eth0", "xdp", "off"])
            sh([BLAST, "attach", self.router, "eth0", "hash_drop", path])
            return True
        return self._load_bpfilter(rules)

    def _load_bpfilter(self, rules):
        hook = self.init
        if "%d" in hook:
            hook %= int(sh(["ip", "-n", self.router, "-o", "link", "show", "eth0"]).split(":")[0])
        script = rules.bpfilter(hook, self.name.endswith("-set"))
        if not script:
            return False
        path = os.path.join(TMP, "bpfilter.rules")
        with open(path, "w") as f:
            f.write(script)
        try:
            self._bfcli("set", "--from-file", path)
        except RuntimeError as e:
            note("%s: %d rules: %s" % (self.name, len(rules.rules), e))
            return False
        return True

    def _bfcli(self, *args):
        return self.run([os.environ["BPFILTER"], "--bpffs-path", self.pins, "ruleset", *args])

    def sent_on(self):
        """Packets that the driver has sent on by itself; None: it is not asked to."""
        if "--forward" not in (self.init or []):
            return None
        return int(re.search(r"^event forwarded +(\d+)", self.run([OURS, "status"]), re.M).group(1))

    def hits(self, only=""):
        """
        What the policy and the rules of the chain have counted, ((packets, bytes),
        (packets, bytes)); None: this contender counts nothing that can be read. @only: just
        rules with that target.
        """
        if self.kind in ("none", "sink", "hash"):
            return None
        count = {True: [0, 0], False: [0, 0]}
        if self.kind == "nftset":	# the last line of the chain counts for the policy
            for line in self.run(["nft", "list", "chain", "ip", "t", "c"]).splitlines():
                if not line.endswith(only.lower()) and not line.strip().startswith("counter"):
                    continue
                for found in re.findall(r"counter packets (\d+) bytes (\d+)", line):
                    to = count[line.strip().startswith("counter")]
                    to[:] = [a + int(b) for a, b in zip(to, found)]
        elif self.kind == "bpfilter":
            for policy, packets, octets, target in re.findall(
                    r"counters (policy )?(\d+) packets (\d+) bytes(?:\n +(\w+))?", self._bfcli("get", "--no-set-content")):
                if policy or target.startswith(only):
                    to = count[bool(policy)]
                    to[:] = [to[0] + int(packets), to[1] + int(octets)]
        else:
            save = ["iptables-legacy-save"] if self.kind == "ipset" else self.tool("-save")
            policy, rule = ":%s " % self.chain, "] -A %s " % self.chain
            for line in self.run(save + ["-t", "filter", "-c"]).splitlines():
                if line.startswith(policy) or rule in line and line.endswith(only):
                    to = count[line[0] == ":"]
                    found = line[line.index("[") + 1:line.index("]")].split(":")
                    to[:] = [a + int(b) for a, b in zip(to, found)]
        return tuple(count[True]), tuple(count[False])

    def spec(self, out="s0"):
        return "%s:%s:c0:%s" % (self.name, self.outside, out)

    def close(self):
        if self.kind == "ours":
            sh([OURS + "-clean"], self.router, check=False, env=self.env)
        elif self.kind == "bpfilter":
            shutil.rmtree(self.pins, ignore_errors=True)
        for ns in {self.router, self.outside, self.server}:
            sh(["ip", "netns", "del", ns], check=False)


def worlds(names, stack=False):
    """A world for each contender that is to be had; those that stand already, if they are these."""
    names = [n for n in names if CONTENDERS[n][0] != "bpfilter" or os.environ.get("BPFILTER")]
    wanted = (tuple(names), stack)
    if getattr(worlds, "standing", None) == wanted and World.all:
        return list(World.all)
    close_all()
    for name in names:
        try:
            World(name, stack)
        except (RuntimeError, OSError) as e:
            note("%s is left out: %s" % (name, e))
            World.all.pop().close()
    worlds.standing = wanted
    return list(World.all)


def close_all():
    while World.all:
        World.all.pop().close()


def sweep():
    """Remove what runs that are no more have left behind."""
    for ns in sh(["ip", "netns", "list"]).split():
        m = re.fullmatch(r"bn[ros](\d+)\.\d+", ns)
        if m and not os.path.exists("/proc/" + m.group(1)):
            if ns.startswith("bnr"):
                sh([OURS + "-clean"], ns, check=False)
            sh(["ip", "netns", "del", ns], check=False)
    for where in ("/tmp", "/sys/fs/bpf"):
        for entry in os.listdir(where):
            m = re.fullmatch(r"bpfipt-bench[.-](\d+)(-\d+)?", entry)
            if m and not os.path.exists("/proc/" + m.group(1)):
                shutil.rmtree(os.path.join(where, entry), ignore_errors=True)
