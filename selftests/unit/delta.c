// SPDX-License-Identifier: GPL-2.0-only
/*
 * delta.c - images with a delta against the linear evaluation of their rules
 *
 *	delta [SEED [RULES]]	one random ruleset instead of all the tests
 *
 * A random ruleset is compiled, then edited: rules are appended, inserted, deleted,
 * replaced, chains made and jumped to. After each few edits delta_compile() makes an
 * image from the one before. image_verify() must accept it, tools/imgwalk.c must find the
 * verdict and the counted slots of the linear evaluation, and what the header says of
 * the whole must be what a compilation of everything says.
 */
#include "random_rules.h"

/* What became of the edits of a run. */
struct tally {
	unsigned int deltas;
	unsigned int whole;
	unsigned int linked;
};

static void rule_drop(struct chain *c, size_t at)
{
	free(c->rules[at]->entry);
	free(c->rules[at]);
	memmove(&c->rules[at], &c->rules[at + 1], (--c->nr_rules - at) * sizeof(c->rules[0]));
}

/* Moves the last rule of a chain to @at. */
static void rule_move(struct chain *c, size_t at)
{
	struct rule *r = c->rules[c->nr_rules - 1];

	memmove(&c->rules[at + 1], &c->rules[at], (c->nr_rules - 1 - at) * sizeof(r));
	c->rules[at] = r;
}

static void random_edit(struct prng *r, struct bench *b, const struct shape *s)
{
	size_t chain = prng_percent(r, 50) ? prng_below(r, NR_HOOKS)
					   : prng_below(r, b->rs.nr_chains);
	struct chain *c = b->rs.chains[chain];
	unsigned int roll = prng_below(r, 100);
	size_t at = c->nr_rules ? prng_below(r, c->nr_rules) : 0;

	if (roll < 3) {
		bench_chain(b, "new", -1);
		return;
	}
	if (roll < 35 && c->nr_rules) {
		rule_drop(c, at);
		if (roll < 20)
			return;
	} else if (roll < 65) {
		at = c->nr_rules;
	}
	random_rule(r, b, chain, s);
	c->rules[c->nr_rules - 1]->set_counters = true;
	rule_move(c, at);
}

/* An image must say of the whole ruleset what a compilation of all of it says. */
static bool same_header(const struct bench *b, const struct shape *s, const struct image *img)
{
	const struct img_hdr *h = (const void *)img->word, *w;
	struct lower_err err;
	struct image whole;
	bool same;

	if (compile_limited(&b->rs, NULL, 0, s->lim, &whole, &err))
		return false;
	w = (const void *)whole.word;
	same = (h->flags & ~IMG_F_LINKED) == w->flags && !memcmp(h->fast, w->fast, sizeof(h->fast));
	for (int i = 0; i < NR_HOOKS; i++)
		same &= h->hook[i].policy == w->hook[i].policy &&
			h->hook[i].slot == w->hook[i].slot &&
			(h->hook[i].start == h->hook[i].end) == (w->hook[i].start == w->hook[i].end);
	if (!same)
		printf("# flags %#x, whole %#x; fast %#x %#x %#x, whole %#x %#x %#x\n", h->flags,
		       w->flags, h->fast[0], h->fast[1], h->fast[2], w->fast[0], w->fast[1],
		       w->fast[2]);
	image_free(&whole);
	return same;
}

/* Replaces @img by the image of what the ruleset is now. */
static bool follow(struct prng *r, struct bench *b, const struct shape *s, struct image *img,
		   struct tally *t)
{
	struct image new, again;
	struct lower_err err;
	bool same;
	int ret;

	for (size_t c = 0; c < b->rs.nr_chains; c++)
		b->rs.chains[c]->index = c;
	ret = delta_compile(&b->rs, NULL, 0, (const struct img_hdr *)img->word, &new);
	if (ret == -EAGAIN) {
		t->whole++;
		image_free(img);
		return !compile_limited(&b->rs, NULL, 0, s->lim, img, &err);
	}
	if (ret)
		return false;
	t->deltas++;
	t->linked += !!(((const struct img_hdr *)new.word)->flags & IMG_F_LINKED);
	same = !delta_compile(&b->rs, NULL, 0, (const struct img_hdr *)new.word, &again) &&
	       again.words == new.words && !memcmp(again.word, new.word, new.words * 4);
	image_free(&again);
	image_free(img);
	*img = new;
	if (!same)
		printf("# a delta from the delta gives other bytes\n");
	if (image_verify(img->word, img->words) || image_verify_delta(img->word, img->words)) {
		printf("# image_verify refuses the image\n");
		return false;
	}
	return same && same_header(b, s, img) && check_packets(r, b, s, img);
}

