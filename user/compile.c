// SPDX-License-Identifier: GPL-2.0-only
/*
 * compile.c - ruleset -> image: what is reachable, where it lies, what it does
 *
 *	reach()		which rules a packet can meet, from which hooks; loops
 *	lower_all()	every rule checked and lowered, reachable or not
 *	place()		positions; a chain is an interval of them
 *	image_build()	classes, vectors, layout (image.c)
 *
 * Reachability is the kernel's (mark_source_chains() of ip_tables.c): a rule
 * without any condition whose target is ACCEPT, DROP or RETURN ends its chain, so
 * the rules behind it take no positions, are checked for no hook, and a loop
 * through them is none. Jumps and gotos are followed whatever their conditions.
 */
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "../progs/abi/counters.h"
#include "array.h"
#include "compile_int.h"
#include "macclass.h"

/* A rule that applies to every packet and decides. */
static bool rule_ends_chain(const struct rule *r)
{
	static const struct ipt_ip any;
	const struct xt_standard_target *t = (const void *)rule_target(r);

	return !r->no_target && !r->jump && !t->target.u.user.name[0] && t->verdict < 0 &&
	       r->entry->target_offset == sizeof(*r->entry) &&
	       !memcmp(&r->entry->ip, &any, sizeof(any));
}

/* Scratch per chain, and the checks that need no search. */
static int nodes_new(struct compilation *c)
{
	const struct ruleset *rs = c->rs;

	c->node = calloc(rs->nr_chains, sizeof(*c->node));
	if (!c->node)
		return -ENOMEM;
	for (size_t i = 0; i < rs->nr_chains; i++) {
		rs->chains[i]->index = i;
		c->node[i].chain = rs->chains[i];
	}
	for (size_t i = 0; i < rs->nr_chains; i++) {
		struct chain *ch = rs->chains[i];
		struct node *n = &c->node[i];
		bool ended = false;

		for (size_t r = 0; r < ch->nr_rules; r++) {
			const struct rule *rule = ch->rules[r];

			if (!ended)
				n->live = r + 1;
			ended |= rule_ends_chain(rule);
			if (rule->jump && rule->jump->hook >= 0) {
				snprintf(c->err->msg, sizeof(c->err->msg),
					 "rule %zu of chain %s jumps to built-in chain %s",
					 r + 1, ch->name, rule->jump->name);
				return -EINVAL;
			}
		}
	}
	return 0;
}

/*
 * Depth-first search from one built-in chain, on a stack of our own as a ruleset
 * may nest as deep as it has chains. A chain is finished, and its depth known,
 * the first time that the search leaves it, whichever hook came first.
 */
static int reach(struct compilation *c, struct node *from, unsigned int hook, struct node **stack)
{
	size_t sp = 0;

	stack[sp++] = from;
	from->hooks |= hook;
	from->open = true;
	from->next = 0;
	while (sp) {
		struct node *n = stack[sp - 1], *to;
		const struct rule *r;
		unsigned int depth;

		if (n->next == n->live) {
			n->open = false;
			sp--;
			continue;
		}
		r = n->chain->rules[n->next];
		if (!r->jump) {
			n->next++;
			continue;
		}
		to = &c->node[r->jump->index];
		if (to->open) {
			snprintf(c->err->msg, sizeof(c->err->msg),
				 "rule %zu of chain %s closes a loop through chain %s",
				 n->next + 1, n->chain->name, to->chain->name);
			return -ELOOP;
		}
		if (!(to->hooks & hook)) {
			to->hooks |= hook;
			to->open = true;
			to->next = 0;
			stack[sp++] = to;
			continue;	/* meets this rule again when @to is finished */
		}
		depth = to->depth + !rule_is_goto(r);
		if (depth > n->depth)
			n->depth = depth;
		n->next++;
	}
	if (from->depth > IMG_MAX_DEPTH) {
		snprintf(c->err->msg, sizeof(c->err->msg),
			 "jumps from chain %s nest %u deep, the limit is %d",
			 from->chain->name, from->depth, IMG_MAX_DEPTH);
		return -E2BIG;
	}
	return 0;
}

static int reach_all(struct compilation *c)
{
	struct node **stack = malloc(c->rs->nr_chains * sizeof(*stack));
	int err = 0;

	if (!stack)
		return -ENOMEM;
	for (size_t i = 0; i < c->rs->nr_chains && !err; i++)
		if (c->rs->chains[i]->hook >= 0)
			err = reach(c, &c->node[i], ON_HOOK(c->rs->chains[i]->hook), stack);
	free(stack);
	return err;
}

