// SPDX-License-Identifier: GPL-2.0-only
/*
 * delta.c - the loaded programs against the linear oracle, while the rules change a little
 *
 * As differential.c, but a ruleset that is big enough to have a delta is edited again and
 * again: each round appends, inserts, replaces and deletes a few rules, with
 * `restore --noflush', and random packets aimed at the new ruleset must get the oracle's
 * verdicts and counters from the image that was made of the one before.
 *
 *	delta [--seed S] [--rulesets N] [--hook tc|xdp] [--one]
 *
 * Ruleset i of a run has seed S + i.
 */
#include <errno.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "pair.h"

#define ROUNDS		12
#define PACKETS		250
#define NEW_RULES	60

/* struct run - a ruleset being edited; @deltas: images that had a delta or links */
struct run {
	struct lab *lab;
	struct instance *in;
	struct prng rnd;
	unsigned int hooks;
	char *rule[NEW_RULES];	/* "CHAIN MATCHES TARGET" */
	size_t nr_rules;
	unsigned long rounds;
	unsigned long deltas;
	struct sums sum;
};

/* The rules of a text that restore takes. */
static void take_rules(struct run *run, char *text)
{
	run->nr_rules = 0;
	for (char *line = strtok(text, "\n"); line; line = strtok(NULL, "\n"))
		if (!strncmp(line, "-A ", 3) && run->nr_rules < NEW_RULES)
			run->rule[run->nr_rules++] = line + 3;
}

/* One edit of the chain that a random new rule is for. */
static void one_edit(struct run *run, const struct ruleset *rs, FILE *f)
{
	const char *rule = run->rule[prng_below(&run->rnd, run->nr_rules)];
	const char *rest = strchr(rule, ' ');
	struct chain *c;
	char name[32];

	if (!rest || rest - rule >= (long)sizeof(name))
		return;
	memcpy(name, rule, rest - rule);
	name[rest - rule] = '\0';
	c = ruleset_find(rs, name);
	if (!c)
		return;
	switch (prng_below(&run->rnd, 5)) {
	case 0:
		fprintf(f, "-A %s%s\n", name, rest);
		break;
	case 1:
		/* as many as there were; earlier edits of the round may have taken some */
		if (c->nr_rules > 20)
			fprintf(f, "-D %s %u\n", name,
				1 + prng_below(&run->rnd, c->nr_rules - 20));
		break;
	case 2:
		if (c->nr_rules > 20)
			fprintf(f, "-R %s %u%s\n", name,
				1 + prng_below(&run->rnd, c->nr_rules - 20), rest);
		break;
	default:
		fprintf(f, "-I %s %u%s\n", name,
			1 + (c->nr_rules > 20 ? prng_below(&run->rnd, c->nr_rules - 20) : 0), rest);
	}
}

static bool has_delta(const struct instance *in)
{
	const struct img_hdr *h = active_image(&in->gen);

	return h->part[PART_DELTA].start != h->nr_positions || h->flags & IMG_F_LINKED;
}

/* Return: 0 all agree, 1 not, -errno */
static int one_round(struct run *run)
{
	struct ref_result res = { 0 };
	struct ruleset *want = NULL;
	char *edits = NULL;
	size_t len;
	FILE *f;
	int err;

	instance_close(run->in);
	run->in = NULL;
	err = instance_open(&run->in, false);
	if (!err)
		err = instance_load(run->in, &want);
	f = err ? NULL : open_memstream(&edits, &len);
	if (!f)
		return err ?: -ENOMEM;
	fputs("*filter\n", f);
	for (unsigned int n = 1 + prng_below(&run->rnd, 5); n; n--)
		one_edit(run, want, f);
	fputs("COMMIT\n", f);
	fclose(f);
	ruleset_free(want);
	want = NULL;
	err = pair_edit(edits);
	if (err) {	/* a match that is refused, a loop: nothing has changed */
		run->sum.refused++;
		err = 0;
	}
	instance_close(run->in);
	run->in = NULL;
	err = err ?: pair_open(&run->in);
	err = err ?: instance_load(run->in, &want);
	for (unsigned int i = 0; i < PACKETS && !err; i++) {
		struct trial t;

		trial_make(&run->rnd, run->hooks, want, &t);
		err = pair_run(run->lab, run->in, want, &t, &res, &run->sum, true);
		if (err)
			trial_print(&t);
	}
	if (!err)
		err = pair_compare(run->in, want, true) > 0;
	if (err)
		printf("# the last edits:\n%.2000s", edits);
	run->rounds++;
	run->deltas += !err && has_delta(run->in);
	ref_result_free(&res);
	ruleset_free(want);
	free(edits);
	return err;
}

static int one_ruleset(void *arg, __u64 seed)
{
	struct run *run = arg;
	struct gen_cfg cfg = { .seed = seed };
	char *text, *more;
	int err;

	run->rnd = (struct prng){ seed };
	cfg.shape = prng_percent(&run->rnd, 80) ? GEN_MIXED : prng_below(&run->rnd, NR_GEN_SHAPES);
	cfg.rules = 300 + prng_below(&run->rnd, 1200);
	cfg.chains = prng_below(&run->rnd, 12);
	cfg.depth = 1 + prng_below(&run->rnd, 8);
	cfg.hooks = 1 + prng_below(&run->rnd, (1u << NR_HOOKS) - 1);
	cfg.avoid = GEN_NO_REJECT;
	lab_gen_cfg(&cfg);
	text = genrules(&cfg);
	cfg.seed += 0x10000;
	cfg.rules = NEW_RULES;
	more = genrules(&cfg);
	run->hooks = cfg.hooks;
	err = text && more ? pair_restore(text) : -ENOMEM;
	if (!err)
		take_rules(run, more);
	if (err == -EOPNOTSUPP)
		err = 0;
	else
		for (int i = 0; i < ROUNDS && !err && run->nr_rules; i++)
			err = one_round(run);
	run->sum.rulesets++;
	free(text);
	free(more);
	return err;
}

static int one_mode(const struct pair_args *a, struct lab *lab, enum fw_mode mode,
		    const char *hook, int n)
{
	struct run run = { .lab = lab };
	int bad = pair_rulesets(a, mode, 0, one_ruleset, &run, &run.in), failed;

	if (bad >= 0)
		printf("# %s: %u rulesets, %lu rounds (%u refused), %lu of them with a delta, %lu pairs, "
		       "%lu rule hits, %lu drops\n", hook, run.sum.rulesets, run.rounds,
		       run.sum.refused, run.deltas, run.sum.pairs, run.sum.hits, run.sum.drops);
	failed = pair_ok(n, !bad, hook,
			 "edited rulesets and oracle agree on verdicts and counters");
	return failed + pair_ok(n + 1, run.deltas > run.rounds / 2 &&
				run.sum.refused < run.rounds / 2 && run.sum.hits > run.sum.pairs / 4,
				hook, "most rounds have new rules and a delta, and packets hit rules");
}

int main(int argc, char **argv)
{
	struct pair_args a = { .rulesets = 4, .seed = 1 };

	return pair_modes(argc, argv, &a, "deltas against the oracle", one_mode);
}
