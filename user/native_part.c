// SPDX-License-Identifier: GPL-2.0-only
/*
 * native_part.c - hook netfilter: what the kernel's own rules do for an instance
 *
 * Which parts a ruleset needs, and their coming and going around its publication.
 * What a new ruleset needs is there before it is in force, and what only the old
 * one needed stays until it no longer is and no packet is under way with its
 * verdict: native_set() is called before and after.
 *
 *	links of fw_native_end	first to come, last to go: whatever is missing in between,
 *	nftables table		a packet that wanted something done natively is dropped
 */
#include <errno.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#include "instance_int.h"
#include "lower.h"

__u32 native_need(enum fw_mode mode, __u32 flags)
{
	if (!mode_is_nf(mode))
		return 0;
	return (flags & IMG_F_CT ? NATIVE_TRACK : 0) | (flags & IMG_F_NATIVE ? NATIVE_ASK : 0) |
	       (flags & IMG_F_CT_ACCT ? NATIVE_ACCT : 0);
}

static int table_set(struct instance *in, __u32 want)
{
	int fd = -1, err;

	if (want & NATIVE_ASK) {
		fd = pins_open("%s/g%d/prog-fw_native_ask", in->dir, in->gen.number);
		if (fd < 0)
			return fd;
	}
	err = nft_table_set(want, fd);
	if (fd >= 0)
		close(fd);
	return err;
}

int native_renew(struct instance *in)
{
	__u32 want = in->gen.map->native & ~NATIVE_UNSURE;
	int err = want & NATIVE_ASK ? attach_nf_end(in, true) : 0;

	return err ? err : table_set(in, want);
}

int native_set(struct instance *in, __u32 want, struct lower_err *err)
{
	__u32 have = in->gen.map->native, gone;
	int ret = 0;

	want &= ~NATIVE_UNSURE;
	if (want == have)
		return 0;
	in->gen.map->native = have | NATIVE_UNSURE;
	gone = have & ~want;
	if (gone & NATIVE_ASK)
		ret = sync_rcu();
	if (!ret && want & NATIVE_ASK)
		ret = attach_nf_end(in, true);
	fault_step();
	if (!ret)
		ret = table_set(in, want);
	fault_step();
	if (!ret && gone & NATIVE_ASK)
		ret = sync_rcu();
	if (!ret && gone & NATIVE_ASK)
		ret = attach_nf_end(in, false);
	if (!ret) {
		in->gen.map->native = want;
		return 0;
	}
	/* The kernel takes a batch whole or not at all. */
	if (!(have & NATIVE_ASK))
		attach_nf_end(in, false);
	in->gen.map->native = have;
	snprintf(err->msg, sizeof(err->msg), "the native rules that this hook needs for %s%s%s "
		 "cannot be made (nftables: %s)", want & NATIVE_ASK ? "REJECT and MARK" : "",
		 want & NATIVE_ASK && want & NATIVE_TRACK ? ", and for " : "",
		 want & NATIVE_TRACK ? "conntrack" : "", strerror(-ret));
	return ret;
}
