// SPDX-License-Identifier: GPL-2.0-only
/*
 * few.c - a vector's entry that holds a handful of positions, as a list
 *
 * 10,000 rules with a source each: the source's class holds one position. What the
 * other vectors would say of it is in its product: `-d X -p udp --sport A --dport B'
 * is compared with what stands in the list, and the packet's other keys need no lookup;
 * nor does the action when it is ACCEPT or DROP and no more. An address's prefix, a range of
 * each port and a protocol have their place in img_few_pos; what is more than that, and
 * other keys, become terms. Where there are many positions, but the first of
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

/* The one range that @set is up to @limit, as *@r; false: none, or more. */
static bool one_range(const struct fset *set, __u32 limit, struct range *r)
{
	if (!set->n || set->r[0].first > limit || (set->n > 1 && set->r[1].first <= limit))
		return false;
	r->first = set->r[0].first;
	r->last = set->r[0].last < limit ? set->r[0].last : limit;
	return true;
}

/* Gives @key its place in @p; false: it does not fit there. */
static bool pos_takes(const struct product *prod, __u32 key, struct img_few_pos *p)
{
	struct range r;
	__u32 more;

	if (!one_range(prod->set[key], key_limit(prod, key), &r))
		return false;
	more = r.last - r.first;
	switch (key) {
	case KEY_SADDR:
	case KEY_DADDR:
		if (p->addr_shift < 32 || more & (more + 1) || r.first & more)
			return false;
		p->addr = r.first;
		p->addr_key = key;
		p->addr_shift = __builtin_popcount(more);
		return true;
	case KEY_SPORT:
		if (!never_none(prod, key))
			return false;
		p->sport = r.first;
		p->sport_more = more;
		return true;
	case KEY_DPORT:
		if (!never_none(prod, key))
			return false;
		p->dport = r.first;
		p->dport_more = more;
		return true;
	case KEY_L4:
		if (more)
			return false;
		p->proto = r.first;
		p->proto_mask = 0xff;
		return true;
	}
	return false;
}

/*
 * What one position wants of @keys: in @p, and terms from @t on; @room of them. *@bare: it
 * needs no term.
 * Return: how many; 0: no whole packet satisfies it; -1: no room.
 */
static int terms_of(const struct product *prod, __u32 keys, struct img_few_pos *p,
		    struct img_term *t, int room, bool *bare)
{
	int n = 0;

