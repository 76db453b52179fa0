#!/bin/bash
# SPDX-License-Identifier: GPL-2.0-only
# shellcheck source=selftests/topo/twin.sh
# hooks: tc xdp netfilter
#
# conntrack.sh - `bpf-iptables conntrack', its settings, and the size of the table
#
# Five connections are opened; every filter must select those it is to select, and one
# that it is not. A full table and two CPUs at one entry: prog_run/ct_table.

. "$(dirname "$0")/twin.sh"
[ "$DUT" = bpf ] || skip_all "only for bpf-iptables"
twin_up wire
modprobe -q nf_conntrack 2>/dev/null	# whose sysctls the settings default to
R=${NS[dut.r]}
C=10.1.0.2 S=10.2.0.2 R1=10.1.0.1

ct() {
	ns_exec "$R" "$BPFIPT" conntrack "$@" 2>&1
}
init() {
	ns_exec "$R" "$BPFIPT-init" --hook "$HOOK" "$@" 2>&1
}
status() {
	ns_exec "$R" "$BPFIPT" status
}

if [ "$HOOK" = netfilter ]; then
	tap_refused "the kernel's own table has a sysctl for its size" init --conntrack-max 64
	tap_refused "and for the rest" ct --sysctl udp_timeout=1
	tap_done
fi

# the size
bpf_clean >/dev/null
for max in 15 16777217 -1 x ""; do
	tap_refused "--conntrack-max '$max'" init --conntrack-max "$max"
done
tap_check "--conntrack-max 64" init --conntrack-max 64
tap_check "the same again" init --conntrack-max 64
tap_refused "but not another one" init --conntrack-max 65
fw dut -restore <<-END
	*filter
	:INPUT ACCEPT [0:0]
	:FORWARD DROP [0:0]
	:OUTPUT ACCEPT [0:0]
	-A FORWARD -m conntrack --ctstate NEW -j ACCEPT
	-A FORWARD -m conntrack --ctstate ESTABLISHED -j ACCEPT
	-A INPUT -m conntrack --ctstate NEW -j CONNMARK --set-mark 5
	COMMIT
END
tap_refused "the size outlives the growth that the first rule caused" init --conntrack-max 65
tap_check "and is the same" init --conntrack-max 64

# the filters; on a slow machine no connection may end while they are tried
tap_check "long timeouts" ct --sysctl udp_timeout=3600 icmp_timeout=3600
cat >"$TMP/five" <<-END
	c udp $C:1000 $S:53
	s udp $S:53 $C:1000
	c udp $C:1001 $S:53
	c tcp $C:1002 $S:80 flags=S
	c icmp $C $S type=8
	c udp $C:1003 $R1:7
END
world_inject dut "$TMP/five" "$TMP/rx"
count() {
	tap_same "$1 of ${*:2}" "$1" "$(ct -C "${@:2}")"
}
count 5
count 3 -p udp
count 1 -p tcp
count 1 -p 1
count 0 -p sctp
count 5 -s $C
count 5 -s 10.1.0.0/24
count 0 -s $S
count 1 -d $R1
count 4 -d 10.2.0.0/16
count 4 -r $S
count 5 -q $C
count 1 --sport 1000
count 2 --dport 53
count 1 --dport 53 --sport 1001 -p udp
count 1 --state SYN_SENT
count 0 --state ESTABLISHED
count 4 -u UNREPLIED
count 1 -u SEEN_REPLY
count 0 -u SEEN_REPLY,UNREPLIED
count 1 -m 5
count 1 -m 4/4
count 4 -m 0
tap_same "listed as conntrack(8) lists it" \
	"udp 17 src=$C dst=$S sport=1000 dport=53 src=$S dst=$C sport=53 dport=1000 mark=0" \
	"$(ct -L --sport 1000 | grep '^udp' | sed -E 's/^udp +17 [0-9]+ //; s/packets=[0-9]+ bytes=[0-9]+ //g; s/^/udp 17 /')"
tap_same "packets and bytes of both directions" "packets=1 bytes=28 packets=1 bytes=28" \
	"$(ct -L --sport 1000 | grep -oE 'packets=[0-9]+ bytes=[0-9]+' | paste -sd' ')"
for bad in "-p nosuch" "-s 10.1" "-s 10.1.0.0/33" "--sport 65536" "--state NONE" "-u X" "-m x" "-Z" "word"; do
	# shellcheck disable=SC2086 # words
	tap_refused "conntrack -C $bad" ct -C $bad
done
tap_check "the status has what is in use" grep -q '5 of 64' <(status)

# deleting
tap_check "-D" ct -D -p tcp
count 4
count 0 -p tcp
tap_check "-F" ct -F --dport 53
count 2

# settings
tap_check "the timeouts as they were" ct --sysctl udp_timeout= icmp_timeout=
tap_same "the default" "udp_timeout = 30 (default)" "$(ct --sysctl udp_timeout)"
ns_write "$R" net/netfilter/nf_conntrack_udp_timeout 77
tap_same "the namespace's sysctl" "udp_timeout = 77 (sysctl)" "$(ct --sysctl net.netfilter.nf_conntrack_udp_timeout)"
tap_check "set by hand" ct --sysctl udp_timeout=1 tcp_loose=0
tap_same "it is" "udp_timeout = 1 (set)" "$(ct --sysctl udp_timeout)"
for bad in udp_timeout=-1 udp_timeout=x tcp_loose=2 nosuch=1 nosuch; do
	tap_refused "--sysctl $bad" ct --sysctl "$bad"
done
tap_refused "a wrong word" ct --sysctl udp_timeout=9 nosuch=1
tap_same "and the one before it changed nothing" "udp_timeout = 1 (set)" "$(ct --sysctl udp_timeout)"
tap_check "shown by status" grep -q 'udp_timeout = 1 (set)' <(status)
dut -A FORWARD -s 192.0.2.1 -m hashlimit --hashlimit-upto 1/sec --hashlimit-name x -j ACCEPT
tap_same "it outlives the growth that a new part causes" "udp_timeout = 1 (set)" "$(ct --sysctl udp_timeout)"

# a connection whose second is over is NEW again
ct -F >/dev/null
dut -Z
echo "c udp $C:2000 $S:53" >"$TMP/one"
echo "s udp $S:53 $C:2000" >"$TMP/answer"
new() {
	saved dut | sed -n 's/^\[\([0-9]*\):.*--ctstate NEW -j ACCEPT$/\1/p'
}
world_inject dut "$TMP/one" "$TMP/rx"
tap_same "one NEW packet" 1 "$(new)"
none() { [ "$(ct -C)" = 0 ]; }
tap_check "its entry expires" busywait 10 none
world_inject dut "$TMP/one" "$TMP/rx"
tap_same "and the next one is NEW" 2 "$(new)"
tap_check "taken back" ct --sysctl udp_timeout= tcp_loose=
tap_same "it is the sysctl's again" "udp_timeout = 77 (sysctl)" "$(ct --sysctl udp_timeout)"
ct -F >/dev/null
dut -Z
world_inject dut "$TMP/one" "$TMP/rx"
world_inject dut "$TMP/answer" "$TMP/rx"
world_inject dut "$TMP/one" "$TMP/rx"
tap_same "with 77 seconds the second packet is not" 1 "$(new)"
tap_done
