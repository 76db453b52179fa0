#!/bin/bash
# SPDX-License-Identifier: GPL-2.0-only
# shellcheck source=selftests/topo/twin.sh
# hooks: tc xdp netfilter hybrid
#
# doomed.sh - matches that have a malformed packet dropped: sctp, dccp, ipcomp
#
# Such a match says no and raises hotdrop, and the rule does not count. Where `!' turns
# that no into a yes, the rule goes on: later matches are asked, it counts, its target
# acts, and then the packet is dropped all the same.

. "$(dirname "$0")/twin.sh"
twin_up wire
C=10.1.0.2 S=10.2.0.2 R=10.1.0.1

# dccp PORT DOFF TYPE<<1+X REST - a frame's payload
dccp() { printf '0001%04x%02x000000%02x000001%s' "$1" "$2" "$3" "$4"; }

# --- one target each
rules <<-END
	-p sctp -m sctp --dport 1 ! --chunk-types any DATA -j ACCEPT
	-p sctp -m sctp --dport 2 ! --chunk-types all DATA,INIT -j DROP
	-p sctp -m sctp --dport 3 ! --chunk-types only DATA -j REJECT --reject-with icmp-admin-prohibited
	-p sctp -m sctp --dport 4 ! --chunk-types any DATA -j MARK --set-mark 4
	-p sctp -m sctp --dport 5 ! --chunk-types any DATA -m length --length 0:31
	-p sctp -m sctp --dport 5 ! --chunk-types any DATA -m length --length 32
	-p sctp -m sctp --dport 5
	-p sctp -m sctp --dport 6 ! --chunk-types any DATA -m limit --limit 1/hour --limit-burst 1
	-p sctp -m sctp --dport 7 ! --chunk-types all ALL
	-p sctp -m sctp --dport 8 --chunk-types all ALL
	-p sctp -m sctp --dport 9 ! --chunk-types any DATA ! --sport 1
	-m mark --mark 4
END
sctp_frames() {
	local p

	for p in 1 2 3 4 5 6 7 8 9; do
		echo "c sctp $C:1 $S:$p"
		echo "c sctp $C:1 $S:$p pay=00000004"
		echo "c sctp $C:1 $S:$p pay=01000004"
		echo "c sctp $C:1 $S:$p pay=0100000800000000"
		echo "c sctp $C:1 $S:$p pay=0100000400000004"
		echo "c sctp $C:1 $S:$p pay=01000000"
		echo "c sctp $C:1 $S:$p pay=0100000402"
		echo "c sctp $C:1 $S:$p pay=0000000402"
		echo "c sctp $C:1 $S:$p l4=3"
		echo "c sctp $C:1 $S:$p pay=01000004 off=3"
	done
}
agree_and "sctp: ! --chunk-types" s 47 < <(sctp_frames)
tap_same "two good packets and three doomed ones were counted" 5 \
	"$(saved ref | sed -n 's/^\[\([0-9]*\):.*--dport 1 .*/\1/p')"

# --- a jump, a goto, RETURN; what stands behind them does not see the packet
reset_rules
both_restore <<-END
	*filter
	:INPUT ACCEPT [0:0]
	:FORWARD ACCEPT [0:0]
	:OUTPUT ACCEPT [0:0]
	:side - [0:0]
	:on - [0:0]
	-A FORWARD -p sctp -m sctp --dport 1 ! --chunk-types any DATA -j side
	-A FORWARD -p sctp -m sctp --dport 2 ! --chunk-types any DATA -g side
	-A FORWARD -p sctp -m sctp --dport 3 -j on
	-A FORWARD -p sctp -m sctp --dport 4 ! --chunk-types any DATA -j LOG --log-prefix doomed
	-A FORWARD
	-A side
	-A on -p sctp -m sctp --dport 3 ! --chunk-types any DATA -j RETURN
	-A on
	-A INPUT -p sctp -m sctp ! --chunk-types any DATA -j ACCEPT
	-A OUTPUT -p sctp -m sctp ! --chunk-types any DATA -j ACCEPT
	COMMIT
