/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * classifier.bpf.h - stage 4: keys -> one bit-vector root per vector
 *
 * Every lookup maps a key to its class; lookups in a row are crossed and the
 * product indexes a table of roots (abi/image.h, Theory of operation 2).
 * Done once per packet, whatever chains it visits, and again when a target has changed a
 * key or the walk has come to the image's other part. It ends early when no position is
 * left, or as few as can be looked at one by one.
 */
#ifndef BPFIPT_CLASSIFIER_BPF_H
#define BPFIPT_CLASSIFIER_BPF_H

#include "fw.bpf.h"
#include "early.bpf.h"
#include "maps.bpf.h"

/*
 * The last row in [lo, lo + n) of the rows at word @rows with first <= key; no
 * branch to mispredict.
 */
static __always_inline __u32 search(const struct img *im, __u32 rows, __u32 lo, __u32 n, __u32 key)
{
	int i;

	/* Halve: the answer stays in [lo, lo + n); an image holds < 2^20 bounds. */
	for (i = 0; i < 20; i++) {
		__u32 half = n >> 1;
		__u64 below;

		if (n <= 1)
			break;
		/* all ones when the middle row's first <= key, else 0 */
		below = ((__u64)img_word(im, rows + 2 * (lo + half)) - key - 1) >> 63;
		lo += half & (__u32)-below;
		n -= half;
	}
	return lo;
}

/* LOOKUP_HASH: the class of @key, and in *@row its row, if it has one */
static __always_inline __u32 hash_class(const struct img *im, const struct img_lookup *lk,
					__u32 key, __u32 *row)
{
	__u32 slots = lk->mult, tab = lk->tab, set, seed, at;
	const struct img_range *r;

	if (key - lk->base > lk->n)
		return lk->buckets;
	set = hash_seed(key, slots);
	seed = img_word(im, tab + (set >> 2)) >> (set & 3) * 8 & 0xff;
	at = tab + hash_rows(slots) + (hash_slot(key, seed, slots) << (lk->row & 31));
	r = img_record(im, at);
	if (r->first != key || !r->class)
		return lk->buckets;
	*row = at;
	return r->class;
}

static __always_inline __u32 lookup_class(const struct img *im, const struct img_lookup *lk,
					  __u32 key, __u32 *row)
{
	__u32 lo = 0, n = lk->n, rows = lk->tab;

	if (lk->method == LOOKUP_DIRECT)
		return img_word(im, lk->tab + (key < n ? key : n - 1));
	if (lk->method == LOOKUP_HASH)
		return hash_class(im, lk, key, row);
	if (lk->method == LOOKUP_TOP) {
		__u32 base = lk->base, last = lk->buckets - 1, b;

		b = (key > base ? key - base : 0) >> (lk->shift & 31);
		b = b < last ? b : last;
		lo = img_word(im, lk->tab + b);
		n = img_word(im, lk->tab + b + 1) - lo + 1;
		rows += top_rows(last + 1);
	}
	lo = search(im, rows, lo, n, key);
	return img_word(im, rows + 2 * lo + 1);
}

/*
 * The record of position @i of a few list, at word @few: of a struct img_few, or of a
 * struct img_hash_row, whose position lies as far from its start.
 */
static __always_inline const struct img_few_pos *few_pos(const struct img *im, __u32 few, __u32 i)
{
	return img_record(im, few + (sizeof(struct img_few) + (__u64)i * sizeof(struct img_few_pos)) / 4);
}

/* FEW_MORE is of use when the chain holds one of its positions, and it is still to come. */
static __always_inline int few_decides(const struct img *im, const struct walk *w, __u32 few,
				       __u32 head)
{
	__u32 i;

	if (likely(head >> 16 != FEW_MORE))
		return 1;
	for (i = 0; i < FEW_MAX; i++) {
		__u32 pos = few_pos(im, few, i)->pos;

		if (i >= (head & 0xffff))
			break;
		if (pos >= w->cur && pos < w->end)
			return 1;
	}
	return 0;
}

/* A few list for a packet that is whole. Return: 1: it stands for all vectors. */
static __always_inline int few_take(const struct img *im, struct walk *w, __u32 few, __u32 head)
{
	if (!EARLY_FEW || unlikely(w->pkt.form != FORM_WHOLE) || !few_decides(im, w, few, head))
		return 0;
	w->few = few;
	w->few_head = head;
	return 1;
}

