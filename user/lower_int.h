/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * lower_int.h - what the files that lower matches and targets share
 *
 * Each match is a row of a table: { name, revisions, size, where it is legal, check,
 * lower }. lower.c walks a rule's matches in order and calls their lower functions,
 * which say what they need through the low_*() helpers (low.c); these keep the
 * products exact whatever the order:
 *
 *   low_forms()	headers too short for the match: no match, or hotdrop
 *   low_set(), low_range(), low_mask()	  a field must lie in a set
 *   low_late()		a late-match record
 *
 * A hotdrop fires when the checks before it passed, whatever comes after:
 *
 *	-p tcp -m tcp --dport 80 -m length --length 100
 *	guard	L4 in {short,stub,frag1 tcp}			hotdrop
 *	normal	L4 in {whole tcp}, dport 80|none, length 100
 *
 * low_set() makes that split itself, and only when it must: keys that have a "none"
 * value (ports, flags, icmp) are none in every malformed form, and every set of
 * theirs holds it, so they narrow without a split.
 *
 * After a late match with an effect (it counts, remembers, or may hotdrop), a field
 * test may not move in front of it: the helpers then emit it as a late record.
 */
#ifndef BPFIPT_LOWER_INT_H
#define BPFIPT_LOWER_INT_H

#include "../progs/abi/late.h"
#include "lower.h"

#define FORM_BIT(form)	(1u << (form))
#define FORMS_ALL	((1u << NR_FORMS) - 1)
#define FORMS_FRAG	(FORM_BIT(FORM_FRAG1) | FORM_BIT(FORM_FRAGN))

#define LOW_MAX_PRODUCTS	64	/* a rule that needs more is refused */
#define LOW_MAX_RANGES		64	/* a mask that needs more becomes a late record */

/* How a rule constrains the protocol. */
enum low_proto {
	LOW_PROTO_ANY,
	LOW_PROTO_ONE,
	LOW_PROTO_NOT,
};

/*
 * struct low_product - what lower.c keeps beside each product under construction
 * @forms:	forms the product still covers; becomes its KEY_L4 set with the protocol
 * @doomed:	of these, forms already hotdropped by an earlier match of the rule
 * @guard:	split off: only doomed forms left, later matches do not touch it
 * @dead:	some set is empty
 */
struct low_product {
	__u8 forms;
	__u8 doomed;
	bool guard;
	bool dead;
};

/*
 * struct lowering - one rule on its way
 * @effect:	a late match with an effect stands before what comes next
 * @target:	at the target; else at a match
 * @what:	name of the match or target at work, for messages
 */
struct lowering {
	const struct rule *rule;
	unsigned int hooks;
	const struct lower_ctx *ctx;
	struct lowered *out;
	struct lower_err *err;
	enum low_proto proto_is;
	__u8 proto;
	bool effect;
	bool target;
	const char *what;
	struct low_product p[LOW_MAX_PRODUCTS];
};

/* Iterate over the products that later matches still narrow. */
#define low_for_each(l, i)						\
	for (size_t i = 0; i < (l)->out->nr_prod; i++)			\
		if (!(l)->p[i].guard && !(l)->p[i].dead)

/*
 * low_forms() - the match needs a header
 * @ok:	FORM_BIT()s of forms in which it goes on to look at fields
 * @hot: forms in which it hotdrops. Any other form does not match.
 */
int low_forms(struct lowering *l, unsigned int ok, unsigned int hot);

/* Every helper that takes @set owns it, on error too. NULL: out of memory. */
int low_set(struct lowering *l, enum fw_key key, struct fset *set);
/* @first > @last: nothing matches, or with @inv anything */
int low_range(struct lowering *l, enum fw_key key, __u32 first, __u32 last, bool inv);
/* (key & mask) == value */
int low_mask(struct lowering *l, enum fw_key key, __u32 value, __u32 mask, bool inv);

/* low_set() on one product; @set stays the caller's. Not behind a late effect. */
int low_set_one(struct lowering *l, size_t i, enum fw_key key, const struct fset *set);

