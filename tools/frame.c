// SPDX-License-Identifier: GPL-2.0-only
/*
 * frame.c - one line of text into one frame on the wire (notation: frame.h)
 *
 * Built back to front: the L4 header and payload, then the IP header over it,
 * then Ethernet. Every key that breaks a packet (badip, badl4, cut, l4, totlen,
 * ihl, ver) is applied after the right value was computed.
 */
#include <arpa/inet.h>
#include <errno.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "frame.h"

static unsigned char macs['z' - 'a' + 1][2][6];	/* [wire][src, dst] */

/* Packets of the router itself and of its tun device have no Ethernet header */
static bool has_ethernet(char from)
{
	return from != 'o' && from != 't';
}

void frame_macs(char from, const unsigned char *src, const unsigned char *dst)
{
	memcpy(macs[from - 'a'][0], src, 6);
	memcpy(macs[from - 'a'][1], dst, 6);
}

unsigned int frame_csum(const void *data, size_t len, unsigned int sum)
{
	const unsigned char *p = data;

	for (; len > 1; len -= 2, p += 2)
		sum += p[0] << 8 | p[1];
	if (len)
		sum += p[0] << 8;
	while (sum >> 16)
		sum = (sum & 0xffff) + (sum >> 16);
	return sum;
}

static void put16(unsigned char *p, unsigned int v)
{
	p[0] = v >> 8;
	p[1] = v;
}

static void put32(unsigned char *p, unsigned int v)
{
	put16(p, v >> 16);
	put16(p + 2, v);
}

/* Return: bytes written, -1 for an odd or non-hex digit or no room */
static int unhex(const char *s, unsigned char *out, size_t room)
{
	size_t n = 0;

	for (; s[0] && s[1]; s += 2, n++) {
		unsigned int v;

		if (n == room || sscanf(s, "%2x", &v) != 1)
			return -1;
		out[n] = v;
	}
	return *s ? -1 : (int)n;
}

/* struct spec - the keys of one line, with their defaults */
struct spec {
	unsigned int src, dst;		/* host order */
	unsigned int sport, dport;
	int proto;
	int ttl, tos, id, off, mf, df, l4, cut, pad, totlen, ihl, ver;
	int badip, badl4, nocsum, doff, urg, type, code, vlan, eth;
	unsigned int seq, ack, rest;
	unsigned int flags;
	unsigned char pay[FRAME_MAX];
	int paylen;
	unsigned char opt[40], topt[40];
	int optlen, toptlen;
	unsigned char smac[6], dmac[6];
};

static const struct { const char *name; int num; } protos[] = {
	{ "icmp", 1 }, { "tcp", 6 }, { "udp", 17 }, { "sctp", 132 }, { "udplite", 136 },
};

static int parse_proto(const char *s)
{
	for (size_t i = 0; i < sizeof(protos) / sizeof(protos[0]); i++)
		if (!strcmp(s, protos[i].name))
			return protos[i].num;
	return strspn(s, "0123456789") == strlen(s) ? atoi(s) & 255 : -1;
}

static int parse_addr(char *s, unsigned int *addr, unsigned int *port)
{
	char *colon = strchr(s, ':');
	struct in_addr a;

	if (colon) {
		*colon = 0;
		*port = strtoul(colon + 1, NULL, 0) & 0xffff;
	}
	if (inet_pton(AF_INET, s, &a) != 1)
		return -1;
	*addr = ntohl(a.s_addr);
	return 0;
}

static int parse_mac(const char *s, unsigned char *mac)
{
	if (!strcmp(s, "bcast"))
		memset(mac, 0xff, 6);
	else if (!strcmp(s, "mcast"))
		memcpy(mac, "\x01\x00\x5e\x00\x00\x05", 6);
	else if (!strcmp(s, "other"))
		memcpy(mac, "\x02\x00\x00\x00\x99\x99", 6);
	else
		return unhex(s, mac, 6) == 6 ? 0 : -1;
	return 0;
}

static unsigned int parse_flags(const char *s)
{
	static const char names[] = "FSRPAUEC";
	unsigned int f = 0;

	for (; *s; s++) {
		const char *at = strchr(names, *s);

		if (at)
			f |= 1u << (at - names);
	}
	return f;
}

