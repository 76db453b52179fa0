// SPDX-License-Identifier: GPL-2.0-only
/*
 * cross.c - which keys share a vector, and in which order the vectors are met
 *
 * Crossing. ANDing two vectors per packet costs more than one table that holds
 * their ANDs, as long as the table stays small. The pair of vectors with the
 * smallest product is crossed first, transport keys among themselves before
 * others: `-p tcp --dport 80` constrains both, so most of their combinations are
 * empty or equal (on ClassBench sets of 10,000 rules: some hundred different ones).
 * A crossing that makes too many new nodes is undone.
 *
 * Alone. A key, or a pair of them, that leaves a handful of positions whatever its
 * value needs no company: what the others would say is in its few lists (few.c), and
 * its look-up is the only one. It becomes the first vector, and is crossed no further.
 * So does a key of which most classes are decided by their first rule.
 */
#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "../progs/abi/image.h"
#include "classes.h"
#include "lower.h"

#define L4_KEYS	(1u << KEY_L4 | 1u << KEY_SPORT | 1u << KEY_DPORT | \
		 1u << KEY_TCPFLAGS | 1u << KEY_ICMP)

#define LEADS_FROM	64	/* classes of a key that may stand alone because it leads */

void vector_free(struct vector *vec)
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
	err = classes_number(v, id, n, of, &r.root, &r.nr_roots);
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

/* Puts @x, which is @a crossed with @b, in the place of @a; @b, behind it, goes. */
static void vectors_join(struct classes *c, __u32 a, __u32 b, const struct vector *x)
{
	vector_free(&c->vec[a]);
	vector_free(&c->vec[b]);
	c->vec[a] = *x;
	memmove(&c->vec[b], &c->vec[b + 1], (--c->nr_vec - b) * sizeof(c->vec[0]));
}

static bool only_keys(const struct vector *vec, __u32 keys)
{
	for (__u32 i = 0; i < vec->nr_keys; i++)
		if (!(keys & 1u << vec->kc[i]->key))
			return false;
	return true;
}

/*
 * Crosses, smallest product first, vectors behind c->alone whose keys are among @keys
 * while the product is at most @entries and there are more than @least vectors.
 */
static int cross_while(struct classes *c, __u32 keys, __u32 entries, __u32 words, __u32 least)
{
	bool tried[NR_KEYS][NR_KEYS] = { 0 };

	while (c->nr_vec > least) {
		__u64 best = (__u64)entries + 1;
		__u32 a = 0, b = 0;
		struct vector x;
		int err;

		for (__u32 i = c->alone; i < c->nr_vec; i++) {
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
		vectors_join(c, a, b, &x);
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

/* Does every entry leave as few positions as a list holds? */
static bool vector_is_few(const struct classes *c, const struct vector *vec)
{
	for (__u32 i = 0; i < vec->nr_roots; i++)
		if (vectors_population(c->store, vec->root[i]) > FEW_MAX)
			return false;
	return true;
}

/* Makes vec[@i] the first vector, alone. */
static void stand_alone(struct classes *c, __u32 i)
{
	struct vector vec = c->vec[i];

	memmove(&c->vec[1], &c->vec[0], i * sizeof(vec));
	c->vec[0] = vec;
	c->alone = 1;
}

/*
 * A key most of whose classes have, early on, a rule that wants it and nothing else: a
 * blacklist. Its table is kept as it is, for the packets that it decides.
 */
static bool vector_leads(const struct classes *c, const struct product *const *prod,
			 const struct vector *vec)
{
	__u32 leads = 0, pos[LEADERS_SEEN], key = vec->kc[0]->key;

	for (__u32 i = 0; i < vec->nr_roots && vec->nr_roots >= LEADS_FROM; i++) {
		__u32 n = vectors_list(c->store, vec->root[i], pos, LEADERS_SEEN);

		for (__u32 j = 0; j < n; j++) {
			if (prod[pos[j]]->set[key] && only_wants(prod[pos[j]], 1u << key)) {
				leads++;
				break;
			}
		}
	}
	return vec->nr_roots >= LEADS_FROM && leads >= vec->nr_roots / 4 * 3;
}

/* The most selective key that is few, else one that leads, else the first pair that is few. */
static int pick_alone(struct classes *c, const struct product *const *prod, __u32 entries,
		      __u32 words)
{
	__u64 least = ~0ull;
	struct vector x;
	__u32 best = 0;

	for (__u32 i = 0; i < c->nr_vec; i++) {
		__u64 weight = vector_weight(c, &c->vec[i]);

		if (weight < least && vector_is_few(c, &c->vec[i])) {
			least = weight;
			best = i;
		}
	}
	if (least != ~0ull) {
		stand_alone(c, best);
		return 0;
	}
	for (__u32 i = 0; i < c->nr_vec; i++) {
		if (vector_leads(c, prod, &c->vec[i])) {
			stand_alone(c, i);
			return 0;
		}
	}
	for (__u32 i = 0; i < c->nr_vec; i++) {
		for (__u32 j = i + 1; j < c->nr_vec; j++) {
			int err;

			if ((__u64)c->vec[i].entries * c->vec[j].entries > entries)
				continue;
			err = vector_cross(c->store, &c->vec[i], &c->vec[j], words, &x);
			if (err == -E2BIG)
				continue;
			if (err)
				return err;
			if (vector_is_few(c, &x)) {
				vectors_join(c, i, j, &x);
				stand_alone(c, i);
				return 0;
			}
			vector_free(&x);
		}
	}
	return 0;
}

/* Insertion sort, most selective first. What is beyond @most becomes late keys. */
static void vectors_order(struct classes *c, __u32 most)
{
	__u64 weight[NR_KEYS];

	for (__u32 i = c->alone; i < c->nr_vec; i++) {
		struct vector vec = c->vec[i];
		__u64 w = vector_weight(c, &vec);
		__u32 j = i;

		for (; j > c->alone && weight[j - 1] > w; j--) {
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

int classes_cross(struct classes *c, const struct product *const *prod,
		  const struct class_limits *lim)
{
	int err = 0;

	while (!err && c->nr_vec < c->nr_kc) {
		err = vector_of_key(&c->vec[c->nr_vec], &c->kc[c->nr_vec]);
		c->nr_vec++;
	}
	if (!err)
		err = pick_alone(c, prod, lim->l4, lim->words);
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
