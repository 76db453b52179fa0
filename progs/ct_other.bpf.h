/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * ct_other.bpf.h - trackers without a state machine: UDP, UDPlite, ICMP queries,
 * GRE, and the generic one for every other protocol
 *
 * Sources: nf_conntrack_proto_udp.c, _icmp.c, _gre.c, _generic.c. Each is a header
 * check and a timeout that grows once the flow was seen both ways.
 */
#ifndef BPFIPT_CT_OTHER_BPF_H
#define BPFIPT_CT_OTHER_BPF_H

#define CT_UDP_STREAM_AGE	2	/* s; a younger exchange is no stream */

/* Return: 0, or -1: INVALID. */
static __always_inline int ct_udp_check(fw_ctx_t *ctx, struct fw_pkt *pkt,
					struct ct_scratch *sc)
{
	__u32 ulen;
	__be16 check;
	const void *h;

	h = pkt->l4_len < 8 ? NULL : ct_bytes(ctx, pkt->l4_off, sc->buf, 8);
	if (!h)
		return -1;
	ulen = bpf_ntohs(*(const __be16 *)(h + 4));
	/* The rest of a first fragment comes later. */
	if (ulen < 8 || (ulen > pkt->l4_len && !(pkt->frag_off & CT_MF) &&
			 !(pkt->flags & PKT_GSO)))
		return -1;
	check = *(const __be16 *)(h + 6);
	if (!check)
		return 0;
	return ct_csum_ok(ctx, pkt, pkt->l4_len, IPPROTO_UDP, check) ? 0 : -1;
}

/*
 * RFC 3828: the length field is the checksum's coverage, and a checksum is
 * mandatory. The kernel sums it with UDP's protocol number in the pseudo header
 * (udplite_error()), and so do we.
 */
static __always_inline int ct_udplite_check(fw_ctx_t *ctx, struct fw_pkt *pkt,
					    struct ct_scratch *sc)
{
	__u32 cover;
	__be16 check;

	if (pkt->l4_len < 8 || fw_load(ctx, pkt->l4_off, sc->buf, 8))
		return -1;
	cover = bpf_ntohs(*(__be16 *)(sc->buf + 4));
	if (cover == 0)
		cover = pkt->l4_len;
	else if (cover < 8 || (cover > pkt->l4_len && !(pkt->frag_off & CT_MF)))
		return -1;
	check = *(__be16 *)(sc->buf + 6);
	if (!check)
		return -1;
	return ct_csum_ok(ctx, pkt, cover, IPPROTO_UDP, check) ? 0 : -1;
}

/* Its status may be written by another CPU at the same time. */
static __always_inline void ct_assure(struct ct_entry *e)
{
	if (!(e->status & CTS_ASSURED))
		__sync_fetch_and_or(&e->status, CTS_ASSURED);
}

/* Without a lock: see conntrack.bpf.h. */
static __always_inline int ct_other_advance(struct ct_entry *e, __u64 now)
{
	__u32 both = e->status & CTS_SEEN_REPLY, secs;

	switch (e->orig.proto) {
	case IPPROTO_UDP:
		secs = ct_params.udp;
		if (both && (e->status & CTS_ASSURED ||
			     now > ct_after_secs(e->created, CT_UDP_STREAM_AGE))) {
			secs = ct_params.udp_stream;
			ct_assure(e);
		}
		break;
	case IPPROTO_UDPLITE:
		secs = both ? ct_params.udp_stream : ct_params.udp;
		if (both)
			ct_assure(e);
		break;
	case IPPROTO_GRE:
		secs = both ? ct_params.gre_stream : ct_params.gre;
		if (both)
			ct_assure(e);
		break;
	case IPPROTO_ICMP:
		secs = ct_params.icmp;
		break;
	default:
		secs = ct_params.generic;
	}
	e->deadline = ct_after_secs(now, secs);
	return CT_OUT_REFRESH;
}

#endif /* BPFIPT_CT_OTHER_BPF_H */
