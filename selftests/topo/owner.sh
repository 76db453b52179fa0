#!/bin/bash
# SPDX-License-Identifier: GPL-2.0-only
# shellcheck source=selftests/topo/twin.sh
# hooks: tc xdp netfilter
#
# owner.sh - what the host knows of a packet: owner, devgroup, physdev
#
# Senders are real sockets in the two routers: users and groups with and without
# supplementary ones, a SYN-ACK, a RST of the kernel's own, a reply to an echo request, a
# socket that was closed with data in flight, and a forwarded packet.

. "$(dirname "$0")/twin.sh"
need tools python3
twin_up stack

# owners RULE-SPEC... - every form of owner behind it
owners() {
	local o

	for o in "--uid-owner 0" "--uid-owner 1234" "! --uid-owner 1234" "--uid-owner 1000-1234" \
		"--uid-owner 1235-4294967294" "--gid-owner 4321" "! --gid-owner 4321" \
		"--gid-owner 5001" "--gid-owner 5001 --suppl-groups" "! --gid-owner 5001 --suppl-groups" \
		"--gid-owner 5100-5200 --suppl-groups" "--gid-owner 0 --suppl-groups" \
		"--uid-owner 1234 --gid-owner 4321" "--uid-owner 1234 ! --gid-owner 4321" \
		"! --uid-owner 1234 ! --gid-owner 0" \
		"--socket-exists" "! --socket-exists" "--socket-exists --uid-owner 0" \
		"! --socket-exists --uid-owner 0" "--socket-exists ! --uid-owner 0" \
		"! --socket-exists ! --uid-owner 0"; do
		echo "-A OUTPUT $* -m owner $o"
	done
}

rules() {
	printf '%s\n' '*filter' ':INPUT ACCEPT [0:0]' ':FORWARD ACCEPT [0:0]' ':OUTPUT ACCEPT [0:0]'
	owners -o eth1
	cat <<-END
		-A OUTPUT -p udp -m owner --uid-owner 1234 -m udp --dport 9 -j DROP
		-A FORWARD -m devgroup --src-group 0x10
		-A FORWARD -m devgroup --src-group 0x10/0xf0
		-A FORWARD -m devgroup ! --src-group 0x10/0xf0
		-A FORWARD -m devgroup --dst-group 0x21
		-A FORWARD -m devgroup ! --dst-group 0x21
		-A FORWARD -m devgroup --src-group 0x10 ! --dst-group 0x22
		-A INPUT -m devgroup --src-group 0x10/0xf0
		-A INPUT -m devgroup ! --src-group 0x10
		-A OUTPUT -m devgroup --dst-group 0x21
		-A OUTPUT -m devgroup ! --dst-group 0x21
		-A FORWARD -m devgroup --src-group 0x66 -j DROP
		-A INPUT -m physdev --physdev-is-bridged
		-A FORWARD -m physdev --physdev-is-bridged
		-A FORWARD -m physdev ! --physdev-is-bridged
		-A FORWARD -m physdev --physdev-is-out --physdev-is-bridged
		-A FORWARD -m physdev ! --physdev-is-out ! --physdev-is-bridged
		-A FORWARD -m physdev --physdev-out eth1 --physdev-is-bridged
		-A FORWARD -m physdev --physdev-in eth0 --physdev-is-bridged -j DROP
		COMMIT
	END
}
both_ip link set eth0 group 0x11
both_ip link set eth1 group 0x21
both_restore < <(rules)
tap_ok $? "ruleset goes in"

# As who: uid, gid, groups; 10 packets each, from a socket of that user's
sender='import os, socket, sys
for who in ((0, 0, [0]), (1234, 4321, []), (1234, 0, [0]), (1000, 5000, [5001, 5150, 0]), (65534, 4321, [5100, 5200])):
	pid = os.fork()
	if not pid:
		os.setgroups(who[2]); os.setresgid(*[who[1]] * 3); os.setresuid(*[who[0]] * 3)
		s = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
		s.bind(("10.2.0.1", 4444))
		for port in (8, 9, 10):
			try:
				s.sendto(b"x" * 10, ("10.2.0.2", port))
			except OSError:
				pass
		os._exit(0)
	os.waitpid(pid, 0)
'
for w in ref dut; do
	ns_exec "${NS[$w.r]}" python3 -c "$sender" >"$TMP/$w.sender" 2>&1
done
same_counters "users and groups of UDP senders"
tap_same "of these, uid 1234 sent" 6 "$(packets_of dut OUTPUT 2)"
tap_same "gid 5001 among the supplementary groups" 3 "$(packets_of dut OUTPUT 9)"

# Packets that no process sends, and a listener's SYN-ACK. How many ACKs there are beside
# these is TCP's affair: they are not compared.
{
	printf '%s\n' '*filter' ':INPUT ACCEPT [0:0]' ':FORWARD ACCEPT [0:0]' ':OUTPUT ACCEPT [0:0]'
	owners -p icmp
	owners -p tcp -m tcp --tcp-flags RST RST
	owners -p tcp -m tcp --tcp-flags SYN,ACK SYN,ACK
	owners -p tcp -m tcp --sport 8080 --tcp-flags ALL ACK
	echo COMMIT
} >"$TMP/wanted"
both_restore <"$TMP/wanted"
listener='import os, socket, sys, time
os.setresgid(4321, 4321, 4321); os.setresuid(1234, 1234, 1234)
s = socket.socket()
s.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
s.bind(("10.2.0.1", 8080))
s.listen(5)
print("ready", flush=True)
c, a = s.accept()
c.recv(3)
c.sendall(b"bye")
c.close()
s.close()
time.sleep(0.1)
'
client='import socket
s = socket.create_connection(("10.2.0.1", 8080), 5)
s.sendall(b"hey")
while s.recv(10):
	pass
