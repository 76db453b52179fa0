// SPDX-License-Identifier: GPL-2.0-only
/*
 * low.c - the helpers with which matches narrow a rule's products
 *
 * lower_int.h has the plan and an example. The rule kept here: whatever the order of
 * a rule's checks, a malformed packet is hotdropped if and only if all checks before
 * the match that drops it have passed, and a late match with an effect is evaluated
 * if and only if all checks before it have passed.
 */
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "lower_int.h"

static const __u32 max_table[NR_KEYS] = KEY_MAX_TABLE;

__u32 key_max(enum fw_key key)
{
	return max_table[key];
}

__u32 key_none(enum fw_key key)
{
	switch (key) {
	case KEY_SPORT:
	case KEY_DPORT:
		return PORT_NONE;
	case KEY_TCPFLAGS:
		return TCPFLAGS_NONE;
	case KEY_ICMP:
		return ICMP_NONE;
	default:
		return 0;
	}
}

int low_refuse(struct lowering *l, const char *why)
{
	snprintf(l->err->msg, sizeof(l->err->msg),
		 "%s `%s' cannot be enforced by this hook: %s",
		 l->target ? "target" : "match", l->what, why);
	return -EOPNOTSUPP;
}

void low_discard(struct lowering *l)
{
	for (size_t i = 0; i < l->out->nr_prod; i++) {
		for (int key = 0; key < NR_KEYS; key++)
			fset_free(l->out->prod[i].set[key]);
		free(l->out->prod[i].late);
	}
	free(l->out->prod);
	l->out->prod = NULL;
	l->out->nr_prod = 0;
}

int low_copy(struct lowering *l, size_t i)
{
	size_t n = l->out->nr_prod;
	struct product *prod, *to, *from;

	if (n == LOW_MAX_PRODUCTS)
		return low_refuse(l, "the rule has too many alternatives");
	prod = realloc(l->out->prod, (n + 1) * sizeof(*prod));
	if (!prod)
		return -ENOMEM;
	l->out->prod = prod;
	from = &prod[i];
	to = &prod[n];
	memset(to, 0, sizeof(*to));
	l->out->nr_prod = n + 1;
	l->p[n] = l->p[i];
	to->hotdrop = from->hotdrop;
	for (int key = 0; key < NR_KEYS; key++) {
		if (!from->set[key])
			continue;
		to->set[key] = fset_dup(from->set[key]);
		if (!to->set[key])
			return -ENOMEM;
	}
	if (from->late_words) {
		to->late = malloc(from->late_words * sizeof(*to->late));
		if (!to->late)
			return -ENOMEM;
		memcpy(to->late, from->late, from->late_words * sizeof(*to->late));
		to->late_words = from->late_words;
	}
	return n;
}

int low_late_one(struct lowering *l, size_t i, unsigned int op, const void *data, size_t words)
{
	struct product *p = &l->out->prod[i];
	struct img_late head = { .op = op, .words = 1 + words };
	__u32 *late;

	late = realloc(p->late, (p->late_words + 1 + words) * sizeof(*late));
	if (!late)
		return -ENOMEM;
	p->late = late;
	memcpy(late + p->late_words, &head, sizeof(head));
	if (words)
		memcpy(late + p->late_words + 1, data, words * sizeof(*late));
	p->late_words += 1 + words;
	return 0;
}

int low_late(struct lowering *l, unsigned int op, const void *data, size_t words, bool effect)
{
	low_for_each(l, i) {
		int err = low_late_one(l, i, op, data, words);

		if (err)
			return err;
	}
	l->effect |= effect;
	return 0;
}

/* Leave a guard behind for the forms that product @i has doomed. */
static int split(struct lowering *l, size_t i)
{
	struct low_product *p = &l->p[i];
	int g = low_copy(l, i);

	if (g < 0)
		return g;
	l->p[g].forms = p->doomed;
	l->p[g].guard = true;
	p->forms &= ~p->doomed;
	p->doomed = 0;
	l->out->prod[i].hotdrop = 0;
	return 0;
}

int low_set_one(struct lowering *l, size_t i, enum fw_key key, const struct fset *set)
{
	struct fset **at;
	int err;

	if (l->p[i].doomed && !key_none(key)) {
		err = split(l, i);
		if (err)
			return err;
	}
	at = &l->out->prod[i].set[key];
	if (*at) {
		err = fset_intersect(*at, set);
		if (err)
			return err;
	} else {
		*at = fset_dup(set);
		if (!*at)
			return -ENOMEM;
	}
	l->p[i].dead = !(*at)->n;
	return 0;
}

/* A field test behind a late match with an effect. */
static int set_late(struct lowering *l, enum fw_key key, const struct fset *set)
{
	__u32 data[1 + 2 * LATE_KEY_RANGES];

	if (set->n > LATE_KEY_RANGES)
		return low_refuse(l, "too many ranges behind a match with state");
	data[0] = key;
	memcpy(data + 1, set->r, set->n * sizeof(*set->r));
	return low_late(l, LATE_KEY_RANGE, data, 1 + 2 * set->n, LOW_PURE);
}

