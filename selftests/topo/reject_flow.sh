#!/bin/bash
# SPDX-License-Identifier: GPL-2.0-only
# shellcheck source=selftests/topo/twin.sh
# hooks: tc xdp netfilter hybrid
#
# reject_flow.sh - REJECT beside connections: what applications feel, what conntrack says
#
# An answer belongs to the connection of the packet that it answers (nf_ct_attach), so
# OUTPUT, and INPUT on lo, see it as RELATED even though a rejected NEW connection was
# never confirmed. Sockets are real, and so are their offloads: a checksum that is not
# filled in yet is quoted as it is.

. "$(dirname "$0")/twin.sh"
need tools python3
twin_up wire
C=10.1.0.2 S=10.2.0.2 R=10.1.0.1 R2=10.2.0.1

# both_rules < rules of the filter table, chains left out
both_rules() {
	{
		printf '%s\n' '*filter' ':INPUT ACCEPT [0:0]' ':FORWARD ACCEPT [0:0]' ':OUTPUT ACCEPT [0:0]'
		cat
		echo COMMIT
	} | both_restore && both -Z
}
# The checksum of a RST on lo is the pseudo header's alone natively (CHECKSUM_PARTIAL): blank.
eval "$(declare -f world_inject | sed '1s/world_inject/plain_inject/')"
world_inject() {
	plain_inject "$@" || return
	sed -i -E 's/^([0-9]+ l 45.{16}06.{52})..../\10000/' "$3"
}
states() {
	local c s

	for c in "OUTPUT -o eth0" "OUTPUT -o eth1" "OUTPUT -o lo" "INPUT -i lo"; do
		for s in NEW ESTABLISHED RELATED INVALID; do
			echo "-A $c -m conntrack --ctstate $s"
		done
	done
	echo "-A OUTPUT -p icmp -m icmp --icmp-type 3 -j ACCEPT"
	echo "-A OUTPUT -p tcp -m tcp --tcp-flags RST RST -j ACCEPT"
	echo "-A INPUT -i lo -j ACCEPT"
}

both_rules < <(states
	echo "-A FORWARD -p tcp -m tcp --dport 80 -j REJECT --reject-with tcp-reset"
	for c in INPUT FORWARD; do echo "-A $c -p udp -m udp --dport 53 -j REJECT"; done
	for c in INPUT FORWARD; do echo "-A $c -p tcp -m tcp --dport 81 -j REJECT"; done
	echo "-A OUTPUT -p udp -m udp --dport 53 -j REJECT"
	echo "-A OUTPUT -p tcp -m tcp --dport 80 -j REJECT --reject-with tcp-reset")
agree "answers to NEW connections are RELATED" <<END
c udp $C:1000 $S:53
c udp $C:1000 $R:53
c tcp $C:1000 $S:80 flags=S
c tcp $C:1000 $S:81 flags=S
c tcp $C:1000 $R:81 flags=S
o udp $R:7 $S:53
o udp $R:7 $R2:53
o tcp $R:7 $S:80 flags=S
o tcp $R:7 $R2:80 flags=S
END
agree "answers to INVALID packets are what the tracker makes of them" <<END
c tcp $C:1001 $S:80 flags=SA seq=1 ack=1
c tcp $C:1001 $S:81 flags=SF seq=1
c tcp $C:1001 $R:81 flags=SA seq=1 ack=1
END
# A connection that grew up is cut off: its entry is closing, and a new SYN is NEW
both_rules < <(states; echo "-A FORWARD -m conntrack --ctstate NEW"
	echo "-A FORWARD -m conntrack --ctstate ESTABLISHED"
	echo "-A FORWARD -m conntrack --ctstate INVALID"
	echo "-A FORWARD -p tcp -m tcp --tcp-flags PSH PSH -j REJECT --reject-with tcp-reset"
	echo "-A FORWARD -p udp -m length --length 100: -j REJECT")
agree "established connections are rejected, TCP ones are closed by it" <<END
c tcp $C:1002 $S:80 flags=S seq=100 topt=020405b4
s tcp $S:80 $C:1002 flags=SA seq=500 ack=101 topt=020405b4
c tcp $C:1002 $S:80 flags=A seq=101 ack=501
c tcp $C:1002 $S:80 flags=PA seq=101 ack=501 len=10
s tcp $S:80 $C:1002 flags=PA seq=501 ack=101 len=10
c tcp $C:1002 $S:80 flags=A seq=101 ack=501
c tcp $C:1002 $S:80 flags=S seq=90000 topt=020405b4
s tcp $S:80 $C:1002 flags=SA seq=80000 ack=90001 topt=020405b4
c udp $C:1003 $S:53 len=10
s udp $S:53 $C:1003 len=10
c udp $C:1003 $S:53 len=100
s udp $S:53 $C:1003 len=100
END

