// SPDX-License-Identifier: GPL-2.0-only
/*
 * compile.c - images against the linear evaluation of the rules they came from
 *
 *	compile [SEED [RULES]]	one random ruleset instead of all the tests
 *
 * Random rulesets with user chains, gotos, RETURN, MARK, hotdrops and late matches
 * are compiled; image_verify() must accept the image, and tools/imgwalk.c must find
 * the verdict and the counted slots of the linear evaluation in products.h.
 */
#include "random_rules.h"

static bool run_random(__u64 seed, const struct shape *s)
{
	struct prng r = { seed };
	struct lower_err err;
	struct image img, again;
	struct bench b;
	bool good = false;
	int ret;

	random_ruleset(&r, &b, s);
	ret = compile_limited(&b.rs, NULL, 0, s->lim, &img, &err);
	if (ret) {
		printf("# compile: %s: %s\n", strerror(-ret), err.msg);
		goto out;
	}
	if (image_verify(img.word, img.words)) {
		printf("# image_verify refuses the image\n");
		goto out_image;
	}
	ret = compile_limited(&b.rs, NULL, 0, s->lim, &again, &err);
	if (ret || again.words != img.words ||
	    memcmp(again.word, img.word, img.words * sizeof(*img.word))) {
		printf("# a second compilation gave other bytes\n");
		goto out_image;
	}
	image_free(&again);
	good = check_packets(&r, &b, s, &img);
out_image:
	image_free(&img);
out:
	bench_free(&b);
	if (!good)
		printf("# seed %llu, %u rules: build/selftests/unit/compile %llu %u\n",
		       (unsigned long long)seed, s->rules, (unsigned long long)seed, s->rules);
	return good;
}

static void test_random(const char *what, __u64 seed, unsigned int rulesets, unsigned int rules)
{
	struct prng r = { seed };
	bool good = true;

	for (unsigned int i = 0; i < rulesets && good; i++) {
		__u64 one = prng_u32(&r);
		unsigned int n = prng_range(&r, rules / 2, rules);
		struct shape s = shape_of(one, n);

		good = run_random(one, &s);
	}
	ok(good, what);
}

int main(int argc, char **argv)
{
	if (argc > 1) {
		__u64 seed = strtoull(argv[1], NULL, 0);
		struct shape s = shape_of(seed, argc > 2 ? atoi(argv[2]) : 100);

		ok(run_random(seed, &s), "one random ruleset");
		return tap_end();
	}
	test_random("500 rulesets of up to 20 rules", 1, 500, 20);
	test_random("60 rulesets of up to 300 rules", 2, 60, 300);
	test_random("4 rulesets of up to 10000 rules", 3, 4, 10000);
	return tap_end();
}
