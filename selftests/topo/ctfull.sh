#!/bin/bash
# SPDX-License-Identifier: GPL-2.0-only
# shellcheck source=selftests/topo/flood.sh
# hooks: tc xdp netfilter
# alone: floods a CPU, and lowers nf_conntrack_max for the whole machine
#
# ctfull.sh - the conntrack table is full: an established connection goes on
#
# A TCP connection with sockets at both ends exchanges numbered messages through the
# router, whose rules accept ESTABLISHED and NEW, while its table (ROOM entries: the
# kernel's by nf_conntrack_max, ours by --conntrack-max) is full:
#
#	flood	4096 flows of UDP that nobody answers: unassured entries, which give way
#	filled	more handshakes than there is room for: assured ones, which do not. New
#		connections are refused
#	over	the fillers are reset: there is room again
#
# The steps are the same in both worlds, one after the other; the native one does not depend
# on our hook, and is gone through at netfilter only. What a flood of unassured
# entries lets in differs, and is a row of iptables-compat.rst: the kernel looks for a
# victim in 8 buckets of its hash only.

. "$(dirname "$0")/flood.sh" stack
[ "$DUT" = bpf ] || skip_all "only for bpf-iptables"
MAX=/proc/sys/net/netfilter/nf_conntrack_max
# Our table may keep a few entries whose time is up: a new one looks for them in 64 of
# 2 * ROOM places. So many spare ones find the last of them.
ROOM=1024 SPARE=400
RATE=$((30000 / SLOW))	# of the flood, packets a second: the sockets want the CPU, too
modprobe -q nf_conntrack 2>/dev/null
old_max=$(cat $MAX) && { echo "$old_max" >$MAX; } 2>/dev/null || skip_all "$MAX cannot be written"
flood_templates 1 4096 10.9.0.9

# live.py - both ends of the connection; commands on stdin, an answer to each
cat >"$TMP/live.py" <<'END'
import ctypes, os, socket, struct, sys, threading, time
client, server = sys.argv[1:3]
SLOW = int(sys.argv[3])
ADDR = ("10.2.0.2", 80)

def enter(ns):
    fd = os.open("/run/netns/" + ns, os.O_RDONLY)
    if ctypes.CDLL(None, use_errno=True).setns(fd, 0x40000000):
        raise OSError(ctypes.get_errno(), ns)

def read(s, n):
    data = b""
    while len(data) < n:
        data += s.recv(n - len(data)) or sys.exit("closed")
    return data

def echo(s):
    while True:
        s.sendall(read(s, 8))

enter(server)
listener = socket.create_server(ADDR, backlog=64)
enter(client)
conn = socket.create_connection(ADDR, 10)
conn.settimeout(20)
threading.Thread(target=echo, args=[listener.accept()[0]], daemon=True).start()

# a new connection, and its end by a RST
def new():
    s = socket.socket()
    s.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
    s.settimeout(0.7 * SLOW)
    try:
        s.connect(ADDR)
        listener.accept()[0].close()
        return "yes"
    except OSError:
        return "no"
    finally:
        s.close()

# exchanges of so many seconds: how many, how many answers were wrong
def talk(seconds):
    end = time.monotonic() + seconds
    n = wrong = 0
    while time.monotonic() < end:
        n += 1
        conn.sendall(struct.pack("!Q", n))
        wrong += struct.unpack("!Q", read(conn, 8)) != (n,)
    return "%d %d" % (n, wrong)

print("ready", flush=True)
for line in sys.stdin:
    print(new() if line == "new\n" else talk(float(line)), flush=True)
END

# tell WORDS - to live.py; its answer is printed
tell() {
	local answer

	echo "$*" >&"${live[1]}"
	read -rt 60 answer <&"${live[0]}"
	echo "$answer"
}
talks() {	# TEXT TENTHS
	local n wrong

	read -r n wrong < <(tell $(($2 / 10)).$(($2 % 10)))
	[ "${n:-0}" -ge $((5 * $2 / SLOW)) ] && [ "$wrong" = 0 ]
	tap_ok $? "$1: ${n:-no} messages in $2 tenths of a second, ${wrong:-?} answers wrong"
}

