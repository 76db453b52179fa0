#!/bin/bash
# SPDX-License-Identifier: GPL-2.0-only
# shellcheck source=selftests/topo/twin.sh
# hooks: tc xdp netfilter
# alone: reads the kernel's log
#
# log.sh - LOG and NFLOG: the lines of `bpf-iptables log' are those of the kernel
#
# The reference's lines come from /dev/kmsg, where a namespace's appear while
# net.netfilter.nf_log_all_netns is 1. Every prefix holds a number of this run.

. "$(dirname "$0")/twin.sh"
need tools dmesg setpriv python3
[ "$DUT" = bpf ] || skip_all "the device under test logs where the reference does"
all_netns=/proc/sys/net/netfilter/nf_log_all_netns
[ -w $all_netns ] || modprobe nf_log_syslog 2>/dev/null
[ -w $all_netns ] || skip_all "no $all_netns"
was=$(cat $all_netns)
defer eval "echo $was >$all_netns"
echo 1 >$all_netns
twin_up wire
ID=L$RANDOM$RANDOM

dut_log() { fw dut "" log "$@"; }

# The reference's lines of batch $1; ids of packets made here are random.
ref_lines() {
	dmesg -r | sed -nE "s/^<([0-9]+)>\[[^]]*\] ($1 )/<\1>\2/p"
}
no_ids() { sed -E '/IN= |IN=lo |PREC=0xC0/s/ ID=[0-9]+/ ID=x/'; }

# same_log TEXT PREFIX LEAST < frames - same verdicts, counters and lines, LEAST at least
same_log() {
	agree "$1"
	ref_lines "$2" | no_ids >"$TMP/ref.log"
	dut_log -l | grep "^<.>$2 " | no_ids >"$TMP/dut.log"
	tap_same "$1: the lines" "$(cat "$TMP/ref.log")" "$(cat "$TMP/dut.log")"
	[ "$(wc -l <"$TMP/dut.log")" -ge "$3" ]
	tap_ok $? "$1: $(wc -l <"$TMP/dut.log") lines, $3 at least"
}

{
	printf '%s\n' '*filter' ':INPUT ACCEPT [0:0]' ':FORWARD ACCEPT [0:0]' ':OUTPUT ACCEPT [0:0]' ':l - [0:0]'
	for ch in INPUT FORWARD OUTPUT; do
		cat <<-END
			-A $ch -j LOG --log-prefix "${ID}a $ch " --log-level 7 --log-tcp-sequence --log-tcp-options --log-ip-options
			-A $ch -j LOG --log-prefix "${ID}a $ch" --log-level 0 --log-macdecode
			-A $ch -p tcp -m tcp --dport 22 -j l
			-A $ch -p udp -m udp --dport 9 -j MARK --set-xmark 0xbeef/0xffffffff
			-A $ch -p udp -j LOG --log-prefix "${ID}a "
			-A $ch -p icmp -m icmp --icmp-type 8 -j LOG --log-prefix "${ID}a icmp " --log-level 2
			-A $ch -p udp -m udp --dport 53 -j DROP
		END
	done
	cat <<-END
		-A l -j LOG --log-prefix "${ID}a l=%s \\"q\\" " --log-tcp-options
		-A l -j DROP
		COMMIT
	END
} >"$TMP/wanted"
both_restore <"$TMP/wanted"
tap_ok $? "ruleset goes in"

A=10.1.0.2 B=10.2.0.2 R=10.1.0.1
INNER_UDP=4500001c12344000401111110a0200020a01000204d2003500080000
INNER_TCP=46c0003812344000400600000a0200020a010002010101000016abcd00000001000000028012faf0000000000204ffff
same_log "TCP, UDP, ICMP and the rest" "${ID}a" 100 <<END
c tcp $A:1024 $B:80 flags=S seq=4000000000 ack=7
c tcp $A:1024 $B:80 flags=SAFRPUEC urg=77
c tcp $A:1024 $B:22 flags=A topt=0204057801030307
c tcp $A:1024 $B:22 flags=A topt=0101080a0000000100000002
c tcp $A:1024 $R:22 flags=S tos=0x1e ttl=1
c tcp $A:1024 $B:80 opt=0101820481010000 id=65535
c tcp $A:1024 $B:80 opt=94040000 df
c tcp $A:1024 $B:80 l4=12
c tcp $A:1024 $B:80 l4=3
c tcp $A:1024 $B:80 doff=15
c tcp $A:1024 $B:80 doff=4
c udp $A:1024 $B:53 len=20 tos=0xff
c udp $A:1024 $B:9 len=2000 pad=3
c udp $A:1024 $R:9
c udp $A:1024 $B:9 l4=7
c udp $A:1024 $B:9 l4=0
c udplite $A:1024 $B:9 len=8
c udplite $A:1024 $B:9 l4=5
c sctp $A:1024 $B:9 len=16
c 50 $A $B pay=deadbeef00000001
c 50 $A $B pay=deadbeef
c 51 $A $B pay=060400000000abcd00000001
c 51 $A $B pay=0604
c 47 $A $B len=8
c 255 $A $B len=8
c icmp $A $B type=8 rest=12345678 len=20
c icmp $A $B type=0 rest=12345678
c icmp $A $B type=8 l4=7
c icmp $A $B type=8 l4=3
c icmp $A $B type=13 len=8
c icmp $A $B type=13 len=12
c icmp $A $B type=17 len=0
c icmp $A $B type=12 rest=09000000 pay=$INNER_UDP
c icmp $A $B type=3 code=3 pay=$INNER_UDP
c icmp $A $B type=3 code=4 rest=000005dc pay=$INNER_TCP
c icmp $A $B type=3 code=4 rest=000005dc pay=${INNER_TCP:0:56}
c icmp $A $B type=3 code=1 pay=${INNER_TCP:0:40}
c icmp $A $B type=3 code=1 pay=${INNER_TCP:0:38}
c icmp $A $B type=5 code=1 rest=0a010009 pay=$INNER_UDP
c icmp $A $B type=4 pay=$INNER_UDP
c icmp $A $B type=11 pay=${INNER_UDP:0:52}
c icmp $A $B type=11 pay=4500001c1234200140011111${INNER_UDP:24}
c icmp $A $B type=11 pay=4500001c1234000040011111${INNER_UDP:24:16}0304000000000000
c icmp $A $B type=40 code=9
c tcp $A:1024 $B:80 mf id=7 len=16
c tcp $A:1024 $B:80 off=3 id=7 len=16
c udp $A:1024 $B:9 mf off=2 id=8 len=16
c udp $A:1024 $B:9 off=1 id=8 len=16
c icmp $A $B off=9 id=9 len=16
c 50 $A $B off=9 id=9 len=16
c 51 $A $B off=9 id=9 len=16
c udp $A:1 10.1.0.255:9 dmac=bcast
c udp $A:1 224.0.0.1:9 dmac=mcast
s tcp $B:80 $A:1024 flags=SA
s udp $B:80 10.2.0.1:9
o udp 10.2.0.1:1 $B:9 len=5
o tcp 10.2.0.1:1 $B:80 flags=S opt=94040000
o icmp $R $A type=8 rest=00010002
o udp 127.0.0.1:1 127.0.0.1:9
END

