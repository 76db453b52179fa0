#!/bin/bash
# SPDX-License-Identifier: GPL-2.0-only
# shellcheck source=selftests/topo/twin.sh
# hooks: tc xdp netfilter
#
# programs.sh - real programs through a stateful ruleset: what they report is the same
#
# The client may open to the server; only answers come back. curl, nc, ping, traceroute,
# iperf3, DNS over UDP and path MTU discovery run in both worlds with the same command,
# and what they print, without times and rates, must be equal. Each has a control that
# the ruleset blocks. A program that is not installed is a skip.

. "$(dirname "$0")/twin.sh"
need tools ping nc timeout python3
twin_up stack
S=10.2.0.2
both_restore <<END || skip_all "the ruleset is refused: $(grep -h cannot "$TMP"/*.out | head -1)"
*filter
:INPUT DROP [0:0]
:FORWARD DROP [0:0]
:OUTPUT ACCEPT [0:0]
-A INPUT -m conntrack --ctstate RELATED,ESTABLISHED -j ACCEPT
-A INPUT -p icmp -m icmp --icmp-type 8 -j ACCEPT
-A FORWARD -m conntrack --ctstate INVALID -j DROP
-A FORWARD -m conntrack --ctstate RELATED,ESTABLISHED -j ACCEPT
-A FORWARD -i eth0 -p tcp -m multiport --dports 80,5201,7000 -m conntrack --ctstate NEW -j ACCEPT
-A FORWARD -i eth0 -p udp -m multiport --dports 53,33434:33500 -m conntrack --ctstate NEW -j ACCEPT
-A FORWARD -i eth0 -p icmp -m icmp --icmp-type 8 -j ACCEPT
COMMIT
END
tap_ok $? "a stateful ruleset goes in"

# in_both TEXT FILTER ROLE CMD... - what CMD prints and returns there, through sed FILTER
in_both() {
	local text=$1 filter=$2 role=$3 w

	shift 3
	for w in ref dut; do
		{ ns_exec "${NS[$w.$role]}" timeout $((15 * SLOW)) "$@" 2>&1 </dev/null; echo "exit $?"; } |
			sed -E "$filter" >"$TMP/said.$w"
	done
	tap_same "$text" "$(cat "$TMP/said.ref")" "$(cat "$TMP/said.dut")"
}
# in_both_like TEXT FILTER REGEX ROLE CMD... - and the reference says REGEX
in_both_like() {
	local text=$1 want=$3

	in_both "$text" "$2" "${@:4}"
	grep -qE -- "$want" "$TMP/said.ref" || tap_note "$(head -20 "$TMP/said.ref")"
	tap_check "$text: $want" grep -qE -- "$want" "$TMP/said.ref"
}
# listening WORLD PROTO PORT
listening() {
	ns_exec "${NS[$1.s]}" ss -Hln "-$2" "sport = :$3" | grep -q .
}
serve() {
	local proto=$1 port=$2 w

	shift 2
	for w in ref dut; do
		ns_spawn "${NS[$w.s]}" "$@" >/dev/null 2>&1
	done
	for w in ref dut; do
		busywait 10 listening $w "$proto" "$port"
	done
}
have() {
	command -v "$1" >/dev/null && return
	tap_skip "$1" "not installed"
	return 1
}

ping_filter='s/time.?[0-9.]+ ?ms//; s/^rtt.*//; s/, pipe.*//'
in_both_like "ping to the server" "$ping_filter" " 0% packet loss" c ping -n -c 3 -i 0.2 -W 2 $S
in_both_like "ping to the router" "$ping_filter" " 0% packet loss" c ping -n -c 2 -i 0.2 -W 2 10.1.0.1
in_both_like "the server's ping is blocked" "$ping_filter" "100% packet loss" s ping -n -c 2 -i 0.2 -W 1 10.1.0.2

mkdir "$TMP/www"
head -c 300000 /dev/urandom | base64 >"$TMP/www/file"
# http.server, but that it would ask for the address's name, and no name server answers here
cat >"$TMP/web.py" <<'END'
import runpy, socket
socket.getfqdn = lambda name="": name
runpy.run_module("http.server", run_name="__main__")
END
serve t 80 python3 "$TMP/web.py" -b $S -d "$TMP/www" 80
serve t 81 python3 "$TMP/web.py" -b $S -d "$TMP/www" 81
if have curl; then
	in_both_like "curl fetches a file" 's/^$//' "$(cksum <"$TMP/www/file" | cut -d' ' -f1)" \
		c sh -c "curl -s -m 8 http://$S/file | cksum"
	in_both_like "curl to a port that is not open" 's/after [0-9]+ //' "exit 28" c curl -sS -m 2 http://$S:81/file
fi
serve t 7000 sh -c "trap 'kill \$!; exit' TERM; while :; do nc -l -N $S 7000 <$TMP/www/file & wait; done"
in_both_like "nc" 's/^$//' "$(cksum <"$TMP/www/file" | cut -d' ' -f1)" c sh -c "nc -w 5 $S 7000 </dev/null | cksum"

# a name server that knows one answer
cat >"$TMP/dns.py" <<'END'
import socket, struct, sys
s = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
if sys.argv[1] == "serve":
    s.bind(("10.2.0.2", 53))
    while True:
        q, who = s.recvfrom(512)
        s.sendto(q[:2] + b"\x81\x80\0\1\0\1\0\0\0\0" + q[12:] + b"\xc0\x0c\0\1\0\1\0\0\0\x3c\0\4\xc0\0\2\x07", who)
s.settimeout(2)
s.connect(("10.2.0.2", int(sys.argv[2])))
s.send(struct.pack(">HHHHHH", 7, 0x100, 1, 0, 0, 0) + b"\7example\3org\0\0\1\0\1")
try:
    print(socket.inet_ntoa(s.recv(512)[-4:]))
except OSError as e:
    print(type(e).__name__)
END
serve u 53 python3 "$TMP/dns.py" serve
in_both_like "DNS over UDP" 's/^$//' "192.0.2.7" c python3 "$TMP/dns.py" ask 53
in_both_like "a UDP port that is not open" 's/^$//' "imeout" c python3 "$TMP/dns.py" ask 54

if have traceroute; then
	trace='s/ +[0-9.]+ ms//g'
	in_both_like "traceroute" "$trace" "2 +$S" c traceroute -n -q 1 -w 2 -m 4 $S
fi
if have iperf3; then
	serve t 5201 iperf3 -s -B $S
	in_both_like "iperf3" '/iperf Done|^exit/!d' "iperf Done" c timeout $((10 * SLOW)) iperf3 -c $S -t 1
fi

# Path MTU: the far link is narrower. The router's ICMP must reach the client (OUTPUT),
# and the client must believe it.
for w in ref dut; do
	ip -n "${NS[$w.r]}" link set eth1 mtu 1000
	ip -n "${NS[$w.s]}" link set s0 mtu 1000
done
in_both_like "a ping too big is told the MTU" "$ping_filter" "mtu ?= ?1000" c ping -n -M 'do' -c 1 -W 2 -s 1200 $S
in_both_like "TCP finds the path MTU" 's/^$//' "answered 1000" c python3 -c "
import socket
s = socket.create_connection(('$S', 80), 5)
s.settimeout(8)
s.sendall(b'GET /' + b'x' * 1500 + b' HTTP/1.0\r\n\r\n')
print('answered' if b' 404 ' in s.recv(64) else 'odd', s.getsockopt(socket.IPPROTO_IP, 14))"

tap_check "rules counted answers" test "$(packets_of dut FORWARD 2)" -gt 100
tap_done
