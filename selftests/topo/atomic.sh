#!/bin/bash
# SPDX-License-Identifier: GPL-2.0-only
# shellcheck source=selftests/topo/old_new.sh
# hooks: tc xdp netfilter
#
# atomic.sh - a command is all or nothing: killed, racing or failing
#
# BPFIPT_FAULT_STEP=n makes a command kill itself (SIGKILL) at its nth step towards
# the kernel; n goes up until the command lives. After every kill the ruleset must
# be the old or the new one of old_new.sh, whole, and enforced.

. "$(dirname "$0")/old_new.sh"
fault() {
	local step=$1

	shift
	BPFIPT_FAULT_STEP=$step "$@"
}

# kill_series NAME OLD-FILE CMD... - the series for one command that makes "old" into "new"
kill_series() {
	local name=$1 old=$2 n rc=137 now state whole=0 works=0

	shift 2
	fw dut -restore <"$old" || tap_ok 1 "$name: old ruleset"
	rules_now >"$TMP/is.old"
	"$@" >/dev/null 2>&1
	rules_now >"$TMP/is.new"
	cmp -s "$TMP/is.old" "$TMP/is.new" && tap_ok 1 "$name: changes something"
	for ((n = 1; n < 200 && rc == 137; n++)); do
		fw dut -restore <"$old" || { tap_ok 1 "$name: old ruleset again, after step $((n - 1))"; return; }
		# in a subshell: bash reports the kill on its own stderr
		(fault $n "$@") >"$TMP/kill.out" 2>&1
		rc=$?
		rules_now >"$TMP/is.now"
		state=
		cmp -s "$TMP/is.now" "$TMP/is.old" && state=1
		cmp -s "$TMP/is.now" "$TMP/is.new" && state=2
		if [ -z "$state" ]; then
			whole=1
			tap_note "$name, step $n: neither old nor new" "$(diff "$TMP/is.old" "$TMP/is.now" | head -3)" \
				"$(diff "$TMP/is.new" "$TMP/is.now" | head -3)"
		elif ! enforced $state; then
			works=1
			tap_note "$name, step $n: says ruleset $state, enforces another: $(cut -d' ' -f1,2 "$TMP/e" | tr '\n' ' ')"
		fi
		now=$state
	done
	tap_ok $whole "$name: old or new ruleset after a kill at each of $((n - 2)) steps"
	tap_ok $works "$name: and that is what is enforced"
	[ $rc -eq 0 ] && [ "$now" = 2 ] && [ $n -gt 3 ]
	tap_ok $? "$name: steps there were, and at last it ran through (exit $rc, $((n - 2)) kills)"
}

restore_same() { fw dut -restore <"$TMP/same"; }
restore_big() { fw dut -restore <"$TMP/big"; }
one_rule() { dut -I FORWARD -p udp -m multiport --dports 1,2 -j swap; }
kill_series "restore" "$TMP/old" restore_same
kill_series "restore that outgrows" "$TMP/old" restore_big
{
	sed '/^COMMIT/d; s/^:u /:swap - [0:0]\n:u /' "$TMP/old"
	printf '%s\n' '-A swap -p udp -m udp --dport 1 -j DROP' '-A swap -j ACCEPT' COMMIT
} >"$TMP/old.swap"
kill_series "one insert" "$TMP/old.swap" one_rule

# a command that fails changes nothing, counters included
fw dut -restore <"$TMP/old"
enforced 1
saved dut >"$TMP/before"
fails() {
	local name=$1

	shift
	tap_refused "$name fails" "$@"
	tap_same "$name: nothing changed" "$(cat "$TMP/before")" "$(saved dut)"
}
bad_restore() {
	printf '%s\n' '*filter' ':FORWARD DROP [0:0]' '-A FORWARD -s 1.1.1.1 -j DROP' "$@" | fw dut -restore
}
fails "restore, unknown target" bad_restore "-A FORWARD -j NOSUCH" COMMIT
fails "restore, unknown chain" bad_restore "-A nosuch -j DROP" COMMIT
fails "restore without COMMIT" bad_restore
fails "restore, unknown match" bad_restore "-A FORWARD -m nosuch -j DROP" COMMIT
fails "restore, loop" bad_restore ":l - [0:0]" "-A FORWARD -j l" "-A l -j l" COMMIT
fails "restore, kernel's refusal" bad_restore "-A FORWARD -j REJECT --reject-with tcp-reset" COMMIT
fails "append to an unknown chain" dut -A nosuch -j DROP
fails "insert beyond the end" dut -I FORWARD 99 -j DROP
fails "delete of what is not there" dut -D FORWARD -s 8.8.8.8 -j DROP
fails "jump to a built-in chain" dut -A FORWARD -j INPUT
fails "no such file" fw dut -restore /nonexistent
fails "address list with a bad one" dut -A FORWARD -s 1.1.1.1,1.2.3.400 -j DROP
tap_check "the failed ones left it enforced" enforced 1

# restore --test checks and changes nothing
saved dut >"$TMP/before"
tap_check "restore --test accepts" fw dut -restore --test "$TMP/same"
tap_same "restore --test changes nothing" "$(cat "$TMP/before")" "$(saved dut)"

# two writers at once are serialised: nobody's rule is lost
fw dut -restore <"$TMP/old"
pids=()
for w in 1 2 3; do
	for i in 1 2 3 4 5 6; do
		dut -w 60 -A INPUT -s "10.$w.$i.1" -j DROP || echo "$w.$i"
	done >"$TMP/writer.$w" 2>&1 &
	pids+=($!)
done
wait "${pids[@]}"
tap_same "three writers, six rules each" 18 "$(dut -S INPUT | grep -c '^-A INPUT -s 10\.[123]\.[1-6]\.1/32 -j DROP$')"
tap_same "and none was refused" "" "$(cat "$TMP"/writer.*)"

# readers during writes always see a whole ruleset
fw dut -restore <"$TMP/old"
rules_now >"$TMP/a"
fw dut -restore <"$TMP/same"
rules_now >"$TMP/b"
(for i in 1 2 3 4 5; do
	fw dut -restore -w 60 <"$TMP/old"
	fw dut -restore -w 60 <"$TMP/same"
done) >/dev/null 2>&1 &
writer=$!
torn=0 reads=0
while kill -0 $writer 2>/dev/null; do
	rules_now >"$TMP/now"
	reads=$((reads + 1))
	cmp -s "$TMP/now" "$TMP/a" || cmp -s "$TMP/now" "$TMP/b" || {
		torn=$((torn + 1))
		tap_note "$(diff "$TMP/a" "$TMP/now" | head -4)"
	}
done
wait $writer
[ $reads -gt 0 ] && [ $torn -eq 0 ]
tap_ok $? "readers see a whole ruleset while it is rewritten ($torn of $reads torn)"
tap_done
