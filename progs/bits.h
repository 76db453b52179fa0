/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * bits.h - population count and lowest set bit, in plain arithmetic
 *
 * BPF has neither instruction. (clang 14 also fails to select code for its own
 * builtins here.) Population count as in Hacker's Delight, 5-1: sums of pairs,
 * nibbles, bytes, then one multiplication adds the eight byte sums.
 */
#ifndef BPFIPT_BITS_H
#define BPFIPT_BITS_H

#include <linux/types.h>

/* popcount64() - number of set bits of @x, 0..64 */
static inline __attribute__((always_inline)) __u64 popcount64(__u64 x)
{
	x -= (x >> 1) & 0x5555555555555555ull;
	x = (x & 0x3333333333333333ull) + ((x >> 2) & 0x3333333333333333ull);
	x = (x + (x >> 4)) & 0x0f0f0f0f0f0f0f0full;
	return x * 0x0101010101010101ull >> 56;
}

/* lowest_bit() - index of the lowest set bit of @x, which is not 0 */
static inline __attribute__((always_inline)) __u64 lowest_bit(__u64 x)
{
	return popcount64((x & -x) - 1);
}

#endif /* BPFIPT_BITS_H */
