/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * compile_int.h - a compilation under way: of a whole ruleset (compile.c) or of what has
 * changed in it (delta.c)
 */
#ifndef BPFIPT_COMPILE_INT_H
#define BPFIPT_COMPILE_INT_H

#include "compile.h"
#include "image.h"

struct macclasses;

/*
 * struct node - a chain during compilation
 * @live:	rules up to and including the first unconditional verdict
 * @hooks:	ON_HOOK() bits of the hooks that reach it
 * @depth:	return addresses that its jumps can stack up
 * @next:	search: next rule to look at
 * @open:	search: on the path from the hook
 * @lowered:	per rule of the chain, or NULL
 * @start, @end: its positions; in a delta, those of its first segment
 * @seg, @nr_seg: its segments, in a delta
 */
struct node {
	struct chain *chain;
	size_t live;
	unsigned int hooks;
	unsigned int depth;
	size_t next;
	bool open;
	struct lowered *lowered;
	__u32 start;
	__u32 end;
	size_t seg;
	size_t nr_seg;
};

struct compilation {
	const struct ruleset *rs;
	struct node *node;
	struct ifclasses *ifc;
	struct macclasses *mac;
	struct plan plan;
	size_t cap_pos;
	struct lower_err *err;
};

static inline bool rule_is_goto(const struct rule *r)
{
	return r->entry->ip.flags & IPT_F_GOTO;
}

/*
 * compilation_begin() - what needs no rule lowered: reachability, classes of names, and the
 * plan's tables of them. compilation_end() is due in either case.
 * Return: 0 or -errno, err->msg.
 */
int compilation_begin(struct compilation *c, const struct ruleset *rs, const struct iface *ifs,
		      size_t nr_ifs, struct lower_err *err);
struct lower_ctx compilation_ctx(const struct compilation *c);
void compilation_end(struct compilation *c);

/* place_rule() - add the positions of a rule of chain @n to the plan: 0 or -errno */
int place_rule(struct compilation *c, const struct node *n, const struct rule *r,
	       const struct lowered *low);

/*
 * resolve_jump() - give a jump, or goto, its interval, once all chains have theirs
 * One to an empty chain just counts, or returns at once: the walk never enters an empty
 * interval.
 */
void resolve_jump(const struct compilation *c, const struct rule *r, struct img_action *act);

/* plan_hook() - the plan's hook of a built-in chain that has its interval */
void plan_hook(struct compilation *c, const struct node *n);

#endif /* BPFIPT_COMPILE_INT_H */
