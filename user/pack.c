// SPDX-License-Identifier: GPL-2.0-only
/*
 * pack.c - a ruleset as bytes, and back
 *
 *	struct pack_hdr
 *	u64			bytes of all entries
 *	struct pack_chain	x nr_chains, in the ruleset's order
 *	a rule			x nr_rules, chain by chain, in order
 *	struct named		x nr_named
 *
 * A rule is the 64-bit words of its struct pack_rule and its entry, as what differs from
 * the rule before it: for each 64 of them a mask of those that are not the same, and their
 * exclusive or. Neighbours are much alike, so that this is a fifth of the words or less.
 *
 * Everything is host byte order: the bytes never leave the machine. A jump is
 * the index of its chain. Unpacking copies into fresh memory and trusts nothing:
 * sizes, alignment, names, order of chains, jump targets and every offset inside
 * an entry are checked, so that the rest of the program may rely on them.
 */
#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <linux/netfilter.h>

#include "heap.h"
#include "named.h"
#include "names.h"
#include "ruleset.h"

#define PACK_MAGIC	0x53525046u	/* "FPRS" */
#define PACK_VERSION	4u
#define NO_JUMP		0xffffffffu

#define PACK_DROP	0x1u		/* chain: policy */
#define PACK_NO_TARGET	0x1u		/* rule */

#define ENTRY_ALIGN(n)	(((n) + 7u) & ~7u)

struct pack_hdr {
	__u32 magic;
	__u32 version;
	__u64 bytes;		/* header included */
	__u32 nr_chains;
	__u32 nr_rules;
	__u32 nr_named;
	__u32 sum;		/* of what follows the header, see sum_of() */
};

struct pack_chain {
	char name[32];
	__s32 hook;
	__u32 flags;
	__u32 nr_rules;
	__u32 pad;
	__u64 packets;
	__u64 bytes;
};

struct pack_rule {
	__u32 flags;
	__u32 slot;
	__u32 jump;
	__u32 entry_bytes;
	__u64 packets;
	__u64 bytes;
};

/* Words of a rule before its entry's. */
#define HEAD_WORDS	(sizeof(struct pack_rule) / 8)

/*
 * struct words - a rule as words
 * @entry: those behind the head
 * @n: how many there are in all; 0: no rule
 */
struct words {
	__u64 head[HEAD_WORDS];
	const char *entry;
	size_t n;
};

static __u64 word_of(const struct words *w, size_t i)
{
	__u64 word;

	if (i >= w->n)
		return 0;
	if (i < HEAD_WORDS)
		return w->head[i];
	memcpy(&word, w->entry + (i - HEAD_WORDS) * 8, sizeof(word));
	return word;
}

_Static_assert(sizeof(struct pack_hdr) == 32, "pack_hdr has no holes");
_Static_assert(sizeof(struct pack_chain) == 64, "pack_chain has no holes");
_Static_assert(sizeof(struct pack_rule) == 32, "pack_rule has no holes");

/*
 * sum_of() - a checksum of @len bytes at @p, for damage that leaves every offset in
 * place: what is inside a match only libxtables understands, and trusts. Four lanes of
 * FNV-1a over 64-bit words, so that the multiplications overlap.
 */
static __u32 sum_of(const void *p, size_t len)
{
	const __u64 prime = 0x100000001b3ull;
	__u64 lane[4] = { 1, 2, 3, 4 }, w[4], sum = len;

	for (; len >= sizeof(w); len -= sizeof(w), p = (const char *)p + sizeof(w)) {
		memcpy(w, p, sizeof(w));
		for (int i = 0; i < 4; i++)
			lane[i] = (lane[i] ^ w[i]) * prime;
	}
	memset(w, 0, sizeof(w));
	memcpy(w, p, len);
	for (int i = 0; i < 4; i++)
		sum = (sum ^ ((lane[i] ^ w[i]) * prime)) * prime ^ sum >> 32;
	return sum ^ sum >> 32;
}

/* Masks of a rule of @words words. */
static size_t nr_masks(size_t words)
{
	return (words + 63) / 64;
}

/* A rule as what differs from @prior. Return: the end. */
static char *put_words(char *to, const struct words *prior, const struct words *w)
{
	char *mask_at = NULL;
	__u64 mask = 0;

	for (size_t i = 0; i < w->n; i++) {
		__u64 x = word_of(w, i) ^ word_of(prior, i);

		if (i % 64 == 0) {
			mask_at = to;
			mask = 0;
			to += sizeof(mask);
		}
		if (x) {
			mask |= 1ull << i % 64;
			to = mempcpy(to, &x, sizeof(x));
		}
		memcpy(mask_at, &mask, sizeof(mask));
	}
	return to;
}

