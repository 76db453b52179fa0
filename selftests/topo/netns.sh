#!/bin/bash
# SPDX-License-Identifier: GPL-2.0-only
# shellcheck source=selftests/topo/twin.sh
# hooks: tc xdp netfilter
#
# netns.sh - an instance per network namespace, reachable every way; init and clean

. "$(dirname "$0")/twin.sh"
[ "$DUT" = bpf ] || skip_all "only for bpf-iptables"
twin_up_raw wire
R=${NS[dut.r]}
OTHER=${NS[dut.c]}
PIN_DIRS+=("$(ns_pins "$R")" "$(ns_pins "$OTHER")")
A=10.1.0.2 B=10.2.0.2
in_ns() {
	ns_exec "$R" "$@"
}
reaches() {
	world_inject dut <(echo "c udp $A:1 $B:$1") "$TMP/rx" && grep -q '^1 s' "$TMP/rx"
}

tap_check "before init everything passes" reaches 1
tap_check "init --hook $HOOK" in_ns "$BPFIPT-init" --hook "$HOOK"
tap_check "init again is no error" in_ns "$BPFIPT-init" --hook "$HOOK"
defer ns_exec "$R" "$BPFIPT-clean"
tap_check "after it still" reaches 1

in_ns "$BPFIPT" -A FORWARD -p udp --dport 1 -j DROP
tap_refused "by nsenter" reaches 1
tap_check "and nothing else" reaches 2
ip netns exec "$R" "$BPFIPT" -A FORWARD -p udp --dport 2 -j DROP
tap_refused "by ip netns exec" reaches 2
"$BPFIPT" -n "$R" -A FORWARD -p udp --dport 3 -j DROP
tap_refused "by -n" reaches 3
want=$(in_ns "$BPFIPT" -S)
tap_same "all three see the same: ip netns exec" "$want" "$(ip netns exec "$R" "$BPFIPT" -S 2>&1)"
tap_same "all three see the same: -n" "$want" "$("$BPFIPT" -n "$R" -S 2>&1)"
tap_same "three rules" 3 "$(grep -c '^-A FORWARD' <<<"$want")"
tap_same "another namespace has none of it" 0 "$("$BPFIPT" -n "$OTHER" -S 2>&1 | grep -c '^-A')"

# no init: the first rule starts the default hook
defer ns_exec "$OTHER" "$BPFIPT-clean"
tap_check "there is something pinned" test -d "${PIN_DIRS[0]}"
tap_check "the first rule initialises" "$BPFIPT" -n "$OTHER" -A INPUT -s 9.9.9.9 -j DROP
tap_same "and the other instance is untouched" "$want" "$(in_ns "$BPFIPT" -S)"
tap_check "clean by ip netns exec" ip netns exec "$OTHER" "$BPFIPT-clean"
tap_check "clean" in_ns "$BPFIPT-clean"
tap_check "after it everything passes" reaches 1
tap_check "clean with nothing there is no error" in_ns "$BPFIPT-clean"
for d in eth0 eth1 lo; do
	tap_same "no program is left on $d" "" \
		"$(in_ns bpftool net show dev $d 2>/dev/null | grep -E 'fw_|id [0-9]')"
done
tap_same "no pins are left" "" "$(ls -d "${PIN_DIRS[@]}" 2>/dev/null)"
in_ns "$BPFIPT" -A FORWARD -p udp --dport 1 -j DROP
tap_refused "and it can begin again" reaches 1

# A namespace that was deleted, but for a process in it, then a socket: it is as good as
# alive. With nobody in it the next init or clean, anywhere, takes its instance away; a
# netfilter link alone would keep it for ever.
N=$(ns_name g)
ns_add "$N"
pins=$(ns_pins "$N")
PIN_DIRS+=("$pins")
tap_check "an instance to leave behind" ns_exec "$N" "$BPFIPT-init" --hook "$HOOK"
ns_exec "$N" "$BPFIPT" -A INPUT -s 192.0.2.1 -j MARK --set-mark 1
mkfifo "$TMP/go"
ns_spawn "$N" python3 -c '
import ctypes, os, socket, sys, time
kept = socket.socket()
print("there", flush=True)
open(sys.argv[1]).read()
fd = os.open("/proc/%s/ns/net" % os.getppid(), os.O_RDONLY)
ctypes.CDLL(None).setns(fd, 0)
os.close(fd)
print("socket", flush=True)
time.sleep(600)' "$TMP/go" >"$TMP/said"
busywait 20 grep -q there "$TMP/said"
ip netns del "$N"
reaped() {
	in_ns "$BPFIPT-init" --hook "$HOOK" >/dev/null 2>&1
	[ ! -e "$pins" ]
}
tap_refused "deleted, with a process in it: its instance stays" reaped
echo >"$TMP/go"
busywait 20 grep -q socket "$TMP/said"
tap_refused "with a socket: so too" reaped
kill "$SPAWNED"
tap_check "with nobody in it it goes" busywait 20 reaped
tap_done
