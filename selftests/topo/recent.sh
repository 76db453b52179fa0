#!/bin/bash
# SPDX-License-Identifier: GPL-2.0-only
# shellcheck source=selftests/topo/twin.sh
# hooks: tc xdp netfilter
#
# recent.sh - lists of addresses: every verb, TTLs, a full list, names shared, the view
#
# Lists keep their names' content from ruleset to ruleset, so each part has its own.

. "$(dirname "$0")/twin.sh"
twin_up wire
S=10.2.0.2

# packets N FIRST LAST [KEYS] - N UDP packets from each of 10.1.0.FIRST..LAST
packets() {
	local i a

	for ((i = 0; i < $1; i++)); do
		for ((a = $2; a <= $3; a++)); do echo "c udp 10.1.0.$a:1 $S:1 $4"; done
	done
}

# wait_for SECONDS
wait_for() {
	read -rt "$1" <> <(:)
}

count() {
	packets_of dut FORWARD "$1"
}

# view WORLD LIST - its addresses, TTLs, indices and how many times each has; sorted
view() {
	if [ "$1" = dut ] && [ "$DUT" = bpf ]; then
		dut recent "$2"
	else
		ns_exec "${NS[$1.r]}" cat "/proc/net/xt_recent/$2"
	fi | awk '{ print $1, $2, $3, $4, $6, $7, NF - 7 }' | sort
}

# edit LIST TEXT
edit() {
	# shellcheck disable=SC2016 # the inner shell expands it
	ns_exec "${NS[ref.r]}" bash -c 'echo "$1" >"/proc/net/xt_recent/$0"' "$1" "$2"
	if [ "$DUT" = bpf ]; then
		dut recent "$1" "$2"
	else
		ns_exec "${NS[dut.r]}" bash -c 'echo "$1" >"/proc/net/xt_recent/$0"' "$1" "$2"
	fi
}

same_view() {
	tap_same "$1" "$(view ref "$2")" "$(view dut "$2")"
}

rules <<-'END'
	-m recent --rcheck --name a
	-m recent ! --rcheck --name a
	-m recent --update --hitcount 3 --seconds 60 --name a
	-m recent --set --name a
	-m recent ! --set --name a2
	-m recent --rcheck --hitcount 5 --name a
	-m recent ! --update --hitcount 7 --name a
	-s 10.1.0.3 -m recent --remove --name a2
	-s 10.1.0.4 -m recent ! --remove --name a2
	-m recent --set --rdest --name a3
	-m recent --rcheck --rsource --name a3
	-m recent --rcheck --rdest --hitcount 9 --name a3
	-m recent --set --mask 255.255.255.252 --name a4
	-m recent --update --hitcount 20 --mask 255.255.255.255 --name a4
	-m recent --rcheck --hitcount 1 --name a5
	-m recent --set --name a5
	-p tcp -m recent --set --name a6
END
agree "every verb" < <(packets 7 2 6)
for n in a a2 a3 a4 a5 a6; do same_view "list $n" $n; done
[ "$(count 6)" -gt 0 ] && [ "$(count 14)" -gt 0 ]
tap_ok $? "control: hit counts were reached ($(count 6), $(count 14))"

rules <<-'END'
	-m recent --rcheck --rttl --name t
	-m recent --update --rttl --hitcount 2 --name t
	-s 10.1.0.2 -m recent --set --name t
END
agree "--rttl, as it was before forwarding" < <(
	for ttl in 64 64 63 255 255 64 2; do packets 1 2 3 ttl=$ttl; done)
same_view "TTLs" t

rules <<-'END'
	-m recent --update --name full
	-m recent --set --name full
END
agree "the 101st address takes the place of the oldest" < <(packets 1 2 130; packets 1 2 10; packets 1 100 140)
same_view "a full list" full

rules <<-'END'
	-m recent --rcheck --seconds 1 --name s
	-m recent --rcheck --seconds 1 --hitcount 3 --name s
	-m recent --rcheck --seconds 60 --hitcount 3 --name s
	-s 10.1.0.9 -m recent --rcheck --seconds 1 --reap --name s
	-s 10.1.0.8 -m recent --update --seconds 1 --reap --name s
	-m recent --set --name s
END
agree "--seconds" < <(packets 4 2 4)
wait_for 1.3
agree "a second later: too long ago" < <(packets 2 2 3; packets 4 8 9; packets 2 2 5)
same_view "--reap took out the oldest" s
[ "$(count 2)" -lt "$(count 3)" ]
tap_ok $? "control: fewer within the second ($(count 2) of $(count 3))"

# From rule to rule
rules <<-'END'
	-m recent --rcheck --name keep
	-m recent --set --name keep
END
agree "a list ..." < <(packets 2 2 3)
both -I FORWARD -m recent --rcheck --hitcount 20 --name keep
both -Z
agree "... is kept while a rule names it" < <(packets 2 2 4)
both -I FORWARD -m recent --rcheck --hitcount 40 --name keep
both -Z
agree "a higher hitcount empties it" < <(packets 2 2 3)
agree "50 hits" < <(packets 50 3 3)
same_view "50 times, of which 64 fit" keep
both -F FORWARD
both -A FORWARD -m recent --rcheck --name keep
both -Z
agree "the last rule took it along" < <(packets 2 2 4)
same_view "empty" keep
if [ "$DUT" = bpf ]; then
	tap_refused "a hitcount that cannot be kept" dut -A FORWARD -m recent --rcheck --hitcount 2000 --name big
fi

# The view and its edits
edit keep +10.1.0.3
edit keep +10.1.0.3
edit keep +10.1.0.99
edit keep -10.1.0.77
same_view "+address" keep
agree "an address that was put in" < <(packets 2 2 4)
[ "$(count 1)" -eq 2 ]
tap_ok $? "control: it matches ($(count 1))"
edit keep -10.1.0.3
same_view "-address" keep
edit keep /
same_view "/" keep
if [ "$DUT" = bpf ]; then
	tap_refused "no such list" dut recent nosuch
	tap_refused "no such edit" dut recent keep 10.1.0.3
	dut recent keep +10.9.9.9
	tap_same "the line is that of /proc/net/xt_recent" 1 "$(dut recent keep |
		grep -cE '^src=10\.9\.9\.9 ttl: 0 last_seen: [0-9]+ oldest_pkt: 1 [0-9]+$')"
	tap_same "names" keep "$(dut recent)"
fi
tap_done
