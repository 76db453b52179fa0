/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * image_verify_int.h - an image under check: its tables in image_verify.c, what its
 * positions do in image_verify_act.c
 */
#ifndef BPFIPT_IMAGE_VERIFY_INT_H
#define BPFIPT_IMAGE_VERIFY_INT_H

#include "image.h"

/*
 * struct check
 * @from, @end:	positions of the part under check
 * @seen:	bit per word and kind: this node or record was checked already
 */
struct check {
	const __u32 *word;
	size_t words;
	const struct img_hdr *h;
	__u32 from;
	__u32 end;
	__u8 *seen;
};

enum {
	SEEN_ROOT	= 1,
	SEEN_MID	= 2,
	SEEN_LATE	= 4,
	SEEN_FEW	= 8,
	SEEN_LINK	= 16,	/* of a position's action: some link leads there */
};

/* @n records of @size words at @at lie behind the header and inside the image. */
static inline bool inside(const struct check *c, __u64 at, __u64 n, __u64 size)
{
	return at >= sizeof(struct img_hdr) / 4 && at <= c->words && n <= c->words &&
	       n * size <= c->words - at;
}

/* actions_ok() - actions, late lists, segments and their links, hooks */
bool actions_ok(struct check *c);

#endif /* BPFIPT_IMAGE_VERIFY_INT_H */
