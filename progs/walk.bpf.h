/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * walk.bpf.h - stage 5: meet the candidates in order and obey them
 *
 * Worked example. FORWARD is [0, 3): 0: -s 10/8 -j web   1: -j LOG   2: -j DROP
 * and web is [3, 5): 3: --dport 80 -j ACCEPT   4: --dport 81 -j RETURN. A packet
 * from 10.1.1.1 to :81 has the candidates 0, 1, 2, 4.
 *	cursor 0: 0 jumps: push 0, cursor 3, end 5
 *	cursor 3: 4 returns: pop 0, cursor 1, end 3
 *	cursor 1: 1 logs and continues; 2 drops.
 * Each bpf_loop iteration descends to the next candidate or gives up one subtree
 * in which some vector has no bit; what was cut away is never looked at again. Most
 * packets need no step at all: nothing matches, or a few list has the verdict.
 */
#ifndef BPFIPT_WALK_BPF_H
#define BPFIPT_WALK_BPF_H

#include "bits.h"
#include "classifier.bpf.h"
#include "flows.bpf.h"
#include "late.bpf.h"
#include "log.bpf.h"
#include "maps.bpf.h"
#include "tcpmss.bpf.h"

/* Verdicts of a walk. WALK_ON: not decided yet. */
enum {
	WALK_ON,
	WALK_ACCEPT,
	WALK_DROP,
	WALK_HOTDROP,
	WALK_REJECT,
	WALK_POLICY,
};

/* Steps before a packet is given up (and dropped): far beyond any real walk. */
#define WALK_MAX_STEPS	(1u << 20)

/* Candidates in [cur, end); of the other part only once walk_step() has classified anew. */
static __always_inline void seek(struct walk *w, __u32 cur, __u32 end)
{
	__u32 part = end > w->delta;

	w->stale |= part ^ w->part;
	w->part = part;
	w->cur = cur;
	w->end = end;
	w->m0 = cur < end ? w->all & (~0ull << ((cur >> 12) & 63)) : 0;
	w->m1 = 0;
	w->m2 = w->hits;
}

static __always_inline const struct img_action *action_at(const struct fw *fw, __u32 pos)
{
	struct img im = fw_img(fw);

	return img_record(&im, fw->w->actions + (__u64)pos * (sizeof(struct img_action) / 4));
}

/* RETURN, or the end of a chain: back behind the jump, or to the policy. */
static __always_inline int walk_return(struct fw *fw)
{
	struct walk *w = fw->w;
	__u32 pos;

	if (!w->depth) {
		w->verdict = WALK_POLICY;
		return 1;
	}
	w->depth--;
	pos = w->stack[w->depth & (IMG_MAX_DEPTH - 1)];
	seek(w, pos + 1, action_at(fw, pos)->chain_end);
	return 0;
}

/* End of a segment: on to the next one of the chain. */
static __always_inline int walk_end(struct fw *fw)
{
	struct walk *w = fw->w;
	__u32 next;

	if (likely(!(img_hdr_word(fw->img, flags) & IMG_F_LINKED)))
		return walk_return(fw);
	next = action_at(fw, w->end - 1)->next;
	if (!next)
		return walk_return(fw);
	next--;
	seek(w, next, action_at(fw, next)->chain_end);
	return 0;
}

static __always_inline int walk_jump(struct walk *w, __u32 pos, const struct img_action *act)
{
	if (w->depth >= IMG_MAX_DEPTH)
		return 1;
	w->stack[w->depth & (IMG_MAX_DEPTH - 1)] = pos;
	w->depth++;
	seek(w, act->arg, act->arg2);
	return 0;
}

/* A key has changed: what the rules behind @pos see is another packet. */
static __always_inline void walk_again(struct fw *fw, __u32 pos)
{
	fw->w->cur = pos + 1;
	fw->w->stale = 1;
}

/* A MARK target: later mark matches of this very walk see the new value. */
static __always_inline void walk_mark(struct fw *fw, __u32 pos, const struct img_action *act)
{
	struct walk *w = fw->w;

	w->pkt.mark = (w->pkt.mark & ~act->arg2) ^ act->arg;
	w->pkt.flags |= PKT_MARKED;
	if (img_hdr_word(fw->img, flags) & IMG_F_MARK) {
		w->pkt.key[KEY_MARK] = w->pkt.mark;
		walk_again(fw, pos);
	}
}

