// SPDX-License-Identifier: GPL-2.0-only
/*
 * tables.c - the lookup tables of abi/image.h, from a key's classes
 *
 * Small keys, and those with values all over their range, are indexed directly. Others
 * are rows to be searched, behind buckets when they are many. A key that stands alone
 * and whose classes are single values but for one (the sources of a blacklist) gets a
 * hash: one row whatever the value, in it or not.
 */
#include <stdlib.h>

#include "../progs/abi/image.h"
#include "classes.h"
#include "image.h"

static const __u32 key_max[NR_KEYS] = KEY_MAX_TABLE;

#define DIRECT_SMALL	2048	/* a table indexed by the key that is always worth it */
#define TOP_FROM	16	/* rows from which on buckets pay */
#define HASH_FROM	2	/* values from which on a hash does */
#define HASH_LOAD	90	/* per cent of its slots in use, with which mostly there are seeds */
#define HASH_TRIES	3	/* tables, each a quarter and some larger than the one before */
#define NONE		0xffffffffu

static void direct_emit(const struct keyclass *kc, struct imgbuf *b, struct img_lookup *lk)
{
	__u32 *to;

	lk->method = LOOKUP_DIRECT;
	lk->n = kc->first[kc->nr - 1] + 1;
	lk->tab = imgbuf_alloc(b, lk->n, 1);
	to = imgbuf_at(b, lk->tab);
	for (__u32 i = 0; to && i < kc->nr; i++) {
		__u32 end = i + 1 < kc->nr ? kc->first[i + 1] : lk->n;

		for (__u32 k = kc->first[i]; k < end; k++)
			to[k] = kc->class[i];
	}
}

/* Buckets over [first[1], last], about as many as rows. */
static void top_emit(const struct keyclass *kc, struct imgbuf *b, struct img_lookup *lk)
{
	__u32 span = kc->first[kc->nr - 1] - kc->first[1], at, i = 0;
	__u32 *top;

	lk->method = LOOKUP_TOP;
	lk->base = kc->first[1];
	while (span >> lk->shift >= kc->nr)
		lk->shift++;
	lk->buckets = (span >> lk->shift) + 1;
	lk->tab = at = imgbuf_alloc(b, top_rows(lk->buckets), 2);
	top = imgbuf_at(b, at);
	for (__u32 h = 1; top && h < lk->buckets; h++) {
		while (i + 1 < kc->nr && kc->first[i + 1] <= lk->base + (h << lk->shift))
			i++;
		top[h] = i;
	}
	if (top)
		top[lk->buckets] = kc->nr - 1;
}

/* Is boundary @i's range a single value? */
static bool single(const struct keyclass *kc, __u32 i)
{
	__u32 next = i + 1 < kc->nr ? kc->first[i + 1] : key_max[kc->key] + 1;

	return next - kc->first[i] == 1;
}

/* Values of their own: how many, if all others are of one class, *@rest; else 0. */
static __u32 hash_values(const struct keyclass *kc, __u32 *rest)
{
	__u32 n = 0;

	*rest = NONE;
	for (__u32 i = 0; i < kc->nr; i++) {
		if (single(kc, i))
			n++;
		else if (*rest == NONE)
			*rest = kc->class[i];
		else if (*rest != kc->class[i])
			return 0;
	}
	return *rest == NONE ? 0 : n;
}

/* Rows hold their class + 1 until keyclass_set_entries(). */
static bool hash_fill(const struct keyclass *kc, __u32 rest, __u32 n, struct imgbuf *b,
		      const struct img_lookup *lk)
{
	__u32 *key = malloc(n * sizeof(*key)), *class = malloc(n * sizeof(*class));
	__u32 *slot = malloc(n * sizeof(*slot)), *to = imgbuf_at(b, lk->tab), m = 0;
	bool good = key && class && slot;

	for (__u32 i = 0; good && i < kc->nr; i++) {
		if (kc->class[i] == rest)
			continue;
		key[m] = kc->first[i];
		class[m++] = kc->class[i] + 1;
	}
	good = good && hash_place(key, m, lk->mult, (__u8 *)to, slot);
	for (__u32 i = 0; good && i < m; i++) {
		struct img_range *row = (void *)(to + hash_rows(lk->mult) + (slot[i] << lk->row));

		*row = (struct img_range){ key[i], class[i] };
	}
	free(slot);
	free(key);
	free(class);
	return good;
}

