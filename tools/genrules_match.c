// SPDX-License-Identifier: GPL-2.0-only
/*
 * genrules_match.c - the ruleset generator's conditions: one function per match
 *
 * Each writes " -m name [!] --option value" with a value from the ruleset's pools,
 * an edge, or anything.
 */
#include <string.h>

#include "genrules_int.h"

void gen_put_addr(struct gen *g, __u32 a)
{
	fprintf(g->f, "%u.%u.%u.%u", a >> 24, a >> 16 & 255, a >> 8 & 255, a & 255);
}

__u32 gen_from_nets(struct gen *g, const struct gen_net *net, size_t n)
{
	const struct gen_net *p;
	__u32 host;

	if (!n)
		return prng_u32(&g->rnd);
	p = &net[below(g, n)];
	host = p->len == 0 ? 0xffffffffu : p->len == 32 ? 0 : 0xffffffffu >> p->len;
	return p->addr | (prng_u32(&g->rnd) & host);
}

static __u32 pick_addr(struct gen *g, bool src)
{
	if (chance(g, 20))
		return src ? gen_from_nets(g, g->cfg->src, g->cfg->nr_src) :
			     gen_from_nets(g, g->cfg->dst, g->cfg->nr_dst);
	return src ? g->saddr[below(g, POOL)] : g->daddr[below(g, POOL)];
}

void gen_put_base_addr(struct gen *g, const char *opt, bool src)
{
	__u32 a = pick_addr(g, src);

	fprintf(g->f, " %s%s ", maybe_not(g, 12), opt);
	gen_put_addr(g, a);
	switch (below(g, 8)) {
	case 0: case 1: case 2:
		break;
	case 3:
		/* A mask with holes. */
		fputc('/', g->f);
		gen_put_addr(g, 0xffffffffu & ~(1u << below(g, 24)) & ~(below(g, 4) << below(g, 20)));
		break;
	default:
		fprintf(g->f, "/%u", chance(g, 70) ? 24 + below(g, 9) : 8 + below(g, 25));
	}
}

static void put_range(struct gen *g, const char *opt, bool src)
{
	__u32 a = pick_addr(g, src), n = below(g, chance(g, 50) ? 16 : 4096);

	if (a > 0xffffffffu - n)
		n = 0;
	fprintf(g->f, " %s%s ", maybe_not(g, 15), opt);
	gen_put_addr(g, a);
	fputc('-', g->f);
	gen_put_addr(g, a + n);
}

static __u16 pick_port(struct gen *g)
{
	static const __u16 edge[] = { 0, 1, 1023, 1024, 65534, 65535 };

	if (chance(g, 6))
		return edge[below(g, 6)];
	return chance(g, 8) ? below(g, 65536) : g->port[below(g, POOL)];
}

void gen_put_port_range(struct gen *g)
{
	__u32 a = pick_port(g), b = a + below(g, chance(g, 60) ? 8 : 4000);

	if (chance(g, 55))
		fprintf(g->f, "%u", a);
	else
		fprintf(g->f, "%u:%u", a, b > 65535 ? 65535 : b);
}

void gen_put_ports(struct gen *g)
{
	if (chance(g, 40))
		fprintf(g->f, " %s--sport ", maybe_not(g, 15)), gen_put_port_range(g);
	if (chance(g, 65))
		fprintf(g->f, " %s--dport ", maybe_not(g, 15)), gen_put_port_range(g);
}

static void put_multiport(struct gen *g)
{
	static const char *const opt[] = { "--sports", "--dports", "--ports" };
	unsigned int slots = 1 + below(g, chance(g, 20) ? 15 : 5);

	fprintf(g->f, " -m multiport %s%s ", maybe_not(g, 20), opt[below(g, 3)]);
	while (slots) {
		__u32 a = pick_port(g), b = a + 1 + below(g, 200);

		if (slots >= 2 && b <= 65535 && chance(g, 40)) {
			fprintf(g->f, "%u:%u", a, b);
			slots -= 2;
		} else {
			fprintf(g->f, "%u", a);
			slots--;
		}
		if (slots)
			fputc(',', g->f);
	}
}

static void put_tcp_flags(struct gen *g)
{
	static const char *const flag[] = { "FIN", "SYN", "RST", "PSH", "ACK", "URG" };
	unsigned int mask, set, i, pass;

	if (chance(g, 40)) {
		fprintf(g->f, " %s--syn", maybe_not(g, 25));
		return;
	}
	mask = 1 + below(g, 63);
	set = chance(g, 85) ? below(g, 64) & mask : below(g, 64);
	fprintf(g->f, " %s--tcp-flags", maybe_not(g, 25));
	for (pass = 0; pass < 2; pass++) {
		unsigned int v = pass ? set : mask;
		const char *sep = " ";

		if (!v)
			fputs(" NONE", g->f);
		for (i = 0; i < 6; i++)
			if (v & (1u << i)) {
				fprintf(g->f, "%s%s", sep, flag[i]);
				sep = ",";
			}
	}
}

