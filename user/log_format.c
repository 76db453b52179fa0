// SPDX-License-Identifier: GPL-2.0-only
/*
 * log_format.c - the text of LOG
 *
 *	IN=eth0 OUT= MAC=02:..:08:00 SRC=10.1.0.2 DST=10.1.0.1 LEN=60 TOS=0x00 PREC=0x00
 *	TTL=64 ID=1 DF PROTO=TCP SPT=4000 DPT=22 WINDOW=64240 RES=0x00 SYN URGP=0
 *
 * One line, each field followed by a space. "Behind the end" is what the kernel says
 * of a header that the packet is too short for; a header that only the record is too
 * short for (NFLOG with --nflog-size) reads alike.
 */
#include <netinet/in.h>
#include <linux/icmp.h>
#include <linux/ip.h>
#include <linux/netfilter/xt_LOG.h>

#include "log.h"

/*
 * struct dump - the packet being printed
 * @data:	@cap bytes of the @len that it has
 */
struct dump {
	FILE *f;
	const struct log_record *rec;
	const unsigned char *data;
	unsigned int cap;
	unsigned int len;
	unsigned int flags;
};

/* @n bytes at @off, or NULL: they lie behind the end. */
static const unsigned char *bytes(const struct dump *d, unsigned int off, unsigned int n)
{
	return off + n <= d->cap ? d->data + off : NULL;
}

static unsigned int be16(const unsigned char *p)
{
	return p[0] << 8 | p[1];
}

static unsigned int be32(const unsigned char *p)
{
	return (unsigned int)be16(p) << 16 | be16(p + 2);
}

static void addr(const struct dump *d, const char *what, const unsigned char *p)
{
	fprintf(d->f, "%s=%u.%u.%u.%u ", what, p[0], p[1], p[2], p[3]);
}

static void incomplete(const struct dump *d, unsigned int off)
{
	fprintf(d->f, "INCOMPLETE [%u bytes] ", d->len - off);
}

static void options(const struct dump *d, const unsigned char *op, unsigned int n)
{
	fputs("OPT (", d->f);
	for (unsigned int i = 0; i < n; i++)
		fprintf(d->f, "%02X", op[i]);
	fputs(") ", d->f);
}

/* false: the line ends here */
static bool dump_tcp(const struct dump *d, unsigned int off, unsigned int fragment)
{
	static const char *const flag[] = {
		"CWR ", "ECE ", "URG ", "ACK ", "PSH ", "RST ", "SYN ", "FIN ",
	};
	const unsigned char *th = bytes(d, off, 20), *op;
	unsigned int doff;

	fputs("PROTO=TCP ", d->f);
	if (fragment)
		return true;
	if (!th) {
		incomplete(d, off);
		return false;
	}
	fprintf(d->f, "SPT=%u DPT=%u ", be16(th), be16(th + 2));
	if (d->flags & XT_LOG_TCPSEQ)
		fprintf(d->f, "SEQ=%u ACK=%u ", be32(th + 4), be32(th + 8));
	fprintf(d->f, "WINDOW=%u RES=0x%02x ", be16(th + 14), (th[12] & 0xf) << 2);
	for (int i = 0; i < 8; i++)
		if (th[13] & 0x80 >> i)
			fputs(flag[i], d->f);
	fprintf(d->f, "URGP=%u ", be16(th + 18));
	doff = (th[12] >> 4) * 4;
	if (d->flags & XT_LOG_TCPOPT && doff > 20) {
		op = bytes(d, off + 20, doff - 20);
		if (!op) {
			fputs("OPT (TRUNCATED)", d->f);
			return false;
		}
		options(d, op, doff - 20);
	}
	return true;
}

static bool dump_udp(const struct dump *d, unsigned int off, unsigned int fragment,
		     unsigned int proto)
{
	const unsigned char *uh = bytes(d, off, 8);

	fprintf(d->f, "PROTO=%s ", proto == IPPROTO_UDP ? "UDP" : "UDPLITE");
	if (fragment)
		return true;
	if (!uh) {
		incomplete(d, off);
		return false;
	}
	fprintf(d->f, "SPT=%u DPT=%u LEN=%u ", be16(uh), be16(uh + 2), be16(uh + 4));
	return true;
}

static void dump_ip(const struct dump *d, unsigned int off);

static void dump_icmp(const struct dump *d, unsigned int off, unsigned int fragment, bool inner)
{
	/* Bytes that the type needs behind the IP header. */
	static const unsigned char required[NR_ICMP_TYPES + 1] = {
		[ICMP_ECHOREPLY] = 4, [ICMP_DEST_UNREACH] = 28, [ICMP_SOURCE_QUENCH] = 28,
		[ICMP_REDIRECT] = 28, [ICMP_ECHO] = 4, [ICMP_TIME_EXCEEDED] = 28,
		[ICMP_PARAMETERPROB] = 28, [ICMP_TIMESTAMP] = 20, [ICMP_TIMESTAMPREPLY] = 20,
		[ICMP_ADDRESS] = 12, [ICMP_ADDRESSREPLY] = 12,
	};
	const unsigned char *h = bytes(d, off, 8);

	fputs("PROTO=ICMP ", d->f);
	if (fragment)
		return;
	if (!h) {
		incomplete(d, off);
		return;
	}
	fprintf(d->f, "TYPE=%u CODE=%u ", h[0], h[1]);
	if (h[0] <= NR_ICMP_TYPES && d->len - off < required[h[0]]) {
		incomplete(d, off);
		return;
	}
	switch (h[0]) {
	case ICMP_ECHOREPLY:
	case ICMP_ECHO:
		fprintf(d->f, "ID=%u SEQ=%u ", be16(h + 4), be16(h + 6));
		break;
	case ICMP_PARAMETERPROB:
		fprintf(d->f, "PARAMETER=%u ", h[4]);
		break;
	case ICMP_REDIRECT:
		addr(d, "GATEWAY", h + 4);
		/* fallthrough */
	case ICMP_DEST_UNREACH:
	case ICMP_SOURCE_QUENCH:
	case ICMP_TIME_EXCEEDED:
		if (!inner) {
			fputc('[', d->f);
			dump_ip(d, off + 8);
			fputs("] ", d->f);
		}
		if (h[0] == ICMP_DEST_UNREACH && h[1] == ICMP_FRAG_NEEDED)
			fprintf(d->f, "MTU=%u ", be16(h + 6));
		break;
	}
}

