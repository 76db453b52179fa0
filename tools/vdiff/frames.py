# SPDX-License-Identifier: GPL-2.0-only
"""frames.py - what is left out of a delivered frame before it is compared"""


def without_nat_ports(data, known):
    """A frame on a wire, its source port blanked if native NAT made it up

    @known: the ports of the frames that were sent. When a connection's own port is taken
    NAT begins its search at a random one (nf_nat_l4proto_unique_tuple()).
    """
    raw = bytearray.fromhex(data)
    at = 14 + (raw[14] & 15) * 4 if len(raw) > 34 else len(raw)
    if len(raw) < at + 8 or raw[23] not in (6, 17) or int.from_bytes(raw[at:at + 2], "big") in known:
        return data
    raw[at:at + 2] = b"\0\0"
    csum = at + (16 if raw[23] == 6 else 6)
    raw[csum:csum + 2] = b"\0\0"
    return raw.hex()
