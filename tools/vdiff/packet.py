# SPDX-License-Identifier: GPL-2.0-only
"""packet.py - one packet as fields, and as a line of tools/frame.h's notation

Fields that are None are filled in from the layout when the line is made: an address
behind the interface the packet is to come from or leave by, ports, the usual flags.
"""
import struct

from .layout import dotted, num

TCP, UDP, ICMP, UDPLITE, SCTP, DCCP, ESP, AH = 6, 17, 1, 136, 132, 33, 50, 51
PORTS = (TCP, UDP, UDPLITE, SCTP, DCCP)
NAMES = {TCP: "tcp", UDP: "udp", ICMP: "icmp", UDPLITE: "udplite", SCTP: "sctp"}
BY_NAME = {"tcp": 6, "udp": 17, "icmp": 1, "udplite": 136, "sctp": 132, "dccp": 33, "esp": 50,
           "ah": 51, "gre": 47, "igmp": 2, "ipencap": 4, "ipv6": 41, "ospf": 89, "vrrp": 112,
           "pim": 103, "ipcomp": 108, "icmpv6": 58, "ipv6-icmp": 58, "all": 0, "mh": 135,
           "ipip": 94, "l2tp": 115, "eigrp": 88, "egp": 8, "rsvp": 46}
L4_LEN = {TCP: 20, UDP: 8, ICMP: 8, UDPLITE: 8, SCTP: 12}


