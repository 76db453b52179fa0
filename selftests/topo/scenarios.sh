#!/bin/bash
# SPDX-License-Identifier: GPL-2.0-only
# shellcheck source=selftests/topo/twin.sh
# hooks: tc xdp netfilter
#
# scenarios.sh - policies, rule order, prefixes, interfaces: the stateless scenarios
#
# What an administrator tries first, step by step, each step with the traffic that
# must pass or stop; the same scenarios an earlier eBPF iptables was tested with
# (pcn-iptables local_test*), here against the reference and with counters.
# The stateful ones are in scenarios_ct.sh.

. "$(dirname "$0")/twin.sh"
twin_up wire

C=10.1.0.2 S=10.2.0.2 R=10.1.0.1

# Traffic. host: the router pings the client; c2s, s2c: a ping through the router;
# tcp PORT: the client opens PORT on the server. Each is a question and its answer.
host() {
	printf '%s\n' "o icmp $R $C type=8 rest=1 len=56" "c icmp $C $R type=0 rest=1 len=56"
}
c2s() {
	printf '%s\n' "c icmp $C $S type=8 rest=2 len=56" "s icmp $S $C type=0 rest=2 len=56"
}
s2c() {
	printf '%s\n' "s icmp $S $C type=8 rest=3 len=56" "c icmp $C $S type=0 rest=3 len=56"
}
tcp() {
	printf '%s\n' "c tcp $C:40000 $S:$1 flags=S" "s tcp $S:$1 $C:40000 flags=SA ack=1" \
		"c tcp $C:40000 $S:$1 flags=A seq=1 ack=1"
}

scene() {
	SCENE=$1
	reset_rules
}
# is TEXT WHERE N [WHERE N]... < frames
is() {
	local text=$1

	# legacy forgets the policies' counters whenever a rule changes (counters.sh)
	both -Z
	shift
	agree_and "$SCENE: $text" "$@"
}
ipt() {
	both "$@" || tap_ok 1 "$SCENE: iptables $*"
}

scene "full rules beside partial ones"
is "all open" c 1 l 1 < <(host)
ipt -P INPUT DROP
is "INPUT DROP takes the answer" c 1 l 0 < <(host)
ipt -A INPUT -s $C -d 10.0.22.0/24 -p tcp --sport 80 --dport 90 --syn -j ACCEPT
is "five fields, none right" c 1 l 0 < <(host)
ipt -A INPUT -s $C -d $R -p tcp --sport 80 --dport 90 --syn -j ACCEPT
is "right addresses, wrong protocol" c 1 l 0 < <(host)
ipt -A INPUT -s $C -p icmp -j ACCEPT
is "two fields, both right" c 1 l 1 < <(host)
ipt -P OUTPUT DROP
is "OUTPUT DROP takes the question" c 0 l 1 < <(host)
ipt -A OUTPUT -d $C -s 10.0.22.0/24 -p tcp --sport 80 --dport 90 --syn -j ACCEPT
ipt -A OUTPUT -d $C -s $R -p tcp --sport 80 --dport 90 --syn -j ACCEPT
is "OUTPUT: five fields, not right" c 0 l 1 < <(host)
ipt -A OUTPUT -d $C -p icmp -j ACCEPT
is "OUTPUT: two fields, right" c 1 l 1 < <(host)

scene "the same, as one restore"
both_restore <<-END
	*filter
	:INPUT DROP [0:0]
	:OUTPUT DROP [0:0]
	:FORWARD ACCEPT [0:0]
	-A INPUT -s $C -d 10.0.22.0/24 -p tcp -m tcp --sport 80 --dport 90 --syn -j ACCEPT
	-A INPUT -s $C -p icmp -j ACCEPT
	-A OUTPUT -d $C -p tcp -m tcp --sport 80 --dport 90 --syn -j ACCEPT
	-A OUTPUT -d $C -p icmp -j ACCEPT
	COMMIT
