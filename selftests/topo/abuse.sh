#!/bin/bash
# SPDX-License-Identifier: GPL-2.0-only
# shellcheck source=selftests/topo/old_new.sh
# hooks: tc xdp netfilter
# alone: writers and floods want both CPUs
#
# abuse.sh - killed anywhere, starved, crowded, the ground pulled away
#
# Where atomic.sh kills a command at its own steps, strace kills one here on entry
# to each of its system calls, of those behind the lock. The rest: no memory for the
# maps or for the process, no bpffs in sight, interfaces that come and go during
# commits, eight writers, a namespace deleted under a writer.

. "$(dirname "$0")/old_new.sh"
need tools strace python3

# calls_of FILE - "name count" of each system call behind the lock, in the trace of a
# whole run: how often it was called before and up to there. Not read: it changes nothing.
calls_of() {
	awk '{ name = $0; sub(/\(.*/, "", name); n[name]++
	       if (/xtables.lock|lock\.dut/) locked = 1
	       if (locked && name ~ /^[a-z0-9_]+$/ && name !~ /^(read|exit_group)$/) print name, n[name] }' "$1"
}

# kill_calls NAME NEW EVERY - restore NEW, killed on entry to every EVERYth call
kill_calls() {
	local name=$1 new=$2 every=$3 call nth state n=0 bad=0 wrong=0 olds=0 news=0

	fw dut -restore <"$TMP/old"
	rules_now >"$TMP/is.old"
	in_r strace -qq -o "$TMP/trace" "$BPFIPT-restore" <"$new" || tap_note "strace: $?"
	rules_now >"$TMP/is.new"
	calls_of "$TMP/trace" | awk -v e="$every" 'NR % e == 1 || e == 1' >"$TMP/calls"
	while read -r call nth; do
		fw dut -restore <"$TMP/old" || bad=$((bad + 1))
		(in_r strace -qq -o /dev/null -e "inject=$call:signal=KILL:when=$nth" \
			"$BPFIPT-restore" <"$new") >/dev/null 2>&1
		rules_now >"$TMP/is.now"
		state=
		cmp -s "$TMP/is.now" "$TMP/is.old" && state=1 && olds=$((olds + 1))
		cmp -s "$TMP/is.now" "$TMP/is.new" && state=2 && news=$((news + 1))
		n=$((n + 1))
		if [ -z "$state" ]; then
			bad=$((bad + 1))
			tap_note "$name: killed at $call #$nth: neither old nor new" \
				"$(diff "$TMP/is.old" "$TMP/is.now" | head -3)"
		elif [ $((n % 5)) -eq 0 ] && ! enforced $state; then
			wrong=$((wrong + 1))
			tap_note "$name: killed at $call #$nth: says ruleset $state, enforces another"
		fi
	done <"$TMP/calls"
	[ $n -gt 10 ] && [ $bad -eq 0 ]
	tap_ok $? "$name: old or new after a kill on entry to each of $n system calls"
	tap_ok $wrong "$name: and that is what is enforced"
	[ $olds -gt 0 ]
	tap_ok $? "$name: the kills struck ($olds left the old ruleset, $news the new)"
}
kill_calls "restore" "$TMP/same" 1
kill_calls "restore that outgrows" "$TMP/big" 9

# not enough memory: for the process, then for the maps
fw dut -restore <"$TMP/old"
rules_now >"$TMP/before"
ruleset 2 1 60000 >"$TMP/huge"
tap_refused "too little address space fails" \
	in_r bash -c "ulimit -v 40000; exec '$BPFIPT-restore'" <"$TMP/huge"
tap_same "and changes nothing" "$(cat "$TMP/before")" "$(rules_now)"
cg=
for d in /sys/fs/cgroup/memory /sys/fs/cgroup; do
	[ -e "$d/memory.limit_in_bytes" ] && cg=$d/bi$SUFFIX limit=memory.limit_in_bytes && break
	grep -qw memory "$d/cgroup.subtree_control" 2>/dev/null && cg=$d/bi$SUFFIX limit=memory.max && break