/* @prior becomes this rule. */
static char *put_rule(char *to, struct words *prior, const struct rule *r)
{
	size_t bytes = r->entry->next_offset;
	struct pack_rule pr = {
		.flags = r->no_target ? PACK_NO_TARGET : 0,
		.slot = r->slot,
		.jump = r->jump ? r->jump->index : NO_JUMP,
		.entry_bytes = bytes,
		.packets = r->packets,
		.bytes = r->bytes,
	};
	struct words w = { .entry = (const char *)r->entry, .n = HEAD_WORDS + bytes / 8 };

	memcpy(w.head, &pr, sizeof(pr));
	to = put_words(to, prior, &w);
	*prior = w;
	return to;
}

/**
 * ruleset_pack() - the ruleset as one block of bytes
 * @rs:		its chains' @index is overwritten
 * @bytes:	malloc'ed block, for the caller to free
 * @len:	a multiple of 8
 *
 * Return: 0, -ENOMEM.
 */
int ruleset_pack(const struct ruleset *rs, void **bytes, size_t *len)
{
	struct pack_hdr hdr = { .magic = PACK_MAGIC, .version = PACK_VERSION };
	struct words prior = { .n = 0 };
	size_t most = sizeof(hdr) + sizeof(__u64);
	__u64 entries = 0;
	char *block, *p;

	for (size_t i = 0; i < rs->nr_chains; i++) {
		const struct chain *c = rs->chains[i];

		rs->chains[i]->index = i;
		most += sizeof(struct pack_chain);
		for (size_t j = 0; j < c->nr_rules; j++) {
			size_t words = HEAD_WORDS + c->rules[j]->entry->next_offset / 8;

			entries += c->rules[j]->entry->next_offset;
			most += 8 * (words + nr_masks(words));
		}
		hdr.nr_rules += c->nr_rules;
	}
	hdr.nr_chains = rs->nr_chains;
	hdr.nr_named = rs->nr_named;
	most += rs->nr_named * sizeof(*rs->named);

	block = malloc(most);
	if (!block)
		return -ENOMEM;
	p = mempcpy(block + sizeof(hdr), &entries, sizeof(entries));
	for (size_t i = 0; i < rs->nr_chains; i++) {
		const struct chain *c = rs->chains[i];
		struct pack_chain pc = {
			.hook = c->hook,
			.flags = c->drop ? PACK_DROP : 0,
			.nr_rules = c->nr_rules,
			.packets = c->packets,
			.bytes = c->bytes,
		};

		strcpy(pc.name, c->name);
		p = mempcpy(p, &pc, sizeof(pc));
	}
	for (size_t i = 0; i < rs->nr_chains; i++)
		for (size_t j = 0; j < rs->chains[i]->nr_rules; j++)
			p = put_rule(p, &prior, rs->chains[i]->rules[j]);
	if (rs->nr_named)
		p = mempcpy(p, rs->named, rs->nr_named * sizeof(*rs->named));
	hdr.bytes = p - block;
	hdr.sum = sum_of(block + sizeof(hdr), hdr.bytes - sizeof(hdr));
	memcpy(block, &hdr, sizeof(hdr));
	*bytes = block;
	*len = hdr.bytes;
	return 0;
}

static bool terminated(const char *s, size_t size)
{
	return memchr(s, '\0', size);
}

static bool valid_target(const struct ipt_entry *e, bool no_target, bool jumps)
{
	const struct xt_entry_target *t = (const void *)((const char *)e + e->target_offset);
	const struct xt_standard_target *st = (const void *)t;

	if (t->u.target_size != e->next_offset - e->target_offset ||
	    !terminated(t->u.user.name, sizeof(t->u.user.name)))
		return false;
	if (t->u.user.name[0])
		return !no_target && !jumps;
	if (t->u.target_size != ENTRY_ALIGN(sizeof(*st)))
		return false;
	if (no_target || jumps)
		return !(no_target && jumps);
	return verdict_name(st->verdict);
}

