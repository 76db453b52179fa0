// SPDX-License-Identifier: GPL-2.0-only
/*
 * vectors.c - hash-consed bit vectors against plain bit arrays
 *
 *	vectors [SEED]
 */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "../../tools/imgwalk.h"
#include "../../tools/prng.h"
#include "../../user/image.h"
#include "../../user/vectors.h"

static int tap_nr, tap_bad;

static void ok(bool good, const char *what)
{
	printf("%sok %d - %s\n", good ? "" : "not ", ++tap_nr, what);
	tap_bad += !good;
}

#define ROOTS	200

/* struct world - ROOTS vectors, and the same as one byte per position */
struct world {
	struct vectors *v;
	struct sweep *s;
	__u32 nr;
	__u32 root[ROOTS];
	unsigned char *plain[ROOTS];
};

/* Every vector differs from the one before in a few positions or in one dense run. */
static bool world_fill(struct world *w, struct prng *r, __u32 nr)
{
	unsigned char *bits = calloc(nr, 1);
	bool good = true;

	w->nr = nr;
	w->v = vectors_new();
	w->s = sweep_new(w->v, nr);
	for (int i = 0; i < ROOTS; i++) {
		__u32 first = prng_below(r, nr), n = prng_percent(r, 20) ? prng_below(r, nr - first)
									 : prng_below(r, 5);

		for (__u32 k = 0; k < n; k++) {
			__u32 pos = n < 5 ? prng_below(r, nr) : first + k;

			sweep_toggle(w->s, pos);
			bits[pos] ^= 1;
		}
		good = good && !sweep_root(w->s, &w->root[i]);
		w->plain[i] = malloc(nr);
		memcpy(w->plain[i], bits, nr);
	}
	free(bits);
	return good;
}

static void world_free(struct world *w)
{
	for (int i = 0; i < ROOTS; i++)
		free(w->plain[i]);
	sweep_free(w->s);
	vectors_free(w->v);
}

static bool same(const struct world *w, __u32 root, const unsigned char *plain)
{
	__u32 pop = 0;

	for (__u32 p = 0; p < w->nr; p++) {
		if (vectors_has(w->v, root, p) != plain[p])
			return false;
		pop += plain[p];
	}
	return pop == vectors_population(w->v, root);
}

static void test_bits(struct world *w)
{
	bool good = true, unique = true;

	for (int i = 0; i < ROOTS; i++)
		good = good && same(w, w->root[i], w->plain[i]);
	ok(good, "every vector holds the positions toggled into it");
	for (int i = 0; i < ROOTS; i++)
		for (int k = 0; k < i; k++)
			unique = unique && (w->root[i] == w->root[k]) ==
				 !memcmp(w->plain[i], w->plain[k], w->nr);
	ok(unique, "equal vectors have one number, different ones have two");
}

static void test_undo(struct world *w)
{
	__u32 before = w->root[ROOTS - 1], root;
	__u32 roots = vectors_roots(w->v), pos[3] = { 0, w->nr / 2, w->nr - 1 };
	size_t words;
	bool good = true;

	for (int i = 0; i < 3; i++)
		sweep_toggle(w->s, pos[i]);
	good = !sweep_root(w->s, &root) && root != before;
	words = vectors_words(w->v);
	for (int i = 0; i < 3; i++)
		sweep_toggle(w->s, pos[i]);
	good = good && !sweep_root(w->s, &root) && root == before &&
	       vectors_words(w->v) == words && vectors_roots(w->v) <= roots + 1;
	ok(good, "toggling back finds the old vector and makes no node");
}

static void test_and(struct world *w, struct prng *r)
{
	unsigned char *both = malloc(w->nr);
	bool good = true;

	for (int i = 0; i < 300; i++) {
		int a = prng_below(r, ROOTS), b = prng_below(r, ROOTS);
		__u32 x, y;

		good = good && !vectors_and(w->v, w->root[a], w->root[b], &x) &&
		       !vectors_and(w->v, w->root[b], w->root[a], &y) && x == y;
		for (__u32 p = 0; p < w->nr; p++)
			both[p] = w->plain[a][p] & w->plain[b][p];
		good = good && same(w, x, both);
	}
	ok(good, "an intersection is that of the sets, in either order");
	free(both);
}

static void test_emit(struct world *w)
{
	struct imgbuf b = { 0 };
	__u32 at[ROOTS];
	bool good = true;
	size_t once;

	imgbuf_alloc(&b, sizeof(struct img_hdr) / 4, 2);
	for (int i = 0; i < ROOTS; i++)
		at[i] = vectors_emit(w->v, w->root[i], &b);
	once = b.n;
	for (int i = 0; i < ROOTS; i++) {
		good = good && vectors_emit(w->v, w->root[i], &b) == at[i] && at[i] % 2 == 0;
		for (__u32 p = 0; p < w->nr; p += 1 + i % 3)
			good = good && imgwalk_bit(b.word, at[i], p) == w->plain[i][p];
	}
	ok(good && b.n == once && once <= vectors_words(w->v) + sizeof(struct img_hdr) / 4,
	   "written as nodes of an image they read the same, each node once");
	free(b.word);
}

int main(int argc, char **argv)
{
	static const __u32 sizes[] = { 1, 64, 65, 4096, 4097, 20000 };
	__u64 seed = argc > 1 ? strtoull(argv[1], NULL, 0) : 1;

	for (size_t i = 0; i < sizeof(sizes) / sizeof(sizes[0]); i++) {
		struct prng r = { seed + i };
		struct world w = { 0 };

		printf("# %u positions, seed %llu: build/selftests/unit/vectors %llu\n", sizes[i],
		       (unsigned long long)seed, (unsigned long long)seed);
		ok(world_fill(&w, &r, sizes[i]), "a sweep");
		test_bits(&w);
		test_undo(&w);
		test_and(&w, &r);
		test_emit(&w);
		world_free(&w);
	}
	printf("1..%d\n", tap_nr);
	return tap_bad ? 1 : 0;
}