int low_set(struct lowering *l, enum fw_key key, struct fset *set)
{
	__u32 none = key_none(key);
	int err = 0;

	if (!set)
		return -ENOMEM;
	if (l->effect) {
		err = set_late(l, key, set);
		goto out;
	}
	if (none)
		err = fset_add(set, none, none);
	if (err || (set->n == 1 && !set->r[0].first && set->r[0].last == key_max(key)))
		goto out;
	if (l->out->nr_prod == 1 && (none || !l->p[0].doomed) && !l->p[0].dead &&
	    !l->p[0].guard && !l->out->prod[0].set[key]) {	/* the common case */
		l->out->prod[0].set[key] = set;
		l->p[0].dead = !set->n;
		return 0;
	}
	low_for_each(l, i) {
		err = low_set_one(l, i, key, set);
		if (err)
			break;
	}
out:
	fset_free(set);
	return err;
}

int low_range(struct lowering *l, enum fw_key key, __u32 first, __u32 last, bool inv)
{
	__u32 none = key_none(key), top = none ? none - 1 : key_max(key);
	struct fset *set;

	if (last > top)
		last = top;
	if (first == 0 && last == top && !inv)
		return 0;
	set = fset_new();
	if (!set || fset_add(set, first, last) || (inv && fset_complement(set, top))) {
		fset_free(set);
		return -ENOMEM;
	}
	return low_set(l, key, set);
}

/* (key & mask) == value, tested on the packet */
static int mask_late(struct lowering *l, enum fw_key key, __u32 value, __u32 mask, bool inv)
{
	struct late_key_mask km = { .key = key, .value = value, .mask = mask };
	struct late_mark mark = { .mask = mask, .value = value };
	unsigned int not = inv ? LATE_NOT : 0;

	if (key == KEY_MARK)
		return low_late(l, LATE_MARK | not, &mark, 2, LOW_PURE);
	return low_late(l, LATE_ADDR_MASK | not, &km, 3, LOW_PURE);
}

int low_mask(struct lowering *l, enum fw_key key, __u32 value, __u32 mask, bool inv)
{
	__u32 none = key_none(key), top = none ? none - 1 : key_max(key);
	__u32 low, free, sub = 0;
	struct fset *set;

	mask &= top;
	if (value & ~mask)		/* the test is never true ... */
		return inv ? 0 : low_range(l, key, 1, 0, false);
	if (!mask)			/* ... always */
		return inv ? low_range(l, key, 1, 0, false) : 0;
	/* Bits below the mask's lowest make one range; others outside it, one each. */
	low = (mask & -mask) - 1;
	free = top & ~mask & ~low;
	if (l->effect || (top > 0xff && __builtin_popcount(free) > __builtin_ctz(LOW_MAX_RANGES)))
		return mask_late(l, key, value, mask, inv);
	set = fset_new();
	if (!set)
		return -ENOMEM;
	do {
		if (fset_add(set, value | sub, value | sub | low))
			goto nomem;
		sub = (sub - free) & free;	/* next subset of free, ascending */
	} while (sub);
	if (inv && fset_complement(set, top))
		goto nomem;
	return low_set(l, key, set);
nomem:
	fset_free(set);
	return -ENOMEM;
}

/* The form test behind a late match with an effect. */
static int forms_late(struct lowering *l, size_t i, unsigned int ok, unsigned int hot)
{
	struct low_product *p = &l->p[i];
	unsigned int left = p->forms & ~p->doomed;
	__u32 data[1 + 2 * NR_FORMS], n = 1;
	int err;

	hot &= left;
	if (hot) {
		err = low_late_one(l, i, LATE_HOTDROP, &(struct late_hotdrop){ hot }, 1);
		if (err)
			return err;
	}
	left &= ~hot;
	if (left & ~ok) {
		data[0] = KEY_L4;
		for (int form = 0; form < NR_FORMS; form++) {
			if (!(left & ok & FORM_BIT(form)))
				continue;
			data[n++] = L4_KEY(form, l->proto);
			data[n++] = L4_KEY(form, l->proto);
		}
		err = low_late_one(l, i, LATE_KEY_RANGE, data, n);
		if (err)
			return err;
	}
	p->doomed |= p->forms & ~ok;	/* dropped or failed: settled either way */
	return 0;
}

int low_forms(struct lowering *l, unsigned int ok, unsigned int hot)
{
	if (l->proto_is != LOW_PROTO_ONE)
		return -EINVAL;		/* rule_check() says so first */
	low_for_each(l, i) {
		struct low_product *p = &l->p[i];
		struct product *prod = &l->out->prod[i];
		unsigned int now = hot & p->forms & ~p->doomed;
		int err = 0;

		if (l->effect) {
			err = forms_late(l, i, ok, hot);
			if (err)
				return err;
			continue;
		}
		p->forms &= ok | now | p->doomed;
		p->doomed |= now;
		p->dead = !p->forms;
		p->guard = !(p->forms & ~p->doomed);
		if (!now)
			continue;
		if (prod->late_words)
			err = low_late_one(l, i, LATE_HOTDROP, &(struct late_hotdrop){ now }, 1);
		else
			prod->hotdrop |= now;
		if (err)
			return err;
	}
	return 0;
}

