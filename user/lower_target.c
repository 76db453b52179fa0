// SPDX-License-Identifier: GPL-2.0-only
/*
 * lower_target.c - targets other than the standard ones
 *
 * A target becomes an action (enum img_act) with its arguments.
 */
#include <errno.h>
#include <netinet/in.h>
#include <string.h>
#include <linux/netfilter/xt_TCPMSS.h>
#include <linux/netfilter/xt_mark.h>
#include <linux/netfilter/xt_tcpudp.h>
#include <linux/netfilter_ipv4/ipt_REJECT.h>

#include "lower_int.h"

static int lower_mark(struct lowering *l, const void *data)
{
	const struct xt_mark_tginfo2 *mark = data;

	l->out->act = ACT_MARK;
	l->out->arg = mark->mark;
	l->out->arg2 = mark->mask;
	l->out->img_flags |= IMG_F_MARK;
	return 0;
}

static int lower_reject(struct lowering *l, const void *data)
{
	const struct ipt_reject_info *reject = data;

	if ((unsigned int)reject->with > IPT_ICMP_ADMIN_PROHIBITED)
		return low_refuse(l, "unknown kind");
	l->out->act = ACT_REJECT;
	l->out->img_flags |= IMG_F_REJECT;
	if (l->hooks & ON_HOOK(HOOK_FORWARD) && reject->with != IPT_TCP_RESET)
		l->out->img_flags |= IMG_F_FIB_SRC;
	l->out->arg = reject->with;
	return 0;
}

static int check_reject(const struct check *c, const void *data)
{
	const struct ipt_reject_info *reject = data;

	if (reject->with == IPT_ICMP_ECHOREPLY)
		return check_fail(c, -EINVAL, "ECHOREPLY no longer supported");
	if (reject->with == IPT_TCP_RESET &&
	    (c->ip->proto != IPPROTO_TCP || c->ip->invflags & IPT_INV_PROTO))
		return check_fail(c, -EINVAL, "TCP_RESET invalid for non-tcp");
	return 0;
}

/* TCPMSS wants a `-m tcp' that asks for SYN */
static int check_tcpmss(const struct check *c, const void *data)
{
	const struct xt_tcpmss_info *mss = data;

	if (mss->mss == XT_TCPMSS_CLAMP_PMTU && c->hooks & ON_HOOK(HOOK_INPUT))
		return check_fail(c, -EINVAL,
				  "path-MTU clamping only in FORWARD and OUTPUT");
	rule_for_each_match(m, c->rule) {
		const struct xt_tcp *tcp = (const void *)m->data;

		if (!strcmp(m->u.user.name, "tcp") && tcp->flg_cmp & 0x02 &&
		    !(tcp->invflags & XT_TCP_INV_FLAGS))
			return 0;
	}
	return check_fail(c, -EINVAL, "only works on TCP SYN packets");
}

static int lower_tcpmss(struct lowering *l, const void *data)
{
	const struct xt_tcpmss_info *mss = data;

	l->out->act = ACT_TCPMSS;
	l->out->arg = mss->mss;
	l->out->img_flags |= IMG_F_TCPMSS;
	return 0;
}

_Static_assert(MSS_CLAMP == XT_TCPMSS_CLAMP_PMTU, "as xt_TCPMSS has it");

const struct match_op targets[] = {
	{ "MARK", 2, 2, .size = sizeof(struct xt_mark_tginfo2), .lower = lower_mark },
	{ "REJECT", .size = sizeof(struct ipt_reject_info),
	  .check = check_reject, .lower = lower_reject },
	{ "TCPMSS", .proto = IPPROTO_TCP, .size = sizeof(struct xt_tcpmss_info),
	  .check = check_tcpmss, .lower = lower_tcpmss },
	{ .name = NULL },
};
