/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * abi/ct.h - conntrack entries of the tc and xdp hooks
 *
 * One hash entry holds both directions of a connection. Its key is the tuple in
 * canonical form: for protocols with ports (or none) the lower endpoint first,
 * for ICMP queries always the request. Both directions of one connection, and
 * nothing else, meet in one key:
 *
 *	10.0.0.1:4000 -> 10.0.0.2:80	{10.0.0.1 10.0.0.2 4000 80 tcp}
 *	10.0.0.2:80 -> 10.0.0.1:4000	{10.0.0.1 10.0.0.2 4000 80 tcp}
 *	echo reply b -> a, id 7		{a b 7 type 8 code 0 icmp}
 *
 * Which direction a packet has is told by comparing it with @orig of the entry.
 */
#ifndef BPFIPT_ABI_CT_H
#define BPFIPT_ABI_CT_H

#include <linux/bpf.h>
#include <linux/types.h>

/*
 * KEY_CTSTATE: the bits of XT_CONNTRACK_STATE_* (linux/netfilter/xt_conntrack.h),
 * so that a rule's state_mask is a mask of this key; only UNTRACKED, 1 << 8
 * there, is moved to the free bit 4. One of the first five, and SNAT/DNAT.
 */
#define CT_INVALID	0x01u
#define CT_ESTABLISHED	0x02u
#define CT_RELATED	0x04u
#define CT_NEW		0x08u
#define CT_UNTRACKED	0x10u
#define CT_SNAT		0x40u
#define CT_DNAT		0x80u

/* ct_entry.status: the IPS_* bits of linux/netfilter/nf_conntrack_common.h. */
#define CTS_EXPECTED	0x0001u
#define CTS_SEEN_REPLY	0x0002u
#define CTS_ASSURED	0x0004u
#define CTS_CONFIRMED	0x0008u

enum ct_dir {
	CT_ORIG,
	CT_REPLY,
};

/*
 * struct ct_tuple - one direction of a connection
 * @src, @dst:	addresses
 * @sport, @dport: ports; ICMP: @sport is the id, @dport is type << 8 | code in
 *		network order; GRE version 1: @dport is the call id; else 0
 * @proto:	IP protocol
 */
struct ct_tuple {
	__be32 src;
	__be32 dst;
	__be16 sport;
	__be16 dport;
	__u8 proto;
	__u8 pad[3];
};

/* TCP states, as the kernel numbers and names them. */
enum ct_tcp_state {
	CT_TCP_NONE,
	CT_TCP_SYN_SENT,
	CT_TCP_SYN_RECV,
	CT_TCP_ESTABLISHED,
	CT_TCP_FIN_WAIT,
	CT_TCP_CLOSE_WAIT,
	CT_TCP_LAST_ACK,
	CT_TCP_TIME_WAIT,
	CT_TCP_CLOSE,
	CT_TCP_SYN_SENT2,
	CT_TCP_MAX,
};

#define CT_TCP_NAMES { "NONE", "SYN_SENT", "SYN_RECV", "ESTABLISHED", "FIN_WAIT",	\
	"CLOSE_WAIT", "LAST_ACK", "TIME_WAIT", "CLOSE", "SYN_SENT2" }

enum ct_sctp_state {
	CT_SCTP_NONE,
	CT_SCTP_CLOSED,
	CT_SCTP_COOKIE_WAIT,
	CT_SCTP_COOKIE_ECHOED,
	CT_SCTP_ESTABLISHED,
	CT_SCTP_SHUTDOWN_SENT,
	CT_SCTP_SHUTDOWN_RECD,
	CT_SCTP_SHUTDOWN_ACK_SENT,
	CT_SCTP_HEARTBEAT_SENT,
	CT_SCTP_MAX,
};

#define CT_SCTP_NAMES { "NONE", "CLOSED", "COOKIE_WAIT", "COOKIE_ECHOED", "ESTABLISHED",	\
	"SHUTDOWN_SENT", "SHUTDOWN_RECD", "SHUTDOWN_ACK_SENT", "HEARTBEAT_SENT" }

