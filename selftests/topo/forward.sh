#!/bin/bash
# SPDX-License-Identifier: GPL-2.0-only
# shellcheck source=selftests/topo/twin.sh
# hooks: xdp-forward xdp
#
# forward.sh - init --forward: packets that the driver sends on, and those it must not
#
# Everything that comes out and every counter is compared with iptables-legacy's, byte for
# byte, with --forward and (hook xdp) without. Each case also says whether its packets are
# to go on at the driver: the event "forwarded" tells, so that nothing passes because
# nothing was sent on, or because what had to be the stack's was not.

. "$(dirname "$0")/twin.sh"
need tools tc nft python3
twin_up wire
A=10.1.0.2 B=10.2.0.2 R=10.1.0.1
D=${NS[dut.r]}

status_of() {
	XTABLES_LOCKFILE=$TMP/lock.dut ns_exec "$D" "$BPFIPT" status
}
event_of() {
	status_of | awk -v e="$1" '$1 == "event" && $2 == e { print $3 }'
}

# A tick must pass before a change of the system is seen; then the neighbour's turn in the
# stack, once a second, is used up by packets that no case counts.
settle() {
	send_both <<-END || tap_ok 1 "packets before a case arrive alike"
		c udp $A:7 $B:7
		s udp $B:7 $A:7
	END
	both -Z
}

# sent_on TEXT N < frames - alike, and all N that were forwarded went on at the driver; but
# for those that the turn of a second handed to the stack, one a neighbour
sent_on() {
	local before=0 after=0

	settle
	[ -z "$FORWARD" ] || before=$(event_of forwarded)
	agree "$1"
	[ -n "$FORWARD" ] || return 0
	after=$(event_of forwarded)
	[ $((after - before)) -le "$2" ] && [ $((after - before)) -ge $(($2 - 2)) ]
	tap_ok $? "$1: the driver sent $((after - before)) of $2 on"
}

# to_stack TEXT [CMD] < frames - alike, and none went on at the driver. CMD compares.
to_stack() {
	local before=0 cmd=${2:-agree}

	settle
	[ -z "$FORWARD" ] || before=$(event_of forwarded)
	if [ "$cmd" = agree ]; then agree "$1"; else "$cmd" "$1" "${3:-}"; fi
	[ -z "$FORWARD" ] || tap_same "$1: none at the driver" "$before" "$(event_of forwarded)"
}

# same_frames TEXT < frames - the same come out, though with another one going in: iptables
# holds fragments back until it has them all
same_frames() {
	send_both >/dev/null
	tap_same "$1" "$(cut -d' ' -f2- "$TMP/ref.rx" | sort)" "$(cut -d' ' -f2- "$TMP/dut.rx" | sort)"
	both -Z
}

# closed TEXT WHY [CMD...] - alike, none at the driver, and status says why
closed() {
	to_stack "$1" "${3:-}" "${4:-}" < <(plain)
	[ -n "$FORWARD" ] || return 0
	status_of | grep -q "^forward eth0 to eth1: closed, $2"
	tap_ok $? "$1: status says so" || tap_note "$(status_of | grep ^forward)"
}

# both_routers CMD... ; both_nft < script
both_routers() {
	ns_exec "${NS[ref.r]}" "$@" && ns_exec "${NS[dut.r]}" "$@"
}
both_nft() {
	cat >"$TMP/nft"
	both_routers nft -f "$TMP/nft"
}

plain() {
	local i

	for i in 1 2 3 4; do
		echo "c udp $A:$((1000 + i)) $B:53 len=$i"
	done
}

# shellcheck disable=SC2119
both_restore <<END
*filter
:INPUT ACCEPT [0:0]
:FORWARD ACCEPT [0:0]
:OUTPUT ACCEPT [0:0]
-A FORWARD -p udp -m udp --dport 53 -j ACCEPT
-A FORWARD -p udp -m udp --dport 54 -j DROP
-A FORWARD -p udp -m udp --dport 55 -j REJECT
-A FORWARD -p udp -m udp --dport 56 -j LOG --log-prefix "seen "
-A FORWARD -p tcp -m tcp --dport 80
-A FORWARD -o eth1 -m ttl --ttl-eq 63
-A INPUT -p udp
COMMIT
END
tap_ok $? "rules"

