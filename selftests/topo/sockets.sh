#!/bin/bash
# SPDX-License-Identifier: GPL-2.0-only
# shellcheck source=selftests/topo/twin.sh
# hooks: tc xdp netfilter
# alone: real connections against the clock
#
# sockets.sh - what applications feel: ping, UDP, TCP connect and transfer
#
# Each attempt is made in both worlds with the same tools; what it returned must be
# the same, and so must the counters where the kernel's own timing has no part
# (a dropped SYN is repeated by a timer, and ACKs are batched as they come, so for
# TCP only whether rules counted at all is compared). Lossy waits are bounded by
# the tools' own timeouts.

. "$(dirname "$0")/twin.sh"
need tools ping nc timeout
twin_up stack

S=10.2.0.2
# from WORLD ROLE CMD... - quietly; exit status is all that counts
from() {
	local ns=${NS[$1.$2]}

	shift 2
	ns_exec "$ns" timeout $((10 * SLOW)) "$@" >/dev/null 2>&1 </dev/null
}
# same_result TEXT WANT ROLE CMD... - WANT ok or blocked in the reference, and ours alike
same_result() {
	local text=$1 want=$2 role=$3 a=blocked b=blocked

	shift 3
	from ref "$role" "$@" && a=ok
	from dut "$role" "$@" && b=ok
	tap_same "$text: $want" "$want $want" "$a $b"
}
# serve ROLE PORT - a TCP listener in both worlds that sends what it receives back
serve() {
	local w

	for w in ref dut; do
		ns_spawn "${NS[$w.$1]}" python3 -c '
import socket, sys, threading
s = socket.socket()
s.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
s.bind(("0.0.0.0", int(sys.argv[1])))
s.listen(16)
def echo(c):
    while d := c.recv(65536):
        c.sendall(d)
    c.close()
while True:
    threading.Thread(target=echo, args=(s.accept()[0],), daemon=True).start()
' "$2" >/dev/null 2>&1
		busywait 20 listening "${NS[$w.$1]}" "$2" || tap_ok 1 "server on $2"
	done
}
listening() {
	ns_exec "$1" ss -Htln "sport = :$2" | grep -q .
}
transfer() {
	cat <<-'END'
		import socket, sys
		c = socket.create_connection((sys.argv[1], int(sys.argv[2])), 2)
		c.settimeout(5)
		want = bytes(range(256)) * 512
		c.sendall(want[:60000])
		got = b""
		while len(got) < 60000:
		    d = c.recv(65536)
		    if not d: break
		    got += d
		sys.exit(got != want[:60000])
	END
}
transfer >"$TMP/transfer.py"
tcp() {
	same_result "$1" "$2" "$3" python3 "$TMP/transfer.py" "$4" "$5"
}

serve s 8001
serve r 8002
serve c 8003

same_result "ping through" ok c ping -c2 -i0.2 -W1 -q $S
same_result "ping the router" ok c ping -c2 -i0.2 -W1 -q 10.1.0.1
same_result "ping from the router" ok r ping -c2 -i0.2 -W1 -q $S
same_counters "pings"
tcp "TCP through" ok c $S 8001
tcp "TCP to the router" ok c 10.1.0.1 8002
tcp "TCP from the router" ok r $S 8001
tcp "TCP to itself, over lo" ok r 127.0.0.1 8002
both -Z

both -P INPUT DROP
both -A INPUT -i lo -j ACCEPT
same_result "INPUT DROP: ping the router" blocked c ping -c1 -W1 -q 10.1.0.1
same_result "INPUT DROP: ping from the router gets no answer" blocked r ping -c1 -W1 -q $S
tcp "INPUT DROP: TCP to the router" blocked c 10.1.0.1 8002
tcp "INPUT DROP: TCP over lo" ok r 127.0.0.1 8002
tcp "INPUT DROP: TCP through" ok c $S 8001
both -A INPUT -p tcp --dport 8002 -j ACCEPT
tcp "its port opened" ok c 10.1.0.1 8002
both -F
both -P INPUT ACCEPT

both -P FORWARD DROP
tcp "FORWARD DROP: TCP through" blocked c $S 8001
both -A FORWARD -p tcp --dport 8001 -i eth0 -o eth1 -j ACCEPT
both -A FORWARD -p tcp --sport 8001 ! --syn -i eth1 -o eth0 -j ACCEPT
tcp "opened one way" ok c $S 8001
tcp "and not the other" blocked s 10.1.0.2 8003
both -F
both -P FORWARD ACCEPT

both -A OUTPUT -p tcp --dport 8001 -j DROP
tcp "OUTPUT: TCP from the router" blocked r $S 8001
tcp "OUTPUT does not concern what is forwarded" ok c $S 8001
both -D OUTPUT 1
tcp "deleted" ok r $S 8001
both -A OUTPUT -p icmp --icmp-type 8 -j DROP
same_result "OUTPUT: ping" blocked r ping -c1 -W1 -q $S
same_result "OUTPUT: answering a ping" ok c ping -c1 -W1 -q 10.1.0.1
both -F

# large datagrams: OUTPUT counts them once, before they are fragmented
both -Z
both -A OUTPUT -p udp --dport 5000
for w in ref dut; do
	ns_exec "${NS[$w.r]}" python3 -c '
import socket
s = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
s.sendto(b"x" * 100, ("10.2.0.2", 5000))'
done
tap_same "a UDP send is counted by OUTPUT" "1 128 1 128" \
	"$(saved ref | counters_of OUTPUT 1) $(saved dut | counters_of OUTPUT 1)"
tap_done
