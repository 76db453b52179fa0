#!/bin/bash
# SPDX-License-Identifier: GPL-2.0-only
# shellcheck source=selftests/topo/twin.sh
# hooks: tc xdp
#
# blind.sh - what tc and xdp see differently, row by row of Documentation/iptables-compat.rst
#
# Each case sends frames into both worlds and gives what a rule without a target has counted
# in each. A row that is no longer true fails here, and leaves the table.

. "$(dirname "$0")/twin.sh"
[ "$DUT" = bpf ] && [ "$REF" = legacy ] || skip_all "rows of bpf-iptables against iptables-legacy"
twin_up wire
C=10.1.0.2 G=10.1.0.1 S=10.2.0.2

# counted WORLD - packets:bytes of the one rule
counted() {
	fw "$1" -save -c -t filter | sed -n 's/^\[\([0-9:]*\)\] -A .*/\1/p'
}
# sees_by SENDER TEXT RULE REF DUT - the rule counts REF and DUT (regular expressions of
# packets:bytes) of what `SENDER WORLD` makes the packets go
sees_by() {
	local a b

	both_restore <<-END
		*filter
		:INPUT ACCEPT [0:0]
		:FORWARD ACCEPT [0:0]
		:OUTPUT ACCEPT [0:0]
		-A $3
		COMMIT
	END
	$1 ref
	$1 dut
	a=$(counted ref) b=$(counted dut)
	[[ $a =~ ^$4$ ]] && [[ $b =~ ^$5$ ]]
	tap_ok $? "$2: iptables $a, here $b"
}
# sees TEXT RULE REF DUT < frames
sees() {
	cat >"$TMP/frames"
	sees_by frames "$@"
}
frames() {
	world_inject "$1" "$TMP/frames" "$TMP/$1.rx"
}
# both_native TABLE ARGS... - the same rule into the native table
both_native() {
	local w

	for w in ref dut; do
		XTABLES_LOCKFILE=$TMP/lock.n ns_exec "${NS[$w.r]}" iptables-legacy -t "$@"
	done
}
both_write() {
	ns_write "${NS[ref.r]}" "$@"
	ns_write "${NS[dut.r]}" "$@"
}

both_ip route del default
sees "no route, forwarding on" "INPUT -p udp" 0:0 1:28 <<<"c udp $C:1 203.0.113.1:2"
both_ip route add default via $S dev eth1
sees "control: with a route neither chain INPUT" "INPUT -p udp" 0:0 0:0 <<<"c udp $C:1 203.0.113.1:2"
sees "a group that nobody joined" "INPUT -p udp" 0:0 1:28 <<<"c udp $C:1 224.0.0.99:2 dmac=mcast"
sees "later fragments of what is received" "INPUT -p udp" 1:52 1:36 <<-END
	c udp $C:1 $G:2 len=8 mf id=7
	c 17 $C $G pay=0102030405060708 off=2 id=7
END
# The pseudo header's sum is 0x1422; with 0xaa59 behind it badl4 turns the right checksum, 0x4177, into that
unsummed=1:30
{ [ "$HOOK" != xdp ] && ns_exec "${NS[dut.r]}" "$BPFIPT" status | grep -q '^kernel skb-fields *yes'; } || unsummed=0:0
sees "a wrong checksum that is the pseudo header's alone" "FORWARD -m conntrack --ctstate INVALID" 1:30 $unsummed \
	<<<"c udp $C:1 $S:2 pay=aa59 badl4"
