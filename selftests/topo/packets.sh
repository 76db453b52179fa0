#!/bin/bash
# SPDX-License-Identifier: GPL-2.0-only
# shellcheck source=selftests/topo/twin.sh
# hooks: tc xdp xdp-forward netfilter
#
# packets.sh - odd packets, one ruleset: each is let through, refused and counted alike
#
# The ruleset names every kind of packet in the three built-in chains, so a packet
# that is misread lands on another rule's counter and shows.

. "$(dirname "$0")/twin.sh"
twin_up wire
same_fragments=

# the same rules in each chain; -i/-o where the chain has them
rules() {
	local ch

	echo '*filter'
	printf ':%s %s [0:0]\n' INPUT DROP FORWARD DROP OUTPUT ACCEPT deep - deep2 -
	for ch in INPUT FORWARD OUTPUT; do
		cat <<-END
			-A $ch -p tcp -m tcp --dport 22 -j DROP
			-A $ch -p tcp -m tcp --dport 80 --tcp-flags FIN,SYN,RST,ACK SYN -j ACCEPT
			-A $ch -p tcp -m tcp --sport 80 ! --tcp-flags SYN,ACK SYN -j ACCEPT
			-A $ch -p udp -m udp --dport 53:60 -j ACCEPT
			-A $ch -p udp -m udp ! --sport 1024 -j deep
			-A $ch -p icmp -m icmp --icmp-type 8 -j ACCEPT
			-A $ch -p icmp -j deep
			-A $ch -m ttl --ttl-lt 3 -j ACCEPT
			-A $ch -d 10.2.0.7/32 -j ACCEPT
			-A $ch -d 10.2.0.0/25 -g deep2
			-A $ch -d 224.0.0.0/4 -j ACCEPT
			-A $ch -p 47
			-A $ch -p 50 -j ACCEPT
		END
	done
	cat <<-END
		-A deep -p icmp -m icmp --icmp-type 3/4 -j ACCEPT
		-A deep -s 10.1.0.9/32 -j RETURN
		-A deep -p udp -m length --length 100:200 -j ACCEPT
		-A deep2 -p tcp -m tcp --dport 443 -j ACCEPT
		-A deep2 -p tcp -m multiport --dports 8000:8010,9000 -j ACCEPT
		COMMIT
	END
}
both_restore < <(rules)
tap_ok $? "ruleset goes in"

A=10.1.0.2 B=10.2.0.2 R=10.1.0.1

agree_and "plain TCP, UDP, ICMP forwarded" s 4 <<END
c tcp $A:1024 $B:80 flags=S
c tcp $A:1024 $B:22 flags=S
c tcp $A:1024 $B:80 flags=SA
c udp $A:1024 $B:53 len=20
c udp $A:1024 $B:61 len=20
c icmp $A $B type=8 len=56
c icmp $A $B type=0
c tcp $A:1024 $B:8010 flags=S
c tcp $A:1024 $B:9001 flags=S
c 47 $A $B len=40
END

agree_and "to the router itself" l 5 <<END
c tcp $A:1024 $R:80 flags=S
c udp $A:1024 $R:53 len=20
c icmp $A $R type=8 len=56
c icmp $A $R type=17 len=4
c tcp $A:1024 $R:22 flags=S
c 50 $A $R len=20 pay=00000001
c tcp $A:80 10.2.0.1:4000 flags=A
END

agree "from the server's side" <<END
s tcp $B:80 $A:1024 flags=SA
s tcp $B:81 $A:1024 flags=SA
s udp $B:53 $A:1024 len=20
s udp $B:53 $A:1024 len=80
s icmp $B $A type=3 code=4 rest=1400 len=28
s icmp $B $A type=3 code=3 len=28
END

agree_and "IP options do not shift the ports" s 2 <<END
c tcp $A:1024 $B:80 flags=S opt=0101010101010100
c tcp $A:80 $B:22 flags=S opt=94040000
c udp $A:9 $B:55 len=9 opt=0707040000000001
c tcp $A:1024 $R:80 flags=S opt=94040000
END

agree "TTL 0, 1, 2 and 255" <<END
c udp $A:1024 $B:53 ttl=1
c udp $A:1024 $B:53 ttl=2
c udp $A:1024 $B:99 ttl=3
c udp $A:1024 $B:99 ttl=4
c udp $A:1024 $B:99 ttl=255
c tcp $A:1024 $B:22 flags=S ttl=1
c udp $A:1024 $R:99 ttl=1
c udp $A:1024 $R:99 ttl=0
c udp $A:1024 $B:53 ttl=0
END

if [ "$REF" = "$DUT" ] || [ "$REF$DUT" = legacybpf ]; then
	same_fragments=1