/* Errors come in the order of the kernel: first every rule's check, then ours. */
static int lower_all(struct compilation *c, const struct lower_ctx *ctx)
{
	for (int pass = 0; pass < 2; pass++) {
		for (size_t i = 0; i < c->rs->nr_chains; i++) {
			struct node *n = &c->node[i];

			if (pass) {
				n->lowered = calloc(n->chain->nr_rules + 1, sizeof(*n->lowered));
				if (!n->lowered)
					return -ENOMEM;
			}
			for (size_t r = 0; r < n->chain->nr_rules; r++) {
				const struct rule *rule = n->chain->rules[r];
				unsigned int hooks = r < n->live ? n->hooks : 0;
				int err = pass ? rule_lower(rule, hooks, ctx, &n->lowered[r], c->err)
					       : rule_check(rule, hooks, c->err);
				if (err)
					return err;
			}
		}
	}
	return 0;
}

/* A product with an empty set never matches, and takes no position. */
static bool product_is_empty(const struct product *prod)
{
	for (int key = 0; key < NR_KEYS; key++)
		if (prod->set[key] && !prod->set[key]->n)
			return true;
	return false;
}

/* IMG_F_* that follow from what a product tests and what its rule does. */
static __u32 product_flags(const struct product *prod, __u16 act)
{
	__u32 flags = 0;

	if (prod->set[KEY_OIF])
		flags |= IMG_F_OIF;
	if (prod->set[KEY_MAC])
		flags |= IMG_F_MAC;
	if (prod->set[KEY_CTSTATE])
		flags |= IMG_F_CT;
	if (act == ACT_REJECT || act == ACT_MARK || act == ACT_CONNMARK)
		flags |= IMG_F_NATIVE;
	return flags;
}

int place_rule(struct compilation *c, const struct node *n, const struct rule *r,
	       const struct lowered *low)
{
	struct plan *plan = &c->plan;

	plan->flags |= low->img_flags;
	for (size_t i = 0; i < low->nr_prod; i++) {
		__u32 flags = low->img_flags | product_flags(&low->prod[i], low->act);

		if (product_is_empty(&low->prod[i]))
			continue;
		if (plan->nr_pos == IMG_MAX_POSITIONS) {
			snprintf(c->err->msg, sizeof(c->err->msg),
				 "ruleset too big: more than %d positions (a rule takes one, "
				 "a multiport rule one for each direction it tests)",
				 IMG_MAX_POSITIONS);
			return -E2BIG;
		}
		if (array_room(plan->pos, plan->nr_pos + 1, c->cap_pos))
			return -ENOMEM;
		plan->flags |= flags;
		plan->pos[plan->nr_pos++] = (struct position){
			.prod = &low->prod[i],
			.rule = r,
			.act = { .act = low->act, .hooks = n->hooks, .arg = low->arg,
				 .arg2 = low->arg2, .slot = r->slot, .flags = flags },
			.params = low->nr_params ? low->params : NULL,
			.nr_params = low->nr_params,
		};
	}
	return 0;
}

void resolve_jump(const struct compilation *c, const struct rule *r, struct img_action *act)
{
	const struct node *to;

	if (!r->jump)
		return;
	to = &c->node[r->jump->index];
	act->act = rule_is_goto(r) ? ACT_GOTO : ACT_JUMP;
	act->arg = to->start;
	act->arg2 = to->end;
	if (to->start == to->end) {
		act->act = rule_is_goto(r) ? ACT_RETURN : ACT_CONTINUE;
		act->arg = act->arg2 = 0;
	}
}

void plan_hook(struct compilation *c, const struct node *n)
{
	if (n->chain->hook >= 0)
		c->plan.hook[n->chain->hook] = (struct img_hook){
			.start = n->start, .end = n->end,
			.policy = n->chain->drop ? ACT_DROP : ACT_ACCEPT,
			.slot = SLOT_POLICY(n->chain->hook),
		};
}

static int place(struct compilation *c)
{
	struct plan *plan = &c->plan;

	plan->nr_slots = SLOT_FIRST_RULE;
	for (size_t i = 0; i < c->rs->nr_chains; i++) {
		struct node *n = &c->node[i];

		n->start = n->end = plan->nr_pos;
		for (size_t r = 0; r < n->chain->nr_rules; r++) {
			const struct rule *rule = n->chain->rules[r];
			int err = 0;

			if (rule->slot >= plan->nr_slots)
				plan->nr_slots = rule->slot + 1;
			if (n->hooks && r < n->live)
				err = place_rule(c, n, rule, &n->lowered[r]);
			if (err)
				return err;
		}
		n->end = plan->nr_pos;
		plan_hook(c, n);
	}
	for (size_t i = 0; i < c->rs->nr_chains; i++) {
		for (__u32 pos = c->node[i].start; pos < c->node[i].end; pos++) {
			plan->pos[pos].act.chain_end = c->node[i].end;
			resolve_jump(c, plan->pos[pos].rule, &plan->pos[pos].act);
		}
	}
	return 0;
}

