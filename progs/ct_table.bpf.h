/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * ct_table.bpf.h - the table: lookup with expiry, insertion with eviction
 *
 * A BPF hash offers no way to look at "some other entry", which is what eviction
 * needs. So every entry also owns a slot in an array twice the table's size, that
 * holds its key. Insertion probes slots: one that is empty, whose key is in the table
 * no more, or whose entry expired, is free. This collects the dead a few per
 * insertion, with no timer and no sweep.
 *
 * Each CPU has a hand that goes from slot to slot as long as they are free, and jumps
 * to a random place when one is not: side by side, so that a new entry costs no cache
 * and TLB miss of its own here; random, so that a run of living entries is not met
 * one by one. A table that is full leaves half of the slots free.
 *
 * Full table, as netfilter's early_drop() (nf_conntrack_core.c): of the entries
 * that CT_EVICT_PROBES probes meet, the first goes that has expired, is not
 * ASSURED, or is closing already; when there is none, the packet is dropped.
 * Established connections are never evicted: that is why this is no LRU map.
 */
#ifndef BPFIPT_CT_TABLE_BPF_H
#define BPFIPT_CT_TABLE_BPF_H

#include <linux/errno.h>

#define CT_CLAIM_PROBES	16
#define CT_EVICT_PROBES	64
#define CT_SLOTS	(2 * CT_DEFAULT_ENTRIES)

/* Slots - 1, a power of two - 1; set with the map's size by the loader. */
const volatile __u32 ct_slots_mask = CT_SLOTS - 1;

struct {
	__uint(type, BPF_MAP_TYPE_ARRAY);
	__uint(max_entries, CT_SLOTS);
	__type(key, __u32);
	__type(value, struct ct_slot);
} ct_slots SEC(".maps");

/*
 * Keys are copied to the stack: Linux 6.1 takes no map key through a pointer that is
 * an argument of a global function.
 */
static __always_inline struct ct_entry *ct_find(const struct ct_tuple *at)
{
	struct ct_tuple key = *at;

	return bpf_map_lookup_elem(&conntrack, &key);
}

static __always_inline void ct_delete(const struct ct_tuple *at)
{
	struct ct_tuple key = *at;

	bpf_map_delete_elem(&conntrack, &key);
}

static __always_inline struct ct_entry *ct_lookup(const struct ct_tuple *key, __u64 now)
{
	struct ct_entry *e = ct_find(key);

	if (e && unlikely(now >= e->deadline)) {
		event(EV_CT_EXPIRED);
		ct_delete(key);
		return NULL;
	}
	return e;
}

/*
 * struct ct_probe - one search for a slot or a victim
 * @mine:	key to put into the slot
 * @slot:	the claimed slot
 * @hand:	the slot to look at
 * @claimed, @freed, @victims: a slot was claimed; entries deleted; entries that
 *		may go although they live
 * @claim:	stop at the first free slot and claim it; else look for entries to
 *		delete
 * @evict:	living entries may be deleted
 */
struct ct_probe {
	struct ct_tuple mine;
	__u64 now;
	__u32 slot;
	__u32 hand;
	__u8 claim;
	__u8 evict;
	__u8 claimed;
	__u8 freed;
	__u32 pad;
};

static __always_inline int ct_evictable(const struct ct_entry *e)
{
	if (!(e->status & CTS_ASSURED))
		return 1;
	if (e->orig.proto == IPPROTO_TCP)
		return e->state >= CT_TCP_FIN_WAIT && e->state <= CT_TCP_CLOSE;
	if (e->orig.proto == IPPROTO_SCTP)
		return e->state >= CT_SCTP_SHUTDOWN_SENT && e->state <= CT_SCTP_SHUTDOWN_ACK_SENT;
	return 0;
}

static __always_inline __u32 ct_slot_time(__u64 now)
{
	return now >> CT_SLOT_AGE;
}

static long ct_probe_slot(__u32 i, struct ct_probe *p)
{
	__u32 idx = p->hand & ct_slots_mask;
	struct ct_tuple key;
	struct ct_entry *e;
	struct ct_slot *slot;
	__u32 claimed;
	int got = 0;

	slot = bpf_map_lookup_elem(&ct_slots, &idx);
	if (!slot)
		return 1;
	key = slot->key;
	claimed = slot->claimed;
	e = key.proto || key.src ? bpf_map_lookup_elem(&conntrack, &key) : NULL;
	if (e && e->slot == idx) {
		if (p->now < e->deadline && !(p->evict && ct_evictable(e))) {
			p->hand = bpf_get_prandom_u32();
			return 0;
		}
		event(p->now < e->deadline ? EV_CT_EARLY_DROP : EV_CT_EXPIRED);
		bpf_map_delete_elem(&conntrack, &key);
		p->freed = 1;
		/* One living entry is the price of one new one. */
		if (!p->claim)
			return 1;
	}
	p->hand = idx + 1;
	/* Another CPU's, between claim and insertion; or nothing there to delete. */
	if (!p->claim || (!e && !p->evict && ct_slot_time(p->now) - claimed <= 1)) {
		p->hand = bpf_get_prandom_u32();
		return 0;
	}
	bpf_spin_lock(&slot->lock);
	if (ct_same_tuple(&slot->key, &key)) {
		slot->key = p->mine;
		slot->claimed = ct_slot_time(p->now);
		got = 1;
	}
	bpf_spin_unlock(&slot->lock);
	p->slot = idx;
	p->claimed = got;
	return got;
}

/*
 * ct_insert() - put a NEW entry into the table
 * Return: 0; -EEXIST: another CPU has inserted it meanwhile; else: table full. An int is
 * all that Linux before 6.4 answers: its -EEXIST, read as a long, is positive.
 */
static __always_inline int ct_insert(const struct ct_tuple *key, struct ct_entry *e)
{
	struct ct_probe p = { .mine = *key, .claim = 1, .now = bpf_ktime_get_coarse_ns() };
	struct ct_scratch *sc = ct_scratch_get();
	int err;

	if (!sc)
		return -1;
	p.hand = sc->hand;
	if (!p.hand)
		p.hand = bpf_get_prandom_u32();
	bpf_loop(CT_CLAIM_PROBES, ct_probe_slot, &p, 0);
	if (!p.claimed) {
		p.evict = 1;
		bpf_loop(CT_EVICT_PROBES, ct_probe_slot, &p, 0);
		if (!p.claimed)
			return -1;
	}
	sc->hand = p.hand;
	e->slot = p.slot;
	e->status |= CTS_CONFIRMED;
	err = bpf_map_update_elem(&conntrack, &p.mine, e, BPF_NOEXIST);
	if (err == -E2BIG || err == -ENOMEM) {
		p.claim = 0;
		p.evict = 1;
		p.freed = 0;
		bpf_loop(CT_EVICT_PROBES, ct_probe_slot, &p, 0);
		if (!p.freed)
			return -1;
		err = bpf_map_update_elem(&conntrack, &p.mine, e, BPF_NOEXIST);
	}
	return err;
}

#endif /* BPFIPT_CT_TABLE_BPF_H */
