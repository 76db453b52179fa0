// SPDX-License-Identifier: GPL-2.0-only
/*
 * delta.c - ruleset -> image, where little has changed since it was last compiled
 *
 * The image in force has a base, compiled as a whole (abi/image.h, Theory of operation 6).
 * A rule is in it when one of its positions has the rule's counter slot: slots stay with
 * their rules, and none of the base's is given away (slots.c). The other rules are
 * compiled, behind it, and each chain becomes a row of segments:
 *
 *	map_chains()	rules of the base and others -> segments; the others lowered
 *	patch_base()	chain ends, links, intervals of jumps
 *	image_extend()	the delta's own lookups, vectors and lists (image.c)
 *
 * It is the base that counts, never the delta in force: that is made anew each time, so
 * that the same base and ruleset give the same bytes. Whatever a delta cannot say, or
 * would say at length, is the business of compile(): then the answer is -EAGAIN. So it is
 * when something is wrong with a rule, as the order of complaints is compile()'s.
 */
#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "../progs/abi/counters.h"
#include "array.h"
#include "compile_int.h"

/* Positions of the base that no chain holds any more, at most. */
#define HOLES_MAX	DELTA_POSITIONS

struct segment {
	__u32 start;
	__u32 end;
};

/*
 * struct delta
 * @now:	the image in force; @act: the actions of its base, @nr_base of them
 * @first:	by slot below @nr_slots: first position of the base that has it, and one; or 0
 * @seg:	@nr_seg segments of all chains, one chain's in a row
 * @low:	@nr_low rules lowered
 * @held:	positions of the base in segments
 */
struct delta {
	struct compilation c;
	const struct img_hdr *now;
	const struct img_action *act;
	__u32 nr_base;
	__u32 *first;
	__u32 nr_slots;
	struct segment *seg;
	size_t nr_seg;
	size_t cap_seg;
	struct lowered *low;
	size_t nr_low;
	size_t cap_low;
	__u32 held;
};

static int index_base(struct delta *d)
{
	d->nr_slots = d->now->nr_slots;
	d->first = calloc(d->nr_slots, sizeof(*d->first));
	if (!d->first)
		return -ENOMEM;
	for (__u32 pos = d->nr_base; pos--; )
		if (d->act[pos].slot < d->nr_slots)
			d->first[d->act[pos].slot] = pos + 1;
	return 0;
}

/* First position of a rule of chain @n in the base, *@nr of them; -1: it is not in it. */
static long base_position(const struct delta *d, const struct node *n, const struct rule *r,
			  __u32 *nr)
{
	__u32 slot = r->slot, pos, end;

	if (slot >= d->nr_slots || !d->first[slot])
		return -1;
	pos = d->first[slot] - 1;
	if (d->act[pos].hooks != n->hooks)	/* it was lowered for others */
		return -1;
	end = pos + 1;
	while (end < d->nr_base && d->act[end].slot == slot)
		end++;
	*nr = end - pos;
	return pos;
}

/* Puts [start, end), of one part, behind what the chain has. */
static int segment_add(struct delta *d, struct node *n, __u32 start, __u32 end)
{
	struct segment *last = n->nr_seg ? &d->seg[n->seg + n->nr_seg - 1] : NULL;

	if (last && last->end == start && start != d->nr_base) {
		last->end = end;
		return 0;
	}
	if (array_room(d->seg, d->nr_seg + 1, d->cap_seg))
		return -ENOMEM;
	if (!n->nr_seg++)
		n->seg = d->nr_seg;
	d->seg[d->nr_seg++] = (struct segment){ start, end };
	return 0;
}

/* Checks a rule and lowers it. Return: 0, -ENOMEM, -EAGAIN: it is wrong. */
static int lower_one(struct delta *d, const struct rule *r, unsigned int hooks)
{
	struct lower_ctx ctx = compilation_ctx(&d->c);

	if (array_room(d->low, d->nr_low + 1, d->cap_low))
		return -ENOMEM;
	if (rule_check(r, hooks, d->c.err) ||
	    rule_lower(r, hooks, &ctx, &d->low[d->nr_low], d->c.err))
		return -EAGAIN;
	d->nr_low++;
	return 0;
}

