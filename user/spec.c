// SPDX-License-Identifier: GPL-2.0-only
/*
 * spec.c - a parsed command line -> rules, and the rules equal to it
 *
 * One command line is one rule per (source, destination) pair. A rule's entry is
 *
 *	ipt_entry | match | match ... | target
 *
 * with the matches and an extension's target exactly as libxtables made them.
 * ACCEPT, DROP, QUEUE, RETURN, jumps and "no target" are standard targets.
 *
 * Two rules are equal when their base parts, targets and matches agree, in
 * order; of an extension's data only the part that is the user's is compared,
 * since the rest is the kernel's to write.
 */
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "names.h"
#include "spec.h"

#define STANDARD_SIZE	XT_ALIGN(sizeof(struct xt_standard_target))

void spec_resolve(struct command *cmd, const struct ruleset *rs)
{
	const char *name = cmd->jumpto;

	if (!*name)
		return;
	if (ruleset_find(rs, name)) {
		if (!cmd->blobs.target)
			return;
		fprintf(stderr, "Warning: using chain %s, not extension\n", name);
		free(cmd->blobs.target);
		cmd->blobs.target = NULL;
		return;
	}
	if (cmd->ip.flags & IPT_F_GOTO)
		xtables_error(PARAMETER_PROBLEM, "goto '%s' is not a chain", name);
	if (!cmd->blobs.target && !verdict_by_name(name))
		xtables_find_target(name, XTF_LOAD_MUST_SUCCEED);
}

static void standard_target(struct xt_standard_target *st, const char *name)
{
	const int *verdict = verdict_by_name(name);

	st->target.u.target_size = STANDARD_SIZE;
	st->verdict = verdict ? *verdict : 0;
}

int spec_rule(const struct command *cmd, const struct ruleset *rs, unsigned int s,
	      unsigned int d, struct rule **out)
{
	const struct xt_blobs *b = &cmd->blobs;
	size_t offset = sizeof(struct ipt_entry) + b->matches_len;
	size_t size = offset + (b->target ? b->target->u.target_size : STANDARD_SIZE);
	struct chain *jump = NULL;
	struct ipt_entry *e;
	struct rule *r;

	if (!b->target && *cmd->jumpto && !verdict_by_name(cmd->jumpto)) {
		jump = ruleset_find(rs, cmd->jumpto);
		if (!jump)
			return -ENOENT;
	}
	if (size > 0xffff)	/* offsets are 16 bits wide */
		return -EINVAL;
	r = rule_new(size);
	if (!r)
		return -ENOMEM;
	e = r->entry;
	r->jump = jump;
	r->no_target = !*cmd->jumpto;
	r->packets = cmd->packets;
	r->bytes = cmd->bytes;
	r->set_counters = true;

	e->ip = cmd->ip;
	e->ip.src = cmd->src.addr[s];
	e->ip.smsk = cmd->src.mask[s];
	e->ip.dst = cmd->dst.addr[d];
	e->ip.dmsk = cmd->dst.mask[d];
	e->target_offset = offset;
	e->next_offset = size;
	if (b->matches_len)
		memcpy(e->elems, b->matches, b->matches_len);
	if (b->target)
		memcpy((char *)e + offset, b->target, b->target->u.target_size);
	else
		standard_target((void *)((char *)e + offset), cmd->jumpto);
	*out = r;
	return 0;
}

static bool same_interface(const char *a, const unsigned char *amask,
			   const char *b, const unsigned char *bmask)
{
	for (int i = 0; i < IFNAMSIZ; i++)
		if (amask[i] != bmask[i] || ((a[i] ^ b[i]) & amask[i]))
			return false;
	return true;
}

static bool same_base(const struct ipt_ip *a, const struct ipt_ip *b)
{
	return a->src.s_addr == b->src.s_addr && a->smsk.s_addr == b->smsk.s_addr &&
	       a->dst.s_addr == b->dst.s_addr && a->dmsk.s_addr == b->dmsk.s_addr &&
	       a->proto == b->proto && a->flags == b->flags &&
	       a->invflags == b->invflags &&
	       same_interface(a->iniface, a->iniface_mask, b->iniface, b->iniface_mask) &&
	       same_interface(a->outiface, a->outiface_mask, b->outiface, b->outiface_mask);
}

static bool same_matches(const struct command *cmd, const struct ipt_entry *a,
			 const struct ipt_entry *b)
{
	const char *mask = cmd->blobs.mask, *x = (const char *)a->elems;
	const char *y = (const char *)b->elems;

	for (size_t i = 0; i < cmd->blobs.matches_len; i++)
		if ((x[i] ^ y[i]) & mask[i])
			return false;
	return true;
}

bool spec_equal(const struct command *cmd, const struct rule *want, const struct rule *r)
{
	const struct xt_entry_target *a, *b;

	if (want->entry->target_offset != r->entry->target_offset ||
	    want->entry->next_offset != r->entry->next_offset ||
	    want->jump != r->jump || want->no_target != r->no_target ||
	    !same_base(&want->entry->ip, &r->entry->ip) ||
	    !same_matches(cmd, want->entry, r->entry))
		return false;
	if (want->jump || want->no_target)
		return true;
	a = rule_target(want);
	b = rule_target(r);
	if (strcmp(a->u.user.name, b->u.user.name))
		return false;
	if (!cmd->blobs.target)
		return ((const struct xt_standard_target *)a)->verdict ==
		       ((const struct xt_standard_target *)b)->verdict;
	return !memcmp(a->data, b->data, cmd->blobs.target_cmp);
}