# --- what goes on at the driver

sent_on "UDP, every length" 8 <<END
c udp $A:1000 $B:53 len=0
c udp $A:1000 $B:53 len=1
c udp $A:1000 $B:53 len=18
c udp $A:1000 $B:53 len=19
c udp $A:1000 $B:53 len=1400 df
c udp $A:1000 $B:53 len=1472 df
s udp $B:53 $A:1000 len=100
s udp $B:9 $A:9 nocsum
END
sent_on "TCP, ICMP, GRE, ESP, SCTP, a protocol nobody knows" 7 <<END
c tcp $A:1000 $B:80 flags=S
s tcp $B:80 $A:1000 flags=SA
c icmp $A $B type=8 len=56
s icmp $B $A type=3 code=3 len=28
c 47 $A $B len=40
c 50 $A $B len=40
c 253 $A $B len=33
END
sent_on "TOS, DF, id, any checksum: nothing else changes" 6 <<END
c udp $A:1000 $B:53 tos=0xb8 df
c udp $A:1000 $B:53 tos=0x03 id=0xffff
c udp $A:1000 $B:53 ttl=255
c udp $A:1000 $B:53 ttl=128 id=0x0100
c udp $A:1000 $B:53 ttl=2
c udp $A:1000 $B:53 badl4
END
# over all 65536 headers the incremental checksum is right: some that carry, and FFFF
sent_on "checksums at the edge" 8 <<END
$(for i in 0xf6c5 0xf6c6 0xf7c5 0xf7c6 0xf8c5 0xf5c5 0xffff 0x0000; do echo "c udp $A:1000 $B:53 len=4 id=$i"; done)
END
sent_on "Ethernet's padding goes no further" 3 <<END
c udp $A:1000 $B:53 len=0 pad=18
c udp $A:1000 $B:53 len=5 pad=100
c tcp $A:1000 $B:80 flags=S pad=6
END
forwarded_by_stack() {
	ns_exec "$D" awk '/^Ip: [0-9]/ { print $7 }' /proc/net/snmp
}
before_stack=$(forwarded_by_stack)
sent_on "and the host does not count them" 8 < <(plain; plain)
[ -z "$FORWARD" ] || {
	n=$(($(forwarded_by_stack) - before_stack))	# settle, and a turn of the stack's
	[ $n -le 4 ]
	tap_ok $? "the stack forwarded $n beside"
}
sent_on "through a gateway, from a source far away" 3 <<END
c udp $A:1000 192.0.2.1:53
c udp $A:1000 198.51.100.9:53
s udp 192.0.2.1:53 $A:1000
END
# of a gateway that has been used often the addresses are kept, for a tick
gateway() {
	local i

	for ((i = 0; i < $1; i++)); do echo "c udp $A:$((1000 + i)) 10.8.0.1:53"; done
}
both_ip neigh add 10.2.0.70 lladdr 02:00:00:00:00:70 dev eth1 nud permanent
both_ip route add 10.8.0.0/16 via 10.2.0.70
sent_on "through a gateway, often" 40 < <(gateway 40)
both_ip neigh replace 10.2.0.70 lladdr 02:00:00:00:00:71 dev eth1 nud permanent
sent_on "the gateway has another address" 6 < <(gateway 6)
both_ip neigh replace 10.2.0.70 dev eth1 nud failed
to_stack "and is gone" < <(gateway 2)
both_ip neigh replace 10.2.0.70 lladdr 02:00:00:00:00:70 dev eth1 nud permanent
sent_on "and back" 6 < <(gateway 6)
both_ip route replace 10.8.0.0/16 via 10.2.0.2
sent_on "another gateway" 6 < <(gateway 6)
both_ip route del 10.8.0.0/16
both_ip neigh del 10.2.0.70 dev eth1
sent_on "LOG is written, and the packet sent on" 3 <<END
c udp $A:1 $B:56
c udp $A:2 $B:56
c udp $A:3 $B:56
END

