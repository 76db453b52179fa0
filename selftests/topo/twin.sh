# SPDX-License-Identifier: GPL-2.0-only
# shellcheck shell=bash
# shellcheck source=selftests/lib.sh
#
# twin.sh - two identical worlds, one per firewall, and the comparison
#
#	client (10.1.0.2) c0 ---- eth0 (10.1.0.1) router eth1 (10.2.0.1) ---- s0 (10.2.0.2) server
#
# World "ref" is filtered by iptables ($REF: legacy or nft), world "dut" by the
# device under test ($DUT: bpf, or legacy/nft to test this harness). Addresses,
# names and MACs are the same in both, so the same frames go into both and
# whatever comes out is compared byte for byte, and after it every counter.
# In "wire" mode client and server have no IP stack (they only carry frames);
# "stack" gives them one, for real sockets.
#
# BRIDGED=1: eth0 and eth1 are ports of a bridge.
#
# Environment: HOOK=tc|xdp|xdp-forward|netfilter|hybrid, REF=legacy|nft, DUT=bpf|legacy|nft
# xdp-forward is xdp with init --forward: accepted packets are sent on at the driver

. "$(dirname "${BASH_SOURCE[0]}")/../lib.sh"

HOOK=${HOOK:-tc}
REF=${REF:-legacy}
DUT=${DUT:-bpf}
INJECT=${INJECT:-}
FORWARD=
[ "$HOOK" != xdp-forward ] || { HOOK=xdp FORWARD=1; }

# many_shapes N CHAIN - rules with prefixes and ranges that overlap, and match nothing that the
# tests send: for an image of so many, 800, verdicts are kept (user/flows.c)
many_shapes() {
	awk -v n="$1" -v chain="$2" 'BEGIN {
		srand(1)
		for (i = 0; i < n; i++) {
			at = int(rand() * 9000)
			printf "-A %s -s 172.16.%d.0/%d -d 10.2.0.%d/%d -p udp -m udp --sport %d:65535 --dport %d:%d -j ACCEPT\n",
				chain, int(rand() * 64), 18 + int(rand() * 7), int(rand() * 8), 29 + int(rand() * 4),
				1024 + int(rand() * 60000), at, at + int(rand() * 400)
		}
	}'
}

# fw WORLD CMD-SUFFIX ARGS... - iptables, -save or -restore of that world's firewall
fw() {
	local world=$1 suffix=$2 kind

	shift 2
	kind=$DUT
	[ "$world" = dut ] || kind=$REF
	if [ "$kind" = bpf ]; then
		XTABLES_LOCKFILE=$TMP/lock.$world ns_exec "${NS[$world.r]}" "$BPFIPT$suffix" "$@"
	else
		XTABLES_LOCKFILE=$TMP/lock.$world ns_exec "${NS[$world.r]}" "iptables-$kind$suffix" "$@"
	fi
}

ref() { fw ref "" "$@"; }
dut() { fw dut "" "$@"; }

# both ARGS... - the same command to both; fails unless both give the same status, 0
both() {
	local a b

	ref "$@" >"$TMP/ref.out" 2>&1
	a=$?
	dut "$@" >"$TMP/dut.out" 2>&1
	b=$?
	[ $a -eq 0 ] && [ $b -eq 0 ] && return 0
	tap_note "iptables $*: $REF exit $a, $DUT exit $b" "$(cat "$TMP/ref.out" "$TMP/dut.out")"
	return 1
}

# both_refuse ARGS... - both must fail, with the same status when the reference is legacy
both_refuse() {
	local a b

	ref "$@" >"$TMP/ref.out" 2>&1
	a=$?
	dut "$@" >"$TMP/dut.out" 2>&1
	b=$?
	[ $a -ne 0 ] && [ $b -ne 0 ] && { [ "$REF" = nft ] || [ "$DUT" = nft ] || [ $a -eq $b ]; } && return 0
	tap_note "iptables $*: $REF exit $a, $DUT exit $b" "$(cat "$TMP/ref.out" "$TMP/dut.out")"
	return 1
}

