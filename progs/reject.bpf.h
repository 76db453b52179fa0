/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * reject.bpf.h - the REJECT target at tc: the offending packet becomes its answer
 *
 * Follows nf_send_unreach() and nf_send_reset() (net/ipv4/netfilter/nf_reject_ipv4.c)
 * and icmp_send() (net/ipv4/icmp.c): the same packets are answered, with the same bytes
 * (but for the random IP id of an ICMP message), at the same rate. The skb is cut
 * down, rewritten and redirected through the kernel's own route and neighbour
 * lookup, so the answer meets fw_egress as OUTPUT like any packet sent from here:
 *
 *	INPUT, FORWARD	out by the route back; -o of OUTPUT is that interface
 *	OUTPUT		lo: OUTPUT (-o lo), then INPUT (-i lo), then the sender's socket
 *
 * Example: 10.1.0.2:1000 -> 10.2.0.2:53 is rejected in FORWARD, TTL 64 on the wire. The
 * answer is ICMP 3/3 from the address that the route to 10.1.0.2 prefers, quoting
 * the packet with TTL 63.
 *
 * skb->cb[] tells fw_egress, and fw_ingress of lo, whom they meet: a cookie of two
 * random words, and the conntrack state, which is RELATED whenever the offender had a
 * connection (nf_ct_attach). The cb of a received packet is whatever its driver left,
 * that of a sent one partly its IP options: hence a cookie nobody can guess. It
 * lives through bpf_redirect_neigh(), the neighbour's queue and lo's xmit.
 */
#ifndef BPFIPT_REJECT_BPF_H
#define BPFIPT_REJECT_BPF_H

#include "abi/reject.h"
#include "conntrack.bpf.h"
#include "fib_trie.bpf.h"
#include "owner.bpf.h"
#include "reject_rate.bpf.h"

#define REJECT_ETH	ETH_HLEN
#define REJECT_HEADS	28	/* IP and ICMP headers of an answer */
#define REJECT_MAX	576	/* RFC 1812, 4.3.2.3 */
#define REJECT_QUOTE	(REJECT_MAX - REJECT_HEADS)
/*
 * Room made in front of the answer and taken away again: when data moves behind
 * csum_start the kernel forgets CHECKSUM_PARTIAL (skb_postpull_rcsum), which would
 * have the device write a checksum into the quoted packet.
 */
#define REJECT_PAD	256
#define REJECT_MIN_MTU	68
#define IP_DUMMY	0xc0000008	/* 192.0.0.8, RFC 7600: no address of our own */

#define REJECT_CB_STATE	0xffu
#define REJECT_CB_SET	0x100u

/* struct reject_buf - an answer under construction; a TCP header begins at @icmp */
struct reject_buf {
	__u8 pad[6];
	__u8 eth[ETH_HLEN];
	struct iphdr ip;
	struct {
		__u8 type;
		__u8 code;
		__be16 check;
		__u32 unused;
	} icmp;
	__u8 quote[REJECT_QUOTE];
	__u8 pad2[4];
};

struct {
	__uint(type, BPF_MAP_TYPE_PERCPU_ARRAY);
	__uint(max_entries, 1);
	__type(key, __u32);
	__type(value, struct reject_buf);
} reject_buf SEC(".maps");

struct {
	__uint(type, BPF_MAP_TYPE_ARRAY);
	__uint(max_entries, 1);
	__type(key, __u32);
	__type(value, struct reject_conf);
} reject_conf SEC(".maps");

/* struct reject_way - where an answer goes */
struct reject_way {
	__u32 ifindex;
	__be32 src;	/* the address the route prefers */
	__u32 mtu;
	__u32 back;	/* no route lookup to be had: back to the sender's MAC */
};

/* Internet checksum of a packet's words, as the field's value. */
static __always_inline __u16 rejecsum_fold(__s64 sum)
{
	return ~csum_fold((__u32)sum);
}

/*
 * reject_route() - the way back to the offender's source
 * @way:	filled; @way->src: source address of the answer if that is known, else 0
 * The lookup is one for a packet from here (ip_route_output_key): input interface
 * lo. Where lo may not forward (neither may anything else, as a rule), what came
 * in goes back where it came from.
 * Return: 0; -1: no way, no answer.
 */
