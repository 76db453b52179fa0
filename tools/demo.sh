#!/bin/bash
# SPDX-License-Identifier: GPL-2.0-only
# shellcheck source=selftests/topo/twin.sh
#
# demo.sh - a router filtered by bpf-iptables, beside one filtered by iptables
#
#	client (10.1.0.2) ---- (10.1.0.1) router (10.2.0.1) ---- (10.2.0.2) server
#
# twice: world "ref" has native iptables-legacy in its router, world "dut" has
# bpf-iptables. The same ruleset goes into both with the same command line, the same
# ping, TCP and UDP traffic runs through both, and every rule's counters are compared.
# Nothing is left behind. HOOK=xdp shows the other hook.

cd "$(dirname "$0")/.." || exit 1
. selftests/topo/twin.sh
need root
need tools ping nc python3 ethtool iptables-legacy

say() { printf '\n\033[1m== %s\033[0m\n' "$*"; }

twin_up stack >/dev/null || exit 1
S=10.2.0.2

say "the ruleset, into both routers with -restore"
tee "$TMP/demo.rules" <<END
*filter
:INPUT DROP [0:0]
:FORWARD DROP [0:0]
:OUTPUT ACCEPT [0:0]
:blacklist - [0:0]
:services - [0:0]
-A INPUT -i lo -j ACCEPT
-A INPUT -p icmp -m icmp --icmp-type 8 -j ACCEPT
-A FORWARD -j blacklist
-A FORWARD -i eth1 -o eth0 -s $S/32 -p tcp -m tcp ! --tcp-flags FIN,SYN,RST,ACK SYN -m comment --comment "answers" -j ACCEPT
-A FORWARD -i eth1 -o eth0 -p icmp -m icmp --icmp-type 0 -j ACCEPT
-A FORWARD -i eth0 -d $S/32 -g services
-A blacklist -s 203.0.113.0/24 -j DROP
-A blacklist -m iprange --src-range 198.51.100.7-198.51.100.99 -j DROP
-A services -p icmp -m icmp --icmp-type 8 -j ACCEPT
-A services -p tcp -m multiport --dports 80,443,8000:8010 -j ACCEPT
-A services -p tcp -m tcp --dport 22 -m comment --comment "no ssh from outside" -j DROP
-A services -p udp -m udp --dport 53 -j ACCEPT
COMMIT
END
both_restore <"$TMP/demo.rules" || { echo "restore failed"; cat "$TMP/ref.out" "$TMP/dut.out"; exit 1; }

# in_both TEXT WANT CMD... - the same traffic in both worlds, ended as WANT (0 or not)
bad=0
in_both() {
	local text=$1 want=$2 w rc=() word

	shift 2
	for w in ref dut; do
		ns_exec "${NS[$w.c]}" "$@" >/dev/null 2>&1
		rc+=($?)
	done
	word=refused
	[ "$want" -ne 0 ] || word=allowed
	if { [ "$want" -eq 0 ] && [ "${rc[0]}" -eq 0 ] && [ "${rc[1]}" -eq 0 ]; } ||
		{ [ "$want" -ne 0 ] && [ "${rc[0]}" -ne 0 ] && [ "${rc[1]}" -ne 0 ]; }; then
		printf '  %-44s %s by both\n' "$text" "$word"
	else
		printf '  %-44s EXPECTED %s; iptables: exit %d, bpf-iptables: exit %d\n' \
			"$text" "$word" "${rc[@]}"
		bad=1
	fi
}

# A listener in each server, ended with its namespace's clean-up.
listen() {
	local w

	for w in ref dut; do
		ns_exec "${NS[$w.s]}" nc -lk "$S" "$1" >/dev/null 2>&1 &
		defer kill $!
		busywait 20 listening "${NS[$w.s]}" "$1" || exit 1
	done
}
listening() {
	ns_exec "$1" grep -q "$(printf ':%04X 00000000:0000 0A' "$2")" /proc/net/tcp
}

# A connection that is reset at once, so that both worlds exchange the same segments
# (SYN, SYN-ACK, ACK, RST): an orderly close merges ACK and FIN when it likes.
cat >"$TMP/connect.py" <<'END'
import socket, struct, sys
s = socket.socket()
s.settimeout(0.6)
s.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
try:
    s.connect((sys.argv[1], int(sys.argv[2])))
except OSError:
    sys.exit(1)
s.close()
END

say "real traffic through both"
listen 80
listen 22
in_both "ping the server" 0 ping -c2 -i0.2 -W1 $S
in_both "ping the router" 0 ping -c1 -W1 10.1.0.1
in_both "TCP to the server's port 80" 0 python3 "$TMP/connect.py" $S 80
in_both "TCP to the server's port 22" 1 python3 "$TMP/connect.py" $S 22
in_both "TCP to the router itself" 1 python3 "$TMP/connect.py" 10.1.0.1 80
in_both "UDP to port 53" 0 bash -c "echo query >/dev/udp/$S/53"
in_both "UDP to port 54, lost on the way" 0 bash -c "echo query >/dev/udp/$S/54"
in_both "ping from a black-listed address" 1 bash -c "ip addr add 203.0.113.9/32 dev c0 && ping -c1 -W1 -I 203.0.113.9 $S"

# The last segments of a closing connection may still be under way.
settled() {
	saved ref >"$TMP/ref.saved"
	saved dut >"$TMP/dut.saved"
	cmp -s "$TMP/ref.saved" "$TMP/dut.saved"
}
busywait 3 settled

say "iptables -L -v -n -x in the native router"
ref -L -v -n -x
say "bpf-iptables -L -v -n -x in ours (hook $HOOK)"
dut -L -v -n -x

say "verdict"
if settled && [ $bad -eq 0 ]; then
	echo "bpf-iptables and iptables agree on every packet: same verdicts, same counters on every rule."
	exit 0
fi
echo "bpf-iptables and iptables DISAGREE:"
diff "$TMP/ref.saved" "$TMP/dut.saved"
exit 1
