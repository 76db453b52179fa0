#!/bin/bash
# SPDX-License-Identifier: GPL-2.0-only
# shellcheck source=selftests/topo/twin.sh
# hooks: tc xdp
#
# shortcut.sh - rulesets that begin with an accept rule for established packets
#
# Such a packet may be counted for that rule without a look at any other (user/
# shortcut.c): when no rule before it can be met. Each ruleset is one case of "can" or
# "cannot", and its counters must be the reference's.

. "$(dirname "$0")/twin.sh"
twin_up wire
C=10.1.0.2 S=10.2.0.2
PORT=43000

# begins TEXT < rules of FORWARD - and then a conversation
begins() {
	{
		printf '%s\n' '*filter' ':INPUT ACCEPT [0:0]' ':FORWARD DROP [0:0]' ':OUTPUT ACCEPT [0:0]'
		sed 's/^/-A FORWARD /'
		echo '-A FORWARD -m conntrack --ctstate NEW -j ACCEPT'
		echo COMMIT
	} >"$TMP/wanted"
	both_restore <"$TMP/wanted" || tap_ok 1 "the rules are taken"
	PORT=$((PORT + 1))
	agree_and "$1" s 4 < <(cat <<-END
		c tcp $C:$PORT $S:80 flags=S seq=100
		s tcp $S:80 $C:$PORT flags=SA seq=500 ack=101
		c tcp $C:$PORT $S:80 flags=A seq=101 ack=501
		c tcp $C:$PORT $S:80 flags=SF seq=101
		c udp $C:$PORT $S:53 len=8
		s udp $S:53 $C:$PORT len=8
		c udp $C:$PORT $S:53 len=9
	END
	)
}
EST='-m conntrack --ctstate RELATED,ESTABLISHED -j ACCEPT'
begins "first" <<<"$EST"
begins "behind lo and INVALID" <<-END
	-i lo -j ACCEPT
	-m conntrack --ctstate INVALID -j DROP
	-m conntrack --ctstate NEW -s 9.9.9.9 -j DROP
	$EST
END
begins "behind a rule on the same interface" <<-END
	-i eth1 -p udp
	$EST
END
begins "behind a rule on every other interface" <<-END
	! -i eth1 -p udp
	$EST
END
begins "behind a rule that any packet meets" <<-END
	-p tcp
	$EST
END
begins "the states one by one" <<-END
	-m conntrack --ctstate INVALID -j DROP
	-m conntrack --ctstate ESTABLISHED -p tcp
	-m conntrack --ctstate RELATED -j ACCEPT
	-m conntrack --ctstate ESTABLISHED -j ACCEPT
END
begins "inverted" <<-END
	-m conntrack ! --ctstate INVALID,NEW -j ACCEPT
END
begins "with one more condition" <<-END
	-m conntrack --ctstate RELATED,ESTABLISHED -m conntrack --ctdir ORIGINAL -j ACCEPT
	$EST
END
tap_done
