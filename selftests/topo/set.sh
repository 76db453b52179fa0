#!/bin/bash
# SPDX-License-Identifier: GPL-2.0-only
# shellcheck source=selftests/topo/twin.sh
# hooks: tc xdp netfilter
#
# set.sh - the match set: every type of ipset that is mirrored, and its freshness
#
# Both routers have the same sets. The reference asks them, the device under test its
# copy of them.

. "$(dirname "$0")/twin.sh"
twin_up_raw wire
need tools ipset
C=10.1.0.2 S=10.2.0.2 R=10.1.0.1

# sets < lines - the same `ipset restore' in both routers
sets() {
	cat >"$TMP/sets"
	ns_exec "${NS[ref.r]}" ipset restore <"$TMP/sets" && ns_exec "${NS[dut.r]}" ipset restore <"$TMP/sets"
}
# fresh - the mirror is brought up to date, as the monitor does
fresh() {
	[ "$DUT" != bpf ] || ns_exec "${NS[dut.r]}" "$BPFIPT" refresh
}
sets <<-EOF || skip_all "no ipset in this kernel"
	create ip hash:ip
	add ip $C
	add ip 10.9.0.1
	create masked hash:ip netmask 24
	add masked 10.9.7.0
	create bits bitmap:ip range 10.9.0.0/16 netmask 28
	add bits 10.9.0.16
	create net hash:net
	add net 10.9.0.0/16
	add net 10.9.1.0/24 nomatch
	add net 10.9.1.8/29
	add net 10.9.2.1
	create ipport hash:ip,port
	add ipport $S,udp:53
	add ipport $S,tcp:0-3
	add ipport $S,icmp:8/0
	add ipport $S,sctp:7
	add ipport $S,udplite:9
	add ipport $S,99:0
	create netport hash:net,port
	add netport 10.0.0.0/8,udp:53
	add netport 10.2.0.0/16,udp:53 nomatch
	add netport 10.2.0.0/24,udp:54
	create ipportip hash:ip,port,ip
	add ipportip $C,udp:53,$S
	create ipportnet hash:ip,port,net
	add ipportnet $C,udp:53,10.2.0.0/16
	add ipportnet $C,udp:53,10.2.1.0/24 nomatch
	create netiface hash:net,iface
	add netiface 10.9.0.0/16,eth0
	add netiface 10.9.1.0/24,eth1
	add netiface 10.9.2.0/24,eth0 nomatch
	add netiface 10.2.0.0/16,eth1
	add netiface 10.1.0.2,lo
	create port bitmap:port range 0-1000
	add port 53
	add port 8
	create empty hash:net
	create list list:set
	add list empty
	add list net
	add list ipport
EOF
twin_start

{
	printf '%s\n' '*filter' ':INPUT ACCEPT [0:0]' ':FORWARD ACCEPT [0:0]' ':OUTPUT ACCEPT [0:0]'
	for rule in "ip src" "ip dst" "ip src,dst" "masked src" "bits src" "bits dst" "net src" "net dst" \
		"ipport dst,dst" "ipport dst,src" "ipport src,src" "ipport dst" "netport dst,dst" "netport dst,src" \
		"netport src,dst" "ipportip src,dst,dst" "ipportip src,src,dst" "ipportip src,dst" \
		"ipportnet src,dst,dst" "ipportnet dst,dst,src" "netiface src,src" "netiface dst,dst" \
		"netiface src,dst" "port dst" "port src" "empty src" "list src" "list dst" "list dst,dst"; do
		printf -- "-A %s -m set --match-set $rule\n" INPUT FORWARD OUTPUT
		printf -- "-A %s -m set ! --match-set $rule\n" INPUT FORWARD OUTPUT
		printf -- "-A %s -m set --match-set $rule --return-nomatch\n" INPUT FORWARD OUTPUT
		printf -- "-A FORWARD -m set ! --match-set $rule --return-nomatch\n"
	done
	printf -- '-A %s -m physdev %s --physdev-is-bridged\n' FORWARD '' FORWARD ! INPUT '' INPUT !
	echo "-A FORWARD -m set --match-set ip src -m set --match-set ipport dst,dst -j DROP"
	echo COMMIT
} >"$TMP/wanted"
both_restore <"$TMP/wanted"
addresses=("$C" 10.9.0.1 10.9.0.15 10.9.0.16 10.9.0.31 10.9.0.32 10.9.7.0 10.9.7.255 10.9.8.0
	10.9.1.0 10.9.1.7 10.9.1.8 10.9.1.15 10.9.1.16 10.9.2.0 10.9.2.1 10.8.255.255 10.10.0.0)
