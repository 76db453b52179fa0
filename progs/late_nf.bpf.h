/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * late_nf.bpf.h - matches on what only a packet at the netfilter hook carries: helper,
 * physdev
 *
 * Semantics: xt_helper.c and xt_physdev.c of net/netfilter. The connection's helper is an
 * extension of its entry, the bridge's ports are one of the sk_buff, each found
 * where a table of offsets says that it is (nf_ct_ext_find(), skb_ext_find()). The other
 * hooks stand where no packet has either.
 */
#ifndef BPFIPT_LATE_NF_BPF_H
#define BPFIPT_LATE_NF_BPF_H

#include "abi/late.h"
#include "abi/late_ct.h"
#include "late_host.bpf.h"
#include "late_l4.bpf.h"
#include "maps.bpf.h"

#ifdef FW_NETFILTER
#include "nf_ext.bpf.h"

#define LATE_NF	(features & IMG_F_NF_HOST)

/* struct helper_name - is the kernel's name, @at, the beginning of the rule's? */
struct helper_name {
	struct img im;
	__u64 at;
	__u32 d;
	__u32 match;
};

static long helper_step(__u32 i, struct helper_name *h)
{
	struct img im = h->im;
	__u8 c = 0;

	bpf_probe_read_kernel(&c, 1, (void *)(h->at + i));
	if (c && c == (__u8)(img_word(&im, h->d + i / 4) >> i % 4 * 8))
		return 0;
	h->match = !c;
	return 1;
}

/* LATE_HELPER; @d: word of struct late_helper */
static __noinline int late_helper(struct fw *fw, __u32 d)
{
	struct helper_name h = { .im = fw_img(fw), .d = d + 1 };
	const struct nf_conntrack_helper *helper;
	const struct sk_buff *skb = fw->ctx->skb;
	const struct nf_conn *ct = nf_ct(skb), *master;
	const struct nf_conn_help *help;
	struct img im = fw_img(fw);
	__u32 not = img_word(&im, d);

	/* Without the module nf_conntrack (user/kernel.c loads it) there is none to know. */
	if (!bpf_core_type_exists(struct nf_conn_help))
		return not ? LATE_MATCH : LATE_NO_MATCH;
	master = ct ? BPF_CORE_READ(ct, master) : 0;
	help = master ? nf_ct_ext(master, NF_CT_EXT(NF_CT_EXT_HELPER)) : 0;
	helper = help ? BPF_CORE_READ(help, helper) : 0;
	if (!helper)
		return not ? LATE_MATCH : LATE_NO_MATCH;
	h.at = (__u64)helper + bpf_core_field_offset(struct nf_conntrack_helper, name);
	h.match = 1;
	if (img_word(&im, d + 1) & 0xff)
		bpf_loop(NF_CT_HELPER_NAME_LEN, helper_step, &h, 0);
	return h.match != !!not ? LATE_MATCH : LATE_NO_MATCH;
}

/* ifname_compare_aligned() of device @dev's name. Return: it differs. */
static __noinline int ifname_differs(struct fw *fw, struct net_device___fw *dev, __u32 name)
{
	struct img im = fw_img(fw);
	__u32 is[LATE_IFNAME_WORDS] = {}, differ = 0, i;

	bpf_probe_read_kernel(is, sizeof(is), BPF_CORE_READ(dev, name));
	for (i = 0; i < LATE_IFNAME_WORDS; i++)
		differ |= (is[i] ^ img_word(&im, name + i)) &
			  img_word(&im, name + LATE_IFNAME_WORDS + i);
	return !!differ;
}

/* The port that a bridged packet came by: a device, since Linux 6.8 the number of one */
static __always_inline struct net_device___fw *bridge_in(struct fw *fw,
							 const struct nf_bridge_info *b)
{
	struct nf_bridge_info___old *old = (void *)b;

	if (bpf_core_field_exists(b->physinif))
		return dev_by_index(fw, BPF_CORE_READ(b, physinif));
	return BPF_CORE_READ(old, physindev);
}

/* LATE_PHYSDEV; @d: word of struct late_physdev */
static __noinline int late_physdev(struct fw *fw, __u32 d)
{
	struct img im = fw_img(fw);
	__u32 ops = img_word(&im, d), not = img_word(&im, d + 1), is;
	const struct nf_bridge_info *b = skb_bridge_info(fw->ctx->skb);
	struct net_device___fw *in, *out;

	if (!b)
		return ops & ~not ? LATE_NO_MATCH : LATE_MATCH;
	in = bridge_in(fw, b);
	out = (void *)BPF_CORE_READ(b, physoutdev);
	is = (out ? LATE_PHYSDEV_BRIDGED | LATE_PHYSDEV_ISOUT : 0) | (in ? LATE_PHYSDEV_ISIN : 0);
	if ((is ^ not ^ ops) & ops &
	    (LATE_PHYSDEV_BRIDGED | LATE_PHYSDEV_ISOUT | LATE_PHYSDEV_ISIN))
		return LATE_NO_MATCH;
	if (ops & LATE_PHYSDEV_IN && in &&
	    ifname_differs(fw, in, d + offsetof(struct late_physdev, in) / 4) !=
	    !!(not & LATE_PHYSDEV_IN))
		return LATE_NO_MATCH;
	if (!(ops & LATE_PHYSDEV_OUT))
		return LATE_MATCH;
	return out && ifname_differs(fw, out, d + offsetof(struct late_physdev, out) / 4) ==
		      !!(not & LATE_PHYSDEV_OUT) ? LATE_MATCH : LATE_NO_MATCH;
}
#else
#define LATE_NF	1

/* Such a packet has no helper ... */
static __always_inline int late_helper(struct fw *fw, __u32 d)
{
	struct img im = fw_img(fw);

	return img_word(&im, d) ? LATE_MATCH : LATE_NO_MATCH;
}

/* ... is not bridged, and leaves by no port of a bridge. */
static __always_inline int late_physdev(struct fw *fw, __u32 d)
{
	struct img im = fw_img(fw);

	return img_word(&im, d) & ~img_word(&im, d + 1) ? LATE_NO_MATCH : LATE_MATCH;
}
#endif

#endif /* BPFIPT_LATE_NF_BPF_H */
