/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * abi/late_rate.h - hashlimit, recent, quota, time: records, and what they remember
 *
 * Hashlimit and recent keep *tables* that have a name, and rules with the same name
 * share one. A record carries the table's number and everything it needs of the
 * table's settings; user/named.c gives out the numbers. As with rows of late_state
 * (abi/late.h) a table whose @born is not the record's was another one's: it starts
 * afresh, and what it held is no more.
 */
#ifndef BPFIPT_ABI_LATE_RATE_H
#define BPFIPT_ABI_LATE_RATE_H

#include <linux/bpf.h>
#include <linux/types.h>

/* struct late_named - a table of hashlimit (below HASHLIMIT_TABLES) or recent */
struct late_named {
	__u32 id;
	__u32 born;		/* never 0 */
};

/* 64 bits in a record, which is aligned to words */
struct late_u64 {
	__u32 lo;
	__u32 hi;
};

/*
 * LATE_QUOTA: a countdown of bytes. A packet that fits is taken off it and matches;
 * the first that does not fit ends it (net/netfilter/xt_quota.c).
 */
struct late_quota {
	struct late_named row;	/* struct late_state_ref of abi/late.h */
	struct late_u64 quota;
};

/*
 * LATE_HASHLIMIT: one bucket per key in the table (net/netfilter/xt_hashlimit.c,
 * progs/hashlimit.h). Times in jiffies, credits as the kernel's.
 * @mode:	HASHLIMIT_* of the table: which fields make the key, how to fill
 * @rule:	HASHLIMIT_* of this rule: how to charge, and INVERT
 * @src_mask, @dst_mask: host order
 * @max:	buckets in the table; a packet that needs one more is dropped
 * @gc:		period in which buckets that expired are taken out
 * @interval:	rate match: length of a window
 * @expire:	idle time after which a bucket may be taken out
 * @per_jiffy:	credits gained each jiffy
 * @full:	most credits of a bucket that counts bytes
 * @credit, @cap: of a new bucket
 * @cost:	of a packet, or of 16 bytes; rate match: the rate
 * @burst:	rate match: most per window
 */
struct late_hashlimit {
	struct late_named table;
	__u32 mode;
	__u32 rule;
	__u32 src_mask;
	__u32 dst_mask;
	__u32 max;
	__u32 gc;
	__u32 interval;
	struct late_u64 expire;
	struct late_u64 per_jiffy;
	struct late_u64 full;
	struct late_u64 credit;
	struct late_u64 cap;
	struct late_u64 cost;
	struct late_u64 burst;
};

/* The bits of XT_HASHLIMIT_* (linux/netfilter/xt_hashlimit.h, no header for programs) */
#define HASHLIMIT_DIP		0x01u
#define HASHLIMIT_DPT		0x02u
#define HASHLIMIT_SIP		0x04u
#define HASHLIMIT_SPT		0x08u
#define HASHLIMIT_INVERT	0x10u
#define HASHLIMIT_BYTES		0x20u
#define HASHLIMIT_RATE_MATCH	0x40u

#define HASHLIMIT_CHUNK_SHIFT	4	/* bytes are counted in steps of 16 */

#define HASHLIMIT_TABLES	1024
#define HASHLIMIT_ENTRIES	(1u << 20)	/* of all tables together */

struct hashlimit_key {
	__u32 table;
	__u32 born;
	__u32 src;		/* host order, masked; 0 when not in the mode */
	__u32 dst;
	__be16 sport;
	__be16 dport;
};

/*
 * struct hashlimit_entry - a bucket
 * @window:	rate match: the window before was over the rate
 * @prev:	jiffies when it was last filled
 * @expires:	jiffies from which the next collection takes it out
 * @credit:	credits; rate match: what this window has seen
 * @cap:	most credits; bytes: how often an empty bucket may yet be filled
 * @cost:	as in struct late_hashlimit
 */
struct hashlimit_entry {
	struct bpf_spin_lock lock;
	__u32 window;
	__u64 prev;
	__u64 expires;
	__u64 credit;
	__u64 cap;
	__u64 cost;
};

/*
 * struct hashlimit_table
 * @count:	entries with its number and @born
 * @gc:		as in struct late_hashlimit
 * @created:	jiffies; collections are due at @created + n * @gc
 * @swept:	the last collection that was carried out
 */
struct hashlimit_table {
	struct bpf_spin_lock lock;
	__u32 born;
	__u32 count;
	__u32 gc;
	__u64 created;
	__u64 swept;
};

/*
 * LATE_RECENT: a list of addresses with the times they were seen
 * (net/netfilter/xt_recent.c, progs/late_recent.bpf.h)
 * @flags:	RECENT_* of the rule and its list
 * @addr_mask:	host order, the list's
 * @stamps:	times kept per address - 1: 2^n - 1, below RECENT_*_STAMPS
 * @seconds:	in jiffies, modulo 2^32 as the kernel computes it
 * @hits:	times that must lie within @seconds; at least 1
 */
struct late_recent {
	struct late_named list;
	__u32 flags;
	__u32 addr_mask;
	__u32 stamps;
	__u32 seconds;
	__u32 hits;
};

