/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * late_recent.bpf.h - the match recent: lists of addresses and when they were seen
 *
 * A list is one value of recent_small (or recent_big, when some rule counts more than
 * RECENT_STAMPS hits), under its own spin lock: a hash table of 100 entries, chained;
 * the ring of their order of use, whose oldest makes room when the list is full; and
 * for each entry its last times, again a ring.
 *
 * "At least h times within the last s seconds" asks for one time only: times are
 * stored in order, so it is the h-th last that has to lie within s.
 *
 *	stamps 4, times 10 20 30 40, then 50:	50 20 30 40, index 1
 *	the third last is stamp[(1 - 3) & 3] = 30
 */
#ifndef BPFIPT_LATE_RECENT_BPF_H
#define BPFIPT_LATE_RECENT_BPF_H

#include "abi/late_rate.h"
#include "owner.bpf.h"
#include "late_l4.bpf.h"
#include "maps.bpf.h"

struct {
	__uint(type, BPF_MAP_TYPE_ARRAY);
	__uint(max_entries, RECENT_LISTS);
	__type(key, __u32);
	__type(value, struct recent_small);
} recent_small SEC(".maps");

struct {
	__uint(type, BPF_MAP_TYPE_ARRAY);
	__uint(max_entries, RECENT_BIG_LISTS);
	__type(key, __u32);
	__type(value, struct recent_big);
} recent_big SEC(".maps");

#define RECENT_SLOT(n)	((n) & (RECENT_HASH - 1))

/* Entry of @addr, 0: none. @prev: the one before it in its chain, 0: the head */
static __always_inline __u32 recent_find(struct recent_list *l, __u32 addr, __u32 *prev)
{
	__u32 n = l->head[recent_hash(addr)], before = 0;
	int i;

	l->e[0].addr = addr;	/* where every chain ends */
#pragma clang loop unroll(disable)
	for (i = 0; i < RECENT_TOT; i++) {
		if (l->e[RECENT_SLOT(n)].addr == addr)
			break;
		before = n;
		n = l->e[RECENT_SLOT(n)].chain;
	}
	*prev = before;
	return n;
}

static __always_inline void recent_unuse(struct recent_list *l, __u32 n)
{
	__u32 older = l->e[RECENT_SLOT(n)].older, newer = l->e[RECENT_SLOT(n)].newer;

	l->e[RECENT_SLOT(older)].newer = newer;
	l->e[RECENT_SLOT(newer)].older = older;
}

/* Make it the one used last. */
static __always_inline void recent_use(struct recent_list *l, __u32 n)
{
	__u32 last = l->e[0].older;

	l->e[RECENT_SLOT(n)].older = last;
	l->e[RECENT_SLOT(n)].newer = 0;
	l->e[RECENT_SLOT(last)].newer = n;
	l->e[0].older = n;
}

/* Take out entry @n, whose predecessor in its chain is @prev. */
static __always_inline void recent_unlink(struct recent_list *l, __u32 n, __u32 prev)
{
	__u32 chain = l->e[RECENT_SLOT(n)].chain;

	if (prev)
		l->e[RECENT_SLOT(prev)].chain = chain;
	else
		l->head[recent_hash(l->e[RECENT_SLOT(n)].addr)] = chain;
	recent_unuse(l, n);
	l->e[RECENT_SLOT(n)].chain = l->free;
	l->free = n;
	l->count--;
}

static __always_inline void recent_drop_oldest(struct recent_list *l)
{
	__u32 n = l->e[0].newer, prev;

	if (recent_find(l, l->e[RECENT_SLOT(n)].addr, &prev) == n)
		recent_unlink(l, n, prev);
}

