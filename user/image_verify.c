// SPDX-License-Identifier: GPL-2.0-only
/*
 * image_verify.c - is this block of words an image that the datapath can walk?
 *
 * Trusts nothing. Every offset that the datapath would follow is followed here,
 * each node and record once, so the cost is that of the image's size. What is
 * checked is memory and framing, and that the walk meets only positions that
 * exist; that the image says what the rules say is compile.c's business.
 */
#include <errno.h>
#include <stdlib.h>

#include "../progs/abi/ipset.h"
#include "../progs/abi/late.h"
#include "../progs/abi/late_payload.h"
#include "../progs/abi/late_ct.h"
#include "../progs/abi/log.h"
#include "../progs/abi/late_rate.h"
#include "compile.h"
#include "image.h"

/*
 * struct check
 * @seen:	bit per word and kind: this node or record was checked already
 */
struct check {
	const __u32 *word;
	size_t words;
	const struct img_hdr *h;
	__u8 *seen;
};

enum {
	SEEN_ROOT	= 1,
	SEEN_MID	= 2,
	SEEN_LATE	= 4,
	SEEN_FEW	= 8,
};

/* @n records of @size words at @at lie behind the header and inside the image. */
static bool inside(const struct check *c, __u64 at, __u64 n, __u64 size)
{
	return at >= sizeof(struct img_hdr) / 4 && at <= c->words && n <= c->words &&
	       n * size <= c->words - at;
}

static __u64 mask_at(const struct check *c, __u32 at)
{
	return c->word[at] | (__u64)c->word[at + 1] << 32;
}

static unsigned int highest(__u64 mask)
{
	return 63 - __builtin_clzll(mask);
}

/* A mid: its leaves are there, and none is empty. */
static bool mid_ok(struct check *c, __u32 at)
{
	__u64 mask;
	unsigned int n;

	if (at % 2 || !inside(c, at, 1, 2))
		return false;
	if (c->seen[at] & SEEN_MID)
		return true;
	mask = mask_at(c, at);
	n = __builtin_popcountll(mask);
	if (!mask || !inside(c, at, 1, 2 + 2 * n))
		return false;
	for (unsigned int i = 0; i < n; i++)
		if (!mask_at(c, at + 2 + 2 * i))
			return false;
	c->seen[at] |= SEEN_MID;
	return true;
}

/* A root: its mids are good, and its last position is one of the image's. */
static bool root_ok(struct check *c, __u32 at)
{
	unsigned int n, b, last;
	__u64 mask, mid_mask;
	__u32 mid;

	if (at % 2 || !inside(c, at, 1, 2))
		return false;
	if (c->seen[at] & SEEN_ROOT)
		return true;
	mask = mask_at(c, at);
	n = __builtin_popcountll(mask);
	if (!inside(c, at, 1, 2 + n))
		return false;
	for (unsigned int i = 0; i < n; i++)
		if (!mid_ok(c, c->word[at + 2 + i]))
			return false;
	if (mask) {
		mid = c->word[at + 2 + n - 1];
		mid_mask = mask_at(c, mid);
		b = highest(mid_mask);
		last = highest(mask_at(c, mid + 2 * __builtin_popcountll(mid_mask)));
		if ((highest(mask) << 12 | b << 6 | last) >= c->h->nr_positions)
			return false;
	}
	c->seen[at] |= SEEN_ROOT;
	return true;
}

/* What a few list says that a position does is what its action says. */
static bool plain_ok(const struct check *c, const struct img_few_pos *p)
{
	const struct img_action *act = (const void *)(c->word + c->h->actions);

	if (!p->plain)
		return true;
	act += p->pos;
	return !act->late && !(act->hotdrop & HOTDROP(FORM_WHOLE)) &&
	       ((p->plain == (FEW_ACCEPT | act->slot) && act->act == ACT_ACCEPT) ||
		(p->plain == (FEW_DROP | act->slot) && act->act == ACT_DROP)) &&
	       act->slot <= FEW_SLOT;
}

