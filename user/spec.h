/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * spec.h - a parsed command line -> rules
 */
#ifndef BPFIPT_SPEC_H
#define BPFIPT_SPEC_H

#include "args.h"
#include "ruleset.h"

/*
 * spec_resolve() - is the rule's target a chain, an extension or nothing?
 * A name that is none of them ends the process, as iptables does. A chain that
 * is named as an extension wins, with a warning.
 */
void spec_resolve(struct command *cmd, const struct ruleset *rs);

/*
 * spec_rule() - build the rule for one pair of addresses
 * @s, @d:	index into cmd->src, cmd->dst
 * A jump to a built-in chain is built too: it can be printed, but not be put.
 * Return: 0; -EINVAL for more matches than an entry holds; -ENOENT; -ENOMEM.
 */
int spec_rule(const struct command *cmd, const struct ruleset *rs, unsigned int s,
	      unsigned int d, struct rule **out);

/* spec_equal() - is @r the rule that @want, built from @cmd, describes? */
bool spec_equal(const struct command *cmd, const struct rule *want, const struct rule *r);

#endif /* BPFIPT_SPEC_H */