/* ct_tcp_side.flags and ct_tcp.last_flags */
#define CT_TCP_WSCALE		0x01u	/* offered window scaling */
#define CT_TCP_SACK_PERM	0x02u	/* offered SACK */
#define CT_TCP_CLOSE_INIT	0x04u	/* sent the first FIN */
#define CT_TCP_LIBERAL		0x08u	/* picked up in mid-stream: window not enforced */
#define CT_TCP_UNACKED		0x10u	/* sent data that is not acknowledged yet */
#define CT_TCP_MAXACK_SET	0x20u	/* @maxack is valid */
#define CT_TCP_CHALLENGE	0x40u	/* last_flags: a challenge ACK may follow */
#define CT_TCP_SIMULTANEOUS	0x80u	/* last_flags: simultaneous open */

/*
 * struct ct_tcp_side - what one end has sent and may send
 * @end:	highest sequence number sent + 1
 * @maxend:	highest sequence number it may send, from the peer's ACK + window
 * @maxwin:	largest window it offered, scaled; 0: nothing sent yet
 * @maxack:	highest ACK it sent
 */
struct ct_tcp_side {
	__u32 end;
	__u32 maxend;
	__u32 maxwin;
	__u32 maxack;
	__u8 scale;
	__u8 flags;
	__u16 pad;
};

struct ct_tcp {
	struct ct_tcp_side side[2];
	__u32 last_seq;
	__u32 last_ack;
	__u32 last_end;
	__u16 last_win;
	__u8 last_index;	/* enum ct_tcp_class of the last segment */
	__u8 last_dir;
	__u8 last_wscale;
	__u8 last_flags;
	__u8 retrans;
	__u8 pad;
};

struct ct_sctp {
	__be32 vtag[2];
	__u8 init[2];
	__u8 last_dir;
	__u8 heartbeat_failed;
};

/*
 * struct ct_entry
 * @lock:	held while an entry is advanced, both directions
 * @status:	CTS_*
 * @deadline:	coarse ns (CLOCK_MONOTONIC_COARSE) after which it is no more
 * @created:	coarse ns
 * @orig:	tuple of the first packet; the reply's is its inverse
 * @state:	enum ct_tcp_state or ct_sctp_state
 * @slot:	index in ct_slots
 * @mark:	connmark
 * @packets, @bytes: by direction; bytes of IP total length
 */
struct ct_entry {
	struct bpf_spin_lock lock;
	__u32 status;
	__u64 deadline;
	__u64 created;
	struct ct_tuple orig;
	__u32 slot;
	__u32 mark;
	__u64 packets[2];
	__u64 bytes[2];
	__u8 state;
	__u8 pad[7];
	union {
		struct ct_tcp tcp;
		struct ct_sctp sctp;
	};
	__u32 pad2;
};

/*
 * struct ct_slot - where eviction finds an entry's key; one per entry
 * The entry of @key names this slot, or the slot is free.
 * @claimed:	when it was taken, 2^CT_SLOT_AGE ns: its entry may be about to come
 */
struct ct_slot {
	struct bpf_spin_lock lock;
	struct ct_tuple key;
	__u32 claimed;
};

#define CT_SLOT_AGE	24

/*
 * struct ct_params - the sysctls of nf_conntrack, and its defaults
 * Timeouts in seconds. In a map of its own, which user/ct_params.c writes.
 * @set:	user space only: which rows of its table were set by hand
 */
struct ct_params {
	__u32 tcp[CT_TCP_MAX];
	__u32 tcp_retrans;
	__u32 tcp_unack;
	__u32 tcp_rst;		/* a RST in window, but not exact: 6.18; 6.12: tcp_unack */
	__u32 tcp_max_retrans;
	__u32 sctp[CT_SCTP_MAX];
	__u32 udp;
	__u32 udp_stream;
	__u32 icmp;
	__u32 gre;
	__u32 gre_stream;
	__u32 generic;
	__u8 tcp_loose;
	__u8 tcp_be_liberal;
	__u8 tcp_ignore_invalid_rst;
	__u8 checksum;
	__u64 set;
};

