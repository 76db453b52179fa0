/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * late_payload.bpf.h - late matches on the packet's bytes: u32, string, tcpmss
 *
 * Semantics: abi/late_payload.h; xt_u32.c, xt_string.c (with lib/ts_bm.c, ts_kmp.c)
 * and xt_tcpmss.c. The text of a string search is read a window at a time into the
 * scratch map, so that it costs one helper call per LATE_TEXT bytes.
 */
#ifndef BPFIPT_LATE_PAYLOAD_BPF_H
#define BPFIPT_LATE_PAYLOAD_BPF_H

#include "abi/late_payload.h"
#include "late_l4.bpf.h"
#include "maps.bpf.h"

#define IP_TTL_AT	8
#define IP_CSUM_AT	10

/* What the FORWARD hook changed of the header in the frame: 0 or 1 off the TTL. */
static __always_inline __u32 ttl_taken(const struct fw_pkt *pkt, __u8 ttl)
{
	return (__u8)(ttl - pkt->key[KEY_TTL]);
}

/* ip_decrease_ttl (include/net/ip.h) on the 4 bytes from the TTL on. */
static __always_inline void decrease_ttl(__u8 *ttl_to_csum)
{
	__u32 sum = *(const __u16 *)(ttl_to_csum + 2) + (__u32)bpf_htons(0x0100);

	ttl_to_csum[0]--;
	*(__u16 *)(ttl_to_csum + 2) = sum + (sum >= 0xffff);
}

/* The packet's 32 bits at @at, big-endian value, as the hook sees them. Return: 0, -1 */
static __always_inline int load_u32(struct fw *fw, __u32 at, __u32 *value)
{
	const struct fw_pkt *pkt = &fw->w->pkt;
	__u8 b[12] = {};
	__u64 hi, lo, v;

	if (fw_load(fw->ctx, pkt->l3_off + at, &b[8], 4))
		return -1;
	*value = be32_at(&b[8]);
	/* Does it hold some of the TTL ... checksum, bytes 8..11, that FORWARD changed? */
	if (at <= IP_TTL_AT - 4 || at >= IP_TTL_AT + 4 ||
	    fw_load(fw->ctx, pkt->l3_off + IP_TTL_AT - 4, b, 12) || !ttl_taken(pkt, b[4]))
		return 0;
	decrease_ttl(&b[4]);
	hi = be32_at(b);
	v = be32_at(&b[4]);
	lo = be32_at(&b[8]);
	if (at >= IP_TTL_AT)
		*value = (v << 32 | lo) >> (32 - (at - IP_TTL_AT) * 8);
	else
		*value = (hi << 32 | v) >> (32 - (at - (IP_TTL_AT - 4)) * 8);
	return 0;
}

static long u32_step(__u32 i, struct fw *fw)
{
	struct u32_run *u = &fw->w->u32;
	struct img im = fw_img(fw);
	__u32 op = img_word(&im, u->d), a = img_word(&im, u->d + 1);
	__u32 value = u->value, len = fw->w->pkt.tot_len, base;

	u->d += sizeof(struct late_u32) / 4;
	switch (op) {
	case U32_READ:
	case U32_AT:
		base = op == U32_READ ? 0 : u->base + value;
		/* A packet has 20 bytes or more. */
		if ((op == U32_AT && base < value) || base > len - 4 || a > len - base - 4)
			goto no;
		u->base = base;
		if (load_u32(fw, base + a, &value))
			goto no;
		break;
	case U32_AND:
		value &= a;
		break;
	case U32_SHL:
		value <<= a & 31;
		break;
	case U32_SHR:
		value >>= a & 31;
		break;
	case U32_IN:
		u->hit |= in_range(value, a, img_word(&im, u->d - 1));
		break;
	default:	/* U32_NEXT */
		if (!u->hit)
			goto no;
		u->hit = 0;
	}
	u->value = value;
	return 0;
no:
	u->result = LATE_NO_MATCH;
	return 1;
}

/* LATE_U32; @d: word of its first instruction, @words of the record */
static __noinline int late_u32(struct fw *fw, __u32 d, __u32 words)
{
	struct u32_run *u = &fw->w->u32;

	u->d = d;
	u->value = u->base = u->hit = 0;
	u->result = LATE_MATCH;
	bpf_loop((words - 1) / (sizeof(struct late_u32) / 4), u32_step, fw, 0);
	return u->result;
}

/* Byte @i of a table of bytes in the image. */
static __always_inline __u32 img_byte(const struct img *im, __u32 word, __u32 i)
{
	return img_word(im, word + (i >> 2)) >> (i & 3) * 8 & 0xff;
}

