// SPDX-License-Identifier: GPL-2.0-only
/*
 * genpkts_aim.c - the packet generator's aim: one function per match
 *
 * Each moves the plan's field to a value the match accepts, often the first or last
 * of a range, or (eight times in a hundred, and for inverted matches) to one beside
 * it. Example: `--dport 80:90` gives 80, 90, 85, 79, 91.
 */
#include <arpa/inet.h>
#include <string.h>

/* First: it takes <net/if.h>, which must come before <linux/if.h>. */
#include "genpkts_int.h"

#include <linux/netfilter/xt_dscp.h>
#include <linux/netfilter/xt_ecn.h>
#include <linux/netfilter/xt_esp.h>
#include <linux/netfilter/xt_iprange.h>
#include <linux/netfilter/xt_length.h>
#include <linux/netfilter/xt_mark.h>
#include <linux/netfilter/xt_multiport.h>
#include <linux/netfilter/xt_sctp.h>
#include <linux/netfilter/xt_string.h>
#include <linux/netfilter/xt_tcpmss.h>
#include <linux/netfilter/xt_tcpudp.h>
#include <linux/netfilter_ipv4/ipt_ah.h>
#include <linux/netfilter_ipv4/ipt_ttl.h>

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
	} else if (!strcmp(name, "string")) {
		const struct xt_string_info *s = data;

		p->letters = chance(p, 80);
		p->text = s->pattern;
		p->text_len = s->patlen;
		/* At the bounds and one beside them. */
		p->text_at = chance(p, 40) ? 0 : chance(p, 50) ? s->from_offset - below(p, 2) :
			     s->to_offset - s->patlen + below(p, 2);
		if (p->text_at && p->text_at < 1400 && !p->len)
			p->len = p->text_at + s->patlen + below(p, 30);
	} else if (!strcmp(name, "tcpmss")) {
		const struct xt_tcpmss_match_info *m = data;

		p->mss = chance(p, 85);
		p->mss_value = aim(p, m->mss_min, m->mss_max, m->invert, 65535);
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

void gen_aim_ruleset(struct plan *p, const struct ruleset *rs)
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
