// SPDX-License-Identifier: GPL-2.0-only
/*
 * edit.c - one command applied to a ruleset in memory
 *
 * A command that fails leaves the ruleset half edited: the caller throws it
 * away, the kernel's stays as it was. Which words go with which error is part of
 * the interface; in iptables they depend on which library function failed last,
 * and that is reproduced here case by case.
 */
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "edit.h"
#include "list.h"
#include "names.h"
#include "spec.h"

#define BAD_RULE "Bad rule (does a matching rule exist in that chain?)"

/** edit_strerror() - iptables' words for an errno value, without a full stop */
const char *edit_strerror(int err)
{
	switch (err) {
	case ENOENT:
		return "No chain/target/match by that name";
	case ENOMEM:
		return "Memory allocation problem";
	case ENOPROTOOPT:
		return "iptables who? (do you need to insmod?)";
	case ENOSYS:
		return "Will be implemented real soon.  I promise ;)";
	default:
		return strerror(err);
	}
}

static bool refuse(struct edit_error *why, int err, const char *text)
{
	why->err = err;
	why->text = text ? text : edit_strerror(err);
	return false;
}

static struct chain *find(const struct ruleset *rs, const char *name, struct edit_error *why)
{
	struct chain *c = ruleset_find(rs, name);

	if (!c)
		refuse(why, ENOENT, NULL);
	return c;
}

/*
 * What is counted between the reading of the counters and the commit stays, as with
 * iptables: of `-L -Z', repeated, every packet is listed once.
 */
static void zero_rule(struct rule *r)
{
	r->packets = 0;
	r->bytes = 0;
}

/* -A, -I, -R for one pair of addresses; @r is taken or freed. NULL: no valid target. */
static bool put_rule(struct command *cmd, struct chain *c, struct rule *r,
		     struct edit_error *why)
{
	size_t at = cmd->commands == CMD_APPEND ? c->nr_rules : cmd->rulenum - 1;
	bool replace = cmd->commands == CMD_REPLACE;

	if (replace && at >= c->nr_rules) {
		rule_free(r);
		return refuse(why, E2BIG, "Index of replacement too big");
	}
	if (at > c->nr_rules) {
		rule_free(r);
		return refuse(why, E2BIG, "Index of insertion too big");
	}
	if (!r)
		return refuse(why, EINVAL, NULL);
	if (replace) {
		rule_free(c->rules[at]);
		c->rules[at] = r;
		return true;
	}
	if (chain_insert_rule(c, at, r)) {
		rule_free(r);
		return refuse(why, ENOMEM, NULL);
	}
	return true;
}

/* Not found: the words differ, see the header comment. */
static bool no_such_rule(const struct command *cmd, struct edit_error *why)
{
	bool standard = !*cmd->jumpto || (!cmd->blobs.target && verdict_by_name(cmd->jumpto));

	return refuse(why, ENOENT, standard ? BAD_RULE : NULL);
}

/* -D, -C for one pair of addresses; @want is freed. NULL: no valid target. */
static bool seek_rule(struct command *cmd, struct chain *c, struct rule *want,
		      struct edit_error *why)
{
	bool found = false;

	if (!want)
		return refuse(why, EINVAL, NULL);
	for (size_t i = 0; i < c->nr_rules && !found; i++) {
		found = spec_equal(cmd, want, c->rules[i]);
		if (found && cmd->commands == CMD_DELETE)
			rule_free(chain_take_rule(c, i));
	}
	rule_free(want);
	return found || no_such_rule(cmd, why);
}

static bool one_pair(struct ruleset *rs, struct command *cmd, struct chain *c,
		     unsigned int s, unsigned int d, struct edit_error *why)
{
	bool puts = cmd->commands & (CMD_APPEND | CMD_INSERT | CMD_REPLACE);
	struct rule *r = NULL;
	int err = spec_rule(cmd, rs, s, d, &r);

	if (err)
		return refuse(why, -err, NULL);
	if (cmd->options & OPT_VERBOSE)
		list_rule_line(r);
	if (!c) {
		rule_free(r);
		return refuse(why, ENOENT, puts ? NULL : BAD_RULE);
	}
	if (r->jump && r->jump->hook >= 0) {	/* not a target */
		rule_free(r);
		r = NULL;
	}
	return puts ? put_rule(cmd, c, r, why) : seek_rule(cmd, c, r, why);
}

