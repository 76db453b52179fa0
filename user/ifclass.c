// SPDX-License-Identifier: GPL-2.0-only
/*
 * ifclass.c - interface names as classes
 *
 * The patterns of a ruleset are exact names and prefixes (eth+). Prefixes that
 * match one name are prefixes of each other, so a name is treated by all patterns
 * just as its longest matching pattern says: that pattern is its class, and a name
 * without one is IFACE_CLASS_UNKNOWN. So there are no more classes than patterns,
 * and they do not depend on which interfaces exist: a new interface is a new row
 * in the image's interface table, and nothing else changes.
 *
 * Patterns sorted as strings put all that begin with a prefix side by side:
 *
 *	class	2 br+	3 eth+	4 eth0	5 eth1	6 lo
 *	-i eth+ is classes 3-5, -i eth0 is class 4, eth7 has class 3, wlan0 class 0
 *
 * A pattern is 16 bytes: the name, NUL padded, and in the last byte 1 for a prefix.
 */
#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "ifclass.h"
#include "lower.h"

#define CLASS_FIRST	2u
#define CLASS_LAST	0xffffu
#define NAME_BYTES	(IFNAMSIZ - 1)	/* longest name; byte 15 is the kind */

/* @first, @last: classes whose names the pattern matches; its own class is @own */
struct pattern {
	char key[IFNAMSIZ];
	__u16 first;
	__u16 last;
	__u16 own;
};

struct ifclasses {
	struct pattern *pat;	/* sorted once built */
	size_t n, cap;
	__u32 *slot;		/* hash: index in @pat + 1, 0 empty; linear probing */
	size_t mask;
	__u16 *class;		/* per interface */
};

_Static_assert(IFNAMSIZ == 16, "a pattern is two words");

static size_t hash_key(const char *key)
{
	__u64 w[2];

	memcpy(w, key, sizeof(w));
	w[0] = (w[0] ^ (w[1] * 0x9e3779b97f4a7c15ull)) * 0xff51afd7ed558ccdull;
	return (w[0] ^ (w[0] >> 32)) & ~(size_t)0;
}

/*
 * Key of a pattern: 1, or 0 for one that matches every name ("+"), or -EINVAL for
 * a mask that iptables does not make.
 */
static int make_key(char key[IFNAMSIZ], const char *name, const unsigned char *mask)
{
	size_t len = 0, i;

	while (len < IFNAMSIZ && mask[len] == 0xff)
		len++;
	for (i = len; i < IFNAMSIZ; i++)
		if (mask[i])
			return -EINVAL;
	if (!len)
		return 0;
	memset(key, 0, IFNAMSIZ);
	i = strnlen(name, len);
	if (!i || i > NAME_BYTES)
		return -EINVAL;
	if (i < len - 1)	/* bytes behind the NUL */
		return -EINVAL;
	memcpy(key, name, i);
	key[NAME_BYTES] = i == len;
	return 1;
}

static const struct pattern *find(const struct ifclasses *ifc, const char *key)
{
	size_t h;

	for (h = hash_key(key) & ifc->mask; ifc->slot[h]; h = (h + 1) & ifc->mask)
		if (!memcmp(ifc->pat[ifc->slot[h] - 1].key, key, IFNAMSIZ))
			return &ifc->pat[ifc->slot[h] - 1];
	return NULL;
}

static void hash_all(struct ifclasses *ifc)
{
	size_t i, h;

	memset(ifc->slot, 0, (ifc->mask + 1) * sizeof(*ifc->slot));
	for (i = 0; i < ifc->n; i++) {
		for (h = hash_key(ifc->pat[i].key) & ifc->mask; ifc->slot[h];
		     h = (h + 1) & ifc->mask)
			;
		ifc->slot[h] = i + 1;
	}
}

static int grow(struct ifclasses *ifc)
{
	size_t cap = ifc->cap ? ifc->cap * 2 : 32;
	struct pattern *pat = realloc(ifc->pat, cap * sizeof(*pat));
	__u32 *slot;

	if (!pat)
		return -ENOMEM;
	ifc->pat = pat;
	slot = realloc(ifc->slot, 2 * cap * sizeof(*slot));
	if (!slot)
		return -ENOMEM;
	ifc->slot = slot;
	ifc->cap = cap;
	ifc->mask = 2 * cap - 1;
	hash_all(ifc);
	return 0;
}

static int add_pattern(struct ifclasses *ifc, const char *name, const unsigned char *mask)
{
	char key[IFNAMSIZ];
	size_t h;
	int err;

	/* A mask that is refused when its rule is lowered needs no class. */
	if (make_key(key, name, mask) <= 0 || find(ifc, key))
		return 0;
	if (ifc->n > CLASS_LAST - CLASS_FIRST)
		return 0;	/* no class left: rule_lower() refuses the rule */
	if (ifc->n == ifc->cap) {
		err = grow(ifc);
		if (err)
			return err;
	}
	memcpy(ifc->pat[ifc->n].key, key, IFNAMSIZ);
	for (h = hash_key(key) & ifc->mask; ifc->slot[h]; h = (h + 1) & ifc->mask)
		;
	ifc->slot[h] = ++ifc->n;
	return 0;
}

