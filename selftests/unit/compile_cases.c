// SPDX-License-Identifier: GPL-2.0-only
/*
 * compile_cases.c - the compiler's corners, one by one
 */
#include "products.h"
#include "../../user/classes.h"
#include "../../user/image.h"

static struct image img;
static struct lower_err err;

/* Compiles with @lim, verifies; what it says otherwise is an error by number. */
static int build(struct bench *b, const struct class_limits *lim)
{
	int ret = compile_limited(&b->rs, NULL, 0, lim, &img, &err);

	if (!ret)
		ret = image_verify(img.word, img.words);
	return ret;
}

/* Verdict of a TCP packet; the slots counted are compared with @slots (0 ends). */
static bool walks(enum fw_hook hook, __u32 saddr, __u32 l4, __u32 dport,
		  enum imgwalk_verdict verdict, const __u32 *slots, size_t nr)
{
	struct imgwalk w = { .key = { [KEY_SADDR] = saddr, [KEY_L4] = l4, [KEY_SPORT] = 4000,
				      [KEY_DPORT] = dport, [KEY_ICMP] = ICMP_NONE } };
	bool good = !imgwalk(img.word, hook, &w) && w.verdict == verdict && w.nr_slots == nr &&
		    (!nr || !memcmp(w.slot, slots, nr * sizeof(*slots)));

	if (!good)
		printf("# verdict %d, %zu slots, first %u\n", w.verdict, w.nr_slots,
		       w.nr_slots ? w.slot[0] : 0);
	free(w.slot);
	return good;
}

#define WALKS(hook, saddr, dport, verdict, ...)						\
	walks(hook, saddr, L4_KEY(FORM_WHOLE, 6), dport, verdict, (__u32[]){ __VA_ARGS__ },	\
	      sizeof((__u32[]){ __VA_ARGS__ }) / sizeof(__u32))

#define RULE(n)	(SLOT_FIRST_RULE + (n))

static void proto_tcp(struct product *p)
{
	for (int form = 0; form < NR_FORMS; form++)
		product_range(p, KEY_L4, L4_KEY(form, 6), L4_KEY(form, 6));
}

/* The three rules at the head of abi/image.h. */
static void test_example(void)
{
	struct bench b;
	struct lowered *low;
	bool good;

	bench_init(&b);
	for (int i = 0; i < 3; i++) {
		low = bench_rule(&b, b.rs.chains[0], i == 1 ? ACT_DROP : ACT_ACCEPT, NULL, false, 1);
		if (i < 2)
			product_range(low->prod, KEY_SADDR, 10u << 24, (11u << 24) - 1);
		if (i != 1) {
			__u32 port = i ? 80 : 22;

			proto_tcp(low->prod);
			product_range(low->prod, KEY_DPORT, port, port);
			product_range(low->prod, KEY_DPORT, PORT_NONE, PORT_NONE);
		}
	}
	good = !build(&b, NULL) &&
	       WALKS(HOOK_INPUT, 0x0a010101, 80, IMGWALK_DROP, RULE(1)) &&
	       WALKS(HOOK_INPUT, 0x0a010101, 22, IMGWALK_ACCEPT, RULE(0)) &&
	       WALKS(HOOK_INPUT, 0x0b010101, 80, IMGWALK_ACCEPT, RULE(2)) &&
	       WALKS(HOOK_INPUT, 0x0b010101, 22, IMGWALK_ACCEPT, SLOT_POLICY(HOOK_INPUT));
	ok(good, "the worked example of abi/image.h");
	image_free(&img);
	bench_free(&b);
}

static void test_no_keys(void)
{
	const struct img_hdr *h;
	struct bench b;
	bool good;

	bench_init(&b);
	b.rs.chains[HOOK_FORWARD]->drop = true;
	good = !build(&b, NULL) &&
	       WALKS(HOOK_INPUT, 1, 2, IMGWALK_ACCEPT, SLOT_POLICY(HOOK_INPUT)) &&
	       WALKS(HOOK_FORWARD, 1, 2, IMGWALK_DROP, SLOT_POLICY(HOOK_FORWARD));
	ok(good, "no rules: the policies");
	image_free(&img);

	bench_rule(&b, b.rs.chains[HOOK_INPUT], ACT_DROP, NULL, true, 1);
	bench_rule(&b, b.rs.chains[HOOK_INPUT], ACT_ACCEPT, NULL, true, 1);
	good = !build(&b, NULL);
	h = (const void *)img.word;
	good = good && h->part[PART_BASE].nr_vectors == 1 && h->nr_positions == 1 && h->nr_slots == RULE(2) &&
	       WALKS(HOOK_INPUT, 1, 2, IMGWALK_DROP, RULE(0));
	ok(good, "no key constrained: one vector; nothing behind an unconditional verdict");
	image_free(&img);
	bench_free(&b);
}

