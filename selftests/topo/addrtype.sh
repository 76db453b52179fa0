#!/bin/bash
# SPDX-License-Identifier: GPL-2.0-only
# shellcheck source=selftests/topo/twin.sh
# hooks: tc xdp netfilter
#
# addrtype.sh - `-m addrtype': the routing table "local" as the kernel's match sees it,
# and as it becomes while the rules stay

. "$(dirname "$0")/twin.sh"
twin_up wire

# Every type, both sides, both ways, in every chain; then the interface forms.
rules() {
	local ch t

	printf '%s\n' '*filter' ':INPUT ACCEPT [0:0]' ':FORWARD ACCEPT [0:0]' ':OUTPUT ACCEPT [0:0]'
	for ch in INPUT FORWARD OUTPUT; do
		for t in UNSPEC UNICAST LOCAL BROADCAST ANYCAST MULTICAST BLACKHOLE UNREACHABLE \
			PROHIBIT THROW NAT XRESOLVE LOCAL,BROADCAST; do
			echo "-A $ch -m addrtype --dst-type $t"
			echo "-A $ch -m addrtype --src-type $t"
			echo "-A $ch -m addrtype ! --dst-type $t"
		done
		cat <<-END
			-A $ch -m addrtype ! --src-type LOCAL,UNICAST --dst-type LOCAL,UNICAST
			-A $ch -m addrtype --src-type UNICAST ! --dst-type UNICAST
		END
	done
	for ch in INPUT FORWARD; do
		for t in LOCAL UNICAST BROADCAST; do
			echo "-A $ch -m addrtype --dst-type $t --limit-iface-in"
			echo "-A $ch -m addrtype --src-type $t --limit-iface-in"
			echo "-A $ch -m addrtype ! --dst-type $t --limit-iface-in"
		done
	done
	for ch in OUTPUT FORWARD; do
		for t in LOCAL UNICAST BROADCAST; do
			echo "-A $ch -m addrtype --dst-type $t --limit-iface-out"
			echo "-A $ch -m addrtype --src-type $t --limit-iface-out"
		done
	done
	cat <<-END
		-A OUTPUT -p icmp -j DROP
		-A INPUT -m addrtype --dst-type BROADCAST -j DROP
		-A INPUT -p udp -m addrtype ! --dst-type LOCAL -j DROP
		-A FORWARD -m addrtype --src-type LOCAL -j DROP
		COMMIT
	END
}

both_ip addr add 10.1.0.77/24 dev eth0
both_ip addr add 10.9.0.1/32 dev lo
both_ip addr add 192.168.7.1/29 brd + dev eth1
both_ip route add local 10.20.0.0/16 dev lo
both_ip route add 10.20.5.0/24 via 10.2.0.2
both_ip route add local 10.20.5.128/25 dev lo
both_ip route add anycast 10.30.0.0/24 dev eth0 table local
both_ip route add blackhole 10.40.0.0/16
both_ip route add unreachable 10.41.0.0/16
both_ip route add prohibit 10.42.0.0/16
both_ip route add throw 10.43.0.0/16
both_ip route add local 10.44.0.0/16 dev lo tos 0x10 table local
both_ip route add broadcast 10.45.0.0/16 dev eth0 table local
both_restore < <(rules)
tap_ok $? "ruleset goes in"

