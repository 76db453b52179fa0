// SPDX-License-Identifier: GPL-2.0-only
/*
 * lower.c - drive a rule through its base part, its matches and its target
 *
 * A rule starts as one product that accepts everything. Each check narrows it in the
 * rule's own order, which is iptables' order of evaluation: source, destination, in,
 * out, protocol, fragment, then the matches. What a check may do to the products is
 * in low_*() (lower_int.h tells the plan; low.c does it).
 */
#include <arpa/inet.h>
#include <errno.h>
#include <net/if.h>		/* before the kernel's headers, which yield to it */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <linux/netfilter.h>

#include "ifclass.h"
#include "lower_int.h"

static const struct match_op *const match_tables[] = {
	l4_matches,
	ip_matches,
	state_matches,
	rate_matches,
	ct_matches,
	payload_matches,
	host_matches,
	route_matches,
	set_matches,
	other_matches,
};

static const struct match_op *const target_tables[] = {
	targets,
	ct_targets,
	log_targets,
	other_targets,
};

static const struct match_op *op_find(const struct match_op *const *tables, size_t n,
				      const char *name, __u8 revision)
{
	for (size_t i = 0; i < n; i++)
		for (const struct match_op *op = tables[i]; op->name; op++)
			if (op->name[0] == name[0] && !strcmp(op->name, name) &&
			    revision >= op->rev_min && revision <= op->rev_max)
				return op;
	return NULL;
}

const struct match_op *match_find(const struct xt_entry_match *m)
{
	return op_find(match_tables, sizeof(match_tables) / sizeof(match_tables[0]),
		       m->u.user.name, m->u.user.revision);
}

const struct match_op *target_find(const struct xt_entry_target *t)
{
	return op_find(target_tables, sizeof(target_tables) / sizeof(target_tables[0]),
		       t->u.user.name, t->u.user.revision);
}

/* -i or -o */
static int lower_iface(struct lowering *l, enum fw_key key, const char *name,
		       const unsigned char *mask, bool inv)
{
	bool any = true;
	struct fset *set;

	for (size_t i = 0; i < IFNAMSIZ; i++)
		any &= !mask[i];
	if (any)
		return inv ? low_range(l, key, 1, 0, false) : 0;
	if (key == KEY_OIF)
		l->out->img_flags |= IMG_F_OIF;
	l->what = "interface";
	set = ifclass_set(l->ctx->ifc, key == KEY_OIF, name, mask, inv);
	if (!set && errno == EINVAL)
		return low_refuse(l, "neither a name nor a prefix, or too many different ones");
	return low_set(l, key, set);
}

/* The protocol and -f are forms and protocol of KEY_L4; nothing is malformed yet. */
static void lower_proto(struct lowering *l, const struct ipt_ip *ip)
{
	bool frag = ip->flags & IPT_F_FRAG, inv = ip->invflags & IPT_INV_FRAG;

	l->proto = ip->proto;
	l->proto_is = LOW_PROTO_ANY;
	if (ip->proto)
		l->proto_is = ip->invflags & IPT_INV_PROTO ? LOW_PROTO_NOT : LOW_PROTO_ONE;
	if (frag)
		l->p[0].forms = inv ? FORMS_ALL & ~FORMS_FRAG : FORMS_FRAG;
	else
		l->p[0].forms = inv ? 0 : FORMS_ALL;
	l->p[0].dead = !l->p[0].forms;
}

static int lower_base(struct lowering *l, const struct ipt_ip *ip)
{
	int err;

	lower_proto(l, ip);
	err = low_mask(l, KEY_SADDR, ntohl(ip->src.s_addr), ntohl(ip->smsk.s_addr),
		       ip->invflags & IPT_INV_SRCIP);
	if (!err)
		err = low_mask(l, KEY_DADDR, ntohl(ip->dst.s_addr), ntohl(ip->dmsk.s_addr),
			       ip->invflags & IPT_INV_DSTIP);
	if (!err)
		err = lower_iface(l, KEY_IIF, ip->iniface, ip->iniface_mask,
				  ip->invflags & IPT_INV_VIA_IN);
	if (!err)
		err = lower_iface(l, KEY_OIF, ip->outiface, ip->outiface_mask,
				  ip->invflags & IPT_INV_VIA_OUT);
	return err;
}

static int lower_matches(struct lowering *l)
{
	rule_for_each_match(m, l->rule) {
		const struct match_op *op = match_find(m);
		int err;

		l->what = m->u.user.name;
		if (!op) {
			char why[64];

			snprintf(why, sizeof(why), "not known (revision %u)",
				 m->u.user.revision);
			return low_refuse(l, why);
		}
		if (!op->lower)
			return low_refuse(l, "not supported");
		if (m->u.match_size != sizeof(*m) + XT_ALIGN(op->size))
			return -EINVAL;
		err = op->lower(l, m->data);
		if (err)
			return err;
	}
	return 0;
}

static int lower_verdict(struct lowering *l, int verdict)
{
	switch (verdict) {
	case -NF_ACCEPT - 1:
		l->out->act = ACT_ACCEPT;
		return 0;
	case -NF_DROP - 1:
		l->out->act = ACT_DROP;
		return 0;
	case XT_RETURN:
		l->out->act = ACT_RETURN;
		return 0;
	case -NF_QUEUE - 1:
		l->what = "QUEUE";
		return low_refuse(l, "no queue to user space");
	default:
		return -EINVAL;
	}
}

static int lower_target(struct lowering *l)
{
	const struct xt_entry_target *t = rule_target(l->rule);
	const struct match_op *op;

	l->target = true;
	if (l->rule->no_target) {
		l->out->act = ACT_CONTINUE;
		return 0;
	}
	if (l->rule->jump) {
		l->out->act = l->rule->entry->ip.flags & IPT_F_GOTO ? ACT_GOTO : ACT_JUMP;
		return 0;
	}
	if (!strcmp(t->u.user.name, XT_STANDARD_TARGET))
		return lower_verdict(l, ((const struct xt_standard_target *)t)->verdict);
	l->what = t->u.user.name;
	op = target_find(t);
	if (!op)
		return low_refuse(l, "not known");
	if (!op->lower)
		return low_refuse(l, "not supported");
	if (t->u.target_size != sizeof(*t) + XT_ALIGN(op->size))
		return -EINVAL;
	return op->lower(l, t->data);
}

/** rule_lower() - see lower.h */
int rule_lower(const struct rule *r, unsigned int hooks, const struct lower_ctx *ctx,
	       struct lowered *out, struct lower_err *err)
{
	struct lowering l;
	int ret;

	l.rule = r;
	l.hooks = hooks;
	l.ctx = ctx;
	l.out = out;
	l.err = err;
	l.effect = false;
	l.target = false;
	l.p[0] = (struct low_product){ 0 };
	memset(out, 0, sizeof(*out));
	out->prod = calloc(1, sizeof(*out->prod));
	if (!out->prod)
		return -ENOMEM;
	out->nr_prod = 1;

	ret = lower_base(&l, &r->entry->ip);
	if (!ret)
		ret = lower_matches(&l);
	if (!ret)
		ret = lower_target(&l);
	if (!ret)
		ret = low_finish(&l);
	if (ret) {
		low_discard(&l);
		lowered_free(out);
	}
	return ret;
}

/** lowered_free() - free what rule_lower() filled in; it is empty then */
void lowered_free(struct lowered *l)
{
	free(l->prod);		/* sets and records are in the same block */
	free(l->params);
	memset(l, 0, sizeof(*l));
}
