#!/bin/bash
# SPDX-License-Identifier: GPL-2.0-only
# shellcheck source=selftests/topo/twin.sh
# hooks: hybrid
#
# hybrid.sh - what the driver's program drops, what it leaves to the netfilter hook,
# and that together they count as iptables does

. "$(dirname "$0")/twin.sh"
twin_up wire
R=${NS[dut.r]}
A=10.1.0.2 B=10.2.0.2 G=10.1.0.1

# early - packets dropped at the driver since the last call
seen=0
early() {
	local now

	now=$(ns_exec "$R" "$BPFIPT" status | awk '$2 == "dropped-early" { print $3 }')
	echo $((now - seen))
}

# drops TEXT N < frames - agree, and N of them died at the driver
drops() {
	agree "$1"
	[ "$DUT" != bpf ] || tap_same "$1: $2 at the driver" "$2" "$(early)"
	seen=$((seen + $(early)))
}

frame_mix() {
	local i

	for i in 1 2 3 4 5; do
		echo "c udp 192.0.2.$i:1 $B:53"
		echo "c tcp 192.0.2.$i:1 $B:80 flags=S"
		echo "c udp $A:$i $B:53"
		echo "c udp $A:$i $G:53"
		echo "s udp $B:$i $A:9"
	done
}

both_restore <<END
*filter
:INPUT DROP [0:0]
:FORWARD ACCEPT [0:0]
:OUTPUT ACCEPT [0:0]
:bad - [0:0]
-A INPUT -p tcp
-A FORWARD -s 192.0.2.0/24 -g bad
-A FORWARD -i eth1 -o eth0 -p udp --dport 9 -j DROP
-A FORWARD -m cpu ! --cpu 4095
-A FORWARD -p udp --dport 666 -j DROP
-A bad -p udp
-A bad -j DROP
COMMIT
END
drops "a flood of several kinds" 20 < <(frame_mix)
drops "behind a match that only the stack can judge" 0 <<<"c udp $A:1 $B:666"
drops "a fragment, and IP options" 0 <<END
c udp 192.0.2.1:1 $B:53 mf id=7 badl4
c udp 192.0.2.1:1 $B:53 opt=01010101
END
drops "TCP data, which GRO may merge" 0 <<<"c tcp 192.0.2.1:1 $B:80 flags=A len=10"
drops "nobody's multicast, broadcast" 0 <<END
c udp 192.0.2.1:1 224.0.0.99:53
c udp 192.0.2.1:1 255.255.255.255:53 dmac=bcast
END
both -I FORWARD -m mark --mark 1 -j ACCEPT; both -Z
drops "a rule asks for the mark" 0 < <(frame_mix)
both -D FORWARD 1; both -Z
drops "and no more" 20 < <(frame_mix)
both -A FORWARD -m state --state NEW; both -Z
drops "conntrack is in use" 0 < <(frame_mix)
both -D FORWARD -m state --state NEW; both -Z
drops "and no more: conntrack" 20 < <(frame_mix)
for w in ref dut; do
	XTABLES_LOCKFILE=$TMP/lock.$w ns_exec "${NS[$w.r]}" "iptables-$REF" -t mangle -A PREROUTING -s 192.0.2.1 -j ACCEPT
done
drops "a native PREROUTING chain is in use" 0 < <(frame_mix)
tap_done