/* AH and ESP: the SPI at @at of a header of @n bytes */
static void dump_spi(const struct dump *d, unsigned int off, unsigned int n, unsigned int at)
{
	const unsigned char *h = bytes(d, off, n);

	if (h)
		fprintf(d->f, "SPI=0x%x ", be32(h + at));
	else
		incomplete(d, off);
}

/* false: the line ends here */
static bool dump_transport(const struct dump *d, unsigned int off, unsigned int proto,
			   unsigned int fragment, bool inner)
{
	switch (proto) {
	case IPPROTO_TCP:
		return dump_tcp(d, off, fragment);
	case IPPROTO_UDP:
	case IPPROTO_UDPLITE:
		return dump_udp(d, off, fragment, proto);
	case IPPROTO_ICMP:
		dump_icmp(d, off, fragment, inner);
		break;
	case IPPROTO_AH:
		if (fragment)
			break;
		fputs("PROTO=AH ", d->f);
		dump_spi(d, off, 12, 4);
		break;
	case IPPROTO_ESP:
		fputs("PROTO=ESP ", d->f);
		if (!fragment)
			dump_spi(d, off, 8, 0);
		break;
	default:
		fprintf(d->f, "PROTO=%u ", proto);
	}
	return true;
}

/* The packet, or with @off > 0 the one inside an ICMP error. */
static void dump_ip(const struct dump *d, unsigned int off)
{
	const unsigned char *ih = bytes(d, off, 20), *op;
	unsigned int ihl, frag;

	if (!ih) {
		fputs("TRUNCATED", d->f);
		return;
	}
	addr(d, "SRC", ih + 12);
	addr(d, "DST", ih + 16);
	frag = be16(ih + 6);
	fprintf(d->f, "LEN=%u TOS=0x%02X PREC=0x%02X TTL=%u ID=%u ", be16(ih + 2), ih[1] & 0x1e,
		ih[1] & 0xe0, off ? ih[8] : d->rec->ttl, be16(ih + 4));
	if (frag & 0x8000)
		fputs("CE ", d->f);
	if (frag & 0x4000)
		fputs("DF ", d->f);
	if (frag & 0x2000)
		fputs("MF ", d->f);
	frag &= 0x1fff;
	if (frag)
		fprintf(d->f, "FRAG:%u ", frag);
	ihl = (ih[0] & 0xf) * 4;
	if (d->flags & XT_LOG_IPOPT && ihl > 20) {
		op = bytes(d, off + 20, ihl - 20);
		if (!op) {
			fputs("TRUNCATED", d->f);
			return;
		}
		options(d, op, ihl - 20);
	}
	if (!dump_transport(d, off + ihl, ih[9], frag, off) || off)
		return;
	if (d->flags & XT_LOG_UID && d->rec->flags & LOG_HAS_OWNER)
		fprintf(d->f, "UID=%u GID=%u ", d->rec->uid, d->rec->gid);
	if (d->rec->mark)
		fprintf(d->f, "MARK=0x%x ", d->rec->mark);
}

static void colons(const struct dump *d, const char *what, const unsigned char *p, unsigned int n)
{
	fputs(what, d->f);
	for (unsigned int i = 0; i < n; i++)
		fprintf(d->f, "%s%02x", i ? ":" : "", p[i]);
	fputc(' ', d->f);
}

static void dump_mac(const struct dump *d, bool ether)
{
	const struct log_record *rec = d->rec;

	if (!(d->flags & XT_LOG_MACDECODE) || !ether) {
		colons(d, "MAC=", rec->mac, rec->mac_len);
	} else if (rec->mac_len >= 14) {
		colons(d, "MACSRC=", rec->mac + 6, 6);
		colons(d, "MACDST=", rec->mac, 6);
		fprintf(d->f, "MACPROTO=%04x ", be16(rec->mac + 12));
	}
}

void log_format(FILE *f, const struct log_record *rec, const unsigned char *data,
		const struct log_names *names)
{
	struct dump d = {
		.f = f, .rec = rec, .data = data, .cap = rec->cap_len, .len = rec->tot_len,
		.flags = rec->p.kind == LOG_KIND_LOG ? rec->p.flags : 0,
	};

	fprintf(f, "%.*sIN=%s OUT=%s ", LOG_PREFIX, rec->p.prefix, names->in, names->out);
	if (rec->in)
		dump_mac(&d, names->ether);
	dump_ip(&d, 0);
}
