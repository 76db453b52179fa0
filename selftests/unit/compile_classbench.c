// SPDX-License-Identifier: GPL-2.0-only
/*
 * compile_classbench.c - big rulesets: right, and what they cost
 *
 *	compile_classbench [-b]		-b: measure only, the big sets too
 *
 * ClassBench filter files (CLASSBENCH, by default ../shared/classbench) and random
 * 5-tuple sets are compiled into chain FORWARD and compared with the linear
 * evaluation. Time and memory are printed, not judged.
 */
#include <dirent.h>
#include <time.h>

#include "products.h"
#include "../../user/classes.h"

/* Processor time: the machine is shared. */
static double now_ms(void)
{
	struct timespec t;

	clock_gettime(CLOCK_PROCESS_CPUTIME_ID, &t);
	return t.tv_sec * 1e3 + t.tv_nsec / 1e6;
}

/* `-p PROTO` is the protocol in every form. */
static void product_proto(struct product *p, __u32 proto)
{
	for (int form = 0; form < NR_FORMS; form++)
		product_range(p, KEY_L4, L4_KEY(form, proto), L4_KEY(form, proto));
}

/* A port test stays a candidate where there is no port. */
static void product_port(struct product *p, enum fw_key key, __u32 first, __u32 last)
{
	if (first == 0 && last == 65535)
		return;
	product_range(p, key, first, last);
	if (last < 65535)
		product_range(p, key, PORT_NONE, PORT_NONE);
	else
		p->set[key]->r[0].last = PORT_NONE;
}

static void product_prefix(struct product *p, enum fw_key key, __u32 addr, unsigned int len)
{
	__u32 mask = len ? ~0u << (32 - len) : 0;

	if (len)
		product_range(p, key, addr & mask, addr | ~mask);
}

static struct product *add_rule(struct bench *b)
{
	enum img_act act = b->nr_low % 2 ? ACT_DROP : ACT_ACCEPT;

	return bench_rule(b, b->rs.chains[HOOK_FORWARD], act, NULL, false, 1)->prod;
}

/* "@26.6.7.16/32 242.65.38.177/32 0 : 65535 5542 : 5542 0x06/0xFF 0x1000/0x1000" */
static bool read_classbench(struct bench *b, const char *path)
{
	char cmd[600], line[256];
	FILE *f;

	snprintf(cmd, sizeof(cmd), "zcat '%s'", path);
	f = popen(cmd, "r");
	if (!f)
		return false;
	while (fgets(line, sizeof(line), f)) {
		unsigned int s[5], d[5], sp[2], dp[2], proto, pmask;
		struct product *p;

		if (sscanf(line, "@%u.%u.%u.%u/%u %u.%u.%u.%u/%u %u : %u %u : %u %x/%x",
			   &s[0], &s[1], &s[2], &s[3], &s[4], &d[0], &d[1], &d[2], &d[3], &d[4],
			   &sp[0], &sp[1], &dp[0], &dp[1], &proto, &pmask) != 16)
			continue;
		p = add_rule(b);
		product_prefix(p, KEY_SADDR, s[0] << 24 | s[1] << 16 | s[2] << 8 | s[3], s[4]);
		product_prefix(p, KEY_DADDR, d[0] << 24 | d[1] << 16 | d[2] << 8 | d[3], d[4]);
		product_port(p, KEY_SPORT, sp[0], sp[1]);
		product_port(p, KEY_DPORT, dp[0], dp[1]);
		if (pmask)
			product_proto(p, proto);
	}
	return !pclose(f) && b->nr_low;
}

/* Exact 5-tuples. */
static void random_tuples(struct bench *b, struct prng *r, unsigned int n)
{
	while (n--) {
		struct product *p = add_rule(b);

		product_prefix(p, KEY_SADDR, prng_u32(r), 32);
		product_prefix(p, KEY_DADDR, prng_u32(r), 32);
		product_port(p, KEY_SPORT, 1024 + prng_below(r, 64), 0);
		p->set[KEY_SPORT]->r[0].last = p->set[KEY_SPORT]->r[0].first;
		product_port(p, KEY_DPORT, prng_below(r, 1000), 0);
		p->set[KEY_DPORT]->r[0].last = p->set[KEY_DPORT]->r[0].first;
		product_proto(p, prng_percent(r, 50) ? 6 : 17);
	}
}

/* Ports from the whole range. */
static void random_ports(struct bench *b, struct prng *r, unsigned int n)
{
	while (n--) {
		struct product *p = add_rule(b);
		__u32 sport = prng_below(r, 65536), dport = prng_below(r, 65536);

		product_prefix(p, KEY_SADDR, prng_u32(r), 32);
		product_prefix(p, KEY_DADDR, prng_u32(r), 32);
		product_port(p, KEY_SPORT, sport, sport);
		product_port(p, KEY_DPORT, dport, dport);
		product_proto(p, prng_percent(r, 50) ? 6 : 17);
	}
}

/* Prefixes, ranges and wildcards. */
static void random_wild(struct bench *b, struct prng *r, unsigned int n)
{
	while (n--) {
		struct product *p = add_rule(b);
		__u32 port = prng_below(r, 65536);

		product_prefix(p, KEY_SADDR, prng_u32(r), prng_percent(r, 20) ? 0 : prng_range(r, 8, 32));
		product_prefix(p, KEY_DADDR, prng_u32(r), prng_percent(r, 20) ? 0 : prng_range(r, 8, 32));
		if (prng_percent(r, 30))
			product_port(p, KEY_SPORT, port, prng_range(r, port, 65535));
		port = prng_below(r, 65536);
		if (prng_percent(r, 60))
			product_port(p, KEY_DPORT, port, prng_percent(r, 50) ? port :
				     prng_range(r, port, 65535));
		if (prng_percent(r, 80))
			product_proto(p, prng_percent(r, 50) ? 6 : 17);
	}
}

