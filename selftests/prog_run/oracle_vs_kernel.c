// SPDX-License-Identifier: GPL-2.0-only
/*
 * oracle_vs_kernel.c - does tools/refmatch.c agree with real packets in the stack?
 *
 * In a lab namespace, random rulesets go into iptables-legacy (subject "legacy"), are
 * read back from the kernel as binary entries, and random packets meet them at INPUT,
 * FORWARD or OUTPUT. So the oracle is proved. Then the same with our own restore and
 * the netfilter hook (subject "netfilter"): BPF_PROG_TEST_RUN gives such a program
 * neither interfaces nor a mark, so it meets the packets where they meet iptables; and
 * with a driver's program in front (subject "hybrid"), which must have dropped some.
 * Every rule's and policy's counters must grow as the oracle says, and the number of
 * frames that leave (the sendto() result at OUTPUT) must be the number it accepts. One
 * hook per ruleset, so that what the stack answers counts elsewhere.
 *
 *	oracle_vs_kernel [--seed S] [--rulesets N] [--packets N] [--rules MAX]
 *			 [--subject legacy|netfilter|hybrid]
 *
 * Ruleset i of a run has seed S + i.
 */
#include <errno.h>
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>
#include <unistd.h>
#include <bpf/bpf.h>
#include <bpf/libbpf.h>

#include "../../progs/abi/counters.h"
#include "opts.h"
#include "pair.h"
#include "counts.h"
#include "kernel_table.h"
#include "lab.h"

#define KSFT_SKIP	4

struct opts {
	__u64 seed;
	unsigned int rulesets;
	unsigned int packets;
	unsigned int rules;
	const char *subject;
};

/* struct subject - whose rules the packets meet; @open before, @close after a run */
struct subject {
	const char *name;
	int (*open)(void);
	void (*close)(void);
	int (*restore)(const char *text);
	int (*read)(struct ruleset **rs);
	unsigned int avoid;	/* GEN_NO_* */
};

static const struct subject *subject;

static int legacy_open(void)
{
	return lab_restore("*filter\nCOMMIT\n");
}

static void legacy_close(void)
{
}

static int netfilter_open(void)
{
	return instance_init(MODE_NETFILTER, 0, 0, false);
}

static int hybrid_open(void)
{
	return instance_init(MODE_HYBRID, 0, 0, false);
}

static void netfilter_close(void)
{
	instance_remove();
}

/* What the driver's program has dropped. */
static unsigned long early_drops(void)
{
	__u64 count[libbpf_num_possible_cpus()];
	struct instance *in = NULL;
	__u32 key = EV_EARLY;
	unsigned long sum = 0;
	int fd;

	if (instance_peek(&in) || !in)
		return 0;
	fd = pins_open("%s/g%d/map-events", in->dir, in->gen.number);
	if (!bpf_map_lookup_elem(fd, &key, count))
		for (size_t i = 0; i < sizeof(count) / sizeof(*count); i++)
			sum += count[i];
	close(fd);
	instance_close(in);
	return sum;
}

static int netfilter_read(struct ruleset **rs)
{
	struct instance *in = NULL;
	int err = instance_open(&in, false);

	if (!err)
		err = instance_load(in, rs);
	instance_close(in);
	return err;
}

static const struct subject subjects[] = {
	{ "legacy", legacy_open, legacy_close, lab_restore, kernel_table_read, 0 },
	{ "netfilter", netfilter_open, netfilter_close, pair_restore, netfilter_read,
	  GEN_NO_MARK },
	{ "hybrid", hybrid_open, netfilter_close, pair_restore, netfilter_read, GEN_NO_MARK },
};

/* What the oracle expects of the ruleset so far: added up in @rs itself. */
struct totals {
	long long accepted;
	unsigned int hits;
	unsigned int hotdrops;
};

static const char *const hook_name[] = { "INPUT", "FORWARD", "OUTPUT" };

static int expect(struct ruleset *rs, int hook, const struct gen_pkt *p, struct totals *sum,
		  struct ref_result *res)
{
	struct ref_meta meta;
	__u8 ip[GEN_PKT_MAX];
	int err;

	lab_hook_view(hook, p, ip, &meta);
	err = ref_eval(rs, ip, p->len, &meta, res);
	if (err)
		return err;
	counts_add(rs, hook, res);
	sum->accepted += res->verdict == REF_ACCEPT;
	sum->hits += res->nr_hits;
	sum->hotdrops += res->hotdrop;
	return 0;
}

