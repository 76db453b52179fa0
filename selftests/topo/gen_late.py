# SPDX-License-Identifier: GPL-2.0-only
"""gen_late.py - gen.py's matches and targets that keep state or look beyond the header

Everything that a hook enforces and whose outcome both worlds must share. So rates are
so slow that only bursts count, names of lists and tables belong to one ruleset, and dates
are years or whole days away. Left out: statistic's random mode and cpu, which no two
worlds share. connlimit has rulesets of its own: the kernel cleans its lists once a tick
of its clock at most, so there must be time between two frames for both worlds to agree.

A match's name here is what --avoid takes. Those in CT make both worlds track connections.
"""

CT = ("connlimit", "conntrack", "state", "connmark", "CONNMARK", "connbytes", "helper")
SETS = {"gen_ip": "src", "gen_net": "dst", "gen_port": "dst", "gen_ipport": "src,dst"}


def late(g, chain, reach):
    """One match for a rule of @chain, which the chains @reach lead to; '' when it may not be"""
    k = "connlimit" if g.limits and g.chance(0.7) else g.r.choice(NAMES)
    if not g.some(k):
        return ""
    text = globals()["m_" + k](g, chain, reach)
    if text and k in CT:
        g.ct = True
    return text and f"-m {k} {text}"


def m_limit(g, _chain, _reach):
    return f"--limit 1/hour --limit-burst {g.r.randrange(1, 9)}"


def m_hashlimit(g, _chain, _reach):
    g.serial += 1
    mode = g.r.choice(["srcip", "dstip", "srcip,dstip", "srcip,dstport", "dstport,srcport", ""])
    out = f"--hashlimit-{g.r.choice(['upto', 'above'])} 1/hour --hashlimit-burst {g.r.randrange(1, 6)}"
    if mode:
        out += f" --hashlimit-mode {mode}"
    if "srcip" in mode and g.chance(0.3):
        out += f" --hashlimit-srcmask {g.r.choice([0, 8, 25, 30])}"
    return out + f" --hashlimit-htable-expire 3600000 --hashlimit-name h{g.seed}n{g.serial}"


def m_recent(g, _chain, _reach):
    verb = g.r.choice(["--set", "--rcheck", "--update", "--remove"])
    out = f"{g.neg(0.2)}{verb}"
    if verb in ("--rcheck", "--update"):
        if g.chance(0.4):
            out += " --seconds 3600"
        if g.chance(0.5):
            out += f" --hitcount {g.r.randrange(1, 6)}"
        if g.chance(0.2):
            out += " --rttl"
    return f"{out} --name r{g.seed}{g.r.choice('ab')} --mask {g.r.choice(['255.255.255.255', '255.255.255.0'])} --r{g.r.choice(['source', 'dest'])}"


def m_quota(g, _chain, _reach):
    return f"{g.neg(0.2)}--quota {g.r.choice([40, 100, 900, 5000])}"


def m_statistic(g, _chain, _reach):
    every = g.r.randrange(1, 6)
    return f"--mode nth {g.neg(0.2)}--every {every} --packet {g.r.randrange(every)}"


def m_time(g, _chain, _reach):
    return g.r.choice([
        "--datestart 2001-02-03T04:05:06", "--datestop 2001-02-03T04:05:06", "--datestop 2037-01-01",
        "--datestart 2037-01-01", f"{g.neg(0.5)}--weekdays Mon,Tue,Wed,Thu", "--weekdays Sat,Sun",
        f"{g.neg(0.5)}--monthdays 1,2,3,5,8,13,21,28", "--timestart 01:00 --timestop 00:30 --contiguous",
        "--timestart 00:00 --timestop 12:00"])


def m_string(g, _chain, _reach):
    what = g.r.choice(["--string ff", "--string fffffffffffff", "--hex-string |0a01|", "--string abc", "--icase --string FF"])
    return (f"--algo {g.r.choice(['bm', 'kmp'])} {g.r.choice(['', '--from 20 ', '--to 60 ', '--from 28 --to 100 '])}"
            f"{what.replace('--str', g.neg() + '--str').replace('--hex', g.neg() + '--hex')}")


def m_u32(g, _chain, _reach):
    return f"{g.neg()}--u32 " + g.r.choice([
        "6&0xff=6", "6&0xff=17", "2&0xffff=0x28:0x60", "0>>22&0x3c@0>>16=0:1024", "8>>24=0x3e:0x40",
        "0>>22&0x3c@12>>26&0x3c@0=0x66666666", "16=0x0a020002", "40=0:0xffffffff", "4&0x3fff=0&&6&0xff=1"])


