// SPDX-License-Identifier: GPL-2.0-only
/*
 * flows.c - verdicts kept for a flow against the linear oracle
 *
 * As differential.c, with rulesets whose keys all have a place in a flow's key; the image
 * is told to keep verdicts however small it is. Packets come three times, in turn, so that
 * what the first had is kept and found; then a few rules change, and they come again: what
 * was kept before must not be found. Half of the places are others' beforehand, so that some
 * flows find room in their second set, and some only by taking another's place.
 *
 * Control: when every kept verdict of the image in force is turned into its opposite, many
 * of the same packets differ from the oracle.
 *
 *	flows [--seed S] [--rulesets N] [--hook tc|xdp] [--one]
 *
 * Ruleset i of a run has seed S + i.
 */
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>
#include <bpf/libbpf.h>
#include <sys/mman.h>

#include "../../user/image.h"
#include "pair.h"

#define PACKETS		200
#define TURNS		3

/*
 * struct run - of one hook
 * @turned: packets sent after their flows' verdicts were turned; @differ: of them
 */
struct run {
	struct lab *lab;
	struct instance *in;
	struct trial trial[PACKETS];
	struct sums sum;
	unsigned long unfit;
	unsigned long turned;
	unsigned long differ;
};

/* The image in force keeps verdicts. Return: false: its rules ask for a key that flows lack. */
static bool keep_flows(struct run *run)
{
	struct img_hdr *h = (struct img_hdr *)active_image(&run->in->gen);

	return flow_mask((const __u32 *)h, h->part, h->flow_mask);
}

/* each_flow() - @visit each place of the table; the generation is of the image in force */
static int each_flow(const struct instance *in, void *arg,
		     void (*visit)(struct flow *f, __u32 generation, void *arg))
{
	__u32 generation = active_image(&in->gen)->generation;
	size_t n = (size_t)libbpf_num_possible_cpus() << FLOW_SETS_BITS;
	int fd = pins_open("%s/g%d/map-flows", in->dir, in->gen.number);
	struct flow_set *set = MAP_FAILED;

	if (fd >= 0)
		set = mmap(NULL, n * sizeof(*set), PROT_READ | PROT_WRITE, MAP_SHARED, fd, 0);
	close(fd);
	if (set == MAP_FAILED)
		return -errno;
	for (size_t i = 0; i < 2 * n; i++)
		visit(&set[i / 2].way[i % 2], generation, arg);
	munmap(set, n * sizeof(*set));
	return 0;
}

/* What is kept for the image in force becomes its opposite. */
static void turn(struct flow *f, __u32 generation, void *arg)
{
	(void)arg;
	if (f->key[FLOW_WORDS - 1] >> 32 == generation)
		f->plain ^= FEW_ACCEPT | FEW_DROP;
}

/* Half of the places are of flows that do not come: of no hook that there is. */
static void crowd(struct flow *f, __u32 generation, void *rnd)
{
	if (prng_percent(rnd, 50))
		*f = (struct flow){ .key = { 0, ~0ull, (__u64)generation << 32 },
				    .plain = FEW_DROP };
}

/* Return: 0 all agree, 1 not, -errno; -EDOM: the rules are none that flows are for */
static int one_image(struct run *run, struct prng *rnd, unsigned int hooks, bool again)
{
	struct ref_result res = { 0 };
	struct ruleset *want = NULL;
	int err;

	instance_close(run->in);
	run->in = NULL;
	err = pair_open(&run->in);
	if (!err && !keep_flows(run))
		return -EDOM;
	err = err ?: each_flow(run->in, rnd, crowd);
	err = err ?: instance_load(run->in, &want);
	for (unsigned int i = 0; i < PACKETS && !err && !again; i++)
		trial_make(rnd, hooks, want, &run->trial[i]);
	for (unsigned int i = 0; i < TURNS * PACKETS && !err; i++) {
		err = pair_run(run->lab, run->in, want, &run->trial[i % PACKETS], &res,
			       &run->sum, true);
		if (err)
			trial_print(&run->trial[i % PACKETS]);
	}
	if (!err)
		err = pair_compare(run->in, want, true) > 0;
	if (!err && again)
		err = each_flow(run->in, NULL, turn);
	for (unsigned int i = 0; i < PACKETS && !err && again; i++) {
		run->turned++;
		run->differ += pair_run(run->lab, run->in, want, &run->trial[i], &res,
					&run->sum, false) > 0;
	}
	ref_result_free(&res);
	ruleset_free(want);
	return err;
}

