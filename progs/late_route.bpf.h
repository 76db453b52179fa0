/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * late_route.bpf.h - matches on a packet's route and on what IPsec does to it: realm,
 * policy
 *
 * Semantics: xt_realm.c and xt_policy.c of net/netfilter. At the netfilter hook the packet
 * has its route with it (skb_dst()), a chain of them when it is to be transformed,
 * and an extension with the states that it was decrypted by. The other hooks stand before
 * the route lookup and the decryption, or behind the encryption.
 */
#ifndef BPFIPT_LATE_ROUTE_BPF_H
#define BPFIPT_LATE_ROUTE_BPF_H

#include "abi/late.h"
#include "late_l4.bpf.h"
#include "maps.bpf.h"
#include "nf_ext.bpf.h"

#define SKB_DST_PTRMASK	(~1ull)	/* SKB_DST_NOREF */
#define XFRM_MAX_DEPTH	6
#define POLICY_ABSENT	2	/* neither match nor not: nothing was transformed */

#pragma clang attribute push(__attribute__((preserve_access_index)), apply_to = record)

typedef union {
	__be32 a4;
} xfrm_address_t;

struct xfrm_id {
	xfrm_address_t daddr;
	__be32 spi;
	__u8 proto;
};

struct xfrm_state {
	struct xfrm_id id;
	struct {
		__u32 reqid;
		__u8 mode;
		xfrm_address_t saddr;
	} props;
};

struct dst_entry {
	struct xfrm_state *xfrm;
	__u32 tclassid;
};

struct xfrm_dst {
	struct dst_entry *child;
};

struct sec_path {
	int len;
	struct xfrm_state *xvec[XFRM_MAX_DEPTH];
};

#pragma clang attribute pop

static __always_inline const struct dst_entry *packet_dst(const struct fw *fw)
{
	const struct sk_buff *skb = fw->ctx->skb;

	return (const void *)(BPF_CORE_READ(skb, _skb_refdst) & SKB_DST_PTRMASK);
}

/* LATE_REALM; @d: word of struct late_realm */
static __always_inline int late_realm(struct fw *fw, __u32 d)
{
	const struct dst_entry *dst = packet_dst(fw);
	struct img im = fw_img(fw);
	__u32 realm = 0;

	if (dst && bpf_core_field_exists(dst->tclassid))
		realm = BPF_CORE_READ(dst, tclassid);
	return (realm & img_word(&im, d + 1)) == img_word(&im, d);
}

/* match_xfrm_state(): is state p->x as the element at word @e says? */
static __always_inline int policy_state(struct fw *fw, struct policy_walk *p, __u32 e)
{
	const struct xfrm_state *x = (void *)p->x;
	struct img im = fw_img(fw);
	__u32 differ = 0;

	bpf_core_read(&p->saddr, sizeof(p->saddr), &x->props.saddr.a4);
	bpf_core_read(&p->daddr, sizeof(p->daddr), &x->id.daddr.a4);
	bpf_core_read(&p->spi, sizeof(p->spi), &x->id.spi);
	bpf_core_read(&p->reqid, sizeof(p->reqid), &x->props.reqid);
	bpf_core_read(&p->proto, sizeof(p->proto), &x->id.proto);
	bpf_core_read(&p->mode, sizeof(p->mode), &x->props.mode);
	differ |= !!((p->saddr ^ img_word(&im, e)) & img_word(&im, e + 1)) * LATE_POLICY_SADDR;
	differ |= !!((p->daddr ^ img_word(&im, e + 2)) & img_word(&im, e + 3)) * LATE_POLICY_DADDR;
	differ |= (p->spi != img_word(&im, e + 4)) * LATE_POLICY_SPI;
	differ |= (p->reqid != img_word(&im, e + 5)) * LATE_POLICY_REQID;
	differ |= (p->proto != img_word(&im, e + 6)) * LATE_POLICY_PROTO;
	differ |= (p->mode != img_word(&im, e + 7)) * LATE_POLICY_MODE;
	return !((differ ^ img_word(&im, e + 9)) & img_word(&im, e + 8));
}

static long policy_step(__u32 n, struct fw *fw)
{
	struct policy_walk *p = &fw->w->policy;
	__u32 at = p->strict * p->i, match;

	p->x = 0;
	if (p->left) {
		p->left--;
		bpf_probe_read_kernel(&p->x, sizeof(p->x), (void *)(p->sp + p->left * 8 +
				      bpf_core_field_offset(struct sec_path, xvec)));
	} else if (p->dst) {
		const struct xfrm_dst *dst = (void *)p->dst;

		bpf_core_read(&p->x, sizeof(p->x), &((struct dst_entry *)dst)->xfrm);
		bpf_core_read(&p->dst, sizeof(p->dst), &dst->child);
	}
	if (!p->x)
		return 1;
	p->result = 0;
	if (at >= p->nr)
		return 1;
	p->i++;
	match = policy_state(fw, p, p->elem + at * (sizeof(struct late_policy_elem) / 4));
	p->result = match;
	return match != p->strict;	/* strict: all of them; else one */
}

/* LATE_POLICY; @d: word of struct late_policy */
static __noinline int late_policy(struct fw *fw, __u32 d)
{
	struct policy_walk *p = &fw->w->policy;
	const struct dst_entry *dst = NULL;
	const struct sec_path *sp = NULL;
	struct img im = fw_img(fw);
	__u32 flags = img_word(&im, d);

	if (flags & LATE_POLICY_IN)
		sp = SKB_EXT(fw->ctx->skb, SKB_EXT_SEC_PATH);
	else if (bpf_core_field_exists(dst->xfrm))
		dst = packet_dst(fw);
	p->sp = (__u64)sp;
	p->left = sp ? BPF_CORE_READ(sp, len) : 0;
	p->dst = (__u64)dst;
	p->elem = d + 2;
	p->nr = img_word(&im, d + 1);
	p->strict = !!(flags & LATE_POLICY_STRICT);
	p->i = 0;
	p->result = sp ? 0 : POLICY_ABSENT;
	bpf_loop(XFRM_MAX_DEPTH + 1, policy_step, fw, 0);
	if (p->result == POLICY_ABSENT)
		return !!(flags & LATE_POLICY_NONE);
	if (flags & LATE_POLICY_NONE)
		return LATE_NO_MATCH;
	return p->result && (!p->strict || p->i == p->nr) ? LATE_MATCH : LATE_NO_MATCH;
}

#endif /* BPFIPT_LATE_ROUTE_BPF_H */
