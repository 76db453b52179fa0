#!/bin/bash
# SPDX-License-Identifier: GPL-2.0-only
# shellcheck source=selftests/lib.sh
# hooks: tc xdp netfilter hybrid
#
# rulesets.sh - real rulesets: they load, save back as iptables saves them, and decide
#
# Every dump of $SHARED/rulesets goes through tools/verdict-diff, which loads it on
# both sides, compares what -save prints, then packets made from its own rules. A
# file with a match that this hook refuses is a skip that names it.
#
#	HOOK=tc PACKETS=n SEED=n rulesets.sh [FILE...]

. "$(dirname "$0")/../lib.sh"
HOOK=${HOOK:-tc}
SHARED=${SHARED:-$REPO/../shared}
need root
need tools iptables-legacy ipset python3 nsenter ethtool taskset
[ -x "$BPFIPT" ] && [ -x "$BUILD/inject" ] || skip_all "no $BPFIPT or $BUILD/inject"
[ $# -gt 0 ] || set -- "$SHARED"/rulesets/*.rules
[ -e "$1" ] || skip_all "no $SHARED/rulesets"
PACKETS=${PACKETS:-$((SLOW > 1 ? 300 : 1500))}

for file; do
	name=${file##*/}
	if [ -e "${file%.rules}.ipset" ] && ! unshare -n ipset list -n >/dev/null 2>&1; then
		tap_skip "$name" "this kernel has no ipsets"
		continue
	fi
	"$REPO/tools/verdict-diff" --hook "$HOOK" --packets "$PACKETS" --seed "${SEED:-1}" \
		--reports 1 --shrink 30 --keep "$TMP" "$file" >"$TMP/out" 2>&1
	rc=$?
	if grep -q 'cannot be enforced by this hook\|unknown hook' "$TMP/out"; then
		tap_skip "$name" "$(grep -o 'refused: .*\|unknown hook.*' "$TMP/out" | head -1)"
		continue
	fi
	[ $rc -eq 0 ] || tap_note "$(cat "$TMP/out")"
	tap_ok $rc "$(tail -1 "$TMP/out" | sed 's/^verdict-diff: //')"
done
tap_done
