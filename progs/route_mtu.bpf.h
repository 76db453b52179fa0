/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * route_mtu.bpf.h - how long a packet may be on its way, and on the way back
 *
 * dst_mtu() of the kernel (ip_dst_mtu_maybe_forward(), include/net/ip.h): what "fragmentation
 * needed" messages have told, else the route's own `mtu', else the device's. A packet on
 * its way out has its route with it. For one that has just come in, bpf_fib_lookup() says
 * the first and the last (ip_mtu_from_fib_result()); the route's own is read from the
 * routing table in place (fib_trie.bpf.h). The way back is looked up as for a packet from
 * here, with nothing but its destination (tcpmss_reverse_mtu(), xt_TCPMSS.c).
 *
 * With policy routing rules a route of another table than "local" keeps its own `mtu' to
 * itself, unless it is locked.
 */
#ifndef BPFIPT_ROUTE_MTU_BPF_H
#define BPFIPT_ROUTE_MTU_BPF_H

#include "chain_selector.bpf.h"
#include "fib_trie.bpf.h"

#define IP_MAX_MTU	0xffffu
#define RTAX_MTU	2	/* linux/rtnetlink.h: metrics[RTAX_MTU - 1] */
#define DST_METADATA	0x80	/* net/dst.h: of a tunnel, not a route */
#define DST_PTRMASK	(~1ull)	/* SKB_DST_NOREF */
#define METRICS_PTRMASK	(~3ull)
#define RT_TOS_MASK	0x1c
#define MTU_UNKNOWN	(~0u)

#pragma clang attribute push(__attribute__((preserve_access_index)), apply_to = record)

struct dst_entry___mtu {
	struct net_device___fw *dev;
	unsigned long _metrics;
	unsigned long expires;
	unsigned short flags;
};

struct rtable___mtu {
	struct dst_entry___mtu dst;
	__u32 rt_pmtu : 31;
};

#pragma clang attribute pop

static __always_inline __u32 mtu_min(__u32 a, __u32 b)
{
	return a < b ? a : b;
}

/* The device's, 0: it is gone. */
static __always_inline __u32 device_mtu(fw_ctx_t *ctx, __u32 ifindex)
{
	__u32 mtu = 1;

	return bpf_check_mtu(ctx, ifindex, &mtu, 0, 0) < 0 ? 0 : mtu_min(mtu, IP_MAX_MTU);
}

/*
 * mtu_towards() - of the route to @pkt's destination; with @back, to its source
 * Return: bytes; MTU_UNKNOWN: there is no route.
 */
__noinline __u32 mtu_towards(fw_ctx_t *ctx, struct walk *w, __u32 back)
{
	struct fw here = { .ctx = ctx, .w = w }, *fw = &here;
	const struct fw_pkt *pkt;
	struct bpf_fib_lookup *fib;
	struct fib_info___fw *fi;
	__u32 addr, own = 0, mtu;
	struct fib_walk *f;
	long r;

	if (!(features & IMG_F_TCPMSS) || !ctx || !w)
		return MTU_UNKNOWN;
	pkt = &w->pkt;
	addr = back ? pkt->key[KEY_SADDR] : pkt->key[KEY_DADDR];
	f = &w->fib;
	fib = &w->route;
	if (fib_find(fw, addr, back ? 0 : pkt->key[KEY_TOS] & RT_TOS_MASK))
		return MTU_UNKNOWN;
	fi = (void *)f->fi;
	if (fi)
		own = BPF_CORE_READ(fi, fib_metrics, metrics[RTAX_MTU - 1]);
	if (f->type == RTN_LOCAL)
		return own ? own : device_mtu(fw->ctx, LO_IFINDEX);

	__builtin_memset(fib, 0, sizeof(*fib));
	fib->family = AF_INET;
	fib->tot_len = IP_MAX_MTU;
	fib->ifindex = back ? LO_IFINDEX : pkt->ifindex;
	fib->ipv4_dst = bpf_htonl(addr);
	if (!back) {
		fib->l4_protocol = pkt->proto;
		fib->tos = pkt->key[KEY_TOS];
		fib->ipv4_src = bpf_htonl(pkt->key[KEY_SADDR]);
		fib->sport = bpf_htons(pkt->key[KEY_SPORT]);
		fib->dport = bpf_htons(pkt->key[KEY_DPORT]);
	}
	r = bpf_fib_lookup(fw->ctx, fib, sizeof(*fib), fib_flags);
	if (back && r == BPF_FIB_LKUP_RET_FWD_DISABLED) {	/* of lo: so ask from here */
		fib->ifindex = pkt->ifindex;
		r = bpf_fib_lookup(fw->ctx, fib, sizeof(*fib), fib_flags);
	}
	switch (r) {
	case BPF_FIB_LKUP_RET_FRAG_NEEDED:
		mtu = fib->mtu_result;
		break;
	case BPF_FIB_LKUP_RET_SUCCESS:
	case BPF_FIB_LKUP_RET_NO_NEIGH:
	case BPF_FIB_LKUP_RET_UNSUPP_LWT:
		mtu = IP_MAX_MTU;
		break;
	default:
		return MTU_UNKNOWN;
	}
	/* Is it the device's? Then the route's own goes before it. */
	return own && mtu == device_mtu(fw->ctx, f->dev) ? own : mtu;
}

#ifndef FW_XDP
/* Of the route that the packet has with it; 0: none. */
static __always_inline __u32 mtu_of_packet(fw_ctx_t *ctx)
{
	__u64 ref = BPF_CORE_READ((struct sk_buff___fw *)ctx, _skb_refdst) & DST_PTRMASK;
	struct rtable___mtu *rt = (void *)ref;
	__u32 mtu = 0;

	if (!rt || BPF_CORE_READ(rt, dst.flags) & DST_METADATA)
		return 0;
	mtu = BPF_CORE_READ_BITFIELD_PROBED(rt, rt_pmtu);
	if (mtu && (__s64)(bpf_jiffies64() - BPF_CORE_READ(rt, dst.expires)) < 0)
		return mtu;
	bpf_probe_read_kernel(&mtu, sizeof(mtu), (void *)((BPF_CORE_READ(rt, dst._metrics) &
			      METRICS_PTRMASK) + (RTAX_MTU - 1) * sizeof(mtu)));
	return mtu_min(mtu ? mtu : BPF_CORE_READ(rt, dst.dev, mtu), IP_MAX_MTU);
}
#else
/* It has none yet. */
static __always_inline __u32 mtu_of_packet(fw_ctx_t *ctx)
{
	return 0;
}
#endif

/* path_mtu() - of the narrower way. Return: bytes; MTU_UNKNOWN: neither is known */
static __always_inline __u32 path_mtu(struct fw *fw)
{
	__u32 there = mtu_of_packet(fw->ctx);

	return mtu_min(there ? there : mtu_towards(fw->ctx, fw->w, 0),
		       mtu_towards(fw->ctx, fw->w, 1));
}

#endif /* BPFIPT_ROUTE_MTU_BPF_H */
