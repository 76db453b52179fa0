#!/bin/bash
# SPDX-License-Identifier: GPL-2.0-only
# shellcheck source=selftests/topo/twin.sh
# hooks: tc xdp netfilter
#
# hashlimit.sh - a bucket per address, port or pair of them, and tables shared by name
#
# Packets go out in bursts that take much less time than any bucket needs to fill, so
# that counters are equal to the packet; what depends on time has waits of its own.

. "$(dirname "$0")/twin.sh"
twin_up wire
C=10.1.0.2 S=10.2.0.2

# burst N SRC SPORT DST DPORT - N UDP packets
burst() {
	local i

	for ((i = 0; i < $1; i++)); do echo "c udp $2:$3 $4:$5"; done
}

# spread - 8 sources and 8 ports, each several times
spread() {
	local r a p

	for r in 1 2 3 4 5; do
		for a in 2 3 4 5 66 67 130 200; do
			for p in 1 2; do
				echo "c udp 10.1.0.$a:$((1000 + p * r)) 10.2.0.$((a + r)):$p"
			done
		done
	done
}

# count N - packets of FORWARD's Nth rule in the device under test
count() {
	packets_of dut FORWARD "$1"
}

rules <<-'END'
	-m hashlimit --hashlimit-upto 3/hour --hashlimit-burst 4 --hashlimit-mode srcip --hashlimit-name a
	-m hashlimit --hashlimit-above 3/hour --hashlimit-burst 4 --hashlimit-mode srcip --hashlimit-name b
	-m hashlimit --hashlimit-upto 3/hour --hashlimit-burst 2 --hashlimit-mode dstip --hashlimit-name c
	-p udp -m hashlimit --hashlimit-upto 3/hour --hashlimit-burst 3 --hashlimit-mode dstport --hashlimit-name d
	-p udp -m hashlimit --hashlimit-upto 3/hour --hashlimit-burst 3 --hashlimit-mode srcport --hashlimit-name e
	-p udp -m hashlimit --hashlimit-upto 3/hour --hashlimit-burst 3 --hashlimit-mode srcip,dstip,srcport,dstport --hashlimit-name f
	-m hashlimit --hashlimit-upto 3/hour --hashlimit-burst 7 --hashlimit-name g
	-m hashlimit --hashlimit-upto 3/hour --hashlimit-burst 4 --hashlimit-mode srcip --hashlimit-srcmask 26 --hashlimit-name h
	-m hashlimit --hashlimit-upto 3/hour --hashlimit-burst 4 --hashlimit-mode srcip,dstip --hashlimit-srcmask 0 --hashlimit-dstmask 25 --hashlimit-name i
	-m hashlimit ! --hashlimit-upto 3/hour --hashlimit-burst 4 --hashlimit-mode srcip --hashlimit-name j
	-p udp -m hashlimit --hashlimit-upto 3/hour --hashlimit-burst 4 --hashlimit-mode srcip --hashlimit-name k -m udp --dport 2
	-p udp -m udp --dport 2 -m hashlimit --hashlimit-upto 3/hour --hashlimit-burst 4 --hashlimit-mode srcip --hashlimit-name l
END
agree "every mode, mask, upto and above" < <(spread)
agree "and once more: most buckets are empty" < <(spread)
[ "$(count 1)" -eq 32 ]
tap_ok $? "control: 8 sources have 4 each ($(count 1))"
[ "$(count 2)" -gt 32 ]
tap_ok $? "control: above matches the rest ($(count 2))"

# view WORLD [NAME] - what /proc/net/ipt_hashlimit has, or a table's buckets: time left, the
# addresses and ports, credit, burst, price
view() {
	if [ "$1" = dut ] && [ "$DUT" = bpf ]; then
		ns_exec "${NS[dut.r]}" "$BPFIPT" hashlimit "${@:2}"
	elif [ $# -eq 1 ]; then
		ns_exec "${NS[$1.r]}" ls /proc/net/ipt_hashlimit
	else
		ns_exec "${NS[$1.r]}" cat "/proc/net/ipt_hashlimit/$2"
	fi | LC_ALL=C sort
}
# buckets WORLD NAME - the same, but of the credit only the packets that it is good for
buckets() {
	view "$@" | awk '{ print $2, int($3 / $5), $4, $5 }' | LC_ALL=C sort
}
tap_same "bpf-iptables hashlimit: the tables' names" "$(view ref)" "$(view dut)"
for t in a b c d e f g h i j k l; do
	tap_same "bpf-iptables hashlimit $t: as /proc/net/ipt_hashlimit/$t" \
		"$(buckets ref $t)" "$(buckets dut $t)"
done
tap_same "control: 8 sources, no credit left" 8 "$(buckets ref a | grep -cE '^10\.1\.0\.[0-9]+:0->0\.0\.0\.0:0 0 ')"
# Written at other instants, in other ticks: a second or two
tap_same "the time that is left" "" "$(join -j 2 <(view ref a | LC_ALL=C sort -k 2,2) <(view dut a | LC_ALL=C sort -k 2,2) |
	awk '{ d = $2 - $6 } d < -10 || d > 10')"
