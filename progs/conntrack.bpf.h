/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * conntrack.bpf.h - stage: label the packet with its connection's state
 *
 * Follows nf_conntrack_in() and __nf_conntrack_confirm() (net/netfilter/
 * nf_conntrack_core.c): ct_label() finds the connection and advances it, before
 * any rule is looked at and whatever the verdict will be; a packet of no known
 * connection is NEW and its entry waits in a per-CPU scratch until ct_commit(),
 * which is called for packets that survive only. So a SYN that is dropped leaves
 * nothing behind, and a dropped SYN-ACK still makes the flow ESTABLISHED.
 *
 * Worked example, 10.0.0.1:4000 <-> 10.0.0.2:80, ACCEPT everywhere:
 *	SYN	no entry -> NEW; ct_commit() inserts SYN_SENT, deadline +120 s
 *	SYN-ACK	entry, reply -> ESTABLISHED; SYN_RECV; then SEEN_REPLY is set
 *	ACK	entry, original, SEEN_REPLY -> ESTABLISHED; state ESTABLISHED
 *
 * Entries are advanced by ct_update.bpf.h. Timeouts are enforced on lookup. Entries nobody
 * asks for again are evicted by ct_table.bpf.h when their room is needed.
 *
 * The includer has defined fw_ctx_t and fw_load().
 */
#ifndef BPFIPT_CONNTRACK_BPF_H
#define BPFIPT_CONNTRACK_BPF_H

#include "ct_scratch.bpf.h"

/* A map of its own, so that all objects share it and user space may write it any time. */
struct ct_params ct_params SEC(".data.ct") = CT_PARAMS_DEFAULT;

struct {
	__uint(type, BPF_MAP_TYPE_HASH);
	__uint(map_flags, BPF_F_NO_PREALLOC);
	__uint(max_entries, CT_DEFAULT_ENTRIES);
	__type(key, struct ct_tuple);
	__type(value, struct ct_entry);
} conntrack SEC(".maps");

/* What matches may ask of an entry (struct ct_view), out of the table's reach. */
static __always_inline void ct_copy(struct ct_scratch *sc, const struct ct_entry *e)
{
	struct ct_entry *to = (void *)sc->entry;

	if (!(features & IMG_F_CTINFO))
		return;
	to->status = e->status;
	to->deadline = e->deadline;
	to->orig = e->orig;
	to->mark = e->mark;
	to->packets[CT_ORIG] = e->packets[CT_ORIG];
	to->packets[CT_REPLY] = e->packets[CT_REPLY];
	to->bytes[CT_ORIG] = e->bytes[CT_ORIG];
	to->bytes[CT_REPLY] = e->bytes[CT_REPLY];
}

#include "ct_tuple.bpf.h"
#include "ct_csum.bpf.h"
#include "ct_table.bpf.h"
#include "ct_tcp.bpf.h"
#include "ct_sctp.bpf.h"
#include "ct_other.bpf.h"
#include "ct_left.bpf.h"
#include "ct_icmp.bpf.h"
#include "ct_update.bpf.h"

/* frag.bpf.h */
__noinline int frag_first(fw_ctx_t *ctx, struct fw_pkt *pkt, struct ct_ref *ref);
__noinline int frag_try(struct ct_ref *ref, __u32 bytes);
__noinline int frag_remember(fw_ctx_t *ctx, struct fw_pkt *pkt, struct ct_ref *ref, int verdict);
__noinline int frag_follow(fw_ctx_t *ctx, struct fw_pkt *pkt);

/* Read and check the transport header. Return: 0, or -1: INVALID. */
static __always_inline int ct_check(fw_ctx_t *ctx, struct fw_pkt *pkt,
				    struct ct_scratch *sc)
{
	switch (pkt->proto) {
	case IPPROTO_TCP:
		return ct_tcp_read(ctx, pkt);
	case IPPROTO_UDP:
		return ct_udp_check(ctx, pkt, sc);
	case IPPROTO_UDPLITE:
		return ct_udplite_check(ctx, pkt, sc);
	case IPPROTO_SCTP:
		return ct_sctp_read(ctx, pkt);
	}
	return 0;
}

/*
 * ct_prepare() - read and check the packet: tuple and segment into the scratch,
 * key into @ref
 * Return: 0: look the key up; else the state is known already (CT_*).
 */
