# SPDX-License-Identifier: GPL-2.0-only
# shellcheck shell=bash
#
# lib.sh - what every shell test needs: TAP, clean-up, waiting, namespaces
#
# A test sources this file, calls tap_ok/tap_skip for each thing it proves, and
# ends with tap_done. Whatever it set up it registers with `defer` at once; the
# deferred commands run last in, first out, on every way out of the script.
#
#	. "$(dirname "$0")/../lib.sh"
#	need root tools nft ethtool
#	ns=$(ns_name r); ns_add "$ns"
#	tap_check "loopback answers" ns_exec "$ns" ping -c1 127.0.0.1
#	tap_done

KSFT_SKIP=4
REPO=${REPO:-$(cd "$(dirname "${BASH_SOURCE[0]}")/.." && pwd)}
BUILD=${O:-$REPO/build}
BPFIPT=${BPFIPT:-$BUILD/bpf-iptables}
# The distribution's programs before anyone's wrappers of them, which cost a shell each
PATH=/usr/local/sbin:/usr/sbin:/usr/bin:/sbin:/bin:$PATH
TMP=$(mktemp -d "${TMPDIR:-/tmp}/bpfipt.XXXXXX") || exit 1
# A lock of its own: /run/xtables.lock is one for the whole machine, and tests run side by side
XTABLES_LOCKFILE=$TMP/xtables.lock
# How many times longer than on an idle machine things may take: an emulated CPU sets it
SLOW=${SLOW:-1}
export REPO BPFIPT PATH XTABLES_LOCKFILE

TAP_N=0
TAP_BAD=0
SUFFIX=$(od -An -N3 -tx1 /dev/urandom | tr -d ' \n')
DEFERRED=()
NS_MADE=
PIDS=()		# processes, too
PIN_DIRS=()	# directories that clean-up must leave no trace of

# defer CMD... - run when the script ends, whatever the reason
defer() {
	local q

	printf -v q '%q ' "$@"
	DEFERRED+=("$q")
}

