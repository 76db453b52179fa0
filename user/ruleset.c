// SPDX-License-Identifier: GPL-2.0-only
/*
 * ruleset.c - the filter table as a value, in memory
 *
 * chains[0..2] are INPUT, FORWARD, OUTPUT, then the user chains in strcmp order:
 * a lookup is a binary search, and printing needs no sort. Jumps are pointers,
 * so a rename touches one chain and no rule.
 */
#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "array.h"
#include "ruleset.h"

static const char *const hook_names[NR_HOOKS] = {
	[HOOK_INPUT]	= "INPUT",
	[HOOK_FORWARD]	= "FORWARD",
	[HOOK_OUTPUT]	= "OUTPUT",
};

/* Index of the first user chain that is not before @name. */
static size_t lower_bound(const struct ruleset *rs, const char *name)
{
	size_t lo = NR_HOOKS, hi = rs->nr_chains;

	while (lo < hi) {
		size_t mid = lo + (hi - lo) / 2;

		if (strcmp(rs->chains[mid]->name, name) < 0)
			lo = mid + 1;
		else
			hi = mid;
	}
	return lo;
}

static struct chain *chain_new(const char *name, int hook)
{
	struct chain *c;

	if (strlen(name) >= sizeof(c->name))
		return NULL;
	c = calloc(1, sizeof(*c));
	if (!c)
		return NULL;
	strcpy(c->name, name);
	c->hook = hook;
	return c;
}

static int insert_chain(struct ruleset *rs, struct chain *c, size_t at)
{
	if (array_room(rs->chains, rs->nr_chains + 1, rs->cap_chains))
		return -ENOMEM;
	memmove(&rs->chains[at + 1], &rs->chains[at],
		(rs->nr_chains - at) * sizeof(*rs->chains));
	rs->chains[at] = c;
	rs->nr_chains++;
	return 0;
}

static void unlink_chain(struct ruleset *rs, size_t at)
{
	rs->nr_chains--;
	memmove(&rs->chains[at], &rs->chains[at + 1],
		(rs->nr_chains - at) * sizeof(*rs->chains));
}

/**
 * ruleset_new() - three empty built-in chains, policy ACCEPT
 *
 * Return: the ruleset, NULL when out of memory.
 */
struct ruleset *ruleset_new(void)
{
	struct ruleset *rs = calloc(1, sizeof(*rs));

	if (!rs)
		return NULL;
	for (int h = 0; h < NR_HOOKS; h++) {
		struct chain *c = chain_new(hook_names[h], h);

		if (!c || insert_chain(rs, c, h)) {
			free(c);
			ruleset_free(rs);
			return NULL;
		}
	}
	return rs;
}

/** ruleset_free() - free a ruleset and all it holds; NULL is fine */
void ruleset_free(struct ruleset *rs)
{
	if (!rs)
		return;
	for (size_t i = 0; i < rs->nr_chains; i++) {
		chain_flush(rs->chains[i]);
		free(rs->chains[i]->rules);
		free(rs->chains[i]);
	}
	free(rs->chains);
	free(rs->named);
	free(rs->block);
	free(rs);
}

/**
 * ruleset_find() - the chain of that name
 *
 * Return: the chain, NULL when there is none.
 */
struct chain *ruleset_find(const struct ruleset *rs, const char *name)
{
	size_t at;

	for (at = 0; at < NR_HOOKS; at++)
		if (!strcmp(rs->chains[at]->name, name))
			return rs->chains[at];
	at = lower_bound(rs, name);
	if (at < rs->nr_chains && !strcmp(rs->chains[at]->name, name))
		return rs->chains[at];
	return NULL;
}

/**
 * ruleset_add_chain() - a new empty user chain
 * @name:	not in use, shorter than CHAIN_NAME_MAX
 *
 * Return: the chain, NULL when out of memory.
 */
struct chain *ruleset_add_chain(struct ruleset *rs, const char *name)
{
	struct chain *c = chain_new(name, -1);

	if (c && insert_chain(rs, c, lower_bound(rs, name))) {
		free(c);
		return NULL;
	}
	return c;
}

/** ruleset_del_chain() - remove a user chain that nothing refers to, with its rules */
void ruleset_del_chain(struct ruleset *rs, struct chain *c)
{
	unlink_chain(rs, lower_bound(rs, c->name));
	chain_flush(c);
	free(c->rules);
	free(c);
}

/**
 * ruleset_rename_chain() - rename a user chain, references follow
 * @name:	not in use, shorter than CHAIN_NAME_MAX
 *
 * Return: 0, -EINVAL for a name that does not fit.
 */
int ruleset_rename_chain(struct ruleset *rs, struct chain *c, const char *name)
{
	if (strlen(name) >= CHAIN_NAME_MAX)
		return -EINVAL;
	unlink_chain(rs, lower_bound(rs, c->name));
	memset(c->name, 0, sizeof(c->name));
	strcpy(c->name, name);
	return insert_chain(rs, c, lower_bound(rs, name));
}

/** ruleset_references() - how many rules jump or go to @c */
size_t ruleset_references(const struct ruleset *rs, const struct chain *c)
{
	size_t n = 0;

	for (size_t i = 0; i < rs->nr_chains; i++)
		for (size_t j = 0; j < rs->chains[i]->nr_rules; j++)
			n += rs->chains[i]->rules[j]->jump == c;
	return n;
}

/** rule_new() - an empty rule, with @entry_bytes of zeros for its entry; NULL: no memory */
struct rule *rule_new(size_t entry_bytes)
{
	struct rule *r = calloc(1, sizeof(*r) + entry_bytes);

	if (r)
		r->entry = (void *)(r + 1);
	return r;
}

/** rule_free() - free a rule and its entry; NULL is fine */
void rule_free(struct rule *r)
{
	if (r && !r->in_block)
		free(r);
}

/** chain_reserve() - room for @rules in an empty chain. Return: 0, -ENOMEM. */
int chain_reserve(struct chain *c, size_t rules)
{
	if (!rules)
		return 0;
	c->rules = malloc(rules * sizeof(*c->rules));
	c->cap_rules = c->rules ? rules : 0;
	return c->rules ? 0 : -ENOMEM;
}

/**
 * chain_insert_rule() - put a rule in its place
 * @index:	0..c->nr_rules; the latter appends, in amortised constant time
 * @r:		owned by the chain from now on
 *
 * Return: 0, -ENOMEM.
 */
int chain_insert_rule(struct chain *c, size_t index, struct rule *r)
{
	if (array_room(c->rules, c->nr_rules + 1, c->cap_rules))
		return -ENOMEM;
	memmove(&c->rules[index + 1], &c->rules[index],
		(c->nr_rules - index) * sizeof(*c->rules));
	c->rules[index] = r;
	c->nr_rules++;
	return 0;
}

/** chain_take_rule() - unlink rule @index; the caller frees it */
struct rule *chain_take_rule(struct chain *c, size_t index)
{
	struct rule *r = c->rules[index];

	c->nr_rules--;
	memmove(&c->rules[index], &c->rules[index + 1],
		(c->nr_rules - index) * sizeof(*c->rules));
	return r;
}

/** chain_flush() - free every rule of a chain */
void chain_flush(struct chain *c)
{
	for (size_t i = 0; i < c->nr_rules; i++)
		rule_free(c->rules[i]);
	c->nr_rules = 0;
}
