/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * counts.h - the oracle's counters, and those of whoever enforced the rules
 */
#ifndef BPFIPT_COUNTS_H
#define BPFIPT_COUNTS_H

struct ref_result;
struct ruleset;

/* counts_add() - what one packet of @hook (enum fw_hook) adds to the counters of @rs */
void counts_add(struct ruleset *rs, int hook, const struct ref_result *res);

/*
 * counts_differ() - every policy and rule, packets and bytes
 * @want, @got:	the same rules; @want counted by the oracle
 * @hook:	enum fw_hook: leave out the other hooks' chains; -1: all
 * @who:	name of @got: print each difference; NULL: only count
 * Return: how many counters differ
 */
unsigned int counts_differ(const struct ruleset *want, const struct ruleset *got, int hook,
			   const char *who);

#endif /* BPFIPT_COUNTS_H */
