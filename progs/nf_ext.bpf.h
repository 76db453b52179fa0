/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * nf_ext.bpf.h - extensions: what a connection's entry, or a packet, has besides its fields
 *
 * nf_ct_ext_find() of nf_conntrack_extend.h and skb_ext_find() of linux/skbuff.h. The
 * numbers of the extensions, and so where their offsets are, depend on how the kernel
 * was configured: CO-RE finds the enumerators.
 */
#ifndef BPFIPT_NF_EXT_BPF_H
#define BPFIPT_NF_EXT_BPF_H

#include "nf_skb.bpf.h"

#define NF_CT_HELPER_NAME_LEN	16	/* nf_conntrack_helper.h */
#define SKB_EXT_ALIGN		8	/* SKB_EXT_ALIGN_VALUE */

enum nf_ct_ext_id {
	NF_CT_EXT_HELPER,
	NF_CT_EXT_ACCT,
};

enum skb_ext_id {
	SKB_EXT_BRIDGE_NF,
	SKB_EXT_SEC_PATH,
};

#pragma clang attribute push(__attribute__((preserve_access_index)), apply_to = record)

struct nf_ct_ext {
	__u8 offset[8];
};

struct nf_conntrack_helper {
	char name[NF_CT_HELPER_NAME_LEN];
};

struct nf_conn_help {
	struct nf_conntrack_helper *helper;
};

struct nf_bridge_info {
	int physinif;
	struct net_device *physoutdev;
};

/* Before Linux 6.8 */
struct nf_bridge_info___old {
	struct net_device___fw *physindev;
};

struct skb_ext {
	__u8 offset[4];
};

#pragma clang attribute pop

/* struct nf_conn_acct of nf_conntrack_acct.h: packets and bytes, in both directions */
struct acct_counts {
	__u64 packets;
	__u64 bytes;
};

#define NF_CT_EXT(id)	bpf_core_enum_value(enum nf_ct_ext_id, id)

/* Extension @id of an entry, or NULL. */
static __always_inline const void *nf_ct_ext(const struct nf_conn *ct, __u32 id)
{
	const struct nf_ct_ext *ext = BPF_CORE_READ(ct, ext);
	__u8 at = 0;

	if (!ext)
		return 0;
	bpf_probe_read_kernel(&at, 1, (void *)((__u64)ext + id +
			      bpf_core_field_offset(struct nf_ct_ext, offset)));
	return at ? (const void *)((__u64)ext + at) : 0;
}

/* Extension @id of a packet, or NULL. */
static __always_inline const void *skb_ext(const struct sk_buff *skb, __u32 id)
{
	const struct skb_ext *ext;
	__u8 at = 0;

	if (!(BPF_CORE_READ(skb, active_extensions) >> id & 1))
		return 0;
	ext = BPF_CORE_READ(skb, extensions);
	bpf_probe_read_kernel(&at, 1, (void *)((__u64)ext + id +
			      bpf_core_field_offset(struct skb_ext, offset)));
	return (const void *)((__u64)ext + at * SKB_EXT_ALIGN);
}

/* NULL also where the kernel has no such extension */
#define SKB_EXT(skb, id)							\
	(bpf_core_enum_value_exists(enum skb_ext_id, id) ?			\
	 skb_ext(skb, bpf_core_enum_value(enum skb_ext_id, id)) : NULL)

/* What br_netfilter knows of a packet, or NULL: it is not bridged. */
static __always_inline const struct nf_bridge_info *skb_bridge_info(const struct sk_buff *skb)
{
	return SKB_EXT(skb, SKB_EXT_BRIDGE_NF);
}

#endif /* BPFIPT_NF_EXT_BPF_H */
