/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * xdp_forward.bpf.h - an accepted packet goes on at the driver, past the stack
 *
 * Only after FORWARD has accepted it, and only when the stack, too, would do nothing but
 * take one from its TTL and send it to a neighbour that it knows:
 *
 *	the packet	whole, in one piece of memory, no IP options, within the MTU of
 *			device and route; checksum and tags in its bytes
 *	the route	unicast, one next hop, neighbour resolved; the source passes
 *			rp_filter and is not one of our own addresses
 *	the lane	nothing between the two interfaces (xdp_lane.bpf.h)
 *
 * Whatever is not certain is passed up as without this, and the stack forwards, fragments
 * or answers. Nobody else is told of a packet that goes on here: no counter of the stack.
 *
 * What the routes say of two addresses is kept (fwd_flows) until the kernel's own caches of
 * routes go stale (rt_genid). A neighbour is used through the stack once a second, so
 * that the kernel goes on asking whether it is still there, and under which address.
 */
#ifndef BPFIPT_XDP_FORWARD_BPF_H
#define BPFIPT_XDP_FORWARD_BPF_H

#include "abi/forward.h"
#include "maps.bpf.h"
#include "route_mtu.bpf.h"
#include "xdp_lane.bpf.h"

#define IP_MF			0x2000
#define CHECKSUM_PARTIAL	3
#define NS_PER_SECOND		1000000000ull
#define MTU_ANY			0xffff

struct {
	__uint(type, BPF_MAP_TYPE_PERCPU_ARRAY);
	__uint(max_entries, FWD_LANES);
	__type(key, __u32);
	__type(value, struct fwd_lane);
} fwd_lanes SEC(".maps");

/* CPU times FWD_FLOWS plus the set: user/loader.c sizes it */
struct {
	__uint(type, BPF_MAP_TYPE_ARRAY);
	__uint(max_entries, FWD_FLOWS);
	__type(key, __u32);
	__type(value, struct fwd_flow_set);
} fwd_flows SEC(".maps");

struct {
	__uint(type, BPF_MAP_TYPE_ARRAY);
	__uint(max_entries, FWD_NEXTS);
	__type(key, __u32);
	__type(value, struct fwd_next_set);
} fwd_nexts SEC(".maps");

#pragma clang attribute push(__attribute__((preserve_access_index)), apply_to = record)

struct sk_buff___fwd {
	__u8 ip_summed : 2;
	__u32 mark;
	__u32 vlan_all;
};

/* Linux 6.3 */
struct veth_xdp_buff___fwd {
	struct xdp_buff___fw xdp;
	struct sk_buff___fwd *skb;
};

struct dst_metrics___fwd {
	__u32 metrics[17];
};

struct nexthop___fwd {
	_Bool is_group;
};

struct fib_info___fwd {
	struct dst_metrics___fwd *fib_metrics;
	int fib_nhs;
	struct nexthop___fwd *nh;
};

#pragma clang attribute pop

/* All bits of @v count, and addresses differ in few. Return: below @n, a power of two */
static __always_inline __u32 fwd_hash(__u32 v, __u32 n)
{
	v = (v ^ v >> 16) * 0x9e3779b1u;
	v = (v ^ v >> 15) * 0x85ebca6bu;
	return (__u32)((__u64)v * n >> 32);
}

static __always_inline __u32 lane_row(__u32 in, __u32 out)
{
	return fwd_hash(in ^ out << 16, FWD_LANES);
}

static __noinline int lane_renew(struct fw *fw, struct fwd_lane *l, __u64 mac)
{
	const struct fw_pkt *pkt = &fw->w->pkt;
	struct fwd_lane old = *l;

	l->in = pkt->ifindex;
	l->out = pkt->oifindex;
	l->why = lane_look(fw, l, mac);
	l->second = bpf_ktime_get_coarse_ns() / NS_PER_SECOND;
	if (!old.version || l->in != old.in || l->out != old.out || l->genid != old.genid ||
	    l->rp_filter != old.rp_filter)
		l->version++;
	return 0;
}

/* This CPU's row of the packet's lane, looked at since the clock's last tick; NULL: none */
static __always_inline struct fwd_lane *lane_of(struct fw *fw, __u64 mac)
{
	const struct fw_pkt *pkt = &fw->w->pkt;
	__u32 at = lane_row(pkt->ifindex, pkt->oifindex);
	struct fwd_lane *l = bpf_map_lookup_elem(&fwd_lanes, &at);
	__u64 now = bpf_jiffies64();

	if (!l || (likely(l->tick == now) && l->in == pkt->ifindex && l->out == pkt->oifindex))
		return l;
	lane_renew(fw, l, mac);
	l->tick = now;
	return l;
}

