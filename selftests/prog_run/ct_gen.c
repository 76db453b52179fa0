// SPDX-License-Identifier: GPL-2.0-only
/*
 * ct_gen.c - see ct_gen.h: flows, IP, and the protocols without a state machine
 */
#include <netinet/in.h>
#include <stdarg.h>
#include <stdio.h>
#include <string.h>

#include "../../tools/frame.h"
#include "ct_gen.h"
#include "ct_lab.h"

#define IP_OFF	14

void ct_note(struct ct_pkt *pkt, const char *fmt, ...)
{
	size_t n = strlen(pkt->what);
	va_list ap;

	va_start(ap, fmt);
	vsnprintf(pkt->what + n, sizeof(pkt->what) - n, fmt, ap);
	va_end(ap);
}

void ct_flow_open(struct ct_flow *f, struct prng *p, int proto)
{
	memset(f, 0, sizeof(*f));
	f->proto = proto;
	f->addr[0] = 0x0a010001 + prng_below(p, CT_LAB_HOSTS);
	f->addr[1] = 0x0a020001 + prng_below(p, CT_LAB_HOSTS);
	f->port[0] = prng_u32(p);
	f->port[1] = prng_percent(p, 5) ? prng_below(p, 2) : prng_u32(p);
	f->next[0] = prng_percent(p, 20) ? -prng_below(p, 2000) : prng_u32(p);
	f->next[1] = prng_percent(p, 20) ? -prng_below(p, 2000) : prng_u32(p);
}

static size_t gen_udp(struct ct_flow *f, struct prng *p, struct ct_pkt *pkt, __u8 *l4)
{
	size_t len = 8 + prng_below(p, 100);
	__u32 field = len;
	int dir = f->packets ? prng_below(p, 2) : 0;

	memset(l4, 0x33, len);
	ct_put16(l4, f->port[dir]);
	ct_put16(l4 + 2, f->port[!dir]);
	if (prng_percent(p, 8))
		field = prng_percent(p, 50) ? prng_below(p, 12) : len + prng_below(p, 5) - 2;
	if (f->proto == IPPROTO_UDPLITE)
		field = prng_percent(p, 50) ? prng_below(p, len + 4) : prng_percent(p, 50) ? 8 : 0;
	ct_put16(l4 + 4, field);
	ct_put16(l4 + 6, 0);
	pkt->side = dir;
	ct_note(pkt, "udp%s %u>%u len %zu field %u", f->proto == IPPROTO_UDPLITE ? "lite" : "",
		f->port[dir], f->port[!dir], len, field);
	return len;
}

static size_t gen_icmp(struct ct_flow *f, struct prng *p, struct ct_pkt *pkt, __u8 *l4)
{
	static const __u8 request[] = { 8, 13, 15, 17 }, reply[] = { 0, 14, 16, 18 };
	size_t len = 8 + prng_below(p, 60);
	int kind = f->port[1] & 3, dir = prng_below(p, 2);

	memset(l4, 0x44, len);
	/* The client asks, most of the time; both may. */
	l4[0] = dir == (int)prng_percent(p, 10) ? request[kind] : reply[kind];
	if (prng_percent(p, 5))
		l4[0] = prng_percent(p, 80) ? prng_below(p, 21) : prng_u32(p);
	l4[1] = prng_percent(p, 95) ? 0 : prng_below(p, 3);
	ct_put16(l4 + 2, 0);
	ct_put16(l4 + 4, prng_percent(p, 95) ? f->port[0] : f->port[0] + 1);
	pkt->side = dir;
	ct_note(pkt, "icmp type %u code %u id %u len %zu", l4[0], l4[1], l4[4] << 8 | l4[5], len);
	return len;
}

