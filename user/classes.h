/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * classes.h - the values of a key that satisfy the same positions, and their tables
 *
 * Three rules, destination port sets {22}, {80}, any: boundaries 0 22 23 80 81 and
 * classes 0 1 0 2 0, of which class 1 satisfies rules 0 and 2. Keys with few
 * classes are crossed: one table of n1 * n2 vectors instead of two tables and an
 * AND per packet.
 */
#ifndef BPFIPT_CLASSES_H
#define BPFIPT_CLASSES_H

#include <stdbool.h>
#include <stddef.h>
#include <linux/types.h>

#include "../progs/abi/packet.h"
#include "vectors.h"

struct product;
struct imgbuf;
struct img_lookup;
struct img_few_pos;

/*
 * struct keyclass - one key's classes
 * @nr:		boundaries: keys first[i]..first[i + 1] - 1 are of class[i]; first[0] == 0
 * @nr_classes:	classes, numbered by first appearance
 * @root:	per class, its bit vector
 */
struct keyclass {
	__u32 key;
	__u32 nr;
	__u32 *first;
	__u32 *class;
	__u32 nr_classes;
	__u32 *root;
};

/*
 * struct vector - a table of bit vectors, indexed by the classes of one or more keys
 * @kc:		its keys; entry = (c0 * n1 + c1) * n2 + c2 ...
 * @entries:	product of their class counts
 * @of:		per entry, index into @root
 * @root:	@nr_roots different bit vectors
 */
struct vector {
	__u32 nr_keys;
	struct keyclass *kc[NR_KEYS];
	__u32 entries;
	__u32 *of;
	__u32 nr_roots;
	__u32 *root;
};

/*
 * struct class_limits - how far to cross
 * @l4:		entries of a table that crosses transport keys only
 * @any:	entries of a table that crosses any keys
 * @forced:	entries when there are more keys than vectors
 * @words:	node words that one crossing may add, at most
 * @vectors:	vectors, at most
 * @delta_from:	positions from which on an image has room for a delta
 */
struct class_limits {
	__u32 l4;
	__u32 any;
	__u32 forced;
	__u32 words;
	__u32 vectors;
	__u32 delta_from;
};

extern const struct class_limits class_limits_default;

/*
 * struct classes
 * @vec:	@nr_vec vectors, the most selective first
 * @alone:	1 when the first one's entries leave so few positions that it decides, else 0
 * @late_keys:	bit per enum fw_key that found no vector: to be tested late
 */
struct classes {
	struct vectors *store;
	struct keyclass kc[NR_KEYS];
	__u32 nr_kc;
	struct vector vec[NR_KEYS];
	__u32 nr_vec;
	__u32 alone;
	__u32 late_keys;
};

/*
 * classes_build() - classes and vectors of the keys that the positions constrain
 * @prod:	per position, the product it stands for
 * @from, @end:	positions. With at least one there is at least one vector.
 * Return: 0 or -ENOMEM. classes_free() is due in either case.
 */
int classes_build(struct classes *c, const struct product *const *prod, __u32 from, __u32 end,
		  const struct class_limits *lim);
void classes_free(struct classes *c);

/*
 * classes_cross() - vectors from the keys' classes (cross.c)
 * classes_number() - the bit vectors @id[n] numbered by first appearance: of[n], and the
 * @nr_roots different ones in a new array
 */
int classes_cross(struct classes *c, const struct product *const *prod,
		  const struct class_limits *lim);
int classes_number(const struct vectors *v, const __u32 *id, __u32 n, __u32 *of,
		   __u32 **rootp, __u32 *nr_roots);
void vector_free(struct vector *vec);

/*
 * keyclass_emit() - write a key's lookup table (tables.c)
 * @alone:	no other key is in its vector
 * @wide:	if it is a hash, most of its rows are to hold a list
 * @lk:		gets key, method, tab, n and mult (the number of classes)
 */
void keyclass_emit(const struct keyclass *kc, bool alone, bool wide, struct imgbuf *b,
		   struct img_lookup *lk);

/*
 * keyclass_set_entries() - VECTOR_CLASS: put each class's @entry in its place
 * @one:	of the entries that are HASH_LIST, for a HASH_WIDE table; else not looked at
 */
void keyclass_set_entries(struct img_lookup *lk, struct imgbuf *b, const __u32 *entry,
			  const struct img_few_pos *one);

/*
 * hash_place() - seeds under which no two of @key[n] have one slot (hash.c)
 * @seed:	@slots / HASH_SET of them, zero
 * @slot:	per key
 * Return: false: there are none, or no memory.
 */
bool hash_place(const __u32 *key, __u32 n, __u32 slots, __u8 *seed, __u32 *slot);

#define LEADERS_SEEN	64	/* first positions of an entry, among which some may decide alone */

/* only_wants() - does a position match whatever has the right values of these keys? (few.c) */
bool only_wants(const struct product *prod, __u32 keys);

/*
 * few_emit() - the few list of a vector's root (abi/image.h)
 * @vec:	the vector; the other keys of @c are the list's terms
 * @actions:	where the image has its actions, made already
 * @root:	its bit vector; @node: where the image has it
 * @one:	where a list of one position without terms is to go, or NULL
 * Return: the table's entry: the list's; HASH_LIST, with *@one filled; or @node when there
 * are more positions or terms than a list holds.
 */
__u32 few_emit(const struct classes *c, const struct vector *vec,
	       const struct product *const *prod, __u32 actions, __u32 root, __u32 node,
	       struct imgbuf *b, struct img_few_pos *one);

/* few_spill() - @entry, when it is a HASH_LIST without a row to be in, as a list by itself */
__u32 few_spill(struct imgbuf *b, __u32 entry, const struct img_few_pos *one);

#endif /* BPFIPT_CLASSES_H */
