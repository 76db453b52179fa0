// SPDX-License-Identifier: GPL-2.0-only
/*
 * lower_ct.c - matches on the conntrack state
 *
 * The state of a packet is one key, KEY_CTSTATE: the bits of xt_conntrack's state
 * (abi/ct.h), labelled before any rule is looked at. From the kernel's
 * xt_conntrack.c and xt_state.c. Options on the tuple, status, direction or expiry
 * of the connection are refused by name.
 */
#include <linux/netfilter/xt_conntrack.h>
#include <linux/netfilter/xt_state.h>

#include "../progs/abi/ct.h"
#include "lower_int.h"

/* libxtables marks `-m state' so that it is printed as it was typed. */
#define STATE_ALIAS	(1u << 13)

/* xt_conntrack's state mask as one on KEY_CTSTATE: UNTRACKED has another bit. */
static __u32 state_key_mask(__u32 xt)
{
	return (xt & 0xff & ~CT_UNTRACKED) |
	       (xt & XT_CONNTRACK_STATE_UNTRACKED ? CT_UNTRACKED : 0);
}

static int lower_states(struct lowering *l, __u32 mask, bool inv)
{
	struct fset *set = fset_new();
	__u32 key;

	mask = state_key_mask(mask);
	for (key = 0; set && key <= key_max(KEY_CTSTATE); key++) {
		if (!(key & mask) == !inv)
			continue;
		if (fset_add(set, key, key)) {
			fset_free(set);
			set = NULL;
		}
	}
	l->out->img_flags |= IMG_F_CT;
	return low_set(l, KEY_CTSTATE, set);
}

/* Of the conntrack match, @flags and @inv are its match and invert flags. */
static int lower_conntrack(struct lowering *l, __u32 flags, __u32 inv, __u32 mask)
{
	if ((flags & ~STATE_ALIAS) != XT_CONNTRACK_STATE)
		return low_refuse(l, "only --ctstate can be");
	return lower_states(l, mask, inv & XT_CONNTRACK_STATE);
}

static int lower_conntrack1(struct lowering *l, const void *data)
{
	const struct xt_conntrack_mtinfo1 *ct = data;

	return lower_conntrack(l, ct->match_flags, ct->invert_flags, ct->state_mask);
}

/* Revisions 2 and 3 begin alike. */
static int lower_conntrack3(struct lowering *l, const void *data)
{
	const struct xt_conntrack_mtinfo2 *ct = data;

	return lower_conntrack(l, ct->match_flags, ct->invert_flags, ct->state_mask);
}

static int lower_state(struct lowering *l, const void *data)
{
	const struct xt_state_info *st = data;

	return lower_states(l, st->statemask, false);
}

const struct match_op ct_matches[] = {
	{ "conntrack", 1, 1, .size = sizeof(struct xt_conntrack_mtinfo1), .lower = lower_conntrack1 },
	{ "conntrack", 2, 2, .size = sizeof(struct xt_conntrack_mtinfo2), .lower = lower_conntrack3 },
	{ "conntrack", 3, 3, .size = sizeof(struct xt_conntrack_mtinfo3), .lower = lower_conntrack3 },
	{ "state", 0, 0, .size = sizeof(struct xt_state_info), .lower = lower_state },
	{ .name = NULL },
};
