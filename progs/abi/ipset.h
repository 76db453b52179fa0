/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * abi/ipset.h - the mirror of the kernel's ipsets (user/sets.c fills it)
 *
 * Two maps, shared by every generation of programs:
 *
 *	set_desc	one row per ipset, at the kernel's own index of it
 *	set_elems	one hash for the elements of all of them
 *
 * A row has two banks; @active names the one in force. The elements of a bank carry
 * its @gen, a number that is never given out twice, in their keys. So new contents are
 * put in beside the old ones, and one store to @active exchanges them whole:
 *
 *	set_desc[3]: active 0; bank 0: gen 7, bank 1: gen 5 (gone)
 *	+ {9, 10.0.0.1} {9, 10.0.0.2} ...; bank 1: gen 9; active 1; - {7, ...}
 *
 * A set with prefixes is looked up once per length that occurs in it, longest first.
 * Example, hash:net with 10.0.0.0/8 and 10.1.0.0/16 nomatch, for 10.1.2.3:
 * cidrs = 1 << (32 - 16) | 1 << (32 - 8); key {gen, 10.1.0.0, /16}: found, nomatch.
 */
#ifndef BPFIPT_ABI_IPSET_H
#define BPFIPT_ABI_IPSET_H

#include <linux/types.h>

#define SETS_MAX	4096		/* kernel indices below this one */
#define SET_ELEMS	(1u << 19)	/* elements of all sets, twice: old and new */

/*
 * enum set_kind - what a set's elements are made of
 * SET_PORT has ports of TCP and UDP without protocol. SET_LIST: an element is a row
 * number of set_desc (@member), numbered from 0 on by @ip.
 */
enum set_kind {
	SET_NONE,		/* no such set: matches nothing */
	SET_IP,
	SET_NET,
	SET_IPPORT,
	SET_NETPORT,
	SET_IPPORTIP,
	SET_IPPORTNET,
	SET_NETIFACE,
	SET_PORT,
	SET_LIST,
	NR_SET_KINDS,
};

/*
 * struct set_key - an element; fields that its kind does not have are 0
 * @ip, @ip2:	host order; under their prefix
 * @port:	protocol << 16 | port; ICMP: type << 8 | code
 * @cidr:	prefix length of @ip (of @ip2 in SET_IPPORTNET), 32 when it has none
 * @ifindex:	SET_NETIFACE; 0 there: some element has this prefix, so that no shorter
 *		one is looked at
 */
struct set_key {
	__u32 gen;
	__u32 ip;
	__u32 ip2;
	__u32 port;
	__u32 cidr;
	__u32 ifindex;
};

/*
 * struct set_elem
 * @deadline:	CLOCK_MONOTONIC, ns; 0: for ever
 * @nomatch:	an exception
 * @member:	SET_LIST: row of the member
 */
struct set_elem {
	__u64 deadline;
	__u32 nomatch;
	__u32 member;
};

/*
 * struct set_bank
 * @mask:	of @ip: the set's netmask or bitmask
 * @nr:		elements
 * @cidrs:	bit 32 - n: prefixes of length n occur
 */
struct set_bank {
	__u64 cidrs;
	__u32 gen;
	__u32 kind;		/* enum set_kind */
	__u32 mask;
	__u32 nr;
};

#define SET_NAME_LEN	32	/* IPSET_MAXNAMELEN */

/* struct set_desc - a row; @name is user space's, and so is the row behind the last */
struct set_desc {
	__u32 active;
	__u32 next_gen;		/* in row SETS_MAX only */
	struct set_bank bank[2];
	char name[SET_NAME_LEN];
};

/*
 * LATE_SET: the packet is in the set. A direction is source when its bit of @src is
 * set, dimension 1 being bit 1. Fewer than the set's dimensions: never.
 */
struct late_set {
	__u32 index;		/* row of set_desc */
	__u32 dim;
	__u32 src;
	__u32 return_nomatch;	/* 1: only exceptions match */
};

_Static_assert(sizeof(struct set_key) == 24, "set_key has holes");
_Static_assert(sizeof(struct set_elem) == 16, "set_elem has holes");
_Static_assert(sizeof(struct set_bank) == 24, "set_bank");
_Static_assert(sizeof(struct set_desc) == 88, "set_desc");
_Static_assert(sizeof(struct late_set) == 16, "late_set");

#endif /* BPFIPT_ABI_IPSET_H */
