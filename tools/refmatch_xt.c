// SPDX-License-Identifier: GPL-2.0-only
/*
 * refmatch_xt.c - the oracle's matches, one function each, on the packet's bytes
 *
 * Sources for the semantics: net/netfilter/xt_*.c and net/ipv4/netfilter/ipt_ah.c
 * of Linux 6.12. A match raises view->hotdrop where the kernel's raises
 * par->hotdrop.
 */
#include <arpa/inet.h>
#include <string.h>

/* First: it takes <net/if.h>, which must come before <linux/if.h>. */
#include "refmatch_xt.h"

#include <linux/if_packet.h>
#include <linux/netfilter/xt_conntrack.h>
#include <linux/netfilter/xt_dccp.h>
#include <linux/netfilter/xt_dscp.h>
#include <linux/netfilter/xt_ecn.h>
#include <linux/netfilter/xt_esp.h>
#include <linux/netfilter/xt_ipcomp.h>
#include <linux/netfilter/xt_iprange.h>
#include <linux/netfilter/xt_length.h>
#include <linux/netfilter/xt_mac.h>
#include <linux/netfilter/xt_mark.h>
#include <linux/netfilter/xt_multiport.h>
#include <linux/netfilter/xt_pkttype.h>
#include <linux/netfilter/xt_sctp.h>
#include <linux/netfilter/xt_tcpudp.h>
#include <linux/netfilter_ipv4/ipt_ah.h>
#include <linux/netfilter_ipv4/ipt_ttl.h>

/* xt_mac's kernel-side layout is what user space passes. */
struct mac_info {
	unsigned char srcaddr[6];
	int invert;
};

static __u16 get16(const __u8 *p)
{
	return p[0] << 8 | p[1];
}

static __u32 get32(const __u8 *p)
{
	return (__u32)get16(p) << 16 | get16(p + 2);
}

/* @n bytes at @off of the transport header, or NULL when the packet ends before. */
static const __u8 *l4(const struct view *v, __u32 off, __u32 n)
{
	if (v->thoff + off + n > v->len)
		return NULL;
	return v->ip + v->thoff + off;
}

static bool within(__u32 x, __u32 first, __u32 last)
{
	return first <= x && x <= last;
}

static bool tcp_option_found(const __u8 *opt, __u32 len, __u8 kind)
{
	__u32 i = 0;

	/* The kernel does not stop at an end-of-options byte. */
	while (i < len) {
		if (opt[i] == kind)
			return true;
		if (opt[i] <= 1 || i + 1 == len || opt[i + 1] == 0)
			i += 1;
		else
			i += opt[i + 1];
	}
	return false;
}

static bool m_tcp(struct view *v, const void *data)
{
	const struct xt_tcp *t = data;
	const __u8 *th;

	if (v->fragoff) {
		v->hotdrop |= v->fragoff == 1;
		return false;
	}
	th = l4(v, 0, 20);
	if (!th) {
		v->hotdrop = true;
		return false;
	}
	if (within(get16(th), t->spts[0], t->spts[1]) == !!(t->invflags & XT_TCP_INV_SRCPT))
		return false;
	if (within(get16(th + 2), t->dpts[0], t->dpts[1]) == !!(t->invflags & XT_TCP_INV_DSTPT))
		return false;
	if (((th[13] & t->flg_mask) == t->flg_cmp) == !!(t->invflags & XT_TCP_INV_FLAGS))
		return false;
	if (t->option) {
		__u32 hlen = (th[12] >> 4) * 4;
		const __u8 *opt;
		bool found = false;

		if (hlen < 20) {
			v->hotdrop = true;
			return false;
		}
		if (hlen > 20) {
			opt = l4(v, 20, hlen - 20);
			if (!opt) {
				v->hotdrop = true;
				return false;
			}
			found = tcp_option_found(opt, hlen - 20, t->option);
		}
		if (found == !!(t->invflags & XT_TCP_INV_OPTION))
			return false;
	}
	return true;
}

static bool m_udp(struct view *v, const void *data)
{
	const struct xt_udp *u = data;
	const __u8 *uh;

	if (v->fragoff)
		return false;
	uh = l4(v, 0, 8);
	if (!uh) {
		v->hotdrop = true;
		return false;
	}
	return within(get16(uh), u->spts[0], u->spts[1]) != !!(u->invflags & XT_UDP_INV_SRCPT) &&
	       within(get16(uh + 2), u->dpts[0], u->dpts[1]) != !!(u->invflags & XT_UDP_INV_DSTPT);
}

