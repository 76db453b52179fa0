// SPDX-License-Identifier: GPL-2.0-only
/*
 * refmatch.c - the oracle itself, by hand: each match's edges, hotdrop, the walk
 *
 * Most cases are one rule `-j DROP` in INPUT with policy ACCEPT and one packet; what
 * it must say is one of
 *	NO	the rule does not match: the policy counts
 *	YES	it matches: it alone counts
 *	HOT	it hotdrops: the packet is dropped and nothing counts
 *	BOTH	it counts, and a raised hotdrop then drops the packet
 * Against the kernel the oracle is checked by prog_run/oracle_vs_kernel.
 */
#include <arpa/inet.h>
#include <errno.h>
#include <net/if.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "../../tools/refmatch.h"

#include <linux/if_packet.h>
#include <linux/netfilter.h>
#include <linux/netfilter/xt_dscp.h>
#include <linux/netfilter/xt_ecn.h>
#include <linux/netfilter/xt_esp.h>
#include <linux/netfilter/xt_iprange.h>
#include <linux/netfilter/xt_length.h>
#include <linux/netfilter/xt_mark.h>
#include <linux/netfilter/xt_multiport.h>
#include <linux/netfilter/xt_pkttype.h>
#include <linux/netfilter/xt_sctp.h>
#include <linux/netfilter/xt_tcpudp.h>
#include <linux/netfilter_ipv4/ipt_ah.h>
#include <linux/netfilter_ipv4/ipt_ttl.h>

#define ALL	{ 0, 65535 }
#define MF	0x2000

static int tap_nr, tap_bad;

static void ok(bool good, const char *what)
{
	printf("%sok %d - %s\n", good ? "" : "not ", ++tap_nr, what);
	tap_bad += !good;
}

/* --- packets: 10.0.0.1 -> 10.0.0.2, TTL 64 ---------------------------------- */

struct packet {
	__u8 b[128];
	size_t len;		/* of the buffer that is valid, padding too */
};

static struct packet packet(__u8 proto, __u16 frag, const void *l4, size_t n)
{
	struct packet p = { { 0x45, 0, 0, 20 + n, 0, 1, frag >> 8, frag, 64, proto, 0, 0,
			      10, 0, 0, 1, 10, 0, 0, 2 }, 20 + n };

	memcpy(p.b + 20, l4, n);
	return p;
}

#define L4(...)	((__u8[]){ __VA_ARGS__ }), sizeof((__u8[]){ __VA_ARGS__ })

static struct packet tcp(__u16 sport, __u16 dport, __u8 flags, size_t n, __u16 frag)
{
	__u8 h[60] = { sport >> 8, sport, dport >> 8, dport };

	h[12] = 0x50;
	h[13] = flags;
	return packet(6, frag, h, n);
}

/* --- rules ------------------------------------------------------------------ */

static struct rule *rule(const struct ipt_ip *ip, const char *match, int rev, const void *info,
			 size_t size, const char *target, const void *tinfo, size_t tsize)
{
	size_t msize = match ? XT_ALIGN(sizeof(struct xt_entry_match)) + XT_ALIGN(size) : 0;
	size_t tgsize = XT_ALIGN(sizeof(struct xt_entry_target)) + XT_ALIGN(tsize);
	struct rule *r = rule_new(sizeof(*r->entry) + msize + tgsize);
	struct xt_entry_target *t;
	struct xt_entry_match *m;

	r->entry->ip = *ip;
	r->entry->target_offset = sizeof(*r->entry) + msize;
	r->entry->next_offset = r->entry->target_offset + tgsize;
	if (match) {
		m = (void *)r->entry->elems;
		m->u.match_size = msize;
		strcpy(m->u.user.name, match);
		m->u.user.revision = rev;
		memcpy(m->data, info, size);
	}
	t = rule_target(r);
	t->u.target_size = tgsize;
	strcpy(t->u.user.name, target);
	t->u.user.revision = !strcmp(target, "MARK") ? 2 : 0;
	memcpy(t->data, tinfo, tsize);
	return r;
}

