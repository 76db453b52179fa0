#!/bin/bash
# SPDX-License-Identifier: GPL-2.0-only
# shellcheck source=selftests/topo/twin.sh
# hooks: tc xdp xdp-forward hybrid
#
# route.sh - the answer of a route look-up that was kept is not used once it is wrong
#
# A destination that has come often enough is not looked up again (route_cache.bpf.h).
# Every kind of change that may send its packets elsewhere comes between two of them
# here, and the second goes, and is counted, as in iptables: by FORWARD for the interface
# that it leaves by, or by INPUT. The event "route-kept" says that there was an answer to
# go wrong; or, for routes whose answer hangs on more than can be seen to change, none.

. "$(dirname "$0")/twin.sh"
need tools taskset
twin_up_raw wire
if_add eth2 index 50 && both_ip addr add 10.4.0.1/24 dev eth2
tap_ok $? "a third way out, eth2"
twin_start
D=${NS[dut.r]}
C=10.1.0.2 T=10.3.0.5 U=10.3.0.6 V=11.3.0.7

# What is kept is kept by each CPU.
printf '#!/bin/sh\nexec taskset -c %s %s "$@"\n' \
	"$(taskset -pc $$ | sed 's/.*: //; s/[-,].*//')" "$INJECT" >"$TMP/inject-here"
chmod +x "$TMP/inject-here"
INJECT=$TMP/inject-here

event_of() {
	XTABLES_LOCKFILE=$TMP/lock.dut ns_exec "$D" "$BPFIPT" status |
		awk -v e="$1" '$1 == "event" && $2 == e { print $3 }'
}
kept() {
	event_of route-kept
}

# before Linux 6.2 none is kept
KEEPS=1
XTABLES_LOCKFILE=$TMP/lock.dut ns_exec "$D" "$BPFIPT" status |
	grep -q "^kernel skb-fields *yes" || KEEPS=

# set_both SYSCTL VALUE
set_both() {
	ns_write "${NS[ref.r]}" "$1" "$2" && ns_write "${NS[dut.r]}" "$1" "$2"
}

# often FRAME - the frame so often that the answer for it is kept, and then some
often() {
	local i

	for ((i = 0; i < 36; i++)); do echo "$1"; done
}

# forget - nothing is kept any more: the kernel takes its own cached routes for stale
forget() {
	both_ip route flush cache
}

# keep TEXT N FRAME... - alike, and N answers more are kept than before
keep() {
	local text=$1 want=$2 before frame

	shift 2
	before=$(kept)
	agree "$text" < <(for frame in "$@"; do often "$frame"; done)
	[ -z "$KEEPS" ] || tap_same "$text: answers kept" "$want" $(($(kept) - before))
}

# change TEXT CMD... - after CMD in both routers the very next packets go as in iptables
change() {
	local text=$1

	shift
	forget
	keep "$text: before" 3 "c udp $C:1 $T:53" "c udp $C:1 $U:53 df" "c udp $C:1 $V:53"
	"$@" || tap_ok 1 "$text: $*"
	agree "$text" <<-END
		c udp $C:1 $T:53
		c udp $C:1 $U:53 df
		c udp $C:1 $V:53
		c udp $C:1 11.99.0.1:53
	END
}

both_restore <<END
*filter
:INPUT ACCEPT [0:0]
:FORWARD ACCEPT [0:0]
:OUTPUT ACCEPT [0:0]
-A INPUT -p udp
-A INPUT -d 10.3.0.0/24 -j DROP
-A FORWARD -o eth0
-A FORWARD -o eth1 -m ttl --ttl-eq 63
-A FORWARD -o eth2
-A FORWARD -o eth2 -d 10.3.0.7 -j DROP
COMMIT
END
tap_ok $? "rules"

# --- that answers are kept at all, and as many as there is room for

keep "two destinations" 2 "c udp $C:1 $T:53" "c udp $C:1 $U:53"
keep "they are known" 0 "c udp $C:1 $T:53" "c udp $C:1 $U:53" "s udp $U:9 $T:54"
keep "for any TOS" 0 "c udp $C:1 $T:53 tos=0x10" "c udp $C:1 $T:53 tos=0x01"
keep "all of 12/8 at once" 1 "c udp $C:1 12.1.2.3:53" "c udp $C:1 12.255.255.255:53" "c udp $C:1 12.0.0.0:53"
keep "all of 240/8" 1 "c udp $C:1 240.1.2.3:53"
both_ip route add 12.128.0.0/9 dev eth2
keep "not where there is a route to a part" 2 "c udp $C:1 12.127.0.1:53" "c udp $C:1 12.128.0.1:53"
both_ip route replace 12.0.0.0/7 dev eth2
keep "nor with one that begins there" 1 "c udp $C:1 12.127.0.1:53"
keep "but next to it" 1 "c udp $C:1 13.127.0.1:53" "c udp $C:1 13.0.0.0:53"
both_ip route flush root 12.0.0.0/7
agree "every network" < <(
	for ((i = 1; i < 224; i++)); do [ $i = 127 ] || for j in 1 2 3; do echo "c udp $C:1 $i.$j.0.1:53"; done; done)
