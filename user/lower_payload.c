// SPDX-License-Identifier: GPL-2.0-only
/*
 * lower_payload.c - matches on the packet's bytes: u32, string, tcpmss
 *
 * From the kernel's xt_u32.c, xt_string.c, lib/textsearch.c, lib/ts_bm.c, ts_kmp.c
 * and xt_tcpmss.c. Whatever the algorithm asked for, the search is Boyer and Moore's:
 * kmp finds the same first place. (bm in the kernel does not find a pattern that lies
 * across two pieces of a packet that is not linear in memory; here it is found.)
 */
#include <errno.h>
#include <netinet/in.h>
#include <stdlib.h>
#include <string.h>
#include <linux/netfilter/xt_string.h>
#include <linux/netfilter/xt_tcpmss.h>
#include <linux/netfilter/xt_u32.h>

#include "../progs/abi/late_payload.h"
#include "lower_int.h"

#define ELEMS(a) (sizeof(a) / sizeof((a)[0]))

static int check_u32(const struct check *c, const void *data)
{
	const struct xt_u32 *u = data;

	if (u->ntests > ELEMS(u->tests))
		return check_fail(c, -EINVAL, "too many tests");
	for (size_t i = 0; i < u->ntests; i++) {
		const struct xt_u32_test *t = &u->tests[i];

		if (t->nnums > ELEMS(t->location) || t->nvalues > ELEMS(t->value))
			return check_fail(c, -EINVAL, "too many operands");
		for (size_t j = 1; j < t->nnums; j++)
			if ((t->location[j].nextop == XT_U32_LEFTSH ||
			     t->location[j].nextop == XT_U32_RIGHTSH) &&
			    t->location[j].number >= 32)
				return check_fail(c, -EINVAL, "shift by 32 or more");
	}
	return 0;
}

static struct late_u32 *put_test(struct late_u32 *p, const struct xt_u32_test *t)
{
	static const __u32 op[] = {
		[XT_U32_AND] = U32_AND,
		[XT_U32_LEFTSH] = U32_SHL,
		[XT_U32_RIGHTSH] = U32_SHR,
		[XT_U32_AT] = U32_AT,
	};

	*p++ = (struct late_u32){ U32_READ, .a = t->location[0].number };
	for (size_t i = 1; i < t->nnums; i++) {
		__u8 next = t->location[i].nextop;

		if (next < ELEMS(op))	/* the kernel skips what it does not know */
			*p++ = (struct late_u32){ op[next], .a = t->location[i].number };
	}
	for (size_t i = 0; i < t->nvalues; i++)
		*p++ = (struct late_u32){ U32_IN, t->value[i].min, t->value[i].max };
	*p++ = (struct late_u32){ .op = U32_NEXT };
	return p;
}

static int lower_u32(struct lowering *l, const void *data)
{
	struct late_u32 *late = calloc(LATE_U32_MAX, sizeof(*late)), *p = late;
	const struct xt_u32 *u = data;
	int err;

	if (!late)
		return -ENOMEM;
	for (size_t i = 0; i < u->ntests; i++)
		p = put_test(p, &u->tests[i]);
	l->out->img_flags |= IMG_F_PAYLOAD;
	err = low_late(l, LATE_U32 | (u->invert ? LATE_NOT : 0), late,
		       (p - late) * sizeof(*late) / 4, LOW_PURE);
	free(late);
	return err;
}

static int check_string(const struct check *c, const void *data)
{
	const struct xt_string_info *s = data;

	if (s->from_offset > s->to_offset)
		return check_fail(c, -EINVAL, "--from is behind --to");
	if (s->algo[XT_STRING_MAX_ALGO_NAME_SIZE - 1])
		return check_fail(c, -EINVAL, "algorithm name is too long");
	if (!s->patlen || s->patlen > XT_STRING_MAX_PATTERN_SIZE)
		return check_fail(c, -EINVAL, "no pattern, or one that is too long");
	if (s->u.v1.flags & ~(XT_STRING_FLAG_IGNORECASE | XT_STRING_FLAG_INVERT))
		return check_fail(c, -EINVAL, "unknown flags");
	if (strcmp(s->algo, "bm") && strcmp(s->algo, "kmp") && strcmp(s->algo, "fsm"))
		return check_fail(c, -ENOENT, "no such algorithm");
	return 0;
}