static struct rule *plain(int verdict)
{
	static const struct ipt_ip any;

	return rule(&any, NULL, 0, NULL, 0, "", &verdict, sizeof(verdict));
}

#define ACCEPT	(-NF_ACCEPT - 1)
#define DROP	(-NF_DROP - 1)

static void add(struct chain *c, struct rule *r)
{
	chain_insert_rule(c, c->nr_rules, r);
}

static struct rule *jump(struct chain *to, bool go)
{
	struct rule *r = plain(0);

	r->jump = to;
	r->entry->ip.flags = go ? IPT_F_GOTO : 0;
	return r;
}

/* --- one rule, one packet --------------------------------------------------- */

enum say { NO, YES, HOT, BOTH, ERROR };

static struct ref_meta meta = { .hook = HOOK_INPUT, .in = "eth0" };

static enum say say(const struct ipt_ip *ip, const char *match, int rev, const void *info,
		    size_t size, struct packet p)
{
	struct ruleset *rs = ruleset_new();
	struct ref_result res = { 0 };
	int verdict = DROP;
	enum say s = ERROR;

	add(rs->chains[HOOK_INPUT], rule(ip, match, rev, info, size, "", &verdict, sizeof(verdict)));
	if (!ref_eval(rs, p.b, p.len, &meta, &res)) {
		if (res.hotdrop)
			s = res.policy || res.verdict != REF_DROP ? ERROR : res.nr_hits ? BOTH : HOT;
		else if (res.nr_hits == 1 && !res.policy && res.verdict == REF_DROP)
			s = YES;
		else if (!res.nr_hits && res.policy && res.verdict == REF_ACCEPT)
			s = NO;
	}
	ref_result_free(&res);
	ruleset_free(rs);
	return s;
}

static const struct ipt_ip any;

#define MATCH(name, rev, info, p)	say(&any, name, rev, &(info), sizeof(info), p)
#define BASE(p, ...)	say(&(struct ipt_ip){ __VA_ARGS__ }, NULL, 0, NULL, 0, p)
#define T(good)		ok(good, #good)

static void base(void)
{
	struct packet p = tcp(1, 80, 2, 20, 0);
	struct in_addr src = { htonl(0x0a000001) }, mask = { htonl(0xff0000ff) };
	struct in_addr full = { 0xffffffff }, other = { htonl(0x0a000003) };

	T(BASE(p, .src = src, .smsk = mask) == YES);
	T(BASE(p, .src = other, .smsk = full) == NO);
	T(BASE(p, .src = other, .smsk = full, .invflags = IPT_INV_SRCIP) == YES);
	T(BASE(p, .invflags = IPT_INV_DSTIP) == NO);
	T(BASE(p, .proto = 6) == YES);
	T(BASE(p, .proto = 6, .invflags = IPT_INV_PROTO) == NO);
	T(BASE(p, .proto = 17) == NO);
	T(BASE(p, .iniface = "eth0", .iniface_mask = "\xff\xff\xff\xff\xff") == YES);
	T(BASE(p, .iniface = "eth", .iniface_mask = "\xff\xff\xff\xff") == NO);
	T(BASE(p, .iniface = "eth", .iniface_mask = "\xff\xff\xff") == YES);
	T(BASE(p, .outiface = "eth0", .outiface_mask = "\xff\xff\xff\xff\xff") == NO);
	T(BASE(p, .outiface = "eth0", .outiface_mask = "\xff\xff\xff\xff\xff",
	       .invflags = IPT_INV_VIA_OUT) == YES);
	T(BASE(p, .flags = IPT_F_FRAG) == NO);
	T(BASE(p, .flags = IPT_F_FRAG, .invflags = IPT_INV_FRAG) == YES);
	p = tcp(1, 80, 2, 20, MF);
	T(BASE(p, .flags = IPT_F_FRAG) == NO);
	p = tcp(1, 80, 2, 20, MF | 7);
	T(BASE(p, .flags = IPT_F_FRAG) == YES);
	T(BASE(p, .flags = IPT_F_FRAG, .invflags = IPT_INV_FRAG) == NO);
}

