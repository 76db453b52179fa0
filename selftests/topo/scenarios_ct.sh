#!/bin/bash
# SPDX-License-Identifier: GPL-2.0-only
# shellcheck source=selftests/topo/twin.sh
# hooks: tc xdp xdp-forward netfilter
#
# scenarios_ct.sh - the scenarios that need connection tracking
#
# Continues scenarios.sh (pcn-iptables local_test6, 30, conntrack_tcp_1..4,
# conntrack_udp_1, 2). Frames are a conversation as it happens on the wire, so a
# step that blocks the first leaves the rest without a connection. Every step uses
# ports of its own: what the kernel tracked before must not help.

. "$(dirname "$0")/twin.sh"
twin_up wire
dut -A INPUT -m conntrack --ctstate NEW -j ACCEPT >"$TMP/probe" 2>&1 ||
	skip_all "conntrack is refused: $(head -1 "$TMP/probe")"

C=10.1.0.2 S=10.2.0.2
PORT=40000

# handshake FROM A B DPORT - FROM's side opens; leaves the source port in PORT
handshake() {
	local back=s

	[ "$1" = c ] || back=c
	cat <<-END
		$1 tcp $2:$PORT $3:$4 flags=S seq=100
		$back tcp $3:$4 $2:$PORT flags=SA seq=500 ack=101
		$1 tcp $2:$PORT $3:$4 flags=A seq=101 ack=501
	END
}
# talk FROM A B DPORT - five bytes, then an orderly close by the other side
talk() {
	local back=s

	[ "$1" = c ] || back=c
	cat <<-END
		$1 tcp $2:$PORT $3:$4 flags=PA seq=101 ack=501 len=5
		$back tcp $3:$4 $2:$PORT flags=A seq=501 ack=106
		$back tcp $3:$4 $2:$PORT flags=FA seq=501 ack=106
		$1 tcp $2:$PORT $3:$4 flags=FA seq=106 ack=502
		$back tcp $3:$4 $2:$PORT flags=A seq=502 ack=107
	END
}
scene() {
	SCENE=$1
	reset_rules
}
is() {
	local text=$1

	both -Z
	shift
	PORT=$((PORT + 1))
	agree_and "$SCENE: $text" "$@"
}
ipt() {
	both "$@" || tap_ok 1 "$SCENE: iptables $*"
}
# connects TEXT WANT-AT-SERVER WANT-AT-CLIENT
connects() {
	is "$1" s "$2" c "$3" < <(handshake c $C $S 60123)
}
allow() {
	ipt "$@" -j ACCEPT
}

scene "states in any order"
ipt -P INPUT DROP
ipt -P OUTPUT DROP
connects "INPUT and OUTPUT DROP" 2 1
ipt -P FORWARD DROP
connects "FORWARD DROP" 0 0
allow -A FORWARD -m conntrack --ctstate ESTABLISHED
connects "only ESTABLISHED" 0 0
allow -I FORWARD -m conntrack --ctstate NEW
connects "NEW before it" 2 1
ipt -D FORWARD -m conntrack --ctstate NEW -j ACCEPT
connects "NEW deleted" 0 0
allow -A FORWARD -m conntrack --ctstate NEW
connects "NEW after it" 2 1
ipt -F FORWARD
allow -A FORWARD -s $C -d $S
connects "one way only" 2 0
allow -I FORWARD -m conntrack --ctstate ESTABLISHED
connects "and the established way back" 2 1

# who may open: A and not B
one_way() {
	local a=$1 b=$2

	ipt -P FORWARD DROP
	allow -A FORWARD -s "$b" -p tcp -m conntrack --ctstate ESTABLISHED
	ipt -A FORWARD -s "$b" -p tcp -m conntrack --ctstate INVALID -j DROP
	allow -A FORWARD -s "$a" -p tcp -m conntrack --ctstate NEW
	allow -A FORWARD -s "$a" -p tcp -m conntrack --ctstate ESTABLISHED
	ipt -A FORWARD -s "$a" -p tcp -m conntrack --ctstate INVALID -j DROP
}
for n in 1 2; do
	scene "TCP, the client may open, run $n"
	one_way $C $S
	is "client opens" s 2 c 1 < <(handshake c $C $S 9091)
	scene "TCP, the server may open, run $n"
	one_way $S $C
	is "client cannot" s 0 c 0 < <(handshake c $C $S 9092)
	is "server can" s 1 c 2 < <(handshake s $S $C 9093)
