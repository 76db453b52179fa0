/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * abi/lookup.h - the image's tables of keys, and its few lists
 *
 * Part of abi/image.h, which has the theory. What many flows cost is the cache lines
 * that each touches for itself (Documentation/performance.rst): of a few list by
 * itself its table's row and the list; of one in a row only that.
 */
#ifndef BPFIPT_ABI_LOOKUP_H
#define BPFIPT_ABI_LOOKUP_H

#include <linux/types.h>
#include "packet.h"

/*
 * struct img_few_pos - one position of a few list, and what it wants of the keys that a
 * rule mostly names; all of it must agree
 * @plain:	FEW_ACCEPT or FEW_DROP | counter slot: all that it does; or 0
 * @addr:	of key @addr_key (KEY_SADDR or KEY_DADDR), alike but for @addr_shift low
 *		bits (32: any)
 * @sport, @dport: first port, in 16 bits; @sport_more, @dport_more: more of them behind it
 *		(0, 0xffff: any, and none)
 * @proto:	of KEY_L4's low bits, those of @proto_mask
 */
struct img_few_pos {
	__u32 pos;
	__u32 plain;
	__u32 addr;
	__u16 sport;
	__u16 sport_more;
	__u16 dport;
	__u16 dport_more;
	__u8 proto;
	__u8 proto_mask;
	__u8 addr_key;
	__u8 addr_shift;
};

/*
 * struct img_few - the only positions that a first vector's entry holds
 * @root:	the same as a bit vector, for packets of another form than FORM_WHOLE
 * @nr:		positions
 * @nr_terms:	of all positions together. FEW_MORE: there are more positions, but these
 *		are each the first of its chain, agree, and are plain: one decides if it
 *		lies in the chain, else @root does
 * @pos:	ascending; then @nr_terms struct img_term follow in the same order
 *
 * Terms hold what a position wants beside its struct img_few_pos. A term says
 * first <= key <= last. Those of one key are alternatives, the last
 * one marked FEW_KEY; all keys of a position must agree, its last term is marked
 * FEW_POS. When there are terms, each position has at least one. A list of up to a
 * cache line lies in one.
 */
struct img_few {
	__u32 root;
	__u16 nr;
	__u16 nr_terms;
	struct img_few_pos pos[];
};

struct img_term {
	__u32 key;	/* enum fw_key | FEW_KEY | FEW_POS */
	__u32 first;
	__u32 last;
};

#define FEW_ACCEPT	0x80000000u
#define FEW_DROP	0x40000000u
#define FEW_SLOT	0x3fffffffu	/* counter slot */
#define FEW_MORE	0xffffu
#define FEW_KEY		0x100u
#define FEW_POS		0x200u
#define FEW_MAX		4	/* positions */
#define FEW_MAX_TERMS	16

/* A table's entry is a few list when it is odd; nodes start on even words. */
#define IMG_IS_FEW(entry)	((entry) & 1)

/*
 * struct img_lookup - one key's class
 * @key:	enum fw_key
 * @method:	LOOKUP_*
 * @tab:	word offset of the method's table
 * @n:		DIRECT: entries (keys >= n use entry n - 1). RANGE: boundaries
 * @mult:	acc = acc * mult + class; HASH, which is its vector's only lookup: slots
 * @vector:	0: more lookups of this vector follow; else word offset of its
 *		table: entry = word[vector + acc], then acc = 0; or VECTOR_CLASS: the
 *		only lookup of its vector, class = entry.
 *		With nr_positions > 0 there is at least one vector
 *
 * @base, @buckets: TOP and HASH; @shift: TOP; @row: HASH, words of a row as a power of two
 *
 * LOOKUP_DIRECT: class = word[tab + key].
 * LOOKUP_RANGE:  struct img_range[n], @first ascending, the first one 0; the class
 *		  of the last whose @first <= key.
 * LOOKUP_TOP:	  u32 top[buckets + 1], then the table of RANGE from the next even
 *		  word on. Keys up to @base are of bucket 0, others of bucket
 *		  min((key - base) >> shift, buckets - 1), and a key of bucket b finds
 *		  its row in [top[b], top[b + 1]], inclusive. There are about as many
 *		  buckets as rows, so that the search is a step or two however many.
 * LOOKUP_HASH:	  a byte of seed for each HASH_SET slots, then at hash_rows() a row for each
 *		  slot, struct img_range or struct img_hash_row: keys with a class of their own,
 *		  from @base to @base + @n, each in the one slot that its seed tells, hash_slot().
 *		  @class 0: a free slot. All other keys are of class @buckets. Only with
 *		  VECTOR_CLASS, whose classes are never 0.
 */