/* Every offset of an entry of @bytes bytes stays inside it. */
static bool valid_entry(const struct ipt_entry *e, size_t bytes, bool no_target, bool jumps)
{
	size_t at = sizeof(*e);

	if (e->next_offset != bytes || e->next_offset % 8 || e->target_offset % 8 ||
	    e->target_offset < at ||
	    e->target_offset + sizeof(struct xt_entry_target) > bytes)
		return false;
	if (!terminated(e->ip.iniface, IFNAMSIZ) || !terminated(e->ip.outiface, IFNAMSIZ))
		return false;
	if ((e->ip.flags & ~IPT_F_MASK) || (e->ip.invflags & ~IPT_INV_MASK) ||
	    ((e->ip.flags & IPT_F_GOTO) && !jumps))
		return false;

	while (at < e->target_offset) {
		const struct xt_entry_match *m = (const void *)((const char *)e + at);

		if (e->target_offset - at < sizeof(*m) || m->u.match_size < sizeof(*m) ||
		    m->u.match_size % 8 || m->u.match_size > e->target_offset - at ||
		    !m->u.user.name[0] ||
		    !terminated(m->u.user.name, sizeof(m->u.user.name)))
			return false;
		at += m->u.match_size;
	}
	return valid_target(e, no_target, jumps);
}

/* What is left of the block. */
struct cursor {
	const char *p;
	size_t left;
};

static bool take(struct cursor *c, void *to, size_t n)
{
	if (c->left < n)
		return false;
	memcpy(to, c->p, n);
	c->p += n;
	c->left -= n;
	return true;
}

static int unpack_chain(struct ruleset *rs, size_t i, const struct pack_chain *pc)
{
	struct chain *c;

	if (!terminated(pc->name, sizeof(pc->name)) || strlen(pc->name) >= CHAIN_NAME_MAX ||
	    (pc->flags & ~PACK_DROP))
		return -EBADMSG;
	if (i < NR_HOOKS) {
		c = rs->chains[i];
		if (pc->hook != (int)i || strcmp(pc->name, c->name))
			return -EBADMSG;
	} else {
		if (pc->hook != -1 || pc->flags ||
		    (i > NR_HOOKS && strcmp(rs->chains[i - 1]->name, pc->name) >= 0))
			return -EBADMSG;
		for (int h = 0; h < NR_HOOKS; h++)
			if (!strcmp(pc->name, rs->chains[h]->name))
				return -EBADMSG;
		c = ruleset_add_chain(rs, pc->name);
		if (!c)
			return -ENOMEM;
	}
	c->drop = pc->flags & PACK_DROP;
	c->packets = pc->packets;
	c->bytes = pc->bytes;
	c->index = pc->nr_rules;
	return 0;
}

static bool valid_head(const struct pack_rule *pr, const struct ruleset *rs)
{
	return pr->entry_bytes >= sizeof(struct ipt_entry) && pr->entry_bytes <= 0xffff &&
	       pr->entry_bytes % 8 == 0 && !(pr->flags & ~PACK_NO_TARGET) &&
	       (pr->jump == NO_JUMP || (pr->jump >= NR_HOOKS && pr->jump < rs->nr_chains));
}

/* Word @i of the next rule, @mask being that of its 64. */
static bool take_word(struct cursor *cur, const struct words *prior, size_t i, __u64 *mask,
		      __u64 *word)
{
	__u64 x = 0;

	if (i % 64 == 0 && !take(cur, mask, sizeof(*mask)))
		return false;
	if (*mask >> i % 64 & 1 && !take(cur, &x, sizeof(x)))
		return false;
	*word = word_of(prior, i) ^ x;
	return true;
}

/* struct room - what is left of the ruleset's block */
struct room {
	char *p;
	size_t left;
};

/* The next rule, which is made in @room; @prior becomes it. */
static bool unpack_rule(struct ruleset *rs, struct chain *c, struct words *prior,
			struct cursor *cur, struct room *room)
{
	struct rule *r = (void *)room->p;
	char *entry = (char *)(r + 1);
	struct pack_rule pr;
	struct words w;
	__u64 mask = 0;

