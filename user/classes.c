// SPDX-License-Identifier: GPL-2.0-only
/*
 * classes.c - the values of a key that satisfy the same positions
 *
 * Classes. A set of keys begins to hold at the first key of each of its ranges and
 * ceases after the last. Sorted, these boundaries are swept once, toggling
 * positions in a bit vector; the vector's number between two boundaries is the
 * class there (vectors.c makes equal vectors equal numbers).
 */
#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "../progs/abi/image.h"
#include "classes.h"
#include "lower.h"

#define NONE	0xffffffffu

const struct class_limits class_limits_default = {
	.l4	 = 8192,
	.any	 = 2048,
	.forced	 = 1u << 20,
	.words	 = 1u << 18,
	.vectors = IMG_MAX_VECTORS,
	.delta_from = 256,
};

static const __u32 key_max[NR_KEYS] = KEY_MAX_TABLE;

/* --- boundaries ------------------------------------------------------------- */

/* An event: position (low half) is toggled from key (high half) on. */
static int event_cmp(const void *a, const void *b)
{
	__u64 x = *(const __u64 *)a, y = *(const __u64 *)b;

	return x < y ? -1 : x > y;
}

#define DIGIT_BITS	11
#define DIGITS		(1u << DIGIT_BITS)

/* LSD radix sort by key, which skips constant digits. */
static __attribute__((noinline)) int event_radix(__u64 **evp, size_t n)
{
	__u64 *from = *evp, *to = malloc(n * sizeof(*to));

	if (!to)
		return -ENOMEM;
	for (int shift = 32; shift < 64; shift += DIGIT_BITS) {
		__u32 at[DIGITS] = { 0 }, sum = 0;
		__u64 *swap = from;

		for (size_t i = 0; i < n; i++)
			at[from[i] >> shift & (DIGITS - 1)]++;
		if (at[from[0] >> shift & (DIGITS - 1)] == n)
			continue;
		for (__u32 d = 0; d < DIGITS; d++) {
			__u32 count = at[d];

			at[d] = sum;
			sum += count;
		}
		for (size_t i = 0; i < n; i++)
			to[at[from[i] >> shift & (DIGITS - 1)]++] = from[i];
		from = to;
		to = swap;
	}
	*evp = from;
	free(to);
	return 0;
}

/* Sorts by key. */
static int event_sort(__u64 **evp, size_t n)
{
	if (n >= 1024)
		return event_radix(evp, n);
	qsort(*evp, n, sizeof(**evp), event_cmp);
	return 0;
}

/* Ranges of each key over all positions, in one pass: most keys have none. */
static void ranges_count(const struct product *const *prod, __u32 from, __u32 end, size_t *ranges)
{
	memset(ranges, 0, NR_KEYS * sizeof(*ranges));
	for (__u32 p = from; p < end; p++)
		for (__u32 key = 0; key < NR_KEYS; key++)
			if (prod[p]->set[key])
				ranges[key] += prod[p]->set[key]->n;
}

/*
 * All events of @key, which has @n ranges: none when no position constrains it.
 * Positions that accept any value are toggled in @s at once.
 */
static int events_collect(__u32 key, size_t n, const struct product *const *prod, __u32 from,
			  __u32 end, struct sweep *s, __u64 **evp, size_t *nr_ev)
{
	__u64 *ev;

	*evp = NULL;
	*nr_ev = 0;
	if (!n)
		return 0;
	ev = malloc(2 * n * sizeof(*ev));
	if (!ev)
		return -ENOMEM;
	n = 0;
	for (__u32 p = from; p < end; p++) {
		const struct fset *set = prod[p]->set[key];

		if (!set) {
			sweep_toggle(s, p);
			continue;
		}
		for (size_t i = 0; i < set->n; i++) {
			if (set->r[i].first > key_max[key])
				break;
			ev[n++] = (__u64)set->r[i].first << 32 | p;
			if (set->r[i].last < key_max[key])
				ev[n++] = ((__u64)set->r[i].last + 1) << 32 | p;
		}
	}
	*evp = ev;
	*nr_ev = n;
	return event_sort(evp, n);
}

/* --- classes ---------------------------------------------------------------- */

