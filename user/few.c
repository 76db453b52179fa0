// SPDX-License-Identifier: GPL-2.0-only
/*
 * few.c - a vector's entry that holds a handful of positions, as a list of ranges
 *
 * 10,000 rules with a source each: the source's class holds one position. What the
 * other vectors would say of it is in its product: `-d X -p udp --sport A --dport B'
 * becomes four terms, and the packet's other keys need no lookup; nor does the action
 * when it is ACCEPT or DROP and no more. Where there are many positions, but the first of
 * a chain wants nothing else and is such a verdict (a blacklist before other rules), the
 * list holds that one. It is for
 * packets whose headers are whole: of a port set { 80, PORT_NONE } only 80 stays
 * when the protocols that the rule allows have ports.
 */
#include <string.h>

#include "../progs/abi/image.h"
#include "classes.h"
#include "image.h"
#include "lower.h"

#define PROTOS		256

/* Protocols whose whole header gives the key another value than its NONE. */
static bool proto_has(__u32 key, __u32 proto)
{
	switch (key) {
	case KEY_SPORT:
	case KEY_DPORT:	/* TCP, UDP, UDPlite, SCTP, DCCP: parse_l4() */
		return proto == 6 || proto == 17 || proto == 136 || proto == 132 || proto == 33;
	case KEY_TCPFLAGS:
		return proto == 6;
	case KEY_ICMP:
		return proto == 1;
	}
	return false;
}

/* Is @key never NONE in a whole packet that satisfies @prod's KEY_L4? */
static bool never_none(const struct product *prod, __u32 key)
{
	const struct fset *l4 = prod->set[KEY_L4];

	if (!l4)
		return false;
	for (size_t i = 0; i < l4->n && l4->r[i].first < PROTOS; i++)
		for (__u32 p = l4->r[i].first; p <= l4->r[i].last && p < PROTOS; p++)
			if (!proto_has(key, p))
				return false;
	return true;
}

/* Largest value of @key that a whole packet which satisfies the rest can have. */
static __u32 key_limit(const struct product *prod, __u32 key)
{
	switch (key) {
	case KEY_L4:
		return PROTOS - 1;
	case KEY_SPORT:
	case KEY_DPORT:
		return never_none(prod, key) ? PORT_NONE - 1 : PORT_NONE;
	case KEY_TCPFLAGS:
		return never_none(prod, key) ? TCPFLAGS_NONE - 1 : TCPFLAGS_NONE;
	case KEY_ICMP:
		return never_none(prod, key) ? ICMP_NONE - 1 : ICMP_NONE;
	}
	return 0xffffffffu;
}

/*
 * Terms of one position for @keys, from @t on; @room of them.
 * Return: how many; 0: no whole packet satisfies it; -1: no room.
 */
static int terms_of(const struct product *prod, __u32 keys, struct img_term *t, int room)
{
	int n = 0;

	for (__u32 key = 0; key < NR_KEYS; key++) {
		const struct fset *set = prod->set[key];
		__u32 limit;
		int from = n;

		if (!(keys & 1u << key) || !set)
			continue;
		limit = key_limit(prod, key);
		for (size_t i = 0; i < set->n && set->r[i].first <= limit; i++) {
			if (n == room)
				return -1;
			t[n++] = (struct img_term){
				.key = key, .first = set->r[i].first,
				.last = set->r[i].last < limit ? set->r[i].last : limit,
			};
		}
		if (n == from)
			return 0;
		t[n - 1].key |= FEW_KEY;
	}
	if (!n && room)		/* the vector has said it all */
		t[n++] = (struct img_term){ .key = FEW_KEY, .last = 0xffffffffu };
	if (!n)
		return -1;
	t[n - 1].key |= FEW_POS;
	return n;
}

/* Terms that no key can fail. */
static bool always(const struct img_term *t, __u32 n)
{
	for (__u32 i = 0; i < n; i++)
		if (t[i].first || t[i].last != 0xffffffffu)
			return false;
	return true;
}