def m_addrtype(g, _chain, _reach):
    out = g.r.choice(["--src-type", "--dst-type"])
    return f"{g.neg(0.3)}{out} {g.r.choice(['LOCAL', 'UNICAST', 'LOCAL,UNICAST', 'BROADCAST,MULTICAST', 'UNSPEC', 'BLACKHOLE'])}"


def m_devgroup(g, chain, reach):
    if chain not in reach or chain == "OUTPUT":
        return ""
    return f"{g.neg(0.3)}--src-group {g.r.choice(['0x0', '0x5', '0x1/0x1', '0x4/0x4'])}"


def m_owner(g, chain, _reach):
    if chain != "OUTPUT":
        return ""
    return g.neg(0.3) + g.r.choice(["--uid-owner 0", "--uid-owner 7-99", "--gid-owner 0", "--socket-exists"])


def m_physdev(g, _chain, _reach):
    return f"{g.neg(0.5)}--physdev-is-bridged"


def m_set(g, _chain, _reach):
    name = g.r.choice(list(SETS))
    return f"{g.neg(0.3)}--match-set {name} {SETS[name]}"


def m_conntrack(g, _chain, _reach):
    states = ["INVALID", "NEW", "ESTABLISHED", "RELATED", "UNTRACKED"]
    k = g.r.random()
    if k < 0.6:
        some = [s for s in states if g.chance(0.4)] or ["ESTABLISHED"]
        return f"{g.neg(0.3)}--ctstate {','.join(some)}"
    return g.r.choice([
        f"--ctdir {g.r.choice(['ORIGINAL', 'REPLY'])}", f"{g.neg(0.3)}--ctproto {g.r.choice([6, 17, 1])}",
        f"{g.neg(0.3)}--ctstatus {g.r.choice(['SEEN_REPLY', 'ASSURED', 'CONFIRMED', 'NONE', 'EXPECTED'])}",
        f"{g.neg(0.3)}--ctorigsrc 10.1.0.0/{g.r.choice([24, 31])}", f"{g.neg(0.3)}--ctrepldst 10.1.0.2",
        f"{g.neg(0.3)}--ctorigdstport {g.port()}", "--ctexpire 100:999999"])


def m_state(g, _chain, _reach):
    return f"{g.neg(0.2)}--state {g.r.choice(['NEW', 'ESTABLISHED', 'RELATED,ESTABLISHED', 'INVALID'])}"


def m_connmark(g, _chain, _reach):
    return f"{g.neg(0.3)}--mark {g.r.choice(['0x0', '0x1', '0x1/0x1', '0x6/0x7'])}"


def m_connbytes(g, _chain, _reach):
    lo = g.r.choice([0, 1, 2, 4, 60, 500])
    span = g.r.choice([f"{lo}", f"{lo}:{lo + g.r.randrange(400)}"])
    return (f"{g.neg(0.2)}--connbytes {span} --connbytes-mode {g.r.choice(['packets', 'bytes', 'avgpkt'])} "
            f"--connbytes-dir {g.r.choice(['original', 'reply', 'both'])}")


def m_connlimit(g, _chain, _reach):
    return (f"--connlimit-{g.r.choice(['upto', 'above'])} {g.r.randrange(5)} --connlimit-mask "
            f"{g.r.choice([0, 8, 24, 31, 32])} --connlimit-{g.r.choice('sd')}addr")


def m_helper(g, _chain, _reach):
    return f"{g.neg(0.4)}--helper {g.r.choice(['ftp', 'sip'])}"


NAMES = sorted(n[2:] for n in globals() if n.startswith("m_") and n != "m_connlimit")


def late_target(g, proto):
    """A target that keeps state or says something; '' for none"""
    k = g.r.choice(["CONNMARK", "LOG", "NFLOG", "REJECT"])
    if not g.some(k):
        return ""
    if k == "CONNMARK":
        g.ct = True
        return "-j CONNMARK " + g.r.choice([
            "--set-xmark 0x1/0xffffffff", "--set-xmark 0x6/0x7", "--save-mark", "--restore-mark",
            "--save-mark --nfmask 0x3 --ctmask 0x3", "--restore-mark --nfmask 0xff --ctmask 0x1"])
    if k == "LOG":
        return "-j LOG --log-prefix gen --log-level 7"
    if k == "NFLOG":
        return "-j NFLOG --nflog-group 5"
    if proto == "tcp" and g.chance(0.5):
        return "-j REJECT --reject-with tcp-reset"
    return "-j REJECT --reject-with " + g.r.choice(
        ["icmp-net-unreachable", "icmp-host-prohibited", "icmp-proto-unreachable", "icmp-port-unreachable"])
