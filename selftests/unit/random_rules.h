/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * random_rules.h - random rulesets of ready-made products, and packets aimed at them
 */
#ifndef BPFIPT_TEST_RANDOM_RULES_H
#define BPFIPT_TEST_RANDOM_RULES_H

#include "products.h"
#include "../../user/classes.h"

/* struct shape - what random rules look like */
struct shape {
	unsigned int rules;
	unsigned int chains;
	unsigned int constrained;	/* percent of (rule, key) pairs, sparse keys less */
	unsigned int values;		/* pool per key: few values collide often */
	unsigned int packets;
	const struct class_limits *lim;
};

static bool sparse_key(enum fw_key key)
{
	return key > KEY_DPORT;
}

static __u32 random_key(struct prng *r, enum fw_key key, unsigned int values)
{
	__u32 v = prng_below(r, values);

	if (prng_percent(r, 10))
		return prng_percent(r, 50) ? key_max[key] : 0;
	if (key == KEY_L4)
		return L4_KEY(prng_percent(r, 80) ? 0 : prng_below(r, NR_FORMS), v % 20);
	/* spread the pool over the universe */
	return (__u32)((__u64)v * 0x9e3779b1u) % ((__u64)key_max[key] + 1);
}

static int range_cmp(const void *a, const void *b)
{
	const struct range *x = a, *y = b;

	return x->first < y->first ? -1 : x->first > y->first;
}

/* Up to four ranges, put in order and made disjoint. */
static void random_set(struct prng *r, struct product *p, enum fw_key key, unsigned int values)
{
	struct range tmp[4];
	unsigned int n = 1 + (prng_percent(r, 20) ? prng_below(r, 4) : 0);
	__u64 next = 0;

	for (unsigned int i = 0; i < n; i++) {
		__u32 v = random_key(r, key, values);
		__u32 span = prng_percent(r, 50) ? 0 : prng_u32(r) >> prng_below(r, 32);

		tmp[i].first = v;
		tmp[i].last = span > key_max[key] - v ? key_max[key] : v + span;
	}
	qsort(tmp, n, sizeof(tmp[0]), range_cmp);
	for (unsigned int i = 0; i < n; i++) {
		if (tmp[i].first < next)
			continue;
		product_range(p, key, tmp[i].first, tmp[i].last);
		next = (__u64)tmp[i].last + 2;
	}
}

static void random_late(struct prng *r, struct product *p)
{
	unsigned int n = 1 + prng_below(r, 2);

	p->late = need(calloc(2 * n, sizeof(*p->late)));
	p->late_words = 2 * n;
	for (unsigned int i = 0; i < n; i++) {
		struct img_late *rec = (void *)(p->late + 2 * i);

		rec->op = LATE_STATISTIC | (prng_percent(r, 30) ? LATE_NOT : 0);
		rec->words = 2;
		rec->data[0] = prng_u32(r);
	}
}

static void random_product(struct prng *r, struct product *p, const struct shape *s)
{
	for (int key = 0; key < NR_KEYS; key++) {
		unsigned int pc = sparse_key(key) ? s->constrained / 8 : s->constrained;

		if (prng_percent(r, pc))
			random_set(r, p, key, s->values);
	}
	if (prng_percent(r, 3))
		p->hotdrop = HOTDROP(FORM_SHORT) | HOTDROP(FORM_STUB);
	if (prng_percent(r, 5))
		random_late(r, p);
	if (prng_percent(r, 1))
		product_range(p, KEY_TTL, 1, 0), p->set[KEY_TTL]->n = 0;	/* never */
}

static void random_rule(struct prng *r, struct bench *b, size_t chain, const struct shape *s)
{
	struct chain *c = b->rs.chains[chain], *jump = NULL;
	size_t from = chain < NR_HOOKS ? NR_HOOKS : chain + 1;
	unsigned int roll = prng_below(r, 100);
	bool always = prng_percent(r, 1);
	enum img_act act = ACT_CONTINUE;
	struct lowered *low;

	if (roll < 30)
		act = ACT_ACCEPT;
	else if (roll < 50)
		act = ACT_DROP;
	else if (roll < 57)
		act = ACT_RETURN;
	else if (roll < 65)
		act = ACT_MARK;
	else if (roll < 80 && from < b->rs.nr_chains) {
		act = roll < 75 ? ACT_JUMP : ACT_GOTO;
		jump = b->rs.chains[from + prng_below(r, b->rs.nr_chains - from)];
	}
	low = bench_rule(b, c, act, jump, always, always || prng_percent(r, 90) ? 1 :
			 prng_below(r, 4));
	if (act == ACT_MARK) {
		low->img_flags = IMG_F_MARK;
		low->arg2 = 0xff;
		low->arg = prng_below(r, 4);
	}
	if (!always)
		for (size_t p = 0; p < low->nr_prod; p++)
			random_product(r, &low->prod[p], s);
}

