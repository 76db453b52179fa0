#!/bin/bash
# SPDX-License-Identifier: GPL-2.0-only
# shellcheck source=selftests/topo/twin.sh
# hooks: tc xdp netfilter hybrid
#
# connlimit.sh - connections per address: counted, refused, and forgotten when they end
#
# The kernel looks at its lists once per jiffy; between two steps here lies more time.

. "$(dirname "$0")/twin.sh"
twin_up wire
C=10.1.0.2 S=10.2.0.2

restored() {
	{
		printf '%s\n' '*filter' ':INPUT ACCEPT [0:0]' ':FORWARD ACCEPT [0:0]' ':OUTPUT ACCEPT [0:0]'
		sed 's/^/-A FORWARD /'
		echo COMMIT
	} >"$TMP/wanted"
	both_restore <"$TMP/wanted" || tap_ok 1 "the rules are taken"
}
# syns SRC FROM TO DPORT - one SYN for each port
syns() {
	local p

	for ((p = $2; p <= $3; p++)); do echo "c tcp $1:$p $S:$4 flags=S seq=100"; done
}
# establish SRC PORT DPORT, finish, refuse
establish() {
	cat <<-END
		c tcp $1:$2 $S:$3 flags=S seq=100
		s tcp $S:$3 $1:$2 flags=SA seq=500 ack=101
		c tcp $1:$2 $S:$3 flags=A seq=101 ack=501
	END
}
finish() {
	cat <<-END
		c tcp $1:$2 $S:$3 flags=FA seq=101 ack=501
		s tcp $S:$3 $1:$2 flags=FA seq=501 ack=102
		c tcp $1:$2 $S:$3 flags=A seq=102 ack=502
	END
}

