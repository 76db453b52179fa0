// SPDX-License-Identifier: GPL-2.0-only
/*
 * imgwalk.c - what an image does with a packet, in user space
 *
 * Follows abi/image.h to the letter and nothing else: a lookup is a linear scan of
 * the boundaries, a candidate is found by testing each position's bit in each
 * vector in turn. Slow and plain, so that it can be checked by eye.
 */
#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "../progs/abi/late.h"
#include "../user/array.h"
#include "imgwalk.h"

static const struct img_hdr *hdr_of(const __u32 *word)
{
	return (const void *)word;
}

static __u64 mask_at(const __u32 *word, __u32 at)
{
	return word[at] | (__u64)word[at + 1] << 32;
}

bool imgwalk_bit(const __u32 *word, __u32 root, __u32 pos)
{
	__u64 bit = 1ull << (pos >> 12), mask = mask_at(word, root);
	__u32 mid;

	if (!(mask & bit))
		return false;
	mid = word[root + 2 + __builtin_popcountll(mask & (bit - 1))];
	bit = 1ull << (pos >> 6 & 63);
	mask = mask_at(word, mid);
	if (!(mask & bit))
		return false;
	return mask_at(word, mid + 2 + 2 * __builtin_popcountll(mask & (bit - 1))) >> (pos & 63) & 1;
}

const struct img_hash_row *imgwalk_row(const __u32 *word, const struct img_lookup *lk, __u32 key)
{
	const __u8 *seed = (const void *)(word + lk->tab);
	__u32 slot = hash_slot(key, seed[hash_seed(key, lk->mult)], lk->mult);
	const struct img_hash_row *row =
		(const void *)(word + lk->tab + hash_rows(lk->mult) + (slot << lk->row));

	return row->class && row->first == key ? row : NULL;
}

__u32 imgwalk_class(const __u32 *word, const struct img_lookup *lk, __u32 key)
{
	const __u32 *tab = word + lk->tab;
	const struct img_range *row = (const void *)tab;
	__u32 lo = 0, hi = lk->n - 1;

	if (lk->method == LOOKUP_DIRECT)
		return tab[key < lk->n ? key : lk->n - 1];
	if (lk->method == LOOKUP_HASH) {
		const struct img_hash_row *r = imgwalk_row(word, lk, key);

		return r ? r->class : lk->buckets;
	}
	if (lk->method == LOOKUP_TOP) {
		__u32 b = key > lk->base ? (key - lk->base) >> lk->shift : 0;

		if (b >= lk->buckets)
			b = lk->buckets - 1;
		lo = tab[b];
		hi = tab[b + 1];
		row = (const void *)(tab + top_rows(lk->buckets));
	}
	while (lo < hi && row[lo + 1].first <= key)
		lo++;
	return row[lo].class;
}

/* A few list, wherever it is: its positions, and what img_few has before them. */
struct few {
	const struct img_few_pos *pos;
	__u32 nr;
	__u32 nr_terms;
};

static struct few few_at(const __u32 *word, __u32 at)
{
	const struct img_few *few = (const void *)(word + at);

	return (struct few){ few->pos, few->nr, few->nr_terms };
}

/* Does what the position itself has agree with the keys? */
static bool pos_agrees(const struct img_few_pos *p, const __u32 *key)
{
	__u32 sport = key[KEY_SPORT] == PORT_NONE ? 0 : key[KEY_SPORT];
	__u32 dport = key[KEY_DPORT] == PORT_NONE ? 0 : key[KEY_DPORT];

	return (p->addr_shift == 32 || key[p->addr_key] >> p->addr_shift == p->addr >> p->addr_shift) &&
	       p->sport <= sport && sport <= (__u32)p->sport + p->sport_more &&
	       p->dport <= dport && dport <= (__u32)p->dport + p->dport_more &&
	       (key[KEY_L4] & p->proto_mask) == (p->proto & p->proto_mask);
}

