/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * classifier.bpf.h - stage 4: keys -> one bit-vector root per vector
 *
 * Every lookup maps a key to its class; lookups in a row are crossed and the
 * product indexes a table of roots (abi/image.h, Theory of operation 2).
 * Done once per packet, whatever chains it visits. It ends early when no position
 * is left, or as few as can be looked at one by one.
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

/* LOOKUP_HASH: the class of @key */
static __always_inline __u32 hash_class(const struct img *im, const struct img_lookup *lk, __u32 key)
{
	__u32 at = key_hash(key, lk->shift), mask = hash_slots(lk->shift) - 1, tab = lk->tab, i;

	if (key - lk->base > lk->n)
		return lk->buckets;
	for (i = 0; i < HASH_PROBES; i++) {
		const struct img_range *row = img_record(im, tab + 2 * (__u64)((at + i) & mask));

		if (!row->class)
			break;
		if (row->first == key)
			return row->class;
	}
	return lk->buckets;
}

static __always_inline __u32 lookup_class(const struct img *im, const struct img_lookup *lk, __u32 key)
{
	__u32 lo = 0, n = lk->n, rows = lk->tab;

	if (lk->method == LOOKUP_DIRECT)
		return img_word(im, lk->tab + (key < n ? key : n - 1));
	if (lk->method == LOOKUP_HASH)
		return hash_class(im, lk, key);
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

/* The record of position @i of a few list at word @few. */
static __always_inline const struct img_few_pos *few_pos(const struct img *im, __u32 few, __u32 i)
{
	return img_record(im, few + (sizeof(struct img_few) + (__u64)i * sizeof(struct img_few_pos)) / 4);
}

/* FEW_MORE is of use when the chain holds one of its positions, and it is still to come. */
static __always_inline int few_decides(const struct img *im, const struct walk *w, __u32 few)
{
	__u32 head = img_word(im, few + 1), i;

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

/* Key number @i: its class, and with the last key of a vector the vector's root. */
static __always_inline int classify_key(__u32 i, struct fw *fw)
{
	struct img im = fw->img;
	struct walk *w = fw->w;
	const struct img_lookup *lk;
	__u32 key, acc, v = w->nr_vectors, root, class;

	lk = img_record(&im, img_hdr_word(&im, lookups) + (__u64)i * (sizeof(*lk) / 4));
	key = lk->key;
	if (key >= NR_KEYS || v >= IMG_MAX_VECTORS)
		return 1;
	early_key(w, key);
	class = lookup_class(&im, lk, w->pkt.key[key]);
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
	if (IMG_IS_FEW(root)) {
		if (EARLY_FEW && likely(w->pkt.form == FORM_WHOLE) &&
		    few_decides(&im, w, root - 1)) {
			w->few = root - 1;
			return 1;
		}
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

/* Which positions of the few list w->few agree with the packet's keys? */
static __always_inline __u32 few_hits(const struct img *im, const struct walk *w)
{
	__u32 at = w->few + sizeof(struct img_few) / 4, head = img_word(im, w->few + 1);
	__u32 nr_terms = head >> 16, hits = 0, pos = 0, any = 0, all = 1, i;

	at += (head & 0xffff) * (sizeof(struct img_few_pos) / 4);
	if (!nr_terms || nr_terms == FEW_MORE)
		return (1u << (head & 31)) - 1;
	for (i = 0; i < FEW_MAX_TERMS; i++) {
		const struct img_term *t;
		__u32 what, key;

		if (i >= nr_terms)
			break;
		t = img_record(im, at);
		at += sizeof(*t) / 4;
		what = t->key;
		/* 32 words from the first key on are inside struct walk */
		key = *((const __u32 *)w + (what & 31));
		any |= key - t->first <= t->last - t->first;
		if (!(what & FEW_KEY))
			continue;
		all &= any;
		any = 0;
		if (what & FEW_POS) {
			hits |= all << (pos & 31);
			pos++;
			all = 1;
		}
	}
	return hits;
}

/*
 * classify() - fill w->root and w->all from the packet's keys
 * What is asked for lies in [w->cur, w->end). Called again when a MARK target has
 * changed a key.
 */
static __noinline int classify(struct fw *fw)
{
	struct walk *w = fw->w;

	w->nr_vectors = 0;
	w->acc = 0;
	w->all = ~0ull;
	w->few = 0;
	w->hits = 0;
	if (!classify_key(0, fw))	/* mostly the only one */
		bpf_loop(img_hdr_word(&fw->img, nr_lookups) - 1, classify_step, fw, 0);
	if (w->few) {
		struct img im = fw->img;

		w->all = 0;
		w->hits = few_hits(&im, w);
	}
	return 0;
}

#endif /* BPFIPT_CLASSIFIER_BPF_H */
