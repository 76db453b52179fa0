/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * image.h - build, check and print the flat image of abi/image.h
 */
#ifndef BPFIPT_IMAGE_H
#define BPFIPT_IMAGE_H

#include <stdbool.h>
#include <stddef.h>
#include <stdio.h>
#include <string.h>
#include <linux/types.h>

#include "../progs/abi/image.h"

struct image;
struct product;
struct rule;
struct lower_err;
struct class_limits;

/*
 * struct imgbuf - words under construction
 * An allocation that fails sets @failed and all later writes do nothing, so that
 * only the end of a build need look.
 */
struct imgbuf {
	__u32 *word;
	size_t n;
	size_t cap;
	bool failed;
};

#define LINE	16	/* words in a cache line */

/* imgbuf_alloc() - @words zeroed words at a multiple of @align (a power of two) */
__u32 imgbuf_alloc(struct imgbuf *b, size_t words, size_t align);

/* Pointer to word @at, valid until the next allocation; NULL after a failure. */
static inline void *imgbuf_at(struct imgbuf *b, __u32 at)
{
	return b->failed ? NULL : b->word + at;
}

static inline void imgbuf_copy(struct imgbuf *b, __u32 at, const void *from, size_t words)
{
	if (!b->failed && words)
		memcpy(b->word + at, from, words * sizeof(__u32));
}

static inline void imgbuf_put64(struct imgbuf *b, __u32 at, __u64 v)
{
	imgbuf_copy(b, at, &v, 2);
}

/*
 * struct position - one product of one rule
 * @prod:	its key sets, late matches and hotdrop forms
 * @rule:	the rule it belongs to, for the compiler only
 * @act:	its action; @act.late and @act.hotdrop are the builder's to fill
 * @params:	@nr_params words for act.arg to point at, or NULL. Positions of one
 *		rule share the pointer and get one copy.
 */
struct position {
	const struct product *prod;
	const struct rule *rule;
	struct img_action act;
	const __u32 *params;
	size_t nr_params;
};

/*
 * struct plan - what the image says, before it has a layout
 * @hook:	as in struct img_hdr
 * @pos:	@nr_pos positions
 * @flags:	IMG_F_*; those that follow from the keys in use are added
 * @iface:	@nr_iface interfaces; @mac: @nr_mac sources
 */
struct plan {
	struct img_hook hook[NR_HOOKS];
	struct position *pos;
	__u32 nr_pos;
	__u32 flags;
	__u32 nr_slots;
	struct img_iface *iface;
	size_t nr_iface;
	struct img_mac *mac;
	size_t nr_mac;
};

/*
 * image_build() - lay out a plan
 * @lim:	limits of crossing, NULL: the usual ones
 * Return: 0; -E2BIG with err->msg; -ENOMEM.
 */
int image_build(const struct plan *plan, const struct class_limits *lim, struct image *img,
		struct lower_err *err);

/*
 * image_extend() - a plan's positions as the delta behind an image's base
 * @b:		the words of the base, its actions already as they are to be
 * @hdr:	its header, but for what the delta and @b determine
 * Return: 0; -E2BIG with err->msg; -ENOMEM.
 */
int image_extend(const struct plan *plan, struct imgbuf *b, struct img_hdr *hdr,
		 struct image *img, struct lower_err *err);

/* image_tables_same() - are the plan's interfaces and MACs those of the image at @word? */
bool image_tables_same(const struct plan *plan, const __u32 *word);

/* shortcut() - img_hdr.fast of a hook whose positions are placed; 0: none (shortcut.c) */
__u32 shortcut(const struct plan *plan, int hook);

/*
 * flow_mask() - img_hdr.flow_mask by the keys that the parts look up (flows.c)
 * Return: false: one of them has no place in a flow's key.
 */
bool flow_mask(const __u32 *word, const struct img_part *part, __u64 *mask);

/* flow_plan() - @hdr's flow_mask and IMG_F_FLOWS; @alone: one look-up decides, mostly */
void flow_plan(const struct imgbuf *b, bool alone, struct img_hdr *hdr);

/*
 * image_dump() - the image, readable: hooks, lookups, positions with their actions
 * @word:	an image that image_verify() accepts
 * @vectors:	also every class's bit vector
 */
void image_dump(FILE *f, const __u32 *word, bool vectors);

#endif /* BPFIPT_IMAGE_H */
