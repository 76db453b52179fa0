#!/bin/bash
# SPDX-License-Identifier: GPL-2.0-only
# shellcheck source=selftests/topo/twin.sh
# hooks: tc xdp netfilter
#
# regress_pcn.sh - eighteen bugs of the earlier eBPF iptables, each a named test
#
# The numbers are those of the list in reference/pcn-iptables.md, section 3.2. Each
# would have been seen by comparing with real iptables on the same packets, which is
# what is done here. Those that need connection tracking are skipped, by name,
# while `-m conntrack` is refused.

. "$(dirname "$0")/twin.sh"
twin_up wire

C=10.1.0.2 S=10.2.0.2 R=10.1.0.1
has_ct=1
dut -A INPUT -m conntrack --ctstate NEW -j ACCEPT >/dev/null 2>&1 || has_ct=

bug() {
	BUG="pcn bug $1"
	reset_rules
}
ipt() {
	both "$@" || tap_ok 1 "$BUG: iptables $*"
}
is() {
	local text=$1

	shift
	both -Z
	agree_and "$BUG: $text" "$@"
}
needs_ct() {
	[ -n "$has_ct" ] && return 0
	tap_skip "$BUG: $1" "-m conntrack is refused"
	return 1
}

bug "1a, sibling prefixes alias"
ipt -A FORWARD -s 192.168.1.0/25 -j DROP
ipt -A FORWARD -s 192.168.1.128/25 -j ACCEPT
ipt -A FORWARD -s 10.0.16.0/20 -j DROP
ipt -A FORWARD -s 10.0.32.0/20 -j ACCEPT
ipt -A FORWARD -s 172.16.0.0/12 -j DROP
ipt -A FORWARD -s 172.32.0.0/12 -j ACCEPT
is "halves stay apart" s 3 <<END
c udp 192.168.1.200:1 $S:2
c udp 192.168.1.100:1 $S:2
c udp 10.0.33.1:1 $S:2
c udp 10.0.17.1:1 $S:2
c udp 172.33.0.1:1 $S:2
c udp 172.20.0.1:1 $S:2
END

bug "1b, nested prefixes miss"
ipt -A FORWARD -s 10.0.5.1/32 -p tcp -j ACCEPT
ipt -A FORWARD -s 10.0.0.0/20 -j DROP
ipt -A FORWARD -s 10.0.0.0/9 -p udp -j DROP
is "a host takes its network's rules too" s 2 <<END
c udp 10.0.5.1:1 $S:2
c tcp 10.0.5.1:1 $S:2 flags=S
c udp 10.0.99.1:1 $S:2
c icmp 10.0.99.1 $S
END

bug "2, -C deletes"
ipt -A INPUT -s 1.2.3.4 -j DROP
ipt -C INPUT -s 1.2.3.4 -j DROP
tap_same "$BUG: it does not" "1" "$(dut -S INPUT | grep -c 1.2.3.4)"
tap_check "$BUG: and fails for what is not there" both_refuse -C INPUT -s 1.2.3.5 -j DROP

bug "2, ! -i is inverted"
ipt -A FORWARD ! -i eth0 -j DROP
is "not eth0" s 1 c 0 <<END
c udp $C:1 $S:2
s udp $S:1 $C:2
END

bug "2, -f is dropped"
ipt -A FORWARD -f -j DROP
is "only later fragments" s 2 <<END
c udp $C:1 $S:2 mf len=16 id=7
c udp $C:1 $S:2 off=3 len=16 id=7
c udp $C:1 $S:2 id=8
END

bug "2, FORWARD -o is dropped"
ipt -A FORWARD -o eth0 -j DROP
is "only what leaves by eth0" s 1 c 0 <<END
c udp $C:1 $S:2
s udp $S:1 $C:2
END

bug "2, exit status is always 0"
tap_check "$BUG: deleting what is not there fails" both_refuse -D INPUT -s 9.9.9.9 -j DROP
tap_check "$BUG: an unknown chain fails" both_refuse -A NOSUCH -j DROP
tap_check "$BUG: an unknown target fails" both_refuse -A INPUT -j NOSUCH
tap_check "$BUG: an unknown option fails" both_refuse -A INPUT --nosuch
tap_check "$BUG: a bad address fails" both_refuse -A INPUT -s 1.2.3.4.5 -j DROP

bug "3, ICMP errors are rewritten on the wire"
# quoted header: sport 40000 > dport 443, the case that was corrupted
is "they pass unchanged" c 1 s 1 <<END
s icmp $S $C type=3 code=3 pay=4500001c10010000401164cf0a0100020a0200029c4001bb0008c352
c icmp $C $S type=11 code=0 pay=4500001c10010000401164cf0a0200020a0100029c4001bb0008c352
END

