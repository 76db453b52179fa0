// SPDX-License-Identifier: GPL-2.0-only
/*
 * flows.c - may a verdict be kept for the next packets of its flow? (progs/flows.bpf.h)
 *
 * It may where all keys that the image looks up have a place in a flow's key, and it is of
 * use where a look-up is dear: bit vectors to AND, from an image too big for the caches that
 * are a packet's own. Where one look-up decides (cross.c, "Alone") a flow's row would be no
 * nearer than the rule's.
 */
#include "image.h"

/* Words from which on it is of use. */
#define FLOWS_FROM	(1u << 14)

bool flow_mask(const __u32 *word, const struct img_part *part, __u64 *mask)
{
	__u32 key[NR_KEYS] = { 0 };

	for (int p = 0; p < NR_PARTS; p++) {
		const struct img_lookup *lk = (const void *)(word + part[p].lookups);

		for (__u32 i = 0; i < part[p].nr_lookups; i++) {
			if (!(FLOW_KEYS & 1u << lk[i].key))
				return false;
			key[lk[i].key] = ~0u;
		}
	}
	key[KEY_L4] = ~0u;	/* by it ports, types and flags are told apart */
	flow_pack(key, 0xff, ~0u, mask);
	return true;
}

void flow_plan(const struct imgbuf *b, bool alone, struct img_hdr *hdr)
{
	const struct img_part *base = &hdr->part[PART_BASE];

	memset(hdr->flow_mask, 0, sizeof(hdr->flow_mask));
	if (!b->failed && !alone && base->nr_vectors > 1 && b->n >= FLOWS_FROM &&
	    flow_mask(b->word, hdr->part, hdr->flow_mask))
		hdr->flags |= IMG_F_FLOWS;
}
