// SPDX-License-Identifier: GPL-2.0-only
/*
 * image_verify_act.c - do the positions of an image do what the datapath can follow?
 *
 * Late lists are framed and name what there is; segments do not overlap, and rows of them
 * end; jumps, gotos and hooks go to the start of one.
 */
#include "../progs/abi/ipset.h"
#include "../progs/abi/late.h"
#include "../progs/abi/late_payload.h"
#include "../progs/abi/late_ct.h"
#include "../progs/abi/log.h"
#include "../progs/abi/late_rate.h"
#include "image_verify_int.h"

/* A record that names a key names one that there is. */
static bool late_key_ok(const struct img_late *rec)
{
	switch (rec->op & ~LATE_NOT) {
	case LATE_KEY_RANGE:
		return rec->words >= 2 && rec->words % 2 == 0 && rec->data[0] < NR_KEYS;
	case LATE_ADDR_MASK:
		return rec->words == 4 && rec->data[0] < NR_KEYS;
	case LATE_HOTDROP:
		return rec->words == 2;
	case LATE_MARK:
	case LATE_REALM:
	case LATE_DCCP:
	case LATE_IPCOMP:
		return rec->words == 3;
	case LATE_U32:
		return rec->words % 3 == 1 && rec->words <= 1 + 3 * LATE_U32_MAX;
	case LATE_STRING:
		return rec->words == 1 + sizeof(struct late_string) / 4 && rec->data[2] &&
		       rec->data[2] <= LATE_STRING_MAX;
	case LATE_TCPMSS:
		return rec->words == 3;
	case LATE_ADDRTYPE:
		return rec->words == 4;
	case LATE_OWNER:
		return rec->words == 7;
	case LATE_DEVGROUP:
		return rec->words == 6;
	case LATE_CTINFO:
		return rec->words == 1 + sizeof(struct late_ctinfo) / 4;
	case LATE_CONNMARK:
		return rec->words == 1 + sizeof(struct late_connmark) / 4;
	case LATE_HELPER:
		return rec->words == 1 + sizeof(struct late_helper) / 4;
	case LATE_PHYSDEV:
		return rec->words == 1 + sizeof(struct late_physdev) / 4;
	case LATE_POLICY:
		return rec->words == 1 + sizeof(struct late_policy) / 4 &&
		       rec->data[1] <= LATE_POLICY_ELEMS;
	case LATE_CONNBYTES:
		return rec->words == 1 + sizeof(struct late_connbytes) / 4;
	case LATE_SET:
		return rec->words == 1 + sizeof(struct late_set) / 4 && rec->data[0] < SETS_MAX;
	case LATE_CONNLIMIT:
		return rec->words == 1 + sizeof(struct late_connlimit) / 4;
	case LATE_QUOTA:
		return rec->words == 1 + sizeof(struct late_quota) / 4 &&
		       rec->data[0] < LATE_STATES;
	case LATE_HASHLIMIT:
		return rec->words == 1 + sizeof(struct late_hashlimit) / 4 &&
		       rec->data[0] < HASHLIMIT_TABLES;
	case LATE_RECENT:
		return rec->words == 1 + sizeof(struct late_recent) / 4 &&
		       rec->data[0] < (rec->data[2] & RECENT_BIG ? RECENT_BIG_LISTS : RECENT_LISTS);
	case LATE_TIME:
		return rec->words == 1 + sizeof(struct late_time) / 4;
	}
	return true;
}

/* A late list: framed to its end, or to a record that was checked already. */
static bool late_ok(struct check *c, __u32 at)
{
	for (;;) {
		const struct img_late *rec;

		if (!inside(c, at, 1, 1))
			return false;
		if (c->seen[at] & SEEN_LATE)
			return true;
		rec = (const void *)(c->word + at);
		if ((rec->op & ~LATE_NOT) >= NR_LATE_OPS || !rec->words ||
		    !inside(c, at, rec->words, 1) || !late_key_ok(rec))
			return false;
		c->seen[at] |= SEEN_LATE;
		if (rec->op == LATE_END)
			return true;
		at += rec->words;
	}
}

/* [start, end) is a segment. */
static bool segment_ok(const struct check *c, __u32 start, __u32 end)
{
	const struct img_action *act = (const void *)(c->word + c->h->actions);

	return start < end && end <= c->h->nr_positions && act[start].chain_end == end &&
	       (!start || act[start - 1].chain_end != end);
}