/* Late records. LOW_EFFECT: evaluating it counts, remembers, or may hotdrop. */
#define LOW_PURE	false
#define LOW_EFFECT	true
int low_late(struct lowering *l, unsigned int op, const void *data, size_t words, bool effect);
/* The same for one product, pure. */
int low_late_one(struct lowering *l, size_t i, unsigned int op, const void *data, size_t words);

/* Copy product @i: index of the copy, -ENOMEM, -EOPNOTSUPP when there are too many. */
int low_copy(struct lowering *l, size_t i);

/* "match `what' cannot be enforced by this hook: why", -EOPNOTSUPP. */
int low_refuse(struct lowering *l, const char *why);

/* lower.c's own: pack the products of a rule that is done; drop those of one that is not. */
int low_finish(struct lowering *l);
void low_discard(struct lowering *l);

struct late_state_ref state_ref(const void *pointer);	/* its match_state; lower_state.c */
__u32 kernel_hz(void);		/* lower_state.c: jiffies a second */
__u32 key_max(enum fw_key key);
/* "None" key that a field has when its header is unreadable; 0: it has none. */
__u32 key_none(enum fw_key key);

/*
 * struct check - what a check function sees
 * @hooks: ON_HOOK() bits, 0 for a rule that no built-in chain reaches
 * @what: the match or target
 */
struct check {
	const struct rule *rule;
	const struct ipt_ip *ip;
	unsigned int hooks;
	const char *what;
	struct lower_err *err;
};

/* Put the reason where the kernel would have written it to its log; returns @ret. */
int check_fail(const struct check *c, int ret, const char *fmt, ...)
	__attribute__((format(printf, 3, 4)));

/*
 * struct match_op - one match, or target
 * @rev_min, @rev_max: revisions the row is for
 * @size:	of the parameters; a binary form of another size is -EINVAL
 * @proto:	needs `-p proto'; 0: any
 * @hooks:	ON_HOOK() bits where it is legal; 0: everywhere
 * @nofilter:	legal in other tables only
 * @state:	offset of struct match_state (state.h) in the parameters, 0: none
 * @check:	the kernel's checkentry, or NULL
 * @lower:	NULL: known, but not enforced: refused by name
 */
struct match_op {
	const char *name;
	__u8 rev_min;
	__u8 rev_max;
	__u8 proto;
	__u8 hooks;
	bool nofilter;
	__u16 size;
	__u16 state;
	int (*check)(const struct check *c, const void *info);
	int (*lower)(struct lowering *l, const void *info);
};

/* Tables, each ended by a row without name; lower.c and check.c list them. */
extern const struct match_op l4_matches[];	/* lower_l4.c */
extern const struct match_op ip_matches[];	/* lower_ip.c */
extern const struct match_op state_matches[];	/* lower_state.c */
extern const struct match_op rate_matches[];	/* lower_rate.c */
extern const struct match_op ct_matches[];	/* lower_ct.c */
extern const struct match_op payload_matches[];	/* lower_payload.c */
extern const struct match_op host_matches[];	/* lower_host.c */
extern const struct match_op route_matches[];	/* lower_route.c */
extern const struct match_op set_matches[];	/* lower_set.c */
extern const struct match_op other_matches[];	/* check.c: checked, not enforced */
extern const struct match_op targets[];		/* lower_target.c */
extern const struct match_op ct_targets[];	/* lower_ct.c */
extern const struct match_op log_targets[];	/* lower_log.c */
extern const struct match_op other_targets[];	/* check.c */

/* Checks of matches and targets in other_*, for the rows that come to enforce them. */
int check_addrtype(const struct check *c, const void *info);	/* revision 1 */
int check_devgroup(const struct check *c, const void *info);
int check_physdev(const struct check *c, const void *info);

/* The row of a match or target, or NULL. */
const struct match_op *match_find(const struct xt_entry_match *m);
const struct match_op *target_find(const struct xt_entry_target *t);

#endif /* BPFIPT_LOWER_INT_H */