fi
[ -n "$same_fragments" ] || tap_skip "fragments through FORWARD (table D3, D4)" "legacy and nft differ by design"
[ -z "$same_fragments" ] || agree "fragments through FORWARD" <<END
c udp $A:1024 $B:53 mf len=64 id=0x101
c udp $A:1024 $B:53 off=9 len=64 id=0x101
c tcp $A:1024 $B:80 mf flags=S len=24 id=0x102
c tcp $A:1024 $B:80 off=5 flags=S len=24 id=0x102
c tcp $A:1024 $B:22 off=100 flags=S len=24 id=0x103
c tcp $A:1024 10.2.0.7:22 off=100 flags=S len=24 id=0x103
c icmp $A $B mf len=64 id=0x104
c icmp $A $B off=9 type=8 len=64 id=0x104
c icmp $A 10.2.0.7 off=9 type=8 len=64 id=0x104
END

agree_delivery "fragments to INPUT are judged once" "a datagram is counted by its first fragment" <<END
c udp $A:1024 $R:53 mf len=64 id=0x201 badl4
c udp $A:1024 $R:53 off=9 len=64 id=0x201
c udp $A:1024 $R:99 mf len=64 id=0x202
c 17 $A $R off=9 len=64 id=0x202
END

if [ "$DUT$HOOK" = bpftc ] || [ "$DUT$HOOK" = bpfxdp ]; then
	tap_skip "length of a reassembled datagram on INPUT" "tc and xdp see its fragments"
else
	agree_and "length of a reassembled datagram on INPUT" l 1 <<-END
		c udp $A:1025 $R:61 mf len=64 id=0x203
		c 17 $A $R off=9 len=64 id=0x203
	END
fi

if [ -n "$same_fragments" ]; then
	agree "tinygrams and fragment offset 1 are dropped uncounted (table D1, D2)" <<-END
		c tcp $A:1024 $B:80 off=1 len=24
		c tcp $A:1024 10.2.0.7:99 off=1 len=24
		c tcp $A:1024 $B:80 flags=S l4=12
		c tcp $A:1024 $B:80 flags=S l4=19
		c tcp $A:1024 $B:80 flags=S l4=4
		c tcp $A:1024 $B:80 flags=S l4=0
		c udp $A:1024 $B:53 l4=7
		c udp $A:1024 $B:53 l4=4
		c icmp $A $B l4=7
		c icmp $A $B l4=0
		c tcp $A:1024 $R:80 flags=S l4=12
		c udp $A:1024 $R:53 l4=4
		c icmp $A $R l4=3
	END
else
	tap_skip "tinygrams and fragment offset 1 (table D1, D2)" "legacy and nft differ by design"
fi

agree "DF over the MTU, and a frame above it without DF" <<END
c udp $A:1024 $B:53 len=1472 df
c udp $A:1024 $B:53 len=1400 df
END
for w in ref dut; do ip -n "${NS[$w.r]}" link set eth1 mtu 1000; done
agree_and "smaller MTU beyond: ICMP too big, or fragments" c 2 <<END
c udp $A:1024 $B:53 len=1200 df
c udp $A:1024 $B:99 len=1200 df
c udp $A:1024 $B:53 len=1200 id=0x301
END
for w in ref dut; do ip -n "${NS[$w.r]}" link set eth1 mtu 1500; done


# a path MTU that the router learned binds what it sends, not what it forwards
quoted=4500002010010000401165bd0a0200010a02000227100035000c0000
agree_and "a learned path MTU: DF above it is forwarded, so it is judged" s 2 <<END
o udp 10.2.0.1:10000 $B:53 len=4
s icmp $B 10.2.0.1 type=3 code=4 rest=1000 pay=$quoted
c udp $A:1024 $B:53 len=1200 df
c udp $A:1024 $B:99 len=1200 df
END
for w in ref dut; do ip -n "${NS[$w.r]}" route flush cache; done

agree_and "what routing refuses reaches no chain" s 0 <<END
c udp 127.0.0.1:5 $B:53
c udp $A:5 127.0.0.1:53
c udp 224.0.0.1:5 $B:53
c udp 255.255.255.255:5 $B:53
c udp 0.0.0.0:5 $B:53
c udp $A:5 0.0.0.0:53
c tcp $A:1024 $B:80 flags=S dmac=other
c tcp $A:1024 $B:80 flags=S badip
c tcp $A:1024 $B:80 flags=S totlen=3000
c tcp $A:1024 $B:80 flags=S totlen=10
c tcp $A:1024 $B:80 flags=S ihl=4
c tcp $A:1024 $B:80 flags=S ihl=15
c tcp $A:1024 $B:80 flags=S ver=5
c tcp $A:1024 $B:80 flags=S cut=19
c tcp $A:1024 $B:80 flags=S eth=0x86dd
c tcp $A:1024 $B:80 flags=S eth=0x0806
END