# full WORLD - packets and entries that a full table has cost so far
full() {
	if [ "$kernel" = 1 ]; then
		# the columns drop and early_drop, hexadecimal, a line for each CPU
		ns_exec "${NS[$1.r]}" cat /proc/net/stat/nf_conntrack | python3 -c '
import sys
head, *cpus = [line.split() for line in sys.stdin]
print(sum(int(c[head.index(n)], 16) for c in cpus for n in ("drop", "early_drop")))'
	else
		ns_exec "${NS[$1.r]}" "$BPFIPT" status |
			awk '$2 == "conntrack-full" || $2 == "conntrack-early-drop" { n += $3 } END { print n + 0 }'
	fi
}
# refused WORLD - packets that our table had no room for
refused() {
	ns_exec "${NS[$1.r]}" "$BPFIPT" status | awk '$2 == "conntrack-full" { print $3 }'
}
# collect WORLD - entries whose time is up go when they are listed; the kernel's own round takes a minute
collect() {
	[ "$kernel" = 0 ] || ns_exec "${NS[$1.r]}" cat /proc/net/nf_conntrack >/dev/null
}
entries() {
	if [ "$kernel" = 1 ]; then
		ns_exec "${NS[$1.r]}" cat /proc/sys/net/netfilter/nf_conntrack_count
	else
		ns_exec "${NS[$1.r]}" "$BPFIPT" conntrack -C
	fi
}
# handshakes FROM N | resets FROM N - frames of the fillers, which no stack answers
fillers() {
	awk -v n="$2" -v what="$1" 'BEGIN { for (i = 0; i < n; i++) {
		a = "10.8.0.1:" 1024 + i; b = "10.9.0.1:80"
		if (what == "reset")
			printf "c tcp %s %s flags=R seq=101\n", a, b
		else
			printf "c tcp %s %s flags=S seq=100\ns tcp %s %s flags=SA seq=500 ack=101\nc tcp %s %s flags=A seq=101 ack=501\n",
				a, b, b, a, a, b
	} }'
}
# new_packets WORLD - that the rule for NEW has counted
new_packets() {
	packets_of "$1" FORWARD 2
}
# stack_counts NS FILE KIND NAME - what that stack has counted
stack_counts() {
	ns_exec "${NS[$1]}" awk -v kind="$3:" -v name="$4" '$1 != kind { next }
		!at { for (i = 2; i <= NF; i++) if ($i == name) at = i; next }
		{ print $at }' "/proc/net/$2"
}
# reached WORLD - the server's stack, of the flood: not for it, and it does not forward
reached() { stack_counts "$1.s" snmp Ip InAddrErrors; }
# again WORLD - SYNs that the client has repeated, when that took longer than a second
again() { stack_counts "$1.c" netstat TcpExt TCPSynRetrans; }
lets_in() { collect "$1" && [ "$(tell new)" = yes ]; }

