/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * genrules_int.h - between the ruleset generator's chains (genrules.c) and its
 * matches (genrules_match.c)
 */
#ifndef BPFIPT_GENRULES_INT_H
#define BPFIPT_GENRULES_INT_H

#include <stdio.h>

#include "../progs/abi/packet.h"
#include "genrules.h"
#include "prng.h"

#define POOL		10
#define MAX_CHAINS	512

/*
 * struct gen - a ruleset being written
 * @saddr, @daddr, @port, @mark: this ruleset's values
 * @reach:	by chain: hooks that get there, as bits
 * @level:	by chain: deepest nesting at which it is entered
 */
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

static inline bool chance(struct gen *g, unsigned int percent)
{
	return prng_percent(&g->rnd, percent);
}

static inline __u32 below(struct gen *g, __u32 n)
{
	return prng_below(&g->rnd, n);
}

/* "! " in so many percent of cases */
static inline const char *maybe_not(struct gen *g, unsigned int percent)
{
	return chance(g, percent) ? "! " : "";
}

__u32 gen_from_nets(struct gen *g, const struct gen_net *net, size_t n);
void gen_put_addr(struct gen *g, __u32 a);
void gen_put_base_addr(struct gen *g, const char *opt, bool src);	/* -s, -d */
void gen_put_iface(struct gen *g, const char *opt, const char *const *name, size_t n);
void gen_put_port_range(struct gen *g);
void gen_put_ports(struct gen *g);					/* --sport, --dport */
void gen_put_mark(struct gen *g);					/* -j MARK */

void gen_put_payload(struct gen *g);					/* u32, string */
void gen_put_tcpmss(struct gen *g);

/* The protocol and the matches that need one. Return: conditions written. */
unsigned int gen_put_l4(struct gen *g);

/* One of the matches that need no protocol, fit for a chain of those hooks. */
void gen_put_other(struct gen *g, unsigned int reach);

#endif /* BPFIPT_GENRULES_INT_H */