	for (size_t i = 0; i < HEAD_WORDS; i++)
		if (!take_word(cur, prior, i, &mask, &w.head[i]))
			return false;
	memcpy(&pr, w.head, sizeof(pr));
	if (!valid_head(&pr, rs) || room->left < sizeof(*r) + pr.entry_bytes)
		return false;
	w.entry = entry;
	w.n = HEAD_WORDS + pr.entry_bytes / 8;
	for (size_t i = HEAD_WORDS; i < w.n; i++) {
		__u64 word;

		if (!take_word(cur, prior, i, &mask, &word))
			return false;
		memcpy(entry + (i - HEAD_WORDS) * 8, &word, sizeof(word));
	}
	if (w.n % 64 && mask >> w.n % 64)
		return false;
	*r = (struct rule){
		.entry = (void *)entry,
		.jump = pr.jump == NO_JUMP ? NULL : rs->chains[pr.jump],
		.no_target = pr.flags & PACK_NO_TARGET,
		.in_block = true,
		.slot = pr.slot,
		.packets = pr.packets,
		.bytes = pr.bytes,
	};
	*prior = w;
	room->p += sizeof(*r) + pr.entry_bytes;
	room->left -= sizeof(*r) + pr.entry_bytes;
	c->rules[c->nr_rules++] = r;
	return valid_entry(r->entry, pr.entry_bytes, r->no_target, r->jump);
}

/* Every chain's rules, whose entries have @bytes in all. Return: 0 or -errno. */
static int unpack_rules(struct ruleset *rs, size_t nr_rules, __u64 bytes, struct cursor *cur)
{
	struct words prior = { .n = 0 };
	struct room room = { .left = nr_rules * sizeof(struct rule) + bytes };
	int err;

	rs->block = room.p = malloc(room.left + 1);
	err = room.p ? 0 : -ENOMEM;
	for (size_t i = 0; i < rs->nr_chains && !err; i++) {
		struct chain *c = rs->chains[i];
		size_t n = c->index;

		if (n > nr_rules)
			err = -EBADMSG;
		else
			err = chain_reserve(c, n);
		nr_rules -= n;
		while (!err && n--)
			if (!unpack_rule(rs, c, &prior, cur, &room))
				err = -EBADMSG;
	}
	return err ?: nr_rules || room.left ? -EBADMSG : 0;
}

static int unpack_named(struct ruleset *rs, __u32 n, struct cursor *cur)
{
	if (!n)
		return 0;
	if (n > cur->left / sizeof(*rs->named))
		return -EBADMSG;
	rs->named = calloc(n, sizeof(*rs->named));
	if (!rs->named)
		return -ENOMEM;
	for (; rs->nr_named < n; rs->nr_named++) {
		struct named *t = &rs->named[rs->nr_named];

		take(cur, t, sizeof(*t));
		if (t->kind >= NR_NAMED_KINDS || !t->name[0] || !t->born ||
		    !terminated(t->name, sizeof(t->name)))
			return -EBADMSG;
	}
	return 0;
}

/**
 * ruleset_unpack() - the inverse of ruleset_pack()
 * @bytes:	any alignment, any content
 * @len:	may be more than was packed: the block knows its length
 * @rs:		new ruleset, for the caller to free
 *
 * Return: 0, -EBADMSG on any inconsistency, -ENOMEM.
 */
int ruleset_unpack(const void *bytes, size_t len, struct ruleset **rs)
{
	struct cursor cur = { .p = bytes, .left = len };
	struct pack_hdr hdr;
	struct ruleset *new;
	__u64 entries;
	int err = -EBADMSG;

	if (!take(&cur, &hdr, sizeof(hdr)) || hdr.magic != PACK_MAGIC ||
	    hdr.version != PACK_VERSION || hdr.nr_chains < NR_HOOKS ||
	    hdr.bytes > len || hdr.bytes < sizeof(hdr) ||
	    hdr.nr_rules > hdr.bytes / sizeof(__u64))
		return -EBADMSG;
	cur.left = hdr.bytes - sizeof(hdr);
	if (hdr.sum != sum_of(cur.p, cur.left) || !take(&cur, &entries, sizeof(entries)) ||
	    entries > hdr.nr_rules * 0xffffull)
		return -EBADMSG;

	heap_reserve(entries + hdr.nr_rules * (sizeof(struct rule) + sizeof(struct rule *)));
	new = ruleset_new();
	if (!new)
		return -ENOMEM;
	for (size_t i = 0; i < hdr.nr_chains; i++) {
		struct pack_chain pc;

		err = take(&cur, &pc, sizeof(pc)) ? unpack_chain(new, i, &pc) : -EBADMSG;
		if (err)
			goto out;
	}
	err = unpack_rules(new, hdr.nr_rules, entries, &cur);
	if (!err)
		err = unpack_named(new, hdr.nr_named, &cur);
	if (!err && cur.left)
		err = -EBADMSG;
out:
	if (err) {
		ruleset_free(new);
		return err;
	}
	*rs = new;
	return 0;
}
