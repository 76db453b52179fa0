#!/bin/bash
# SPDX-License-Identifier: GPL-2.0-only
# shellcheck source=selftests/topo/twin.sh
# hooks: tc xdp netfilter
#
# tcpmss.sh - the TCPMSS target: what comes out is the same, byte for byte
#
# Rules behind the target show that the walk goes on, with the packet as it is then.

. "$(dirname "$0")/twin.sh"
C=10.1.0.2 S=10.2.0.2 R=10.1.0.1
SYN='-p tcp -m tcp --tcp-flags SYN,RST SYN'

if [ "$HOOK" = netfilter ] && [ "$DUT" = bpf ]; then
	twin_up wire
	refused=$(dut -A FORWARD $SYN -j TCPMSS --set-mss 1400 2>&1)
	tap_same "refused by name: 2" "2" "$(dut -A FORWARD $SYN -j TCPMSS --set-mss 1400 2>/dev/null; echo $?)"
	tap_check "and why" grep -q "target .TCPMSS. cannot be enforced by this hook" <<<"$refused"
	tap_same "nothing was added" "" "$(dut -S | grep TCPMSS)"
	tap_check "the match alone is not" dut -A FORWARD $SYN -j ACCEPT
	tap_done
fi
twin_up wire

both_refuse -A FORWARD -j TCPMSS --set-mss 1400
tap_ok $? "without --syn it is an error, as in iptables"
both_refuse -A INPUT $SYN -j TCPMSS --clamp-mss-to-pmtu
tap_ok $? "--clamp-mss-to-pmtu in INPUT is an error"

# --- set
chain() {
	cat <<-END
		-A $1 $SYN -m tcp --dport 1 -j TCPMSS --set-mss 1000
		-A $1 $SYN -m tcp --dport 2 -j TCPMSS --set-mss 300
		-A $1 $SYN -m tcp --dport 3 -j TCPMSS --set-mss 0
		-A $1 $SYN -m tcp --dport 4 -j TCPMSS --set-mss 65515
		-A $1 -p tcp -m tcp --tcp-flags SYN SYN --dport 5 -j TCPMSS --set-mss 1000
		-A $1 $SYN -m tcp --dport 5 -j TCPMSS --set-mss 900
		-A $1 -p tcp -m length --length 40
		-A $1 -p tcp -m length --length 44
		-A $1 -p tcp -m length --length 45:60
		-A $1 -p tcp -m tcp --tcp-option 2
		-A $1 -p tcp -m tcpmss --mss 536
		-A $1 -p tcp -m tcpmss --mss 901:1000
		-A $1 -p tcp -m tcp --tcp-flags SYN SYN -m tcpmss --mss 900 -j ACCEPT
		-A $1 -p tcp -m u32 --u32 "0&0xffff=44"
	END
}
both_restore < <(
	printf '%s\n' '*filter' ':INPUT ACCEPT [0:0]' ':FORWARD ACCEPT [0:0]' ':OUTPUT ACCEPT [0:0]'
	chain FORWARD; chain INPUT; chain OUTPUT
	echo COMMIT
)
tap_ok $? "ruleset goes in"

# frames FROM SRC DST - every kind of options, for each rule
frames() {
	local p o

	for p in 1 2 3 4 5 6; do
		echo "$1 tcp $2:1024 $3:$p flags=S"
		echo "$1 tcp $2:1024 $3:$p flags=S len=4"
		for o in 020405b4 02040100 0204ffff 0101020405b40101 01020405b4010101 \
			0103030702040218 020405b40402080a0102030405060708 02030405 0300020405b40101 \
			0402080a01020304050607080103030a 00000000 $(printf '01%.0s' {1..40}) \
			$(printf '01%.0s' {1..36}); do
			echo "$1 tcp $2:1024 $3:$p flags=S topt=$o"
		done
	done
	echo "$1 tcp $2:1024 $3:1 flags=SR topt=020405b4"
	echo "$1 tcp $2:1024 $3:1 flags=SA topt=020405b4"
	echo "$1 tcp $2:1024 $3:1 flags=SA topt=020405b4 len=7"
	echo "$1 tcp $2:1024 $3:1 flags=A topt=020405b4"
}
FORWARDED=94
agree_and "FORWARD: options of every kind" s $FORWARDED < <(frames c $C $S)
agree_and "INPUT" l $FORWARDED < <(frames c $C $R)
agree_and "OUTPUT" s $FORWARDED < <(frames o 10.2.0.1 $S)
agree_and "IP options, a VLAN tag of nobody, odd ports" s 3 <<-END
	c tcp $C:1 $S:1 flags=S opt=01010101
	c tcp $C:1 $S:1 flags=S opt=0101010101010101 topt=020405b4
	c tcp $C:1 $S:1 flags=S vlan=0
