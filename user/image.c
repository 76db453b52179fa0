// SPDX-License-Identifier: GPL-2.0-only
/*
 * image.c - lay a plan out as the flat image of abi/image.h
 *
 *	header | lookups | actions | interfaces | MACs | parameters, late lists |
 *	the first vector's nodes and few lists, its table, if it is of one key |
 *	lookup tables | vector tables | nodes, few lists
 *
 * Padding is zero and nothing depends on addresses or time: the same ruleset
 * gives the same bytes.
 */
#include <errno.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>

#include "../progs/abi/late.h"
#include "classes.h"
#include "compile.h"
#include "image.h"
#include "lower.h"

__u32 imgbuf_alloc(struct imgbuf *b, size_t words, size_t align)
{
	size_t at = (b->n + align - 1) & ~(align - 1);
	size_t end = at + words;

	if (b->failed)
		return 0;
	if (end > b->cap) {
		size_t cap = b->cap * 2 > end ? b->cap * 2 : end + 4096;
		__u32 *word = end < INT32_MAX ? realloc(b->word, cap * sizeof(*word)) : NULL;

		if (!word) {
			b->failed = true;
			return 0;
		}
		b->word = word;
		b->cap = cap;
	}
	memset(b->word + b->n, 0, (end - b->n) * sizeof(*b->word));
	b->n = end;
	return at;
}

/* Smallest power of two that leaves a table of @n entries half empty. */
static size_t half_empty(size_t n)
{
	size_t slots = 4;

	while (slots < 2 * n + 2)
		slots *= 2;
	return slots;
}

/*
 * The datapath looks at IMG_MAX_PROBE slots at most: a table in which some entry
 * would lie farther from its own slot is made again, twice as big.
 */
static bool fill_ifaces(const struct plan *plan, struct img_iface *tab, size_t slots)
{
	for (size_t i = 0; i < plan->nr_iface; i++) {
		size_t at = plan->iface[i].ifindex, probe = 0;

		while (tab[(at + probe) & (slots - 1)].ifindex)
			if (++probe == IMG_MAX_PROBE)
				return false;
		tab[(at + probe) & (slots - 1)] = plan->iface[i];
	}
	return true;
}

static bool fill_macs(const struct plan *plan, struct img_mac *tab, size_t slots)
{
	for (size_t i = 0; i < plan->nr_mac; i++) {
		size_t at = mac_hash(plan->mac[i].hi, plan->mac[i].lo), probe = 0;

		while (tab[(at + probe) & (slots - 1)].class)
			if (++probe == IMG_MAX_PROBE)
				return false;
		tab[(at + probe) & (slots - 1)] = plan->mac[i];
	}
	return true;
}

#define MAX_SLOTS	(1u << 21)

static int emit_ifaces(const struct plan *plan, struct imgbuf *b, struct img_hdr *hdr,
		       struct lower_err *err)
{
	size_t at = b->n;

	for (size_t slots = half_empty(plan->nr_iface); slots <= MAX_SLOTS; slots *= 2) {
		b->n = at;
		hdr->iftab = imgbuf_alloc(b, slots * sizeof(struct img_iface) / 4, LINE);
		hdr->iftab_mask = slots - 1;
		if (b->failed || fill_ifaces(plan, imgbuf_at(b, hdr->iftab), slots))
			return 0;
	}
	snprintf(err->msg, sizeof(err->msg), "too many interfaces: %zu", plan->nr_iface);
	return -E2BIG;
}

static int emit_macs(const struct plan *plan, struct imgbuf *b, struct img_hdr *hdr,
		     struct lower_err *err)
{
	size_t at = b->n;

	for (size_t slots = half_empty(plan->nr_mac); slots <= MAX_SLOTS; slots *= 2) {
		b->n = at;
		hdr->mactab = imgbuf_alloc(b, slots * sizeof(struct img_mac) / 4, 2);
		hdr->mactab_mask = slots - 1;
		if (b->failed || fill_macs(plan, imgbuf_at(b, hdr->mactab), slots))
			return 0;
	}
	snprintf(err->msg, sizeof(err->msg), "too many MAC addresses with one hash: %zu in all",
		 plan->nr_mac);
	return -E2BIG;
}

static __u32 late_head(__u16 op, __u16 words)
{
	struct img_late head = { .op = op, .words = words };
	__u32 w;

	memcpy(&w, &head, sizeof(w));
	return w;
}