static int plan_ifaces(struct plan *plan, const struct ifclasses *ifc, const struct iface *ifs,
		       size_t nr)
{
	plan->iface = calloc(nr + 1, sizeof(*plan->iface));
	if (!plan->iface)
		return -ENOMEM;
	for (size_t i = 0; i < nr; i++) {
		struct img_iface *to = &plan->iface[plan->nr_iface++];

		to->ifindex = ifs[i].ifindex;
		to->in_class = ifclass_in(ifc, i);
		to->out_class = ifclass_out(ifc, i);
		to->flags = ifs[i].flags;
		memcpy(to->mac, ifs[i].mac, sizeof(to->mac));
	}
	return 0;
}

static int plan_macs(struct plan *plan, const struct macclasses *mc)
{
	size_t nr = macclasses_count(mc);

	plan->mac = calloc(nr + 1, sizeof(*plan->mac));
	if (!plan->mac)
		return -ENOMEM;
	for (size_t i = 0; i < nr; i++) {
		const unsigned char *a = macclass_addr(mc, i);
		struct img_mac *to = &plan->mac[plan->nr_mac++];

		to->hi = (__u32)a[0] << 24 | a[1] << 16 | a[2] << 8 | a[3];
		to->lo = a[4] << 8 | a[5];
		to->class = MAC_CLASS_FIRST + i;
	}
	return 0;
}

int compilation_begin(struct compilation *c, const struct ruleset *rs, const struct iface *ifs,
		      size_t nr_ifs, struct lower_err *err)
{
	int ret;

	memset(c, 0, sizeof(*c));
	c->rs = rs;
	c->err = err;
	err->msg[0] = '\0';
	ret = nodes_new(c);
	if (!ret)
		ret = reach_all(c);
	if (ret)
		return ret;
	c->ifc = ifclasses_build(rs, ifs, nr_ifs);
	if (!c->ifc) {
		ret = -errno;
		if (ret == -E2BIG)
			snprintf(err->msg, sizeof(err->msg),
				 "ruleset too big: too many interface names");
		return ret;
	}
	c->mac = macclasses_build(rs);
	if (!c->mac) {
		ret = -errno;
		if (ret == -E2BIG)
			snprintf(err->msg, sizeof(err->msg),
				 "ruleset too big: more than %d MAC addresses", MAC_CLASS_MAX);
		return ret;
	}
	ret = plan_ifaces(&c->plan, c->ifc, ifs, nr_ifs);
	return ret ?: plan_macs(&c->plan, c->mac);
}

struct lower_ctx compilation_ctx(const struct compilation *c)
{
	return (struct lower_ctx){ .ifc = c->ifc, .mac = c->mac, .rs = c->rs };
}

void compilation_end(struct compilation *c)
{
	for (size_t i = 0; c->node && i < c->rs->nr_chains; i++) {
		struct node *n = &c->node[i];

		for (size_t r = 0; n->lowered && r < n->chain->nr_rules; r++)
			lowered_free(&n->lowered[r]);
		free(n->lowered);
	}
	macclasses_free(c->mac);
	ifclasses_free(c->ifc);
	free(c->node);
	free(c->plan.pos);
	free(c->plan.iface);
	free(c->plan.mac);
}

int compile_limited(const struct ruleset *rs, const struct iface *ifs, size_t nr_ifs,
		    const struct class_limits *lim, struct image *img, struct lower_err *err)
{
	struct compilation c;
	int ret = compilation_begin(&c, rs, ifs, nr_ifs, err);

	if (!ret) {
		struct lower_ctx ctx = compilation_ctx(&c);

		ret = lower_all(&c, &ctx);
	}
	if (!ret)
		ret = place(&c);
	if (!ret)
		ret = image_build(&c.plan, lim, img, err);
	compilation_end(&c);
	return ret;
}

int compile(const struct ruleset *rs, const struct iface *ifs, size_t nr_ifs,
	    struct image *img, struct lower_err *err)
{
	return compile_limited(rs, ifs, nr_ifs, NULL, img, err);
}
