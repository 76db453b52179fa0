/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * instance.h - the firewall of one network namespace, as the commands see it
 *
 * Every command is: lock, load, edit the ruleset in memory, commit, unlock. The
 * kernel holds the only copy. Until instance_commit() returns 0 nothing has
 * changed; after it everything has.
 */
#ifndef BPFIPT_INSTANCE_H
#define BPFIPT_INSTANCE_H

#include <stdbool.h>
#include "ruleset.h"

enum fw_mode {
	MODE_TC,
	MODE_XDP,
	MODE_NETFILTER,
	MODE_HYBRID,	/* netfilter, and certain drops at XDP */
	NR_MODES,
};

struct instance;

/*
 * instance_lock() - take iptables' own lock (/run/xtables.lock, XTABLES_LOCKFILE)
 * @wait:	seconds; 0: do not wait; -1: for ever
 * Return: fd, or -errno. On -EAGAIN the message is already on stderr.
 */
int instance_lock(int wait);

/*
 * instance_open() - the instance of the calling thread's network namespace
 * @create:	initialise it (hook tc) when there is none
 * @create == false and none: 0 with *in == NULL.
 * Return: 0 or -errno, message on stderr.
 */
int instance_open(struct instance **in, bool create);
void instance_close(struct instance *in);

/*
 * Without the lock, as iptables-save reads: nothing is mended, and a ruleset is
 * whole, because it is read again when a commit came between.
 * instance_peek() - the instance, for its maps
 * instance_read() - the ruleset in force; *in may be NULL as of instance_open()
 * Return: 0 or -errno, message on stderr.
 */
int instance_peek(struct instance **in);
int instance_read(struct instance **in, struct ruleset **rs);

/* instance_none() - says that there is none here. Return: -ENOENT. */
int instance_none(void);

/*
 * instance_load() - the ruleset in force, counters read live
 * With @in == NULL: an empty ruleset with ACCEPT policies.
 */
int instance_load(struct instance *in, struct ruleset **rs);

/*
 * instance_commit() - put @rs in force, whole, at every hook at one instant
 * Assigns slots to new rules. On error nothing has changed and err->msg, when
 * not empty, says why in the user's words.
 * Return: 0, -EOPNOTSUPP (refused: exit 2), -EINVAL, -ELOOP, -E2BIG, ...
 */
struct lower_err;
int instance_commit(struct instance *in, struct ruleset *rs, struct lower_err *err);

/* instance_commit_whole() - the same, everything compiled anew */
int instance_commit_whole(struct instance *in, struct ruleset *rs, struct lower_err *err);

/* instance_test() - everything instance_commit() would check, changing nothing */
int instance_test(struct instance *in, struct ruleset *rs, struct lower_err *err);

#endif /* BPFIPT_INSTANCE_H */
