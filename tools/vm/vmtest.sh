#!/bin/bash
# SPDX-License-Identifier: GPL-2.0-only
#
# vmtest.sh - the suites under another kernel
#
#	vmtest.sh KERNEL [TEST]...	KERNEL: 6.1, 6.12, or an unpacked kernel's folder
#
# 6.1 and 6.12 are Debian's, of bookworm and of its backports: fetched as packages and
# unpacked, never installed, under $VM_CACHE. A folder of your own holds boot/vmlinuz-V
# and lib/modules/V. The guest (vmrun.sh) sees this machine's files read-only, so what
# runs there is this build; it needs a kernel that has 9p. TEST: as selftests/run.sh
# takes them; without, what FAST below says, which TCG does in minutes. HOOK: one hook
# only. Exit status: run.sh's (0 all passed); 2 nothing to test with; 124 timed out;
# 125 the guest died.
#
# Under TCG the guest runs in QEMU 10 of backports, unpacked likewise: 6.12 dies in 7.2.
# It has one CPU then (VM_CPUS): two emulated ones wait for each other, and a test takes
# more of this machine's time.

here=$(dirname "$(readlink -f "$0")")
cd "$here/../.." || exit 2
. "$here/kvm.sh"
VM_CACHE=${VM_CACHE:-${XDG_CACHE_HOME:-$HOME/.cache}/bpf-iptables-vm}
FAST=(selftests/topo/kernel.sh selftests/topo/chains.sh selftests/topo/counters.sh
      selftests/topo/packets.sh selftests/topo/state.sh selftests/topo/scenarios.sh
      selftests/topo/scenarios_ct.sh selftests/topo/payload.sh
      selftests/prog_run/callbacks.py "${O:-build}/selftests/prog_run/differential" "${O:-build}/selftests/prog_run/ct_fuzz")

die() {
	echo "vmtest: $*" >&2
	exit 2
}

# apt with bookworm-backports alone, in a world of its own
backports() {
	local d=$VM_CACHE/apt

	mkdir -p "$d/lists/partial" "$d/cache/archives/partial"
	echo 'deb [signed-by=/usr/share/keyrings/debian-archive-keyring.gpg] http://deb.debian.org/debian bookworm-backports main' \
		> "$d/sources.list"
	apt-get -qq -o APT::Sandbox::User=root -o Dir::Etc::SourceList="$d/sources.list" -o Dir::Etc::SourceParts=/dev/null \
		-o Dir::State::Lists="$d/lists" -o Dir::Cache="$d/cache" "$@"
}

backports_names() {
	apt-cache -o Dir::Etc::SourceList="$VM_CACHE/apt/sources.list" \
		-o Dir::Etc::SourceParts=/dev/null -o Dir::State::Lists="$VM_CACHE/apt/lists" \
		-o Dir::Cache="$VM_CACHE/apt/cache" search --names-only "$1" | cut -d' ' -f1
}

# unpack FOLDER PACKAGE... - the packages in the current folder into FOLDER
unpack() {
	local to=$1 deb

	mkdir -p "$to.new"
	for deb in ./*.deb; do
		dpkg -x "$deb" "$to.new" || return 1
	done
	mv "$to.new" "$to" && rm -f ./*.deb
}

# fetch FOLDER APT PACKAGE... - download with APT (apt-get or backports), unpack
fetch() {
	local to=$1 apt=$2

	shift 2
	[ -d "$to" ] && return 0
	mkdir -p "$VM_CACHE/debs" && cd "$VM_CACHE/debs" && rm -f ./*.deb &&
		$apt download "$@" && unpack "$to"
	local rc=$?
	cd "$here/../.." || exit 2
	return $rc
}

debian_kernel() {
	local name

	case $1 in
	6.1)
		[ -d "$VM_CACHE/6.1" ] && return 0
		name=$(apt-cache search --names-only '^linux-image-6\.1\.0-[0-9]+-amd64$' |
			cut -d' ' -f1 | sort -V | tail -1)
		[ -n "$name" ] && fetch "$VM_CACHE/6.1" "apt-get -qq -o APT::Sandbox::User=root" "$name"
		;;
	6.12)
		[ -d "$VM_CACHE/6.12" ] && return 0
		backports update &&
			name=$(backports_names '^linux-image-6\.12\..*deb12-amd64$' | sort -V | tail -1)
		[ -n "$name" ] && fetch "$VM_CACHE/6.12" backports "$name"
		;;
	esac
}

# QEMU 10: without KVM the installed one needs half as long again, and cannot run 6.12
newer_qemu() {
	kvm_usable && return 0
	[ -d "$VM_CACHE/qemu" ] || backports update
	fetch "$VM_CACHE/qemu" backports qemu-system-x86 qemu-system-common qemu-system-data seabios ||
		return 1
	export QEMU=$VM_CACHE/qemu/usr/bin/qemu-system-x86_64
	export VMRUN_QEMU="-L $VM_CACHE/qemu/usr/share/qemu -L $VM_CACHE/qemu/usr/share/seabios"
}

[ $# -gt 0 ] || die "usage: vmtest.sh KERNEL [TEST]..."
kernel=$1
shift
need=()
for p in qemu-system-x86 busybox-static cpio kmod xz-utils; do
	dpkg-query -W -f='${Status}' "$p" 2>/dev/null | grep -q 'ok installed' || need+=("$p")
done
if [ ${#need[@]} -gt 0 ]; then
	DEBIAN_FRONTEND=noninteractive apt-get install -y -qq --no-install-recommends "${need[@]}" \
		> /dev/null || die "cannot install ${need[*]}"
fi
dir=$kernel
case $kernel in
6.1 | 6.12)
	mkdir -p "$VM_CACHE"
	debian_kernel "$kernel" || die "cannot fetch Debian's kernel $kernel"
	dir=$VM_CACHE/$kernel
	;;
esac
newer_qemu || [ "$kernel" != 6.12 ] || die "cannot fetch a QEMU for 6.12"
vmlinuz=$(find "$dir/boot" -name 'vmlinuz-*' 2>/dev/null | sort -V | tail -1)
[ -n "$vmlinuz" ] || die "no boot/vmlinuz-* in $dir"
modules=$dir/lib/modules/${vmlinuz##*/vmlinuz-}
[ -d "$modules" ] || modules=$dir/usr/lib/modules/${vmlinuz##*/vmlinuz-}
[ -d "$modules" ] || die "no modules of ${vmlinuz##*/} in $dir"

[ $# -gt 0 ] || set -- "${FAST[@]}"
how=TCG cpus=1 slow=10
! kvm_usable || how=KVM cpus=2 slow=1
echo "# kernel ${vmlinuz##*/vmlinuz-}, $how"
# Its figures of this kernel are what it compares a kernel before 6.7 with
case " $* " in *" prog_run "* | */callbacks.py*) selftests/prog_run/callbacks.py >/dev/null ;; esac
# Nothing in the guest makes the device node that would load tun.
exec "$here/vmrun.sh" -m 3072 -c "${VM_CPUS:-$cpus}" -t "${VM_TIMEOUT:-5400}" "$vmlinuz" "$modules" -- \
	env SLOW="${SLOW:-$slow}" O="${O:-build}" HOOK="$HOOK" V="$V" TEST_TIMEOUT="${TEST_TIMEOUT:-1800}" \
	sh -c 'modprobe tun; exec selftests/run.sh "$@"' vmtest "$@"