#define CT_PARAMS_DEFAULT {							\
	.tcp = {								\
		[CT_TCP_SYN_SENT]	= 120,					\
		[CT_TCP_SYN_RECV]	= 60,					\
		[CT_TCP_ESTABLISHED]	= 5 * 24 * 3600,			\
		[CT_TCP_FIN_WAIT]	= 120,					\
		[CT_TCP_CLOSE_WAIT]	= 60,					\
		[CT_TCP_LAST_ACK]	= 30,					\
		[CT_TCP_TIME_WAIT]	= 120,					\
		[CT_TCP_CLOSE]		= 10,					\
		[CT_TCP_SYN_SENT2]	= 120,					\
	},									\
	.tcp_retrans = 300, .tcp_unack = 300, .tcp_rst = 10, .tcp_max_retrans = 3,	\
	.sctp = {								\
		[CT_SCTP_CLOSED]		= 10,				\
		[CT_SCTP_COOKIE_WAIT]		= 3,				\
		[CT_SCTP_COOKIE_ECHOED]		= 3,				\
		[CT_SCTP_ESTABLISHED]		= 210,				\
		[CT_SCTP_SHUTDOWN_SENT]		= 3,				\
		[CT_SCTP_SHUTDOWN_RECD]		= 3,				\
		[CT_SCTP_SHUTDOWN_ACK_SENT]	= 3,				\
		[CT_SCTP_HEARTBEAT_SENT]	= 30,				\
	},									\
	.udp = 30, .udp_stream = 120, .icmp = 30,				\
	.gre = 30, .gre_stream = 180, .generic = 600,				\
	.tcp_loose = 1, .checksum = 1,						\
}

#define CT_DEFAULT_ENTRIES	262144u
#define CT_MIN_ENTRIES		16u
#define CT_MAX_ENTRIES		(1u << 24)

/* Later fragments follow their first: see progs/frag.bpf.h. */
struct frag_key {
	__be32 src;
	__be32 dst;
	__be16 id;
	__u8 proto;
	__u8 hook;
};

/*
 * struct frag_entry
 * @deadline:	coarse ns
 * @verdict:	what became of the first fragment, as frag_remember() was told, or
 *		FRAG_UNKNOWN
 * @ctstate:	its CT_* bits
 * TCP:
 * @have:	transport bytes of the fragments so far
 * @total:	of the whole datagram; 0: the last fragment has not come
 * @tracked:	enum frag_tracked: what is to be done when it is whole
 * @ihl:	bytes of the first one's IP header
 * @tuple, @seg: as read from the first one; @seg is the head of struct ct_seg
 */
struct frag_entry {
	__u64 deadline;
	__s32 verdict;
	__u32 ctstate;
	__u32 have;
	__u32 total;
	struct ct_tuple tuple;
	__u32 seg[6];
	__u8 tracked;
	__u8 ihl;
	__u8 pad[6];
};

#define FRAG_UNKNOWN	-1

/*
 * struct ct_left - a packet that was left to the stack: see progs/ct_left.bpf.h
 * @deadline:	coarse ns
 * @bytes:	its IP total length
 */
struct ct_left {
	__u64 deadline;
	__u64 bytes;
};

#define CT_LEFT_ENTRIES	1024u
#define CT_LEFT_SECS	2u	/* the answer comes at once, or never */

#define FRAG_ENTRIES	4096u
#define FRAG_TIMEOUT	30u	/* s; net.ipv4.ipfrag_time */

_Static_assert(sizeof(struct ct_tuple) == 16, "ct_tuple");
_Static_assert(sizeof(struct ct_tcp_side) == 20, "ct_tcp_side");
_Static_assert(sizeof(struct ct_tcp) == 60, "ct_tcp");
_Static_assert(sizeof(struct ct_entry) == 152, "ct_entry");
_Static_assert(sizeof(struct ct_slot) == 24, "ct_slot");
_Static_assert(sizeof(struct ct_params) == 128, "ct_params");
_Static_assert(sizeof(struct frag_key) == 12, "frag_key");
_Static_assert(sizeof(struct frag_entry) == 72, "frag_entry");
_Static_assert(sizeof(struct ct_left) == 16, "ct_left");

#endif /* BPFIPT_ABI_CT_H */
