/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * ct_icmp.bpf.h - ICMP: whom does an error message speak of?
 *
 * Follows nf_conntrack_icmpv4_error() and nf_conntrack_inet_error() (net/
 * netfilter/nf_conntrack_proto_icmp.c). An error quotes the packet that caused it;
 * when that packet belongs to a connection, and the error goes to its sender, the
 * error is RELATED. It does not refresh the connection.
 *
 * Example: 10.0.0.1:4000 -> 10.0.0.2:80 is known; port unreachable 10.0.0.2 ->
 * 10.0.0.1 quoting it is RELATED, in the reply direction. Sent to 10.0.0.3 the
 * same message is INVALID. What the stack answers itself may be about a packet that
 * got no further than conntrack: ct_left.bpf.h.
 */
#ifndef BPFIPT_CT_ICMP_BPF_H
#define BPFIPT_CT_ICMP_BPF_H

#define CT_ICMP_TYPES	18	/* highest type that is known */

static __always_inline int ct_dir_of(const struct ct_entry *e, const struct ct_tuple *t);

/*
 * ct_icmp() - checks of every ICMP packet, and the state of an error message
 * The scratch buffer holds the ICMP header.
 * Return: 0: a query or reply, go on; or the CT_* state.
 */
__noinline int ct_icmp(fw_ctx_t *ctx, struct fw_pkt *pkt, struct ct_ref *ref)
{
	struct ct_scratch *sc = ct_scratch_get();
	__u64 now = bpf_ktime_get_coarse_ns();
	__u32 type, off, left, ihl;
	struct ct_tuple t = {};
	struct ct_entry *e;
	int dir;

	if (!(features & IMG_F_CT) || !sc || !ctx || !pkt || !ref)
		return CT_INVALID;
	type = sc->buf[0];
	off = pkt->l4_off + 8;
	left = pkt->l4_len - 8;
	if (!ct_csum_ok(ctx, pkt, pkt->l4_len, 0, 0))
		return CT_INVALID;
	if (type > CT_ICMP_TYPES)
		return CT_INVALID;
	if (type != 3 && type != 4 && type != 5 && type != 11 && type != 12)
		return 0;

	if (left < 20 || left > 0xffff || fw_load(ctx, off, sc->buf, 20))
		return CT_INVALID;
	ihl = (sc->buf[0] & 15) * 4;
	if (ihl > left || bpf_ntohs(*(__be16 *)(sc->buf + 6)) & CT_OFFSET)
		return CT_INVALID;
	t.proto = sc->buf[9];
	t.src = *(__be32 *)(sc->buf + 12);
	t.dst = *(__be32 *)(sc->buf + 16);
	if (ct_get_tuple(ctx, off + ihl, left - ihl, &t, sc->buf) || ct_canonical(&t, &ref->key))
		return CT_INVALID;
	e = ct_lookup(&ref->key, now);
	if (!e) {
		if (pkt->hook != HOOK_OUTPUT || t.src != bpf_htonl(pkt->key[KEY_DADDR]) ||
		    !ct_left_error(sc, &t, now))
			return CT_INVALID;
		ref->what = CT_REF_FOUND;
		ref->dir = CT_REPLY;
		return CT_RELATED;
	}
	bpf_spin_lock(&e->lock);
	dir = ct_dir_of(e, &t);
	ct_copy(sc, e);
	bpf_spin_unlock(&e->lock);
	if (dir < 0 || t.src != bpf_htonl(pkt->key[KEY_DADDR]))
		return CT_INVALID;
	ref->what = CT_REF_FOUND;
	ref->dir = !dir;
	return CT_RELATED;
}

#endif /* BPFIPT_CT_ICMP_BPF_H */
