// SPDX-License-Identifier: GPL-2.0-only
/*
 * differential.c - the loaded programs against the linear oracle
 *
 * In a lab namespace, random rulesets go in with the real restore command, and
 * random packets aimed at them meet the real programs under BPF_PROG_TEST_RUN:
 * tc ingress and XDP for INPUT and FORWARD (the lab's routes decide which), tc
 * egress for OUTPUT. Every packet's verdict (at tc its mark too) and every rule's
 * and policy's counters must be the oracle's (tools/refmatch.c). A few frames in a
 * hundred are spoilt so that no chain is to see them (enum spoil): those pass
 * uncounted.
 *
 *	differential [--seed S] [--pairs N] [--rules MAX] [--hook tc|xdp] [--one]
 *
 * N pairs for each hook. Ruleset i of a run has seed S + i; a case that differs is
 * made small and printed. The ClassBench files of $CLASSBENCH (by default
 * ../shared/classbench) are rulesets of the run too.
 */
#include <errno.h>
#include <glob.h>
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "opts.h"
#include "pair.h"

#define KSFT_SKIP	4

/* Rulesets share the pairs: packets per ruleset. */
#define PACKETS		500
#define CLASSBENCH_PACKETS 3000

struct opts {
	__u64 seed;
	unsigned int pairs;
	unsigned int rules;
	const char *hook;
	bool one;
};

/* One ruleset to try. */
struct job {
	const char *text;
	unsigned int hooks;
	unsigned int packets;
	__u64 seed;
};

/* Packet by packet until one differs in verdict or counters; then make it small. */
static void find_culprit(struct lab *lab, struct instance **in, const struct job *job)
{
	struct prng rnd = { job->seed ^ 0x5eed };
	struct ref_result res = { 0 };
	struct sums sum = { 0 };
	struct ruleset *want;
	struct trial t;
	unsigned int i;
	bool found = false;

	if (pair_restore(job->text) || instance_load(*in, &want))
		return;
	for (i = 0; i < job->packets && !found; i++) {
		trial_make(&rnd, job->hooks, want, &t);
		found = pair_run(lab, *in, want, &t, &res, &sum, true) ||
			pair_compare(*in, want, false);
	}
	ref_result_free(&res);
	ruleset_free(want);
	if (found)
		minimise(lab, in, job->text, &t);
}

/* Return: 0 all agree, 1 not, -errno */
static int run_job(struct lab *lab, struct instance **inp, const struct job *job,
		   struct sums *sum)
{
	struct prng rnd = { job->seed ^ 0x5eed };
	struct ref_result res = { 0 };
	struct ruleset *want = NULL;
	struct trial t;
	unsigned int i;
	int err;

	err = pair_restore(job->text);
	if (err == -EOPNOTSUPP) {
		sum->refused++;
		return 0;
	}
	if (err) {
		printf("# restore fails:\n%.20000s", job->text);
		return err;
	}
	/* The restore may have grown the instance: open it anew. */
	instance_close(*inp);
	*inp = NULL;
	err = pair_open(inp);
	if (!err)
		err = instance_load(*inp, &want);
	for (i = 0; i < job->packets && !err; i++) {
		trial_make(&rnd, job->hooks, want, &t);
		err = pair_run(lab, *inp, want, &t, &res, sum, true);
	}
	if (!err)
		err = pair_compare(*inp, want, true) > 0;
	sum->rulesets++;
	ref_result_free(&res);
	if (want)
		ruleset_free(want);
	if (err < 0)
		printf("# packet %u: %s\n", i - 1, strerror(-err));
	if (err < 0 && i)
		trial_print(&t);
	if (err > 0)
		find_culprit(lab, inp, job);
	return err;
}

static void shape(struct prng *rnd, struct gen_cfg *cfg, unsigned int max)
{
	cfg->shape = prng_percent(rnd, 70) ? GEN_MIXED : prng_below(rnd, NR_GEN_SHAPES);
	cfg->rules = 1 + prng_below(rnd, prng_percent(rnd, 60) ? 40 : prng_percent(rnd, 90) ? 400 : max);
	cfg->chains = prng_percent(rnd, 30) ? 0 : prng_below(rnd, 2 + cfg->rules / 8);
	cfg->depth = 1 + prng_below(rnd, 40);
	cfg->hooks = prng_percent(rnd, 50) ? 1u << prng_below(rnd, NR_HOOKS) :
					     1 + prng_below(rnd, (1u << NR_HOOKS) - 1);
	cfg->avoid = GEN_NO_REJECT;
}

static int random_ruleset(struct lab *lab, struct instance **in, const struct opts *o,
			  __u64 seed, struct sums *sum)
{
	struct prng rnd = { seed };
	struct gen_cfg cfg = { .seed = seed };
	struct job job = { .packets = PACKETS, .seed = seed };
	char *text;
	int err;

	shape(&rnd, &cfg, o->rules);
	lab_gen_cfg(&cfg);
	text = genrules(&cfg);
	if (!text)
		return -ENOMEM;
	job.text = text;
	job.hooks = cfg.hooks;
	err = run_job(lab, in, &job, sum);
	free(text);
	return err;
}

