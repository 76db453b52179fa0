// SPDX-License-Identifier: GPL-2.0-only
/*
 * lower.c - random rules, random packets: the products say what the rule says
 *
 * Each rule of random matches in random order is lowered, and its products are
 * evaluated on packets aimed at its boundaries: malformed, fragmented and whole. The
 * linear oracle (tools/refmatch.c), which shares no code with lowering, reads the
 * same bytes. They must agree on match, no match and hotdrop, and no packet may be in
 * two products of one rule.
 *
 *	lower [seed [rules [packets per rule]]]		one rule: lower SEED 1
 */
#include "lower_rule.h"

#include <linux/netfilter/xt_comment.h>
#include <linux/netfilter/xt_dscp.h>
#include <linux/netfilter/xt_ecn.h>
#include <linux/netfilter/xt_esp.h>
#include <linux/netfilter/xt_iprange.h>
#include <linux/netfilter/xt_length.h>
#include <linux/netfilter/xt_mac.h>
#include <linux/netfilter/xt_mark.h>
#include <linux/netfilter/xt_pkttype.h>
#include <linux/netfilter/xt_dccp.h>
#include <linux/netfilter/xt_ipcomp.h>
#include <linux/netfilter/xt_sctp.h>
#include <linux/netfilter_ipv4/ipt_ah.h>
#include <linux/netfilter_ipv4/ipt_ttl.h>

#define PICK(rnd, array)	((array)[prng_below(rnd, sizeof(array) / sizeof((array)[0]))])

static const char *const ifaces[] = { "eth0", "eth1", "eth01", "et", "lo", "wg0", NULL };
static const char *const patterns[] = { "eth0", "eth+", "e+", "+", "lo", "et", "eth0+" };
static const __u8 protos[] = { 6, 6, 6, 6, 17, 17, 1, 132, 132, 136, 50, 51, 47, 33, 33,
				  108 };

static bool coin(struct prng *r)
{
	return prng_percent(r, 30);
}

static __u16 port(struct prng *r)
{
	static const __u16 some[] = { 0, 1, 2, 3, 4, 5, 80, 65534, 65535 };

	return PICK(r, some);
}

static void ports(struct prng *r, __u16 *p)
{
	p[0] = 0;
	p[1] = 65535;
	if (prng_percent(r, 60)) {
		p[0] = port(r);
		p[1] = coin(r) ? port(r) : p[0];
	}
}

static __u32 addr(struct prng *r)
{
	static const __u32 some[] = { 0x0a000000, 0x0a000001, 0x0a0000ff, 0x0a010203,
				      0xffffffff, 0, 0xc0a80101 };

	return PICK(r, some) ^ (coin(r) ? 1u << prng_below(r, 32) : 0);
}

static void net(struct prng *r, struct in_addr *a, struct in_addr *mask)
{
	static const __u32 odd[] = { 0xff0000ff, 0xff00000f, 0x01010101, 0x80000001, 0x3f };
	__u32 m = coin(r) ? PICK(r, odd) : ~0u << prng_below(r, 32);

	mask->s_addr = htonl(m);
	a->s_addr = htonl(addr(r) & m);
	if (prng_percent(r, 3))		/* bits outside the mask: never equal */
		a->s_addr |= htonl(1);
}

static void add_multiport(struct prng *r, struct lab *lab)
{
	struct xt_multiport_v1 m = { .flags = prng_below(r, 3), .invert = coin(r) };

	m.count = prng_range(r, 1, coin(r) ? 15 : 4);
	for (int i = 0; i < m.count; i++) {
		m.ports[i] = port(r);
		if (coin(r) && i + 1 < m.count) {
			m.pflags[i] = 1;
			m.ports[i + 1] = prng_range(r, m.ports[i], 65535);
			i++;
		}
	}
	lab_match(lab, "multiport", 1, &m, sizeof(m));
}

static void add_sctp(struct prng *r, struct lab *lab)
{
	struct xt_sctp_info s = { .flags = prng_below(r, 8), .chunk_match_type =
				  1 << prng_below(r, 3) };

	ports(r, s.spts);
	ports(r, s.dpts);
	s.invflags = s.flags & prng_below(r, 8);
	for (int i = prng_range(r, 1, 3); i--; )
		SCTP_CHUNKMAP_SET(s.chunkmap, prng_below(r, 4));
	if (prng_percent(r, 3))
		SCTP_CHUNKMAP_SET_ALL(s.chunkmap);
	s.flag_count = prng_below(r, 3);
	for (int i = 0; i < s.flag_count; i++) {
		s.flag_info[i].chunktype = prng_below(r, 4);
		s.flag_info[i].flag_mask = prng_below(r, 4);
		s.flag_info[i].flag = s.flag_info[i].flag_mask & prng_below(r, 4);
	}
	lab_match(lab, "sctp", 0, &s, sizeof(s));
}

