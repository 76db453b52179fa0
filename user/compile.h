/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * compile.h - ruleset -> image, in plain memory, no privilege needed
 */
#ifndef BPFIPT_COMPILE_H
#define BPFIPT_COMPILE_H

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
 */
struct image {
	__u32 *word;
	size_t words;
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

/* compile_limited() - the same with other limits of crossing (classes.h); for tests */
struct class_limits;
int compile_limited(const struct ruleset *rs, const struct iface *ifs, size_t nr_ifs,
		    const struct class_limits *lim, struct image *img, struct lower_err *err);

/* image_verify() - every offset and count of an image is inside it: 0 or -EBADMSG */
int image_verify(const __u32 *word, size_t words);

#endif /* BPFIPT_COMPILE_H */
