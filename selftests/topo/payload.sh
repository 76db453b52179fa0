#!/bin/bash
# SPDX-License-Identifier: GPL-2.0-only
# shellcheck source=selftests/topo/twin.sh
# hooks: tc xdp netfilter
#
# payload.sh - matches on the packet's bytes: u32, string, tcpmss
#
# The differential runs them by the hundred thousand on the programs alone; here are
# the packets of real wires: TTL and checksum as FORWARD changed them, padding,
# fragments, a pattern across the window that a search reads at once.

. "$(dirname "$0")/twin.sh"
twin_up wire
C=10.1.0.2 S=10.2.0.2 R=10.1.0.1

# hex TEXT, zeros N - payloads
hex() { printf '%s' "$1" | od -An -v -tx1 | tr -d ' \n'; }
zeros() { printf '%0*d' $(($1 * 2)) 0; }

needle=$(hex needle)
both_restore <<-EOF
	*filter
	:INPUT ACCEPT [0:0]
	:FORWARD ACCEPT [0:0]
	:OUTPUT ACCEPT [0:0]
	-A FORWARD -p udp -m string --string needle --algo bm
	-A FORWARD -p udp -m string --string needle --algo kmp
	-A FORWARD -p udp -m string ! --string needle --algo kmp
	-A FORWARD -p udp -m string --string NEEDLE --algo bm --icase
	-A FORWARD -p udp -m string --string needle --algo bm --from 28 --to 34
	-A FORWARD -p udp -m string --string needle --algo kmp --from 29
	-A FORWARD -p udp -m string --string needle --algo kmp --to 33
	-A FORWARD -m string --hex-string "|3f11|" --algo bm --from 8 --to 10
	-A FORWARD -m string --hex-string "|4011|" --algo bm --from 8 --to 10
	-A FORWARD -m string --hex-string "|ff|DF" --algo kmp --icase
	-A FORWARD -m string --string abababac --algo bm -j DROP
	-A FORWARD -m u32 --u32 "8>>24=63"
	-A FORWARD -m u32 --u32 "8>>24=64"
	-A FORWARD -m u32 --u32 "5>>0&0xff=0x3f"
	-A FORWARD -m u32 --u32 "8&0xffff=0x0000:0x7fff"
	-A FORWARD -m u32 --u32 "11&0xff=0x0a" -m u32 --u32 "9>>24=17"
	-A FORWARD -m u32 --u32 "6&0xff=17&&4&0x1fff=0&&0>>22&0x3c@0>>16=1000:2000"
	-A FORWARD -m u32 ! --u32 "0>>22&0x3c@8=0x6e656564"
	-A FORWARD -m u32 --u32 "0>>22&0x3c@0xfffffff0=0:0xffffffff"
	-A FORWARD -m u32 --u32 "30=0:0xffffffff"
	-A FORWARD -p tcp -m tcpmss --mss 1000:1460
	-A FORWARD -p tcp -m tcpmss ! --mss 1000:1460
	-A INPUT -p udp -m string --string needle --algo bm -j DROP
	-A INPUT -p tcp -m tcpmss --mss 1 -j ACCEPT
	COMMIT
EOF
agree_and "string: at the start, the end, nowhere; bounds" s 6 <<-EOF
	c udp $C:1500 $S:9 pay=$needle
	c udp $C:1500 $S:9 pay=00$needle
	c udp $C:1500 $S:9 pay=6e65656464$needle
	c udp $C:1500 $S:9 pay=$(hex needlf)
	c udp $C:1500 $S:9 pay=$(hex nEEdLe)
	c udp $C:1500 $S:9 pay=$(hex needl) pad=20
EOF
agree_and "string: across windows of 512 bytes, and in the last bytes" s 9 < <(
	for n in 470 476 480 483 484 485 990 1400 1466; do
		echo "c udp $C:99 $S:9 pay=$(zeros $n)$needle"
	done
)
agree_and "string: periodic text, Latin-1 letters" s 3 <<-EOF
	c udp $C:99 $S:9 pay=$(hex abababababababababac)
	c udp $C:99 $S:9 pay=$(hex ababababababababad)
	c udp $C:99 $S:9 pay=df44
	c udp $C:99 $S:9 pay=ff66df64
EOF
agree_and "u32: TTL and checksum are FORWARD's; short packets" s 5 <<-EOF
	c udp $C:1500 $S:9 len=2
	c udp $C:1500 $S:9 len=1 ttl=65
	c udp $C:1500 $S:9 len=9 ttl=65 opt=01010101
	c udp $C:2500 $S:9 len=9 id=0xfffe
	c 99 $C $S len=10
EOF
agree "u32 and string: every checksum carry" < <(
	for ((i = 0; i < 60; i++)); do
		echo "c udp $C:1500 $S:9 id=$((i * 1091 + 7)) len=4"
	done
)
agree "tcpmss: option there, not there, nonsense, short" <<-EOF
	c tcp $C:1 $S:2 flags=S topt=020405b4
	c tcp $C:1 $S:2 flags=S topt=0101020403e80000
	c tcp $C:1 $S:2 flags=S topt=020403e7
	c tcp $C:1 $S:2 flags=A
	c tcp $C:1 $S:2 flags=S topt=0300020405b40000
	c tcp $C:1 $S:2 flags=S topt=02030405
	c tcp $C:1 $S:2 flags=S doff=4
	c tcp $C:1 $S:2 flags=S doff=15
	c tcp $C:1 $S:2 flags=S l4=12
	c tcp $C:1 $R:2 flags=S topt=02040001
	c tcp $C:1 $R:2 flags=S topt=02040002
EOF
agree "fragments in FORWARD: each is a packet" <<-EOF
	c udp $C:1500 $S:9 mf pay=$needle$(zeros 10) id=9
	c udp $C:1500 $S:9 off=3 pay=$needle$(zeros 10) id=9
	c udp $C:1500 $S:9 off=1 pay=$needle$(zeros 10) id=10
EOF
agree_and "INPUT: string drops, padding does not count" l 2 <<-EOF
	c udp $C:1500 $R:9 pay=$needle
	c udp $C:1500 $R:9 pay=$(hex needl)
	c udp $C:1500 $R:9 pay=$needle totlen=33
EOF
reset_rules
both -A OUTPUT -p udp -m string --string needle --algo kmp -j DROP
both -A OUTPUT -p udp -m u32 --u32 "8>>24=64"
agree_and "OUTPUT" s 1 <<-EOF
	o udp 10.2.0.1:1 $S:9 pay=$needle
	o udp 10.2.0.1:1 $S:9 pay=00
EOF
tap_refused "algorithm fsm" dut -A INPUT -m string --algo fsm --string abc
tap_done