int classes_number(const struct vectors *v, const __u32 *id, __u32 n, __u32 *of,
			__u32 **rootp, __u32 *nr_roots)
{
	__u32 *number = malloc(vectors_roots(v) * sizeof(*number));
	__u32 *root = malloc(n * sizeof(*root));
	__u32 nr = 0;

	if (!number || !root) {
		free(number);
		free(root);
		return -ENOMEM;
	}
	memset(number, 0xff, vectors_roots(v) * sizeof(*number));
	for (__u32 i = 0; i < n; i++) {
		if (number[id[i]] == NONE) {
			number[id[i]] = nr;
			root[nr++] = id[i];
		}
		of[i] = number[id[i]];
	}
	free(number);
	*rootp = root;
	*nr_roots = nr;
	return 0;
}

static int keyclass_sweep(struct keyclass *kc, struct vectors *v, struct sweep *s,
			  const __u64 *ev, size_t n)
{
	__u32 key = 0;
	__u32 *id;
	int err;

	/* Every event may open a boundary, and there is always one at 0. */
	id = malloc((n + 1) * sizeof(*id));
	kc->first = malloc((n + 1) * sizeof(*kc->first));
	kc->class = malloc((n + 1) * sizeof(*kc->class));
	err = -ENOMEM;
	if (!id || !kc->first || !kc->class)
		goto out;
	for (size_t i = 0;;) {
		__u32 root;

		while (i < n && ev[i] >> 32 == key)
			sweep_toggle(s, (__u32)ev[i++]);
		err = sweep_root(s, &root);
		if (err)
			goto out;
		if (!kc->nr || id[kc->nr - 1] != root) {
			id[kc->nr] = root;
			kc->first[kc->nr++] = key;
		}
		if (i == n)
			break;
		key = ev[i] >> 32;
	}
	err = classes_number(v, id, kc->nr, kc->class, &kc->root, &kc->nr_classes);
out:
	free(id);
	return err;
}

static void keyclass_free(struct keyclass *kc)
{
	free(kc->first);
	free(kc->class);
	free(kc->root);
	memset(kc, 0, sizeof(*kc));
}

/* Classes of @key, which has @ranges of them; @always: even if it has none. */
static int keyclass_build(struct classes *c, __u32 key, size_t ranges, bool always,
			  const struct product *const *prod, __u32 from, __u32 end)
{
	struct keyclass *kc = &c->kc[c->nr_kc];
	struct sweep *s = NULL;
	__u64 *ev = NULL;
	size_t n;
	int err = -ENOMEM;

	if (!ranges && !always)
		return 0;
	s = sweep_new(c->store, end);
	if (!s)
		goto out;
	kc->key = key;
	err = events_collect(key, ranges, prod, from, end, s, &ev, &n);
	if (err)
		goto out;
	if (!n && always)
		for (__u32 p = from; p < end; p++)
			sweep_toggle(s, p);
	if (n || always) {
		err = keyclass_sweep(kc, c->store, s, ev, n);
		if (!err && (kc->nr_classes > 1 || always))
			c->nr_kc++;
		else
			keyclass_free(kc);
	}
out:
	free(ev);
	sweep_free(s);
	return err;
}

int classes_build(struct classes *c, const struct product *const *prod, __u32 from, __u32 end,
		  const struct class_limits *lim)
{
	size_t ranges[NR_KEYS];
	int err = 0;

	memset(c, 0, sizeof(*c));
	c->store = vectors_new();
	if (!c->store)
		return -ENOMEM;
	ranges_count(prod, from, end, ranges);
	for (__u32 key = 0; key < NR_KEYS && !err; key++)
		err = keyclass_build(c, key, ranges[key], false, prod, from, end);
	if (!err && from < end && !c->nr_kc)
		err = keyclass_build(c, KEY_L4, ranges[KEY_L4], true, prod, from, end);
	if (!err)
		err = classes_cross(c, prod, lim);
	return err;
}

void classes_free(struct classes *c)
{
	for (__u32 i = 0; i < c->nr_vec; i++)
		vector_free(&c->vec[i]);
	for (__u32 i = 0; i < NR_KEYS; i++)
		keyclass_free(&c->kc[i]);
	vectors_free(c->store);
	c->store = NULL;
}