/* The first are XT_RECENT_* of linux/netfilter/xt_recent.h. */
#define RECENT_CHECK	0x001u
#define RECENT_SET	0x002u
#define RECENT_UPDATE	0x004u
#define RECENT_REMOVE	0x008u
#define RECENT_TTL	0x010u
#define RECENT_REAP	0x020u
#define RECENT_INVERT	0x100u
#define RECENT_DST	0x200u	/* destination, else source address */
#define RECENT_BIG	0x400u	/* the list is one of recent_big */
#define RECENT_WITHIN	0x800u	/* --seconds was given */

#define RECENT_TOT		100	/* addresses per list: ip_list_tot */
#define RECENT_HASH		128
#define RECENT_LISTS		64
#define RECENT_STAMPS		32
#define RECENT_BIG_LISTS	8	/* for --hitcount over RECENT_STAMPS */
#define RECENT_BIG_STAMPS	1024

/*
 * struct recent_entry - an address; entries are numbered from 1, 0 is "none"
 * @addr:	host order
 * @ttl:	of its last packet, 0: any
 * @chain:	next with the same hash; of a free entry, the next free one
 * @older, @newer: neighbours in the order of use; entry 0 closes the ring
 * @index:	where its next time goes, before wrapping
 * @nstamps:	times it has
 */
struct recent_entry {
	__u32 addr;
	__u8 ttl;
	__u8 chain;
	__u8 older;
	__u8 newer;
	__u16 index;
	__u16 nstamps;
};

/*
 * struct recent_list - all of a list but the times; zeroes are an empty list
 * @used:	entries that were ever used: 1..@used
 * @free:	first of those that are free again
 */
struct recent_list {
	__u32 born;
	__u32 count;
	__u16 used;
	__u16 free;
	__u8 head[RECENT_HASH];
	struct recent_entry e[RECENT_HASH];
};

/*
 * Rows of recent_small and recent_big: time i of entry n is stamp[n * STAMPS + i], jiffies.
 * Before Linux 6.2 a lock is not found inside of another structure.
 */
struct recent_small {
	struct bpf_spin_lock lock;
	struct recent_list list;
	__u64 stamp[RECENT_HASH * RECENT_STAMPS];
};

struct recent_big {
	struct bpf_spin_lock lock;
	struct recent_list list;
	__u64 stamp[RECENT_HASH * RECENT_BIG_STAMPS];
};

/* Where the chain of an address starts. */
static inline __u32 recent_hash(__u32 addr)
{
	return addr * 0x9e3779b1u >> 25;
}

/*
 * struct recent_edit - what user space asks of the program fw_named
 * @op:		RECENT_NOW only tells the time
 * @list, @flags, @stamps: as in struct late_recent
 * @now:	answer: jiffies
 */
enum recent_op {
	RECENT_NOW,
	RECENT_ADD,
	RECENT_DEL,
	RECENT_FLUSH,
};

struct recent_edit {
	struct late_named list;
	__u32 op;
	__u32 flags;
	__u32 stamps;
	__u32 addr;
	__u64 now;
};

/*
 * LATE_TIME (net/netfilter/xt_time.c, progs/calendar.h)
 * @date_start, @date_stop: seconds since the epoch, inclusive
 * @day_start, @day_stop: seconds of the day, inclusive
 * @monthdays:	bits 1..31
 * @weekdays:	bits 1 (Monday)..7
 * @flags:	XT_TIME_*
 * @west:	seconds to take off the clock: --kerneltz
 * @tai:	TAI - UTC in seconds, should the program not find it
 */
struct late_time {
	__u32 date_start;
	__u32 date_stop;
	__u32 day_start;
	__u32 day_stop;
	__u32 monthdays;
	__u32 weekdays;
	__u32 flags;
	__s32 west;
	__s32 tai;
};

_Static_assert(sizeof(struct late_quota) == 16, "late_quota");
_Static_assert(sizeof(struct late_hashlimit) == 4 * 9 + 7 * 8, "late_hashlimit");
_Static_assert(sizeof(struct late_recent) == 28, "late_recent");
_Static_assert(sizeof(struct late_time) == 36, "late_time");
_Static_assert(sizeof(struct hashlimit_key) == 20, "hashlimit_key has no holes");
_Static_assert(sizeof(struct hashlimit_entry) == 48, "hashlimit_entry");
_Static_assert(sizeof(struct hashlimit_table) == 32, "hashlimit_table");
_Static_assert(sizeof(struct recent_entry) == 12, "recent_entry");
_Static_assert(sizeof(struct recent_list) == 12 + RECENT_HASH * 13, "recent_list");
_Static_assert(sizeof(struct recent_small) == 4 + sizeof(struct recent_list) +
	       8 * RECENT_HASH * RECENT_STAMPS, "recent_small has no holes");
_Static_assert(sizeof(struct recent_big) == 4 + sizeof(struct recent_list) +
	       8 * RECENT_HASH * RECENT_BIG_STAMPS, "recent_big has no holes");
_Static_assert(sizeof(struct recent_edit) == 32, "recent_edit");

#endif /* BPFIPT_ABI_LATE_RATE_H */
