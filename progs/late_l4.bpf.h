/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * late_l4.bpf.h - late matches that read the transport header and what follows it
 *
 * Every read is bounded by the IP total length (fw_pkt.l4_len), not by the frame:
 * Ethernet padding is no header. Semantics: abi/late.h; xt_tcpudp.c, xt_multiport.c,
 * xt_ecn.c, xt_sctp.c, xt_dccp.c and xt_ipcomp.c of net/netfilter.
 */
#ifndef BPFIPT_LATE_L4_BPF_H
#define BPFIPT_LATE_L4_BPF_H

#include "abi/late.h"
#include "maps.bpf.h"
#include "parse.bpf.h"

/* Results of one record and of a whole list: bit 0 match, bit 1 hotdrop. */
enum {
	LATE_NO_MATCH,
	LATE_MATCH,
	LATE_DROP_NOW,	/* hotdrop */
	LATE_DOOMED,	/* match, and hotdrop once the rule has had its say */
};

#define SCTP_HLEN	12
#define DCCP_HLEN	12
#define DCCP_ACKS	0x378	/* ACK, DATAACK, CLOSEREQ, CLOSE, SYNC, SYNCACK */
#define DCCP_OPTS	(255 * 4 - DCCP_HLEN)	/* bytes of options, at most */

/* 1 when first <= v <= last, in plain arithmetic: no branch per range */
static __always_inline __u32 in_range(__u32 v, __u32 first, __u32 last)
{
	return ((__u64)(__u32)(v - first) - (__u32)(last - first) - 1) >> 63;
}

/*
 * struct ranges - is @a (hit bit 0) or @b (hit bit 1) in one of a row of ranges?
 * @wide: a range is two words, first and last; else one, first << 16 | last
 */
struct ranges {
	struct img img;
	__u32 at;
	__u32 wide;
	__u32 a;
	__u32 b;
	__u32 hit;
};

static long range_step(__u32 i, struct ranges *r)
{
	struct img im = r->img;
	__u32 first = img_word(&im, r->at + (r->wide ? 2 * i : i)), last = first & 0xffff;

	if (r->wide)
		last = img_word(&im, r->at + 2 * i + 1);
	else
		first >>= 16;
	r->hit |= in_range(r->a, first, last) | in_range(r->b, first, last) << 1;
	return r->hit == 3;
}

/* The options of a TCP header into the text of the scratch. Return: their length, -1: malformed */
static __noinline int tcp_options(struct fw *fw)
{
	const struct fw_pkt *pkt = &fw->w->pkt;
	__u8 doff = 0;
	__u32 len;

	if (pkt->l4_len < TCP_HLEN || fw_load(fw->ctx, pkt->l4_off + 12, &doff, 1))
		return -1;
	len = (doff >> 4) * 4;
	if (len < TCP_HLEN || len > pkt->l4_len)
		return -1;
	len -= TCP_HLEN;
	if (len && fw_load_some(fw->ctx, pkt->l4_off + TCP_HLEN, fw->w->text, len,
				TCP_OPTS_ROOM))
		return -1;
	return len;
}

/* Where the option behind the one at @at begins, in the @len bytes of @opt; at < TCP_OPTS */
static __always_inline __u32 tcp_option_next(const __u8 *opt, __u32 len, __u32 at)
{
	__u32 step = 1;

	if (opt[at] >= 2 && at + 1 < len && at + 1 < TCP_OPTS) {
		step = opt[at + 1];
		if (!step)
			step = 1;
	}
	return at + step;
}

struct tcpopt {
	const __u8 *opt;	/* in the scratch: the stack is short */
	__u32 len;
	__u32 at;
	__u32 kind;
	__u32 found;
};

static long tcpopt_step(__u32 i, struct tcpopt *o)
{
	__u32 at = o->at;

	if (at >= o->len || at >= TCP_OPTS)
		return 1;
	if (o->opt[at] == o->kind) {
		o->found = 1;
		return 1;
	}
	o->at = tcp_option_next(o->opt, o->len, at);
	return 0;
}

/* LATE_TCPOPT; @found is what LATE_NOT inverts */
static __noinline int late_tcpopt(struct fw *fw, __u32 kind, __u32 not)
{
	struct tcpopt o = { .opt = fw->w->text, .kind = kind };
	int len;

	if (fw->w->pkt.form != FORM_WHOLE)
		return LATE_MATCH;
	len = tcp_options(fw);
	if (len < 0)
		return LATE_DROP_NOW;
	o.len = len;
	bpf_loop(TCP_OPTS, tcpopt_step, &o, 0);
	return o.found != !!not ? LATE_MATCH : LATE_NO_MATCH;
}