static bool for_each_pair(struct ruleset *rs, struct command *cmd, struct edit_error *why)
{
	struct chain *c = ruleset_find(rs, cmd->chain);
	bool ok = true;

	spec_resolve(cmd, rs);
	for (unsigned int s = 0; s < cmd->src.n; s++)
		for (unsigned int d = 0; d < cmd->dst.n; d++)
			ok &= one_pair(rs, cmd, c, s, d, why);
	return ok;
}

static bool delete_num(struct ruleset *rs, struct command *cmd, struct edit_error *why)
{
	struct chain *c = find(rs, cmd->chain, why);

	if (!c)
		return false;
	if (cmd->rulenum > c->nr_rules)
		return refuse(why, E2BIG, "Index of deletion too big");
	rule_free(chain_take_rule(c, cmd->rulenum - 1));
	return true;
}

static bool zero_num(struct ruleset *rs, struct command *cmd, struct edit_error *why)
{
	struct chain *c = find(rs, cmd->chain, why);

	if (!c)
		return false;
	if (cmd->rulenum > c->nr_rules)
		return refuse(why, E2BIG, "Index of counter too big");
	zero_rule(c->rules[cmd->rulenum - 1]);
	return true;
}

static void flush_one(struct chain *c, bool verbose)
{
	if (verbose)
		printf("Flushing chain `%s'\n", c->name);
	chain_flush(c);
}

static void zero_one(struct chain *c, bool verbose)
{
	if (verbose)
		printf("Zeroing chain `%s'\n", c->name);
	for (size_t i = 0; i < c->nr_rules; i++)
		zero_rule(c->rules[i]);
	c->packets = 0;
	c->bytes = 0;
}

static bool each_chain(struct ruleset *rs, const char *name, bool verbose, const char *doing,
		       void (*fn)(struct chain *c, bool verbose), struct edit_error *why)
{
	struct chain *c;

	if (!name) {
		for (size_t i = 0; i < rs->nr_chains; i++)
			fn(rs->chains[i], verbose);
		return true;
	}
	c = ruleset_find(rs, name);
	if (c) {
		fn(c, verbose);
		return true;
	}
	if (verbose)	/* said before it is looked up */
		printf("%s chain `%s'\n", doing, name);
	return refuse(why, ENOENT, NULL);
}

bool edit_flush(struct ruleset *rs, const char *chain, bool verbose, struct edit_error *why)
{
	return each_chain(rs, chain, verbose, "Flushing", flush_one, why);
}

static bool edit_zero(struct ruleset *rs, const char *chain, bool verbose,
		      struct edit_error *why)
{
	return each_chain(rs, chain, verbose, "Zeroing", zero_one, why);
}

/* Every chain's @index becomes the number of rules that jump to it. */
static void count_references(struct ruleset *rs)
{
	for (size_t i = 0; i < rs->nr_chains; i++)
		rs->chains[i]->index = 0;
	for (size_t i = 0; i < rs->nr_chains; i++)
		for (size_t j = 0; j < rs->chains[i]->nr_rules; j++)
			if (rs->chains[i]->rules[j]->jump)
				rs->chains[i]->rules[j]->jump->index++;
}

static bool delete_one(struct ruleset *rs, struct chain *c, bool verbose,
		       struct edit_error *why)
{
	if (verbose)
		printf("Deleting chain `%s'\n", c->name);
	if (c->hook >= 0)
		return refuse(why, EINVAL, NULL);
	if (c->index)
		return refuse(why, EMLINK, NULL);
	if (c->nr_rules)
		return refuse(why, ENOTEMPTY, NULL);
	ruleset_del_chain(rs, c);
	return true;
}

bool edit_delete_chain(struct ruleset *rs, const char *chain, bool verbose,
		       struct edit_error *why)
{
	struct chain *c;
	bool ok = true;