/*
 * The packets are through when the counters are as expected; when they are not
 * within a second, they never will be.
 */
static unsigned int settled(const struct ruleset *want, int hook, bool report)
{
	struct timespec t0, now, nap = { .tv_nsec = 2000000 };
	struct ruleset *got;
	unsigned int bad;

	clock_gettime(CLOCK_MONOTONIC, &t0);
	for (;;) {
		if (subject->read(&got))
			return 1;
		bad = counts_differ(want, got, hook, NULL);
		clock_gettime(CLOCK_MONOTONIC, &now);
		if (!bad || now.tv_sec - t0.tv_sec > 1) {
			if (bad && report)
				counts_differ(want, got, hook, subject->name);
			ruleset_free(got);
			return bad;
		}
		ruleset_free(got);
		nanosleep(&nap, NULL);
	}
}

static void print_packet(const struct gen_pkt *p)
{
	unsigned int i;

	printf("# packet in=%u mark=%#x pkttype=%u mac=..:%02x pad=%u ", p->in, p->mark,
	       p->pkttype, p->mac[5], p->pad);
	for (i = 0; i < p->len; i++)
		printf("%02x", p->data[i]);
	printf("\n");
}

static int send_one(struct lab *lab, int hook, const struct gen_pkt *p,
		    const struct ref_result *res)
{
	int err = lab_send(lab, hook, p);

	if (hook != HOOK_OUTPUT)
		return err;
	if (err != (res->verdict == REF_DROP ? -EPERM : 0)) {
		printf("# OUTPUT: sendto() says %d, the oracle %s\n", err,
		       res->verdict == REF_DROP ? "DROP" : "ACCEPT");
		return -EBADE;
	}
	return 0;
}

/* Send packet after packet by itself until one counts differently, and show it. */
static void find_culprit(struct lab *lab, const struct genpkts_cfg *pc, int hook, __u64 seed,
			 unsigned int n, const char *text)
{
	struct prng rnd = { seed ^ 0x5eed };
	struct ref_result res = { 0 };
	struct totals sum = { 0 };
	struct ruleset *rs;
	struct gen_pkt p;
	unsigned int i;

	if (subject->restore(text) || subject->read(&rs))
		return;
	for (i = 0; i < n; i++) {
		genpkts_make(&rnd, pc, rs, &p);
		if (expect(rs, hook, &p, &sum, &res))
			break;
		if (send_one(lab, hook, &p, &res) == -EBADE || settled(rs, hook, false)) {
			printf("# packet %u of the run is the first to differ\n", i);
			print_packet(&p);
			settled(rs, hook, true);
			break;
		}
	}
	ref_result_free(&res);
	ruleset_free(rs);
}

static int one_ruleset(struct lab *lab, const struct opts *o, __u64 seed, struct totals *all)
{
	struct prng rnd = { seed };
	struct gen_cfg cfg = { .seed = seed };
	struct ref_result res = { 0 };
	struct totals sum = { 0 };
	struct genpkts_cfg pc;
	struct ruleset *rs = NULL;
	struct gen_pkt p;
	long long sent;
	unsigned int i;
	char *text;
	int hook, err;

	hook = prng_below(&rnd, NR_HOOKS);
	cfg.shape = prng_percent(&rnd, 70) ? GEN_MIXED : prng_below(&rnd, NR_GEN_SHAPES);
	cfg.rules = 1 + prng_below(&rnd, prng_percent(&rnd, 50) ? 30 : o->rules);
	cfg.chains = prng_percent(&rnd, 30) ? 0 : prng_below(&rnd, 2 + cfg.rules / 8);
	cfg.depth = 1 + prng_below(&rnd, 40);
	cfg.hooks = 1u << hook;
	/* What a REJECT sends would count at OUTPUT, or as a frame that left. */
	cfg.avoid = GEN_NO_REJECT | subject->avoid;
	lab_gen_cfg(&cfg);
	lab_pkt_cfg(&pc, hook);

	text = genrules(&cfg);
	if (!text)
		return -ENOMEM;
	err = subject->restore(text);
	if (err) {
		printf("# restore refuses:\n%s", text);
		goto out;
	}
	err = subject->read(&rs);
	if (err)
		goto out;
	rnd.state = seed ^ 0x5eed;
	sent = lab_sent();
	for (i = 0; i < o->packets; i++) {
		genpkts_make(&rnd, &pc, rs, &p);
		err = expect(rs, hook, &p, &sum, &res);
		if (err) {
			printf("# the oracle gives up: %d\n", err);
			break;
		}
		err = send_one(lab, hook, &p, &res);
		if (err == -EBADE)
			break;
		err = 0;
	}
	if (!err && settled(rs, hook, true))
		err = -EBADE;
	if (!err && hook != HOOK_INPUT) {
		struct timespec nap = { .tv_nsec = 1000000 };

		for (i = 0; i < 500 && lab_sent() - sent < sum.accepted; i++)
			nanosleep(&nap, NULL);
		if (lab_sent() - sent != sum.accepted) {
			printf("# %lld frames left, the oracle accepts %lld\n", lab_sent() - sent,
			       sum.accepted);
			err = -EBADE;
		}
	}
	if (err) {
		printf("# hook %s\n%s", hook_name[hook], cfg.rules < 60 ? text : "");
		find_culprit(lab, &pc, hook, seed, o->packets, text);
	}
	all->accepted += sum.accepted;
	all->hits += sum.hits;
	all->hotdrops += sum.hotdrops;
out:
	ref_result_free(&res);
	if (rs)
		ruleset_free(rs);
	free(text);
	return err;
}