/* Key number @i: its class, and with the last key of a vector the vector's root. */
static __always_inline int classify_key(__u32 i, struct fw *fw)
{
	struct img im = fw_img(fw);
	struct walk *w = fw->w;
	const struct img_lookup *lk;
	__u32 key, acc, v = w->nr_vectors, root, class, row = 0;

	lk = img_record(&im, w->lookups + (__u64)i * (sizeof(*lk) / 4));
	key = lk->key;
	if (key >= NR_KEYS || v >= IMG_MAX_VECTORS)
		return 1;
	early_key(w, key);
	class = lookup_class(&im, lk, w->pkt.key[key], &row);
	if (lk->vector == VECTOR_CLASS) {
		root = class;
	} else {
		acc = w->acc * lk->mult + class;
		if (!lk->vector) {
			w->acc = acc;
			return 0;
		}
		root = img_word(&im, lk->vector + acc);
	}
	if (root & HASH_LIST) {
		if (few_take(&im, w, row, 1 | (root & HASH_MORE ? FEW_MORE << 16 : 0)))
			return 1;
		root &= HASH_ROOT;
	} else if (IMG_IS_FEW(root)) {
		if (few_take(&im, w, root - 1, img_word(&im, root)))
			return 1;
		root = img_word(&im, root - 1);
	}
	w->root[v] = root;
	w->nr_vectors = v + 1;
	w->acc = 0;
	w->all &= img_node(&im, root);
	return !w->all;
}

static long classify_step(__u32 i, struct fw *fw)
{
	return classify_key(i + 1, fw);
}

/* Does what the position itself has agree with the packet's keys? 1 or 0 */
static __always_inline __u32 pos_agrees(const struct walk *w, const struct img_few_pos *p)
{
	__u32 addr = *(p->addr_key & 1 ? &w->pkt.key[KEY_DADDR] : &w->pkt.key[KEY_SADDR]);
	__u64 differ = (__u64)(addr ^ p->addr) >> (p->addr_shift & 63);

	differ |= (w->pkt.key[KEY_L4] ^ p->proto) & p->proto_mask;
	return !differ & ((__u16)(w->pkt.key[KEY_SPORT] - p->sport) <= p->sport_more) &
	       ((__u16)(w->pkt.key[KEY_DPORT] - p->dport) <= p->dport_more);
}

/* Of which positions do the terms, at word @at, agree with the packet's keys? No branch on one. */
static __always_inline __u32 term_hits(const struct img *im, const struct walk *w, __u32 at,
				       __u32 nr_terms)
{
	__u32 hits = 0, pos = 0, any = 0, all = 1, i;

	for (i = 0; i < FEW_MAX_TERMS; i++) {
		const struct img_term *t;
		__u32 what, key, key_end, pos_end;

		if (i >= nr_terms)
			break;
		t = img_record(im, at);
		at += sizeof(*t) / 4;
		what = t->key;
		/* 32 words from the first key on are inside struct walk */
		key = *((const __u32 *)w + (what & 31));
		any |= key - t->first <= t->last - t->first;
		key_end = what / FEW_KEY & 1;
		pos_end = what / FEW_POS & 1;
		all &= any | (key_end ^ 1);
		any &= key_end ^ 1;
		hits |= (all & pos_end) << (pos & 31);
		pos += pos_end;
		all |= pos_end;
	}
	return hits;
}

/* Which positions of the few list w->few agree with the packet's keys? */
static __always_inline __u32 few_hits(const struct img *im, const struct walk *w)
{
	__u32 few = w->few, nr = w->few_head & 0xffff, nr_terms = w->few_head >> 16, hits = 0, i;

	for (i = 0; i < FEW_MAX; i++) {
		if (i >= nr)
			break;
		hits |= pos_agrees(w, few_pos(im, few, i)) << i;
	}
	if (nr_terms && nr_terms != FEW_MORE)
		hits &= term_hits(im, w, few + (sizeof(struct img_few) +
						nr * sizeof(struct img_few_pos)) / 4, nr_terms);
	return hits;
}

/*
 * classify() - fill w->root and w->all from the packet's keys, for [w->cur, w->end), which
 * is of w->part
 */
static __always_inline void classify(struct fw *fw)
{
	struct walk *w = fw->w;
	const struct img_part *part;

	part = (const void *)(fw->img + offsetof(struct img_hdr, part) +
			      (w->part & (NR_PARTS - 1)) * sizeof(*part));
	w->lookups = part->lookups;
	w->nr_vectors = 0;
	w->acc = 0;
	w->all = ~0ull;
	w->few = 0;
	w->hits = 0;
	if (!classify_key(0, fw))	/* mostly the only one */
		bpf_loop(part->nr_lookups - 1, classify_step, fw, 0);
	if (w->few) {
		struct img im = fw_img(fw);

		w->all = 0;
		w->hits = few_hits(&im, w);
	}
}

/* classify_again() - likewise, when a target has changed a key, or the part is another */
__noinline int classify_again(fw_ctx_t *ctx, struct walk *w)
{
	struct fw fw;

	if (!fw_join(&fw, ctx, w))
		classify(&fw);
	return 0;
}

#endif /* BPFIPT_CLASSIFIER_BPF_H */