static void add_dccp(struct prng *r, struct lab *lab)
{
	struct xt_dccp_info d = { .flags = prng_below(r, 16), .typemask = prng_u32(r),
				  .option = prng_below(r, 5) };

	ports(r, d.spts);
	ports(r, d.dpts);
	d.invflags = d.flags & prng_below(r, 16);
	lab_match(lab, "dccp", 0, &d, sizeof(d));
}

/* A match on the transport header that goes with the rule's protocol. */
static void add_l4(struct prng *r, struct lab *lab, int proto)
{
	struct xt_tcp tcp = { .invflags = prng_below(r, 16) & prng_below(r, 16) };
	struct xt_udp udp = { .invflags = prng_below(r, 4) & prng_below(r, 4) };
	struct ipt_icmp icmp = { .type = coin(r) ? 255 : prng_below(r, 3),
				 .invflags = coin(r) };
	struct xt_esp esp = { .spis = { prng_below(r, 3), prng_below(r, 4) },
			      .invflags = coin(r) };
	struct xt_ipcomp comp = { .spis = { prng_below(r, 3), prng_below(r, 4) },
				  .invflags = coin(r) };
	struct ipt_ah ah = { .spis = { prng_below(r, 3), prng_below(r, 4) },
			     .invflags = coin(r) };

	if ((proto == 6 || proto == 17 || proto == 136 || proto == 132) && coin(r)) {
		add_multiport(r, lab);
		return;
	}
	switch (proto) {
	case 6:
		ports(r, tcp.spts);
		ports(r, tcp.dpts);
		tcp.flg_mask = coin(r) ? prng_below(r, 64) : 0;
		tcp.flg_cmp = tcp.flg_mask & prng_below(r, 64);
		tcp.option = coin(r) ? prng_range(r, 1, 4) : 0;
		lab_match(lab, "tcp", 0, &tcp, sizeof(tcp));
		break;
	case 17:
	case 136:
		ports(r, udp.spts);
		ports(r, udp.dpts);
		lab_match(lab, proto == 17 ? "udp" : "udplite", 0, &udp, sizeof(udp));
		break;
	case 1:
		icmp.code[1] = coin(r) ? 255 : prng_below(r, 3);
		lab_match(lab, "icmp", 0, &icmp, sizeof(icmp));
		break;
	case 132:
		add_sctp(r, lab);
		break;
	case 33:
		add_dccp(r, lab);
		break;
	case 108:
		lab_match(lab, "ipcomp", 0, &comp, sizeof(comp));
		break;
	case 50:
		lab_match(lab, "esp", 0, &esp, sizeof(esp));
		break;
	case 51:
		lab_match(lab, "ah", 0, &ah, sizeof(ah));
		break;
	}
}

static void add_ecn(struct prng *r, struct lab *lab, bool tcp)
{
	struct xt_ecn_info e = { .ip_ect = prng_below(r, 4) };

	e.operation = prng_below(r, 2) | (tcp ? prng_below(r, 4) << 4 : 0);
	e.invert = e.operation & prng_below(r, 64);
	lab_match(lab, "ecn", 0, &e, sizeof(e));
}

static void add_ip(struct prng *r, struct lab *lab, bool tcp)
{
	static const __u32 masks[] = { ~0u, 0xff000000, 0xf0, 0x80000001, 0, 0xf000000f };
	struct xt_length_info length = { .min = prng_below(r, 60), .max = prng_below(r, 90),
					 .invert = coin(r) };
	struct ipt_ttl_info ttl = { .mode = prng_below(r, 4), .ttl = prng_below(r, 4) };
	struct xt_tos_match_info tos = { .tos_mask = prng_below(r, 256), .invert = coin(r) };
	struct xt_dscp_info dscp = { .dscp = prng_below(r, 3), .invert = coin(r) };
	struct xt_pkttype_info pt = { .pkttype = prng_below(r, 4), .invert = coin(r) };
	struct xt_mark_mtinfo1 mark = { .mask = PICK(r, masks), .invert = coin(r) };
	struct xt_mac_info mac = { .srcaddr = { 2, 0, 0, 0, 0, prng_below(r, 2) },
				   .invert = coin(r) };
	struct xt_iprange_mtinfo ipr = { .flags = prng_below(r, 64) & 0x33 };
	struct xt_comment_info comment = { "a comment" };

	switch (prng_below(r, 10)) {
	case 0:
		lab_match(lab, "length", 0, &length, sizeof(length));
		break;
	case 1:
		lab_match(lab, "ttl", 0, &ttl, sizeof(ttl));
		break;
	case 2:
		tos.tos_value = tos.tos_mask & prng_below(r, 256);
		lab_match(lab, "tos", 1, &tos, sizeof(tos));
		break;
	case 3:
		lab_match(lab, "dscp", 0, &dscp, sizeof(dscp));
		break;
	case 4:
		lab_match(lab, "pkttype", 0, &pt, sizeof(pt));
		break;
	case 5:
		mark.mark = mark.mask & addr(r);
		lab_match(lab, "mark", 1, &mark, sizeof(mark));
		break;
	case 6:
		lab_match(lab, "mac", 0, &mac, sizeof(mac));
		break;
	case 7:
		ipr.src_min.ip = htonl(addr(r));
		ipr.src_max.ip = htonl(addr(r));
		ipr.dst_min.ip = htonl(addr(r));
		ipr.dst_max.ip = htonl(addr(r));
		lab_match(lab, "iprange", 1, &ipr, sizeof(ipr));
		break;
	case 8:
		lab_match(lab, "comment", 0, &comment, sizeof(comment));
		break;
	default:
		add_ecn(r, lab, tcp);
	}
}

