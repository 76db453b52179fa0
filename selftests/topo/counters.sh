#!/bin/bash
# SPDX-License-Identifier: GPL-2.0-only
# shellcheck source=selftests/topo/twin.sh
# hooks: tc xdp netfilter
#
# counters.sh - counters across edits, -Z, -c, save and restore, and -L
#
# One deliberate difference from the reference: iptables-legacy forgets the policies'
# counters at every change of any rule. Ours (and nft's) keep them, so after edits
# the policies' counters are checked by value and zeroed before comparing.

. "$(dirname "$0")/twin.sh"
twin_up wire
C=10.1.0.2 S=10.2.0.2

# send N UDP packets of 28+20 bytes to port P: burst N P
burst() {
	local i

	for ((i = 0; i < $1; i++)); do echo "c udp $C:1 $S:$2 len=20"; done
}
# rule TEXT CHAIN N WANT - packets and bytes in the device under test, and equal in the reference
rule() {
	tap_same "$1: ours" "$4" "$(saved dut | counters_of "$2" "$3")"
	tap_same "$1: theirs" "$4" "$(saved ref | counters_of "$2" "$3")"
}

reset_rules	# nft counts a policy only in a chain that was declared with [0:0]
both -A FORWARD -p udp --dport 10
both -A FORWARD -p udp --dport 11 -j DROP
send_both < <(burst 3 10; burst 2 11; burst 4 12)
rule "first rule" FORWARD 1 "3 144"
rule "second rule" FORWARD 2 "2 96"
tap_same "policy" "7 336" "$(saved dut | policy_counters_of FORWARD)"
same_counters "after the first traffic"

both -I FORWARD 1 -s 9.9.9.9 -j DROP
rule "an insert moves no counter" FORWARD 2 "3 144"
rule "an insert moves no counter, next" FORWARD 3 "2 96"
both -D FORWARD 1
rule "nor does a delete" FORWARD 1 "3 144"
both -A FORWARD -p icmp -j DROP
both -N u
both -A u -j RETURN
rule "nor an append and a chain" FORWARD 2 "2 96"
both -E u v
both -F v
both -X v
rule "nor a chain's end" FORWARD 2 "2 96"
if [ "$DUT" != legacy ]; then
	tap_same "the policy's is kept across edits" "7 336" "$(saved dut | policy_counters_of FORWARD)"
fi
both -P INPUT DROP
rule "nor a policy" FORWARD 1 "3 144"
send_both < <(burst 1 10)
rule "and it goes on counting" FORWARD 1 "4 192"

both -R FORWARD 1 -p udp --dport 10 -j ACCEPT
rule "-R begins at zero" FORWARD 1 "0 0"
rule "-R leaves the others" FORWARD 2 "2 96"
both -Z FORWARD 2
rule "-Z chain N zeroes one" FORWARD 2 "0 0"
send_both < <(burst 2 10; burst 1 11)
both -Z INPUT
rule "-Z of another chain leaves it" FORWARD 1 "2 96"
both -Z FORWARD
rule "-Z chain" FORWARD 1 "0 0"
rule "-Z chain, last" FORWARD 2 "0 0"
tap_same "-Z chain: policy too" "0 0" "$(saved dut | policy_counters_of FORWARD)"
send_both < <(burst 2 10)
both -Z
same_counters "-Z"

both -A FORWARD -p udp --dport 20 -c 1000 99999 -j ACCEPT
rule "-A -c" FORWARD 4 "1000 99999"
both -I FORWARD 1 -p udp --dport 21 -c 7,8 -j ACCEPT
rule "-I -c a,b" FORWARD 1 "7 8"
send_both < <(burst 1 20)
rule "-c is where it begins" FORWARD 5 "1001 100047"
both -P FORWARD ACCEPT -c 5 6
if [ "$DUT" != nft ]; then
	tap_same "-P -c" "5 6" "$(saved dut | policy_counters_of FORWARD)"
fi
both -Z

# save, restore with and without -c
cat >"$TMP/r" <<END
*filter
:INPUT ACCEPT [11:12]
:FORWARD DROP [13:14]
:OUTPUT ACCEPT [0:0]
:w - [0:0]
[3:4] -A FORWARD -p udp -m udp --dport 10 -j ACCEPT
[18446744073709551000:18446744073709551000] -A w -j RETURN
-A w -p tcp
COMMIT
END
both_restore -c <"$TMP/r"
same_counters "restore -c"
rule "restore -c" FORWARD 1 "3 4"
both_restore <"$TMP/r"
same_counters "restore without -c"
rule "restore without -c" FORWARD 1 "0 0"
both_restore -c <"$TMP/r"
send_both < <(burst 5 10)
saved dut >"$TMP/saved"
fw ref -restore -c <"$TMP/saved"
fw dut -restore -c <"$TMP/saved"
tap_same "what is saved is restored" "$(cat "$TMP/saved")" "$(saved dut)"
same_counters "what is saved is restored, alike"
both_restore -n < <(printf '%s\n' '*filter' '-A FORWARD -p udp -m udp --dport 99 -j DROP' COMMIT)
rule "restore -n keeps counters" FORWARD 1 "8 244"

# listings read them live
both -Z
send_both < <(burst 9 10; burst 1 98)
for opt in "-n" "-nv" "-nvx" "-nv --line-numbers"; do
	# shellcheck disable=SC2086 # words
	tap_same "-L FORWARD $opt" "$(ref -L FORWARD $opt 2>&1)" "$(dut -L FORWARD $opt 2>&1)"
	# shellcheck disable=SC2086 # words
	tap_same "-L w $opt" "$(ref -L w $opt 2>&1)" "$(dut -L w $opt 2>&1)"
done
both -A FORWARD -c 123456789 98765432101 -j ACCEPT
both -A FORWARD -c 99999 999999 -j ACCEPT
both -A FORWARD -c 100000 9999999999 -j ACCEPT
tap_same "-L -nv rounds as theirs" "$(ref -L FORWARD -nv | tail -n +2)" "$(dut -L FORWARD -nv | tail -n +2)"
tap_same "-S -v" "$(ref -S FORWARD -v | grep -v '^-P')" "$(dut -S FORWARD -v | grep -v '^-P')"
tap_same "-L -Z shows, then zeroes" \
	"$(ref -L FORWARD -Z -nvx | tail -n +2)" "$(dut -L FORWARD -Z -nvx | tail -n +2)"
both -Z
same_counters "-L -Z zeroed"
tap_done
