// SPDX-License-Identifier: GPL-2.0-only
/*
 * genpkts.c - random IPv4 packets aimed at a ruleset
 *
 * A packet starts as a random *plan* (struct plan: one value per header field). It
 * is then aimed at one or two rules of the ruleset: every condition of the rule
 * moves its field to a value that satisfies it, often the first or last of a
 * range, and now and then to the value just outside. Last the plan is written out
 * as bytes, and distorted: cut short, made a fragment, given options or a wrong
 * TCP header length.
 *
 * Example: rule `-p tcp --dport 80:90` gives plans with dport 80, 90, 85, 79, 91.
 */
#include <arpa/inet.h>
#include <string.h>

/* First: it takes <net/if.h>, which must come before <linux/if.h>. */
#include "genpkts.h"

#include <linux/if_packet.h>
#include <linux/netfilter/xt_dscp.h>
#include <linux/netfilter/xt_ecn.h>
#include <linux/netfilter/xt_esp.h>
#include <linux/netfilter/xt_iprange.h>
#include <linux/netfilter/xt_length.h>
#include <linux/netfilter/xt_mark.h>
#include <linux/netfilter/xt_multiport.h>
#include <linux/netfilter/xt_sctp.h>
#include <linux/netfilter/xt_tcpudp.h>
#include <linux/netfilter_ipv4/ipt_ah.h>
#include <linux/netfilter_ipv4/ipt_ttl.h>

struct plan {
	struct prng *rnd;
	const struct genpkts_cfg *cfg;
	__u32 saddr, daddr;
	__u8 proto;
	__u16 sport, dport;
	__u8 tcp_flags;
	__u8 tcp_option;	/* kind to include, 0 none */
	__u8 type, code;
	__u32 spi;
	__u8 tos, ttl;		/* ttl as the hook sees it */
	__u16 len;		/* wished total length, 0: any */
	__u32 mark;
	__u8 pkttype;
	__u8 mac;
	__u8 in;
	__u8 chunk;		/* first SCTP chunk's type */
	bool later;		/* later fragment */
};

static __u32 below(struct plan *p, __u32 n)
{
	return prng_below(p->rnd, n);
}

static bool chance(struct plan *p, unsigned int percent)
{
	return prng_percent(p->rnd, percent);
}

static __u32 from_nets(struct plan *p, const struct gen_net *net, size_t n)
{
	const struct gen_net *g = &net[below(p, n)];
	__u32 host = g->len == 0 ? 0xffffffffu : g->len == 32 ? 0 : 0xffffffffu >> g->len;

	return g->addr | (prng_u32(p->rnd) & host);
}

/* A value for `first..last` (inverted when @inv), with its edges; 0..max */
static __u32 aim(struct plan *p, __u32 first, __u32 last, bool inv, __u32 max)
{
	if (chance(p, 8))
		inv = !inv;
	if (inv) {
		if (first > 0 && (last >= max || chance(p, 50)))
			return chance(p, 70) ? first - 1 : prng_range(p->rnd, 0, first - 1);
		if (last < max)
			return chance(p, 70) ? last + 1 : prng_range(p->rnd, last + 1, max);
		return prng_range(p->rnd, 0, max);
	}
	if (last < first)
		return first;
	switch (below(p, 3)) {
	case 0:
		return first;
	case 1:
		return last;
	default:
		return prng_range(p->rnd, first, last);
	}
}

static void try_addr(struct plan *p, __u32 addr, bool dst)
{
	if (!p->cfg->addr_ok(p->cfg, addr, dst))
		return;
	if (dst)
		p->daddr = addr;
	else
		p->saddr = addr;
}

static void aim_addr(struct plan *p, __u32 value, __u32 mask, bool inv, bool dst)
{
	__u32 a = value | (prng_u32(p->rnd) & ~mask);

	if (!mask)
		return;
	if (chance(p, 25))
		a = chance(p, 50) ? value : value | ~mask;
	if (chance(p, 8))
		inv = !inv;
	if (inv)
		a ^= chance(p, 60) ? mask & -mask : mask & prng_u32(p->rnd);
	try_addr(p, a, dst);
}