END
agree_and "padding behind the packet" s 5 <<-END
	c tcp $C:1 $S:1 flags=S pad=6
	c tcp $C:1 $S:1 flags=S pad=4
	c tcp $C:1 $S:1 flags=S pad=3 topt=04020000
	c tcp $C:1 $S:1 flags=S pad=60
	c tcp $C:1 $S:1 flags=S pad=6 topt=020405b4
END
agree_and "a wrong checksum stays wrong" s 2 <<-END
	c tcp $C:1 $S:1 flags=S badl4
	c tcp $C:1 $S:1 flags=S badl4 topt=020405b4
END
agree "malformed: the target drops, and its rule counts" <<-END
	c tcp $C:1 $S:1 flags=S doff=4
	c tcp $C:1 $S:1 flags=S doff=6
	c tcp $C:1 $S:1 flags=S doff=15
	c tcp $C:1 $S:1 flags=S doff=0 len=30
	c tcp $C:1 $S:1 flags=S l4=19
	c tcp $C:1 $S:1 flags=S l4=12
	c tcp $C:1 $S:6 flags=S doff=4
END
agree "a first fragment; and later ones, which are nobody's" <<-END
	c tcp $C:1 $S:1 flags=S topt=020405b4 mf id=7
	c tcp $C:1 $S:1 flags=S mf len=4 id=7
	c tcp $C:1 $S:1 flags=S off=5 id=7
END
agree_and "every carry of the checksums" s 200 < <(
	for ((i = 0; i < 100; i++)); do
		echo "c tcp $C:$((i * 641 + 5)) $S:1 flags=S id=$((i * 653)) topt=020405b4"
		echo "c tcp $C:$((i * 641 + 5)) $S:1 flags=S id=$((i * 653)) seq=$((i * 42949672))"
	done
)

# --- what a connection remembers, REJECT and LOG go with the packet as it is
rules <<-END
	$SYN -j TCPMSS --set-mss 500
	-m conntrack --ctstate NEW -m length --length 44
	-m conntrack --ctstate ESTABLISHED
	-p tcp -m tcp --dport 7 -j REJECT
END
agree "conntrack and REJECT behind it" <<-END
	c tcp $C:9 $S:1 flags=S seq=100
	s tcp $S:1 $C:9 flags=SA seq=300 ack=101 topt=020405b4
	c tcp $C:9 $S:1 flags=A seq=101 ack=301
	c tcp $C:9 $S:7 flags=S
	c tcp $C:9 $S:7 flags=S topt=020405b4
END

# --- clamp. A route's own MTU, the device's, a learned one; there and back.
reset_rules
rules <<-END
	$SYN -j TCPMSS --clamp-mss-to-pmtu
	-p tcp -m tcpmss --mss 1460
	-p tcp -m tcpmss --mss 536
END
both -A OUTPUT $SYN -j TCPMSS --clamp-mss-to-pmtu
both -A OUTPUT -p tcp -m tcpmss --mss 1001:1460
both_ip route add 10.3.1.0/24 via $S mtu 1000
both_ip route add 10.3.2.0/24 via $S mtu lock 900
both_ip route add 10.3.3.0/24 via $S mtu 3000
both_ip route add 10.3.4.0/24 via $S
both_ip route add 10.3.5.0/24 via $S mtu 40
both_ip route add 10.3.6.0/24 via $S mtu 41
both_ip route add 10.3.8.0/24 via $S tos 0x10 mtu 800
both_ip route add 10.3.8.0/24 via $S mtu 1200
both_ip route add 10.4.1.0/24 via $C mtu 700
both_ip route add 10.4.2.0/24 via $C mtu 1700
both_ip route add blackhole 10.4.3.0/24