static void put_chunks(struct gen *g)
{
	static const char *const chunk[] = { "DATA", "INIT", "INIT_ACK", "SACK", "HEARTBEAT",
		"ABORT", "SHUTDOWN", "ERROR", "COOKIE_ECHO", "COOKIE_ACK", "ASCONF" };
	static const char *const how[] = { "any", "all", "only" };
	static const char *const bits[] = { ":U", ":u", ":B", ":b", ":Eb", ":UBE", ":ube" };
	unsigned int first = below(g, 11), n = 1 + below(g, 3), i;

	fprintf(g->f, " %s--chunk-types %s ", maybe_not(g, 25), how[below(g, 3)]);
	for (i = 0; i < n; i++) {
		unsigned int c = (first + i) % 11;

		fprintf(g->f, "%s%s", i ? "," : "", chunk[c]);
		if (c == 0 && chance(g, 40))
			fputs(bits[below(g, 7)], g->f);
		if (c == 5 && chance(g, 40))
			fputs(chance(g, 50) ? ":T" : ":t", g->f);
	}
}

static void put_dccp(struct gen *g)
{
	static const char *const type[] = { "REQUEST", "RESPONSE", "DATA", "ACK", "DATAACK",
		"CLOSEREQ", "CLOSE", "RESET", "SYNC", "SYNCACK", "INVALID" };
	unsigned int first = below(g, 11), n = 1 + below(g, 4), i;

	fputs(" -p dccp -m dccp", g->f);
	if (chance(g, 50))
		gen_put_ports(g);
	if (chance(g, 50)) {
		fprintf(g->f, " %s--dccp-types ", maybe_not(g, 25));
		for (i = 0; i < n; i++)
			fprintf(g->f, "%s%s", i ? "," : "", type[(first + i) % 11]);
	}
	if (chance(g, 60))
		fprintf(g->f, " %s--dccp-option %u", maybe_not(g, 30), 1 + below(g, 8));
}

static void put_icmp(struct gen *g)
{
	static const char *const type[] = { "any", "8", "0", "3", "3/1", "3/4", "11", "11/0", "5",
		"12", "13", "30/7", "echo-request", "fragmentation-needed", "254" };

	fprintf(g->f, " -m icmp %s--icmp-type %s", maybe_not(g, 20), type[below(g, 15)]);
}

static void put_spi(struct gen *g, const char *match)
{
	__u32 a = chance(g, 70) ? g->port[below(g, POOL)] : prng_u32(&g->rnd);
	__u32 n = below(g, 100);

	fprintf(g->f, " -m %s %s--%sspi %u", match, maybe_not(g, 20), match, a);
	if (chance(g, 60))
		fprintf(g->f, ":%u", a > 0xffffffffu - n ? a : a + n);
}

unsigned int gen_put_l4(struct gen *g)
{
	unsigned int n = 1;

	if (chance(g, 7)) {
		fprintf(g->f, " ! -p %s", chance(g, 50) ? "tcp" : "udp");
		return 1;
	}
	switch (below(g, 16)) {
	case 0: case 1: case 2: case 3: case 4: case 5:
		fputs(" -p tcp", g->f);
		if (chance(g, 75)) {
			fputs(" -m tcp", g->f);
			gen_put_ports(g);
			if (chance(g, 20))
				put_tcp_flags(g);
			if (chance(g, 7))
				fprintf(g->f, " %s--tcp-option %u", maybe_not(g, 30), 1 + below(g, 9));
			n++;
		}
		if (chance(g, 15))
			put_multiport(g), n++;
		if (chance(g, 8) && !(g->cfg->avoid & GEN_NO_PAYLOAD))
			gen_put_tcpmss(g), n++;
		if (chance(g, 6))
			fprintf(g->f, " -m ecn %s--ecn-tcp-%s", maybe_not(g, 40),
				chance(g, 50) ? "ece" : "cwr");
		return n;
	case 6: case 7: case 8: case 9:
		fputs(" -p udp", g->f);
		if (chance(g, 75))
			fputs(" -m udp", g->f), gen_put_ports(g), n++;
		if (chance(g, 20))
			put_multiport(g), n++;
		return n;
	case 10: case 11:
		fputs(" -p icmp", g->f);
		if (chance(g, 80))
			put_icmp(g), n++;
		return n;
	case 12:
		fputs(" -p sctp", g->f);
		if (chance(g, 80)) {
			fputs(" -m sctp", g->f);
			gen_put_ports(g);
			if (chance(g, 50))
				put_chunks(g);
			n++;
		}
		if (chance(g, 20))
			put_multiport(g);
		return n;
	case 13:
		if (chance(g, 50)) {
			put_dccp(g);
			return 2;
		}
		fputs(" -p udplite", g->f);
		if (chance(g, 50))
			put_multiport(g);
		return n;
	case 14:
		if (chance(g, 20)) {
			fprintf(g->f, " -p ipcomp -m ipcomp %s--ipcompspi %u:%u", maybe_not(g, 20),
				below(g, 3), 2 + below(g, 1000));
		} else if (chance(g, 50)) {
			fputs(" -p esp", g->f);
			put_spi(g, "esp");
		} else {
			fputs(" -p ah", g->f);
			put_spi(g, "ah");
		}
		return 2;
	default:
		fprintf(g->f, " -p %u", chance(g, 50) ? 47 : 1 + below(g, 254));
		return n;
	}
}