/* All rulesets of one subject. @n: tests so far. Return: tests that failed. */
static unsigned int one_subject(const char *me, const struct opts *o, int *n)
{
	struct totals all = { 0 };
	bool hybrid = !strcmp(subject->name, "hybrid");
	unsigned long early;
	unsigned int i, bad = 0;
	struct lab lab;
	bool hits;
	int err = lab_enter(&lab);

	if (!err)
		err = subject->open();
	if (err) {
		printf("ok %d - oracle against %s # SKIP cannot be set up: %d\n", ++*n,
		       subject->name, err);
		return 0;
	}
	for (i = 0; i < o->rulesets && bad < 3; i++) {
		if (!one_ruleset(&lab, o, o->seed + i, &all))
			continue;
		bad++;
		printf("# reproduce: %s --subject %s --seed %" PRIu64
		       " --rulesets 1 --packets %u --rules %u\n", me, subject->name,
		       (uint64_t)o->seed + i, o->packets, o->rules);
	}
	early = early_drops();
	subject->close();
	lab_leave(&lab);
	hits = all.hits > i && all.hotdrops;
	printf("# %u rulesets, %u packets each: %lld accepted, %u rule hits, %u hotdrops\n", i,
	       o->packets, all.accepted, all.hits, all.hotdrops);
	printf("%s %d - oracle and %s agree on verdicts and counters (%u rulesets)\n",
	       bad ? "not ok" : "ok", ++*n, subject->name, i);
	printf("%s %d - packets hit rules\n", hits ? "ok" : "not ok", ++*n);
	if (hybrid)
		printf("%s %d - the driver's program dropped some (%lu)\n", early ? "ok" : "not ok",
		       ++*n, early);
	return (bad != 0) + !hits + (hybrid && !early);
}

int main(int argc, char **argv)
{
	struct opts o = { .seed = 1, .rulesets = 60, .packets = 400, .rules = 200 };
	const struct opt_row rows[] = {
		{ "seed", .seed = &o.seed }, { "rulesets", .number = &o.rulesets },
		{ "packets", .number = &o.packets }, { "rules", .number = &o.rules },
		{ "subject", .word = &o.subject }, {},
	};
	unsigned int i, failed = 0;
	int n = 0;

	if (!opts_read(argc, argv, rows))
		return 2;
	setlinebuf(stdout);
	if (geteuid()) {
		printf("ok 1 - oracle against the kernel # SKIP needs root\n1..1\n");
		return KSFT_SKIP;
	}
	printf("# seed %" PRIu64 "\n", (uint64_t)o.seed);
	for (i = 0; i < sizeof(subjects) / sizeof(*subjects); i++) {
		if (o.subject && strcmp(o.subject, subjects[i].name))
			continue;
		subject = &subjects[i];
		failed += one_subject(argv[0], &o, &n);
	}
	printf("1..%d\n", n);
	return failed != 0;
}