s.close()
try:
	socket.create_connection(("10.2.0.1", 81), 5)
except OSError:
	pass
'
for w in ref dut; do
	ns_spawn "${NS[$w.r]}" python3 -c "$listener" >"$TMP/$w.listener" 2>&1
	ready() { grep -q ready "$TMP/$w.listener"; }
	busywait 10 ready
	ns_exec "${NS[$w.s]}" python3 -c "$client" >"$TMP/$w.client" 2>&1
	wait "$SPAWNED"
	ns_exec "${NS[$w.s]}" ping -c 2 -i 0.05 -W 2 10.2.0.1 >"$TMP/$w.ping"
done
few() { saved "$1" | grep -E 'icmp|RST RST|SYN,ACK SYN'; }
tap_same "echo replies, a RST, a SYN-ACK" "$(few ref)" "$(few dut)"
tap_same "all of them have a socket; only the SYN-ACK has a user" "2 1 1 1 0 0" \
	"$(few dut | awk '/-m owner --(socket-exists|uid-owner 1234)$/ { print substr($1, 2) + 0 }' | sort -r | tr '\n' ' ' | sed 's/ $//')"
last=$(saved dut | grep -c -- '-A OUTPUT')
[ "$(packets_of dut OUTPUT $((last - 4)))" -ge 1 ]
tap_ok $? "the ACK of a FIN that came after close() has none"
both_restore < <(rules)

agree_and "devgroup and physdev, forwarded and received" s 2 <<END
c icmp 10.1.0.2 10.2.0.2 type=0
c icmp 10.1.0.2 10.2.0.2 type=0 code=1
c icmp 10.1.0.2 10.1.0.1 type=0
s icmp 10.2.0.2 10.1.0.2 type=0
s icmp 10.2.0.2 10.2.0.1 type=0
END
# regression: an answer of REJECT went for its offender's user
{
	printf '%s\n' '*filter' ':INPUT ACCEPT [0:0]' ':FORWARD ACCEPT [0:0]' ':OUTPUT ACCEPT [0:0]'
	for m in "--uid-owner 0" "! --uid-owner 0" "--socket-exists" "! --socket-exists" "! --gid-owner 5"; do
		echo "-A OUTPUT -m owner $m"
	done
	echo '-A OUTPUT -p udp -j REJECT'
	echo '-A OUTPUT -p tcp -m tcp --tcp-flags RST NONE -j REJECT --reject-with tcp-reset'
	echo '-A INPUT -p tcp -m tcp --dport 22 -j REJECT --reject-with tcp-reset'
	echo COMMIT
} >"$TMP/wanted"
both_restore <"$TMP/wanted"
agree "who sends the answers of REJECT" <<END
o udp 10.2.0.1:1 10.2.0.2:2
o tcp 10.2.0.1:1 10.2.0.2:2 flags=S
c tcp 10.1.0.2:1 10.1.0.1:22 flags=S
END
tap_same "root sent two of the five" 2 "$(packets_of dut OUTPUT 1)"
both_restore < <(rules)
both_ip link set eth0 group 0x66
both_ip link set eth1 group 0x22
agree "groups change under the rules" <<END
c icmp 10.1.0.2 10.2.0.2 type=0
s icmp 10.2.0.2 10.1.0.2 type=0
c icmp 10.1.0.2 10.1.0.1 type=0
END
if [ "$DUT" = bpf ] && [ "$HOOK" != netfilter ]; then
	tap_refused "--physdev-in alone" dut -A FORWARD -m physdev --physdev-in eth0
	tap_refused "! --physdev-out" dut -A FORWARD -m physdev ! --physdev-out eth0
fi

# Ids are those of a network namespace's own user namespace: not ours, in this one.
if [ "$DUT" = bpf ] && [ "$HOOK" = tc ] && [ "$REF" = legacy ] && unshare -Un true 2>/dev/null; then
	unshare -Un sleep infinity &
	other=$!
	PIDS+=("$other")
	defer kill "$other"
	elsewhere() { nsenter --net="/proc/$other/ns/net" -- "$@" 2>&1; }
	is_elsewhere() { [ "$(elsewhere readlink /proc/self/ns/net)" != "$(readlink /proc/self/ns/net)" ]; }
	busywait 5 is_elsewhere
	tap_same "uids in another user namespace's" \
		"$(elsewhere iptables-legacy -A OUTPUT -m owner --uid-owner 0; echo $?)" \
		"$(elsewhere "$BPFIPT" -A OUTPUT -m owner --uid-owner 0; echo $?)"
	tap_refused "they are refused" elsewhere "$BPFIPT" -A OUTPUT -m owner --uid-owner 0
	tap_check "a socket has none" elsewhere "$BPFIPT" -A OUTPUT -m owner --socket-exists
	elsewhere "$BPFIPT" clean
fi
tap_done
