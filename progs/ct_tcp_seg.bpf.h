/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * ct_tcp_seg.bpf.h - read a TCP segment: header, options, checksum
 *
 * Everything the tracker (ct_tcp.bpf.h) needs goes into the scratch, since no helper
 * may be called under an entry's lock. What is malformed, or carries a combination of
 * flags that no stack sends (tcp_error(), nf_conntrack_proto_tcp.c), is INVALID.
 */
#ifndef BPFIPT_CT_TCP_SEG_BPF_H
#define BPFIPT_CT_TCP_SEG_BPF_H

#include "parse.bpf.h"

#define TH_FIN	0x01
#define TH_SYN	0x02
#define TH_RST	0x04
#define TH_PSH	0x08
#define TH_ACK	0x10
#define TH_URG	0x20
#define TH_ECE	0x40
#define TH_CWR	0x80

#define TCPOPT_EOL		0
#define TCPOPT_NOP		1
#define TCPOPT_WSCALE		3
#define TCPOPT_SACK_PERM	4
#define TCPOPT_SACK		5
#define TCP_MAX_SCALE		14

/* What a segment is by its flags: RST before SYN before FIN before ACK. */
enum ct_tcp_class {
	CT_SEG_SYN,
	CT_SEG_SYNACK,
	CT_SEG_FIN,
	CT_SEG_ACK,
	CT_SEG_RST,
	CT_SEG_NONE,
};

static __always_inline int seq_before(__u32 a, __u32 b)
{
	return (__s32)(a - b) < 0;
}

static __always_inline int seq_after(__u32 a, __u32 b)
{
	return (__s32)(b - a) < 0;
}

static __always_inline __u32 ct_tcp_classify(__u8 flags)
{
	if (flags & TH_RST)
		return CT_SEG_RST;
	if (flags & TH_SYN)
		return flags & TH_ACK ? CT_SEG_SYNACK : CT_SEG_SYN;
	if (flags & TH_FIN)
		return CT_SEG_FIN;
	return flags & TH_ACK ? CT_SEG_ACK : CT_SEG_NONE;
}

/* Combinations a stack may send; PSH, ECE and CWR go with any. */
static __always_inline int ct_tcp_flags_valid(__u8 flags)
{
	switch (flags & ~(TH_PSH | TH_ECE | TH_CWR)) {
	case TH_SYN:
	case TH_SYN | TH_URG:
	case TH_SYN | TH_ACK:
	case TH_RST:
	case TH_RST | TH_ACK:
	case TH_FIN | TH_ACK:
	case TH_FIN | TH_ACK | TH_URG:
	case TH_ACK:
	case TH_ACK | TH_URG:
		return 1;
	}
	return 0;
}

/*
 * One option of the list in @sc->buf. Scale and SACK-permitted are taken from
 * any segment, as is the first SACK option. Return: 1 at the end of the list.
 */
static __always_inline int ct_tcp_option(struct ct_scratch *sc)
{
	struct ct_seg *s = &sc->seg;
	__u32 pos = s->opt_pos & (TCP_OPTS_ROOM - 1), kind, size, i;

	if (pos >= s->opt_len)
		return 1;
	kind = sc->buf[pos];
	if (kind == TCPOPT_EOL)
		return 1;
	if (kind == TCPOPT_NOP) {
		s->opt_pos = pos + 1;
		return 0;
	}
	if (s->opt_len - pos < 2)
		return 1;
	size = sc->buf[pos + 1];
	if (size < 2 || size > s->opt_len - pos)
		return 1;
	if (kind == TCPOPT_SACK_PERM && size == 2) {
		s->opt_flags |= CT_TCP_SACK_PERM;
	} else if (kind == TCPOPT_WSCALE && size == 3) {
		s->scale = sc->buf[pos + 2];
		if (s->scale > TCP_MAX_SCALE)
			s->scale = TCP_MAX_SCALE;
		s->opt_flags |= CT_TCP_WSCALE;
	} else if (kind == TCPOPT_SACK && size >= 10 && (size - 2) % 8 == 0 && !s->sack_done) {
		for (i = 0; i < 4; i++) {
			__u32 at = pos + 2 + i * 8 + 4, edge;

			if (2 + (i + 1) * 8 > size)
				break;
			edge = (__u32)sc->buf[at] << 24 | (__u32)sc->buf[at + 1] << 16 |
			       (__u32)sc->buf[at + 2] << 8 | sc->buf[at + 3];
			if (seq_after(edge, s->sack))
				s->sack = edge;
		}
		s->sack_done = 1;
	}
	s->opt_pos = pos + size;
	return 0;
}

static long ct_tcp_option_cb(__u32 i, void *unused)
{
	struct ct_scratch *sc = ct_scratch_get();

	return sc ? ct_tcp_option(sc) : 1;
}

/* Read the segment into the scratch. Return: 0, or -1: INVALID. */
__noinline int ct_tcp_read(fw_ctx_t *ctx, struct fw_pkt *pkt)
{
	struct ct_scratch *sc = ct_scratch_get();
	__u32 len, doff, opts;
	struct ct_seg *s;
	const __u8 *h;
	__be16 check;

	if (!(features & IMG_F_CT) || !sc || !ctx || !pkt)
		return -1;
	s = &sc->seg;
	len = pkt->l4_len;
	h = len < TCP_HLEN ? NULL : ct_bytes(ctx, pkt->l4_off, sc->buf, TCP_HLEN);
	if (!h)
		return -1;
	doff = (h[12] >> 4) * 4;
	if (doff < TCP_HLEN || doff > len)
		return -1;
	s->tcpflags = h[13];
	if (!ct_tcp_flags_valid(s->tcpflags))
		return -1;
	s->class = ct_tcp_classify(s->tcpflags);
	s->seq = bpf_ntohl(*(const __be32 *)(h + 4));
	s->ack = bpf_ntohl(*(const __be32 *)(h + 8));
	s->win = bpf_ntohs(*(const __be16 *)(h + 14));
	check = *(const __be16 *)(h + 16);
	s->end = s->seq + len - doff + !!(s->tcpflags & TH_SYN) + !!(s->tcpflags & TH_FIN);
	s->sack = s->ack;
	s->sack_done = 0;
	s->scale = 0;
	s->opt_flags = 0;
	s->payload_off = doff;
	opts = doff - TCP_HLEN;
	s->has_opts = opts != 0;
	/* Timestamps alone, as most segments have: NOP NOP 8 10. */
	h = opts == 12 ? ct_bytes(ctx, pkt->l4_off + TCP_HLEN, sc->buf, 12) : NULL;
	if (opts && (!h || *(const __u32 *)h != bpf_htonl(0x0101080a))) {
		if (opts > TCP_OPTS || fw_load_some(ctx, pkt->l4_off + TCP_HLEN, sc->buf, opts,
						     TCP_OPTS_ROOM))
			return -1;
		s->opt_pos = 0;
		s->opt_len = opts;
		bpf_loop(TCP_OPTS, ct_tcp_option_cb, NULL, 0);
	}
	return ct_csum_ok(ctx, pkt, len, IPPROTO_TCP, check) ? 0 : -1;
}

#endif /* BPFIPT_CT_TCP_SEG_BPF_H */
