/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * parse.bpf.h - stage 1: bytes -> struct fw_pkt
 *
 * Follows ip_rcv_core (net/ipv4/ip_input.c): a packet that it would drop for its
 * version, header length, total length or header checksum never reaches a chain,
 * so it is left to the stack, uncounted. Everything behind the IP header is read
 * as netfilter's matches read it: within the IP total length, options skipped by
 * ihl, nothing trusted. Headers in the linear part of the packet are read in
 * place, others through fw_load().
 */
#ifndef BPFIPT_PARSE_BPF_H
#define BPFIPT_PARSE_BPF_H

#include "fw.bpf.h"

#define IP_OFFSET_MASK	0x1fff
#define TCP_HLEN	20	/* without options */
#define TCP_OPTS	40	/* bytes of options, at most */
#define TCP_OPTS_ROOM	64	/* to read them into: a power of two */

/* Fixed header length of a transport protocol, 0 when the filter reads none. */
static __always_inline __u32 l4_fixed(__u8 proto)
{
	switch (proto) {
	case IPPROTO_TCP:
		return TCP_HLEN;
	case IPPROTO_UDP:
	case IPPROTO_UDPLITE:
	case IPPROTO_ICMP:
	case IPPROTO_ESP:
		return 8;
	case IPPROTO_SCTP:
	case IPPROTO_AH:
	case IPPROTO_DCCP:
		return 12;
	}
	return 0;
}

static __always_inline int is_multicast(__u32 addr)
{
	return (addr & 0xf0000000) == 0xe0000000;
}

static __always_inline __u32 be32_at(const void *p)
{
	return bpf_ntohl(*(const __be32 *)p);
}

static __always_inline __u32 be16_at(const void *p)
{
	return bpf_ntohs(*(const __be16 *)p);
}

/* Keys of a whole transport header @h of at least l4_fixed() bytes. */
static __always_inline void parse_l4(struct fw_pkt *pkt, const void *h)
{
	switch (pkt->proto) {
	case IPPROTO_TCP:
		pkt->key[KEY_TCPFLAGS] = *((const __u8 *)h + 13);
		/* fallthrough */
	case IPPROTO_UDP:
	case IPPROTO_UDPLITE:
	case IPPROTO_SCTP:
	case IPPROTO_DCCP:
		pkt->key[KEY_SPORT] = be16_at(h);
		pkt->key[KEY_DPORT] = be16_at(h + 2);
		break;
	case IPPROTO_ICMP:
		pkt->key[KEY_ICMP] = be16_at(h);
		break;
	case IPPROTO_ESP:
		pkt->key[KEY_SPI] = be32_at(h);
		break;
	case IPPROTO_AH:
		pkt->key[KEY_SPI] = be32_at(h + 4);
		break;
	}
}

#ifndef FW_NETFILTER
/*
 * ip_csum_ok() - RFC 1071 over the header @h in place; @ihl in bytes, @h inside the packet
 * The ones' complement sum is 0xffff when the plain sum, which is not 0, can be divided
 * by it: then it times the inverse of 0xffff modulo 2^64 is the quotient, which is at most
 * 2^64 / 0xffff; of other sums it is more. In place of four folds. (One loop for all words:
 * with those of the options in a branch of their own 6.1's verifier gives up, EFAULT.)
 */
static __always_inline int ip_csum_ok(const void *h, __u32 ihl, const void *data_end)
{
	const __u32 *w = h;
	__u64 sum = 0;
	int i;

	for (i = 0; i < 15; i++) {
		if (i >= 5 && (__u32)i >= ihl / 4)
			break;
		if ((const void *)(w + i + 1) > data_end)
			return 0;
		sum += w[i];
	}
	return sum * 0xfffefffefffeffffull <= 0x0001000100010001ull;
}
#endif

/*
 * parse_ip() - keys of the IP header @iph of at least ihl * 4 bytes
 * @tot_len:	bytes from the IP header to the packet's end
 * Sets the transport header's keys to NONE. Keys that depend on the hook
 * (interfaces, TTL, state, mark) are the callers'.
 * Return: bytes of the transport header to hand to parse_l4(), 0: there is none to read.
 */
