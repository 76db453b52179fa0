#!/bin/bash
# SPDX-License-Identifier: GPL-2.0-only
# shellcheck source=selftests/topo/twin.sh
# hooks: tc xdp
#
# blind.sh - what tc and xdp see differently, row by row of Documentation/iptables-compat.rst
#
# Each case sends frames into both worlds and gives what a rule without a target has counted
# in each. A row that is no longer true fails here, and leaves the table.

. "$(dirname "$0")/twin.sh"
[ "$DUT" = bpf ] && [ "$REF" = legacy ] || skip_all "rows of bpf-iptables against iptables-legacy"
twin_up wire
C=10.1.0.2 G=10.1.0.1 S=10.2.0.2

# counted WORLD - packets:bytes of the one rule that asks for UDP
counted() {
	fw "$1" -save -c -t filter | sed -n 's/^\[\([0-9:]*\)\] -A .* -p udp.*/\1/p'
}
# sees TEXT RULE REF DUT < frames - the rule counts REF (a regular expression of packets:bytes) and DUT
sees() {
	local a b

	# shellcheck disable=SC2119
	both_restore <<-END
		*filter
		:INPUT ACCEPT [0:0]
		:FORWARD ACCEPT [0:0]
		:OUTPUT ACCEPT [0:0]
		-A $2
		COMMIT
	END
	cat >"$TMP/frames"
	world_inject ref "$TMP/frames" "$TMP/ref.rx"
	world_inject dut "$TMP/frames" "$TMP/dut.rx"
	a=$(counted ref) b=$(counted dut)
	[[ $a =~ ^$3$ ]] && [[ $b =~ ^$4$ ]]
	tap_ok $? "$1: iptables $a, here $b"
}

both_ip route del default
sees "no route, forwarding on" "INPUT -p udp" 0:0 1:28 <<<"c udp $C:1 203.0.113.1:2"
both_ip route add default via $S dev eth1
sees "control: with a route neither chain INPUT" "INPUT -p udp" 0:0 0:0 <<<"c udp $C:1 203.0.113.1:2"
sees "a group that nobody joined" "INPUT -p udp" 0:0 1:28 <<<"c udp $C:1 224.0.0.99:2 dmac=mcast"
sees "later fragments of what is received" "INPUT -p udp" 1:52 1:36 <<-END
	c udp $C:1 $G:2 len=8 mf id=7
	c 17 $C $G pay=0102030405060708 off=2 id=7
END
sees "strict source routing" "INPUT -p udp" 0:0 1:40 <<<"c udp $C:1 $G:2 opt=8907040a0900010000"
for w in ref dut; do
	ns_write "${NS[$w.r]}" net/ipv4/conf/eth0/rp_filter 1
done
sees "spoofed, with rp_filter" "FORWARD -p udp" 0:0 1:28 <<<"c udp 10.2.0.77:1 $S:2"
sees "control: a good source" "FORWARD -p udp" 1:28 1:28 <<<"c udp $C:1 $S:2"
for w in ref dut; do
	ns_write "${NS[$w.r]}" net/ipv4/conf/eth0/rp_filter 0 net/ipv4/ip_forward 0
done
sees "to another host, forwarding off" "INPUT -p udp" 0:0 1:28 <<<"c udp $C:1 $S:2"
for w in ref dut; do
	ns_write "${NS[$w.r]}" net/ipv4/ip_forward 1
done
for w in ref dut; do
	XTABLES_LOCKFILE=$TMP/lock.n ns_exec "${NS[$w.r]}" iptables-legacy -t mangle -A PREROUTING -j MARK --set-mark 7
done
sees "a mark of mangle PREROUTING" "INPUT -p udp -m mark --mark 7" 1:28 0:0 <<<"c udp $C:1 $G:2"
for w in ref dut; do
	XTABLES_LOCKFILE=$TMP/lock.n ns_exec "${NS[$w.r]}" iptables-legacy -t mangle -F PREROUTING
done
both_ip link add mv0 link eth1 type macvlan mode bridge
both_ip addr add 10.3.0.1/24 dev mv0
both_ip link set mv0 arp off up
both_ip neigh add 10.3.0.2 lladdr 02:00:00:00:02:02 dev mv0 nud permanent
dut -L >/dev/null && ns_exec "${NS[dut.r]}" "$BPFIPT" refresh
sees "sent over a macvlan" "OUTPUT -p udp" 1:28 2:56 <<<"o udp 10.3.0.1:1 10.3.0.2:2"
both_ip link del mv0
# a local route through a nexthop object: whose interface is it?
both_ip nexthop add id 5 dev eth0
both_ip route add local 10.9.0.0/24 nhid 5 table local
sees "control: LOCAL by a nexthop object" "INPUT -p udp -m addrtype --dst-type LOCAL" 1:28 1:28 <<<"c udp $C:1 10.9.0.1:2"
sees "LOCAL by a nexthop object, --limit-iface-in" "INPUT -p udp -m addrtype --dst-type LOCAL --limit-iface-in" 1:28 1:28 <<<"c udp $C:1 10.9.0.1:2"
sees "... where it is not the interface's" "INPUT -p udp -m addrtype ! --dst-type LOCAL --limit-iface-in" 0:0 0:0 <<<"c udp $C:1 10.9.0.1:2"
for w in ref dut; do
	XTABLES_LOCKFILE=$TMP/lock.n ns_exec "${NS[$w.r]}" iptables-legacy -t nat -A PREROUTING -p udp --dport 53 -j DNAT --to $S
done
sees "DNAT: the address behind it" "FORWARD -d $S -p udp" 1:28 0:0 <<<"c udp $C:1 $G:53"
sees "DNAT: the address before it" "INPUT -d $G -p udp" 0:0 1:28 <<<"c udp $C:3 $G:53"
tap_done