/* A position of a few list: it exists, and what it wants of the keys can be asked. */
static bool few_pos_ok(const struct check *c, const struct img_few_pos *p, bool more)
{
	return p->pos < c->h->nr_positions && plain_ok(c, p) && (p->plain || !more) &&
	       (p->addr_key == KEY_SADDR || p->addr_key == KEY_DADDR) && p->addr_shift <= 32;
}

/* A few list: its root is good, its positions too, its terms are framed. */
static bool few_ok(struct check *c, __u32 at)
{
	const struct img_few *few = (const void *)(c->word + at);
	const struct img_term *t;
	__u32 ends = 0, terms;

	if (!inside(c, at, 1, sizeof(*few) / 4))
		return false;
	if (c->seen[at] & SEEN_FEW)
		return true;
	terms = few->nr_terms == FEW_MORE ? 0 : few->nr_terms;
	if (!root_ok(c, few->root) || few->nr > FEW_MAX || terms > FEW_MAX_TERMS ||
	    !inside(c, at, 1, (sizeof(*few) + few->nr * sizeof(few->pos[0]) +
			       terms * sizeof(*t)) / 4))
		return false;
	for (__u32 i = 0; i < few->nr; i++)
		if (!few_pos_ok(c, &few->pos[i], few->nr_terms == FEW_MORE) ||
		    (i && few->pos[i].pos <= few->pos[i - 1].pos))
			return false;
	t = (const void *)(few->pos + few->nr);
	for (__u32 i = 0; i < terms; i++) {
		if ((t[i].key & 0xff) >= NR_KEYS || t[i].key >> 10 || t[i].first > t[i].last ||
		    (t[i].key & FEW_POS && !(t[i].key & FEW_KEY)))
			return false;
		ends += !!(t[i].key & FEW_POS);
	}
	if (terms && (ends != few->nr || !(t[terms - 1].key & FEW_POS)))
		return false;
	c->seen[at] |= SEEN_FEW;
	return true;
}

static bool entry_ok(struct check *c, __u32 entry, bool first)
{
	return IMG_IS_FEW(entry) ? first && few_ok(c, entry - 1) : root_ok(c, entry);
}

/* A class of @lk: below @mult, or for VECTOR_CLASS an entry. */
static bool class_ok(struct check *c, const struct img_lookup *lk, __u32 class, bool first)
{
	return lk->vector == VECTOR_CLASS ? entry_ok(c, class, first) : class < lk->mult;
}

static bool classes_ok(struct check *c, const struct img_lookup *lk, bool first)
{
	for (__u32 i = 0; i < lk->n; i++)
		if (!class_ok(c, lk, c->word[lk->tab + i], first))
			return false;
	return true;
}

static bool rows_ok(struct check *c, const struct img_lookup *lk, __u32 at, bool first)
{
	const struct img_range *row = (const void *)(c->word + at);

	if (lk->n >= 1u << 20 || !inside(c, at, lk->n, 2) || row[0].first)
		return false;
	for (__u32 i = 0; i < lk->n; i++)
		if (!class_ok(c, lk, row[i].class, first) ||
		    (i && row[i].first <= row[i - 1].first))
			return false;
	return true;
}