keep "ourselves, and a broadcast address" 3 "c udp $C:1 10.1.0.1:53" "c udp $C:1 10.2.0.1:53" \
	"c udp $C:1 10.2.0.255:53"
agree "a thousand destinations, each once" < <(
	for ((i = 0; i < 1000; i++)); do echo "c udp $C:1 10.5.$((i / 250)).$((i % 250 + 1)):53"; done)

# --- routes

change "a route" both_ip route add 10.3.0.0/24 dev eth2
change "without it" both_ip route del 10.3.0.0/24
change "to all of a network" both_ip route add 11.0.0.0/8 dev eth2
change "to half of it" both_ip route add 11.0.0.0/9 dev eth0
change "without that half" both_ip route del 11.0.0.0/9
change "to more than it" both_ip route replace 10.0.0.0/7 dev eth2
both_ip route del 10.0.0.0/7
both_ip route del 11.0.0.0/8
change "one for a single host" both_ip route add $T/32 dev eth2
change "another in its place" both_ip route replace $T/32 via $C dev eth0
change "one of a better metric" both_ip route add 10.3.0.0/24 metric 9 dev eth2
change "one of a better metric still" both_ip route add 10.3.0.0/24 metric 8 dev eth0
both_ip route flush root 10.3.0.0/24
change "the default" both_ip route replace default dev eth2
change "and back" both_ip route replace default via 10.2.0.2 dev eth1
# of answers to one host the kernel sends five at once
for kind in blackhole unreachable prohibit; do
	change "$kind" both_ip route add $kind $T/32
	both_ip route del $kind $T/32
done
keep "before there is none" 1 "c udp $C:1 10.6.0.5:53"
both_ip route del default
agree_delivery "none at all" "INPUT counts it" <<<"c udp $C:1 10.6.0.5:53"
tap_same "nothing came through" 0 "$(delivered s)"
both_ip route add default via 10.2.0.2 dev eth1

# --- addresses

change "an address of ours" both_ip addr add $T/32 dev lo
change "not any more" both_ip addr del $T/32 dev lo
change "a network of ours" both_ip addr add 10.3.0.1/24 broadcast $T dev eth2
change "a broadcast address no more" both_ip addr del 10.3.0.1/24 dev eth2
change "a local route" both_ip route add local 10.3.0.0/24 dev lo
change "that goes" both_ip route del local 10.3.0.0/24 dev lo

# --- devices

both_ip route add 10.3.0.0/24 dev eth2
change "the device goes down" both_ip link set eth2 down
both_ip link set eth2 up
busywait 20 carrier "$D" eth2
both_ip route add 10.3.0.0/24 dev eth2
# the kernel takes its time to tell the routes
lose_link() {
	both_ip link set eth2p down
	busywait 20 linkdown "${NS[ref.r]}" && busywait 20 linkdown "$D"
}
linkdown() {
	ip -n "$1" route show 10.3.0.0/24 | grep -q linkdown
}
change "a link that is lost" lose_link
forget
keep "without a link nothing is kept" 0 "c udp $C:1 $T:53"
set_both net/ipv4/conf/eth2/ignore_routes_with_linkdown 1
keep "such routes are ignored" 0 "c udp $C:1 $T:53"
set_both net/ipv4/conf/eth2/ignore_routes_with_linkdown 0
keep "and not ignored" 0 "c udp $C:1 $T:53"
set_both net/ipv4/conf/eth2/ignore_routes_with_linkdown 1
agree "ignored again" <<<"c udp $C:1 $T:53"
both_ip link set eth2p up
busywait 20 carrier "$D" eth2
agree "with a link" <<<"c udp $C:1 $T:53"
change "the route is gone with its device" both_ip link del eth2
agree "and stays so" < <(often "c udp $C:1 $T:53")
if_add eth2 index 50
both_ip link set eth2 up
busywait 20 carrier "$D" eth2
set_both net/ipv4/conf/eth0/forwarding 0
agree_delivery "forwarding of the input device is off" "INPUT counts it" < <(often "c udp $C:1 $T:53")
tap_same "nothing came through" 0 "$(delivered s)"
set_both net/ipv4/conf/eth0/forwarding 1
change "forwarding on" set_both net/ipv4/conf/eth1/forwarding 0
agree "the output device's does not matter" < <(often "c udp $C:1 $T:53")
set_both net/ipv4/ip_forward 0
agree_delivery "off for all" "INPUT counts it" <<<"c udp $C:1 $T:53"
tap_same "nothing came through" 0 "$(delivered s)"
set_both net/ipv4/ip_forward 1
agree "on for all" <<<"c udp $C:1 $T:53"