static void late_put(struct imgbuf *b, __u16 op, __u16 nr_data, const __u32 *data)
{
	__u32 head = late_head(op, 1 + nr_data);

	imgbuf_copy(b, imgbuf_alloc(b, 1, 1), &head, 1);
	imgbuf_copy(b, imgbuf_alloc(b, nr_data, 1), data, nr_data);
}

/* LATE_KEY_RANGE with @n pairs, inverted or not. */
static void late_pairs(struct imgbuf *b, __u16 op, __u32 key, const struct range *r, __u32 n)
{
	__u32 data[1 + 2 * LATE_KEY_RANGES] = { key };

	memcpy(data + 1, r, n * sizeof(*r));
	late_put(b, op, 1 + 2 * n, data);
}

/*
 * "key in set" as records that must all match: its ranges if they fit into one
 * record, else one "in none of these" for each lot of gaps between them.
 */
static void late_key_set(struct imgbuf *b, __u32 key, const struct fset *set)
{
	static const __u32 key_max[NR_KEYS] = KEY_MAX_TABLE;
	struct range gap[LATE_KEY_RANGES];
	__u32 next = 0, n = 0;

	if (set->n <= LATE_KEY_RANGES) {
		late_pairs(b, LATE_KEY_RANGE, key, set->r, set->n);
		return;
	}
	for (size_t i = 0; i <= set->n; i++) {
		__u32 end = i < set->n ? set->r[i].first : key_max[key] + 1;

		if (end != next)	/* false too when the last gap is empty */
			gap[n++] = (struct range){ next, end - 1 };
		if (n && (n == LATE_KEY_RANGES || i == set->n)) {
			late_pairs(b, LATE_KEY_RANGE | LATE_NOT, key, gap, n);
			n = 0;
		}
		next = i < set->n ? set->r[i].last + 1 : 0;
	}
}

/*
 * The late list of a position. Keys without a vector come first, and a hotdrop
 * must then wait for them: it moves from the action into the list.
 */
static void emit_late(const struct product *prod, __u32 late_keys, struct imgbuf *b,
		      struct img_action *act)
{
	__u32 keys = 0;

	for (__u32 key = 0; key < NR_KEYS; key++)
		if (prod->set[key])
			keys |= late_keys & 1u << key;
	act->hotdrop = prod->hotdrop;
	act->late = 0;
	if (!keys && !prod->late_words)
		return;

	act->late = imgbuf_alloc(b, 0, 1);
	for (__u32 key = 0; key < NR_KEYS; key++)
		if (keys & 1u << key)
			late_key_set(b, key, prod->set[key]);
	if (keys && prod->hotdrop) {
		late_put(b, LATE_HOTDROP, 1, (__u32[]){ prod->hotdrop });
		act->hotdrop = 0;
	}
	imgbuf_copy(b, imgbuf_alloc(b, prod->late_words, 1), prod->late, prod->late_words);
	late_put(b, LATE_END, 0, NULL);
}

/* The plan's positions are numbered from @from on. */
static void emit_actions(const struct plan *plan, __u32 from, __u32 late_keys, struct imgbuf *b,
			 const struct img_hdr *hdr)
{
	const __u32 *params = NULL;
	__u32 params_at = 0;

	for (__u32 i = 0; i < plan->nr_pos; i++) {
		const struct position *p = &plan->pos[i];
		struct img_action act = p->act;

		if (p->params && p->params != params) {
			params_at = imgbuf_alloc(b, p->nr_params, 2);
			imgbuf_copy(b, params_at, p->params, p->nr_params);
			params = p->params;
		}
		if (p->params)
			act.arg = params_at;
		emit_late(p->prod, late_keys, b, &act);
		imgbuf_copy(b, hdr->actions + (from + i) * sizeof(act) / 4, &act, sizeof(act) / 4);
	}
}

/* Entries of a vector, one per bit vector: nodes, or for the first vector few lists. */
static __u32 *emit_entries(struct classes *c, __u32 i, const struct product *const *prod,
			   __u32 actions, struct imgbuf *b, struct img_few_pos *one)
{
	const struct vector *vec = &c->vec[i];
	__u32 *entry = malloc(vec->nr_roots * sizeof(*entry));

	for (__u32 r = 0; entry && r < vec->nr_roots; r++)
		entry[r] = vectors_emit(c->store, vec->root[r], b);
	for (__u32 r = 0; entry && !i && r < vec->nr_roots; r++)
		entry[r] = few_emit(c, vec, prod, actions, vec->root[r], entry[r], b,
				    one ? &one[r] : NULL);
	b->failed |= !entry;
	return entry;
}