	count_references(rs);
	if (chain) {
		c = ruleset_find(rs, chain);
		if (c)
			return delete_one(rs, c, verbose, why);
		if (verbose)
			printf("Deleting chain `%s'\n", chain);
		return refuse(why, ENOENT, NULL);
	}
	/* only empty chains go, so the counts stay right */
	for (size_t i = NR_HOOKS; i < rs->nr_chains; ) {
		if (delete_one(rs, rs->chains[i], verbose, why))
			continue;
		ok = false;
		i++;
	}
	return ok;
}

bool edit_new_chain(struct ruleset *rs, const char *chain, struct edit_error *why)
{
	if (ruleset_find(rs, chain) || verdict_by_name(chain))
		return refuse(why, EEXIST, "Chain already exists");
	if (!ruleset_add_chain(rs, chain))
		return refuse(why, ENOMEM, NULL);
	return true;
}

static bool rename_chain(struct ruleset *rs, struct command *cmd, struct edit_error *why)
{
	struct chain *c;

	if (ruleset_find(rs, cmd->newname) || verdict_by_name(cmd->newname))
		return refuse(why, EEXIST, NULL);
	c = find(rs, cmd->chain, why);
	if (!c)
		return false;
	if (c->hook >= 0)
		return refuse(why, ENOENT, NULL);
	return !ruleset_rename_chain(rs, c, cmd->newname) || refuse(why, ENOMEM, NULL);
}

bool edit_policy(struct ruleset *rs, const char *chain, const char *policy,
		 __u64 packets, __u64 bytes, struct edit_error *why)
{
	struct chain *c = ruleset_find(rs, chain);
	bool drop = !strcmp(policy, "DROP");

	if (!c || c->hook < 0)
		return refuse(why, ENOENT, "Bad built-in chain name");
	if (!drop && strcmp(policy, "ACCEPT"))
		return refuse(why, EINVAL, "Bad policy name");
	c->drop = drop;
	c->packets = packets;
	c->bytes = bytes;
	c->set_counters = true;
	return true;
}

/* -L and -S, and the -Z that may come with them. */
static bool list(struct ruleset *rs, struct command *cmd, struct edit_error *why)
{
	bool ok;

	count_references(rs);
	if (cmd->commands & CMD_LIST)
		ok = list_table(rs, cmd);
	else
		ok = list_rules(rs, cmd);
	if (!ok)
		return refuse(why, ENOENT, NULL);
	if (cmd->commands & CMD_ZERO)
		return edit_zero(rs, cmd->chain, cmd->options & OPT_VERBOSE, why);
	if (cmd->commands & CMD_ZERO_NUM)
		return zero_num(rs, cmd, why);
	return true;
}

bool edit_apply(struct ruleset *rs, struct command *cmd, struct edit_error *why)
{
	bool verbose = cmd->options & OPT_VERBOSE;

	if (cmd->commands & (CMD_LIST | CMD_LIST_RULES))
		return list(rs, cmd, why);
	switch (cmd->commands) {
	case CMD_APPEND:
	case CMD_INSERT:
	case CMD_REPLACE:
	case CMD_DELETE:
	case CMD_CHECK:
		return for_each_pair(rs, cmd, why);
	case CMD_DELETE_NUM:
		return delete_num(rs, cmd, why);
	case CMD_FLUSH:
		return edit_flush(rs, cmd->chain, verbose, why);
	case CMD_ZERO:
		return edit_zero(rs, cmd->chain, verbose, why);
	case CMD_ZERO_NUM:
		return zero_num(rs, cmd, why);
	case CMD_NEW:
		return edit_new_chain(rs, cmd->chain, why);
	case CMD_DELETE_CHAIN:
		return edit_delete_chain(rs, cmd->chain, verbose, why);
	case CMD_RENAME:
		return rename_chain(rs, cmd, why);
	case CMD_POLICY:
		return edit_policy(rs, cmd->chain, cmd->policy, cmd->packets, cmd->bytes, why);
	default:	/* a line for the other family: nothing to do */
		return true;
	}
}
