#!/bin/bash
# SPDX-License-Identifier: GPL-2.0-only
#
# soak.sh - the long differential run, hook by hook, and its record
#
#	tools/soak.sh [HOOK...]		default: tc xdp netfilter hybrid
#
# Four kinds of comparison, each a row of Documentation/soak.csv (date, commit, kernel,
# hook, what, seed, rulesets, packets, differences, seconds); a row is added for every
# run and never edited:
#
#	oracle	the loaded programs against the linear oracle: under BPF_PROG_TEST_RUN
#		(prog_run/differential), at netfilter and hybrid real packets (oracle_vs_kernel)
#	twins	random rulesets and frames against iptables-legacy (topo/random.sh)
#	states	conntrack of tc and xdp (one row for both) against the kernel's, packet by packet,
#		in each of the labs of prog_run/ct_fuzz: forward, host, lo
#	real	the dumps of $SHARED/rulesets against iptables-legacy (verdict-diff)
#
# Environment: SEED, PACKETS (of kind oracle, default 1000000), STATES (of kind states, in
# each lab, default 120000), RULESETS and TWIN_FRAMES (of kind twins, default 300 rulesets
# of 250 frames), KINDS (default "oracle states twins real").

REPO=$(cd "$(dirname "$0")/.." && pwd)
BUILD=${O:-$REPO/build}
SHARED=${SHARED:-$REPO/../shared}
SEED=${SEED:-$((RANDOM * 32768 + RANDOM))}
PACKETS=${PACKETS:-1000000}
RULESETS=${RULESETS:-300}
TWIN_FRAMES=${TWIN_FRAMES:-250}
STATES=${STATES:-120000}
KINDS=${KINDS:-oracle states twins real}
RECORD=$REPO/Documentation/soak.csv
COMMIT=$(git -C "$REPO" rev-parse --short=12 HEAD)	# of the build, not of the end
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
		"$COMMIT" "$(uname -r)" "$1" "$2" "$SEED" "$3" "$4" "$5" \
		$((SECONDS - $6)) | tee -a "$RECORD"
	[ "$5" = 0 ] || { bad=1; cp "$TMP/out" "$BUILD/soak-$1-$2.log"; echo "see $BUILD/soak-$1-$2.log"; }
}

# the packets that were tried and the rulesets, from the two programs' own summaries
oracle() {
	local start=$SECONDS n

	if [ "$1" = netfilter ] || [ "$1" = hybrid ]; then
		"$BUILD/selftests/prog_run/oracle_vs_kernel" --subject "$1" --rulesets 700 \
			--packets $((PACKETS / 700 + 1)) --seed "$SEED" >"$TMP/out" 2>&1
		n=$(sed -n 's/^# \([0-9]*\) rulesets, .*/\1/p' "$TMP/out")
		record "$1" oracle "$n" $((n * (PACKETS / 700 + 1))) "$(differences)" "$start"
		return
	fi
	"$BUILD/selftests/prog_run/differential" --hook "$1" --pairs "$PACKETS" --seed "$SEED" >"$TMP/out" 2>&1
	record "$1" oracle "$(sed -n 's/^# [a-z]*: \([0-9]*\) rulesets.*/\1/p' "$TMP/out")" \
		"$(sed -n 's/^# [a-z]*: .* \([0-9]*\) pairs.*/\1/p' "$TMP/out")" "$(differences)" "$start"
}

states() {
	local start lab

	for lab in forward host lo; do
		start=$SECONDS
		"$BUILD/selftests/prog_run/ct_fuzz" -m "$lab" -n "$STATES" -s "$SEED" >"$TMP/out" 2>&1
		record tc+xdp "states-$lab" 1 "$(sed -n 's/^ok .*: \([0-9]*\) packets have.*/\1/p' "$TMP/out")" \
			"$(differences)" "$start"
	done
}

twins() {
	local start=$SECONDS n

	HOOK=$1 SEED=$SEED COUNT=$RULESETS FRAMES=$TWIN_FRAMES "$REPO/selftests/topo/random.sh" >"$TMP/out" 2>&1
	n=$(grep -c '^ok .* - ruleset' "$TMP/out")
	record "$1" twins "$n" $((n * TWIN_FRAMES)) "$(differences)" "$start"
}

real() {
	local start=$SECONDS

	[ -d "$SHARED/rulesets" ] || return 0
	HOOK=$1 SEED=$SEED PACKETS=20000 SHARED=$SHARED "$REPO/selftests/topo/rulesets.sh" >"$TMP/out" 2>&1
	record "$1" real "$(grep -c '^ok .*equal' "$TMP/out")" \
		"$(awk -F"[,)] *" '/^ok .* hit\)/ { for (i = 1; i <= NF; i++) if ($i ~ / frames$/) n += $i } END { print n + 0 }' "$TMP/out")" \
		"$(differences)" "$start"
}

[ $# -gt 0 ] || set -- tc xdp netfilter hybrid
for hook; do
	for kind in $KINDS; do
		case $kind:$hook in
		oracle:*) oracle "$hook" ;;
		states:tc) states ;;
		twins:*) twins "$hook" ;;
		real:*) real "$hook" ;;
		esac
	done
done
exit $bad
