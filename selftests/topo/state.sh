#!/bin/bash
# SPDX-License-Identifier: GPL-2.0-only
# shellcheck source=selftests/topo/twin.sh
# hooks: tc xdp netfilter
#
# state.sh - matches that remember: limit and statistic; and cpu, which is not the packet's either
#
# One deliberate difference from the reference: iptables-legacy loads the whole table
# anew at every change of any rule, and so refills every bucket and restarts every
# counter. Here (and in nft) they go on, and only a new rule starts afresh; the
# reference is compared with within one load.

. "$(dirname "$0")/twin.sh"
twin_up wire
C=10.1.0.2 S=10.2.0.2

# burst N PORT - N UDP packets
burst() {
	local i

	for ((i = 0; i < $1; i++)); do echo "c udp $C:1 $S:$2"; done
}
# got TEXT N WANT - packets of FORWARD's Nth rule in the device under test
got() {
	tap_same "$1" "$3" "$(packets_of dut FORWARD "$2")"
}

{
	printf '%s\n' '*filter' ':INPUT ACCEPT [0:0]' ':FORWARD ACCEPT [0:0]' ':OUTPUT ACCEPT [0:0]'
	sed 's/^/-A FORWARD /' <<-EOF
		-p udp -m udp --dport 10 -m limit --limit 3/hour
		-p udp -m limit --limit 3/hour --limit-burst 9 -m udp --dport 11
		-p udp -m limit --limit 2/hour --limit-burst 7 -m limit --limit 3/hour --limit-burst 12 -m udp --dport 11
		-p udp -m multiport --ports 1,11 -m limit --limit 3/hour --limit-burst 6
		-p udp -m statistic --mode nth --every 3 --packet 0
		-p udp -m statistic --mode nth --every 4 --packet 2
		-p udp -m statistic --mode nth ! --every 5 --packet 1
		-p udp -m udp --dport 11 -m statistic --mode nth --every 2 --packet 0 -m statistic --mode nth --every 2 --packet 0
		-p udp -m statistic --mode random --probability 1
		-p udp -m statistic --mode random --probability 0
		-p udp -m limit --limit 3/hour --limit-burst 20 -j ACCEPT
		-p udp -j DROP
	EOF
	echo COMMIT
} >"$TMP/wanted"
both_restore <"$TMP/wanted"
agree "limit and nth, each in its place among the rule's matches" < <(burst 13 10; burst 12 11; burst 3 10)
got "3/hour lets its burst of 5 through" 1 5
got "nth counts every packet that reached it" 5 10
got "the bucket that accepts" 11 20

if [ "$DUT" = bpf ]; then
	before=$(saved dut | counters_of FORWARD 1)
	dut -I FORWARD 1 -s 9.9.9.9 -j DROP
	dut -D FORWARD 1
	dut -A FORWARD -p udp -m limit --limit 3/hour -j ACCEPT
	dut -D FORWARD 13
	world_inject dut <(burst 8 10) "$TMP/rx"
	tap_same "editing other rules refills no bucket" "$before" "$(saved dut | counters_of FORWARD 1)"
	got "nor does it restart a counter" 5 12

	dut -Z FORWARD
	world_inject dut <(burst 2 10) "$TMP/rx"
	got "-Z leaves a bucket alone" 1 0

	for n in 4 8 2; do
		dut -R FORWARD 1 -p udp -m udp --dport 10 -m limit --limit 3/hour --limit-burst $n
		world_inject dut <(burst 10 10) "$TMP/rx"
		got "-R starts a full bucket of $n" 1 $n
	done
	fw dut -restore <"$TMP/wanted"
	world_inject dut <(burst 10 10) "$TMP/rx"
	got "so does -restore" 1 5

	# More rows than a table of the first size has counters: another generation
	{
		cat <<-EOF
			*filter
			-I FORWARD 1 -p udp -m udp --dport 10 -m limit --limit 3/hour --limit-burst 3
		EOF
		for ((i = 0; i < 3000; i++)); do
			echo "-A INPUT -p udp -m udp --dport $((i + 1)) -m limit --limit 3/hour"
		done
		echo COMMIT
	} >"$TMP/many"
	fw dut -restore -n <"$TMP/many"
	world_inject dut <(burst 10 10) "$TMP/rx"
	got "a bucket beside 3000 others" 1 3
	got "a bucket that was empty before the map grew" 2 5

	for ((i = 0; i < 16400; i++)); do
		echo "-A INPUT -s 10.$((i / 250)).$((i % 250)).1/32 -m limit --limit 3/hour"
	done | { printf '*filter\n'; cat; echo COMMIT; } >"$TMP/toomany"
	tap_refused "more buckets than there are rows" fw dut -restore -n <"$TMP/toomany"
	got "and nothing has changed" 2 5
fi

# Over time: 5 a second, offered more than that, for some seconds by the clock.
reset_rules
both -A FORWARD -p udp -m limit --limit 5/second --limit-burst 2
t0=$(date +%s%N)
world_inject dut <(burst 4 10) "$TMP/rx"
t2=$t0
for ((i = 0; i < 2 || $(date +%s%N) - t0 < 3000000000; i++)); do
	world_inject dut <(burst 4 10) "$TMP/rx"
	t2=$(date +%s%N)
done
n=$(packets_of dut FORWARD 1)
most=$((2 + 5 * (t2 - t0) / 1000000000 + 1))
tap_note "$n packets, $most at most"
[ "$n" -le "$most" ]
tap_ok $? "no more than the rate"
[ "$n" -gt 2 ]
tap_ok $? "a bucket fills again"

# A packet stays on the CPU that sent it: the first of ours, then the last.
cpus=$(taskset -pc $$ | sed 's/.*: //')
first=${cpus%%[,-]*} last=${cpus##*[,-]}
if [ "$DUT" = bpf ] && [ "$HOOK" = xdp ]; then
	tap_refused "xdp: cpu, the stack may run on another" dut -A FORWARD -m cpu --cpu 0
else
	rules <<-EOF
		-p udp -m cpu --cpu $first
		-p udp -m cpu ! --cpu $first
		-p udp -m cpu --cpu $last -m udp --dport 11 -j DROP
		-p udp -m cpu --cpu 4095
	EOF
	for cpu in "$first" "$last"; do
		taskset -pc "$cpu" $$ >/dev/null
		agree "cpu $cpu" < <(burst 4 10; burst 3 11)
	done
	[ "$first" = "$last" ] || got "cpu: half of the packets came by the first" 1 7
	got "cpu: those of the last are dropped" 3 $(((first == last) * 3 + 3))
fi
tap_done