/* The kernel's toupper() and tolower() (lib/ctype.c): Latin-1, 0xdf being a small letter */
static __u8 upper(__u8 c)
{
	return (c >= 'a' && c <= 'z') || (c >= 0xdf && c != 0xf7) ? c - 32 : c;
}

static __u8 lower(__u8 c)
{
	return (c >= 'A' && c <= 'Z') || (c >= 0xc0 && c <= 0xde && c != 0xd7) ? c + 32 : c;
}

/*
 * bad[c]: from the last place of byte c in the pattern, its last byte apart, to the
 * end. Without regard to case bm knows the capital and its small letter, and so
 * misses 0xdf (whose capital would be 0xbf) here and there; kmp does not.
 */
static void bad_shifts(struct late_string *t, bool bm)
{
	memset(t->bad, t->len, sizeof(t->bad));
	for (__u32 i = 0; i + 1 < t->len; i++) {
		__u8 shift = t->len - 1 - i;

		t->bad[t->pattern[i]] = shift;
		if (!t->fold)
			continue;
		if (bm) {
			t->bad[lower(t->pattern[i])] = shift;
			continue;
		}
		for (int c = 0; c < 256; c++)
			if (upper(c) == t->pattern[i])
				t->bad[c] = shift;
	}
}

/*
 * good[g]: g bytes agreed from the end back, the one before did not: the smallest
 * shift that puts the same g bytes, behind another byte than before, or as much of
 * them as the pattern begins with, under them. By trying: the pattern is short.
 */
static void good_shifts(struct late_string *t)
{
	const __u8 *p = t->pattern;

	for (__u32 g = 0; g < t->len; g++) {
		__u32 shift = 1, i;

		for (; shift < t->len; shift++) {
			/* bytes i of the pattern that come to stand under byte i + shift */
			for (i = t->len - g; i < t->len; i++)
				if (i >= shift && p[i - shift] != p[i])
					break;
			if (i == t->len &&
			    (t->len - g - 1 < shift || p[t->len - g - 1 - shift] != p[t->len - g - 1]))
				break;
		}
		t->good[g] = shift;
	}
	t->good[0] = 1;
}

static int lower_string(struct lowering *l, const void *data)
{
	const struct xt_string_info *s = data;
	struct late_string late = {
		.from = s->from_offset,
		.to = s->to_offset,
		.len = s->patlen,
		.fold = !!(s->u.v1.flags & XT_STRING_FLAG_IGNORECASE),
	};

	if (!strcmp(s->algo, "fsm"))
		return low_refuse(l, "algorithm fsm is not supported");
	for (__u32 i = 0; i < late.len; i++)
		late.pattern[i] = late.fold ? upper(s->pattern[i]) : s->pattern[i];
	bad_shifts(&late, !strcmp(s->algo, "bm"));
	good_shifts(&late);
	l->out->img_flags |= IMG_F_PAYLOAD;
	return low_late(l, LATE_STRING | (s->u.v1.flags & XT_STRING_FLAG_INVERT ? LATE_NOT : 0),
			&late, sizeof(late) / 4, LOW_PURE);
}

static int lower_tcpmss(struct lowering *l, const void *data)
{
	const struct xt_tcpmss_match_info *m = data;
	struct late_tcpmss late = { .first = m->mss_min, .last = m->mss_max };

	l->out->img_flags |= IMG_F_PAYLOAD;
	return low_late(l, LATE_TCPMSS | (m->invert ? LATE_NOT : 0), &late, sizeof(late) / 4,
			LOW_EFFECT);
}

const struct match_op payload_matches[] = {
	{ "u32", .size = sizeof(struct xt_u32), .check = check_u32, .lower = lower_u32 },
	{ "string", 1, 1, .size = sizeof(struct xt_string_info),
	  .check = check_string, .lower = lower_string },
	{ "tcpmss", .proto = IPPROTO_TCP, .size = sizeof(struct xt_tcpmss_match_info),
	  .lower = lower_tcpmss },
	{ .name = NULL },
};
