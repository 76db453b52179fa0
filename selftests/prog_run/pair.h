/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * pair.h - one packet through the loaded programs and through the oracle
 */
#ifndef BPFIPT_PAIR_H
#define BPFIPT_PAIR_H

#include "../../user/instance_int.h"
#include "lab.h"

/*
 * enum spoil - what is wrong with a frame, so that no chain sees it: it must pass
 * uncounted (the stack, or nobody, deals with it)
 */
enum spoil {
	SPOIL_NONE,
	SPOIL_VERSION,
	SPOIL_IHL,
	SPOIL_SHORT_TOTAL,	/* IP total length below the header's */
	SPOIL_LONG_TOTAL,	/* ... above the frame's */
	SPOIL_ETHERTYPE,
	SPOIL_FRAGMENT,		/* later fragment, at INPUT and OUTPUT */
	/* at ingress only */
	SPOIL_CSUM,
	SPOIL_SOURCE,		/* martian */
	SPOIL_DESTINATION,
	SPOIL_OTHERHOST,
	/* of what is to be forwarded only */
	SPOIL_TTL,
	SPOIL_BROADCAST,	/* link-layer broadcast */
	NR_SPOILS,
};

/* struct trial - one packet, all that is needed to send it again */
struct trial {
	int hook;
	enum spoil spoil;
	__u32 salt;		/* which of the ways to spoil */
	struct gen_pkt pkt;
};

struct sums {
	unsigned long pairs;
	unsigned long hits;
	unsigned long hotdrops;
	unsigned long drops;
	unsigned long spoilt;
	unsigned int rulesets;
	unsigned int refused;
};

/*
 * struct pair_args - what a test of random rulesets at tc and xdp is asked for
 * @me:		the program, for the line that reproduces
 * @hook:	only this one; NULL: both
 */
struct pair_args {
	const char *me;
	const char *hook;
	unsigned int rulesets;
	__u64 seed;
};

/*
 * pair_args() - read [--seed S] [--rulesets N] [--hook tc|xdp] [--one]
 * @a:	has the defaults. Return: false: an option that there is not.
 */
bool pair_args(int argc, char **argv, struct pair_args *a);

/*
 * pair_rulesets() - @one, given @run, of each seed in turn, until one differs
 * @features:	the instance is made with; it is removed at the end
 * @in:		the instance that @one left open
 * Return: rulesets that differ, -errno to skip
 */
int pair_rulesets(const struct pair_args *a, enum fw_mode mode, __u32 features,
		  int (*one)(void *run, __u64 seed), void *run, struct instance **in);

/* pair_ok() - print check number @n, of @hook. Return: 1: it failed */
int pair_ok(int n, bool good, const char *hook, const char *text);

/*
 * pair_modes() - a test's main(): @one for tc, then for xdp, in a lab
 * @what:	the test, for a skip
 * @one:	has two checks to print, number @n and the next. Return: how many failed
 * Return: exit status.
 */
int pair_modes(int argc, char **argv, struct pair_args *a, const char *what,
	       int (*one)(const struct pair_args *a, struct lab *lab, enum fw_mode mode,
			  const char *hook, int n));

/* trial_make() - a random packet for one of the hooks of @hooks, mostly not spoilt */
void trial_make(struct prng *rnd, unsigned int hooks, const struct ruleset *rs, struct trial *t);

/*
 * pair_run() - @t through both; what the oracle counts is added to @want's counters
 * Return: 0 they agree on the verdict (and at tc on the mark), 1 they do not
 * (a line on stdout when @report), -errno
 */
int pair_run(const struct lab *lab, struct instance *in, struct ruleset *want,
	     const struct trial *t, struct ref_result *res, struct sums *sum, bool report);

/* pair_compare() - counters in force against @want's. Return: how many differ */
unsigned int pair_compare(struct instance *in, const struct ruleset *want, bool report);

/* pair_open() - the instance in force, with its programs. Return: 0 or -errno */
int pair_open(struct instance **in);

/* pair_restore() - load text with the real command. Return: 0; -EOPNOTSUPP: a rule
 * is refused by name; -EINVAL: anything else */
int pair_restore(const char *text);
/* pair_edit() - the same with --noflush */
int pair_edit(const char *text);

void trial_print(const struct trial *t);

/* minimise.c: fewer rules, a plainer packet, the same disagreement; prints both */
void minimise(const struct lab *lab, struct instance **in, const char *text,
	      const struct trial *t);

#endif /* BPFIPT_PAIR_H */
