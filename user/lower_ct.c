// SPDX-License-Identifier: GPL-2.0-only
/*
 * lower_ct.c - matches on the connection, and CONNMARK
 *
 * The state of a packet is one key, KEY_CTSTATE: the bits of xt_conntrack's state
 * (abi/ct.h), labelled before any rule is looked at. All else that a rule asks of the
 * connection is a late record (abi/late_ct.h). From the kernel's xt_conntrack.c,
 * xt_state.c, xt_connmark.c, xt_connbytes.c, xt_connlimit.c and xt_helper.c.
 */
#include <arpa/inet.h>
#include <errno.h>
#include <stddef.h>
#include <stdlib.h>
#include <string.h>
#include <linux/netfilter/xt_connbytes.h>
#include <linux/netfilter/xt_connlimit.h>
#include <linux/netfilter/xt_connmark.h>
#include <linux/netfilter/xt_conntrack.h>
#include <linux/netfilter/xt_helper.h>
#include <linux/netfilter/xt_state.h>

#include "../progs/abi/ct.h"
#include "../progs/abi/late_ct.h"
#include "lower_int.h"

/* libxtables marks `-m state' so that it is printed as it was typed. */
#define STATE_ALIAS	(1u << 13)

/* xt_conntrack's state mask as one on KEY_CTSTATE: UNTRACKED has another bit. */
static __u32 state_key_mask(__u32 xt)
{
	return (xt & 0xff & ~CT_UNTRACKED) |
	       (xt & XT_CONNTRACK_STATE_UNTRACKED ? CT_UNTRACKED : 0);
}

/* The values that a packet can have: one state, and NAT bits. Few, so that few ranges part them. */
static bool state_is_possible(__u32 key)
{
	__u32 state = key & ~(CT_SNAT | CT_DNAT);

	return state && !(state & (state - 1)) && state <= CT_UNTRACKED;
}

static int lower_states(struct lowering *l, __u32 mask, bool inv)
{
	struct fset *set = fset_new();
	__u32 key;

	mask = state_key_mask(mask);
	for (key = 0; set && key <= key_max(KEY_CTSTATE); key++) {
		if (!state_is_possible(key) || !(key & mask) == !inv)
			continue;
		if (fset_add(set, key, key)) {
			fset_free(set);
			set = NULL;
		}
	}
	l->out->img_flags |= IMG_F_CT;
	return low_set(l, KEY_CTSTATE, set);
}

/* The rule needs the connection itself: its entry is kept for the late records. */
static int low_ctinfo(struct lowering *l, unsigned int op, const void *data, size_t words)
{
	l->out->img_flags |= IMG_F_CT | IMG_F_CTINFO;
	return low_late(l, op, data, words, LOW_PURE);
}

/*
 * struct ct_options - the three revisions of the match, as one
 * @match, @not: XT_CONNTRACK_*, which CTI_* are equal to
 */
struct ct_options {
	__u32 states;
	__u32 match;
	__u32 not;
	struct late_ctinfo info;
};

static int lower_conntrack(struct lowering *l, struct ct_options *o)
{
	int err = 0;

	o->match &= ~STATE_ALIAS;
	if (o->match & XT_CONNTRACK_STATE)
		err = lower_states(l, o->states, o->not & XT_CONNTRACK_STATE);
	if (err || o->match == XT_CONNTRACK_STATE)
		return err;
	o->info.match = o->match;
	o->info.not = o->not;
	o->info.hz = kernel_hz();
	return low_ctinfo(l, LATE_CTINFO, &o->info, sizeof(o->info) / 4);
}

static void ct_addr(struct late_ctinfo *to, int i, const union nf_inet_addr *addr,
		    const union nf_inet_addr *mask)
{
	to->addr[i].value = ntohl(addr->ip);
	to->addr[i].mask = ntohl(mask->ip);
}

/* Fields that all revisions have, by the same names. */
#define CT_OPTIONS(ct) (struct ct_options){					\
	.states = (ct)->state_mask, .match = (ct)->match_flags,			\
	.not = (ct)->invert_flags,						\
	.info = { .proto = (ct)->l4proto, .status = (ct)->status_mask,		\
		  .min = (ct)->expires_min, .max = (ct)->expires_max },		\
}
#define CT_ADDRS(to, ct) do {							\
	ct_addr(to, 0, &(ct)->origsrc_addr, &(ct)->origsrc_mask);		\
	ct_addr(to, 1, &(ct)->origdst_addr, &(ct)->origdst_mask);		\
	ct_addr(to, 2, &(ct)->replsrc_addr, &(ct)->replsrc_mask);		\
	ct_addr(to, 3, &(ct)->repldst_addr, &(ct)->repldst_mask);		\
} while (0)

