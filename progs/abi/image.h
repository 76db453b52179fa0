/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * abi/image.h - the image: a compiled ruleset as one flat block of u32 words
 *
 * Theory of operation
 * ===================
 * Problem: find the first of N rules, in chain order, all of whose fields agree
 * with the packet, at a cost that does not grow with N.
 *
 * 1. Positions. Every rule of every chain gets one position (a rule that is an
 *    OR of products, as `multiport --ports`, gets one per product). A chain is an
 *    interval [start, end) of positions. There is one bit space for all chains.
 * 2. Classes. A field's values that satisfy the same set of positions form a
 *    class. A *lookup* maps a key (abi/packet.h) to its class; one or more
 *    lookups in a row are crossed into a *vector* table: the index
 *    (c1 * n2 + c2) * n3 + c3 selects the root node of a bit vector. The table of a
 *    vector of one lookup is that lookup's: its class is the root itself.
 * 3. Bit vectors. The positions a class satisfies, as a tree of three levels of
 *    64-bit masks, absent children not stored, equal subtrees stored once:
 *
 *	root:	u64 mask; u32 child[popcount(mask)];	child i: word index of a mid
 *	mid:	u64 mask; u64 leaf[popcount(mask)];	leaf: 64 positions
 *
 *    position = a << 12 | b << 6 | c, bit a of root, bit b of mid, bit c of leaf.
 *    Word indices are relative to the slot; nodes start on even words.
 * 4. The walk (walk.bpf.h) ANDs the vectors from a cursor on, level by level,
 *    and meets the candidates in order. Each has an action record.
 * 5. The first vector's table may hold a *few* list in place of a root (an odd word):
 *    the handful of positions in it, with what the vectors behind it would say of
 *    each, and what each does when that is a plain verdict. One look at one cache line
 *    then replaces the other vectors, the walk and the action, whose tables a packet of
 *    a new flow would find in no cache. It is the most selective vector, so that plain
 *    addresses need no more; and when they are hashed a list of one position is in the
 *    hash's own row: the packet's only line of the image that other flows do not share.
 *
 * Worked example. Three rules in INPUT:
 *	0: -s 10.0.0.0/8 -p tcp --dport 22 -j ACCEPT
 *	1: -s 10.0.0.0/8 -j DROP
 *	2: -p tcp -m tcp --dport 80 -j ACCEPT
 *    source classes: {10/8} -> 011 (rules 0,1) + rule 2 = 111; rest -> 100
 *    dport classes: {22} -> 011; {80} -> 110; rest -> 010
 *    A packet 10.1.1.1 -> :80 gets 111 & 110 = 110: first candidate is rule 1.
 *
 * 6. Delta. A change of a few rules compiles these alone. The *base*, what was last
 *    compiled as a whole, stays as it is; behind it come up to DELTA_POSITIONS
 *    positions with lookups, vectors and lists of their own, the *delta*. A chain is
 *    then a row of *segments* [start, end), each of one part: the last position of
 *    one says where the next begins (img_action.next). The walk meets that where the
 *    chain would end, and classifies the packet anew when the part is another. What
 *    was deleted is in no segment. Every delta is made from the base, never from
 *    another delta.
 *
 *	INPUT is positions [0, 900) of the base. A rule is inserted as number 301, one
 *	is appended, and number 702 (position 700) is deleted:
 *	    [0, 300) -> [900, 901) -> [300, 700) -> [701, 900) -> [901, 902)
 *	act[299].next = 900 + 1, act[900].next = 300 + 1, act[699].next = 701 + 1 ...
 *	and chain_end is 300 for positions 0 to 299, so that a jump at 10 returns
 *	into [11, 300), and goes on from there.
 *
 * Malformed headers. xtables matches on a header that is too short *hotdrop*:
 * the packet is dropped and nothing is counted, but only by a rule whose earlier
 * checks passed. A malformed form is a class of KEY_L4, and in it the ports,
 * flags and types have their NONE keys, under which rules that constrain them
 * stay candidates; act.hotdrop says in which forms a candidate drops the packet.
 *
 * Slots. The map's one value is a map header and two or more slots; hooks read
 * map->active once per packet. A slot that is not active may be rewritten once no hook
 * reads it any more (user/slots.c); one store publishes it to every hook at once. More
 * than two, where they are small, so that a change seldom has to see to that.
 */
