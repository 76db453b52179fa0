#!/bin/bash
# SPDX-License-Identifier: GPL-2.0-only
# shellcheck source=selftests/topo/twin.sh
# hooks: netfilter
#
# netfilter.sh - what only the netfilter hook sees: addresses behind native NAT, the
# kernel's own connections, packets that interrupt one another; and what it has native
# rules do: marks that later tables see, REJECT

. "$(dirname "$0")/twin.sh"
twin_up wire
R=${NS[dut.r]}
A=10.1.0.2 B=10.2.0.2 G=10.1.0.1 H=10.2.0.1

# native ARGS... - the native tool in both routers
native() {
	local w

	for w in ref dut; do
		XTABLES_LOCKFILE=$TMP/lock.$w ns_exec "${NS[$w.r]}" "iptables-$REF" "$@" || return
	done
}

# --- NAT
tap_check "native DNAT in both" native -t nat -A PREROUTING -d $G -p udp --dport 80 \
	-j DNAT --to-destination $B:8080
tap_check "native SNAT in both" native -t nat -A POSTROUTING -o eth1 -p udp --dport 8080 \
	-j SNAT --to-source $H
both_restore <<END
*filter
:INPUT ACCEPT [0:0]
:FORWARD DROP [0:0]
:OUTPUT ACCEPT [0:0]
-A FORWARD -p udp -d $G
-A FORWARD -p udp -d $B --dport 80 -j DROP
-A FORWARD -m conntrack --ctstate DNAT -p udp
-A FORWARD -m conntrack --ctstate SNAT -p udp
-A FORWARD -m conntrack --ctstate NEW -p udp -d $B --dport 8080 -j ACCEPT
-A FORWARD -m conntrack --ctstate ESTABLISHED -j ACCEPT
-A FORWARD -m conntrack --ctstate RELATED -j ACCEPT
COMMIT
END
agree_and "FORWARD sees what DNAT made of a packet" s 1 <<<"c udp $A:1024 $G:80"
agree_and "and what SNAT will be undone from" c 1 <<<"s udp $B:8080 $H:1024"
agree_and "an error about it is RELATED" c 1 <<< \
	"s icmp $B $H type=3 code=3 pay=4500001c00000000401166cb0a0200010a02000204001f9000080000"
agree_and "a port that is not translated" s 0 <<<"c udp $A:1024 $G:81"
tap_check "no native NAT any more" native -t nat -F

# --- fragments: one datagram, whatever its pieces
both_restore <<END
*filter
:INPUT ACCEPT [0:0]
:FORWARD DROP [0:0]
:OUTPUT ACCEPT [0:0]
-A FORWARD -p 253 -m state --state NEW,ESTABLISHED -m length --length 140 -j ACCEPT
COMMIT
END
agree_and "conntrack reassembles before FORWARD" s 2 <<END
c 253 $A $B mf len=64 id=0x301
c 253 $A $B off=8 len=56 id=0x301
END

# A TCP header in two pieces, as conntrack joins them: 8 bytes are linear, the flags are in the second skb of
# the list, where load_l4() has to read them. Early demultiplexing would pull the header together first.
for w in ref dut; do
	ns_exec "${NS[$w.r]}" sysctl -qw net.ipv4.tcp_early_demux=0
done
both_restore <<END
*filter
:INPUT DROP [0:0]
:FORWARD DROP [0:0]
:OUTPUT ACCEPT [0:0]
-A INPUT -p tcp -m tcp --dport 80 --tcp-flags ALL ACK
-A INPUT -p tcp -m tcp --dport 80 --tcp-flags ALL SYN -j DROP
-A FORWARD -p 254 -m state --state NEW
-A FORWARD -p tcp -m tcp --dport 80 --tcp-flags ALL FIN,ACK -j DROP
-A FORWARD -p tcp -m tcp --sport 1024 --dport 80 --tcp-flags ALL SYN -j ACCEPT
-A FORWARD -p tcp -m tcp --dport 81 --tcp-flags SYN,ACK ACK -j ACCEPT
-A FORWARD -p tcp -m tcp ! --syn
COMMIT
END
# in_two DST PORT FLAGS(hex) - the second piece has its ACK number where frames have ports, and
# then, where they have numbers: data offset, flags, window; checksum, urgent pointer
in_two() {
	id=$((id + 1))
	echo "c tcp $A:1024 $1:$2 l4=8 mf id=$id"
	echo "c tcp $A:0 $1:0 seq=0x50${3}2000 off=1 l4=16 id=$id"
}
id=0x400
agree_and "ports and flags decide: SYN to 80, ACK and FIN,ACK to 81" s 6 < <(
	for flags in 02 10 11 00; do
		in_two $B 80 $flags
		in_two $B 81 $flags
		in_two $G 80 $flags
	done)
