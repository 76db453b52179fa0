/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * late_hashlimit.bpf.h - the match hashlimit: a bucket per address, port ...
 *
 *	hashlimit_entries	(table, masked tuple) -> bucket, all tables together
 *	hashlimit_tables	how many buckets each table has, when it was made
 *
 * The kernel takes out expired buckets once per --hashlimit-htable-gcinterval. Here
 * a bucket of which that would have happened is found *gone* when it is next met,
 * and is refilled in place, as if made anew; what nobody meets again is taken out
 * when its table (or the map) is full, once per interval at most. Either way a packet
 * sees what it would have seen with a collector running.
 */
#ifndef BPFIPT_LATE_HASHLIMIT_BPF_H
#define BPFIPT_LATE_HASHLIMIT_BPF_H

#include "hashlimit.h"
#include "late_l4.bpf.h"
#include "maps.bpf.h"

struct {
	__uint(type, BPF_MAP_TYPE_HASH);
	__uint(map_flags, BPF_F_NO_PREALLOC);
	__uint(max_entries, HASHLIMIT_ENTRIES);
	__type(key, struct hashlimit_key);
	__type(value, struct hashlimit_entry);
} hashlimit_entries SEC(".maps");

struct {
	__uint(type, BPF_MAP_TYPE_ARRAY);
	__uint(max_entries, HASHLIMIT_TABLES);
	__type(key, __u32);
	__type(value, struct hashlimit_table);
} hashlimit_tables SEC(".maps");

/* One bucket of hashlimit_entries: out with it if it is gone, or nobody's. */
static long hashlimit_sweep_one(void *map, struct hashlimit_key *key,
				struct hashlimit_entry *e, __u64 *now)
{
	__u32 id = key->table, born = key->born;
	struct hashlimit_table *t = bpf_map_lookup_elem(&hashlimit_tables, &id);

	if (!t)
		return 0;
	if (t->born == born &&
	    !hashlimit_gone(e->expires, hashlimit_tick(t->created, t->gc, *now)))
		return 0;
	if (bpf_map_delete_elem(map, key))
		return 0;
	bpf_spin_lock(&t->lock);
	if (t->born == born && t->count)
		t->count--;
	bpf_spin_unlock(&t->lock);
	return 0;
}

/* One bucket more in the table. Return: 0, -1: it is full. */
static __always_inline int hashlimit_reserve(struct hashlimit_table *t,
					     const struct hashlimit_work *w)
{
	__u32 born = w->key.born, max = w->rec.max, gc = w->rec.gc;
	__u64 now = w->now;
	int ret = -1;

	bpf_spin_lock(&t->lock);
	if (t->born != born) {
		t->born = born;
		t->count = 0;
		t->gc = gc;
		t->created = now;
		t->swept = now;
	}
	if (t->count < max) {
		t->count++;
		ret = 0;
	}
	bpf_spin_unlock(&t->lock);
	return ret;
}

static __always_inline void hashlimit_unreserve(struct hashlimit_table *t, __u32 born)
{
	bpf_spin_lock(&t->lock);
	if (t->born == born && t->count)
		t->count--;
	bpf_spin_unlock(&t->lock);
}

/* Is a collection due that nobody has carried out yet? */
static __always_inline int hashlimit_due(struct hashlimit_table *t, __u64 now)
{
	__u64 tick;
	int due;

	bpf_spin_lock(&t->lock);
	tick = hashlimit_tick(t->created, t->gc, now);
	due = tick != t->swept;
	t->swept = tick;
	bpf_spin_unlock(&t->lock);
	return due;
}

#define EEXIST	17

/* Return: 1: the bucket is there now, maybe another CPU's; 0: no room. */
static __always_inline int hashlimit_add(struct hashlimit_table *t, const struct hashlimit_work *w)
{
	int err;	/* as ct_insert()'s */

	if (hashlimit_reserve(t, w))
		return 0;
	err = bpf_map_update_elem(&hashlimit_entries, &w->key, &w->fresh, BPF_NOEXIST);
	if (err)
		hashlimit_unreserve(t, w->key.born);
	return !err || err == -EEXIST;
}

/* A new bucket, if need be in the place of a gone one. Return: 0, or -1: no room. */
static __always_inline int hashlimit_new(const struct hashlimit_work *w)
{
	__u32 id = w->key.table;
	struct hashlimit_table *t = bpf_map_lookup_elem(&hashlimit_tables, &id);
	__u64 now = w->now;

	if (!t)
		return -1;
	if (hashlimit_add(t, w))
		return 0;
	if (!hashlimit_due(t, now))
		return -1;
	bpf_for_each_map_elem(&hashlimit_entries, hashlimit_sweep_one, &now, 0);
	return hashlimit_add(t, w) ? 0 : -1;
}

static __always_inline __u64 u64_of(const struct late_u64 *v)
{
	return v->lo | (__u64)v->hi << 32;
}

