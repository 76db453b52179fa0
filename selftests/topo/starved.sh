#!/bin/bash
# SPDX-License-Identifier: GPL-2.0-only
# shellcheck source=selftests/topo/old_new.sh
# hooks: tc xdp netfilter
#
# starved.sh - the kernel says no: after a command that failed everything is as before
#
# strace makes the nth bpf(2) of a command, and all that follow, fail with ENOMEM, as when a
# map cannot be allocated or a program not loaded, for a sample of n over all that make or
# change something; the undoing fails too. What the command answers decides what must then
# be in force: failure, the ruleset and the counters of before; success (some calls only ask
# what the kernel can), the new one. The rest: a read-only bpffs, memory that cannot be
# mapped, a kernel without membarrier(2), a reader that comes by while a writer is half-way,
# an image that somebody damaged.
#
# Environment: POINTS (default 8): how many n of each command

. "$(dirname "$0")/old_new.sh"
need tools strace python3 bpftool
POINTS=${POINTS:-8}

rules_of() {
	grep -v '^#' "$1" | sed 's/ \[.*//; s/^\[[0-9:]*\] //'
}
ruleset 2 1 3 '-A FORWARD -m hashlimit --hashlimit-upto 1/sec --hashlimit-name x -j ACCEPT' >"$TMP/part"

# fail_calls NAME NEW CALL ERROR - restore NEW while the nth CALL fails
fail_calls() {
	local name=$1 new=$2 call=$3 error=$4 n i total rc bad=0 failed=0 went=0 wrong=0

	fw dut -restore <"$TMP/old"
	in_r strace -qq -o "$TMP/trace" -e trace="$call" "$BPFIPT-restore" <"$new"
	grep -nE '^mmap|BPF_(MAP_CREATE|PROG_LOAD|OBJ_PIN|OBJ_GET|LINK_|MAP_UPDATE)' "$TMP/trace" |
		cut -d: -f1 >"$TMP/places"
	total=$(wc -l <"$TMP/places")
	saved dut >"$TMP/is.new"
	bpf_clean >/dev/null	# programs and maps of the first size again
	bpf_init
	fw dut -restore <"$TMP/old"
	enforced 1
	saved dut >"$TMP/before"
	for ((i = 0; i < POINTS; i++)); do
		n=$(sed -n "$((1 + i * (total - 1) / (POINTS - 1)))p" "$TMP/places")
		in_r strace -qq -o /dev/null -e trace="$call" -e inject="$call:error=$error:when=$n+" \
			"$BPFIPT-restore" <"$new" >"$TMP/out" 2>&1
		rc=$?
		saved dut >"$TMP/after"
		if [ $rc -eq 0 ]; then
			went=$((went + 1))
			[ "$(rules_of "$TMP/after")" = "$(rules_of "$TMP/is.new")" ] && enforced 2
		else
			failed=$((failed + 1))
			cmp -s "$TMP/before" "$TMP/after" && [ -s "$TMP/out" ]
			rc=$?
			# the next command must reach every packet, whatever was not undone
			fw dut -restore <"$TMP/same" && enforced 2 || wrong=$((wrong + 1))
			[ $rc -eq 0 ]
		fi || {
			bad=$((bad + 1))
			tap_note "$name: $call #$n and on fails with $error, exit status $rc" "$(cat "$TMP/out")" \
				"$(diff "$TMP/before" "$TMP/after" | head -5)"
		}
		fw dut -restore <"$TMP/old"
		enforced 1 || wrong=$((wrong + 1))
		saved dut >"$TMP/before"
	done
	[ "$bad" -eq 0 ] && [ "$total" -gt 0 ]
	tap_ok $? "$name: $call fails with $error at $POINTS of $total places, and it is all or nothing"
	[ $failed -gt 0 ]
	tap_ok $? "$name: it did fail ($failed times, $went times it could do without)"
	tap_ok $wrong "$name: and each time the next commands are enforced"
}
fail_calls "restore" "$TMP/same" bpf ENOMEM
fail_calls "restore that outgrows" "$TMP/big" bpf ENOMEM
fail_calls "restore with a new part" "$TMP/part" bpf EPERM
POINTS=3 fail_calls "no memory to map the image" "$TMP/same" mmap ENOMEM

# not every CPU is ours to visit (cpusets), at netfilter a packet that says no slot and takes
# for ever; and a kernel that has no membarrier (nohz_full): when the slots of the image map, 8
# at most, are used up, it waits for readers in another way
fw dut -restore <"$TMP/old"
# claim WORD - of a row that no program uses
claim() {
	# shellcheck disable=SC2046 # words of a row
	[ "$HOOK" != netfilter ] || bpftool map update pinned "$(ns_pins "$R")/current/map-claims" \
		key hex 00 00 00 00 value hex $(printf '00 %.0s' {1..60}) "$1" 00 00 00
}
claim 01
without_membarrier() {
	local i

	for i in 1 2 3 4 5 6 7 8; do
		in_r strace -qq -A -o "$TMP/trace" -e trace=membarrier,sched_setaffinity \
			-e inject=membarrier:error=EINVAL -e inject=sched_setaffinity:error=EINVAL \
			"$BPFIPT-restore" "$TMP/same" || return
	done
}
tap_check "without membarrier(2)" without_membarrier
# whoever runs on the only CPU knows that no program of tc or XDP does
if [ "$HOOK" != netfilter ] && [ "$(nproc)" = 1 ]; then
	! grep -q membarrier "$TMP/trace"
	tap_ok $? "it is not asked for on the only CPU"