# both_restore [OPTION...] < rules
both_restore() {
	local a b

	cat >"$TMP/rules"
	fw ref -restore "$@" <"$TMP/rules" >"$TMP/ref.out" 2>&1
	a=$?
	fw dut -restore "$@" <"$TMP/rules" >"$TMP/dut.out" 2>&1
	b=$?
	[ $a -eq 0 ] && [ $b -eq 0 ] && return 0
	tap_note "restore: $REF exit $a, $DUT exit $b" "$(cat "$TMP/ref.out" "$TMP/dut.out")"
	return 1
}

# rules < lines - FORWARD's rules, one load in each world
rules() {
	{
		printf '%s\n' '*filter' ':INPUT ACCEPT [0:0]' ':FORWARD ACCEPT [0:0]' ':OUTPUT ACCEPT [0:0]'
		sed '/^$/d; s/^/-A FORWARD /'
		echo COMMIT
	} >"$TMP/wanted"
	both_restore <"$TMP/wanted"
}

# reset_rules - both worlds to the state of a fresh namespace
reset_rules() {
	both_restore <<-END
		*filter
		:INPUT ACCEPT [0:0]
		:FORWARD ACCEPT [0:0]
		:OUTPUT ACCEPT [0:0]
		COMMIT
	END
	both -Z
}

# saved WORLD - its ruleset and counters as comparable text. Where nft takes part,
# chains are put in name order (it lists them by age).
saved() {
	fw "$1" -save -c -t filter 2>&1 | grep -v '^#' |
		if [ "$REF" = nft ] || [ "$DUT" = nft ]; then
			awk '{ c = /^\[/ ? $3 : ($1 ~ /^:/ ? substr($1, 2) : "")
			       print (/^\*/ ? 0 : /^:/ ? 1 : /^\[/ ? 2 : 3), c, NR "\t" $0 }' |
				sort -k1,1n -k2,2 -k3,3n | cut -f2-
		else
			cat
		fi
}

# packets_of WORLD CHAIN N - of the Nth rule of CHAIN
packets_of() {
	saved "$1" | counters_of "$2" "$3" | cut -d' ' -f1
}

# same_counters TEXT - every rule's and policy's packets and bytes
same_counters() {
	tap_same "$1" "$(saved ref)" "$(saved dut)"
}

# world_inject WORLD FRAMES OUT - $PACE milliseconds apart
world_inject() {
	"$INJECT" ${BRIDGED:+-b} ${PACE:+-p "$PACE"} -c "${NS[$1.c]}:${CDEV:-c0}" -r "${NS[$1.r]}:${ETH0:-eth0}:eth1" -s "${NS[$1.s]}:s0" \
		${TUN:+-t "$TUN"} <"$2" >"$3" 2>"$3.err" || {
		tap_note "inject ($1) exit $?: $(cat "$3.err")"
		return 1
	}
	# the error a dropped sendto() gives its caller is not part of the verdict at tc
	[ "$DUT" = bpf ] && [ "$HOOK" != netfilter ] && [ "$HOOK" != hybrid ] && sed -i '/ e /d' "$3"
	return 0
}

# send_both < frames - inject into both worlds; fails (and says which frame) when
# the deliveries differ. $TMP/ref.rx holds what the reference let through.
send_both() {
	cat >"$TMP/frames"
	if [ -n "$PACE" ]; then		# mostly waits: side by side
		world_inject ref "$TMP/frames" "$TMP/ref.rx" &
		world_inject dut "$TMP/frames" "$TMP/dut.rx" && wait $! || return 1
	else
		world_inject ref "$TMP/frames" "$TMP/ref.rx" &&
			world_inject dut "$TMP/frames" "$TMP/dut.rx" || return 1
	fi
	cmp -s "$TMP/ref.rx" "$TMP/dut.rx" && return 0
	explain_difference
	return 1
}

explain_difference() {
	local n

	for n in $(diff "$TMP/ref.rx" "$TMP/dut.rx" | awk '/^[<>]/ { print $2 }' | sort -nu | head -5); do
		tap_note "frame $n: $(sed '/^[[:space:]]*\(#.*\)\?$/d' "$TMP/frames" | sed -n "${n}p" | cut -c1-200)" \
			"  $REF: $(awk -v n="$n" '$1 == n { print $2, substr($3, 1, 160) }' "$TMP/ref.rx" | paste -sd'|')" \
			"  $DUT: $(awk -v n="$n" '$1 == n { print $2, substr($3, 1, 160) }' "$TMP/dut.rx" | paste -sd'|')"
	done
}

