// SPDX-License-Identifier: GPL-2.0-only
/*
 * genrules.c - random rulesets as iptables-save text
 *
 * A random rule that no packet hits proves nothing, so values come from pools of
 * a few per ruleset: the same addresses and ports turn up in many rules, with
 * different masks and ranges around them, and the packets are made from the same
 * rules (genpkts.c). Rules that end the walk get at least two conditions, so that
 * packets travel far.
 *
 * Chains. User chain k may jump to chains above k only (no loops), and only when
 * its nesting allows. @reach follows which hooks get to a chain, since some
 * matches are refused there: -i and -o in built-in chains, mac from OUTPUT.
 */
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "../progs/abi/packet.h"
#include "genrules.h"
#include "prng.h"

#define POOL		10
#define MAX_CHAINS	512

struct gen {
	const struct gen_cfg *cfg;
	struct prng rnd;
	FILE *f;
	__u32 saddr[POOL];
	__u32 daddr[POOL];
	__u16 port[POOL];
	__u32 mark[4];
	unsigned int reach[NR_HOOKS + MAX_CHAINS];
	unsigned int level[NR_HOOKS + MAX_CHAINS];
	unsigned int nr_chains;		/* user chains */
};

static const char *const hook_name[NR_HOOKS] = { "INPUT", "FORWARD", "OUTPUT" };

static bool chance(struct gen *g, unsigned int percent)
{
	return prng_percent(&g->rnd, percent);
}

static __u32 below(struct gen *g, __u32 n)
{
	return prng_below(&g->rnd, n);
}

static const char *not(struct gen *g, unsigned int percent)
{
	return chance(g, percent) ? "! " : "";
}

static void put_addr(struct gen *g, __u32 a)
{
	fprintf(g->f, "%u.%u.%u.%u", a >> 24, a >> 16 & 255, a >> 8 & 255, a & 255);
}

static __u32 from_nets(struct gen *g, const struct gen_net *net, size_t n)
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
		return src ? from_nets(g, g->cfg->src, g->cfg->nr_src) :
			     from_nets(g, g->cfg->dst, g->cfg->nr_dst);
	return src ? g->saddr[below(g, POOL)] : g->daddr[below(g, POOL)];
}

static void put_base_addr(struct gen *g, const char *opt, bool src)
{
	__u32 a = pick_addr(g, src);

	fprintf(g->f, " %s%s ", not(g, 12), opt);
	put_addr(g, a);
	switch (below(g, 8)) {
	case 0: case 1: case 2:
		break;
	case 3:
		/* A mask with holes. */
		fputc('/', g->f);
		put_addr(g, 0xffffffffu & ~(1u << below(g, 24)) & ~(below(g, 4) << below(g, 20)));
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
	fprintf(g->f, " %s%s ", not(g, 15), opt);
	put_addr(g, a);
	fputc('-', g->f);
	put_addr(g, a + n);
}

static __u16 pick_port(struct gen *g)
{
	static const __u16 edge[] = { 0, 1, 1023, 1024, 65534, 65535 };

	if (chance(g, 6))
		return edge[below(g, 6)];
	return chance(g, 8) ? below(g, 65536) : g->port[below(g, POOL)];
}

static void put_port_range(struct gen *g)
{
	__u32 a = pick_port(g), b = a + below(g, chance(g, 60) ? 8 : 4000);

	if (chance(g, 55))
		fprintf(g->f, "%u", a);
	else
		fprintf(g->f, "%u:%u", a, b > 65535 ? 65535 : b);
}

static void put_ports(struct gen *g)
{
	if (chance(g, 40))
		fprintf(g->f, " %s--sport ", not(g, 15)), put_port_range(g);
	if (chance(g, 65))
		fprintf(g->f, " %s--dport ", not(g, 15)), put_port_range(g);
}

static void put_multiport(struct gen *g)
{
	static const char *const opt[] = { "--sports", "--dports", "--ports" };
	unsigned int slots = 1 + below(g, chance(g, 20) ? 15 : 5);

	fprintf(g->f, " -m multiport %s%s ", not(g, 20), opt[below(g, 3)]);
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
		fprintf(g->f, " %s--syn", not(g, 25));
		return;
	}
	mask = 1 + below(g, 63);
	set = chance(g, 85) ? below(g, 64) & mask : below(g, 64);
	fprintf(g->f, " %s--tcp-flags", not(g, 25));
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

	fprintf(g->f, " %s--chunk-types %s ", g->cfg->avoid & GEN_NO_NOT_CHUNKS ? "" : not(g, 25),
		how[below(g, 3)]);
	for (i = 0; i < n; i++) {
		unsigned int c = (first + i) % 11;

		fprintf(g->f, "%s%s", i ? "," : "", chunk[c]);
		if (c == 0 && chance(g, 40))
			fputs(bits[below(g, 7)], g->f);
		if (c == 5 && chance(g, 40))
			fputs(chance(g, 50) ? ":T" : ":t", g->f);
	}
}