if [ "$DUT" = bpf ]; then
	tap_refused "no such table" ns_exec "${NS[dut.r]}" "$BPFIPT" hashlimit nope
	tap_same "and so it says" 1 "$(ns_exec "${NS[dut.r]}" "$BPFIPT" hashlimit nope 2>&1 | grep -c nope)"
fi

rules <<-'END'
	-p udp -m hashlimit --hashlimit-upto 3/hour --hashlimit-burst 5 --hashlimit-mode srcip --hashlimit-name shared -m udp --dport 1
	-m hashlimit --hashlimit-upto 3/hour --hashlimit-burst 50 --hashlimit-mode dstip --hashlimit-name shared
	-m hashlimit --hashlimit-above 3/hour --hashlimit-burst 50 --hashlimit-mode dstip --hashlimit-name shared
END
agree "three rules draw from one table, the first one's" < <(spread)

if [ "$DUT" = bpf ]; then
	before=$(count 1)
	dut -I FORWARD 1 -s 9.9.9.9
	dut -D FORWARD 1
	ref -I FORWARD 1 -s 9.9.9.9
	ref -D FORWARD 1
	both -Z
	agree "editing other rules empties no table" < <(spread)
	[ "$before" -gt 0 ] && [ "$(count 1)" -eq 0 ]
	tap_ok $? "control: it had given all it had ($before, then $(count 1))"
fi
for cmd in "-R FORWARD 1 -p udp -m hashlimit --hashlimit-upto 9/hour --hashlimit-burst 9 --hashlimit-mode srcip --hashlimit-name shared" \
	"-R FORWARD 2 -m hashlimit --hashlimit-upto 9/hour --hashlimit-burst 9 --hashlimit-mode srcip --hashlimit-name z"; do
	# shellcheck disable=SC2086
	both $cmd
	both -Z		# iptables-legacy 1.8.9 loses the policy's counters
	agree "${cmd%% -m*}, then the same packets" < <(spread)
done
both -F FORWARD
both -A FORWARD -m hashlimit --hashlimit-upto 3/hour --hashlimit-burst 6 --hashlimit-mode srcip --hashlimit-name shared
both -Z
agree "the last rule took the table with it: a new one" < <(spread)
[ "$(count 1)" -eq 48 ]
tap_ok $? "control: 6 for each of 8 ($(count 1))"
# A kernel without that check (Debian's 6.12.95) takes one kind of bucket for the other
match="-m hashlimit --hashlimit-upto 3/hour --hashlimit-rate-match --hashlimit-rate-interval 10 --hashlimit-mode srcip --hashlimit-name shared"
# shellcheck disable=SC2086
if ref -A FORWARD $match 2>/dev/null; then
	ref -D FORWARD $match
	tap_skip "natively, a table either matches rates or does not" "this kernel takes both"
fi
# shellcheck disable=SC2086
! dut -A FORWARD $match 2>/dev/null
tap_ok $? "a table either matches rates or does not"

# Bytes
rules <<-'END'
	-m hashlimit --hashlimit-upto 1kb/s --hashlimit-mode srcip --hashlimit-name a
	-m hashlimit --hashlimit-upto 1kb/s --hashlimit-burst 3kb --hashlimit-mode srcip --hashlimit-name b
	-m hashlimit --hashlimit-above 1kb/s --hashlimit-burst 2kb --hashlimit-mode srcip --hashlimit-name c
	-m hashlimit --hashlimit-upto 3/hour --hashlimit-burst 9 --hashlimit-mode srcip --hashlimit-name b
END
agree "rates of bytes, with and without a burst, and a rule of packets in a table of bytes" < <(
	for ((i = 0; i < 12; i++)); do
		echo "c udp $C:1 $S:1 len=$((i * 60))"
	done)