static void random_rule(struct prng *r, struct lab *lab)
{
	struct ipt_ip *ip = lab_start(lab);
	bool inv_proto;

	ip->proto = prng_percent(r, 85) ? PICK(r, protos) : 0;
	inv_proto = prng_percent(r, 10);
	ip->invflags = inv_proto ? IPT_INV_PROTO : 0;
	if (coin(r))
		net(r, &ip->src, &ip->smsk);
	if (coin(r))
		net(r, &ip->dst, &ip->dmsk);
	if (coin(r))
		set_iface(ip->iniface, ip->iniface_mask, PICK(r, patterns));
	if (coin(r))
		set_iface(ip->outiface, ip->outiface_mask, PICK(r, patterns));
	if (prng_percent(r, 10))
		ip->flags |= IPT_F_FRAG;
	if (coin(r))	/* of -s -d -i -o -f some */
		ip->invflags |= prng_below(r, 64) & prng_below(r, 64) &
				(IPT_INV_SRCIP | IPT_INV_DSTIP | IPT_INV_VIA_IN |
				 IPT_INV_VIA_OUT | IPT_INV_FRAG);
	for (int n = prng_below(r, 5); n--; ) {
		if (!inv_proto && prng_percent(r, 60))
			add_l4(r, lab, ip->proto);
		else
			add_ip(r, lab, ip->proto == 6 && !inv_proto);
	}
	lab_verdict(lab, -NF_ACCEPT - 1);
}

/* Options of TCP or chunks of SCTP, mostly good. */
static void fill_l4(struct prng *r, unsigned char *l4, int proto)
{
	for (int i = 0; i < 64; i++)
		l4[i] = prng_below(r, 4);
	l4[0] = l4[2] = 0;
	if (proto == 1) {
		l4[0] = prng_below(r, 3);
	} else if (proto == 108) {
		l4[2] = 0;
	} else if (proto == 50 || proto == 51) {
		l4[1] = l4[4] = l4[5] = l4[6] = 0;
		l4[2] = l4[3] = 0;
		l4[3] = prng_below(r, 4);
	} else {
		__u16 sport = port(r), dport = port(r);

		l4[0] = sport >> 8;
		l4[1] = sport;
		l4[2] = dport >> 8;
		l4[3] = dport;
	}
	if (proto == 6) {
		l4[12] = (coin(r) ? prng_below(r, 16) : prng_range(r, 5, 7)) << 4;
		l4[13] = prng_u32(r);
	}
	if (proto == 33) {
		l4[4] = prng_below(r, 18);
		l4[8] = prng_below(r, 32);
	}
	if (proto == 132)
		for (int i = 12; i < 56; i += 8) {
			l4[i + 2] = 0;
			l4[i + 3] = prng_percent(r, 5) ? prng_below(r, 12) : 8;
		}
}

