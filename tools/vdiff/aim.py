# SPDX-License-Identifier: GPL-2.0-only
"""aim.py - what a rule's options ask of a packet: values that meet them and that miss

aim() turns each option into ([fields that meet it], [fields that do not]), every
boundary of the field among them: first and last address of a mask and their
neighbours, the ends of a port range and one beyond, each flag of --tcp-flags
flipped. `!` swaps the two. What an option does not decide by one packet (a limit,
a list of recent sources) says how often the packet is to be sent: key "times".
"""
import re
import socket

from .layout import addr_mask, dotted, num
from .packet import AH, BY_NAME, DCCP, ESP, ICMP, SCTP, TCP, UDP, neighbours, net_edges

FLAG = {"FIN": "F", "SYN": "S", "RST": "R", "PSH": "P", "ACK": "A", "URG": "U"}
ICMP_NAMES = {"any": 255, "echo-reply": 0, "destination-unreachable": 3, "echo-request": 8,
              "time-exceeded": 11, "parameter-problem": 12}


def port_number(text):
    return int(text) if text.isdigit() else socket.getservbyname(text)


def port_ranges(spec):
    """'1,5:9,:20' as [(lo, hi)]"""
    out = []
    for part in spec.split(","):
        lo, colon, hi = part.partition(":")
        lo = port_number(lo) if lo else 0
        out.append((lo, port_number(hi) if hi else 65535 if colon else lo))
    return out


def ranges(spec, keys, top=65535):
    hits, misses = [], []
    all_ranges = port_ranges(spec)
    for lo, hi in all_ranges:
        h, m = neighbours(lo, hi, top)
        hits += h
        misses += [x for x in m if not any(a <= x <= b for a, b in all_ranges)]
    return [{k: v} for k in keys for v in dict.fromkeys(hits)], [{k: v} for k in keys for v in dict.fromkeys(misses)]


def addresses(spec, key):
    hits, misses = net_edges(*addr_mask(spec))
    return [{key: a} for a in hits], [{key: a} for a in misses]


def addr_range(spec, key):
    lo, _, hi = spec.partition("-")
    h, m = neighbours(num(lo), num(hi or lo), 0xffffffff)
    m = [x for x in m if x not in (0, 0xffffffff)]
    return [{key: dotted(a)} for a in h], [{key: dotted(a)} for a in m]


def protocol(spec):
    p = int(spec) if spec.isdigit() else BY_NAME.get(spec.lower())
    if p is None:
        p = socket.getprotobyname(spec)
    if not p:
        return [{"proto": UDP}, {"proto": TCP}], []
    return [{"proto": p}], [{"proto": x} for x in (TCP, UDP, ICMP, 47, SCTP) if x != p]


def tcp_flags(mask, comp):
    every = "FSRPAU"
    m = every if mask == "ALL" else "" if mask == "NONE" else "".join(FLAG[x] for x in mask.split(","))
    c = every if comp == "ALL" else "" if comp == "NONE" else "".join(FLAG[x] for x in comp.split(","))
    flip = lambda have, bit: "".join(x for x in every if (x in have) != (x == bit))
    hits = [c] + [flip(c, b) for b in every if b not in m] + [c + "EC"]
    misses = [flip(c, b) for b in m]
    return [{"flags": x} for x in hits], [{"flags": x} for x in misses]


def icmp_type(spec):
    t, _, code = spec.partition("/")
    t = int(t) if t.isdigit() else ICMP_NAMES.get(t, 8)
    if t == 255:
        return [{"type": x} for x in (0, 8, 13, 30)], []
    near = [{"type": x, "code": int(code or 0)} for x in (t - 1, t + 1) if 0 <= x < 256]
    if not code:
        return [{"type": t, "code": c} for c in (0, 1, 255)], near
    c = int(code)
    return [{"type": t, "code": c}], near + [{"type": t, "code": x} for x in (c - 1, c + 1) if 0 <= x < 256]


def small(values, key, low, high):
    return ([{key: v} for v in values if low <= v <= high],
            [{key: v} for v in sorted({x + d for x in values for d in (-1, 1)} - set(values)) if low <= v <= high])