bug "4, ICMP takes the ports of the packet before"
ipt -A FORWARD -p tcp --sport 4444 -j ACCEPT
ipt -A FORWARD -p udp --dport 4444 -j ACCEPT
ipt -A FORWARD -m multiport -p udp --ports 4444 -j ACCEPT
ipt -P FORWARD DROP
is "ICMP has no ports" s 2 <<END
c tcp $C:4444 $S:80 flags=S
c icmp $C $S
c udp $C:80 $S:4444
c icmp $C $S
c 47 $C $S len=8
END
if needs_ct "ping under ESTABLISHED after TCP traffic"; then
	ipt -F FORWARD
	ipt -A FORWARD -m conntrack --ctstate ESTABLISHED -j ACCEPT
	ipt -A FORWARD -s $C -j ACCEPT
	is "ping under ESTABLISHED after TCP traffic" s 2 c 1 <<-END
		c tcp $C:4444 $S:80 flags=S
		c icmp $C $S type=8 rest=0x70001
		s icmp $S $C type=0 rest=0x70001
	END
fi

bug "5, TCP tracking"
if needs_ct "carry, ECN, RST, reopened ports"; then
	ipt -P FORWARD DROP
	ipt -A FORWARD -m conntrack --ctstate NEW,ESTABLISHED -j ACCEPT
	ipt -A FORWARD -m conntrack --ctstate INVALID -j DROP
	is "a: ISN 0xff and 0xffffffff" s 4 c 2 <<-END
		c tcp $C:5001 $S:80 flags=S seq=255
		s tcp $S:80 $C:5001 flags=SA seq=0xffffffff ack=256
		c tcp $C:5001 $S:80 flags=A seq=256 ack=0
		c tcp $C:5002 $S:80 flags=S seq=0xffffffff
		s tcp $S:80 $C:5002 flags=SA seq=0xff ack=0
		c tcp $C:5002 $S:80 flags=A seq=0 ack=0x100
	END
	is "b: ECN handshake" s 2 c 1 <<-END
		c tcp $C:5003 $S:80 flags=SEC seq=1
		s tcp $S:80 $C:5003 flags=SAE seq=9 ack=2
		c tcp $C:5003 $S:80 flags=A seq=2 ack=10
	END
	is "c: the third ACK carries data" s 2 c 2 <<-END
		c tcp $C:5004 $S:80 flags=S seq=1
		s tcp $S:80 $C:5004 flags=SA seq=9 ack=2
		c tcp $C:5004 $S:80 flags=PA seq=2 ack=10 len=30
		s tcp $S:80 $C:5004 flags=A seq=10 ack=32
	END
	is "d: SYN again with a new ISN" s 3 c 1 <<-END
		c tcp $C:5005 $S:80 flags=S seq=1
		c tcp $C:5005 $S:80 flags=S seq=70000
		s tcp $S:80 $C:5005 flags=SA seq=9 ack=70001
		c tcp $C:5005 $S:80 flags=A seq=70001 ack=10
	END
	ipt -R FORWARD 1 -m conntrack --ctstate ESTABLISHED -j ACCEPT
	ipt -I FORWARD -s $C -m conntrack --ctstate NEW -j ACCEPT
	is "e: RST ends it, the next SYN is NEW" s 3 c 1 <<-END
		c tcp $C:5006 $S:80 flags=S seq=1
		s tcp $S:80 $C:5006 flags=RA seq=0 ack=2
		c tcp $C:5006 $S:80 flags=S seq=9000
		c tcp $C:5006 $S:80 flags=S seq=9000
	END
	is "no state: ACK is picked up as NEW, SYN-ACK is INVALID" s 1 <<-END
		c tcp $C:5007 $S:80 flags=A seq=1 ack=1
		c tcp $C:5008 $S:80 flags=SA seq=1 ack=1
	END
fi

bug "6, entries never expire"
if needs_ct "a UDP flow is forgotten after its timeout"; then
	tap_skip "$BUG: a UDP flow is forgotten after its timeout" "takes 30 s; proved in prog_run"
fi

bug "7, A:1>B:2 and A:2>B:1 share a key"
if needs_ct "two flows, crossed ports"; then
	ipt -A FORWARD -m conntrack --ctstate ESTABLISHED -j ACCEPT
	ipt -A FORWARD -s $C -j ACCEPT
	ipt -P FORWARD DROP
	is "two flows, crossed ports" s 2 c 2 <<-END
		c udp $C:7001 $S:7002
		c udp $C:7002 $S:7001
		s udp $S:7002 $C:7001
		s udp $S:7001 $C:7002
	END
fi