/* Return: how many files differ */
static int classbench(struct lab *lab, struct instance **in, const struct opts *o,
		      struct sums *sum)
{
	static const char *const hook_name[NR_HOOKS] = { "INPUT", "FORWARD", "OUTPUT" };
	const char *dir = getenv("CLASSBENCH") ? getenv("CLASSBENCH") : "../shared/classbench";
	char pattern[256];
	glob_t files;
	size_t i;
	int bad = 0;

	snprintf(pattern, sizeof(pattern), "%s/*.rules.gz", dir);
	if (glob(pattern, 0, NULL, &files))
		return 0;
	for (i = 0; i < files.gl_pathc; i++) {
		int hook = i % 2 ? HOOK_FORWARD : HOOK_OUTPUT;
		struct job job = { .hooks = 1u << hook, .packets = CLASSBENCH_PACKETS,
				   .seed = o->seed };
		char *text = genrules_classbench(files.gl_pathv[i], o->rules, hook_name[hook],
						 o->seed);

		job.text = text;
		if (!text || run_job(lab, in, &job, sum)) {
			printf("# %s\n", files.gl_pathv[i]);
			bad++;
		}
		free(text);
	}
	printf("# %zu ClassBench files\n", files.gl_pathc);
	globfree(&files);
	return bad;
}

/* All rulesets of one mode. Return: rulesets that differ, -errno to skip. */
static int one_mode(struct lab *lab, const char *me, const struct opts *o, enum fw_mode mode,
		    struct sums *sum)
{
	const char *name = mode == MODE_XDP ? "xdp" : "tc";
	unsigned long goal = o->one ? 1 : o->pairs;
	struct instance *in = NULL;
	int bad = 0, err;
	__u64 seed;

	err = instance_init(mode, 0, 0, false);
	if (!err)
		err = pair_open(&in);
	if (err)
		return err;
	for (seed = o->seed; sum->pairs < goal && bad < 3; seed++) {
		if (!random_ruleset(lab, &in, o, seed, sum))
			continue;
		bad++;
		printf("# reproduce: %s --hook %s --one --seed %" PRIu64 " --rules %u\n", me, name,
		       (uint64_t)seed, o->rules);
	}
	if (!o->one && !bad)
		bad += classbench(lab, &in, o, sum);
	instance_close(in);
	instance_remove();
	printf("# %s: %u rulesets (%u more refused), %lu pairs (%lu spoilt)\n", name,
	       sum->rulesets, sum->refused, sum->pairs, sum->spoilt);
	printf("# %s: %lu rule hits, %lu drops, %lu hotdrops\n", name, sum->hits, sum->drops,
	       sum->hotdrops);
	return bad;
}

int main(int argc, char **argv)
{
	static const struct { const char *name; enum fw_mode mode; } modes[] = {
		{ "tc", MODE_TC }, { "xdp", MODE_XDP },
	};
	struct opts o = { .seed = 1, .pairs = 60000, .rules = 10000 };
	const struct opt_row rows[] = {
		{ "seed", .seed = &o.seed }, { "pairs", .number = &o.pairs },
		{ "rules", .number = &o.rules }, { "hook", .word = &o.hook },
		{ "one", .flag = &o.one }, {},
	};
	struct lab lab;
	int c, err, n = 0, failed = 0;
	size_t i;

	if (!opts_read(argc, argv, rows))
		return 2;
	setlinebuf(stdout);
	err = geteuid() ? -EPERM : lab_enter(&lab);
	if (err) {
		printf("ok 1 - programs against the oracle # SKIP no lab: %s\n1..1\n",
		       strerror(-err));
		return KSFT_SKIP;
	}
	printf("# seed %" PRIu64 "\n", (uint64_t)o.seed);
	for (i = 0; i < sizeof(modes) / sizeof(*modes); i++) {
		struct sums sum = { 0 };

		if (o.hook && strcmp(o.hook, modes[i].name))
			continue;
		err = one_mode(&lab, argv[0], &o, modes[i].mode, &sum);
		failed += err != 0;
		printf("%s %d - %s: programs and oracle agree on verdicts and counters (%lu pairs)\n",
		       err ? "not ok" : "ok", ++n, modes[i].name, sum.pairs);
		if (o.one)
			continue;
		c = sum.hits > sum.pairs / 4 && sum.hotdrops && sum.drops;
		failed += !c;
		printf("%s %d - %s: packets hit rules, are dropped and hotdropped\n",
		       c ? "ok" : "not ok", ++n, modes[i].name);
	}
	lab_leave(&lab);
	printf("1..%d\n", n);
	return failed != 0;
}