static void tcp_match(void)
{
	struct xt_tcp t80 = { .spts = ALL, .dpts = { 80, 90 } }, not80 = t80;
	struct xt_tcp open = { .spts = ALL, .dpts = ALL };
	struct xt_tcp syn = { .spts = ALL, .dpts = ALL, .flg_mask = 0x17, .flg_cmp = 0x02 }, not_syn = syn;
	struct in_addr other = { htonl(0x0a000003) }, full = { 0xffffffff };

	not80.invflags = XT_TCP_INV_DSTPT;
	not_syn.invflags = XT_TCP_INV_FLAGS;
	T(MATCH("tcp", 0, t80, tcp(1, 80, 2, 20, 0)) == YES);
	T(MATCH("tcp", 0, t80, tcp(1, 90, 2, 20, 0)) == YES);
	T(MATCH("tcp", 0, t80, tcp(1, 79, 2, 20, 0)) == NO);
	T(MATCH("tcp", 0, t80, tcp(1, 91, 2, 20, 0)) == NO);
	T(MATCH("tcp", 0, not80, tcp(1, 91, 2, 20, 0)) == YES);
	T(MATCH("tcp", 0, t80, tcp(1, 80, 2, 20, MF)) == YES);
	T(MATCH("tcp", 0, syn, tcp(1, 80, 0xc2, 20, 0)) == YES);
	T(MATCH("tcp", 0, syn, tcp(1, 80, 0x12, 20, 0)) == NO);
	T(MATCH("tcp", 0, not_syn, tcp(1, 80, 0x12, 20, 0)) == YES);
	/* Table D, legacy's side. */
	ok(MATCH("tcp", 0, open, tcp(1, 80, 2, 20, 1)) == HOT, "D1: TCP at offset 1 hotdrops");
	ok(MATCH("tcp", 0, t80, tcp(1, 80, 2, 12, 0)) == HOT, "D2: 12-byte TCP stub hotdrops");
	ok(MATCH("tcp", 0, t80, tcp(1, 80, 2, 19, 0)) == HOT, "D2: 19-byte TCP stub hotdrops");
	ok(MATCH("tcp", 0, t80, tcp(1, 80, 2, 0, 0)) == HOT, "D2: empty TCP hotdrops");
	ok(MATCH("tcp", 0, t80, tcp(1, 80, 2, 20, 2)) == NO, "D3: a later fragment has no ports");
	ok(MATCH("tcp", 0, not80, tcp(1, 99, 2, 20, 2)) == NO, "D4: nor none of these");
	ok(MATCH("tcp", 0, not_syn, tcp(1, 99, 0x10, 20, 2)) == NO, "D4: nor no flags");
	ok(say(&(struct ipt_ip){ .src = other, .smsk = full }, "tcp", 0, &t80, sizeof(t80),
	       tcp(1, 80, 2, 12, 0)) == NO, "a stub hotdrops only where the base part agrees");
}