static int parse_key(char *word, struct spec *sp)
{
	char *val = strchr(word, '=');
	const struct { const char *name; int *at; } ints[] = {
		{ "ttl", &sp->ttl }, { "tos", &sp->tos }, { "id", &sp->id }, { "off", &sp->off },
		{ "mf", &sp->mf }, { "df", &sp->df }, { "l4", &sp->l4 }, { "cut", &sp->cut },
		{ "pad", &sp->pad }, { "totlen", &sp->totlen }, { "ihl", &sp->ihl },
		{ "ver", &sp->ver }, { "badip", &sp->badip }, { "badl4", &sp->badl4 },
		{ "nocsum", &sp->nocsum }, { "doff", &sp->doff }, { "urg", &sp->urg },
		{ "type", &sp->type }, { "code", &sp->code }, { "vlan", &sp->vlan },
		{ "eth", &sp->eth }, { "len", &sp->paylen },
	};

	if (val)
		*val++ = 0;
	for (size_t i = 0; i < sizeof(ints) / sizeof(ints[0]); i++)
		if (!strcmp(word, ints[i].name)) {
			*ints[i].at = val ? (int)strtoul(val, NULL, 0) : 1;
			return sp->paylen < 0 || sp->paylen > FRAME_MAX - 200 ? -1 : 0;
		}
	if (!val)
		return -1;
	if (!strcmp(word, "flags"))
		sp->flags = parse_flags(val);
	else if (!strcmp(word, "seq"))
		sp->seq = strtoul(val, NULL, 0);
	else if (!strcmp(word, "ack"))
		sp->ack = strtoul(val, NULL, 0);
	else if (!strcmp(word, "rest"))
		sp->rest = strtoul(val, NULL, 0);
	else if (!strcmp(word, "pay"))
		return (sp->paylen = unhex(val, sp->pay, FRAME_MAX - 200)) < 0 ? -1 : 0;
	else if (!strcmp(word, "opt"))
		return (sp->optlen = unhex(val, sp->opt, 40)) < 0 ? -1 : 0;
	else if (!strcmp(word, "topt"))
		return (sp->toptlen = unhex(val, sp->topt, 40)) < 0 ? -1 : 0;
	else if (!strcmp(word, "smac"))
		return parse_mac(val, sp->smac);
	else if (!strcmp(word, "dmac"))
		return parse_mac(val, sp->dmac);
	else
		return -1;
	return 0;
}

/* Checksum of the transport, with the pseudo-header for all but ICMP and SCTP */
static unsigned int l4_csum(const struct spec *sp, const unsigned char *l4, size_t len)
{
	unsigned char ph[12];

	if (sp->proto == 1)
		return ~frame_csum(l4, len, 0) & 0xffff;
	put32(ph, sp->src);
	put32(ph + 4, sp->dst);
	ph[8] = 0;
	ph[9] = sp->proto;
	put16(ph + 10, len);
	return ~frame_csum(l4, len, frame_csum(ph, sizeof(ph), 0)) & 0xffff;
}

/* Return: length of the transport header and payload written at @p */
static size_t build_l4(const struct spec *sp, unsigned char *p)
{
	size_t hdr = 0, len;
	int csum_at = -1;

	switch (sp->proto) {
	case 6:
		hdr = 20 + (sp->toptlen + 3) / 4 * 4;
		memset(p, 0, hdr);
		put16(p, sp->sport);
		put16(p + 2, sp->dport);
		put32(p + 4, sp->seq);
		put32(p + 8, sp->ack);
		p[12] = (sp->doff >= 0 ? sp->doff : (int)hdr / 4) << 4;
		p[13] = sp->flags;
		put16(p + 14, 8192);
		put16(p + 18, sp->urg);
		memcpy(p + 20, sp->topt, sp->toptlen);
		csum_at = 16;
		break;
	case 17:
	case 136:
		hdr = 8;
		memset(p, 0, hdr);
		put16(p, sp->sport);
		put16(p + 2, sp->dport);
		put16(p + 4, hdr + sp->paylen);
		csum_at = 6;
		break;
	case 132:
		hdr = 12;
		memset(p, 0, hdr);
		put16(p, sp->sport);
		put16(p + 2, sp->dport);
		break;
	case 1:
		hdr = 8;
		memset(p, 0, hdr);
		p[0] = sp->type;
		p[1] = sp->code;
		put32(p + 4, sp->rest);
		csum_at = 2;
		break;
	}
	memcpy(p + hdr, sp->pay, sp->paylen);
	len = hdr + sp->paylen;
	if (csum_at >= 0 && !sp->nocsum) {
		unsigned int c = l4_csum(sp, p, len);

		if (!c && sp->proto != 1)
			c = 0xffff;
		put16(p + csum_at, sp->badl4 ? c ^ 0x5555 : c);
	}
	return len;
}