static int by_key(const void *a, const void *b)
{
	return memcmp(a, b, IFNAMSIZ);	/* the key comes first in struct pattern */
}

/* Sort, number the classes, and find each prefix's neighbours. */
static void number(struct ifclasses *ifc)
{
	size_t i, j;

	qsort(ifc->pat, ifc->n, sizeof(*ifc->pat), by_key);
	for (i = 0; i < ifc->n; i++) {
		struct pattern *p = &ifc->pat[i];

		p->first = p->last = p->own = CLASS_FIRST + i;
		if (!p->key[NAME_BYTES])
			continue;
		/* The exact name sorts in front of the prefix of the same letters. */
		if (i && !memcmp(p[-1].key, p->key, NAME_BYTES))
			p->first--;
		for (j = i + 1; j < ifc->n; j++) {
			if (strncmp(ifc->pat[j].key, p->key, strnlen(p->key, NAME_BYTES)))
				break;
			p->last = CLASS_FIRST + j;
		}
	}
	hash_all(ifc);
}

/**
 * ifclass_of_name() - class of an interface by its name
 * @name: NUL terminated; "" is "no interface"
 */
__u16 ifclass_of_name(const struct ifclasses *ifc, const char *name)
{
	char key[IFNAMSIZ] = "";
	size_t len = strnlen(name, NAME_BYTES);
	const struct pattern *p;

	if (!len)
		return IFACE_CLASS_NONE;
	memcpy(key, name, len);
	p = find(ifc, key);
	key[NAME_BYTES] = 1;
	for (; !p && len; key[--len] = '\0')
		p = find(ifc, key);
	return p ? p->own : IFACE_CLASS_UNKNOWN;
}

/** ifclasses_free() - free; NULL is none */
void ifclasses_free(struct ifclasses *ifc)
{
	if (!ifc)
		return;
	free(ifc->pat);
	free(ifc->slot);
	free(ifc->class);
	free(ifc);
}

/**
 * ifclasses_build() - collect the patterns of a ruleset and class @n interfaces
 * Return: classes, for ifclasses_free(); NULL when out of memory.
 */
struct ifclasses *ifclasses_build(const struct ruleset *rs, const struct iface *ifs, size_t n)
{
	struct ifclasses *ifc = calloc(1, sizeof(*ifc));
	size_t i, j;
	int err;

	if (!ifc)
		return NULL;
	err = grow(ifc);
	for (i = 0; !err && i < rs->nr_chains; i++) {
		const struct chain *c = rs->chains[i];

		for (j = 0; !err && j < c->nr_rules; j++) {
			const struct ipt_ip *ip = &c->rules[j]->entry->ip;

			err = add_pattern(ifc, ip->iniface, ip->iniface_mask);
			if (!err)
				err = add_pattern(ifc, ip->outiface, ip->outiface_mask);
		}
	}
	if (!err) {
		ifc->class = malloc((n + 1) * sizeof(*ifc->class));
		if (!ifc->class)
			err = -ENOMEM;
	}
	if (err) {
		ifclasses_free(ifc);
		return NULL;
	}
	number(ifc);
	for (i = 0; i < n; i++)
		ifc->class[i] = ifclass_of_name(ifc, ifs[i].name);
	return ifc;
}

/** ifclass_in() - KEY_IIF of interface number @i of those given to ifclasses_build() */
__u16 ifclass_in(const struct ifclasses *ifc, size_t i)
{
	return ifc->class[i];
}

/** ifclass_out() - KEY_OIF of interface number @i */
__u16 ifclass_out(const struct ifclasses *ifc, size_t i)
{
	return ifc->class[i];
}

/**
 * ifclass_set() - classes that `-i name' or `-o name' accepts
 * @out: for -o; the classes of both are the same
 * Return: new set; NULL with errno ENOMEM, or EINVAL: a mask that iptables does not
 * make, or a pattern without a class (of another ruleset, or beyond 65,534).
 */
struct fset *ifclass_set(const struct ifclasses *ifc, int out, const char *name,
			 const unsigned char *mask, int inv)
{
	char key[IFNAMSIZ];
	const struct pattern *p = NULL;
	int kind = make_key(key, name, mask);
	struct fset *s;

	(void)out;
	if (kind > 0)
		p = find(ifc, key);
	if (kind < 0 || (kind && !p)) {
		errno = EINVAL;
		return NULL;
	}
	s = fset_new();
	if (s && (fset_add(s, p ? p->first : 0, p ? p->last : CLASS_LAST) ||
		  (inv && fset_complement(s, CLASS_LAST)))) {
		fset_free(s);
		s = NULL;
	}
	if (!s)
		errno = ENOMEM;
	return s;
}
