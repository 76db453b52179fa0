/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * judge.bpf.h - the stages that need a connection around those that do not
 *
 *	conntrack label -> classify, walk -> conntrack commit
 *
 * Conntrack runs only when some rule asks for it (IMG_F_CT), as netfilter's hooks
 * are registered only then. From then on fragments follow their first one, since
 * netfilter would have reassembled them before any rule (frag.bpf.h).
 */
#ifndef BPFIPT_JUDGE_BPF_H
#define BPFIPT_JUDGE_BPF_H

#include "abi/reject.h"
#include "conntrack.bpf.h"
#include "ct_view.bpf.h"
#include "frag.bpf.h"
#include "walk.bpf.h"

#define TCP_RST	0x04

static __always_inline int tracking(const struct fw *fw)
{
	return features & IMG_F_CT && img_hdr_word(fw->img, flags) & IMG_F_CT;
}

/*
 * follow_first() - the fate of a later fragment that no chain sees
 * Return: WALK_DROP when its first fragment was dropped, else WALK_ACCEPT: alone
 * it can never become a datagram.
 */
static __always_inline int follow_first(struct fw *fw)
{
	event(EV_FRAGMENT);
	if (tracking(fw) && frag_follow(fw->ctx, &fw->w->pkt) == WALK_DROP)
		return WALK_DROP;
	return WALK_ACCEPT;
}

/* leave_to_stack() - a packet that no chain is to see; @hook is select_ingress()'s word */
static __always_inline void leave_to_stack(struct fw *fw, int hook)
{
	event(EV_STACK_DROPS);
	if (!tracking(fw))
		return;
	fw->w->pkt.hook = HOOK_FORWARD;
	ct_left(fw->ctx, &fw->w->pkt, hook == NO_HOOK_ANSWER);
}

/* Does the packet have a connection? Asked again behind the walk, so that there is one call of it. */
static __always_inline int tracked(const struct fw *fw)
{
	return tracking(fw) && !(features & IMG_F_REJECT && fw->w->pkt.flags & PKT_ANSWER);
}

/* ct_keep() - what the table and later fragments need of a judged packet. Return: @verdict, or DROP */
__noinline int ct_keep(fw_ctx_t *ctx, struct fw_pkt *pkt, struct ct_ref *ref, int verdict)
{
	if (!(features & IMG_F_CT) || !ctx || !pkt || !ref)
		return verdict;
	if (verdict == WALK_ACCEPT && ref->what == CT_REF_NEW && ct_commit(ctx, pkt, ref))
		verdict = WALK_DROP;
	if (unlikely(pkt->frag_off & CT_MF))
		frag_remember(ctx, pkt, ref, verdict == WALK_ACCEPT ? WALK_ACCEPT : WALK_DROP);
	return verdict;
}

/* judge() - a packet whose keys are all set. Return: WALK_ACCEPT or another verdict. */
static __always_inline int judge(struct fw *fw)
{
	struct fw_pkt *pkt = &fw->w->pkt;
	struct ct_ref *ref = &fw->w->ref;
	int verdict;

	if (tracked(fw)) {
		ct_label(fw->ctx, pkt, ref);
		if (features & IMG_F_CTINFO && img_hdr_word(fw->img, flags) & IMG_F_CTINFO)
			ct_view_fill(&fw->w->ct, ref);
	}
	/* Nobody need follow each verdict, neither the verifier nor the compiler. */
	verdict = unseen(&fw->w->verdict, walk_chain(fw));
	barrier_var(fw);
	if (!tracked(fw))
		return verdict;
	if (features & IMG_F_REJECT && verdict == WALK_REJECT &&
	    fw->w->verdict_arg == REJECT_TCP_RESET && !(pkt->key[KEY_TCPFLAGS] & TCP_RST))
		ct_set_closing(ref);
	if (unlikely(READ_ONCE(ref->keep)))
		verdict = ct_keep(fw->ctx, pkt, ref, verdict);
	return verdict;
}

#endif /* BPFIPT_JUDGE_BPF_H */
