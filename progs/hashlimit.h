/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * hashlimit.h - the arithmetic of a hashlimit bucket, for both sides
 *
 * From the kernel's net/netfilter/xt_hashlimit.c, its wraps and caps included: the
 * datapath charges packets with it, user space shows buckets as they would be now.
 * Worked example, --hashlimit 1/sec --hashlimit-burst 5: a new bucket holds 5 costs;
 * five packets empty it; a second later it holds one cost again and lets one through.
 */
#ifndef BPFIPT_HASHLIMIT_H
#define BPFIPT_HASHLIMIT_H

#include "abi/late_rate.h"

/* struct hashlimit_conf - the part of struct late_hashlimit that the arithmetic needs */
struct hashlimit_conf {
	__u32 mode;
	__u32 interval;
	__u64 per_jiffy;
	__u64 full;
};

/* The last collection that was due at @now, in jiffies. */
static inline __u64 hashlimit_tick(__u64 created, __u32 gc, __u64 now)
{
	return now - (gc ? (now - created) % gc : 0);
}

/* A bucket that expired is taken out by the next collection, not before. */
static inline int hashlimit_gone(__u64 expires, __u64 tick)
{
	return (__s64)(tick - expires) >= 0;
}

/* Fill the bucket up to @now (rateinfo_recalc). */
static inline void hashlimit_fill(struct hashlimit_entry *e, const struct hashlimit_conf *c,
				  __u64 now)
{
	__u64 delta = now - e->prev, before = e->credit, cap = e->cap;

	if ((__s64)delta <= 0)		/* another CPU was here with a later @now */
		return;
	if (c->mode & HASHLIMIT_RATE_MATCH) {
		if (delta < c->interval)
			return;
		e->prev = now;
		e->window = e->credit * c->interval > delta * e->cost;
		e->credit = 0;
		return;
	}
	e->prev = now;
	e->credit += delta * c->per_jiffy;
	if (c->mode & HASHLIMIT_BYTES) {
		cap = c->full;
		if (before >= e->credit) {	/* wrapped */
			e->credit = cap;
			return;
		}
	}
	if (e->credit > cap)
		e->credit = cap;
}

/*
 * hashlimit_charge() - one packet of @len bytes, by a rule of mode @rule
 * Return: 1 when it is within the limit.
 */
static inline int hashlimit_charge(struct hashlimit_entry *e, __u32 rule, __u64 full,
				   __u64 burst, __u32 len)
{
	__u64 cost = e->cost;

	if (rule & HASHLIMIT_RATE_MATCH) {
		e->credit += rule & HASHLIMIT_BYTES ? len : 1;
		return !e->window && e->credit <= burst;
	}
	if (rule & HASHLIMIT_BYTES) {
		cost *= (len >> HASHLIMIT_CHUNK_SHIFT) + 1;
		if (cost > full)
			cost = full;
		if (e->credit < cost && e->cap) {
			e->cap--;
			e->credit = full;
		}
		cost = (__u32)cost;
	}
	if (e->credit < cost)
		return 0;
	e->credit -= cost;
	return 1;
}

#endif /* BPFIPT_HASHLIMIT_H */