__noinline int reject_route(struct __sk_buff *skb, struct walk *w, __u32 type, __u32 tos,
			    struct reject_way *way)
{
	struct fw here = { .ctx = skb, .w = w }, *fw = &here;
	__u32 ifindex = LO_IFINDEX, i;
	const struct fw_pkt *pkt;
	struct bpf_fib_lookup fib;
	__be32 src;

	if (!(features & IMG_F_REJECT) || !skb || !w || !way)
		return -1;
	pkt = &w->pkt;
	src = way->src;
	way->mtu = REJECT_MAX;
	way->back = 0;
	if ((addr_type(fw->ctx, fw->w, pkt->key[KEY_SADDR]) & 0xff) == RTN_LOCAL) {
		way->ifindex = LO_IFINDEX;
		way->src = bpf_htonl(pkt->key[KEY_SADDR]);
		return 0;
	}
	for (i = 0; i < 3; i++) {
		long r;

		__builtin_memset(&fib, 0, sizeof(fib));
		fib.family = AF_INET;
		fib.l4_protocol = type == REJECT_TCP_RESET ? IPPROTO_TCP : IPPROTO_ICMP;
		fib.tos = tos;
		fib.tot_len = way->mtu;
		fib.ifindex = ifindex;
		fib.ipv4_src = src;
		fib.ipv4_dst = bpf_htonl(pkt->key[KEY_SADDR]);
		r = bpf_fib_lookup(fw->ctx, &fib, sizeof(fib), fib_flags | fib_src_flag);
		if (r == BPF_FIB_LKUP_RET_SUCCESS || r == BPF_FIB_LKUP_RET_NO_NEIGH) {
			way->ifindex = fib.ifindex;
			way->src = fib.ipv4_src;
			return 0;
		}
		if (r == BPF_FIB_LKUP_RET_FRAG_NEEDED && fib.mtu_result >= REJECT_MIN_MTU &&
		    fib.mtu_result < way->mtu) {
			way->mtu = fib.mtu_result;
			continue;
		}
		if (r != BPF_FIB_LKUP_RET_FWD_DISABLED)
			return -1;
		if (pkt->hook == HOOK_INPUT) {
			way->ifindex = pkt->ifindex;
			way->back = 1;
			return 0;
		}
		ifindex = pkt->ifindex;
	}
	return -1;
}

/* nf_ip_checksum(), nf_reject_verify_csum(): is the offender's checksum right, if it has one? */
static __always_inline int reject_csum_ok(struct __sk_buff *skb, struct fw_pkt *pkt,
					  const __u8 *l4)
{
	__u32 check = 0, pseudo = 0;

	switch (pkt->proto) {
	case IPPROTO_UDP:
		if (pkt->l4_len >= 8 && !l4[6] && !l4[7])
			return 1;
		check = *(const __be16 *)(l4 + 6);
		pseudo = IPPROTO_UDP;
		break;
	case IPPROTO_TCP:
		check = *(const __be16 *)(l4 + 16);
		pseudo = IPPROTO_TCP;
		break;
	case IPPROTO_GRE:
	case IPPROTO_AH:
	case IPPROTO_ESP:
	case IPPROTO_SCTP:
	case IPPROTO_UDPLITE:
	case IPPROTO_DCCP:
		return 1;
	}
	if (pkt->flags & PKT_GSO)
		return 1;
	/* The kernel would have put the datagram together first. */
	if (pkt->frag_off & CT_MF && (pkt->hook == HOOK_INPUT || pkt->key[KEY_CTSTATE]))
		return 1;
	if (pkt->hook != HOOK_INPUT && ct_summed(skb) == CT_SUM_COMPLETE)
		return 1;
	return csum_ok(skb, pkt, pkt->l4_len, pseudo, check);
}

/* Types of ICMP that are errors to icmp_send(): icmp_pointers[], and all it does not know. */
static __always_inline int reject_is_error(__u32 type)
{
	return type > 18 || (0x1efeu >> type & 1);
}