static void build(const struct spec *sp, struct frame *f)
{
	unsigned char *ip, *p = f->data;
	size_t hlen = 20 + (sp->optlen + 3) / 4 * 4, len;
	unsigned int c;

	if (has_ethernet(f->from)) {
		memcpy(p, sp->dmac, 6);
		memcpy(p + 6, sp->smac, 6);
		p += 12;
		if (sp->vlan) {
			put16(p, 0x8100);
			put16(p + 2, sp->vlan);
			p += 4;
		}
		put16(p, sp->eth);
		p += 2;
	}
	ip = p;
	f->l3 = ip - f->data;
	memset(ip, 0, hlen);
	len = build_l4(sp, ip + hlen);
	if (sp->l4 >= 0 && (size_t)sp->l4 < len)
		len = sp->l4;
	len += hlen;
	ip[0] = sp->ver << 4 | (sp->ihl >= 0 ? sp->ihl : (int)hlen / 4);
	ip[1] = sp->tos;
	put16(ip + 2, sp->totlen >= 0 ? (size_t)sp->totlen : len);
	put16(ip + 4, sp->id);
	put16(ip + 6, sp->df << 14 | sp->mf << 13 | (sp->off & 0x1fff));
	ip[8] = sp->ttl;
	ip[9] = sp->proto;
	put32(ip + 12, sp->src);
	put32(ip + 16, sp->dst);
	memcpy(ip + 20, sp->opt, sp->optlen);
	c = ~frame_csum(ip, hlen, 0) & 0xffff;
	put16(ip + 10, sp->badip ? c ^ 0x1234 : c);
	if (sp->cut >= 0 && (size_t)sp->cut < len)
		len = sp->cut;
	memset(ip + len, 0xa5, sp->pad);
	f->len = f->l3 + len + sp->pad;
}

int frame_parse(char *line, struct frame *f, char *err)
{
	static struct spec sp;
	char *word[40];
	int n = 0;

	line[strcspn(line, "#\r\n")] = 0;
	for (char *w = strtok(line, " \t"); w && n < 40; w = strtok(NULL, " \t"))
		word[n++] = w;
	if (!n)
		return 1;
	f->from = word[0][0];
	if (word[0][1] || f->from < 'a' || f->from > 'z' || n < 3) {
		snprintf(err, 128, "want: wire|o|t proto src dst [key=value]...");
		return -EINVAL;
	}
	if (!strcmp(word[1], "hex")) {
		int len = unhex(word[2], f->data, sizeof(f->data));

		f->l3 = has_ethernet(f->from) ? 14 : 0;
		f->len = len;
		snprintf(err, 128, "bad hex");
		return len > 0 ? 0 : -EINVAL;
	}
	memset(&sp, 0, sizeof(sp));
	sp.ttl = 64;
	sp.id = 0x1001;
	sp.ver = 4;
	sp.l4 = sp.cut = sp.totlen = sp.ihl = sp.doff = -1;
	sp.eth = 0x0800;
	sp.type = 8;
	sp.sport = 1024;
	sp.dport = 80;
	memcpy(sp.smac, macs[f->from - 'a'][0], 6);
	memcpy(sp.dmac, macs[f->from - 'a'][1], 6);
	sp.proto = parse_proto(word[1]);
	if (sp.proto < 0 || n < 4 || parse_addr(word[2], &sp.src, &sp.sport) ||
	    parse_addr(word[3], &sp.dst, &sp.dport)) {
		snprintf(err, 128, "bad protocol or address: %.20s %.20s", word[1], word[2]);
		return -EINVAL;
	}
	for (int i = 4; i < n; i++)
		if (parse_key(word[i], &sp)) {
			snprintf(err, 128, "bad key: %.60s", word[i]);
			return -EINVAL;
		}
	build(&sp, f);
	return 0;
}
