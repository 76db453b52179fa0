/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * refmatch_xt.h - between the oracle's walk (refmatch.c) and its matches
 */
#ifndef BPFIPT_REFMATCH_XT_H
#define BPFIPT_REFMATCH_XT_H

#include "refmatch.h"

/* The packet under test, cut into what the matches ask for. */
struct view {
	const struct ref_meta *meta;
	const __u8 *ip;
	__u32 len;		/* IP total length: nothing behind it exists */
	__u32 thoff;
	__u32 fragoff;		/* units of 8 bytes */
	__u32 saddr, daddr;	/* host order */
	__u32 mark;
	bool hotdrop;
};

/*
 * struct ref_match - one xtables match
 * @match: false also when it raises view->hotdrop, unless it inverts on the way out
 */
struct ref_match {
	const char *name;
	__u8 revision;
	bool (*match)(struct view *v, const void *data);
};

/* refmatch_payload.c */
bool ref_u32(struct view *v, const void *data);
bool ref_string(struct view *v, const void *data);
bool ref_tcpmss(struct view *v, const void *data);

/* The oracle's version of @m, NULL when it has none (for these options). */
const struct ref_match *ref_find_match(const struct xt_entry_match *m);

#endif /* BPFIPT_REFMATCH_XT_H */