/* Is the offender one that gets no answer? */
__noinline int reject_silent(struct __sk_buff *skb, struct walk *w, __u32 type)
{
	struct fw here = { .ctx = skb, .w = w }, *fw = &here;
	__u32 zero = 0, to;
	struct reject_buf *b = bpf_map_lookup_elem(&reject_buf, &zero);
	struct fw_pkt *pkt;
	const __u8 *l4;

	if (!(features & IMG_F_REJECT) || !b || !skb || !w)
		return 1;
	pkt = &w->pkt;
	l4 = b->quote + (pkt->ihl & 0x3c);
	if (pkt->frag_off & CT_OFFSET)
		return 1;
	if (type == REJECT_TCP_RESET &&
	    (pkt->proto != IPPROTO_TCP || pkt->l4_len < 20 || l4[13] & 4))
		return 1;
	if (type != REJECT_TCP_RESET && skb->pkt_type != PACKET_HOST)
		return 1;
	/* A host that forwards nothing has INPUT judge what is not for it, but says nothing. */
	to = addr_type(fw->ctx, fw->w, pkt->key[KEY_DADDR]) & 0xff;
	if (to == RTN_BROADCAST || to == RTN_MULTICAST ||
	    (pkt->hook == HOOK_INPUT && to != RTN_LOCAL))
		return 1;
	if (!reject_csum_ok(skb, pkt, l4))
		return 1;
	return type != REJECT_TCP_RESET && pkt->proto == IPPROTO_ICMP &&
	       (!pkt->l4_len || reject_is_error(l4[0]) || packet_of_icmp(skb));
}

/* nf_reject_ip_tcphdr_put() - over the ICMP header's place; @b->quote holds the offender */
static __always_inline void reject_tcp(struct reject_buf *b, const struct fw_pkt *pkt,
				       const __u8 *th)
{
	__u32 ports = *(const __u32 *)th, seq = bpf_ntohl(*(const __be32 *)(th + 4));
	__be32 ack_seq = *(const __be32 *)(th + 8);
	__u32 flags = th[13], doff = th[12] >> 4;
	__be32 *w = (void *)&b->icmp;
	__u16 *check = (void *)(w + 4);

	w[0] = ports << 16 | ports >> 16;
	if (flags & 0x10) {
		w[1] = ack_seq;
		w[2] = 0;
	} else {
		w[1] = 0;
		w[2] = bpf_htonl(seq + (flags >> 1 & 1) + (flags & 1) + pkt->l4_len - (doff << 2));
	}
	w[3] = bpf_htonl(5u << 28 | (flags & 0x10 ? 0x04u : 0x14u) << 16);
	w[4] = 0;
	*check = rejecsum_fold(bpf_csum_diff(NULL, 0, w, 20,
					   csum_fold((__u64)b->ip.saddr + b->ip.daddr +
						   bpf_htonl(IPPROTO_TCP + 20))));
}

/* The quoted packet, @n bytes of it, with the TTL that the chain saw. Return: 0 or -1. */
static __always_inline int reject_quote(struct __sk_buff *skb, const struct fw_pkt *pkt,
					struct reject_buf *b, __u32 n)
{
	__u16 *check = (void *)(b->quote + 10);

	__builtin_memset(b->quote, 0, sizeof(b->quote));
	if (n < 20 || n > REJECT_QUOTE || bpf_skb_load_bytes(skb, pkt->l3_off, b->quote, n))
		return -1;
	if (b->quote[8] != (__u8)pkt->key[KEY_TTL]) {
		__u32 sum = *check + bpf_htons(0x0100);	/* ip_decrease_ttl() */

		*check = sum + (sum >= 0xffff);
		b->quote[8]--;
	}
	return 0;
}