/* CONNMARK: what it writes to the packet is what MARK would. */
static __always_inline void walk_connmark(struct fw *fw, __u32 pos, const struct img_action *act)
{
	struct walk *w = fw->w;
	__u32 mark = w->pkt.mark;

	if (act_connmark(fw, act->arg, &mark)) {
		struct img_action as_mark = { .arg = mark, .arg2 = ~0u };

		walk_mark(fw, pos, &as_mark);
	}
}

/* TCPMSS: the option that it adds makes the packet longer. Return: 1 ends the walk. */
static __always_inline int walk_tcpmss(struct fw *fw, __u32 pos, const struct img_action *act)
{
	int grown = features & IMG_F_TCPMSS ? tcpmss(fw->ctx, act->arg) : -1;

	if (grown < 0) {
		fw->w->verdict = WALK_DROP;
		return 1;
	}
	if (grown)
		walk_again(fw, pos);
	return 0;
}

/* What the rule at @pos, which has matched, does. Return: 1 ends the walk. */
static __always_inline int walk_act(struct fw *fw, __u32 pos, const struct img_action *act)
{
	struct walk *w = fw->w;

	switch (act->act) {
	case ACT_ACCEPT:
		w->verdict = WALK_ACCEPT;
		return 1;
	case ACT_DROP:
		w->verdict = WALK_DROP;
		return 1;
	case ACT_REJECT:
		w->verdict = WALK_REJECT;
		w->verdict_arg = act->arg;
		return 1;
	case ACT_RETURN:
		return walk_return(fw);
	case ACT_JUMP:
		return walk_jump(w, pos, act);
	case ACT_GOTO:
		seek(w, act->arg, act->arg2);
		return 0;
	case ACT_MARK:
		walk_mark(fw, pos, act);
		return 0;
	case ACT_CONNMARK:
		if (features & IMG_F_CTINFO)
			walk_connmark(fw, pos, act);
		return 0;
	case ACT_LOG:
		if (features & IMG_F_LOG)
			log_packet(fw->ctx, w->row, act->arg, act->slot);
		return 0;
	case ACT_TCPMSS:
		return walk_tcpmss(fw, pos, act);
	case ACT_CONTINUE:
		return 0;
	}
	return 1;	/* an action this program does not know: fail closed */
}

/* What is kept of a rule that has matched. */
static __always_inline void flow_obey(struct walk *w, const struct img_action *act)
{
	switch (act->act) {
	case ACT_ACCEPT:
	case ACT_DROP:
		flow_told(w, act->act == ACT_ACCEPT ? FEW_ACCEPT : FEW_DROP, act->slot);
		break;
	case ACT_RETURN:
	case ACT_JUMP:
	case ACT_GOTO:
	case ACT_CONTINUE:
		flow_also(w, act->slot);
		break;
	default:
		flow_not(w);
	}
}

/* Obey the rule at @pos, whose fields all agree. Return: 1 ends the walk. */
static __always_inline int walk_obey(struct fw *fw, __u32 pos)
{
	const struct img_action *act = action_at(fw, pos);
	struct walk *w = fw->w;
	int done;

	if (unlikely(act->hotdrop & HOTDROP(w->pkt.form))) {
		w->verdict = WALK_HOTDROP;
		return 1;
	}
	if (act->late) {
		int r = late_run(fw->ctx, w->row, act->late);

		flow_not(w);
		if (r == LATE_DROP_NOW) {	/* early.bpf.h: or unsure */
			w->verdict = WALK_HOTDROP;
			return 1;
		}
		if (!(r & LATE_MATCH))
			return 0;
	}
	if (!early_act(w, act->act))
		return 1;
	count_rule(fw, act->slot);
	flow_obey(w, act);
	done = walk_act(fw, pos, act);
	if (!act->late || !w->doomed)
		return done;
	if (w->verdict != WALK_REJECT)	/* which answers, and drops as well */
		w->verdict = WALK_HOTDROP;
	return 1;
}

