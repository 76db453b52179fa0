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
# Exit status: 0 the two agree, 1 they do not, else it could not run. Nothing is left
# behind. HOOK=xdp shows the other hook.

PATH=/usr/local/sbin:/usr/sbin:/usr/bin:/sbin:/bin:$PATH
INJECT=/bin/true	# twin.sh's frame injector has no part in real traffic
cd "$(dirname "$0")/.." || exit 1
. selftests/topo/twin.sh
need root
need tools ping nc python3 ethtool iptables-legacy

say() { printf '\n\033[1m== %s\033[0m\n' "$*"; }

twin_up stack >"$TMP/up.log" || { cat "$TMP/up.log"; exit 2; }
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
-A FORWARD -i eth1 -o eth0 -s $S/32 -p udp -m udp --sport 53 -j ACCEPT
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
both_restore <"$TMP/demo.rules" || { echo "restore failed"; exit 2; }

# in_both TEXT WANT CMD... - the same traffic in both worlds; WANT: allowed or refused
bad=0
in_both() {
	local text=$1 want=$2 w rc seen=()

	shift 2
	for w in ref dut; do
		ns_exec "${NS[$w.c]}" "$@" >/dev/null 2>&1
		rc=$?
		[ $rc -eq 0 ] && seen+=(allowed) || seen+=(refused)
	done
	if [ "${seen[*]}" = "$want $want" ]; then
		printf '  %-44s %s by both\n' "$text" "$want"
	else
		printf '  %-44s EXPECTED %s; %s by iptables, %s by bpf-iptables\n' \
			"$text" "$want" "${seen[@]}"
		bad=1
	fi
}

# in_servers PROTO PORT CMD... - a server in each world; nsenter itself goes into the
# background, so that clean-up ends the server and not a shell that waits for it
in_servers() {
	local proto=$1 port=$2 w

	shift 2
	for w in ref dut; do
		nsenter --net="/run/netns/${NS[$w.s]}" -- "$@" >/dev/null 2>&1 &
		defer kill $!
		busywait 20 listening "${NS[$w.s]}" "$proto" "$port" || {
			echo "no server on $proto port $port"
			exit 2
		}
	done
}

# the socket is there: TCP state 0A is LISTEN, UDP state 07 is bound
listening() {
	ns_exec "$1" grep -Eq "$(printf ':%04X 00000000:0000 (0A|07)' "$3")" "/proc/net/$2"
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
# A question and its answer over UDP; with no address, the server that answers.
cat >"$TMP/ask.py" <<'END'
import socket, sys
s = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
if len(sys.argv) == 2:
    s.bind(("0.0.0.0", int(sys.argv[1])))
    while True:
        data, peer = s.recvfrom(2048)
        s.sendto(data, peer)
s.settimeout(0.6)
s.connect((sys.argv[1], int(sys.argv[2])))
s.send(b"where is example.org?")
try:
    s.recv(2048)
except OSError:
    sys.exit(1)
END

say "real traffic through both"
in_servers tcp 80 nc -lk "$S" 80
in_servers tcp 22 nc -lk "$S" 22
in_servers udp 53 python3 "$TMP/ask.py" 53
in_servers udp 54 python3 "$TMP/ask.py" 54
in_both "ping the server" allowed ping -c2 -i0.2 -W1 $S
in_both "ping the router" allowed ping -c1 -W1 10.1.0.1
in_both "TCP to the server's port 80" allowed python3 "$TMP/connect.py" $S 80
in_both "TCP to the server's port 22" refused python3 "$TMP/connect.py" $S 22
in_both "TCP to the router itself" refused python3 "$TMP/connect.py" 10.1.0.1 80
in_both "UDP to port 53, answered" allowed python3 "$TMP/ask.py" $S 53
in_both "UDP to port 54" refused python3 "$TMP/ask.py" $S 54
in_both "ping from a black-listed address" refused \
	bash -c "ip addr add 203.0.113.9/32 dev c0 && ping -c1 -W1 -I 203.0.113.9 $S"

# The last segments of a closing connection may still be under way.
settled() {
	saved ref >"$TMP/ref.saved"
	saved dut >"$TMP/dut.saved"
	cmp -s "$TMP/ref.saved" "$TMP/dut.saved"
}
busywait 3 settled
agree=$?

say "iptables -L -v -n in the native router"
ref -L -v -n
say "bpf-iptables -L -v -n in ours (hook $HOOK)"
dut -L -v -n

say "verdict"
hit=$(grep -c '^\[[1-9].*-A' "$TMP/dut.saved")
if [ $agree -eq 0 ] && [ $bad -eq 0 ] && [ "$hit" -ge 9 ]; then
	echo "bpf-iptables and iptables AGREE: same answers, same packets and bytes on every" \
		"rule and policy ($hit rules were hit)."
	exit 0
fi
echo "bpf-iptables and iptables DISAGREE ($hit rules were hit):"
diff "$TMP/ref.saved" "$TMP/dut.saved"
exit 1
