/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * products.h - rulesets of ready-made products, and their linear evaluation
 *
 * For the tests of the compiler alone: a rule's match list is not parsed, it is a
 * row of struct lowered, found by the rule's slot. rule_lower() and its relatives
 * are defined here in the place of user/lower.c's.
 */
#ifndef BPFIPT_TEST_PRODUCTS_H
#define BPFIPT_TEST_PRODUCTS_H

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "../../progs/abi/counters.h"
#include "../../tools/imgwalk.h"
#include "../../tools/prng.h"
#include "../../user/compile.h"
#include "../../user/macclass.h"

/* --- TAP -------------------------------------------------------------------- */

static int tap_nr, tap_bad;

static void ok(bool good, const char *what)
{
	printf("%sok %d - %s\n", good ? "" : "not ", ++tap_nr, what);
	fflush(stdout);
	tap_bad += !good;
}

static int tap_end(void)
{
	printf("1..%d\n", tap_nr);
	return tap_bad ? 1 : 0;
}

/* --- the ruleset ------------------------------------------------------------ */

static const __u32 key_max[NR_KEYS] = KEY_MAX_TABLE;

/* struct bench - a ruleset under test and what its rules lower to, by slot */
struct bench {
	struct ruleset rs;
	struct lowered *low;
	size_t nr_low;
	size_t cap_low;
};

static struct bench *bench_now;

static void *need(void *p)
{
	if (!p) {
		fprintf(stderr, "out of memory\n");
		exit(1);
	}
	return p;
}

static struct chain *bench_chain(struct bench *b, const char *name, int hook)
{
	struct chain *c = need(calloc(1, sizeof(*c)));

	snprintf(c->name, sizeof(c->name), "%s", name);
	c->hook = hook;
	b->rs.chains = need(realloc(b->rs.chains, (b->rs.nr_chains + 1) * sizeof(c)));
	b->rs.chains[b->rs.nr_chains++] = c;
	return c;
}

static void bench_init(struct bench *b)
{
	memset(b, 0, sizeof(*b));
	bench_chain(b, "INPUT", HOOK_INPUT);
	bench_chain(b, "FORWARD", HOOK_FORWARD);
	bench_chain(b, "OUTPUT", HOOK_OUTPUT);
	bench_now = b;
}

/*
 * bench_rule() - append a rule
 * @always: in the eyes of iptables it has no condition
 * @nr_prod: empty products, for the caller to fill
 */
static struct lowered *bench_rule(struct bench *b, struct chain *c, enum img_act act,
				  struct chain *jump, bool always, size_t nr_prod)
{
	struct {
		struct ipt_entry e;
		struct xt_standard_target t;
	} *entry = need(calloc(1, sizeof(*entry)));
	struct rule *r = need(calloc(1, sizeof(*r)));
	struct lowered *low;

	entry->e.target_offset = sizeof(entry->e);
	entry->e.next_offset = sizeof(*entry);
	entry->e.ip.proto = always ? 0 : 6;
	entry->e.ip.flags = act == ACT_GOTO ? IPT_F_GOTO : 0;
	entry->t.target.u.target_size = sizeof(entry->t);
	entry->t.verdict = act == ACT_ACCEPT ? -2 : act == ACT_DROP ? -1 : -5;
	r->no_target = act == ACT_CONTINUE || act == ACT_MARK;
	r->entry = &entry->e;
	r->jump = jump;
	r->slot = SLOT_FIRST_RULE + b->nr_low;
	if (c->nr_rules == c->cap_rules) {
		c->cap_rules = c->cap_rules ? 2 * c->cap_rules : 16;
		c->rules = need(realloc(c->rules, c->cap_rules * sizeof(r)));
	}
	c->rules[c->nr_rules++] = r;
	if (b->nr_low == b->cap_low) {
		b->cap_low = b->cap_low ? 2 * b->cap_low : 64;
		b->low = need(realloc(b->low, b->cap_low * sizeof(*low)));
	}
	low = &b->low[b->nr_low++];
	*low = (struct lowered){ .act = act, .nr_prod = nr_prod,
				 .prod = need(calloc(nr_prod + 1, sizeof(struct product))) };
	return low;
}

static void product_range(struct product *p, enum fw_key key, __u32 first, __u32 last)
{
	struct fset *s = p->set[key];

	if (!s)
		s = p->set[key] = need(calloc(1, sizeof(*s)));
	s->r = need(realloc(s->r, (s->n + 1) * sizeof(*s->r)));
	s->r[s->n++] = (struct range){ first, last };
}

static void bench_free(struct bench *b)
{
	for (size_t i = 0; i < b->rs.nr_chains; i++) {
		struct chain *c = b->rs.chains[i];

		for (size_t r = 0; r < c->nr_rules; r++) {
			free(c->rules[r]->entry);
			free(c->rules[r]);
		}
		free(c->rules);
		free(c);
	}
	for (size_t i = 0; i < b->nr_low; i++) {
		struct lowered *l = &b->low[i];

		for (size_t p = 0; p < l->nr_prod; p++) {
			for (int key = 0; key < NR_KEYS; key++) {
				if (l->prod[p].set[key])
					free(l->prod[p].set[key]->r);
				free(l->prod[p].set[key]);
			}
			free(l->prod[p].late);
		}
		free(l->prod);
		free(l->params);
	}
	free(b->low);
	free(b->rs.chains);
}

/* --- in the place of lower.c, ifclass.c, macclass.c --------------------------- */

int rule_check(const struct rule *r, unsigned int hooks, struct lower_err *err)
{
	(void)r;
	(void)hooks;
	(void)err;
	return 0;
}