# learned ADDRESS MTU - a router that says so, to an echo reply that was ours
learned() {
	local hex

	printf -v hex '%02x%02x%02x%02x' ${1//./ }
	echo "s icmp $S 10.2.0.1 type=3 code=4 rest=0x$(printf %04x "$2")" \
		"pay=4500001c0001000040010000""0a020001$hex""0000ffff00000000"
}
learn() {
	agree "the router is told that $1 takes $2 bytes" < <(learned "$@")
	tap_check "and believes it" grep -q "mtu $2" <(ip -n "${NS[dut.r]}" route get "$1")
}
# syns FROM SRC - to each route; OUTPUT comes before fragmentation: nothing long to 40
syns() {
	local to

	for to in $S 10.3.1.1 10.3.2.1 10.3.3.1 10.3.4.1 ${3-10.3.5.1 10.3.6.1} 10.3.8.1 10.3.4.9; do
		echo "$1 tcp $2:1 $to:1 flags=S topt=020405b4"
		echo "$1 tcp $2:1 $to:1 flags=S topt=0204ffff"
		echo "$1 tcp $2:1 $to:1 flags=S"
	done
	echo "$1 tcp $2:1 10.3.8.1:1 flags=S topt=020405b4 tos=0x10"
}
agree_and "clamp in FORWARD: each route's own MTU" s 28 < <(syns c $C)
agree "clamp in OUTPUT" < <(
	syns o 10.2.0.1 ""
	echo "o tcp 10.2.0.1:1 10.3.5.1:1 flags=S"
)
agree "clamp in FORWARD: of the way back" < <(
	for from in 10.4.1.1 10.4.2.1 10.4.3.1 10.4.9.1; do
		syns c $from
	done
)
learn 10.3.4.9 600
agree "clamp in FORWARD: a learned MTU" < <(syns c $C)
agree "clamp in OUTPUT: a learned MTU" < <(syns o 10.2.0.1 "")
both_ip link set eth1 mtu 1300
agree "the device's MTU: beyond" < <(syns c $C)
agree "the device's MTU: in OUTPUT" < <(syns o 10.2.0.1 "")
both_ip link set eth1 mtu 1500
both_ip link set eth0 mtu 1280
agree "the device's MTU: on the way back" < <(syns c $C; syns c 10.4.1.1; syns c 10.4.2.1)
for w in ref dut; do ns_write "${NS[$w.r]}" net/ipv4/conf/lo/forwarding 0; done
agree "lo does not forward" < <(syns c $C; syns c 10.4.1.1)
for w in ref dut; do ns_write "${NS[$w.r]}" net/ipv4/conf/lo/forwarding 1; done
both_ip link set eth0 mtu 1500

both_ip rule add to 10.99.0.0/16 lookup main pref 5
agree_and "policy routing: locked, learned and the device's MTU" s 2 <<-END
	c tcp $C:1 10.3.2.1:1 flags=S topt=020405b4
	c tcp $C:1 10.3.4.1:1 flags=S topt=020405b4
END
world_inject ref <(echo "c tcp $C:1 10.3.1.1:1 flags=S topt=020405b4") "$TMP/ref.rx" &&
	world_inject dut <(echo "c tcp $C:1 10.3.1.1:1 flags=S topt=020405b4") "$TMP/dut.rx"
tap_check "policy routing: iptables sees a route's own MTU" grep -q 020403c0 "$TMP/ref.rx"
[ "$DUT" != bpf ] || tap_check "and we do not (Documentation/iptables-compat.rst)" grep -q 020405b4 "$TMP/dut.rx"
both -Z
both_ip rule del pref 5

# --- checksums that the device is still to make (CHECKSUM_PARTIAL)
# partial WORLD OPTIONS - a SYN with these TCP options from the client; what the server gets
cat >"$TMP/partial.py" <<'END'
import ctypes, os, socket, struct, sys
def enter(ns):
    if ctypes.CDLL(None).setns(os.open("/run/netns/" + ns, os.O_RDONLY), 0x40000000):
        sys.exit("setns")
enter(sys.argv[2])
rx = socket.socket(socket.AF_PACKET, socket.SOCK_RAW, socket.htons(0x800))
rx.bind(("s0", 0))
rx.settimeout(float(sys.argv[4]))
enter(sys.argv[1])
tx = socket.socket(socket.AF_PACKET, socket.SOCK_RAW, 0)
tx.setsockopt(263, 15, 1)	# SOL_PACKET, PACKET_VNET_HDR
tx.bind(("c0", 0x800))
opt = bytes.fromhex(sys.argv[3])
def fold(b):
    n = sum(struct.unpack(">%dH" % (len(b) // 2), b))
    while n > 0xffff:
        n = (n >> 16) + (n & 0xffff)
    return n
addr = socket.inet_aton("10.1.0.2") + socket.inet_aton("10.2.0.2")
pseudo = fold(addr + struct.pack(">HH", 6, 20 + len(opt)))
tcp = struct.pack(">HHIIBBHHH", 1, 1, 7, 0, 80 + len(opt) * 4, 2, 0x2000, pseudo, 0) + opt
ip = struct.pack(">BBHHHBBH", 0x45, 0, 20 + len(tcp), 1, 0, 64, 6, 0) + addr
ip = ip[:10] + struct.pack(">H", 0xffff ^ fold(ip)) + ip[12:]
mac = bytes.fromhex("020000000101" "020000000102" "0800")
tx.send(struct.pack("=BBHHHH", 1, 0, 54 + len(opt), 0, 34, 16) + mac + ip + tcp)
try:
    frame = rx.recv(2000)
except TimeoutError:
    sys.exit("nothing")
pseudo = frame[26:34] + struct.pack(">HH", 6, len(frame) - 34)
print(frame.hex(), "sum", hex(fold(pseudo + frame[34:])))
END
partial() {
	python3 "$TMP/partial.py" "${NS[$1.c]}" "${NS[$1.s]}" "$2" "${3:-5}" 2>&1
}
rules <<-END
	$SYN -j TCPMSS --set-mss 700
END
for w in ref dut; do
	ns_exec "${NS[$w.c]}" ethtool -K c0 tx on >/dev/null 2>&1
	tap_check "$w: a frame that its device is to sum gets a right sum" \
		grep -q 'sum 0xffff$' <<<"$(partial $w 020402bc)"
done
for o in 020405b4 0101020405b40101; do
	tap_same "an option is written over, $o" "$(partial ref $o)" "$(partial dut $o)"
done
failed() {
	ns_exec "${NS[dut.r]}" "$BPFIPT" status 2>/dev/null | awk '$2 == "tcpmss-failed" { print $3 }'
}
was=$(failed)
for o in "" 04020101; do
	want=$(partial ref "$o")
	tap_check "put in by iptables: [$o]" grep -q "02040218.*0xffff$" <<<"$want"
	if [ "$DUT" = bpf ] && [ "$HOOK" = xdp ]; then
		tap_same "xdp cannot put one in: dropped" nothing "$(partial dut "$o" 0.5)"
	else
		tap_same "put in by both: [$o]" "$want" "$(partial dut "$o")"
	fi
done
if [ "$DUT" = bpf ] && [ "$HOOK" = xdp ]; then
	tap_same "status says so" $((was + 2)) "$(failed)"
else
	same_counters "each counted"
fi

# --- at an odd offset: a wrong checksum, written behind GRO or before it
rules <<<""
both -A INPUT $SYN -j TCPMSS --set-mss 700
for w in ref dut; do
	ns_exec "${NS[$w.r]}" ethtool -K eth0 gro on >/dev/null 2>&1
	ns_spawn "${NS[$w.r]}" nc -lk 81 >/dev/null 2>&1
	busywait 20 eval 'ns_exec "${NS[$w.r]}" ss -Htln | grep -q :81'
done
# answered WORLD OPTIONS - does a SYN with them get its SYN-ACK?
answered() {
	world_inject "$1" <(echo "c tcp $C:$((++SPORT)) $R:81 flags=S topt=$2") "$TMP/$1.rx"
	grep -c '^1 c' "$TMP/$1.rx"
}
SPORT=2000
tap_same "an even offset: answered" "1 1" "$(answered ref 0101020405b40101) $(answered dut 0101020405b40101)"
tap_same "an odd one: by iptables, and at tc" "1 $([ "$DUT$HOOK" = bpfxdp ] && echo 0 || echo 1)" \
	"$(answered ref 01020405b4010101) $(answered dut 01020405b4010101)"
for w in ref dut; do
	ns_exec "${NS[$w.r]}" ethtool -K eth0 gro off >/dev/null 2>&1
done

# --- a connection, through it and from the router itself
for w in ref dut; do
	world_stack "${NS[$w.c]}" c0 $C 10.1.0.1 02:00:00:00:01:01
	world_stack "${NS[$w.s]}" s0 $S 10.2.0.1 02:00:00:00:02:01
	ns_exec "${NS[$w.r]}" ethtool -K eth1 tx on >/dev/null 2>&1
	ns_spawn "${NS[$w.s]}" python3 -c 'import socket
s = socket.create_server(("", 80))
while True:
    c = s.accept()[0]
    c.sendall(b"%d" % c.getsockopt(6, 2))
    c.close()' >/dev/null 2>&1
	# shellcheck disable=SC2016
	busywait 20 eval 'ns_exec "${NS[$w.s]}" ss -Htln | grep -q :80'
done
both -A OUTPUT $SYN -j TCPMSS --set-mss 800
for w in c r; do
	for o in on off; do
		for n in ref dut; do
			ns_exec "${NS[$n.c]}" ethtool -K c0 tx $o >/dev/null 2>&1
			ns_exec "${NS[$n.r]}" ethtool -K eth1 tx $o >/dev/null 2>&1
			ns_exec "${NS[$n.$w]}" timeout $((10 * SLOW)) nc -d $S 80 >"$TMP/$n.mss"
		done
		tap_check "a connection from $w, tx checksums $o: $(cat "$TMP/ref.mss")" [ -s "$TMP/ref.mss" ]
		tap_same "and the same MSS" "$(cat "$TMP/ref.mss")" "$(cat "$TMP/dut.mss")"
	done
done
tap_done
