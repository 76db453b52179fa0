/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * compile.h - ruleset -> image, in plain memory, no privilege needed
 */
#ifndef BPFIPT_COMPILE_H
#define BPFIPT_COMPILE_H

#include <stdbool.h>
#include <stddef.h>
#include <linux/types.h>

#include "../progs/abi/image.h"
#include "ifclass.h"
#include "lower.h"
#include "ruleset.h"

/*
 * struct image - a compiled ruleset
 * @word:	@words table words; struct img_hdr first. hdr.rules and rules_bytes
 *		are left 0: publish places the packed rules behind the tables.
 * @delta:	its base was taken from an image that image_verify() had accepted
 */
struct image {
	__u32 *word;
	size_t words;
	bool delta;
};

/*
 * compile() - lower every rule and build the image
 * @rs:		every rule and policy has its counter slot already
 * @ifs, @nr_ifs: interfaces of the namespace
 * Return: 0; -EOPNOTSUPP, -EINVAL, -ELOOP, -E2BIG with err->msg; -ENOMEM.
 */
int compile(const struct ruleset *rs, const struct iface *ifs, size_t nr_ifs,
	    struct image *img, struct lower_err *err);
void image_free(struct image *img);

/*
 * delta_compile() - the same from the image in force, of which only what changed is
 * compiled (delta.c)
 * @now:	that image, which image_verify() accepts; every rule that is in its base
 *		and has its old slot is unchanged, no other rule has a slot of the base
 * Return: 0; -EAGAIN: it has to be compiled as a whole, which also says what is wrong
 * where something is; -ENOMEM.
 */
int delta_compile(const struct ruleset *rs, const struct iface *ifs, size_t nr_ifs,
		  const struct img_hdr *now, struct image *img);

/* compile_limited() - the same with other limits of crossing (classes.h); for tests */
struct class_limits;
int compile_limited(const struct ruleset *rs, const struct iface *ifs, size_t nr_ifs,
		    const struct class_limits *lim, struct image *img, struct lower_err *err);

/*
 * image_verify() - every offset and count of an image is inside it: 0 or -EBADMSG
 * image_verify_delta() - the same where the tables of the base are known to be right
 */
int image_verify(const __u32 *word, size_t words);
int image_verify_delta(const __u32 *word, size_t words);

#endif /* BPFIPT_COMPILE_H */
