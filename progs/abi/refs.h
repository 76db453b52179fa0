/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * refs.h - what progs/refs.bpf.c tells of a netfilter link
 */
#ifndef BPFIPT_ABI_REFS_H
#define BPFIPT_ABI_REFS_H

#include <linux/types.h>

/*
 * struct nf_ref
 * @link:	id of the link
 * @refs:	how often the link's network namespace is held, by this link and by whoever
 *		else
 */
struct nf_ref {
	__u32 link;
	__u32 refs;
};

_Static_assert(sizeof(struct nf_ref) == 8, "a record of the iterator");

#endif /* BPFIPT_ABI_REFS_H */
