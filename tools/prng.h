/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * prng.h - seeded random numbers for the generators: same seed, same test
 *
 * splitmix64 (Steele, Lea, Flood, "Fast splittable pseudorandom number
 * generators", 2014).
 */
#ifndef BPFIPT_PRNG_H
#define BPFIPT_PRNG_H

#include <stdbool.h>
#include <linux/types.h>

struct prng {
	__u64 state;
};

static inline __u64 prng_u64(struct prng *p)
{
	__u64 z = (p->state += 0x9e3779b97f4a7c15ull);

	z = (z ^ (z >> 30)) * 0xbf58476d1ce4e5b9ull;
	z = (z ^ (z >> 27)) * 0x94d049bb133111ebull;
	return z ^ (z >> 31);
}

static inline __u32 prng_u32(struct prng *p)
{
	return prng_u64(p) >> 32;
}

/* 0..n-1 */
static inline __u32 prng_below(struct prng *p, __u32 n)
{
	return ((prng_u64(p) >> 32) * n) >> 32;
}

/* first..last, both inclusive */
static inline __u32 prng_range(struct prng *p, __u32 first, __u32 last)
{
	return first + ((prng_u64(p) >> 32) * ((__u64)last - first + 1) >> 32);
}

static inline bool prng_percent(struct prng *p, unsigned int percent)
{
	return prng_below(p, 100) < percent;
}

#endif /* BPFIPT_PRNG_H */
