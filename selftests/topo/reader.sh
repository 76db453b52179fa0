#!/bin/bash
# SPDX-License-Identifier: GPL-2.0-only
# shellcheck source=selftests/topo/twin.sh
# hooks: tc netfilter hybrid
#
# reader.sh - a packet that takes long is judged by one ruleset, however many replace it
#
# OUTPUT searches datagrams of 60,000 bytes for $SEARCHES strings, byte by byte, as long as many
# commits take. Each ruleset counts its packets first, and again in the end, both in chains that
# stay: they differ when one was written over while it was read. The control: commits that
# are made to believe that nothing is read.
#
# Environment: CHANGES (default 100), SEARCHES (default 100)

. "$(dirname "$0")/twin.sh"
[ "$DUT" = bpf ] || skip_all "only for bpf-iptables"
need tools python3 bpftool strace
CHANGES=${CHANGES:-100}
SEARCHES=${SEARCHES:-100}
twin_up wire
R=${NS[dut.r]}
PINS=$(ns_pins "$R")

many_shapes 800 work >"$TMP/filler"
# ruleset N - of other length than the others', and one that verdicts are kept for
ruleset() {
	printf '%s\n' '*filter' ':work -' "-A work -j begin$1"
	for ((s = 0; s < SEARCHES + $1; s++)); do
		echo "-A work -m string --algo bm --string x$s-"
	done
	cat "$TMP/filler"
	printf '%s\n' "-A work -j end$1" '-A work -j DROP' COMMIT
}
for ((i = 1; i <= CHANGES; i++)); do ruleset $((i % 3 + 1)); done >"$TMP/changes"

packets() {
	packets_of dut "$1" 1
}
sending() {
	[ "$(packets OUTPUT)" -gt 0 ]
}

# under_packets COMMAND... - which changes the rules; leaves how many packets were judged
# meanwhile in $judged, and how many of the rulesets ended otherwise than they began in $mixed
under_packets() {
	local rc from i

	{
		printf '%s\n' '*filter' ':INPUT ACCEPT' ':FORWARD ACCEPT' ':OUTPUT ACCEPT' ':work -'
		printf ':%s -\n' {begin,end}{1..3}
		printf -- '-A %s -p udp\n' 'OUTPUT -j work' {begin,end}{1..3}
		echo COMMIT
	} | fw dut -restore
	ruleset 3 | fw dut -restore -n || return
	ns_spawn "$R" nice -n -15 python3 -c "
import socket
s = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
while True:
    try:
        s.sendto(b'-' * 60000, ('127.0.0.1', 9))
    except OSError:
        pass
"
	busywait 20 sending
	from=$(packets OUTPUT)
	# both are to run, so that commits come while a packet is judged
	(renice -n -15 "$BASHPID" >/dev/null && "$@")
	rc=$?
	judged=$(($(packets OUTPUT) - from))
	kill "$SPAWNED"
	wait "$SPAWNED" 2>/dev/null
	mixed=0
	for i in 1 2 3; do
		mixed=$((mixed + ($(packets "begin$i") != $(packets "end$i"))))
	done
	return $rc
}
change() {
	fw dut -restore -n <"$TMP/changes"
}
# blindly - by commits that do not see who reads: no CPU is visited, or claims are others'
blindly() {
	local rc

	if [ "$HOOK" = tc ]; then
		XTABLES_LOCKFILE=$TMP/lock.dut ns_exec "$R" strace -qq -o /dev/null -e trace=sched_setaffinity \
			-e inject=sched_setaffinity:retval=0 "$BPFIPT-restore" -n <"$TMP/changes"
		return
	fi
	mv "$PINS/current/map-claims" "$PINS/claims"
	bpftool map create "$PINS/current/map-claims" type array key 4 value 64 \
		entries "$(($(sed 's/.*-//' /sys/devices/system/cpu/possible) + 1))" name none flags 1024
	change
	rc=$?
	rm "$PINS/current/map-claims"
	mv "$PINS/claims" "$PINS/current/map-claims"
	return $rc
}

ip -n "$R" link set lo up
under_packets change
tap_ok $? "$CHANGES rulesets in a row"
tap_check "while packets are judged: $judged" test "$judged" -gt 0
tap_check "with the table of flows" test -e "$PINS/current/map-flows"
tap_same "each ruleset ends as many as it began" 0 "$mixed"
under_packets blindly
tap_ok $? "the same, blindly"
if [ "$mixed" -gt 0 ]; then
	tap_ok 0 "control: $mixed of three rulesets do not, of $judged packets"
else
	tap_skip "control: rulesets do not" "no commit while one of $judged was judged: one CPU?"
fi
tap_done
