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

#include "compile.h"
#include "image_verify_int.h"

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

/* A root: its mids are good, and its positions are of the part. */
static bool root_ok(struct check *c, __u32 at)
{
	unsigned int n, b, first, last;
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
		mid = c->word[at + 2];
		b = __builtin_ctzll(mask_at(c, mid));
		first = __builtin_ctzll(mask_at(c, mid + 2));
		if ((__builtin_ctzll(mask) << 12 | b << 6 | first) < c->from)
			return false;
		mid = c->word[at + 2 + n - 1];
		mid_mask = mask_at(c, mid);
		b = highest(mid_mask);
		last = highest(mask_at(c, mid + 2 * __builtin_popcountll(mid_mask)));
		if ((highest(mask) << 12 | b << 6 | last) >= c->end)
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
	return p->pos >= c->from && p->pos < c->end && plain_ok(c, p) && (p->plain || !more) &&
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
	if (IMG_IS_FEW(entry))
		return first && few_ok(c, entry - 1);
	/* most entries of a table are one of a few roots */
	return (entry < c->words && c->seen[entry] & SEEN_ROOT) || root_ok(c, entry);
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
	__u32 slots = lk->mult, rows = lk->tab + hash_rows(slots);

	if (!slots || slots % HASH_SLOTS || lk->vector != VECTOR_CLASS ||
	    (lk->row != HASH_NARROW && lk->row != HASH_WIDE) ||
	    !inside(c, lk->tab, hash_rows(slots) + ((__u64)slots << lk->row), 1) ||
	    !entry_ok(c, lk->buckets, first))
		return false;
	for (__u32 i = 0; i < slots; i++) {
		const struct img_hash_row *row = (const void *)(c->word + rows + (i << lk->row));
		__u32 key = row->first;

		if (row->class &&
		    (hash_slot(key, seed[hash_seed(key, slots)], slots) != i ||
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

static bool lookups_ok(struct check *c, const struct img_part *part)
{
	const struct img_lookup *lk = (const void *)(c->word + part->lookups);
	__u64 entries = 1;
	__u32 vectors = 0;

	if (part->nr_lookups > IMG_MAX_LOOKUPS || part->nr_vectors > IMG_MAX_VECTORS ||
	    !inside(c, part->lookups, part->nr_lookups, sizeof(*lk) / 4) ||
	    (c->from < c->end && !part->nr_vectors))
		return false;
	for (__u32 i = 0; i < part->nr_lookups; i++, lk++) {
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
	return vectors == part->nr_vectors && (!part->nr_lookups || lk[-1].vector);
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

static bool part_ok(struct check *c, int part)
{
	c->from = c->h->part[part].start;
	c->end = part == PART_BASE ? c->h->part[PART_DELTA].start : c->h->nr_positions;
	return lookups_ok(c, &c->h->part[part]);
}

/* Verdicts of flows hang on every key that is looked up, or are not kept. */
static bool flows_ok(const struct check *c)
{
	__u64 mask[FLOW_WORDS];

	return !c->h->flow_mask[FLOW_WORDS - 1] ||
	       (flow_mask(c->word, c->h->part, mask) &&
		!memcmp(mask, c->h->flow_mask, sizeof(mask)));
}

static int verify(const __u32 *word, size_t words, bool base)
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
	ok = actions_ok(&c) && (!base || part_ok(&c, PART_BASE)) && part_ok(&c, PART_DELTA) &&
	     tables_ok(&c) && flows_ok(&c);
	free(c.seen);
	return ok ? 0 : -EBADMSG;
}

int image_verify(const __u32 *word, size_t words)
{
	return verify(word, words, true);
}

int image_verify_delta(const __u32 *word, size_t words)
{
	return verify(word, words, false);
}
