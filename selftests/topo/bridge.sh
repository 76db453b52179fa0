#!/bin/bash
# SPDX-License-Identifier: GPL-2.0-only
# shellcheck source=selftests/topo/twin.sh
# hooks: netfilter hybrid
#
# bridge.sh - bridged traffic that br_netfilter shows to iptables, and physdev
#
#	client c0 ---- eth0 [ br0 10.1.0.1/24 ] eth1 ---- s0 server, one network
#
# The router is a bridge with an address. What it forwards between its ports comes by
# FORWARD with the ports as physdev, what is for itself by INPUT with the port it came
# by, what it sends by OUTPUT. Rules without a target count what they match.

. "$(dirname "$0")/twin.sh"
ns_has_bridge() { [ -e /proc/sys/net/bridge/bridge-nf-call-iptables ]; }
modprobe -q br_netfilter 2>/dev/null
twin_up_raw wire
if ! ip -n "${NS[ref.r]}" link add br0 type bridge 2>/dev/null || ! ns_has_bridge; then
	skip_all "no bridge, or no br_netfilter"
fi
ip -n "${NS[ref.r]}" link del br0
C=10.1.0.2 S=10.1.0.3 B=10.1.0.1
# shellcheck disable=SC2034 # twin.sh reads it
BRIDGED=1
for w in ref dut; do
	ip -n "${NS[$w.r]}" -batch - <<-END
		addr flush dev eth0
		addr flush dev eth1
		link add br0 address 02:00:00:00:01:01 type bridge forward_delay 0 mcast_snooping 0
		link set eth0 master br0
		link set eth1 master br0
		link set br0 up
		addr add $B/24 dev br0
		neigh add $C lladdr 02:00:00:00:01:02 dev br0 nud permanent
		neigh add $S lladdr 02:00:00:00:02:02 dev br0 nud permanent
	END
	bridge -n "${NS[$w.r]}" fdb add 02:00:00:00:01:02 dev eth0 master static
	bridge -n "${NS[$w.r]}" fdb add 02:00:00:00:02:02 dev eth1 master static
	ns_write "${NS[$w.r]}" net/bridge/bridge-nf-call-iptables 1
done
twin_start

# bridged KIND... - a frame from the client to the server, and back
bridged() {
	echo "c $1 $C${2:+:$2} $S${3:+:$3} dmac=020000000202 ${*:4}"
}
back() {
	echo "s $1 $S${2:+:$2} $C${3:+:$3} dmac=020000000102 ${*:4}"
}

both_restore <<END
*filter
:INPUT ACCEPT [0:0]
:FORWARD ACCEPT [0:0]
:OUTPUT ACCEPT [0:0]
$(for c in INPUT FORWARD OUTPUT; do
	for m in "--physdev-in eth0" "! --physdev-in eth0" "--physdev-in eth+" "--physdev-in e+" \
		"--physdev-in eth1" "--physdev-is-in" "! --physdev-is-in" "--physdev-is-bridged" \
		"! --physdev-is-bridged" "--physdev-in eth0 ! --physdev-is-bridged"; do
		echo "-A $c -m physdev $m"
	done
done
for m in "--physdev-out eth0" "! --physdev-out eth0" "--physdev-out eth1" "! --physdev-out eth+" \
	"--physdev-is-out" "! --physdev-is-out" "--physdev-in eth0 --physdev-out eth1" \
	"--physdev-in eth1 ! --physdev-out eth1 --physdev-is-bridged"; do
	echo "-A FORWARD -m physdev $m"
done)
-A FORWARD -i br0 -o br0
-A FORWARD -i eth0
-A FORWARD -m physdev --physdev-in eth0 -p udp -m udp --dport 1 -j DROP
-A FORWARD -m physdev --physdev-out eth0 -p udp -m udp --dport 1 -j MARK --set-mark 5
-A FORWARD -m mark --mark 5
COMMIT
END
tap_ok $? "ruleset goes in"
agree_and "bridged, received, sent" s 3 c 4 l 2 < <(
	bridged udp 9 1; bridged udp 9 2; bridged tcp 9 2 flags=S
	back udp 9 1; back udp 9 2
	echo "c udp $C:9 $B:7"; echo "s icmp $S $B type=0"
	echo "o udp $B:9 $S:7"; echo "o udp $B:9 $C:7")
tap_check "the ports were seen" grep -q '^\[[1-9].*-A INPUT -m physdev --physdev-in eth0$' \
	<(saved dut)

both_restore <<END
*filter
:INPUT ACCEPT [0:0]
:FORWARD ACCEPT [0:0]
:OUTPUT ACCEPT [0:0]
-A INPUT -m physdev --physdev-in eth0 -p udp -j REJECT --reject-with icmp-admin-prohibited
-A FORWARD -m conntrack --ctstate ESTABLISHED
-A FORWARD -m physdev --physdev-is-bridged -p udp -m udp --dport 1 -j REJECT
-A FORWARD -m physdev --physdev-in eth0 -p tcp -j REJECT --reject-with tcp-reset
-A FORWARD -p udp -m udp --dport 2 -j CONNMARK --set-mark 7
-A FORWARD -m physdev --physdev-in eth1 -m connmark --mark 7
-A OUTPUT -p icmp -m conntrack --ctstate RELATED
COMMIT
END
agree "REJECT and CONNMARK of bridged packets" < <(
	bridged udp 19 1 len=40; bridged tcp 19 2 flags=S seq=9; bridged udp 19 2; back udp 2 19
	bridged udp 19 2; echo "c udp $C:9 $B:7 len=3"; echo "s udp $S:9 $B:7")
[ "$(delivered s)" -ge 2 ] && [ "$(delivered c)" -ge 3 ]
tap_ok $? "and they were answered ($(delivered c) at c, $(delivered s) at s)"

# without br_netfilter nothing bridged comes by
for w in ref dut; do ns_write "${NS[$w.r]}" net/bridge/bridge-nf-call-iptables 0; done
both -Z
agree_and "bridge-nf-call-iptables=0" s 2 c 0 < <(bridged udp 29 1; bridged udp 29 2)
tap_done
