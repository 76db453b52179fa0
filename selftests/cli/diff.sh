#!/bin/bash
# SPDX-License-Identifier: GPL-2.0-only
#
# diff.sh - the same words to iptables-legacy and to bpf-iptables, nothing may differ
#
# Every row of a *.cases file is one command line. Both programs get it, in one
# fresh network namespace; exit status, stdout and stderr are compared, then what
# each -save prints. A row that our datapath refuses by name (exit status 2,
# "cannot be enforced by this hook") is a skip, and the native side is brought back
# in line.
#
#	iptables ARGS...	as a shell would split them
#	restore ARGS... | TEXT	TEXT is given on stdin, with \n and \t in it
#	save ARGS...
#	status RC REGEX | ARGS	ours alone: exit status, and stdout+stderr match
#	reset			empty both tables
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

	printf "$text" | "$dir/legacy/iptables-restore"
	printf "$text" | "$dir/bpf/iptables-restore"
}

# What -save prints, without what depends on the clock and on the other tables.
saved()
{
	"$dir/$1/iptables-save" -c -t filter 2>&1 | grep -v '^#'
}

# getopt names the program that was called; so do we.
run()
{
	local who=$1 tool=$2
	shift 2
	"$dir/$who/$tool" "$@" <"$dir/in" >"$dir/$who.out" 2>"$dir/$who.err"
	echo $? >"$dir/$who.rc"
	sed -i "s|^$dir/$who/||" "$dir/$who.err"
	sed -i 's/ on [A-Z][a-z][a-z] [A-Z][a-z][a-z] .*/ on DATE/' "$dir/$who.out"
}

show()
{
	local part
	for part in rc out err save; do
		cmp -s "$dir/legacy.$part" "$dir/bpf.$part" ||
			diff -u --label legacy --label ours "$dir/legacy.$part" "$dir/bpf.$part" |
			head -n 20 | sed "s/^/# $part: /"
	done
}

compare()
{
	local text=$1 tool=$2
	shift 2

	run legacy "$tool" "$@"
	run bpf "$tool" "$@"
	if [ "$(cat "$dir/bpf.rc")" = 2 ] && grep -q 'cannot be enforced by this hook' "$dir/bpf.err"; then
		skip "$text" "$(grep -m1 'cannot be enforced' "$dir/bpf.err")"
		"$dir/bpf/iptables-save" -c -t filter | "$dir/legacy/iptables-restore" -c
		return
	fi
	saved legacy >"$dir/legacy.save"
	saved bpf >"$dir/bpf.save"
	if cmp -s "$dir/legacy.rc" "$dir/bpf.rc" && cmp -s "$dir/legacy.out" "$dir/bpf.out" &&
	   cmp -s "$dir/legacy.err" "$dir/bpf.err" && cmp -s "$dir/legacy.save" "$dir/bpf.save"; then
		ok "$text"
		return
	fi
	not_ok "$text"
	show
	cmp -s "$dir/legacy.save" "$dir/bpf.save" || {
		"$dir/bpf/iptables-save" -c -t filter | "$dir/legacy/iptables-restore" -c
	}
}

# status RC REGEX | ARGS
ours_alone()
{
	local row=$1 rc regex args out

	read -r rc regex <<<"${row%% | *}"
	args=${row#* | }
	eval "set -- $args"
	out=$("$dir/bpf/iptables" "$@" 2>&1 <"$dir/in")
	if [ $? = "$rc" ] && grep -qE -- "$regex" <<<"$out"; then
		ok "ours: $args"
	else
		not_ok "ours: $args"
		head -n 10 <<<"$out" | sed 's/^/# /'
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
	status)
		ours_alone "$rest" ;;
	*)
		not_ok "unknown row: $row" ;;
	esac
}

run_cases()
{
	echo "# ${1##*/}"
	reset_both
	while IFS= read -r row; do
		one_row "$row"
	done <"$1"
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
}

# A dump: loads on both sides, saves back equal, is listed equal.
run_rules()
{
	local name=${1##*/}

	echo "# $name"
	reset_both
	[ -e "${1%.rules}.ipset" ] && command -v ipset >/dev/null && ipset -exist restore <"${1%.rules}.ipset"
	sed -n '/^\*filter/,/^COMMIT/p' "$1" >"$dir/in"
	compare "$name: restore" iptables-restore
	compare "$name: restore -n -c" iptables-restore -n -c
	: >"$dir/in"
	compare "$name: -S -v" iptables -S -v
	compare "$name: -L -n -v -x --line-numbers" iptables -L -n -v -x --line-numbers
}

if [ $# -gt 0 ]; then
	set -- "$@"
else
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