END
agree_and "a doomed packet's walk ends at its rule" s 5 < <(
	for p in 1 2 3 4; do
		echo "c sctp $C:1 $S:$p"
		echo "c sctp $C:1 $S:$p pay=01000004"
	done
	echo "c sctp $C:1 $S:4 pay=00000004"
	echo "c sctp $C:1 $R:4"
	echo "c sctp $C:1 $R:4 pay=01000004"
	echo "o sctp 10.2.0.1:1 $S:4"
)

# --- dccp
reset_rules
rules <<-END
	-p dccp -m dccp --dport 1 --dccp-types REQUEST,DATA,RESET -j ACCEPT
	-p dccp -m dccp --dport 2 ! --dccp-types REQUEST,ACK,INVALID
	-p dccp -m dccp --dport 3 --dccp-option 32
	-p dccp -m dccp --dport 4 ! --dccp-option 32
	-p dccp -m dccp --dport 5 --dccp-types DATA --dccp-option 1
	-p dccp -m dccp ! --sport 1 --dccp-option 1
	-p dccp -m dccp --dport 6 ! --dccp-types DATA ! --dccp-option 33 -j DROP
	-p dccp
END
many=$(printf '2102%.0s' {1..500})
dccp_frames() {
	local p t

	for p in 1 2 3 4 5 6; do
		for ((t = 0; t < 32; t++)); do	# bit 0: extended sequence numbers
			echo "c 33 $C $S pay=$(dccp $p 8 $t "$(printf '00%.0s' {1..12})2003000021040000")"
			echo "c 33 $C $S pay=$(dccp $p 4 $t 01200201)"
		done
		echo "c 33 $C $S pay=$(dccp $p 3 4 "")"
		echo "c 33 $C $S pay=$(dccp $p 2 4 "")"
		echo "c 33 $C $S pay=$(dccp $p 0 4 "")"
		echo "c 33 $C $S pay=$(dccp $p 5 4 01)"
		echo "c 33 $C $S pay=$(dccp $p 5 4 0000000021030000)"
		echo "c 33 $C $S pay=$(dccp $p 4 4 21000020)"
		echo "c 33 $C $S pay=$(dccp $p 4 4 00000021)"
		echo "c 33 $C $S pay=$(dccp $p 250 4 "${many}2003000000")"
		echo "c 33 $C $S pay=$(dccp $p 255 4 "${many}2003000000")"
		echo "c 33 $C $S pay=$(dccp $p 253 4 "${many}20030000")"
		echo "c 33 $C $S pay=0001000${p}03"
		echo "c 33 $C $S pay=000100"
		echo "c 33 $C $S pay=$(dccp $p 4 4 20030000) off=9"
	done
}
agree "dccp: types and options" < <(dccp_frames)
[ "$(delivered s)" -gt 100 ] && [ "$(delivered s)" -lt $((6 * 77)) ]
tap_ok $? "some were dropped, most were not: $(delivered s)"

# --- ipcomp
reset_rules
rules <<-END
	-p ipcomp -m ipcomp --ipcompspi 5 -j ACCEPT
	-p ipcomp -m ipcomp --ipcompspi 6:9 -j DROP
	-p ipcomp -m ipcomp ! --ipcompspi 20:65535
	-p ipcomp -m ipcomp --ipcompspi 70000:80000
	-p ipcomp
	-p 47 -j ACCEPT
END
agree_and "ipcomp: CPI, stubs, fragments" s 7 <<-END
	c 108 $C $S pay=0600000500000000
	c 108 $C $S pay=06000006
	c 108 $C $S pay=06000009
	c 108 $C $S pay=0600000a
	c 108 $C $S pay=0600ffff
	c 108 $C $S pay=06000014
	c 108 $C $S pay=060000
	c 108 $C $S pay=
	c 108 $C $S pay=0600000500000000 mf id=3
	c 108 $C $S pay=0600000600000000 off=1 id=3
	c 47 $C $S pay=0600
END
both_refuse -A FORWARD -m ipcomp --ipcompspi 5
tap_ok $? "ipcomp without -p is an error"
tap_done