/* A rule that a packet can meet, and that is not in the base. */
static int add_rule(struct delta *d, struct node *n, const struct rule *r)
{
	__u32 at = d->c.plan.nr_pos;
	int err = lower_one(d, r, n->hooks);

	if (!err)
		err = place_rule(&d->c, n, r, &d->low[d->nr_low - 1]);
	if (err || d->c.plan.nr_pos == at)
		return err;
	if (d->c.plan.nr_pos > DELTA_POSITIONS)
		return -EAGAIN;
	return segment_add(d, n, d->nr_base + at, d->nr_base + d->c.plan.nr_pos);
}

static int map_rule(struct delta *d, struct node *n, const struct rule *r)
{
	__u32 nr = 0;
	long pos = base_position(d, n, r, &nr);

	if (pos < 0)
		return add_rule(d, n, r);
	for (__u32 i = 0; i < nr; i++)
		d->c.plan.flags |= d->act[pos + i].flags;
	d->held += nr;
	return segment_add(d, n, pos, pos + nr);
}

/* Rules that no packet can meet are checked when they are new, and have no positions. */
static int map_chain(struct delta *d, struct node *n)
{
	int err = 0;

	for (size_t i = 0; i < n->chain->nr_rules && !err; i++) {
		const struct rule *r = n->chain->rules[i];

		if (r->slot >= d->c.plan.nr_slots)
			d->c.plan.nr_slots = r->slot + 1;
		if (n->hooks && i < n->live)
			err = map_rule(d, n, r);
		else if (r->set_counters)
			err = lower_one(d, r, 0);
	}
	if (n->nr_seg) {
		n->start = d->seg[n->seg].start;
		n->end = d->seg[n->seg].end;
	}
	plan_hook(&d->c, n);
	return err;
}

static int map_chains(struct delta *d)
{
	struct compilation *c = &d->c;
	int err = 0;

	c->plan.nr_slots = SLOT_FIRST_RULE;
	for (size_t i = 0; i < c->rs->nr_chains && !err; i++)
		err = map_chain(d, &c->node[i]);
	return err ?: d->nr_base - d->held > HOLES_MAX ? -EAGAIN : 0;
}

/* What is at position @pos, in the base's actions @base or in the plan. */
static struct img_action *action(struct delta *d, struct img_action *base, __u32 pos)
{
	return pos < d->nr_base ? &base[pos] : &d->c.plan.pos[pos - d->nr_base].act;
}

static void link_chain(struct delta *d, struct img_action *base, const struct node *n)
{
	const struct segment *seg = d->seg + n->seg;

	for (size_t i = 0; i < n->nr_seg; i++) {
		for (__u32 pos = seg[i].start; pos < seg[i].end; pos++)
			action(d, base, pos)->chain_end = seg[i].end;
		if (i + 1 < n->nr_seg) {
			action(d, base, seg[i].end - 1)->next = seg[i + 1].start + 1;
			d->c.plan.flags |= IMG_F_LINKED;
		}
	}
}

static void resolve_chain(struct delta *d, struct img_action *base, const struct node *n)
{
	for (size_t i = 0; i < n->live && n->hooks; i++) {
		const struct rule *r = n->chain->rules[i];
		__u32 nr = 0;
		long pos = r->jump ? base_position(d, n, r, &nr) : -1;

		for (__u32 j = 0; j < nr && pos >= 0; j++)
			resolve_jump(&d->c, r, &base[pos + j]);
	}
}

/* The base's actions as the chains are now; and the plan's. */
static void patch_base(struct delta *d, struct img_action *base)
{
	struct plan *plan = &d->c.plan;

	for (__u32 pos = 0; pos < d->nr_base; pos++)
		base[pos].chain_end = base[pos].next = 0;
	for (size_t i = 0; i < d->c.rs->nr_chains; i++) {
		link_chain(d, base, &d->c.node[i]);
		resolve_chain(d, base, &d->c.node[i]);
	}
	for (__u32 i = 0; i < plan->nr_pos; i++)
		resolve_jump(&d->c, plan->pos[i].rule, &plan->pos[i].act);
}