# Frames to and from the addresses $1, in by client and server and out from here
frames() {
	local a

	for a in $1; do
		echo "c udp 10.1.0.2:1 $a:9"
		echo "s udp 10.2.0.2:1 $a:9"
		# our own broadcasts come back behind XDP
		[ "$HOOK" != xdp ] || [[ $a != *.255 && $a != *.7.7 && $a != 10.45.* ]] || continue
		echo "o udp 10.1.0.1:1 $a:9"
	done
	for a in 10.1.0.9 10.40.1.1 10.41.1.1 10.42.1.1 10.44.0.1 172.31.1.1; do
		echo "c udp $a:1 10.2.0.2:9"
		echo "c udp $a:1 10.1.0.1:9"
	done
	cat <<-END
		o udp 10.2.0.1:1 10.1.0.2:9
		o udp 10.20.1.1:1 10.1.0.2:9
		o udp 127.0.0.1:1 127.0.0.2:9
		o udp 10.1.0.1:1 10.9.0.1:9
		c udp 10.1.0.2:1 10.1.0.1:9 dmac=bcast
		c udp 10.1.0.2:1 224.0.0.1:9 dmac=mcast
		c udp 0.0.0.0:68 255.255.255.255:67 dmac=bcast
		c udp 0.0.0.0:1 0.0.0.0:9
		c udp 0.1.2.3:1 10.2.0.2:9
		c udp 0.1.2.3:1 10.1.0.1:9
		c udp 10.1.0.2:1 0.1.2.3:9
	END
}
ADDRS="10.1.0.1 10.1.0.77 10.1.0.255 10.1.0.5 10.2.0.1 10.2.0.255 10.2.0.2 10.9.0.1 10.9.0.2
	192.168.7.1 192.168.7.7 192.168.7.0 10.20.1.1 10.20.5.1 10.20.5.200 10.44.0.1 10.45.1.2
	8.8.8.8 255.255.255.255 127.0.0.5"
agree_and "the type of every kind of address" l 32 < <(frames "$ADDRS")

# A new address, then none: nobody tells the firewall.
both_ip addr add 10.2.0.50/24 dev eth1
both_ip addr del 10.1.0.77/24 dev eth0
agree "addresses come and go under the rules" < <(frames "10.2.0.50 10.1.0.77 10.2.0.51")
both_ip link set lo down
both_ip link set lo up
agree "lo down and up" < <(frames "10.9.0.1 10.20.5.200 10.1.0.1 127.0.0.1")

# The first policy rule parts "local" from "main" for good.
both_ip route add local 10.50.0.0/24 dev lo table main
agree "a local route in table main, tables merged" < <(frames "10.50.0.1 10.20.5.1 10.2.0.1")
both_ip rule add from 9.9.9.9 lookup 100
agree "the same, tables parted" < <(frames "10.50.0.1 10.20.5.1 10.2.0.1")
both_ip rule del from 9.9.9.9 lookup 100
agree "they stay parted" < <(frames "10.50.0.1 10.20.5.1 10.2.0.1")

# Many prefixes of every length: deep tries, long ways back. Seeded.
RANDOM=4711
for ((i = 0; i < 400; i++)); do
	l=$((RANDOM % 23 + 10))
	a=$((11 << 24 | (RANDOM & 3) << 22 | (RANDOM << 7 ^ RANDOM) & 0x3fffff))
	a=$((a >> (32 - l) << (32 - l)))
	a=$((a >> 24)).$((a >> 16 & 255)).$((a >> 8 & 255)).$((a & 255))/$l
	types=(local local broadcast anycast blackhole throw)
	t=${types[RANDOM % 6]}
	case $t in blackhole | throw) d= ;; *) d="dev lo" ;; esac
	echo "route replace $t $a $d table local"
done >"$TMP/batch"
for w in ref dut; do
	ip -n "${NS[$w.r]}" -force -batch "$TMP/batch" >"$TMP/batch.out" 2>&1
done
RANDOM=815
for ((i = 0; i < 150; i++)); do
	echo "o udp 10.1.0.1:1 11.$((RANDOM & 255)).$((RANDOM & 255)).$((RANDOM & 255)):9"
	echo "c udp 10.1.0.2:1 11.$((RANDOM & 255)).$((RANDOM & 255)).$((RANDOM & 255)):9"
	echo "c udp 11.$((RANDOM & 255)).$((RANDOM & 255)).$((RANDOM & 255)):1 10.1.0.1:9"
done >"$TMP/random"
agree_delivery "400 prefixes, 450 random addresses" "no route and local are one here" <"$TMP/random"
tap_done
