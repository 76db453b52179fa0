/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * imgwalk.h - what an image does with a packet, in user space
 *
 * The readable reference of progs/classifier.bpf.h and progs/walk.bpf.h: position by
 * position, no early outs. The tests compare it with the rules themselves, `explain`
 * shows it to people.
 */
#ifndef BPFIPT_IMGWALK_H
#define BPFIPT_IMGWALK_H

#include <stdbool.h>
#include <stddef.h>
#include <linux/types.h>

#include "../progs/abi/image.h"

enum imgwalk_verdict {
	IMGWALK_ACCEPT,
	IMGWALK_DROP,
	IMGWALK_REJECT,
	IMGWALK_HOTDROP,
	IMGWALK_LIMIT,		/* did not end within IMGWALK_STEPS positions */
};

#define IMGWALK_STEPS	(1u << 20)

/* Result of one late-match record. */
enum imgwalk_late {
	IMGWALK_NO_MATCH,
	IMGWALK_MATCH,
	IMGWALK_LATE_HOTDROP,
};

/*
 * struct imgwalk - one walk
 * @key:	in: the packet's keys; MARK targets change key[KEY_MARK]
 * @late:	evaluates the records that are no function of the keys, LATE_NOT
 *		applied; NULL: they all match
 * @ctx:	for @late
 * @step:	called for each candidate position, or NULL
 * @slot:	out: counter slots in the order they were counted, @nr_slots of them,
 *		grown as needed: free() it after the last walk
 * @verdict:	out
 */
struct imgwalk {
	__u32 key[NR_KEYS];
	enum imgwalk_late (*late)(const struct img_late *rec, void *ctx);
	void *ctx;
	void (*step)(__u32 pos, const struct img_action *act, void *ctx);
	__u32 *slot;
	size_t nr_slots;
	size_t cap_slots;
	enum imgwalk_verdict verdict;
};

/*
 * imgwalk() - the verdict of a built-in chain
 * @word:	an image that image_verify() accepts
 * Return: 0 or -ENOMEM.
 */
int imgwalk(const __u32 *word, enum fw_hook hook, struct imgwalk *w);

/* imgwalk_class() - class of @key by one lookup */
__u32 imgwalk_class(const __u32 *word, const struct img_lookup *lk, __u32 key);

/* imgwalk_row() - the row of @key in a HASH lookup; NULL: it has none */
const struct img_hash_row *imgwalk_row(const __u32 *word, const struct img_lookup *lk, __u32 key);

/* imgwalk_bit() - position @pos is in the vector of root node @root */
bool imgwalk_bit(const __u32 *word, __u32 root, __u32 pos);

#endif /* BPFIPT_IMGWALK_H */