static bool m_icmp(struct view *v, const void *data)
{
	const struct ipt_icmp *i = data;
	const __u8 *ih;
	bool hit;

	if (v->fragoff)
		return false;
	ih = l4(v, 0, 8);
	if (!ih) {
		v->hotdrop = true;
		return false;
	}
	hit = i->type == 255 || (ih[0] == i->type && within(ih[1], i->code[0], i->code[1]));
	return hit != !!(i->invflags & IPT_ICMP_INV);
}

static bool m_multiport(struct view *v, const void *data)
{
	const struct xt_multiport_v1 *m = data;
	__u16 src, dst;
	const __u8 *ph;
	int i;

	if (v->fragoff)
		return false;
	ph = l4(v, 0, 4);
	if (!ph) {
		v->hotdrop = true;
		return false;
	}
	src = get16(ph);
	dst = get16(ph + 2);
	for (i = 0; i < m->count; i++) {
		__u16 first = m->ports[i], last = first;
		bool s, d;

		if (m->pflags[i])
			last = m->ports[++i];
		s = within(src, first, last) && m->flags != XT_MULTIPORT_DESTINATION;
		d = within(dst, first, last) && m->flags != XT_MULTIPORT_SOURCE;
		if (s || d)
			return !m->invert;
	}
	return m->invert;
}

static bool chunk_flags_ok(const struct xt_sctp_info *s, __u8 type, __u8 flags)
{
	int i;

	for (i = 0; i < s->flag_count; i++)
		if (s->flag_info[i].chunktype == type)
			return (flags & s->flag_info[i].flag_mask) == s->flag_info[i].flag;
	return true;
}

static bool sctp_chunks(struct view *v, const struct xt_sctp_info *s)
{
	__u32 missing[256 / 32];
	__u32 off = 12;
	unsigned int i;

	memset(missing, 0, sizeof(missing));
	for (i = 0; i < 256; i++)
		if (s->chunkmap[i / 32] & (1u << i % 32))
			missing[i / 32] |= 1u << i % 32;
	do {
		const __u8 *ch = l4(v, off, 4);
		bool listed;

		if (!ch || get16(ch + 2) == 0) {
			v->hotdrop = true;
			return false;
		}
		off += (get16(ch + 2) + 3u) & ~3u;
		listed = s->chunkmap[ch[0] / 32] & (1u << ch[0] % 32);
		if (listed && !chunk_flags_ok(s, ch[0], ch[1])) {
			if (s->chunk_match_type == SCTP_CHUNK_MATCH_ONLY)
				return false;
			continue;
		}
		switch (s->chunk_match_type) {
		case SCTP_CHUNK_MATCH_ANY:
			if (listed)
				return true;
			break;
		case SCTP_CHUNK_MATCH_ALL:
			missing[ch[0] / 32] &= ~(1u << ch[0] % 32);
			break;
		case SCTP_CHUNK_MATCH_ONLY:
			if (!listed)
				return false;
			break;
		}
	} while (v->thoff + off < v->len);

	if (s->chunk_match_type == SCTP_CHUNK_MATCH_ALL) {
		for (i = 0; i < 256 / 32; i++)
			if (missing[i])
				return false;
		return true;
	}
	return s->chunk_match_type == SCTP_CHUNK_MATCH_ONLY;
}

static bool m_sctp(struct view *v, const void *data)
{
	const struct xt_sctp_info *s = data;
	const __u8 *sh;

	if (v->fragoff)
		return false;
	sh = l4(v, 0, 12);
	if (!sh) {
		v->hotdrop = true;
		return false;
	}
	if ((s->flags & XT_SCTP_SRC_PORTS) &&
	    within(get16(sh), s->spts[0], s->spts[1]) == !!(s->invflags & XT_SCTP_SRC_PORTS))
		return false;
	if ((s->flags & XT_SCTP_DEST_PORTS) &&
	    within(get16(sh + 2), s->dpts[0], s->dpts[1]) == !!(s->invflags & XT_SCTP_DEST_PORTS))
		return false;
	if ((s->flags & XT_SCTP_CHUNK_TYPES) &&
	    sctp_chunks(v, s) == !!(s->invflags & XT_SCTP_CHUNK_TYPES))
		return false;
	return true;
}

