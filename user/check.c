// SPDX-License-Identifier: GPL-2.0-only
/*
 * check.c - what the kernel refuses when a rule is loaded
 *
 * The order is the kernel's (find_check_entry(), xt_check_match(), xt_check_target()):
 * base part, then each match and the target: size, table, hooks, protocol, its own
 * checkentry. Its error numbers too, for the command turns them into iptables'
 * messages. Matches and targets that lowering refuses anyway are here so that what
 * iptables calls an error is that error here, not "unsupported".
 */
#include <errno.h>
#include <netinet/in.h>
#include <stdarg.h>
#include <stdio.h>
#include <string.h>
#include <linux/netfilter/xt_addrtype.h>
#include <linux/netfilter/xt_devgroup.h>
#include <linux/netfilter/xt_physdev.h>

#include "lower_int.h"

#define IN	ON_HOOK(HOOK_INPUT)
#define FWD	ON_HOOK(HOOK_FORWARD)
#define OUT	ON_HOOK(HOOK_OUTPUT)

int check_fail(const struct check *c, int ret, const char *fmt, ...)
{
	int n = snprintf(c->err->msg, sizeof(c->err->msg), "%s: ", c->what);
	va_list ap;

	va_start(ap, fmt);
	if (n >= 0 && (size_t)n < sizeof(c->err->msg))
		vsnprintf(c->err->msg + n, sizeof(c->err->msg) - n, fmt, ap);
	va_end(ap);
	return ret;
}

int check_addrtype(const struct check *c, const void *data)
{
	const struct xt_addrtype_info_v1 *at = data;
	bool in = at->flags & XT_ADDRTYPE_LIMIT_IFACE_IN;
	bool out = at->flags & XT_ADDRTYPE_LIMIT_IFACE_OUT;

	if (in && out)
		return check_fail(c, -EINVAL, "both interface limitations");
	if (out && c->hooks & IN)
		return check_fail(c, -EINVAL, "output interface limitation in INPUT");
	if (in && c->hooks & OUT)
		return check_fail(c, -EINVAL, "input interface limitation in OUTPUT");
	return 0;
}

int check_devgroup(const struct check *c, const void *data)
{
	const struct xt_devgroup_info *dg = data;

	if (dg->flags & ~(XT_DEVGROUP_MATCH_SRC | XT_DEVGROUP_INVERT_SRC |
			  XT_DEVGROUP_MATCH_DST | XT_DEVGROUP_INVERT_DST))
		return check_fail(c, -EINVAL, "unknown flags");
	if (dg->flags & XT_DEVGROUP_MATCH_SRC && c->hooks & OUT)
		return check_fail(c, -EINVAL, "source group in OUTPUT");
	if (dg->flags & XT_DEVGROUP_MATCH_DST && c->hooks & IN)
		return check_fail(c, -EINVAL, "destination group in INPUT");
	return 0;
}

int check_physdev(const struct check *c, const void *data)
{
	const struct xt_physdev_info *pd = data;

	if (!(pd->bitmask & XT_PHYSDEV_OP_MASK) || pd->bitmask & ~XT_PHYSDEV_OP_MASK)
		return check_fail(c, -EINVAL, "no option, or an unknown one");
	if (pd->bitmask & (XT_PHYSDEV_OP_OUT | XT_PHYSDEV_OP_ISOUT) &&
	    (!(pd->bitmask & XT_PHYSDEV_OP_BRIDGED) || pd->invert & XT_PHYSDEV_OP_BRIDGED) &&
	    c->hooks & OUT)
		return check_fail(c, -EINVAL, "--physdev-out in OUTPUT");
	return 0;
}

/* Known to iptables, not enforced; size 0: not looked at. */
const struct match_op other_matches[] = {
	{ "cgroup", 0, 255, .hooks = IN | OUT },
	{ "socket", 0, 255, .hooks = IN },
	{ "rpfilter", 0, 255, .nofilter = true },
	{ "osf", .proto = IPPROTO_TCP, .hooks = IN | FWD },
	{ .name = NULL },
};