END
is "both directions" c 1 l 1 < <(host)

scene "head insert wins, delete by text"
ipt -P INPUT DROP
ipt -A INPUT -s $C -j ACCEPT
is "accepted" l 1 < <(host)
ipt -I INPUT -s $C -j DROP
is "the inserted drop is first" l 0 < <(host)
ipt -D INPUT -s $C -j DROP
is "and gone" l 1 < <(host)

scene "deletes and policies in turn"
ipt -P INPUT DROP
ipt -A INPUT -s $C -j ACCEPT
ipt -I INPUT -s $C -j DROP
is "drop before accept" l 0 < <(host)
ipt -D INPUT -s $C -j ACCEPT
is "only the drop" l 0 < <(host)
ipt -D INPUT -s $C -j DROP
ipt -P INPUT ACCEPT
is "policy ACCEPT" l 1 < <(host)
ipt -P INPUT DROP
is "policy DROP" l 0 < <(host)
ipt -A INPUT -s $C -p tcp -j DROP
ipt -A INPUT -s $C -j ACCEPT
is "after the second rule" l 1 < <(host)
ipt -A INPUT -s $C -p udp -j DROP
is "after the third" l 1 < <(host)
ipt -D INPUT 2
is "rule number 2 deleted" l 0 < <(host)
ipt -L INPUT -n
ipt -P INPUT ACCEPT

scene "only FORWARD concerns what is forwarded"
ipt -P INPUT DROP
ipt -P OUTPUT DROP
is "INPUT and OUTPUT DROP" s 1 c 1 < <(c2s)
ipt -P FORWARD DROP
is "FORWARD DROP" s 0 c 0 < <(c2s)

scene "drops and accepts per direction"
ipt -P FORWARD DROP
ipt -A FORWARD -s $C -d $S -j DROP
ipt -I FORWARD -s $S -d $C -j DROP
is "blocked" s 0 c 0 < <(c2s)
is "blocked back" s 0 c 0 < <(s2c)
ipt -P INPUT ACCEPT
ipt -P OUTPUT ACCEPT
is "other policies do not help" s 0 c 0 < <(c2s)
ipt -I FORWARD -s $S -j ACCEPT
ipt -I FORWARD -s $C -j ACCEPT
is "accepts at the head" s 1 c 1 < <(c2s)
is "accepts at the head, back" s 1 c 1 < <(s2c)
ipt -D FORWARD -s $S -j ACCEPT
ipt -D FORWARD -s $C -j ACCEPT
is "accepts deleted" s 0 c 0 < <(c2s)
ipt -D FORWARD -s $C -d $S -j DROP
ipt -D FORWARD -s $S -d $C -j DROP
is "only the policy" s 0 c 0 < <(c2s)
ipt -A FORWARD -p icmp -j ACCEPT
is "icmp accepted" s 1 c 1 < <(c2s)
is "icmp accepted, back" s 1 c 1 < <(s2c)

scene "two hosts"
ipt -P FORWARD DROP
is "blocked" s 0 c 0 < <(c2s)
ipt -A FORWARD -s $C -j ACCEPT
ipt -A FORWARD -s $S -j ACCEPT
ipt -P INPUT DROP
ipt -P OUTPUT DROP
is "open" s 1 c 1 < <(c2s)

scene "one rule in and out, three ways"
ipt -P FORWARD DROP
for how in "-I FORWARD" "-A FORWARD" "-I FORWARD 1"; do
	# shellcheck disable=SC2086 # words
	ipt $how -s 10.0.0.0/8 -j ACCEPT
	is "$how" s 1 c 1 < <(c2s)
	ipt -D FORWARD -s 10.0.0.0/8 -j ACCEPT
	is "$how, deleted" s 0 c 0 < <(c2s)
done

