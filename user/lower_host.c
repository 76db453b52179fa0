// SPDX-License-Identifier: GPL-2.0-only
/*
 * lower_host.c - matches that ask the host about a packet: addrtype
 *
 * From the kernel's xt_addrtype.c. The datapath reads the kernel's own tables at the
 * instant of the question (progs/kernel.bpf.h), so nothing here goes stale.
 */
#include <linux/netfilter/xt_addrtype.h>

#include "lower_int.h"

static int lower_types(struct lowering *l, __u32 flags, __u32 src, __u32 dst)
{
	struct late_addrtype late = { .flags = flags, .src = src, .dst = dst };

	if (!src && !dst)
		return 0;
	l->out->img_flags |= IMG_F_ADDRTYPE;
	return low_late(l, LATE_ADDRTYPE, &late, sizeof(late) / 4, LOW_PURE);
}

static int lower_addrtype0(struct lowering *l, const void *data)
{
	const struct xt_addrtype_info *at = data;

	return lower_types(l, (at->invert_source ? LATE_ADDRTYPE_NOT_SRC : 0) |
			   (at->invert_dest ? LATE_ADDRTYPE_NOT_DST : 0), at->source, at->dest);
}

static int lower_addrtype1(struct lowering *l, const void *data)
{
	const struct xt_addrtype_info_v1 *at = data;

	return lower_types(l, at->flags, at->source, at->dest);
}

const struct match_op host_matches[] = {
	{ "addrtype", 0, 0, .size = sizeof(struct xt_addrtype_info), .lower = lower_addrtype0 },
	{ "addrtype", 1, 1, .size = sizeof(struct xt_addrtype_info_v1),
	  .check = check_addrtype, .lower = lower_addrtype1 },
	{ .name = NULL },
};

_Static_assert(XT_ADDRTYPE_INVERT_SOURCE == LATE_ADDRTYPE_NOT_SRC &&
	       XT_ADDRTYPE_INVERT_DEST == LATE_ADDRTYPE_NOT_DST &&
	       XT_ADDRTYPE_LIMIT_IFACE_IN == LATE_ADDRTYPE_IN &&
	       XT_ADDRTYPE_LIMIT_IFACE_OUT == LATE_ADDRTYPE_OUT, "flags are xt_addrtype's");
