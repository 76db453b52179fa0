#!/bin/bash
# SPDX-License-Identifier: GPL-2.0-only
#
# diff.sh - the same words to iptables-legacy and to bpf-iptables, nothing may differ
#
# Every row of a *.cases file is one command line. Both programs get it, each in a
# fresh network namespace; exit status, stdout and stderr are compared, then what
# each -save prints. Policy counters are not: iptables-legacy 1.8.9 loses them at
# every change of the table. A row that our datapath refuses by name (exit status 2,
# "cannot be enforced by this hook") is a skip, and the native side is brought back
# in line.
#
#	iptables ARGS...	as a shell would split them
#	restore ARGS... | TEXT	TEXT is given on stdin, with \n and \t in it
#	save ARGS...
#	status RC REGEX | ARGS	ours alone: exit status, and stdout+stderr match
#	locked ARGS		`iptables ARGS` while somebody else has the lock; ours
#				may leave the first line of the message out
#	refused ARGS		`iptables ARGS`, which an older kernel takes still: then ours
#				alone must refuse it, and the row is a skip
#	reset			empty both filter tables
#	tables NAME...		what to compare from here on, default filter
#	# ...			comment
#
# Environment: BPFIPT (default build/bpf-iptables), SHARED (default ../shared).
# Arguments: case files, default all beside this script and those made from SHARED.

here=$(cd "$(dirname "$0")" && pwd)
root=$(cd "$here/../.." && pwd)
BPFIPT=$(realpath "${BPFIPT:-$root/build/bpf-iptables}")
SHARED=${SHARED:-$root/../shared}

skip_all()
{
	echo "1..0 # SKIP $1"
	exit 4
}

[ "$(id -u)" = 0 ] || skip_all "needs root"
command -v iptables-legacy >/dev/null || skip_all "needs iptables-legacy"
[ -x "$BPFIPT" ] || skip_all "no $BPFIPT"

if [ -z "$CLI_DIFF_NETNS" ]; then
	CLI_DIFF_NETNS=1 BPFIPT=$BPFIPT SHARED=$SHARED exec unshare -n "$0" "$@"
fi

dir=$(mktemp -d)
cleanup()
{
	kill "$holder" 2>/dev/null
	"$BPFIPT" clean >/dev/null 2>&1
	rm -rf "$dir"
}
trap cleanup EXIT
mkdir "$dir/bpf" "$dir/legacy"
for name in iptables iptables-save iptables-restore; do
	ln -s "$BPFIPT" "$dir/bpf/$name"
	ln -s "$(command -v "${name/iptables/iptables-legacy}")" "$dir/legacy/$name"
done
export BPF_IPTABLES_NATIVE; BPF_IPTABLES_NATIVE=$(command -v iptables-legacy)
export XTABLES_LOCKFILE=$dir/lock LC_ALL=C TZ=UTC

# The native side's own namespace lives as long as this process.
unshare -n sleep infinity &
holder=$!
while [ "$(readlink /proc/$holder/ns/net)" = "$(readlink /proc/self/ns/net)" ]; do :; done

legacy()
{
	local tool=$1
	shift
	nsenter --net=/proc/$holder/ns/net "$dir/legacy/$tool" "$@"
}

bpf()
{
	local tool=$1
	shift
	"$dir/bpf/$tool" "$@"
}

number=0
failed=0
ok()	{ number=$((number + 1)); echo "ok $number - $1"; }
skip()	{ number=$((number + 1)); echo "ok $number - $1 # SKIP $2"; }
not_ok()
{
	number=$((number + 1))
	failed=$((failed + 1))
	echo "not ok $number - $1"
}

reset_both()
{
	local text='*filter\n:INPUT ACCEPT [0:0]\n:FORWARD ACCEPT [0:0]\n:OUTPUT ACCEPT [0:0]\nCOMMIT\n'

	# shellcheck disable=SC2059
	printf "$text" | legacy iptables-restore
	# shellcheck disable=SC2059
	printf "$text" | bpf iptables-restore
}

# What -save prints, without what depends on the clock and without policy counters.
tables=filter
saved()
{
	local t

	for t in $tables; do
		"$1" iptables-save -c -t "$t" 2>&1
	done | sed '/^#/d; s/^\(:[A-Z]* [A-Z]*\) \[.*/\1/'
}

# Give the native side what ours has.
resync()
{
	bpf iptables-save -c -t filter | legacy iptables-restore -c
}

# run SIDE TOOL ARGS - leaves result[SIDE]: exit status, stdout, stderr
declare -A result state
run()
{
	local who=$1 tool=$2 rc out err
	shift 2

	"$who" "$tool" "$@" <"$dir/in" >"$dir/out" 2>"$dir/err"
	rc=$?
	out=$(<"$dir/out")
	err=$(<"$dir/err")
	err=${err//"$dir/$who/"/}	# getopt names the program by its path
	# shellcheck disable=SC2001
	[ "$tool" != iptables-save ] || out=$(sed 's/ on [A-Z][a-z][a-z] [A-Z].*/ on DATE/' <<<"$out")
	result[$who]=$(printf 'exit status %s\nstdout:\n%s\nstderr:\n%s' "$rc" "$out" "$err")
}

show()
{
	diff -u --label legacy --label ours <(cat <<<"$1") <(cat <<<"$2") | head -n 25 | sed 's/^/# /'
}

# Is it a command that only shows? Then there is nothing new to compare in -save.
only_shows()
{
	case " $* " in
	*' -Z'*|*' -A '*|*' -I '*|*' -N '*) return 1 ;;
	*' -C '*|*' -L'*|*' -S'*|*' -n'*L*|*' -V '*) return 0 ;;
	esac
	return 1
}