sees "control: another wrong checksum" "FORWARD -m conntrack --ctstate INVALID" 1:30 1:30 <<<"c udp $C:1 $S:2 pay=aa5a badl4"
sees "strict source routing" "INPUT -p udp" 0:0 1:40 <<<"c udp $C:1 $G:2 opt=8907040a0900010000"
both_write net/ipv4/conf/eth0/rp_filter 1
sees "spoofed, with rp_filter" "FORWARD -p udp" 0:0 1:28 <<<"c udp 10.2.0.77:1 $S:2"
sees "control: a good source" "FORWARD -p udp" 1:28 1:28 <<<"c udp $C:1 $S:2"
both_write net/ipv4/conf/eth0/rp_filter 0 net/ipv4/ip_forward 0
sees "to another host, forwarding off" "INPUT -p udp" 0:0 1:28 <<<"c udp $C:1 $S:2"
both_write net/ipv4/ip_forward 1
both_native mangle -A PREROUTING -j MARK --set-mark 7
sees "a mark of mangle PREROUTING" "INPUT -p udp -m mark --mark 7" 1:28 0:0 <<<"c udp $C:1 $G:2"
both_native mangle -F PREROUTING
both_ip link add mv0 link eth1 type macvlan mode bridge
both_ip addr add 10.3.0.1/24 dev mv0
both_ip link set mv0 arp off up
both_ip neigh add 10.3.0.2 lladdr 02:00:00:00:02:02 dev mv0 nud permanent
dut -L >/dev/null && ns_exec "${NS[dut.r]}" "$BPFIPT" refresh
sees "sent over a macvlan" "OUTPUT -p udp" 1:28 2:56 <<<"o udp 10.3.0.1:1 10.3.0.2:2"
both_ip link del mv0
# a local route through a nexthop object: whose interface is it?
both_ip nexthop add id 5 dev eth0
both_ip route add local 10.9.0.0/24 nhid 5 table local
sees "control: LOCAL by a nexthop object" "INPUT -p udp -m addrtype --dst-type LOCAL" 1:28 1:28 <<<"c udp $C:1 10.9.0.1:2"
sees "LOCAL by a nexthop object, --limit-iface-in" "INPUT -p udp -m addrtype --dst-type LOCAL --limit-iface-in" 1:28 1:28 <<<"c udp $C:1 10.9.0.1:2"
sees "... where it is not the interface's" "INPUT -p udp -m addrtype ! --dst-type LOCAL --limit-iface-in" 0:0 0:0 <<<"c udp $C:1 10.9.0.1:2"
both_native nat -A PREROUTING -p udp --dport 53 -j DNAT --to $S
sees "DNAT: the address behind it" "FORWARD -d $S -p udp" 1:28 0:0 <<<"c udp $C:1 $G:53"
sees "DNAT: the address before it" "INPUT -d $G -p udp" 0:0 1:28 <<<"c udp $C:3 $G:53"
both_native nat -F PREROUTING

sees "control: an answer without NAT" "FORWARD -p udp -m conntrack --ctstate ESTABLISHED" 1:28 1:28 <<-END
	c udp $C:4 $S:5
	s udp $S:5 $C:4
END
both_native nat -A POSTROUTING -p udp -j SNAT --to 10.2.0.1
masqueraded="c udp $C:5 $S:6
s udp $S:6 10.2.0.1:5"
sees "the answer to what native NAT rewrote" "FORWARD -p udp -m conntrack --ctstate ESTABLISHED" 1:28 0:0 <<<"$masqueraded"
sees "... which is new to us, and for the host" "INPUT -p udp -m conntrack --ctstate NEW" 0:0 1:28 <<<"${masqueraded//:5/:7}"
both_native nat -F POSTROUTING

sees "fragments, once a rule looks at the state" "FORWARD -p udp -m conntrack --ctstate NEW" 1:60 1:36 <<-END
	c udp $C:21 $S:2 len=8 mf id=8 nocsum
	c 17 $C $S pay=0102030405060708090a0b0c0d0e0f10 off=2 id=8
END
tap_same "... all of them arrive" "2 2" "$(grep -c '^. s ' "$TMP/ref.rx") $(grep -c '^. s ' "$TMP/dut.rx")"
sees "control: one piece" "FORWARD -p udp -m conntrack --ctstate NEW" 1:60 1:60 <<<"c udp $C:22 $S:2 len=32"

# sendto WORLD - $SIZE bytes of UDP from the router; what became of it in $TMP/WORLD.error
sendto() {
	ns_exec "${NS[$1.r]}" python3 -c '
import errno, socket, sys
try:
    socket.socket(socket.AF_INET, socket.SOCK_DGRAM).sendto(bytes(int(sys.argv[1])), ("10.2.0.2", 9))
    print("sent")
except OSError as e:
    print(errno.errorcode[e.errno])' "$SIZE" >"$TMP/$1.error"
}
SIZE=3000
sees_by sendto "a datagram fragmented here" "OUTPUT -p udp" 1:3028 1:1500
SIZE=300
sees_by sendto "control: in one piece" "OUTPUT -p udp" 1:328 1:328
tap_same "... and no error" "sent sent" "$(cat "$TMP/ref.error" "$TMP/dut.error" | paste -sd' ')"
sees_by sendto "a dropped packet of the host's own" "OUTPUT -p udp -j DROP" 1:328 1:328
tap_same "... gives its sender EPERM or nothing" "EPERM sent" "$(cat "$TMP/ref.error" "$TMP/dut.error" | paste -sd' ')"

