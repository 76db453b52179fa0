/* SPDX-License-Identifier: GPL-2.0-only */
/* state.h - rows of the map late_state, see state.c */
#ifndef BPFIPT_STATE_H
#define BPFIPT_STATE_H

#include "lower.h"

/*
 * struct match_state - in a match's parameters, in place of the kernel's pointer
 * @id:		row, below LATE_STATES
 * @born:	generation in which it was given, 0: none yet
 */
struct match_state {
	__u32 id;
	__u32 born;
};

struct match_state *match_state(struct xt_entry_match *m);

/*
 * states_assign() - give a row to every match that needs one and has none
 * @live, @nr:	the images that packets may be reading, that in force first: their rows are
 *		not given away
 * Return: 0; -EOPNOTSUPP with err->msg when there are too many; -ENOMEM.
 */
int states_assign(struct ruleset *rs, const struct img_hdr *const *live, __u32 nr,
		  struct lower_err *err);

#endif /* BPFIPT_STATE_H */