/* A packet that the stack beyond a veth sent may not have all of it in its bytes. */
static __noinline int veth_plain(fw_ctx_t *ctx)
{
	struct veth_xdp_buff___fwd *buff = (void *)ctx;
	struct sk_buff___fwd *skb = NULL;

	if (!bpf_core_field_exists(buff->skb) || !bpf_core_field_exists(skb->vlan_all))
		return 0;
	skb = BPF_CORE_READ(buff, skb);
	return !skb || (BPF_CORE_READ_BITFIELD_PROBED(skb, ip_summed) != CHECKSUM_PARTIAL &&
			!BPF_CORE_READ(skb, vlan_all) && !BPF_CORE_READ(skb, mark));
}

/*
 * route_mtu() - what bpf_fib_lookup() does not say of the route to @daddr
 * ip_forward() keeps to the route's own MTU, and spreads packets over several next hops.
 * Return: that MTU, MTU_ANY without one; 0: not certain.
 */
static __noinline __u32 route_mtu(struct fw *fw, __u32 daddr, __u32 out)
{
	struct fib_walk *f = &fw->w->fib;
	struct fib_info___fwd *fi;
	__u32 mtu;

	if (fib_find(fw, daddr, fw->w->pkt.key[KEY_TOS] & RT_TOS_MASK))
		return 0;
	fi = (void *)f->fi;
	if (!fi || f->type != RTN_UNICAST)
		return 0;
	if (BPF_CORE_READ(fi, nh)) {
		if (BPF_CORE_READ(fi, nh, is_group))
			return 0;
	} else if (BPF_CORE_READ(fi, fib_nhs) != 1 || f->dev != out) {
		return 0;
	}
	mtu = BPF_CORE_READ(fi, fib_metrics, metrics[RTAX_MTU - 1]);
	return mtu && mtu < MTU_ANY ? mtu : MTU_ANY;
}

/*
 * source_good() - does fib_validate_source() (net/ipv4/fib_frontend.c) let it pass?
 * It looks up the way back as if from the output interface. What that finds to be neither
 * unicast nor, with rp_filter, by the way it came, is the stack's to judge.
 */
static __noinline int source_good(fw_ctx_t *ctx, const struct fw_pkt *pkt, __u32 rp_filter)
{
	struct bpf_fib_lookup fib = {};
	int ret;

	fib.family = AF_INET;
	fib.tos = pkt->key[KEY_TOS];
	fib.ifindex = pkt->oifindex;
	fib.ipv4_src = bpf_htonl(pkt->key[KEY_DADDR]);
	fib.ipv4_dst = bpf_htonl(pkt->key[KEY_SADDR]);
	ret = bpf_fib_lookup(ctx, &fib, sizeof(fib), 0);
	return (ret == BPF_FIB_LKUP_RET_SUCCESS || ret == BPF_FIB_LKUP_RET_NO_NEIGH) &&
	       (!rp_filter || fib.ifindex == pkt->ifindex);
}

/* Look the routes up, and keep in @f what they say. Return: the MTU, 0: not certain. */
static __noinline __u32 routes_look(struct fw *fw, const struct fwd_lane *l, struct fwd_flow *f)
{
	const struct fw_pkt *pkt = &fw->w->pkt;
	__u32 mtu = route_mtu(fw, pkt->key[KEY_DADDR], l->out);

	if (!mtu || !source_good(fw->ctx, pkt, l->rp_filter))
		return 0;
	f->saddr = pkt->key[KEY_SADDR];
	f->daddr = pkt->key[KEY_DADDR];
	f->tos = pkt->key[KEY_TOS];
	f->lane = lane_row(l->in, l->out);
	f->mtu = mtu;
	f->version = l->version;
	return mtu;
}