static __always_inline int ct_prepare(fw_ctx_t *ctx, struct fw_pkt *pkt, struct ct_ref *ref,
				      struct ct_scratch *sc)
{
	struct ct_tuple *t = &sc->tuple;

	if (pkt->frag_off & CT_OFFSET)
		return CT_INVALID;
	sc->has_tuple = 0;
	__builtin_memset(t, 0, sizeof(*t));
	t->src = bpf_htonl(pkt->key[KEY_SADDR]);
	t->dst = bpf_htonl(pkt->key[KEY_DADDR]);
	t->proto = pkt->proto;
	if (ct_get_tuple(ctx, pkt->l4_off, pkt->l4_len, t, sc->buf))
		return CT_INVALID;
	sc->has_tuple = 1;
	if (t->proto == IPPROTO_ICMP) {
		int state = ct_icmp(ctx, pkt, ref);

		if (state)
			return state;
	}
	if (ct_canonical(t, &ref->key) || ct_check(ctx, pkt, sc))
		return CT_INVALID;
	return 0;
}

/*
 * ct_open() - no entry: prepare one in the scratch
 * Return: 0, or -1: the packet cannot open a connection, INVALID.
 */
__noinline int ct_open(struct ct_ref *ref, __u32 bytes)
{
	struct ct_scratch *sc = ct_scratch_get();
	__u64 now = bpf_ktime_get_coarse_ns();
	struct ct_entry *e;

	if (!(features & IMG_F_CT) || !sc || !ref)
		return -1;
	if (sc->tuple.proto == IPPROTO_ICMP && !ct_icmp_request(&sc->tuple))
		return -1;
	e = (void *)sc->entry;
	__builtin_memset(e, 0, sizeof(*e));
	e->orig = sc->tuple;
	e->created = now;
	e->packets[CT_ORIG] = 1;
	e->bytes[CT_ORIG] = bytes;
	if (e->orig.proto == IPPROTO_TCP && ct_tcp_new(e, &sc->seg))
		return -1;
	if (e->orig.proto == IPPROTO_SCTP && ct_sctp_new(e, &sc->seg))
		return -1;
	if (ct_advance(e, &sc->seg, CT_ORIG, now) == CT_OUT_INVALID)
		return -1;
	ref->what = CT_REF_NEW;
	ref->dir = CT_ORIG;
	return 0;
}

static __always_inline __u32 ct_track(fw_ctx_t *ctx, struct fw_pkt *pkt, struct ct_ref *ref)
{
	int peek = pkt->flags & PKT_LOOPBACK && pkt->hook == HOOK_INPUT;
	struct ct_scratch *sc = ct_scratch_get();
	__u32 bytes = pkt->tot_len;
	int r;

	if (!sc)
		return CT_INVALID;
	r = ct_prepare(ctx, pkt, ref, sc);
	if (r)
		return r;
	if (unlikely(pkt->frag_off & CT_MF) && pkt->proto == IPPROTO_TCP && !peek)
		bytes = frag_first(ctx, pkt, ref);
	if (!ct_has_states(pkt->proto))
		r = ct_touch(ref, sc, bytes, peek);
	else if (unlikely(ref->keep & CT_TRY))
		r = frag_try(ref, bytes);
	else
		r = ct_update(ref, bytes, peek);
	if (r == CT_OUT_INVALID)
		return CT_INVALID;
	if (r == CT_OUT_REFRESH || r == CT_OUT_KEEP || (r == CT_OUT_KILL && ref->keep & CT_TRY)) {
		ref->what = CT_REF_FOUND;
		return ref->state;
	}
	if (r == CT_OUT_KILL || r == CT_OUT_REOPEN)
		ct_delete(&ref->key);
	if (r == CT_OUT_KILL) {
		ref->what = CT_REF_GONE;
		return ref->state;
	}
	if (ref->keep & CT_TRY)
		ref->keep = CT_TRY_NEW;
	return peek || ct_open(ref, bytes) ? CT_INVALID : CT_NEW;
}

/**
 * ct_label() - the packet's conntrack state, into pkt->key[KEY_CTSTATE]
 * @pkt:	parsed; hook, flags and fragment field are looked at
 * @ref:	filled for ct_commit()
 *
 * On the loopback interface at INPUT the entry is looked up, not advanced: the
 * packet was tracked at OUTPUT, and its state is the one of then (pkt->lo_state),
 * whatever became of the entry. A later fragment is INVALID here: ask
 * frag_follow() instead.
 *
 * Return: 0.
 */
