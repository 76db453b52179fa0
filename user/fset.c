// SPDX-License-Identifier: GPL-2.0-only
/*
 * fset.c - sets of keys, as sorted ranges
 *
 * A set is a row of inclusive ranges: ascending, disjoint, and never adjacent, so
 * equal sets have equal rows. Rules have a handful of ranges, so the first few live
 * inside the set itself and a plain rule costs one allocation per field.
 *
 * Example: { 20-21, 80 } with 22 added is { 20-22, 80 }; its complement below
 * 65535 is { 0-19, 23-79, 81-65535 }.
 */
#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "lower.h"

#define INLINE_RANGES	6	/* KEY_L4 of `! -p X' needs six, ports one or two */

/* What fset_new() really allocates; struct fset is its first member. */
struct fset_mem {
	struct fset set;
	size_t cap;
	struct range in[INLINE_RANGES];
};

_Static_assert(offsetof(struct fset_mem, set) == 0, "a set is its memory's head");

/**
 * fset_new() - an empty set
 * Return: the set, for fset_free(); NULL when out of memory.
 */
struct fset *fset_new(void)
{
	struct fset_mem *m = malloc(sizeof(*m));

	if (!m)
		return NULL;
	m->set.r = m->in;
	m->set.n = 0;
	m->cap = INLINE_RANGES;
	return &m->set;
}

/** fset_free() - free a set; NULL is none */
void fset_free(struct fset *s)
{
	struct fset_mem *m = (struct fset_mem *)s;

	if (!m)
		return;
	if (s->r != m->in)
		free(s->r);
	free(m);
}

/* Make room for @n ranges in all. */
static int fset_grow(struct fset *s, size_t n)
{
	struct fset_mem *m = (struct fset_mem *)s;
	size_t cap = m->cap;
	struct range *r;

	if (n <= cap)
		return 0;
	while (cap < n)
		cap *= 2;
	r = realloc(s->r == m->in ? NULL : s->r, cap * sizeof(*r));
	if (!r)
		return -ENOMEM;
	if (s->r == m->in)
		memcpy(r, m->in, s->n * sizeof(*r));
	s->r = r;
	m->cap = cap;
	return 0;
}

/* Index of the first range whose last key is @key or above; s->n: none. */
static size_t fset_at(const struct fset *s, __u32 key)
{
	size_t lo = 0, hi = s->n;

	while (lo < hi) {
		size_t mid = (lo + hi) / 2;

		if (s->r[mid].last < key)
			lo = mid + 1;
		else
			hi = mid;
	}
	return lo;
}

/**
 * fset_add() - unite with @first..@last
 * Any order; cheapest in ascending order. @first > @last adds nothing.
 * Return: 0 or -ENOMEM, the set then being as it was.
 */
int fset_add(struct fset *s, __u32 first, __u32 last)
{
	size_t i, j;
	int err;

	if (first > last)
		return 0;
	/* i: first range that touches or follows; j: one past the last that touches */
	i = fset_at(s, first ? first - 1 : 0);
	for (j = i; j < s->n && (last == ~0u || s->r[j].first <= last + 1); j++)
		;
	if (i == j) {
		err = fset_grow(s, s->n + 1);
		if (err)
			return err;
		memmove(s->r + i + 1, s->r + i, (s->n - i) * sizeof(*s->r));
		s->r[i] = (struct range){ first, last };
		s->n++;
		return 0;
	}
	if (s->r[i].first > first)
		s->r[i].first = first;
	if (s->r[j - 1].last > last)
		last = s->r[j - 1].last;
	s->r[i].last = last;
	memmove(s->r + i + 1, s->r + j, (s->n - j) * sizeof(*s->r));
	s->n -= j - i - 1;
	return 0;
}

/** fset_dup() - a copy; NULL when out of memory */
struct fset *fset_dup(const struct fset *s)
{
	struct fset *d = fset_new();

	if (d && fset_grow(d, s->n)) {
		fset_free(d);
		return NULL;
	}
	if (d) {
		memcpy(d->r, s->r, s->n * sizeof(*d->r));
		d->n = s->n;
	}
	return d;
}

/** fset_has() - is @key in the set */
bool fset_has(const struct fset *s, __u32 key)
{
	size_t i = fset_at(s, key);

	return i < s->n && s->r[i].first <= key;
}

/**
 * fset_complement() - 0..@max without the set, in place
 * @max: largest key of the universe; the set must not go beyond it
 * Return: 0 or -ENOMEM, the set then being as it was.
 */
int fset_complement(struct fset *s, __u32 max)
{
	__u32 next = 0;		/* first key not yet looked at */
	size_t i, n = 0;
	bool end = false;	/* the set reaches @max */
	int err;

	err = fset_grow(s, s->n + 1);
	if (err)
		return err;
	/* Gap i ends before range i starts: it is never written over before it is read. */
	for (i = 0; i < s->n; i++) {
		struct range r = s->r[i];

		if (r.first > next)
			s->r[n++] = (struct range){ next, r.first - 1 };
		end = r.last >= max;
		next = r.last + 1;
	}
	if (!end)
		s->r[n++] = (struct range){ next, max };
	s->n = n;
	return 0;
}

/**
 * fset_intersect() - keep what is in @with too, in place
 * Return: 0 or -ENOMEM, the set then being as it was.
 */
int fset_intersect(struct fset *s, const struct fset *with)
{
	size_t i = 0, j = 0, n = 0, cap = s->n + with->n;
	struct range small[16], *out = small;
	int err;

	if (!s->n)
		return 0;
	if (cap > sizeof(small) / sizeof(small[0])) {
		out = malloc(cap * sizeof(*out));
		if (!out)
			return -ENOMEM;
	}
	while (i < s->n && j < with->n) {
		struct range a = s->r[i], b = with->r[j];
		__u32 first = a.first > b.first ? a.first : b.first;
		__u32 last = a.last < b.last ? a.last : b.last;

		if (first <= last)
			out[n++] = (struct range){ first, last };
		if (a.last < b.last)
			i++;
		else
			j++;
	}
	err = fset_grow(s, n);
	if (!err) {
		memcpy(s->r, out, n * sizeof(*out));
		s->n = n;
	}
	if (out != small)
		free(out);
	return err;
}