static void tcp_option(void)
{
	struct xt_tcp o4 = { .spts = ALL, .dpts = ALL, .option = 4 }, not4 = o4;
	struct packet p;

	not4.invflags = XT_TCP_INV_OPTION;
	T(MATCH("tcp", 0, o4, tcp(1, 2, 2, 20, 0)) == NO);
	T(MATCH("tcp", 0, not4, tcp(1, 2, 2, 20, 0)) == YES);
	p = tcp(1, 2, 2, 28, 0);
	p.b[32] = 0x70;
	memcpy(p.b + 40, "\x02\x04\x05\xb4\x04\x02\x01\x01", 8);
	T(MATCH("tcp", 0, o4, p) == YES);
	T(MATCH("tcp", 0, not4, p) == NO);
	memcpy(p.b + 40, "\x00\x04\x02\x00\x00\x00\x00\x00", 8);
	ok(MATCH("tcp", 0, o4, p) == YES, "the search goes on behind end-of-options");
	memcpy(p.b + 40, "\x08\x00\x04\x02\x00\x00\x00\x00", 8);
	ok(MATCH("tcp", 0, o4, p) == YES, "a length of 0 counts as 1");
	memcpy(p.b + 40, "\x08\xff\x04\x02\x00\x00\x00\x00", 8);
	ok(MATCH("tcp", 0, o4, p) == NO, "a length beyond the end ends the search");
	memcpy(p.b + 40, "\x01\x01\x01\x01\x01\x01\x01\x04", 8);
	ok(MATCH("tcp", 0, o4, p) == YES, "the last byte is a kind");
	p.b[32] = 0x40;
	ok(MATCH("tcp", 0, not4, p) == HOT, "a header length of 16 hotdrops");
	p.b[32] = 0x80;
	ok(MATCH("tcp", 0, not4, p) == HOT, "options beyond the packet hotdrop");
	p.len += 8;
	ok(MATCH("tcp", 0, not4, p) == HOT, "even when padding lies there");
}

static void udp_icmp(void)
{
	struct xt_udp u53 = { .spts = ALL, .dpts = { 53, 53 } };
	struct ipt_icmp echo = { .type = 8, .code = { 0, 255 } };
	struct ipt_icmp all = { .type = 255, .code = { 0, 255 } };
	struct ipt_icmp frag = { .type = 3, .code = { 4, 4 } };

	T(MATCH("udp", 0, u53, packet(17, 0, L4(0, 1, 0, 53, 0, 0, 0, 0))) == YES);
	T(MATCH("udp", 0, u53, packet(17, 0, L4(0, 1, 0, 54, 0, 0, 0, 0))) == NO);
	T(MATCH("udp", 0, u53, packet(17, 0, L4(0, 1, 0, 53, 0, 0, 0))) == HOT);
	ok(MATCH("udp", 0, u53, packet(17, 1, L4(0, 1, 0, 53, 0, 0, 0, 0))) == NO,
	   "UDP at offset 1 does not hotdrop");
	T(MATCH("icmp", 0, echo, packet(1, 0, L4(8, 3, 0, 0, 0, 0, 0, 0))) == YES);
	T(MATCH("icmp", 0, echo, packet(1, 0, L4(0, 0, 0, 0, 0, 0, 0, 0))) == NO);
	T(MATCH("icmp", 0, frag, packet(1, 0, L4(3, 4, 0, 0, 0, 0, 0, 0))) == YES);
	T(MATCH("icmp", 0, frag, packet(1, 0, L4(3, 3, 0, 0, 0, 0, 0, 0))) == NO);
	T(MATCH("icmp", 0, all, packet(1, 0, L4(77, 3, 0, 0, 0, 0, 0, 0))) == YES);
	T(MATCH("icmp", 0, all, packet(1, 0, L4(8, 0, 0, 0))) == HOT);
	T(MATCH("icmp", 0, all, packet(1, 1, L4(8, 0, 0, 0))) == NO);
	all.invflags = IPT_ICMP_INV;
	T(MATCH("icmp", 0, all, packet(1, 0, L4(77, 3, 0, 0, 0, 0, 0, 0))) == NO);
}