# delivered WHERE - how many deliveries at c, s, l or t the last send_both saw
delivered() {
	grep -c "^[0-9]* $1 " "$TMP/ref.rx"
}

# agree TEXT < frames - the usual case: same deliveries and same counters. After a
# difference the counters start again from zero, so that one is not reported twice.
agree() {
	local rc=0

	send_both || rc=1
	saved ref >"$TMP/ref.saved"
	saved dut >"$TMP/dut.saved"
	cmp -s "$TMP/ref.saved" "$TMP/dut.saved" || {
		rc=1
		tap_note "counters ($REF, $DUT):" \
			"$(diff "$TMP/ref.saved" "$TMP/dut.saved" | grep '^[<>]' | head -20)"
		both -Z
	}
	tap_ok $rc "$1"
}

# counts WORLD - its ruleset and counters, but those of policies, which iptables-legacy forgets
counts() {
	saved "$1" | sed '/^:/s/ \[.*//'
}

# step TEXT CMD... - the command in both, then the packets of the test's step_frames()
step() {
	local text=$1

	shift
	"$@" && step_frames | send_both || tap_ok 1 "$text: $*: deliveries"
	tap_same "$text" "$(counts ref)" "$(counts dut)"
}

# agree_delivery TEXT WHY < frames - where tc and xdp cannot count as the kernel does,
# because they see the packet before the kernel has thrown it away or reassembled it:
# there only deliveries are compared. At the netfilter hook it is a full agree.
agree_delivery() {
	if [ "$DUT" != bpf ] || [ "$HOOK" = netfilter ] || [ "$HOOK" = hybrid ]; then
		agree "$1"
		return
	fi
	send_both
	tap_ok $? "$1 (deliveries only: $2)"
	both -Z
}

