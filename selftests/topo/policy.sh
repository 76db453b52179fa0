#!/bin/bash
# SPDX-License-Identifier: GPL-2.0-only
# shellcheck source=selftests/topo/twin.sh
# hooks: tc xdp netfilter
#
# policy.sh - realm and policy: what the route says, and what IPsec did or is to do
#
# IPsec is one way only, so that a reply needs nothing. Every state has its own reqid:
#
#	client ==7== router ==8== server	tunnels, forwarded
#	client ==9== router			transport, received
#	       router ==10== server		transport, sent
#	       router ==11+12== server		one in the other, to 10.2.0.3

. "$(dirname "$0")/twin.sh"
need tools ping
C=10.1.0.2 S=10.2.0.2 R=10.1.0.1

if [ "$DUT" = bpf ] && [ "$HOOK" != netfilter ]; then
	twin_up wire
	for m in "realm --realm 1" "policy --dir in --pol none"; do
		# shellcheck disable=SC2086
		out=$(dut -A FORWARD -m $m -j DROP 2>&1)
		tap_same "$m: exit status 2" 2 $?
		tap_check "by name" grep -q "match .${m%% *}. cannot be enforced by this hook" <<<"$out"
		tap_same "nothing was added" "" "$(dut -S | grep -e '-A')"
	done
	tap_check "iptables takes it" ref -A FORWARD -m realm --realm 1
	tap_done
fi
twin_up wire

# --- realm
both_ip route add 10.3.5.0/24 via $S realm 5
both_ip route add 10.3.6.0/24 via $S realm 3/6
both_ip route add 10.4.0.0/24 via $C realm 9
chain() {
	cat <<-END
		-A $1 -m realm --realm 5
		-A $1 -m realm ! --realm 5
		-A $1 -m realm --realm 0/0xffff
		-A $1 -m realm --realm 0x90000/0xffff0000
		-A $1 -m realm --realm 0x30006
		-A $1 -m realm --realm 0x90005 -j DROP
	END
}
both_restore < <(
	printf '%s\n' '*filter' ':INPUT ACCEPT [0:0]' ':FORWARD ACCEPT [0:0]' ':OUTPUT ACCEPT [0:0]'
	chain INPUT; chain FORWARD; chain OUTPUT
	echo COMMIT
)
agree_and "realm" s 8 l 2 <<-END
	c udp $C:1 10.3.5.1:1
	c udp $C:1 10.3.6.1:1
	c udp $C:1 $S:1
	c udp 10.4.0.1:1 10.3.5.1:1
	c udp 10.4.0.1:1 10.3.6.1:1
	c udp 10.4.0.1:1 $S:1
	c udp 10.4.0.1:1 $R:1
	c udp $C:1 $R:1
	o udp 10.2.0.1:1 10.3.5.1:1
	o udp 10.2.0.1:1 10.3.6.1:1
	o udp 10.2.0.1:1 $S:1
END

# --- policy
# Every question, for each direction
asked() {
	local d

	for d in $2; do
		sed "s,^,-A $1 -m policy --dir $d ," <<-END
			--pol none
			--pol ipsec
			--pol ipsec --proto esp
			--pol ipsec --proto ah
			--pol ipsec ! --proto esp
			--pol ipsec --mode tunnel
			--pol ipsec --mode transport
			--pol ipsec ! --mode tunnel
			--pol ipsec --mode tunnel --tunnel-src $C --tunnel-dst 10.1.0.0/24
			--pol ipsec --mode tunnel ! --tunnel-src $C
			--pol ipsec --spi 0x107
			--pol ipsec ! --spi 0x108
			--pol ipsec --reqid 7
			--pol ipsec --reqid 8
			--pol ipsec --reqid 9
			--pol ipsec --reqid 10
			--pol ipsec --reqid 11
			--pol ipsec --reqid 12
			--pol ipsec ! --reqid 12
			--pol ipsec --strict --reqid 7
			--pol ipsec --strict --reqid 8 --proto esp
			--pol ipsec --strict --reqid 11
			--pol ipsec --strict ! --reqid 11
		END
	done
	[ "$1" = INPUT ] || sed "s,^,-A $1 -m policy --dir out --pol ipsec ," <<-END
		--strict --reqid 11 --next --reqid 12
		--strict --reqid 12 --next --reqid 11
		--strict --reqid 8 --next --reqid 8
		--strict --reqid 11 --next --reqid 12 --next --proto esp
	END
}
both_restore < <(
	printf '%s\n' '*filter' ':INPUT ACCEPT [0:0]' ':FORWARD ACCEPT [0:0]' ':OUTPUT ACCEPT [0:0]'
	asked INPUT in; asked FORWARD "in out"; asked OUTPUT out
	echo COMMIT
)
tap_ok $? "the questions go in"
agree_and "policy: without IPsec all is none" s 2 l 1 <<-END
	c udp $C:1 $S:1
	c udp $C:1 $R:1
	o udp 10.2.0.1:1 $S:1