static void multiport(void)
{
	struct xt_multiport_v1 m = { XT_MULTIPORT_EITHER, 3, { 22, 80, 90 }, { 0, 1, 0 }, 0 };

	T(MATCH("multiport", 1, m, packet(6, 0, L4(0, 22, 9, 9))) == YES);
	T(MATCH("multiport", 1, m, packet(6, 0, L4(9, 9, 0, 90))) == YES);
	T(MATCH("multiport", 1, m, packet(6, 0, L4(9, 9, 0, 91))) == NO);
	T(MATCH("multiport", 1, m, packet(6, 0, L4(9, 9, 0))) == HOT);
	T(MATCH("multiport", 1, m, packet(6, 1, L4(0, 22, 0, 22))) == NO);
	m.flags = XT_MULTIPORT_DESTINATION;
	T(MATCH("multiport", 1, m, packet(6, 0, L4(0, 22, 9, 9))) == NO);
	m.invert = 1;
	T(MATCH("multiport", 1, m, packet(6, 0, L4(0, 22, 9, 9))) == YES);
	T(MATCH("multiport", 1, m, packet(6, 0, L4(0, 22, 0, 80))) == NO);
	ok(MATCH("multiport", 1, m, packet(6, 5, L4(0, 22, 9, 9))) == NO,
	   "an inverted multiport matches no later fragment");
}

#define SCTP	0, 1, 0, 2, 0, 0, 0, 0, 0, 0, 0, 0

static void sctp(void)
{
	struct xt_sctp_info s = { .flags = XT_SCTP_CHUNK_TYPES,
				  .chunk_match_type = SCTP_CHUNK_MATCH_ANY };
	struct packet data_sack = packet(132, 0, L4(SCTP, 0, 3, 0, 5, 1, 0, 0, 0, 3, 0, 0, 4));
	struct packet none = packet(132, 0, L4(SCTP)), zero = packet(132, 0, L4(SCTP, 0, 3, 0, 0));

	s.chunkmap[0] = 1u << 3 | 1u << 0;
	T(MATCH("sctp", 0, s, data_sack) == YES);
	s.chunk_match_type = SCTP_CHUNK_MATCH_ALL;
	T(MATCH("sctp", 0, s, data_sack) == YES);
	s.chunk_match_type = SCTP_CHUNK_MATCH_ONLY;
	T(MATCH("sctp", 0, s, data_sack) == YES);
	s.chunkmap[0] = 1u << 3;
	T(MATCH("sctp", 0, s, data_sack) == NO);
	s.chunk_match_type = SCTP_CHUNK_MATCH_ANY;
	T(MATCH("sctp", 0, s, data_sack) == YES);
	s.chunkmap[0] = 1u << 0;
	s.flag_count = 1;
	s.flag_info[0] = (struct xt_sctp_flag_info){ 0, 4, 4 };
	ok(MATCH("sctp", 0, s, data_sack) == NO, "a listed chunk with other flags is not there");
	ok(MATCH("sctp", 0, s, none) == HOT, "no chunk at all hotdrops");
	ok(MATCH("sctp", 0, s, zero) == HOT, "a chunk of length 0 hotdrops");
	T(MATCH("sctp", 0, s, packet(132, 0, L4(0, 1, 0, 2))) == HOT);
	s.invflags = XT_SCTP_CHUNK_TYPES;
	T(MATCH("sctp", 0, s, data_sack) == YES);
	ok(MATCH("sctp", 0, s, none) == BOTH,
	   "! --chunk-types without a chunk: the rule counts, the packet is dropped");
}

static void spi(void)
{
	struct xt_esp e = { .spis = { 256, 512 } };
	struct ipt_ah a = { .spis = { 256, 512 } };

	T(MATCH("esp", 0, e, packet(50, 0, L4(0, 0, 1, 0, 0, 0, 0, 0))) == YES);
	T(MATCH("esp", 0, e, packet(50, 0, L4(0, 0, 0, 255, 0, 0, 0, 0))) == NO);
	T(MATCH("esp", 0, e, packet(50, 0, L4(0, 0, 1, 0, 0, 0, 0))) == HOT);
	T(MATCH("esp", 0, e, packet(50, 9, L4(0, 0, 1, 0, 0, 0, 0))) == NO);
	T(MATCH("ah", 0, a, packet(51, 0, L4(0, 0, 0, 0, 0, 0, 2, 0, 0, 0, 0, 0))) == YES);
	T(MATCH("ah", 0, a, packet(51, 0, L4(0, 0, 0, 0, 0, 0, 2, 1, 0, 0, 0, 0))) == NO);
	T(MATCH("ah", 0, a, packet(51, 0, L4(0, 0, 0, 0, 0, 0, 2, 0, 0, 0, 0))) == HOT);
	e.invflags = XT_ESP_INV_SPI;
	T(MATCH("esp", 0, e, packet(50, 0, L4(0, 0, 0, 255, 0, 0, 0, 0))) == YES);
}