static bool m_esp(struct view *v, const void *data)
{
	const struct xt_esp *e = data;
	const __u8 *eh;

	if (v->fragoff)
		return false;
	eh = l4(v, 0, 8);
	if (!eh) {
		v->hotdrop = true;
		return false;
	}
	return within(get32(eh), e->spis[0], e->spis[1]) != !!(e->invflags & XT_ESP_INV_SPI);
}

static bool m_ah(struct view *v, const void *data)
{
	const struct ipt_ah *a = data;
	const __u8 *ah;

	if (v->fragoff)
		return false;
	ah = l4(v, 0, 12);
	if (!ah) {
		v->hotdrop = true;
		return false;
	}
	return within(get32(ah + 4), a->spis[0], a->spis[1]) != !!(a->invflags & IPT_AH_INV_SPI);
}

static bool m_iprange(struct view *v, const void *data)
{
	const struct xt_iprange_mtinfo *r = data;

	if ((r->flags & IPRANGE_SRC) &&
	    within(v->saddr, ntohl(r->src_min.ip), ntohl(r->src_max.ip)) ==
	    !!(r->flags & IPRANGE_SRC_INV))
		return false;
	if ((r->flags & IPRANGE_DST) &&
	    within(v->daddr, ntohl(r->dst_min.ip), ntohl(r->dst_max.ip)) ==
	    !!(r->flags & IPRANGE_DST_INV))
		return false;
	return true;
}

static bool m_mac(struct view *v, const void *data)
{
	const struct mac_info *m = data;

	if (!v->meta->ether)
		return false;
	return !memcmp(v->meta->mac, m->srcaddr, 6) != !!m->invert;
}

static bool m_length(struct view *v, const void *data)
{
	const struct xt_length_info *l = data;

	return within(v->len, l->min, l->max) != !!l->invert;
}

static bool m_ttl(struct view *v, const void *data)
{
	const struct ipt_ttl_info *t = data;
	__u8 ttl = v->ip[8];

	switch (t->mode) {
	case IPT_TTL_EQ:
		return ttl == t->ttl;
	case IPT_TTL_NE:
		return ttl != t->ttl;
	case IPT_TTL_LT:
		return ttl < t->ttl;
	default:
		return ttl > t->ttl;
	}
}

static bool m_tos(struct view *v, const void *data)
{
	const struct xt_tos_match_info *t = data;

	return ((v->ip[1] & t->tos_mask) == t->tos_value) != !!t->invert;
}

static bool m_dscp(struct view *v, const void *data)
{
	const struct xt_dscp_info *d = data;

	return (v->ip[1] >> 2 == d->dscp) != !!d->invert;
}

static bool m_ecn(struct view *v, const void *data)
{
	const struct xt_ecn_info *e = data;
	const __u8 *th;

	if ((e->operation & XT_ECN_OP_MATCH_IP) &&
	    ((v->ip[1] & 3) == e->ip_ect) == !!(e->invert & XT_ECN_OP_MATCH_IP))
		return false;
	if (!(e->operation & (XT_ECN_OP_MATCH_ECE | XT_ECN_OP_MATCH_CWR)))
		return true;
	/* Later fragments are not excluded: it reads whatever lies there. */
	th = l4(v, 0, 20);
	if (!th)
		return false;
	if ((e->operation & XT_ECN_OP_MATCH_ECE) &&
	    !!(th[13] & 0x40) == !!(e->invert & XT_ECN_OP_MATCH_ECE))
		return false;
	if ((e->operation & XT_ECN_OP_MATCH_CWR) &&
	    !!(th[13] & 0x80) == !!(e->invert & XT_ECN_OP_MATCH_CWR))
		return false;
	return true;
}

static bool m_pkttype(struct view *v, const void *data)
{
	const struct xt_pkttype_info *p = data;
	int type = v->meta->pkttype;

	if (type == PACKET_LOOPBACK)
		type = v->daddr >> 28 == 0xe ? PACKET_MULTICAST : PACKET_BROADCAST;
	return (type == p->pkttype) != !!p->invert;
}

static bool m_mark(struct view *v, const void *data)
{
	const struct xt_mark_mtinfo1 *m = data;

	return ((v->mark & m->mask) == m->mark) != !!m->invert;
}

static bool m_conntrack(struct view *v, const void *data)
{
	const struct xt_conntrack_mtinfo3 *c = data;
	__u16 state = v->meta->ct_state ? v->meta->ct_state : XT_CONNTRACK_STATE_INVALID;

	return !!(c->state_mask & state) != !!(c->invert_flags & XT_CONNTRACK_STATE);
}