/* img_few_pos.plain of an action. */
static __u32 plain_of(const struct img_action *act)
{
	if (act->late || act->hotdrop & HOTDROP(FORM_WHOLE) || act->slot > FEW_SLOT)
		return 0;
	return act->act == ACT_ACCEPT ? FEW_ACCEPT | act->slot :
	       act->act == ACT_DROP ? FEW_DROP | act->slot : 0;
}

/* Writes a list of the positions @pos. Return: the table's entry. */
static __u32 list_put(struct imgbuf *b, const struct img_few *few, const __u32 *pos,
		      const struct img_term *term, __u32 actions)
{
	__u32 terms = few->nr_terms == FEW_MORE ? 0 : few->nr_terms * sizeof(*term) / 4;
	__u32 head = (sizeof(*few) + few->nr * sizeof(few->pos[0])) / 4, align = 4, at;
	struct img_few_pos *to;

	while (align < head + terms && align < LINE)
		align *= 2;
	at = imgbuf_alloc(b, head + terms, align);
	imgbuf_copy(b, at, few, sizeof(*few) / 4);
	to = imgbuf_at(b, at + sizeof(*few) / 4);
	for (__u32 i = 0; to && i < few->nr; i++) {
		const struct img_action *all = imgbuf_at(b, actions);

		to[i] = (struct img_few_pos){ pos[i], plain_of(&all[pos[i]]) };
	}
	imgbuf_copy(b, at + head, term, terms);
	return at + 1;
}

/* Does @prod want nothing but the keys in @keys? */
bool only_wants(const struct product *prod, __u32 keys)
{
	for (__u32 key = 0; key < NR_KEYS; key++)
		if (prod->set[key] && !(keys & 1u << key))
			return false;
	return !prod->late_words && !prod->hotdrop;
}

/*
 * The first position in each of some chains, where it decides. Chains lie one behind
 * the other: a new chain_end is a new chain.
 */
static __u32 leaders_emit(const struct classes *c, const struct vector *vec,
			  const struct product *const *prod, __u32 actions, __u32 root, __u32 node,
			  struct imgbuf *b)
{
	const struct img_action *act = imgbuf_at(b, actions);
	struct img_few few = { .root = node, .nr_terms = FEW_MORE };
	__u32 pos[LEADERS_SEEN], first[FEW_MAX], keys = 0, n, chain = 0;

	n = act ? vectors_list(c->store, root, pos, LEADERS_SEEN) : 0;
	for (__u32 k = 0; k < vec->nr_keys; k++)
		keys |= 1u << vec->kc[k]->key;
	for (__u32 i = 0; i < n && few.nr < FEW_MAX; i++) {
		if (act[pos[i]].chain_end != chain && only_wants(prod[pos[i]], keys) &&
		    plain_of(&act[pos[i]]))
			first[few.nr++] = pos[i];
		chain = act[pos[i]].chain_end;
	}
	return few.nr ? list_put(b, &few, first, NULL, actions) : node;
}

__u32 few_emit(const struct classes *c, const struct vector *vec,
	       const struct product *const *prod, __u32 actions, __u32 root, __u32 node,
	       struct imgbuf *b)
{
	__u32 pos[FEW_MAX], keys = 0, n = 0;
	struct img_term term[FEW_MAX_TERMS];
	struct img_few few = { .root = node };

	if (!vectors_population(c->store, root))
		return node;
	if (vectors_population(c->store, root) > FEW_MAX)
		return leaders_emit(c, vec, prod, actions, root, node, b);
	vectors_list(c->store, root, pos, FEW_MAX);
	for (__u32 i = 0; i < c->nr_vec; i++)
		for (__u32 k = 0; &c->vec[i] != vec && k < c->vec[i].nr_keys; k++)
			keys |= 1u << c->vec[i].kc[k]->key;
	for (__u32 i = 0; i < vectors_population(c->store, root); i++) {
		int m = terms_of(prod[pos[i]], keys, term + few.nr_terms,
				 FEW_MAX_TERMS - few.nr_terms);

		if (m < 0)
			return node;
		if (!m)
			continue;
		few.nr_terms += m;
		pos[n++] = pos[i];
	}
	few.nr = n;
	if (always(term, few.nr_terms))
		few.nr_terms = 0;
	return list_put(b, &few, pos, term, actions);
}
