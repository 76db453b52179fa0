#!/bin/sh
# SPDX-License-Identifier: GPL-2.0-only
#
# vmrun.sh - one command under another kernel, on this machine's own root file system
#
#	vmrun.sh [-m MB] [-c CPUS] [-t SECS] [-f 9p|virtiofs] [-k KLOG] VMLINUZ MODULES_DIR -- command...
#
# Boot VMLINUZ under QEMU (KVM if usable, else TCG) on top of this machine's
# own root file system (shared read-only, tmpfs overlay on top), run the
# command in the current directory and exit with its status.
#   MODULES_DIR  .../lib/modules/VERSION of that kernel (as unpacked by dpkg -x)
#   exit status: the command's; 124 timed out; 125 guest died before reporting
# Needs: qemu-system-x86 busybox-static cpio kmod xz-utils (+ virtiofsd for -f virtiofs)
set -eu

mem=2048 cpus=2 limit=600 fs=9p klog=
while getopts m:c:t:f:k: o; do
	case $o in
	m) mem=$OPTARG ;; c) cpus=$OPTARG ;; t) limit=$OPTARG ;;
	f) fs=$OPTARG ;; k) klog=$OPTARG ;; *) exit 2 ;;
	esac
done
shift $((OPTIND - 1))
[ $# -ge 4 ] && [ "$3" = -- ] || { sed -n '6s,^#\t,usage: ,p' "$0" >&2; exit 2; }
vmlinuz=$1 moddir=$(readlink -f "$2"); shift 3
ver=${moddir##*/} base=${moddir%/lib/modules/*}
[ "$base" != "$moddir" ] || { echo "$0: not a lib/modules/VERSION: $moddir" >&2; exit 2; }
busybox=/bin/busybox

. "$(dirname "$(readlink -f "$0")")/kvm.sh"

work=$(mktemp -d) vfspid=
trap '[ -z "$vfspid" ] || kill $vfspid 2>/dev/null || :; rm -rf "$work"' EXIT
trap 'exit 130' INT TERM
klog=${klog:-$work/klog}

# dpkg -x ran no postinst, so no modules.dep yet
[ -s "$moddir/modules.dep" ] || depmod -b "$base" "$ver"

# --- initramfs: busybox + the modules needed to reach the root share ---
r=$work/root
mkdir -p "$r/bin" "$r/mod" "$r/proc" "$r/dev" "$r/lower" "$r/rw" "$r/new"
cp "$busybox" "$r/bin/busybox"; ln -s busybox "$r/bin/sh"
case $fs in 9p) need="virtio_pci 9pnet_virtio 9p overlay" ;; *) need="virtio_pci virtiofs overlay" ;; esac
n=100
for m in $need; do
	modprobe -d "$base" -S "$ver" --show-depends "$m" >"$work/deps" ||
		{ echo "$0: kernel $ver has no module $m (Debian 'cloud' has no 9p: use -f virtiofs)" >&2; exit 2; }
	while read -r kind path _; do
		[ "$kind" = insmod ] || continue		# "builtin NAME": nothing to load
		b=${path##*/}; b=${b%%.ko*}
		ls "$r/mod/"*-"$b.ko" >/dev/null 2>&1 && continue
		case $path in
		*.xz) xz -dc "$path" ;; *.zst) zstd -dcq "$path" ;; *.gz) gzip -dc "$path" ;; *) cat "$path" ;;
		esac >"$r/mod/$n-$b.ko"
		n=$((n + 1))
	done <"$work/deps"
done

