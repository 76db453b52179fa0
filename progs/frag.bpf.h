/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * frag.bpf.h - later fragments share the fate of their first
 *
 * With conntrack in use netfilter reassembles before any rule is asked. A tc or
 * XDP program cannot, but it need not: a datagram without its first fragment is
 * never put together, so it is enough that the others follow it. The first one is
 * judged by its transport header and remembered by (addresses, id, protocol, hook)
 * for net.ipv4.ipfrag_time.
 *
 * Example: UDP of 3000 bytes, id 7, dropped by a rule. First fragment: DROP,
 * frag_remember(). Second: frag_follow() says DROP. Had the second come first it
 * would be unknown: let it pass, it is worth nothing alone.
 *
 * TCP: what a segment does to its connection depends on its end, which the first
 * fragment does not know. It is labelled by what it has, and the entry stays as it was
 * (CT_TRY). When the last to come has made the datagram whole, the tracker gets the
 * segment as the first one had it, with the end it has now, as netfilter does then.
 * Where the first one opened the connection, the entry is made anew.
 */
#ifndef BPFIPT_FRAG_BPF_H
#define BPFIPT_FRAG_BPF_H

#include "conntrack.bpf.h"

/* What to do with the whole segment. */
enum frag_tracked { FRAG_NOTHING, FRAG_ADVANCE, FRAG_OPEN };

struct {
	__uint(type, BPF_MAP_TYPE_LRU_HASH);
	__uint(max_entries, FRAG_ENTRIES);
	__type(key, struct frag_key);
	__type(value, struct frag_entry);
} fragments SEC(".maps");

/* Return: 0, or -1 when the IP id cannot be read. */
static __always_inline int frag_key_of(fw_ctx_t *ctx, const struct fw_pkt *pkt,
				       struct frag_key *key)
{
	__builtin_memset(key, 0, sizeof(*key));
	key->src = bpf_htonl(pkt->key[KEY_SADDR]);
	key->dst = bpf_htonl(pkt->key[KEY_DADDR]);
	key->proto = pkt->proto;
	key->hook = pkt->hook;
	return fw_load(ctx, pkt->l3_off + 4, &key->id, sizeof(key->id)) ? -1 : 0;
}

/* Fragments of @key that came before their first, or NULL. */
static __always_inline struct frag_entry *frag_early(const struct frag_key *key)
{
	struct frag_entry *f = bpf_map_lookup_elem(&fragments, key);

	if (!f || f->verdict != FRAG_UNKNOWN || bpf_ktime_get_coarse_ns() >= f->deadline)
		return NULL;
	return f;
}

static __always_inline void frag_set_end(struct ct_seg *s, __u32 l4_len)
{
	s->end = s->seq + l4_len - s->payload_off + !!(s->tcpflags & TH_SYN) +
		 !!(s->tcpflags & TH_FIN);
}

/**
 * frag_first() - ct_prepare() has read the first fragment of a TCP segment
 * @ref:	keep: set to CT_TRY unless the others are there already
 * Return: the IP total length to count.
 */
__noinline int frag_first(fw_ctx_t *ctx, struct fw_pkt *pkt, struct ct_ref *ref)
{
	struct ct_scratch *sc = ct_scratch_get();
	struct frag_entry *f;
	struct frag_key key;

	if (!(features & IMG_F_CT) || !sc || !ctx || !pkt || !ref)
		return 0;
	f = frag_key_of(ctx, pkt, &key) ? NULL : frag_early(&key);
	if (f && f->total && f->have + pkt->l4_len >= f->total) {
		frag_set_end(&sc->seg, f->total);
		return pkt->ihl + f->total;
	}
	ref->keep = CT_TRY;
	__builtin_memcpy(sc->raw, &sc->seg, sizeof(sc->raw));
	return pkt->tot_len;
}

/**
 * frag_try() - ct_update() on a copy of the entry, which stays as it is
 * Return: enum ct_outcome; @ref's direction and state are set.
 */
__noinline int frag_try(struct ct_ref *ref, __u32 bytes)
{
	const __u32 lock = sizeof(struct bpf_spin_lock);
	struct ct_scratch *sc = ct_scratch_get();
	__u64 now = bpf_ktime_get_coarse_ns();
	struct ct_entry *e, *copy;
	int dir, out;

	if (!(features & IMG_F_CT) || !sc || !ref)
		return CT_OUT_MISS;
	e = ct_lookup(&ref->key, now);
	if (!e)
		return CT_OUT_MISS;
	copy = (void *)sc->entry;
	bpf_spin_lock(&e->lock);
	__builtin_memcpy((void *)copy + lock, (void *)e + lock, sizeof(*e) - lock);
	bpf_spin_unlock(&e->lock);
	dir = ct_dir_of(copy, &sc->tuple);
	if (dir < 0)
		return CT_OUT_MISS;
	ref->dir = dir;
	ref->state = ct_state_of(copy->status, dir);
	dir = READ_ONCE(ref->dir) & 1;
	out = ct_advance(copy, &sc->seg, dir, now);
	if (out == CT_OUT_REFRESH || out == CT_OUT_KILL)
		ct_count(copy, dir, bytes, 1);
	if (dir == CT_REPLY)
		copy->status |= CTS_SEEN_REPLY;
	return out;
}