/* Are the routes there and back good for this packet? */
static __always_inline int routes_good(struct fw *fw, struct fwd_lane *l)
{
	const struct fw_pkt *pkt = &fw->w->pkt;
	__u32 saddr = pkt->key[KEY_SADDR], daddr = pkt->key[KEY_DADDR], tos = pkt->key[KEY_TOS];
	__u32 at = bpf_get_smp_processor_id() * FWD_FLOWS, row = lane_row(l->in, l->out), i;
	struct fwd_flow_set *set;

	at += fwd_hash(saddr ^ (daddr << 16 | daddr >> 16), FWD_FLOWS);
	set = bpf_map_lookup_elem(&fwd_flows, &at);
	if (!set)
		return 0;
	for (i = 0; i < FWD_WAYS; i++) {
		const struct fwd_flow *f = &set->way[i];

		if (f->saddr == saddr && f->daddr == daddr && f->version == l->version &&
		    f->tos == tos && f->lane == row)
			return pkt->tot_len <= f->mtu;
	}
	return pkt->tot_len <= routes_look(fw, l, &set->way[l->victim++ & (FWD_WAYS - 1)]);
}

/* Has the stack used this neighbour within the second? If not, it is the stack's turn. */
static __always_inline int neighbour_fresh(const struct fib_hop *hop, const struct fwd_lane *l)
{
	__u32 mac = *(const __u32 *)(hop->dmac + 2), i;
	__u32 at = fwd_hash(mac ^ l->out << 8, FWD_NEXTS);
	struct fwd_next_set *set = bpf_map_lookup_elem(&fwd_nexts, &at);
	struct fwd_next *old = NULL;

	if (!set)
		return 0;
	for (i = 0; i < FWD_WAYS; i++) {
		struct fwd_next *n = &set->way[i];

		if (n->second != l->second)
			old = n;
		else if (n->mac == mac && n->out == l->out)
			return 1;
	}
	if (old) {
		old->mac = mac;
		old->out = l->out;
		old->second = l->second;
	}
	return 0;
}

/*
 * send_on() - one less TTL, the next hop's addresses, no bytes behind the packet
 * The checksum as ip_decrease_ttl() (include/net/ip.h) has it: TTL is the upper half of its
 * word, so that word lost 0x0100.
 */
static __always_inline int send_on(struct xdp_md *ctx, const struct fib_hop *hop, __u32 out,
				   int pad)
{
	struct ethhdr *eth;
	struct iphdr *iph;
	__u32 check;

	if (pad && bpf_xdp_adjust_tail(ctx, -pad))
		return XDP_PASS;
	eth = (void *)(long)ctx->data;
	iph = (void *)(eth + 1);
	if ((void *)(iph + 1) > (void *)(long)ctx->data_end)
		return XDP_PASS;
	__builtin_memcpy(eth->h_dest, hop->dmac, ETH_ALEN);
	__builtin_memcpy(eth->h_source, hop->smac, ETH_ALEN);
	iph->ttl--;
	check = iph->check + bpf_htons(0x0100);
	iph->check = check + (check >= 0xffff);
	event(EV_FORWARDED);
	return bpf_redirect(out, 0);
}

/*
 * fw_forward() - the packet in the scratch has been accepted by FORWARD: send it on
 * A function of its own to the verifier, which looks at it once, and not once for every
 * way out of the walk; before Linux 6.8 also when it is never called.
 * Return: XDP_REDIRECT, or XDP_PASS.
 */
__noinline int fw_forward(struct xdp_md *ctx)
{
	void *data = (void *)(long)ctx->data, *data_end = (void *)(long)ctx->data_end;
	struct fw fw = { .ctx = ctx, .w = scratch_get(&fw) };
	struct fwd_lane *lane;
	struct fib_hop *hop;
	struct fw_pkt *pkt;
	__u64 mac = 0, size = data_end - data;

	if (!FORWARDING || !fw.w || data + ETH_HLEN > data_end)
		return XDP_PASS;
	pkt = &fw.w->pkt;
	hop = &fw.w->hop;
	if (hop->len != pkt->tot_len || pkt->ihl != sizeof(struct iphdr) || pkt->l3_off != ETH_HLEN ||
	    pkt->frag_off & (IP_OFFSET_MASK | IP_MF) ||
	    bpf_xdp_get_buff_len(ctx) != size)
		goto stack;
	__builtin_memcpy(&mac, data, ETH_ALEN);
	lane = lane_of(&fw, mac);
	if (!lane || lane->why != FWD_OPEN || (lane->veth && !veth_plain(ctx)) ||
	    !routes_good(&fw, lane) || !neighbour_fresh(hop, lane))
		goto stack;
	return send_on(ctx, hop, lane->out, size - ETH_HLEN - pkt->tot_len);
stack:
	event(EV_FORWARD_STACK);
	return XDP_PASS;
}

#endif /* BPFIPT_XDP_FORWARD_BPF_H */
