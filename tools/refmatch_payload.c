// SPDX-License-Identifier: GPL-2.0-only
/*
 * refmatch_payload.c - the oracle's matches on the packet's bytes: u32, string, tcpmss
 *
 * Sources for the semantics: xt_u32.c, xt_string.c and xt_tcpmss.c of Linux 6.12. The
 * text search is the plain one: every place, every byte.
 */
#include <string.h>

/* First: it takes <net/if.h>, which must come before <linux/if.h>. */
#include "refmatch_xt.h"

#include <linux/netfilter/xt_string.h>
#include <linux/netfilter/xt_tcpmss.h>
#include <linux/netfilter/xt_u32.h>

/* 32 bits at @at + @pos; false: the packet ends before */
static bool read_at(const struct view *v, __u32 at, __u32 pos, __u32 *value)
{
	__u64 off = (__u64)at + pos;

	if (off + 4 > v->len)
		return false;
	*value = (__u32)v->ip[off] << 24 | v->ip[off + 1] << 16 | v->ip[off + 2] << 8 |
		 v->ip[off + 3];
	return true;
}

static bool u32_test(const struct view *v, const struct xt_u32_test *t)
{
	__u32 at = 0, val;

	if (!read_at(v, 0, t->location[0].number, &val))
		return false;
	for (int i = 1; i < t->nnums; i++) {
		__u32 number = t->location[i].number;

		switch (t->location[i].nextop) {
		case XT_U32_AND:
			val &= number;
			break;
		case XT_U32_LEFTSH:
			val <<= number;
			break;
		case XT_U32_RIGHTSH:
			val >>= number;
			break;
		case XT_U32_AT:
			if (0xffffffffu - at < val)
				return false;
			at += val;
			if (!read_at(v, at, number, &val))
				return false;
			break;
		}
	}
	for (int i = 0; i < t->nvalues; i++)
		if (t->value[i].min <= val && val <= t->value[i].max)
			return true;
	return false;
}

bool ref_u32(struct view *v, const void *data)
{
	const struct xt_u32 *u = data;

	for (int i = 0; i < u->ntests; i++)
		if (!u32_test(v, &u->tests[i]))
			return u->invert;
	return !u->invert;
}

static __u8 capital(__u8 c, bool icase)
{
	if (icase && ((c >= 'a' && c <= 'z') || (c >= 0xe0 && c != 0xf7)))
		return c - 'a' + 'A';
	return c;
}

bool ref_string(struct view *v, const void *data)
{
	const struct xt_string_info *s = data;
	bool icase = s->u.v1.flags & XT_STRING_FLAG_IGNORECASE;
	bool invert = s->u.v1.flags & XT_STRING_FLAG_INVERT;
	__u32 end = s->to_offset < v->len ? s->to_offset : v->len;

	for (__u32 at = s->from_offset; at + s->patlen <= end; at++) {
		__u32 i = 0;

		while (i < s->patlen &&
		       capital(v->ip[at + i], icase) == capital(s->pattern[i], icase))
			i++;
		if (i == s->patlen)
			return !invert;
	}
	return invert;
}

bool ref_tcpmss(struct view *v, const void *data)
{
	const struct xt_tcpmss_match_info *m = data;
	const __u8 *th = v->ip + v->thoff;
	__u32 l4 = v->len - v->thoff, hlen, i;

	/* Fragments are not excluded: it reads whatever lies there. */
	if (l4 < 20 || (th[12] >> 4) * 4 < 20 || (th[12] >> 4) * 4u > l4) {
		v->hotdrop = true;
		return false;
	}
	hlen = (th[12] >> 4) * 4;
	for (i = 20; i < hlen;) {
		if (th[i] == 2 && i + 4 <= hlen && th[i + 1] == 4) {
			__u32 mss = th[i + 2] << 8 | th[i + 3];

			return (m->mss_min <= mss && mss <= m->mss_max) != !!m->invert;
		}
		if (th[i] < 2 || i + 1 == hlen || !th[i + 1])
			i++;
		else
			i += th[i + 1];
	}
	return m->invert;
}
