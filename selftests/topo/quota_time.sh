#!/bin/bash
# SPDX-License-Identifier: GPL-2.0-only
# shellcheck source=selftests/topo/twin.sh
# hooks: tc xdp
#
# quota_time.sh - quota, to the byte; time, by rules that are true now or are not
#
# Boundaries of days, weeks and months are unit/calendar's: here the clock itself is
# proved right, to a few seconds, and every option to be evaluated at all.

. "$(dirname "$0")/twin.sh"
twin_up wire
C=10.1.0.2 S=10.2.0.2

count() {
	packets_of dut FORWARD "$1"
}

rules <<-'END'
	-m quota --quota 1000
	-m quota ! --quota 500
	-m quota --quota 0
	-m quota --quota 28
	-p udp -m quota --quota 300 -m udp --dport 2
	-m quota --quota 18446744073709551615
	-m quota --quota 10000 -j ACCEPT
	-j DROP
END
agree "quota" < <(for len in 0 100 7 500 0 300 1 0 0 900 2 600 1200 1400 1400 1400 1400 1400 0; do
	echo "c udp $C:1 $S:$((len % 3)) len=$len"
done)
[ "$(count 2)" -gt 0 ] && [ "$(count 8)" -gt 0 ]
tap_ok $? "control: quotas ran out ($(count 2), $(count 8))"
tap_same "control: exactly 28 fit in 28" 1 "$(count 4)"
if [ "$DUT" = bpf ]; then
	dut -I FORWARD 1 -s 9.9.9.9
	dut -D FORWARD 1
	dut -Z FORWARD
	world_inject dut <(echo "c udp $C:1 $S:1") "$TMP/rx"
	tap_same "editing other rules gives no quota back" "0 1" "$(count 1) $(count 2)"
fi

at() {
	date -u -d "@$(($(date +%s) + $1))" "+$2"
}

near=$((20 * SLOW))
# Clear of midnight and of a second's edge there is no need to be: ref decides too.
today=$(at 0 %a) tomorrow=$(at 86400 %a) day=$(at 0 %-d) other=$(at 864000 %-d)
rules <<-END
	-m time --datestart $(at -$near %Y-%m-%dT%H:%M:%S) --datestop $(at $near %Y-%m-%dT%H:%M:%S)
	-m time --datestart $(at $near %Y-%m-%dT%H:%M:%S)
	-m time --datestop $(at -$near %Y-%m-%dT%H:%M:%S)
	-m time --timestart $(at -$near %H:%M:%S) --timestop $(at $near %H:%M:%S)
	-m time --timestart $(at $near %H:%M:%S) --timestop $(at -$near %H:%M:%S)
	-m time --weekdays $today
	-m time ! --weekdays $today
	-m time --weekdays $tomorrow
	-m time --monthdays $day
	-m time --monthdays $other
	-m time ! --monthdays $other
	-m time --kerneltz --datestart $(at -$near %Y-%m-%dT%H:%M:%S) --datestop $(at $near %Y-%m-%dT%H:%M:%S)
	-m time --timestart $(at $near %H:%M:%S) --timestop $(at $((near - 10)) %H:%M:%S) --contiguous --weekdays $today
	-m time --timestart $(at $near %H:%M:%S) --timestop $(at $((near - 10)) %H:%M:%S) --weekdays $today
	-m time
END
agree "time" < <(for i in 1 2 3; do echo "c udp $C:$i $S:1"; done)
tap_same "control: the clock is right to $near s" "3 0 0" "$(count 1) $(count 2) $(count 3)"
both_refuse -A FORWARD -m time --timestart 10:00 --timestop 12:00 --contiguous
tap_ok $? "--contiguous wants to wrap"
tap_done