/* An entry for an address that has none, nothing set yet. */
static __always_inline __u32 recent_new(struct recent_list *l, __u32 addr)
{
	__u32 n, h = recent_hash(addr);

	if (l->count >= RECENT_TOT)
		recent_drop_oldest(l);
	n = l->free;
	if (n) {
		l->free = l->e[RECENT_SLOT(n)].chain;
	} else {
		n = l->used + 1;
		l->used = n;
	}
	l->e[RECENT_SLOT(n)].addr = addr;
	l->e[RECENT_SLOT(n)].chain = l->head[h];
	l->e[RECENT_SLOT(n)].index = 0;
	l->e[RECENT_SLOT(n)].nstamps = 0;
	l->head[h] = n;
	l->count++;
	return n;
}

static __always_inline void recent_flush(struct recent_list *l)
{
	__builtin_memset(l->head, 0, sizeof(l->head));
	l->e[0].older = 0;
	l->e[0].newer = 0;
	l->used = 0;
	l->free = 0;
	l->count = 0;
}

/* Time @i of entry @n. One bound, at the end: Linux 6.1 forgets those of the parts. */
static __always_inline __u64 *recent_time(__u64 *stamp, __u32 size, __u32 n, __u32 i)
{
	__u32 at = RECENT_SLOT(n) * size + (i & (size - 1));

	barrier_var(at);
	return &stamp[at & (RECENT_HASH * size - 1)];
}

/*
 * Times of entry @n: the @back-th last one. The kernel's list of times is never
 * older than the clock; here another CPU may have come first with a later @now.
 */
static __always_inline __u64 *recent_stamp(const struct recent_list *l, __u64 *stamp, __u32 size,
					   __u32 mask, __u32 n, __u32 back)
{
	return recent_time(stamp, size, n, (l->e[RECENT_SLOT(n)].index - back) & mask);
}

static __always_inline void recent_seen(struct recent_list *l, __u64 *stamp, __u32 size,
					const struct recent_args *a, __u32 n)
{
	struct recent_entry *e = &l->e[RECENT_SLOT(n)];
	__u32 index = e->index & a->mask;

	*recent_time(stamp, size, n, index) = a->now;
	e->index = ++index;
	if (index > e->nstamps)
		e->nstamps = index;
	recent_use(l, n);
}

static __always_inline int recent_hit(const struct recent_list *l, __u64 *stamp, __u32 size,
				      const struct recent_args *a, __u32 n, __u64 since)
{
	if (l->e[RECENT_SLOT(n)].nstamps < a->hits)
		return 0;
	return !(a->flags & RECENT_WITHIN) ||
	       (__s64)(*recent_stamp(l, stamp, size, a->mask, n, a->hits) - since) >= 0;
}

/*
 * --reap: the oldest entry goes if it was last seen before @since. The kernel looks
 * at that one only, and not when it is @keep.
 */
static __always_inline void recent_reap(struct recent_list *l, __u64 *stamp, __u32 size,
					const struct recent_args *a, __u32 keep, __u64 since)
{
	__u32 n = l->e[0].newer;

	if (n && n != keep &&
	    (__s64)(*recent_stamp(l, stamp, size, a->mask, n, 1) - since) < 0)
		recent_drop_oldest(l);
}

/* Do what @a asks; the lock is held. Return: the match's result. */
static __always_inline int recent_apply(struct recent_list *l, __u64 *stamp, __u32 size,
					const struct recent_args *a)
{
	int ret = !!(a->flags & RECENT_INVERT), update;
	__u32 n, prev, ttl;
	__u64 since;

	if (l->born != a->born) {
		l->born = a->born;
		recent_flush(l);
	}
	if (a->edit == RECENT_FLUSH) {
		recent_flush(l);
		return 0;
	}
	n = recent_find(l, a->addr, &prev);
	ttl = n ? l->e[RECENT_SLOT(n)].ttl : 0;
	if (a->flags & RECENT_TTL && ttl && a->ttl && ttl != a->ttl)
		n = 0;
	if (!n) {
		if (!(a->flags & RECENT_SET))
			return ret;
		n = recent_new(l, a->addr);
		recent_seen(l, stamp, size, a, n);
		l->e[RECENT_SLOT(n)].ttl = a->ttl;
		return !ret;
	}
	if (a->flags & RECENT_REMOVE) {
		recent_unlink(l, n, prev);
		return !ret;
	}
	update = 1;
	if (a->flags & RECENT_SET) {
		ret = !ret;
	} else {
		since = a->now - a->seconds;
		if (recent_hit(l, stamp, size, a, n, since))
			ret = !ret;
		update = a->flags & RECENT_UPDATE && ret;
		if (a->flags & RECENT_REAP)
			recent_reap(l, stamp, size, a, update ? n : 0, since);
	}
	if (update) {
		recent_unuse(l, n);
		recent_seen(l, stamp, size, a, n);
		/* `echo +addr' leaves the TTL as it is */
		if (!a->edit)
			l->e[RECENT_SLOT(n)].ttl = a->ttl;
	}
	return ret;
}