# --- what a rule stops

to_stack "DROP and REJECT, answered" <<END
c udp $A:1 $B:54
c udp $A:1 $B:55
END

# --- packets that are the stack's

to_stack "TTL 1 and 0: time exceeded" <<END
c udp $A:1 $B:53 ttl=1
c tcp $A:1 $B:80 flags=S ttl=1
c udp $A:1 $B:53 ttl=0
END
to_stack "IP options" <<END
c udp $A:1 $B:53 opt=0101010101010100
c udp $A:1 $B:53 opt=94040000
c udp $A:1 $B:53 opt=0707040000000001
END
to_stack "fragments" <<END
c udp $A:1 $B:53 mf len=64 id=0x101
c udp $A:1 $B:53 off=9 len=64 id=0x101
c udp $A:1 $B:53 off=9 mf len=64 id=0x101
END
to_stack "to the router itself" <<END
c udp $A:1 $R:53
c udp $A:1 10.2.0.1:53
c icmp $A $R type=8 len=8
END
to_stack "broadcast, multicast, another's frame" agree_delivery "multicast without a route is INPUT's" <<END
c udp $A:1 10.2.0.255:53
c udp $A:1 255.255.255.255:53
c udp $A:1 $B:53 dmac=bcast
c udp $A:1 $B:53 dmac=mcast
c udp $A:1 $B:53 dmac=other
c udp $A:1 224.0.0.9:53
END
to_stack "headers that ip_rcv() drops" <<END
c udp $A:1 $B:53 badip
c udp $A:1 $B:53 ver=6
c udp $A:1 $B:53 ihl=4
c udp $A:1 $B:53 len=20 cut=30
END
to_stack "martians" agree_delivery "the stack drops them behind xdp" <<END
c udp 127.0.0.1:1 $B:53
c udp 10.1.0.1:1 $B:53
c udp 10.2.0.1:1 $B:53
c udp 255.255.255.255:1 $B:53
c udp 0.0.0.0:1 $B:53
c udp $A:1 127.0.0.1:53
END

# --- routes

both_ip route add blackhole 10.7.1.0/24
both_ip route add unreachable 10.7.2.0/24
both_ip route add prohibit 10.7.3.0/24
both_ip route add 10.7.4.0/24 via 10.1.0.2 dev eth0
both_ip route add 10.7.5.0/24 via 10.2.0.2 mtu 600
both_ip route add 10.7.6.0/24 via 10.2.0.2 mtu lock 600
both_ip route add 10.7.7.0/24 nexthop via 10.2.0.2 dev eth1 nexthop via 10.1.0.2 dev eth0
both_ip neigh add 10.2.0.77 lladdr 02:00:00:00:00:77 dev eth1 nud permanent
to_stack "blackhole, unreachable, prohibit" <<END
c udp $A:1 10.7.1.1:53
c udp $A:1 10.7.2.1:53
c udp $A:1 10.7.3.1:53
END
to_stack "back where it came from" <<END
c udp $A:1 10.7.4.1:53
c udp $A:1 10.7.4.2:53
END
to_stack "several next hops" <<END
c udp $A:1 10.7.7.1:53
c udp $A:1 10.7.7.2:53
c udp $A:1 10.7.7.3:53
END
to_stack "over the route's own MTU: fragmented" <<END
c udp $A:1 10.7.5.1:53 len=573
c udp $A:1 10.7.6.1:53 len=573
END
to_stack "over the route's own MTU, and DF: answered" agree_delivery "the route's MTU is not known in front of the chain" <<END
c udp $A:1 10.7.5.1:53 len=573 df
c udp $A:1 10.7.6.1:53 len=573 df
END
sent_on "not over it" 3 <<END
c udp $A:1 10.7.5.1:53 len=572
c udp $A:1 10.7.5.1:53 len=572 df
c udp $A:1 10.7.6.1:53 len=572 df
END
both_ip link set eth1 mtu 1000
to_stack "over the device's MTU" <<END
c udp $A:1 $B:53 len=973
c udp $A:1 $B:53 len=973 df
END
sent_on "not over it either" 3 <<END
c udp $A:1 $B:53 len=972
c udp $A:1 $B:53 len=972 df
c udp $A:1 $B:53 len=900
END
both_ip link set eth1 mtu 1500
settle
both_ip route replace 10.7.5.0/24 via 10.2.0.2
sent_on "a route that changes is seen" 3 <<END
c udp $A:1 10.7.5.1:53 len=700
c udp $A:1 10.7.5.1:53 len=701
c udp $A:1 10.7.5.1:53 len=702
END
both_ip route replace 10.7.5.0/24 via 10.2.0.2 mtu 600
settle
to_stack "and back" <<END
c udp $A:1 10.7.5.1:53 len=700
END

