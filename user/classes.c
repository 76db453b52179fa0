// SPDX-License-Identifier: GPL-2.0-only
/*
 * classes.c - the values of a key that satisfy the same positions, and their tables
 *
 * Classes. A set of keys begins to hold at the first key of each of its ranges and
 * ceases after the last. Sorted, these boundaries are swept once, toggling
 * positions in a bit vector; the vector's number between two boundaries is the
 * class there (vectors.c makes equal vectors equal numbers).
 *
 * Crossing. ANDing two vectors per packet costs more than one table that holds
 * their ANDs, as long as the table stays small. The pair of vectors with the
 * smallest product is crossed first, transport keys among themselves before
 * others: `-p tcp --dport 80` constrains both, so most of their combinations are
 * empty or equal (on ClassBench sets of 10,000 rules: some hundred different ones).
 * A crossing that makes too many new nodes is undone.
 */
#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "../progs/abi/image.h"
#include "classes.h"
#include "image.h"
#include "lower.h"

#define NONE	0xffffffffu

#define L4_KEYS	(1u << KEY_L4 | 1u << KEY_SPORT | 1u << KEY_DPORT | \
		 1u << KEY_TCPFLAGS | 1u << KEY_ICMP)

const struct class_limits class_limits_default = {
	.l4	 = 8192,
	.any	 = 2048,
	.forced	 = 1u << 20,
	.words	 = 1u << 18,
	.vectors = IMG_MAX_VECTORS,
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

/* Sorts by key: qsort for few, else an LSD radix sort that skips constant digits. */
static int event_sort(__u64 **evp, size_t n)
{
	__u64 *from = *evp, *to;

	if (n < 1024) {
		qsort(from, n, sizeof(*from), event_cmp);
		return 0;
	}
	to = malloc(n * sizeof(*to));
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

/* Ranges of each key over all positions, in one pass: most keys have none. */
static void ranges_count(const struct product *const *prod, __u32 nr, size_t *ranges)
{
	memset(ranges, 0, NR_KEYS * sizeof(*ranges));
	for (__u32 p = 0; p < nr; p++)
		for (__u32 key = 0; key < NR_KEYS; key++)
			if (prod[p]->set[key])
				ranges[key] += prod[p]->set[key]->n;
}

/*
 * All events of @key, which has @n ranges: none when no position constrains it.
 * Positions that accept any value are toggled in @s at once.
 */
static int events_collect(__u32 key, size_t n, const struct product *const *prod, __u32 nr,
			  struct sweep *s, __u64 **evp, size_t *nr_ev)
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
	for (__u32 p = 0; p < nr; p++) {
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

/* Numbers the bit vectors @id[n] by first appearance: of[], and root[] behind it. */
static int number_roots(const struct vectors *v, const __u32 *id, __u32 n, __u32 *of,
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
	err = number_roots(v, id, kc->nr, kc->class, &kc->root, &kc->nr_classes);
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
			  const struct product *const *prod, __u32 nr)
{
	struct keyclass *kc = &c->kc[c->nr_kc];
	struct sweep *s = NULL;
	__u64 *ev = NULL;
	size_t n;
	int err = -ENOMEM;

	if (!ranges && !always)
		return 0;
	s = sweep_new(c->store, nr);
	if (!s)
		goto out;
	kc->key = key;
	err = events_collect(key, ranges, prod, nr, s, &ev, &n);
	if (err)
		goto out;
	if (!n && always)
		for (__u32 p = 0; p < nr; p++)
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

/* --- crossing --------------------------------------------------------------- */

static void vector_free(struct vector *vec)
{
	free(vec->of);
	free(vec->root);
	memset(vec, 0, sizeof(*vec));
}

static int vector_of_key(struct vector *vec, struct keyclass *kc)
{
	__u32 n = kc->nr_classes;

	*vec = (struct vector){ .nr_keys = 1, .kc = { kc }, .entries = n, .nr_roots = n };
	vec->of = malloc(n * sizeof(*vec->of));
	vec->root = malloc(n * sizeof(*vec->root));
	if (!vec->of || !vec->root)
		return -ENOMEM;
	for (__u32 i = 0; i < n; i++)
		vec->of[i] = i;
	memcpy(vec->root, kc->root, n * sizeof(*vec->root));
	return 0;
}

/* *x = a crossed with b. -E2BIG: more than @words new node words, *x untouched. */
static int vector_cross(struct vectors *v, const struct vector *a, const struct vector *b,
			__u32 words, struct vector *x)
{
	__u32 n = a->nr_roots * b->nr_roots;
	size_t most = vectors_words(v) + words;
	struct vector r = { .nr_keys = a->nr_keys + b->nr_keys,
			    .entries = a->entries * b->entries };
	__u32 *id = malloc(n * sizeof(*id));
	__u32 *of = malloc(n * sizeof(*of));
	int err = -ENOMEM;

	r.of = malloc(r.entries * sizeof(*r.of));
	if (!id || !of || !r.of)
		goto out;
	for (__u32 i = 0; i < n; i++) {
		err = vectors_and(v, a->root[i / b->nr_roots], b->root[i % b->nr_roots], &id[i]);
		if (!err && vectors_words(v) > most)
			err = -E2BIG;
		if (err)
			goto out;
	}
	err = number_roots(v, id, n, of, &r.root, &r.nr_roots);
	if (err)
		goto out;
	for (__u32 i = 0; i < a->entries; i++)
		for (__u32 j = 0; j < b->entries; j++)
			r.of[i * b->entries + j] = of[a->of[i] * b->nr_roots + b->of[j]];
	memcpy(r.kc, a->kc, a->nr_keys * sizeof(r.kc[0]));
	memcpy(r.kc + a->nr_keys, b->kc, b->nr_keys * sizeof(r.kc[0]));
	*x = r;
	r.of = NULL;
out:
	free(r.of);
	free(id);
	free(of);
	return err;
}

static bool only_keys(const struct vector *vec, __u32 keys)
{
	for (__u32 i = 0; i < vec->nr_keys; i++)
		if (!(keys & 1u << vec->kc[i]->key))
			return false;
	return true;
}

/*
 * Crosses, smallest product first, vectors whose keys are among @keys while the
 * product is at most @entries and there are more than @least vectors.
 */
static int cross_while(struct classes *c, __u32 keys, __u32 entries, __u32 words, __u32 least)
{
	bool tried[NR_KEYS][NR_KEYS] = { 0 };

	while (c->nr_vec > least) {
		__u64 best = (__u64)entries + 1;
		__u32 a = 0, b = 0;
		struct vector x;
		int err;

		for (__u32 i = 0; i < c->nr_vec; i++) {
			for (__u32 j = i + 1; j < c->nr_vec; j++) {
				__u64 n = (__u64)c->vec[i].entries * c->vec[j].entries;

				if (n < best && !tried[i][j] && only_keys(&c->vec[i], keys) &&
				    only_keys(&c->vec[j], keys)) {
					best = n;
					a = i;
					b = j;
				}
			}
		}
		if (best > entries)
			break;
		err = vector_cross(c->store, &c->vec[a], &c->vec[b], words, &x);
		if (err == -E2BIG) {
			tried[a][b] = true;
			continue;
		}
		if (err)
			return err;
		vector_free(&c->vec[a]);
		vector_free(&c->vec[b]);
		c->vec[a] = x;
		memmove(&c->vec[b], &c->vec[b + 1], (--c->nr_vec - b) * sizeof(c->vec[0]));
		memset(tried, 0, sizeof(tried));
	}
	return 0;
}

/* Positions that an average entry satisfies, times 256. */
static __u64 vector_weight(const struct classes *c, const struct vector *vec)
{
	__u64 sum = 0;

	for (__u32 i = 0; i < vec->entries; i++)
		sum += vectors_population(c->store, vec->root[vec->of[i]]);
	return sum * 256 / vec->entries;
}

/* Insertion sort, most selective first. What is beyond @most becomes late keys. */
static void vectors_order(struct classes *c, __u32 most)
{
	__u64 weight[NR_KEYS];

	for (__u32 i = 0; i < c->nr_vec; i++) {
		struct vector vec = c->vec[i];
		__u64 w = vector_weight(c, &vec);
		__u32 j = i;

		for (; j && weight[j - 1] > w; j--) {
			weight[j] = weight[j - 1];
			c->vec[j] = c->vec[j - 1];
		}
		weight[j] = w;
		c->vec[j] = vec;
	}
	while (c->nr_vec > most) {
		struct vector *vec = &c->vec[--c->nr_vec];

		for (__u32 i = 0; i < vec->nr_keys; i++)
			c->late_keys |= 1u << vec->kc[i]->key;
		vector_free(vec);
	}
}

int classes_build(struct classes *c, const struct product *const *prod, __u32 nr,
		  const struct class_limits *lim)
{
	size_t ranges[NR_KEYS];
	int err = 0;

	memset(c, 0, sizeof(*c));
	c->store = vectors_new();
	if (!c->store)
		return -ENOMEM;
	ranges_count(prod, nr, ranges);
	for (__u32 key = 0; key < NR_KEYS && !err; key++)
		err = keyclass_build(c, key, ranges[key], false, prod, nr);
	if (!err && nr && !c->nr_kc)
		err = keyclass_build(c, KEY_L4, ranges[KEY_L4], true, prod, nr);
	while (!err && c->nr_vec < c->nr_kc) {
		err = vector_of_key(&c->vec[c->nr_vec], &c->kc[c->nr_vec]);
		c->nr_vec++;
	}
	if (!err)
		err = cross_while(c, L4_KEYS, lim->l4, lim->words, 1);
	if (!err)
		err = cross_while(c, ~0u, lim->any, lim->words, 1);
	if (!err)
		err = cross_while(c, ~0u, lim->forced, lim->forced, lim->vectors);
	if (!err)
		vectors_order(c, lim->vectors);
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

/* --- lookup tables ---------------------------------------------------------- */

#define DIRECT_SMALL	2048	/* a table indexed by the key that is always worth it */
#define TOP_FROM	16	/* rows from which on buckets pay */

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

void keyclass_emit(const struct keyclass *kc, struct imgbuf *b, struct img_lookup *lk)
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

void keyclass_set_entries(const struct img_lookup *lk, struct imgbuf *b, const __u32 *entry)
{
	__u32 rows = lk->tab + (lk->method == LOOKUP_TOP ? top_rows(lk->buckets) : 0);
	struct img_range *row = imgbuf_at(b, rows);
	__u32 *direct = imgbuf_at(b, lk->tab);

	for (__u32 i = 0; direct && i < lk->n; i++) {
		__u32 *class = lk->method == LOOKUP_DIRECT ? &direct[i] : &row[i].class;

		*class = entry[*class];
	}
}