static size_t gen_gre(struct ct_flow *f, struct prng *p, struct ct_pkt *pkt, __u8 *l4)
{
	size_t len = prng_percent(p, 95) ? 8 + prng_below(p, 30) : prng_below(p, 8);
	int dir = f->packets ? prng_below(p, 2) : 0;

	memset(l4, 0, 40);
	l4[1] = f->port[1] & 1 ? 1 : prng_percent(p, 95) ? 0 : prng_below(p, 8);
	ct_put16(l4 + 2, prng_percent(p, 95) ? 0x880b : 0x0800);
	ct_put16(l4 + 6, prng_percent(p, 90) ? f->port[0] : 0);
	pkt->side = dir;
	ct_note(pkt, "gre version %u proto %x key %u len %zu", l4[1] & 7, l4[2] << 8 | l4[3],
		l4[6] << 8 | l4[7], len);
	return len;
}

static size_t gen_other(struct ct_flow *f, struct prng *p, struct ct_pkt *pkt, __u8 *l4)
{
	size_t len = prng_below(p, 40);
	int dir = f->packets ? prng_below(p, 2) : 0;

	memset(l4, prng_u32(p), 40);
	pkt->side = dir;
	ct_note(pkt, "proto %u len %zu", f->proto, len);
	return len;
}

/* An error message about @o, quoting one of its packets. Sent by either side. */
static size_t gen_error(const struct ct_flow *o, struct prng *p, struct ct_pkt *pkt, __u8 *l4,
			__u32 *src, __u32 *dst)
{
	static const __u8 types[] = { 3, 3, 3, 11, 4, 5, 12 };
	int dir = prng_below(p, 2);	/* whose packet is quoted */
	__u8 *in = l4 + 8, *q;
	size_t ihl = prng_percent(p, 90) ? 20 : 24, len;

	memset(l4, 0, 120);
	l4[0] = types[prng_below(p, sizeof(types))];
	l4[1] = prng_below(p, 5);
	in[0] = 0x40 | ihl / 4;
	if (prng_percent(p, 3))
		in[0] = prng_u32(p);
	ct_put16(in + 2, 200);
	if (prng_percent(p, 5))
		ct_put16(in + 6, prng_percent(p, 50) ? 0x2000 : prng_below(p, 100));
	in[8] = 63;
	in[9] = prng_percent(p, 97) ? o->proto : prng_u32(p);
	ct_put32(in + 12, o->addr[dir]);
	ct_put32(in + 16, o->addr[!dir]);
	if (ihl == 24)
		memset(in + 20, 1, 4);
	q = in + ihl;
	ct_put16(q, o->port[dir]);
	ct_put16(q + 2, o->port[!dir]);
	if (o->proto == IPPROTO_ICMP) {
		static const __u8 request[] = { 8, 13, 15, 17 }, reply[] = { 0, 14, 16, 18 };

		q[0] = dir ? reply[o->port[1] & 3] : request[o->port[1] & 3];
		if (prng_percent(p, 5))
			q[0] = prng_below(p, 20);
		q[1] = 0;
		ct_put16(q + 4, o->port[0]);
	} else if (o->proto == IPPROTO_GRE) {
		memset(q, 0, 8);
		q[1] = o->port[1] & 1;
		ct_put16(q + 2, 0x880b);
		ct_put16(q + 6, o->port[0]);
	}
	len = 8 + ihl + (prng_percent(p, 90) ? 8 : prng_below(p, 9));
	if (prng_percent(p, 3))
		len = prng_range(p, 8, len);

	/* It goes to the sender of the quoted packet, and comes from anyone beyond. */
	pkt->side = !dir;
	*dst = o->addr[dir];
	*src = prng_percent(p, 50) ? o->addr[!dir] : (dir ? 0x0a010001 : 0x0a020001) + prng_below(p, 8);
	if (prng_percent(p, 8))
		*dst = (dir ? 0x0a020001 : 0x0a010001) + prng_below(p, CT_LAB_HOSTS);
	ct_note(pkt, "icmp error type %u about proto %u of side %d, %u bytes", l4[0], in[9], dir,
		(unsigned int)len);
	return len;
}