/* INPUT jumps to a; a to b; b to a. */
static void test_loops(void)
{
	struct chain *x, *y;
	struct bench b;
	int ret;

	bench_init(&b);
	x = bench_chain(&b, "a", -1);
	y = bench_chain(&b, "b", -1);
	bench_rule(&b, x, ACT_JUMP, y, false, 1);
	bench_rule(&b, y, ACT_GOTO, x, false, 1);
	ok(!build(&b, NULL), "a loop that no hook reaches loads");
	image_free(&img);

	bench_rule(&b, b.rs.chains[1], ACT_CONTINUE, NULL, true, 1);
	bench_rule(&b, b.rs.chains[1], ACT_DROP, NULL, true, 1);
	bench_rule(&b, b.rs.chains[1], ACT_JUMP, x, true, 1);
	ok(!build(&b, NULL), "a loop behind an unconditional verdict loads");
	image_free(&img);

	bench_rule(&b, b.rs.chains[0], ACT_JUMP, x, false, 1);
	ret = build(&b, NULL);
	ok(ret == -ELOOP && err.msg[0], "a loop of jump and goto is ELOOP");
	bench_free(&b);

	bench_init(&b);
	x = bench_chain(&b, "a", -1);
	bench_rule(&b, x, ACT_JUMP, x, false, 1);
	bench_rule(&b, b.rs.chains[2], ACT_GOTO, x, false, 1);
	ok(build(&b, NULL) == -ELOOP, "a chain that jumps to itself is ELOOP");
	bench_free(&b);

	bench_init(&b);
	x = bench_chain(&b, "a", -1);
	bench_rule(&b, x, ACT_JUMP, b.rs.chains[2], false, 1);
	ret = build(&b, NULL);
	ok(ret == -EINVAL && err.msg[0], "a jump to a built-in chain is EINVAL, reached or not");
	bench_free(&b);
}

/* INPUT -> c0 -> c1 ... -> c(n - 1), whose only rule accepts. */
static int nest(struct bench *b, unsigned int n, enum img_act act)
{
	struct chain *from;

	bench_init(b);
	from = b->rs.chains[0];
	for (unsigned int i = 0; i < n; i++) {
		char name[32];
		struct chain *to;

		snprintf(name, sizeof(name), "c%u", i);
		to = bench_chain(b, name, -1);
		bench_rule(b, from, act, to, false, 1);
		from = to;
	}
	bench_rule(b, from, ACT_RETURN, NULL, false, 1);
	return build(b, NULL);
}

static void test_depth(void)
{
	struct imgwalk w = { .key = { 0 } };
	struct bench b;
	bool good;
	int ret;

	good = !nest(&b, IMG_MAX_DEPTH, ACT_JUMP) && !imgwalk(img.word, HOOK_INPUT, &w) &&
	       w.verdict == IMGWALK_ACCEPT && w.nr_slots == IMG_MAX_DEPTH + 2;
	ok(good, "256 nested jumps, and back");
	image_free(&img);
	bench_free(&b);
	ret = nest(&b, IMG_MAX_DEPTH + 1, ACT_JUMP);
	ok(ret == -E2BIG && strstr(err.msg, "257"), "257 are refused");
	bench_free(&b);
	good = !nest(&b, 3 * IMG_MAX_DEPTH, ACT_GOTO) && !imgwalk(img.word, HOOK_INPUT, &w) &&
	       w.nr_slots == 3 * IMG_MAX_DEPTH + 2;
	ok(good, "gotos nest without end");
	image_free(&img);
	bench_free(&b);
	free(w.slot);
}

