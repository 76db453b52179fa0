# SPDX-License-Identifier: GPL-2.0-only
"""
w_sockets.py - TCP into and out of the firewalled host itself: INPUT and OUTPUT

throughput: iperf3, one stream. connections: a connect, 100 bytes, close loop of several
processes (peer.c). N random rules come before the one that accepts the service's port;
N = 0: no rules. The host's end on one CPU, the other end on another. By the counters, the
rule (with N = 0: the policy) has seen what was sent.
"""
import json

from measure import Options, note, results
from rulesets import Rules, five_tuples
from world import CPUS, PEER, Process, sh, worlds

NAMES = ["none", "iptables-legacy", "iptables-nft", "nft-set", "ours-tc", "ours-netfilter",
         "ours-xdp", "ours-hybrid"]
NFT_MOST = 1000
PORT = "5201"
HOST, OUTSIDE = "10.1.0.1", "10.1.0.2"
NEAR, FAR = 0, CPUS - 1


def steps():
    for chain in ("INPUT", "OUTPUT"):
        for n in (0, 1000) if Options.quick else (0, 10, 1000, 10000):
            yield "%s %d" % (chain, n), lambda chain=chain, n=n: at(chain, n)


def at(chain, n):
    names = [x for x in NAMES if x != "iptables-nft" or n <= NFT_MOST]
    rules, policy = five_tuples(n, "DROP"), "DROP" if n else "ACCEPT"
    throughput("sockets", chain.lower() + "-throughput", names, chain, rules, policy)
    connections("sockets", chain.lower() + "-connections", names, service(chain, rules, policy))


def service(chain, rules, policy):
    """The rules, and behind them the one that lets the service's packets through."""
    last = [("-A %s -p tcp -m tcp --dport %s -j ACCEPT" % (chain, PORT),
             "tcp dport %s counter accept" % PORT)] if rules else []
    return Rules(rules, policy, chain, after=last)


def seconds():
    return "1" if Options.quick else "2"


def roles(w, chain):
    """Namespace of the server, namespace of the client, address of the server."""
    return (w.router, w.outside, HOST) if chain == "INPUT" else (w.outside, w.router, OUTSIDE)


def seen(w, before):
    """Packets and bytes that policy and rules have counted since @before; None: not told."""
    after = w.hits()
    if after is None:
        return None
    return tuple(sum(after[i][j] - before[i][j] for i in (0, 1)) for j in (0, 1))


def throughput(workload, series, names, chain, rules, policy):
    ws = [w for w in worlds(names, True) if w.load(service(chain, rules, policy))]
    values = {w: [] for w in ws}
    for _ in range(Options.rounds):
        for w in ws:
            server, client, addr = roles(w, chain)
            before = w.hits()
            with Process(["iperf3", "-s", "-1", "--forceflush", "-p", PORT], server, NEAR, "listening"):
                out = sh(["iperf3", "-c", addr, "-p", PORT, "-J", "-t", seconds()], client, cpu=FAR, timeout=60)
            end = json.loads(out)["end"]["sum_received"]
            got = seen(w, before)
            if got and got[1] < end["bytes"]:
                note("%s %s: %s has no figure: %d bytes came, %d were counted" % (
                    workload, series, w.name, end["bytes"], got[1]))
                values[w] = None
                continue
            if values[w] is not None:
                values[w].append(end["bits_per_second"] / 1e9)
    for w in ws:
        results.add(workload, len(rules), series, w.name, "Gbit/s", values[w])


def connections(workload, series, names, rules):
    ws = [w for w in worlds(names, True) if w.load(rules)]
    values = {w: [] for w in ws}
    for _ in range(Options.rounds):
        for w in ws:
            server, client, addr = roles(w, rules.chain)
            before = w.hits()
            with Process([PEER, "serve", PORT, "2"], server, NEAR, "ready"):
                out = sh([PEER, "connect", addr, PORT, seconds(), "8"], client, cpu=FAR, timeout=60)
            made, took = out.split()
            got = seen(w, before)
            if got and got[0] < 3 * int(made):
                note("%s %s: %s has no figure: %s connections, %d packets counted" % (
                    workload, series, w.name, made, got[0]))
                values[w] = None
                continue
            if values[w] is not None:
                values[w].append(int(made) / float(took) / 1000)
    for w in ws:
        results.add(workload, len(rules.rules), series, w.name, "1000 connections/s", values[w])


def stateful(rules, policy="DROP"):
    """INPUT of a host with one service: its state rules behind @rules."""
    return Rules(rules, policy, "INPUT", after=[
        ("-A INPUT -m conntrack --ctstate ESTABLISHED -j ACCEPT", "ct state established counter accept"),
        ("-A INPUT -p tcp -m tcp --dport %s -m conntrack --ctstate NEW -j ACCEPT" % PORT,
         "tcp dport %s ct state new counter accept" % PORT)])


def conntrack_rate(workload, series):
    connections(workload, series, NAMES, stateful([]))
