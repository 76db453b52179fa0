#!/bin/bash
# SPDX-License-Identifier: GPL-2.0-only
# shellcheck source=selftests/topo/twin.sh
# hooks: tc xdp netfilter
#
# ifaces.sh - names, wildcards, removal, rename; VLAN, tun, local addresses elsewhere
#
# Interfaces made after init are covered by `bpf-iptables monitor` (monitor.sh); here
# they exist before it, so the topology is extended first and initialised after.

. "$(dirname "$0")/twin.sh"
twin_up_raw wire
if_add eth10 || tap_ok 1 "a second pair"
has_vlan=1
both_ip link add link eth0 name eth0.7 type vlan id 7 2>/dev/null || has_vlan=
if [ -n "$has_vlan" ]; then
	both_ip link set eth0.7 arp off up
	both_ip addr add 10.7.0.1/24 dev eth0.7
fi
both_ip addr add 10.9.9.9/32 dev lo
has_tun=1
both_ip tuntap add mode tun name tun0 2>/dev/null || has_tun=
if [ -n "$has_tun" ]; then
	both_ip link set tun0 up
	both_ip addr add 10.8.0.1/24 dev tun0
	TUN=tun0
fi
twin_start

C=10.1.0.2 S=10.2.0.2 R=10.1.0.1
ipt() {
	both "$@" || tap_ok 1 "iptables $*"
}
is() {
	both -Z
	agree_and "$@"
}

# every kind of name in every place, counted, none ends the walk
for spec in eth0 eth1 eth+ eth eth1+ + e+ lo eth0.7 eth0+ tun0 tun+ nosuch0; do
	ipt -A INPUT -i "$spec"
	ipt -A FORWARD -i "$spec"
	ipt -A FORWARD -o "$spec"
	ipt -A OUTPUT -o "$spec"
	# `! -i +` never matches, and legacy saves it as a rule without it
	[ "$spec" != + ] || continue
	ipt -A INPUT ! -i "$spec"
	ipt -A FORWARD ! -i "$spec"
	ipt -A FORWARD ! -o "$spec"
	ipt -A OUTPUT ! -o "$spec"
done
ipt -N u
for spec in eth0 e+ lo; do
	ipt -A u -i "$spec"
	ipt -A u ! -i "$spec"
	ipt -A u -o "$spec"
	ipt -A u ! -o "$spec"
done
for ch in INPUT FORWARD OUTPUT; do ipt -A $ch -j u; done
is "names and wildcards, in all chains" s 2 c 1 l 4 <<END
c udp $C:1 $S:1
s udp $S:1 $C:1
c icmp $C $R type=0
s icmp $S 10.2.0.1 type=0
c icmp $C 10.9.9.9 type=0
o udp 10.2.0.1:1 $S:1
o icmp 127.0.0.1 127.0.0.1 type=0
END

if [ -n "$has_vlan" ]; then
	is "a VLAN device: tag stripped, in-device is the VLAN's" s 1 l 1 <<-END
	c udp 10.7.0.2:1 $S:1 vlan=7
	c icmp 10.7.0.2 10.7.0.1 type=0 vlan=7
	c udp 10.7.0.2:1 $S:1 vlan=8
	END
	is "and out of it: tagged, judged as an IP packet" c 2 <<-END
	s udp $S:1 10.7.0.2:1
	o udp 10.7.0.1:1 10.7.0.2:1
	END
	ipt -I FORWARD -i eth0 -j DROP
	ipt -I INPUT -i eth0 -j DROP
	is "a rule on the parent is not a rule on the VLAN" s 1 l 1 <<-END
	c udp 10.7.0.2:1 $S:1 vlan=7
	c icmp 10.7.0.2 10.7.0.1 type=0 vlan=7
	c udp $C:1 $S:1
	c icmp $C $R type=0
	END
	ipt -R FORWARD 1 -i eth0.7 -j DROP
	ipt -R INPUT 1 -i eth0.7 -j DROP
	is "nor the other way round" s 1 l 1 <<-END
	c udp 10.7.0.2:1 $S:1 vlan=7
	c icmp 10.7.0.2 10.7.0.1 type=0 vlan=7
	c udp $C:1 $S:1
	c icmp $C $R type=0
	END
	ipt -D FORWARD 1
	ipt -D INPUT 1
else
	tap_skip "a VLAN device" "no vlan devices in this kernel"
fi

if [ -n "$has_tun" ]; then
	is "a tun device has no Ethernet header" s 1 l 2 t 2 <<-END
		t udp 10.8.0.2:1 $S:1
		t icmp 10.8.0.2 10.8.0.1 type=0
		c udp $C:1 10.8.0.2:1
		o udp 10.8.0.1:1 10.8.0.2:1
		t tcp 10.8.0.2:1 10.8.0.1:1 flags=R
	END
	ipt -I FORWARD -i tun0 -p udp --dport 53 -j DROP
	ipt -I FORWARD -o tun+ -p udp --dport 53 -j DROP
	ipt -I INPUT -i tun0 -p icmp -j DROP
	ipt -I OUTPUT -o tun0 -p udp --dport 53 -j DROP
	is "and is filtered" s 0 l 0 t 0 <<-END
		t udp 10.8.0.2:1 $S:53
		t icmp 10.8.0.2 10.8.0.1 type=0
		c udp $C:1 10.8.0.2:53
		o udp 10.8.0.1:1 10.8.0.2:53
	END
	for ch in FORWARD FORWARD INPUT OUTPUT; do ipt -D $ch 1; done
else
	tap_skip "a tun device has no Ethernet header" "no tun here"
fi

ipt -A FORWARD -i eth10 -j DROP
ipt -A FORWARD ! -i eth0 -j DROP
is "before the removal" s 1 c 0 <<END
c udp $C:1 $S:1
s udp $S:1 $C:1
END
if_del eth10
is "an interface gone: its rules match nothing else" s 1 c 0 <<END
c udp $C:1 $S:1
s udp $S:1 $C:1
END
tap_same "its rules are kept" "$(ref -S FORWARD)" "$(dut -S FORWARD)"
ipt -F FORWARD

# rename: rules go by name. The command that follows (or the monitor) is when
# classes are built anew, so one change of rules comes in between
ipt -A FORWARD -i eth0 -j DROP
both_ip link set eth0 down
both_ip link set eth0 name lan0
both_ip link set lan0 up
both_ip neigh replace $C lladdr 02:00:00:00:01:02 dev lan0 nud permanent
ETH0=lan0
ipt -A FORWARD -s 9.9.9.9
is "renamed away from the rule" s 1 <<<"c udp $C:1 $S:1"
ipt -A FORWARD -i lan0 -j DROP
is "renamed into a rule" s 0 <<<"c udp $C:1 $S:1"
tap_same "rules still say the old name" "$(ref -S FORWARD)" "$(dut -S FORWARD)"
tap_done
