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
# As many tests run side by side as there are CPUs: each makes namespaces of its own.
# One with a line `# alone: WHY` shares something of the whole machine (the kernel's
# log, the CPUs' time), and runs when nothing else does, at the end.
#
# Environment: JOBS (tests at a time), STRICT=1 (a skip is a failure), TEST_TIMEOUT
# (seconds a test may take, 1500), V=1 (show all of the TAP; else only what is not ok),
# O (build directory)

cd "$(dirname "$0")/.." || exit 1
O=${O:-build}
RINGS=(unit syntax cli prog_run topo)
[ $# -gt 0 ] || set -- "${RINGS[@]}"

JOBS=${JOBS:-$(nproc)}

running=0 alone=()
dir=$(mktemp -d) || exit 1
trap 'rm -rf "$dir"' EXIT
trap 'trap - INT TERM; kill $(jobs -p) 2>/dev/null; wait; exit 130' INT TERM

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

# run_one TEST HOOK - run it, print its summary in one piece, note its tally in $dir
run_one() {
	local test=$1 hook=$2 log rc g b s start=$SECONDS child

	log=$(mktemp "$dir/XXXXXX.log") || return
	trap '[ -z "$child" ] || kill "$child" 2>/dev/null; wait; exit 130' TERM
	HOOK=$hook timeout -k 10 "${TEST_TIMEOUT:-1500}" "$test" >"$log" 2>&1 &
	child=$!
	wait "$child"
	rc=$?
	child=
	read -r g b s < <(tally "$log" "$rc")
	echo "$g $b $s" >"${log%.log}.tally"
	{
		printf '# %s%s: %d passed, %d failed, %d skipped, %d s\n' "${test#./}" "${hook:+ ($hook)}" \
			"$g" "$b" "$s" $((SECONDS - start))
		if [ -n "$V" ] || [ "$b" -gt 0 ]; then
			[ "$rc" -ne 124 ] || echo "# stopped after ${TEST_TIMEOUT:-1500} s"
			grep -v '^1\.\.' "$log" | if [ -n "$V" ]; then cat; else grep -v '^ok '; fi
			[ "$rc" -eq 0 ] || echo "# exit status $rc"
		else
			grep -h '# *SKIP' "$log"
		fi
	} >"$log.shown"
	flock "$dir" cat "$log.shown"
}

# start TEST HOOK - run it beside the others as soon as there is room
start() {
	while [ "$running" -ge "$JOBS" ]; do
		wait -n
		running=$((running - 1))
	done
	run_one "$@" &
	running=$((running + 1))
}

run_test() {
	local hooks hook how=start

	hooks=$(sed -n '1,20s/^# hooks: //p' "$1" 2>/dev/null | tr -d '\0')
	if [ -n "$HOOK" ] && [ -n "$hooks" ]; then
		case " $hooks " in *" $HOOK "*) hooks=$HOOK ;; *) return ;; esac
	fi
	! sed -n 1,20p "$1" | grep -aq '^# alone: ' || how=later
	[ -n "$hooks" ] || $how "$1" "$HOOK"
	for hook in $hooks; do
		$how "$1" "$hook"
	done
}

# later TEST HOOK - when all the others have ended
later() {
	alone+=("$1" "$2")
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
	*) [ $found = 1 ] || { echo "# no such ring or file: $what"; echo 0 1 0 >"$dir/$what.tally"; } ;;
	esac
done

wait
for ((i = 0; i < ${#alone[@]}; i += 2)); do
	run_one "${alone[i]}" "${alone[i + 1]}" &
	wait
done

read -r passed failed skipped < <(cat "$dir"/*.tally 2>/dev/null |
	awk '{ g += $1; b += $2; s += $3 } END { print g + 0, b + 0, s + 0 }')
echo "$passed passed, $failed failed, $skipped skipped"
[ "$failed" -eq 0 ]