static void aim_base(struct plan *p, const struct ipt_ip *b)
{
	size_t i, n;

	aim_addr(p, ntohl(b->src.s_addr), ntohl(b->smsk.s_addr), b->invflags & IPT_INV_SRCIP, false);
	aim_addr(p, ntohl(b->dst.s_addr), ntohl(b->dmsk.s_addr), b->invflags & IPT_INV_DSTIP, true);
	if (b->iniface_mask[0] && !(b->invflags & IPT_INV_VIA_IN)) {
		for (n = 0; n < p->cfg->nr_in; n++) {
			const char *dev = p->cfg->in[n];

			for (i = 0; i < IFNAMSIZ && dev[i]; i++)
				if ((dev[i] ^ b->iniface[i]) & b->iniface_mask[i])
					break;
			if (!dev[i])
				p->in = n;
		}
	}
	if (b->proto && !(b->invflags & IPT_INV_PROTO) && !chance(p, 4))
		p->proto = b->proto;
	if ((b->flags & IPT_F_FRAG) && !(b->invflags & IPT_INV_FRAG))
		p->later = !chance(p, 10);
}

static void aim_multiport(struct plan *p, const struct xt_multiport_v1 *m)
{
	unsigned int i = below(p, m->count ? m->count : 1);
	__u32 first, last, v;

	/* Land on the start of a slot. */
	if (i && m->pflags[i - 1])
		i--;
	first = last = m->ports[i];
	if (m->pflags[i])
		last = m->ports[i + 1];
	v = aim(p, first, last, m->invert, 65535);
	if (m->flags == XT_MULTIPORT_SOURCE || (m->flags == XT_MULTIPORT_EITHER && chance(p, 50)))
		p->sport = v;
	else
		p->dport = v;
}

static void aim_tcp(struct plan *p, const struct xt_tcp *t)
{
	if (t->spts[0] || t->spts[1] != 65535)
		p->sport = aim(p, t->spts[0], t->spts[1], t->invflags & XT_TCP_INV_SRCPT, 65535);
	if (t->dpts[0] || t->dpts[1] != 65535)
		p->dport = aim(p, t->dpts[0], t->dpts[1], t->invflags & XT_TCP_INV_DSTPT, 65535);
	if (t->flg_mask) {
		p->tcp_flags = (p->tcp_flags & ~t->flg_mask) | (t->flg_cmp & t->flg_mask);
		if (chance(p, 10) || (t->invflags & XT_TCP_INV_FLAGS))
			p->tcp_flags ^= 1 << below(p, 6);
	}
	if (t->option)
		p->tcp_option = t->option;
}

static void aim_udp(struct plan *p, const struct xt_udp *u)
{
	if (u->spts[0] || u->spts[1] != 65535)
		p->sport = aim(p, u->spts[0], u->spts[1], u->invflags & XT_UDP_INV_SRCPT, 65535);
	if (u->dpts[0] || u->dpts[1] != 65535)
		p->dport = aim(p, u->dpts[0], u->dpts[1], u->invflags & XT_UDP_INV_DSTPT, 65535);
}

static void aim_sctp(struct plan *p, const struct xt_sctp_info *s)
{
	int i;

	if (s->flags & XT_SCTP_SRC_PORTS)
		p->sport = aim(p, s->spts[0], s->spts[1], s->invflags & XT_SCTP_SRC_PORTS, 65535);
	if (s->flags & XT_SCTP_DEST_PORTS)
		p->dport = aim(p, s->dpts[0], s->dpts[1], s->invflags & XT_SCTP_DEST_PORTS, 65535);
	if (s->flags & XT_SCTP_CHUNK_TYPES)
		for (i = 0; i < 256; i++)
			if (s->chunkmap[i / 32] & (1u << i % 32)) {
				p->chunk = i;
				if (chance(p, 50))
					break;
			}
}

static void aim_iprange(struct plan *p, const struct xt_iprange_mtinfo *r)
{
	if (r->flags & IPRANGE_SRC)
		try_addr(p, aim(p, ntohl(r->src_min.ip), ntohl(r->src_max.ip),
				r->flags & IPRANGE_SRC_INV, 0xffffffffu), false);
	if (r->flags & IPRANGE_DST)
		try_addr(p, aim(p, ntohl(r->dst_min.ip), ntohl(r->dst_max.ip),
				r->flags & IPRANGE_DST_INV, 0xffffffffu), true);
}

