#!/bin/bash
# SPDX-License-Identifier: GPL-2.0-only
# shellcheck source=selftests/topo/twin.sh
# hooks: xdp-forward
#
# forward_flow.sh - init --forward under real connections: checksums, ARP, a neighbour that moves
#
# A sender on the far end of a veth leaves checksums to a device that is not there: such a
# packet must be the stack's, or it arrives broken. A neighbour must go on being asked for
# while the driver sends to it, or one that has moved is never found again.

. "$(dirname "$0")/twin.sh"
need tools python3 ping
twin_up stack
B=10.2.0.2
R=${NS[dut.r]} C=${NS[dut.c]} S=${NS[dut.s]}

event_of() {
	XTABLES_LOCKFILE=$TMP/lock.dut ns_exec "$R" "$BPFIPT" status |
		awk -v e="$1" '$1 == "event" && $2 == e { print $3 }'
}

# transfer BYTES - from client to server over TCP; prints what arrived, and its digest
transfer() {
	ns_exec "$C" python3 - "$B" "$1" "$S" <<-'END'
		import ctypes, hashlib, os, socket, sys, threading
		host, size, server = sys.argv[1], int(sys.argv[2]), sys.argv[3]
		libc = ctypes.CDLL(None)	# os.setns() is Python 3.12's
		fd = os.open("/run/netns/" + server, os.O_RDONLY)
		ready, got = threading.Event(), []
		def serve():
		    libc.setns(fd, 0x40000000)	# CLONE_NEWNET, this thread only
		    s = socket.create_server((host, 5001))
		    ready.set()
		    s.settimeout(20)
		    c, _ = s.accept()
		    c.settimeout(20)
		    h, n = hashlib.sha256(), 0
		    while b := c.recv(1 << 16):
		        h.update(b)
		        n += len(b)
		    got.append((n, h.hexdigest()))
		t = threading.Thread(target=serve)
		t.start()
		ready.wait(10)
		data = os.urandom(1 << 16) * (size >> 16)
		c = socket.create_connection((host, 5001), timeout=20)
		c.sendall(data)
		c.shutdown(socket.SHUT_WR)
		t.join(40)
		print("arrived whole" if got and got[0] == (len(data), hashlib.sha256(data).hexdigest()) else got)
	END
}

# shellcheck disable=SC2119
both_restore <<END
*filter
:INPUT ACCEPT [0:0]
:FORWARD DROP [0:0]
:OUTPUT ACCEPT [0:0]
-A FORWARD -m conntrack --ctstate RELATED,ESTABLISHED -j ACCEPT
-A FORWARD -m conntrack --ctstate INVALID -j DROP
-A FORWARD -i eth0 -m conntrack --ctstate NEW -j ACCEPT
COMMIT
END

before=$(event_of forwarded)
tap_same "TCP, 8 MB" "arrived whole" "$(transfer 8388608)"
n=$(($(event_of forwarded) - before))
[ $n -gt 1000 ]
tap_ok $? "its packets went on at the driver: $n"

# checksums left to the device: no packet may go on without them
for ns in "$C" "$S"; do
	dev=c0
	[ "$ns" = "$C" ] || dev=s0
	ns_exec "$ns" ethtool -K $dev tx on >/dev/null
done
before=$(event_of forwarded)
tap_same "TCP, checksums not complete" "arrived whole" "$(transfer 1048576)"
n=$(($(event_of forwarded) - before))
[ $n -lt 20 ]
tap_ok $? "its packets were the stack's, but for $n"
dropped=$(ns_exec "$S" cat /proc/net/snmp | awk '/^Tcp: [0-9]/ { print $14 }')
tap_same "and none came with a wrong checksum" 0 "$dropped"
for ns in "$C" "$S"; do
	dev=c0
	[ "$ns" = "$C" ] || dev=s0
	ns_exec "$ns" ethtool -K $dev tx off >/dev/null
done

# ARP: the neighbour is found, kept, and found again under another address
ip -n "$R" link set eth1 arp on
ip -n "$S" link set s0 arp on
ip -n "$R" neigh flush dev eth1
ns_write "$R" net/ipv4/neigh/eth1/base_reachable_time_ms 1000 net/ipv4/neigh/eth1/delay_first_probe_time 1 \
	net/ipv4/neigh/eth1/retrans_time_ms 200
ip -n "$R" neigh del "$B" dev eth1 2>/dev/null
before=$(event_of forwarded)
tap_check "a neighbour that has to be asked for" ns_exec "$C" ping -q -c 20 -i 0.05 -w 10 "$B"
[ $(($(event_of forwarded) - before)) -ge 10 ]
tap_ok $? "then its packets went on at the driver"
# stale: from here on the stack asks only when it has sent to it
ip -n "$R" neigh replace "$B" lladdr 02:00:00:00:02:02 dev eth1 nud stale
ip -n "$S" link set s0 address 02:00:00:00:02:99
ip -n "$S" neigh replace 10.2.0.1 lladdr 02:00:00:00:02:01 dev s0 nud permanent
ip -n "$S" route replace default via 10.2.0.1
before=$(event_of forwarded)
ns_exec "$C" ping -q -c 200 -i 0.05 -w 20 "$B" >"$TMP/ping"
ns_exec "$C" ping -q -c 10 -i 0.05 -w 5 "$B" >>"$TMP/ping"
tap_check "one that has moved is found again" grep -q "10 packets transmitted, 10 received" "$TMP/ping"
ip -n "$R" neigh show "$B" dev eth1 | grep -q 02:00:00:00:02:99
tap_ok $? "under its new address" || tap_note "$(ip -n "$R" neigh show dev eth1)" "$(cat "$TMP/ping")"
[ $(($(event_of forwarded) - before)) -ge 10 ]
tap_ok $? "and the driver sends to it"
tap_done