# full_table WORLD - the whole story there
full_table() {
	local w=$1 before was new n repeated

	kernel=0
	[ "$w" = dut ] && [ "$HOOK" != netfilter ] || kernel=1
	[ $kernel = 0 ] || echo $ROOM >$MAX
	coproc live { exec python3 "$TMP/live.py" "${NS[$w.c]}" "${NS[$w.s]}" $SLOW; }
	live_pid=$!
	PIDS+=("$live_pid")
	read -rt 20 <&"${live[0]}"
	talks "$w: before" 5

	flood_start 60 "$w" -p $RATE
	is_full() { [ "$(full "$w")" -gt $((ROOM / 2)) ]; }
	tap_check "$w: a flood fills the table" busywait 30 is_full
	talks "$w: during the flood the connection goes on" 10
	# ours is read while it changes: what moves meanwhile may be met twice. The kernel counts
	# an entry before it is refused (__nf_conntrack_alloc()), on each CPU one.
	n=$(for i in {1..40}; do entries "$w"; done | sort -n | tail -1)
	[ "$n" -gt $((ROOM / 2)) ] && [ "$n" -le $((kernel ? ROOM + $(nproc) : ROOM * 9 / 8)) ]
	tap_ok $? "$w: and the table keeps its size: $n entries at most"
	[ $kernel = 1 ] || tap_same "$w: new connections find room" yes "$(tell new)"
	flood_stop
	echo "# $w: $(cat "$TMP/sent") frames, $(full "$w") times no room"
	new=$(new_packets "$w")		# with the SYN of the first one, and of "find room"
	if [ $kernel = 1 ]; then
		tap_same "$w: what the rules have counted went through" "$(reached "$w")" $((new - 1))
	else
		tap_same "$w: what the rules have counted went through, or is counted as refused" \
			$(($(reached "$w") + $(refused "$w"))) $((new - 2))
	fi
	was=$SECONDS
	tap_check "$w: behind the flood new connections are let in" busywait 120 lets_in "$w"
	echo "# $w: after $((SECONDS - was)) s"

	quiet() { collect "$w" && [ "$(entries "$w")" = 1 ]; }
	tap_check "$w: nobody but the first connection is left" busywait 120 quiet
	fillers handshake $((ROOM + SPARE)) >"$TMP/fill"
	world_inject "$w" "$TMP/fill" "$TMP/$w.rx"
	tap_same "$w: full of established ones" $ROOM "$(entries "$w")"
	tap_same "$w: the last to come was refused" "" "$(awk -v n=$((3 * (ROOM + SPARE) - 2)) '$1 >= n' "$TMP/$w.rx")"
	talks "$w: full of others, the connection goes on" 10
	before=$(full "$w")
	was=$(new_packets "$w") repeated=$(again "$w")
	tap_same "$w: a new one is refused" no "$(tell new)"
	[ "$(full "$w")" -gt "$before" ]
	tap_ok $? "$w: and counted as such"
	if [ $kernel = 1 ]; then
		tap_same "$w: no rule has seen it" "$was" "$(new_packets "$w")"
	else
		was=$((was + 1 + $(again "$w") - repeated))
		tap_same "$w: the rule that would have let it in has counted it" $was "$(new_packets "$w")"
	fi

	fillers reset $((ROOM + SPARE)) >"$TMP/fill"
	world_inject "$w" "$TMP/fill" "$TMP/rx"
	was=$SECONDS
	tap_check "$w: when they have ended new ones are let in" busywait 120 lets_in "$w"
	echo "# $w: after $((SECONDS - was)) s"
	talks "$w: and the first one is still there" 5
	eval "exec ${live[1]}>&-"
	wait $live_pid
	tap_ok $? "$w: and was never reset"
	echo "$old_max" >$MAX
}

defer eval "echo $old_max >$MAX"
both_ip route add 10.8.0.0/16 via 10.1.0.2 dev eth0
for w in ref dut; do
	ns_write "${NS[$w.r]}" net/netfilter/nf_conntrack_udp_timeout 1 net/netfilter/nf_conntrack_tcp_timeout_close 1
done
bpf_clean >/dev/null
size=(--conntrack-max "$ROOM")
[ "$HOOK" != netfilter ] || size=()
tap_check "room for $ROOM" ns_exec "${NS[dut.r]}" "$BPFIPT-init" --hook "$HOOK" \
	"${size[@]}"
both_restore <<-END
	*filter
	:INPUT ACCEPT [0:0]
	:FORWARD DROP [0:0]
	:OUTPUT ACCEPT [0:0]
	-A FORWARD -m conntrack --ctstate ESTABLISHED -j ACCEPT
	-A FORWARD -m conntrack --ctstate NEW -j ACCEPT
	COMMIT
END
[ "$HOOK" != netfilter ] || full_table ref
full_table dut
tap_done