static void aim_ttl(struct plan *p, const struct ipt_ttl_info *t)
{
	switch (t->mode) {
	case IPT_TTL_EQ:
		p->ttl = aim(p, t->ttl, t->ttl, false, 255);
		break;
	case IPT_TTL_NE:
		p->ttl = aim(p, t->ttl, t->ttl, true, 255);
		break;
	case IPT_TTL_LT:
		p->ttl = t->ttl ? aim(p, 0, t->ttl - 1, false, 255) : 0;
		break;
	case IPT_TTL_GT:
		p->ttl = t->ttl < 255 ? aim(p, t->ttl + 1, 255, false, 255) : 255;
		break;
	}
}

static void aim_match(struct plan *p, const struct xt_entry_match *m)
{
	const char *name = m->u.user.name;
	const void *data = m->data;

	if (!strcmp(name, "tcp")) {
		aim_tcp(p, data);
	} else if (!strcmp(name, "udp") || !strcmp(name, "udplite")) {
		aim_udp(p, data);
	} else if (!strcmp(name, "multiport")) {
		aim_multiport(p, data);
	} else if (!strcmp(name, "sctp")) {
		aim_sctp(p, data);
	} else if (!strcmp(name, "iprange")) {
		aim_iprange(p, data);
	} else if (!strcmp(name, "ttl")) {
		aim_ttl(p, data);
	} else if (!strcmp(name, "icmp")) {
		const struct ipt_icmp *i = data;

		if (i->type != 255)
			p->type = aim(p, i->type, i->type, i->invflags & IPT_ICMP_INV, 255);
		p->code = aim(p, i->code[0], i->code[1], false, 255);
	} else if (!strcmp(name, "esp")) {
		const struct xt_esp *e = data;

		p->spi = aim(p, e->spis[0], e->spis[1], e->invflags & XT_ESP_INV_SPI, 0xffffffffu);
	} else if (!strcmp(name, "ah")) {
		const struct ipt_ah *a = data;

		p->spi = aim(p, a->spis[0], a->spis[1], a->invflags & IPT_AH_INV_SPI, 0xffffffffu);
	} else if (!strcmp(name, "length")) {
		const struct xt_length_info *l = data;

		p->len = aim(p, l->min, l->max > 1500 ? 1500 : l->max, l->invert, 1500);
	} else if (!strcmp(name, "tos")) {
		const struct xt_tos_match_info *t = data;

		p->tos = (p->tos & ~t->tos_mask) | (t->tos_value & t->tos_mask);
		if (t->invert || chance(p, 10))
			p->tos ^= 1 << below(p, 8);
	} else if (!strcmp(name, "dscp")) {
		const struct xt_dscp_info *d = data;

		p->tos = (p->tos & 3) | aim(p, d->dscp, d->dscp, d->invert, 63) << 2;
	} else if (!strcmp(name, "ecn")) {
		const struct xt_ecn_info *e = data;

		if (e->operation & XT_ECN_OP_MATCH_IP)
			p->tos = (p->tos & ~3) | aim(p, e->ip_ect, e->ip_ect,
						     e->invert & XT_ECN_OP_MATCH_IP, 3);
		else
			p->tcp_flags ^= 0x40 << below(p, 2);
	} else if (!strcmp(name, "mark")) {
		const struct xt_mark_mtinfo1 *k = data;

		p->mark = k->mark | (prng_u32(p->rnd) & ~k->mask);
		if (k->invert || chance(p, 10))
			p->mark ^= 1u << below(p, 32);
	}
}

static void aim_rule(struct plan *p, const struct rule *r)
{
	aim_base(p, &r->entry->ip);
	rule_for_each_match(m, r)
		aim_match(p, m);
}

static void aim_ruleset(struct plan *p, const struct ruleset *rs)
{
	const struct chain *c = rs->chains[p->cfg->hook];
	unsigned int tries, hops;

	/* Mostly from the hook's own chain on, into the chains it jumps to. */
	for (tries = 0; tries < 4 && (!c->nr_rules || chance(p, 30)); tries++)
		c = rs->chains[below(p, rs->nr_chains)];
	for (hops = 0; hops < 4 && c->nr_rules; hops++) {
		const struct rule *r = c->rules[below(p, c->nr_rules)];

		aim_rule(p, r);
		if (!r->jump || chance(p, 20))
			break;
		c = r->jump;
	}
}

