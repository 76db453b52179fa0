/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * sets.h - the mirror of the ipsets that the rules in force name
 */
#ifndef BPFIPT_SETS_H
#define BPFIPT_SETS_H

#include "instance_int.h"

/*
 * sets_check() - can every set that @img names be mirrored?
 * Return: 0, or -EOPNOTSUPP with err->msg naming the set and its type, or -errno.
 */
int sets_check(const struct img_hdr *img, struct lower_err *err);

/*
 * sets_sync() - bring the mirror of the sets of the image in force, and of @img's,
 * up to date
 * @img:	about to be published, or NULL
 * Return: 0; -EOPNOTSUPP with err->msg: too many elements; -errno. A set that failed
 * keeps the contents that it had.
 */
int sets_sync(struct instance *in, const struct img_hdr *img, struct lower_err *err);

#endif /* BPFIPT_SETS_H */
