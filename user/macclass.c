// SPDX-License-Identifier: GPL-2.0-only
/*
 * macclass.c - Ethernet source addresses as classes
 *
 * Classes follow the sorted addresses, so neighbours make one range. Rules are
 * looked up by binary search: a ruleset names few addresses, or each of them once.
 */
#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <linux/netfilter/xt_mac.h>

#include "array.h"
#include "macclass.h"
#include "ruleset.h"

struct macclasses {
	unsigned char (*addr)[ETH_ALEN];
	size_t n, cap;
};

static int by_addr(const void *a, const void *b)
{
	return memcmp(a, b, ETH_ALEN);
}

static int add_rule(struct macclasses *mc, const struct rule *r)
{
	rule_for_each_match(m, r) {
		const struct xt_mac_info *info = (const void *)m->data;

		if (strcmp(m->u.user.name, "mac") ||
		    m->u.match_size < sizeof(*m) + sizeof(*info))
			continue;
		if (array_room(mc->addr, mc->n + 1, mc->cap))
			return -ENOMEM;
		memcpy(mc->addr[mc->n++], info->srcaddr, ETH_ALEN);
	}
	return 0;
}

/** macclasses_build() - see macclass.h */
struct macclasses *macclasses_build(const struct ruleset *rs)
{
	struct macclasses *mc = calloc(1, sizeof(*mc));
	size_t i, j, n = 0;
	int err = 0;

	if (!mc)
		return NULL;
	for (i = 0; !err && i < rs->nr_chains; i++)
		for (j = 0; !err && j < rs->chains[i]->nr_rules; j++)
			err = add_rule(mc, rs->chains[i]->rules[j]);
	if (!err && mc->n) {
		qsort(mc->addr, mc->n, ETH_ALEN, by_addr);
		for (i = 1; i < mc->n; i++)
			if (memcmp(mc->addr[i], mc->addr[n], ETH_ALEN))
				memmove(mc->addr[++n], mc->addr[i], ETH_ALEN);
		mc->n = n + 1;
		if (mc->n > MAC_CLASS_MAX)	/* the rest: rule_lower() refuses */
			mc->n = MAC_CLASS_MAX;
	}
	if (err) {
		macclasses_free(mc);
		return NULL;
	}
	return mc;
}

/** macclasses_free() - free; NULL is none */
void macclasses_free(struct macclasses *mc)
{
	if (!mc)
		return;
	free(mc->addr);
	free(mc);
}

/** macclass_of() - class of an address, MAC_CLASS_OTHER when no rule names it */
__u16 macclass_of(const struct macclasses *mc, const unsigned char addr[6])
{
	const unsigned char *at = NULL;

	if (mc->n)
		at = bsearch(addr, mc->addr, mc->n, ETH_ALEN, by_addr);
	if (!at)
		return MAC_CLASS_OTHER;
	return MAC_CLASS_FIRST + (at - mc->addr[0]) / ETH_ALEN;
}

/** macclasses_count() - number of addresses that rules name */
size_t macclasses_count(const struct macclasses *mc)
{
	return mc->n;
}

/** macclass_addr() - address number @i, 6 bytes; its class is MAC_CLASS_FIRST + @i */
const unsigned char *macclass_addr(const struct macclasses *mc, size_t i)
{
	return mc->addr[i];
}