tap_same "the TCP flags of pieces are told apart" "1 1 1 1 2 3" "$(fw dut -save -c -t filter |
	sed -n '/ -p tcp /s/^\[\([0-9]*\):.*/\1/p' | paste -sd' ')"

# --- marks, as the native tables behind this hook see them
# seen TABLE - its rules and their counters, in both worlds
seen() {
	local w

	for w in ref dut; do
		XTABLES_LOCKFILE=$TMP/lock.$w ns_exec "${NS[$w.r]}" "iptables-$REF" -t "$1" -nvxL |
			awk 'NR > 2 && NF { $1 = $1; print }' >"$TMP/seen.$w"
	done
	tap_same "$2" "$(cat "$TMP/seen.ref")" "$(cat "$TMP/seen.dut")"
	tap_same "$2: every rule met a packet" "" "$(awk '$1 == 0 && $3 ~ /^[a-zA-Z0-9]/ && NF > 8' "$TMP/seen.ref")"
}
native -t mangle -A PREROUTING -p udp --dport 7 -j MARK --set-mark 0x0ff0f00f
for m in 0xffffffff 0x80000001 0xf0 0 0x0ff0f0cf 0x00f0000f; do
	native -t mangle -A POSTROUTING -m mark --mark $m
done
for m in 0xcafe 0x12345678 0xffffffff; do
	native -t mangle -A POSTROUTING -m connmark --mark $m
done
native -t nat -A POSTROUTING -m mark --mark 0x80000001 -p udp -j SNAT --to-source 10.2.0.77
both_restore <<END
*filter
:INPUT ACCEPT [0:0]
:FORWARD ACCEPT [0:0]
:OUTPUT ACCEPT [0:0]
-A FORWARD -p udp -m udp --dport 1 -j MARK --set-mark 0xffffffff
-A FORWARD -p udp -m udp --dport 2 -j MARK --set-mark 0x80000001
-A FORWARD -p udp -m udp --dport 3 -j MARK --set-mark 1
-A FORWARD -p udp -m mark --mark 1 -j MARK --set-mark 0
-A FORWARD -p udp -m udp --dport 7 -m length --length 30 -j MARK --set-xmark 0xc0/0xc0
-A FORWARD -p udp -m udp --dport 7 -m length --length 31 -j MARK --and-mark 0xff0fff
-A FORWARD -p udp -m udp --dport 4 -m connmark --mark 0 -j CONNMARK --set-mark 0xcafe
-A FORWARD -p udp -m connmark --mark 0xcafe -m length --length 31 -j CONNMARK --set-xmark 0x12345678/0xffffffff
-A FORWARD -p udp -m connmark --mark 0x12345678 -m length --length 31 -j DROP
-A FORWARD -p udp -m udp --dport 5 -j MARK --set-mark 0xffffffff
-A FORWARD -p udp -m udp --dport 5 -j CONNMARK --save-mark
-A FORWARD -p udp -m udp --dport 5 -j MARK --set-mark 0
-A OUTPUT -p udp -m udp --dport 6 -j MARK --set-mark 0xf0
-A OUTPUT -p udp -m udp --dport 8 -j REJECT --reject-with icmp-host-unreachable
COMMIT
END
agree_and "marks are set on the way" s 9 c 1 <<END
c udp $A:100 $B:1
c udp $A:100 $B:2
c udp $A:100 $B:3
c udp $A:100 $B:4 len=2
c udp $A:100 $B:4 len=3
c udp $A:100 $B:4 len=2
c udp $A:100 $B:5
s udp $B:5 $A:100
c udp $A:100 $B:7 len=2
c udp $A:100 $B:7 len=3
o udp $H:9 $B:6
END
seen mangle "mangle POSTROUTING sees packets' and connections' marks"
seen nat "nat POSTROUTING, too"
for t in mangle nat; do native -t $t -F; done
agree_and "REJECT is the sender's EPERM, with the answer" s 0 <<<"o udp $H:9 $B:8"
tap_check "as natively" grep -q '^1 e ' "$TMP/ref.rx"