int rule_lower(const struct rule *r, unsigned int hooks, const struct lower_ctx *ctx,
	       struct lowered *out, struct lower_err *err)
{
	(void)hooks;
	(void)ctx;
	(void)err;
	*out = bench_now->low[r->slot - SLOT_FIRST_RULE];
	return 0;
}

void lowered_free(struct lowered *l)
{
	(void)l;	/* the bench owns it */
}

struct ifclasses *ifclasses_build(const struct ruleset *rs, const struct iface *ifs, size_t n)
{
	(void)rs;
	(void)n;
	return (void *)(ifs ? ifs : (const struct iface *)"none");
}

void ifclasses_free(struct ifclasses *ifc)
{
	(void)ifc;
}

__u16 ifclass_in(const struct ifclasses *ifc, size_t i)
{
	(void)ifc;
	return 2 + i;
}

__u16 ifclass_out(const struct ifclasses *ifc, size_t i)
{
	(void)ifc;
	return 3 + i;
}

struct macclasses *macclasses_build(const struct ruleset *rs)
{
	return (void *)rs;
}

void macclasses_free(struct macclasses *mc)
{
	(void)mc;
}

static size_t test_macs;

size_t macclasses_count(const struct macclasses *mc)
{
	(void)mc;
	return test_macs;
}

/* All of one hash: the table must grow, or the ruleset be refused. */
const unsigned char *macclass_addr(const struct macclasses *mc, size_t i)
{
	static unsigned char a[6];

	(void)mc;
	a[0] = a[2] = a[4] = i >> 8;
	a[1] = a[3] = a[5] = i;
	return a;
}

/* --- linear evaluation --------------------------------------------------------- */

/* Every rule as iptables would take it, one product after the other. */
struct linear {
	__u32 key[NR_KEYS];
	__u32 *slot;
	size_t nr_slots;
	size_t cap_slots;
	enum imgwalk_verdict verdict;
	bool done;
};

static bool set_has(const struct fset *s, __u32 key)
{
	for (size_t i = 0; i < s->n; i++)
		if (s->r[i].first <= key && key <= s->r[i].last)
			return true;
	return false;
}

/* Late records of the tests: a function of their parameter and the packet. */
static enum imgwalk_late test_late(const struct img_late *rec, void *ctx)
{
	const __u32 *key = ctx;
	bool match = (rec->data[0] ^ key[KEY_SADDR] ^ key[KEY_DADDR]) % 3 != 0;

	return match != !!(rec->op & LATE_NOT) ? IMGWALK_MATCH : IMGWALK_NO_MATCH;
}

static enum imgwalk_late product_match(const struct product *p, struct linear *l)
{
	__u32 form = HOTDROP(l->key[KEY_L4] >> 8);
	enum imgwalk_late res = IMGWALK_MATCH;

	for (int key = 0; key < NR_KEYS; key++)
		if (p->set[key] && !set_has(p->set[key], l->key[key]))
			return IMGWALK_NO_MATCH;
	if (p->hotdrop & form)
		return IMGWALK_LATE_HOTDROP;
	for (size_t at = 0; at < p->late_words && res == IMGWALK_MATCH;) {
		const struct img_late *rec = (const void *)(p->late + at);

		res = test_late(rec, l->key);
		at += rec->words;
	}
	return res;
}

static void linear_count(struct linear *l, __u32 slot)
{
	if (l->nr_slots == l->cap_slots) {
		l->cap_slots = l->cap_slots ? 2 * l->cap_slots : 64;
		l->slot = need(realloc(l->slot, l->cap_slots * sizeof(slot)));
	}
	l->slot[l->nr_slots++] = slot;
}

static void linear_end(struct linear *l, enum imgwalk_verdict v)
{
	l->verdict = v;
	l->done = true;
}

static void linear_chain(const struct bench *b, const struct chain *c, struct linear *l)
{
	for (size_t r = 0; r < c->nr_rules; r++) {
		const struct rule *rule = c->rules[r];
		const struct lowered *low = &b->low[rule->slot - SLOT_FIRST_RULE];

		for (size_t p = 0; p < low->nr_prod; p++) {
			enum imgwalk_late m = product_match(&low->prod[p], l);

			if (m == IMGWALK_NO_MATCH)
				continue;
			if (m == IMGWALK_LATE_HOTDROP) {
				linear_end(l, IMGWALK_HOTDROP);
				return;
			}
			linear_count(l, rule->slot);
			if (low->act == ACT_ACCEPT || low->act == ACT_DROP) {
				linear_end(l, low->act == ACT_ACCEPT ? IMGWALK_ACCEPT
								     : IMGWALK_DROP);
				return;
			}
			if (low->act == ACT_RETURN)
				return;
			if (low->act == ACT_MARK)
				l->key[KEY_MARK] = (l->key[KEY_MARK] & ~low->arg2) ^ low->arg;
			if (rule->jump)
				linear_chain(b, rule->jump, l);
			if (l->done || low->act == ACT_GOTO)
				return;
		}
	}
}

static inline void linear_run(const struct bench *b, enum fw_hook hook, struct linear *l)
{
	const struct chain *c = b->rs.chains[hook];

	l->nr_slots = 0;
	l->done = false;
	linear_chain(b, c, l);
	if (!l->done) {
		l->verdict = c->drop ? IMGWALK_DROP : IMGWALK_ACCEPT;
		linear_count(l, SLOT_POLICY(hook));
	}
}

#endif /* BPFIPT_TEST_PRODUCTS_H */
