/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * walk_state.bpf.h - struct walk: what is known of the packet under way, a row of the scratch
 *
 * In a map, since 512 bytes of stack are too few; and since the verifier does not follow
 * what is in a map. A value that a loop changes is best kept here: on the stack it is a
 * constant in the first round, another in the second, and the verifier goes through both.
 */
#ifndef BPFIPT_WALK_STATE_BPF_H
#define BPFIPT_WALK_STATE_BPF_H

#include "abi/ct.h"
#include "abi/ipset.h"
#include "abi/late_rate.h"
#include "abi/native.h"
#include "fw.bpf.h"
#include "hashlimit.h"

/*
 * struct ct_view - the packet's connection, as matches behind the label read it
 * Filled by the stage that labels the packet, only when IMG_F_CTINFO is in use.
 * @has_entry:	it has one (neither INVALID nor UNTRACKED)
 * @has_tuple:	@orig is valid: the connection's; without an entry, the packet's own
 * @confirmed:	the entry is in the table, not one that a packet is about to make
 * @dir:	enum ct_dir of the packet
 * @status:	CTS_*
 * @uncounted:	it began when nobody counted: no @packets and @bytes
 * @marked:	netfilter hook: a CONNMARK target has set @mark
 * @row:	of the scratch
 * @conn:	netfilter hook: the entry's address
 * @left:	ns until it expires; not confirmed: the timeout it will have
 * @orig, @reply: both directions
 */
struct ct_view {
	__u8 has_entry;
	__u8 has_tuple;
	__u8 confirmed;
	__u8 dir;
	__u32 status;
	__u32 mark;
	__u32 marked;
	__u32 uncounted;
	__u32 row;
	__u64 conn;
	__u64 left;
	__u64 packets[2];
	__u64 bytes[2];
	struct ct_tuple orig;
	struct ct_tuple reply;
};

/*
 * struct ct_ref - a packet's connection, from ct_label() to the end of the walk
 * @key:	key of the conntrack map
 * @what:	enum ct_what
 * @dir:	enum ct_dir of this packet
 * @state:	CT_* bits, as in KEY_CTSTATE
 * @keep:	enum ct_keeping: ct_keep() is to be told of the verdict
 */
struct ct_ref {
	struct ct_tuple key;
	__u8 what;
	__u8 dir;
	__u8 state;
	__u8 keep;
};

/* Rules that a packet may hit and still be dropped early (early.bpf.h), a power of two. */
#define EARLY_HITS	32

/* Words that a late match may keep state in while it loops (sctp: 8 and 1). */
#define LATE_SCRATCH	9

/* Bytes of the packet that a string search looks at in one go; and its steps at most. */
#define LATE_TEXT	512
#define LATE_TEXT_STEPS	(1u << 18)

/*
 * struct fib_walk - a lookup of late_addrtype.bpf.h under way
 * @key:	the address
 * @tb:		list node of the table to look at next, while @pn is none
 * @root:	of that table, 0: not found yet
 * @n:		node to look at next, 0: turn back
 * @pn, @cindex: where to turn back to: the last node on the way that has shorter
 *		prefixes below it, and the child taken there
 * @fa:		next route of the leaf @n, 0: none
 * @zeros:	going down an all-zero side
 * @type:	RTN_*, 0: not known yet
 * @dev:	ifindex of the route's device
 * @dscp:	of the packets that are to take it
 * @by_tos:	not 0: a route on the way was for one TOS only
 * @fi:		the route's struct fib_info, 0: it has none
 */
struct fib_walk {
	__u64 tb;
	__u64 root;
	__u64 n;
	__u64 pn;
	__u64 fa;
	__u64 cindex;
	__u32 key;
	__u32 leaf_key;
	__u32 zeros;
	__u32 type;
	__u32 dev;
	__u32 dscp;
	__u64 by_tos;
	__u64 fi;
};

/*
 * struct set_probe - a look-up in an ipset under way (late_set.bpf.h)
 * @key:	the element asked for
 * @cidrs:	prefix lengths still to try; 0: this set has no answer
 * @addr:	what the prefix is of: key.ip, with @second key.ip2
 * @list_gen, @list_next, @list_nr: members still to try, of a list
 * @found:	1 when the packet is in the set
 */
struct set_probe {
	struct set_key key;
	__u32 kind;
	__u64 cidrs;
	__u32 addr;
	__u32 second;
	__u32 list_gen;
	__u32 list_next;
	__u32 list_nr;
	__u32 dim;
	__u32 src;
	__u32 return_nomatch;
	__u32 found;
};

/*
 * struct hashlimit_work - a packet and its rule, as hashlimit_run() needs them
 * @key:	of the packet's bucket
 * @rec:	the rule's record
 * @fresh:	a bucket as it is when made
 * @len:	bytes of the packet
 */
struct hashlimit_work {
	struct hashlimit_key key;
	struct late_hashlimit rec;
	__u32 len;
	struct hashlimit_entry fresh;
	struct hashlimit_conf conf;
	__u64 now;
};

/*
 * struct recent_args - what is asked of a list of recent
 * @edit:	enum recent_op when user space asks, 0 for a packet
 * @mask:	times kept - 1
 * @ttl:	of the packet, 0: none
 * @now:	jiffies
 * The rest as in struct late_recent.
 */
struct recent_args {
	__u64 now;
	__u32 born;
	__u32 flags;
	__u32 edit;
	__u32 addr;
	__u32 mask;
	__u32 seconds;
	__u32 hits;
	__u8 ttl;
};