# Real sockets from here on
for w in ref dut; do
	world_stack "${NS[$w.c]}" c0 $C $R 02:00:00:00:01:01
	world_stack "${NS[$w.s]}" s0 $S $R2 02:00:00:00:02:01
	for d in c0 s0; do
		ns_exec "${NS[$w.${d:0:1}]}" ethtool -K $d tx on gso on tso on >/dev/null 2>&1
	done
	for d in eth0 eth1; do ns_exec "${NS[$w.r]}" ethtool -K $d tx on gso on tso on >/dev/null 2>&1; done
done
cat >"$TMP/try.py" <<'END'
# try.py PROTO ADDRESS PORT SIZE: what a socket is told, how soon, and the bytes of the answer
import errno, socket, struct, sys, time
proto, addr, port, size = sys.argv[1], sys.argv[2], int(sys.argv[3]), int(sys.argv[4])
raw = socket.socket(socket.AF_INET, socket.SOCK_RAW, 1)
raw.settimeout(2)
start = time.time()
told = "nothing"
s = socket.socket(socket.AF_INET, socket.SOCK_STREAM if proto == "tcp" else socket.SOCK_DGRAM)
s.settimeout(4)
s.bind(("", 4242))
try:
    s.connect((addr, port))
    if proto == "udp":
        try:
            s.send(b"x" * size)
        except PermissionError:   # EPERM of a dropped sendto(): not there at tc
            pass
        s.recv(1)
except OSError as e:
    told = errno.errorcode.get(e.errno, str(e))
soon = "soon" if time.time() - start < 0.9 else "late"
quoted = "no ICMP"
raw.settimeout(0.1)
try:
    d = bytearray(raw.recv(2000))
    ihl = (d[0] & 15) * 4
    d[4:6] = d[10:12] = b"\0\0"
    q = ihl + 8
    d[q + 4:q + 6] = d[q + 10:q + 12] = b"\0\0"          # ids and IP checksums
    d[ihl + 2:ihl + 4] = b"\0\0"
    if proto == "tcp":                                    # seq, options (timestamps)
        d[q + 24:q + 28] = b"\0" * 4
        d[q + 36:q + 38] = b"\0\0"
        d[q + 40:] = b""
    quoted = d.hex()
except OSError:
    pass
print(told, soon, quoted)
END
# feel TEXT WANT ROLE ARGS... - the same errors, as soon, and the same quote
feel() {
	local text=$1 want=$2 role=$3 a b

	shift 3
	ns_exec "${NS[ref.$role]}" timeout $((15 * SLOW)) python3 "$TMP/try.py" "$@" >"$TMP/ref.felt" 2>&1 &
	b=$(ns_exec "${NS[dut.$role]}" timeout $((15 * SLOW)) python3 "$TMP/try.py" "$@" 2>&1)
	wait $!
	a=$(cat "$TMP/ref.felt")
	tap_same "$text: ${a%% *}" "$a" "$b"
	case $a in $want*) ;; *) tap_ok 1 "$text: wanted $want, $REF gives $a" ;; esac
}
for chain in INPUT FORWARD OUTPUT; do
	case $chain in
	INPUT) to=$R role=c ;;
	FORWARD) to=$S role=c ;;
	OUTPUT) to=$S role=r ;;
	esac
	both_rules < <(echo "-A $chain -p tcp -m tcp --dport 80 -j REJECT --reject-with tcp-reset"
		echo "-A $chain -p tcp -m tcp --dport 81 -j REJECT"
		echo "-A $chain -p udp -m udp --dport 53 -j REJECT"
		echo "-A $chain -p udp -m udp --dport 54 -j REJECT --reject-with icmp-admin-prohibited")
	feel "$chain: connect, tcp-reset" "ECONNREFUSED soon" "$role" tcp "$to" 80 0
	feel "$chain: connect, icmp-port-unreachable" ECONNREFUSED "$role" tcp "$to" 81 0
	feel "$chain: UDP, icmp-port-unreachable" "ECONNREFUSED soon" "$role" udp "$to" 53 1400
	feel "$chain: UDP, icmp-admin-prohibited" "EHOSTUNREACH soon" "$role" udp "$to" 54 9
done
both_rules </dev/null
feel "nobody listens, no rule" "ECONNREFUSED soon" c tcp $S 80 0
feel "nobody listens on UDP, no rule" "ECONNREFUSED soon" c udp $S 53 10
tap_done
