/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * vectors_int.h - the store of nodes, between vectors.c and sweep.c
 */
#ifndef BPFIPT_VECTORS_INT_H
#define BPFIPT_VECTORS_INT_H

#include "vectors.h"

#define NONE	0xffffffffu

/*
 * struct node - @mask's bits have a child each, at child[at..]
 * @pop:  positions below it
 * @word: where the image holds it, 0: not yet
 */
struct node {
	__u64 mask;
	__u64 hash;
	__u64 at;
	__u32 pop;
	__u32 word;
};

/*
 * struct level - all nodes of one level
 * Mids have leaf words for children, roots have ids of mids.
 * @slot:  open-addressed hash table of node ids, NONE free
 * @words: image words of all nodes
 */
struct level {
	struct node *node;
	__u32 nr;
	__u32 cap;
	__u64 *child;
	size_t nr_child;
	size_t cap_child;
	__u32 *slot;
	__u32 slot_mask;
	size_t words;
	bool roots;
};

/* struct memo - intersections of mids already made: (a << 32 | b) -> id */
struct memo {
	struct {
		__u64 pair;
		__u32 id;
		__u32 used;
	} *slot;
	__u32 mask;
	__u32 nr;
};

/* struct step - toggling a position leads from root @from to root @to, and back */
struct step {
	__u32 from;
	__u32 to;
};

/* @step: by position, @nr_step of them; @from is NONE: not known */
struct vectors {
	struct level mid;
	struct level root;
	struct memo memo;
	struct step *step;
	__u32 nr_step;
};

/* Finaliser of MurmurHash3 (public domain, A. Appleby), over a child and its place. */
static inline __u64 mix(unsigned int i, __u64 child)
{
	__u64 x = child + (i + 1) * 0x9e3779b97f4a7c15ull;

	x = (x ^ (x >> 33)) * 0xff51afd7ed558ccdull;
	x = (x ^ (x >> 33)) * 0xc4ceb9fe1a85ec53ull;
	return x ^ (x >> 33);
}

/* The node with children dense[i] for the bits i of @mask: found, or made. 0 or -ENOMEM. */
int level_intern(struct vectors *v, struct level *l, __u64 mask, const __u64 *dense,
		 __u64 hash, __u32 *id);

#endif /* BPFIPT_VECTORS_INT_H */