own="o udp 10.1.0.1:1 10.1.0.255:2"
seen=1:28
[ "$HOOK" != xdp ] || seen=0:0
sees "an own broadcast that comes back" "INPUT -p udp" 1:28 $seen <<<"$own"
sees "control: the broadcast of another" "INPUT -p udp" 1:28 1:28 <<<"c udp $C:1 10.1.0.255:2 dmac=bcast"
sees "an own broadcast that is dropped" "OUTPUT -p udp -j DROP" 1:28 1:28 <<<"$own"
tap_same "... its copy for the host, its copy on the wire" "0 0 1 0" \
	"$(for w in ref dut; do for p in l c; do grep -c "^1 $p " "$TMP/$w.rx"; done; done | paste -sd' ')"

sees "REJECT of a raw socket's packet from a broadcast address" "OUTPUT -j REJECT" 2:84 1:28 <<<"o udp 127.255.255.255:1 $S:2"
sees "control: from an address" "OUTPUT -j REJECT" 2:84 2:84 <<<"o udp 10.2.0.1:1 $S:2"

sees "u32 sees record route as received" "INPUT -p udp -m u32 --u32 20>>8&0xff=4" 0:0 1:36 <<<"c udp $C:1 $G:2 opt=0707040000000001"
sees "... which the stack fills in first" "INPUT -p udp -m u32 --u32 20>>8&0xff=8" 1:36 0:0 <<<"c udp $C:1 $G:2 opt=0707040000000001"
sees "control: an option the stack leaves alone" "INPUT -p udp -m u32 --u32 20>>24=0x94" 1:32 1:32 <<<"c udp $C:1 $G:2 opt=94040000"
sees "string sees record route as received" "FORWARD -p udp -m string --hex-string |070704| --algo kmp" 0:0 1:36 <<<"c udp $C:1 $S:2 opt=0707040000000001"

# a broadcast address whose interface has no carrier
if_add eth10
both_ip addr add 10.11.0.1/24 dev eth10
both_write net/ipv4/conf/eth10/ignore_routes_with_linkdown 1
dut -L >/dev/null && ns_exec "${NS[dut.r]}" "$BPFIPT" refresh
sees "control: BROADCAST, with a carrier" "OUTPUT -p udp -m addrtype --dst-type BROADCAST" 1:28 1:28 <<<"o udp 10.11.0.1:1 10.11.0.255:2"
both_ip link set eth10p down
sees "BROADCAST, by a route that ignore_routes_with_linkdown disables" "OUTPUT -p udp -m addrtype --dst-type BROADCAST" 0:0 1:28 <<<"o udp 10.2.0.1:1 10.11.0.255:2"
if_del eth10

# a VRF slave
if both_ip link add vrf0 type vrf table 10 2>/dev/null; then
	both_ip link set vrf0 up
	if_add eth11
	both_ip link set eth11 master vrf0
	both_ip addr add 10.12.0.1/24 dev eth11
	dut -L >/dev/null && ns_exec "${NS[dut.r]}" "$BPFIPT" refresh
	# from_peer WORLD - one datagram from the other end of eth11
	from_peer() {
		ns_exec "${NS[$1.r]}" python3 -c '
import socket, sys
s = socket.socket(socket.AF_PACKET, socket.SOCK_RAW)
s.bind(("eth11p", 0))
s.send(bytes.fromhex(sys.argv[1].replace(":", "") + "020000000099" + "0800" +
    "4500001c000000004011" + "66b7" + "0a0c0002" + "0a0c0001" + "0001000200080000"))' \
			"$(ip -n "${NS[$1.r]}" -o link show eth11 | grep -o 'link/ether [^ ]*' | cut -d' ' -f2)"
		pause 2
	}
	sees_by from_peer "a VRF slave by its own name" "INPUT -i eth11 -p udp" 0:0 1:28
	sees_by from_peer "... and by its master's" "INPUT -i vrf0 -p udp" 1:28 0:0
	sees_by from_peer "control: by none" "INPUT -p udp" 1:28 1:28
	if_del eth11
	both_ip link del vrf0
