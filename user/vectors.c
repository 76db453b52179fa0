// SPDX-License-Identifier: GPL-2.0-only
/*
 * vectors.c - hash-consed three-level bit vectors over rule positions
 *
 * Theory of operation
 * ===================
 * Problem: a key with n boundaries has n vectors of up to 262144 bits, of which
 * neighbours differ in a few bits. Storing them whole takes n * N / 8 bytes and
 * building them n * N steps.
 *
 * Idea: equal subtrees are one node. Sweeping the boundaries in order, only the
 * leaves toggled at a boundary change; their mids and the root are looked up by
 * hash and made only if no equal node exists. The hash of a node is a sum of one
 * term per child, so a changed child changes it in constant time:
 *
 *	hash(node) = sum over children i of mix(i, child i)	(mod 2^64)
 *
 * Example, three positions, boundaries 10 and 20:
 *	position 0: keys 10..19		[0, 10)   {1}	root A -> mid m -> 010
 *	position 1: any key		[10, 20)  {0,1}	root B -> mid n -> 011
 *					[20, max] {1}	root A again, found by hash
 *
 * Equality is decided by comparing nodes; the hash only finds candidates.
 *
 * Reference: hash-consing is Ershov 1958 / Goto 1974; the leaf-mask-and-popcount
 * form is the array mapped trie of Bagwell 2001 ("Ideal Hash Trees").
 */
#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "../progs/abi/image.h"
#include "array.h"
#include "image.h"
#include "vectors_int.h"

static int level_rehash(struct level *l, __u32 slots)
{
	__u32 *slot = malloc(slots * sizeof(*slot));

	if (!slot)
		return -ENOMEM;
	memset(slot, 0xff, slots * sizeof(*slot));
	for (__u32 id = 0; id < l->nr; id++) {
		__u32 i = l->node[id].hash & (slots - 1);

		while (slot[i] != NONE)
			i = (i + 1) & (slots - 1);
		slot[i] = id;
	}
	free(l->slot);
	l->slot = slot;
	l->slot_mask = slots - 1;
	return 0;
}

static int level_reserve(struct level *l)
{
	if (array_room(l->node, l->nr + 1, l->cap) ||
	    array_room(l->child, l->nr_child + 64, l->cap_child))
		return -ENOMEM;
	if (!l->slot || l->nr >= l->slot_mask / 2)
		return level_rehash(l, l->slot ? (l->slot_mask + 1) * 2 : 128);
	return 0;
}

static bool node_is(const struct level *l, const struct node *n, __u64 mask, const __u64 *dense)
{
	const __u64 *child = l->child + n->at;

	if (n->mask != mask)
		return false;
	for (; mask; mask &= mask - 1)
		if (*child++ != dense[__builtin_ctzll(mask)])
			return false;
	return true;
}

int level_intern(struct vectors *v, struct level *l, __u64 mask, const __u64 *dense,
		 __u64 hash, __u32 *id)
{
	struct node *n;
	__u32 i;
	int err = level_reserve(l);

	if (err)
		return err;
	for (i = hash & l->slot_mask; l->slot[i] != NONE; i = (i + 1) & l->slot_mask) {
		n = &l->node[l->slot[i]];
		if (n->hash == hash && node_is(l, n, mask, dense)) {
			*id = l->slot[i];
			return 0;
		}
	}
	l->slot[i] = l->nr;
	*id = l->nr;
	n = &l->node[l->nr++];
	*n = (struct node){ .mask = mask, .hash = hash, .at = l->nr_child };
	for (; mask; mask &= mask - 1) {
		__u64 c = dense[__builtin_ctzll(mask)];

		l->child[l->nr_child++] = c;
		n->pop += l->roots ? v->mid.node[c].pop : (__u32)__builtin_popcountll(c);
	}
	l->words += 2 + (l->roots ? ((l->nr_child - n->at) + 1) / 2 * 2
				  : 2 * (l->nr_child - n->at));
	return 0;
}

struct vectors *vectors_new(void)
{
	struct vectors *v = calloc(1, sizeof(*v));

	if (v)
		v->root.roots = true;
	return v;
}

static void level_free(struct level *l)
{
	free(l->node);
	free(l->child);
	free(l->slot);
}

void vectors_free(struct vectors *v)
{
	if (!v)
		return;
	level_free(&v->mid);
	level_free(&v->root);
	free(v->memo.slot);
	free(v->step);
	free(v);
}

static int memo_grow(struct memo *m)
{
	__u32 slots = m->slot ? (m->mask + 1) * 2 : 256;
	struct memo n = { .slot = calloc(slots, sizeof(*n.slot)), .mask = slots - 1, .nr = m->nr };

	if (!n.slot)
		return -ENOMEM;
	for (__u32 i = 0; m->slot && i <= m->mask; i++) {
		__u32 j;

		if (!m->slot[i].used)
			continue;
		for (j = mix(0, m->slot[i].pair) & n.mask; n.slot[j].used; j = (j + 1) & n.mask)
			;
		n.slot[j] = m->slot[i];
	}
	free(m->slot);
	*m = n;
	return 0;
}