/*
 * img_hdr.fast of a built-in chain, from its first rules. Return: 0, -errno; -EAGAIN: the
 * rule that accepts is not in the first segment, where the datapath would look for it.
 */
static int short_cut(struct delta *d, const struct node *n, __u32 *fast)
{
	struct compilation head = { .rs = d->c.rs, .err = d->c.err };
	struct img_hook *h = &head.plan.hook[n->chain->hook];
	int err = 0;

	*fast = 0;
	if (!(d->c.plan.flags & IMG_F_CT))
		return 0;
	for (size_t i = 0; i < n->live && head.plan.nr_pos <= FAST_OFFSET_MAX && !err; i++) {
		err = lower_one(d, n->chain->rules[i], n->hooks);
		if (!err)
			err = place_rule(&head, n, n->chain->rules[i], &d->low[d->nr_low - 1]);
	}
	for (__u32 i = 0; i < head.plan.nr_pos; i++)
		if (head.plan.pos[i].rule->jump)
			head.plan.pos[i].act.act = ACT_JUMP;
	h->end = head.plan.nr_pos;
	if (!err)
		*fast = shortcut(&head.plan, n->chain->hook);
	if (*fast && (*fast >> FAST_OFFSET_SHIFT & FAST_OFFSET_MAX) >= n->end - n->start)
		err = -EAGAIN;
	free(head.plan.pos);
	return err;
}

static int make_image(struct delta *d, struct image *img)
{
	const struct img_hdr *now = d->now;
	struct imgbuf b = { .n = now->base_words, .cap = now->base_words + 1024 };
	struct img_hdr hdr = *now;
	int err = 0;

	for (size_t i = 0; i < d->c.rs->nr_chains && !err; i++)
		if (d->c.node[i].chain->hook >= 0)
			err = short_cut(d, &d->c.node[i], &hdr.fast[d->c.node[i].chain->hook]);
	if (err)
		return err;
	b.word = malloc(b.cap * sizeof(*b.word));
	if (!b.word)
		return -ENOMEM;
	memcpy(b.word, now, b.n * sizeof(*b.word));
	memset(b.word + now->actions + d->nr_base * (sizeof(*d->act) / 4), 0,
	       DELTA_POSITIONS * sizeof(*d->act));
	patch_base(d, (struct img_action *)(b.word + now->actions));
	hdr.generation = hdr.rules = hdr.rules_bytes = 0;
	hdr.flags = d->c.plan.flags;
	memcpy(hdr.hook, d->c.plan.hook, sizeof(hdr.hook));
	if (hdr.nr_slots < d->c.plan.nr_slots)
		hdr.nr_slots = d->c.plan.nr_slots;
	err = image_extend(&d->c.plan, &b, &hdr, img, d->c.err);
	img->delta = !err;
	free(b.word);
	return err;
}

int delta_compile(const struct ruleset *rs, const struct iface *ifs, size_t nr_ifs,
		  const struct img_hdr *now, struct image *img)
{
	struct delta d = { .now = now };
	struct lower_err why;
	int err;

	*img = (struct image){ 0 };
	if (!now || !now->base_words)
		return -EAGAIN;
	d.act = (const void *)((const __u32 *)now + now->actions);
	d.nr_base = now->part[PART_DELTA].start;
	err = compilation_begin(&d.c, rs, ifs, nr_ifs, &why);
	if (!err && !image_tables_same(&d.c.plan, (const __u32 *)now))
		err = -EAGAIN;
	if (!err)
		err = index_base(&d);
	if (!err)
		err = map_chains(&d);
	if (!err)
		err = make_image(&d, img);
	compilation_end(&d.c);
	for (size_t i = 0; i < d.nr_low; i++)
		lowered_free(&d.low[i]);
	free(d.low);
	free(d.seg);
	free(d.first);
	return err && err != -ENOMEM ? -EAGAIN : err;
}