bug "8, a vanished interface makes -i a wildcard"
if_add gone0
ipt -A FORWARD -i gone0 -j DROP
ipt -A FORWARD -o gone0 -j DROP
is "while it is there" s 1 <<<"c udp $C:1 $S:2"
if_del gone0
is "when it is gone" s 1 <<<"c udp $C:1 $S:2"
ipt -A FORWARD -s 1.1.1.1 -j DROP
is "and after the next change" s 1 <<<"c udp $C:1 $S:2"
tap_same "$BUG: the rule is kept by name" "-A FORWARD -i gone0 -j DROP" "$(dut -S FORWARD | grep -- '-i gone0')"
if_add other0
is "a new interface inherits nothing" s 1 <<<"c udp $C:1 $S:2"
if_del other0

bug "9, TTL 1 is dropped at XDP"
is "TTL 1 to the router is for the router; through it, time exceeded" l 2 c 2 <<END
c udp $C:1 $R:179 ttl=1
c tcp $C:1024 $R:179 ttl=1 flags=R
c udp $C:1 $S:2 ttl=1
END

bug "10, forwarding to an interface with a high index"
if_add gap0
if_del gap0
if_add late0 index 300
both_ip addr add 10.77.0.1/24 dev late0
ipt -A FORWARD -d 10.77.0.0/24 -o late0 -j ACCEPT
ipt -A FORWARD -d 10.77.0.0/24
is "a late interface, after gaps, is forwarded to and matched" s 1 <<END
c udp $C:1 10.77.0.9:2
c udp $C:1 $S:2
END
tap_same "$BUG: -o late0 counted" "1 28" "$(saved dut | counters_of FORWARD 1)"
if_del late0

bug "11, OUTPUT rules are empty until a reload"
ipt -A OUTPUT -p udp --dport 99 -j DROP
is "a first OUTPUT rule works at once" s 1 <<END
o udp 10.2.0.1:1 $S:99
o udp 10.2.0.1:1 $S:98
END

bug "12, exact-match prefilter ignores fields"
ipt -A INPUT -s 10.1.0.0/24 -p tcp -j DROP
is "a prefix is not a wildcard" l 1 <<END
c tcp 10.9.0.2:1 $R:80 flags=R
c tcp 10.1.0.9:1 $R:80 flags=R
END
ipt -F INPUT
ipt -A INPUT -i eth1 -s $C -j DROP
is "-i is not ignored" l 1 <<<"c icmp $C $R type=0"
ipt -F INPUT
ipt -P FORWARD DROP
ipt -A INPUT -s $C -j ACCEPT
is "INPUT accept does not open FORWARD" s 0 <<<"c udp $C:1 $S:2"
ipt -P FORWARD ACCEPT
ipt -R INPUT 1 -s $C -j DROP
is "INPUT drop does not close FORWARD" s 1 <<<"c udp $C:1 $S:2"

bug "13, 17, a change of one chain disturbs the others"
ipt -P INPUT DROP
ipt -A OUTPUT -p udp -j DROP
ipt -D OUTPUT 1
ipt -A FORWARD -p udp --dport 5 -j DROP
is "INPUT is still closed, OUTPUT open" l 0 s 1 <<END
c icmp $C $R
o udp 10.2.0.1:1 $S:9
c udp $C:1 $S:5
END

bug "14, bounds of rule numbers"
ipt -A INPUT -s 1.1.1.1
for n in 0 3 99999 4294967296; do
	tap_check "$BUG: -I INPUT $n" both_refuse -I INPUT $n -s 2.2.2.2
	tap_check "$BUG: -R INPUT $n" both_refuse -R INPUT $n -s 2.2.2.2
	tap_check "$BUG: -D INPUT $n" both_refuse -D INPUT $n
done
ipt -I INPUT 2 -s 2.2.2.2
same_counters "$BUG: nothing changed but the last"

bug "15, an address on two interfaces"
if_add dup0
both_ip addr add 10.1.0.1/32 dev dup0
both_ip addr del 10.1.0.1/32 dev dup0
ipt -A INPUT -p udp -j DROP
is "is still local when one is removed" l 1 s 0 <<END
c icmp $C $R type=0
c udp $C:1 $R:2
END
if_del dup0

bug "16, ICMP 9, 10 and short errors are dropped"
ipt -A FORWARD -p udp -j DROP
is "they pass like any other" s 4 <<END
c icmp $C $S type=9
c icmp $C $S type=10
c icmp $C $S type=3 code=3 len=4
c icmp $C $S type=11
END

bug "18, the xdp mode was never tested"
if [ "$DUT" = bpf ] && [ "$HOOK" = xdp ]; then
	tap_check "$BUG: an XDP program is on eth0" \
		grep -q xdp <(ip -n "${NS[dut.r]}" -d link show eth0)
else
	tap_skip "$BUG" "HOOK is $HOOK"
fi
tap_done
