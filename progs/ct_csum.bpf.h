/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * ct_csum.bpf.h - is the transport checksum of a received packet right?
 *
 * netfilter verifies TCP, UDP, UDPlite, ICMP and SCTP checksums in PREROUTING
 * (nf_ip_checksum(), net/netfilter/utils.c; sctp_error()), unless the device has
 * (CHECKSUM_UNNECESSARY) or the packet was made on this machine and has none yet
 * (CHECKSUM_PARTIAL: veth, lo, and what GRO put together). Locally sent packets
 * are not checked.
 *
 * skb->ip_summed is not in struct __sk_buff. Where the kernel has
 * bpf_cast_to_kern_ctx() (6.2) it is read through it; before, UNNECESSARY is
 * known from bpf_csum_level(), and PARTIAL from the field itself, which then
 * holds the folded sum of the pseudo header alone (SCTP: 0). An XDP frame has
 * no such state: it is always summed.
 */
#ifndef BPFIPT_CT_CSUM_BPF_H
#define BPFIPT_CT_CSUM_BPF_H

#include <bpf/bpf_core_read.h>
#include "csum.bpf.h"
#include "kernel.bpf.h"

enum ct_summed {
	CT_SUM_GOOD,	/* no need to look */
	CT_SUM_NONE,	/* sum it */
	CT_SUM_COMPLETE, /* sum it; but netfilter does not check SCTP then */
	CT_SUM_UNKNOWN,	/* sum it, unless it looks like CHECKSUM_PARTIAL */
};

#ifdef FW_XDP
static __always_inline int ct_summed(fw_ctx_t *ctx)
{
	/* A frame from a veth peer or a tap may be CHECKSUM_PARTIAL as well. */
	return CT_SUM_UNKNOWN;
}
#else
static __always_inline int ct_summed(fw_ctx_t *ctx)
{
	if (kern_ctx) {
		struct sk_buff___fw *skb = bpf_cast_to_kern_ctx(ctx);
		__u32 summed = BPF_CORE_READ_BITFIELD(skb, ip_summed);

		/* CHECKSUM_UNNECESSARY 1, COMPLETE 2, PARTIAL 3 */
		return summed & 1 ? CT_SUM_GOOD : summed ? CT_SUM_COMPLETE : CT_SUM_NONE;
	}
	return bpf_csum_level(ctx, BPF_CSUM_LEVEL_QUERY) >= 0 ? CT_SUM_GOOD : CT_SUM_UNKNOWN;
}
#endif

#define CT_SHORT	128

/* struct ct_summing - a sum over packet bytes in chunks, for bpf_loop() */
struct ct_summing {
	fw_ctx_t *ctx;
	__u8 *buf;
	__u32 off;
	__u32 left;
	__u32 sum;
	__u32 bad;
};

static long ct_sum_chunk(__u32 i, struct ct_summing *s)
{
	__u32 n = s->left, pad;

	if (n == 0)
		return 1;
	if (n > CT_BUF)
		n = CT_BUF;
	if (n < CT_BUF) {
		/* The sum takes whole words: zeros behind the last byte. */
		pad = n & ~3u & (CT_BUF - 1);
		*(__u32 *)(s->buf + pad) = 0;
	}
	if (fw_load_some(s->ctx, s->off, s->buf, n, CT_BUF)) {
		s->bad = 1;
		return 1;
	}
	/* n rounded up to whole words, so that Linux 6.1 sees it is CT_BUF at most */
	pad = (((n - 1) >> 2 & (CT_BUF / 4 - 1)) + 1) * 4;
	s->sum = bpf_csum_diff(NULL, 0, (__be32 *)s->buf, pad, s->sum);
	s->off += n;
	s->left -= n;
	return 0;
}

/*
 * ct_sum_short() - likewise, of less than CT_SHORT bytes in the linear part, read in place
 * Return: 0: there are more of them, or they are elsewhere.
 */
static __always_inline int ct_sum_short(fw_ctx_t *ctx, const struct ct_summing *s, __u32 *sum)
{
	const void *at = (void *)(long)ctx->data + (s->off & CT_NEAR);
	const void *end = (void *)(long)ctx->data_end;
	__u32 left = s->left, i;
	__u64 acc = s->sum;

	if (left >= CT_SHORT || s->off > CT_NEAR)
		return 0;
	for (i = 0; i < CT_SHORT / 4; i++) {
		barrier_var(at);	/* or the compiler would calculate with @end */
		if (left < 4)
			break;
		if (at + 4 > end)
			return 0;
		acc += *(const __u32 *)at;
		at += 4;
		left -= 4;
	}
	if (left & 2) {
		if (at + 2 > end)
			return 0;
		acc += *(const __u16 *)at;
		at += 2;
		barrier_var(at);
	}
	if (left & 1) {
		if (at + 1 > end)
			return 0;
		acc += bpf_htons(*(const __u8 *)at << 8);
	}
	*sum = csum_fold(acc);
	return 1;
}

