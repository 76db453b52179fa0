/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * abi/forward.h - lanes: may packets from one interface to another go on at the driver?
 *
 * fw_xdp keeps what it found in the map fwd_lanes, a row per pair and CPU, and
 * `bpf-iptables status' shows it.
 */
#ifndef BPFIPT_ABI_FORWARD_H
#define BPFIPT_ABI_FORWARD_H

#include <linux/types.h>

/*
 * enum fwd_why - why a lane is closed: what stands in the stack's way of a packet, and
 * would be passed by. In the order in which they are looked for.
 */
enum fwd_why {
	FWD_OPEN,
	FWD_KERNEL,
	FWD_SAME,
	FWD_NETFILTER,
	FWD_XFRM,
	FWD_RULES,
	FWD_IN_KIND,
	FWD_IN_VLAN,
	FWD_IN_HOOKS,
	FWD_OUT_KIND,
	FWD_OUT_XMIT,
	FWD_OUT_HOOKS,
	FWD_OUT_QUEUE,
	FWD_OUT_REDIRECTS,
	NR_FWD_WHYS,
};

#define FWD_WHYS {								\
	[FWD_OPEN]	= "open",						\
	[FWD_KERNEL]	= "not known of this kernel",				\
	[FWD_SAME]	= "back where it came from",				\
	[FWD_NETFILTER]	= "netfilter hooks: native iptables, nftables, conntrack ...", \
	[FWD_XFRM]	= "IPsec policies",					\
	[FWD_RULES]	= "policy routing: there are, or were, ip rules",		\
	[FWD_IN_KIND]	= "input: neither hardware nor veth, or part of a bridge, bond, VRF ...", \
	[FWD_IN_VLAN]	= "input: strips VLAN tags (ethtool -K DEV rxvlan off)", \
	[FWD_IN_HOOKS]	= "input: tc or nftables at ingress",			\
	[FWD_OUT_KIND]	= "output: not Ethernet, or part of a bridge, bond, VRF ...", \
	[FWD_OUT_XMIT]	= "output: takes no XDP frames (veth: GRO of its peer is off)", \
	[FWD_OUT_HOOKS]	= "output: tc or nftables at egress",			\
	[FWD_OUT_QUEUE]	= "output: a queueing discipline was chosen for it",	\
	[FWD_OUT_REDIRECTS] = "output: ICMP redirects are accepted",		\
}

/*
 * struct fwd_lane - one pair of interfaces, as one CPU saw it
 * @tick:	jiffies when it was looked at; good until they change
 * @second:	the same in seconds, coarse
 * @in, @out:	ifindexes
 * @why:	enum fwd_why
 * @genid:	of the namespace's routes
 * @rp_filter:	of @in: 0, 1 strict, 2 loose
 * @veth:	@in is one: its frames may be packets of the stack beyond
 * @version:	another one whenever @in, @out, @genid or @rp_filter changes: what was
 *		derived from them is good while it stays
 * @victim:	the row of fwd_flows to give way next
 */
struct fwd_lane {
	__u64 tick;
	__u32 second;
	__u32 in;
	__u32 out;
	__u32 why;
	__u32 genid;
	__u16 rp_filter;
	__u16 veth;
	__u32 version;
	__u32 victim;
};

/*
 * struct fwd_flow - routes between two addresses that were found good
 * @mtu:	the route's own, 0xffff without one
 * @tos:	of the packet
 * @lane, @version: row of the lane, and its version; 0: an empty row
 */
struct fwd_flow {
	__u32 saddr;
	__u32 daddr;
	__u16 mtu;
	__u8 tos;
	__u8 lane;
	__u32 version;
};

#define FWD_WAYS	4

/* struct fwd_flow_set - where a pair of addresses may be: one cache line */
struct fwd_flow_set {
	struct fwd_flow way[FWD_WAYS];
};

/* struct fwd_next - a neighbour, and the last second in which the stack used it */
struct fwd_next {
	__u32 mac;	/* bytes 2 to 5 */
	__u32 out;
	__u32 second;
	__u32 pad;
};

/* struct fwd_next_set - where a neighbour may be; one without a place is the stack's */
struct fwd_next_set {
	struct fwd_next way[FWD_WAYS];
};

#define FWD_LANES	64	/* powers of two */
#define FWD_FLOWS	4096	/* sets, of one CPU */
#define FWD_NEXTS	256

_Static_assert(sizeof(struct fwd_lane) == 40, "fwd_lane");
_Static_assert(sizeof(struct fwd_flow_set) == 64, "fwd_flow_set is one cache line");
_Static_assert(sizeof(struct fwd_next_set) == 64, "fwd_next_set is one cache line");
_Static_assert(FWD_LANES <= 256, "fwd_flow.lane");

#endif /* BPFIPT_ABI_FORWARD_H */
