// SPDX-License-Identifier: GPL-2.0-only
/*
 * damage.c - damaged images are refused, or harmless to walk and to print
 *
 *	damage [SEED]
 *
 * A good image is cut short, and some words of it are changed, 3000 times; what
 * image_verify() lets through is walked and printed. Under the sanitizers (make fuzz) a
 * read beyond its end is seen.
 */
#include "products.h"
#include "../../user/classes.h"
#include "../../user/image.h"

/* @hash: the first key is hashed, else searched */
static void test_damage(__u64 seed, bool hash)
{
	struct prng r = { seed };
	unsigned int accepted = 0, rounds = 3000;
	const struct img_lookup *first;
	const struct img_hdr *hdr;
	FILE *null = fopen("/dev/null", "w");
	struct lower_err err;
	struct image img;
	struct chain *user;
	struct bench b;
	size_t words;

	bench_init(&b);
	user = bench_chain(&b, "user", -1);
	for (int i = 0; i < 200; i++) {
		struct product *p = bench_rule(&b, i % 3 ? user : b.rs.chains[i % 2],
					       i % 12 ? ACT_DROP : ACT_JUMP,
					       i % 12 ? NULL : user, false, 1)->prod;

		product_range(p, KEY_SADDR, hash ? i * 70001 : i * 7, hash ? i * 70001 : i * 9 + 3);
		product_range(p, KEY_DPORT, i % 5, 3000 + i % 7);
		if (i % 50 == 1) {
			p->late = need(calloc(2, sizeof(*p->late)));
			p->late[0] = LATE_HOTDROP | 2u << 16;
			p->late_words = 2;
		}
	}
	if (!null || compile_limited(&b.rs, NULL, 0, &(struct class_limits){
			.forced = 1u << 20, .words = 1u << 18, .vectors = IMG_MAX_VECTORS },
			&img, &err)) {
		ok(false, "the image to damage");
		return;
	}
	hdr = (const void *)img.word;
	first = (const void *)(img.word + hdr->part[PART_BASE].lookups);
	ok(!image_verify(img.word, img.words) && (first->method == LOOKUP_HASH) == hash,
	   hash ? "a good image, its first key hashed" : "a good image, its first key searched");
	words = img.words;
	for (unsigned int i = 0; i < rounds; i++) {
		size_t len = prng_percent(&r, 5) ? prng_below(&r, words) : words;
		__u32 *copy = need(malloc(words * sizeof(*copy)));
		unsigned int hits = prng_range(&r, 1, 3);

		memcpy(copy, img.word, words * sizeof(*copy));
		while (hits--) {
			__u32 at = prng_below(&r, prng_percent(&r, 30) ? 100 : words);

			copy[at] = prng_percent(&r, 50) ? prng_below(&r, words)
							: copy[at] ^ 1u << prng_below(&r, 32);
		}
		copy = need(realloc(copy, (len + 1) * sizeof(*copy)));	/* ASAN sees the end */
		if (!image_verify(copy, len)) {
			struct imgwalk w = { .key = { [KEY_SADDR] = hash ? i % 200 * 70001 : i % 2000,
						      [KEY_DPORT] = i } };

			accepted++;
			if (i % 16 == 0)
				image_dump(null, copy, true);
			imgwalk(copy, i % NR_HOOKS, &w);
			free(w.slot);
		}
		free(copy);
	}
	printf("# seed %llu: %u of %u damaged images accepted\n", (unsigned long long)seed, accepted,
	       rounds);
	ok(accepted && accepted < rounds, "damaged images are refused, or safe to walk and print");
	fclose(null);
	image_free(&img);
	bench_free(&b);
}

int main(int argc, char **argv)
{
	for (int hash = 0; hash < 2; hash++)
		test_damage(argc > 1 ? strtoull(argv[1], NULL, 0) : 1, hash);
	return tap_end();
}
