#!/bin/bash
# SPDX-License-Identifier: GPL-2.0-only
#
# compat_rows.sh - the rows of Documentation/iptables-compat.rst name tests that there are
#
# Every room/name in the file, as topo/state.sh or unit/lower, is a file of selftests (a
# program: with .c). Every row of its tables names one.

cd "$(dirname "$0")/../.." || exit 1
doc=Documentation/iptables-compat.rst
n=0 bad=0

# result RC TEXT
result() {
	n=$((n + 1))
	[ "$1" -eq 0 ] || bad=$((bad + 1))
	[ "$1" -eq 0 ] && echo "ok $n - $2" || echo "not ok $n - $2"
}

missing=0
for name in $(grep -oE '\b(unit|cli|prog_run|topo|syntax)/[a-z_.]*[a-z]' "$doc" | sort -u); do
	[ -e "selftests/$name" ] || [ -e "selftests/$name.c" ] || {
		echo "# $name: no such test"
		missing=$((missing + 1))
	}
done
result $missing "every test that is named exists"

# A row starts at the margin; its further lines are indented. Tables lie between lines of =.
rows() {
	awk '/^=====/ { inside = !inside || head; head = !head ? 1 : 0; if (row) print row; row = ""
			edge++; next }
	     !edge { next }
	     /^$/ { if (row) print row; row = ""; edge = 0; head = 0; next }
	     /^[^ ]/ { if (row) print row; row = $0; next }
	     { row = row " " $0 }' "$doc"
}
nameless=0 all=0
while read -r row; do
	case $row in
	match\ or\ target\ * | match,\ target\ * | packet\ *) continue ;;	# a table's head
	esac
	all=$((all + 1))
	grep -qE '\b(unit|cli|prog_run|topo)/[a-z]' <<<"$row" && continue
	echo "# names no test: ${row:0:70}"
	nameless=$((nameless + 1))
done < <(rows)
[ $all -gt 60 ] && [ $nameless -eq 0 ]
result $? "every row names one ($all rows)"

echo "1..$n"
[ $bad -eq 0 ]