static void test_empty_chains(void)
{
	struct chain *empty, *user;
	struct bench b;
	bool good;

	bench_init(&b);
	empty = bench_chain(&b, "empty", -1);
	user = bench_chain(&b, "user", -1);
	bench_rule(&b, b.rs.chains[0], ACT_JUMP, empty, false, 1);
	bench_rule(&b, b.rs.chains[0], ACT_JUMP, user, false, 1);
	bench_rule(&b, b.rs.chains[0], ACT_DROP, NULL, false, 1);
	bench_rule(&b, user, ACT_GOTO, empty, false, 1);
	bench_rule(&b, user, ACT_ACCEPT, NULL, false, 1);
	good = !build(&b, NULL) &&
	       WALKS(HOOK_INPUT, 1, 2, IMGWALK_DROP, RULE(0), RULE(1), RULE(3), RULE(2));
	ok(good, "jump and goto to an empty chain");
	image_free(&img);
	bench_free(&b);
}

static void test_too_big(void)
{
	struct bench b;
	int ret;

	bench_init(&b);
	for (int i = 0; i < IMG_MAX_POSITIONS / 4; i++)
		bench_rule(&b, b.rs.chains[0], ACT_CONTINUE, NULL, false, 4);
	ok(!build(&b, NULL), "262144 positions");
	image_free(&img);
	bench_rule(&b, b.rs.chains[1], ACT_DROP, NULL, false, 1);
	ret = build(&b, NULL);
	ok(ret == -E2BIG && strstr(err.msg, "262144"), "one more is refused");
	bench_free(&b);

	bench_init(&b);
	test_macs = IMG_MAX_PROBE;
	ok(!build(&b, NULL), "64 MAC addresses of one hash");
	image_free(&img);
	test_macs++;
	ok(build(&b, NULL) == -E2BIG && err.msg[0], "one more is refused");
	test_macs = 0;
	bench_free(&b);
}

/* Every second port of 200, as a late list: more ranges than one record holds. */
static void test_late_keys(void)
{
	static const struct class_limits one = { .vectors = 1 };
	const struct img_action *act;
	struct product *p;
	struct bench b;
	bool good;

	bench_init(&b);
	p = bench_rule(&b, b.rs.chains[0], ACT_DROP, NULL, false, 1)->prod;
	for (__u32 port = 100; port < 300; port += 2)
		product_range(p, KEY_DPORT, port, port);
	product_range(p, KEY_SADDR, 1, 1);
	product_range(p, KEY_TTL, 0, 9);
	p->hotdrop = HOTDROP(FORM_SHORT);
	good = !build(&b, &one);
	act = (const void *)(img.word + ((const struct img_hdr *)img.word)->actions);
	good = good && act->late && !act->hotdrop;
	for (__u32 port = 90; port < 310; port++) {
		bool in = port >= 100 && port < 300 && port % 2 == 0;

		good = good && walks(HOOK_INPUT, 1, L4_KEY(FORM_WHOLE, 6), port,
				     in ? IMGWALK_DROP : IMGWALK_ACCEPT,
				     (__u32[]){ in ? RULE(0) : SLOT_POLICY(HOOK_INPUT) }, 1);
		good = good && walks(HOOK_INPUT, 1, L4_KEY(FORM_SHORT, 6), port,
				     in ? IMGWALK_HOTDROP : IMGWALK_ACCEPT,
				     (__u32[]){ SLOT_POLICY(HOOK_INPUT) }, !in);
	}
	ok(good, "keys without a vector are tested late, and before the hotdrop");
	image_free(&img);
	bench_free(&b);
}

static const struct img_lookup *first_lookup(void)
{
	return (const void *)(img.word + ((const struct img_hdr *)img.word)->part[PART_BASE].lookups);
}

