/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * abi/late_ct.h - parameters of what asks for the packet's connection (IMG_F_CTINFO)
 *
 * None of these records is used with LATE_NOT: whether inversion applies to a packet
 * without a connection differs from one to the next.
 */
#ifndef BPFIPT_ABI_LATE_CT_H
#define BPFIPT_ABI_LATE_CT_H

#include <linux/types.h>
#include "late.h"

/*
 * LATE_CTINFO: net/netfilter/xt_conntrack.c behind its test of the state, which is a
 * test of KEY_CTSTATE. A packet without a connection matches if CTI_STATE is set
 * (the state, tested before, was INVALID or UNTRACKED then), else it does not.
 * @match:	CTI_* tests to make; @not: of these, inverted ones
 * @orig_addr..@repl_mask: host order
 * @port:	source and destination of the original, then of the reply direction:
 *		first << 16 | last; the ICMP id, type << 8 | code; the GRE keys
 * @status:	CTS_* of which one must be set
 * @min, @max:	seconds until the connection expires
 * @hz:	jiffies a second
 */
#define CTI_STATE	0x0001u		/* as XT_CONNTRACK_* */
#define CTI_PROTO	0x0002u
#define CTI_ORIGSRC	0x0004u
#define CTI_ORIGDST	0x0008u
#define CTI_REPLSRC	0x0010u
#define CTI_REPLDST	0x0020u
#define CTI_STATUS	0x0040u
#define CTI_EXPIRES	0x0080u
#define CTI_PORT(i)	(0x0100u << (i))
#define CTI_DIRECTION	0x1000u

struct late_ctinfo {
	__u32 match;
	__u32 not;
	struct {
		__u32 value;
		__u32 mask;
	} addr[4];		/* original source, destination; reply source, destination */
	__u32 port[4];
	__u32 proto;
	__u32 status;
	__u32 min;
	__u32 max;
	__u32 hz;
};

/* LATE_CONNMARK: (mark & @mask) == @value, or != with @not; no connection: no match */
struct late_connmark {
	__u32 mask;
	__u32 value;
	__u32 not;
};

/*
 * LATE_CONNBYTES: @what (0 packets, 1 bytes, 2 bytes a packet) in direction @dir
 * (0 original, 1 reply, 2 both) is in @from..@to; @to < @from: not in @to..@from.
 * No connection: no match.
 */
struct late_connbytes {
	__u32 what;
	__u32 dir;
	__u32 from_lo, from_hi;
	__u32 to_lo, to_hi;
};

/*
 * LATE_HELPER: the connection that announced this one has a helper of which @name begins
 * with the kernel's name; an empty @name: any helper. xt_helper.c. Only the netfilter hook
 * has helpers: elsewhere nothing matches but with @not.
 */
#define LATE_HELPER_NAME	32	/* bytes, ended by 0 */

struct late_helper {
	__u32 not;
	__u32 name[LATE_HELPER_NAME / 4];
};

/*
 * LATE_CONNLIMIT: more than @limit connections whose packets, when this rule was asked,
 * had the address that the packet has, under @mask; see progs/late_connlimit.bpf.h. A
 * packet without so much as ports to track it by is dropped (hotdrop).
 */
#define CONNLIMIT_NOT	1u	/* @limit connections or fewer */
#define CONNLIMIT_DADDR	2u	/* destination instead of source address */

struct late_connlimit {
	struct late_state_ref state;
	__u32 mask;		/* host order */
	__u32 limit;
	__u32 flags;
};

/*
 * ACT_CONNMARK: net/netfilter/xt_connmark.c. @shift: to the left; -n: to the right
 */
enum act_connmark_mode {
	CONNMARK_SET,		/* connection = ((connection & ~ctmask) ^ ctmark) shifted */
	CONNMARK_SAVE,		/* connection &~ ctmask, ^ shifted (packet & nfmask) */
	CONNMARK_RESTORE,	/* packet &~ nfmask, ^ shifted (connection & ctmask) */
};

struct act_connmark {
	__u32 mode;
	__u32 ctmark;
	__u32 ctmask;
	__u32 nfmask;
	__s32 shift;
};

_Static_assert(sizeof(struct late_ctinfo) == 76, "late_ctinfo");
_Static_assert(sizeof(struct late_connmark) == 12, "late_connmark");
_Static_assert(sizeof(struct late_connbytes) == 24, "late_connbytes");
_Static_assert(sizeof(struct late_helper) == 4 + LATE_HELPER_NAME, "late_helper");
_Static_assert(sizeof(struct late_connlimit) == 20, "late_connlimit");
_Static_assert(sizeof(struct act_connmark) == 20, "act_connmark");

#endif /* BPFIPT_ABI_LATE_CT_H */