static __u32 one_port(__be16 port)
{
	return (__u32)ntohs(port) << 16 | ntohs(port);
}

/* Before revision 3 a port is one, in network order. */
#define CT_PORTS(to, ct) do {							\
	(to)->port[0] = one_port((ct)->origsrc_port);				\
	(to)->port[1] = one_port((ct)->origdst_port);				\
	(to)->port[2] = one_port((ct)->replsrc_port);				\
	(to)->port[3] = one_port((ct)->repldst_port);				\
} while (0)

static int lower_conntrack1(struct lowering *l, const void *data)
{
	const struct xt_conntrack_mtinfo1 *ct = data;
	struct ct_options o = CT_OPTIONS(ct);

	CT_ADDRS(&o.info, ct);
	CT_PORTS(&o.info, ct);
	return lower_conntrack(l, &o);
}

static int lower_conntrack2(struct lowering *l, const void *data)
{
	const struct xt_conntrack_mtinfo2 *ct = data;
	struct ct_options o = CT_OPTIONS(ct);

	CT_ADDRS(&o.info, ct);
	CT_PORTS(&o.info, ct);
	return lower_conntrack(l, &o);
}

static int lower_conntrack3(struct lowering *l, const void *data)
{
	const struct xt_conntrack_mtinfo3 *ct = data;
	struct ct_options o = CT_OPTIONS(ct);

	CT_ADDRS(&o.info, ct);
	o.info.port[0] = (__u32)ct->origsrc_port << 16 | ct->origsrc_port_high;
	o.info.port[1] = (__u32)ct->origdst_port << 16 | ct->origdst_port_high;
	o.info.port[2] = (__u32)ct->replsrc_port << 16 | ct->replsrc_port_high;
	o.info.port[3] = (__u32)ct->repldst_port << 16 | ct->repldst_port_high;
	return lower_conntrack(l, &o);
}

static int lower_state(struct lowering *l, const void *data)
{
	const struct xt_state_info *st = data;

	return lower_states(l, st->statemask, false);
}

static int lower_connmark(struct lowering *l, const void *data)
{
	const struct xt_connmark_mtinfo1 *cm = data;
	struct late_connmark late = { .mask = cm->mask, .value = cm->mark, .not = !!cm->invert };

	return low_ctinfo(l, LATE_CONNMARK, &late, sizeof(late) / 4);
}

static int check_connbytes(const struct check *c, const void *data)
{
	const struct xt_connbytes_info *cb = data;

	if (cb->what > XT_CONNBYTES_AVGPKT || cb->direction > XT_CONNBYTES_DIR_BOTH)
		return check_fail(c, -EINVAL, "unknown mode or direction");
	return 0;
}

static int lower_connbytes(struct lowering *l, const void *data)
{
	const struct xt_connbytes_info *cb = data;
	struct late_connbytes late = {
		.what = cb->what, .dir = cb->direction,
		.from_lo = cb->count.from, .from_hi = cb->count.from >> 32,
		.to_lo = cb->count.to, .to_hi = cb->count.to >> 32,
	};

	l->out->img_flags |= IMG_F_CT_ACCT;
	return low_ctinfo(l, LATE_CONNBYTES, &late, sizeof(late) / 4);
}

static int lower_connlimit(struct lowering *l, const void *data)
{
	const struct xt_connlimit_info *cl = data;
	struct late_connlimit late = {
		.state = state_ref(&cl->data), .mask = ntohl(cl->v4_mask), .limit = cl->limit,
		.flags = (cl->flags & XT_CONNLIMIT_INVERT ? CONNLIMIT_NOT : 0) |
			 (cl->flags & XT_CONNLIMIT_DADDR ? CONNLIMIT_DADDR : 0),
	};

	l->out->img_flags |= IMG_F_CT | IMG_F_CTINFO | IMG_F_CONNLIMIT;
	return low_late(l, LATE_CONNLIMIT, &late, sizeof(late) / 4, LOW_EFFECT);
}