/* Do the terms of position @i of a few list agree with the keys? */
static bool few_agrees(const struct few *few, __u32 i, const __u32 *key)
{
	const struct img_term *t = (const void *)(few->pos + few->nr);
	bool any = false, all = true;

	if (!pos_agrees(&few->pos[i], key))
		return false;
	if (!few->nr_terms || few->nr_terms == FEW_MORE)
		return true;
	for (; ; t++) {
		__u32 k = key[t->key & 0xff];

		any |= t->first <= k && k <= t->last;
		if (t->key & FEW_KEY) {
			all &= any;
			any = false;
		}
		if (t->key & FEW_POS && !i--)
			return all;
		if (t->key & FEW_POS)
			all = true;
	}
}

/* Is a list of use for [pos, end)? */
static bool few_decides(const struct few *few, __u32 pos, __u32 end)
{
	for (__u32 i = 0; i < few->nr; i++)
		if (few->pos[i].pos >= pos && few->pos[i].pos < end)
			return true;
	return few->nr_terms != FEW_MORE;
}

/* The part of the image that positions up to @end are of. */
static const struct img_part *part_of(const __u32 *word, __u32 end)
{
	const struct img_hdr *h = hdr_of(word);

	return &h->part[end > h->part[PART_DELTA].start ? PART_DELTA : PART_BASE];
}

/*
 * The roots that @key selects, for candidates in [pos, end); returns how many. @few->pos: it
 * is a few list, alone.
 */
static __u32 classify(const __u32 *word, const __u32 *key, __u32 pos, __u32 end, __u32 *root,
		      struct few *few)
{
	const struct img_part *part = part_of(word, end);
	const struct img_lookup *lk = (const void *)(word + part->lookups);
	bool whole = key[KEY_L4] >> 8 == FORM_WHOLE;
	__u32 acc = 0, nr = 0;

	for (__u32 i = 0; i < part->nr_lookups; i++) {
		__u32 class = imgwalk_class(word, &lk[i], key[lk[i].key]);

		acc = acc * lk[i].mult + class;
		if (!lk[i].vector)
			continue;
		root[nr] = lk[i].vector == VECTOR_CLASS ? class : word[lk[i].vector + acc];
		acc = 0;
		few->pos = NULL;
		if (root[nr] & HASH_LIST) {
			*few = (struct few){ &imgwalk_row(word, &lk[i], key[lk[i].key])->pos, 1,
					     class & HASH_MORE ? FEW_MORE : 0 };
			root[nr] &= HASH_ROOT;
		} else if (IMG_IS_FEW(root[nr])) {
			*few = few_at(word, root[nr] - 1);
			root[nr] = word[root[nr] - 1];
		}
		nr++;
		if (few->pos && whole && few_decides(few, pos, end))
			return nr;
	}
	few->pos = NULL;
	return nr;
}

/* The record's verdict when it is a function of the keys; false: it is not. */
static bool late_by_key(const struct img_late *rec, const __u32 *key, enum imgwalk_late *res)
{
	bool match = false;

	switch (rec->op & ~LATE_NOT) {
	case LATE_HOTDROP:
		*res = rec->data[0] & HOTDROP(key[KEY_L4] >> 8) ? IMGWALK_LATE_HOTDROP
								: IMGWALK_MATCH;
		return true;
	case LATE_KEY_RANGE:
		for (__u32 i = 1; i + 1 < rec->words; i += 2)
			match |= rec->data[i] <= key[rec->data[0]] &&
				 key[rec->data[0]] <= rec->data[i + 1];
		break;
	case LATE_ADDR_MASK:
		match = (key[rec->data[0]] & rec->data[2]) == rec->data[1];
		break;
	case LATE_MARK:
		match = (key[KEY_MARK] & rec->data[0]) == rec->data[1];
		break;
	default:
		return false;
	}
	*res = match != !!(rec->op & LATE_NOT) ? IMGWALK_MATCH : IMGWALK_NO_MATCH;
	return true;
}

static enum imgwalk_late late_list(const __u32 *word, __u32 at, const struct imgwalk *w)
{
	enum imgwalk_late res = IMGWALK_MATCH;

	while (res == IMGWALK_MATCH) {
		const struct img_late *rec = (const void *)(word + at);

		if (rec->op == LATE_END)
			break;
		if (!late_by_key(rec, w->key, &res) && w->late)
			res = w->late(rec, w->ctx);
		at += rec->words;
	}
	return res;
}

