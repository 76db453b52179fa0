#!/bin/bash
# SPDX-License-Identifier: GPL-2.0-only
#
# soak.sh - the long differential run, hook by hook, and its record
#
#	tools/soak.sh [HOOK...]		default: tc xdp netfilter
#
# Three kinds of comparison, each a row of Documentation/soak.csv (date, commit, kernel,
# hook, what, seed, rulesets, packets, differences, seconds); a row is added for every
# run and never edited:
#
#	oracle	the loaded programs under BPF_PROG_TEST_RUN against the linear oracle
#		(selftests/prog_run/differential; tc and xdp, which have such a test run)
#	twins	random rulesets and frames against iptables-legacy (topo/random.sh)
#	real	the dumps of $SHARED/rulesets against iptables-legacy (verdict-diff)
#
# Environment: SEED, PACKETS (default 1000000 a hook, of the first kind a hook has),
# RULESETS (default 300), TWIN_FRAMES (frames a ruleset at tc and xdp), KINDS
# (default "oracle twins real").

REPO=$(cd "$(dirname "$0")/.." && pwd)
BUILD=${O:-$REPO/build}
SHARED=${SHARED:-$REPO/../shared}
SEED=${SEED:-$((RANDOM * 32768 + RANDOM))}
PACKETS=${PACKETS:-1000000}
RULESETS=${RULESETS:-300}
KINDS=${KINDS:-oracle twins real}
RECORD=$REPO/Documentation/soak.csv
TMP=$(mktemp -d) || exit 1
trap 'rm -rf "$TMP"' EXIT
bad=0

[ -s "$RECORD" ] || echo "date,commit,kernel,hook,what,seed,rulesets,packets,differences,seconds" >"$RECORD"

# differences - failed checks in the log; a log without any passed one proves nothing
differences() {
	if grep '^ok' "$TMP/out" | grep -qv '# SKIP'; then
		grep -c '^not ok' "$TMP/out"
	else
		echo "did not run"
	fi
}

# record HOOK WHAT RULESETS PACKETS DIFFERENCES START
record() {
	printf '%s,%s,%s,%s,%s,%s,%s,%s,%s,%s\n' "$(date -u +%Y-%m-%dT%H:%MZ)" \
		"$(git -C "$REPO" rev-parse --short=12 HEAD)" "$(uname -r)" "$1" "$2" "$SEED" "$3" "$4" "$5" \
		$((SECONDS - $6)) | tee -a "$RECORD"
	[ "$5" = 0 ] || { bad=1; cp "$TMP/out" "$BUILD/soak-$1-$2.log"; echo "see $BUILD/soak-$1-$2.log"; }
}

oracle() {
	local start=$SECONDS

	"$BUILD/selftests/prog_run/differential" --hook "$1" --pairs "$PACKETS" --seed "$SEED" >"$TMP/out" 2>&1
	record "$1" oracle "$(sed -n 's/^# [a-z]*: \([0-9]*\) rulesets.*/\1/p' "$TMP/out")" \
		"$(sed -n 's/^# [a-z]*: .* \([0-9]*\) pairs.*/\1/p' "$TMP/out")" "$(differences)" "$start"
}

twins() {
	local start=$SECONDS frames=${TWIN_FRAMES:-250}

	# a hook without a test run gets all its packets here
	[ "$1" = tc ] || [ "$1" = xdp ] || frames=${TWIN_FRAMES:-$((PACKETS / RULESETS + 1))}
	HOOK=$1 SEED=$SEED COUNT=$RULESETS FRAMES=$frames "$REPO/selftests/topo/random.sh" >"$TMP/out" 2>&1
	record "$1" twins "$(grep -c '^ok .* - ruleset' "$TMP/out")" \
		$(($(grep -c '^ok .* - ruleset' "$TMP/out") * frames)) "$(differences)" "$start"
}

real() {
	local start=$SECONDS

	[ -d "$SHARED/rulesets" ] || return 0
	HOOK=$1 SEED=$SEED PACKETS=20000 SHARED=$SHARED "$REPO/selftests/topo/rulesets.sh" >"$TMP/out" 2>&1
	record "$1" real "$(grep -c '^ok .*equal' "$TMP/out")" \
		"$(awk -F"[,)] *" '/^ok .* hit\)/ { for (i = 1; i <= NF; i++) if ($i ~ / frames$/) n += $i } END { print n + 0 }' "$TMP/out")" \
		"$(differences)" "$start"
}

[ $# -gt 0 ] || set -- tc xdp netfilter
for hook; do
	for kind in $KINDS; do
		case $kind:$hook in
		oracle:netfilter | oracle:hybrid) ;;
		oracle:*) oracle "$hook" ;;
		twins:*) twins "$hook" ;;
		real:*) real "$hook" ;;
		esac
	done
done
exit $bad