/* xt_mac's data is a kernel header's: address, then int. */
struct mac {
	__u8 addr[6];
	int invert;
};

static void header(void)
{
	struct packet p = tcp(1, 2, 0x40, 20, 0), stub = tcp(1, 2, 0x40, 19, 0);
	struct xt_iprange_mtinfo r = { .src_min.ip = htonl(0x0a000001),
				       .src_max.ip = htonl(0x0a000009), .flags = IPRANGE_SRC };
	struct xt_length_info len = { 40, 40, 0 };
	struct ipt_ttl_info ttl = { IPT_TTL_LT, 64 };
	struct xt_tos_match_info tos = { 0xf0, 0x20, 0 };
	struct xt_dscp_info dscp = { 10, 0 };
	struct xt_ecn_info ect = { .operation = XT_ECN_OP_MATCH_IP, .ip_ect = 1 }, ece = { .operation = XT_ECN_OP_MATCH_ECE };
	struct xt_pkttype_info host = { PACKET_HOST, 0 }, bcast = { PACKET_BROADCAST, 0 };
	struct mac mac = { { 2, 0, 0, 0, 0, 1 }, 0 };
	struct xt_mark_mtinfo1 mark = { 5, 7, 0 };

	p.b[1] = 0x29;
	T(MATCH("iprange", 1, r, p) == YES);
	r.flags |= IPRANGE_DST;		/* 0.0.0.0-0.0.0.0 */
	T(MATCH("iprange", 1, r, p) == NO);
	r.flags |= IPRANGE_DST_INV;
	T(MATCH("iprange", 1, r, p) == YES);
	p.len += 6;
	ok(MATCH("length", 0, len, p) == YES, "length is the IP total length, without padding");
	len.invert = 1;
	T(MATCH("length", 0, len, p) == NO);
	T(MATCH("ttl", 0, ttl, p) == NO);
	ttl.ttl = 65;
	T(MATCH("ttl", 0, ttl, p) == YES);
	T(MATCH("tos", 1, tos, p) == YES);
	T(MATCH("dscp", 0, dscp, p) == YES);
	T(MATCH("ecn", 0, ect, p) == YES);
	T(MATCH("ecn", 0, ece, p) == YES);
	ok(MATCH("ecn", 0, ece, stub) == NO, "ecn on a short TCP header does not hotdrop");
	ece.invert = XT_ECN_OP_MATCH_ECE;
	ok(MATCH("ecn", 0, ece, stub) == NO, "nor match inverted");
	ok(MATCH("ecn", 0, ece, tcp(1, 2, 0, 20, 9)) == YES, "ecn reads later fragments");
	T(MATCH("pkttype", 0, host, p) == YES);
	meta.pkttype = PACKET_LOOPBACK;
	ok(MATCH("pkttype", 0, bcast, p) == YES, "PACKET_LOOPBACK to unicast is broadcast");
	meta.pkttype = PACKET_HOST;
	T(MATCH("mac", 0, mac, p) == NO);
	mac.invert = 1;
	ok(MATCH("mac", 0, mac, p) == NO, "without an Ethernet header ! --mac-source fails too");
	meta.ether = true;
	T(MATCH("mac", 0, mac, p) == YES);
	meta.ether = false;
	meta.mark = 0xd;
	T(MATCH("mark", 1, mark, p) == YES);
	meta.mark = 0xc;
	T(MATCH("mark", 1, mark, p) == NO);
	meta.mark = 0;
	T(MATCH("nosuch", 0, mark, p) == ERROR);
}

