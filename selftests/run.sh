#!/bin/bash
# SPDX-License-Identifier: GPL-2.0-only
#
# run.sh - run the rings of tests, add up their TAP
#
#	run.sh [RING | FILE]...		RING: unit syntax cli prog_run topo
#
# A ring's tests are the executable files of selftests/RING and of
# $O/selftests/RING (the compiled ones), each run from the repository root. A shell
# test with a line `# hooks: tc xdp` is run once per hook named, with HOOK set;
# HOOK in the environment chooses one. A test that prints no TAP, stops before its
# plan or dies is one failure more. The last line is `N passed, N failed, N skipped`.
#
# Environment: STRICT=1 (a skip is a failure), TEST_TIMEOUT (seconds a test may
# take, 1500), V=1 (show all of the TAP; else only what is not ok), O (build directory)

cd "$(dirname "$0")/.." || exit 1
O=${O:-build}
RINGS=(unit syntax cli prog_run topo)
[ $# -gt 0 ] || set -- "${RINGS[@]}"

passed=0 failed=0 skipped=0
log=$(mktemp) || exit 1
child=
trap 'rm -f "$log"' EXIT
trap '[ -z "$child" ] || kill "$child" 2>/dev/null; wait; exit 130' INT TERM

# tally FILE STATUS - "passed failed skipped" of one test's output
tally() {
	awk -v rc="$2" -v strict="${STRICT:-0}" '
		/^not ok / { bad++; n++; next }
		/^ok .*# *SKIP/ { skip++; n++; next }
		/^ok / { good++; n++; next }
		/^1\.\.[0-9]+/ { split($1, p, /\.\./); plan = p[2]; seen = 1; if (/# *SKIP/) all = 1 }
		END {
			if (all || (rc == 4 && !n)) { skip++; n = plan }
			else if (!seen || plan != n || (rc != 0 && rc != 4 && !bad)) bad++
			if (strict == 1) { bad += skip; skip = 0 }
			print good + 0, bad + 0, skip + 0
		}' "$1"
}

run_one() {
	local test=$1 hook=$2 rc g b s start=$SECONDS

	HOOK=$hook timeout -k 10 "${TEST_TIMEOUT:-1500}" "$test" >"$log" 2>&1 &
	child=$!
	wait "$child"
	rc=$?
	child=
	read -r g b s < <(tally "$log" "$rc")
	passed=$((passed + g)) failed=$((failed + b)) skipped=$((skipped + s))
	printf '# %s%s: %d passed, %d failed, %d skipped, %d s\n' "${test#./}" "${hook:+ ($hook)}" \
		"$g" "$b" "$s" $((SECONDS - start))
	if [ -n "$V" ] || [ "$b" -gt 0 ]; then
		[ "$rc" -ne 124 ] || echo "# stopped after ${TEST_TIMEOUT:-1500} s"
		grep -v '^1\.\.' "$log" | if [ -n "$V" ]; then cat; else grep -v '^ok '; fi
		[ "$rc" -eq 0 ] || echo "# exit status $rc"
	else
		grep -h '# *SKIP' "$log"
	fi
}

run_test() {
	local hooks hook

	hooks=$(sed -n '1,20s/^# hooks: //p' "$1" 2>/dev/null | tr -d '\0')
	if [ -n "$HOOK" ] && [ -n "$hooks" ]; then
		case " $hooks " in *" $HOOK "*) hooks=$HOOK ;; *) return ;; esac
	fi
	[ -n "$hooks" ] || run_one "$1" "$HOOK"
	for hook in $hooks; do
		run_one "$1" "$hook"
	done
}

for what; do
	if [ -f "$what" ]; then
		run_test "$(dirname "$what")/$(basename "$what")"
		continue
	fi
	found=0
	for t in ./selftests/"$what"/* "$O"/selftests/"$what"/*; do
		if [ -f "$t" ] && [ -x "$t" ]; then
			found=1
			run_test "$t"
		fi
	done
	case " ${RINGS[*]} " in
	*" $what "*) ;;
	*) [ $found = 1 ] || { echo "# no such ring or file: $what"; failed=$((failed + 1)); } ;;
	esac
done

echo "$passed passed, $failed failed, $skipped skipped"
[ "$failed" -eq 0 ]