for t in a b c; do
	tap_same "bytes: the bucket of $t, but for its credit" \
		"$(buckets ref $t | cut -d' ' -f1,3,4)" "$(buckets dut $t | cut -d' ' -f1,3,4)"
done

# Rate match
rules <<-'END'
	-m hashlimit --hashlimit-upto 5/sec --hashlimit-rate-match --hashlimit-rate-interval 60 --hashlimit-burst 3 --hashlimit-mode srcip --hashlimit-htable-expire 60000 --hashlimit-name ra
	-m hashlimit --hashlimit-above 5/sec --hashlimit-rate-match --hashlimit-rate-interval 60 --hashlimit-burst 3 --hashlimit-mode srcip --hashlimit-htable-expire 60000 --hashlimit-name rb
	-m hashlimit --hashlimit-upto 1kb/s --hashlimit-rate-match --hashlimit-rate-interval 60 --hashlimit-mode srcip --hashlimit-htable-expire 60000 --hashlimit-name rc
END
agree "--hashlimit-rate-match" < <(burst 20 $C 1 $S 1)
for t in ra rb rc; do
	tap_same "rates: the bucket of $t, but for its time" \
		"$(view ref $t | cut -d' ' -f2,4-)" "$(view dut $t | cut -d' ' -f2,4-)"
done
[ "$(count 1)" -lt 20 ]
tap_ok $? "control: not all ($(count 1))"

# A full table drops; so does a port that is not there
rules <<-'END'
	-m hashlimit --hashlimit-upto 9/hour --hashlimit-mode dstport --hashlimit-htable-size 4 --hashlimit-htable-max 6 --hashlimit-name full
END
agree_and "the seventh port finds the table full" s 6 < <(for p in 1 2 3 4 5 6 7 8 9; do burst 1 $C 1 $S $p; done)
agree "the first six still have their buckets" < <(for p in 9 1 2 3 8; do burst 1 $C 1 $S $p; done)

rules <<-'END'
	-m hashlimit --hashlimit-upto 9/hour --hashlimit-burst 2 --hashlimit-mode srcport,dstport --hashlimit-name p
	-s 10.1.0.3 -m hashlimit --hashlimit-upto 9/hour --hashlimit-mode srcip --hashlimit-name q
END
agree "ports: short headers, fragments, protocols without any" <<-END
	c 6 $C $S l4=2
	c 6 10.1.0.3 $S l4=3
	c 6 $C $S l4=4
	c 6 $C $S l4=4
	c 6 $C $S l4=4
	c udp $C:7 $S:8 off=1
	c udp $C:7 $S:8 off=100 len=20
	c udp $C:7 $S:8 off=100 len=20
	c udp $C:7 $S:8 off=100 l4=3
	c 50 $C $S len=8
	c 51 $C $S len=6
	c 51 $C $S len=12
	c 1 $C $S len=8
	c 47 $C $S len=2
	c 47 $C $S len=0
	c 132 $C $S len=3
	c 253 $C $S len=3
END

# Over time: buckets fill; they expire; what expired makes room
rules <<-END
	-m hashlimit --hashlimit-upto $((60 / SLOW))/min --hashlimit-burst 2 --hashlimit-mode srcip --hashlimit-htable-expire 60000 --hashlimit-name ta
	-m hashlimit --hashlimit-upto 1/hour --hashlimit-burst 3 --hashlimit-mode srcip --hashlimit-htable-expire $((300 * SLOW)) --hashlimit-htable-gcinterval $((100 * SLOW)) --hashlimit-name tb
	-m hashlimit --hashlimit-upto 1/hour --hashlimit-burst 3 --hashlimit-mode srcip --hashlimit-htable-expire $((60000 * SLOW)) --hashlimit-htable-gcinterval $((100 * SLOW)) --hashlimit-name tc
	-m hashlimit --hashlimit-upto 1/hour --hashlimit-mode srcip --hashlimit-htable-size 4 --hashlimit-htable-max 4 --hashlimit-htable-expire $((300 * SLOW)) --hashlimit-htable-gcinterval $((100 * SLOW)) --hashlimit-name td
END
agree "four addresses fill a table of four" < <(for a in 2 3 4 5; do burst 4 10.1.0.$a 1 $S 1; done)
pause 13
agree "1.3 s later (slow machines: more): one credit more; those that expired are new, and others fit" < <(
	for a in 6 7 8 2; do burst 4 10.1.0.$a 1 $S 1; done)
tap_same "control: a bucket that stays has nothing" 21 "$(count 3)"
tap_done