const struct match_op other_targets[] = {
	{ "CLASSIFY", 0, 255, .hooks = FWD | OUT },
	{ "SYNPROXY", 0, 255, .proto = IPPROTO_TCP, .hooks = IN | FWD },
	{ "CT", 0, 255, .nofilter = true },		/* raw */
	{ "NOTRACK", 0, 255, .nofilter = true },
	{ "TRACE", 0, 255, .nofilter = true },
	{ "TOS", 0, 255, .nofilter = true },		/* mangle */
	{ "DSCP", 0, 255, .nofilter = true },
	{ "ECN", 0, 255, .nofilter = true },
	{ "TTL", 0, 255, .nofilter = true },
	{ "HL", 0, 255, .nofilter = true },
	{ "TCPOPTSTRIP", 0, 255, .nofilter = true },
	{ "TPROXY", 0, 255, .nofilter = true },
	{ "CHECKSUM", 0, 255, .nofilter = true },
	{ "SECMARK", 0, 255, .nofilter = true },	/* mangle, security */
	{ "CONNSECMARK", 0, 255, .nofilter = true },
	{ "DNAT", 0, 255, .nofilter = true },		/* nat */
	{ "SNAT", 0, 255, .nofilter = true },
	{ "MASQUERADE", 0, 255, .nofilter = true },
	{ "REDIRECT", 0, 255, .nofilter = true },
	{ "NETMAP", 0, 255, .nofilter = true },
	{ .name = NULL },
};

/* What x_tables checks of every match and target before it asks the module. */
static int check_op(struct check *c, const struct match_op *op, const char *name,
		    size_t size, const void *data)
{
	c->what = name;
	if (op->size && size != (size_t)XT_ALIGN(op->size))
		return check_fail(c, -EINVAL, "invalid size");
	if (op->nofilter)
		return check_fail(c, -EINVAL, "not valid in the filter table");
	if (op->hooks && c->hooks & ~op->hooks)
		return check_fail(c, -EINVAL, "used from%s%s%s, but only valid from%s%s%s",
				  c->hooks & IN ? " INPUT" : "",
				  c->hooks & FWD ? " FORWARD" : "",
				  c->hooks & OUT ? " OUTPUT" : "",
				  op->hooks & IN ? " INPUT" : "",
				  op->hooks & FWD ? " FORWARD" : "",
				  op->hooks & OUT ? " OUTPUT" : "");
	if (op->proto && (op->proto != c->ip->proto || c->ip->invflags & IPT_INV_PROTO))
		return check_fail(c, -EINVAL, "only valid for protocol %u", op->proto);
	return op->check ? op->check(c, data) : 0;
}

/** rule_check() - see lower.h */
int rule_check(const struct rule *r, unsigned int hooks, struct lower_err *err)
{
	const struct xt_entry_target *t = rule_target(r);
	struct check c = {
		.rule = r,
		.ip = &r->entry->ip,
		.hooks = hooks,
		.what = "rule",
		.err = err,
	};
	const struct match_op *op;
	int ret;

	if (c.ip->flags & ~IPT_F_MASK || c.ip->invflags & ~IPT_INV_MASK)
		return check_fail(&c, -EINVAL, "unknown flags");
	rule_for_each_match(m, r) {
		op = match_find(m);
		ret = op ? check_op(&c, op, m->u.user.name, m->u.match_size - sizeof(*m),
				    m->data) : 0;
		if (ret)
			return ret;
	}
	if (r->no_target || r->jump || !strcmp(t->u.user.name, XT_STANDARD_TARGET))
		return 0;
	op = target_find(t);
	return op ? check_op(&c, op, t->u.user.name, t->u.target_size - sizeof(*t), t->data) : 0;
}