/*
 * struct fib_hop - where the route lookup sends a packet that is to be forwarded
 * @len:	of the packet, which fits through the device; 0: the addresses are not known
 * @via:	place in route_cache.via that the answer belongs to, 0: none
 */
struct fib_hop {
	__u32 len;
	__u32 via;
	__u8 dmac[ETH_ALEN];
	__u8 smac[ETH_ALEN];
};

/*
 * struct policy_walk - the IPsec transformations of a packet, one by one (late_route.bpf.h)
 * @sp:		what it has come through, @left of them to look at; or
 * @dst:	the route that says what it is to go through next
 * @elem, @nr:	word of the rule's elements, how many; @strict: all of them, in order
 * @i:		transformations looked at
 * @x:		the one under the eye, and what the rule may ask of it
 */
struct policy_walk {
	__u64 sp;
	__u64 dst;
	__u32 elem;
	__u32 nr;
	__u32 strict;
	__u32 i;
	__u32 left;
	__u32 result;
	__u64 x;
	__be32 saddr;
	__be32 daddr;
	__be32 spi;
	__u32 reqid;
	__u8 proto;
	__u8 mode;
};

/*
 * struct u32_run - instructions of LATE_U32: the next one's word; the machine's registers
 *
 * Not on the stack: the verifier would think that @hit is 0 at each round, as it is at the
 * first (Documentation/kernels.rst, "What 6.1 asks of the programs").
 */
struct u32_run {
	__u32 d;
	__u32 value;
	__u32 base;
	__u32 hit;
	__u32 result;
};

/*
 * struct string_walk - a string search under way (late_payload.bpf.h)
 * @end:	one past the last byte of the text, from the IP header
 * @last:	where the pattern's last byte stands at present
 * @same:	bytes that agreed from there back
 * @base, @filled: the window w->text holds bytes [base, base + filled)
 */
struct string_walk {
	__u32 d;
	__u32 len;
	__u32 fold;
	__u32 end;
	__u32 last;
	__u32 same;
	__u32 base;
	__u32 filled;
	__u32 result;
};

/*
 * struct walk - one packet's journey through the rules
 * @pkt:	the packet's keys
 * @hop:	of xdp_forward.bpf.h
 * @root:	root node of each vector; @mid: its node under the current bit @a
 * @acc:	product of the classes of an unfinished vector
 * @all:	AND of the root masks
 * @m0, @m1, @m2: candidates not yet visited, per level
 * @cur, @end:	positions [cur, end) of the chain's segment under evaluation
 * @part:	of the image that this is in; @delta: first position of the delta
 * @stale:	1 when @root and the candidates are of another part, or of other keys
 * @lookups:	of the part, when it was classified
 * @base:	position of bit 0 of the current leaf
 * @addrtype:	source's and destination's, as addr_type() says; 0: not looked up yet
 * @ct:		its connection; @ref: likewise, of conntrack.bpf.h
 * @few:	word of the few list that stands for all vectors, 0: none; @few_head: its
 *		positions, terms << 16; @hits: bit per position of it that agrees. @m2 are
 *		then bits of @hits
 * @doomed:	LATE_DROP_NOW once a match of the rule has said so and yet matched
 * @late_at: word of the next record of a rule's late matches; @late_result: LATE_*
 * @late, @hashlimit, @recent, @policy, @u32, @string: of the late match under way; @route: of TCPMSS
 * @stack:	positions of the jumps to return behind, @depth of them
 * @text:	bytes of the packet that a string search looks at
 * @slot:	of the image that it is judged by
 * @row:	number of this row of the scratch, for maps that have as many
 * @unsure, @noted, @nr_noted: of early.bpf.h
 * @flow, @flow_new, @flow_set, @flow_turn: of flows.bpf.h
 * @set:	look-up in an ipset
 * @script:	of nf_native.bpf.h
 */
struct walk {
	struct fw_pkt pkt;
	struct fib_hop hop;
	__u64 all;
	__u64 m0;
	__u64 m1;
	__u64 m2;
	__u64 addrtype[2];
	struct fib_walk fib;
	__u32 nr_vectors;
	__u32 acc;
	__u32 cur;
	__u32 end;
	__u32 part;
	__u32 delta;
	__u32 stale;
	__u32 lookups;
	__u32 base;
	__u32 a;
	__u32 depth;
	__u32 verdict;
	__u32 verdict_arg;
	__u32 actions;
	__u32 few;
	__u32 few_head;
	__u32 hits;
	__u32 doomed;
	__u32 late_at;
	__u32 late_result;
	__u32 root[IMG_MAX_VECTORS];
	__u32 mid[IMG_MAX_VECTORS];
	__u32 stack[IMG_MAX_DEPTH];
	__u8 text[LATE_TEXT];
	struct ct_view ct;
	struct ct_ref ref;
	__u32 slot;
	__u32 row;
	__u32 unsure;
	__u32 nr_noted;
	__u32 noted[EARLY_HITS];
	struct flow flow;
	__u32 flow_new;
	__u32 flow_set[2];
	__u32 flow_turn;
	struct set_probe set;
	struct native_script script;
	union {
		__u32 late[LATE_SCRATCH];
		struct hashlimit_work hashlimit;
		struct recent_args recent;
		struct policy_walk policy;
		struct u32_run u32;
		struct string_walk string;
		struct bpf_fib_lookup route;
	};
};

#endif /* BPFIPT_WALK_STATE_BPF_H */