# a neighbour that the stack has yet to make, then its second packet and the next ones
settle
before=$(event_of forwarded)
agree "a neighbour that nobody knew" <<END
c udp $A:1 10.2.0.50:53
c udp $A:1 10.2.0.50:53
c udp $A:2 10.2.0.50:53
c udp $A:3 10.2.0.50:53
END
if [ -n "$FORWARD" ]; then
	n=$(($(event_of forwarded) - before))
	[ $n -ge 1 ] && [ $n -le 3 ]
	tap_ok $? "its first packet was the stack's, $n of the others went on at the driver"
fi

# --- the source

both_routers sysctl -qw net.ipv4.conf.eth0.rp_filter=1
settle
sent_on "rp_filter: by the way it came" 4 < <(plain)
to_stack "rp_filter: by another" agree_delivery "rp_filter drops behind xdp" <<END
c udp 192.0.2.9:1 $B:53
c udp 10.2.0.9:1 $B:53
END
both_routers sysctl -qw net.ipv4.conf.eth0.rp_filter=2
settle
to_stack "rp_filter, loose: by another" <<END
c udp 192.0.2.9:1 $B:53
END
both_routers sysctl -qw net.ipv4.conf.eth0.rp_filter=0
settle
sent_on "no rp_filter: from anywhere" 3 <<END
c udp 192.0.2.9:1 $B:53
c udp 10.2.0.9:1 $B:53
c udp 198.18.0.1:1 $B:53
END
both_ip addr add 192.0.2.9/32 dev lo
to_stack "from an address that is ours by now" agree_delivery "the stack drops it behind xdp" <<END
c udp 192.0.2.9:1 $B:53
END
both_ip addr del 192.0.2.9/32 dev lo

# --- what else is in the way: it is obeyed, and status names it

both_routers tc qdisc add dev eth1 root pfifo
closed "a qdisc at the output" "output: a queueing"
both_routers tc qdisc del dev eth1 root
settle
sent_on "without it" 4 < <(plain)
both_routers tc qdisc add dev eth1 clsact
both_routers tc filter add dev eth1 egress protocol ip u32 match u32 0 0 flowid 1:1
closed "a tc filter at egress" "output: tc"
both_routers tc qdisc del dev eth1 clsact
both_routers tc qdisc add dev eth0 ingress
both_routers tc filter add dev eth0 ingress protocol ip u32 match u32 0 0 flowid 1:1
closed "tc at ingress" "input: tc"
both_routers tc qdisc del dev eth0 ingress
both_nft <<END
table ip t { chain c { type filter hook postrouting priority 0; udp sport 1002 drop; }; }
END
closed "a native rule" "netfilter"
tap_same "it does drop" 3 "$(delivered s)"
both_routers nft delete table ip t
both_nft <<END
table netdev t { chain c { type filter hook egress device eth1 priority 0; udp sport 1002 drop; }; }
END
closed "nftables at egress" "output: tc or"
tap_same "it does drop" 3 "$(delivered s)"
both_routers nft delete table netdev t
if both_ip link add mv0 link eth0 type macvlan 2>/dev/null; then
	closed "a macvlan above the input" "input: neither hardware nor veth, or part of"
	both_ip link del mv0
else
	tap_skip "a macvlan above the input" "no macvlan here"
