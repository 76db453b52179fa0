/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * climit_nf.bpf.h - connlimit at the netfilter hook: is a member's connection still there?
 *
 * The kernel looks its tuple up; a program cannot, so a member is remembered with the
 * address of its entry as well. Entries are freed and used again (SLAB_TYPESAFE_BY_RCU),
 * so what lies there is the member's only if it is confirmed, not dying, not expired,
 * and has the member's tuple in one of its directions: then it is what the look-up
 * would have found. Memory that holds something else by now reads as no match.
 *
 * A packet without a connection (INVALID, UNTRACKED) is a member without an entry: it
 * leaves the list at the next look, also when the table does hold its tuple.
 */
#ifndef BPFIPT_CLIMIT_NF_BPF_H
#define BPFIPT_CLIMIT_NF_BPF_H

#include "ct_tuple.bpf.h"
#include "nf_skb.bpf.h"

#define IPS_DYING	(1u << 9)	/* nf_conntrack_common.h */

static __always_inline enum climit_found climit_find(struct climit_walk *w)
{
	const struct nf_conn *ct = (const void *)w->conn.conn;
	unsigned long status;
	__u8 state;

	if (!ct)
		return CLIMIT_NONE;
	status = BPF_CORE_READ(ct, status);
	if (!(status & CTS_CONFIRMED) || status & IPS_DYING ||
	    (__s32)(BPF_CORE_READ(ct, timeout) - w->jiffies) <= 0)
		return CLIMIT_NONE;
	__builtin_memset(&w->key, 0, sizeof(w->key));
	nf_ct_tuple(ct, 0, &w->key);
	if (!ct_same_tuple(&w->key, &w->conn.tuple)) {
		nf_ct_tuple(ct, 1, &w->key);
		if (!ct_same_tuple(&w->key, &w->conn.tuple))
			return CLIMIT_NONE;
	}
	if (w->conn.tuple.proto != IPPROTO_TCP)
		return CLIMIT_OPEN;
	state = BPF_CORE_READ(ct, proto.tcp.state);
	return state == CT_TCP_TIME_WAIT || state == CT_TCP_CLOSE ? CLIMIT_CLOSED : CLIMIT_OPEN;
}

static __always_inline __u32 climit_status(const struct ct_view *v, struct climit_walk *w)
{
	return v->has_entry && v->status & CTS_CONFIRMED ? v->status : 0;
}

#endif /* BPFIPT_CLIMIT_NF_BPF_H */
