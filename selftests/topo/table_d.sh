#!/bin/bash
# SPDX-License-Identifier: GPL-2.0-only
# shellcheck source=selftests/topo/twin.sh
# hooks: tc xdp netfilter
#
# table_d.sh - where iptables-legacy and -nft are known to differ, we are legacy
#
# Table D of reference/iptables-semantics.md, a row a line. The reference here is
# always nft, and the row says what each lets through; so a row fails when ours
# departs from legacy, and also when nft no longer differs. D5 (the rate of `limit`)
# is no verdict and not here.

REF=nft
. "$(dirname "$0")/twin.sh"
[ "$DUT" != nft ] || skip_all "nft against nft"
twin_up wire
C=10.1.0.2 S=10.2.0.2

# row NAME NFT OURS RULE FRAME - frames delivered at the server, policy DROP
row() {
	local name=$1 want_nft=$2 want_dut=$3 rule=$4

	reset_rules
	both -P FORWARD DROP
	# shellcheck disable=SC2086 # words of a rule
	both -A FORWARD $rule
	# the policy accepts what no rule matched, so that hotdrop and no match differ
	[ "${6:-}" != accept ] || both -P FORWARD ACCEPT
	echo "$5" >"$TMP/f"
	world_inject ref "$TMP/f" "$TMP/ref.rx"
	world_inject dut "$TMP/f" "$TMP/dut.rx"
	tap_same "$name" "$want_nft $want_dut" \
		"$(grep -c '^1 s' "$TMP/ref.rx") $(grep -c '^1 s' "$TMP/dut.rx")"
}

row "D1 TCP at fragment offset 1 is hotdropped" 1 0 \
	"-p tcp -m tcp --dport 80 -j DROP" "c tcp $C:1 $S:2 off=1 len=20" accept
row "D2 TCP stub of 12 bytes is hotdropped, nft matches its ports" 1 0 \
	"-p tcp -m tcp --dport 80 -j ACCEPT" "c tcp $C:1 $S:80 l4=12"
row "D2 TCP stub of 4 bytes is hotdropped, nft goes on" 1 0 \
	"-p tcp -m tcp --dport 81 --tcp-flags SYN SYN -j DROP" "c tcp $C:1 $S:80 l4=4" accept
row "D2 UDP stub is hotdropped, nft matches its ports" 1 0 \
	"-p udp -m udp --dport 80 -j ACCEPT" "c udp $C:1 $S:80 l4=4"
row "D3 a later fragment has no ports, nft reads its payload" 1 0 \
	"-p tcp -m tcp --dport 80 -j ACCEPT" "c tcp $C:1 $S:80 off=5 len=20"
row "D4 a later fragment matches no inverted port, nft does" 1 0 \
	"-p tcp -m tcp ! --dport 80 -j ACCEPT" "c tcp $C:1 $S:81 off=5 len=20"
row "D4 nor ! --syn" 1 0 \
	"-p tcp -m tcp ! --syn -j ACCEPT" "c tcp $C:1 $S:81 off=5 len=20 flags=A"

# D6: nft takes 15 levels of chains, legacy any number
reset_rules
deep() {
	local i

	printf '%s\n' '*filter' ':FORWARD DROP [0:0]'
	for ((i = 1; i <= 16; i++)); do echo ":d$i - [0:0]"; done
	echo "-A FORWARD -j d1"
	for ((i = 1; i < 16; i++)); do echo "-A d$i -j d$((i + 1))"; done
	printf '%s\n' "-A d16 -j ACCEPT" COMMIT
}
deep >"$TMP/deep"
tap_refused "D6 sixteen levels: nft refuses" fw ref -restore "$TMP/deep"
tap_check "D6 sixteen levels: legacy and we do not" fw dut -restore "$TMP/deep"
world_inject dut <(echo "c udp $C:1 $S:1") "$TMP/dut.rx"
tap_same "D6 and the sixteenth is reached" 1 "$(grep -c '^1 s' "$TMP/dut.rx")"
tap_done
