// SPDX-License-Identifier: GPL-2.0-only
/*
 * state.c - rows of the map late_state, given to the matches that remember
 *
 * Such a match (limit, statistic, quota) ends, in iptables' binary form, in a pointer that
 * is the kernel's own: iptables neither sets it, nor shows it, nor compares it. Here
 * it holds the match's row (struct match_state), so that it stays with the rule, in
 * the packed ruleset too, and a rule that is new has none:
 *
 *	generation 7: -A INPUT -m limit ...	row 0, born 7
 *	generation 8: -I INPUT -s 10.0.0.1	the first rule is still row 0, born 7
 *	generation 9: -R INPUT 2 -m limit ...	row 1, born 9: row 0 is in force until
 *						then, and packets of generation 8 may
 *						still use it
 *	generation 10: -A INPUT -m limit ...	row 0, born 10: starts afresh
 */
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>

#include "lower_int.h"
#include "state.h"

/** match_state() - where @m keeps its row, NULL when it is not one that remembers */
struct match_state *match_state(struct xt_entry_match *m)
{
	const struct match_op *op = match_find(m);

	if (!op || !op->state || m->u.match_size != sizeof(*m) + XT_ALIGN(op->size))
		return NULL;
	return (struct match_state *)(m->data + op->state);
}

/* The rows of an image. */
static void mark_image(const struct img_hdr *h, bool *used)
{
	const __u32 *word = (const __u32 *)h;
	const struct img_action *act = (const void *)(word + h->actions);

	for (__u32 pos = 0; pos < h->nr_positions; pos++) {
		const struct img_late *rec = (const void *)(word + act[pos].late);

		if (!act[pos].late || !act[pos].chain_end)
			continue;
		for (; (rec->op & ~LATE_NOT) != LATE_END;
		     rec = (const void *)((const __u32 *)rec + rec->words)) {
			unsigned int op = rec->op & ~LATE_NOT;

			if ((op == LATE_LIMIT || op == LATE_STATISTIC || op == LATE_CONNLIMIT ||
			     op == LATE_QUOTA) &&
			    rec->data[0] < LATE_STATES)
				used[rec->data[0]] = true;
		}
	}
}

/* Both passes over the rules: mark the rows they have; or give rows to the rest. */
static int rows(struct ruleset *rs, bool *used, __u32 born, struct lower_err *err)
{
	__u32 next = 0;

	for (size_t c = 0; c < rs->nr_chains; c++) {
		for (size_t r = 0; r < rs->chains[c]->nr_rules; r++) {
			rule_for_each_match(m, rs->chains[c]->rules[r]) {
				struct match_state *s = match_state(m);

				if (!s || !s->born == !born)
					continue;
				if (!born) {
					if (s->id < LATE_STATES)
						used[s->id] = true;
					continue;
				}
				while (next < LATE_STATES && used[next])
					next++;
				if (next == LATE_STATES) {
					snprintf(err->msg, sizeof(err->msg),
						 "match `%s' cannot be enforced by this hook: "
						 "too many matches with state",
						 m->u.user.name);
					return -EOPNOTSUPP;
				}
				used[next] = true;
				s->id = next;
				s->born = born;
			}
		}
	}
	return 0;
}

/* Is there a match that remembers, and has no row yet? */
static bool any_lacks(const struct ruleset *rs)
{
	for (size_t c = 0; c < rs->nr_chains; c++) {
		for (size_t r = 0; r < rs->chains[c]->nr_rules; r++) {
			rule_for_each_match(m, rs->chains[c]->rules[r]) {
				const struct match_state *s = match_state(m);

				if (s && !s->born)
					return true;
			}
		}
	}
	return false;
}

/** states_assign() - see state.h */
int states_assign(struct ruleset *rs, const struct img_hdr *const *live, __u32 nr,
		  struct lower_err *err)
{
	__u32 born = nr ? live[0]->generation + 1 : 1;
	bool *used;
	int ret;

	if (!any_lacks(rs))
		return 0;
	used = calloc(LATE_STATES, sizeof(*used));
	if (!used)
		return -ENOMEM;
	for (__u32 i = 0; i < nr; i++)
		mark_image(live[i], used);
	rows(rs, used, 0, err);
	ret = rows(rs, used, born ? born : 1, err);
	free(used);
	return ret;
}