/* toupper() of lib/ctype.c: Latin-1, and its odd one out, 0xdf */
static __always_inline __u32 fold_case(__u32 c)
{
	if ((c >= 'a' && c <= 'z') || (c >= 0xdf && c != 0xf7))
		return c - 32;
	return c;
}

static __noinline int fill_window(struct fw *fw)
{
	struct walk *w = fw->w;
	struct string_walk *t = &w->string;
	__u32 n = t->end - t->base;

	if (n > LATE_TEXT)
		n = LATE_TEXT;
	if (!n || fw_load_some(fw->ctx, w->pkt.l3_off + t->base, w->text, n, LATE_TEXT))
		return -1;
	t->filled = n;
	if (unlikely(t->base < IP_CSUM_AT + 2)) {
		__u8 b[4] = {}, i;

		if (fw_load(fw->ctx, w->pkt.l3_off + IP_TTL_AT, b, 4) || !ttl_taken(&w->pkt, b[0]))
			return 0;
		decrease_ttl(b);
		for (i = 0; i < 4; i++) {
			__u32 at = IP_TTL_AT + i - t->base;

			if (at < LATE_TEXT)
				w->text[at & (LATE_TEXT - 1)] = b[i];
		}
	}
	return 0;
}

static long text_step(__u32 i, struct fw *fw)
{
	struct string_walk *t = &fw->w->string;
	struct img im = fw_img(fw);
	__u32 bad = t->d + offsetof(struct late_string, bad) / 4;
	__u32 pattern = t->d + offsetof(struct late_string, pattern) / 4;
	__u32 good = t->d + offsetof(struct late_string, good) / 4;
	__u32 same = t->same, raw, c;
	__s32 by_char, by_suffix;

	if (!same) {
		if (t->last >= t->end)
			return 1;
		if (t->last >= t->base + t->filled) {
			t->base = t->last - (t->len - 1);
			if (fill_window(fw))
				return 1;
		}
	}
	raw = fw->w->text[(t->last - same - t->base) & (LATE_TEXT - 1)];
	c = t->fold ? fold_case(raw) : raw;
	if (c == img_byte(&im, pattern, t->len - 1 - same)) {
		t->same = ++same;
		if (same < t->len)
			return 0;
		t->result = LATE_MATCH;
		return 1;
	}
	by_char = img_byte(&im, bad, raw) - same;
	by_suffix = img_byte(&im, good, same);
	t->last += by_char > by_suffix ? by_char : by_suffix;
	t->same = 0;
	return 0;
}

/* LATE_STRING; @d: word of struct late_string */
static __noinline int late_string(struct fw *fw, __u32 d)
{
	struct img im = fw_img(fw);
	__u32 from = img_word(&im, d), to = img_word(&im, d + 1);
	struct string_walk *t = &fw->w->string;

	*t = (struct string_walk){
		.d = d,
		.len = img_word(&im, d + 2),
		.fold = img_word(&im, d + 3),
		.end = fw->w->pkt.tot_len,
		.result = LATE_NO_MATCH,
	};

	if (to < t->end)
		t->end = to;
	t->last = from + t->len - 1;
	t->base = t->last;
	bpf_loop(LATE_TEXT_STEPS, text_step, fw, 0);
	return t->result;
}

struct mss_walk {
	const __u8 *opt;
	__u32 len;
	__u32 at;
	__u32 mss;
};

#define TCPOPT_MSS	2
#define TCPOLEN_MSS	4
#define MSS_NONE	0x10000u

static long mss_step(__u32 i, struct mss_walk *o)
{
	__u32 at = o->at;

	if (at >= o->len || at >= TCP_OPTS)
		return 1;
	if (at + TCPOLEN_MSS <= o->len && at + TCPOLEN_MSS <= TCP_OPTS &&
	    o->opt[at] == TCPOPT_MSS && o->opt[at + 1] == TCPOLEN_MSS) {
		o->mss = (__u32)o->opt[at + 2] << 8 | o->opt[at + 3];
		return 1;
	}
	o->at = tcp_option_next(o->opt, o->len, at);
	return 0;
}

/* LATE_TCPMSS; @not inverts */
static __noinline int late_tcpmss(struct fw *fw, __u32 first, __u32 last, __u32 not)
{
	struct mss_walk o = { .opt = fw->w->text, .mss = MSS_NONE };
	int len = tcp_options(fw);

	if (len < 0)
		return LATE_DROP_NOW;
	o.len = len;
	bpf_loop(TCP_OPTS, mss_step, &o, 0);
	return in_range(o.mss, first, last) != !!not ? LATE_MATCH : LATE_NO_MATCH;
}

#endif /* BPFIPT_LATE_PAYLOAD_BPF_H */