def csum(data):
    total = sum(struct.unpack(f">{len(data) // 2}H", data[:len(data) // 2 * 2]))
    while total >> 16:
        total = (total & 0xffff) + (total >> 16)
    return ~total & 0xffff


class Packet:
    """@hook says what it is meant for; @f its fields"""

    def __init__(self, hook, **fields):
        self.hook, self.f = hook, fields

    def but(self, **fields):
        return Packet(self.hook, **{**self.f, **fields})

    def settle(self, lay, rng):
        """All of it decided: a Packet with from, src, dst, proto and ports"""
        f = dict(self.f)
        iif, oif = f.pop("iif", None), f.pop("oif", None)
        if "hop" in f:
            f["ttl"] = min(255, f.pop("hop") + (self.hook == "FORWARD"))
        f.setdefault("proto", UDP)
        f.setdefault("sport", rng.randrange(20000, 60000))
        f.setdefault("dport", rng.choice((9, 1234, 4711)))
        f.setdefault("flags", "S")
        if f["proto"] == ICMP:
            f.setdefault("type", 8)
            f.setdefault("rest", rng.randrange(1, 65536) << 16 | 1)
        if self.hook == "INPUT" and iif != "lo":
            iif = iif or lay.outside
            f["from"] = lay.letter[iif]
            f.setdefault("src", lay.host(iif))
            f.setdefault("dst", lay.router_of(iif))
        elif self.hook == "INPUT":
            f["from"] = "o"
            f.setdefault("src", lay.router_of(lay.outside))
            f.setdefault("dst", lay.router_of(lay.outside))
        elif self.hook == "FORWARD":
            if not oif and "dst" not in f:
                oif = next(n for n in lay.names if n != (iif or lay.outside))
            oif = oif if oif in lay.letter else None
            f.setdefault("dst", lay.host(oif or lay.outside))
            leaves = lay.where(f["dst"])
            if not iif or iif == "lo":
                iif = lay.outside if leaves != lay.outside else lay.names[-1]
            f["from"] = lay.letter[iif]
            f.setdefault("src", lay.host(iif))
        else:
            f["from"] = "o"
            if oif == "lo":
                f.setdefault("dst", lay.router_of(lay.outside))
            f.setdefault("dst", lay.host(oif if oif in lay.letter else lay.outside))
            leaves = lay.where(f["dst"])
            f.setdefault("src", lay.router_of(leaves if leaves in lay.letter else lay.outside))
        return Packet(self.hook, **f)

    def line(self):
        """Of a settled packet"""
        f = self.f
        p = f["proto"]
        ports = p in PORTS and p != DCCP
        out = [f["from"], NAMES.get(p, str(p)),
               f["src"] + (f":{f['sport']}" if ports else ""), f["dst"] + (f":{f['dport']}" if ports else "")]
        if p == DCCP and "pay" not in f:
            f = {**f, "pay": f"{f['sport']:04x}{f['dport']:04x}0300000000000000" + "00" * 8}
        if "size" in f:
            f = {**f, "len": max(0, f["size"] - 20 - L4_LEN.get(p, 0))}
            f.pop("pay", None)
        keys = ["ttl", "tos", "id", "off", "mf", "df", "opt", "len", "pay", "pad", "cut", "l4", "badip", "badl4",
                "nocsum", "totlen", "ihl", "ver", "smac", "dmac", "vlan"]
        if p == TCP:
            keys += ["flags", "seq", "ack", "topt", "doff", "urg"]
        if p == ICMP:
            keys += ["type", "code", "rest"]
        for k in keys:
            if f.get(k) not in (None, False, ""):
                out.append(k if f[k] is True else f"{k}={f[k]}")
            elif k == "flags" and k in f:
                out.append("flags=")
            elif k == "type" and k in f:
                out.append(f"type={f[k]}")
        return " ".join(out)

    def back(self, lay):
        """The other direction of the same flow (settled), as its peer would send it"""
        f = self.f
        dev = lay.where(f["dst"])
        g = {k: f[k] for k in ("proto",) if k in f}
        g.update(src=f["dst"], dst=f["src"])
        g["from"] = "o" if dev == "lo" else lay.letter[dev]
        if "sport" in f:
            g.update(sport=f["dport"], dport=f["sport"])
        if f["proto"] == ICMP:
            g.update(type={8: 0, 13: 14, 15: 16, 17: 18}.get(f.get("type"), 8), code=0, rest=f.get("rest", 0))
            if f.get("type") in (0, 14, 16, 18):
                g["type"] = {0: 8, 14: 13, 16: 15, 18: 17}[f["type"]]
        return Packet(self.hook, **g)

    def quoted(self):
        """Hex of IP header and 8 bytes, as an ICMP error about this packet has them"""
        f = self.f
        total = 20 + L4_LEN.get(f["proto"], 0) + f.get("len", 0)
        head = struct.pack(">BBHHHBBH", 0x45, f.get("tos", 0), total, f.get("id", 0x1001), 0, 63, f["proto"], 0)
        head += struct.pack(">II", num(f["src"]), num(f["dst"]))
        head = head[:10] + struct.pack(">H", csum(head)) + head[12:]
        if f["proto"] == ICMP:
            l4 = struct.pack(">BBHI", f.get("type", 8), f.get("code", 0), 0, f.get("rest", 0))
        else:
            l4 = struct.pack(">HHI", f.get("sport", 0), f.get("dport", 0), f.get("seq", 8))
        return (head + l4).hex()


def fragments(p, index, paylen, cuts):
    """Lines for @p (settled) with @paylen bytes, cut 1 or 2 times; @index of its wire"""
    f = p.f
    ph = struct.pack(">IIBBH", num(f["src"]), num(f["dst"]), 0, f["proto"], L4_LEN[f["proto"]] + paylen)
    if f["proto"] == TCP:
        flags = sum(1 << "FSRPAUEC".index(x) for x in f.get("flags", "S"))
        l4 = struct.pack(">HHIIBBHHH", f["sport"], f["dport"], f.get("seq", 0), f.get("ack", 0), 0x50, flags, 8192, 0, 0)
        at = 16
    elif f["proto"] == UDP:
        l4, at = struct.pack(">HHHH", f["sport"], f["dport"], 8 + paylen, 0), 6
    else:
        l4, at, ph = struct.pack(">BBHI", f.get("type", 8), f.get("code", 0), 0, f.get("rest", 0)), 2, b""
    l4 += b"f" * paylen
    l4 = l4[:at] + struct.pack(">H", csum(ph + l4) or 0xffff) + l4[at + 2:]
    edges = [0] + [40 * (i + 1) for i in range(cuts)] + [len(l4)]
    out = []
    for a, b in zip(edges, edges[1:]):
        off = a // 8 | (0x2000 if b < len(l4) else 0)
        ip = struct.pack(">BBHHHBBH", 0x45, f.get("tos", 0), 20 + b - a, f["id"], off, f.get("ttl", 64), f["proto"], 0)
        ip += struct.pack(">II", num(f["src"]), num(f["dst"]))
        ip = ip[:10] + struct.pack(">H", csum(ip)) + ip[12:]
        ether = "" if index is None else f"020000 00{index:02x}01 020000 00{index:02x}02 0800".replace(" ", "")
        out.append(f"{f['from']} hex {ether}{(ip + l4[a:b]).hex()}")
    return out


def neighbours(lo, hi, top):
    """Inside and outside of an inclusive range: ([hits], [misses])"""
    hits = sorted({lo, hi, (lo + hi) // 2})
    return hits, [x for x in sorted({lo - 1, hi + 1, 0, top}) if 0 <= x <= top and not lo <= x <= hi]


def net_edges(value, mask):
    """Addresses in and out of value/mask"""
    free = ~mask & 0xffffffff
    hits = [value, value | free, value | (free & 0x55555555)]
    misses = []
    if mask:
        misses = [(value - 1) & 0xffffffff, ((value | free) + 1) & 0xffffffff]
        bits = [b for b in range(32) if mask >> b & 1]
        misses += [value ^ 1 << b for b in {bits[0], bits[-1], bits[len(bits) // 2]}]
        misses = [m for m in misses if m & mask != value]
    return [dotted(x) for x in dict.fromkeys(hits)], [dotted(x) for x in dict.fromkeys(misses)]