static int count(struct imgwalk *w, __u32 slot)
{
	if (array_room(w->slot, w->nr_slots + 1, w->cap_slots))
		return -ENOMEM;
	w->slot[w->nr_slots++] = slot;
	return 0;
}

/* First candidate in [pos, end), or end. */
static __u32 candidate(const __u32 *word, const __u32 *key, const __u32 *root, __u32 nr,
		       const struct few *few, __u32 pos, __u32 end)
{
	if (few->pos) {
		for (__u32 i = 0; i < few->nr; i++)
			if (few->pos[i].pos >= pos && few->pos[i].pos < end &&
			    few_agrees(few, i, key))
				return few->pos[i].pos;
		return end;
	}

	for (; pos < end; pos++) {
		__u32 i = 0;

		while (i < nr && imgwalk_bit(word, root[i], pos))
			i++;
		if (i == nr)
			break;
	}
	return pos;
}

int imgwalk(const __u32 *word, enum fw_hook hook, struct imgwalk *w)
{
	const struct img_hdr *h = hdr_of(word);
	const struct img_action *actions = (const void *)(word + h->actions);
	__u32 pos = h->hook[hook].start, end = h->hook[hook].end;
	__u32 root[IMG_MAX_VECTORS], stack[IMG_MAX_DEPTH];
	const struct img_part *part = NULL;
	struct few few = { 0 };
	__u32 nr = 0, depth = 0;

	w->nr_slots = 0;
	for (__u32 steps = 0; steps < IMGWALK_STEPS; steps++) {
		const struct img_action *act;
		bool back = false;

		if (part_of(word, end) != part) {
			part = part_of(word, end);
			nr = classify(word, w->key, pos, end, root, &few);
		}
		pos = candidate(word, w->key, root, nr, &few, pos, end);
		if (pos == end && end && actions[end - 1].next) {
			pos = actions[end - 1].next - 1;
			end = actions[pos].chain_end;
			continue;
		}
		if (pos == end) {
			back = true;
		} else {
			enum imgwalk_late late = IMGWALK_MATCH;

			act = &actions[pos++];
			if (w->step)
				w->step(pos - 1, act, w->ctx);
			if (act->hotdrop & HOTDROP(w->key[KEY_L4] >> 8))
				late = IMGWALK_LATE_HOTDROP;
			else if (act->late)
				late = late_list(word, act->late, w);
			if (late == IMGWALK_LATE_HOTDROP) {
				w->verdict = IMGWALK_HOTDROP;
				return 0;
			}
			if (late == IMGWALK_NO_MATCH)
				continue;
			if (count(w, act->slot))
				return -ENOMEM;
			switch (act->act) {
			case ACT_ACCEPT:
				w->verdict = IMGWALK_ACCEPT;
				return 0;
			case ACT_DROP:
				w->verdict = IMGWALK_DROP;
				return 0;
			case ACT_REJECT:
				w->verdict = IMGWALK_REJECT;
				return 0;
			case ACT_RETURN:
				back = true;
				break;
			case ACT_JUMP:
				if (depth == IMG_MAX_DEPTH)
					goto limit;
				stack[depth++] = pos - 1;
				pos = act->arg;
				end = act->arg2;
				break;
			case ACT_GOTO:
				pos = act->arg;
				end = act->arg2;
				break;
			case ACT_MARK:
				w->key[KEY_MARK] = (w->key[KEY_MARK] & ~act->arg2) ^ act->arg;
				if (h->flags & IMG_F_MARK)
					nr = classify(word, w->key, pos, end, root, &few);
				break;
			default:
				break;
			}
		}
		if (!back)
			continue;
		if (!depth) {
			w->verdict = h->hook[hook].policy == ACT_ACCEPT ? IMGWALK_ACCEPT
									: IMGWALK_DROP;
			return count(w, h->hook[hook].slot);
		}
		pos = stack[--depth];
		end = actions[pos++].chain_end;
	}
limit:
	w->verdict = IMGWALK_LIMIT;
	return 0;
}