done
scene "TCP with data and close"
one_way $C $S
is "whole life" s 4 c 4 < <(handshake c $C $S 9094; talk c $C $S 9094)
if [ "$DUT" = bpf ] && [ "$HOOK" = netfilter ]; then
	tap_check "$SCENE: the kernel lists the flow in TIME_WAIT" \
		ns_exec "${NS[dut.r]}" grep -q "TIME_WAIT.*$C" /proc/net/nf_conntrack
elif [ "$DUT" = bpf ]; then
	tap_check "$SCENE: the flow is listed in TIME_WAIT" \
		grep -q "TIME_WAIT.*$C" <(ns_exec "${NS[dut.r]}" "$BPFIPT" conntrack 2>/dev/null)
fi
scene "TCP opened and closed without data"
one_way $C $S
is "whole life" s 4 c 3 < <(
	handshake c $C $S 9095
	echo "s tcp $S:9095 $C:$PORT flags=FA seq=501 ack=101"
	echo "c tcp $C:$PORT $S:9095 flags=FA seq=101 ack=502"
	echo "s tcp $S:9095 $C:$PORT flags=A seq=502 ack=102"
	echo "c tcp $C:$PORT $S:9095 flags=A seq=102 ack=502"
)
one_way $S $C

scene "over lo, INPUT sees the state that OUTPUT saw"
for chain in OUTPUT INPUT; do
	for state in INVALID NEW ESTABLISHED RELATED; do
		ipt -A $chain -m conntrack --ctstate $state
	done
done
is "a closed port: SYN and the RST that ends it" l 2 < <(echo "o tcp 10.1.0.1:$PORT 10.1.0.1:9096 flags=S")
is "an ACK out of nowhere, and its RST" l 2 < <(echo "o tcp 10.1.0.1:$PORT 10.1.0.1:9097 flags=A")
is "flags that no segment has" l 2 < <(echo "o tcp 10.1.0.1:$PORT 10.1.0.1:9098 flags=SF")
is "a closed UDP port: the datagram, and the error about it" l 2 < <(echo "o udp 10.1.0.1:$PORT 10.1.0.1:9099 len=4")
is "a flow that is its own reply" l 4 < <(
	printf 'o 47 10.1.0.1 10.1.0.1\n%.0s' 1 2
	printf 'o udp 10.1.0.1:9100 10.1.0.1:9100 len=4\n%.0s' 1
)

udp_rules() {
	ipt -P FORWARD DROP
	allow -A FORWARD -s $S -p udp -m conntrack --ctstate NEW
	allow -A FORWARD -s $S -p udp -m conntrack --ctstate ESTABLISHED
	allow -A FORWARD -s $C -p udp -m conntrack --ctstate ESTABLISHED
	allow -A FORWARD -p icmp
}
scene "UDP, only the server may begin"
udp_rules
is "client first: nothing" s 0 < <(echo "c udp $C:50001 $S:50002 len=4")
is "server, and the port is closed" s 1 c 1 < <(
	echo "s udp $S:50002 $C:50001 len=4"
	echo "c icmp $C $S type=3 code=3 pay=4500002010010000401164cb0a0200020a010002c352c351000c0000"
)
is "now the client may" s 1 < <(echo "c udp $C:50001 $S:50002 len=4")
is "and again" s 1 < <(echo "c udp $C:50001 $S:50002 len=4")
scene "UDP, equal ports"
udp_rules
is "both ways" s 1 c 1 < <(
	echo "s udp $S:50000 $C:50000 len=4"
	echo "c udp $C:50000 $S:50000 len=4"
)

scene "counters of one rule among few and many"
allow -A FORWARD -m conntrack --ctstate ESTABLISHED
allow -A FORWARD -s $S -m conntrack --ctstate NEW
five() {
	for _ in 1 2 3 4 5; do
		echo "s udp $S:$1 $C:8090 len=10"
	done
}
is "few" c 5 < <(five 6000)
tap_same "$SCENE: five packets on rule 2" "5 190" "$(saved dut | counters_of FORWARD 2)"
ipt -F FORWARD
both_restore < <(
	printf '%s\n' '*filter' ':FORWARD DROP [0:0]' '-A FORWARD -m conntrack --ctstate ESTABLISHED -j ACCEPT' \
		"-A FORWARD -s $S/32 -m conntrack --ctstate NEW -j ACCEPT"
	for i in 1 2 3 4 5 6 7 8 9; do
		echo "-A FORWARD -s 10.9.9.$i/32 -m conntrack --ctstate NEW -j DROP"
		for p in $(seq 8080 8089); do
			echo "-A FORWARD -d 10.1.0.$i/32 -p udp -m udp --dport $p -j DROP"
		done
	done
	echo COMMIT
)
is "many" c 5 < <(five 6001)
tap_same "$SCENE: five packets on rule 2 of 101" "5 190" "$(saved dut | counters_of FORWARD 2)"