agree_delivery "the router's own address as source" "the kernel drops it while routing" <<END
c udp 10.2.0.1:5 $B:53
c udp 10.1.0.1:5 $B:53
c udp 10.1.0.1:5 $R:53
END

agree "spoofed but routable, class E, network address" <<END
c udp 10.2.0.9:5 $B:53
c udp 240.0.0.1:5 $B:53
c udp $A:5 240.0.0.1:53
c udp $A:5 10.2.0.0:53
c udp 10.1.0.255:5 $B:53
END

agree "broadcast and multicast" <<END
c udp 0.0.0.0:68 255.255.255.255:53 dmac=bcast
c udp $A:68 10.1.0.255:53 dmac=bcast
c udp $A:68 10.2.0.255:53 dmac=bcast
c udp $A:68 10.2.0.255:53
c udp $A:68 224.0.0.1:53 dmac=mcast
c udp $A:68 $R:53 dmac=bcast
c udp $A:68 $B:53 dmac=bcast
c udp $A:68 $R:53 dmac=mcast
END

agree_delivery "multicast groups nobody joined" "the kernel drops them while routing" <<END
c udp $A:68 224.0.0.5:53 dmac=mcast
c udp $A:68 239.1.1.1:53 dmac=mcast
END

agree_and "bad transport checksums are no business of the filter" s 2 <<END
c tcp $A:1024 $B:80 flags=S badl4
c udp $A:1024 $B:53 badl4
c icmp $A $R badl4
c udp $A:1024 $R:53 badl4
END

agree "Ethernet padding is not counted" <<END
c udp $A:1024 $B:53 pad=18
c tcp $A:1024 $B:22 flags=S pad=6
c udp $A:1024 $R:53 len=1 pad=17
END

agree_and "VLAN tags nobody terminates" s 0 <<END
c tcp $A:1024 $B:80 flags=S vlan=7
c udp $A:1024 $R:53 vlan=7
END

agree_and "a priority tag (VLAN 0) is no VLAN: filtered as if untagged" s 1 <<END
c tcp $A:1024 $B:80 flags=S vlan=0x6000
c tcp $A:1024 $B:22 flags=S vlan=0x6000
END

agree_and "the router's own packets pass OUTPUT" s 3 <<END
o udp 10.2.0.1:9 $B:53
o tcp 10.2.0.1:9 $B:22 flags=S
o tcp 10.2.0.1:9 $B:80 flags=S
o udp 10.2.0.1:9 $B:70
o icmp 10.1.0.1 $A type=3 code=4 len=28
END

agree "loopback passes OUTPUT, then INPUT" <<END
o udp 127.0.0.1:9 127.0.0.1:53
o tcp 127.0.0.1:9 127.0.0.1:22 flags=S
o icmp 10.1.0.1 10.1.0.1 type=8 len=8
o tcp 10.1.0.1:80 10.2.0.1:4000 flags=A
END

agree "every TCP flag combination" < <(
	for ((i = 0; i < 64; i++)); do
		f=""
		for ((b = 0; b < 6; b++)); do
			((i >> b & 1)) && f+=${f:+}$(printf 'FSRPAU' | cut -c$((b + 1)))
		done
		echo "c tcp $A:80 $B:80 flags=$f"
	done
)

agree "every protocol number" < <(
	for ((i = 0; i < 256; i++)); do
		echo "c $i $A 10.2.0.200 len=24"
	done
)
# regressions: late matches that were compiled but not evaluated never matched
reset_rules
for m in "--dports 9001" "--dports 9000:9001" "--dports 9000,9001" "--sports 1024,9001" \
	"--ports 9000,9001" "! --ports 9000,9001" "! --dports 9000,9005"; do
	# shellcheck disable=SC2086 # words of a match
	both -A FORWARD -p tcp -m multiport $m
done
both -A FORWARD -p tcp -m tcp --tcp-option 30
both -A FORWARD -p tcp -m tcp ! --tcp-option 30
agree_and "multiport lists and --tcp-option" s 7 <<END
c tcp $A:1024 $B:9001 flags=S
c tcp $A:9001 $B:80 flags=S
c tcp $A:1 $B:2 flags=S topt=1e00
c tcp $A:1 $B:2 flags=S topt=1e04aabb
c tcp $A:1 $B:2 flags=S topt=0101011e
c tcp $A:1 $B:2 flags=S topt=00001e00
c tcp $A:1 $B:2 flags=S topt=020405b4
END
tap_same "the option was found four times" "4 176" "$(saved dut | counters_of FORWARD 8)"
tap_done
