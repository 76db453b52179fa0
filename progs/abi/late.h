/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * abi/late.h - parameters of late matches (enum img_late_op of abi/image.h)
 *
 * A record is struct img_late, then one of these as its data. "Forms" are
 * HOTDROP(form) bits. LATE_NOT inverts the result of the plain test only: not a
 * hotdrop, and not the "match" that a record gives in forms it does not look at.
 *
 * Order matters. A record stands where its match stands in the rule, so whatever
 * the record before it would have counted, remembered or dropped has happened.
 * Tests of one field that follow such a record stand in the list too, as
 * LATE_KEY_RANGE, LATE_ADDR_MASK or LATE_MULTIPORT, instead of in a vector:
 *
 *	-p tcp -m limit --limit 1/s -m tcp --dport 80
 *	LATE_LIMIT ...; LATE_HOTDROP short, stub, frag1;
 *	LATE_KEY_RANGE KEY_L4 tcp; LATE_KEY_RANGE KEY_DPORT 80
 */
#ifndef BPFIPT_ABI_LATE_H
#define BPFIPT_ABI_LATE_H

#include <linux/types.h>

/* LATE_HOTDROP: the packet is dropped, uncounted, when its form is one of @forms */
struct late_hotdrop {
	__u32 forms;
};

/*
 * LATE_KEY_RANGE: the key is in one of the ranges. The record's length says how
 * many: (words - 2) / 2, at most LATE_KEY_RANGES; none: never matches.
 */
#define LATE_KEY_RANGES	32

struct late_key_range {
	__u32 key;		/* enum fw_key */
	struct {
		__u32 first;
		__u32 last;	/* inclusive */
	} range[];
};

/* LATE_ADDR_MASK, for any key: (key & @mask) == @value */
struct late_key_mask {
	__u32 key;		/* enum fw_key */
	__u32 value;
	__u32 mask;
};

/* LATE_MARK: the same on the mark, as it is at this point of the walk */
struct late_mark {
	__u32 mask;
	__u32 value;
};

/*
 * LATE_TCPOPT: TCP option @kind is among the options. Data offset below 5, or
 * options beyond the packet's end: hotdrop. Kinds 0 and 1 are one byte long (0 does
 * not end the list), others as long as their length byte says, a length of 0 or one
 * that is cut off counting as 1. No options at all: not found. Form WHOLE only.
 */
struct late_tcpopt {
	__u32 kind;
};

/*
 * LATE_TCP_ECN: (byte 13 & @mask) == @value, read at the transport offset in any
 * form, a later fragment's payload too (xt_ecn has no fragment test). Fewer than
 * 20 bytes there: no match, LATE_NOT or not (it is not used with this op).
 */
struct late_tcp_ecn {
	__u32 mask;
	__u32 value;
};

/*
 * LATE_MULTIPORT: the two ports are read from the first 4 transport bytes; a
 * port that @dir names is in one of the @n ranges. Form not in @forms: match.
 */
#define LATE_PORTS_SRC	1u
#define LATE_PORTS_DST	2u
#define LATE_PORTS_NOT	4u	/* inverts; LATE_NOT is not used with this op */
#define LATE_PORTS_MAX	15

struct late_multiport {
	__u32 forms;
	__u32 dir;		/* LATE_PORTS_*; both: either port will do */
	__u32 n;		/* 0..LATE_PORTS_MAX; words == 4 + n */
	__u32 range[];		/* first << 16 | last, inclusive, host order */
};

/*
 * LATE_SCTP_CHUNKS: the chunks after the 12-byte common header, RFC 9260
 * section 3, walked up to the packet's end, each padded to 4 bytes. A chunk whose
 * 4-byte head is cut off, or of length 0: hotdrop. A chunk *hits* when its type's
 * bit is set in @map and the first @flag row of that type, if there is one, agrees
 * with its flags ((flags & mask) == value). LATE_NOT: of bad chunks the packet is doomed.
 * @type:  LATE_SCTP_ANY  some chunk hits: match at once, what follows is not read
 *	   LATE_SCTP_ALL  every type in @map is hit by some chunk
 *	   LATE_SCTP_ONLY every chunk hits: no match at the first that does not
 */
enum late_sctp_type {
	LATE_SCTP_ANY = 1,
	LATE_SCTP_ALL = 2,
	LATE_SCTP_ONLY = 4,
};

#define LATE_SCTP_FLAGS	4