static void random_packet(struct prng *r, const struct lab *lab, struct packet *p)
{
	static const int lens[] = { 0, 1, 3, 4, 5, 7, 8, 11, 12, 13, 19, 20, 20, 21, 24, 28,
				    28, 32, 36, 36, 44, 44, 64 };
	static const int frags[] = { 0, 0, 0, 0, 0, 0x2000, 0x4000, 1, 0x2001, 2, 0x1fff };
	const struct ipt_ip *ip = &lab->rule.entry->ip;
	int ihl = prng_percent(r, 10) ? 6 : 5, frag = PICK(r, frags);
	__u32 saddr = coin(r) ? addr(r) : ntohl(ip->src.s_addr) |
					  (addr(r) & ~ntohl(ip->smsk.s_addr));
	__u32 daddr = coin(r) ? addr(r) : ntohl(ip->dst.s_addr) |
					  (addr(r) & ~ntohl(ip->dmsk.s_addr));

	memset(p, 0, sizeof(*p));
	p->data[0] = 0x40 | ihl;
	p->data[1] = prng_below(r, 3) ? prng_below(r, 16) : prng_u32(r);
	p->data[6] = frag >> 8;
	p->data[7] = frag;
	p->data[8] = prng_below(r, 5);
	p->data[9] = ip->proto && prng_percent(r, 85) ? ip->proto : PICK(r, protos);
	*(__be32 *)(p->data + 12) = htonl(saddr);
	*(__be32 *)(p->data + 16) = htonl(daddr);
	fill_l4(r, p->data + ihl * 4, p->data[9]);
	p->len = ihl * 4 + PICK(r, lens);
	p->data[3] = p->len;
	p->meta.hook = HOOK_INPUT;
	p->meta.in = PICK(r, ifaces);
	p->meta.out = coin(r) ? PICK(r, ifaces) : NULL;
	p->meta.mark = coin(r) ? addr(r) : prng_below(r, 2);
	p->meta.pkttype = prng_below(r, 4);
	p->meta.ether = prng_percent(r, 80);
	memcpy(p->meta.mac, (__u8[6]){ 2, 0, 0, 0, 0, prng_below(r, 3) }, 6);
}

/* One rule: 0 agreed, 1 not, 2 refused. *@say counts the answers. */
static int one_rule(__u64 seed, int packets, long *count)
{
	struct prng r = { seed };
	struct lower_ctx ctx;
	struct ref_result ref = { 0 };
	struct ifclasses *ifc;
	struct macclasses *mac;
	struct lowered low;
	struct lower_err err = { "" };
	static struct lab lab;
	int bad = 0, said, ret;

	random_rule(&r, &lab);
	ctx.ifc = ifc = ifclasses_build(&lab.rs, NULL, 0);
	ctx.mac = mac = macclasses_build(&lab.rs);
	ret = rule_check(&lab.rule, ON_HOOK(HOOK_INPUT), &err);
	if (!ret)
		ret = rule_lower(&lab.rule, ON_HOOK(HOOK_INPUT), &ctx, &low, &err);
	if (ret) {
		if (ret != -EOPNOTSUPP)
			printf("# seed %llu: %d %s\n", seed, ret, err.msg);
		bad = ret == -EOPNOTSUPP ? 2 : 1;
		goto out;
	}
	for (int i = 0; i < packets && !bad; i++) {
		struct packet p;
		__u32 key[NR_KEYS];
		enum say want, got;

		random_packet(&r, &lab, &p);
		keys_of(&p, &ctx, key);
		ret = ref_eval(&lab.rs, p.data, p.len, &p.meta, &ref);
		want = ref.hotdrop ? ref.nr_hits ? SAY_BOTH : SAY_HOTDROP :
		       ref.nr_hits ? SAY_YES : SAY_NO;
		got = products_eval(&low, key, &p, &said);
		count[want]++;
		bad = ret || want != got || said > 1;
		if (bad)
			printf("# lower %llu 1 %d: packet %d oracle %d (%d) products %d, %d of them\n",
			       seed, packets, i, want, ret, got, said);
	}
	lowered_free(&low);
out:
	ref_result_free(&ref);
	ifclasses_free(ifc);
	macclasses_free(mac);
	return bad;
}

int main(int argc, char **argv)
{
	__u64 seed = argc > 1 ? strtoull(argv[1], NULL, 0) : 1;
	int rules = argc > 2 ? atoi(argv[2]) : 20000;
	int packets = argc > 3 ? atoi(argv[3]) : 60;
	long count[4] = { 0 }, refused = 0, bad = 0;

	for (int i = 0; i < rules; i++) {
		int ret = one_rule(seed + i, packets, count);

		bad += ret == 1;
		refused += ret == 2;
	}
	printf("# seed %llu: %d rules, %ld refused; packets: %ld no, %ld yes, %ld hotdrop, %ld both\n",
	       seed, rules, refused, count[SAY_NO], count[SAY_YES], count[SAY_HOTDROP],
	       count[SAY_BOTH]);
	ok(!bad, "products agree with the linear oracle");
	if (rules > 1000)
		ok(count[SAY_YES] > rules && count[SAY_HOTDROP] > rules / 10 &&
		   count[SAY_BOTH] && refused < rules / 50, "matches and hotdrops were seen, and few refusals");
	printf("1..%d\n", tap_nr);
	return tap_bad ? 1 : 0;
}