# expect TEXT [WHERE N]... < frames - agree_and; where the kernel's lists are not ours, N alone
native=1
expect() {
	local text=$1

	if [ -n "$native" ]; then
		if [ $# -gt 1 ]; then agree_and "$@"; else agree "$1"; fi
		return
	fi
	cat >"$TMP/frames"
	world_inject dut "$TMP/frames" "$TMP/ref.rx"
	shift
	[ $# -gt 0 ] || tap_skip "$text" "this kernel counts a connection's later packets anew"
	while [ $# -gt 1 ]; do
		tap_same "$text: $2 at $1" "$2" "$(delivered "$1")"
		shift 2
	done
}

restored <<-END
	-p tcp --syn -m connlimit --connlimit-above 3 --connlimit-mask 32 -j DROP
	-p tcp --syn -m tcp --dport 81 -m connlimit --connlimit-upto 2 --connlimit-daddr --connlimit-mask 24
	-p udp -m connlimit --connlimit-above 2 --connlimit-mask 32 -j DROP
	-p udp -m connlimit --connlimit-upto 2 --connlimit-mask 0
END
agree_and "three of five" s 3 < <(syns $C 1001 1005 80)
agree_and "still full" s 0 < <(syns $C 1006 1007 80)
# a packet of an old connection does not see that younger ones are gone
send_both < <(syns $C 1001 1003 80) >/dev/null
[ "$(delivered s)" = 0 ] || native=
expect "nor may the ones that are in repeat their SYN" s 0 < <(syns $C 1001 1003 80)
expect "another address has a list of its own" s 3 < <(syns 10.1.0.3 1001 1004 80)
expect "one is refused by the server" c 1 < <(echo "s tcp $S:80 $C:1002 flags=RA seq=0 ack=101")
expect "and leaves its place" s 1 < <(syns $C 1008 1009 80)
expect "established is counted too" s 1 c 1 < <(
	echo "s tcp $S:80 $C:1001 flags=SA seq=500 ack=101"
	echo "c tcp $C:1001 $S:80 flags=A seq=101 ack=501"
	syns $C 1010 1010 80
)
expect "closed, it is TIME_WAIT" s 2 c 1 < <(finish $C 1001 80)
expect "and leaves its place, too" s 1 < <(syns $C 1011 1012 80)
expect "by destination" s 3 < <(syns 10.1.0.4 1 3 81)
expect "and again" s 3 < <(syns 10.1.0.5 1 3 81)

udp() {
	local p

	for ((p = $2; p <= $3; p++)); do echo "c udp $1:$p $S:53 len=8"; done
}
expect "UDP: every packet asks, the dropped one still counts" s 2 < <(udp $C 1 3; udp $C 1 2)
expect "answers are the server's connections" c 2 < <(
	for p in 1 2 3; do echo "s udp $S:53 $C:$p len=9"; done
)
expect "more from others" < <(udp 10.1.0.3 1 4; udp 10.1.0.4 1 4)

restored <<-END
	-p tcp -m connlimit --connlimit-above 2 --connlimit-mask 32 -j DROP
	-p tcp -m connlimit --connlimit-upto 1 --connlimit-mask 24
END
expect "every segment asks, in both directions" < <(establish 10.1.0.9 2001 90; establish 10.1.0.9 2002 90; establish 10.1.0.9 2003 90)
expect "nobody is forgotten while it lives" < <(
	echo "c tcp 10.1.0.9:2001 $S:90 flags=PA seq=101 ack=501 len=5"
	echo "c tcp 10.1.0.9:2002 $S:90 flags=PA seq=101 ack=501 len=5"
	establish 10.1.0.9 2004 90
)
expect "INVALID: the packet's own tuple" < <(
	echo "c tcp 10.1.0.10:2001 $S:90 flags=SF seq=100"
	echo "c tcp 10.1.0.10:2001 $S:90 flags=S seq=100"
)
expect "nothing to count by: hotdrop" < <(
	echo "c icmp 10.1.0.11 $S type=8 l4=4"
	echo "c icmp 10.1.0.11 $S type=8 rest=1"
)

# A dropped connection is a member while the table has its tuple, whoever opened that; at the
# netfilter hook until the list is looked at (a row of iptables-compat.rst).
restored <<-END
	-s $C -p tcp -m connlimit --connlimit-above 1 --connlimit-mask 32
	-s $C -p tcp -j DROP
END
one_by_one() {
	local line

	while read -r line; do send_both <<<"$line"; done
}
asked() { packets_of "$1" FORWARD 1; }
one_by_one < <(syns $C 3001 3001 80; echo "s tcp $S:80 $C:3001 flags=S seq=100"; syns $C 3002 3002 80)
[ -z "$native" ] || tap_same "dropped, then opened from the other side: two" 1 "$(asked ref)"
case $HOOK in
netfilter | hybrid) tap_check "at this hook one, or two if the entry came to lie where the first one was" \
	grep -qx '[01]' <<<"$(asked dut)" ;;
*) tap_same "dropped, then opened from the other side: two, too" 1 "$(asked dut)" ;;
esac

if [ "$DUT" = bpf ]; then
	# Over time: lists of addresses that nobody asks for again are collected.
	fw dut -restore <<-END
		*filter
		-A FORWARD -p tcp --syn -m connlimit --connlimit-above 2 --connlimit-mask 32 -j DROP
		COMMIT
	END
	"$BPFIPT" -n "${NS[dut.r]}" conntrack -F 2>/dev/null
	world_inject dut <(syns 10.1.7.1 1 4 80) "$TMP/rx"
	tap_same "two of four" 2 "$(grep -c ' s ' "$TMP/rx")"
	dut -I FORWARD 1 -s 9.9.9.9 -j DROP
	world_inject dut <(syns 10.1.7.1 5 6 80) "$TMP/rx"
	tap_same "editing other rules forgets nobody" 0 "$(grep -c ' s ' "$TMP/rx")"
	if [ "$HOOK" != netfilter ] && [ "$HOOK" != hybrid ]; then	# which has the kernel's table
		"$BPFIPT" -n "${NS[dut.r]}" conntrack -F 2>/dev/null
		world_inject dut <(syns 10.1.7.1 7 9 80) "$TMP/rx"
		tap_same "flushed connections count no more" 2 "$(grep -c ' s ' "$TMP/rx")"
	fi
	dut -R FORWARD 2 -p tcp --syn -m connlimit --connlimit-above 3 --connlimit-mask 32 -j DROP
	world_inject dut <(syns 10.1.7.1 10 14 80) "$TMP/rx"
	tap_same "-R counts afresh" 3 "$(grep -c ' s ' "$TMP/rx")"
fi
tap_done