struct late_sctp {
	__u32 type;		/* enum late_sctp_type */
	__u32 nr_flags;		/* 0..LATE_SCTP_FLAGS */
	__u32 map[8];		/* bit t & 31 of map[t >> 5]: chunk type t */
	struct {
		__u8 type;
		__u8 value;
		__u8 mask;
		__u8 pad;
	} flag[LATE_SCTP_FLAGS];
};

/*
 * LATE_DCCP: the packet's type is in @types (bit 1 << type) and @option is among its
 * options, which lie between the header of that type and the data offset (RFC 4340, section 5).
 * A data offset in that header, or beyond the packet: hotdrop. Kinds 0 and 1 are one byte
 * long, others as long as their length byte says, 0 counting as 1. LATE_NOT inverts the
 * option's part. Form WHOLE only.
 */
#define LATE_DCCP_NONE	256u	/* no option is asked for */

struct late_dccp {
	__u32 types;
	__u32 option;
};

/* LATE_IPCOMP: first <= CPI <= last (RFC 3173); fewer than 4 bytes: hotdrop. No fragments. */
struct late_ipcomp {
	__u32 first;
	__u32 last;
};

/*
 * State. A match that remembers from packet to packet names its row of the map
 * late_state by @id, below LATE_STATES. A row whose @born is not the record's was
 * another rule's: it starts afresh. @born is the generation that made the rule, and
 * in one generation an id is given out once and never while an image in force uses
 * it (user/state.c), so the pair is unique.
 */
#define LATE_STATES	16384

struct late_state_ref {
	__u32 id;
	__u32 born;		/* never 0 */
};

/*
 * LATE_LIMIT: a bucket of at most @cap credits, full at first, that gains
 * @per_jiffy each jiffy; match when it holds @cost, which are then taken. 32-bit
 * arithmetic throughout (net/netfilter/xt_limit.c).
 */
struct late_limit {
	struct late_state_ref state;
	__u32 cost;
	__u32 cap;
	__u32 per_jiffy;
};

/*
 * LATE_STATISTIC (net/netfilter/xt_statistic.c)
 * @mode 0, random: the low 31 bits of a random number are below @n
 * @mode 1, nth: a counter, @first at first, goes to 0 after @n and else up by one;
 *		 match when it is 0 then
 */
struct late_statistic {
	struct late_state_ref state;
	__u32 mode;
	__u32 n;
	__u32 first;
};

/* LATE_CPU: the program runs on CPU @cpu */
struct late_cpu {
	__u32 cpu;
};

/*
 * LATE_ADDRTYPE: the type of the source and that of the destination, in the routing
 * table "local", are among @src and @dst (bit 1 << RTN_*; 0: not asked). With _IN or
 * _OUT, a route by another device than the packet's counts as RTN_UNICAST.
 */
#define LATE_ADDRTYPE_NOT_SRC	1u	/* as XT_ADDRTYPE_* of linux/netfilter/xt_addrtype.h */
#define LATE_ADDRTYPE_NOT_DST	2u
#define LATE_ADDRTYPE_IN	4u
#define LATE_ADDRTYPE_OUT	8u

struct late_addrtype {
	__u32 flags;
	__u32 src;
	__u32 dst;
};

/*
 * LATE_OWNER: the sending socket, as xt_owner.c says; ids are those of the initial
 * user namespace. @match and @invert are XT_OWNER_* of linux/netfilter/xt_owner.h
 */
#define LATE_OWNER_UID		1u
#define LATE_OWNER_GID		2u
#define LATE_OWNER_SOCKET	4u
#define LATE_OWNER_GROUPS	8u	/* supplementary groups count for _GID */

struct late_owner {
	__u32 match;
	__u32 invert;
	__u32 uid_min;
	__u32 uid_max;
	__u32 gid_min;
	__u32 gid_max;
};

/* LATE_DEVGROUP: ((group ^ value) & mask) == 0 of the input or output interface */
#define LATE_DEVGROUP_SRC	1u	/* as XT_DEVGROUP_* of linux/netfilter/xt_devgroup.h */
#define LATE_DEVGROUP_NOT_SRC	2u
#define LATE_DEVGROUP_DST	4u
#define LATE_DEVGROUP_NOT_DST	8u

struct late_devgroup {
	__u32 flags;
	__u32 src;
	__u32 src_mask;
	__u32 dst;
	__u32 dst_mask;
};