static bool run_random(__u64 seed, const struct shape *shape, struct tally *t)
{
	struct class_limits lim = shape->lim ? *shape->lim : class_limits_default;
	struct shape s = *shape;
	struct prng r = { seed };
	struct lower_err err;
	struct image img;
	struct bench b;
	bool good;

	lim.delta_from = 0;
	s.lim = &lim;
	s.packets /= 10;
	random_ruleset(&r, &b, &s);
	good = !compile_limited(&b.rs, NULL, 0, s.lim, &img, &err);
	for (unsigned int i = 0; i < 40 && good; i++) {
		for (unsigned int edits = 1 + prng_below(&r, 3); edits; edits--)
			random_edit(&r, &b, &s);
		good = follow(&r, &b, &s, &img, t);
	}
	image_free(&img);
	bench_free(&b);
	if (!good)
		printf("# seed %llu, %u rules: build/selftests/unit/delta %llu %u\n",
		       (unsigned long long)seed, s.rules, (unsigned long long)seed, s.rules);
	return good;
}

static void test_random(const char *what, __u64 seed, unsigned int rulesets, unsigned int rules)
{
	struct prng r = { seed };
	struct tally t = { 0 };
	bool good = true;

	for (unsigned int i = 0; i < rulesets && good; i++) {
		__u64 one = prng_u32(&r);
		unsigned int n = prng_range(&r, rules / 2, rules);
		struct shape s = shape_of(one, n);

		good = run_random(one, &s, &t);
	}
	printf("# %u deltas, %u of them linked; %u times the whole\n", t.deltas, t.linked, t.whole);
	ok(good && t.deltas > t.whole && t.linked > t.deltas / 2, what);
}

/* Three rules in INPUT, one of them inserted. */
static bool small_delta(struct bench *b, struct image *img)
{
	static const struct class_limits lim = { .any = 1, .vectors = IMG_MAX_VECTORS };
	struct lower_err err;
	struct image base;
	struct chain *c;
	bool good;

	bench_init(b);
	c = b->rs.chains[HOOK_INPUT];
	for (__u32 i = 0; i < 2; i++)
		product_range(&bench_rule(b, c, ACT_CONTINUE, NULL, false, 1)->prod[0], KEY_SADDR,
			      i, i + 1);
	if (compile_limited(&b->rs, NULL, 0, &lim, &base, &err))
		return false;
	product_range(&bench_rule(b, c, ACT_DROP, NULL, false, 1)->prod[0], KEY_SADDR, 1, 1);
	rule_move(c, 1);
	good = !delta_compile(&b->rs, NULL, 0, (const struct img_hdr *)base.word, img);
	image_free(&base);
	return good;
}

/* The worked example of abi/image.h, smaller: base, delta, base. */
static void test_layout(void)
{
	const struct img_action *act;
	const struct img_hdr *h;
	struct image img = { 0 };
	struct bench b;
	bool good = small_delta(&b, &img);

	h = (const void *)img.word;
	act = (const void *)(img.word + (good ? h->actions : 0));
	good = good && h->nr_positions == 3 && h->part[PART_DELTA].start == 2 &&
	       h->hook[HOOK_INPUT].start == 0 && h->hook[HOOK_INPUT].end == 1 &&
	       act[0].chain_end == 1 && act[0].next == 2 + 1 && act[2].chain_end == 3 &&
	       act[2].next == 1 + 1 && act[1].chain_end == 2 && !act[1].next;
	ok(good, "an insertion splits the base around the delta");
	image_free(&img);
	bench_free(&b);
}

