/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * tcpmss.bpf.h - the TCPMSS target: the packet's MSS option, made smaller or put in
 *
 * Follows net/netfilter/xt_TCPMSS.c. An option with a larger value is written over; one
 * that is not there is put in front of the others, unless something follows the header or
 * the header is full. A data offset below 5, or beyond the packet, drops the packet.
 *
 *	set 1400	SYN, MSS 1460			2 bytes and the checksum change
 *			SYN without options, 40 bytes	44 bytes, MSS 536 (RFC 1122)
 *			SYN with data, no MSS		as it was
 *
 * At tc the kernel's helpers do the checksums, which know what the device is still to
 * sum (CHECKSUM_PARTIAL: nothing but the pseudo header is in the field). At xdp that
 * shows only in the field's value, once in 65536 by chance; the frame then
 * cannot be given the option, for where its TCP header begins is noted out of reach.
 *
 * A function of its own to the verifier, which so takes it once and not after each
 * of the ways through the walk.
 */
#ifndef BPFIPT_TCPMSS_BPF_H
#define BPFIPT_TCPMSS_BPF_H

#include "late_payload.bpf.h"
#include "maps.bpf.h"

#if defined(FW_NETFILTER) || defined(FW_EARLY)
/* Such a program cannot write to the packet: a rule with TCPMSS is refused there. */
static __always_inline int tcpmss(fw_ctx_t *ctx, __u32 mss)
{
	return -1;
}
#else
#include "csum.bpf.h"
#include "route_mtu.bpf.h"

#define MSS_HEADERS	40	/* of IP and TCP, in an MTU */
#define MSS_DEFAULT	536	/* RFC 1122, 4.2.2.6 */
#define TCP_CSUM_AT	16
#define IP_LEN_AT	2
#define IP_MF		0x2000

/* The option as 32 bits of the packet */
static __always_inline __be32 mss_option(__u32 mss)
{
	return bpf_htonl(TCPOPT_MSS << 24 | TCPOLEN_MSS << 16 | mss);
}

#ifdef FW_XDP
#define XDP_HEADS	128	/* room for 18 + 60 + 20 bytes, a power of two */

/* CHECKSUM_PARTIAL: the folded sum of the pseudo header is all that is there yet. */
static __always_inline int mss_partial(const struct fw_pkt *pkt, __u16 check)
{
	__u64 sum = (__u64)bpf_htonl(pkt->key[KEY_SADDR]) + bpf_htonl(pkt->key[KEY_DADDR]) +
		    bpf_htonl(IPPROTO_TCP + pkt->l4_len);

	return csum_fold(sum) == check;
}

/* Write @mss over @old, whose option begins at @at of the frame. Return: 0 or -1. */
static __always_inline int mss_write(struct fw *fw, __u32 at, __u32 old, __u32 mss)
{
	const struct fw_pkt *pkt = &fw->w->pkt;
	__u32 csum_at = pkt->l4_off + TCP_CSUM_AT;
	__be16 value = bpf_htons(mss);
	__u16 check = 0;

	if (fw_load(fw->ctx, csum_at, &check, sizeof(check)))
		return -1;
	if (!mss_partial(pkt, check)) {
		check = csum_replace(check, bpf_htons(old), value);
		if (bpf_xdp_store_bytes(fw->ctx, csum_at, &check, sizeof(check)))
			return -1;
	}
	return bpf_xdp_store_bytes(fw->ctx, at + 2, &value, sizeof(value)) ? -1 : 0;
}

/*
 * Put the option in: what stands before the others moves 4 bytes into the headroom, which
 * every driver has, while room behind a frame is not to be counted on. Return: 0 or -1.
 */
static __always_inline int mss_insert(struct fw *fw, __u32 hlen, __u32 mss)
{
	const struct fw_pkt *pkt = &fw->w->pkt;
	__u32 l4 = pkt->l4_off, n = l4 + TCP_HLEN;
	__u8 *head = fw->w->text, *ip = head + (pkt->l3_off & 31), *tcp = head + (l4 & 127);
	__be32 option = mss_option(mss);
	__be16 from, to;
	__u16 check;

	if (n > XDP_HEADS || fw_load_some(fw->ctx, 0, head, n, XDP_HEADS))
		return -1;
	check = *(__u16 *)(tcp + TCP_CSUM_AT);
	if (mss_partial(pkt, check) || bpf_xdp_adjust_head(fw->ctx, -TCPOLEN_MSS))
		return -1;

	check = csum_replace(check, bpf_htons(pkt->l4_len), bpf_htons(pkt->l4_len + TCPOLEN_MSS));
	check = csum_replace(check, 0, option);
	from = *(__be16 *)(tcp + 12);
	tcp[12] += TCPOLEN_MSS / 4 << 4;
	*(__u16 *)(tcp + TCP_CSUM_AT) = csum_replace(check, from, *(__be16 *)(tcp + 12));

	from = *(__be16 *)(ip + IP_LEN_AT);
	to = bpf_htons(pkt->tot_len + TCPOLEN_MSS);
	*(__be16 *)(ip + IP_LEN_AT) = to;
	*(__u16 *)(ip + IP_CSUM_AT) = csum_replace(*(__u16 *)(ip + IP_CSUM_AT), from, to);

	barrier_var(n);
	return bpf_xdp_store_bytes(fw->ctx, 0, head, ((n - 1) & (XDP_HEADS - 1)) + 1) ||
	       bpf_xdp_store_bytes(fw->ctx, n, &option, sizeof(option)) ? -1 : 0;
}
#else
static __always_inline int mss_write(struct fw *fw, __u32 at, __u32 old, __u32 mss)
{
	__be16 value = bpf_htons(mss);

	return bpf_skb_store_bytes(fw->ctx, at + 2, &value, sizeof(value), 0) ||
	       bpf_l4_csum_replace(fw->ctx, fw->w->pkt.l4_off + TCP_CSUM_AT, bpf_htons(old), value,
				   sizeof(value)) ? -1 : 0;
}