def ttl(opt, n):
    test = {"--ttl-eq": n.__eq__, "--ttl-ne": n.__ne__, "--ttl-lt": n.__gt__, "--ttl-gt": n.__lt__}[opt]
    every = [v for v in sorted({1, 2, n - 1, n, n + 1, 64, 255}) if 1 <= v <= 255]
    return [{"hop": v} for v in every if test(v)], [{"hop": v} for v in every if not test(v)]


def tos(spec, shift=0):
    v, _, m = spec.partition("/")
    if not re.match(r"[0-9]", v):
        return [], []
    v, m = int(v, 0) << shift, int(m, 0) if m else 0xff << shift & 0xff
    return ([{"tos": v}, {"tos": (v | ~m) & 0xff}],
            [{"tos": (v ^ 1 << b) & 0xff} for b in range(8) if m >> b & 1])


def lengths(spec):
    lo, colon, hi = spec.partition(":")
    lo, hi = int(lo or 0), int(hi or (65535 if colon else lo))
    h, m = neighbours(lo, hi, 1400)
    return [{"size": x} for x in h if 28 <= x <= 1400], [{"size": x} for x in m if 28 <= x <= 1400]


def states(spec):
    kinds = ["NEW", "ESTABLISHED", "RELATED", "INVALID"]
    want = spec.split(",")
    return [{"state": k} for k in kinds if k in want], [{"state": k} for k in kinds if k not in want]


def pattern(text, is_hex):
    if is_hex:
        raw = b""
        for i, part in enumerate(text.split("|")):
            raw += bytes.fromhex(part.replace(" ", "")) if i % 2 else part.encode()
    else:
        raw = text.encode()
    spots = [raw, b"x" * 7 + raw, b"x" * 60 + raw + b"yy"]
    near = [raw[:-1], raw.swapcase(), raw[:-1] + bytes([raw[-1] ^ 1]) if raw else b""]
    return [{"pay": p.hex()} for p in spots], [{"pay": p.hex()} for p in near if raw not in p]


def set_members(entries, dirs):
    """Fields for entries of an ipset, and one beside each"""
    hits, misses = [], []
    for entry in entries[:12]:
        hit, miss = {}, {}
        for part, way in zip(entry.split(","), dirs.split(",")):
            proto, colon, port = part.rpartition(":")
            if re.match(r"\d+\.\d+\.\d+\.\d+", part):
                first = part.split("-")[0]
                value, mask = addr_mask(first)
                hit[way] = dotted(value | (~mask & 0x55555555 & 0xffffffff))
                miss[way] = dotted((value | ~mask & 0xffffffff) + 1)
            elif colon or part.isdigit():
                hit["sport" if way == "src" else "dport"] = int(port.split("-")[0] or 0)
                hit["proto"] = BY_NAME.get(proto, TCP)
        hits.append(hit)
        misses.append({**hit, **miss})
    return hits, misses


def times(n):
    return [{"times": min(max(n, 1), 60)}], []


def aim(opt, args, lay, sets):
    """([meets], [misses]) of one option; both empty when it asks nothing of one packet"""
    a = args[0] if args else ""
    if opt in ("-s", "-d", "--ctorigsrc", "--ctorigdst"):
        return addresses(a, "src" if opt in ("-s", "--ctorigsrc") else "dst")
    if opt == "-p" or opt == "--ctproto":
        return protocol(a)
    if opt in ("-i", "-o"):
        key = "iif" if opt == "-i" else "oif"
        names = lay.names + ["lo"]
        fits = [n for n in names if n.startswith(a[:-1])] if a.endswith("+") else [n for n in names if n == a]
        return [{key: n} for n in fits], [{key: n} for n in names if n not in fits]
    if opt in ("--sport", "--sports", "--ctorigsrcport"):
        return ranges(a, ["sport"])
    if opt in ("--dport", "--dports", "--ctorigdstport"):
        return ranges(a, ["dport"])
    if opt == "--ports":
        return ranges(a, ["dport", "sport"])
    if opt == "--tcp-flags":
        return tcp_flags(a, args[1])
    if opt == "--syn":
        return tcp_flags("FIN,SYN,RST,ACK", "SYN")
    if opt == "--tcp-option":
        n = int(a)
        return ([{"topt": f"{n:02x}040101"}, {"topt": f"0101{n:02x}02"}],
                [{"topt": f"{n ^ 1:02x}040101"}, {"topt": ""}])
    if opt == "--icmp-type":
        return icmp_type(a)
    if opt == "-f":
        return [{"off": 4, "id": 77}], [{"mf": True, "id": 78}, {"off": 0}]
    return aim_more(opt, args, a, lay, sets)


