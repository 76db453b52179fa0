// SPDX-License-Identifier: GPL-2.0-only
/*
 * differential.c - the loaded programs against the linear oracle
 *
 * In a lab namespace, random rulesets go in with the real restore command, and
 * random packets aimed at them meet the real programs under BPF_PROG_TEST_RUN:
 * tc ingress and XDP for INPUT and FORWARD (the lab's routes decide which), tc
 * egress for OUTPUT. Every packet's verdict and every rule's and policy's counters
 * must be the oracle's (tools/refmatch.c).
 *
 *	differential [--seed S] [--pairs N] [--rules MAX] [--hook tc|xdp]
 *
 * Ruleset i of a run has seed S + i. Packets that the hook passes uncounted by
 * design are not sent: later fragments of what this host receives or sends
 * (Documentation/iptables-compat.rst), TTL 0 and 1 to forward.
 */
#include <errno.h>
#include <getopt.h>
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>
#include <net/if.h>
#include <bpf/bpf.h>
#include <linux/pkt_cls.h>

#include "../../user/cmd.h"
#include "../../user/instance_int.h"
#include "lab.h"

#define KSFT_SKIP	4
#define IP_OFFSET	0x1fff

/* Rulesets share the pairs: packets per ruleset. */
#define PACKETS		500

struct opts {
	__u64 seed;
	unsigned long pairs;
	unsigned int rules;
	const char *hook;
	bool one;
};

struct sums {
	unsigned long pairs;
	unsigned long hits;
	unsigned long hotdrops;
	unsigned long drops;
	unsigned int rulesets;
	unsigned int refused;
};

static const char *const hook_name[] = { "INPUT", "FORWARD", "OUTPUT" };

/*
 * Load text with the real command. In a child: libxtables keeps global state.
 * Return: 0; -EOPNOTSUPP: a rule is refused by name; -EINVAL: anything else.
 */
static int restore_text(const char *text)
{
	char path[] = "/tmp/bpfipt-diff.XXXXXX";
	int fd = mkstemp(path), status;
	size_t len = strlen(text);
	pid_t pid;

	if (fd < 0)
		return -errno;
	if (write(fd, text, len) != (ssize_t)len) {
		close(fd);
		unlink(path);
		return -EIO;
	}
	close(fd);
	fflush(stdout);
	pid = fork();
	if (!pid) {
		char *argv[] = { "bpf-iptables-restore", path, NULL };

		optind = 0;
		freopen("/dev/null", "w", stderr);
		exit(restore_main(2, argv));
	}
	if (pid < 0 || waitpid(pid, &status, 0) < 0)
		status = -1;
	unlink(path);
	if (WIFEXITED(status) && WEXITSTATUS(status) == STATUS_PARAMETER)
		return -EOPNOTSUPP;
	return status ? -EINVAL : 0;
}

/* Is this packet one that the hook is to judge and count? */
static bool judged(int hook, const struct gen_pkt *p)
{
	__u16 frag = (__u16)p->data[6] << 8 | p->data[7];

	if (hook == HOOK_FORWARD)
		return p->data[8] > 1;
	return !(frag & IP_OFFSET);
}

/* What the program says of the packet: 1 accept, 0 drop, -errno. */
static int run_program(const struct lab *lab, struct instance *in, int hook,
		       const struct gen_pkt *p, const struct ref_meta *meta)
{
	__u8 frame[14 + GEN_PKT_MAX], out[14 + GEN_PKT_MAX + 256];
	struct __sk_buff skb = { .mark = p->mark };
	struct xdp_md xdp = { .data_end = 14 + p->len,
			      .ingress_ifindex = lab->in_ifindex[p->in] };
	LIBBPF_OPTS(bpf_test_run_opts, run, .data_in = frame, .data_size_in = 14 + p->len,
		    .data_out = out, .data_size_out = sizeof(out), .repeat = 1);
	bool is_xdp = hook != HOOK_OUTPUT && in->mode == MODE_XDP;
	int fd;

	lab_ether(lab, p, frame);
	memcpy(frame + 14, p->data, p->len);
	if (is_xdp) {
		run.ctx_in = &xdp;
		run.ctx_size_in = sizeof(xdp);
		fd = in->gen.xdp_fd;
	} else {
		skb.ifindex = hook == HOOK_OUTPUT ? if_nametoindex(meta->out) :
						    (unsigned int)lab->in_ifindex[p->in];
		run.ctx_in = &skb;
		run.ctx_size_in = sizeof(skb);
		fd = hook == HOOK_OUTPUT ? in->gen.egress_fd : in->gen.ingress_fd;
	}
	if (bpf_prog_test_run_opts(fd, &run))
		return -errno;
	if (is_xdp)
		return run.retval == XDP_PASS;
	return (int)run.retval == TC_ACT_UNSPEC;
}