/* Other policies, and a rule before all others of each chain that has some. */
static char *edits(struct prng *rnd, unsigned int hooks)
{
	static const char *const chain[NR_HOOKS] = { "INPUT", "FORWARD", "OUTPUT" };
	char *text = NULL;
	size_t len;
	FILE *f = open_memstream(&text, &len);

	if (!f)
		return NULL;
	fputs("*filter\n", f);
	for (int h = 0; h < NR_HOOKS; h++)
		if (hooks & 1u << h)
			fprintf(f, ":%s %s\n-I %s -p %s -j %s\n", chain[h],
				prng_percent(rnd, 50) ? "ACCEPT" : "DROP", chain[h],
				prng_percent(rnd, 50) ? "tcp" : "udp",
				prng_percent(rnd, 50) ? "ACCEPT" : "DROP");
	fputs("COMMIT\n", f);
	fclose(f);
	return text;
}

static int one_ruleset(void *arg, __u64 seed)
{
	struct run *run = arg;
	static const enum gen_shape shapes[] = { GEN_TUPLES, GEN_TUPLES, GEN_SERVICES, GEN_MIXED };
	struct prng rnd = { seed };
	struct gen_cfg cfg = { .seed = seed, .shape = shapes[prng_below(&rnd, 4)] };
	char *text, *more;
	int err;

	cfg.rules = 1 + prng_below(&rnd, cfg.shape == GEN_MIXED ? 6 : 600);
	cfg.chains = prng_below(&rnd, 6);
	cfg.depth = 1 + prng_below(&rnd, 6);
	cfg.hooks = 1 + prng_below(&rnd, (1u << NR_HOOKS) - 1);
	cfg.avoid = GEN_NO_REJECT | GEN_NO_PAYLOAD | GEN_NO_MARK | GEN_NO_MAC | GEN_NO_LENGTH;
	lab_gen_cfg(&cfg);
	text = genrules(&cfg);
	more = edits(&rnd, cfg.hooks);
	err = text && more ? pair_restore(text) : -ENOMEM;
	err = err ?: one_image(run, &rnd, cfg.hooks, false);
	err = err ?: pair_edit(more);
	err = err ?: one_image(run, &rnd, cfg.hooks, true);
	if (err == -EDOM || err == -EOPNOTSUPP) {
		run->unfit++;
		err = 0;
	}
	if (err)
		printf("# the rules:\n%.20000s# then:\n%s", text, more);
	run->sum.rulesets++;
	free(text);
	free(more);
	return err;
}

static int one_mode(const struct pair_args *a, struct lab *lab, enum fw_mode mode,
		    const char *hook, int n)
{
	struct run run = { .lab = lab };
	int bad = pair_rulesets(a, mode, IMG_F_FLOWS, one_ruleset, &run, &run.in), failed;

	if (bad >= 0)
		printf("# %s: %u rulesets (%lu have other keys), %lu pairs, %lu rule hits, %lu drops; "
		       "verdicts turned: %lu of %lu packets differ\n", hook, run.sum.rulesets,
		       run.unfit, run.sum.pairs, run.sum.hits, run.sum.drops, run.differ, run.turned);
	failed = pair_ok(n, !bad, hook, "kept verdicts are the oracle's, and go with the rules");
	return failed + pair_ok(n + 1, a->rulesets == 1 || (run.unfit < a->rulesets / 2 &&
							    run.differ > run.turned / 2),
				hook, "control: most packets got the verdict that was kept");
}

int main(int argc, char **argv)
{
	struct pair_args a = { .rulesets = 40, .seed = 1 };

	return pair_modes(argc, argv, &a, "flows against the oracle", one_mode);
}