static __always_inline __u32 parse_ip(const struct iphdr *iph, __u32 tot_len, __u32 l3_off,
				      struct fw_pkt *pkt)
{
	__u32 ihl = iph->ihl * 4, l4_len = tot_len - ihl, need;

	pkt->l3_off = l3_off;
	pkt->l4_off = l3_off + ihl;
	pkt->l4_len = l4_len;
	pkt->tot_len = tot_len;
	pkt->ihl = ihl;
	pkt->proto = iph->protocol;
	pkt->frag_off = bpf_ntohs(iph->frag_off);
	pkt->flags = 0;
	pkt->lo_state = 0;
	pkt->key[KEY_SADDR] = bpf_ntohl(iph->saddr);
	pkt->key[KEY_DADDR] = bpf_ntohl(iph->daddr);
	pkt->key[KEY_SPORT] = PORT_NONE;
	pkt->key[KEY_DPORT] = PORT_NONE;
	pkt->key[KEY_TCPFLAGS] = TCPFLAGS_NONE;
	pkt->key[KEY_ICMP] = ICMP_NONE;
	pkt->key[KEY_SPI] = SPI_NONE;
	pkt->key[KEY_LENGTH] = tot_len;
	pkt->key[KEY_TTL] = iph->ttl;
	pkt->key[KEY_TOS] = iph->tos;

	need = l4_fixed(pkt->proto);
	if (unlikely(pkt->frag_off & IP_OFFSET_MASK)) {
		pkt->form = (pkt->frag_off & IP_OFFSET_MASK) == 1 ? FORM_FRAG1 : FORM_FRAGN;
		need = 0;
	} else if (unlikely(l4_len < need)) {
		pkt->form = l4_len < 4 ? FORM_STUB : FORM_SHORT;
		need = 0;
	} else {
		pkt->form = FORM_WHOLE;
	}
	pkt->key[KEY_L4] = L4_KEY((__u32)pkt->form, pkt->proto);
	return need;
}

/* Read and parse a transport header that is not in the linear part. Return: 0 or -1. */
__noinline int load_l4(fw_ctx_t *ctx, struct fw_pkt *pkt, __u32 need)
{
	__u8 buf[20] = {};

	if (!ctx || !pkt || fw_load(ctx, pkt->l4_off, buf, need == 20 ? 20 : need == 12 ? 12 : 8))
		return -1;
	parse_l4(pkt, buf);
	return 0;
}

#ifndef FW_NETFILTER
/*
 * parse_ipv4() - fill @pkt from the IPv4 packet at @l3_off
 * @data, @data_end:	linear part of the frame
 * @csum:		verify the header checksum (a received packet)
 * Return: 0, or -1: leave the packet to the stack.
 */
static __always_inline int parse_ipv4(fw_ctx_t *ctx, const void *data, const void *data_end,
				      __u32 l3_off, int csum, struct fw_pkt *pkt)
{
	const struct iphdr *iph = data + l3_off;
	__u32 ihl, tot_len, need;
	const void *h;

	if ((const void *)(iph + 1) > data_end)
		return -1;
	ihl = iph->ihl * 4;
	tot_len = bpf_ntohs(iph->tot_len);
	if (unlikely(iph->version != 4 || ihl < sizeof(*iph) || tot_len < ihl))
		return -1;
	/* fw_len() may be a call, which takes as long as all that is done here */
	if (unlikely(data_end - data < l3_off + tot_len) && fw_len(ctx) < l3_off + tot_len)
		return -1;
	if (csum && unlikely(!ip_csum_ok(iph, ihl, data_end)))
		return -1;

	need = parse_ip(iph, tot_len, l3_off, pkt);
	if (need) {
		h = (const void *)iph + ihl;
		if (likely(h + 20 <= data_end))
			parse_l4(pkt, h);
		else if (load_l4(ctx, pkt, need))
			return -1;
	}
	return 0;
}
#endif

#endif /* BPFIPT_PARSE_BPF_H */
