#!/bin/bash
# SPDX-License-Identifier: GPL-2.0-only
# shellcheck source=selftests/topo/twin.sh
# hooks: tc xdp xdp-forward netfilter hybrid
#
# reject.sh - the REJECT target: who is answered, with which bytes, seen by which chains
#
# Every answer is compared byte for byte with the one iptables-legacy sends (the random
# IP id of an ICMP message is blanked by the injector), together with all counters,
# those of OUTPUT and of INPUT on lo included. topo/chains.sh has a shorter list with
# every kind of answer for the netfilter hook as well.

. "$(dirname "$0")/twin.sh"
need tools python3
twin_up wire
C=10.1.0.2 S=10.2.0.2 R=10.1.0.1 R2=10.2.0.1

# The checksum of a RST on lo is the pseudo header's alone natively (CHECKSUM_PARTIAL): blank.
eval "$(declare -f world_inject | sed '1s/world_inject/plain_inject/')"
world_inject() {
	plain_inject "$@" || return
	sed -i -E 's/^([0-9]+ l 45.{16}06.{52})..../\10000/' "$3"
}

# both_rules < rules of the filter table, chains left out
both_rules() {
	{
		printf '%s\n' '*filter' ':INPUT ACCEPT [0:0]' ':FORWARD ACCEPT [0:0]' ':OUTPUT ACCEPT [0:0]'
		cat
		echo COMMIT
	} | both_restore && both -Z
}
# watched - rules that only count: what the chains see of answers
watched() {
	cat <<-END
		-A OUTPUT -o lo
		-A OUTPUT -o eth0
		-A OUTPUT -o eth1
		-A OUTPUT -p icmp -m icmp --icmp-type 3
		-A OUTPUT -p icmp -m icmp --icmp-type 3/3 -m ttl --ttl-eq 64
		-A OUTPUT -p icmp -m icmp --icmp-type 3/13 -m length --length 576
		-A OUTPUT -s $R -p icmp -m tos --tos 0xc0
		-A OUTPUT -p tcp -m tcp --tcp-flags RST,ACK RST,ACK
		-A OUTPUT -p tcp -m tcp --tcp-flags RST,ACK RST
		-A OUTPUT -m mark ! --mark 0
		-A INPUT -i lo -p icmp
		-A INPUT -i lo -p tcp
	END
}
frames() {
	cat <<-END
		c udp $C:1000 $S:53 len=30
		c udp $C:1000 $S:53 len=31 tos=0x1f ttl=2
		c udp $C:1000 $S:53 len=1200 tos=0xff
		c udp $C:1000 $S:53 len=520
		c udp $C:1000 $S:53 len=521 df
		c udp $C:1000 $S:53 nocsum
		c udp $C:1000 $S:53 badl4
		c udp $C:1000 $S:53 l4=6
		c udp $C:1000 $S:53 l4=0
		c udp $C:1000 $R:53 len=9
		c udp $C:1000 $R2:53 len=1400 tos=4
		c udp $C:1000 $R:53 badl4
		c udp $C:1000 $S:53 off=1 len=64 id=9
		c udp $C:1000 $S:53 off=3 mf len=64 id=9
		c udp $C:1000 10.1.0.255:53 dmac=bcast
		c udp $C:1000 255.255.255.255:53 dmac=bcast
		c udp $C:1000 224.0.0.1:53 dmac=mcast
		c udp $C:1000 10.1.0.255:53
		c udp $C:1000 $R:53 dmac=bcast
		c udp 0.0.0.0:68 255.255.255.255:67 dmac=bcast
		c udp $C:1000 $S:53 opt=94040000 len=100
		c icmp $C $S type=8 len=56
		c icmp $C $R type=8 len=57
		c icmp $C $S type=8 badl4
		c icmp $C $S type=0 len=8
		c icmp $C $S type=3 code=1 len=28
		c icmp $C $S type=5 len=28
		c icmp $C $S type=11 len=28
		c icmp $C $S type=13 len=12
		c icmp $C $S type=19 len=12
		c icmp $C $S type=9 len=12
		c icmp $C $S l4=0
		c 47 $C $S len=40
		c 253 $C $S len=40
		c 50 $C $S len=40
		c sctp $C:1 $S:2 len=20
		c udplite $C:1 $S:2 len=20
		s udp $S:53 $C:1000 len=77
		s udp $S:53 $R2:1000 len=77
		o udp $R:7 $S:53 len=40
		o udp $R2:7 $C:53 len=1000
		o udp $R:7 $R2:53 len=41
		o udp 127.0.0.1:7 127.0.0.1:53 len=41
		o icmp $R $S type=8 len=20
		o icmp $R $S type=3 len=28
		o udp $R:7 224.0.0.9:53 len=4
		o udp $R:7 $S:53 badl4 len=10
		o udp 10.77.0.1:7 $S:53 len=10
	END
}
tcp_frames() {
	cat <<-END
		c tcp $C:1000 $S:80 flags=S seq=77
		c tcp $C:1000 $S:80 flags=S seq=0xffffffff len=3
		c tcp $C:1000 $S:80 flags=SF seq=5 len=3
		c tcp $C:1000 $S:80 flags=PA seq=7 ack=9 len=40
		c tcp $C:1000 $S:80 flags=F seq=7
		c tcp $C:1000 $S:80 flags= seq=7 len=1001
		c tcp $C:1000 $S:80 flags=SA seq=7 ack=0xffffffff
		c tcp $C:1000 $S:80 flags=SEC seq=7 urg=5
		c tcp $C:1000 $S:80 flags=S seq=7 topt=020405b401010402
		c tcp $C:1000 $S:80 flags=S seq=7 doff=15
		c tcp $C:1000 $S:80 flags=R
		c tcp $C:1000 $S:80 flags=RA
		c tcp $C:1000 $S:80 flags=S badl4
		c tcp $C:1000 $S:80 flags=S l4=19
		c tcp $C:1000 $S:80 off=1 len=40
		c tcp $C:1000 $S:80 flags=S opt=94040000 ttl=2 tos=0x10
		c tcp $C:1000 $R:80 flags=S
		c tcp $C:1000 $R2:80 flags=A ack=1 len=9
		c tcp $C:1000 255.255.255.255:80 flags=S dmac=bcast
		c tcp $C:1000 10.1.0.255:80 flags=S dmac=bcast
		c tcp $C:1000 224.0.0.1:80 flags=S dmac=mcast
		c tcp $C:1000 10.1.0.255:80 flags=S
		c tcp $C:1000 $R:80 flags=S dmac=bcast
		s tcp $S:80 $C:1000 flags=SA ack=5
		o tcp $R:7 $S:80 flags=S
		o tcp $R:7 $R2:80 flags=S
		o tcp 127.0.0.1:7 127.0.0.1:80 flags=PA ack=5 len=9
		o tcp $R:7 $S:80 flags=R
	END
}