/*
 * The first vector when it is of one key: its lists of one position are in the rows, when
 * it gets a hash and half of its entries or more have one.
 */
static void emit_first(struct classes *c, const struct product *const *prod, struct imgbuf *b,
		       __u32 actions, struct img_lookup *lk)
{
	const struct vector *vec = &c->vec[0];
	struct img_few_pos *one = malloc(vec->nr_roots * sizeof(*one));	/* NULL: all lie outside */
	__u32 *entry = emit_entries(c, 0, prod, actions, b, one);
	__u32 lists = 0;

	for (__u32 r = 0; entry && r < vec->nr_roots; r++)
		lists += !!(entry[r] & HASH_LIST);
	keyclass_emit(vec->kc[0], true, 2 * lists >= vec->nr_roots, b, lk);
	lk->vector = VECTOR_CLASS;
	/* a hash's other keys have no row */
	for (__u32 r = 0; entry && r < vec->nr_roots; r++)
		if (lk->row != HASH_WIDE || r == lk->buckets)
			entry[r] = few_spill(b, entry[r], &one[r]);
	if (entry)
		keyclass_set_entries(lk, b, entry, one);
	free(entry);
	free(one);
}

static void emit_classes(struct classes *c, const struct product *const *prod,
			 struct imgbuf *b, __u32 actions, struct img_part *part)
{
	struct img_lookup *lk = calloc(NR_KEYS, sizeof(*lk));
	__u32 n = 0, first = 0, at;

	if (!lk) {
		b->failed = true;
		return;
	}
	if (c->nr_vec && c->vec[0].nr_keys == 1) {
		emit_first(c, prod, b, actions, lk);
		n = first = 1;
	}
	for (__u32 i = first; i < c->nr_vec; i++)
		for (__u32 k = 0; k < c->vec[i].nr_keys; k++)
			keyclass_emit(c->vec[i].kc[k], c->vec[i].nr_keys == 1, false, b, &lk[n++]);
	n = first;
	for (__u32 i = first; i < c->nr_vec; i++) {
		n += c->vec[i].nr_keys;
		lk[n - 1].vector = c->vec[i].nr_keys == 1 ? VECTOR_CLASS :
				   imgbuf_alloc(b, c->vec[i].entries, LINE);
	}
	at = first;
	for (__u32 i = first; i < c->nr_vec; i++) {
		const struct vector *vec = &c->vec[i];
		__u32 *entry = emit_entries(c, i, prod, actions, b, NULL);

		at += vec->nr_keys;
		if (entry && vec->nr_keys == 1)
			keyclass_set_entries(&lk[at - 1], b, entry, NULL);
		else
			for (__u32 e = 0; entry && !b->failed && e < vec->entries; e++)
				b->word[lk[at - 1].vector + e] = entry[vec->of[e]];
		free(entry);
	}
	part->nr_lookups = n;
	part->nr_vectors = c->nr_vec;
	imgbuf_copy(b, part->lookups, lk, n * sizeof(*lk) / 4);
	free(lk);
}

/*
 * The classes of a plan whose positions are numbered from @from on.
 * @prod: gets its products, by position
 */
static int plan_classes(const struct plan *plan, __u32 from, const struct class_limits *lim,
			struct classes *c, const struct product ***prod)
{
	*prod = calloc((size_t)from + plan->nr_pos + 1, sizeof(**prod));
	if (!*prod)
		return -ENOMEM;
	for (__u32 i = 0; i < plan->nr_pos; i++)
		(*prod)[from + i] = plan->pos[i].prod;
	return classes_build(c, *prod, from, from + plan->nr_pos,
			     lim ? lim : &class_limits_default);
}

/* Takes the words of a build that is done. */
static int image_take(struct image *img, struct imgbuf *b, const struct img_hdr *hdr,
		      struct lower_err *err)
{
	imgbuf_copy(b, 0, hdr, sizeof(*hdr) / 4);
	if (b->n >= INT32_MAX / 2) {
		snprintf(err->msg, sizeof(err->msg), "the compiled ruleset would take %zu MB",
			 b->n >> 18);
		return -E2BIG;
	}
	if (b->failed)
		return -ENOMEM;
	img->word = b->word;
	img->words = b->n;
	b->word = NULL;
	return 0;
}