# --- MTU

forget
L="c udp $C:1 $T:53 len=1400"
keep "1428 bytes" 1 "$L df" "$L"
both_ip link set eth1 mtu 1000
agree "a smaller MTU" <<END
$L df
$L
c udp $C:1 $T:53 len=972 df
END
keep "its longest" 1 "c udp $C:1 $T:53 len=972 df"
agree "longer than was kept" <<END
$L df
$L
c udp $C:1 $T:53 len=973 df
END
both_ip link set eth1 mtu 1500
keep "a greater MTU" 1 "$L df"
# what the router learned binds what it sends, not what it forwards
quoted=4500002010010000401165bd0a0200010a02000227100035000c0000
keep "a path MTU yet to be learned" 1 "c udp $C:1 10.2.0.2:53 len=1400 df"
agree "it is learned" <<END
o udp 10.2.0.1:10000 10.2.0.2:53 len=4
s icmp 10.2.0.2 10.2.0.1 type=3 code=4 rest=1000 pay=$quoted
END
tap_check "and believed" grep -q "mtu 1000" <(ip -n "$D" route get 10.2.0.2)
keep "it changes nothing" 0 "c udp $C:1 10.2.0.2:53 len=1400 df"
forget
keep "nor when looked up again" 1 "c udp $C:1 10.2.0.2:53 len=1400 df"
# at the driver it does: the addresses of a gateway are not kept, and what is longer is the stack's
keep "one of a host behind a gateway" 1 "$L df"
before=$(event_of forwarded)
agree "before it is learned" < <(often "$L df")
before=$(($(event_of forwarded) - before))
quoted=4500002010010000401165b90a0200010a03000527100035000c0000
agree "it is learned" <<END
o udp 10.2.0.1:10000 $T:53 len=4
s icmp 10.2.0.2 10.2.0.1 type=3 code=4 rest=1000 pay=$quoted
END
tap_check "and believed" grep -q "mtu 1000" <(ip -n "$D" route get $T)
sleep 0.1
after=$(event_of forwarded)
agree "the next ones" < <(often "$L df")
after=$(($(event_of forwarded) - after))
[ -z "$FORWARD" ] || {
	[ "$before" -ge 30 ]
	tap_ok $? "the driver sent $before of 36 on before"
	tap_same "and none after" 0 "$after"
}
both_ip route add 10.3.0.0/24 via 10.2.0.2 mtu 600
keep "the route's own" 1 "c udp $C:1 $T:53 len=572 df" "$L"
agree_delivery "longer than that" "the route's MTU is not known in front of the chain" <<<"$L df"
both_ip route del 10.3.0.0/24

# --- what cannot be kept

both_ip route add 10.3.0.0/24 tos 0x10 dev eth2
keep "routes for a TOS" 0 "c udp $C:1 $T:53 tos=0x10" "c udp $C:1 $T:53" "c udp $C:1 $T:53 tos=0x08"
both_ip route del 10.3.0.0/24 tos 0x10
both_ip route add 10.3.0.0/24 nexthop via 10.2.0.2 dev eth1 nexthop via $C dev eth0
keep "several next hops" 0 "c udp $C:1 $T:53" "c udp $C:2 $U:53" "c udp 10.1.0.3:9 $T:53"
both_ip route del 10.3.0.0/24
if both_ip nexthop add id 7 via 10.2.0.2 dev eth1 2>/dev/null; then
	both_ip route add 10.3.0.0/24 nhid 7
	keep "a next hop of its own" 0 "c udp $C:1 $T:53"
	both_ip nexthop replace id 7 via $C dev eth0
	agree "that changes" <<<"c udp $C:1 $T:53"
	both_ip route del 10.3.0.0/24
else
	tap_skip "a next hop of its own" "no nexthop objects here"
fi

# the kernel itself does not forget that there were rules
both_ip route add default dev eth2 table 100
change "a policy rule" both_ip rule add from $C table 100
keep "nothing more is kept" 0 "c udp $C:1 $T:53" "c udp 10.1.0.3:1 $T:53"
both_ip rule del from $C table 100
keep "nor without it" 0 "c udp $C:1 $T:53" "c udp 10.1.0.3:1 $T:53"
tap_done