/* One packet through both; the oracle's counts go into @want. 0 agree, 1 differ. */
static int one_packet(struct lab *lab, struct instance *in, struct ruleset *want, int hook,
		      const struct gen_pkt *p, struct ref_result *res, struct sums *sum)
{
	struct ref_meta meta;
	__u8 ip[GEN_PKT_MAX];
	size_t i;
	int got, err;

	lab_hook_view(hook, p, ip, &meta);
	if (in->mode == MODE_XDP && hook != HOOK_OUTPUT)
		meta.mark = 0;
	err = ref_eval(want, ip, p->len, &meta, res);
	if (err)
		return err;
	for (i = 0; i < res->nr_hits; i++) {
		res->hit[i]->packets++;
		res->hit[i]->bytes += res->bytes;
	}
	if (res->policy) {
		want->chains[hook]->packets++;
		want->chains[hook]->bytes += res->bytes;
	}
	got = run_program(lab, in, hook, p, &meta);
	if (got < 0)
		return got;
	sum->pairs++;
	sum->hits += res->nr_hits;
	sum->hotdrops += res->hotdrop;
	sum->drops += res->verdict == REF_DROP;
	return got != (res->verdict == REF_ACCEPT);
}

/* Counters of the kernel against the oracle's. Return: how many differ. */
static unsigned int compare(struct instance *in, const struct ruleset *want, bool report)
{
	struct ruleset *got;
	unsigned int bad = 0;
	size_t c, i;

	if (instance_load(in, &got))
		return 1;
	for (c = 0; c < want->nr_chains; c++) {
		const struct chain *w = want->chains[c], *g = got->chains[c];

		if (w->hook >= 0 && (w->packets != g->packets || w->bytes != g->bytes)) {
			bad++;
			if (report)
				printf("# policy %s: oracle %llu:%llu bpf %llu:%llu\n", w->name,
				       w->packets, w->bytes, g->packets, g->bytes);
		}
		for (i = 0; i < w->nr_rules; i++) {
			const struct rule *a = w->rules[i], *b = g->rules[i];

			if (a->packets == b->packets && a->bytes == b->bytes)
				continue;
			bad++;
			if (report)
				printf("# %s rule %zu: oracle %llu:%llu bpf %llu:%llu\n", w->name,
				       i + 1, a->packets, a->bytes, b->packets, b->bytes);
		}
	}
	ruleset_free(got);
	return bad;
}

static void print_packet(const struct gen_pkt *p)
{
	unsigned int i;

	printf("# packet in=%u mark=%#x pkttype=%u ", p->in, p->mark, p->pkttype);
	for (i = 0; i < p->len; i++)
		printf("%02x", p->data[i]);
	printf("\n");
}

/* Packet by packet until one differs in verdict or counters, and show it. */
static void find_culprit(struct lab *lab, struct instance *in, const struct genpkts_cfg *pc,
			 int hook, __u64 seed, const char *text)
{
	struct prng rnd = { seed ^ 0x5eed };
	struct ref_result res = { 0 };
	struct sums sum = { 0 };
	struct ruleset *want;
	struct gen_pkt p;
	unsigned int i;

	if (restore_text(text) || instance_load(in, &want))
		return;
	for (i = 0; i < PACKETS; i++) {
		genpkts_make(&rnd, pc, want, &p);
		if (!judged(hook, &p))
			continue;
		if (one_packet(lab, in, want, hook, &p, &res, &sum) || compare(in, want, false)) {
			printf("# packet %u differs; the oracle says %s%s\n", i,
			       res.verdict == REF_DROP ? "DROP" : "ACCEPT",
			       res.hotdrop ? " (hotdrop)" : "");
			print_packet(&p);
			compare(in, want, true);
			break;
		}
	}
	ref_result_free(&res);
	ruleset_free(want);
}