else
	tap_skip "a VRF slave's name" "no VRF devices in this kernel"
fi

# One TCP packet of 5,000 bytes in five segments, headers in one piece of memory
# and most of the rest in another: "needle" is across the pieces, "haystack" across segments.
gso() {
	ns_exec "${NS[$1.c]}" python3 -c '
import socket, struct
SOL_PACKET, PACKET_VNET_HDR = 263, 15
pay = bytearray(5000)
pay[10:16] = b"needle"
pay[996:1004] = b"haystack"
tcp = struct.pack("!HHIIBBHHH", 1, 2, 1, 0, 0x50, 0x10, 1000, 0, 0)
ip = bytearray(struct.pack("!BBHHHBBH4s4s", 0x45, 0, 5040, 7, 0x4000, 64, 6, 0,
                           socket.inet_aton("10.1.0.2"), socket.inet_aton("10.1.0.1")))
def total(data):
    s = sum(struct.unpack("!%dH" % (len(data) // 2), data))
    while s >> 16:
        s = (s & 0xffff) + (s >> 16)
    return s
ip[10:12] = struct.pack("!H", ~total(ip) & 0xffff)
tcp = bytearray(tcp)
tcp[16:18] = struct.pack("!H", total(bytes(ip[12:20]) + struct.pack("!HH", 6, 5020)))
s = socket.socket(socket.AF_PACKET, socket.SOCK_RAW)
s.setsockopt(SOL_PACKET, PACKET_VNET_HDR, 1)
s.bind(("c0", 0))
# NEEDS_CSUM, TCPV4; 14 + 20 + 20 + 13 bytes in the first piece
s.send(struct.pack("=BBHHHH", 1, 1, 67, 1000, 34, 16) +
       bytes.fromhex("0200000001010200000001020800") + ip + tcp + pay)'
	pause 3
}
for w in ref dut; do
	ns_exec "${NS[$w.c]}" ethtool -K c0 tx on sg on gso on tso on >/dev/null
done
whole=1:5040 pattern=1:5040
[ "$HOOK" != xdp ] || whole=5:5200 pattern=0:0
sees_by gso "a super-packet" "INPUT -p tcp" 1:5040 $whole
sees_by gso "a pattern across two of its segments" "INPUT -p tcp -m string --string haystack --algo kmp" 1:5040 $pattern
[ "$HOOK" != xdp ] || whole=1:1040
sees_by gso "control: a pattern in one" "INPUT -p tcp -m string --string needle --algo kmp" 1:5040 $whole
sees_by gso "bm, across two pieces of memory" "INPUT -p tcp -m string --string needle --algo bm" 0:0 $whole

# ports of a bridge, with br_netfilter
# shellcheck disable=SC2034 # twin.sh reads it
BRIDGED=1
modprobe -q br_netfilter 2>/dev/null
if both_ip link add br0 address 02:00:00:00:01:01 type bridge forward_delay 0 mcast_snooping 0 2>/dev/null &&
	[ -e /proc/sys/net/bridge/bridge-nf-call-iptables ]; then
	for w in ref dut; do
		ip -n "${NS[$w.r]}" -batch - <<-END
			addr flush dev eth0
			addr flush dev eth1
			link set eth0 master br0
			link set eth1 master br0
			link set br0 up
			addr add $G/24 dev br0
		END
		bridge -n "${NS[$w.r]}" fdb add 02:00:00:00:02:02 dev eth1 master static
	done
	both_write net/bridge/bridge-nf-call-iptables 1
	dut -L >/dev/null && ns_exec "${NS[dut.r]}" "$BPFIPT" refresh
	sees "bridged, with br_netfilter" "FORWARD -p udp" 1:28 0:0 <<<"c udp $C:1 10.1.0.3:2 dmac=020000000202"
	sees "control: up to the bridge itself" "INPUT -i br0 -p udp" 1:28 1:28 <<<"c udp $C:1 $G:2"
else
	tap_skip "bridged frames with br_netfilter" "no bridge, or no br_netfilter"
fi
tap_done