/* @n sources dropped, no two of them neighbours, not 0; the last one's rule wants a port. */
static bool blacklist(struct bench *b, const __u32 *source, __u32 n)
{
	struct product *p = NULL;
	bool good;

	bench_init(b);
	for (__u32 i = 0; i < n; i++) {
		p = bench_rule(b, b->rs.chains[0], ACT_DROP, NULL, false, 1)->prod;
		product_range(p, KEY_SADDR, source[i], source[i]);
	}
	product_range(p, KEY_DPORT, 80, 80);
	good = !build(b, NULL);
	for (__u32 i = 0; i < n && good; i++)
		good = WALKS(HOOK_INPUT, source[i], i < n - 1 ? i : 80, IMGWALK_DROP, RULE(i));
	return good && WALKS(HOOK_INPUT, source[n - 1], 81, IMGWALK_ACCEPT, SLOT_POLICY(HOOK_INPUT)) &&
	       WALKS(HOOK_INPUT, 0, 80, IMGWALK_ACCEPT, SLOT_POLICY(HOOK_INPUT)) &&
	       WALKS(HOOK_INPUT, source[n - 1] + 1, 80, IMGWALK_ACCEPT, SLOT_POLICY(HOOK_INPUT)) &&
	       WALKS(HOOK_INPUT, source[0] + 1, 80, IMGWALK_ACCEPT, SLOT_POLICY(HOOK_INPUT)) &&
	       WALKS(HOOK_INPUT, ~0u, 80, IMGWALK_ACCEPT, SLOT_POLICY(HOOK_INPUT));
}

/* At @n sources, every @step-th address: is the table as full as HASH_LOAD wants it (tables.c)? */
static bool blacklist_fills(__u32 n, __u32 step)
{
	__u32 *source = malloc(n * sizeof(*source));
	const struct img_lookup *lk;
	struct bench b;
	bool good;

	for (__u32 i = 0; i < n; i++)
		source[i] = (i + 1) * step;
	good = blacklist(&b, source, n);
	lk = first_lookup();
	good = good && lk->method == LOOKUP_HASH && lk->vector == VECTOR_CLASS &&
	       lk->mult <= n * 10 / 9 + HASH_SLOTS;
	image_free(&img);
	bench_free(&b);
	free(source);
	return good;
}

static void test_blacklist(void)
{
	__u32 source[100], n = 0;
	struct bench b;

	ok(blacklist_fills(1000, 60013) && blacklist_fills(1030, 8) &&
	   blacklist_fills(2000, 256) && blacklist_fills(1300, 1 << 20),
	   "sources to be dropped are hashed, the table nearly full");
	for (__u32 addr = 2; n < 100; addr += 2)
		if (!hash_of(addr, 0, 1024))
			source[n++] = addr;
	ok(blacklist(&b, source, n) && first_lookup()->method == LOOKUP_TOP,
	   "sources of one seed are searched instead");
	image_free(&img);
	bench_free(&b);
}

/* A blacklist before rules that want other things, behind a rule of another chain. */
static void test_leaders(void)
{
	struct product *p;
	struct bench b;
	bool good;

	bench_init(&b);
	for (__u32 i = 0; i < 200; i++) {
		p = bench_rule(&b, b.rs.chains[HOOK_FORWARD], ACT_DROP, NULL, false, 1)->prod;
		product_range(p, KEY_SADDR, i * 60013, i * 60013);
	}
	for (__u32 i = 0; i < 9; i++) {
		p = bench_rule(&b, b.rs.chains[i % 2], ACT_ACCEPT, NULL, false, 1)->prod;
		product_range(p, KEY_DPORT, i, 100 + i);
	}
	good = !build(&b, NULL) && first_lookup()->method == LOOKUP_HASH;
	for (__u32 i = 0; i < 200 && good; i++) {
		good = imgwalk_class(img.word, first_lookup(), i * 60013) >> 30 ==
		       (HASH_LIST | HASH_MORE) >> 30 &&
		       WALKS(HOOK_FORWARD, i * 60013, 50, IMGWALK_DROP, RULE(i)) &&
		       WALKS(HOOK_INPUT, i * 60013, 50, IMGWALK_ACCEPT, RULE(200));
	}
	ok(good && WALKS(HOOK_FORWARD, 1, 101, IMGWALK_ACCEPT, RULE(201)),
	   "the blacklist decides, where it is; and other rules elsewhere");
	image_free(&img);
	bench_free(&b);
}