#ifndef BPFIPT_ABI_IMAGE_H
#define BPFIPT_ABI_IMAGE_H

#include <linux/types.h>
#include "flow.h"
#include "lookup.h"
#include "packet.h"

#define IMG_MAGIC	0x49465042u	/* "BPFI" */
#define IMG_ABI		9u

/* Hard limits: beyond them a rule is refused, never dropped. */
#define IMG_MAX_POSITIONS	(64 * 64 * 64)
#define IMG_MAX_VECTORS		12	/* bit vectors ANDed per packet */
#define IMG_MAX_LOOKUPS		20	/* key lookups per packet */
#define IMG_MAX_DEPTH		256	/* nested jumps */
#define IMG_MAX_PROBE		64	/* slots looked at in a hash table */
#define IMG_MAX_SLOTS		8
#define IMG_MAP_BYTES		4096	/* before the first slot: whole pages are mapped */
#define IMG_SLACK		128	/* bytes behind what a mask can reach, see img_record() */
#define DELTA_POSITIONS		64	/* positions of a delta, and rows kept free for them */

/*
 * struct img_map - start of the image map's value
 *
 *	img_map | tables of slot 0 | of slot 1 ... | rules of slot 0 | of slot 1 ...
 *
 * The datapath cuts its indices to the next power of two of @table_words (the verifier
 * knows no other bound that costs nothing): what that reaches behind the last slot's
 * tables is the rules, and if need be room that nothing else uses.
 * @active:	slot in force
 * @abi:	IMG_ABI
 * @mode:	enum fw_mode of the instance, user space only
 * @table_words: words per slot, all slots the same
 * @rules_words: words of a slot's rules in their binary form, user space only
 * @nr_counters: counter slots of one CPU, user space only
 * @features:	IMG_F_* that the loaded programs hold, user space only
 * @native:	NATIVE_* parts of the nftables table (user/nft.c), user space only
 * @ct_max:	entries that conntrack has room for, user space only
 * @retired:	bit per slot: was in force, and may be read still; user space only
 * @others:	there may be other generations: a growth is under way, or was (grow.c), user
 *		space only
 * @used:	by slot, words of the image in it: how much of it to map, user space only
 * @ifaces_stamp: 0, or of which interfaces (abi/ifstamp.h) @ifaces is the list, @nr_ifaces of
 *		user/ifclass.h's struct iface, user space only
 */
struct img_map {
	__u32 active;
	__u16 abi;
	__u16 mode;
	__u32 table_words;
	__u32 rules_words;
	__u32 nr_counters;
	__u32 features;
	__u32 native;
	__u32 ct_max;
	__u32 used[IMG_MAX_SLOTS];
	__u32 retired;
	__u32 others;
	__u64 ifaces_stamp;
	__u32 nr_ifaces;
	__u8  ifaces[IMG_MAP_BYTES - 84];
};

/*
 * struct img_claims - rows of the scratch that programs have claimed, of one CPU
 * For programs that others interrupt (hooks netfilter and hybrid). A row is claimed before
 * the active word is read, and its claim says which slot is read as soon as that is known.
 * So a claim of 0 is nobody's who could still read a slot that is not active, and
 * CLAIM_TAKEN may be a reader of any.
 */
#define IMG_CLAIMS	16
#define CLAIM_TAKEN	1u
#define CLAIM_SLOT(s)	(2u + (s))

struct img_claims {
	__u32 row[IMG_CLAIMS];
};

/* A built-in chain as its hook sees it. */
struct img_hook {
	__u32 start;	/* first position */
	__u32 end;	/* one past the last; == start: no rules */
	__u32 policy;	/* ACT_ACCEPT or ACT_DROP */
	__u32 slot;	/* counter slot of the policy */
};

