# SPDX-License-Identifier: GPL-2.0-only
# shellcheck shell=bash
# shellcheck source=selftests/topo/twin.sh
#
# old_new.sh - two rulesets, and which of them is in force: for tests of commands that
# are killed or fail on the way from one to the other
#
# "old" lets UDP 1 through and drops UDP 2, "new" the other way round. $TMP/old, and new
# ones of the same size and of one that outgrows the programs' maps: $TMP/same, $TMP/big.

. "$(dirname "${BASH_SOURCE[0]}")/twin.sh"
[ "$DUT" = bpf ] || skip_all "only for bpf-iptables"
twin_up wire
R=${NS[dut.r]}
C=10.1.0.2 S=10.2.0.2

# in_r CMD... - in the router of the device under test, with its lock
in_r() {
	XTABLES_LOCKFILE=$TMP/lock.dut ns_exec "$R" "$@"
}
rules_now() {
	fw dut -save -t filter 2>&1 | grep -v '^#' | sed 's/ \[.*//'
}
# filler N - that many rules that match nothing sent here
filler() {
	awk -v n="$1" 'BEGIN { for (i = 0; i < n; i++)
		printf "-A u -s 172.16.%d.%d/32 -p tcp -m tcp --dport %d -j DROP\n",
			i / 250, i % 250 + 1, i % 65535 + 1 }'
}
# ruleset PASS STOP N [RULE]
ruleset() {
	printf '%s\n' '*filter' ':INPUT ACCEPT [0:0]' ':FORWARD ACCEPT [0:0]' ':OUTPUT ACCEPT [0:0]' ':u - [0:0]'
	filler "$3"
	printf '%s\n' "-A FORWARD -p udp -m udp --dport $1 -j ACCEPT" \
		"-A FORWARD -p udp -m udp --dport $2 -j DROP" '-A FORWARD -j u' ${4:+"$4"} COMMIT
}
# enforced PORT - exactly that UDP port of 1 and 2 gets through
enforced() {
	world_inject dut <(printf '%s\n' "c udp $C:9 $S:1" "c udp $C:9 $S:2") "$TMP/e" || return
	[ "$(cut -d' ' -f1,2 "$TMP/e")" = "$1 s" ]
}
ruleset 1 2 3 >"$TMP/old"
ruleset 2 1 3 >"$TMP/same"
ruleset 2 1 3000 >"$TMP/big"