/* The checksum the protocol wants, at its place. Return: is it right? */
static bool checksum(struct prng *p, struct ct_pkt *pkt, int proto, __u8 *l4, size_t len,
		     const __u8 *addrs)
{
	static const __u8 bad_percent = 2;
	size_t cover = len;
	__u32 sum = 0, crc;
	bool right = true;
	int at;

	switch (proto) {
	case IPPROTO_TCP: at = 16; break;
	case IPPROTO_UDP: case IPPROTO_UDPLITE: at = 6; break;
	case IPPROTO_ICMP: at = 2; break;
	case IPPROTO_SCTP:
		if (len < 12)
			return true;
		crc = ct_crc32c(l4, len);
		if (prng_percent(p, bad_percent)) {
			crc ^= 1u << prng_below(p, 32);
			ct_note(pkt, " badsum");
			right = false;
		}
		memcpy(l4 + 8, &crc, 4);
		return right;
	default:
		return true;
	}
	if (len < (size_t)at + 2)
		return true;
	if (proto != IPPROTO_ICMP)
		sum = frame_csum(addrs, 8, proto + len);
	if (proto == IPPROTO_UDPLITE) {
		/* With UDP's number, as the tracker sums it; else as RFC 3828 says. */
		right = prng_percent(p, 80);
		if (right)
			sum += 0xffff + IPPROTO_UDP - IPPROTO_UDPLITE;
		else
			ct_note(pkt, " rfc3828");
		cover = l4[4] << 8 | l4[5];
		if (!cover || cover > len)
			cover = len;
	}
	sum = ~frame_csum(l4, cover, sum) & 0xffff;
	if (proto == IPPROTO_UDP && prng_percent(p, 5))
		sum = 0;
	if (prng_percent(p, bad_percent)) {
		__u32 pseudo = frame_csum(addrs, 8, proto + len);

		/* Not to what a sender leaves to its device: an XDP program cannot tell. */
		do {
			sum ^= 1u << prng_below(p, 16);
		} while (proto != IPPROTO_ICMP && sum == pseudo);
		ct_note(pkt, " badsum");
		right = false;
	}
	ct_put16(l4 + at, sum);
	return right;
}

/* How much of a packet says what it is: the tracker reads no more, but for checksums. 0: all. */
static size_t header_of(int proto, const __u8 *l4, size_t len)
{
	size_t field = l4[4] << 8 | l4[5], at, n;

	switch (proto) {
	case IPPROTO_TCP:
		return (l4[12] >> 4) * 4;
	case IPPROTO_UDP:
		return field == len ? 8 : 0;
	case IPPROTO_UDPLITE:
		return !field || (field >= 8 && field <= len) ? 8 : 0;
	case IPPROTO_SCTP:	/* the last chunk's header, and what INIT has behind it */
		for (at = 12; at + 4 <= len; at += n) {
			n = ((l4[at + 2] << 8 | l4[at + 3]) + 3) & ~3ul;
			if (!n || at + n >= len)
				break;
		}
		return at + 20;
	}
	return 8;
}

/*
 * Fragments, for which a first fragment is enough: right in what only the rest could show
 * wrong, which is the length of UDP and the checksum.
 */
static void cut(const struct ct_flow *f, struct prng *p, struct ct_pkt *pkt, const __u8 *l4,
		size_t len)
{
	size_t header = header_of(f->proto, l4, len), units;

	header = (header + 7) & ~7ul;
	if (len <= header || header < 8)
		return;
	units = (len - header - 1) / 8;
	pkt->cut[pkt->nr_cuts++] = header + prng_below(p, units + 1) * 8;
	units = (len - pkt->cut[0] - 1) / 8;
	if (units && prng_percent(p, 40))
		pkt->cut[pkt->nr_cuts++] = pkt->cut[0] + prng_range(p, 1, units) * 8;
	pkt->reversed = prng_percent(p, 20);
	ct_note(pkt, " cut at %zu%s%s", pkt->cut[0], pkt->nr_cuts > 1 ? " and behind" : "",
		pkt->reversed ? " reversed" : "");
}