END
both_refuse -A INPUT -m policy --dir out --pol none
tap_ok $? "--dir out in INPUT is an error"
out=$(dut -A INPUT -m policy --dir in --pol ipsec --strict --reqid 1 --next --reqid 2 2>&1)
tap_same "--strict with two elements and --dir in: 2" 2 $?
tap_check "by name" grep -q "match .policy. cannot be enforced" <<<"$out"

# state WHERE SRC DST REQID MODE - in both worlds, at each end; SPI 0x100 + REQID
state() {
	local w e

	for w in ref dut; do
		for e in $1; do
			ip -n "${NS[$w.$e]}" xfrm state add src "$2" dst "$3" proto esp \
				spi $((256 + $4)) reqid "$4" mode "$5" \
				auth 'hmac(sha256)' 0x00112233445566778899aabbccddeeff \
				enc 'cbc(aes)' 0x00112233445566778899aabbccddeeff || return
		done
	done
}
# policy WHERE DIR SRC DST TMPL... - likewise
policy() {
	local w e

	for w in ref dut; do
		for e in $1; do
			ip -n "${NS[$w.$e]}" xfrm policy add dir "$2" src "$3" dst "$4" "${@:5}" || return
		done
	done
}
if ! state "c r" $C $R 7 tunnel 2>"$TMP/err"; then
	tap_skip "policy with IPsec" "this kernel: $(head -1 "$TMP/err")"
	tap_done
fi
for w in ref dut; do
	world_stack "${NS[$w.c]}" c0 $C 10.1.0.1 02:00:00:00:01:01
	world_stack "${NS[$w.s]}" s0 $S 10.2.0.1 02:00:00:00:02:01
done
tunnel7=(tmpl src "$C" dst "$R" proto esp reqid 7 mode tunnel)
tunnel8=(tmpl src 10.2.0.1 dst "$S" proto esp reqid 8 mode tunnel)
state "r s" 10.2.0.1 $S 8 tunnel
state "c r" $C $R 9 transport
state "r s" 10.2.0.1 $S 10 transport
state r 10.2.0.1 10.2.0.3 11 transport
state r 10.2.0.1 10.2.0.3 12 tunnel
policy c out $C $S "${tunnel7[@]}"
policy r fwd $C $S "${tunnel7[@]}"
policy r out $C $S "${tunnel8[@]}"
policy s in $C $S "${tunnel8[@]}"
policy c out $C $R tmpl src $C dst $R proto esp reqid 9 mode transport
policy r out 10.2.0.1 $S tmpl src 10.2.0.1 dst $S proto esp reqid 10 mode transport
policy r out 10.2.0.1 10.2.0.3 tmpl src 10.2.0.1 dst 10.2.0.3 proto esp reqid 11 mode transport \
	tmpl src 10.2.0.1 dst 10.2.0.3 proto esp reqid 12 mode tunnel
both_ip neigh add 10.2.0.3 lladdr 02:00:00:00:02:02 dev eth1 nud permanent
both -Z
# pinged TEXT ROLE TO WANT-RC - what both pings say, and every counter
pinged() {
	local a b

	ns_exec "${NS[ref.$2]}" ping -q -n -c 2 -i 0.2 -W 1 "$3" >/dev/null 2>&1
	a=$?
	ns_exec "${NS[dut.$2]}" ping -q -n -c 2 -i 0.2 -W 1 "$3" >/dev/null 2>&1
	b=$?
	tap_same "$1: ping's status" "$4 $4" "$a $b"
	same_counters "$1: counters"
}
hits() {
	saved ref | grep -F -e "$1" | sed -n '1s/^\[\([0-9]*\):.*/\1/p'
}
pinged "forwarded, both sides" c $S 0
tap_same "iptables saw tunnel 7" 2 "$(hits "FORWARD -m policy --dir in --pol ipsec --reqid 7")"
tap_same "and tunnel 8" 2 "$(hits "FORWARD -m policy --dir out --pol ipsec --reqid 8")"
pinged "received" c $R 0
tap_same "iptables saw 9" 2 "$(hits "INPUT -m policy --dir in --pol ipsec --reqid 9")"
pinged "sent" r $S 0
tap_same "iptables saw 10" 2 "$(hits "OUTPUT -m policy --dir out --pol ipsec --reqid 10")"
pinged "one in the other" r 10.2.0.3 1
tap_same "iptables saw both, in order" 2 \
	"$(hits "OUTPUT -m policy --dir out --pol ipsec --strict --reqid 11 --next --reqid 12")"
tap_done
