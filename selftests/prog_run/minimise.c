// SPDX-License-Identifier: GPL-2.0-only
/*
 * minimise.c - fewer rules, a plainer packet, the same disagreement
 *
 * Rules: leave out runs of lines, half of them at first, then shorter ones down to
 * one, as long as what is left still disagrees (Zeller's ddmin, complements only). A
 * line that others need (a chain's declaration) makes the restore fail when it goes,
 * and so stays. Packet: try one simplification after another, keep those under which
 * it still disagrees.
 */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "pair.h"

#include <linux/if_packet.h>

struct lines {
	char **line;
	size_t n;
};

static int split(const char *text, struct lines *l)
{
	const char *s, *e;
	size_t max = 1;

	for (s = text; *s; s++)
		max += *s == '\n';
	l->n = 0;
	l->line = calloc(max, sizeof(*l->line));
	if (!l->line)
		return -1;
	for (s = text; (e = strchr(s, '\n')); s = e + 1) {
		l->line[l->n] = strndup(s, e - s);
		if (!l->line[l->n])
			return -1;
		l->n++;
	}
	return 0;
}

/* All lines but [from, from + len). */
static char *join(const struct lines *l, size_t from, size_t len)
{
	size_t size = 1, i;
	char *text, *at;

	for (i = 0; i < l->n; i++)
		size += strlen(l->line[i]) + 1;
	text = at = malloc(size);
	if (!text)
		return NULL;
	for (i = 0; i < l->n; i++)
		if (i < from || i >= from + len)
			at += sprintf(at, "%s\n", l->line[i]);
	*at = 0;
	return text;
}

/* Does @t still count or end differently under this text? */
static bool differs(const struct lab *lab, struct instance **in, const char *text,
		    const struct trial *t, bool report)
{
	struct ref_result res = { 0 };
	struct sums sum = { 0 };
	struct ruleset *want;
	bool bad;

	if (pair_restore(text))
		return false;
	instance_close(*in);
	*in = NULL;
	if (pair_open(in) || instance_load(*in, &want))
		return false;
	bad = pair_run(lab, *in, want, t, &res, &sum, report) > 0;
	bad |= pair_compare(*in, want, report) > 0;
	ref_result_free(&res);
	ruleset_free(want);
	return bad;
}

static void drop_lines(const struct lab *lab, struct instance **in, struct lines *l,
		       const struct trial *t)
{
	size_t len, from, i;

	for (len = l->n / 2; len; len /= 2) {
		/* From the end: what a rule needs stands before it. */
		for (from = l->n; from > 0;) {
			size_t first = from > len ? from - len : 0, n = from - first;
			char *text = join(l, first, n);

			from = first;
			if (!text)
				return;
			if (differs(lab, in, text, t, false)) {
				for (i = first; i < first + n; i++)
					free(l->line[i]);
				memmove(&l->line[first], &l->line[first + n],
					(l->n - first - n) * sizeof(*l->line));
				l->n -= n;
			}
			free(text);
		}
	}
}

/* Simplification number @step of the packet. Return: false: no such step. */
static bool simplify(struct gen_pkt *p, unsigned int step)
{
	unsigned int hlen = (p->data[0] & 15) * 4, cut = 0;

	switch (step) {
	case 0: case 1: case 2: case 3: case 4: case 5: case 6: case 7: case 8: case 9: case 10:
		cut = (p->len - hlen) >> (step + 1);
		if (step == 10)
			cut = p->len > hlen;
		memmove(p->data + p->len - cut, p->data + p->len, p->pad);
		p->len -= cut;
		p->data[2] = p->len >> 8;
		p->data[3] = p->len;
		break;
	case 11:
		memmove(p->data + 20, p->data + hlen, p->len - hlen + p->pad);
		p->len -= hlen - 20;
		p->data[0] = 0x45;
		p->data[2] = p->len >> 8;
		p->data[3] = p->len;
		break;
	case 12:
		p->pad = 0;
		break;
	case 13:
		p->data[1] = 0;
		break;
	case 14:
		p->data[6] = p->data[7] = 0;
		break;
	case 15:
		p->data[8] = 64;
		break;
	case 16:
		p->mark = 0;
		break;
	case 17:
		p->pkttype = PACKET_HOST;
		break;
	case 18:
		p->mac[5] = 0;
		break;
	case 19:
		p->in = 0;
		break;
	case 20:
		memset(p->data + hlen + (p->len - hlen < 20 ? p->len - hlen : 20), 0,
		       p->len - hlen < 20 ? 0 : p->len - hlen - 20);
		break;
	default:
		return false;
	}
	gen_pkt_sum(p);
	return true;
}

void minimise(const struct lab *lab, struct instance **in, const char *text,
	      const struct trial *t)
{
	struct lines l = { 0 };
	struct trial now = *t, next;
	unsigned int step;
	char *small = NULL;
	size_t i;

	if (!differs(lab, in, text, t, false)) {
		printf("# the packet alone, in a fresh ruleset, does not differ\n");
		trial_print(t);
		return;
	}
	if (split(text, &l))
		goto out;
	drop_lines(lab, in, &l, &now);
	small = join(&l, 0, 0);
	if (!small)
		goto out;
	for (step = 0, next = now; simplify(&next.pkt, step); step++, next = now)
		if (differs(lab, in, small, &next, false))
			now = next;
	printf("# the smallest case found:\n");
	for (i = 0; i < l.n; i++)
		printf("#   %s\n", l.line[i]);
	trial_print(&now);
	differs(lab, in, small, &now, true);
out:
	for (i = 0; i < l.n; i++)
		free(l.line[i]);
	free(l.line);
	free(small);
}
