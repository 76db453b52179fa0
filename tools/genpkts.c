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
 * The aim is in genpkts_aim.c.
 */
#include <arpa/inet.h>
#include <string.h>

/* First: it takes <net/if.h>, which must come before <linux/if.h>. */
#include "genpkts_int.h"

#include <linux/if_packet.h>

static __u32 from_nets(struct plan *p, const struct gen_net *net, size_t n)
{
	const struct gen_net *g = &net[below(p, n)];
	__u32 host = g->len == 0 ? 0xffffffffu : g->len == 32 ? 0 : 0xffffffffu >> g->len;

	return g->addr | (prng_u32(p->rnd) & host);
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

/* The MSS option among others: first, in the middle, or cut off at the end. */
static unsigned int put_mss(struct plan *p, __u8 *o)
{
	unsigned int n = put_tcp_options(p, o), at = 0;

	if (n < 4)
		n = 4;
	if (chance(p, 60)) {
		at = below(p, n);
		memset(o, 1, at);
	}
	o[at] = 2;
	o[at + 1] = chance(p, 92) ? 4 : below(p, 7);
	o[at + 2] = p->mss_value >> 8;
	o[at + 3] = p->mss_value;
	return n;
}

/* Transport header and payload into @o. Return: length; *@fixed: header length */
static unsigned int put_l4(struct plan *p, __u8 *o, unsigned int room, unsigned int *fixed)
{
	unsigned int n, i, extra;

	for (i = 0; i < room; i++)
		o[i] = p->letters ? "abAB\xe0\xc0"[below(p, 6)] : prng_u32(p->rnd);
	o[0] = p->sport >> 8;
	o[1] = p->sport;
	o[2] = p->dport >> 8;
	o[3] = p->dport;
	switch (p->proto) {
	case 6:
		n = 20 + (p->mss ? put_mss(p, o + 20) : p->tcp_option || chance(p, 15) ? put_tcp_options(p, o + 20) : 0);
		o[12] = n / 4 << 4;
		/* Where options are looked for, header lengths matter. */
		if (chance(p, p->tcp_option || p->mss ? 12 : 3))
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
	case 33:
		o[4] = chance(p, 90) ? 3 + below(p, 12) : o[4];
		for (i = 12; i < 60; i++)
			o[i] = below(p, 9);
		n = o[4] * 4 > 12 && chance(p, 90) ? o[4] * 4 : 12;
		*fixed = 12;
		break;
	case 108:
		if (chance(p, 70))
			o[2] = 0;
		n = *fixed = 4;
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
	if (p->text && n > p->text_len) {
		unsigned int at = p->text_at ? p->text_at : hlen + below(p, n - p->text_len + 1);

		if (at >= hlen && at + p->text_len <= out->len)
			memcpy(d + at, p->text, p->text_len);
	}
	gen_pkt_sum(out);

	/* Ethernet pads to 46 bytes. Tails that look like headers and options. */
	out->pad = chance(p, 50) || n > 46 ? 0 : below(p, GEN_PAD_MAX + 1);
	for (n = 0; n < out->pad; n++)
		d[out->len + n] = chance(p, 50) ? below(p, 9) : prng_u32(p->rnd);
}

void genpkts_make(struct prng *rnd, const struct genpkts_cfg *cfg, const struct ruleset *rs,
		  struct gen_pkt *out)
{
	struct plan p = { .rnd = rnd, .cfg = cfg };
	static const __u8 mac[5] = { 0x02, 0, 0, 0, 0 };

	random_plan(&p);
	if (chance(&p, 90))
		gen_aim_ruleset(&p, rs);
	if (cfg->hook == HOOK_INPUT && chance(&p, 12))
		p.pkttype = chance(&p, 50) ? PACKET_BROADCAST : PACKET_MULTICAST;
	write_out(&p, out);
	out->in = p.in;
	out->pkttype = p.pkttype;
	memcpy(out->mac, mac, 5);
	out->mac[5] = p.mac;
	out->mark = cfg->avoid & PKT_NO_MARK ? 0 : p.mark;
}
