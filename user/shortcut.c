// SPDX-License-Identifier: GPL-2.0-only
/*
 * shortcut.c - may established packets be accepted without looking any rule up?
 *
 * Most rulesets begin like this, and most packets end at rule 2:
 *
 *	-A INPUT -i lo -j ACCEPT
 *	-A INPUT -m conntrack --ctstate INVALID -j DROP
 *	-A INPUT -m conntrack --ctstate RELATED,ESTABLISHED -j ACCEPT
 *
 * A rule that tests nothing but the state, and accepts, decides alone when none of those
 * before it can be met: they want another state, or another interface. The word made
 * here says for which states and input (OUTPUT: output) interfaces that is so, and the
 * walk then counts for that rule and is done (walk_established() of walk.bpf.h).
 */
#include "../progs/abi/ct.h"
#include "image.h"
#include "lower.h"

static const __u32 nat_bits[] = { 0, CT_SNAT, CT_DNAT, CT_SNAT | CT_DNAT };

/* States, of CT_* below CT_SNAT, that are in the set whatever the NAT bits; @in false: out of it. */
static __u32 states_of(const struct fset *set, bool in)
{
	__u32 states = 0;

	for (__u32 s = 1; s & FAST_STATES; s <<= 1) {
		bool all = true;

		for (int i = 0; i < 4; i++)
			all &= fset_has(set, s | nat_bits[i]) == in;
		if (all)
			states |= s;
	}
	return states;
}

static bool only_state(const struct position *p)
{
	if (p->act.act != ACT_ACCEPT || p->prod->hotdrop || p->prod->late_words)
		return false;
	for (int key = 0; key < NR_KEYS; key++)
		if (!p->prod->set[key] != (key != KEY_CTSTATE))
			return false;
	return true;
}

__u32 shortcut(const struct plan *plan, int hook)
{
	enum fw_key iface = hook == HOOK_OUTPUT ? KEY_OIF : KEY_IIF;
	const struct img_hook *h = &plan->hook[hook];
	__u32 states = FAST_STATES, blocked = 0;

	for (__u32 off = 0; off <= FAST_OFFSET_MAX && h->start + off < h->end && states; off++) {
		const struct position *p = &plan->pos[h->start + off];
		const struct fset *state = p->prod->set[KEY_CTSTATE];

		if (only_state(p) && states & states_of(state, true))
			return (states & states_of(state, true)) | off << FAST_OFFSET_SHIFT |
			       blocked << FAST_IFACE_SHIFT;
		if (state && states_of(state, false) & CT_ESTABLISHED) {
			states &= states_of(state, false);
			continue;
		}
		if (!p->prod->set[iface])
			return 0;
		for (__u32 class = 0; class < FAST_IFACES; class++)
			if (fset_has(p->prod->set[iface], class))
				blocked |= 1u << class;
	}
	return 0;
}