enum img_method {
	LOOKUP_DIRECT,
	LOOKUP_RANGE,
	LOOKUP_TOP,
	LOOKUP_HASH,
};

/* A key's classes: keys from @first up to the next row's. One cache line holds 8. */
struct img_range {
	__u32 first;
	__u32 class;
};

#define VECTOR_CLASS	1u

struct img_lookup {
	__u32 key;
	__u16 method;
	__u8 shift;
	__u8 row;
	__u32 tab;
	__u32 n;
	__u32 mult;
	__u32 vector;
	__u32 base;
	__u32 buckets;
};

/*
 * struct img_hash_row - a row that may hold the key's few list itself
 * @class:	the entry; or HASH_LIST | root node, @pos is then the list: one position, no
 *		terms. HASH_MORE: as FEW_MORE
 */
struct img_hash_row {
	__u32 first;
	__u32 class;
	struct img_few_pos pos;
};

#define HASH_LIST	0x80000000u
#define HASH_MORE	0x40000000u
#define HASH_ROOT	0x3fffffffu

#define HASH_NARROW	1	/* img_lookup.row: struct img_range */
#define HASH_WIDE	3	/* struct img_hash_row */

/*
 * A HASH lookup's table has HASH_SLOTS slots or a multiple. Not a power of two: it is full
 * to nine tenths, whatever the number of keys. With more slots for one seed, 256 seeds
 * would be too few for that.
 */
#define HASH_SLOTS	16u
#define HASH_SET	2u	/* slots for one seed */

/* Word of the rows of @slots, relative to the table's: behind the seeds, on a cache line. */
static inline __u32 hash_rows(__u32 slots)
{
	return (slots / HASH_SET / 4 + 15) & ~15u;
}

/* A key's place among @n, one of 2^32 functions. Neighbours among keys are none here. */
static inline __u32 hash_of(__u32 key, __u32 function, __u32 n)
{
	__u32 h = key * 0x85ebca6bu;

	h ^= h >> 15;
	return (__u64)((h ^ function) * 0x9e3779b1u) * n >> 32;
}

/* Number of the seed that a key goes by. */
static inline __u32 hash_seed(__u32 key, __u32 slots)
{
	return hash_of(key, 0, slots / HASH_SET);
}

/* Its slot: each seed is another function, of which one leaves all keys apart. */
static inline __u32 hash_slot(__u32 key, __u32 seed, __u32 slots)
{
	return hash_of(key, (seed + 1) * 0x7feb352du, slots);
}

/* Word of a TOP lookup's rows, relative to its @tab. */
static inline __u32 top_rows(__u32 buckets)
{
	return (buckets + 2) & ~1u;
}

_Static_assert(sizeof(struct img_lookup) == 32, "img_lookup");
_Static_assert(sizeof(struct img_range) == 8, "img_range");
_Static_assert(sizeof(struct img_few) == 8 && sizeof(struct img_few_pos) == 24 &&
	       sizeof(struct img_term) == 12, "few list: one position in half a cache line");
_Static_assert(sizeof(struct img_hash_row) == 4 << HASH_WIDE &&
	       sizeof(struct img_range) == 4 << HASH_NARROW, "rows of a hash");

#endif /* BPFIPT_ABI_LOOKUP_H */
