// SPDX-License-Identifier: GPL-2.0-only
/*
 * sweep.c - one vector under change, position by position (vectors.c has the theory)
 *
 * One position. Between the sources of 10,000 rules the vector is none, and from one of
 * them to the next key { that rule }, whichever the field: it is enough to remember, for a
 * position, from which root its toggling led to which.
 */
#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "vectors_int.h"

/*
 * struct sweep
 * @bits, @term: leaf words and each one's term in its mid's hash
 * @mid:	 per root bit: the mid under change
 * @child, @root_term: ids of the mids as last interned, and their hash terms
 * @dirty:	 mids toggled since
 * @root:	 as last asked for, NONE: not yet; @toggled: how many positions since, @pos
 *		 the last of them
 */
struct sweep {
	struct vectors *v;
	__u64 *bits;
	__u64 *term;
	struct {
		__u64 mask;
		__u64 hash;
		__u64 dirty;
	} mid[64];
	__u64 child[64];
	__u64 root_term[64];
	__u64 root_mask;
	__u64 root_hash;
	__u64 dirty;
	__u32 root;
	__u32 toggled;
	__u32 pos;
};

/* Steps for positions below @nr. */
static int steps_reserve(struct vectors *v, __u32 nr)
{
	struct step *step;

	if (nr <= v->nr_step)
		return 0;
	step = realloc(v->step, nr * sizeof(*step));
	if (!step)
		return -ENOMEM;
	memset(step + v->nr_step, 0xff, (nr - v->nr_step) * sizeof(*step));
	v->step = step;
	v->nr_step = nr;
	return 0;
}

struct sweep *sweep_new(struct vectors *v, __u32 nr)
{
	size_t leaves = ((size_t)nr + 4095) / 4096 * 64;
	struct sweep *s = calloc(1, sizeof(*s));

	if (!s)
		return NULL;
	s->v = v;
	s->root = NONE;
	s->bits = calloc(leaves + 1, sizeof(*s->bits));
	s->term = calloc(leaves + 1, sizeof(*s->term));
	if (!s->bits || !s->term || steps_reserve(v, nr)) {
		sweep_free(s);
		return NULL;
	}
	return s;
}

void sweep_free(struct sweep *s)
{
	if (!s)
		return;
	free(s->bits);
	free(s->term);
	free(s);
}

void sweep_toggle(struct sweep *s, __u32 pos)
{
	s->bits[pos >> 6] ^= 1ull << (pos & 63);
	s->mid[pos >> 12].dirty |= 1ull << ((pos >> 6) & 63);
	s->dirty |= 1ull << (pos >> 12);
	s->toggled++;
	s->pos = pos;
}

/* Brings mid @a's mask and hash up to date with the leaves toggled under it. */
static void sweep_mid(struct sweep *s, unsigned int a)
{
	for (__u64 d = s->mid[a].dirty; d; d &= d - 1) {
		unsigned int b = __builtin_ctzll(d);
		__u64 *term = &s->term[a << 6 | b];
		__u64 word = s->bits[a << 6 | b];
		__u64 now = word ? mix(b, word) : 0;

		s->mid[a].hash += now - *term;
		*term = now;
		if (word)
			s->mid[a].mask |= 1ull << b;
		else
			s->mid[a].mask &= ~(1ull << b);
	}
	s->mid[a].dirty = 0;
}

/* The root after the one step since the last, if it was made before; else NONE. */
static __u32 step_taken(const struct sweep *s)
{
	const struct step *step;

	if (s->toggled != 1 || s->root == NONE)
		return NONE;
	step = &s->v->step[s->pos];
	if (step->from == NONE)
		return NONE;
	return step->from == s->root ? step->to : step->to == s->root ? step->from : NONE;
}

/* All that was toggled, by way of the nodes. */
static int sweep_nodes(struct sweep *s, __u32 *root)
{
	struct vectors *v = s->v;

	for (; s->dirty; s->dirty &= s->dirty - 1) {
		unsigned int a = __builtin_ctzll(s->dirty);
		__u64 now = 0;

		sweep_mid(s, a);
		if (s->mid[a].mask) {
			__u32 id;
			int err = level_intern(v, &v->mid, s->mid[a].mask, &s->bits[a << 6],
					       s->mid[a].hash, &id);
			if (err)
				return err;
			s->child[a] = id;
			now = mix(a, id);
			s->root_mask |= 1ull << a;
		} else {
			s->root_mask &= ~(1ull << a);
		}
		s->root_hash += now - s->root_term[a];
		s->root_term[a] = now;
	}
	return level_intern(v, &v->root, s->root_mask, s->child, s->root_hash, root);
}

int sweep_root(struct sweep *s, __u32 *root)
{
	int err = 0;

	*root = step_taken(s);
	if (*root == NONE) {
		err = sweep_nodes(s, root);
		if (!err && s->toggled == 1 && s->root != NONE)
			s->v->step[s->pos] = (struct step){ s->root, *root };
	}
	s->root = *root;
	s->toggled = 0;
	return err;
}
