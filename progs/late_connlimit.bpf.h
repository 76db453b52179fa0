/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * late_connlimit.bpf.h - connlimit: how many connections an address (group) has
 *
 * As net/netfilter/nf_conncount.c of Linux 6.18: each rule has a list of tuples per
 * masked address, and each packet that the rule is asked about joins the list of its
 * address, once. Those whose connection is gone, or TCP in TIME_WAIT or CLOSE, leave the
 * list when it is asked next. What nobody asks for again is collected by newcomers, who
 * look at a few lists at random (as ct_table.bpf.h does with connections).
 *
 *	list {rule 3, 10.0.0.1}: count 3	conns {3, 10.0.0.1, 0..2}: tuples
 *	SYN of a fourth: tuple 1 is in TIME_WAIT; tuples 0, 2 stay, the SYN's joins: 3
 *
 * A list is one CPU's at a time (@busy): its members are other map elements, which no
 * spin lock may cover. The holder never sleeps, so the others may spin, but for a packet
 * that interrupts the holder on its CPU (netfilter hook, LOCAL_OUT): that one is dropped.
 * An element that was deleted and reused while somebody waited for it has another key.
 *
 * A collection ends at the packet's own connection, in the order in which members came,
 * so a packet of an old connection does not see that a younger one is gone; or when it
 * has removed 65. All as there; but a list that has become empty is a new one, instead
 * of dropping packets of assured connections until a timer removes it.
 */
#ifndef BPFIPT_LATE_CONNLIMIT_BPF_H
#define BPFIPT_LATE_CONNLIMIT_BPF_H

#include "abi/late_ct.h"
#ifndef FW_KERNEL_CT
#include "ct_view.bpf.h"
#endif
#include "late_l4.bpf.h"
#include "maps.bpf.h"

#define CLIMIT_LISTS	65536u
#define CLIMIT_SLOTS	(2 * CLIMIT_LISTS)	/* a power of two */
#define CLIMIT_CONNS	(2 * CT_DEFAULT_ENTRIES)
#define CLIMIT_PROBES	16
#define CLIMIT_SPINS	(1u << 20)
#define CLIMIT_BURST	64	/* newcomers of one jiffy that need not look at the others */
#define CLIMIT_COLLECT	64	/* CONNCOUNT_GC_MAX_COLLECT */
#define CLIMIT_GONE	0xffffffffu

struct climit_key {
	__u32 id;
	__u32 addr;
};

/*
 * struct climit_list
 * @key:	its own; @key.id CLIMIT_GONE: about to be deleted
 * @born:	as in struct late_state_ref
 * @busy:	the CPU that has it, + 1
 * @count:	members 0..@count - 1
 * @gc, @gc_count: jiffies and @count of the last collection
 */
struct climit_list {
	struct climit_key key;
	__u32 born;
	__u32 busy;
	__u32 count;
	__u32 gc;
	__u32 gc_count;
};

struct climit_conn_key {
	struct climit_key list;
	__u32 index;
};

/*
 * struct climit_conn - @cpu, @jiffies: who added it and when: it may not be committed yet
 * @conn:	netfilter hook: address of the entry, 0: none
 */
struct climit_conn {
	struct ct_tuple tuple;
	__u64 conn;
	__u32 cpu;
	__u32 jiffies;
};

struct {
	__uint(type, BPF_MAP_TYPE_HASH);
	__uint(map_flags, BPF_F_NO_PREALLOC);
	__uint(max_entries, CLIMIT_LISTS);
	__type(key, struct climit_key);
	__type(value, struct climit_list);
} climit_lists SEC(".maps");

struct {
	__uint(type, BPF_MAP_TYPE_HASH);
	__uint(map_flags, BPF_F_NO_PREALLOC);
	__uint(max_entries, CLIMIT_CONNS);
	__type(key, struct climit_conn_key);
	__type(value, struct climit_conn);
} climit_conns SEC(".maps");

/* Where newcomers find lists of others: keys, at random. */
struct {
	__uint(type, BPF_MAP_TYPE_ARRAY);
	__uint(max_entries, CLIMIT_SLOTS);
	__type(key, __u32);
	__type(value, struct climit_key);
} climit_slots SEC(".maps");

/*
 * struct climit_walk - one collection, in the scratch
 * @at:		of the list; @at.index: where the next member that stays goes
 * @tuple:	of the packet; @dedupe: look for it
 * @present:	it is a member: it stays, whatever its state, and the collection ends
 * @entry:	of the packet, as struct climit_conn has it
 * @left:	members that may still be removed
 * @fresh:	the list that the packet asks for, as it is when new
 * @other:	the list in the slot that is being probed
 * Not on the stack: below eight calls Linux 6.1 has no room for them.
 */
struct climit_walk {
	struct climit_conn_key at;
	struct climit_conn_key from;
	struct climit_conn conn;
	struct ct_tuple tuple;
	struct ct_tuple key;
	__u64 now;
	__u64 entry;
	__u32 jiffies;
	__u32 cpu;
	__u32 dedupe;
	__u32 present;
	__u32 left;
	struct climit_list fresh;
	struct climit_key other;
};