/* ICMP destination unreachable around the quote. bpf_csum_diff() takes 512 bytes at most. */
static __always_inline void reject_icmp(struct reject_buf *b, __u32 type)
{
	static const __u8 codes[16] = {		/* enum fw_reject -> ICMP code */
		[REJECT_NET_UNREACH] = 0, [REJECT_HOST_UNREACH] = 1, [REJECT_PROTO_UNREACH] = 2,
		[REJECT_PORT_UNREACH] = 3, [REJECT_NET_PROHIBITED] = 9,
		[REJECT_HOST_PROHIBITED] = 10, [REJECT_ADMIN_PROHIBITED] = 13,
	};
	__be32 *w = (void *)&b->icmp;

	b->icmp.type = 3;
	b->icmp.code = codes[type & 15];
	b->icmp.check = 0;
	b->icmp.unused = 0;
	b->icmp.check = rejecsum_fold(bpf_csum_diff(NULL, 0, w + 128, 8 + REJECT_QUOTE - 512,
						  csum_fold((__u32)bpf_csum_diff(NULL, 0, w, 512, 0))));
}

static __always_inline void reject_ip(struct reject_buf *b, __u32 len, __u32 proto, __be32 src,
				      __be32 dst, __u32 ttl)
{
	struct iphdr *ip = &b->ip;

	ip->version = 4;
	ip->ihl = 5;
	ip->tot_len = bpf_htons(len);
	ip->ttl = ttl;
	ip->protocol = proto;
	ip->check = 0;
	ip->saddr = src;
	ip->daddr = dst;
	ip->check = rejecsum_fold(bpf_csum_diff(NULL, 0, (void *)ip, sizeof(*ip), 0));
}

/* The skb becomes the @len bytes of IP in @b, behind a link-layer header. Return: 0 or -1. */
static __always_inline int reject_rewrite(struct __sk_buff *skb, struct reject_buf *b, __u32 l3_off,
					  __u32 len)
{
	__u32 frame = REJECT_ETH + len;

	if (frame > sizeof(b->eth) + REJECT_MAX || frame <= REJECT_ETH ||
	    (!l3_off && bpf_skb_change_head(skb, REJECT_ETH, 0)))
		return -1;
	return bpf_skb_change_tail(skb, frame + REJECT_PAD, 0) ||
	       bpf_skb_adjust_room(skb, -REJECT_PAD, BPF_ADJ_ROOM_MAC, 0) ||
	       bpf_skb_store_bytes(skb, 0, b->eth, frame,
				   BPF_F_RECOMPUTE_CSUM | BPF_F_INVALIDATE_HASH) ? -1 : 0;
}

/* Return: TC_ACT_SHOT when the answer could not be made for no reason that iptables knows. */
static __always_inline int reject_failed(void)
{
	event(EV_NO_ANSWER);
	return TC_ACT_SHOT;
}

/* Link-layer addresses of a frame back to where the offender came from. Return: 0 or -1. */
static __always_inline int reject_back(struct fw *fw, struct reject_buf *b)
{
	struct port in = port_of(fw, fw->w->pkt.ifindex);

	*(__be16 *)(b->eth + ETH_ALEN) = bpf_htons(in.mac_hi >> 16);
	*(__be16 *)(b->eth + ETH_ALEN + 2) = bpf_htons(in.mac_hi & 0xffff);
	*(__be16 *)(b->eth + ETH_ALEN + 4) = bpf_htons(in.mac_lo);
	return bpf_skb_load_bytes(fw->ctx, ETH_ALEN, b->eth, ETH_ALEN) ? -1 : 0;
}

/**
 * reject_send() - answer a rejected packet
 * @type:	enum fw_reject
 * The scratch map has the packet's summary: parsed; hook, interface, flags and
 * KEY_CTSTATE as the chain saw them.
 * Return: the program's return value: a redirect, or TC_ACT_SHOT.
 */
