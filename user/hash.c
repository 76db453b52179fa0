// SPDX-License-Identifier: GPL-2.0-only
/*
 * hash.c - a slot for each of some keys, known beforehand, without collisions
 *
 * Keys fall into small sets, by hash_seed(); each set has a seed, which makes another
 * function of hash_slot(), under which its keys meet free slots. A look-up reads the
 * seed, from a table small enough to stay in the cache, and then one row, whether
 * the key is there or not. The biggest sets choose first, while there is room.
 *
 * Reference: hash and displace, Belazzougui, Botelho and Dietzfelbinger 2009.
 */
#include <stdlib.h>

#include "../progs/abi/image.h"
#include "classes.h"

#define SET_MOST	32	/* keys with one seed: more are crafted, or alike */
#define SEEDS		256

static bool test_and_set(__u64 *taken, __u32 slot)
{
	__u64 bit = 1ull << (slot & 63);
	bool was = taken[slot >> 6] & bit;

	taken[slot >> 6] |= bit;
	return was;
}

/* Slots under @seed for @key[@index[0..n)], if all are free: taken then. */
static bool try_seed(const __u32 *key, const __u32 *index, __u32 n, __u32 seed, __u32 slots,
		     __u64 *taken, __u32 *slot)
{
	__u32 i;

	for (i = 0; i < n; i++) {
		slot[index[i]] = hash_slot(key[index[i]], seed, slots);
		if (test_and_set(taken, slot[index[i]]))
			break;
	}
	if (i == n)
		return true;
	while (i--)
		taken[slot[index[i]] >> 6] &= ~(1ull << (slot[index[i]] & 63));
	return false;
}

/* @start[s]..@start[s + 1]: the keys of set s in @index. Return: false: some set is too big. */
static bool make_sets(const __u32 *key, __u32 n, __u32 slots, __u32 *start, __u32 *index)
{
	__u32 sets = slots / HASH_SET;

	for (__u32 i = 0; i < n; i++)
		start[hash_seed(key[i], slots) + 1]++;
	for (__u32 s = 0; s < sets; s++) {
		if (start[s + 1] > SET_MOST)
			return false;
		start[s + 1] += start[s];
	}
	for (__u32 i = n; i--; )
		index[--start[hash_seed(key[i], slots) + 1]] = i;
	/* now start[s + 1] is where set s begins */
	for (__u32 s = 0; s < sets; s++)
		start[s] = start[s + 1];
	start[sets] = n;
	return true;
}

bool hash_place(const __u32 *key, __u32 n, __u32 slots, __u8 *seed, __u32 *slot)
{
	__u32 sets = slots / HASH_SET;
	__u32 *start = calloc(sets + 1, sizeof(*start));
	__u32 *index = malloc((n + 1) * sizeof(*index));
	__u64 *taken = calloc(slots / 64 + 1, sizeof(*taken));
	bool good = start && index && taken && make_sets(key, n, slots, start, index);

	for (__u32 size = SET_MOST; good && size; size--) {
		for (__u32 s = 0; good && s < sets; s++) {
			__u32 k = 0;

			if (start[s + 1] - start[s] != size)
				continue;
			while (k < SEEDS &&
			       !try_seed(key, index + start[s], size, k, slots, taken, slot))
				k++;
			good = k < SEEDS;
			seed[s] = k;
		}
	}
	free(taken);
	free(index);
	free(start);
	return good;
}
