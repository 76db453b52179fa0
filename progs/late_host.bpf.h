/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * late_host.bpf.h - matches on the host's side of a packet: owner, devgroup
 *
 * Semantics: xt_owner.c and xt_devgroup.c of net/netfilter. Both are answered from the
 * kernel's own structures at that instant (kernel.bpf.h, owner.bpf.h).
 */
#ifndef BPFIPT_LATE_HOST_BPF_H
#define BPFIPT_LATE_HOST_BPF_H

#include "abi/late.h"
#include "late_l4.bpf.h"
#include "maps.bpf.h"
#include "owner.bpf.h"

#define OWNER_GROUPS_MAX	65536	/* NGROUPS_MAX of linux/limits.h */

/* struct group_walk - is one of the supplementary groups in [@min, @max]? */
struct group_walk {
	__u64 at;
	__u32 n;
	__u32 min;
	__u32 max;
	__u32 hit;
};

static long group_step(__u32 i, struct group_walk *g)
{
	__u32 gid = 0;

	if (i >= g->n)
		return 1;
	bpf_probe_read_kernel(&gid, sizeof(gid), (void *)(g->at + 4 * (__u64)i));
	if (gid < g->min || gid > g->max)
		return 0;
	g->hit = 1;
	return 1;
}

/* fsgid or, when the rule asks for them, the other groups are in the range. */
static __noinline __u32 groups_hit(const struct cred___fw *cred, __u32 match, __u32 min,
				   __u32 max)
{
	struct group_info___fw *gi;
	struct group_walk g = { .min = min, .max = max };

	if (in_range(BPF_CORE_READ(cred, fsgid.val), min, max))
		return 1;
	gi = BPF_CORE_READ(cred, group_info);
	if (!(match & LATE_OWNER_GROUPS) || !gi)
		return 0;
	g.n = BPF_CORE_READ(gi, ngroups);
	g.at = (__u64)gi + bpf_core_field_offset(struct group_info___fw, gid);
	bpf_loop(OWNER_GROUPS_MAX, group_step, &g, 0);
	return g.hit;
}

/* LATE_OWNER; @d: word of struct late_owner */
static __noinline int late_owner(struct fw *fw, __u32 d)
{
	struct img im = fw_img(fw);
	__u32 match = img_word(&im, d), invert = img_word(&im, d + 1);
	const struct cred___fw *cred = 0;
	int file = packet_file(fw->ctx, &fw->w->pkt, 1, &cred);

	if (file == OWNER_NONE)
		return match == invert ? LATE_MATCH : LATE_NO_MATCH;
	if (match & invert & LATE_OWNER_SOCKET)
		return LATE_NO_MATCH;
	if (file == OWNER_NO_FILE)
		return (match ^ invert) & (LATE_OWNER_UID | LATE_OWNER_GID) ? LATE_NO_MATCH
									   : LATE_MATCH;
	if (match & LATE_OWNER_UID &&
	    in_range(BPF_CORE_READ(cred, fsuid.val), img_word(&im, d + 2),
		     img_word(&im, d + 3)) == !!(invert & LATE_OWNER_UID))
		return LATE_NO_MATCH;
	if (match & LATE_OWNER_GID &&
	    groups_hit(cred, match, img_word(&im, d + 4), img_word(&im, d + 5)) ==
	    !!(invert & LATE_OWNER_GID))
		return LATE_NO_MATCH;
	return LATE_MATCH;
}

/* struct dev_walk - an interface is looked for in the namespace's list @at */
struct dev_walk {
	__u64 at;
	__u64 found;
	__u32 ifindex;
	__u32 pad;
};

#define DEV_LIST_MAX	4096	/* interfaces with the same ifindex & 255 */

static long dev_step(__u32 i, struct dev_walk *l)
{
	struct net_device___fw *dev;

	if (!l->at)
		return 1;
	dev = (void *)(l->at - bpf_core_field_offset(struct net_device___fw, index_hlist));
	if (BPF_CORE_READ(dev, ifindex) == l->ifindex) {
		l->found = (__u64)dev;
		return 1;
	}
	l->at = (__u64)BPF_CORE_READ(dev, index_hlist.next);
	return 0;
}

/* Interface @ifindex of the packet's namespace, or NULL. */
static __always_inline struct net_device___fw *dev_by_index(struct fw *fw, __u32 ifindex)
{
	struct dev_walk l = { .ifindex = ifindex };
	struct net___fw *net = ctx_net(fw->ctx);
	struct hlist_head___fw *head = BPF_CORE_READ(net, dev_index_head);

	head = (void *)((__u64)head + 8 * (ifindex & 255));
	l.at = (__u64)BPF_CORE_READ(head, first);
	bpf_loop(DEV_LIST_MAX, dev_step, &l, 0);
	return (void *)l.found;
}

/* Is (group & @mask) == (@value & @mask) of interface @ifindex? LATE_DROP_NOW: no such */
static __noinline __u32 group_is(struct fw *fw, __u32 ifindex, __u32 value, __u32 mask)
{
	struct net_device___fw *dev = dev_by_index(fw, ifindex);

	if (!dev)
		return LATE_DROP_NOW;
	return !((BPF_CORE_READ(dev, group) ^ value) & mask);
}

/* LATE_DEVGROUP; @d: word of struct late_devgroup */
static __noinline int late_devgroup(struct fw *fw, __u32 d)
{
	const struct fw_pkt *pkt = &fw->w->pkt;
	struct img im = fw_img(fw);
	__u32 flags = img_word(&im, d), r;

	if (flags & LATE_DEVGROUP_SRC) {
		r = group_is(fw, pkt->ifindex, img_word(&im, d + 1), img_word(&im, d + 2));
		if (r == LATE_DROP_NOW || r == !!(flags & LATE_DEVGROUP_NOT_SRC))
			return r == LATE_DROP_NOW ? r : LATE_NO_MATCH;
	}
	if (flags & LATE_DEVGROUP_DST) {
		r = group_is(fw, pkt->oifindex, img_word(&im, d + 3), img_word(&im, d + 4));
		if (r == LATE_DROP_NOW || r == !!(flags & LATE_DEVGROUP_NOT_DST))
			return r == LATE_DROP_NOW ? r : LATE_NO_MATCH;
	}
	return LATE_MATCH;
}

#endif /* BPFIPT_LATE_HOST_BPF_H */
