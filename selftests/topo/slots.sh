#!/bin/bash
# SPDX-License-Identifier: GPL-2.0-only
# shellcheck source=selftests/topo/flood.sh
# hooks: tc xdp netfilter
# alone: floods a CPU
#
# slots.sh - under a flood, a rule counts its own packets, each once
#
# Under a flood to port 1001 the only rule of FORWARD is exchanged, $CHANGES times, for
# one that no packet matches, and back. A counter slot that is given away while the old
# ruleset still counts into it (or while a packet still reads that) shows as
# packets of the new rule. The control: the rule that matches does count. Then: what is
# counted between the reading and the zeroing of -L -Z, and while programs are replaced, is
# counted once. iptables-legacy passes all of it (DUT=legacy).
#
# Environment: CHANGES (default 20)

. "$(dirname "$0")/flood.sh"
CHANGES=${CHANGES:-20}
flood_templates 1

# rule PORT - the whole ruleset, as a restore
rule() {
	printf '%s\n' '*filter' ':INPUT ACCEPT' ':FORWARD ACCEPT' ':OUTPUT ACCEPT' \
		"-A FORWARD -p udp -m udp --dport $1 -j DROP" COMMIT
}
rule 1001 >"$TMP/hit"
rule 9 >"$TMP/miss"
sed s/DROP/ACCEPT/ "$TMP/hit" >"$TMP/pass"
{
	printf '%s\n' '*filter' ':big -'
	awk 'BEGIN { for (i = 0; i < 3000; i++)
		printf "-A big -s 172.16.%d.%d -p udp --dport %d -j DROP\n", i / 250, i % 250, i + 1 }'
	echo COMMIT
} >"$TMP/big"
# exchange CMD-TO-MISS CMD-TO-HIT - leaves in $wrong what the other rule counted, in $right the one
exchange() {
	local i n

	wrong=0 right=0
	for ((i = 0; i < CHANGES; i++)); do
		eval "$1" || return
		n=$(packets_of dut FORWARD 1)
		wrong=$((wrong + n))
		eval "$2" || return
		n=$(packets_of dut FORWARD 1)
		right=$((right + (n > 0)))
	done
}

# raw ARG... - the native tool's table, beside ours
raw() {
	XTABLES_LOCKFILE=$TMP/lock.raw ns_exec "${NS[dut.r]}" iptables-legacy -t raw "$@"
}
native() {
	raw -vxnL PREROUTING | awk '/dpt:1001/ { print $1 }'
}
flood() {
	flood_start 120
	flowing() { [ "$(packets_of dut FORWARD 1)" -gt 0 ]; }
	tap_check "packets flow" busywait 20 flowing
}

fw dut -restore <"$TMP/hit"
raw -A PREROUTING -p udp --dport 1001
flood
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

# -L -Z again and again: each packet is listed once
{
	printf '%s\n' '*filter' ':INPUT ACCEPT' ':FORWARD ACCEPT' ':OUTPUT ACCEPT' ':work -' \
		'-A work -p udp -m udp --dport 1001' '-A FORWARD -j work' '-A FORWARD -j DROP' COMMIT
} | fw dut -restore
listed=0
for ((i = 0; i < CHANGES; i++)); do
	n=$(fw dut '' -w -L work -Z -v -x -n | awk '/udp/ { print $1 }')
	listed=$((listed + n))
done
# stop - the flood, and wait until its last packet is through
stop() {
	flood_stop
	quiet() { local was; was=$(native); pause 2; [ "$(native)" = "$was" ]; }
	busywait 20 quiet
}
stop
n=$(packets_of dut work 1)
all=$(packets_of dut FORWARD 2)
tap_same "-L -Z, $CHANGES times: every packet is listed once" "$all" $((listed + n))
tap_ok $((all == 0 || listed == 0)) "control: $listed of $all packets came before the last -Z"

# Edits of other rules, and a ruleset that outgrows the programs' maps. The native table raw,
# which is before or behind our hook but sees the same packets, is the judge.
fw dut -restore <"$TMP/pass"
raw -F PREROUTING
raw -A PREROUTING -p udp --dport 1001
flood
for ((i = 0; i < CHANGES; i++)); do
	dut -I FORWARD 1 -p udp --dport 9 -j DROP
	dut -D FORWARD 1
done
fw dut -restore -n <"$TMP/big"
dut -F big
dut -X big
early=$(packets_of dut FORWARD 1)
stop
tap_same "edits and a growth lose no packet, and count none twice" "$(native)" "$(packets_of dut FORWARD 1)"
tap_ok $((early == 0)) "control: $early were counted before it was over"

# what earlier images hold is waited for, it does not make the counters' map grow
new_rules() {
	local i

	for ((i = 0; i < $1; i++)); do
		{ printf '*filter\n' && printf -- "-A FORWARD -p udp --sport $i --dport %d -j DROP\n" {1..2000} &&
			echo COMMIT; } | fw dut -restore || return
	done
}
room() { ns_exec "${NS[dut.r]}" "$BPFIPT" status | sed -n 's/.*counters .* of //p'; }
tap_check "twice 2000 new rules" new_rules 2
room=$(room)
tap_check "and ten times" new_rules 10
tap_same "take room for two of them to count" "$room" "$(room)"
tap_done
