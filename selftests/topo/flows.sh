#!/bin/bash
# SPDX-License-Identifier: GPL-2.0-only
# shellcheck source=selftests/topo/twin.sh
# hooks: tc xdp netfilter hybrid
#
# flows.sh - verdicts that are kept for flows are iptables', and go with the rules
#
# 900 overlapping prefixes and port ranges in FORWARD, INPUT and a user chain: an image that
# verdicts are kept for. Packets of some 200 flows come three times after each change: what
# the first turn had is what the others are given, and nothing that was kept before the
# change. Rules whose verdict is no function of the flow stand among them. Control: the
# pinned table holds verdicts of the image in force.

. "$(dirname "$0")/twin.sh"
twin_up wire
S=10.2.0.2 R=10.1.0.1

step_frames() {
	awk -v s=$S -v r=$R 'BEGIN {
		for (turn = 0; turn < 3; turn++)
			for (i = 0; i < 200; i++)
				printf "c %s 10.1.0.%d:%d %s:%d%s\n", i % 2 ? "tcp" : "udp", i % 120 + 2,
					1024 + i * 37 % 60000, i % 5 ? s : r, 1 + i * 131 % 9000,
					i % 2 ? i % 3 ? " flags=S" : " flags=A" : ""
	}'
}
# kept - verdicts in the table that are of the generation last published: the highest
kept() {
	bpftool -j map dump pinned "$(echo "$(ns_pins "${NS[dut.r]}")"/g*/map-flows)" | python3 -c '
import json, struct, sys
n = {}
for e in json.load(sys.stdin):
	raw = bytes(int(b, 16) for b in e["value"])
	for at in (0, 32):
		n.setdefault(struct.unpack_from("<I", raw, at + 20)[0], []).append(struct.unpack_from("<I", raw, at + 24)[0])
print(sum(map(bool, n[max(n)])))'
}
awk 'BEGIN {
	srand(1)
	print "*filter\n:INPUT ACCEPT\n:FORWARD ACCEPT\n:OUTPUT ACCEPT\n:user -"
	for (i = 0; i < 900; i++) {
		from = int(rand() * 9000); proto = rand() < .5 ? "tcp" : "udp"
		printf "-A %s", i % 3 ? i % 7 ? "FORWARD" : "user" : "INPUT"
		printf " -s 10.1.0.%d/%d", int(rand() * 256), 25 + int(rand() * 8)
		if (rand() < .6)
			printf " -d 10.%d.0.%d/%d", rand() < .7 ? 2 : 1, int(rand() * 4), 30 + int(rand() * 3)
		printf " -p %s -m %s", proto, proto
		if (rand() < .5)
			printf " --sport %d:65535", 1024 + int(rand() * 60000)
		printf " --dport %d:%d", from, from + int(rand() * 400)
		print " -j", rand() < .5 ? "ACCEPT" : "DROP"
	}
	print "-A FORWARD -p udp -m udp --dport 1:9000 -j user"
	print "-A FORWARD -s 10.1.0.0/26 -p udp"
	print "COMMIT"
}' | sed 's%/32%%' >"$TMP/base"

# shellcheck disable=SC2119
both_restore <"$TMP/base" || tap_ok 1 "the base goes in"
step "the rules" true
tap_ok "$(($(delivered s) == 0))" "control: packets come through"
[ "$DUT" != bpf ] || { n=$(kept) && tap_ok "$((n < 60))" "control: $n verdicts are kept"; }
step "other policies" both -P FORWARD DROP
step "one rule before all" both -I FORWARD -s 10.1.0.64/27 -p tcp -j DROP
step "one less" both -D INPUT 5
step "in the user chain" both -I user -p udp -m udp --sport 1024:30000 -j DROP
step "a jump" both -I FORWARD 3 -p udp -m udp --dport 1000:4000 -j user
step "one that counts" both -I FORWARD -s 10.1.0.0/25
step "a limit" both -I FORWARD 2 -p udp -m limit --limit 1/hour --limit-burst 7 -j ACCEPT
both -D FORWARD 2	# legacy fills it again at each change
step "states" both -I FORWARD -m conntrack --ctstate INVALID -j DROP
step "flags" both -I FORWARD 4 -p tcp -m tcp --tcp-flags SYN,ACK ACK -j ACCEPT
step "an interface" both -I FORWARD 5 ! -i eth1 -p tcp -m tcp --dport 100:600 -j ACCEPT
step "a key that no flow has" both -I FORWARD 6 -m length --length 0:39 -j DROP
step "which goes" both -D FORWARD 6
# shellcheck disable=SC2119
step "the first rules again" both_restore <"$TMP/base"
tap_done