/* One line: what the image is made of. */
static void print_image(const char *name, const struct bench *b, const struct image *img, double ms)
{
	static const char *const keys[NR_KEYS] = { "sa", "da", "l4", "sp", "dp" };
	const struct img_hdr *h = (const void *)img->word;
	const struct img_lookup *lk = (const void *)(img->word + h->part[PART_BASE].lookups);

	printf("# %-14s %6zu rules %8.1f ms %9.2f MB + actions %.2f MB, vectors", name, b->nr_low, ms,
	       (img->words - h->nr_positions * 8) / 262144.0, h->nr_positions * 8 / 262144.0);
	for (__u32 i = 0; i < h->part[PART_BASE].nr_lookups; i++)
		printf(" %s:%u%s", keys[lk[i].key], lk[i].mult, lk[i].vector ? "" : " x");
	printf("\n");
}

static void tuple_packet(struct prng *r, const struct bench *b, __u32 *key)
{
	const struct product *p = b->low[prng_below(r, b->nr_low)].prod;

	memset(key, 0, NR_KEYS * sizeof(*key));
	key[KEY_TCPFLAGS] = TCPFLAGS_NONE;
	key[KEY_ICMP] = ICMP_NONE;
	for (int k = 0; k < KEY_TCPFLAGS; k++) {
		const struct fset *s = p->set[k];

		if (s)
			key[k] = prng_range(r, s->r[0].first, s->r[0].last);
		else
			key[k] = k == KEY_L4 ? 6 : prng_range(r, 0, key_max[k]);
	}
	if (prng_percent(r, 10))
		key[prng_below(r, 5)] ^= 1;
}

static bool compare(struct prng *r, const struct bench *b, const struct image *img, unsigned int packets)
{
	struct imgwalk w = { .late = test_late };
	struct linear l = { 0 };
	bool good = true;

	while (packets-- && good) {
		tuple_packet(r, b, w.key);
		memcpy(l.key, w.key, sizeof(l.key));
		if (imgwalk(img->word, HOOK_FORWARD, &w))
			return false;
		linear_run(b, HOOK_FORWARD, &l);
		good = w.verdict == l.verdict && w.nr_slots == 1 && l.nr_slots == 1 &&
		       w.slot[0] == l.slot[0];
	}
	free(w.slot);
	free(l.slot);
	return good;
}

static void measure(const char *name, struct bench *b, __u64 seed, unsigned int packets)
{
	struct prng r = { seed };
	struct lower_err err;
	struct image img;
	char what[128];
	double start = now_ms();
	bool good = !compile(&b->rs, NULL, 0, &img, &err);

	if (good) {
		print_image(name, b, &img, now_ms() - start);
		good = !image_verify(img.word, img.words) && compare(&r, b, &img, packets);
		image_free(&img);
	} else {
		printf("# %s\n", err.msg);
	}
	snprintf(what, sizeof(what), "%s: %zu rules as the linear evaluation, %u packets, seed %llu",
		 name, b->nr_low, packets, (unsigned long long)seed);
	ok(good, what);
	bench_free(b);
}

static void measure_random(const char *name, void (*fill)(struct bench *, struct prng *, unsigned int),
			   unsigned int rules, unsigned int packets)
{
	struct prng r = { rules };
	struct bench b;

	bench_init(&b);
	fill(&b, &r, rules);
	measure(name, &b, rules, packets);
}

static int by_name(const struct dirent **a, const struct dirent **b)
{
	return strcmp((*a)->d_name, (*b)->d_name);
}

static int is_rules(const struct dirent *d)
{
	return strstr(d->d_name, ".rules.gz") != NULL;
}

int main(int argc, char **argv)
{
	const char *dir = getenv("CLASSBENCH") ? getenv("CLASSBENCH") : "../shared/classbench";
	bool big = argc > 1 && !strcmp(argv[1], "-b");
	unsigned int packets = big ? 100 : 1000;
	struct dirent **d = NULL;
	int n = scandir(dir, &d, is_rules, by_name);

	for (int i = 0; i < n; i++) {
		char path[512];
		struct bench b;

		bench_init(&b);
		snprintf(path, sizeof(path), "%s/%s", dir, d[i]->d_name);
		if (read_classbench(&b, path)) {
			measure(d[i]->d_name, &b, 1, packets);
		} else {
			printf("ok %d - %s # SKIP cannot read\n", ++tap_nr, path);
			bench_free(&b);
		}
		free(d[i]);
	}
	free(d);
	if (n <= 0)
		printf("ok %d - ClassBench files # SKIP none in %s\n", ++tap_nr, dir);
	measure_random("tuples", random_tuples, 1000, packets);
	measure_random("tuples", random_tuples, 10000, packets);
	measure_random("ports", random_ports, 10000, packets);
	measure_random("wild", random_wild, 1000, packets);
	measure_random("wild", random_wild, 10000, packets);
	if (big) {
		measure_random("tuples", random_tuples, 100000, packets);
		measure_random("ports", random_ports, 100000, packets);
		measure_random("wild", random_wild, 100000, packets);
	}
	return tap_end();
}
