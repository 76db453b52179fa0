# SPDX-License-Identifier: GPL-2.0-only
# shellcheck shell=bash
# shellcheck source=selftests/topo/twin.sh
#
# flood.sh - twins whose device under test is flooded: for tests of what rules do while
# they change
#
# UDP from 10.1.0.2 to 10.2.0.2, 256 frames that differ in their source port, sent as fast
# as one CPU can until flood_stop.

. "$(dirname "${BASH_SOURCE[0]}")/twin.sh"
[ -x "$BUILD/bench/blast" ] || skip_all "no $BUILD/bench/blast"
need tools python3
twin_up wire
ns_exec "${NS[dut.r]}" ethtool -K eth0 gro on >/dev/null 2>&1	# NAPI, without an XDP program too

# flood_templates N - the frames go to ports 1001 to 1000+N in turn
flood_templates() {
	python3 - "$1" >"$TMP/templates" <<-'END'
	import struct, sys
	ports = int(sys.argv[1])
	def csum(b):
	    s = sum(struct.unpack("!%dH" % (len(b) // 2), b))
	    s = (s & 0xffff) + (s >> 16)
	    return 0xffff & ~((s & 0xffff) + (s >> 16))
	out = b""
	for i in range(256):
	    ip = struct.pack("!BBHHHBBH4s4s", 0x45, 0, 50, i, 0, 64, 17, 0, bytes([10, 1, 0, 2]), bytes([10, 2, 0, 2]))
	    ip = ip[:10] + struct.pack("!H", csum(ip)) + ip[12:]
	    udp = struct.pack("!HHHH", 1024 + i, 1001 + i % ports, 30, 0)
	    frame = bytes.fromhex("020000000101020000000102") + b"\x08\x00" + ip + udp
	    out += frame.ljust(64, b"\0")
	open("/dev/stdout", "wb").write(out)
	END
}

# flood_start SECONDS - at most so long; how many were sent is in $TMP/sent afterwards
flood_start() {
	"$BUILD/bench/blast" flood "$1" "$TMP/templates" "w:${NS[dut.c]}:c0:c0" >"$TMP/sent" &
	blast=$!
	PIDS+=("$blast")
}

flood_stop() {
	kill "$blast"
	wait "$blast" 2>/dev/null
}