for how in icmp-port-unreachable icmp-admin-prohibited; do
	both_rules < <(watched; for c in INPUT FORWARD OUTPUT; do
		echo "-A $c -m mark --mark 0 -p icmp -m icmp --icmp-type 3 -j ACCEPT"
		echo "-A $c -j REJECT --reject-with $how"
	done)
	agree "$how, all three chains" < <(frames; tcp_frames)
	[ "$(delivered c)" -gt 20 ] && [ "$(delivered l)" -gt 3 ]
	tap_ok $? "$how: there were answers ($(delivered c) at c, $(delivered s) at s, $(delivered l) local)"
done
both_rules < <(watched; for c in INPUT FORWARD OUTPUT; do
	echo "-A $c -p tcp -m tcp --tcp-flags RST RST -j ACCEPT"
	echo "-A $c -p tcp -j REJECT --reject-with tcp-reset"
done)
agree "tcp-reset, all three chains" < <(tcp_frames)
[ "$(delivered c)" -gt 8 ] && [ "$(delivered l)" -gt 2 ]
tap_ok $? "tcp-reset: there were answers ($(delivered c) at c, $(delivered s) at s, $(delivered l) local)"

both_rules < <(watched; echo "-A INPUT -i lo -p udp -j REJECT"
	echo "-A INPUT -i lo -p tcp -m tcp --syn -j REJECT --reject-with tcp-reset")
agree_and "rejected by INPUT on lo only" l 2 <<END
o udp $R:7 $R2:53 len=41
o tcp $R:7 $R2:80 flags=S
END

both_rules < <(watched; echo "-A FORWARD -j REJECT"; echo "-A INPUT -j REJECT"; echo "-A OUTPUT -j REJECT")
agree_and "an answer that OUTPUT rejects, too, gets none" c 0 s 0 l 0 < <(
	echo "c udp $C:1 $S:1"; echo "c udp $C:1 $R:1")