# --- a helper announces a connection: FTP, passive
if native -t raw -A PREROUTING -p tcp --dport 21 -j CT --helper ftp 2>/dev/null; then
	both_restore <<-END
		*filter
		:INPUT ACCEPT [0:0]
		:FORWARD ACCEPT [0:0]
		:OUTPUT ACCEPT [0:0]
		-A FORWARD -m helper --helper ftp
		-A FORWARD -m helper --helper ftp-21
		-A FORWARD -m helper --helper ft
		-A FORWARD -m helper --helper tftp
		-A FORWARD -m helper --helper ""
		-A FORWARD -m helper ! --helper ftp
		-A FORWARD -m helper ! --helper irc
		-A FORWARD -m conntrack --ctstate RELATED -m helper --helper ftp -j ACCEPT
		-A FORWARD -p tcp -m tcp --dport 21 -j ACCEPT
		-A FORWARD -p tcp -m tcp --sport 21 -j ACCEPT
		-A FORWARD -j DROP
		COMMIT
	END
	hello=$(printf '220 hello\r\n' | od -An -tx1 | tr -d ' \n')
	passive=$(printf '227 Entering Passive Mode (10,2,0,2,200,10).\r\n' | od -An -tx1 | tr -d ' \n')
	agree_and "a connection that the ftp helper announced" c 3 s 3 <<-END
		c tcp $A:2000 $B:21 flags=S seq=100
		s tcp $B:21 $A:2000 flags=SA seq=500 ack=101
		c tcp $A:2000 $B:21 flags=A seq=101 ack=501
		s tcp $B:21 $A:2000 flags=PA seq=501 ack=101 pay=$hello
		s tcp $B:21 $A:2000 flags=PA seq=512 ack=101 pay=$passive
		c tcp $A:2001 $B:51210 flags=S seq=100
		c tcp $A:2001 $B:51211 flags=S seq=100
	END
	tap_check "it was announced" grep -q '^\[1:.*RELATED -m helper --helper ftp -j ACCEPT' <(saved ref)
	native -t raw -F
else
	tap_skip "a connection that a helper announced" "no raw table, target CT or ftp helper"
fi

# --- connbytes switches accounting on, as iptables' does
for w in ref dut; do ns_write "${NS[$w.r]}" net/netfilter/nf_conntrack_acct 0; done
reset_rules
both -A FORWARD -p udp -m connbytes --connbytes 2: --connbytes-mode packets --connbytes-dir both -j DROP
agree_and "connbytes without the sysctl" s 1 <<END
c udp $A:77 $B:5000
c udp $A:77 $B:5000
c udp $A:77 $B:5000
END

# --- conntrack is there while a rule asks for it
if [ "$DUT" = bpf ]; then
	tables() {
		ns_exec "$R" nft list tables 2>/dev/null | grep -c 'table ip bpf-iptables$'
	}
	if command -v nft >/dev/null; then
		tap_same "a state match keeps conntrack registered" 1 "$(tables)"
		dut -F
		tap_same "and nothing does without one" 0 "$(tables)"
		dut -A INPUT -m state --state NEW
		ns_exec "$R" nft flush ruleset
		ns_exec "$R" "$BPFIPT-init" --hook "$HOOK"
		tap_same "init mends what nft flush ruleset took away" 1 "$(tables)"
		gone() {
			ns_exec "$R" "$BPFIPT" status | awk '$2 == "native-rules-gone" { print $3 }'
		}
		reset_rules
		dut -A FORWARD -p udp -m udp --dport 1 -j REJECT
		dut -A FORWARD -p udp -m udp --dport 2 -j MARK --set-mark 1
		dut -A FORWARD -p udp -m udp --dport 4 -j DROP
		ns_exec "$R" nft flush ruleset
		some() {
			printf '%s\n' "c udp $A:9 $B:1" "c udp $A:9 $B:2" "c udp $A:9 $B:3" "c udp $A:9 $B:4"
		}
		world_inject dut <(some) "$TMP/rx"
		tap_same "without native rules what needs them is dropped" "3 s" "$(cut -d' ' -f1,2 "$TMP/rx")"
		tap_same "and said" 2 "$(gone)"
		ns_exec "$R" "$BPFIPT-init" --hook "$HOOK"
		world_inject dut <(some) "$TMP/rx"
		tap_same "init mends that, too" "1 c 2 s 3 s" "$(cut -d' ' -f1,2 "$TMP/rx" | paste -sd' ')"
		tap_same "nothing more was lost" 2 "$(gone)"
		dut -F
		tap_same "nor do native rules stay without need" 0 "$(tables)"
	else
		tap_skip "the table that keeps conntrack registered" "no nft"
	fi
	reset_rules
fi