done
if [ -n "$cg" ] && mkdir "$cg" 2>/dev/null; then
	defer rmdir "$cg"
	echo 12M >"$cg/$limit"
	tap_refused "too little memory in the cgroup fails" \
		in_r bash -c "echo \$\$ >'$cg/cgroup.procs'; exec '$BPFIPT-restore'" <"$TMP/huge"
	tap_same "and changes nothing" "$(cat "$TMP/before")" "$(rules_now)"
else
	tap_skip "too little memory in the cgroup" "no memory controller"
fi
tap_check "what was enforced still is" enforced 1
tap_check "with the memory it goes through" fw dut -restore "$TMP/huge"
tap_check "and is enforced" enforced 2

# bpffs hidden: found through an ancestor's root, or refused; never taken for empty
fw dut -restore <"$TMP/old"
hidden=$(in_r unshare -m bash -c "umount -R /sys/fs/bpf; '$BPFIPT' -S" 2>&1)
hidden_rc=$?
if [ $hidden_rc -eq 0 ]; then
	tap_same "without /sys/fs/bpf the same rules" "$(dut -S)" "$hidden"
else
	[ -n "$hidden" ]
	tap_ok $? "without /sys/fs/bpf refused, with a reason: $hidden"
fi

# interfaces come and go during commits
(while :; do
	ip -n "$R" link add flap0 type veth peer name flap1
	ip -n "$R" link set flap0 up
	ip -n "$R" link del flap0
done) >/dev/null 2>&1 &
flapper=$!
PIDS+=("$flapper")
defer kill $flapper
bad=0
for i in {1..20}; do
	fw dut -restore <"$TMP/same" >"$TMP/out" 2>&1 || { bad=$((bad + 1)); tap_note "$(cat "$TMP/out")"; }
	enforced 2 || bad=$((bad + 1))
	fw dut -restore <"$TMP/old" >"$TMP/out" 2>&1 || { bad=$((bad + 1)); tap_note "$(cat "$TMP/out")"; }
	enforced 1 || bad=$((bad + 1))
done
kill $flapper
wait $flapper 2>/dev/null
tap_ok $bad "40 commits while an interface comes and goes, each enforced"

# eight writers at once
pids=()
for w in {1..8}; do
	for i in {1..5}; do
		dut -w 60 -A INPUT -s "10.$w.$i.1" -j DROP || echo "$w.$i"
	done >"$TMP/writer.$w" 2>&1 &
	pids+=($!)
done
wait "${pids[@]}"
tap_same "eight writers, five rules each" 40 "$(dut -S INPUT | grep -c '^-A INPUT -s 10\.[1-8]\.[1-5]\.1/32 -j DROP$')"
tap_same "and none was refused" "" "$(cat "$TMP"/writer.*)"

# the namespace is deleted under a writer: nothing hangs, and what it pinned goes
N=$(ns_name x)
ns_add "$N"
pins=$(ns_pins "$N")
PIN_DIRS+=("$pins")
tap_check "an instance to lose" ns_exec "$N" "$BPFIPT-init" --hook "$HOOK"
(for i in {1..30}; do
	XTABLES_LOCKFILE=$TMP/lock.x ns_exec "$N" "$BPFIPT" -w 5 -A INPUT -s "10.0.0.$i" -j DROP || break
done) >/dev/null 2>&1 &
writer=$!
busywait 10 grep -q . <(ns_exec "$N" "$BPFIPT" -S INPUT | grep -- '-A')
ip netns del "$N"
tap_check "the writer ends" timeout $((30 * SLOW)) tail --pid=$writer -f /dev/null
tap_check "the next init elsewhere" ns_exec "$R" "$BPFIPT-init" --hook "$HOOK"
N=$(ns_name y)
ns_add "$N"
PIN_DIRS+=("$(ns_pins "$N")")
ns_exec "$N" "$BPFIPT-init" --hook "$HOOK" >/dev/null
ns_exec "$N" "$BPFIPT-clean" >/dev/null
tap_same "the pins of the lost one are gone" "" "$(ls -d "$pins" 2>/dev/null)"
tap_done
