/* SPDX-License-Identifier: GPL-2.0-only */
/* named.h - tables of hashlimit and lists of recent, which rules share by name: named.c */
#ifndef BPFIPT_NAMED_H
#define BPFIPT_NAMED_H

#include <stdbool.h>
#include <linux/netfilter/xt_hashlimit.h>
#include <linux/types.h>

#include "lower.h"

enum named_kind {
	NAMED_HASHLIMIT,
	NAMED_RECENT,
	NR_NAMED_KINDS,
};

/*
 * struct named - one of them; part of the ruleset, in the packed one too
 * @id, @born:	struct late_named of abi/late_rate.h
 * @cfg:	hashlimit: settings of the rule that made the table, completed
 * @mask:	recent: of the rule that made the list
 * @stamps:	recent: times per address - 1
 */
struct named {
	__u32 kind;
	__u32 id;
	__u32 born;
	__be32 mask;
	__u32 stamps;
	__u32 pad;
	struct hashlimit_cfg3 cfg;
	char name[256];
};

struct named *named_find(const struct ruleset *rs, enum named_kind kind, const char *name);

/* Does a list of recent that keeps @stamps + 1 times belong in recent_big? */
bool recent_is_big(__u32 stamps);

/* The settings of a hashlimit match, of any revision. Return: false: it is none. */
bool hashlimit_of(const struct xt_entry_match *m, struct hashlimit_cfg3 *cfg, const char **name);
/* Of revisions 2 and 3: what hashlimit_fill() needs to bring a bucket up to date. */
struct hashlimit_conf;
void hashlimit_conf(const struct hashlimit_cfg3 *table, struct hashlimit_conf *c);
/* Times per address - 1 that a rule with this --hitcount needs. */
__u32 recent_stamps(__u32 hit_count);
/* What the kernel makes of a new table's settings: sizes that are not given. */
void hashlimit_complete(struct hashlimit_cfg3 *cfg);

/*
 * named_assign() - make the tables that rules name, drop those that none names
 * @now:	the image in force, or NULL
 * Return: 0; -EINVAL as the kernel would; -EOPNOTSUPP with err->msg: too many; -ENOMEM.
 */
int named_assign(struct ruleset *rs, const struct img_hdr *now, struct lower_err *err);
/* Did named_assign(), given @now, make a table? */
bool named_made(const struct ruleset *rs, const struct img_hdr *now);

#endif /* BPFIPT_NAMED_H */