both -R FORWARD 1 -p tcp -j REJECT --reject-with tcp-reset
agree "a RST that OUTPUT rejects with ICMP" <<<"c tcp $C:1 $S:1 flags=S"

# Found by random.sh: icmp_send() says nothing while the kernel's own ICMP socket is in use
both_rules < <(watched; echo "-A OUTPUT -p icmp -m icmp --icmp-type 0 -j REJECT")
agree_and "the kernel's own echo reply, rejected, gets no answer" c 0 l 1 <<<"c icmp $C $R type=8"
agree_and "an echo reply from a socket does" l 1 <<<"o icmp $R $C type=0"

# What the namespace is set to: TTL, marks, preferred source, other routes, small MTU
both_rules < <(watched; echo "-A FORWARD -p udp -j MARK --set-mark 5"; for c in INPUT FORWARD; do
	echo "-A $c -p udp -j REJECT"; echo "-A $c -p tcp -j REJECT --reject-with tcp-reset"; done)
some() {
	printf '%s\n' "c udp $C:1000 $S:53 len=700" "c udp $C:1000 $R:53 len=700" \
		"c tcp $C:1000 $S:80 flags=S" "c tcp $C:1000 $R:80 flags=S"
}
agree_and "before any change" c 4 < <(some)
for w in ref dut; do ns_write "${NS[$w.r]}" net/ipv4/ip_default_ttl 77 net/ipv4/fwmark_reflect 1; done
both -Z	# sysctls are read when a ruleset is published
agree_and "ip_default_ttl and fwmark_reflect" c 4 < <(some)
for w in ref dut; do ns_write "${NS[$w.r]}" net/ipv4/ip_default_ttl 64 net/ipv4/fwmark_reflect 0; done
both -Z
both_ip addr add 10.9.9.9/32 dev eth0
both_ip route replace 10.1.0.0/24 dev eth0 src 10.9.9.9
agree_and "the route's preferred source" c 4 < <(some)
both_ip route replace 10.1.0.0/24 dev eth0 src $R mtu lock 300
agree_and "the route's MTU" c 4 < <(some)
both_ip route replace 10.1.0.0/24 dev eth0 src $R
both_ip addr del 10.9.9.9/32 dev eth0
both_ip rule add from $R to $C lookup 77 pref 7
both_ip rule add from $S to $C lookup 77 pref 8
both_ip route add $C via $S dev eth1 table 77
agree "answers by another way than the question" < <(some)
[ "$(delivered s)" -gt 0 ]
tap_ok $? "and they did go there ($(delivered s))"
both_ip rule del pref 7
both_ip rule del pref 8
both_ip route add blackhole 10.66.0.0/16
agree_and "no route back" c 0 s 0 <<END
c udp 10.66.0.1:1000 $S:53
c tcp 10.66.0.1:1000 $S:80 flags=S
END
for w in ref dut; do ns_write "${NS[$w.r]}" net/ipv4/ip_forward 0; done
agree_and "a host that does not forward" c 4 < <(some | grep $R; echo "c tcp $C:1000 $R:80 flags=S dmac=bcast"; echo "c udp $C:1 $R2:1")
agree_delivery "nor answers for others" "tc and xdp count in INPUT what is not for this host" < <(some | grep $S)
for w in ref dut; do ns_write "${NS[$w.r]}" net/ipv4/ip_forward 1; done

# Rate: six at once to each address, and then one per icmp_ratelimit
for w in ref dut; do ns_write "${NS[$w.r]}" net/ipv4/icmp_ratelimit 9000 net/ipv4/icmp_ratemask 8; done
both -Z
ns_write "${NS[ref.r]}" net/ipv4/icmp_msgs_per_sec 100000 net/ipv4/icmp_msgs_burst 100000
agree_and "icmp_ratelimit: a burst of 6 to each address" c 22 l 9 < <(
	for ((i = 0; i < 10; i++)); do
		echo "c udp $C:1 $S:1"; echo "c udp 10.1.0.3:1 $R:1"; done
	for ((i = 0; i < 10; i++)); do echo "c tcp $C:1 $S:$i flags=S"; done
	for ((i = 0; i < 9; i++)); do echo "o udp $R:1 $R2:1"; done
)
for w in ref dut; do ns_write "${NS[$w.r]}" net/ipv4/icmp_ratemask 0; done
both -Z
agree_and "icmp_ratemask without destination unreachable" c 10 < <(
	for ((i = 0; i < 10; i++)); do echo "c udp $C:1 $S:1"; done)
tap_done
