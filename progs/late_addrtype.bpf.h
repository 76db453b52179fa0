/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * late_addrtype.bpf.h - `-m addrtype': what an address is to this host
 *
 * Semantics: abi/late.h; net/netfilter/xt_addrtype.c. The type is that of the address's
 * route (fib_trie.bpf.h), looked up once per packet and side.
 */
#ifndef BPFIPT_LATE_ADDRTYPE_BPF_H
#define BPFIPT_LATE_ADDRTYPE_BPF_H

#include "abi/late.h"
#include "fib_trie.bpf.h"
#include "late_l4.bpf.h"
#include "maps.bpf.h"

/* Is @side's address (0 source, 1 destination) of a type in @mask? LATE_DROP_NOW: unknown */
static __always_inline __u32 addr_is(struct fw *fw, __u32 side, __u32 mask, __u32 ifindex)
{
	struct walk *w = fw->w;
	__u64 type = w->addrtype[side];

	if (!type) {
		type = addr_type(fw->ctx, fw->w, w->pkt.key[side ? KEY_DADDR : KEY_SADDR]);
		w->addrtype[side] = type;
	}
	if (!type)
		return LATE_DROP_NOW;
	if (ifindex && type >> 8 && type >> 8 != ifindex)
		type = RTN_UNICAST;
	return mask >> (type & 0xff & 31) & 1;
}

/* LATE_ADDRTYPE; @d: word of struct late_addrtype */
static __noinline int late_addrtype(struct fw *fw, __u32 d)
{
	const struct fw_pkt *pkt = &fw->w->pkt;
	struct img im = fw_img(fw);
	__u32 flags = img_word(&im, d), src = img_word(&im, d + 1), dst = img_word(&im, d + 2);
	__u32 ifindex = 0, r;

	if (flags & LATE_ADDRTYPE_IN)
		ifindex = pkt->ifindex;
	else if (flags & LATE_ADDRTYPE_OUT)
		ifindex = pkt->oifindex;
	if (src) {
		r = addr_is(fw, 0, src, ifindex);
		if (r == LATE_DROP_NOW || r == !!(flags & LATE_ADDRTYPE_NOT_SRC))
			return r == LATE_DROP_NOW ? r : LATE_NO_MATCH;
	}
	if (dst) {
		r = addr_is(fw, 1, dst, ifindex);
		if (r == LATE_DROP_NOW || r == !!(flags & LATE_ADDRTYPE_NOT_DST))
			return r == LATE_DROP_NOW ? r : LATE_NO_MATCH;
	}
	return LATE_MATCH;
}

#endif /* BPFIPT_LATE_ADDRTYPE_BPF_H */