#define L4_RANGES	(2 * NR_FORMS)

/* KEY_L4 from forms and protocol, into @r: number of ranges, 0 for everything. */
static size_t l4_ranges(const struct lowering *l, unsigned int forms, struct range *r)
{
	size_t n = 0;

	if (l->proto_is == LOW_PROTO_ANY && forms == FORMS_ALL)
		return 0;
	for (int form = 0; form < NR_FORMS; form++) {
		__u32 first = L4_KEY(form, 0), last = L4_KEY(form, 255);
		__u32 proto = L4_KEY(form, l->proto);

		if (!(forms & FORM_BIT(form)))
			continue;
		if (l->proto_is == LOW_PROTO_ONE)
			first = last = proto;
		/* Forms are neighbours: 255 of one is next to 0 of the following. */
		if (n && r[n - 1].last + 1 == first)
			n--;
		else
			r[n].first = first;
		if (l->proto_is == LOW_PROTO_NOT) {	/* of a protocol that is not 0 */
			r[n++].last = proto - 1;
			if (proto == last)
				continue;
			r[n].first = proto + 1;
		}
		r[n++].last = last;
	}
	return n;
}

/* Take out the records that no form left in the product needs. */
static void prune_late(struct product *p, unsigned int forms)
{
	size_t from = 0, to = 0;

	while (from < p->late_words) {
		struct img_late head;

		memcpy(&head, p->late + from, sizeof(head));
		/* Both begin with the forms they are for. */
		if (head.op == LATE_HOTDROP || head.op == LATE_MULTIPORT) {
			p->late[from + 1] &= forms;
			if (!p->late[from + 1]) {
				from += head.words;
				continue;
			}
		}
		memmove(p->late + to, p->late + from, head.words * sizeof(*p->late));
		to += head.words;
		from += head.words;
	}
	p->late_words = to;
}

/* Room for a product's sets and records behind the products. */
static size_t packed_size(const struct product *p)
{
	size_t size = p->late_words * sizeof(*p->late);

	for (int key = 0; key < NR_KEYS; key++)
		if (p->set[key])
			size += sizeof(struct fset) + p->set[key]->n * sizeof(struct range);
	return size;
}

/* Copy @p to @to, what it points at to @mem; returns the end of what was written. */
static char *pack(struct product *to, const struct product *p, char *mem)
{
	*to = *p;
	for (int key = 0; key < NR_KEYS; key++) {
		struct fset *s = (void *)mem;
		size_t n;

		if (!p->set[key])
			continue;
		n = p->set[key]->n;
		s->r = (struct range *)(s + 1);
		s->n = n;
		memcpy(s->r, p->set[key]->r, n * sizeof(*s->r));
		to->set[key] = s;
		mem += sizeof(*s) + n * sizeof(*s->r);
	}
	to->late = p->late_words ? (__u32 *)mem : NULL;
	if (p->late_words)
		memcpy(mem, p->late, p->late_words * sizeof(*p->late));
	return mem + p->late_words * sizeof(*p->late);
}

/*
 * Leave the live products, with their KEY_L4, in one block of memory: a ruleset holds
 * 100,000 of them at a time, and touching fresh memory costs more than lowering.
 */
int low_finish(struct lowering *l)
{
	struct lowered *out = l->out;
	struct range r[LOW_MAX_PRODUCTS][L4_RANGES];
	struct fset l4[LOW_MAX_PRODUCTS];
	size_t n = 0, size = 0;
	struct product *block;
	char *mem;

	for (size_t i = 0; i < out->nr_prod; i++) {
		struct product *p = &out->prod[i];

		if (l->p[i].dead)
			continue;
		p->hotdrop &= l->p[i].forms;
		if (p->hotdrop == l->p[i].forms)	/* a guard that reads no records */
			p->late_words = 0;
		prune_late(p, l->p[i].forms);
		l4[i].r = r[i];
		l4[i].n = l4_ranges(l, l->p[i].forms, r[i]);
		if (l4[i].n)
			p->set[KEY_L4] = &l4[i];
		size += (packed_size(p) + 7) & ~(size_t)7;
		n++;
	}
	block = malloc(n * sizeof(*block) + size + 1);	/* no product: not NULL either */
	if (!block)
		goto unhook;
	mem = (char *)(block + n);
	n = 0;
	for (size_t i = 0; i < out->nr_prod; i++) {
		char *end;

		if (l->p[i].dead)
			continue;
		end = pack(&block[n++], &out->prod[i], mem);
		mem += (end - mem + 7) & ~(size_t)7;
	}
unhook:
	for (size_t i = 0; i < out->nr_prod; i++)
		out->prod[i].set[KEY_L4] = NULL;	/* was this function's own */
	if (!block)
		return -ENOMEM;
	low_discard(l);
	out->prod = block;
	out->nr_prod = n;
	return 0;
}