/*
 * img_hdr.flags. The first are for the datapath to read; those of IMG_F_PROGRAM are
 * parts of a program that are loaded, with their maps, only once some rule needs
 * them (user/loader.c): a part that is not loaded is dead code to the verifier. The
 * netfilter programs have parts IMG_F_NATIVE and IMG_F_NF_HOST as well.
 */
#define IMG_F_CT	0x1u		/* some rule needs conntrack: label every packet */
#define IMG_F_MARK	0x2u		/* a MARK target precedes a mark match: re-classify */
#define IMG_F_OIF	0x4u		/* KEY_OIF is used */
#define IMG_F_MAC	0x8u		/* KEY_MAC is used */
#define IMG_F_STATE	0x10u		/* limit, statistic, quota: rows of late_state */
#define IMG_F_REJECT	0x20u		/* REJECT: answers are sent */
#define IMG_F_LOG	0x40u		/* LOG, NFLOG */
#define IMG_F_HASHLIMIT	0x80u		/* hashlimit */
#define IMG_F_RECENT	0x100u		/* recent */
#define IMG_F_CONNLIMIT	0x200u		/* connlimit; implies IMG_F_CTINFO */
#define IMG_F_CTINFO	0x400u		/* some rule reads or writes the connection's entry */
#define IMG_F_PAYLOAD	0x800u		/* u32, string, tcpmss */
#define IMG_F_SET	0x1000u		/* set: the mirror of ipsets */
#define IMG_F_SOCKET	0x2000u		/* owner */
#define IMG_F_ADDRTYPE	0x4000u		/* the routing table is read */
#define IMG_F_TIME	0x8000u		/* time */
#define IMG_F_LINKED	0x10000u	/* no rule's: some img_action.next is set */
#define IMG_F_FLOWS	0x20000u	/* no rule's: the table of flows is of use (flows.bpf.h) */
#define IMG_F_RECENT_BIG 0x40000u	/* recent --hitcount over RECENT_STAMPS */
#define IMG_F_DEVGROUP	0x100000u	/* devgroup */
#define IMG_F_TCPMSS	0x200000u	/* TCPMSS; not at the netfilter hook */
#define IMG_F_FORWARD	0x400000u	/* no rule's: init --forward (xdp_forward.bpf.h) */
#define IMG_F_NF_HOST	0x10000000u	/* helper, physdev, realm, policy, off the packet (netfilter) */
#define IMG_F_CT_ACCT	0x20000000u	/* connbytes: the kernel's table has to count (netfilter) */
#define IMG_F_NATIVE	0x40000000u	/* REJECT, MARK, CONNMARK at the netfilter hook (abi/native.h) */
#define IMG_F_FIB_SRC	0x80000000u	/* REJECT with ICMP in FORWARD: Linux 6.7 (user/capability.c) */

#define IMG_F_PROGRAM	(~(IMG_F_MARK | IMG_F_OIF | IMG_F_MAC | IMG_F_FIB_SRC | IMG_F_NATIVE | \
			   IMG_F_CT_ACCT | IMG_F_NF_HOST | IMG_F_LINKED))

/*
 * img_hdr.fast: a packet whose state is one of FAST_STATES & fast, and whose input (in
 * OUTPUT: output) interface has a class below FAST_IFACES without a bit in fast >>
 * FAST_IFACE_SHIFT, is accepted by position start + (fast >> FAST_OFFSET_SHIFT & MAX).
 */
#define FAST_STATES		0x1fu
#define FAST_OFFSET_SHIFT	5
#define FAST_OFFSET_MAX		7u
#define FAST_IFACE_SHIFT	8
#define FAST_IFACES		24u

/*
 * struct img_part - the base, or the delta
 * @start: its first position; it has all from there to the next part's, or nr_positions
 */
struct img_part {
	__u32 lookups;		/* struct img_lookup[nr_lookups] */
	__u32 nr_lookups;
	__u32 nr_vectors;	/* vectors the lookups yield */
	__u32 start;
};

enum {
	PART_BASE,
	PART_DELTA,
	NR_PARTS,
};

