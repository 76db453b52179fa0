#!/bin/bash
# SPDX-License-Identifier: GPL-2.0-only
# shellcheck source=selftests/lib.sh
#
# kernel.sh - status says what the kernel has, and it is so
#
# What it says is compared with what then works. A release that should have a part must
# be said to have it; one before may (parts are carried back), if it then works, too.
# And every program loads, with all that a ruleset may ask for.

. "$(dirname "$0")/../lib.sh"
need root
need tools ip nsenter tc
[ -x "$BPFIPT" ] || skip_all "no $BPFIPT"
NS=$(ns_name k)
ns_add "$NS"
ip -n "$NS" link add a0 type veth peer name b0
ip -n "$NS" link set a0 up
ip -n "$NS" link set b0 up
PIN_DIRS+=("$(ns_pins "$NS")")
defer ns_exec "$NS" "$BPFIPT-clean"
fw() {
	local suffix=$1

	shift
	ns_exec "$NS" "$BPFIPT$suffix" "$@"
}
# says PART - yes or no
says() {
	awk -v p="$1" '$1 == "kernel" && $2 == p { sub(",", "", $3); print $3 }' "$TMP/status"
}

fw "" status >"$TMP/status"
tap_same "it says so before init, too" "not initialised in this network namespace" \
	"$(head -1 "$TMP/status")"
tap_same "which kernel" "kernel $(uname -r)" "$(sed -n 2p "$TMP/status")"
while read -r part since; do
	said=$(says "$part")
	case $said in
	yes) ;;
	no) [ "$(printf '%s\n' "$since" "$(uname -r)" | sort -V | head -1)" != "$since" ] ;;
	*) false ;;
	esac
	tap_ok $? "$part: ${said:-nothing}; Linux $since has it"
done <<-END
	btf 5.4
	loops 5.17
	xdp-loads 5.18
	skb-fields 6.2
	fib-skip-neigh 6.3
	netfilter-links 6.4
	tcx-links 6.6
	fib-source 6.7
	xdp-forwarding 6.6
END
tap_same "nine parts" 9 "$(grep -c '^kernel .* \(yes\|no, Linux .* has it: .*\)$' "$TMP/status")"

[ "$(says btf) $(says loops)" = "yes yes" ]
rc=$?
fw -init
tap_same "btf, loops: hook tc can be had, or not" $rc $?
[ "$(says tcx-links)" = yes ]
rc=$?
tap_same "tcx-links: there is a filter, or none" $rc \
	"$(ns_exec "$NS" tc filter show dev a0 egress | grep -c fw_egress)"
tap_same "tcx-links: there is a link, or none" $((!rc)) \
	"$(find "${PIN_DIRS[0]}/links" -name '1-out' | wc -l)"
[ "$(says fib-source)" = yes ]
rc=$?
fw "" -A FORWARD -s 9.9.9.9 -j REJECT 2>"$TMP/err"
[ $((rc != 0)) = $(($? != 0)) ]
tap_ok $? "fib-source: REJECT in FORWARD is taken, or refused"
tap_same "and refused by name" $rc "$(grep -c 'needs Linux 6.7' "$TMP/err")"
fw -clean

[ "$(says xdp-forwarding)" = yes ]
rc=$?
fw -init --hook xdp --forward 2>"$TMP/err"
[ $((rc != 0)) = $(($? != 0)) ]
tap_ok $? "xdp-forwarding: init --forward can be had, or not"
tap_same "and says why not" $rc "$(grep -c 'forward needs Linux 6.6' "$TMP/err")"
fw -clean

for hook in netfilter hybrid; do
	[ "$(says netfilter-links)" = yes ]
	rc=$?
	fw -init --hook $hook 2>"$TMP/err"
	[ $((rc != 0)) = $(($? != 0)) ]
	tap_ok $? "netfilter-links: hook $hook can be had, or not"
	tap_same "and says why not" $rc "$(grep -c 'hook needs netfilter-links, which Linux 6.4 has' "$TMP/err")"
	fw -clean
done
# The most that a ruleset can ask for: the objects' own knobs leave nothing out.
for obj in tc xdp early netfilter refs ifstamp; do
	text="$obj: every program loads with every part"
	if [[ $obj = netfilter || $obj = refs ]] && [ "$(says netfilter-links)" = no ]; then
		tap_skip "$text" "no netfilter links"
	else
		tap_check "$text" "$BUILD/verstat" "$BUILD/$obj.bpf.o"
	fi
done

tap_same "a kernel without tcx links" "no, Linux 6.6 has it: clsact filters stand in" \
	"$(BPFIPT_NO_TCX=1 fw "" status | sed -n 's/^kernel tcx-links *//p')"
tap_done