static void random_plan(struct plan *p)
{
	static const __u8 proto[] = { 6, 6, 6, 17, 17, 1, 132, 136, 50, 51, 33, 47, 2, 0, 255 };
	static const __u8 flags[] = { 0x02, 0x12, 0x10, 0x18, 0x11, 0x04, 0x14, 0x00, 0x3f, 0xc2 };
	static const __u8 ttl[] = { 0, 1, 2, 63, 64, 127, 128, 254, 255 };

	p->saddr = from_nets(p, p->cfg->src, p->cfg->nr_src);
	p->daddr = from_nets(p, p->cfg->dst, p->cfg->nr_dst);
	p->proto = chance(p, 90) ? proto[below(p, sizeof(proto))] : below(p, 256);
	p->sport = below(p, 65536);
	p->dport = below(p, 65536);
	p->tcp_flags = chance(p, 70) ? flags[below(p, sizeof(flags))] : below(p, 256);
	p->type = chance(p, 70) ? below(p, 19) : below(p, 256);
	p->code = below(p, 4);
	p->spi = prng_u32(p->rnd);
	p->tos = chance(p, 50) ? 0 : below(p, 256);
	p->ttl = chance(p, 70) ? ttl[below(p, sizeof(ttl))] : below(p, 256);
	p->mark = chance(p, 50) ? 0 : below(p, 16);
	p->mac = below(p, 4);
	p->in = below(p, p->cfg->nr_in ? p->cfg->nr_in : 1);
	p->pkttype = PACKET_HOST;
	p->chunk = below(p, 16);
}

/* TCP options into @o, 40 bytes; whole, and sometimes nonsense. Return: length. */
static unsigned int put_tcp_options(struct plan *p, __u8 *o)
{
	unsigned int n = 0, max = 4 * below(p, 11);

	while (n < max) {
		__u8 kind = chance(p, 40) && p->tcp_option ? p->tcp_option : below(p, 9);

		o[n++] = kind;
		if (kind > 1 && n < max) {
			unsigned int l = chance(p, 85) ? 2 + below(p, 9) : below(p, 256);

			o[n++] = l;
			while (l-- > 2 && n < max)
				o[n++] = below(p, 9);
		}
	}
	return max;
}

static unsigned int put_chunks(struct plan *p, __u8 *o, unsigned int room)
{
	unsigned int n = 0, i, chunks = below(p, 5);

	for (i = 0; i < chunks && n + 4 <= room; i++) {
		unsigned int l = 4 + below(p, 12);

		if (chance(p, 4))
			l = below(p, 4);
		if (chance(p, 3))
			l = below(p, 65536);
		o[n] = !i || chance(p, 30) ? p->chunk : below(p, 16);
		o[n + 1] = below(p, 8);
		o[n + 2] = l >> 8;
		o[n + 3] = l;
		l = (l + 3) & ~3u;
		if (l < 4)
			l = 4;
		if (n + l > room)
			l = room - n;
		memset(o + n + 4, 0, l - 4);
		n += l;
	}
	return n;
}

/* Transport header and payload into @o. Return: length; *@fixed: header length */
static unsigned int put_l4(struct plan *p, __u8 *o, unsigned int room, unsigned int *fixed)
{
	unsigned int n, i, extra;

	for (i = 0; i < room; i++)
		o[i] = prng_u32(p->rnd);
	o[0] = p->sport >> 8;
	o[1] = p->sport;
	o[2] = p->dport >> 8;
	o[3] = p->dport;
	switch (p->proto) {
	case 6:
		n = 20 + (p->tcp_option || chance(p, 15) ? put_tcp_options(p, o + 20) : 0);
		o[12] = n / 4 << 4;
		if (chance(p, 3))
			o[12] = below(p, 256);
		o[13] = p->tcp_flags;
		*fixed = 20;
		break;
	case 1:
		o[0] = p->type;
		o[1] = p->code;
		n = *fixed = 8;
		break;
	case 50: case 51:
		i = p->proto == 51 ? 4 : 0;
		o[i] = p->spi >> 24;
		o[i + 1] = p->spi >> 16;
		o[i + 2] = p->spi >> 8;
		o[i + 3] = p->spi;
		n = *fixed = 8 + i;
		break;
	case 132:
		*fixed = 12;
		n = 12 + put_chunks(p, o + 12, 200);
		break;
	case 17: case 136:
		n = *fixed = 8;
		break;
	default:
		n = *fixed = 8;
	}
	extra = p->proto == 132 && chance(p, 80) ? 0 : chance(p, 70) ? below(p, 40) : below(p, 1200);
	if (p->len)
		extra = p->len > 20 + n ? p->len - 20 - n : 0;
	n += extra;
	return n > room ? room : n;
}