__noinline int ct_label(fw_ctx_t *ctx, struct fw_pkt *pkt, struct ct_ref *ref)
{
	if (!(features & IMG_F_CT) || !ctx || !pkt || !ref)
		return 0;
	ref->what = CT_REF_NONE;
	ref->dir = CT_ORIG;
	ref->keep = 0;
	ref->state = ct_track(ctx, pkt, ref);
	if (pkt->lo_state)
		ref->state = pkt->lo_state;
	pkt->key[KEY_CTSTATE] = ref->state;
	if (ref->what == CT_REF_NEW || pkt->frag_off & CT_MF)
		ref->keep |= CT_KEEP;
	return 0;
}

/**
 * ct_left() - a packet that no chain will see; ip_rcv() will, so conntrack, too
 * @answered:	the stack sends an ICMP error about it
 * Return: 0.
 */
__noinline int ct_left(fw_ctx_t *ctx, struct fw_pkt *pkt, int answered)
{
	struct ct_scratch *sc = ct_scratch_get();

	if (!(features & IMG_F_CT) || !ctx || !pkt || !sc)
		return 0;
	if (pkt->frag_off & CT_OFFSET) {
		frag_follow(ctx, pkt);
		return 0;
	}
	ct_label(ctx, pkt, &sc->left);
	if (pkt->frag_off & CT_MF)
		frag_remember(ctx, pkt, &sc->left, 0);
	if (answered && sc->left.what == CT_REF_NEW)
		ct_left_note(sc, pkt->tot_len);
	return 0;
}

/*
 * Another CPU has opened the connection meanwhile. As nf_ct_resolve_clash(): where a
 * packet more or less is no harm it is counted there, else dropped.
 */
static __always_inline int ct_join(struct ct_ref *ref, struct ct_scratch *sc)
{
	__u8 proto = sc->tuple.proto;
	struct ct_entry *e;
	__u32 bytes;
	int dir;

	event(EV_CT_CLASH);
	if (proto == IPPROTO_TCP || proto == IPPROTO_SCTP || proto == IPPROTO_ICMP)
		return -1;
	e = ct_find(&ref->key);
	if (!e)
		return 0;
	bytes = ((struct ct_entry *)sc->entry)->bytes[CT_ORIG];
	dir = ct_dir_of(e, &sc->tuple);
	if (dir >= 0)
		ct_count(e, dir, bytes, 0);
	return 0;
}

/**
 * ct_commit() - the packet survives: put its connection into the table
 *
 * Must follow ct_label() of the same packet with no other packet between them on
 * this CPU (a redirect in between would track one).
 *
 * Return: 0, or -1: drop the packet. The table is full, EV_CT_FULL counted; or another
 * CPU was faster, see ct_join().
 */
__noinline int ct_commit(fw_ctx_t *ctx, struct fw_pkt *pkt, struct ct_ref *ref)
{
	struct ct_scratch *sc;
	int err;

	if (!(features & IMG_F_CT) || !ctx || !pkt || !ref || ref->what != CT_REF_NEW)
		return 0;
	sc = ct_scratch_get();
	if (!sc)
		return 0;
	err = ct_insert(&ref->key, (void *)sc->entry);
	if (err && err != -EEXIST) {
		event(EV_CT_FULL);
		return -1;
	}
	ref->what = CT_REF_FOUND;
	return err ? ct_join(ref, sc) : 0;
}

/**
 * ct_set_closing() - a RST was sent in the packet's name: its connection is over soon
 * As nf_conntrack_tcp_set_closing() (net/netfilter/nf_conntrack_proto_tcp.c).
 * Return: 0.
 */
__noinline int ct_set_closing(struct ct_ref *ref)
{
	__u64 now = bpf_ktime_get_coarse_ns();
	struct ct_entry *e;

	if (!(features & IMG_F_CT) || !ref || ref->what != CT_REF_FOUND ||
	    ref->key.proto != IPPROTO_TCP)
		return 0;
	e = ct_find(&ref->key);
	if (!e)
		return 0;
	bpf_spin_lock(&e->lock);
	if (e->state != CT_TCP_CLOSE) {
		e->state = CT_TCP_CLOSE;
		e->deadline = ct_after_secs(now, ct_params.tcp[CT_TCP_CLOSE]);
	}
	bpf_spin_unlock(&e->lock);
	return 0;
}

#endif /* BPFIPT_CONNTRACK_BPF_H */
