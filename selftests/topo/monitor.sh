#!/bin/bash
# SPDX-License-Identifier: GPL-2.0-only
# shellcheck source=selftests/topo/twin.sh
# hooks: tc xdp netfilter
#
# monitor.sh - interfaces that come after init are covered by `bpf-iptables monitor`
#
# FORWARD and INPUT drop by policy; a pair that is new, and one renamed, must be
# filtered as the rules say for their names. The control is the same traffic under
# the reference, which covers every interface by itself.

. "$(dirname "$0")/twin.sh"
[ "$DUT" = bpf ] || skip_all "only for bpf-iptables"
twin_up wire
C=10.1.0.2

both_restore <<END
*filter
:INPUT DROP [0:0]
:FORWARD DROP [0:0]
:OUTPUT ACCEPT [0:0]
-A INPUT -i new0 -p udp -m udp --dport 7 -j ACCEPT
-A FORWARD -o new0 -p udp -m udp --dport 7 -j ACCEPT
-A FORWARD -i new0 -p udp -m udp --dport 7 -j ACCEPT
-A FORWARD -o late+ -p udp -m udp --dport 8 -j ACCEPT
-A OUTPUT -o new0 -p udp -m udp --dport 9 -j DROP
COMMIT
END
# under the same lock as the commands of `dut', or they change the ruleset at the same time
XTABLES_LOCKFILE=$TMP/lock.dut ns_spawn "${NS[dut.r]}" "$BPFIPT" monitor >"$TMP/monitor.out" 2>&1
MONITOR=$SPAWNED
settled() {
	kill -0 "$MONITOR" 2>/dev/null
}
tap_check "the monitor runs" settled

# the client's end of the new pair lives in the client's namespace, as new0p
pair() {
	local w

	for w in ref dut; do
		ip -n "${NS[$w.r]}" link add "$1" address 02:00:00:00:03:01 type veth \
			peer name "${1}p" address 02:00:00:00:03:02 netns "${NS[$w.c]}"
		ip -n "${NS[$w.r]}" link set "$1" arp off up
		ip -n "${NS[$w.r]}" addr add 10.30.0.1/24 dev "$1"
		ip -n "${NS[$w.c]}" link set "${1}p" arp off up
		busywait 20 carrier "${NS[$w.r]}" "$1"
	done
}
# covered IFACE - status lists it with a program in each direction
covered() {
	ns_exec "${NS[dut.r]}" "$BPFIPT" status 2>/dev/null |
		grep "^interface $1: .*egress" | grep -q "ingress\|xdp"
}
# via IFACE PEER - from here on, inject there instead of eth0 and c0
via() {
	ETH0=$1 CDEV=$2
}

# named DEV TEXT - at netfilter no interface is attached to: give the monitor a moment
named() {
	if [ "$HOOK" = netfilter ]; then
		sleep 2
		tap_skip "$2" "the netfilter hook is on every interface"
		return
	fi
	busywait 10 covered "$1"
	tap_ok $? "$2"
}

pair new0
named new0 "status names new0 as covered"
both -w 10 -Z
agree_and "forwarded out of the new one" s 0 c 0 <<END
c udp $C:1 10.30.0.2:6
c udp $C:1 10.30.0.2:7
END
via new0 new0p
both -w 10 -Z
agree_and "in by the new one: INPUT, FORWARD; OUTPUT to it" s 1 l 1 c 2 <<END
c udp 10.30.0.2:1 10.30.0.1:7
c udp 10.30.0.2:1 10.30.0.1:6
c udp 10.30.0.2:1 10.2.0.2:7
c udp 10.30.0.2:1 10.2.0.2:6
o udp 10.30.0.1:1 10.30.0.2:9
o udp 10.30.0.1:1 10.30.0.2:10
END

both_ip link set new0 down
both_ip link set new0 name late0
both_ip link set late0 up
named late0 "status names late0, the new name"
via late0 new0p
both -w 10 -Z
agree_and "renamed: the old name's rules are not its own" s 0 l 0 <<END
c udp 10.30.0.2:1 10.30.0.1:7
c udp 10.30.0.2:1 10.2.0.2:7
END
both -w 10 -Z
agree_and "renamed: the new name's are" c 1 <<END
s udp 10.2.0.2:1 10.30.0.2:8
s udp 10.2.0.2:1 10.30.0.2:7
END
both_ip link del late0
ETH0='' CDEV=''
tap_check "the monitor survives a removal" settled
both -w 10 -Z
agree_and "and what remains is filtered" s 0 <<<"c udp $C:1 10.2.0.2:7"
kill "$MONITOR"
wait "$MONITOR" 2>/dev/null
tap_same "it had nothing to complain of" "" "$(cat "$TMP/monitor.out")"
tap_done