/**
 * frag_remember() - a first fragment (offset 0, MF) was judged
 * @ref:	as ct_label() and ct_commit() left it
 * @verdict:	given back by frag_follow(); not negative
 * Return: 0.
 */
__noinline int frag_remember(fw_ctx_t *ctx, struct fw_pkt *pkt, struct ct_ref *ref, int verdict)
{
	struct ct_scratch *sc = ct_scratch_get();
	struct frag_entry f = {}, *early;
	struct frag_key key;

	if (!(features & IMG_F_CT) || !sc || !ctx || !pkt || !ref ||
	    (pkt->frag_off & (CT_MF | CT_OFFSET)) != CT_MF || frag_key_of(ctx, pkt, &key))
		return 0;
	f.deadline = ct_after_secs(bpf_ktime_get_coarse_ns(), FRAG_TIMEOUT);
	f.verdict = verdict;
	f.ctstate = pkt->key[KEY_CTSTATE];
	if (ref->keep & CT_TRY || (ref->keep & CT_TRY_NEW && ref->what == CT_REF_FOUND)) {
		early = frag_early(&key);
		if (early) {
			f.have = early->have;
			f.total = early->total;
		}
		f.have += pkt->l4_len;
		f.tracked = ref->keep & CT_TRY ? FRAG_ADVANCE : FRAG_OPEN;
		f.ihl = pkt->ihl;
		f.tuple = sc->tuple;
		__builtin_memcpy(f.seg, sc->raw, sizeof(f.seg));
	}
	bpf_map_update_elem(&fragments, &key, &f, BPF_ANY);
	return 0;
}

/* A fragment whose first one is not there yet: what it has is noted for that. */
static __always_inline void frag_came_early(const struct fw_pkt *pkt, const struct frag_key *key,
					    __u32 total)
{
	struct frag_entry f = {
		.deadline = ct_after_secs(bpf_ktime_get_coarse_ns(), FRAG_TIMEOUT),
		.verdict = FRAG_UNKNOWN, .have = pkt->l4_len, .total = total,
	};

	if (pkt->proto == IPPROTO_TCP)
		bpf_map_update_elem(&fragments, key, &f, BPF_ANY);
}

/* The entry that the first fragment made, and that nobody has met since, as @ref has it now. */
static __always_inline void frag_renew(const struct ct_ref *ref, struct ct_scratch *sc)
{
	struct ct_entry *e = ct_find(&ref->key), *as = (void *)sc->entry;

	if (!e)
		return;
	bpf_spin_lock(&e->lock);
	if (ct_same_tuple(&e->orig, &as->orig) && e->packets[CT_ORIG] == 1 &&
	    !e->packets[CT_REPLY]) {
		e->tcp = as->tcp;
		e->state = as->state;
		e->deadline = as->deadline;
		e->bytes[CT_ORIG] = as->bytes[CT_ORIG];
	}
	bpf_spin_unlock(&e->lock);
}

/* The segment is whole. Return: its CT_* state. */
static __always_inline __u32 frag_track(const struct frag_entry *f)
{
	struct ct_scratch *sc = ct_scratch_get();
	__u32 bytes = f->ihl + f->total;
	struct ct_ref ref = {};
	int out;

	if (!sc)
		return CT_INVALID;
	sc->tuple = f->tuple;
	__builtin_memcpy(&sc->seg, f->seg, sizeof(f->seg));
	frag_set_end(&sc->seg, f->total);
	ct_canonical(&sc->tuple, &ref.key);
	if (f->tracked == FRAG_OPEN) {
		if (!ct_open(&ref, bytes))
			frag_renew(&ref, sc);
		return f->ctstate;
	}
	out = ct_update(&ref, bytes, 0);
	if (out == CT_OUT_KILL || out == CT_OUT_REOPEN)
		ct_delete(&ref.key);
	return out == CT_OUT_INVALID || out == CT_OUT_MISS ? CT_INVALID : ref.state;
}

/**
 * frag_follow() - what became of the first fragment of this later one?
 * Sets pkt->key[KEY_CTSTATE] to the first one's; of what made a TCP segment whole, to
 * the segment's.
 * Return: the verdict given to frag_remember(), or FRAG_UNKNOWN.
 */
__noinline int frag_follow(fw_ctx_t *ctx, struct fw_pkt *pkt)
{
	struct frag_entry *f;
	struct frag_key key;
	__u32 total = 0;

	if (!(features & IMG_F_CT) || !ctx || !pkt || !(pkt->frag_off & CT_OFFSET) ||
	    frag_key_of(ctx, pkt, &key))
		return FRAG_UNKNOWN;
	if (!(pkt->frag_off & CT_MF))
		total = (pkt->frag_off & CT_OFFSET) * 8 + pkt->l4_len;
	f = bpf_map_lookup_elem(&fragments, &key);
	if (!f || bpf_ktime_get_coarse_ns() >= f->deadline) {
		frag_came_early(pkt, &key, total);
		return FRAG_UNKNOWN;
	}
	__sync_fetch_and_add(&f->have, pkt->l4_len);
	if (total)
		f->total = total;
	pkt->key[KEY_CTSTATE] = f->ctstate;
	if (f->tracked && f->total && f->have >= f->total) {
		pkt->key[KEY_CTSTATE] = frag_track(f);
		f->tracked = FRAG_NOTHING;
	}
	return f->verdict;
}

#endif /* BPFIPT_FRAG_BPF_H */
