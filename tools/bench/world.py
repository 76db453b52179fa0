# SPDX-License-Identifier: GPL-2.0-only
"""
world.py - one router per contender, all alive at once

    outside: c0 ---- eth0 router eth1 ---- s0 :outside

Frames enter at c0 and come back at s0, where an XDP program drops them. Names,
addresses and MACs are the same in every world; only the firewall differs. A
contender that cannot be had here is left out, with a note.
"""
import os
import random
import subprocess
import sys
import tempfile

REPO = os.path.dirname(os.path.dirname(os.path.dirname(os.path.abspath(__file__))))
BUILD = os.path.join(REPO, os.environ.get("O", "build"))
BLAST = os.path.join(BUILD, "bench/blast")
PEER = os.path.join(BUILD, "bench/peer")
OURS = os.path.join(BUILD, "bpf-iptables")
TMP = tempfile.mkdtemp(prefix="bpfipt-bench-")

# name -> (kind, options of init)
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
    "xdp-drop": ("sink", None),
    "xdp-hash-drop": ("hash", None),
    "bpfilter": ("bpfilter", None),
}
notes = []


def note(text):
    if text not in notes:
        notes.append(text)
        print("# " + text, file=sys.stderr, flush=True)


def sh(args, netns=None, stdin=None, check=True, env=None, timeout=600):
    """Run a command, in a namespace if given; its output. Raises RuntimeError."""
    if netns:
        args = ["nsenter", "--net=/run/netns/" + netns] + args
    r = subprocess.run(args, input=stdin, capture_output=True, text=True, timeout=timeout,
                       env=dict(os.environ, **(env or {})))
    if check and r.returncode:
        raise RuntimeError("%s: exit %d: %s" % (" ".join(args)[:200], r.returncode,
                                                (r.stderr or r.stdout).strip()[:300]))
    return r.stdout


class World:
    """One contender's router. rulesets.py says what goes in; load() puts it there."""

    all = []

    def __init__(self, name, stack=False):
        self.name = name
        self.kind, self.init = CONTENDERS[name]
        tag = "%06x" % random.randrange(1 << 24)
        self.router, self.outside = "bnr" + tag, "bno" + tag
        # with IP stacks at both ends the ends are two namespaces
        self.server = "bns" + tag if stack else self.outside
        self.env = {"XTABLES_LOCKFILE": os.path.join(TMP, "lock." + tag)}
        World.all.append(self)
        self._links(stack)
        if self.kind == "ours":
            sh([OURS + "-init"] + self.init, self.router, env=self.env)
        elif self.kind == "sink":
            sh([BLAST, "attach", self.router, "eth0", "sink"])
        elif self.kind == "bpfilter" and not os.environ.get("BPFILTER"):
            raise RuntimeError("BPFILTER=path of a built bfcli is not set")

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
        script = rules.bpfilter()
        if not script:
            return False
        path = os.path.join(TMP, "bpfilter.rules")
        with open(path, "w") as f:
            f.write(script)
        try:
            self.run([os.environ["BPFILTER"], "ruleset", "set", "--from-file", path])
        except RuntimeError as e:
            note("bpfilter: %d rules: %s" % (len(rules.rules), e))
            return False
        return True

    def spec(self):
        return "%s:%s:c0:s0" % (self.name, self.outside)

    def close(self):
        if self.kind == "ours":
            sh([OURS + "-clean"], self.router, check=False, env=self.env)
        for ns in {self.router, self.outside, self.server}:
            sh(["ip", "netns", "del", ns], check=False)


def worlds(names, stack=False):
    """A world for each contender that is to be had."""
    got = []
    for name in names:
        try:
            got.append(World(name, stack))
        except (RuntimeError, OSError) as e:
            if name != "bpfilter" or os.environ.get("BPFILTER"):
                note("%s is left out: %s" % (name, e))
            if World.all and World.all[-1].name == name:
                World.all.pop().close()
    return got


def close_all():
    while World.all:
        World.all.pop().close()
