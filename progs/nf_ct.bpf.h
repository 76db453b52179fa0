/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * nf_ct.bpf.h - the packet's entry in the kernel's own connection table
 *
 * skb->_nfct is a pointer to struct nf_conn and, in its low 3 bits, ctinfo: 0, 3
 * ESTABLISHED, 1, 4 RELATED, 2 NEW, the higher ones in the reply direction; without a
 * pointer 7 is UNTRACKED and anything else INVALID (nf_ct_get(), nf_ct_set_untracked).
 * The skb holds a reference, so the entry stays while the program runs.
 */
#ifndef BPFIPT_NF_CT_BPF_H
#define BPFIPT_NF_CT_BPF_H

#include "abi/ct.h"
#include "ct_tuple.bpf.h"
#include "maps.bpf.h"
#include "nf_ext.bpf.h"
#include "nf_skb.bpf.h"

/* enum ip_conntrack_info, enum ip_conntrack_status of nf_conntrack_common.h */
#define CTINFO_IS_REPLY	3u
#define CTINFO_UNTRACKED 7u
#define IPS_SRC_NAT	(1u << 4)
#define IPS_DST_NAT	(1u << 5)

_Static_assert(CT_RELATED == CT_ESTABLISHED << 1 && CT_NEW == CT_ESTABLISHED << 2,
	       "CT_* follow enum ip_conntrack_info");

/* KEY_CTSTATE, as xt_conntrack.c and xt_state.c work it out */
static __always_inline __u32 nf_ct_state(const struct sk_buff *skb)
{
	const struct nf_conn *ct = nf_ct(skb);
	__u32 info = skb->_nfct & NFCT_INFOMASK, state;
	unsigned long status;

	if (!ct)
		return info == CTINFO_UNTRACKED ? CT_UNTRACKED : CT_INVALID;
	state = CT_ESTABLISHED << info % CTINFO_IS_REPLY;
	status = BPF_CORE_READ(ct, status);
	if (status & IPS_SRC_NAT)
		state |= CT_SNAT;
	if (status & IPS_DST_NAT)
		state |= CT_DNAT;
	return state;
}

/* nf_conn_acct_find(): what has passed in both directions */
static __always_inline void nf_ct_counts(const struct nf_conn *ct, struct ct_view *v)
{
	const void *acct = nf_ct_ext(ct, NF_CT_EXT(NF_CT_EXT_ACCT));
	struct acct_counts n[2] = {};

	v->uncounted = !acct || bpf_probe_read_kernel(n, sizeof(n), acct);
	v->packets[CT_ORIG] = n[0].packets;
	v->packets[CT_REPLY] = n[1].packets;
	v->bytes[CT_ORIG] = n[0].bytes;
	v->bytes[CT_REPLY] = n[1].bytes;
}

/* nf_ct_get_tuplepr(): without a connection, the packet's own tuple */
static __always_inline void nf_own_tuple(struct fw *fw)
{
	const struct fw_pkt *pkt = &fw->w->pkt;
	struct ct_view *v = &fw->w->ct;
	__u8 buf[8];

	__builtin_memset(&v->orig, 0, sizeof(v->orig));
	v->orig.src = bpf_htonl(pkt->key[KEY_SADDR]);
	v->orig.dst = bpf_htonl(pkt->key[KEY_DADDR]);
	v->orig.proto = pkt->proto;
	v->has_tuple = !(pkt->frag_off & IP_OFFSET_MASK) &&
		       !ct_get_tuple(fw->ctx, pkt->l4_off, pkt->l4_len, &v->orig, buf);
}

/* What matches on the connection read. @v->left is in jiffies, nf_ct_expires(). */
static __noinline int nf_ct_view(struct fw *fw)
{
	const struct sk_buff *skb = fw->ctx->skb;
	const struct nf_conn *ct = nf_ct(skb);
	struct ct_view *v = &fw->w->ct;
	__s32 left;

	v->has_entry = v->has_tuple = !!ct;
	v->conn = (__u64)ct;
	if (!ct) {
		if (features & IMG_F_CONNLIMIT && img_hdr_word(fw->img, flags) & IMG_F_CONNLIMIT)
			nf_own_tuple(fw);
		return 0;
	}
	v->dir = (skb->_nfct & NFCT_INFOMASK) >= CTINFO_IS_REPLY ? CT_REPLY : CT_ORIG;
	v->status = BPF_CORE_READ(ct, status);
	v->mark = BPF_CORE_READ(ct, mark);
	left = BPF_CORE_READ(ct, timeout) - (__u32)bpf_jiffies64();
	v->left = left > 0 ? left : 0;
	if (img_hdr_word(fw->img, flags) & IMG_F_CT_ACCT)
		nf_ct_counts(ct, v);
	nf_ct_tuple(ct, 0, &v->orig);
	nf_ct_tuple(ct, 1, &v->reply);
	return 0;
}

#endif /* BPFIPT_NF_CT_BPF_H */