/* Must a received packet's checksum be verified at all? */
static __always_inline int ct_must_sum(const struct fw_pkt *pkt)
{
	return ct_params.checksum && pkt->hook != HOOK_OUTPUT &&
	       !(pkt->flags & (PKT_LOOPBACK | PKT_GSO)) && !(pkt->frag_off & CT_MF);
}

/*
 * csum_ok() - verify the Internet checksum over the first @cover bytes
 * @pseudo:	protocol number for the pseudo header, 0: none (ICMP)
 * @check:	the packet's checksum field
 * Overwrites the scratch buffer. Return: 1 right, or nothing to verify; 0 wrong.
 */
__noinline int csum_ok(fw_ctx_t *ctx, struct fw_pkt *pkt, __u32 cover, __u32 pseudo, __u32 check)
{
	struct ct_scratch *sc = ct_scratch_get();
	struct ct_summing s = { .ctx = ctx, .left = cover };
	/* Without one the sum goes on from the IP header's, as that of nf_ip_checksum(). */
	__u64 sum = 0xffff;
	__u32 short_sum;
	int summed;

	if (!sc || !ctx || !pkt)
		return 1;
	summed = ct_summed(ctx);
	if (summed == CT_SUM_GOOD)
		return 1;
	s.buf = sc->buf;
	s.off = pkt->l4_off;
	if (pseudo) {
		sum = (__u64)bpf_htonl(pkt->key[KEY_SADDR]) + bpf_htonl(pkt->key[KEY_DADDR]) +
		      bpf_htonl(pseudo + pkt->l4_len);
		if (summed == CT_SUM_UNKNOWN && csum_fold(sum) == check)
			return 1;
	}
	s.sum = csum_fold(sum);
	if (ct_sum_short(ctx, &s, &short_sum))
		return short_sum == 0xffff;
	bpf_loop(65536 / CT_BUF + 1, ct_sum_chunk, &s, 0);
	return !s.bad && csum_fold(s.sum) == 0xffff;
}

/* ct_csum_ok() - likewise, where conntrack looks at checksums at all */
static __always_inline int ct_csum_ok(fw_ctx_t *ctx, struct fw_pkt *pkt, __u32 cover, __u32 pseudo,
				      __u32 check)
{
	return !ct_must_sum(pkt) || csum_ok(ctx, pkt, cover, pseudo, check);
}

/*
 * CRC32c, reflected polynomial 0x82f63b78 (RFC 9260, appendix A), four bits a step:
 * ct_crc_nibble[n] is the remainder of nibble n.
 */
static const __u32 ct_crc_nibble[16] = {
	0x00000000, 0x105ec76f, 0x20bd8ede, 0x30e349b1, 0x417b1dbc, 0x5125dad3,
	0x61c69362, 0x7198540d, 0x82f63b78, 0x92a8fc17, 0xa24bb5a6, 0xb21572c9,
	0xc38d26c4, 0xd3d3e1ab, 0xe330a81a, 0xf36e6f75,
};

#define CT_CRC_CHUNK	32

static long ct_crc_chunk(__u32 i, struct ct_summing *s)
{
	__u32 n = s->left < CT_CRC_CHUNK ? s->left : CT_CRC_CHUNK, crc = s->sum, k;

	if (n == 0)
		return 1;
	if (fw_load_some(s->ctx, s->off, s->buf, n, CT_CRC_CHUNK)) {
		s->bad = 1;
		return 1;
	}
	if (i == 0) {
		/* The field itself counts as zero. */
		*(__u32 *)(s->buf + 8) = 0;
	}
	n = unseen((__u32 *)(s->buf + CT_BUF), n);
	for (k = 0; k < CT_CRC_CHUNK; k++) {
		if (k >= n)
			break;
		crc ^= s->buf[k];
		crc = crc >> 4 ^ ct_crc_nibble[crc & 15];
		crc = crc >> 4 ^ ct_crc_nibble[crc & 15];
	}
	s->sum = crc;
	s->off += n;
	s->left -= n;
	return 0;
}

/* ct_sctp_crc_ok() - likewise the CRC32c of SCTP; @check as in the packet */
__noinline int ct_sctp_crc_ok(fw_ctx_t *ctx, struct fw_pkt *pkt, __u32 check)
{
	struct ct_scratch *sc = ct_scratch_get();
	struct ct_summing s = { .ctx = ctx, .sum = ~0u };
	int summed;

	if (!(features & IMG_F_CT) || !sc || !ctx || !pkt || !ct_must_sum(pkt))
		return 1;
	summed = ct_summed(ctx);
	if (summed == CT_SUM_GOOD || summed == CT_SUM_COMPLETE ||
	    (summed == CT_SUM_UNKNOWN && !check))
		return 1;
	s.buf = sc->buf;
	s.off = pkt->l4_off;
	s.left = pkt->l4_len;
	bpf_loop(65536 / CT_CRC_CHUNK + 1, ct_crc_chunk, &s, 0);
	return !s.bad && ~s.sum == check;
}

#endif /* BPFIPT_CT_CSUM_BPF_H */
