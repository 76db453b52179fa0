/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * ct_view.bpf.h - what ct_label() found, for the matches and targets that ask
 *
 * The entry was copied to the scratch while it was locked (ct_copy()), so that a rule
 * sees one state of it, and sees it still when the packet itself ended the connection.
 * A mark goes both ways: to the copy, which later rules read, and to the entry.
 */
#ifndef BPFIPT_CT_VIEW_BPF_H
#define BPFIPT_CT_VIEW_BPF_H

#include "conntrack.bpf.h"

/* nf_ct_invert_tuple(): an ICMP reply's type is the request's + 1, but 0 for 8. */
static __always_inline void ct_inverse(const struct ct_tuple *t, struct ct_tuple *r)
{
	__u8 *type = (__u8 *)&r->dport;

	r->src = t->dst;
	r->dst = t->src;
	r->proto = t->proto;
	if (t->proto == IPPROTO_ICMP) {
		r->sport = t->sport;
		r->dport = t->dport;
		*type = *type == 8 ? 0 : *type + 1;
		return;
	}
	r->sport = t->dport;
	r->dport = t->sport;
}

/* ct_view_fill() - @ref is as ct_label() left it. Return: 0. */
__noinline int ct_view_fill(struct ct_view *v, struct ct_ref *ref)
{
	struct ct_scratch *sc = ct_scratch_get();
	__u64 now = bpf_ktime_get_coarse_ns();
	const struct ct_entry *e;

	if (!(features & IMG_F_CTINFO) || !sc || !v || !ref)
		return 0;
	v->has_entry = ref->what != CT_REF_NONE;
	v->confirmed = ref->what == CT_REF_FOUND;
	v->dir = ref->dir;
	if (!v->has_entry) {
		v->has_tuple = sc->has_tuple;
		v->orig = sc->tuple;
		return 0;
	}
	e = (const void *)sc->entry;
	sc->key = ref->key;
	v->has_tuple = 1;
	v->status = e->status;
	v->mark = e->mark;
	v->left = e->deadline > now ? e->deadline - now : 0;
	v->packets[CT_ORIG] = e->packets[CT_ORIG];
	v->packets[CT_REPLY] = e->packets[CT_REPLY];
	v->bytes[CT_ORIG] = e->bytes[CT_ORIG];
	v->bytes[CT_REPLY] = e->bytes[CT_REPLY];
	v->orig = e->orig;
	ct_inverse(&e->orig, &v->reply);
	return 0;
}

/* The mark of the entry itself: (mark & ~@mask) ^ @value, then shifted. */
static __always_inline __u32 ct_mark(struct ct_entry *e, __u32 mask, __u32 value, __s32 shift)
{
	__u32 mark = (e->mark & ~mask) ^ value;

	e->mark = shift < 0 ? mark >> (-shift & 31) : mark << (shift & 31);
	return e->mark;
}

/*
 * ct_set_mark() - a CONNMARK target; a NEW packet's entry gets it when it is committed
 * Return: 0.
 */
static __always_inline int ct_set_mark(struct ct_view *v, __u32 mask, __u32 value, __s32 shift)
{
	struct ct_scratch *sc = ct_scratch_get();
	struct ct_entry *e;

	if (!sc)
		return 0;
	v->mark = ct_mark((void *)sc->entry, mask, value, shift);
	if (!v->confirmed)
		return 0;
	e = bpf_map_lookup_elem(&conntrack, &sc->key);
	if (!e)
		return 0;
	bpf_spin_lock(&e->lock);
	if (ct_same_tuple(&e->orig, &v->orig))
		v->mark = ct_mark(e, mask, value, shift);
	bpf_spin_unlock(&e->lock);
	return 0;
}

#endif /* BPFIPT_CT_VIEW_BPF_H */