static void put_icmp(struct gen *g)
{
	static const char *const type[] = { "any", "8", "0", "3", "3/1", "3/4", "11", "11/0", "5",
		"12", "13", "30/7", "echo-request", "fragmentation-needed", "254" };

	fprintf(g->f, " -m icmp %s--icmp-type %s", not(g, 20), type[below(g, 15)]);
}

static void put_spi(struct gen *g, const char *match)
{
	__u32 a = chance(g, 70) ? g->port[below(g, POOL)] : prng_u32(&g->rnd);
	__u32 n = below(g, 100);

	fprintf(g->f, " -m %s %s--%sspi %u", match, not(g, 20), match, a);
	if (chance(g, 60))
		fprintf(g->f, ":%u", a > 0xffffffffu - n ? a : a + n);
}

/* The protocol and the matches that need one. Return: conditions written. */
static unsigned int put_l4(struct gen *g)
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
			put_ports(g);
			if (chance(g, 20))
				put_tcp_flags(g);
			if (chance(g, 7))
				fprintf(g->f, " %s--tcp-option %u", not(g, 30), 1 + below(g, 9));
			n++;
		}
		if (chance(g, 15))
			put_multiport(g), n++;
		if (chance(g, 6))
			fprintf(g->f, " -m ecn %s--ecn-tcp-%s", not(g, 40),
				chance(g, 50) ? "ece" : "cwr");
		return n;
	case 6: case 7: case 8: case 9:
		fputs(" -p udp", g->f);
		if (chance(g, 75))
			fputs(" -m udp", g->f), put_ports(g), n++;
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
			put_ports(g);
			if (chance(g, 50))
				put_chunks(g);
			n++;
		}
		if (chance(g, 20))
			put_multiport(g);
		return n;
	case 13:
		fputs(" -p udplite", g->f);
		if (chance(g, 50))
			put_multiport(g);
		return n;
	case 14:
		if (chance(g, 50)) {
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

static void put_iface(struct gen *g, const char *opt, const char *const *name, size_t n)
{
	const char *dev = name[below(g, n)];

	switch (below(g, 10)) {
	case 0:
		fprintf(g->f, " %s%s %.*s+", not(g, 20), opt, (int)(1 + below(g, strlen(dev))), dev);
		break;
	case 1:
		fprintf(g->f, " %s%s nosuch%u", not(g, 60), opt, below(g, 3));
		break;
	default:
		fprintf(g->f, " %s%s %s", not(g, 20), opt, dev);
	}
}

/* One of the matches that need no protocol. */
static void put_other(struct gen *g, unsigned int reach)
{
	unsigned int avoid = g->cfg->avoid;
	__u32 a;

	switch (below(g, 11)) {
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
		fprintf(g->f, " -m length %s--length %u", not(g, 20), a);
		if (chance(g, 60))
			fprintf(g->f, ":%u", a + below(g, 60));
		break;
	case 3:
		a = chance(g, 50) ? 62 + below(g, 3) : below(g, 256);
		switch (below(g, 3)) {
		case 0:
			fprintf(g->f, " -m ttl %s--ttl-eq %u", not(g, 40), a);
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
			fprintf(g->f, " -m tos %s--tos 0x%02x", not(g, 20), below(g, 4) * 8);
		else
			fprintf(g->f, " -m tos %s--tos 0x%02x/0x%02x", not(g, 20), below(g, 256),
				below(g, 256));
		break;
	case 5:
		fprintf(g->f, " -m dscp %s--dscp 0x%02x", not(g, 30), below(g, 4) * 8);
		break;
	case 6:
		fprintf(g->f, " -m ecn %s--ecn-ip-ect %u", not(g, 30), below(g, 4));
		break;
	case 7:
		if (avoid & GEN_NO_PKTTYPE)
			break;
		fprintf(g->f, " -m pkttype %s--pkt-type %s", not(g, 30), chance(g, 50) ? "unicast" :
			chance(g, 50) ? "broadcast" : "multicast");
		break;
	case 8:
		if ((avoid & GEN_NO_MAC) || (reach & (1u << HOOK_OUTPUT)))
			break;
		fprintf(g->f, " -m mac %s--mac-source 02:00:00:00:00:%02x", not(g, 30), below(g, 4));
		break;
	case 9:
		if (avoid & GEN_NO_MARK)
			break;
		fprintf(g->f, " -m mark %s--mark 0x%x", not(g, 25), g->mark[below(g, 4)]);
		if (chance(g, 40))
			fprintf(g->f, "/0x%x", chance(g, 50) ? 0xf : prng_u32(&g->rnd));
		break;
	case 10:
		fprintf(g->f, " -m comment --comment \"rule %u\"", below(g, 1000));
		break;
	}
}

/* A user chain that chain @c may jump to, or 0. */
static unsigned int pick_chain(struct gen *g, unsigned int c)
{
	unsigned int first = c < NR_HOOKS ? NR_HOOKS : c + 1, to;

	if (first >= NR_HOOKS + g->nr_chains || g->level[c] >= g->cfg->depth)
		return 0;
	to = prng_range(&g->rnd, first, NR_HOOKS + g->nr_chains - 1);
	if (chance(g, 50) && first + 3 < NR_HOOKS + g->nr_chains)
		to = first + below(g, 3);
	g->reach[to] |= g->reach[c];
	if (g->level[to] < g->level[c] + 1)
		g->level[to] = g->level[c] + 1;
	return to;
}

static void put_mark(struct gen *g)
{
	static const char *const how[] = { "--set-mark", "--or-mark", "--and-mark", "--xor-mark" };
	__u32 v = g->mark[below(g, 4)];

	if (chance(g, 50))
		fprintf(g->f, " -j MARK --set-xmark 0x%x/0x%x", v,
			chance(g, 50) ? 0xffffffffu : prng_u32(&g->rnd) & 0xff);
	else
		fprintf(g->f, " -j MARK %s 0x%x", how[below(g, 4)], v);
}

static void put_target(struct gen *g, unsigned int c, bool selective)
{
	unsigned int to;

	if ((!selective || chance(g, 30)) && !chance(g, 3)) {
		switch (below(g, 4)) {
		case 0:
			return;
		case 1:
			if (g->cfg->avoid & GEN_NO_MARK)
				return;
			put_mark(g);
			return;
		default:
			to = pick_chain(g, c);
			if (to)
				fprintf(g->f, " -%c U%u", chance(g, 25) ? 'g' : 'j',
					to - NR_HOOKS);
			return;
		}
	}
	if (chance(g, 8) && c >= NR_HOOKS)
		fputs(" -j RETURN", g->f);
	else if (chance(g, 2))
		fputs(" -j RETURN", g->f);
	else if (chance(g, 10) && !(g->cfg->avoid & GEN_NO_REJECT))
		fputs(" -j REJECT", g->f);
	else
		fputs(chance(g, 50) ? " -j ACCEPT" : " -j DROP", g->f);
}

static void mixed_rule(struct gen *g, unsigned int c)
{
	unsigned int n = 0;

	if (chance(g, 55))
		put_base_addr(g, "-s", true), n++;
	if (chance(g, 45))
		put_base_addr(g, "-d", false), n++;
	if (chance(g, 20) && (c >= NR_HOOKS || c != HOOK_OUTPUT))
		put_iface(g, "-i", g->cfg->in, g->cfg->nr_in);
	if (chance(g, 15) && (c >= NR_HOOKS || c != HOOK_INPUT))
		put_iface(g, "-o", g->cfg->out, g->cfg->nr_out);
	if (chance(g, 65))
		n += put_l4(g);
	if (chance(g, 4) && !(g->cfg->avoid & GEN_NO_FRAG))
		fprintf(g->f, " %s-f", not(g, 40));
	while (chance(g, 25))
		put_other(g, g->reach[c]), n++;
	put_target(g, c, n >= 2);
}

static void tuple_rule(struct gen *g)
{
	const char *proto = chance(g, 60) ? "tcp" : "udp";

	fputs(" -s ", g->f);
	put_addr(g, from_nets(g, g->cfg->src, g->cfg->nr_src));
	fprintf(g->f, "/%u -d ", 16 + below(g, 17));
	put_addr(g, from_nets(g, g->cfg->dst, g->cfg->nr_dst));
	fprintf(g->f, "/%u -p %s -m %s", 16 + below(g, 17), proto, proto);
	put_ports(g);
	fputs(chance(g, 50) ? " -j ACCEPT" : " -j DROP", g->f);
}

static void blacklist_rule(struct gen *g)
{
	fputs(" -s ", g->f);
	put_addr(g, from_nets(g, g->cfg->src, g->cfg->nr_src));
	fputs(chance(g, 90) || (g->cfg->avoid & GEN_NO_REJECT) ? "/32 -j DROP" : "/32 -j REJECT",
	      g->f);
}

static void service_rule(struct gen *g, unsigned int c)
{
	if (c < NR_HOOKS) {
		unsigned int to = pick_chain(g, c);

		if (c != HOOK_OUTPUT && chance(g, 80))
			put_iface(g, "-i", g->cfg->in, g->cfg->nr_in);
		if (to)
			fprintf(g->f, " -j U%u", to - NR_HOOKS);
		return;
	}
	if (chance(g, 50))
		put_base_addr(g, "-d", false);
	fputs(chance(g, 75) ? " -p tcp -m tcp --dport " : " -p udp -m udp --dport ", g->f);
	put_port_range(g);
	fputs(chance(g, 90) ? " -j ACCEPT" : " -j DROP", g->f);
}

static void put_rule(struct gen *g, unsigned int c)
{
	if (c < NR_HOOKS)
		fprintf(g->f, "-A %s", hook_name[c]);
	else
		fprintf(g->f, "-A U%u", c - NR_HOOKS);
	switch (g->cfg->shape) {
	case GEN_BLACKLIST:
		blacklist_rule(g);
		break;
	case GEN_TUPLES:
		tuple_rule(g);
		break;
	case GEN_SERVICES:
		service_rule(g, c);
		break;
	default:
		mixed_rule(g, c);
	}
	fputc('\n', g->f);
}

static void fill_pools(struct gen *g)
{
	unsigned int i;

	for (i = 0; i < POOL; i++) {
		g->saddr[i] = from_nets(g, g->cfg->src, g->cfg->nr_src);
		g->daddr[i] = from_nets(g, g->cfg->dst, g->cfg->nr_dst);
		/* Neighbours, so that prefixes and ranges part them. */
		if (i && chance(g, 40))
			g->saddr[i] = g->saddr[i - 1] ^ (1u << below(g, 8));
		if (i && chance(g, 40))
			g->daddr[i] = g->daddr[i - 1] ^ (1u << below(g, 8));
		g->port[i] = below(g, 65536);
		if (i && chance(g, 30))
			g->port[i] = g->port[i - 1] + 1;
	}
	for (i = 0; i < 4; i++)
		g->mark[i] = chance(g, 70) ? below(g, 16) : prng_u32(&g->rnd);
}

char *genrules(const struct gen_cfg *cfg)
{
	struct gen *g = calloc(1, sizeof(*g));
	unsigned int c, heads = 0, left = cfg->rules, total, last = 0;
	char *text = NULL;
	size_t len;

	if (!g)
		return NULL;
	g->cfg = cfg;
	g->rnd.state = cfg->seed;
	g->nr_chains = cfg->chains < MAX_CHAINS ? cfg->chains : MAX_CHAINS;
	g->f = open_memstream(&text, &len);
	if (!g->f)
		goto out;
	fill_pools(g);
	fputs("*filter\n", g->f);
	for (c = 0; c < NR_HOOKS; c++) {
		g->reach[c] = 1u << c;
		heads += !!(cfg->hooks & (1u << c));
		if (cfg->hooks & (1u << c))
			last = c;
		fprintf(g->f, ":%s %s [0:0]\n", hook_name[c], chance(g, 70) ? "ACCEPT" : "DROP");
	}
	for (c = 0; c < g->nr_chains; c++)
		fprintf(g->f, ":U%u - [0:0]\n", c);

	/* Built-in chains get a double share: they are where every walk starts. */
	total = NR_HOOKS + g->nr_chains;
	if (g->nr_chains)
		last = total - 1;
	for (c = 0; c < total; c++) {
		unsigned int shares = 2 * heads + g->nr_chains, n;

		if (c < NR_HOOKS && !(cfg->hooks & (1u << c)))
			continue;
		n = c == last ? left : cfg->rules * (c < NR_HOOKS ? 2 : 1) / shares;
		if (c < NR_HOOKS && c != last && cfg->shape == GEN_SERVICES)
			n = n < 8 ? n : 8;
		if (n > left)
			n = left;
		left -= n;
		while (n--)
			put_rule(g, c);
	}
	fputs("COMMIT\n", g->f);
	if (fclose(g->f)) {
		free(text);
		text = NULL;
	}
out:
	free(g);
	return text;
}