/* LATE_TCP_ECN */
static __noinline int late_tcp_ecn(struct fw *fw, __u32 mask, __u32 value)
{
	const struct fw_pkt *pkt = &fw->w->pkt;
	__u8 flags = 0;

	if (pkt->l4_len < TCP_HLEN || fw_load(fw->ctx, pkt->l4_off + 13, &flags, 1))
		return LATE_NO_MATCH;
	return (flags & mask) == value ? LATE_MATCH : LATE_NO_MATCH;
}

/* LATE_MULTIPORT; @d: word of struct late_multiport */
static __noinline int late_multiport(struct fw *fw, __u32 d)
{
	const struct fw_pkt *pkt = &fw->w->pkt;
	struct img im = fw_img(fw);
	struct ranges r = { .img = im, .at = d + 3 };
	__u32 dir = img_word(&im, d + 1), hit;
	__be16 port[2] = {};

	if (!(img_word(&im, d) & HOTDROP(pkt->form)))
		return LATE_MATCH;
	if (fw_load(fw->ctx, pkt->l4_off, port, sizeof(port)))
		return LATE_NO_MATCH;
	r.a = bpf_ntohs(port[0]);
	r.b = bpf_ntohs(port[1]);
	bpf_loop(img_word(&im, d + 2), range_step, &r, 0);
	hit = r.hit & dir;	/* LATE_PORTS_SRC is bit 0, LATE_PORTS_DST bit 1 */
	return !hit == !(dir & LATE_PORTS_NOT) ? LATE_NO_MATCH : LATE_MATCH;
}

/*
 * What changes from chunk to chunk is in the scratch map, out of the verifier's
 * sight: late[0..7] the types that hit, late[8] the offset from the transport header.
 */
struct sctp_walk {
	struct fw *fw;
	__u32 d;
	__u32 type;
	__u32 result;
	__u32 done;
};

#define SCTP_AT	8

/* Does a chunk of type @t with @flags hit? */
static __always_inline __u32 chunk_hits(const struct img *im, __u32 d, __u32 t, __u32 flags)
{
	__u32 nr = img_word(im, d + 1), i, row;

	if (!(img_word(im, d + 2 + (t >> 5)) >> (t & 31) & 1))
		return 0;
	for (i = 0; i < LATE_SCTP_FLAGS; i++) {
		if (i >= nr)
			break;
		row = img_word(im, d + 10 + i);
		if ((row & 0xff) == t)
			return (flags & (row >> 16 & 0xff)) == (row >> 8 & 0xff);
	}
	return 1;
}

static long sctp_step(__u32 i, struct sctp_walk *s)
{
	struct fw *fw = s->fw;
	const struct fw_pkt *pkt = &fw->w->pkt;
	struct img im = fw_img(fw);
	__u32 at = fw->w->late[SCTP_AT], len, t, hit;
	__u8 head[4] = {};

	if (at + 4 > pkt->l4_len || fw_load(fw->ctx, pkt->l4_off + at, head, 4))
		goto malformed;
	len = (__u32)head[2] << 8 | head[3];
	if (!len)
		goto malformed;
	t = head[0];
	hit = chunk_hits(&im, s->d, t, head[1]);
	if (s->type == LATE_SCTP_ANY && hit) {
		s->result = LATE_MATCH;
		return 1;
	}
	if (s->type == LATE_SCTP_ONLY && !hit) {
		s->result = LATE_NO_MATCH;
		return 1;
	}
	if (hit)
		fw->w->late[t >> 5 & 7] |= 1u << (t & 31);
	at += (len + 3) & ~3u;
	fw->w->late[SCTP_AT] = at;
	if (at < pkt->l4_len)
		return 0;
	s->done = 1;
	return 1;
malformed:
	s->result = LATE_DROP_NOW;
	return 1;
}

