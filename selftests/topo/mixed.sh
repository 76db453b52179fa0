#!/bin/bash
# SPDX-License-Identifier: GPL-2.0-only
# shellcheck source=selftests/topo/flood.sh
# hooks: tc xdp netfilter hybrid
# alone: floods a CPU
#
# mixed.sh - rules change a hundred times a second under a flood of up to a million
# packets a second, and no packet is judged by a mixture of two rulesets
#
# The chain `work' is A or B (of two lengths), of different length and order; each change is one COMMIT.
# What rate the machine has reached is said, not asked for. The flood has one CPU, and
# comes before all else there; the commits are everybody's equal.
# FORWARD around it stays, and its counters with it, so they judge every packet:
#
#	port	A			B			so in FORWARD, behind `work'
#	1001	dropped			returns			counted: B was in force
#	1002	returns			dropped			counted: A was in force
#	1003	accepted, by the 1st	accepted, by the last	never seen
#	1004	dropped in a chain	dropped by the 2nd	never seen
#
# The first rule of either sets a mark of its own, and its last but one sends what has
# another mark to `bad'. The control changes the same chain rule by rule: then
# packets fall through, and the same counters say so.
#
# Environment: CHANGES (default 600), RATE of the flood (packets a second; default
# 1000000 at xdp, which drops most of them at the driver, else 500000; SLOW takes fewer)

. "$(dirname "$0")/flood.sh"
[ "$DUT" = bpf ] || skip_all "only for bpf-iptables"
CHANGES=${CHANGES:-600}
most=500000
[ "$HOOK" != xdp ] || most=1000000
# An emulated CPU (SLOW) may be the only one, and the flood comes first on it
[ "$SLOW" -le 1 ] || most=$((most / SLOW / 5))
RATE=${RATE:-$most}
flood_templates 4

# filler N - rules in the way that match nothing of the flood
filler() {
	awk -v n="$1" 'BEGIN { for (i = 0; i < n; i++)
		printf "-A work -s 172.%d.%d.0/24 -p udp -m udp --dport %d -j %s\n",
			16 + i / 250, i % 250, 1001 + i % 4, i % 3 ? "DROP" : "ACCEPT" }'
}
work_a() {
	echo '-A work -p udp -m udp --dport 1003 -j ACCEPT'
	echo '-A work -j MARK --set-xmark 0x1/0xffffffff'
	filler 7
	echo '-A work -g tail'
	echo '-A tail -p udp -m udp --dport 1001 -j DROP'
	echo '-A tail -p udp -m udp --dport 1004 -j DROP'
	echo '-A tail -m mark ! --mark 0x1 -j bad'
}
work_b() {
	echo '-A work -j MARK --set-xmark 0x2/0xffffffff'
	echo '-A work -p udp -m udp --dport 1004 -j DROP'
	filler "${1:-90}"
	echo '-A work -p udp -m udp --dport 1002 -j DROP'
	echo '-A work -m mark ! --mark 0x2 -j bad'
	echo '-A work -p udp -m udp --dport 1003 -j ACCEPT'
}
batch() {
	printf '%s\n' '*filter' ':work - [0:0]' ':tail - [0:0]'
	"$@"
	echo COMMIT
}
batch work_a >"$TMP/a"
batch work_b >"$TMP/b"
batch work_b 40 >"$TMP/c"
batch work_b 3000 >"$TMP/big"		# outgrows the programs' maps: they are replaced
# three in turn, so that a slot is written over with something else
for ((i = 0; i < CHANGES / 3; i++)); do cat "$TMP/b" "$TMP/c" "$TMP/a"; done >"$TMP/changes"
frame_rules() {
	cat <<-END
		*filter
		:INPUT ACCEPT [0:0]
		:FORWARD ACCEPT [0:0]
		:OUTPUT ACCEPT [0:0]
		:bad - [0:0]
		:tail - [0:0]
		:work - [0:0]
		-A bad -j DROP
		-A FORWARD -j work
		-A FORWARD -p udp -m udp --dport 1003 -j DROP
		-A FORWARD -p udp -m udp --dport 1004 -j DROP
		-A FORWARD -p udp -m udp --dport 1001 -j DROP
		-A FORWARD -p udp -m udp --dport 1002 -j DROP
	END
	work_a
	echo COMMIT
}

# packets CHAIN N - of the Nth rule, from $TMP/saved
packets() {
	counters_of "$1" "$2" <"$TMP/saved" | cut -d' ' -f1
}

# note_counters - those in force, into $TMP/saved
note_counters() {
	fw dut -save -c -t filter >"$TMP/saved"
}
more_than() {
	note_counters
	[ "$(packets FORWARD 1)" -gt "$1" ]
}

# taken - packets that the router has taken from the veth: on an only CPU the flood may come
# before who does that (ksoftirqd, on 6.1), and what does not fit into the veth's ring is lost
taken() {
	ns_exec "${NS[dut.r]}" awk '$1 == "eth0:" { print $3 }' /proc/net/dev
}

# under_flood CMD... - run it while the flood lasts; leaves the counters in $TMP/saved, and
# how many packets came in $came
under_flood() {
	local rc before

	before=$(taken)
	frame_rules | fw dut -restore || return
	flood_start 60 dut -p "$RATE" -t 10
	busywait 20 more_than 0
	"$@"
	rc=$?
	flood_stop
	quiet() { came=$(taken); pause 2; [ "$(taken)" = "$came" ]; }
	busywait 20 quiet
	came=$((came - before))
	note_counters
	return $rc
}

# change_at_once - one process, a commit for each change; then one that needs new programs
change_at_once() {
	local from t0 t1

	from=$(packets FORWARD 1)
	t0=$(date +%s%N)
	fw dut -restore -n <"$TMP/changes" || return
	t1=$(date +%s%N)
	note_counters
	took=$(((t1 - t0) / 1000000))
	judged=$(($(packets FORWARD 1) - from))
	grow
}
grow() {
	fw dut -restore -n <"$TMP/big" && fw dut -restore -n <"$TMP/a"
}
# by_rules - the change to B rule by rule, so that packets meet what is between
by_rules() {
	local rule

	dut -F work
	note_counters
	busywait 20 more_than "$(packets FORWARD 1)"	# a flood comes in lots
	work_b 0 >"$TMP/rules"
	while read -r rule; do
		# shellcheck disable=SC2086 # words of a rule
		dut $rule
	done <"$TMP/rules"
}

under_flood change_at_once
tap_ok $? "$CHANGES changes and a growth under a flood"
[ "$judged" -gt $((10 * CHANGES)) ]
tap_ok $? "with packets between them: $judged"
echo "# $CHANGES changes and $judged packets judged in $took ms: $((CHANGES * 1000 / took)) and $((judged * 1000 / took)) a second"
echo "# $came of $(cat "$TMP/sent") packets came"
tap_same "every packet met the chain of one of the two" "$came" "$(packets FORWARD 1)"
tap_same "what both accept never falls through" 0 "$(packets FORWARD 2)"
tap_same "what both drop never falls through" 0 "$(packets FORWARD 3)"
tap_same "nobody meets the other's mark" 0 "$(packets bad 1)"
[ "$(packets FORWARD 4)" -gt 0 ] && [ "$(packets FORWARD 5)" -gt 0 ]
tap_ok $? "both were in force: A for $(packets FORWARD 5) packets of its kind, B for $(packets FORWARD 4)"
under_flood by_rules
[ "$(packets FORWARD 2)" -gt 0 ]
tap_ok $? "control: changed rule by rule, $(packets FORWARD 2) and $(packets FORWARD 3) packets fall through"
tap_done
