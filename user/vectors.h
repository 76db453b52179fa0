/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * vectors.h - hash-consed three-level bit vectors over rule positions
 *
 * A vector is a set of positions 0..262143, kept as the tree of abi/image.h: a
 * root whose children are mids, whose children are leaf words. A node is stored
 * once however many vectors hold it, so a vector is a number (a root id) and two
 * equal sets have equal numbers.
 */
#ifndef BPFIPT_VECTORS_H
#define BPFIPT_VECTORS_H

#include <stdbool.h>
#include <stddef.h>
#include <linux/types.h>

struct vectors;		/* the store of all nodes */
struct sweep;		/* one vector under change */
struct imgbuf;

struct vectors *vectors_new(void);
void vectors_free(struct vectors *v);

/*
 * sweep_new() - an empty vector to toggle positions in
 * @nr: positions are below it, at most IMG_MAX_POSITIONS
 */
struct sweep *sweep_new(struct vectors *v, __u32 nr);
void sweep_free(struct sweep *s);
void sweep_toggle(struct sweep *s, __u32 pos);

/*
 * sweep_root() - the id of the vector as it is now
 * Costs what was toggled since the last call, not the size of the vector.
 * Return: 0 or -ENOMEM.
 */
int sweep_root(struct sweep *s, __u32 *root);

/* vectors_and() - id of the intersection of two vectors: 0 or -ENOMEM */
int vectors_and(struct vectors *v, __u32 a, __u32 b, __u32 *root);

bool vectors_has(const struct vectors *v, __u32 root, __u32 pos);
__u32 vectors_population(const struct vectors *v, __u32 root);

/* vectors_list() - the first @max positions of a vector, ascending: how many */
__u32 vectors_list(const struct vectors *v, __u32 root, __u32 *pos, __u32 max);

/* Roots handed out so far: ids are below it. */
__u32 vectors_roots(const struct vectors *v);

/* Words that all nodes made so far would take in an image. */
size_t vectors_words(const struct vectors *v);

/*
 * vectors_emit() - write a vector's nodes that the image does not hold yet
 * Return: word offset of the root node.
 */
__u32 vectors_emit(struct vectors *v, __u32 root, struct imgbuf *b);

#endif /* BPFIPT_VECTORS_H */