/* Start of a slot. Offsets are in words from the slot's first word. */
struct img_hdr {
	__u32 magic;
	__u32 abi;
	__u32 generation;	/* counts publishes */
	__u32 flags;		/* IMG_F_* */
	struct img_hook hook[NR_HOOKS];
	struct img_part part[NR_PARTS];
	__u32 actions;		/* struct img_action[nr_positions] */
	__u32 nr_positions;
	__u32 iftab;		/* struct img_iface[iftab_mask + 1], open addressing */
	__u32 iftab_mask;
	__u32 mactab;		/* struct img_mac[mactab_mask + 1], open addressing */
	__u32 mactab_mask;
	__u32 words;		/* table words in use */
	__u32 base_words;	/* of these, before the delta's; 0: there can be no delta */
	__u32 rules;		/* first word of the rules' binary form, behind all slots */
	__u32 rules_bytes;
	__u32 nr_slots;		/* counter slots in use: highest + 1 */
	__u32 fast[NR_HOOKS];	/* short cut, see FAST_* */
	__u64 flow_mask[FLOW_WORDS]; /* what verdicts hang on (abi/flow.h); 0: none is kept */
};

/*
 * struct img_iface - one interface, found by ifindex from slot ifindex & mask on
 * (linear probing; ifindex 0 ends the probe; the table is never more than half full)
 */
struct img_iface {
	__u32 ifindex;
	__u16 in_class;		/* KEY_IIF */
	__u16 out_class;	/* KEY_OIF */
	__u32 flags;		/* IFACE_* */
	__u8  mac[6];		/* own address: XDP's test for OTHERHOST */
	__u16 pad;
};

#define IFACE_L3	0x1u	/* no link-layer header: tun, wg, ppp ... */
#define IFACE_PORT	0x2u	/* port of a bridge/bond/team: its master is filtered */
#define IFACE_LOOPBACK	0x4u

#define IFACE_CLASS_UNKNOWN	0u	/* an interface that the table does not hold */
#define IFACE_CLASS_NONE	1u	/* no interface: -i in OUTPUT, -o in INPUT */

/*
 * struct img_mac - one Ethernet source that a rule names, found from slot
 * mac_hash() & mask on (linear probing; class 0 ends the probe: no rule names
 * the source; never more than half full)
 */
struct img_mac {
	__u32 hi;	/* bytes 0..3, big-endian value */
	__u16 lo;	/* bytes 4..5 */
	__u16 class;
};

/* Slot of an address in the MAC table, before masking; linear probing from there. */
static inline __u32 mac_hash(__u32 hi, __u32 lo)
{
	return (hi ^ (lo << 16 | lo)) * 0x9e3779b1u >> 12;
}

/*
 * enum img_act - what a matched position does
 * Terminal: ACCEPT, DROP, REJECT. The rest continue the walk.
 */
enum img_act {
	ACT_ACCEPT,
	ACT_DROP,
	ACT_RETURN,
	ACT_JUMP,	/* push this position, go to [arg, arg2) */
	ACT_GOTO,	/* go to [arg, arg2) */
	ACT_CONTINUE,	/* count only */
	ACT_REJECT,	/* arg: enum fw_reject of abi/reject.h */
	ACT_MARK,	/* mark = (mark & ~arg2) ^ arg */
	ACT_CONNMARK,	/* arg: word of struct act_connmark of abi/late_ct.h */
	ACT_LOG,	/* arg: word offset of struct log_params; goes on */
	ACT_TCPMSS,	/* arg: MSS at most, MSS_CLAMP: what the path takes; goes on */
	NR_ACTS,
};

#define MSS_CLAMP	0xffffu

#define HOTDROP(form)	(1u << (form))

/*
 * struct img_action - the record of one position
 * @act:	enum img_act
 * @hooks:	bit per enum fw_hook that reaches the rule; user space only
 * @hotdrop:	HOTDROP(form) bits: a candidate in this form is dropped, uncounted,
 *		before its late matches run (and without reading them)
 * @arg, @arg2:	by @act
 * @slot:	counter slot of its rule
 * @late:	word offset of the late-match list, 0: none
 * @chain_end:	end of the segment that holds this position; 0: no chain holds it any more
 * @next:	of a segment's last position: where its chain goes on, and one; 0: nowhere
 * @flags:	IMG_F_* that its rule needs, those that follow from its keys too; user
 *		space only
 */
