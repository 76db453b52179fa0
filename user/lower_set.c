// SPDX-License-Identifier: GPL-2.0-only
/*
 * lower_set.c - the match `set': a rule names an ipset by the kernel's index of it
 *
 * From the kernel's xt_set.c. What the set holds is no part of the image: sets.c
 * mirrors it beside.
 */
#include <errno.h>
#include <netinet/in.h>
#include <linux/netfilter/ipset/ip_set.h>
#include <linux/netfilter/xt_set.h>

#include "../progs/abi/ipset.h"
#include "lower_int.h"

static int check_set(const struct check *c, const void *data)
{
	const struct xt_set_info *set = data;	/* begins every revision's */

	return set->dim > IPSET_DIM_MAX ?
	       check_fail(c, -ERANGE, "set match dimension is over the limit") : 0;
}

static int put_set(struct lowering *l, const struct xt_set_info *set, bool return_nomatch)
{
	struct late_set late = {
		.index = set->index,
		.dim = set->dim,
		.src = set->flags & (IPSET_DIM_ONE_SRC | IPSET_DIM_TWO_SRC | IPSET_DIM_THREE_SRC),
		.return_nomatch = return_nomatch,
	};

	if (set->index >= SETS_MAX)
		return low_refuse(l, "too many ipsets");
	l->out->img_flags |= IMG_F_SET;
	return low_late(l, LATE_SET | (set->flags & IPSET_INV_MATCH ? LATE_NOT : 0), &late,
			sizeof(late) / 4, LOW_PURE);
}

static int lower_set1(struct lowering *l, const void *data)
{
	const struct xt_set_info_match_v1 *m = data;

	return put_set(l, &m->match_set, m->match_set.flags & IPSET_RETURN_NOMATCH);
}

static int counted(struct lowering *l)
{
	return low_refuse(l, "the counters of an ipset's elements are not mirrored");
}

static int lower_set3(struct lowering *l, const void *data)
{
	const struct xt_set_info_match_v3 *m = data;

	if (m->packets.op != IPSET_COUNTER_NONE || m->bytes.op != IPSET_COUNTER_NONE)
		return counted(l);
	return put_set(l, &m->match_set, m->flags & IPSET_FLAG_RETURN_NOMATCH);
}

static int lower_set4(struct lowering *l, const void *data)
{
	const struct xt_set_info_match_v4 *m = data;

	if (m->packets.op != IPSET_COUNTER_NONE || m->bytes.op != IPSET_COUNTER_NONE)
		return counted(l);
	return put_set(l, &m->match_set, m->flags & IPSET_FLAG_RETURN_NOMATCH);
}

const struct match_op set_matches[] = {
	{ "set", 1, 2, .size = sizeof(struct xt_set_info_match_v1),
	  .check = check_set, .lower = lower_set1 },
	{ "set", 3, 3, .size = sizeof(struct xt_set_info_match_v3),
	  .check = check_set, .lower = lower_set3 },
	{ "set", 4, 4, .size = sizeof(struct xt_set_info_match_v4),
	  .check = check_set, .lower = lower_set4 },
	{ .name = NULL },
};
