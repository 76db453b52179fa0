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
#include <unistd.h>

#include "genrules_int.h"

static const char *const hook_name[NR_HOOKS] = { "INPUT", "FORWARD", "OUTPUT" };

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
			gen_put_mark(g);
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
		gen_put_base_addr(g, "-s", true), n++;
	if (chance(g, 45))
		gen_put_base_addr(g, "-d", false), n++;
	if (chance(g, 20) && (c >= NR_HOOKS || c != HOOK_OUTPUT))
		gen_put_iface(g, "-i", g->cfg->in, g->cfg->nr_in);
	if (chance(g, 15) && (c >= NR_HOOKS || c != HOOK_INPUT))
		gen_put_iface(g, "-o", g->cfg->out, g->cfg->nr_out);
	if (chance(g, 65))
		n += gen_put_l4(g);
	if (chance(g, 4) && !(g->cfg->avoid & GEN_NO_FRAG))
		fprintf(g->f, " %s-f", maybe_not(g, 40));
	while (chance(g, 25))
		gen_put_other(g, g->reach[c]), n++;
	put_target(g, c, n >= 2);
}

static void tuple_rule(struct gen *g)
{
	const char *proto = chance(g, 60) ? "tcp" : "udp";

	fputs(" -s ", g->f);
	gen_put_addr(g, gen_from_nets(g, g->cfg->src, g->cfg->nr_src));
	fprintf(g->f, "/%u -d ", 16 + below(g, 17));
	gen_put_addr(g, gen_from_nets(g, g->cfg->dst, g->cfg->nr_dst));
	fprintf(g->f, "/%u -p %s -m %s", 16 + below(g, 17), proto, proto);
	gen_put_ports(g);
	fputs(chance(g, 50) ? " -j ACCEPT" : " -j DROP", g->f);
}

static void blacklist_rule(struct gen *g)
{
	fputs(" -s ", g->f);
	gen_put_addr(g, gen_from_nets(g, g->cfg->src, g->cfg->nr_src));
	fputs(chance(g, 90) || (g->cfg->avoid & GEN_NO_REJECT) ? "/32 -j DROP" : "/32 -j REJECT",
	      g->f);
}

static void service_rule(struct gen *g, unsigned int c)
{
	if (c < NR_HOOKS) {
		unsigned int to = pick_chain(g, c);

		if (c != HOOK_OUTPUT && chance(g, 80))
			gen_put_iface(g, "-i", g->cfg->in, g->cfg->nr_in);
		if (to)
			fprintf(g->f, " -j U%u", to - NR_HOOKS);
		return;
	}
	if (chance(g, 50))
		gen_put_base_addr(g, "-d", false);
	fputs(chance(g, 75) ? " -p tcp -m tcp --dport " : " -p udp -m udp --dport ", g->f);
	gen_put_port_range(g);
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
		g->saddr[i] = gen_from_nets(g, g->cfg->src, g->cfg->nr_src);
		g->daddr[i] = gen_from_nets(g, g->cfg->dst, g->cfg->nr_dst);
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

/* One ClassBench line as a rule; nothing when it is not one. */
static void classbench_rule(FILE *f, const char *line, const char *hook, bool accept)
{
	unsigned int s[5], d[5], sp[2], dp[2], proto, proto_mask, flags = 0, flags_mask = 0;
	const char *name;

	if (sscanf(line, "@%u.%u.%u.%u/%u %u.%u.%u.%u/%u %u : %u %u : %u %x/%x %x/%x",
		   &s[0], &s[1], &s[2], &s[3], &s[4], &d[0], &d[1], &d[2], &d[3], &d[4],
		   &sp[0], &sp[1], &dp[0], &dp[1], &proto, &proto_mask, &flags, &flags_mask) < 16)
		return;
	fprintf(f, "-A %s -s %u.%u.%u.%u/%u -d %u.%u.%u.%u/%u", hook, s[0], s[1], s[2], s[3], s[4],
		d[0], d[1], d[2], d[3], d[4]);
	name = !proto_mask ? NULL : proto == 6 ? "tcp" : proto == 17 ? "udp" : NULL;
	if (name) {
		fprintf(f, " -p %s -m %s --sport %u:%u --dport %u:%u", name, name, sp[0], sp[1],
			dp[0], dp[1]);
		if (proto == 6 && (flags_mask & 0x17) == 0x02)
			fprintf(f, " --tcp-flags SYN %s", flags & 0x02 ? "SYN" : "NONE");
	} else if (proto_mask && proto) {
		fprintf(f, " -p %u", proto);
	}
	fprintf(f, " -j %s\n", accept ? "ACCEPT" : "DROP");
}

char *genrules_classbench(const char *path, unsigned int max_rules, const char *hook, __u64 seed)
{
	struct prng rnd = { seed };
	char line[256], cmd[512], *text = NULL;
	FILE *in, *f;
	size_t len;
	int n;

	n = snprintf(cmd, sizeof(cmd), "gzip -dcf -- '%s'", path);
	if (n >= (int)sizeof(cmd) || strchr(path, '\'')) {
		errno = EINVAL;
		return NULL;
	}
	if (access(path, R_OK))
		return NULL;
	in = popen(cmd, "r");
	if (!in)
		return NULL;
	f = open_memstream(&text, &len);
	if (!f) {
		pclose(in);
		return NULL;
	}
	fprintf(f, "*filter\n:INPUT ACCEPT [0:0]\n:FORWARD ACCEPT [0:0]\n:OUTPUT ACCEPT [0:0]\n");
	while (max_rules-- && fgets(line, sizeof(line), in))
		classbench_rule(f, line, hook, prng_percent(&rnd, 50));
	fputs("COMMIT\n", f);
	/* Its end may have been left unread: how gzip ends says nothing. */
	pclose(in);
	if (fclose(f)) {
		free(text);
		return NULL;
	}
	return text;
}