scene "what the stack answers itself"	# regression: INVALID, so no traceroute through OUTPUT DROP
ipt -A OUTPUT -m conntrack --ctstate RELATED -j ACCEPT
ipt -A OUTPUT -m conntrack --ctstate INVALID
ipt -P OUTPUT DROP
both_ip route add prohibit 10.9.0.0/24
# the quoted datagram of the last: nobody sent it, so the error is nobody's
is "is RELATED: TTL exceeded, prohibited; not what a raw socket makes up" c 3 <<END
c udp $C:$PORT $S:33434 ttl=1
c tcp $C:$PORT $S:33435 ttl=1 flags=S
c udp $C:$PORT 10.9.0.1:33436
c tcp $C:$PORT $S:33437 ttl=1 flags=SF
o icmp 10.1.0.1 $C type=11 pay=4500001c00010000401100000a0100020a0200020007000900080000
END
tap_same "$SCENE: accepted, dropped" "3 2" "$(packets_of dut OUTPUT 1) $(packets_of dut OUTPUT 2)"
both_ip route del prohibit 10.9.0.0/24

scene "a reply that the stack drops"	# regression: it left the connection as it was
ipt -A FORWARD -m conntrack --ctstate ESTABLISHED
is "advances the connection: L2 multicast, TTL 1" s 5 <<END
c udp $C:$PORT $S:7
s udp $S:7 $C:$PORT dmac=mcast
c udp $C:$PORT $S:7
c udp $C:$PORT $S:8
s udp $S:8 $C:$PORT ttl=1
c udp $C:$PORT $S:8
END
tap_same "$SCENE: to ESTABLISHED" "2 56" "$(saved dut | counters_of FORWARD 1)"

scene "a state behind a match that remembers"	# regression: refused, for too many ranges
ipt -A FORWARD -m limit --limit 1/hour --limit-burst 3 -m conntrack ! --ctstate INVALID
ipt -A FORWARD -p tcp -f -m tcp --tcp-option 4 -m state ! --state INVALID -j DROP
is "limit, then ! INVALID" s 5 < <(
	for ((i = 0; i < 4; i++)); do echo "c udp $C:$PORT $S:9"; done
	echo "c tcp $C:$PORT $S:9 flags=SF"
)
tap_same "$SCENE: its burst" "3 84" "$(saved dut | counters_of FORWARD 1)"

# --- lo: OUTPUT labels the packet, INPUT sees the same state
both_restore <<-END
	*filter
	:INPUT ACCEPT [0:0]
	:FORWARD ACCEPT [0:0]
	:OUTPUT ACCEPT [0:0]
	-A INPUT -i lo -m conntrack --ctstate INVALID -p tcp -j DROP
	-A INPUT -i lo -m conntrack --ctstate INVALID
	-A INPUT -i lo -m conntrack --ctstate NEW
	-A INPUT -i lo -m conntrack --ctstate ESTABLISHED,RELATED
	-A OUTPUT -o lo -m conntrack --ctstate INVALID -p tcp -m tcp --dport 9 -j DROP
	-A OUTPUT -o lo -m conntrack --ctstate INVALID
	-A OUTPUT -o lo -m conntrack --ctstate NEW
	-A OUTPUT -o lo -m conntrack --ctstate ESTABLISHED,RELATED
	COMMIT
END
R=10.1.0.1
agree "INVALID on lo, at OUTPUT and at INPUT" <<-END
	o tcp $R:1 $R:2 flags=SF
	o tcp $R:1 $R:2 flags=
	o tcp $R:1 $R:2 flags=SR
	o tcp 127.0.0.1:3 127.0.0.1:4 flags=SAF
	o tcp $R:1 $R:9 flags=SF
	o tcp $R:5 $R:6 flags=S doff=4
	o tcp $R:5 $R:6 flags=S doff=15
	o icmp $R $R type=0
	o icmp $R $R type=14
	o icmp $R $R type=77
	o icmp $R $R type=8
	o udp $R:7 $R:8 len=4
END
for n in INPUT OUTPUT; do
	for i in 1 2 3; do
		[ "$(packets_of ref $n $i)" -gt 0 ]
		tap_ok $? "control: $n's rule $i met some"
	done
done
tap_done
