#!/bin/bash
# SPDX-License-Identifier: GPL-2.0-only
# shellcheck source=selftests/topo/twin.sh
# hooks: tc xdp xdp-forward netfilter
#
# random.sh - random rulesets, random frames: same deliveries, same counters
#
#	SEED=n COUNT=n HOOK=tc random.sh
#
# The suite tries the same rulesets each time; new ones are for SEED=$RANDOM and for
# make soak. Ruleset i is generated from SEED+i, so each failure comes with a line that
# runs just that one. Matches and targets that either side refuses are found by trying
# them once, said aloud, and left out; AVOID=a,b leaves out more.

. "$(dirname "$0")/twin.sh"
need tools python3
SEED=${SEED:-1}
COUNT=${COUNT:-100}
FRAMES=${FRAMES:-250}
echo "# SEED=$SEED COUNT=$COUNT HOOK=$HOOK${FORWARD:+-forward} REF=$REF DUT=$DUT"
twin_up wire

# name, then a rule that needs it
features() {
	cat <<-END
		multiport -p tcp -m multiport --ports 1,2:3
		tcp -p tcp -m tcp --dport 1
		tcp-option -p tcp -m tcp --tcp-option 2
		udp -p udp -m udp --dport 1
		sctp -p sctp -m sctp --dport 1
		icmp -p icmp -m icmp --icmp-type 8
		esp -p esp -m esp --espspi 1
		ah -p ah -m ah --ahspi 1
		iprange -m iprange --src-range 1.1.1.1-1.1.1.2
		mac -m mac --mac-source 02:00:00:00:00:01
		length -m length --length 1:2
		ttl -m ttl --ttl-eq 1
		tos -m tos --tos 1
		dscp -m dscp --dscp 1
		ecn -m ecn --ecn-ip-ect 1
		pkttype -m pkttype --pkt-type broadcast
		mark -m mark --mark 1
		comment -m comment --comment x
		fragment -f
		not-any ! -s 0.0.0.0/0
		goto -g probe2
		MARK -j MARK --set-mark 1
		REJECT -j REJECT
	END
}

AVOID=${AVOID:-}
both -N probe
both -N probe2
while read -r name rule; do
	# shellcheck disable=SC2086 # words of a rule
	{ ref -A probe $rule && dut -A probe $rule; } >/dev/null 2>&1 || AVOID+=${AVOID:+,}$name
done < <(features)
[ -z "$AVOID" ] || echo "# left out, refused by $REF or $DUT: $AVOID"
# malformed packets and fragments are where nft differs from legacy (table D); it also
# saves `! --dport 0:9` as `--dport 10:65535`
if [ "$REF" = nft ] || [ "$DUT" = nft ]; then
	[ "$REF" = "$DUT" ] || AVOID+=${AVOID:+,}D1,D2,D3,from0
fi

mkdir "$TMP/gen"
python3 "$REPO/selftests/topo/gen.py" "$SEED" "$COUNT" "$TMP/gen" --frames "$FRAMES" \
	${AVOID:+--avoid "$AVOID"} || exit 1

hits=0
for ((i = 0; i < COUNT; i++)); do
	bad=$TAP_BAD
	# shellcheck disable=SC2119
	if both_restore <"$TMP/gen/$i.rules"; then
		agree "ruleset $i: $(grep -c '^-A' "$TMP/gen/$i.rules") rules, $FRAMES frames" <"$TMP/gen/$i.frames"
		hits=$((hits + $(grep -c '^\[[1-9]' "$TMP/ref.saved")))
	else
		tap_ok 1 "ruleset $i goes in"
	fi
	[ "$TAP_BAD" = "$bad" ] ||
		echo "# again: SEED=$((SEED + i)) COUNT=1 FRAMES=$FRAMES HOOK=$HOOK${FORWARD:+-forward} REF=$REF DUT=$DUT $0"
done
echo "# rules hit: $hits"
[ "$COUNT" -lt 10 ] || tap_ok $((hits < COUNT)) "the frames hit rules"
tap_done