/* LATE_SCTP_CHUNKS; @d: word of struct late_sctp */
static __noinline int late_sctp(struct fw *fw, __u32 d)
{
	struct img im = fw_img(fw);
	struct sctp_walk s = {
		.fw = fw, .d = d, .type = img_word(&im, d), .result = LATE_DROP_NOW,
	};
	int i;

	if (fw->w->pkt.form != FORM_WHOLE)
		return LATE_MATCH;
	__builtin_memset(fw->w->late, 0, sizeof(fw->w->late));
	fw->w->late[SCTP_AT] = SCTP_HLEN;
	bpf_loop(1u << 14, sctp_step, &s, 0);	/* 64 kB hold no more chunks */
	if (!s.done)
		return s.result;
	if (s.type == LATE_SCTP_ONLY)
		return LATE_MATCH;
	if (s.type == LATE_SCTP_ANY)
		return LATE_NO_MATCH;
	for (i = 0; i < 8; i++)
		if (img_word(&im, d + 2 + i) & ~fw->w->late[i])
			return LATE_NO_MATCH;
	return LATE_MATCH;
}

/*
 * What `!' makes of a whole packet's result, a malformed one's "no" with it: xtables
 * inverts both. Without a branch, which the verifier would follow twice.
 */
static __always_inline int late_inverted(const struct fw *fw, int r, __u32 not)
{
	__u32 whole = (fw->w->pkt.form - (FORM_WHOLE + 1u)) >> 31;

	return r ^ (LATE_MATCH & whole & (not / LATE_NOT));
}

struct dccp_walk {
	struct fw *fw;
	__u32 at;
	__u32 end;
	__u32 kind;
	__u32 found;
};

static long dccp_step(__u32 i, struct dccp_walk *o)
{
	struct fw *fw = o->fw;
	__u32 at = fw->w->pkt.l4_off + o->at;
	__u8 kind = 0, len = 0;

	if (o->at >= o->end || fw_load(fw->ctx, at, &kind, 1))
		return 1;
	if (kind == o->kind) {
		o->found = 1;
		return 1;
	}
	if (kind >= 2 && o->at + 1 < o->end)
		fw_load(fw->ctx, at + 1, &len, 1);
	o->at += len ? len : 1;
	return 0;
}

/* Bytes of a DCCP header in front of its options: dccp_packet_hdr_len(), linux/dccp.h */
static __always_inline __u32 dccp_hlen(__u32 type, __u32 extended)
{
	__u32 len = DCCP_HLEN + extended * 4;

	if (type == 0)			/* REQUEST */
		return len + 4;
	if (type == 2)			/* DATA */
		return len;
	return len + (DCCP_ACKS >> type & 1 ? 8 : 12);	/* 12: RESPONSE, RESET, unknown */
}

/* LATE_DCCP; @d: word of struct late_dccp */
static __noinline int late_dccp(struct fw *fw, __u32 d, __u32 not)
{
	const struct fw_pkt *pkt = &fw->w->pkt;
	struct img im = fw_img(fw);
	struct dccp_walk o = { .fw = fw, .kind = img_word(&im, d + 1) };
	__u8 head[DCCP_HLEN] = {};
	__u32 type, result;

	if (pkt->form != FORM_WHOLE)
		return LATE_MATCH;
	if (fw_load(fw->ctx, pkt->l4_off, head, sizeof(head)))
		return LATE_DROP_NOW;
	type = head[8] >> 1 & 15;
	if (!(img_word(&im, d) >> type & 1))
		return LATE_NO_MATCH;
	if (o.kind == LATE_DCCP_NONE)
		return LATE_MATCH;
	o.at = dccp_hlen(type, head[8] & 1);
	o.end = head[4] * 4;
	if (o.end < o.at || o.end > pkt->l4_len) {
		result = LATE_DROP_NOW;
	} else {
		bpf_loop(DCCP_OPTS, dccp_step, &o, 0);
		result = o.found;
	}
	return late_inverted(fw, result, not);
}

/* LATE_IPCOMP; @d: word of struct late_ipcomp */
static __always_inline int late_ipcomp(struct fw *fw, __u32 d, __u32 not)
{
	const struct fw_pkt *pkt = &fw->w->pkt;
	struct img im = fw_img(fw);
	__be16 cpi = 0;

	if (pkt->l4_len < 4 || fw_load(fw->ctx, pkt->l4_off + 2, &cpi, sizeof(cpi)))
		return LATE_DROP_NOW;
	return in_range(bpf_ntohs(cpi), img_word(&im, d), img_word(&im, d + 1)) != !!not;
}

#endif /* BPFIPT_LATE_L4_BPF_H */
