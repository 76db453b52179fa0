// SPDX-License-Identifier: GPL-2.0-only
/*
 * lower_ip.c - matches on the IP header and on what the packet carries beside it
 *
 * One field, one set: no header is too short for these. From the kernel's
 * xt_iprange.c, xt_length.c, xt_hl.c, xt_dscp.c, xt_pkttype.c, xt_mark.c, xt_mac.c.
 */
#include <arpa/inet.h>
#include <errno.h>
#include <linux/netfilter/xt_comment.h>
#include <linux/netfilter/xt_dscp.h>
#include <linux/netfilter/xt_iprange.h>
#include <linux/netfilter/xt_length.h>
#include <linux/netfilter/xt_mac.h>
#include <linux/netfilter/xt_mark.h>
#include <linux/netfilter/xt_pkttype.h>
#include <linux/netfilter_ipv4/ipt_ttl.h>

#include "lower_int.h"
#include "macclass.h"

static int lower_comment(struct lowering *l, const void *data)
{
	(void)l;
	(void)data;
	return 0;
}

static int lower_iprange(struct lowering *l, const void *data)
{
	const struct xt_iprange_mtinfo *ipr = data;
	int err = 0;

	if (ipr->flags & IPRANGE_SRC)
		err = low_range(l, KEY_SADDR, ntohl(ipr->src_min.ip), ntohl(ipr->src_max.ip),
				ipr->flags & IPRANGE_SRC_INV);
	if (!err && ipr->flags & IPRANGE_DST)
		err = low_range(l, KEY_DADDR, ntohl(ipr->dst_min.ip), ntohl(ipr->dst_max.ip),
				ipr->flags & IPRANGE_DST_INV);
	return err;
}

static int lower_length(struct lowering *l, const void *data)
{
	const struct xt_length_info *len = data;

	return low_range(l, KEY_LENGTH, len->min, len->max, len->invert);
}

static int lower_ttl(struct lowering *l, const void *data)
{
	const struct ipt_ttl_info *ttl = data;

	switch (ttl->mode) {
	case IPT_TTL_EQ:
		return low_range(l, KEY_TTL, ttl->ttl, ttl->ttl, false);
	case IPT_TTL_NE:
		return low_range(l, KEY_TTL, ttl->ttl, ttl->ttl, true);
	case IPT_TTL_LT:	/* not (>= ttl) */
		return low_range(l, KEY_TTL, ttl->ttl, 255, true);
	default:		/* IPT_TTL_GT: not (<= ttl) */
		return low_range(l, KEY_TTL, 0, ttl->ttl, true);
	}
}

static int check_ttl(const struct check *c, const void *data)
{
	const struct ipt_ttl_info *ttl = data;

	return ttl->mode > IPT_TTL_GT ? check_fail(c, -EINVAL, "unknown mode") : 0;
}

static int lower_tos(struct lowering *l, const void *data)
{
	const struct xt_tos_match_info *tos = data;

	return low_mask(l, KEY_TOS, tos->tos_value, tos->tos_mask, tos->invert);
}

static int lower_dscp(struct lowering *l, const void *data)
{
	const struct xt_dscp_info *dscp = data;

	return low_mask(l, KEY_TOS, dscp->dscp << XT_DSCP_SHIFT, XT_DSCP_MASK, dscp->invert);
}

static int check_dscp(const struct check *c, const void *data)
{
	const struct xt_dscp_info *dscp = data;

	return dscp->dscp > XT_DSCP_MAX ? check_fail(c, -EDOM, "value beyond 0x3f") : 0;
}

/* A type that no packet has (a negative one too) is an empty range. */
static int lower_pkttype(struct lowering *l, const void *data)
{
	const struct xt_pkttype_info *pt = data;
	bool known = pt->pkttype >= 0 && (__u32)pt->pkttype <= key_max(KEY_PKTTYPE);

	return low_range(l, KEY_PKTTYPE, known ? pt->pkttype : 1, known ? pt->pkttype : 0,
			 pt->invert);
}

static int lower_mark(struct lowering *l, const void *data)
{
	const struct xt_mark_mtinfo1 *mark = data;

	return low_mask(l, KEY_MARK, mark->mark, mark->mask, mark->invert);
}

/* Inverted: any other Ethernet source, but never "no Ethernet source". */
static int lower_mac(struct lowering *l, const void *data)
{
	const struct xt_mac_info *mac = data;
	__u16 class = MAC_CLASS_OTHER;
	struct fset *set;

	if (l->ctx->mac)
		class = macclass_of(l->ctx->mac, mac->srcaddr);
	if (class == MAC_CLASS_OTHER)
		return low_refuse(l, "too many different addresses in the ruleset");
	l->out->img_flags |= IMG_F_MAC;
	if (!mac->invert)
		return low_range(l, KEY_MAC, class, class, false);
	set = fset_new();
	if (set && (fset_add(set, MAC_CLASS_OTHER, class - 1) ||
		    fset_add(set, class + 1, key_max(KEY_MAC)))) {
		fset_free(set);
		set = NULL;
	}
	return low_set(l, KEY_MAC, set);
}

const struct match_op ip_matches[] = {
	{ "comment", .size = sizeof(struct xt_comment_info), .lower = lower_comment },
	{ "iprange", 1, 1, .size = sizeof(struct xt_iprange_mtinfo), .lower = lower_iprange },
	{ "length", .size = sizeof(struct xt_length_info), .lower = lower_length },
	{ "ttl", .size = sizeof(struct ipt_ttl_info),
	  .check = check_ttl, .lower = lower_ttl },
	{ "tos", 1, 1, .size = sizeof(struct xt_tos_match_info), .lower = lower_tos },
	{ "dscp", .size = sizeof(struct xt_dscp_info),
	  .check = check_dscp, .lower = lower_dscp },
	{ "pkttype", .size = sizeof(struct xt_pkttype_info), .lower = lower_pkttype },
	{ "mark", 1, 1, .size = sizeof(struct xt_mark_mtinfo1), .lower = lower_mark },
	{ "mac", .hooks = ON_HOOK(HOOK_INPUT) | ON_HOOK(HOOK_FORWARD),
	  .size = sizeof(struct xt_mac_info), .lower = lower_mac },
	{ .name = NULL },
};