# --- one rule of every part: the verifier takes them all together
both_restore <<END
*filter
:INPUT ACCEPT [0:0]
:FORWARD ACCEPT [0:0]
:OUTPUT ACCEPT [0:0]
-A INPUT -m conntrack --ctstate NEW --ctproto 6 --ctdir REPLY
-A INPUT -p tcp -j REJECT --reject-with tcp-reset
-A INPUT -m u32 --u32 "0=0"
-A INPUT -m string --algo bm --string x
-A INPUT -p tcp -m tcpmss --mss 1:100
-A INPUT -m addrtype --dst-type LOCAL
-A INPUT -j LOG
-A OUTPUT -m owner --uid-owner 0
-A INPUT -m connbytes --connbytes 1 --connbytes-dir both --connbytes-mode packets
-A INPUT -m limit --limit 1/sec
-A INPUT -m recent --set
-A INPUT -m hashlimit --hashlimit-upto 1/sec --hashlimit-name x
-A INPUT -p tcp -m connlimit --connlimit-above 3
-A INPUT -m time --timestart 10:00
-A INPUT -m quota --quota 1000
-A INPUT -m devgroup --src-group 1
-A INPUT -m physdev --physdev-in eth0
-A INPUT -m helper --helper ftp
-A INPUT -j CONNMARK --restore-mark
-A INPUT -j MARK --set-mark 3
-A INPUT -m mark --mark 3
COMMIT
END
tap_ok $? "one rule of every part"
reset_rules

# --- interruptions: a sender on CPU 0, and what the client sends processed there too
if [ "$DUT" = bpf ] && [ "$(nproc)" -ge 2 ] && command -v taskset python3 >/dev/null; then
	N=60000
	dut -A OUTPUT -p udp -d $B -m limit --limit 1/hour --limit-burst 1
	# searches, so that OUTPUT's program takes its time
	for i in 1 2 3 4 5 6 7 8; do
		dut -A OUTPUT -p udp -d $B --dport 9 -m string --algo bm --string "never$i"
	done
	dut -A OUTPUT -p udp -d $B --dport 9 -m comment --comment all
	dut -A FORWARD -p udp -d $B --dport 9 -m comment --comment all
	ns_write "$R" net/ipv4/conf/all/accept_local 1
	ip netns exec "$R" sh -c 'echo 1 >/sys/class/net/eth0/queues/rx-0/rps_cpus'
	ns_exec "${NS[dut.c]}" taskset -c 1 python3 -c "
import socket
s = socket.socket(socket.AF_PACKET, socket.SOCK_RAW)
s.bind(('c0', 0))
f = bytes.fromhex('020000000101' '020000000102' '0800' '4500001c00000000401166cb' '0a010002' '0a020002' '03e8000900080000')
for i in range($N): s.send(f)
" &
	ns_exec "$R" taskset -c 0 python3 -c "
import socket
s = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
for i in range($N): s.sendto(b'-' * 1400, ('$B', 9))
"
	wait $!
	events() {
		ns_exec "$R" "$BPFIPT" status | awk -v e="$1" '$2 == e { print $3 }'
	}
	counts() {
		fw dut -save -c -t filter | sed -n "s/^\[\([0-9]*\):.*-A $1 .*--comment all.*/\1/p" | sort -u
	}
	tap_note "interrupted $(events nested) times"
	busywait 10 test "$(counts FORWARD | wc -l)" = 1
	tap_same "every packet sent is counted by every rule" $N "$(counts OUTPUT)"
	sent=$(ip -n "$R" -s -j link show eth0 | python3 -c 'import json,sys; print(json.load(sys.stdin)[0]["stats64"]["rx"]["packets"])')
	got=$(counts FORWARD)
	tap_check "and of those forwarded ($got of $sent received)" \
		test "$got" -le "$sent" -a "$got" -gt $((N / 2))
	tap_same "none found all rows taken" 0 "$(events no-scratch)"
else
	tap_skip "packets that interrupt one another" "needs 2 CPUs, taskset, python3"
fi

# regression: a link that is taken away was still there when its place was wanted again (EBUSY)
for ((i = 0; i < 20; i++)); do
	printf '%s\n' '*filter' '-A INPUT -p udp -j REJECT' COMMIT '*filter' COMMIT
done >"$TMP/toggle"
tap_check "REJECT comes and goes 20 times" fw dut -restore <"$TMP/toggle"
again() {
	local i

	for i in 1 2 3 4 5; do
		ns_exec "$R" "$BPFIPT-clean" && ns_exec "$R" "$BPFIPT-init" --hook "$HOOK" || return
	done
}
tap_check "and so do all the links" again
tap_done