static void random_ruleset(struct prng *r, struct bench *b, const struct shape *s)
{
	bench_init(b);
	for (unsigned int i = 0; i < s->chains; i++) {
		char name[32];

		snprintf(name, sizeof(name), "c%05u", i);
		bench_chain(b, name, -1);
	}
	for (int h = 0; h < NR_HOOKS; h++)
		b->rs.chains[h]->drop = prng_percent(r, 50);
	for (unsigned int i = 0; i < s->rules; i++)
		random_rule(r, b, prng_below(r, b->rs.nr_chains), s);
}

/* A packet that has a fair chance: keys of some rule's product, then noise. */
static void random_packet(struct prng *r, const struct bench *b, const struct shape *s, __u32 *key)
{
	const struct lowered *low = b->nr_low ? &b->low[prng_below(r, b->nr_low)] : NULL;
	const struct product *p = low && low->nr_prod ? &low->prod[prng_below(r, low->nr_prod)]
						      : NULL;

	for (int k = 0; k < NR_KEYS; k++) {
		const struct fset *set = p && prng_percent(r, 95) ? p->set[k] : NULL;

		if (set && set->n) {
			const struct range *g = &set->r[prng_below(r, set->n)];

			key[k] = prng_percent(r, 50) ? g->first : prng_percent(r, 50) ? g->last :
				 g->last < key_max[k] && prng_percent(r, 10) ? g->last + 1 :
				 prng_range(r, g->first, g->last);
		} else {
			key[k] = prng_percent(r, 90) ? random_key(r, k, s->values)
						     : prng_range(r, 0, key_max[k]);
		}
	}
}

/* A whole header has every field that its protocol has (parse_l4): no key is NONE. */
static void whole_keys(__u32 *key)
{
	switch (key[KEY_L4]) {
	case L4_KEY(FORM_WHOLE, 6):
		key[KEY_TCPFLAGS] &= 0xff;
		/* fallthrough */
	case L4_KEY(FORM_WHOLE, 17):
	case L4_KEY(FORM_WHOLE, 33):
	case L4_KEY(FORM_WHOLE, 132):
	case L4_KEY(FORM_WHOLE, 136):
		key[KEY_SPORT] &= 0xffff;
		key[KEY_DPORT] &= 0xffff;
		break;
	case L4_KEY(FORM_WHOLE, 1):
		key[KEY_ICMP] &= 0xffff;
		break;
	}
}

static bool same_result(const struct imgwalk *w, const struct linear *l)
{
	return w->verdict == l->verdict && w->nr_slots == l->nr_slots &&
	       (!w->nr_slots || !memcmp(w->slot, l->slot, w->nr_slots * sizeof(*w->slot)));
}

/* Compiles and compares; prints what differs. */
static bool check_packets(struct prng *r, const struct bench *b, const struct shape *s,
			  const struct image *img)
{
	struct imgwalk w = { .late = test_late };
	struct linear l = { 0 };
	bool good = true;

	for (unsigned int i = 0; i < s->packets && good; i++) {
		enum fw_hook hook = prng_below(r, NR_HOOKS);

		random_packet(r, b, s, w.key);
		whole_keys(w.key);
		memcpy(l.key, w.key, sizeof(l.key));
		w.ctx = l.key;
		if (imgwalk(img->word, hook, &w))
			return false;
		linear_run(b, hook, &l);
		good = same_result(&w, &l);
		if (!good)
			printf("# packet %u hook %d: image verdict %d, %zu slots; linear %d, %zu\n",
			       i, hook, w.verdict, w.nr_slots, l.verdict, l.nr_slots);
	}
	free(w.slot);
	free(l.slot);
	return good;
}

static struct shape shape_of(__u64 seed, unsigned int rules)
{
	static const struct class_limits no_cross = {
		.forced = 1u << 20, .words = 1u << 18, .vectors = IMG_MAX_VECTORS,
	};
	static const struct class_limits few = {
		.l4 = 64, .any = 64, .forced = 64, .words = 1u << 18, .vectors = 3,
	};
	struct shape s = {
		.rules = rules,
		.chains = seed % 4 * rules / 40,
		.constrained = 10 + seed % 5 * 15,
		.values = 2 + seed % 7 * 10 + rules / 20,
		.packets = 400 + 200000 / (rules + 10),
		.lim = seed % 3 == 1 ? &no_cross : seed % 3 == 2 ? &few : NULL,
	};

	return s;
}

#endif /* BPFIPT_TEST_RANDOM_RULES_H */
