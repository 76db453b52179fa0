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
 * would be unknown (-1): let it pass, it is worth nothing alone.
 *
 * TCP: the tracker saw the first fragment's bytes only. The last fragment tells the
 * segment's length, and moves the sender's window end, or the ACK of the whole
 * would look like one of data never sent.
 */
#ifndef BPFIPT_FRAG_BPF_H
#define BPFIPT_FRAG_BPF_H

#include "conntrack.bpf.h"

/*
 * What the last fragment of a TCP segment moves: what is noted of it for a RST in answer;
 * the sender's end, too; and the window
 */
enum { FRAG_NOTED = 1, FRAG_END, FRAG_WINDOW };

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

/**
 * frag_remember() - a first fragment (offset 0, MF) was judged
 * @ref:	as ct_label() and ct_commit() left it
 * @verdict:	given back by frag_follow(); not negative
 * Return: 0.
 */
__noinline int frag_remember(fw_ctx_t *ctx, struct fw_pkt *pkt, struct ct_ref *ref, int verdict)
{
	struct frag_entry f = {};
	struct ct_scratch *sc;
	struct frag_key key;

	if (!(features & IMG_F_CT) || !ctx || !pkt || !ref ||
	    (pkt->frag_off & (CT_MF | CT_OFFSET)) != CT_MF ||
	    frag_key_of(ctx, pkt, &key))
		return 0;
	f.deadline = ct_after_secs(bpf_ktime_get_coarse_ns(), FRAG_TIMEOUT);
	f.verdict = verdict;
	f.ctstate = pkt->key[KEY_CTSTATE];
	sc = ct_scratch_get();
	if (sc && pkt->proto == IPPROTO_TCP && ref->what == CT_REF_FOUND) {
		const struct ct_tcp_side *side;
		const struct ct_entry *e;

		f.key = ref->key;
		f.dir = ref->dir;
		e = bpf_map_lookup_elem(&conntrack, &f.key);
		side = e ? &e->tcp.side[f.dir & 1] : NULL;
		/* One that was let through as too new moves the end only, as too old nothing. */
		if (side && !seq_before(side->end, sc->seg.raw_end))
			f.tracked = seq_before(sc->seg.seq, side->maxend + 1) ? FRAG_WINDOW : FRAG_END;
		else if (side)
			f.tracked = FRAG_NOTED;
		/* So that end = f.end + transport bytes of the whole datagram. */
		f.end = sc->seg.raw_end - pkt->l4_len;
		f.first = pkt->l4_len;
	}
	bpf_map_update_elem(&fragments, &key, &f, BPF_ANY);
	return 0;
}

static __always_inline void frag_tcp_end(const struct frag_entry *f, __u32 l4_total)
{
	struct ct_entry *e = bpf_map_lookup_elem(&conntrack, &f->key);
	__u32 end = f->end + l4_total, counted = f->end + f->first;
	__u64 unacked = ct_after_secs(bpf_ktime_get_coarse_ns(), ct_params.tcp_unack);
	struct ct_tcp_side *side, *peer;

	if (!e)
		return;
	bpf_spin_lock(&e->lock);
	side = &e->tcp.side[f->dir & 1];
	peer = &e->tcp.side[!f->dir];
	if (e->orig.proto == IPPROTO_TCP && side->maxwin) {
		if (f->tracked >= FRAG_END && seq_after(end, side->end)) {
			side->end = end;
			side->flags |= CT_TCP_UNACKED;
			if (f->tracked == FRAG_WINDOW && e->deadline > unacked)
				e->deadline = unacked;
		}
		if (e->tcp.last_dir == f->dir && e->tcp.last_end == counted)
			e->tcp.last_end = end;
		/* ct_tcp_window(): more than was allowed, of which the first had its part */
		if (seq_before(counted, side->maxend))
			counted = side->maxend;
		if (f->tracked == FRAG_WINDOW && peer->maxwin && seq_after(end, counted))
			peer->maxwin += end - counted;
	}
	bpf_spin_unlock(&e->lock);
}

/**
 * frag_follow() - what became of the first fragment of this later one?
 * Sets pkt->key[KEY_CTSTATE] to the first one's.
 * Return: the verdict given to frag_remember(), or -1: not known.
 */
__noinline int frag_follow(fw_ctx_t *ctx, struct fw_pkt *pkt)
{
	struct frag_entry *f;
	struct frag_key key;

	if (!(features & IMG_F_CT) || !ctx || !pkt || !(pkt->frag_off & CT_OFFSET) ||
	    frag_key_of(ctx, pkt, &key))
		return -1;
	f = bpf_map_lookup_elem(&fragments, &key);
	if (!f)
		return -1;
	if (bpf_ktime_get_coarse_ns() >= f->deadline) {
		bpf_map_delete_elem(&fragments, &key);
		return -1;
	}
	pkt->key[KEY_CTSTATE] = f->ctstate;
	if (f->tracked && !(pkt->frag_off & CT_MF))
		frag_tcp_end(f, (pkt->frag_off & CT_OFFSET) * 8 + pkt->l4_len);
	return f->verdict;
}

#endif /* BPFIPT_FRAG_BPF_H */
