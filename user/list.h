/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * list.h - rules as text
 */
#ifndef BPFIPT_LIST_H
#define BPFIPT_LIST_H

#include "args.h"
#include "ruleset.h"

/* list_rule_line() - `-v`: one rule on one line, before it is put or sought */
void list_rule_line(const struct rule *r);

/*
 * list_table() - -L; list_rules() - -S
 * Every chain's @index is its number of references.
 * Return: false when cmd->chain does not exist; nothing was printed then.
 */
bool list_table(const struct ruleset *rs, const struct command *cmd);
bool list_rules(const struct ruleset *rs, const struct command *cmd);

/* enum save_counters - where a saved rule shows its counters */
enum save_counters {
	SAVE_NO_COUNTERS,
	SAVE_BRACKETS,		/* iptables-save -c: [packets:bytes] in front */
	SAVE_OPTION,		/* -S -v: -c packets bytes */
};

/* rule_target_name() - chain, verdict or extension; "" without target */
const char *rule_target_name(const struct rule *r);

/* save_rule() - one rule as an -A line, on stdout */
void save_rule(const struct chain *c, const struct rule *r, enum save_counters counters);

#endif /* BPFIPT_LIST_H */