int image_build(const struct plan *plan, const struct class_limits *lim, struct image *img,
		struct lower_err *err)
{
	struct img_part *base, *delta;
	struct img_hdr hdr = { .magic = IMG_MAGIC, .abi = IMG_ABI };
	const struct product **prod = NULL;
	struct imgbuf b = { 0 };
	struct classes c = { 0 };
	__u32 least, room;
	int ret;

	*img = (struct image){ 0 };
	ret = plan_classes(plan, 0, lim, &c, &prod);
	if (ret)
		goto out;

	least = lim ? lim->delta_from : class_limits_default.delta_from;
	room = plan->nr_pos >= least && plan->nr_pos + DELTA_POSITIONS <= IMG_MAX_POSITIONS ?
	       DELTA_POSITIONS : 0;
	base = &hdr.part[PART_BASE];
	delta = &hdr.part[PART_DELTA];
	memcpy(hdr.hook, plan->hook, sizeof(hdr.hook));
	for (int i = 0; i < NR_HOOKS; i++)
		hdr.fast[i] = shortcut(plan, i);
	hdr.flags = plan->flags;
	hdr.nr_slots = plan->nr_slots;
	imgbuf_alloc(&b, sizeof(hdr) / 4, LINE);
	base->lookups = imgbuf_alloc(&b, c.nr_kc * sizeof(struct img_lookup) / 4, 8);
	hdr.nr_positions = delta->start = plan->nr_pos;
	hdr.actions = imgbuf_alloc(&b, (plan->nr_pos + room) * sizeof(struct img_action) / 4, LINE);
	ret = emit_ifaces(plan, &b, &hdr, err);
	if (!ret)
		ret = emit_macs(plan, &b, &hdr, err);
	if (ret)
		goto out;
	emit_actions(plan, 0, c.late_keys, &b, &hdr);
	emit_classes(&c, prod, &b, hdr.actions, base);
	flow_plan(&b, c.alone, &hdr);
	delta->lookups = base->lookups;
	hdr.words = b.n;
	hdr.base_words = room ? b.n : 0;
	ret = image_take(img, &b, &hdr, err);
out:
	free(prod);
	free(b.word);
	classes_free(&c);
	return ret;
}

int image_extend(const struct plan *plan, struct imgbuf *b, struct img_hdr *hdr,
		 struct image *img, struct lower_err *err)
{
	struct img_part *delta = &hdr->part[PART_DELTA];
	const struct product **prod;
	struct classes c = { 0 };
	int ret = plan_classes(plan, delta->start, NULL, &c, &prod);

	if (!ret) {
		delta->lookups = imgbuf_alloc(b, c.nr_kc * sizeof(struct img_lookup) / 4, 8);
		hdr->nr_positions = delta->start + plan->nr_pos;
		emit_actions(plan, delta->start, c.late_keys, b, hdr);
		emit_classes(&c, prod, b, hdr->actions, delta);
		flow_plan(b, !hdr->flow_mask[2], hdr);
		hdr->words = b->n;
		ret = image_take(img, b, hdr, err);
	}
	free(prod);
	classes_free(&c);
	return ret;
}

bool image_tables_same(const struct plan *plan, const __u32 *word)
{
	const struct img_hdr *h = (const void *)word;
	struct img_hdr hdr = { 0 };
	struct imgbuf b = { 0 };
	struct lower_err err;
	bool same = !emit_ifaces(plan, &b, &hdr, &err) && !emit_macs(plan, &b, &hdr, &err) &&
		    !b.failed && hdr.iftab_mask == h->iftab_mask &&
		    hdr.mactab_mask == h->mactab_mask &&
		    !memcmp(b.word + hdr.iftab, word + h->iftab,
			    ((size_t)h->iftab_mask + 1) * sizeof(struct img_iface)) &&
		    !memcmp(b.word + hdr.mactab, word + h->mactab,
			    ((size_t)h->mactab_mask + 1) * sizeof(struct img_mac));

	free(b.word);
	return same;
}

void image_free(struct image *img)
{
	free(img->word);
	img->word = NULL;
	img->words = 0;
}
