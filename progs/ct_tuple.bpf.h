/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * ct_tuple.bpf.h - from transport header to tuple, from tuple to map key
 *
 * Sources: nf_ct_get_tuple() (nf_conntrack_core.c), icmp_pkt_to_tuple(), invmap
 * (nf_conntrack_proto_icmp.c), gre_pkt_to_tuple() (nf_conntrack_proto_gre.c).
 * The same rules serve the packet itself and the header quoted by an ICMP error.
 */
#ifndef BPFIPT_CT_TUPLE_BPF_H
#define BPFIPT_CT_TUPLE_BPF_H

#define CT_PROTO_ICMPV6		58
#define CT_NEAR			0x3ffu	/* headers up to there are looked for in place */
#define GRE_VERSION_MASK	0x07
#define GRE_PPP			0x880b

static __always_inline int ct_same_tuple(const struct ct_tuple *a, const struct ct_tuple *b)
{
	return a->src == b->src && a->dst == b->dst && a->sport == b->sport &&
	       a->dport == b->dport && a->proto == b->proto;
}

/* Is the tuple's ICMP type a query that may open a flow: 8, 13, 15, 17? */
static __always_inline int ct_icmp_request(const struct ct_tuple *t)
{
	__u32 type = *(const __u8 *)&t->dport;

	return type == 8 || type == 13 || type == 15 || type == 17;
}

/*
 * ct_bytes() - @len bytes of the packet at @off: in place, where they are in its linear
 * part, else copied to @buf. (A helper's call and its copy are some 30 ns.)
 * Return: NULL: the packet has not got them.
 */
static __always_inline const void *ct_bytes(fw_ctx_t *ctx, __u32 off, void *buf, const __u32 len)
{
#ifndef FW_NETFILTER
	const void *at = (void *)(long)ctx->data + (off & CT_NEAR);

	if (likely(off <= CT_NEAR && at + len <= (void *)(long)ctx->data_end))
		return at;
#endif
	return fw_load(ctx, off, buf, len) ? NULL : buf;
}

/*
 * ct_get_tuple() - ports, id or key of the transport header at @off
 * @len:	bytes the packet has there
 * @t:		addresses and protocol are set, the rest is zero
 * @buf:	8 bytes of scratch
 * Return: 0, or -1: no tuple, the packet is INVALID.
 */
static __always_inline int ct_get_tuple(fw_ctx_t *ctx, __u32 off, __u32 len,
					struct ct_tuple *t, __u8 *buf)
{
	const void *h;

	switch (t->proto) {
	case IPPROTO_TCP:
	case IPPROTO_UDP:
	case IPPROTO_UDPLITE:
	case IPPROTO_SCTP:
		h = len < 4 ? NULL : ct_bytes(ctx, off, buf, 4);
		if (!h)
			return -1;
		t->sport = *(const __be16 *)h;
		t->dport = *(const __be16 *)(h + 2);
		return 0;
	case IPPROTO_ICMP:
		if (len < 8 || fw_load(ctx, off, buf, 8))
			return -1;
		t->sport = *(__be16 *)(buf + 4);
		t->dport = *(__be16 *)buf;
		return 0;
	case CT_PROTO_ICMPV6:
		/* Over IPv4 its tracker takes nothing for valid. */
		return -1;
	case IPPROTO_GRE:
		if (len < 4 || fw_load(ctx, off, buf, 4) || (buf[1] & GRE_VERSION_MASK) != 1)
			return 0;
		if (len < 8 || fw_load(ctx, off, buf, 8))
			return 0;
		if (bpf_ntohs(*(__be16 *)(buf + 2)) != GRE_PPP)
			return -1;
		t->dport = *(__be16 *)(buf + 6);
		return 0;
	}
	return 0;
}

/*
 * ct_canonical() - the key under which both directions of @t are found
 * Return: 0, or -1: an ICMP type that has no inverse.
 */
static __always_inline int ct_canonical(const struct ct_tuple *t, struct ct_tuple *key)
{
	int swap;

	__builtin_memset(key, 0, sizeof(*key));
	key->proto = t->proto;
	if (t->proto == IPPROTO_ICMP) {
		__u32 type = *(const __u8 *)&t->dport;

		swap = !ct_icmp_request(t);
		if (swap) {
			if (type == 0)
				type = 8;
			else if (type == 14 || type == 16 || type == 18)
				type--;
			else
				return -1;
		}
		key->src = swap ? t->dst : t->src;
		key->dst = swap ? t->src : t->dst;
		key->sport = t->sport;
		key->dport = t->dport;
		*(__u8 *)&key->dport = type;
		return 0;
	}
	swap = t->src > t->dst || (t->src == t->dst && t->sport > t->dport);
	key->src = swap ? t->dst : t->src;
	key->dst = swap ? t->src : t->dst;
	key->sport = swap ? t->dport : t->sport;
	key->dport = swap ? t->sport : t->dport;
	return 0;
}

#endif /* BPFIPT_CT_TUPLE_BPF_H */