void ct_flow_packet(struct ct_flow *f, const struct ct_flow *other, struct prng *p,
		    struct ct_pkt *pkt)
{
	size_t ihl = prng_percent(p, 3) ? 24 : 20, len;
	__u8 *ip = pkt->frame + IP_OFF, *l4 = ip + ihl;
	int proto = f->proto, error = other != NULL;
	__u32 src = 0, dst = 0;
	bool whole = false;

	memset(pkt->frame, 0, 256);
	pkt->what[0] = 0;
	pkt->nr_cuts = 0;
	pkt->reversed = false;
	pkt->lost = false;
	if (error) {
		proto = IPPROTO_ICMP;
		len = gen_error(other, p, pkt, l4, &src, &dst);
	} else if (proto == IPPROTO_TCP) {
		len = ct_gen_tcp(f, p, pkt, l4);
	} else if (proto == IPPROTO_SCTP) {
		len = ct_gen_sctp(f, p, pkt, l4);
	} else if (proto == IPPROTO_UDP || proto == IPPROTO_UDPLITE) {
		len = gen_udp(f, p, pkt, l4);
	} else if (proto == IPPROTO_ICMP) {
		len = gen_icmp(f, p, pkt, l4);
	} else if (proto == IPPROTO_GRE) {
		len = gen_gre(f, p, pkt, l4);
	} else {
		len = gen_other(f, p, pkt, l4);
	}
	if (!error) {
		src = f->addr[pkt->side];
		dst = f->addr[!pkt->side];
	}
	if (prng_percent(p, 1)) {
		len = prng_below(p, len + 1);
		ct_note(pkt, " short %zu", len);
		whole = true;
	}
	ct_put32(ip + 12, src);
	ct_put32(ip + 16, dst);
	if (!checksum(p, pkt, proto, l4, len, ip + 12))
		whole = true;
	if (!whole && !error && prng_percent(p, 20))
		cut(f, p, pkt, l4, len);
	ip[0] = 0x40 | ihl / 4;
	ct_put16(ip + 2, ihl + len);
	ct_put16(ip + 6, prng_percent(p, 50) && !pkt->nr_cuts ? 0x4000 : 0);
	ip[8] = 64;
	/* A rule drops it: what it changed in an existing entry stays, a new one is not made. */
	if (prng_percent(p, 3)) {
		ip[8] = CT_LAB_DROP_TTL;
		ct_note(pkt, " dropped");
	}
	ip[9] = proto;
	if (ihl == 24)
		memset(ip + 20, 1, 4);
	pkt->len = IP_OFF + ihl + len;
	f->packets++;
}

void ct_segment(const struct ct_segment *s, struct ct_pkt *pkt)
{
	__u8 *ip = pkt->frame + IP_OFF, *l4 = ip + 20;
	size_t head = s->words * 4, len = head + s->len;

	memset(pkt, 0, sizeof(*pkt));
	pkt->side = s->side;
	pkt->len = IP_OFF + 20 + len;
	pkt->cut[0] = s->cut;
	pkt->nr_cuts = s->cut != 0;
	pkt->lost = s->lost;
	ct_note(pkt, "port %u flags %02x seq %u ack %u len %zu cut at %zu", s->port, s->flags, s->seq,
		s->ack, s->len, s->cut);
	ip[0] = 0x45;
	ct_put16(ip + 2, 20 + len);
	ip[8] = 64;
	ip[9] = IPPROTO_TCP;
	ct_put32(ip + 12, s->side ? 0x0a020001 : 0x0a010001);
	ct_put32(ip + 16, s->side ? 0x0a010001 : 0x0a020001);
	memset(l4 + 20, 1, head - 20);
	ct_put16(l4, s->side ? 80 : s->port);
	ct_put16(l4 + 2, s->side ? s->port : 80);
	ct_put32(l4 + 4, s->seq);
	ct_put32(l4 + 8, s->ack);
	l4[12] = s->words << 4;
	l4[13] = s->flags;
	ct_put16(l4 + 14, 65535);
	ct_put16(l4 + 16, ~frame_csum(l4, len, frame_csum(ip + 12, 8, IPPROTO_TCP + len)));
}