/* "No" comes with a hotdrop when the options cannot be read. */
static bool dccp_option_found(struct view *v, const __u8 *dh, __u8 kind)
{
	static const __u8 head[16] = { 4, 12, 0, 8, 8, 8, 8, 12, 8, 8, 12, 12, 12, 12, 12, 12 };
	__u32 at = 12 + (dh[8] & 1) * 4 + head[dh[8] >> 1 & 15], end = dh[4] * 4;

	if (end < at || !l4(v, 0, end)) {
		v->hotdrop = true;
		return false;
	}
	while (at < end) {
		if (dh[at] == kind)
			return true;
		at += dh[at] > 1 && at + 1 < end && dh[at + 1] ? dh[at + 1] : 1;
	}
	return false;
}

static bool m_dccp(struct view *v, const void *data)
{
	const struct xt_dccp_info *d = data;
	const __u8 *dh = l4(v, 0, 12);

	if (v->fragoff || !dh) {
		v->hotdrop |= !v->fragoff;
		return false;
	}
	if ((d->flags & XT_DCCP_SRC_PORTS) &&
	    within(get16(dh), d->spts[0], d->spts[1]) == !!(d->invflags & XT_DCCP_SRC_PORTS))
		return false;
	if ((d->flags & XT_DCCP_DEST_PORTS) &&
	    within(get16(dh + 2), d->dpts[0], d->dpts[1]) == !!(d->invflags & XT_DCCP_DEST_PORTS))
		return false;
	if ((d->flags & XT_DCCP_TYPE) &&
	    (d->typemask >> (dh[8] >> 1 & 15) & 1) == !!(d->invflags & XT_DCCP_TYPE))
		return false;
	return !(d->flags & XT_DCCP_OPTION) ||
	       dccp_option_found(v, dh, d->option) != !!(d->invflags & XT_DCCP_OPTION);
}

static bool m_ipcomp(struct view *v, const void *data)
{
	const struct xt_ipcomp *c = data;
	const __u8 *h = l4(v, 0, 4);

	if (v->fragoff || !h) {
		v->hotdrop |= !v->fragoff;
		return false;
	}
	return within(get16(h + 2), c->spis[0], c->spis[1]) != !!(c->invflags & XT_IPCOMP_INV_SPI);
}

static bool m_comment(struct view *v, const void *data)
{
	(void)v;
	(void)data;
	return true;
}

static const struct ref_match ref_matches[] = {
	{ "tcp", 0, m_tcp },		{ "udp", 0, m_udp },
	{ "udplite", 0, m_udp },	{ "icmp", 0, m_icmp },
	{ "multiport", 1, m_multiport }, { "comment", 0, m_comment },
	{ "mark", 1, m_mark },		{ "iprange", 1, m_iprange },
	{ "mac", 0, m_mac },		{ "length", 0, m_length },
	{ "ttl", 0, m_ttl },		{ "tos", 1, m_tos },
	{ "dscp", 0, m_dscp },		{ "ecn", 0, m_ecn },
	{ "pkttype", 0, m_pkttype },	{ "sctp", 0, m_sctp },
	{ "esp", 0, m_esp },		{ "ah", 0, m_ah },
	{ "dccp", 0, m_dccp },		{ "ipcomp", 0, m_ipcomp },
	{ "conntrack", 3, m_conntrack },	{ "u32", 0, ref_u32 },
	{ "string", 1, ref_string },	{ "tcpmss", 0, ref_tcpmss },
};

const struct ref_match *ref_find_match(const struct xt_entry_match *m)
{
	size_t i;

	for (i = 0; i < sizeof(ref_matches) / sizeof(ref_matches[0]); i++)
		if (ref_matches[i].revision == m->u.user.revision &&
		    !strcmp(ref_matches[i].name, m->u.user.name))
			break;
	if (i == sizeof(ref_matches) / sizeof(ref_matches[0]))
		return NULL;
	if (ref_matches[i].match == m_conntrack) {
		const struct xt_conntrack_mtinfo3 *c = (const void *)m->data;

		if ((c->match_flags & ~XT_CONNTRACK_STATE_ALIAS) != XT_CONNTRACK_STATE)
			return NULL;
	}
	return &ref_matches[i];
}
