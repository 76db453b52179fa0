/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * abi/flow.h - what a plain verdict hangs on, in three words
 *
 * For the table of flows (flows.bpf.h). Its key is a packet's keys put side by side, those
 * that no rule of the image asks for masked out (img_hdr.flow_mask), the hook and the
 * image's generation. Of whole packets only: then the protocol says whether there are
 * ports, an ICMP type or TCP flags, and their NONE keys need no bit of their own.
 */
#ifndef BPFIPT_ABI_FLOW_H
#define BPFIPT_ABI_FLOW_H

#include <linux/types.h>
#include "packet.h"

#define FLOW_WORDS	3
#define FLOW_SETS_BITS	12	/* sets of one CPU */
#define FLOW_NOT	(~0u)

/*
 * struct flow - what came of a flow (flows.bpf.h)
 * @key:	flow_pack(), masked
 * @plain:	as img_few_pos.plain
 * @also:	counter slot, and one, of a rule that was met before, and did nothing but count
 *		and lead elsewhere; 0: none. FLOW_NOT, of the packet under way: there was more
 */
struct flow {
	__u64 key[FLOW_WORDS];
	__u32 plain;
	__u32 also;
};

/* struct flow_set - the places of a flow: one cache line */
struct flow_set {
	struct flow way[2];
};

_Static_assert(sizeof(struct flow_set) == 64, "flow_set is one cache line");

/* Keys that have a place in it; rules that ask for others are looked up for each packet. */
#define FLOW_KEYS	(1u << KEY_SADDR | 1u << KEY_DADDR | 1u << KEY_L4 | 1u << KEY_SPORT | \
			 1u << KEY_DPORT | 1u << KEY_TCPFLAGS | 1u << KEY_ICMP | 1u << KEY_IIF | \
			 1u << KEY_OIF | 1u << KEY_CTSTATE)

/* flow_pack() - @to[FLOW_WORDS] from the keys @key[NR_KEYS] */
static inline void flow_pack(const __u32 *key, __u32 hook, __u32 generation, __u64 *to)
{
	to[0] = (__u64)key[KEY_DADDR] << 32 | key[KEY_SADDR];
	to[1] = (__u64)hook << 56 | (key[KEY_CTSTATE] & 0xffull) << 48 |
		(key[KEY_TCPFLAGS] & 0xffull) << 40 | (key[KEY_L4] & 0xffull) << 32 |
		(key[KEY_DPORT] & 0xffffull) << 16 | ((key[KEY_SPORT] | key[KEY_ICMP]) & 0xffff);
	to[2] = (__u64)generation << 32 | (key[KEY_OIF] & 0xffffull) << 16 |
		(key[KEY_IIF] & 0xffff);
}

#endif /* BPFIPT_ABI_FLOW_H */