scene "overlapping prefixes: order decides, not length"
ipt -P FORWARD DROP
ipt -A FORWARD -s $C/32 -j ACCEPT
ipt -A FORWARD -s $S/32 -j ACCEPT
is "two hosts" s 1 c 1 < <(c2s)
ipt -I FORWARD -s 10.0.0.0/8 -j DROP
is "/8 drop first" s 0 c 0 < <(c2s)
ipt -D FORWARD -s 10.0.0.0/8 -j DROP
ipt -A FORWARD -s 10.0.0.0/8 -j DROP
is "/8 drop last" s 1 c 1 < <(c2s)
ipt -I FORWARD -s 10.1.0.0/24 -j DROP
is "the client's /24 first" s 0 c 1 < <(c2s)
ipt -D FORWARD 1
ipt -I FORWARD -s 10.2.0.0/24 -j DROP
is "the server's /24 first" s 1 c 0 < <(c2s)
ipt -R FORWARD 1 -s 10.2.0.128/25 -j DROP
is "the wrong half of it" s 1 c 1 < <(c2s)
ipt -R FORWARD 1 -s 10.2.0.0/29 -j DROP
is "a /29 with it" s 1 c 0 < <(c2s)

scene "TCP by port"
ipt -P FORWARD DROP
is "closed" s 0 c 0 < <(tcp 81)
ipt -A FORWARD -s $C -d $S -p tcp --dport 80 -j ACCEPT
ipt -A FORWARD -s $S -d $C -p tcp --sport 80 -j ACCEPT
is "80 opened" s 2 c 1 < <(tcp 80)
is "81 is not" s 0 c 0 < <(tcp 81)
ipt -D FORWARD -s $C -d $S -p tcp --dport 80 -j ACCEPT
ipt -D FORWARD -s $S -d $C -p tcp --sport 80 -j ACCEPT
is "closed again" s 0 c 0 < <(tcp 80)
ipt -P FORWARD ACCEPT
is "policy ACCEPT" s 2 c 1 < <(tcp 91)
ipt -A FORWARD -s 10.1.0.0/24 -d $S -p tcp --dport 90 -j DROP
is "90 dropped" s 0 c 1 < <(tcp 90)

scene "interfaces"
ipt -P FORWARD DROP
ipt -A FORWARD -i eth0 -j ACCEPT
is "only what the client's side sends" s 1 c 0 < <(c2s)
ipt -A FORWARD -i eth1 -j ACCEPT
is "both sides" s 1 c 1 < <(c2s)
ipt -D FORWARD -i eth0 -j ACCEPT
is "only the server's side" s 0 c 1 < <(c2s)
ipt -D FORWARD -i eth1 -j ACCEPT
is "none" s 0 c 0 < <(c2s)
ipt -P FORWARD ACCEPT
is "policy" s 1 c 1 < <(c2s)
ipt -P FORWARD DROP
is "the host itself" c 1 l 1 < <(host)
ipt -I INPUT -i eth0 -j DROP
is "INPUT -i" c 1 l 0 < <(host)
ipt -D INPUT -i eth0 -j DROP
is "INPUT -i deleted" c 1 l 1 < <(host)
ipt -I OUTPUT -o eth0 -j DROP
is "OUTPUT -o" c 0 l 1 < <(host)
ipt -D OUTPUT -o eth0 -j DROP
is "OUTPUT -o deleted" c 1 l 1 < <(host)

scene "exact rules at the head of INPUT (the hash that pcn called horus)"
ipt -P INPUT ACCEPT
is "open" l 1 < <(host)
ipt -A INPUT -s $C -j DROP
is "dropped" l 0 < <(host)
both -S INPUT && both -n -L INPUT
tap_ok $? "$SCENE: -S and -L work"
ipt -D INPUT -s $C -j DROP
is "open again" l 1 < <(host)
ipt -A INPUT -s 10.1.0.0/24 -p tcp -j DROP
is "a prefix with a protocol is not every address with it" l 1 < <(host)
is "INPUT rules leave forwarded packets alone" s 1 c 1 < <(c2s)
tap_done