static bool refused(const struct image *img, __u32 pos, __u32 next, __u32 end)
{
	struct img_action *act = (struct img_action *)(img->word +
				 ((const struct img_hdr *)img->word)->actions) + pos;
	struct img_action was = *act;
	bool bad;

	act->next = next;
	act->chain_end = end;
	bad = image_verify(img->word, img->words) && image_verify_delta(img->word, img->words);
	*act = was;
	return bad && !image_verify(img->word, img->words);
}

static void test_damage(void)
{
	struct image img = { 0 };
	struct bench b;
	bool good = small_delta(&b, &img);

	ok(good && refused(&img, 1, 0 + 1, 2), "a row of segments that comes back is refused");
	ok(good && refused(&img, 0, 1 + 1, 1), "two links to one segment are refused");
	ok(good && refused(&img, 1, 99, 2), "a link to nowhere is refused");
	ok(good && refused(&img, 1, 0, 3), "a segment of both parts is refused");
	ok(good && refused(&img, 2, 0, 0), "a link to a hole is refused");
	if (good)
		((struct img_hdr *)img.word)->flags &= ~IMG_F_LINKED;
	ok(good && image_verify(img.word, img.words), "links without the flag are refused");
	image_free(&img);
	bench_free(&b);
}

/* More than a delta holds: the answer is that all has to be compiled. */
static void test_bounds(void)
{
	static const struct class_limits lim = { .any = 1, .vectors = IMG_MAX_VECTORS };
	struct image base = { 0 }, img = { 0 };
	struct lower_err err;
	struct chain *c;
	struct bench b;
	bool good;

	bench_init(&b);
	c = b.rs.chains[HOOK_FORWARD];
	for (__u32 i = 0; i < 300; i++)
		product_range(&bench_rule(&b, c, ACT_DROP, NULL, false, 1)->prod[0], KEY_SADDR, i, i);
	good = !compile_limited(&b.rs, NULL, 0, &lim, &base, &err);
	for (__u32 i = 0; i < DELTA_POSITIONS; i++)
		product_range(&bench_rule(&b, c, ACT_DROP, NULL, false, 1)->prod[0], KEY_DADDR, i, i);
	good = good && !delta_compile(&b.rs, NULL, 0, (void *)base.word, &img) &&
	       !image_verify(img.word, img.words);
	image_free(&img);
	ok(good, "as many rules as a delta holds");
	bench_rule(&b, c, ACT_ACCEPT, NULL, false, 1);
	ok(good && delta_compile(&b.rs, NULL, 0, (void *)base.word, &img) == -EAGAIN,
	   "one more is for a compilation of everything");
	while (c->nr_rules > 300)
		rule_drop(c, 300);
	for (int i = 0; i < DELTA_POSITIONS; i++)
		rule_drop(c, 7);
	good = good && !delta_compile(&b.rs, NULL, 0, (void *)base.word, &img) &&
	       !image_verify(img.word, img.words);
	image_free(&img);
	ok(good, "as many rules deleted");
	rule_drop(c, 7);
	ok(good && delta_compile(&b.rs, NULL, 0, (void *)base.word, &img) == -EAGAIN,
	   "one more, too, is for a compilation of everything");
	image_free(&base);
	good = !compile(&b.rs, NULL, 0, &base, &err) && ((struct img_hdr *)base.word)->nr_positions < 256;
	ok(good && delta_compile(&b.rs, NULL, 0, (void *)base.word, &img) == -EAGAIN,
	   "a small ruleset is compiled whole");
	image_free(&base);
	bench_free(&b);
}

int main(int argc, char **argv)
{
	if (argc > 1) {
		__u64 seed = strtoull(argv[1], NULL, 0);
		struct shape s = shape_of(seed, argc > 2 ? atoi(argv[2]) : 100);
		struct tally t = { 0 };

		ok(run_random(seed, &s, &t), "one random ruleset");
		return tap_end();
	}
	test_layout();
	test_damage();
	test_bounds();
	test_random("60 rulesets of up to 20 rules, 40 changes each", 11, 60, 20);
	test_random("20 rulesets of up to 300 rules", 12, 20, 300);
	test_random("2 rulesets of up to 4000 rules", 13, 2, 4000);
	return tap_end();
}