# A sender's uid and gid; the mark that came with the packet
sender='import socket, sys
s = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
s.setsockopt(socket.SOL_SOCKET, socket.SO_MARK, 77)
s.bind(("10.2.0.1", 4444))
import os
os.setgroups([]); os.setresgid(4321, 4321, 4321); os.setresuid(1234, 1234, 1234)
t = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
t.bind(("10.2.0.1", 4445))
for n in range(int(sys.argv[1])):
	s.sendto(b"x" * int(sys.argv[2]), ("10.2.0.2", 9))
	t.sendto(b"y" * int(sys.argv[2]), ("10.2.0.2", 9))
'
send() { ns_exec "${NS[$1.r]}" python3 -c "$sender" "$2" "$3"; }
reset_rules
both -A OUTPUT -p udp -j LOG --log-prefix "${ID}b " --log-uid
dut_log >"$TMP/rest"
send ref 1 10
send dut 1 10
tap_same "--log-uid, and a socket's mark" "$(ref_lines "${ID}b" | no_ids)" "$(dut_log -l | no_ids)"
tap_same "as many as were sent" 2 "$(ref_lines "${ID}b" | grep -c "UID=[0-9]* GID=[0-9]* ")"
tap_same "nothing is read twice" "" "$(dut_log)"

# NFLOG: groups, prefix, size; packets as pcap; a full ring is counted
reset_rules
both -A OUTPUT -p udp -m udp --sport 4444 -j NFLOG --nflog-group 7 --nflog-prefix "seven: " --nflog-size 24 --nflog-threshold 3
both -A OUTPUT -p udp -m udp --sport 4445 -j NFLOG --nflog-group 8
send dut 1 10
tap_same "NFLOG of one group" "seven: IN= OUT=eth1 SRC=10.2.0.1 DST=10.2.0.2 LEN=38 TOS=0x00 PREC=0x00 TTL=64 ID=x DF PROTO=UDP INCOMPLETE [18 bytes] " \
	"$(dut_log --nflog-group 7 | no_ids)"
send dut 1 10
dut_log -w "$TMP/pcap" >"$TMP/rest"
tap_same "-w: a header of 24 bytes, two packets of 24 and 38 with 16 each" $((24 + 16 + 24 + 16 + 38)) \
	"$(stat -c %s "$TMP/pcap")"
tap_same "-w writes no lines" "" "$(cat "$TMP/rest")"
send dut 1000 1400
n=$(dut_log | wc -l)
lost=$(ns_exec "${NS[dut.r]}" "$BPFIPT" status | awk '/log-record-lost/ { print $3 }')
[ "$lost" -gt 0 ] && [ "$n" -gt 100 ] && [ $((n + lost)) -eq 2000 ]
tap_ok $? "a full ring: $n read, $lost lost, 2000 sent"

# -f follows, and is the only one that does
ns_spawn "${NS[dut.r]}" "$BPFIPT" log -f -t >"$TMP/follow"
has_lock() { grep -q " $SPAWNED " /proc/locks; }
busywait 10 has_lock
tap_ok $? "-f has the lock"	# looked at, not asked for: who asks may be the one who gets it
dut_log 2>&1 | grep -q 'another .* is reading'
tap_ok $? "a second reader is told so"
send dut 1 10
two_lines() { [ "$(grep -c '^\[ *[0-9]*\.[0-9]*\] .*SPT=\|^\[.*INCOMPLETE' "$TMP/follow")" -eq 2 ]; }
busywait 10 two_lines
tap_ok $? "-f shows what comes"
tap_done