struct {
	__uint(type, BPF_MAP_TYPE_PERCPU_ARRAY);
	__uint(max_entries, SCRATCH_ROWS);
	__type(key, __u32);
	__type(value, struct climit_walk);
} climit_scratch SEC(".maps");

struct climit_loop {
	struct climit_walk *w;
	struct climit_list *list;
	__u32 got;
};

/* What this very CPU has, a packet under way that was interrupted: it will not let go. */
static long climit_spin(__u32 i, struct climit_loop *l)
{
	__u32 cpu = bpf_get_smp_processor_id() + 1;
	__u32 busy = __sync_val_compare_and_swap(&l->list->busy, 0, cpu);

	l->got = !busy;
	return !busy || busy == cpu;
}

static __always_inline int climit_same_key(const struct climit_key *a, const struct climit_key *b)
{
	return a->id == b->id && a->addr == b->addr;
}

static __always_inline void climit_release(struct climit_list *list)
{
	__sync_lock_test_and_set(&list->busy, 0);
}

enum climit_found { CLIMIT_NONE, CLIMIT_OPEN, CLIMIT_CLOSED };

#ifdef FW_KERNEL_CT
#include "climit_nf.bpf.h"
#else
/* Is the member's connection in the table? */
static __always_inline enum climit_found climit_find(struct climit_walk *w)
{
	const struct ct_entry *e = NULL;

	if (!ct_canonical(&w->conn.tuple, &w->key))
		e = bpf_map_lookup_elem(&conntrack, &w->key);
	if (!e || w->now >= e->deadline || ct_dir_of(e, &w->conn.tuple) < 0)
		return CLIMIT_NONE;
	return e->orig.proto == IPPROTO_TCP &&
	       (e->state == CT_TCP_TIME_WAIT || e->state == CT_TCP_CLOSE) ? CLIMIT_CLOSED :
									   CLIMIT_OPEN;
}

/* The status of the packet's connection, or of one that its tuple belongs to; 0: none there */
static __always_inline __u32 climit_status(const struct ct_view *v, struct climit_walk *w)
{
	const struct ct_entry *e = NULL;

	if (v->has_entry)
		return v->status & CTS_CONFIRMED ? v->status : 0;
	if (!ct_canonical(&w->tuple, &w->key))
		e = bpf_map_lookup_elem(&conntrack, &w->key);
	return e && w->now < e->deadline && ct_dir_of(e, &w->tuple) >= 0 ? e->status : 0;
}
#endif

/* Does the member stay? find_or_evict() and already_closed() of nf_conncount.c */
static __always_inline int climit_stays(struct climit_walk *w)
{
	int same = ct_same_tuple(&w->conn.tuple, &w->tuple);
	enum climit_found found = climit_find(w);

	if (found == CLIMIT_NONE) {
		if (w->conn.cpu == w->cpu || w->jiffies - w->conn.jiffies >= 2)
			return 0;
		w->present = w->dedupe && same;
		return 1;
	}
	if (w->dedupe && same) {
		w->present = 1;
		return 1;
	}
	return found == CLIMIT_OPEN;
}

static long climit_step(__u32 i, struct climit_loop *l)
{
	struct climit_walk *w = l->w;
	struct climit_conn *c;

	w->from.index = i;
	c = bpf_map_lookup_elem(&climit_conns, &w->from);
	if (!c)
		return 0;
	w->conn = *c;
	if (!w->present && w->left && !climit_stays(w)) {
		w->left--;
		return 0;
	}
	if (w->at.index != i)
		bpf_map_update_elem(&climit_conns, &w->at, &w->conn, BPF_ANY);
	w->at.index++;
	return 0;
}

static long climit_drop(__u32 i, struct climit_loop *l)
{
	l->w->from.index = l->w->at.index + i;
	bpf_map_delete_elem(&climit_conns, &l->w->from);
	return 0;
}

/* Collect the list in hand: members that stay move up. */
static __always_inline void climit_collect(struct climit_loop *l)
{
	struct climit_list *list = l->list;
	struct climit_walk *w = l->w;
	__u32 count = list->count;

	w->at.list = list->key;
	w->at.index = 0;
	w->from.list = list->key;
	w->present = 0;
	w->left = CLIMIT_COLLECT + 1;
	bpf_loop(count, climit_step, l, 0);
	if (w->at.index < count)
		bpf_loop(count - w->at.index, climit_drop, l, 0);
	list->count = w->at.index;
	if (w->present)
		return;
	list->gc = w->jiffies;
	list->gc_count = list->count;
}

/* One random slot: take it if it is free, or its list has nobody left. */
static long climit_probe(__u32 i, struct climit_loop *l)
{
	__u32 idx = bpf_get_prandom_u32() & (CLIMIT_SLOTS - 1);
	struct climit_key *slot = bpf_map_lookup_elem(&climit_slots, &idx);
	struct climit_loop other = { .w = l->w };
	struct climit_key *key = &l->w->other;

	if (!slot)
		return 1;
	*key = *slot;
	other.list = bpf_map_lookup_elem(&climit_lists, key);
	if (other.list && climit_same_key(&other.list->key, key)) {
		if (!climit_spin(0, &other))
			return 0;
		if (climit_same_key(&other.list->key, key))
			climit_collect(&other);
		if (other.list->count) {
			climit_release(other.list);
			return 0;
		}
		other.list->key.id = CLIMIT_GONE;
		bpf_map_delete_elem(&climit_lists, key);
		climit_release(other.list);
	}
	/* Two newcomers at one slot: one of them is not found by others, no more. */
	*slot = l->w->fresh.key;
	return 1;
}

