// SPDX-License-Identifier: GPL-2.0-only
/*
 * counts.c - add up and compare two rulesets' counters
 */
#include <stdio.h>

#include "../../tools/refmatch.h"
#include "../../user/ruleset.h"
#include "counts.h"

void counts_add(struct ruleset *rs, int hook, const struct ref_result *res)
{
	for (size_t i = 0; i < res->nr_hits; i++) {
		res->hit[i]->packets++;
		res->hit[i]->bytes += res->bytes;
	}
	if (res->policy) {
		rs->chains[hook]->packets++;
		rs->chains[hook]->bytes += res->bytes;
	}
}

unsigned int counts_differ(const struct ruleset *want, const struct ruleset *got, int hook,
			   const char *who)
{
	unsigned int bad = 0;
	size_t c, i;

	for (c = 0; c < want->nr_chains; c++) {
		const struct chain *w = want->chains[c], *g = got->chains[c];

		if (hook >= 0 && w->hook >= 0 && w->hook != hook)
			continue;
		if (w->packets != g->packets || w->bytes != g->bytes) {
			bad++;
			if (who)
				printf("# policy %s: oracle %llu:%llu %s %llu:%llu\n", w->name,
				       w->packets, w->bytes, who, g->packets, g->bytes);
		}
		for (i = 0; i < w->nr_rules; i++) {
			const struct rule *a = w->rules[i], *b = g->rules[i];

			if (a->packets == b->packets && a->bytes == b->bytes)
				continue;
			bad++;
			if (who)
				printf("# %s rule %zu: oracle %llu:%llu %s %llu:%llu\n", w->name,
				       i + 1, a->packets, a->bytes, who, b->packets, b->bytes);
		}
	}
	return bad;
}
