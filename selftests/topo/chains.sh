#!/bin/bash
# SPDX-License-Identifier: GPL-2.0-only
# shellcheck source=selftests/topo/twin.sh
# hooks: tc xdp netfilter
#
# chains.sh - jump, goto, RETURN, rules without a target, depth, marks, REJECT

. "$(dirname "$0")/twin.sh"
twin_up wire
C=10.1.0.2 S=10.2.0.2 R=10.1.0.1

load() {
	both_restore || tap_ok 1 "ruleset goes in"
}

load <<END
*filter
:INPUT ACCEPT [0:0]
:FORWARD DROP [0:0]
:OUTPUT ACCEPT [0:0]
:a - [0:0]
:b - [0:0]
:c - [0:0]
:empty - [0:0]
-A FORWARD
-A FORWARD -p tcp -m tcp --dport 1 -j empty
-A FORWARD -p tcp -m tcp --dport 1 -j ACCEPT
-A FORWARD -p tcp -m tcp --dport 2 -j a
-A FORWARD -p tcp -m tcp --dport 2 -j ACCEPT
-A FORWARD -p tcp -m tcp --dport 3 -g a
-A FORWARD -p tcp -m tcp --dport 3 -j ACCEPT
-A FORWARD -p tcp -m tcp --dport 4 -j RETURN
-A FORWARD -p tcp -m tcp --dport 4 -j ACCEPT
-A FORWARD -p tcp -m tcp --dport 5:7 -j b
-A FORWARD -p tcp -m tcp --dport 5:7 -j ACCEPT
-A a
-A a -s $C/32 -j RETURN
-A a -j DROP
-A b -p tcp -m tcp --dport 5 -g c
-A b -p tcp -m tcp --dport 6 -j c
-A b -j DROP
-A c -p tcp -m tcp --dport 7 -j ACCEPT
-A c
COMMIT
END
agree_and "jump, goto from built-in and user chains, RETURN, no target" s 3 < <(
	for p in 1 2 3 4 5 6 7 8; do echo "c tcp $C:1024 $S:$p flags=S"; done
)

# a chain of chains: each counts and jumps on, the last accepts
deep() {
	local n=$1 i

	printf '%s\n' '*filter' ':INPUT ACCEPT [0:0]' ':FORWARD DROP [0:0]' ':OUTPUT ACCEPT [0:0]'
	for ((i = 1; i <= n; i++)); do echo ":d$i - [0:0]"; done
	echo "-A FORWARD -j d1"
	echo "-A FORWARD -p tcp -j ACCEPT"
	for ((i = 1; i < n; i++)); do
		echo "-A d$i -p udp -m udp --dport $i -j ACCEPT"
		echo "-A d$i -j d$((i + 1))"
		echo "-A d$i -p icmp"
	done
	echo "-A d$n -p udp -m udp --dport 100 -j ACCEPT"
	echo COMMIT
}
# nft takes 15 levels (table D6), so more only between legacy and ours
depths="2 8 15"
[ "$REF" = nft ] || [ "$DUT" = nft ] || depths+=" 16 32"
for n in $depths; do
	load < <(deep "$n")
	agree_and "$n levels deep" s $((n + 1)) < <(
		for ((i = 1; i < n; i++)); do echo "c udp $C:1 $S:$i"; done
		echo "c udp $C:1 $S:100"
		echo "c icmp $C $S"
		echo "c tcp $C:1 $S:1 flags=S"
	)
done
if [ "$DUT" = bpf ] && [ "$REF" = legacy ]; then
	load < <(deep 3)
	if fw dut -restore < <(deep 200) >"$TMP/out" 2>&1; then
		fw ref -restore < <(deep 200)
		agree "200 levels, taken" <<<"c icmp $C $S"
	else
		# refused is allowed beyond the stack's bound, if it is said and changes nothing
		[ -s "$TMP/out" ]
		tap_ok $? "200 levels, refused aloud"
		same_counters "200 levels, refused: nothing changed"
	fi
fi

load <<END
*filter
:INPUT ACCEPT [0:0]
:FORWARD ACCEPT [0:0]
:OUTPUT ACCEPT [0:0]
:x - [0:0]
:y - [0:0]
COMMIT
END
both -A x -j y
both -A FORWARD -j x
tap_check "a loop is refused" both_refuse -A y -j x
tap_check "a chain in use cannot go" both_refuse -X y
tap_check "a full chain cannot go" both_refuse -X x
# nft lets a built-in chain go and makes it anew
if [ "$REF" = nft ] || [ "$DUT" = nft ]; then
	tap_skip "a built-in chain cannot go" "nft can"
else
	tap_check "a built-in chain cannot go" both_refuse -X INPUT
fi
both -E y z
both -A z -s $C -j DROP
agree_and "a renamed chain is still jumped to" s 0 <<<"c udp $C:1 $S:1"
both -F
both -X
same_counters "-F and -X leave the policies"
reset_rules

both -A FORWARD -p tcp -j MARK --set-mark 3
both -A FORWARD -m mark --mark 1/1 -j DROP
both -I FORWARD -m mark ! --mark 0 -p tcp
agree_and "a mark set in the walk is seen below, not above" s 1 <<END
c tcp $C:1 $S:1 flags=S
c udp $C:1 $S:1
END
reset_rules

reject() {
	local how=$1

	shift
	both -F
	both -A FORWARD -j REJECT --reject-with "$how" "$@"
	both -A INPUT -j REJECT --reject-with "$how" "$@"
	both -Z
	agree "REJECT with $how" <<-END
		c tcp $C:1 $S:1 flags=S seq=77
		c tcp $C:1 $S:1 flags=PA seq=7 ack=9 len=40
		c tcp $C:1 $S:1 flags=R
		c tcp $C:1 $S:1 flags=S badl4
		c udp $C:1 $S:1 len=900
		c udp $C:1 $S:1 badl4
		c udp $C:1 $S:1 nocsum
		c icmp $C $S type=8 len=40
		c icmp $C $S type=0
		c icmp $C $S type=3 len=28
		c udp $C:1 $S:1 off=3 len=40 id=5
		c udp $C:1 $R:1 len=10
		c tcp $C:1 $R:1 flags=S
		c udp $C:1 10.1.0.255:1 dmac=bcast
		c udp $C:1 224.0.0.1:1 dmac=mcast
		c udp $C:1 $S:1 opt=94040000
		s tcp $S:1 $C:1 flags=SF seq=0xffffffff len=3
		c 47 $C $S len=4
	END
}
for how in icmp-net-unreachable icmp-host-unreachable icmp-proto-unreachable \
	icmp-port-unreachable icmp-net-prohibited icmp-host-prohibited icmp-admin-prohibited; do
	reject $how
done
reject tcp-reset -p tcp
both -F
both -P OUTPUT DROP
reject icmp-port-unreachable
tap_done