/* The list of @w->fresh.key, this CPU's. Return: NULL: no room, or it is not to be had. */
static __always_inline struct climit_list *climit_take(struct climit_loop *l)
{
	struct climit_list *fresh = &l->w->fresh;

	l->list = bpf_map_lookup_elem(&climit_lists, &fresh->key);
	if (!l->list) {
		bpf_loop(CLIMIT_PROBES, climit_probe, l, 0);
		bpf_map_update_elem(&climit_lists, &fresh->key, fresh, BPF_NOEXIST);
		l->list = bpf_map_lookup_elem(&climit_lists, &fresh->key);
		if (!l->list)
			return NULL;
	}
	bpf_loop(CLIMIT_SPINS, climit_spin, l, 0);
	if (!l->got)
		return NULL;
	if (climit_same_key(&l->list->key, &fresh->key))
		return l->list;
	climit_release(l->list);
	return NULL;
}

/* The packet joins the list. Return: 0, or -1: no room. */
static __always_inline int climit_join(struct climit_list *list, struct climit_walk *w)
{
	w->conn.tuple = w->tuple;
	w->conn.conn = w->entry;
	w->conn.cpu = w->cpu;
	w->conn.jiffies = w->jiffies;
	w->at.list = list->key;
	w->at.index = list->count;
	if (bpf_map_update_elem(&climit_conns, &w->at, &w->conn, BPF_ANY))
		return -1;
	list->count++;
	return 0;
}

/* __nf_conncount_add(). Return: connections, 0: no room. */
static __always_inline __u32 climit_count(struct climit_list *list, struct climit_loop *l,
					  __u32 status, __u32 born)
{
	struct climit_walk *w = l->w;
	__u32 count;

	if (list->born != born) {
		w->at.index = 0;
		w->from.list = list->key;
		bpf_loop(list->count, climit_drop, l, 0);
		list->count = 0;
		list->born = born;
	}
	w->present = 0;
	w->dedupe = !(status & CTS_ASSURED);
	if (list->gc != w->jiffies || (w->dedupe && (status ||
	    list->count - list->gc_count >= CLIMIT_BURST)))
		climit_collect(l);
	/* An assured connection is a member since it was new, or never will be. */
	if (!w->present && (w->dedupe || !list->count) && climit_join(list, w))
		count = 0;
	else
		count = list->count;
	climit_release(list);
	return count;
}

/*
 * climit_ask() - connections of @addr in the list of row @id, this packet's with them
 * A function of its own to the verifier, which need not follow it from every record.
 * Return: 0: no room.
 */
__noinline __u32 climit_ask(struct ct_view *v, __u32 id, __u32 born, __u32 addr)
{
	struct climit_loop l = {};
	struct climit_list *list;
	struct climit_walk *w;
	__u32 row;

	if (!(features & IMG_F_CONNLIMIT) || !v)
		return 0;
	row = v->row;
	w = bpf_map_lookup_elem(&climit_scratch, &row);
	if (!w)
		return 0;
	l.w = w;
	w->tuple = v->orig;
	w->entry = v->conn;
#ifndef FW_KERNEL_CT
	w->now = bpf_ktime_get_coarse_ns();
#endif
	w->jiffies = bpf_jiffies64();
	w->cpu = bpf_get_smp_processor_id();
	w->dedupe = 0;
	__builtin_memset(&w->fresh, 0, sizeof(w->fresh));
	w->fresh.key.id = id;
	w->fresh.key.addr = addr;
	list = climit_take(&l);
	return list ? climit_count(list, &l, climit_status(v, w), born) : 0;
}

/* LATE_CONNLIMIT; @d: word of struct late_connlimit */
static __always_inline int late_connlimit(struct fw *fw, __u32 d)
{
	struct ct_view *v = &fw->w->ct;
	struct img im = fw_img(fw);
	__u32 flags = img_word(&im, d + 4), addr, count = 0;

	addr = fw->w->pkt.key[flags & CONNLIMIT_DADDR ? KEY_DADDR : KEY_SADDR];
	v->row = fw->w->row;
	if (v->has_tuple)
		count = climit_ask(v, img_word(&im, d), img_word(&im, d + 1),
				   addr & img_word(&im, d + 2));
	if (!count) {
		event(EV_CONNLIMIT_FULL);
		return LATE_DROP_NOW;
	}
	return (count > img_word(&im, d + 3)) != !!(flags & CONNLIMIT_NOT) ? LATE_MATCH :
	       LATE_NO_MATCH;
}

#endif /* BPFIPT_LATE_CONNLIMIT_BPF_H */
