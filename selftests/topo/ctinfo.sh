#!/bin/bash
# SPDX-License-Identifier: GPL-2.0-only
# shellcheck source=selftests/topo/twin.sh
# hooks: tc xdp netfilter hybrid
#
# ctinfo.sh - rules that ask for the connection: conntrack's other options, connbytes,
# connmark, CONNMARK, helper
#
# Rules without a target count what they match. One conversation of every kind passes
# all of them, and each counter must be the reference's. What is deterministic only:
# --ctexpire is asked of ranges that no delay of a test can leave.

. "$(dirname "$0")/twin.sh"
modprobe -q nf_conntrack 2>/dev/null	# whose sysctl is written below
twin_up wire
C=10.1.0.2 S=10.2.0.2
PORT=42000

# restored < rules of FORWARD
restored() {
	{
		printf '%s\n' '*filter' ':INPUT ACCEPT [0:0]' ':FORWARD ACCEPT [0:0]' ':OUTPUT ACCEPT [0:0]'
		sed '/^#/d; s/^/-A FORWARD /'
		echo COMMIT
	} >"$TMP/wanted"
	both_restore <"$TMP/wanted" || tap_ok 1 "the rules are taken"
}
# counted TEXT N... - these rules have counted, so the case proves something
counted() {
	local text=$1 n bad=
	local -a got

	shift
	mapfile -t got < <(saved dut | sed -n 's/^\[\([0-9]*\):.*-A FORWARD.*/\1/p')
	for n; do
		[ "${got[n - 1]:-0}" -gt 0 ] || bad+=" $n"
	done
	tap_same "$text: every rule met a packet" "" "$bad"
}
# quoted SPORT - what an ICMP error quotes of a UDP packet from C:SPORT to S:54
quoted() {
	printf '4500003a1010000040110000%02x%02x%02x%02x%02x%02x%02x%02x%04x%04x00260000' \
		${C//./ } ${S//./ } "$1" 54
}
# converse TEXT - a conversation on a port of its own, in both worlds
converse() {
	PORT=$((PORT + 1))
	agree "$1" < <(talk)
}
# All kinds: TCP to its end, TCP refused, UDP one way and both, ICMP and its errors,
# ESP, and packets that belong to no connection
talk() {
	cat <<-END
		c tcp $C:$PORT $S:80 flags=S seq=100
		s tcp $S:80 $C:$PORT flags=SA seq=500 ack=101
		c tcp $C:$PORT $S:80 flags=A seq=101 ack=501
		c tcp $C:$PORT $S:80 flags=PA seq=101 ack=501 len=700
		s tcp $S:80 $C:$PORT flags=A seq=501 ack=801
		s tcp $S:80 $C:$PORT flags=PA seq=501 ack=801 len=20
		c tcp $C:$PORT $S:80 flags=A seq=801 ack=521
		c tcp $C:$PORT $S:80 flags=A seq=90000000 ack=521
		c tcp $C:$PORT $S:80 flags=FA seq=801 ack=521
		s tcp $S:80 $C:$PORT flags=FA seq=521 ack=802
		c tcp $C:$PORT $S:80 flags=A seq=802 ack=522
		c tcp $C:$PORT $S:81 flags=S seq=100
		s tcp $S:81 $C:$PORT flags=RA seq=0 ack=101
		c tcp $C:$PORT $S:82 flags=SF seq=100
		c udp $C:$PORT $S:53 len=30
		s udp $S:53 $C:$PORT len=90
		c udp $C:$PORT $S:53 len=31
		c udp $C:$PORT $S:54 len=30
		s udp $S:$PORT $C:55 len=30
		c icmp $C $S type=8 rest=$((PORT << 16 | 7))
		s icmp $S $C type=0 rest=$((PORT << 16 | 7))
		s icmp $S $C type=0 rest=7
		s icmp $S $C type=3 code=3 pay=$(quoted $PORT)
		c 50 $C $S len=40
		s 50 $S $C len=40
	END
}

# Our connections are counted from their first packet on, as the kernel's are while
# this is set; else it counts only those that are younger than the first connbytes rule.
# The netfilter hook reads the kernel's own counts.
for w in ref dut; do ns_write "${NS[$w.r]}" net/netfilter/nf_conntrack_acct 1; done
restored <<-END
	-m conntrack --ctproto tcp
	-m conntrack ! --ctproto tcp
	-m conntrack --ctproto 50
	-m conntrack --ctorigsrc $C
	-m conntrack ! --ctorigsrc $C
	-m conntrack --ctorigsrc 10.1.0.0/24 --ctorigdst 10.2.0.0/24
	-m conntrack --ctorigdst $C
	-m conntrack ! --ctorigdst 10.2.0.0/16
	-m conntrack --ctreplsrc $S
	-m conntrack ! --ctreplsrc $S
	-m conntrack --ctrepldst $S
	-m conntrack ! --ctrepldst $S
	-m conntrack --ctorigdstport 80
	-m conntrack --ctorigdstport 80:81
	-m conntrack ! --ctorigdstport 80:82
	-m conntrack --ctorigsrcport 42000:42999
	-m conntrack ! --ctorigsrcport 42000:42999
	-m conntrack --ctreplsrcport 53
	-m conntrack ! --ctreplsrcport 53:81
	-m conntrack --ctrepldstport 42000:
	-m conntrack ! --ctrepldstport 0:42000
	-p icmp -m conntrack --ctorigsrcport 42001
	-m conntrack --ctorigdstport 2048
	-p icmp -m conntrack --ctreplsrcport 42001
	-m conntrack --ctrepldstport 0
	-m conntrack --ctdir ORIGINAL
	-m conntrack --ctdir REPLY
	-m conntrack --ctstatus NONE
	-m conntrack ! --ctstatus NONE
	-m conntrack --ctstatus SEEN_REPLY
	-m conntrack ! --ctstatus SEEN_REPLY
	-m conntrack --ctstatus ASSURED
	-m conntrack ! --ctstatus ASSURED
	-m conntrack --ctstatus CONFIRMED
	-m conntrack ! --ctstatus CONFIRMED
	-m conntrack --ctstatus EXPECTED,ASSURED
	-m conntrack --ctstatus EXPECTED
	-m conntrack ! --ctstatus SEEN_REPLY,CONFIRMED
	-m conntrack --ctexpire 0
	-m conntrack --ctexpire 1:40
	-m conntrack ! --ctexpire 0:40
	-m conntrack --ctexpire 431000:432000
	-m conntrack ! --ctexpire 431000:432000
	-m conntrack --ctstate INVALID --ctproto tcp
	-m conntrack --ctstate INVALID ! --ctproto tcp
	-m conntrack --ctstate INVALID --ctdir REPLY --ctorigsrc 9.9.9.9
	-m conntrack ! --ctstate NEW --ctproto udp
	-m conntrack --ctstate INVALID,NEW --ctproto udp
	-m conntrack --ctstate RELATED --ctdir REPLY --ctproto udp --ctorigsrc $C ! --ctstatus SEEN_REPLY
	-m conntrack --ctstate RELATED --ctdir ORIGINAL
	-m conntrack --ctstate UNTRACKED --ctproto udp
	-m conntrack ! --ctstate SNAT --ctproto udp
	-m conntrack --ctstate DNAT,SNAT
	-m conntrack --ctstate ESTABLISHED,RELATED --ctproto tcp ! --ctorigsrc 10.9.0.0/16 --ctorigdst $S --ctreplsrc $S --ctrepldst $C --ctorigsrcport 1024:65535 --ctorigdstport 80 --ctreplsrcport 80 ! --ctrepldstport 80 --ctdir REPLY --ctstatus SEEN_REPLY,ASSURED --ctexpire 1:432000
	-p tcp -m conntrack --ctdir ORIGINAL -m tcp --dport 80
	-p udp -m statistic --mode nth --every 2 --packet 0 -m conntrack --ctdir ORIGINAL --ctstate NEW -m udp --dport 53:54
	-p udp -m state --state NEW -m conntrack --ctdir ORIGINAL
END
# For five minutes after boot, while its jiffies are negative, the kernel takes a new
# connection's timeout for a point in time to come, not one past.
read -r up _ </proc/uptime
past=39
[ "${up%.*}" -ge 300 ] || past=
converse "conntrack: every option"
counted "conntrack" {1..21} {26..27} 29 {30..36} $past {40..49} 52 54 55 56 57
converse "and again, ports reused by nobody"

restored <<-END
	-m connbytes --connbytes 1:1 --connbytes-mode packets --connbytes-dir original
	-m connbytes --connbytes 1:1 --connbytes-mode packets --connbytes-dir reply
	-m connbytes --connbytes 2: --connbytes-mode packets --connbytes-dir both
	-m connbytes ! --connbytes 2: --connbytes-mode packets --connbytes-dir both
	-m connbytes ! --connbytes 2:4 --connbytes-mode packets --connbytes-dir both
	-m connbytes --connbytes 5:9 --connbytes-mode packets --connbytes-dir both
	-m connbytes --connbytes 60:200 --connbytes-mode bytes --connbytes-dir original
	-m connbytes --connbytes 60:200 --connbytes-mode bytes --connbytes-dir reply
	-m connbytes --connbytes 800: --connbytes-mode bytes --connbytes-dir both
	-m connbytes --connbytes 40:60 --connbytes-mode avgpkt --connbytes-dir original
	-m connbytes --connbytes 40:60 --connbytes-mode avgpkt --connbytes-dir reply
	-m connbytes --connbytes 100: --connbytes-mode avgpkt --connbytes-dir both
	-m connbytes ! --connbytes 0: --connbytes-mode avgpkt --connbytes-dir reply
	-m connbytes --connbytes 0:0 --connbytes-mode avgpkt --connbytes-dir reply
	-m connbytes --connbytes 4294967296: --connbytes-mode bytes --connbytes-dir both
	-m connbytes ! --connbytes 4294967296: --connbytes-mode bytes --connbytes-dir both
	-p udp -m connbytes --connbytes 1: --connbytes-mode packets --connbytes-dir reply -m udp --sport 53
	-m helper --helper ftp
	-p tcp -m helper --helper irc-6667 -j DROP
	-m helper ! --helper ftp
END
converse "connbytes and helper"
counted "connbytes and helper" {1..12} 14 16 17 20

restored <<-END
	-m connmark --mark 0
	-m connmark ! --mark 0
	-p udp -m conntrack --ctstate NEW -j CONNMARK --set-xmark 0x1234/0xffff
	-p udp -m connmark --mark 0x1234
	-p udp -m connmark --mark 0x30/0xf0
	-p udp -m connmark ! --mark 0x30/0xff
	-m connmark --mark 0x30/0x0f
	-p tcp -m conntrack --ctdir REPLY -j CONNMARK --set-mark 7
	-p tcp -m connmark --mark 7
	-p tcp -m connmark ! --mark 7
	-p tcp -m mark --mark 7
	-p tcp -j CONNMARK --restore-mark
	-p tcp -m mark --mark 7
	-p tcp -m mark --mark 0
	-p icmp -j MARK --set-mark 0x55
	-p icmp -j CONNMARK --save-mark
	-p icmp -m connmark --mark 0x55
	-p icmp -j CONNMARK --or-mark 0x1000
	-p icmp -m connmark --mark 0x1055
	-p icmp -j MARK --set-mark 0
	-p icmp -j CONNMARK --restore-mark --nfmask 0xff --ctmask 0xf0
	-p icmp -m mark --mark 0x50
	-p icmp -j CONNMARK --xor-mark 0xff
	-p icmp -j CONNMARK --and-mark 0xff
	-p icmp -m connmark --mark 0xaa
	-p udp -m udp --dport 53 -j CONNMARK --left-shift-mark 4 --set-mark 0x3
	-p udp -m connmark --mark 0x30
	-p udp -j CONNMARK --right-shift-mark 4 --restore-mark
	-p udp -m mark --mark 3
	-p udp -m mark ! --mark 3
	-p udp -m mark --mark 0x123
	-p esp -j CONNMARK --set-mark 0x99
	-p esp -m connmark --mark 0x99 -j DROP
END
converse "connmark and CONNMARK, along one walk"
counted "connmark" {1..4} 6 8 {9..10} {12..14} {15..18} {21..22} {23..24} {26..30} 32 33
converse "what was saved is there for later packets"
if [ "$DUT" = bpf ] && [ "$HOOK" != netfilter ] && [ "$HOOK" != hybrid ]; then
	tap_check "the mark is listed" grep -q 'mark=7$' \
		<(ns_exec "${NS[dut.r]}" "$BPFIPT" conntrack -p tcp 2>/dev/null)
fi
# --- checksums: short ones are summed where they are, longer ones from a copy (ct_csum.bpf.h)

restored <<END
	-p udp -m conntrack --ctstate INVALID
	-p tcp -m conntrack --ctstate INVALID
	-p icmp -m conntrack --ctstate INVALID
	-p udp -m conntrack --ctstate NEW
	-p tcp -m conntrack --ctstate NEW
	-p icmp -m conntrack --ctstate NEW
END
bytes=$(printf '9d3be70145f2%.0s' {1..90})
every_length() {
	local len bad pay opt=$2

	for ((len = $1; len < $1 + 44; len++)); do
		pay="pay=${bytes:0:2 * len}"
		for bad in "" badl4; do
			echo "c udp $C:$((5000 + len)) $S:53 $pay $opt $bad"
			echo "c tcp $C:$((5000 + len)) $S:80 flags=S seq=$len $pay $opt $bad"
			[ -n "$bad" ] || echo "c icmp $C $S type=8 $pay $opt"
		done
	done
}
for from in 1 45 89 490; do
	agree "checksums, $from bytes and up, right and wrong" < <(every_length $from)
done
agree "behind IP options" < <(every_length 90 opt=0101010101010100)
counted "checksums" 1 2 4 5 6
tap_done