	*p = (struct img_few_pos){ .sport_more = 0xffff, .dport_more = 0xffff, .addr_shift = 32 };
	for (__u32 key = 0; key < NR_KEYS; key++) {
		const struct fset *set = prod->set[key];
		__u32 limit;
		int from = n;

		if (!(keys & 1u << key) || !set || pos_takes(prod, key, p))
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
	*bare = !n;
	if (!n && room)		/* all is said */
		t[n++] = (struct img_term){ .key = FEW_KEY, .last = 0xffffffffu };
	if (!n)
		return -1;
	t[n - 1].key |= FEW_POS;
	return n;
}

/* img_few_pos.plain of an action. */
static __u32 plain_of(const struct img_action *act)
{
	if (act->late || act->hotdrop & HOTDROP(FORM_WHOLE) || act->slot > FEW_SLOT)
		return 0;
	return act->act == ACT_ACCEPT ? FEW_ACCEPT | act->slot :
	       act->act == ACT_DROP ? FEW_DROP | act->slot : 0;
}

/*
 * struct few - a list under construction
 * @root, @nr, @nr_terms: as in struct img_few
 */
struct few {
	__u32 root;
	__u32 nr;
	__u32 nr_terms;
	struct img_few_pos pos[FEW_MAX];
	struct img_term term[FEW_MAX_TERMS];
};

/* Writes a list. Return: the table's entry. */
static __u32 list_put(struct imgbuf *b, const struct few *few)
{
	__u32 terms = few->nr_terms == FEW_MORE ? 0 : few->nr_terms * sizeof(few->term[0]) / 4;
	__u32 pos = few->nr * sizeof(few->pos[0]) / 4, head = sizeof(struct img_few) / 4;
	struct img_few to = { .root = few->root, .nr = few->nr, .nr_terms = few->nr_terms };
	__u32 align = 4, at;

	while (align < head + pos + terms && align < LINE)
		align *= 2;
	at = imgbuf_alloc(b, head + pos + terms, align);
	imgbuf_copy(b, at, &to, head);
	imgbuf_copy(b, at + head, few->pos, pos);
	imgbuf_copy(b, at + head + pos, few->term, terms);
	return at + 1;
}

/* The entry of a list: one position without terms stays with the caller, if it likes. */
static __u32 list_entry(struct imgbuf *b, const struct few *few, struct img_few_pos *one)
{
	bool more = few->nr_terms == FEW_MORE;

	if (!one || few->nr != 1 || (few->nr_terms && !more))
		return list_put(b, few);
	*one = few->pos[0];
	return HASH_LIST | (more ? HASH_MORE : 0) | few->root;
}

__u32 few_spill(struct imgbuf *b, __u32 entry, const struct img_few_pos *one)
{
	struct few few = { .root = entry & HASH_ROOT, .nr = 1, .pos[0] = *one };

	if (!(entry & HASH_LIST))
		return entry;
	if (entry & HASH_MORE)
		few.nr_terms = FEW_MORE;
	return list_put(b, &few);
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
			  struct imgbuf *b, struct img_few_pos *one)
{
	const struct img_action *act = imgbuf_at(b, actions);
	struct few few = { .root = node, .nr_terms = FEW_MORE };
	__u32 pos[LEADERS_SEEN], keys = 0, n, chain = 0;
	bool bare;

	n = act ? vectors_list(c->store, root, pos, LEADERS_SEEN) : 0;
	for (__u32 k = 0; k < vec->nr_keys; k++)
		keys |= 1u << vec->kc[k]->key;
	for (__u32 i = 0; i < n && few.nr < FEW_MAX; i++) {
		if (act[pos[i]].chain_end != chain && only_wants(prod[pos[i]], keys) &&
		    plain_of(&act[pos[i]])) {
			terms_of(prod[pos[i]], 0, &few.pos[few.nr], few.term, 1, &bare);
			few.pos[few.nr].pos = pos[i];
			few.pos[few.nr++].plain = plain_of(&act[pos[i]]);
		}
		chain = act[pos[i]].chain_end;
	}
	return few.nr ? list_entry(b, &few, one) : node;
}

__u32 few_emit(const struct classes *c, const struct vector *vec,
	       const struct product *const *prod, __u32 actions, __u32 root, __u32 node,
	       struct imgbuf *b, struct img_few_pos *one)
{
	const struct img_action *act = imgbuf_at(b, actions);
	__u32 pos[FEW_MAX], keys = 0, n = vectors_population(c->store, root);
	struct few few = { .root = node };
	bool all_bare = true, bare;

	if (!n || !act)
		return node;
	if (n > FEW_MAX)
		return leaders_emit(c, vec, prod, actions, root, node, b, one);
	vectors_list(c->store, root, pos, FEW_MAX);
	for (__u32 i = 0; i < c->nr_vec; i++)
		for (__u32 k = 0; &c->vec[i] != vec && k < c->vec[i].nr_keys; k++)
			keys |= 1u << c->vec[i].kc[k]->key;
	for (__u32 i = 0; i < n; i++) {
		struct img_few_pos *p = &few.pos[few.nr];
		int m = terms_of(prod[pos[i]], keys, p, few.term + few.nr_terms,
				 FEW_MAX_TERMS - few.nr_terms, &bare);

		if (m < 0)
			return node;
		if (!m)
			continue;
		p->pos = pos[i];
		p->plain = plain_of(&act[pos[i]]);
		all_bare &= bare;
		few.nr_terms += m;
		few.nr++;
	}
	if (all_bare)
		few.nr_terms = 0;
	return list_entry(b, &few, one);
}
