/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * ct_scratch.bpf.h - what conntrack keeps of the packet at hand, and its words
 *
 * No helper may be called under an entry's lock, so all that is read of a packet is read
 * before, into the scratch: one of each CPU, valid from ct_label() to ct_commit().
 */
#ifndef BPFIPT_CT_SCRATCH_BPF_H
#define BPFIPT_CT_SCRATCH_BPF_H

#include "maps.bpf.h"
#include "abi/ct.h"

#define CT_NSEC		1000000000ull
#define CT_MF		0x2000
#define CT_OFFSET	0x1fff

/* What ct_ref.what says. */
enum ct_what {
	CT_REF_NONE,	/* INVALID or UNTRACKED */
	CT_REF_FOUND,	/* an entry of the table */
	CT_REF_NEW,	/* an entry in this CPU's scratch, for ct_commit() */
	CT_REF_GONE,	/* the packet itself ended the connection */
};

/* What is left to do when the packet was judged: bits of ct_ref.keep. */
enum ct_keeping {
	CT_KEEP = 1,	/* it is NEW, or a first fragment */
	CT_TRY = 2,	/* of TCP, whose entry has not moved yet: more of it will come (frag.bpf.h) */
	CT_TRY_NEW = 4,	/* likewise, but there was none: it is a NEW one */
};

/* What a protocol's tracker says of a packet of an existing connection. */
enum ct_outcome {
	CT_OUT_INVALID,	/* not part of it */
	CT_OUT_REFRESH,	/* part of it: count it, move the deadline */
	CT_OUT_KEEP,	/* part of it, nothing moves */
	CT_OUT_KILL,	/* part of it, and its end */
	CT_OUT_REOPEN,	/* the entry is a past connection's: kill it, start anew */
	CT_OUT_MISS,	/* the element is another connection's by now */
};

/*
 * struct ct_seg - what the trackers need of the packet, read before locking
 * TCP: @seq..@has_opts. @sack is the highest right edge of a SACK block, or @ack.
 */
struct ct_seg {
	__u32 seq;
	__u32 ack;
	__u32 end;
	__u32 sack;
	__u16 win;
	__u8 tcpflags;
	__u8 class;
	__u8 has_opts;
	__u8 scale;
	__u8 opt_flags;
	__u8 payload_off;
	__u32 opt_pos;		/* of no use once the segment is read, from here on */
	__u32 opt_len;
	__u8 sack_done;
	/* The state before and after: here, the verifier does not follow each value */
	__u8 old;
	__u8 next;
	/* SCTP */
	__u8 nr_chunks;
	__u8 is_init;		/* chunk types present, see ct_sctp.bpf.h */
	__u8 ignore;		/* a chunk was let pass, the state does not move */
	__u32 present;
	__be32 vtag;
	__be32 init_tag;
	__u8 chunk[32];		/* type, flags, type, flags... */
};

/* A TCP segment as it was read: what frag_entry.seg keeps of it */
#define CT_SEG_WORDS	6
_Static_assert(offsetof(struct ct_seg, opt_pos) == CT_SEG_WORDS * 4, "ct_seg");

#define CT_BUF	512

struct ct_scratch {
	struct ct_tuple tuple;				/* of the packet */
	__u64 entry[sizeof(struct ct_entry) / 8];	/* a NEW packet's, or CT_TRY; else ct_copy() */
	struct ct_tuple key;				/* of @entry in the table */
	__u32 has_tuple;				/* @tuple was read */
	__u32 hand;					/* of this CPU, see ct_table.bpf.h */
	struct ct_ref left;				/* of ct_left(), whose stack is short */
	struct ct_seg seg;
	__u32 raw[CT_SEG_WORDS];			/* CT_TRY: @seg before it was used */
	__u8 buf[CT_BUF + 8];
};

struct {
	__uint(type, BPF_MAP_TYPE_PERCPU_ARRAY);
	__uint(max_entries, 1);
	__type(key, __u32);
	__type(value, struct ct_scratch);
} ct_scratch SEC(".maps");

static __always_inline struct ct_scratch *ct_scratch_get(void)
{
	__u32 zero = 0;

	return bpf_map_lookup_elem(&ct_scratch, &zero);
}

static __always_inline __u64 ct_after_secs(__u64 now, __u32 secs)
{
	return now + secs * CT_NSEC;
}

#endif /* BPFIPT_CT_SCRATCH_BPF_H */