# agree_and TEXT WHERE N [WHERE N]... < frames - agree, and the reference delivered
# N at WHERE: so that a case cannot pass because nothing ever got anywhere
agree_and() {
	local text=$1 want='' got=''

	agree "$text"
	shift
	while [ $# -gt 1 ]; do
		want+="$2 at $1 "
		got+="$(delivered "$1") at $1 "
		shift 2
	done
	tap_same "$text: $want" "$want" "$got"
}

# both_ip ARGS... - the same `ip` command in both routers
both_ip() {
	ip -n "${NS[ref.r]}" "$@" && ip -n "${NS[dut.r]}" "$@"
}

# if_add NAME [index N] - one more interface, up, in both routers; its peer is NAMEp
if_add() {
	local name=$1

	shift
	both_ip link add "$name" "$@" type veth peer name "${name}p" &&
		both_ip link set "$name" arp off up && both_ip link set "${name}p" arp off up
}

if_del() {
	both_ip link del "$1"
}

# bpf_init - put the device under test in place (nothing to do for native ones)
bpf_init() {
	[ "$DUT" = bpf ] || return 0
	ns_exec "${NS[dut.r]}" "$BPFIPT-init" --hook "$HOOK" ${FORWARD:+--forward} >"$TMP/init.out" 2>&1 || {
		! grep -q 'unknown hook\|this hook needs\|--forward needs' "$TMP/init.out" || skip_all "$(head -1 "$TMP/init.out")"
		tap_note "init: $(cat "$TMP/init.out")"
		return 1
	}
	# tc would stand in for a wire, and be what is tested (a bridge has none)
	if grep -q ' eth[0-9]*: no native XDP' "$TMP/init.out"; then
		tap_note "init: $(cat "$TMP/init.out")"
		return 1
	fi
}

bpf_clean() {
	[ "$DUT" = bpf ] || return 0
	ns_exec "${NS[dut.r]}" "$BPFIPT-clean" 2>&1
}

build_inject() {
	local d

	for d in "$INJECT" "$BUILD/inject" "$BUILD/tools/inject"; do
		[ -n "$d" ] && [ -x "$d" ] && { INJECT=$d; return; }
	done
	need tools cc
	INJECT=$TMP/inject
	cc -std=gnu11 -D_GNU_SOURCE -O2 -o "$INJECT" "$REPO/tools/inject.c" "$REPO/tools/frame.c" || exit 1
}

# world_up WORLD MODE
world_up() {
	local c=${NS[$1.c]} r=${NS[$1.r]} s=${NS[$1.s]} n

	for n in "$c" "$r" "$s"; do
		ns_add "$n" || return
	done
	# sysctls of "default" come before the devices that copy them
	ns_write "$r" net/ipv4/ip_forward 1 net/ipv4/icmp_ratelimit 0 net/ipv4/icmp_ratemask 0 \
		net/ipv4/ipfrag_time 600 net/ipv4/conf/all/rp_filter 0 \
		net/ipv4/conf/default/rp_filter 0 net/ipv4/conf/all/send_redirects 0 \
		net/ipv4/conf/default/send_redirects 0
	ip -n "$r" link add eth0 address 02:00:00:00:01:01 type veth \
		peer name c0 address 02:00:00:00:01:02 netns "$c" &&
		ip -n "$r" link add eth1 address 02:00:00:00:02:01 type veth \
			peer name s0 address 02:00:00:00:02:02 netns "$s" || return
	world_offloads "$c" c0
	world_offloads "$s" s0
	world_offloads "$r" eth0
	world_offloads "$r" eth1
	ip -n "$r" -batch - <<-END || return
		addr add 10.1.0.1/24 dev eth0
		addr add 10.2.0.1/24 dev eth1
		link set eth0 arp off up
		link set eth1 arp off up
		neigh add 10.1.0.2 lladdr 02:00:00:00:01:02 dev eth0 nud permanent
		neigh add 10.2.0.2 lladdr 02:00:00:00:02:02 dev eth1 nud permanent
	END
	ip -n "$c" link set c0 arp off up
	ip -n "$s" link set s0 arp off up
	busywait 20 carrier "$r" eth0 && busywait 20 carrier "$r" eth1 || return
	ip -n "$r" route add default via 10.2.0.2 dev eth1 || return
	[ "$2" = stack ] || return 0
	world_stack "$c" c0 10.1.0.2 10.1.0.1 02:00:00:00:01:01
	world_stack "$s" s0 10.2.0.2 10.2.0.1 02:00:00:00:02:01
}

# A veth takes XDP frames only while its peer has GRO on.
world_offloads() {
	local gro=off

	[ -z "$FORWARD" ] || gro=on
	ns_exec "$1" ethtool -K "$2" gro $gro gso off tso off tx off rx off \
		txvlan off rxvlan off >/dev/null 2>&1
}

world_stack() {
	ip -n "$1" -batch - <<-END
		addr add $3/24 dev $2
		neigh add $4 lladdr $5 dev $2 nud permanent
		route add default via $4
	END
}

carrier() {
	ip -n "$1" link show "$2" | grep -q 'state UP\|LOWER_UP'
}

# twin_up_raw [wire|stack] - build both worlds, without the firewalls
twin_up_raw() {
	local w n

	need root
	need tools ip nsenter ethtool "iptables-$REF"
	if [ "$DUT" = bpf ]; then
		[ -x "$BPFIPT" ] || skip_all "no $BPFIPT"
	else
		need tools "iptables-$DUT"
	fi
	build_inject
	declare -gA NS
	for w in ref dut; do
		for n in c r s; do
			NS[$w.$n]=$(ns_name "${w:0:1}$n")
		done
		world_up $w "${1:-wire}" || { tap_ok 1 "world $w comes up"; tap_done; }
	done
}

# twin_start - put the firewalls in place
twin_start() {
	# legacy counts only once its table exists, which is when it is first asked
	ref -S >/dev/null 2>&1
	defer bpf_clean
	[ "$DUT" != bpf ] || PIN_DIRS+=("$(ns_pins "${NS[dut.r]}")")
	bpf_init || { tap_ok 1 "bpf-iptables-init --hook $HOOK"; tap_done; }
}

# twin_up [wire|stack] - both worlds, ready
twin_up() {
	twin_up_raw "$@"
	twin_start
}