/* --- the walk --------------------------------------------------------------- */

static bool walk(struct ruleset *rs, enum ref_verdict verdict, bool policy, size_t hits)
{
	struct packet p = tcp(1, 80, 2, 20, 0);
	struct ref_result res = { 0 };
	bool good = !ref_eval(rs, p.b, p.len, &meta, &res) && res.verdict == verdict &&
		    res.policy == policy && res.nr_hits == hits && res.bytes == 40;

	ref_result_free(&res);
	ruleset_free(rs);
	return good;
}

static void chains(void)
{
	struct xt_mark_tginfo2 set = { 0x5, 0xff };
	struct xt_mark_mtinfo1 is5 = { 5, 0xff, 0 };
	int drop = DROP, reject = 0;
	struct chain *in, *a, *b;
	struct ruleset *rs;
	struct rule *r;

#define NEW()	(rs = ruleset_new(), in = rs->chains[HOOK_INPUT], \
		 a = ruleset_add_chain(rs, "a"), b = ruleset_add_chain(rs, "b"))
	NEW(), add(in, jump(a, false)), add(in, plain(DROP)), add(a, plain(XT_RETURN));
	add(a, plain(ACCEPT));
	ok(walk(rs, REF_DROP, false, 3), "RETURN goes on behind the jump");
	NEW(), add(in, plain(XT_RETURN)), add(in, plain(DROP));
	ok(walk(rs, REF_ACCEPT, true, 1), "RETURN in a built-in chain is the policy");
	NEW(), add(in, jump(a, true)), add(in, plain(DROP));
	ok(walk(rs, REF_ACCEPT, true, 1), "a goto from a built-in chain ends in the policy");
	NEW(), add(in, jump(a, false)), add(in, plain(DROP)), add(a, jump(b, true));
	add(a, plain(ACCEPT));
	ok(walk(rs, REF_DROP, false, 3), "the end of a goto's chain returns to its caller's caller");
	NEW(), add(in, jump(a, false)), add(in, jump(a, false)), add(a, plain(XT_RETURN));
	in->drop = true;
	ok(walk(rs, REF_DROP, true, 4), "a chain met twice counts twice");
	NEW(), r = plain(0), r->no_target = true, add(in, r), add(in, plain(DROP));
	ok(walk(rs, REF_DROP, false, 2), "a rule without target counts and goes on");
	NEW(), add(in, rule(&any, NULL, 0, NULL, 0, "REJECT", &reject, sizeof(reject)));
	ok(walk(rs, REF_DROP, false, 1), "REJECT drops");
	NEW(), add(in, rule(&any, "mark", 1, &is5, sizeof(is5), "", &drop, sizeof(drop)));
	add(in, rule(&any, NULL, 0, NULL, 0, "MARK", &set, sizeof(set)));
	add(in, rule(&any, "mark", 1, &is5, sizeof(is5), "", &drop, sizeof(drop)));
	ok(walk(rs, REF_DROP, false, 2), "MARK changes what later rules see");
}

static void refused(void)
{
	struct ruleset *rs = ruleset_new();
	struct ref_result res = { 0 };
	struct packet p = tcp(1, 80, 2, 20, 0);

	T(ref_eval(rs, p.b, 19, &meta, &res) == -EINVAL);
	T(ref_eval(rs, p.b, 39, &meta, &res) == -EINVAL);
	p.b[0] = 0x44;
	T(ref_eval(rs, p.b, p.len, &meta, &res) == -EINVAL);
	p.b[0] = 0x65;
	T(ref_eval(rs, p.b, p.len, &meta, &res) == -EINVAL);
	ref_result_free(&res);
	ruleset_free(rs);
}

int main(void)
{
	base();
	tcp_match();
	tcp_option();
	udp_icmp();
	multiport();
	sctp();
	spi();
	header();
	chains();
	refused();
	printf("1..%d\n", tap_nr);
	return tap_bad != 0;
}