agree_and "addresses" s 18 < <(for a in "${addresses[@]}"; do echo "c udp $a:1 $S:5"; done)
agree "addresses, INPUT" < <(for a in "${addresses[@]}"; do echo "c udp $a:1 $R:53"; done)
agree "addresses, OUTPUT" < <(for a in "${addresses[@]}"; do echo "o udp 10.2.0.1:1 $a:53"; done)
ports() {
	local p

	for p in "udp $C:1 $S:53" "udp $C:53 $S:1" "udp $C:1 $S:54" "udp $C:53 10.2.1.9:53" "tcp $C:1 $S:3" \
		"tcp $C:1 $S:4" "tcp $C:53 $S:53" "sctp $C:1 $S:7" "udplite $C:1 $S:9" "icmp $C $S type=8" \
		"icmp $C $S type=0" "icmp $C $S type=8 code=1" "99 $C $S len=8" "0 $C $S len=8" "50 $C $S len=8" \
		"udp 10.2.0.2:53 $C:9" "udp $C:1 $S:53 l4=4" "tcp $C:1 $S:3 l4=12" "icmp $C $S l4=4" \
		"99 $C $S len=8 off=4" "udp $C:1 $S:53 off=4" "udplite $C:1 $S:9 off=1" "udp $C:1 $S:53 mf"; do
		echo "c $p"
	done
}
agree_and "ports and protocols" s 14 < <(ports)
if [ "$DUT" = bpf ]; then
	# content of the mirror against what ipset has now
	sets <<-EOF
		del ip $C
		add ip 10.9.0.16
		create other hash:net
		add other 10.9.9.0/24
		swap net other
		flush port
		del list ipport
		add list ip
	EOF
	world_inject dut <(echo "c udp $C:1 $S:53") "$TMP/rx"
	tap_same "until then the mirror is as it was: dropped" "" "$(cat "$TMP/rx")"
	both -Z
	fresh
	agree "after add, del, flush, swap, a list's change" < <(
		for a in "${addresses[@]}" 10.9.9.1; do echo "c udp $a:1 $S:53"; done)
	sets <<<"flush"
	both -A FORWARD -p 200
	both -Z
	agree "any command brings it up to date" < <(
		for a in "${addresses[@]}" 10.9.9.1; do echo "c udp $a:1 $S:53"; done)

	# by the monitor
	ns_spawn "${NS[dut.r]}" "$BPFIPT" monitor >"$TMP/monitor.out" 2>&1
	reset_rules
	both -A FORWARD -m set --match-set ip src -j DROP
	sets <<<"add ip $C"
	dropped() {
		world_inject dut <(echo "c udp $C:1 $S:53") "$TMP/rx"
		! [ -s "$TMP/rx" ]
	}
	busywait 20 dropped
	tap_ok $? "the monitor follows"

	# elements that expire, by themselves
	sets <<-EOF
		create soon hash:ip timeout 2
		add soon $C timeout 2
		add soon 10.9.0.1 timeout 300
	EOF
	kill "$SPAWNED"
	reset_rules
	both -A FORWARD -m set --match-set soon src -j DROP
	dropped
	tap_ok $? "an element with a timeout"
	passes() { ! dropped; }
	busywait 20 passes
	tap_ok $? "is gone when it is over, with nobody about"
	both -Z
	agree "the other one is not" <<<"c udp 10.9.0.1:1 $S:53"

	# a set that is gone, or another one at its place
	reset_rules
	both -A FORWARD -m set --match-set other src -j DROP
	reset_rules
	sets <<-EOF
		create gone hash:net
		add gone 10.1.0.0/16
	EOF
	dut -A FORWARD -m set --match-set gone src -j DROP
	dropped
	tap_ok $? "hash:net drops"
	ns_exec "${NS[dut.r]}" ipset destroy gone
	ns_exec "${NS[dut.r]}" ipset create stranger hash:net
	ns_exec "${NS[dut.r]}" ipset add stranger 10.1.0.0/16
	ns_exec "${NS[dut.r]}" "$BPFIPT" refresh
	passes
	tap_ok $? "a destroyed set is empty, whoever has its index now"
	reset_rules

	# many elements, and more than there is room for
	{
		echo "create big hash:ip maxelem 1000000"
		for ((i = 0; i < 20000; i++)); do echo "add big 10.77.$((i / 200)).$((i % 200 + 1))"; done
	} | sets
	both -A FORWARD -m set --match-set big src -j DROP
	agree "20000 elements" <<-EOF
		c udp 10.77.0.1:1 $S:53
		c udp 10.77.99.200:1 $S:53
		c udp 10.77.99.201:1 $S:53
	EOF

	tap_refused "no such set" dut -A INPUT -m set --match-set nosuch src
	ns_exec "${NS[dut.r]}" ipset create ipmac bitmap:ip,mac range 10.0.0.0/24
	tap_refused "bitmap:ip,mac" dut -A INPUT -m set --match-set ipmac src,src
	ns_exec "${NS[dut.r]}" ipset create ipmacs list:set
	ns_exec "${NS[dut.r]}" ipset add ipmacs ipmac
	tap_refused "a list with it" dut -A INPUT -m set --match-set ipmacs src,src
	tap_refused "counters of elements" dut -A INPUT -m set --match-set ip src --packets-gt 1
	tap_refused "-j SET" dut -A INPUT -j SET --add-set ip src
	# a real one: kube-router's network policies
	kube=$REPO/../shared/rulesets/kube-router-11pods
	if [ -r "$kube.rules" ]; then
		sets <"$kube.ipset"
		sed -n '/^\*filter/,/^COMMIT/p' "$kube.rules" | both_restore
		tap_ok $? "kube-router's rules"
		agree "pods, allowed and not" < <(
			for s in 5 8 9 12 200; do
				for d in 5 8 9 12 200; do
					echo "c tcp 10.42.0.$s:4000 10.42.0.$d:80 flags=S seq=$s$d"
				done
			done
		)
	fi
fi
tap_done
