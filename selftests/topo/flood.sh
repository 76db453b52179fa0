# SPDX-License-Identifier: GPL-2.0-only
# shellcheck shell=bash
# shellcheck source=selftests/topo/twin.sh
#
# flood.sh - twins whose device under test is flooded: for tests of what rules do while
# they change
#
# UDP from 10.1.0.2 to 10.2.0.2, 256 frames that differ in their source port, sent as fast
# as one CPU can until flood_stop.
#
#	. flood.sh [wire|stack]		as twin_up has it

. "$(dirname "${BASH_SOURCE[0]}")/twin.sh"
[ -x "$BUILD/bench/blast" ] || skip_all "no $BUILD/bench/blast"
need tools python3
twin_up "${1:-wire}"
for world in ref dut; do	# NAPI, without an XDP program too
	ns_exec "${NS[$world.r]}" ethtool -K eth0 gro on >/dev/null 2>&1
done

# flood_templates N [FRAMES [TO]] - so many frames, 256, to the address TO, 10.2.0.2, and
# its ports 1001 to 1000+N in turn
flood_templates() {
	python3 - "$1" "${2:-256}" "${3:-10.2.0.2}" >"$TMP/templates" <<-'END'
	import socket, struct, sys
	ports, frames, to = int(sys.argv[1]), int(sys.argv[2]), socket.inet_aton(sys.argv[3])
	def csum(b):
	    s = sum(struct.unpack("!%dH" % (len(b) // 2), b))
	    s = (s & 0xffff) + (s >> 16)
	    return 0xffff & ~((s & 0xffff) + (s >> 16))
	out = b""
	for i in range(frames):
	    ip = struct.pack("!BBHHHBBH4s4s", 0x45, 0, 50, i, 0, 64, 17, 0, bytes([10, 1, 0, 2]), to)
	    ip = ip[:10] + struct.pack("!H", csum(ip)) + ip[12:]
	    udp = struct.pack("!HHHH", 1024 + i, 1001 + i % ports, 30, 0)
	    frame = bytes.fromhex("020000000101020000000102") + b"\x08\x00" + ip + udp
	    out += frame.ljust(64, b"\0")
	open("/dev/stdout", "wb").write(out)
	END
}

# flood_start SECONDS [WORLD [BLAST-OPTION...]] - at most so long ($SLOW times longer), into dut;
# how many were sent is in $TMP/sent afterwards
flood_start() {
	local seconds=$(($1 * SLOW)) world=${2:-dut}

	shift $(($# < 2 ? $# : 2))
	"$BUILD/bench/blast" flood "$@" "$seconds" "$TMP/templates" "w:${NS[$world.c]}:c0:c0" >"$TMP/sent" &
	blast=$!
	PIDS+=("$blast")
}

flood_stop() {
	kill "$blast"
	wait "$blast" 2>/dev/null
}