/* Plain verdicts are in the few list; a rule that must do more goes through its action. */
static void test_plain(void)
{
	const struct img_few *few;
	struct product *p;
	struct bench b;
	bool good;

	bench_init(&b);
	for (__u32 i = 0; i < 3; i++) {
		p = bench_rule(&b, b.rs.chains[0], i == 1 ? ACT_DROP : ACT_CONTINUE, NULL, false, 1)->prod;
		product_range(p, KEY_SADDR, 5 << 20, 5 << 20);
		product_range(p, KEY_SADDR, (5 + i) << 25, (5 + i) << 25);
		proto_tcp(p);
	}
	good = !build(&b, NULL) &&
	       WALKS(HOOK_INPUT, 5 << 20, 9, IMGWALK_DROP, RULE(0), RULE(1)) &&
	       WALKS(HOOK_INPUT, 7 << 25, 9, IMGWALK_ACCEPT, RULE(2), SLOT_POLICY(HOOK_INPUT)) &&
	       IMG_IS_FEW(imgwalk_class(img.word, first_lookup(), 5 << 20));
	if (good) {
		few = (const void *)(img.word + imgwalk_class(img.word, first_lookup(), 5 << 20) - 1);
		good = few->nr == 3 && few->pos[1].plain == (FEW_DROP | RULE(1)) &&
		       !few->pos[0].plain && !few->pos[2].plain;
	}
	ok(good, "a few list has the plain verdicts");
	image_free(&img);
	bench_free(&b);
}

/* INPUT accepts, by rule @i of test_rows(), or drops. */
static bool row_says(__u32 i, __u32 daddr, __u32 l4, __u32 dport, bool accepted)
{
	struct imgwalk w = { .key = { [KEY_SADDR] = i * 60013, [KEY_DADDR] = daddr, [KEY_L4] = l4,
				      [KEY_SPORT] = 4000, [KEY_DPORT] = dport } };
	bool good = !imgwalk(img.word, HOOK_INPUT, &w) && w.nr_slots == 1 &&
		    w.slot[0] == (accepted ? RULE(i - 1) : SLOT_POLICY(HOOK_INPUT));

	if (!good)
		printf("# rule %u: %#x %#x %u should %sagree\n", i, daddr, l4, dport,
		       accepted ? "" : "not ");
	free(w.slot);
	return good;
}

/* A prefix, a protocol and a range of ports fit into a hash's row; two ranges do not. */
static void test_rows(void)
{
	const __u32 n = 40, tcp = L4_KEY(FORM_WHOLE, 6);
	struct product *p;
	struct bench b;
	bool good;

	bench_init(&b);
	for (__u32 i = 1; i <= n; i++) {
		p = bench_rule(&b, b.rs.chains[0], ACT_ACCEPT, NULL, false, 1)->prod;
		product_range(p, KEY_SADDR, i * 60013, i * 60013);
		product_range(p, KEY_DADDR, i << 8, i << 8 | 0xff);
		proto_tcp(p);
		product_range(p, KEY_DPORT, 1000, 1000 + i);
		if (i == n)
			product_range(p, KEY_DPORT, 5000, 5000);
		product_range(p, KEY_DPORT, PORT_NONE, PORT_NONE);
	}
	good = !build(&b, NULL) && first_lookup()->row == HASH_WIDE;
	for (__u32 i = 1; i <= n && good; i++) {
		__u32 entry = imgwalk_class(img.word, first_lookup(), i * 60013), to = i << 8;

		good = (i < n) == !!(entry & HASH_LIST) && (i == n) == !!IMG_IS_FEW(entry) &&
		       row_says(i, to, tcp, 1000, true) && row_says(i, to | 255, tcp, 1000 + i, true) &&
		       row_says(i, to - 1, tcp, 1000, false) && row_says(i, to + 256, tcp, 1000, false) &&
		       row_says(i, to, tcp, 999, false) && row_says(i, to, tcp, 1001 + i, false) &&
		       row_says(i, to, L4_KEY(FORM_WHOLE, 17), 1000, false) &&
		       row_says(i, to, L4_KEY(FORM_WHOLE, 1), PORT_NONE, false) &&
		       row_says(i, to, tcp, 5000, i == n);
	}
	ok(good, "what a rule wants lies in the row of its source, if it fits");
	image_free(&img);
	bench_free(&b);
}

int main(void)
{
	test_example();
	test_no_keys();
	test_loops();
	test_depth();
	test_empty_chains();
	test_too_big();
	test_late_keys();
	test_blacklist();
	test_leaders();
	test_plain();
	test_rows();
	return tap_end();
}