/* IP options into @o, a multiple of 4 bytes: kinds that change nothing. */
static unsigned int put_ip_options(struct plan *p, __u8 *o)
{
	unsigned int n = 4 * (1 + below(p, 10)), i;

	memset(o, 1, n);
	if (chance(p, 40))
		for (i = n - 1 - below(p, 4); i < n; i++)
			o[i] = 0;
	return n;
}

void gen_pkt_sum(struct gen_pkt *p)
{
	unsigned int hlen = (p->data[0] & 15) * 4, i;
	__u32 sum = 0;

	p->data[10] = p->data[11] = 0;
	for (i = 0; i + 1 < hlen; i += 2)
		sum += p->data[i] << 8 | p->data[i + 1];
	while (sum >> 16)
		sum = (sum & 0xffff) + (sum >> 16);
	p->data[10] = ~sum >> 8;
	p->data[11] = ~sum;
}

static void write_out(struct plan *p, struct gen_pkt *out)
{
	const struct genpkts_cfg *cfg = p->cfg;
	unsigned int hlen = 20, n, fixed, frag = 0, ttl = p->ttl;
	__u8 *d = out->data;
	__u32 a;

	if (!(cfg->avoid & PKT_NO_OPTIONS) && chance(p, 6))
		hlen += put_ip_options(p, d + 20);
	n = put_l4(p, d + hlen, GEN_PKT_MAX - hlen, &fixed);
	if (chance(p, 8))
		n = below(p, fixed + 4);
	if (n > GEN_PKT_MAX - hlen)
		n = GEN_PKT_MAX - hlen;
	if (p->len >= hlen && p->len < hlen + n)
		n = p->len - hlen;
	if (!n && (cfg->avoid & PKT_NO_EMPTY))
		n = 1;
	if (!(cfg->avoid & PKT_NO_FRAG) && (p->later || chance(p, 4)))
		frag = (chance(p, 40) ? 1 : 1 + below(p, 8190)) | (chance(p, 50) ? 0x2000 : 0);
	else if (!(cfg->avoid & PKT_NO_MF) && chance(p, 4))
		frag = 0x2000;
	else if (chance(p, 30))
		frag = 0x4000;

	if (cfg->hook == HOOK_FORWARD)
		ttl = (ttl < 1 ? 1 : ttl > 254 ? 254 : ttl) + 1;
	d[0] = 0x40 | hlen / 4;
	d[1] = p->tos;
	d[2] = (hlen + n) >> 8;
	d[3] = hlen + n;
	d[4] = prng_u32(p->rnd);
	d[5] = 1 + below(p, 255);
	d[6] = frag >> 8;
	d[7] = frag;
	d[8] = ttl;
	d[9] = p->proto;
	a = htonl(p->saddr);
	memcpy(d + 12, &a, 4);
	a = htonl(p->daddr);
	memcpy(d + 16, &a, 4);
	out->len = hlen + n;
	gen_pkt_sum(out);
}

void genpkts_make(struct prng *rnd, const struct genpkts_cfg *cfg, const struct ruleset *rs,
		  struct gen_pkt *out)
{
	struct plan p = { .rnd = rnd, .cfg = cfg };
	static const __u8 mac[5] = { 0x02, 0, 0, 0, 0 };

	random_plan(&p);
	if (chance(&p, 90))
		aim_ruleset(&p, rs);
	if (cfg->hook == HOOK_INPUT && chance(&p, 12))
		p.pkttype = chance(&p, 50) ? PACKET_BROADCAST : PACKET_MULTICAST;
	write_out(&p, out);
	out->in = p.in;
	out->pkttype = p.pkttype;
	memcpy(out->mac, mac, 5);
	out->mac[5] = p.mac;
	out->mark = cfg->avoid & PKT_NO_MARK ? 0 : p.mark;
}