struct img_action {
	__u8  act;
	__u8  hooks;
	__u16 hotdrop;
	__u32 arg;
	__u32 arg2;
	__u32 slot;
	__u32 late;
	__u32 chain_end;
	__u32 next;
	__u32 flags;
};

/*
 * Late matches: what is no function of one key, in the order of the rule. A list
 * is a row of records, ended by op LATE_END. Each yields match, no match or
 * hotdrop; the first that is not "match" ends the list. @words counts the whole
 * record with its head; LATE_NOT inverts the plain result (never a hotdrop). Where
 * xtables inverts a hotdrop's "no" (sctp, dccp) the result is "match, doomed": the list
 * goes on and its rule may count and act, but the packet is dropped, whatever they say.
 * Parameters: abi/late.h.
 */
enum img_late_op {
	LATE_END,
	LATE_HOTDROP,	/* u32 forms: hotdrop when HOTDROP(form) & forms */
	LATE_ADDR_MASK,	/* u32 key, value, mask: (key & mask) == value */
	LATE_TCPOPT,	/* u32 kind: option present; bad options hotdrop */
	LATE_TCP_ECN,	/* u32 mask, value on byte 13; short header: no match */
	LATE_MULTIPORT,	/* in its forms only: struct late_multiport; else match */
	LATE_SCTP_CHUNKS, /* struct late_sctp */
	LATE_KEY_RANGE,	/* u32 key, then pairs first, last: key in one of them */
	LATE_LIMIT,
	LATE_STATISTIC,
	LATE_CPU,
	LATE_MARK,	/* u32 mask, value: mark as it is at this point of the walk */
	LATE_U32,	/* struct late_u32[]: abi/late_payload.h */
	LATE_STRING,	/* struct late_string */
	LATE_TCPMSS,	/* struct late_tcpmss */
	LATE_ADDRTYPE,	/* struct late_addrtype */
	LATE_CTINFO,	/* abi/late_ct.h, as the next ones */
	LATE_CONNMARK,
	LATE_CONNBYTES,
	LATE_SET,	/* struct late_set: abi/ipset.h */
	LATE_CONNLIMIT,	/* begins with struct late_state_ref */
	LATE_QUOTA,	/* these four: abi/late_rate.h */
	LATE_HASHLIMIT,
	LATE_RECENT,
	LATE_TIME,
	LATE_OWNER,	/* struct late_owner */
	LATE_DEVGROUP,	/* struct late_devgroup */
	LATE_HELPER,	/* struct late_helper: abi/late_ct.h */
	LATE_PHYSDEV,	/* struct late_physdev */
	LATE_DCCP,	/* struct late_dccp */
	LATE_IPCOMP,	/* struct late_ipcomp */
	LATE_REALM,	/* struct late_realm */
	LATE_POLICY,	/* struct late_policy */
	NR_LATE_OPS,
};

#define LATE_NOT	0x8000u

struct img_late {
	__u16 op;	/* enum img_late_op | LATE_NOT */
	__u16 words;	/* of the record, head included */
	__u32 data[];
};

_Static_assert(sizeof(struct img_map) == IMG_MAP_BYTES, "img_map");
_Static_assert(sizeof(struct img_claims) == 64, "img_claims is one cache line");
_Static_assert(sizeof(struct img_hdr) ==
	       4 * (4 + 4 * NR_HOOKS + 4 * NR_PARTS + 14) + 8 * FLOW_WORDS, "img_hdr");
_Static_assert(sizeof(struct img_part) == 16, "img_part");
_Static_assert(sizeof(struct img_hdr) % 8 == 0, "nodes start on even words");
_Static_assert(sizeof(struct img_iface) == 20, "img_iface");
_Static_assert(sizeof(struct img_mac) == 8, "img_mac");
_Static_assert(sizeof(struct img_action) == 32, "img_action: two per cache line");
_Static_assert(sizeof(struct img_late) == 4, "img_late head");

#endif /* BPFIPT_ABI_IMAGE_H */