static void shape(struct prng *rnd, struct gen_cfg *cfg, unsigned int max)
{
	cfg->shape = prng_percent(rnd, 70) ? GEN_MIXED : prng_below(rnd, NR_GEN_SHAPES);
	cfg->rules = 1 + prng_below(rnd, prng_percent(rnd, 60) ? 40 : prng_percent(rnd, 90) ? 400 : max);
	cfg->chains = prng_percent(rnd, 30) ? 0 : prng_below(rnd, 2 + cfg->rules / 8);
	cfg->depth = 1 + prng_below(rnd, 40);
	cfg->avoid = GEN_NO_REJECT | GEN_NO_NOT_CHUNKS;	/* refused by name */
}

static int one_ruleset(struct lab *lab, struct instance **inp, const struct opts *o, __u64 seed,
		       enum fw_mode mode, struct sums *sum)
{
	struct prng rnd = { seed };
	struct gen_cfg cfg = { .seed = seed };
	struct ref_result res = { 0 };
	struct ruleset *want = NULL;
	struct genpkts_cfg pc;
	struct gen_pkt p;
	unsigned int i;
	int hook, err;
	char *text;

	shape(&rnd, &cfg, o->rules);
	hook = prng_below(&rnd, NR_HOOKS);
	cfg.hooks = 1u << hook;
	lab_gen_cfg(&cfg);
	lab_pkt_cfg(&pc, hook);
	text = genrules(&cfg);
	if (!text)
		return -ENOMEM;
	err = restore_text(text);
	if (err == -EOPNOTSUPP) {
		sum->refused++;
		err = 0;
		goto out;
	}
	if (err) {
		printf("# restore fails:\n%s", cfg.rules < 60 ? text : "");
		goto out;
	}
	/* The restore may have grown the instance: open it anew. */
	instance_close(*inp);
	err = instance_open(inp, false);
	if (!err)
		err = instance_load(*inp, &want);
	if (err)
		goto out;
	rnd.state = seed ^ 0x5eed;
	for (i = 0; i < PACKETS && !err; i++) {
		genpkts_make(&rnd, &pc, want, &p);
		if (judged(hook, &p))
			err = one_packet(lab, *inp, want, hook, &p, &res, sum);
	}
	if (!err)
		err = compare(*inp, want, true);
	if (err) {
		printf("# %s, hook %s, error %d\n%s", mode == MODE_XDP ? "xdp" : "tc",
		       hook_name[hook], err, cfg.rules < 60 ? text : "");
		if (err > 0)
			find_culprit(lab, *inp, &pc, hook, seed, text);
	}
	sum->rulesets++;
out:
	ref_result_free(&res);
	if (want)
		ruleset_free(want);
	free(text);
	return err;
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

	err = instance_init(mode, false);
	if (!err)
		err = instance_open(&in, false);
	if (err)
		return err;
	for (seed = o->seed; sum->pairs < goal && bad < 3; seed++) {
		if (!one_ruleset(lab, &in, o, seed, mode, sum))
			continue;
		bad++;
		printf("# reproduce: %s --hook %s --one --seed %" PRIu64 " --rules %u\n", me, name,
		       (uint64_t)seed, o->rules);
	}
	instance_close(in);
	instance_remove();
	printf("# %s: %u rulesets (%u more refused), %lu pairs, %lu rule hits, %lu drops, %lu hotdrops\n",
	       name, sum->rulesets, sum->refused, sum->pairs, sum->hits, sum->drops, sum->hotdrops);
	return bad;
}

int main(int argc, char **argv)
{
	static const struct option longopts[] = {
		{ "seed", required_argument, NULL, 's' },
		{ "pairs", required_argument, NULL, 'p' },
		{ "rules", required_argument, NULL, 'r' },
		{ "hook", required_argument, NULL, 'h' },
		{ "one", no_argument, NULL, '1' },
		{ NULL, 0, NULL, 0 },
	};
	static const struct { const char *name; enum fw_mode mode; } modes[] = {
		{ "tc", MODE_TC }, { "xdp", MODE_XDP },
	};
	struct opts o = { .seed = time(NULL), .pairs = 60000, .rules = 10000 };
	struct lab lab;
	int c, err, n = 0, failed = 0;
	size_t i;

	while ((c = getopt_long(argc, argv, "", longopts, NULL)) != -1) {
		switch (c) {
		case 's':
			o.seed = strtoull(optarg, NULL, 0);
			break;
		case 'p':
			o.pairs = strtoul(optarg, NULL, 0);
			break;
		case 'r':
			o.rules = strtoul(optarg, NULL, 0);
			break;
		case 'h':
			o.hook = optarg;
			break;
		case '1':
			o.one = true;
			break;
		default:
			return 2;
		}
	}
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