/* The child of a node that has one for @bit. Mostly it is the first: counting is a call. */
static __u64 child_of(const struct level *l, const struct node *n, unsigned int bit)
{
	__u64 below = n->mask & ((1ull << bit) - 1);

	return l->child[n->at + (below ? __builtin_popcountll(below) : 0)];
}

/* Intersection of two mids: *id, or NONE when they have no position in common. */
static int mid_and(struct vectors *v, __u32 a, __u32 b, __u32 *id)
{
	const struct level *l = &v->mid;
	__u64 pair = a < b ? (__u64)a << 32 | b : (__u64)b << 32 | a;
	__u64 mask = 0, hash = 0, dense[64];
	struct memo *m = &v->memo;
	__u32 i;
	int err;

	*id = a;
	if (a == b)
		return 0;
	if (!m->slot || m->nr >= m->mask / 2) {
		err = memo_grow(m);
		if (err)
			return err;
	}
	for (i = mix(0, pair) & m->mask; m->slot[i].used; i = (i + 1) & m->mask) {
		if (m->slot[i].pair == pair) {
			*id = m->slot[i].id;
			return 0;
		}
	}

	for (__u64 both = l->node[a].mask & l->node[b].mask; both; both &= both - 1) {
		unsigned int bit = __builtin_ctzll(both);
		__u64 w = child_of(l, &l->node[a], bit) & child_of(l, &l->node[b], bit);

		if (!w)
			continue;
		dense[bit] = w;
		mask |= 1ull << bit;
		hash += mix(bit, w);
	}
	*id = NONE;
	if (mask) {
		err = level_intern(v, &v->mid, mask, dense, hash, id);
		if (err)
			return err;
	}
	m->slot[i].pair = pair;
	m->slot[i].id = *id;
	m->slot[i].used = 1;
	m->nr++;
	return 0;
}

int vectors_and(struct vectors *v, __u32 a, __u32 b, __u32 *root)
{
	const struct level *l = &v->root;
	__u64 mask = 0, hash = 0, dense[64];

	*root = a;
	if (a == b)
		return 0;
	for (__u64 both = l->node[a].mask & l->node[b].mask; both; both &= both - 1) {
		unsigned int bit = __builtin_ctzll(both);
		__u32 ma = child_of(l, &l->node[a], bit), mb = child_of(l, &l->node[b], bit);
		__u32 id;
		int err = mid_and(v, ma, mb, &id);

		if (err)
			return err;
		if (id == NONE)
			continue;
		dense[bit] = id;
		mask |= 1ull << bit;
		hash += mix(bit, id);
	}
	return level_intern(v, &v->root, mask, dense, hash, root);
}

bool vectors_has(const struct vectors *v, __u32 root, __u32 pos)
{
	const struct node *n = &v->root.node[root];
	unsigned int bit = pos >> 12;

	if (!(n->mask >> bit & 1))
		return false;
	n = &v->mid.node[child_of(&v->root, n, bit)];
	bit = pos >> 6 & 63;
	return n->mask >> bit & 1 && child_of(&v->mid, n, bit) >> (pos & 63) & 1;
}

__u32 vectors_population(const struct vectors *v, __u32 root)
{
	return v->root.node[root].pop;
}

__u32 vectors_list(const struct vectors *v, __u32 root, __u32 *pos, __u32 max)
{
	const struct node *r = &v->root.node[root];
	const __u64 *mid = v->root.child + r->at;
	__u32 n = 0;

	for (__u64 m0 = r->mask; m0; m0 &= m0 - 1, mid++) {
		const struct node *m = &v->mid.node[*mid];
		const __u64 *leaf = v->mid.child + m->at;

		for (__u64 m1 = m->mask; m1; m1 &= m1 - 1, leaf++) {
			for (__u64 m2 = *leaf; m2; m2 &= m2 - 1) {
				if (n == max)
					return n;
				pos[n++] = __builtin_ctzll(m0) << 12 | __builtin_ctzll(m1) << 6 |
					   __builtin_ctzll(m2);
			}
		}
	}
	return n;
}

__u32 vectors_roots(const struct vectors *v)
{
	return v->root.nr;
}

size_t vectors_words(const struct vectors *v)
{
	return v->mid.words + v->root.words;
}

static __u32 mid_emit(struct vectors *v, __u32 id, struct imgbuf *b)
{
	struct node *n = &v->mid.node[id];
	unsigned int nr = __builtin_popcountll(n->mask);

	if (!n->word) {
		n->word = imgbuf_alloc(b, 2 + 2 * nr, 2);
		imgbuf_put64(b, n->word, n->mask);
		for (unsigned int i = 0; i < nr; i++)
			imgbuf_put64(b, n->word + 2 + 2 * i, v->mid.child[n->at + i]);
	}
	return n->word;
}

__u32 vectors_emit(struct vectors *v, __u32 root, struct imgbuf *b)
{
	struct node *n = &v->root.node[root];
	unsigned int nr = __builtin_popcountll(n->mask);
	__u32 child[64];

	if (!n->word) {
		for (unsigned int i = 0; i < nr; i++)
			child[i] = mid_emit(v, v->root.child[n->at + i], b);
		n->word = imgbuf_alloc(b, 2 + nr, 2);
		imgbuf_put64(b, n->word, n->mask);
		imgbuf_copy(b, n->word + 2, child, nr);
	}
	return n->word;
}
