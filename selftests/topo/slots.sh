#!/bin/bash
# SPDX-License-Identifier: GPL-2.0-only
# shellcheck source=selftests/topo/twin.sh
# hooks: tc xdp netfilter
# alone: floods a CPU
#
# slots.sh - a new rule counts no packet of the rule whose place it takes
#
# Under a flood to port 1001 the only rule of FORWARD is exchanged, $CHANGES times, for
# one that no packet matches, and back. A counter slot that is given away while the old
# ruleset still counts into it (or while a packet still reads that) shows as
# packets of the new rule. The control: the rule that matches does count.
#
# Environment: CHANGES (default 20)

. "$(dirname "$0")/twin.sh"
[ "$DUT" = bpf ] || skip_all "only for bpf-iptables"
[ -x "$BUILD/bench/blast" ] || skip_all "no $BUILD/bench/blast"
need tools python3
CHANGES=${CHANGES:-20}
twin_up wire
ns_exec "${NS[dut.r]}" ethtool -K eth0 gro on >/dev/null 2>&1	# NAPI, without an XDP program too
python3 - >"$TMP/templates" <<'END'
import struct
def csum(b):
    s = sum(struct.unpack("!%dH" % (len(b) // 2), b))
    s = (s & 0xffff) + (s >> 16)
    return 0xffff & ~((s & 0xffff) + (s >> 16))
out = b""
for i in range(256):
    ip = struct.pack("!BBHHHBBH4s4s", 0x45, 0, 50, i, 0, 64, 17, 0, bytes([10, 1, 0, 2]), bytes([10, 2, 0, 2]))
    ip = ip[:10] + struct.pack("!H", csum(ip)) + ip[12:]
    out += (bytes.fromhex("020000000101020000000102") + b"\x08\x00" + ip +
            struct.pack("!HHHH", 1024 + i, 1001, 30, 0)).ljust(64, b"\0")
open("/dev/stdout", "wb").write(out)
END
# rule PORT - the whole ruleset, as a restore
rule() {
	printf '%s\n' '*filter' ':INPUT ACCEPT' ':FORWARD ACCEPT' ':OUTPUT ACCEPT' \
		"-A FORWARD -p udp -m udp --dport $1 -j DROP" COMMIT
}
rule 1001 >"$TMP/hit"
rule 9 >"$TMP/miss"
packets() {
	fw dut -save -c -t filter | counters_of FORWARD 1 | cut -d' ' -f1
}
# exchange CMD-TO-MISS CMD-TO-HIT - leaves in $wrong what the other rule counted, in $right the one
exchange() {
	local i n

	wrong=0 right=0
	for ((i = 0; i < CHANGES; i++)); do
		eval "$1" || return
		n=$(packets)
		wrong=$((wrong + n))
		eval "$2" || return
		n=$(packets)
		right=$((right + (n > 0)))
	done
}

fw dut -restore <"$TMP/hit"
"$BUILD/bench/blast" flood 120 "$TMP/templates" "w:${NS[dut.c]}:c0:c0" >"$TMP/sent" &
blast=$!
PIDS+=("$blast")
# shellcheck disable=SC2317
flowing() { [ "$(packets)" -gt 0 ]; }
tap_check "packets flow" busywait 20 flowing
exchange 'dut -R FORWARD 1 -p udp --dport 9 -j DROP' 'dut -R FORWARD 1 -p udp --dport 1001 -j DROP'
tap_ok $? "$CHANGES exchanges by -R"
tap_same "-R: the new rule counts nothing of the old one's" 0 "$wrong"
tap_ok $((right == 0)) "control: the rule that matches counts ($right times of $CHANGES)"
exchange 'fw dut -restore <"$TMP/miss"' 'fw dut -restore <"$TMP/hit"'
tap_ok $? "$CHANGES exchanges by restore"
tap_same "restore: the new rule counts nothing of the old one's" 0 "$wrong"
tap_ok $((right == 0)) "control: the rule that matches counts ($right times of $CHANGES)"
exchange 'dut -D FORWARD 1; dut -A FORWARD -p udp --dport 9 -j DROP' 'dut -D FORWARD 1; dut -A FORWARD -p udp --dport 1001 -j DROP'
tap_ok $? "$CHANGES exchanges by -D and -A"
tap_same "-D, -A: the new rule counts nothing of the old one's" 0 "$wrong"
kill "$blast"
wait "$blast" 2>/dev/null
tap_done