/*
 * hashlimit_run() - the packet in row @row of the scratch map against its bucket
 * A global function, so that the verifier looks at it once, not at every call.
 * Return: 1 within the limit, 0 over it, -1: no bucket to be had.
 */
__noinline int hashlimit_run(__u32 row)
{
	struct walk *walk = bpf_map_lookup_elem(&scratch, &row);
	struct hashlimit_work *w;
	struct hashlimit_entry *e;
	__u64 tick = 0;
	int within;

	if (!(features & IMG_F_HASHLIMIT) || !walk)
		return -1;
	w = &walk->hashlimit;
	w->now = bpf_jiffies64();
	w->conf.mode = w->rec.mode;
	w->conf.interval = w->rec.interval;
	w->conf.per_jiffy = u64_of(&w->rec.per_jiffy);
	w->conf.full = u64_of(&w->rec.full);
	w->fresh.window = 0;
	w->fresh.prev = w->now;
	w->fresh.expires = w->now + u64_of(&w->rec.expire);
	w->fresh.credit = u64_of(&w->rec.credit);
	w->fresh.cap = u64_of(&w->rec.cap);
	w->fresh.cost = u64_of(&w->rec.cost);
	e = bpf_map_lookup_elem(&hashlimit_entries, &w->key);
	if (!e) {
		if (hashlimit_new(w))
			return -1;
		e = bpf_map_lookup_elem(&hashlimit_entries, &w->key);
		if (!e)
			return -1;
	} else if (hashlimit_gone(READ_ONCE(e->expires), w->now)) {
		__u32 id = w->key.table;
		struct hashlimit_table *t = bpf_map_lookup_elem(&hashlimit_tables, &id);

		if (t)
			tick = hashlimit_tick(t->created, t->gc, w->now);
	}

	bpf_spin_lock(&e->lock);
	if (tick && hashlimit_gone(e->expires, tick)) {
		e->window = 0;
		e->prev = w->now;
		e->credit = w->fresh.credit;
		e->cap = w->fresh.cap;
		e->cost = w->fresh.cost;
	} else {
		hashlimit_fill(e, &w->conf, w->now);
	}
	e->expires = w->fresh.expires;
	within = hashlimit_charge(e, w->rec.rule, w->conf.full, u64_of(&w->rec.burst), w->len);
	bpf_spin_unlock(&e->lock);
	return within;
}

/*
 * Ports of the key, read as the kernel reads them: at the transport offset in every
 * fragment, the SPI of ESP and AH too; protocols without any have 0.
 * Return: 0, -1: not there.
 */
static __always_inline int hashlimit_ports(struct fw *fw, __be16 port[2])
{
	const struct fw_pkt *pkt = &fw->w->pkt;
	__u32 at = 0;

	switch (pkt->proto) {
	case IPPROTO_AH:
		at = 4;
		break;
	case IPPROTO_TCP:
	case IPPROTO_UDP:
	case IPPROTO_DCCP:
	case IPPROTO_ESP:
	case IPPROTO_SCTP:
	case IPPROTO_UDPLITE:
		break;
	default:
		return 0;
	}
	if (pkt->l4_len < at + 4)
		return -1;
	return fw_load(fw->ctx, pkt->l4_off + at, port, 4) ? -1 : 0;
}

/* LATE_HASHLIMIT; @d: word of struct late_hashlimit */
static __noinline int late_hashlimit(struct fw *fw, __u32 d)
{
	struct hashlimit_work *w = &fw->w->hashlimit;
	const struct fw_pkt *pkt = &fw->w->pkt;
	struct img im = fw_img(fw);
	__be16 port[2] = {};
	int within;
	__u32 mode;

	__builtin_memcpy(&w->rec, img_record(&im, d), sizeof(w->rec));
	mode = w->rec.mode;
	w->key.table = w->rec.table.id;
	w->key.born = w->rec.table.born;
	w->key.src = mode & HASHLIMIT_SIP ? pkt->key[KEY_SADDR] & w->rec.src_mask : 0;
	w->key.dst = mode & HASHLIMIT_DIP ? pkt->key[KEY_DADDR] & w->rec.dst_mask : 0;
	if (mode & (HASHLIMIT_SPT | HASHLIMIT_DPT) && hashlimit_ports(fw, port))
		return LATE_DROP_NOW;
	w->key.sport = mode & HASHLIMIT_SPT ? port[0] : 0;
	w->key.dport = mode & HASHLIMIT_DPT ? port[1] : 0;
	w->len = pkt->tot_len;
	within = hashlimit_run(fw->w->row);
	if (within < 0)
		return LATE_DROP_NOW;
	return within != !!(w->rec.rule & HASHLIMIT_INVERT) ? LATE_MATCH : LATE_NO_MATCH;
}

#endif /* BPFIPT_LATE_HASHLIMIT_BPF_H */