cat >"$r/init" <<-'INIT'
	#!/bin/sh
	b=/bin/busybox
	$b mount -t proc proc /proc; $b mount -t devtmpfs dev /dev
	for m in /mod/*.ko; do $b insmod $m || echo "insmod $m failed"; done
	. /vm.env
	case $VM_FS in
	9p) $b mount -t 9p -o ro,trans=virtio,version=9p2000.L,msize=512000,cache=loose hostroot /lower ;;
	*)  $b mount -t virtiofs -o ro hostroot /lower ;;
	esac || { $b echo "vmrun: cannot mount the root share"; $b poweroff -f; }
	$b mount -t tmpfs -o size=75% rw /rw; $b mkdir /rw/up /rw/wk
	$b mount -t overlay -o lowerdir=/lower,upperdir=/rw/up,workdir=/rw/wk root /new ||
		{ $b echo "vmrun: no overlay"; $b poweroff -f; }
	$b mkdir -p /new/.vm /new/lib/modules/$VM_VER
	$b cp /bin/busybox /stage2 /vm.env /cmd /new/.vm/
	$b mount --bind "/new$VM_MODDIR" /new/lib/modules/$VM_VER
	$b umount /proc
	# pid 1 must do this itself: kernel threads share its fs_struct, so this
	# also makes the kernel's /sbin/modprobe calls use the new root
	exec $b switch_root /new /.vm/stage2
INIT
cat >"$r/stage2" <<-'STAGE2'
	#!/.vm/busybox sh
	b=/.vm/busybox; . /.vm/vm.env
	m() { $b mount -t "$@"; }
	m proc proc /proc; m sysfs sys /sys; m devtmpfs dev /dev
	$b mkdir -p /dev/pts /dev/shm; m devpts pts /dev/pts; m tmpfs shm /dev/shm
	m tmpfs run /run; m tmpfs tmp2 /var/tmp
	m cgroup2 cg /sys/fs/cgroup; m bpf bpf /sys/fs/bpf; m debugfs dbg /sys/kernel/debug
	echo +memory >/sys/fs/cgroup/cgroup.subtree_control	# as systemd has it, for abuse.sh
	$b ln -sf /proc/self/fd /dev/fd; $b ln -sf fd/0 /dev/stdin; $b ln -sf fd/1 /dev/stdout; $b ln -sf fd/2 /dev/stderr
	$b ln -sf /proc/mounts /etc/mtab
	$b hostname vm; $b ip link set lo up
	$b stty -F /dev/ttyS0 raw -echo; $b stty -F /dev/ttyS2 raw -echo
	echo 1 >/proc/sys/net/core/bpf_jit_enable
	cd "$VM_CWD" || cd /
	PATH=$VM_PATH HOME=/root TERM=dumb VMRUN=1 $b setsid /bin/sh /.vm/cmd </dev/null >/dev/ttyS0 2>&1
	echo "rc=$?" >/dev/ttyS2
	$b stty -F /dev/ttyS0 >/dev/null 2>&1	# drain
	$b sync; $b poweroff -f
STAGE2
chmod +x "$r/init" "$r/stage2"
q() { printf "'%s'" "$(printf %s "$1" | sed "s/'/'\\\\''/g")"; }
{
	echo "VM_FS=$fs"; echo "VM_VER=$ver"; echo "VM_MODDIR=$(q "$moddir")"
	echo "VM_CWD=$(q "$PWD")"; echo "VM_PATH=$(q "$PATH")"
} >"$r/vm.env"
for a; do q "$a"; printf ' '; done >"$r/cmd"
(cd "$r" && find . | cpio -o -H newc --quiet) >"$work/initrd"

# --- run it ---
accel="tcg,thread=multi"; cpu=max append=
if kvm_usable; then
	accel=kvm cpu=host
else
	# What costs an emulated CPU time and no test asks for: deep page tables, checks at each access
	# and allocation, waiting for grace periods
	cpu=max,la57=off,smap=off,smep=off,pku=off
	append="init_on_alloc=0 init_on_free=0 hardened_usercopy=off kfence.sample_interval=0"
	append="$append transparent_hugepage=always rcupdate.rcu_expedited=1 nowatchdog tsc=reliable"
fi
case $fs in
9p)	share="-fsdev local,id=root,path=/,security_model=none,readonly=on,multidevs=remap
		-device virtio-9p-pci,fsdev=root,mount_tag=hostroot" ;;
*)	vd=$(command -v virtiofsd || echo /usr/lib/qemu/virtiofsd)
	$vd --socket-path="$work/vfs.sock" -o source=/ -o cache=always -o sandbox=chroot >"$work/vfs.log" 2>&1 &
	vfspid=$!
	i=0; while [ ! -S "$work/vfs.sock" ] && [ $i -lt 50 ]; do sleep .1; i=$((i + 1)); done
	share="-object memory-backend-memfd,id=mem,size=${mem}M,share=on -numa node,memdev=mem
		-chardev socket,id=vfs,path=$work/vfs.sock -device vhost-user-fs-pci,chardev=vfs,tag=hostroot" ;;
esac
rc=0
# shellcheck disable=SC2086
timeout --foreground "$limit" ${QEMU:-qemu-system-x86_64} ${VMRUN_QEMU:-} -accel $accel -cpu $cpu -smp "$cpus" -m "$mem" \
	-nodefaults -no-user-config -display none -monitor none -no-reboot \
	-kernel "$vmlinuz" -initrd "$work/initrd" \
	-append "console=ttyS1 panic=-1 oops=panic mitigations=off nokaslr audit=0 random.trust_cpu=on $append ${VMRUN_APPEND:-}" \
	-chardev stdio,id=out,signal=off -serial chardev:out \
	-serial "file:$klog" -serial "file:$work/rc" $share </dev/null || rc=$?
[ $rc -ne 124 ] || { echo "vmrun: timed out after $limit s" >&2; tail -20 "$klog" >&2; exit 124; }
r=$(sed -n 's/^rc=\([0-9]*\).*/\1/p' "$work/rc")
[ -n "$r" ] || { echo "vmrun: the guest died (qemu exit $rc); end of its console:" >&2; tail -40 "$klog" >&2; exit 125; }
exit "$r"
