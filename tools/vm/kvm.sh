# SPDX-License-Identifier: GPL-2.0-only
# shellcheck shell=sh
#
# kvm.sh - can a guest run under KVM here?

# On a CPU without the extensions /dev/kvm may open all the same; its guests never run.
kvm_usable() {
	[ -w /dev/kvm ] && grep -qwE 'vmx|svm' /proc/cpuinfo
}