# compare TEXT TOOL ARGS
compare()
{
	local text=$1 tool=$2
	shift 2

	run legacy "$tool" "$@"
	run bpf "$tool" "$@"
	if [[ ${result[bpf]} =~ ^'exit status 2'.*('cannot be enforced by this hook'.*)$'\n' ]]; then
		skip "$text" "${BASH_REMATCH[1]%%$'\n'*}"
		resync
		return
	fi
	if [ "${result[legacy]}" != "${result[bpf]}" ]; then
		not_ok "$text"
		show "${result[legacy]}" "${result[bpf]}"
		resync
		return
	fi
	case $tool:${result[bpf]} in
	iptables-save:*|iptables:'exit status '[1-9]*)
		ok "$text"
		return ;;
	esac
	if [ "$tool" = iptables ] && only_shows "$@"; then
		ok "$text"
		return
	fi
	compare_saved "$text"
}

compare_saved()
{
	state[legacy]=$(saved legacy)
	state[bpf]=$(saved bpf)
	if [ "${state[legacy]}" = "${state[bpf]}" ]; then
		ok "$1"
		return
	fi
	not_ok "$1"
	show "${state[legacy]}" "${state[bpf]}"
	resync
}

# status RC REGEX | ARGS
ours_alone()
{
	local row=$1 rc regex args out

	read -r rc regex <<<"${row%% | *}"
	args=${row#* | }
	eval "set -- $args"
	out=$(bpf iptables "$@" 2>&1 <"$dir/in")
	if [ $? = "$rc" ] && grep -qE -- "$regex" <<<"$out"; then
		ok "ours: $args"
	else
		not_ok "ours: $args"
		head -n 10 <<<"$out" | sed 's/^/# /'
	fi
}

newly_refused()
{
	if ! legacy iptables "$@" 2>/dev/null; then
		compare "iptables $*" iptables "$@"
		return
	fi
	resync
	if bpf iptables "$@" 2>/dev/null; then
		not_ok "ours refuses: $*"
		resync
	else
		skip "iptables $*" "this kernel's iptables takes it still"
	fi
}

under_lock()
{
	exec 9>"$dir/lock"
	flock 9
	eval "set -- $1"
	run legacy iptables "$@" 9>&-
	run bpf iptables "$@" 9>&-
	exec 9>&-
	if [ "${result[legacy]}" = "${result[bpf]}" ]; then
		ok "locked: $*"
	else
		not_ok "locked: $*"
		show "${result[legacy]}" "${result[bpf]}"
	fi
}

one_row()
{
	local row=$1 verb=${1%% *} rest=${1#* }

	[ "$rest" = "$row" ] && rest=
	: >"$dir/in"
	case $verb in
	''|'#'*)
		;;
	reset)
		reset_both ;;
	iptables|save)
		eval "set -- $rest"
		[ "$verb" = save ] && verb=iptables-save
		compare "$row" "$verb" "$@" ;;
	restore)
		printf '%b' "${rest#*| }" >"$dir/in"
		eval "set -- ${rest%%|*}"
		compare "$row" iptables-restore "$@" ;;
	locked)
		under_lock "$rest" ;;
	refused)
		eval "set -- $rest"
		newly_refused "$@" ;;
	tables)
		tables=$rest ;;
	status)
		ours_alone "$rest" ;;
	*)
		not_ok "unknown row: $row" ;;
	esac
}

run_cases()
{
	echo "# ${1##*/}"
	tables=filter
	reset_both
	while IFS= read -r row; do
		one_row "$row"
	done <"$1"
	compare_saved "${1##*/}: what is left"
}

# A log of real calls: `iptables ARGS`, each perhaps followed by its exit status.
run_calls()
{
	echo "# ${1##*/}"
	reset_both
	while IFS= read -r row; do
		case $row in
		'iptables '*'-t nat'*|'iptables '*'-t mangle'*|'iptables '*'-t raw'*) ;;
		'iptables '*) one_row "$row" ;;
		esac
	done <"$1"
	compare_saved "${1##*/}: what is left"
}

# A dump: loads on both sides, saves back equal, is listed equal.
run_rules()
{
	local name=${1##*/}

	echo "# $name"
	reset_both
	if [ -e "${1%.rules}.ipset" ] && command -v ipset >/dev/null; then
		ipset -exist restore <"${1%.rules}.ipset"
		nsenter --net=/proc/$holder/ns/net ipset -exist restore <"${1%.rules}.ipset"
	fi
	sed -n '/^\*filter/,/^COMMIT/p' "$1" >"$dir/in"
	compare "$name: restore" iptables-restore
	compare "$name: restore -n -c" iptables-restore -n -c
	: >"$dir/in"
	compare "$name: -S -v" iptables -S -v
	compare "$name: -L -n -v -x --line-numbers" iptables -L -n -v -x --line-numbers
}

if [ $# -eq 0 ]; then
	set -- "$here"/*.cases "$SHARED"/rulesets/*.calls "$SHARED"/rulesets/*.rules
fi
for file in "$@"; do
	[ -e "$file" ] || continue
	case $file in
	*.cases) run_cases "$file" ;;
	*.calls) run_calls "$file" ;;
	*.rules) run_rules "$file" ;;
	esac
done
echo "1..$number"
[ "$failed" = 0 ]
