#!/bin/bash
# SPDX-License-Identifier: GPL-2.0-only
# shellcheck source=selftests/topo/twin.sh
# hooks: tc xdp netfilter hybrid
#
# delta.sh - a big ruleset, changed rule by rule: verdicts and counters stay iptables'
#
# 600 rules that match nothing are the base; around and among them rules are appended,
# inserted, replaced, deleted, jumped to, and after each step packets of INPUT, FORWARD and
# OUTPUT go through both routers. `status' says that the image has a delta all the while,
# and at last, when more has changed than one holds, that it has none. Before that: rules
# that come a few at a time do not have the programs loaded again every 100 rules.

. "$(dirname "$0")/twin.sh"
twin_up wire
C=10.1.0.2 S=10.2.0.2 R=10.1.0.1

step_frames() {
	local p

	for p in 1 2 3 4 5 6 7 8 9; do
		echo "c udp $C:9 $S:$p"
		echo "c tcp $C:1024 $S:$p flags=S"
		echo "c udp $C:9 $R:$p"
		echo "r udp $R:9 $C:$p"
	done
}
# delta - positions of the image in force that are a delta's
delta() {
	ns_exec "${NS[dut.r]}" "$BPFIPT" status | sed -n 's/.* \([0-9]*\) of a delta.*/\1/p'
}
# fill CHAIN - 150 rules in the way
fill() {
	awk -v c="$1" 'BEGIN { for (i = 0; i < 150; i++)
		printf "-A %s -s 172.16.%d.%d -p udp -m udp --dport %d -j DROP\n", c, i / 100, i % 100, i % 9 + 1 }'
}
# room - bytes that a slot of the image map has for tables
room() {
	ns_exec "${NS[dut.r]}" "$BPFIPT" status | sed -n 's/.*tables [0-9]* of \([0-9]*\) bytes.*/\1/p'
}
# more FROM UPTO - add these rules
more() {
	awk -v i="$1" -v n="$2" 'BEGIN {
		print "*filter"
		for (; i < n; i++)
			printf "-A FORWARD -s 10.%d.%d.%d -d 172.%d.%d.1 -p tcp -m tcp --sport %d --dport %d -j DROP\n",
				i * 7 % 251, i * 11 % 253, i % 255, i * 5 % 241, i % 199, i * 37 + 1, i * 53 + 1
		print "COMMIT"
	}' | fw dut -restore --noflush
}
# growths FROM UPTO - how often the map grew while rules came a tenth at a time
growths() {
	local i=$1 next had now n=0

	had=$(room)
	while ((i < $2)); do
		next=$((i * 11 / 10))
		more "$i" "$next" || return
		i=$next
		now=$(room)
		((n += now != had, 1))
		had=$now
	done
	echo "$n"
}
if [ "$DUT" = bpf ]; then
	dut -A INPUT -p udp --dport 7 -j DROP && first=$(room)
	dut -A INPUT -p tcp --dport 7 -j REJECT
	tap_same "what a target brings with it is no reason for more room" "$first" "$(room)"
	more 0 600
	tap_same "600 rules fit" "$first" "$(room)"
	tap_same "from 600 rules to 1000, a tenth at a time, the map grows once" 1 "$(growths 600 1000)"
fi
{
	printf '%s\n' '*filter' ':INPUT ACCEPT' ':FORWARD ACCEPT' ':OUTPUT ACCEPT' ':other -' ':user -'
	for chain in INPUT FORWARD OUTPUT user; do
		fill $chain
		echo "-A $chain -p udp -m udp --dport 2"
		echo "-A $chain -p udp -m udp --dport 3 -j ACCEPT"
		[ $chain = user ] || echo "-A $chain -p udp -m udp --dport 4:6 -j user"
	done
	echo COMMIT
} >"$TMP/base"
both_restore <"$TMP/base" || tap_ok 1 "the base goes in"
step "the base" true
tap_ok "$(($(delivered s) == 0 || $(delivered c) == 0))" "control: packets come through"
[ "$DUT" != bpf ] || tap_same "compiled whole" 0 "$(delta)"

step "appended" both -A FORWARD -p udp -m udp --dport 1 -j DROP
step "to a user chain" both -A user -p udp -m udp --dport 4 -j RETURN
step "inserted first" both -I INPUT -p udp -m udp --dport 5
step "inserted behind the first" both -I OUTPUT 2 -p udp -m udp --dport 6 -j DROP
step "in the middle" both -I FORWARD 70 -p udp -m udp --dport 2 -j ACCEPT
step "in the middle of the user chain" both -I user 77 -p udp -m udp --dport 5 -j DROP
step "replaced" both -R FORWARD 153 -p udp -m udp --dport 3 -j DROP
step "replaced, of the delta" both -R FORWARD 70 -p udp -m udp --dport 2 -j MARK --set-mark 7
step "what the mark is for" both -A FORWARD -m mark --mark 7 -j DROP
step "deleted" both -D INPUT 150
step "deleted, of the delta" both -D user 77
step "a new chain" both -N late
step "jumped to, empty" both -I FORWARD 3 -p udp -m udp --dport 7 -j late
step "no longer empty" both -A late -m length --length 20:60 -j DROP
step "a goto" both -A INPUT -p udp -m udp --dport 8 -g late
step "to a chain that nothing reached" both -A other -p udp -m udp --dport 9 -j DROP
step "and now is" both -I OUTPUT -j other
step "an invalid state" both -I FORWARD -m conntrack --ctstate INVALID -j DROP
step "an inverted address" both -I FORWARD 40 ! -s $C -p udp -j DROP
step "any of two ports" both -I FORWARD 41 -p udp -m multiport --ports 6,9 -j DROP
step "a limit" both -I FORWARD 42 -p udp -m udp --dport 8 -m limit --limit 1/hour --limit-burst 1 -j DROP
step "a policy" both -P OUTPUT DROP
step "counters to zero" both -Z
[ "$DUT" != bpf ] || tap_ok "$(($(delta) < 10))" "they are a delta: $(delta) positions"
many() {
	local i

	for ((i = 0; i < 60; i++)); do
		both -I user 9 -p tcp -m tcp --dport $((i % 9 + 1)) -s 10.1.0.$((i + 3)) -j DROP || return
	done
}
step "more than a delta holds" many
[ "$DUT" != bpf ] || tap_ok "$(($(delta) >= 60))" "all was compiled again: $(delta) positions are a delta"
step "the base again" both_restore <"$TMP/base"
[ "$DUT" != bpf ] || tap_same "compiled whole" 0 "$(delta)"
tap_done
