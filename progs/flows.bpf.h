/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * flows.bpf.h - the plain verdicts of flows that came before
 *
 * Rules of many shapes are a bit vector per key to AND (walk.bpf.h). That is some 30 cache
 * lines of the image for a packet, which 4096 flows find in no cache. Where the image is
 * big and of that kind (img_hdr.flow_mask) each CPU keeps what it came to: for the
 * packet's keys, one rule or policy that counts, and ACCEPT or DROP; and one rule before
 * it, as a jump to a chain is. The next packet with the same keys needs one line.
 *
 * Kept is only what is a function of these keys: no rule was met that has a late match, or
 * does anything but count, lead elsewhere and end the walk; and at most two that count. An
 * image's generation is part of the key, so that a change of the rules leaves nothing that
 * could be found.
 *
 * Two flows share a line, and a flow has a place in either of two lines: with the second
 * one 4096 flows lose none of their verdicts to each other, by the first alone 450 did, in
 * 8192 places. It is looked at by those that are not in the first, one in eight of these.
 * When more come than there is room for, one in eight takes another's place: if each did,
 * flows in turn would all find theirs taken.
 */
#ifndef BPFIPT_FLOWS_BPF_H
#define BPFIPT_FLOWS_BPF_H

#include "abi/flow.h"
#include "maps.bpf.h"

#ifdef FW_EARLY		/* its verdicts have notes in place of one counter */
#define FLOWS	0
#else
#define FLOWS	(features & IMG_F_FLOWS)
#endif

#define FLOW_HASH	0x9e3779b97f4a7c15ull

/* One row of sets per CPU: user/loader.c sizes it. May be mapped, since such values start a page. */
struct {
	__uint(type, BPF_MAP_TYPE_ARRAY);
	__uint(map_flags, BPF_F_MMAPABLE);
	__uint(max_entries, 1);
	__type(key, __u32);
	__type(value, struct flow_set);
} flows SEC(".maps");

static __always_inline int flow_same(const struct flow *f, const struct flow *key)
{
	return !((f->key[0] ^ key->key[0]) | (f->key[1] ^ key->key[1]) |
		 (f->key[2] ^ key->key[2]));
}

/* What set @at of this CPU's has of the flow @key: @plain, and @key->also; 0: nothing */
static __always_inline __u32 flow_in_set(__u32 at, struct flow *key)
{
	const struct flow_set *set = bpf_map_lookup_elem(&flows, &at);
	const struct flow *f;

	if (!set)
		return 0;
	f = &set->way[0];
	if (!flow_same(f, key)) {
		f = &set->way[1];
		if (!flow_same(f, key))
			return 0;
	}
	key->also = f->also;
	return f->plain;
}

/*
 * flow_second() - flow_known() for a flow that is not in the first of its sets
 * @hash:	that set's number are its upper bits
 */
__noinline __u32 flow_second(struct walk *w, __u64 hash)
{
	__u32 here = bpf_get_smp_processor_id() << FLOW_SETS_BITS, plain;

	if (!w)
		return 0;
	w->flow_set[0] = here | hash >> (64 - FLOW_SETS_BITS);
	w->flow_set[1] = here | (hash ^ hash >> 29) * FLOW_HASH >> (64 - FLOW_SETS_BITS);
	plain = flow_in_set(w->flow_set[1], &w->flow);
	w->flow_new = !plain;
	return plain;
}

/*
 * flow_known() - what came of the packet's flow, as img_few_pos.plain; 0: not known
 * @w->flow.also: then, what else is to be counted
 * @w->flow_new: 1 then, if its verdict may be kept; 0 as before: it may not
 */
static __always_inline __u32 flow_known(struct fw *fw)
{
	const __u64 *mask = (const void *)(fw->img + offsetof(struct img_hdr, flow_mask));
	struct walk *w = fw->w;
	struct flow *key = &w->flow;
	__u32 plain;
	__u64 hash;

	key->plain = 0;
	key->also = 0;
	/* a packet that interrupts another's (FW_INTERRUPTED) has another row */
	if (!mask[2] || w->pkt.form != FORM_WHOLE || w->row)
		return 0;
	flow_pack(w->pkt.key, w->pkt.hook, img_hdr_word(fw->img, generation), key->key);
	key->key[0] &= mask[0];
	key->key[1] &= mask[1];
	key->key[2] &= mask[2];
	hash = (key->key[0] ^ key->key[1] * 0xff51afd7ed558ccdull) * FLOW_HASH;
	plain = flow_in_set(bpf_get_smp_processor_id() << FLOW_SETS_BITS |
			    hash >> (64 - FLOW_SETS_BITS), key);
	return likely(plain) ? plain : flow_second(w, hash);
}

/* flow_told() - a rule or policy with counter @slot has matched, and says @verdict (FEW_*) */
static __always_inline void flow_told(struct walk *w, __u32 verdict, __u32 slot)
{
	if (FLOWS)
		w->flow.plain = verdict | slot;
}

/* flow_also() - a rule with counter @slot has matched, and the walk goes on */
static __always_inline void flow_also(struct walk *w, __u32 slot)
{
	if (FLOWS)
		w->flow.also = w->flow.also ? FLOW_NOT : slot + 1;
}

/* flow_not() - the walk does what the packet's keys alone do not say, or what is not kept */
static __always_inline void flow_not(struct walk *w)
{
	if (FLOWS)
		w->flow.also = FLOW_NOT;
}

/* The place in set @at for a verdict, beside those of this image; NULL: there is none. */
static __always_inline struct flow *flow_place(__u32 at, __u32 generation)
{
	struct flow_set *set = bpf_map_lookup_elem(&flows, &at);

	if (!set)
		return NULL;
	if (set->way[0].key[2] >> 32 != generation)
		return &set->way[0];
	return set->way[1].key[2] >> 32 != generation ? &set->way[1] : NULL;
}

/* flow_keep() - the verdict of a flow that was not known */
__noinline int flow_keep(struct walk *w)
{
	struct flow_set *set;
	struct flow *to;
	__u32 turn, at;

	if (!w)
		return 0;
	to = flow_place(w->flow_set[0], w->flow.key[2] >> 32);
	if (!to)
		to = flow_place(w->flow_set[1], w->flow.key[2] >> 32);
	if (!to) {
		turn = ++w->flow_turn;
		at = w->flow_set[turn >> 3 & 1];
		set = bpf_map_lookup_elem(&flows, &at);
		if (turn & 7 || !set)
			return 0;
		to = &set->way[turn >> 4 & 1];
	}
	*to = w->flow;
	return 0;
}

#endif /* BPFIPT_FLOWS_BPF_H */