/* One step: the next candidate, or one subtree less. Return: 1 ends the walk. */
static long walk_step(__u32 step, struct fw *fw)
{
	struct img im = fw_img(fw);
	struct walk *w = fw->w;
	__u32 nr, i, pos;
	__u64 m2;

	if (unlikely(w->stale)) {
		w->stale = 0;
		classify_again(fw->ctx, w);
		seek(w, w->cur, w->end);
	}
	nr = w->nr_vectors;
	m2 = w->m2;
	if (w->few) {
		if (!m2)
			return walk_end(fw);
		pos = few_pos(&im, w->few, lowest_bit(m2))->pos;
		w->m2 = m2 & (m2 - 1);
		if (pos < w->cur)
			return 0;
		if (pos >= w->end)
			return walk_end(fw);
		return walk_obey(fw, pos);
	}
	if (!m2) {
		__u64 m1 = w->m1, below;

		if (!m1) {
			__u64 m0 = w->m0;
			__u32 a;

			if (!m0)
				return walk_end(fw);
			a = lowest_bit(m0);
			w->m0 = m0 & (m0 - 1);
			w->a = a;
			below = (1ull << a) - 1;
			m1 = ~0ull;
			for (i = 0; i < IMG_MAX_VECTORS; i++) {
				__u32 root, mid;

				if (i >= nr)
					break;
				root = w->root[i];
				mid = img_word(&im, root + 2 +
					       popcount64(img_node(&im, root) & below));
				w->mid[i] = mid;
				m1 &= img_node(&im, mid);
				if (!m1)
					break;
			}
			if (a == w->cur >> 12)
				m1 &= ~0ull << ((w->cur >> 6) & 63);
			w->m1 = m1;
			if (!m1)
				return 0;
		}

		pos = lowest_bit(m1);
		w->m1 = m1 & (m1 - 1);
		below = (1ull << pos) - 1;
		w->base = (w->a << 6 | pos) << 6;
		m2 = ~0ull;
		for (i = 0; i < IMG_MAX_VECTORS; i++) {
			__u32 mid;

			if (i >= nr)
				break;
			mid = w->mid[i];
			m2 &= img_node(&im, mid + 2 +
				       2 * popcount64(img_node(&im, mid) & below));
			if (!m2)
				return 0;
		}
		if (w->base >> 6 == w->cur >> 6)
			m2 &= ~0ull << (w->cur & 63);
		if (!m2)
			return 0;
	}
	pos = w->base | lowest_bit(m2);
	w->m2 = m2 & (m2 - 1);
	if (pos >= w->end)
		return walk_end(fw);
	return walk_obey(fw, pos);
}

/* Nothing of the chain's first segment matches. */
static __always_inline int walk_none(struct fw *fw)
{
	return unlikely(img_hdr_word(fw->img, flags) & IMG_F_LINKED) ? WALK_ON : WALK_POLICY;
}

/*
 * walk_short() - the verdict where a few list holds the first that matches, and that is
 * a plain verdict; or where nothing matches
 * Return: WALK_*; WALK_ON: it takes walk_step() to know.
 */
static __always_inline int walk_short(struct fw *fw, const struct img_hook *h)
{
	struct img im = fw_img(fw);
	const struct walk *w = fw->w;
	__u32 hits = w->hits, plain, i;

	if (!w->few)
		return w->all ? WALK_ON : walk_none(fw);
	for (i = 0; i < FEW_MAX; i++, hits >>= 1) {
		const struct img_few_pos *p = few_pos(&im, w->few, i);

		if (!hits)
			break;
		if (!(hits & 1) || p->pos < h->start)
			continue;
		if (p->pos >= h->end)
			break;
		plain = p->plain;
		if (!plain)
			return WALK_ON;
		count_rule(fw, plain & FEW_SLOT);
		flow_told(fw->w, plain, 0);
		return plain & FEW_ACCEPT ? WALK_ACCEPT : WALK_DROP;
	}
	return walk_none(fw);
}