/*
 * recent_run() - what @a asks, on row @id, under its lock
 * A global function, so that the verifier looks at it once, not at every call.
 * Return: the match's result; -1: no such row.
 */
__noinline int recent_run(struct recent_args *a, __u32 id)
{
	int ret;

	if (!(features & IMG_F_RECENT) || !a)
		return -1;
	if (a->flags & RECENT_BIG) {
		struct recent_big *big;

		if (!(features & IMG_F_RECENT_BIG))
			return -1;
		big = bpf_map_lookup_elem(&recent_big, &id);
		if (!big)
			return -1;
		bpf_spin_lock(&big->lock);
		ret = recent_apply(&big->list, big->stamp, RECENT_BIG_STAMPS, a);
		bpf_spin_unlock(&big->lock);
	} else {
		struct recent_small *small = bpf_map_lookup_elem(&recent_small, &id);

		if (!small)
			return -1;
		bpf_spin_lock(&small->lock);
		ret = recent_apply(&small->list, small->stamp, RECENT_STAMPS, a);
		bpf_spin_unlock(&small->lock);
	}
	return ret;
}

/*
 * Is the TTL to be that from before forwarding? So for every packet on its way out
 * that no socket of this namespace sent.
 */
static __always_inline int recent_forwarded(struct fw *fw)
{
#ifndef FW_XDP
	struct sk_buff___fw *skb = ctx_skb(fw->ctx);
	struct net_device___fw *dev;
	struct sock___fw *sk;

	if (fw->w->pkt.hook == HOOK_OUTPUT) {
		sk = BPF_CORE_READ(skb, sk);
		dev = ctx_dev(fw->ctx);
		return !sk || BPF_CORE_READ(sk, __sk_common.skc_net.net) !=
			      BPF_CORE_READ(dev, nd_net.net);
	}
#endif
	return fw->w->pkt.hook == HOOK_FORWARD;
}

/* LATE_RECENT; @d: word of struct late_recent */
static __noinline int late_recent(struct fw *fw, __u32 d)
{
	const struct fw_pkt *pkt = &fw->w->pkt;
	struct recent_args *a = &fw->w->recent;
	struct img im = fw_img(fw);
	__u32 flags = img_word(&im, d + 2);
	int r;

	a->now = bpf_jiffies64();
	a->born = img_word(&im, d + 1);
	a->flags = flags;
	a->edit = 0;
	a->addr = pkt->key[flags & RECENT_DST ? KEY_DADDR : KEY_SADDR] & img_word(&im, d + 3);
	a->mask = img_word(&im, d + 4);
	a->seconds = img_word(&im, d + 5);
	a->hits = img_word(&im, d + 6);
	a->ttl = pkt->key[KEY_TTL];
	if (recent_forwarded(fw))
		a->ttl++;
	r = recent_run(a, img_word(&im, d));
	if (r < 0)
		return LATE_DROP_NOW;
	return r ? LATE_MATCH : LATE_NO_MATCH;
}

#endif /* BPFIPT_LATE_RECENT_BPF_H */