/*
 * LATE_PHYSDEV: xt_physdev.c of net/netfilter. @ops and @not are LATE_PHYSDEV_*; names
 * are compared as words, under their masks. Only the netfilter hook meets bridged packets:
 * elsewhere none is, and --physdev-in is not to be told (user/capability.c).
 */
#define LATE_PHYSDEV_IN		0x01u	/* as XT_PHYSDEV_OP_* of linux/netfilter/xt_physdev.h */
#define LATE_PHYSDEV_OUT	0x02u
#define LATE_PHYSDEV_BRIDGED	0x04u
#define LATE_PHYSDEV_ISIN	0x08u
#define LATE_PHYSDEV_ISOUT	0x10u
#define LATE_IFNAME_WORDS	4

struct late_physdev {
	__u32 ops;
	__u32 not;
	__u32 in[LATE_IFNAME_WORDS];
	__u32 in_mask[LATE_IFNAME_WORDS];
	__u32 out[LATE_IFNAME_WORDS];
	__u32 out_mask[LATE_IFNAME_WORDS];
};

/* LATE_REALM: xt_realm.c. (realm of the packet's route & @mask) == @id; netfilter hook */
struct late_realm {
	__u32 id;
	__u32 mask;
};

/*
 * LATE_POLICY: xt_policy.c, netfilter hook. @flags are LATE_POLICY_*; the packet has come
 * through (IN), or is to go through (OUT), one transformation that is as the first of
 * @nr elements says; STRICT: through those of all elements, in order, and no others; NONE:
 * through none at all. Members count where @match says so, @invert the other way.
 */
#define LATE_POLICY_IN		1u	/* as XT_POLICY_MATCH_* of linux/netfilter/xt_policy.h */
#define LATE_POLICY_OUT		2u
#define LATE_POLICY_NONE	4u
#define LATE_POLICY_STRICT	8u

#define LATE_POLICY_SADDR	0x01u	/* bits of struct xt_policy_spec */
#define LATE_POLICY_DADDR	0x02u
#define LATE_POLICY_PROTO	0x04u
#define LATE_POLICY_MODE	0x08u
#define LATE_POLICY_SPI		0x10u
#define LATE_POLICY_REQID	0x20u
#define LATE_POLICY_ELEMS	4

struct late_policy {
	__u32 flags;
	__u32 nr;		/* 0..LATE_POLICY_ELEMS */
	struct late_policy_elem {
		__be32 saddr;
		__be32 smask;
		__be32 daddr;
		__be32 dmask;
		__be32 spi;
		__u32 reqid;
		__u32 proto;
		__u32 mode;	/* XT_POLICY_MODE_*: as XFRM_MODE_* of linux/xfrm.h */
		__u32 match;
		__u32 invert;
	} elem[LATE_POLICY_ELEMS];
};

_Static_assert(sizeof(struct late_realm) == 8, "late_realm");
_Static_assert(sizeof(struct late_policy) == 8 + LATE_POLICY_ELEMS * 40, "late_policy");
_Static_assert(sizeof(struct late_physdev) == 72, "late_physdev");
_Static_assert(sizeof(struct late_owner) == 24, "late_owner");
_Static_assert(sizeof(struct late_devgroup) == 20, "late_devgroup");
_Static_assert(sizeof(struct late_addrtype) == 12, "late_addrtype");
_Static_assert(sizeof(struct late_hotdrop) == 4, "late_hotdrop");
_Static_assert(sizeof(struct late_key_range) == 4, "late_key_range head");
_Static_assert(sizeof(struct late_key_mask) == 12, "late_key_mask");
_Static_assert(sizeof(struct late_mark) == 8, "late_mark");
_Static_assert(sizeof(struct late_tcpopt) == 4, "late_tcpopt");
_Static_assert(sizeof(struct late_tcp_ecn) == 8, "late_tcp_ecn");
_Static_assert(sizeof(struct late_multiport) == 12, "late_multiport head");
_Static_assert(sizeof(struct late_sctp) == 56, "late_sctp");
_Static_assert(sizeof(struct late_dccp) == 8, "late_dccp");
_Static_assert(sizeof(struct late_ipcomp) == 8, "late_ipcomp");
_Static_assert(sizeof(struct late_limit) == 20, "late_limit");
_Static_assert(sizeof(struct late_statistic) == 20, "late_statistic");

#endif /* BPFIPT_ABI_LATE_H */