/* The short cut of img_hdr.fast. Return: 1: the packet is accepted, and counted. */
static __always_inline int walk_established(struct fw *fw, const struct img_hook *h, __u32 hook)
{
	const struct fw_pkt *pkt = &fw->w->pkt;
	__u32 fast, class = pkt->key[hook == HOOK_OUTPUT ? KEY_OIF : KEY_IIF];

	fast = *(const __u32 *)(fw->img + offsetof(struct img_hdr, fast) + hook * 4);
	if (!(fast & FAST_STATES & pkt->key[KEY_CTSTATE]) || class >= FAST_IFACES ||
	    fast >> FAST_IFACE_SHIFT >> class & 1)
		return 0;
	count(action_at(fw, h->start + (fast >> FAST_OFFSET_SHIFT & FAST_OFFSET_MAX))->slot,
	      pkt->tot_len);
	return 1;
}

static __always_inline const struct img_hook *hook_of(const struct fw *fw, __u32 hook)
{
	return (const void *)(fw->img + offsetof(struct img_hdr, hook) +
			      hook * sizeof(struct img_hook));
}

/* The chain's policy, where no rule has decided. */
static __always_inline int walk_policy(struct fw *fw, const struct img_hook *h)
{
	count_rule(fw, h->slot);
	flow_told(fw->w, h->policy == ACT_ACCEPT ? FEW_ACCEPT : FEW_DROP, h->slot);
	return h->policy == ACT_ACCEPT ? WALK_ACCEPT : WALK_DROP;
}

/*
 * What most packets need; not a function of its own, whose return alone would take as long
 * as much of it. Return: WALK_ON: it takes walk_rest().
 */
static __always_inline int walk_first(struct fw *fw)
{
	struct walk *w = fw->w;
	__u32 hook = w->pkt.hook;
	const struct img_hook *h;
	int verdict;

	if (hook >= NR_HOOKS)
		return WALK_DROP;
	h = hook_of(fw, hook);
	if (h->start == h->end)
		return walk_policy(fw, h);
	w->actions = img_hdr_word(fw->img, actions);
	if (features & IMG_F_CT && walk_established(fw, h, hook))
		return WALK_ACCEPT;
	if (FLOWS) {
		__u32 plain = flow_known(fw);

		if (plain) {
			count_rule(fw, plain & FEW_SLOT);
			if (w->flow.also)
				count_rule(fw, w->flow.also - 1);
			return plain & FEW_ACCEPT ? WALK_ACCEPT : WALK_DROP;
		}
	}
	w->cur = h->start;
	w->end = h->end;
	w->delta = img_hdr_word(fw->img, part[PART_DELTA].start);
	w->part = h->end > w->delta;
	w->stale = 0;
	classify(fw);
	verdict = walk_short(fw, h);
	if (early_unsure(w))
		return WALK_DROP;
	return verdict == WALK_POLICY ? walk_policy(fw, h) : verdict;
}

/* Candidate by candidate. A function of its own: walk_first() needs much of the stack. */
static __noinline int walk_rest(struct fw *fw)
{
	struct walk *w = fw->w;
	const struct img_hook *h;

	if (w->pkt.hook >= NR_HOOKS)
		return WALK_DROP;
	h = hook_of(fw, w->pkt.hook);
	w->verdict = WALK_ON;
	w->depth = 0;
	w->addrtype[0] = w->addrtype[1] = 0;
	seek(w, h->start, h->end);
	bpf_loop(WALK_MAX_STEPS, walk_step, fw, 0);
	if (early_unsure(w))
		return WALK_DROP;
	if (unlikely(w->verdict == WALK_ON)) {
		event(EV_WALK_LIMIT);
		return WALK_DROP;
	}
	if (w->verdict == WALK_HOTDROP)
		event(EV_HOTDROP);
	return w->verdict == WALK_POLICY ? walk_policy(fw, h) : w->verdict;
}

/*
 * walk_chain() - the verdict of built-in chain pkt.hook
 * Return: WALK_ACCEPT, WALK_DROP, WALK_HOTDROP or WALK_REJECT (w->verdict_arg).
 */
static __always_inline int walk_chain(struct fw *fw)
{
	int verdict;

	if (FLOWS)
		fw->w->flow_new = 0;
	verdict = walk_first(fw);
	if (verdict == WALK_ON)
		verdict = walk_rest(fw);
	if (FLOWS && fw->w->flow_new && fw->w->flow.plain && fw->w->flow.also != FLOW_NOT)
		flow_keep(fw->w);
	return verdict;
}

#endif /* BPFIPT_WALK_BPF_H */