__noinline int reject_send(struct __sk_buff *skb, __u32 type)
{
	__u32 zero = 0, now = bpf_ktime_get_ns() / 1000000, n, len, proto, ihl;
	struct reject_conf *conf = bpf_map_lookup_elem(&reject_conf, &zero);
	struct reject_buf *b = bpf_map_lookup_elem(&reject_buf, &zero);
	int limited, answered;
	struct reject_way way = {};
	struct fw_pkt *pkt;
	__be32 src, dst;
	const __u8 *l4;
	struct fw fw;

	if (!(features & IMG_F_REJECT) || !skb || !conf || !b || fw_open(&fw, skb))
		return TC_ACT_SHOT;
	pkt = &fw.w->pkt;
	dst = bpf_htonl(pkt->key[KEY_SADDR]);
	src = bpf_htonl(pkt->key[KEY_DADDR]);
	ihl = pkt->ihl & 0x3c;
	n = ihl + (pkt->l4_len < 20 ? pkt->l4_len : 20);
	__builtin_memset(b->quote, 0, 80);
	if (n < 20 || n > 80 || bpf_skb_load_bytes(skb, pkt->l3_off, b->quote, n))
		return reject_failed();
	l4 = b->quote + ihl;
	if (reject_silent(skb, fw.w, type))
		return TC_ACT_SHOT;

	proto = type == REJECT_TCP_RESET ? IPPROTO_TCP : IPPROTO_ICMP;
	*(__u32 *)&b->ip = 0;	/* version, ihl and tos */
	*((__u32 *)&b->ip + 1) = 0;
	if (type == REJECT_TCP_RESET) {
		b->ip.frag_off = bpf_htons(IP_DF);
		way.src = src;
		if (reject_route(skb, fw.w, type, 0, &way))
			return TC_ACT_SHOT;
		len = 40;
		reject_ip(b, len, proto, src, dst, conf->ttl);
		reject_tcp(b, pkt, l4);
	} else {
		/* Of what came in on lo none is limited, of what goes out only all together. */
		limited = conf->limited &&
			  (pkt->hook == HOOK_OUTPUT || !(pkt->flags & PKT_LOOPBACK));
		if (limited && !reject_global_allow(conf, now))
			return TC_ACT_SHOT;
		b->ip.tos = (pkt->key[KEY_TOS] & 0x1e) | 0xc0;
		b->ip.id = bpf_get_prandom_u32();
		answered = pkt->hook == HOOK_INPUT || pkt->flags & PKT_LOOPBACK;
		way.src = answered ? src : 0;
		if (reject_route(skb, fw.w, type, b->ip.tos, &way))
			return TC_ACT_SHOT;
		if (!answered)
			src = way.src ?: bpf_htonl(IP_DUMMY);
		if (limited && way.ifindex != LO_IFINDEX && !reject_peer_allow(conf, dst, now))
			return TC_ACT_SHOT;
		if (limited)
			reject_consume();
		n = way.mtu - REJECT_HEADS;
		if (n > pkt->tot_len)
			n = pkt->tot_len;
		if (reject_quote(skb, pkt, b, n))
			return reject_failed();
		len = REJECT_HEADS + n;
		reject_ip(b, len, proto, src, dst, conf->ttl);
		reject_icmp(b, type);
	}

	__builtin_memset(b->eth, 0, 2 * ETH_ALEN);
	*(__be16 *)(b->eth + 2 * ETH_ALEN) = bpf_htons(ETH_P_IP);
	if (way.back && pkt->l3_off && reject_back(&fw, b))
		return reject_failed();
	if (reject_rewrite(skb, b, pkt->l3_off, len))
		return reject_failed();
	if (!conf->keep_mark)
		skb->mark = 0;
	skb->priority = 0;
	skb->cb[0] = reject_cookie[0];
	skb->cb[1] = reject_cookie[1];
	skb->cb[2] = REJECT_CB_SET |
		     (pkt->key[KEY_CTSTATE] & (CT_NEW | CT_ESTABLISHED | CT_RELATED) ? CT_RELATED : 0);
	return way.back ? bpf_redirect(way.ifindex, 0) :
			  bpf_redirect_neigh(way.ifindex, NULL, 0, 0);
}

/* Is this an answer of ours on its way? */
static __always_inline int reject_is_answer(const struct __sk_buff *skb)
{
	return features & IMG_F_REJECT && skb->cb[0] == reject_cookie[0] &&
	       skb->cb[1] == reject_cookie[1] && skb->cb[2] & REJECT_CB_SET;
}

/* The state that an answer was given, into @pkt; without one it is tracked like any packet. */
static __always_inline void reject_state(const struct __sk_buff *skb, struct fw_pkt *pkt)
{
	pkt->key[KEY_CTSTATE] = skb->cb[2] & REJECT_CB_STATE;
	if (pkt->key[KEY_CTSTATE])
		pkt->flags |= PKT_ANSWER;
}

#endif /* BPFIPT_REJECT_BPF_H */
