/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * edit.h - one command applied to a ruleset in memory
 */
#ifndef BPFIPT_EDIT_H
#define BPFIPT_EDIT_H

#include "args.h"
#include "ruleset.h"

/*
 * struct edit_error - why a command was refused
 * @err:	errno value
 * @text:	iptables' words for it, without the full stop
 */
struct edit_error {
	int err;
	const char *text;
};

/*
 * edit_apply() - do what @cmd says to @rs, and print what it asks to be printed
 * Return: true; false with @why, and @rs is then of no use.
 */
bool edit_apply(struct ruleset *rs, struct command *cmd, struct edit_error *why);

/* The steps that restore takes by itself; NULL means every chain. */
bool edit_flush(struct ruleset *rs, const char *chain, bool verbose, struct edit_error *why);
bool edit_delete_chain(struct ruleset *rs, const char *chain, bool verbose,
		       struct edit_error *why);
bool edit_new_chain(struct ruleset *rs, const char *chain, struct edit_error *why);
bool edit_policy(struct ruleset *rs, const char *chain, const char *policy,
		 __u64 packets, __u64 bytes, struct edit_error *why);

/* edit_strerror() - iptables' words for an error that has none of its own */
const char *edit_strerror(int err);

#endif /* BPFIPT_EDIT_H */