/* Put the option in; w->text has the others. What is behind the packet goes. Return: 0, -1 */
static __always_inline int mss_insert(struct fw *fw, __u32 hlen, __u32 mss)
{
	const struct fw_pkt *pkt = &fw->w->pkt;
	__u32 l3 = pkt->l3_off, l4 = pkt->l4_off, end = l3 + pkt->tot_len, others = hlen - TCP_HLEN;
	__u32 csum_at = l4 + TCP_CSUM_AT;
	__be32 option = mss_option(mss);
	struct __sk_buff *skb = fw->ctx;
	__be16 from = 0, to;

	if (bpf_skb_change_tail(skb, end, 0) || bpf_skb_change_tail(skb, end + TCPOLEN_MSS, 0))
		return -1;
	barrier_var(others);
	if (others && bpf_skb_store_bytes(skb, l4 + TCP_HLEN + TCPOLEN_MSS, fw->w->text,
					  ((others - 1) & (TCP_OPTS_ROOM - 1)) + 1, 0))
		return -1;
	if (bpf_skb_store_bytes(skb, l4 + TCP_HLEN, &option, sizeof(option), 0) ||
	    bpf_l4_csum_replace(skb, csum_at, bpf_htons(pkt->l4_len),
				bpf_htons(pkt->l4_len + TCPOLEN_MSS),
				BPF_F_PSEUDO_HDR | sizeof(from)) ||
	    bpf_l4_csum_replace(skb, csum_at, 0, option, sizeof(option)) ||
	    bpf_skb_load_bytes(skb, l4 + 12, &from, sizeof(from)))
		return -1;
	to = from + bpf_htons(TCPOLEN_MSS / 4 << 12);
	if (bpf_skb_store_bytes(skb, l4 + 12, &to, sizeof(to), 0) ||
	    bpf_l4_csum_replace(skb, csum_at, from, to, sizeof(to)))
		return -1;
	from = bpf_htons(pkt->tot_len);
	to = bpf_htons(pkt->tot_len + TCPOLEN_MSS);
	return bpf_skb_store_bytes(skb, l3 + IP_LEN_AT, &to, sizeof(to), 0) ||
	       bpf_l3_csum_replace(skb, l3 + IP_CSUM_AT, from, to, sizeof(to)) ? -1 : 0;
}
#endif

/* Does anything follow the TCP header, be it in a fragment that netfilter would have here? */
static __always_inline int mss_followed(const struct fw *fw, __u32 hlen)
{
	const struct fw_pkt *pkt = &fw->w->pkt;

	if (pkt->l4_len > hlen)
		return 1;
	return pkt->frag_off & IP_MF &&
	       (pkt->hook == HOOK_INPUT || img_hdr_word(fw->img, flags) & IMG_F_CT);
}

/**
 * tcpmss() - the TCPMSS target on the packet of the scratch
 * @mss:	MSS at most, or MSS_CLAMP
 * A rule with this target has a `-m tcp': the fixed header is all there.
 * Return: 1 the packet has grown, 0 it has not, -1 drop it.
 */
__noinline int tcpmss(fw_ctx_t *ctx, __u32 mss)
{
	struct mss_walk o = { .mss = MSS_NONE };
	struct fw_pkt *pkt;
	__u32 hlen, mtu;
	struct fw fw;
	int opts;

	if (!(features & IMG_F_TCPMSS) || !ctx || fw_open(&fw, ctx))
		return -1;
	pkt = &fw.w->pkt;
	opts = tcp_options(&fw);
	if (opts < 0)
		return -1;
	hlen = TCP_HLEN + opts;
	if (mss == MSS_CLAMP) {
		mtu = path_mtu(&fw);
		if (mtu <= MSS_HEADERS)
			goto failed;
		mss = (mtu - MSS_HEADERS) & 0xffff;
	}
	o.opt = fw.w->text;
	o.len = opts;
	bpf_loop(TCP_OPTS, mss_step, &o, 0);
	if (o.mss != MSS_NONE) {
		if (o.mss <= mss)
			return 0;
		if (mss_write(&fw, pkt->l4_off + TCP_HLEN + o.at, o.mss, mss))
			goto failed;
		return 0;
	}
	if (mss_followed(&fw, hlen) || opts >= TCP_OPTS)
		return 0;
	if (mss_insert(&fw, hlen, mtu_min(mss, MSS_DEFAULT)))
		goto failed;
	pkt->tot_len += TCPOLEN_MSS;
	pkt->l4_len += TCPOLEN_MSS;
	pkt->key[KEY_LENGTH] = pkt->tot_len;
	return 1;
failed:
	event(EV_MSS_FAILED);
	return -1;
}
#endif

#endif /* BPFIPT_TCPMSS_BPF_H */