def aim_more(opt, args, a, lay, sets):
    """The options of the less usual matches"""
    if opt == "--src-range":
        return addr_range(a, "src")
    if opt == "--dst-range":
        return addr_range(a, "dst")
    if opt == "--mac-source":
        raw = a.replace(":", "").lower()
        return [{"smac": raw}], [{"smac": raw[:-1] + f"{int(raw[-1], 16) ^ 1:x}"}, {}]
    if opt == "--length":
        return lengths(a)
    if opt.startswith("--ttl-"):
        return ttl(opt, int(a))
    if opt == "--tos":
        return tos(a)
    if opt == "--dscp":
        return tos(a, 2)
    if opt == "--ecn-ip-ect":
        return [{"tos": int(a)}], [{"tos": int(a) ^ 1}, {"tos": int(a) ^ 2}]
    if opt.startswith("--ecn-tcp-"):
        bit = "E" if opt.endswith("ece") else "C"
        return [{"flags": "A" + bit}, {"flags": "AEC"}], [{"flags": "A"}, {"flags": "AE" if bit == "C" else "AC"}]
    if opt in ("--state", "--ctstate"):
        return states(a)
    if opt == "--ctstatus":
        return [{"state": "ESTABLISHED"}, {"state": "NEW"}], [{"state": "INVALID"}]
    if opt == "--ctdir":
        return [{"state": "ESTABLISHED"}, {"state": "REPLY"}], []
    if opt == "--pkt-type":
        kinds = {"unicast": {}, "broadcast": {"dmac": "bcast"}, "multicast": {"dmac": "mcast"}}
        return [kinds.get(a, {})], [v for k, v in kinds.items() if k != a]
    if opt in ("--src-type", "--dst-type"):
        return addr_types(a.split(","), "src" if opt[2] == "s" else "dst", lay)
    if opt == "--match-set":
        return set_members(sets.get(a, []), args[1]) if a in sets else ([], [])
    if opt in ("--string", "--hex-string"):
        return pattern(a, opt == "--hex-string")
    if opt in ("--espspi", "--ahspi"):
        h, m = ranges(a, ["spi"], 0xffffffff)
        proto = ESP if opt == "--espspi" else AH
        make = lambda v: {"pay": (f"{v:08x}" if proto == ESP else f"06040000{v:08x}") + "00" * 12}
        return [make(x["spi"]) for x in h], [make(x["spi"]) for x in m]
    if opt == "--mss":
        h, m = ranges(a, ["mss"])
        make = lambda v: {"topt": f"0204{v:04x}", "flags": "S"}
        return [make(x["mss"]) for x in h], [make(x["mss"]) for x in m] + [{"topt": ""}]
    if opt == "--chunk-types":
        return ([{"pay": f"{t:02x}000004", "proto": SCTP} for t in (0, 1, 3)],
                [{"pay": "0e00000401000004", "proto": SCTP}])
    if opt == "--dccp-types":
        return ([{"pay": f"04d2003500000500{t << 1:02x}" + "00" * 15, "proto": DCCP} for t in (0, 2, 7)], [])
    if opt in ("--limit", "--limit-burst", "--hashlimit-burst", "--hitcount", "--every", "--connlimit-above",
               "--connlimit-upto"):
        n = re.match(r"\d+", a)
        return times((5 if opt == "--limit" else int(n.group()) if n else 5) + 2)
    if opt == "--quota":
        return times(int(a) // 28 + 2)
    return [], []


def addr_types(wanted, key, lay):
    where = {"LOCAL": [{key: x} for x in list(lay.local)[:8]],
             "UNICAST": [{key: lay.host(n)} for n in lay.names[:4]]}
    if key == "dst":
        where["BROADCAST"] = [{key: x, "dmac": "bcast"} for x in list(lay.broadcasts)[:4]] + \
                             [{key: "255.255.255.255", "dmac": "bcast"}]
        where["MULTICAST"] = [{key: "224.0.0.1", "dmac": "mcast"}]
    return ([f for t, fs in where.items() if t in wanted for f in fs],
            [f for t, fs in where.items() if t not in wanted for f in fs])


