#!/bin/bash
# SPDX-License-Identifier: GPL-2.0-only
# shellcheck source=selftests/topo/flood.sh
# hooks: tc xdp netfilter
# alone: floods a CPU
#
# flows_mixed.sh - what is kept of a flow is of one ruleset, under a flood and a change of
# the rules every few milliseconds
#
# mixed.sh, with images that verdicts are kept for (at hybrid the driver's program, which keeps
# none, drops these packets). `work' drops port 1001 (A) or 1002 (B, and C, which is longer); the
# other one returns, and is dropped in FORWARD. A kept verdict has its rule's counter in it,
# and the generation of the image that it came of: rulesets take turns, so every third
# generation is the same one. Of 1001 those of B and C must have FORWARD's rule, those of A
# another; and of 1002 the other way round. And all have the jump before it.
#
# Environment: TURNS (default 8), CHANGES in each (default 24), RATE of the flood (packets a
# second, default 300000; SLOW takes fewer)

. "$(dirname "$0")/flood.sh"
[ "$DUT" = bpf ] || skip_all "only for bpf-iptables"
need tools bpftool
TURNS=${TURNS:-8}
CHANGES=${CHANGES:-24}
RATE=${RATE:-300000}
# An emulated CPU (SLOW) may be the only one, and the flood comes first on it
[ "$SLOW" -le 1 ] || RATE=$((RATE / SLOW / 5))
flood_templates 2 4096

work() {
	printf '%s\n' '*filter' ':work -'
	"$@"
	echo COMMIT
}
work_a() { echo '-A work -p udp -m udp --dport 1001 -j DROP'; many_shapes 800 work; }
work_b() { many_shapes "$1" work; echo '-A work -p udp -m udp --dport 1002 -j DROP'; }
work work_a >"$TMP/a"
work work_b 800 >"$TMP/b"
work work_b 880 >"$TMP/c"
for ((i = 0; i < CHANGES / 3; i++)); do cat "$TMP/b" "$TMP/c" "$TMP/a"; done >"$TMP/changes"

frame_rules() {
	printf '%s\n' '*filter' ':INPUT ACCEPT' ':FORWARD ACCEPT' ':OUTPUT ACCEPT' ':work -' \
		'-A FORWARD -j work' '-A FORWARD -p udp -m udp --dport 1001 -j DROP' \
		'-A FORWARD -p udp -m udp --dport 1002 -j DROP' COMMIT
}

# look - what is kept, after a commit of A and packets that met it: how many values are not
# their generation's; how many flows, generations of A, of B and C
look() {
	bpftool -j map dump pinned "$(echo "$(ns_pins "${NS[dut.r]}")"/g*/map-flows)" | python3 -c '
import collections, json, struct, sys
flows, also, kept = 0, set(), collections.defaultdict(set)	# (generation, port): rule and verdict
for e in json.load(sys.stdin):
	raw = bytes(int(b, 16) for b in e["value"])
	for at in (0, 32):
		_, ports, key, plain, jump = struct.unpack_from("<3Q2I", raw, at)
		if plain:
			flows += 1
			also.add(jump)
			kept[key >> 32, ports >> 16 & 0xffff].add(plain)
last = max(g for g, _ in kept)
of_a = lambda g: (last - g) % 3 == 0
bad = len(also) - 1	# all met the jump
for n, by_forward in ((1001, False), (1002, True)):	# in A
	mine, other = set(), set()
	for (g, port), plain in kept.items():
		if port == n:
			(mine if of_a(g) == by_forward else other).update(plain)
	bad += max(len(mine) - 1, 0) + len(mine & other)
print(bad, flows, *(len({g for g, _ in kept if of_a(g) == a}) for a in (True, False)))'
}

# packets N - of FORWARD rule N
packets() {
	fw dut -save -c -t filter | counters_of FORWARD "$1" | cut -d' ' -f1
}
# shellcheck disable=SC2317 # called through busywait
more_than() { [ "$(packets 1)" -gt "$1" ]; }

frame_rules | fw dut -restore
fw dut -restore -n <"$TMP/a"
flood_start 60 dut -p "$RATE" -t 10
busywait 20 more_than 0
bad=0 flows=0 gens_a=0 gens_b=0 rc=0 from=$(date +%s%N)
for ((turn = 0; turn < TURNS; turn++)); do
	fw dut -restore -n <"$TMP/changes" || rc=1
	busywait 20 more_than "$(packets 1)"
	read -r b f ga gb < <(look)
	bad=$((bad + b)) flows=$((flows + f)) gens_a=$((gens_a + ga)) gens_b=$((gens_b + gb))
done
took=$((($(date +%s%N) - from) / 1000000))
flood_stop
tap_ok $rc "$((TURNS * CHANGES)) changes under a flood"
echo "# in $took ms, with looks; $(packets 1) packets"
tap_same "of $flows kept verdicts all are of their generation's rules" 0 "$bad"
tap_ok "$((gens_a < TURNS || gens_b < TURNS / 2))" \
	"control: they are of $gens_a generations of A and $gens_b of B and C"
tap_done