/* The match asks for the helper of the connection that announced this one. */
static int lower_helper(struct lowering *l, const void *data)
{
	const struct xt_helper_info *h = data;
	struct late_helper late = { .not = !!h->invert };
	size_t len = strnlen(h->name, sizeof(h->name) - 1);

	memcpy(late.name, h->name, len);
	l->out->img_flags |= IMG_F_CT | IMG_F_NF_HOST;
	return low_late(l, LATE_HELPER, &late, sizeof(late) / 4, LOW_PURE);
}

const struct match_op ct_matches[] = {
	{ "conntrack", 1, 1, .size = sizeof(struct xt_conntrack_mtinfo1), .lower = lower_conntrack1 },
	{ "conntrack", 2, 2, .size = sizeof(struct xt_conntrack_mtinfo2), .lower = lower_conntrack2 },
	{ "conntrack", 3, 3, .size = sizeof(struct xt_conntrack_mtinfo3), .lower = lower_conntrack3 },
	{ "state", 0, 0, .size = sizeof(struct xt_state_info), .lower = lower_state },
	{ "connmark", 1, 1, .size = sizeof(struct xt_connmark_mtinfo1), .lower = lower_connmark },
	{ "connbytes", 0, 0, .size = sizeof(struct xt_connbytes_info),
	  .check = check_connbytes, .lower = lower_connbytes },
	{ "connlimit", 1, 1, .size = sizeof(struct xt_connlimit_info),
	  .state = offsetof(struct xt_connlimit_info, data), .lower = lower_connlimit },
	{ "helper", 0, 0, .size = sizeof(struct xt_helper_info), .lower = lower_helper },
	{ .name = NULL },
};

/* CONNMARK: @shift to the left, or negative to the right */
static int lower_connmark_target(struct lowering *l, const struct xt_connmark_tginfo1 *cm, int shift)
{
	struct act_connmark act = {
		.ctmark = cm->ctmark, .ctmask = cm->ctmask, .nfmask = cm->nfmask, .shift = shift,
	};

	switch (cm->mode) {
	case XT_CONNMARK_SET:
		act.mode = CONNMARK_SET;
		break;
	case XT_CONNMARK_SAVE:
		act.mode = CONNMARK_SAVE;
		break;
	case XT_CONNMARK_RESTORE:
		act.mode = CONNMARK_RESTORE;
		l->out->img_flags |= IMG_F_MARK;
		break;
	default:			/* the kernel does nothing then */
		l->out->act = ACT_CONTINUE;
		return 0;
	}
	l->out->img_flags |= IMG_F_CT | IMG_F_CTINFO;
	l->out->act = ACT_CONNMARK;
	l->out->nr_params = sizeof(act) / 4;
	l->out->params = calloc(sizeof(act) / 4, sizeof(__u32));
	if (!l->out->params)
		return -ENOMEM;
	memcpy(l->out->params, &act, sizeof(act));
	return 0;
}

static int lower_connmark1(struct lowering *l, const void *data)
{
	return lower_connmark_target(l, data, 0);
}

static int lower_connmark2(struct lowering *l, const void *data)
{
	const struct xt_connmark_tginfo2 *cm = data;
	struct xt_connmark_tginfo1 cm1 = {
		.ctmark = cm->ctmark, .ctmask = cm->ctmask, .nfmask = cm->nfmask, .mode = cm->mode,
	};

	return lower_connmark_target(l, &cm1, cm->shift_dir == D_SHIFT_RIGHT ? -cm->shift_bits :
				     cm->shift_bits);
}

static int check_connmark2(const struct check *c, const void *data)
{
	const struct xt_connmark_tginfo2 *cm = data;

	if (cm->shift_dir > D_SHIFT_RIGHT || cm->shift_bits >= 32)
		return check_fail(c, -EINVAL, "bad shift");
	return 0;
}

const struct match_op ct_targets[] = {
	{ "CONNMARK", 1, 1, .size = sizeof(struct xt_connmark_tginfo1), .lower = lower_connmark1 },
	{ "CONNMARK", 2, 2, .size = sizeof(struct xt_connmark_tginfo2),
	  .check = check_connmark2, .lower = lower_connmark2 },
	{ .name = NULL },
};

_Static_assert(sizeof(((struct xt_helper_info *)0)->name) < LATE_HELPER_NAME, "a helper's name fits");
