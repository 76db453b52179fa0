#!/bin/bash
# SPDX-License-Identifier: GPL-2.0-only
# shellcheck source=selftests/topo/twin.sh
# hooks: tc xdp xdp-forward netfilter
#
# random.sh - random rulesets, random frames: same deliveries, same counters
#
#	SEED=n COUNT=n LIMITS=0..1 HOOK=tc random.sh
#
# The suite tries the same rulesets each time; new ones are for SEED=$RANDOM and for
# make soak. Ruleset i is generated from SEED+i, so each failure comes with a line that
# runs just that one. Matches and targets that either side refuses are found by trying
# them once, said aloud, and left out; AVOID=a,b leaves out more.

. "$(dirname "$0")/twin.sh"
need tools python3
SEED=${SEED:-1}
COUNT=${COUNT:-$((SLOW > 1 ? 25 : 100))}
FRAMES=${FRAMES:-250}
TICK=$((12 * SLOW))	# milliseconds, more than a tick of the kernel's clock
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
		limit -m limit --limit 1/hour
		hashlimit -m hashlimit --hashlimit-upto 1/hour --hashlimit-mode srcip --hashlimit-name probe
		recent -m recent --set --name probe
		quota -m quota --quota 1
		statistic -m statistic --mode nth --every 2 --packet 0
		time -m time --datestop 2001-01-01
		string -m string --algo bm --string x
		u32 -m u32 --u32 0=0
		addrtype -m addrtype --dst-type LOCAL
		physdev -m physdev --physdev-is-bridged
		set -m set --match-set gen_ip src
		conntrack -m conntrack --ctstate NEW
		state -m state --state NEW
		connmark -m connmark --mark 1
		connbytes -m connbytes --connbytes 1 --connbytes-mode packets --connbytes-dir both
		helper -m helper --helper ftp
		CONNMARK -j CONNMARK --set-mark 1
		LOG -j LOG
		NFLOG -j NFLOG
	END
}

# what the rules of gen_late.py ask beyond the packet, the same in both routers
if command -v ipset >/dev/null; then
	for w in ref dut; do
		ns_exec "${NS[$w.r]}" ipset restore >/dev/null 2>&1 <<-END
			create gen_ip hash:ip
			add gen_ip 10.1.0.2
			add gen_ip 10.2.0.65
			create gen_net hash:net
			add gen_net 10.2.0.0/25
			add gen_net 10.2.0.2 nomatch
			create gen_port bitmap:port range 0-65535
			add gen_port 20-100
			create gen_ipport hash:ip,port
			add gen_ipport 10.1.0.2,tcp:80
			add gen_ipport 10.1.0.3,udp:53
		END
	done
fi
both_ip link set eth1 group 5

# forget - nobody has a connection: an old one's state depends on when it was made
forget() {
	local w

	ns_exec "${NS[dut.r]}" "$BPFIPT" conntrack -F >/dev/null 2>&1
	for w in ref dut; do
		# ctnetlink: delete every entry (struct nfgenmsg, AF_INET), acknowledged
		ns_exec "${NS[$w.r]}" python3 -c '
import socket, struct
s = socket.socket(socket.AF_NETLINK, socket.SOCK_RAW, 12)
s.send(struct.pack("=IHHII", 20, 1 << 8 | 2, 5, 1, 0) + struct.pack("BBH", 2, 0, 0))
s.recv(4096)'
	done
}

AVOID=${AVOID:-}
both -N probe
both -N probe2
while read -r name rule; do
	# shellcheck disable=SC2086 # words of a rule
	{ ref -A probe $rule && dut -A probe $rule; } >/dev/null 2>&1 || AVOID+=${AVOID:+,}$name
done < <(features)
# As connlimit.sh has it: Debian's kernels count a connection's later packets anew; and
# netfilter and hybrid do not look tuples up (a row of iptables-compat.rst).
[ "$HOOK" != netfilter ] && [ "$HOOK" != hybrid ] && ref -A FORWARD -p tcp --syn -m connlimit --connlimit-above 3 --connlimit-mask 32 -j DROP 2>/dev/null &&
	PACE=$TICK world_inject ref <(for p in 1 2 3 4 5 6 7 1 2 3; do
		echo "c tcp 10.1.0.2:$p 10.2.0.2:80 flags=S seq=100"
	done) "$TMP/ref.rx" && [ "$(delivered s)" = 3 ] || AVOID+=${AVOID:+,}connlimit
ref -F FORWARD
[ -z "$AVOID" ] || echo "# left out, refused by $REF or $DUT: $AVOID"
# malformed packets and fragments are where nft differs from legacy (table D); it also
# saves `! --dport 0:9` as `--dport 10:65535`
if [ "$REF" = nft ] || [ "$DUT" = nft ]; then
	[ "$REF" = "$DUT" ] || AVOID+=${AVOID:+,}D1,D2,D3,from0
fi

mkdir "$TMP/gen"
python3 "$REPO/selftests/topo/gen.py" "$SEED" "$COUNT" "$TMP/gen" --frames "$FRAMES" \
	${AVOID:+--avoid "$AVOID"} ${LIMITS:+--limits "$LIMITS"} || exit 1

hits=0 limits=0
for ((i = 0; i < COUNT; i++)); do
	bad=$TAP_BAD
	if both_restore <"$TMP/gen/$i.rules"; then
		! grep -q -e '-[mj] \(conn\|CONN\|state\|helper\)' "$TMP/gen/$i.rules" || forget
		PACE=
		! grep -q -e '-m connlimit' "$TMP/gen/$i.rules" || PACE=$TICK
		agree "ruleset $i: $(grep -c '^-A' "$TMP/gen/$i.rules") rules, $(wc -l <"$TMP/gen/$i.frames") frames" <"$TMP/gen/$i.frames"
		hits=$((hits + $(grep -c '^\[[1-9]' "$TMP/ref.saved")))
		limits=$((limits + $(grep -c '^\[[1-9].*-m connlimit' "$TMP/ref.saved")))
	else
		tap_ok 1 "ruleset $i goes in"
	fi
	[ "$TAP_BAD" = "$bad" ] ||
		echo "# again: SEED=$((SEED + i)) COUNT=1 FRAMES=$FRAMES${LIMITS:+ LIMITS=$LIMITS} HOOK=$HOOK${FORWARD:+-forward} REF=$REF DUT=$DUT $0"
done
echo "# rules hit: $hits, of connlimit: $limits"
[ "$COUNT" -lt 10 ] || tap_ok $((hits < COUNT)) "the frames hit rules"
tap_done
