/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * ruleset.h - the filter table as a value: chains, rules, policies
 *
 * A rule keeps iptables' own binary form (struct ipt_entry: base part, matches,
 * target), which is what libxtables parses into and prints from. A jump or goto
 * to a user chain points at its chain here (@jump), so renames follow; its
 * entry's target is a standard target whose verdict is not used.
 */
#ifndef BPFIPT_RULESET_H
#define BPFIPT_RULESET_H

#include <stdbool.h>
#include <stddef.h>
#include <linux/types.h>
#include <linux/netfilter_ipv4/ip_tables.h>

#include "../progs/abi/packet.h"

#define CHAIN_NAME_MAX	29	/* iptables: "must be under 29 chars" */

struct chain;
struct named;

/*
 * struct rule
 * @entry:	behind the struct, @entry->next_offset bytes: ipt_entry, xt_entry_match...,
 *		xt_entry_target at @entry->target_offset. "No target" and RETURN,
 *		ACCEPT, DROP, jumps are standard targets (name "").
 * @jump:	chain of -j/-g, or NULL. @entry->ip.flags has IPT_F_GOTO for -g
 * @no_target:	rule without -j/-g: counts and continues
 * @slot:	counter slot, stable for the rule's life; 0: none assigned yet
 *		(slots of rules start at SLOT_FIRST_RULE, so 0 is never a rule's)
 * @packets, @bytes: counters, as loaded from the kernel or as wanted
 * @in_block:	its memory is of the ruleset's @block, and goes with it
 * @set_counters: the commit must make the counters start from @packets, @bytes
 *		(a new rule, -c, -Z); false: they just go on
 */
struct rule {
	struct ipt_entry *entry;
	struct chain *jump;
	bool no_target;
	bool set_counters;
	bool in_block;
	__u32 slot;
	__u64 packets;
	__u64 bytes;
};

/*
 * struct chain
 * @hook:	enum fw_hook of a built-in chain, -1 for a user chain
 * @drop:	policy of a built-in chain: DROP, else ACCEPT
 * @rules:	@nr_rules pointers, in order
 * @packets, @bytes, @set_counters: the policy's, as in struct rule
 */
struct chain {
	char name[32];
	int hook;
	bool drop;
	bool set_counters;
	__u64 packets;
	__u64 bytes;
	struct rule **rules;
	size_t nr_rules;
	size_t cap_rules;
	size_t index;		/* scratch: position in the ruleset, set by its users */
};

/*
 * struct ruleset - INPUT, FORWARD, OUTPUT first, then user chains sorted by name
 * (the order of iptables-legacy's -L, -S and -save)
 * @block:	memory of the rules that were unpacked
 * @named:	@nr_named tables of hashlimit and recent (named.h), set by a commit
 */
struct ruleset {
	struct chain **chains;
	size_t nr_chains;
	size_t cap_chains;
	void *block;
	struct named *named;
	size_t nr_named;
};

struct ruleset *ruleset_new(void);	/* three empty built-in chains, ACCEPT */
void ruleset_free(struct ruleset *rs);

struct chain *ruleset_find(const struct ruleset *rs, const char *name);
struct chain *ruleset_add_chain(struct ruleset *rs, const char *name);
void ruleset_del_chain(struct ruleset *rs, struct chain *c);	/* unreferenced */
int ruleset_rename_chain(struct ruleset *rs, struct chain *c, const char *name);
size_t ruleset_references(const struct ruleset *rs, const struct chain *c);

struct rule *rule_new(size_t entry_bytes);	/* all zero but for @entry */
void rule_free(struct rule *r);
int chain_reserve(struct chain *c, size_t rules);
int chain_insert_rule(struct chain *c, size_t index, struct rule *r); /* 0..nr_rules */
struct rule *chain_take_rule(struct chain *c, size_t index);	/* unlink, caller frees */
void chain_flush(struct chain *c);

/* Iteration over a rule's matches. */
#define rule_for_each_match(m, r)						\
	for (struct xt_entry_match *m = (void *)(r)->entry->elems;		\
	     (char *)m < (char *)(r)->entry + (r)->entry->target_offset;	\
	     m = (void *)((char *)m + m->u.match_size))

static inline struct xt_entry_target *rule_target(const struct rule *r)
{
	return (void *)((char *)r->entry + r->entry->target_offset);
}

/*
 * The ruleset as bytes, for the image's rules section. Versioned, self-delimiting,
 * 4-byte aligned. ruleset_unpack() trusts nothing: -EBADMSG on any inconsistency.
 */
int ruleset_pack(const struct ruleset *rs, void **bytes, size_t *len);
int ruleset_unpack(const void *bytes, size_t len, struct ruleset **rs);

#endif /* BPFIPT_RULESET_H */