fi
if both_ip xfrm policy add dir fwd src 10.1.0.0/24 dst 10.2.0.0/24 action block 2>/dev/null; then
	closed "an IPsec policy" "IPsec" agree_delivery "the stack drops it behind xdp"
	tap_same "it does drop" 0 "$(delivered s)"
	both_ip xfrm policy flush
else
	tap_skip "an IPsec policy" "no xfrm here"
fi
for w in ref dut; do ns_exec "${NS[$w.s]}" ethtool -K s0 gro off >/dev/null; done
closed "a driver that takes no frames" "output: takes no XDP"
tap_same "nothing is lost" 4 "$(delivered s)"
[ -z "$FORWARD" ] ||
	for w in ref dut; do ns_exec "${NS[$w.s]}" ethtool -K s0 gro on >/dev/null; done

# --- with connections

# shellcheck disable=SC2119
both_restore <<END
*filter
:INPUT ACCEPT [0:0]
:FORWARD DROP [0:0]
:OUTPUT ACCEPT [0:0]
-A FORWARD -m conntrack --ctstate RELATED,ESTABLISHED -j ACCEPT
-A FORWARD -m conntrack --ctstate INVALID -j DROP
-A FORWARD -i eth0 -m conntrack --ctstate NEW -j ACCEPT
COMMIT
END
# the reference's own conntrack is in its own namespace: ours has no netfilter hook
sent_on "a connection, its reset, an error that belongs to it" 11 <<END
c tcp $A:4000 $B:80 flags=S seq=100
s tcp $B:80 $A:4000 flags=SA seq=500 ack=101
c tcp $A:4000 $B:80 flags=A seq=101 ack=501
c tcp $A:4000 $B:80 flags=AP seq=101 ack=501 len=100
s tcp $B:80 $A:4000 flags=A seq=501 ack=201
s tcp $B:80 $A:4000 flags=AF seq=501 ack=201
c tcp $A:4000 $B:80 flags=AF seq=201 ack=502
s tcp $B:80 $A:4000 flags=A seq=502 ack=202
c udp $A:4001 $B:53
s udp $B:53 $A:4001 len=40
s udp $B:53 $A:4002
c tcp $A:4003 $B:80 flags=SA seq=1
s tcp $B:80 $A:4005 flags=S seq=1
c udp $A:4001 $B:53
END
[ -z "$FORWARD" ] || {
	XTABLES_LOCKFILE=$TMP/lock.dut ns_exec "$D" "$BPFIPT" conntrack -L 2>&1 | grep -q "sport=4000"
	tap_ok $? "conntrack has it"
}
to_stack "fragments follow their first" same_frames <<END
c udp $A:4010 $B:53 mf len=64 id=0x201 nocsum
c udp $A:4010 $B:53 off=9 len=64 id=0x201
s udp $B:53 $A:4011 mf len=64 id=0x202 nocsum
s udp $B:53 $A:4011 off=9 len=64 id=0x202
END

# the kernel itself does not forget that there were rules
both_ip rule add from 10.1.0.0/24 table 100
to_stack "policy routing" <<END
c udp $A:4020 $B:53
c udp $A:4020 $B:53
END

# --- the command

in_dut() {
	XTABLES_LOCKFILE=$TMP/lock.dut ns_exec "$D" "$@"
}
if [ -n "$FORWARD" ]; then
	tap_check "init again is no error" in_dut "$BPFIPT-init" --hook xdp
	tap_check "nor with --forward" in_dut "$BPFIPT-init" --hook xdp --forward
	tap_check "status says on" grep -q "^forward on" <(status_of)
	in_dut "$BPFIPT-clean"
	in_dut "$BPFIPT-init" --hook tc --forward >"$TMP/out" 2>&1
	tap_same "another hook: exit 2" 2 $?
	tap_check "and it says why" grep -q "forwarding to the stack" "$TMP/out"
	tap_refused "nothing was initialised" in_dut "$BPFIPT" status
else
	tap_same "nothing went on at the driver" 0 "$(event_of forwarded)"
	in_dut "$BPFIPT-init" --hook xdp --forward >"$TMP/out" 2>&1
	tap_ok $(($? == 0)) "--forward where there is an instance without: refused"
fi
tap_done