else
	grep -q 'membarrier.*INJECTED' "$TMP/trace"
	tap_ok $? "it was asked for"
fi
claim 00
tap_check "and the ruleset is in force" enforced 2

# bpffs read-only: what needs no new pin goes on, what does fails whole
in_ro() {
	in_r unshare -m bash -c 'mount --bind /sys/fs/bpf /sys/fs/bpf &&
		mount -o remount,bind,ro /sys/fs/bpf && exec "$@"' in_ro "$@"
}
fw dut -restore <"$TMP/old"
saved dut >"$TMP/before"
tap_same "bpffs read-only: reading goes on" "$(dut -S)" "$(in_ro "$BPFIPT" -S 2>&1)"
tap_refused "a restore that outgrows the programs fails" in_ro "$BPFIPT-restore" "$TMP/big"
tap_same "and changes nothing" "$(cat "$TMP/before")" "$(saved dut)"
tap_check "what is in force is enforced" enforced 1
N=$(ns_name q)
ns_add "$N"
PIN_DIRS+=("$(ns_pins "$N")")
out=$(ns_exec "$N" unshare -m bash -c "mount --bind /sys/fs/bpf /sys/fs/bpf &&
	mount -o remount,bind,ro /sys/fs/bpf && exec '$BPFIPT-init' --hook '$HOOK'" 2>&1)
rc=$?
[ $rc -ne 0 ] && [ -n "$out" ]
tap_ok $? "bpf-iptables-init there fails, and says why: $(head -1 <<<"$out")"

# a reader without the lock, while a writer stands still between two generations
pins=$(ns_pins "$R")
bpf_clean >/dev/null
bpf_init
fw dut -restore <"$TMP/old"
fw dut -save -t filter | grep -v '^#' >"$TMP/whole"
current=$(readlink "$pins/current")
: >"$TMP/trace"
in_r strace -f -o "$TMP/trace" -e trace=symlink,symlinkat -e inject=symlink,symlinkat:signal=STOP:when=1 \
	bash -c "echo \$\$ >'$TMP/child'; exec '$BPFIPT-restore'" <"$TMP/big" &
writer=$!
PIDS+=("$writer")
two_generations() {
	grep -q 'stopped by SIGSTOP' "$TMP/trace" &&
		[ "$(find "$pins" -maxdepth 1 -name 'g*' | wc -l)" = 2 ]
}
busywait 30 two_generations
tap_ok $? "a writer stopped half-way"
fw dut -save -t filter | grep -v '^#' | cmp -s - "$TMP/whole"
tap_ok $? "a reader sees the old ruleset whole"
tap_check "and takes nothing away from the writer" two_generations
kill -CONT "$(cat "$TMP/child")"
wait "$writer"
tap_ok $? "who then gets through"
[ "$(readlink "$pins/current")" != "$current" ] && enforced 2
tap_ok $? "and what it wrote is in force"

# an image that somebody damaged: refused by name, harmless to packets, clean gets rid of it
# damage WORD VALUE - of the active slot
damage() {
	python3 - "$pins/current/map-image" "$@" <<-'END'
		import ctypes, mmap, os, platform, struct, sys
		NR = {"x86_64": 321, "aarch64": 280}[platform.machine()]
		path = ctypes.create_string_buffer(sys.argv[1].encode())
		attr = ctypes.create_string_buffer(struct.pack("=QII", ctypes.addressof(path), 0, 0), 128)
		fd = ctypes.CDLL(None, use_errno=True).syscall(NR, 7, attr, 128)	# BPF_OBJ_GET
		assert fd >= 0, os.strerror(ctypes.get_errno())
		m = mmap.mmap(fd, 4096)
		active, _, words = struct.unpack_from("=III", m, 0)
		m.close()
		at = 4096 + (active * words + int(sys.argv[2])) * 4
		m = mmap.mmap(fd, (at + 4 + 4095) // 4096 * 4096)
		old, = struct.unpack_from("=I", m, at)
		struct.pack_into("=I", m, at, int(sys.argv[3], 0))
		print(old)
	END
}
fw dut -restore <"$TMP/old"
saved dut >"$TMP/before"
# words of struct img_hdr: magic, generation, hook[0].start, part[0].nr_lookups, actions, rules, rules_bytes
for field in "0 0x1234 magic" "1 99 abi" "4 77777 first-position" "17 21 lookups" "24 0xfffffff0 actions" \
	"32 0xffffff00 rules" "33 0x7fffffff rules-length"; do
	read -r word value what <<<"$field"
	old=$(damage "$word" "$value")
	for cmd in "-S" "-A INPUT -j DROP" "-F"; do
		# shellcheck disable=SC2086 # words of a command
		dut $cmd >"$TMP/out" 2>&1
		rc=$?
		[ $rc -ne 0 ] && [ $rc -lt 128 ] && [ -s "$TMP/out" ] && continue
		tap_note "damaged $what: iptables $cmd: exit $rc" "$(cat "$TMP/out")"
		rc=0
		break
	done
	world_inject dut <(echo "c udp $C:9 $S:1") "$TMP/e"
	[ -n "$old" ] && [ "$rc" -ne 0 ] && damage "$word" "$old" >/dev/null
	tap_ok $? "damaged $what: refused, not used, not overwritten"
done
fw dut -restore <"$TMP/old"
tap_check "mended, all is well" enforced 1
damage 24 0xfffffff0 >/dev/null
tap_check "bpf-iptables-clean removes a damaged one" bpf_clean
tap_check "and init starts afresh" bpf_init
tap_done