run_deferred() {
	local i

	for ((i = ${#DEFERRED[@]} - 1; i >= 0; i--)); do
		eval "${DEFERRED[i]}" >/dev/null 2>&1
	done
	DEFERRED=()
}

lib_cleanup() {
	local rc=$?

	trap - EXIT INT TERM HUP
	run_deferred
	rm -rf "$TMP"
	exit "$rc"
}
trap lib_cleanup EXIT
trap 'exit 130' INT
trap 'exit 143' TERM HUP

# tap_ok RC TEXT - one line of TAP; RC 0 is a pass
tap_ok() {
	TAP_N=$((TAP_N + 1))
	if [ "$1" -eq 0 ]; then
		echo "ok $TAP_N - $2"
	else
		TAP_BAD=$((TAP_BAD + 1))
		echo "not ok $TAP_N - $2"
	fi
	return "$1"
}

# tap_skip TEXT WHY
tap_skip() {
	TAP_N=$((TAP_N + 1))
	echo "ok $TAP_N - $1 # SKIP $2"
}

# tap_check TEXT CMD... - pass when CMD succeeds; its output becomes comments when not
tap_check() {
	local text=$1 out rc

	shift
	out=$("$@" 2>&1)
	rc=$?
	[ $rc -eq 0 ] || tap_note "$*: exit $rc" "$out"
	tap_ok "$((rc != 0))" "$text"
}

# tap_refused TEXT CMD... - pass when CMD fails
tap_refused() {
	local text=$1 rc

	shift
	"$@" >/dev/null 2>&1
	rc=$?
	tap_ok "$((rc == 0))" "$text"
}

# tap_same TEXT A B - pass when the strings are equal; else show the difference
tap_same() {
	[ "$2" = "$3" ] || tap_note "$(diff <(printf '%s\n' "$2") <(printf '%s\n' "$3") | head -20)"
	[ "$2" = "$3" ]
	tap_ok $? "$1"
}

tap_note() {
	printf '%s\n' "$@" | sed 's/^/# /'
}

# leftovers - name what this test's clean-up did not remove
leftovers() {
	local dir pid

	ip netns list 2>/dev/null | grep "^bi$SUFFIX"
	for dir in "${PIN_DIRS[@]}"; do
		ls -d "$dir" 2>/dev/null
	done
	for pid in "${PIDS[@]}"; do
		busywait 5 gone "$pid" || ps -o pid=,args= -p "$pid"
	done
}

gone() {
	! kill -0 "$1" 2>/dev/null
}

# tap_done - clean up, see that nothing is left, plan line and exit status
tap_done() {
	if [ -n "$NS_MADE" ]; then
		run_deferred
		tap_same "nothing is left behind" "" "$(leftovers)"
	fi
	echo "1..$TAP_N"
	[ "$TAP_BAD" -eq 0 ]
	exit $?
}

# skip_all WHY - nothing of this file can run here
skip_all() {
	echo "1..0 # SKIP $*"
	exit $KSFT_SKIP
}

# need root | need tools NAME...
need() {
	local t what=$1

	shift
	if [ "$what" = root ]; then
		[ "$(id -u)" -eq 0 ] || skip_all "needs root"
		return
	fi
	for t in "$@"; do
		command -v "$t" >/dev/null || skip_all "needs $t"
	done
}

# busywait SECONDS CMD... - until CMD succeeds; fails when it did not in time ($SLOW times longer)
busywait() {
	local end=$((SECONDS + $1 * SLOW))

	shift
	until "$@"; do
		[ $SECONDS -lt $end ] || return 1
		read -rt 0.05 <> <(:) || :
	done
}

# pause TENTHS - of a second, $SLOW times as long
pause() {
	local tenths=$(($1 * SLOW))

	sleep $((tenths / 10)).$((tenths % 10))
}

# ns_name ROLE - a namespace name nobody else uses
ns_name() {
	echo "bi$SUFFIX$1"
}

ns_add() {
	ip netns add "$1" || return
	defer ip netns del "$1"
	NS_MADE=1
	ip -n "$1" link set lo up
	ns_write "$1" net/ipv6/conf/all/disable_ipv6 1
	ns_write "$1" net/ipv6/conf/default/disable_ipv6 1
}

# ns_exec NS CMD... - in NS's network, with this mount namespace (/sys/fs/bpf stays)
ns_exec() {
	local ns=$1

	shift
	nsenter --net="/run/netns/$ns" -- "$@"
}

# ns_spawn NS CMD... - in the background, ended by clean-up; its pid in SPAWNED.
# nsenter itself is what is put there, not a shell that waits for it: killing such a
# shell would leave the command behind.
ns_spawn() {
	local ns=$1

	shift
	nsenter --net="/run/netns/$ns" -- "$@" &
	SPAWNED=$!
	PIDS+=("$SPAWNED")
	defer kill "$SPAWNED"
}

# ns_write NS KEY VALUE [KEY VALUE]... - sysctls by their path under /proc/sys
ns_write() {
	local ns=$1

	shift
	# shellcheck disable=SC2016 # the inner shell expands it
	nsenter --net="/run/netns/$ns" -- bash -c '
		while [ $# -gt 1 ]; do
			[ ! -e "/proc/sys/$1" ] || echo "$2" >"/proc/sys/$1"
			shift 2
		done' ns_write "$@"
}

# ns_pins NS - where bpf-iptables pins what belongs to NS (named by its cookie)
ns_pins() {
	ns_exec "$1" python3 -c 'import socket
SO_NETNS_COOKIE = 71
c = socket.socket().getsockopt(socket.SOL_SOCKET, SO_NETNS_COOKIE, 8)
print("/sys/fs/bpf/bpf-iptables/ns-%x" % int.from_bytes(c, "little"))'
}

# counters_of CHAIN N < iptables-save -c - "packets bytes" of the Nth rule of CHAIN
counters_of() {
	sed -n "s/^\[\([0-9]*\):\([0-9]*\)\] -A $1 .*/\1 \2/p" | sed -n "$2p"
}

# policy_counters_of CHAIN < iptables-save -c - "packets bytes" of its policy
policy_counters_of() {
	sed -n "s/^:$1 [A-Z]* \[\([0-9]*\):\([0-9]*\)\].*/\1 \2/p"
}