static bool interval_ok(const struct check *c, __u32 start, __u32 end)
{
	return segment_ok(c, start, end) || (start == end && end <= c->h->nr_positions);
}

/* Segments lie in one part, and do not overlap: one goes on to its end, or ends here. */
static bool in_segment(const struct check *c, __u32 pos)
{
	const struct img_action *all = (const void *)(c->word + c->h->actions);
	__u32 end = all[pos].chain_end, delta = c->h->part[PART_DELTA].start;

	return end > pos && end <= c->h->nr_positions && (pos >= delta || end <= delta) &&
	       (pos + 1 == end || (all[pos + 1].chain_end == end && !all[pos].next));
}

/* The link at the end of a segment: to the start of one that no other link leads to. */
static bool link_ok(struct check *c, __u32 next)
{
	const struct img_action *all = (const void *)(c->word + c->h->actions);
	__u32 at;

	if (!next)
		return true;
	if (!(c->h->flags & IMG_F_LINKED) || next > c->h->nr_positions ||
	    !segment_ok(c, next - 1, all[next - 1].chain_end))
		return false;
	at = c->h->actions + (next - 1) * (sizeof(*all) / 4);
	if (c->seen[at] & SEEN_LINK)
		return false;
	c->seen[at] |= SEEN_LINK;
	return true;
}

/* A position whose chain_end is 0 is in no segment, and nothing meets it. */
static bool action_ok(struct check *c, __u32 pos)
{
	const struct img_action *all = (const void *)(c->word + c->h->actions);
	const struct img_action *act = &all[pos];

	if (act->slot < NR_HOOKS || act->slot >= c->h->nr_slots || act->act >= NR_ACTS)
		return false;
	if (act->late && !late_ok(c, act->late))
		return false;
	if (!act->chain_end)
		return true;
	if (!in_segment(c, pos) || !link_ok(c, act->next))
		return false;
	switch (act->act) {
	case ACT_JUMP:
	case ACT_GOTO:
		return interval_ok(c, act->arg, act->arg2);
	case ACT_CONNMARK:
		return inside(c, act->arg, 1, sizeof(struct act_connmark) / 4);
	case ACT_LOG:
		return inside(c, act->arg, LOG_PARAM_WORDS, 1);
	}
	return true;
}

/*
 * No row of segments comes back to where it was: as no segment has two before it, what
 * is reached from those that have none is all that has one.
 */
static bool links_ok(const struct check *c)
{
	const struct img_hdr *h = c->h;
	const struct img_action *all = (const void *)(c->word + h->actions);
	__u32 links = 0, met = 0, pos, end;

	for (pos = 0; pos < h->nr_positions; pos++)
		links += all[pos].chain_end && all[pos].next;
	if (!links)
		return true;
	for (pos = 0; pos < h->nr_positions; pos = end) {
		__u32 last;

		end = all[pos].chain_end ?: pos + 1;
		if (c->seen[h->actions + pos * (sizeof(*all) / 4)] & SEEN_LINK)
			continue;
		for (last = end - 1; all[last].chain_end && all[last].next;
		     last = all[all[last].next - 1].chain_end - 1)
			met++;
	}
	return met == links;
}

static bool hook_ok(const struct check *c, int hook)
{
	const struct img_action *all = (const void *)(c->word + c->h->actions);
	const struct img_hook *h = &c->h->hook[hook];
	__u64 at = h->start + (c->h->fast[hook] >> FAST_OFFSET_SHIFT & FAST_OFFSET_MAX);

	if (!interval_ok(c, h->start, h->end) || h->policy > ACT_DROP || h->slot >= c->h->nr_slots)
		return false;
	return !(c->h->fast[hook] & FAST_STATES) || (at < h->end && all[at].act == ACT_ACCEPT);
}

bool actions_ok(struct check *c)
{
	const struct img_hdr *h = c->h;
	__u32 delta = h->part[PART_DELTA].start;

	if (h->nr_positions > IMG_MAX_POSITIONS || h->part[PART_BASE].start ||
	    delta > h->nr_positions || h->nr_positions - delta > DELTA_POSITIONS ||
	    h->base_words > h->words ||
	    !inside(c, h->actions, h->base_words ? delta + DELTA_POSITIONS : h->nr_positions,
		    sizeof(struct img_action) / 4))
		return false;
	for (__u32 pos = 0; pos < h->nr_positions; pos++)
		if (!action_ok(c, pos))
			return false;
	for (int i = 0; i < NR_HOOKS; i++)
		if (!hook_ok(c, i))
			return false;
	return links_ok(c);
}
