/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * lower.h - one iptables rule -> what the classifier understands
 *
 * A rule becomes an OR of products; a product is an AND of one value set per key,
 * plus an ordered list of late matches and the forms in which it hotdrops. Most
 * rules are one product. `multiport --ports 80` is two, disjoint, so that a rule
 * counts once:	sport in {80}  |  dport in {80} and sport not in {80}
 *
 * A match that cannot be enforced exactly is refused here, by name.
 */
#ifndef BPFIPT_LOWER_H
#define BPFIPT_LOWER_H

#include <stdbool.h>
#include <stddef.h>
#include <linux/types.h>

#include "../progs/abi/image.h"
#include "ruleset.h"

/* struct range - keys first..last, both inclusive */
struct range {
	__u32 first;
	__u32 last;
};

/* struct fset - a set of keys: ascending, disjoint, non-adjacent ranges */
struct fset {
	struct range *r;
	size_t n;
};

/*
 * struct product - what has to hold, and for which malformed headers it drops
 * A product whose KEY_L4 set holds only forms of @hotdrop (or of a LATE_HOTDROP) is a
 * guard: it never matches, it only drops.
 * @set:	per key; NULL: any value (the common case)
 * @late:	late-match records (struct img_late), no LATE_END; @late_words words
 * @hotdrop:	HOTDROP(form) bits, see struct img_action
 */
struct product {
	struct fset *set[NR_KEYS];
	__u32 *late;
	size_t late_words;
	__u16 hotdrop;
};

/*
 * struct lowered - one rule, lowered
 * @prod:	@nr_prod products, a packet being in one of them at most. None: the
 *		rule can never match (`! -s 0/0'). One block with all that it points at, to
 *		be read only: the sets are not for fset_free()
 * @act, @arg, @arg2: action; ACT_JUMP and ACT_GOTO take their chain from the rule
 * @params:	parameter words the action's @arg must point at (LOG ...), or NULL
 * @img_flags:	IMG_F_* this rule needs
 */
struct lowered {
	struct product *prod;
	size_t nr_prod;
	__u16 act;
	__u32 arg;
	__u32 arg2;
	__u32 *params;
	size_t nr_params;
	__u32 img_flags;
};

struct fset *fset_new(void);
void fset_free(struct fset *s);
int fset_add(struct fset *s, __u32 first, __u32 last);
struct fset *fset_dup(const struct fset *s);
bool fset_has(const struct fset *s, __u32 key);
int fset_complement(struct fset *s, __u32 max);			/* in place */
int fset_intersect(struct fset *s, const struct fset *with);	/* in place */

/* What refused a rule, for the user: `msg` names the match and the reason. */
struct lower_err {
	char msg[256];
};

#define ON_HOOK(h)	(1u << (h))

/*
 * rule_check() - what the kernel's checkentry functions would say
 * @hooks:	ON_HOOK() bits of the built-in chains that reach the rule, 0: none does
 * Return: 0, or -EINVAL, -ERANGE, -EDOM: err->msg then holds what the kernel would
 * have written to its log, while the command says what iptables says. A match that
 * is not known here passes; rule_lower() refuses it.
 */
int rule_check(const struct rule *r, unsigned int hooks, struct lower_err *err);

/*
 * struct lower_ctx - what lowering needs to know beside the rule
 * @ifc: interface-name classes (ifclass.h)
 * @mac: MAC address classes (macclass.h); NULL when no rule uses `-m mac'
 * @rs: where the tables of hashlimit and recent are (named.h), or NULL
 */
struct ifclasses;
struct macclasses;
struct lower_ctx {
	const struct ifclasses *ifc;
	const struct macclasses *mac;
	const struct ruleset *rs;
};

/*
 * rule_lower() - lower one rule that rule_check() has passed
 * @out:	filled in; on error it is empty and need not be freed
 * Return: 0; -EOPNOTSUPP with err->msg: cannot be enforced exactly; -ENOMEM.
 */
int rule_lower(const struct rule *r, unsigned int hooks, const struct lower_ctx *ctx,
	       struct lowered *out, struct lower_err *err);
void lowered_free(struct lowered *l);

#endif /* BPFIPT_LOWER_H */