/* top[b]..top[b + 1] brackets every key of bucket b; its rows are in order. */
static bool top_ok(struct check *c, const struct img_lookup *lk, bool first_vector)
{
	const __u32 *top = c->word + lk->tab;
	const struct img_range *row;

	if (!lk->buckets || lk->buckets > c->words || lk->shift > 31 ||
	    !inside(c, lk->tab, top_rows(lk->buckets), 1) ||
	    !rows_ok(c, lk, lk->tab + top_rows(lk->buckets), first_vector))
		return false;
	row = (const void *)(top + top_rows(lk->buckets));
	for (__u32 b = 0; b <= lk->buckets; b++) {
		__u64 first = b ? lk->base + ((__u64)b << lk->shift) : 0;

		if (top[b] >= lk->n || (b && top[b] < top[b - 1]))
			return false;
		if (b < lk->buckets && (first > 0xffffffffu || row[top[b]].first > first))
			return false;
		/* the row after top[b]'s must not lie in the bucket before b */
		if (b && b < lk->buckets && top[b] + 1 < lk->n && row[top[b] + 1].first < first)
			return false;
	}
	return top[lk->buckets] == lk->n - 1;
}

/* The class of a row, and the list that it may hold. */
static bool hash_row_ok(struct check *c, const struct img_lookup *lk,
			const struct img_hash_row *row, bool first)
{
	if (lk->row != HASH_WIDE || !(row->class & HASH_LIST))
		return entry_ok(c, row->class, first);
	return first && root_ok(c, row->class & HASH_ROOT) &&
	       few_pos_ok(c, &row->pos, row->class & HASH_MORE);
}

/* Each slot in use is found by its key. */
static bool hash_ok(struct check *c, const struct img_lookup *lk, bool first)
{
	const __u8 *seed = (const void *)(c->word + lk->tab);
	__u32 slots = hash_slots(lk->shift), rows = lk->tab + hash_rows(lk->shift);

	if (lk->shift < 8 || lk->shift > 28 || lk->vector != VECTOR_CLASS ||
	    (lk->row != HASH_NARROW && lk->row != HASH_WIDE) ||
	    !inside(c, lk->tab, hash_rows(lk->shift) + ((__u64)slots << lk->row), 1) ||
	    !entry_ok(c, lk->buckets, first))
		return false;
	for (__u32 i = 0; i < slots; i++) {
		const struct img_hash_row *row = (const void *)(c->word + rows + (i << lk->row));
		__u32 key = row->first;

		if (row->class &&
		    (hash_slot(key, seed[hash_seed(key, lk->shift)], lk->shift) != i ||
		     key - lk->base > lk->n || !hash_row_ok(c, lk, row, first)))
			return false;
	}
	return true;
}

static bool lookup_ok(struct check *c, const struct img_lookup *lk, bool first)
{
	if (lk->key >= NR_KEYS || !lk->mult || !lk->n)
		return false;
	switch (lk->method) {
	case LOOKUP_DIRECT:
		return inside(c, lk->tab, lk->n, 1) && classes_ok(c, lk, first);
	case LOOKUP_RANGE:
		return rows_ok(c, lk, lk->tab, first);
	case LOOKUP_TOP:
		return top_ok(c, lk, first);
	case LOOKUP_HASH:
		return hash_ok(c, lk, first);
	}
	return false;
}

static bool lookups_ok(struct check *c)
{
	const struct img_hdr *h = c->h;
	const struct img_lookup *lk = (const void *)(c->word + h->lookups);
	__u64 entries = 1;
	__u32 vectors = 0;

	if (h->nr_lookups > IMG_MAX_LOOKUPS || h->nr_vectors > IMG_MAX_VECTORS ||
	    !inside(c, h->lookups, h->nr_lookups, sizeof(*lk) / 4) ||
	    (h->nr_positions && !h->nr_vectors))
		return false;
	for (__u32 i = 0; i < h->nr_lookups; i++, lk++) {
		if (!lookup_ok(c, lk, !vectors) || (lk->vector == VECTOR_CLASS && entries > 1))
			return false;
		if (lk->vector == VECTOR_CLASS) {
			vectors++;
			continue;
		}
		entries *= lk->mult;
		if (entries > c->words)
			return false;
		if (!lk->vector)
			continue;
		if (!inside(c, lk->vector, entries, 1))
			return false;
		for (__u32 e = 0; e < entries; e++)
			if (!entry_ok(c, c->word[lk->vector + e], !vectors))
				return false;
		entries = 1;
		vectors++;
	}
	return vectors == h->nr_vectors && (!h->nr_lookups || lk[-1].vector);
}

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

