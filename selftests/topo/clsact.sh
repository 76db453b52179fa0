#!/bin/bash
# SPDX-License-Identifier: GPL-2.0-only
# shellcheck source=selftests/topo/twin.sh
# hooks: tc xdp
#
# clsact.sh - a kernel without tcx links (before Linux 6.6) gets clsact filters instead
#
# $BPFIPT_NO_TCX makes this kernel such a one. What links promise must hold for filters:
# verdicts, a new generation of programs in the old one's place, new interfaces, status,
# and nothing left behind - but qdiscs and filters of others are left alone. A filter is
# no pin: that its namespace is gone is seen by other means, too.

. "$(dirname "$0")/twin.sh"
[ "$DUT" = bpf ] || skip_all "only for bpf-iptables"
need tools tc bpftool
export BPFIPT_NO_TCX=1
twin_up_raw wire
R=${NS[dut.r]}
in_ns() {
	ns_exec "$R" "$@"
}
# what bpftool sees of our programs on a device, and how each is attached
shown() {
	in_ns bpftool -j net show dev "$1" | python3 -c '
import json, sys
for o in json.load(sys.stdin):
	for p in o["tc"]:
		print(p["kind"], p.get("name", "").split(":")[0])' | sort
}
clsacts() {
	in_ns tc qdisc show | sed -n 's/^qdisc clsact.* dev \([^ ]*\) .*/\1/p' | sort | xargs
}
filters() {
	in_ns tc filter show dev eth1 ingress | grep -c " handle "
}

# eth1 had a clsact, and a filter in it, before us
in_ns tc qdisc add dev eth1 clsact
in_ns tc filter add dev eth1 ingress pref 1 bpf da bytecode '1,6 0 0 4294967295' 2>/dev/null ||
	skip_all "no cls_bpf"
twin_start

n=2
[ "$HOOK" != xdp ] || n=1
tap_same "filters on lo" "clsact/egress fw_egress
clsact/ingress fw_ingress" "$(shown lo)"
tap_same "on eth0 as many as the hook asks for" $n "$(shown eth0 | grep -c '^clsact/')"
tap_same "no tcx link" "" "$(find "${PIN_DIRS[0]}/links" -name '*-in' -o -name '*-out')"
tap_same "status lists them" 1 "$(in_ns "$BPFIPT" status | grep -c '^interface lo: tc-ingress tc-egress$')"

rules <<-END
	-s 10.1.0.2 -p udp -m udp --dport 7 -j ACCEPT
	-p udp -j DROP
END
agree_and "verdicts" s 1 <<-END
	c udp 10.1.0.2:1 10.2.0.2:7
	c udp 10.1.0.2:1 10.2.0.2:8
END

# recent is a part that the programs do not hold until a rule asks: a new generation
before=$(in_ns tc filter show dev lo egress | sed -n 's/.* id \([0-9]*\).*/\1/p')
rules <<-END
	-p udp -m udp --dport 7 -m recent --name x --set -j ACCEPT
	-p udp -j DROP
END
after=$(in_ns tc filter show dev lo egress | sed -n 's/.* id \([0-9]*\).*/\1/p')
[ -n "$before" ] && [ -n "$after" ] && [ "$before" != "$after" ]
tap_ok $? "a new generation's program is in the filter"
tap_same "the old one's is gone" 1 "$(in_ns tc filter show dev lo egress | grep -c ' handle ')"
agree_and "verdicts of the new generation" s 1 <<-END
	c udp 10.1.0.2:1 10.2.0.2:7
	c udp 10.1.0.2:1 10.2.0.2:8
END

tap_same "eth1: the other's filter is still there" 1 \
	"$(in_ns tc filter show dev eth1 ingress | grep -c 'pref 1 .* handle ')"
if_add late0
in_ns "$BPFIPT" refresh
tap_same "a new interface is covered" 1 "$(shown late0 | grep -c '^clsact/egress fw_egress')"

# clean: qdiscs that we made go, but for one that somebody joined
in_ns tc filter add dev late0 egress pref 9 bpf da bytecode '1,6 0 0 4294967295'
tap_check "clean" in_ns "$BPFIPT-clean"
tap_same "clsact stays where it was, or is used, before and after us" "eth1 late0" "$(clsacts)"
for d in lo eth0 eth1 late0; do
	tap_same "nothing of ours on $d" "" "$(shown $d | grep fw_)"
done
tap_same "the other's filter works on" 1 "$(filters)"
# a namespace that goes with filters in place
gone=$(ns_name x)
ns_add "$gone"
pins=$(ns_pins "$gone")
PIN_DIRS+=("$pins")
ns_exec "$gone" "$BPFIPT-init" --hook "$HOOK"
tap_check "another namespace has an instance" test -d "$pins"
ip netns del "$gone"
pruned() {
	in_ns "$BPFIPT-clean" && [ ! -d "$pins" ]
}
tap_check "its pins go with the next init or clean after it" busywait 20 pruned
tap_done