void gen_put_iface(struct gen *g, const char *opt, const char *const *name, size_t n)
{
	const char *dev = name[below(g, n)];

	switch (below(g, 10)) {
	case 0:
		fprintf(g->f, " %s%s %.*s+", maybe_not(g, 20), opt, (int)(1 + below(g, strlen(dev))), dev);
		break;
	case 1:
		fprintf(g->f, " %s%s nosuch%u", maybe_not(g, 60), opt, below(g, 3));
		break;
	default:
		fprintf(g->f, " %s%s %s", maybe_not(g, 20), opt, dev);
	}
}

void gen_put_other(struct gen *g, unsigned int reach)
{
	unsigned int avoid = g->cfg->avoid;
	__u32 a;

	switch (below(g, 13)) {
	case 0: case 1:
		fputs(" -m iprange", g->f);
		a = 1 + below(g, 3);
		if (a & 1)
			put_range(g, "--src-range", true);
		if (a & 2)
			put_range(g, "--dst-range", false);
		break;
	case 2:
		if (avoid & GEN_NO_LENGTH)
			break;
		a = 20 + below(g, chance(g, 80) ? 80 : 1400);
		fprintf(g->f, " -m length %s--length %u", maybe_not(g, 20), a);
		if (chance(g, 60))
			fprintf(g->f, ":%u", a + below(g, 60));
		break;
	case 3:
		a = chance(g, 50) ? 62 + below(g, 3) : below(g, 256);
		switch (below(g, 3)) {
		case 0:
			fprintf(g->f, " -m ttl %s--ttl-eq %u", maybe_not(g, 40), a);
			break;
		case 1:
			fprintf(g->f, " -m ttl --ttl-lt %u", a);
			break;
		default:
			fprintf(g->f, " -m ttl --ttl-gt %u", a);
		}
		break;
	case 4:
		if (chance(g, 30))
			fprintf(g->f, " -m tos %s--tos 0x%02x", maybe_not(g, 20), below(g, 4) * 8);
		else
			fprintf(g->f, " -m tos %s--tos 0x%02x/0x%02x", maybe_not(g, 20), below(g, 256),
				below(g, 256));
		break;
	case 5:
		fprintf(g->f, " -m dscp %s--dscp 0x%02x", maybe_not(g, 30), below(g, 4) * 8);
		break;
	case 6:
		fprintf(g->f, " -m ecn %s--ecn-ip-ect %u", maybe_not(g, 30), below(g, 4));
		break;
	case 7:
		if (avoid & GEN_NO_PKTTYPE)
			break;
		fprintf(g->f, " -m pkttype %s--pkt-type %s", maybe_not(g, 30), chance(g, 50) ? "unicast" :
			chance(g, 50) ? "broadcast" : "multicast");
		break;
	case 8:
		if ((avoid & GEN_NO_MAC) || (reach & (1u << HOOK_OUTPUT)))
			break;
		fprintf(g->f, " -m mac %s--mac-source 02:00:00:00:00:%02x", maybe_not(g, 30), below(g, 4));
		break;
	case 9:
		if (avoid & GEN_NO_MARK)
			break;
		fprintf(g->f, " -m mark %s--mark 0x%x", maybe_not(g, 25), g->mark[below(g, 4)]);
		if (chance(g, 40))
			fprintf(g->f, "/0x%x", chance(g, 50) ? 0xf : prng_u32(&g->rnd));
		break;
	case 11: case 12:
		if (!(avoid & GEN_NO_PAYLOAD))
			gen_put_payload(g);
		break;
	case 10:
		fprintf(g->f, " -m comment --comment \"rule %u\"", below(g, 1000));
		break;
	}
}

void gen_put_mark(struct gen *g)
{
	static const char *const how[] = { "--set-mark", "--or-mark", "--and-mark", "--xor-mark" };
	__u32 v = g->mark[below(g, 4)];

	if (chance(g, 50))
		fprintf(g->f, " -j MARK --set-xmark 0x%x/0x%x", v,
			chance(g, 50) ? 0xffffffffu : prng_u32(&g->rnd) & 0xff);
	else
		fprintf(g->f, " -j MARK %s 0x%x", how[below(g, 4)], v);
}
