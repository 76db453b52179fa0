/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * early.bpf.h - hybrid: a walk at the driver that says DROP only when it is certain
 *
 * The walk is that of walk.bpf.h, with two differences. What it meets that cannot be
 * known, or must not be done, before the stack has had the packet makes it unsure: a
 * mark, a state, a match that remembers, a target other than a plain verdict or jump.
 * And what it would count it only notes; when the packet is dropped, and was never
 * unsure, the notes are counted, in the counters that the netfilter hook counts in.
 * A packet that passes has left no trace, so that the netfilter hook counts it whole.
 *
 * Example. 1: -s 192.0.2.0/24 -j DROP  2: -m limit ... -j ACCEPT  3: -j DROP
 * From 192.0.2.9: noted 1, DROP: counted and dropped here. From elsewhere: rule 2 is
 * a bucket that must lose a credit once: passed on.
 */
#ifndef BPFIPT_EARLY_BPF_H
#define BPFIPT_EARLY_BPF_H

#include "maps.bpf.h"

#ifdef FW_EARLY
/* Every key goes through classify_step(), so that early_key() sees which are asked for. */
#define EARLY_FEW	0

/* Keys that only the stack can fill in. */
static __always_inline void early_key(struct walk *w, __u32 key)
{
	if (key == KEY_MARK || key == KEY_CTSTATE)
		w->unsure = 1;
}

/* Late matches that are functions of the packet's bytes; @key: of those that have one */
static __always_inline int early_late(struct walk *w, __u32 op, __u32 key)
{
	switch (op) {
	case LATE_ADDR_MASK:
	case LATE_KEY_RANGE:
		early_key(w, key);
		return !w->unsure;
	case LATE_END:
	case LATE_HOTDROP:
	case LATE_TCPOPT:
	case LATE_TCP_ECN:
	case LATE_MULTIPORT:
	case LATE_SCTP_CHUNKS:
	case LATE_DCCP:
	case LATE_IPCOMP:
	case LATE_U32:
	case LATE_STRING:
	case LATE_TCPMSS:
		return 1;
	}
	w->unsure = 1;
	return 0;
}

static __always_inline int early_act(struct walk *w, __u32 act)
{
	if (act <= ACT_CONTINUE)
		return 1;
	w->unsure = 1;
	return 0;
}

#define early_unsure(w)	((w)->unsure)

/* A rule, or a policy, has matched. */
static __always_inline void count_rule(struct fw *fw, __u32 slot)
{
	struct walk *w = fw->w;

	if (w->nr_noted >= EARLY_HITS)
		w->unsure = 1;
	w->noted[w->nr_noted & (EARLY_HITS - 1)] = slot;
	w->nr_noted++;
}

static long early_count_step(__u32 i, struct fw *fw)
{
	count(fw->w->noted[i & (EARLY_HITS - 1)], fw->w->pkt.tot_len);
	return 0;
}

/* The packet is dropped: what it hit counts. */
static __noinline int early_count(struct fw *fw)
{
	bpf_loop(fw->w->nr_noted, early_count_step, fw, 0);
	return 0;
}
#else
#define EARLY_FEW	1
#define early_key(w, key)		((void)0)
#define early_late(w, op, key)		1
#define early_act(w, act)		1
#define early_unsure(w)			0

static __always_inline void count_rule(struct fw *fw, __u32 slot)
{
	count(slot, fw->w->pkt.tot_len);
}
#endif

#endif /* BPFIPT_EARLY_BPF_H */