/* Return: false: no table for a hash, or its values crowd in some place. */
static bool hash_emit(const struct keyclass *kc, bool wide, struct imgbuf *b,
		      struct img_lookup *lk)
{
	__u32 rest, n = hash_values(kc, &rest), low = 0, high = kc->nr - 1, classes = lk->mult;
	__u64 slots = 100ull * n / HASH_LOAD;
	size_t before = b->n;

	if (n < HASH_FROM)
		return false;
	lk->row = wide ? HASH_WIDE : HASH_NARROW;
	for (int i = 0; i < HASH_TRIES; i++, slots += slots / 4 + HASH_SLOTS) {
		b->n = before;
		lk->mult = (slots / HASH_SLOTS + 1) * HASH_SLOTS;
		lk->tab = imgbuf_alloc(b, hash_rows(lk->mult) + (lk->mult << lk->row), LINE);
		if (b->failed || hash_fill(kc, rest, n, b, lk)) {
			lk->method = LOOKUP_HASH;
			while (kc->class[low] == rest)
				low++;
			while (kc->class[high] == rest)
				high--;
			lk->base = kc->first[low];
			lk->n = kc->first[high] - lk->base;
			lk->buckets = rest;
			return true;
		}
	}
	b->n = before;
	lk->row = 0;
	lk->mult = classes;
	return false;
}

void keyclass_emit(const struct keyclass *kc, bool alone, bool wide, struct imgbuf *b,
		   struct img_lookup *lk)
{
	__u32 last = kc->first[kc->nr - 1];
	struct img_range *row;
	__u32 at;

	lk->key = kc->key;
	lk->mult = kc->nr_classes;
	/* Buckets and rows would take three words a row. */
	if (last < DIRECT_SMALL || last < 3 * (__u64)kc->nr) {
		direct_emit(kc, b, lk);
		return;
	}
	if (alone && hash_emit(kc, wide, b, lk))
		return;
	lk->n = kc->nr;
	if (kc->nr >= TOP_FROM)
		top_emit(kc, b, lk);
	else
		lk->method = LOOKUP_RANGE;
	at = imgbuf_alloc(b, 2 * kc->nr, 2);
	if (lk->method == LOOKUP_RANGE)
		lk->tab = at;
	row = (void *)imgbuf_at(b, at);
	for (__u32 i = 0; row && i < kc->nr; i++)
		row[i] = (struct img_range){ kc->first[i], kc->class[i] };
}

static void hash_set_entries(struct img_lookup *lk, struct imgbuf *b, const __u32 *entry,
			     const struct img_few_pos *one)
{
	__u32 *rows = imgbuf_at(b, lk->tab + hash_rows(lk->mult));

	lk->buckets = entry[lk->buckets];
	for (__u32 i = 0; rows && i < lk->mult; i++) {
		struct img_hash_row *row = (void *)(rows + (i << lk->row));
		__u32 class = row->class;

		if (!class)
			continue;
		row->class = entry[class - 1];
		if (row->class & HASH_LIST)
			row->pos = one[class - 1];
	}
}

void keyclass_set_entries(struct img_lookup *lk, struct imgbuf *b, const __u32 *entry,
			  const struct img_few_pos *one)
{
	__u32 rows = lk->tab + (lk->method == LOOKUP_TOP ? top_rows(lk->buckets) : 0);
	struct img_range *row = imgbuf_at(b, rows);
	__u32 *direct = imgbuf_at(b, lk->tab);

	if (lk->method == LOOKUP_HASH) {
		hash_set_entries(lk, b, entry, one);
		return;
	}
	for (__u32 i = 0; direct && i < lk->n; i++) {
		__u32 *class = lk->method == LOOKUP_DIRECT ? &direct[i] : &row[i].class;

		*class = entry[*class];
	}
}