static bool interval_ok(const struct check *c, __u32 start, __u32 end)
{
	const struct img_action *act = (const void *)(c->word + c->h->actions);

	return start <= end && end <= c->h->nr_positions &&
	       (start == end || act[start].chain_end == end);
}

static bool action_ok(struct check *c, __u32 pos)
{
	const struct img_action *all = (const void *)(c->word + c->h->actions);
	const struct img_action *act = &all[pos];

	/* Chains do not overlap: one goes on to its end, or ends here. */
	if (act->chain_end <= pos || act->chain_end > c->h->nr_positions ||
	    (pos + 1 < act->chain_end && all[pos + 1].chain_end != act->chain_end))
		return false;
	if (act->slot < NR_HOOKS || act->slot >= c->h->nr_slots || act->act >= NR_ACTS)
		return false;
	if (act->late && !late_ok(c, act->late))
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

static bool actions_ok(struct check *c)
{
	const struct img_hdr *h = c->h;

	if (h->nr_positions > IMG_MAX_POSITIONS ||
	    !inside(c, h->actions, h->nr_positions, sizeof(struct img_action) / 4))
		return false;
	for (__u32 pos = 0; pos < h->nr_positions; pos++)
		if (!action_ok(c, pos))
			return false;
	for (int i = 0; i < NR_HOOKS; i++) {
		__u64 at = h->hook[i].start + (h->fast[i] >> FAST_OFFSET_SHIFT & FAST_OFFSET_MAX);
		const struct img_action *all = (const void *)(c->word + h->actions);

		if (h->fast[i] & FAST_STATES && (at >= h->hook[i].end ||
		    at >= h->nr_positions || all[at].act != ACT_ACCEPT))
			return false;
	}
	for (int i = 0; i < NR_HOOKS; i++)
		if (!interval_ok(c, h->hook[i].start, h->hook[i].end) ||
		    h->hook[i].policy > ACT_DROP || h->hook[i].slot >= h->nr_slots)
			return false;
	return true;
}

/* Both tables have a power of two of slots, of which one is free to end a probe. */
static bool tables_ok(const struct check *c)
{
	const struct img_hdr *h = c->h;
	const struct img_iface *iface = (const void *)(c->word + h->iftab);
	const struct img_mac *mac = (const void *)(c->word + h->mactab);
	__u32 free_if = 0, free_mac = 0;

	if ((h->iftab_mask & (h->iftab_mask + 1)) || (h->mactab_mask & (h->mactab_mask + 1)) ||
	    !inside(c, h->iftab, (__u64)h->iftab_mask + 1, sizeof(*iface) / 4) ||
	    !inside(c, h->mactab, (__u64)h->mactab_mask + 1, sizeof(*mac) / 4))
		return false;
	for (__u32 i = 0; i <= h->iftab_mask; i++)
		free_if += !iface[i].ifindex;
	for (__u32 i = 0; i <= h->mactab_mask; i++)
		free_mac += !mac[i].class;
	return free_if && free_mac;
}

int image_verify(const __u32 *word, size_t words)
{
	struct check c = { .word = word, .words = words, .h = (const void *)word };
	bool ok;

	if (words < sizeof(*c.h) / 4 || words > 0x7fffffff || c.h->magic != IMG_MAGIC ||
	    c.h->abi != IMG_ABI || c.h->words < sizeof(*c.h) / 4 || c.h->words > words)
		return -EBADMSG;
	c.words = c.h->words;
	c.seen = calloc(c.words, 1);
	if (!c.seen)
		return -ENOMEM;
	ok = actions_ok(&c) && lookups_ok(&c) && tables_ok(&c);
	free(c.seen);
	return ok ? 0 : -EBADMSG;
}
