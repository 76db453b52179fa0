/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * lower_rule.h - for the tests of lowering: rules by hand, and what products say
 *
 * A rule is built match by match in iptables' binary form. A packet is raw bytes;
 * keys_of() is the parser's job done again, plainly, and products_eval() what the walk
 * would do with one rule's products.
 */
#ifndef BPFIPT_TEST_LOWER_RULE_H
#define BPFIPT_TEST_LOWER_RULE_H

#include <arpa/inet.h>
#include <errno.h>
#include <net/if.h>		/* before the kernel's headers, which yield to it */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "../../tools/refmatch.h"
#include "../../tools/prng.h"
#include "../../progs/abi/late.h"
#include "../../user/ifclass.h"
#include "../../user/lower.h"
#include "../../user/macclass.h"

#include <linux/netfilter.h>
#include <linux/netfilter/xt_tcpudp.h>
#include <linux/netfilter/xt_multiport.h>

static int tap_nr, tap_bad;

static bool ok(bool good, const char *what)
{
	printf("%sok %d - %s\n", good ? "" : "not ", ++tap_nr, what);
	fflush(stdout);
	tap_bad += !good;
	return good;
}

/* --- rules ------------------------------------------------------------------ */

#define ENTRY_MAX	4096

/* The one rule under test, in INPUT of a ruleset of its own. */
struct lab {
	unsigned char entry[ENTRY_MAX] __attribute__((aligned(8)));
	struct rule rule, *rules[1];
	struct chain chain[NR_HOOKS], *chains[NR_HOOKS];
	struct ruleset rs;
};

static struct ipt_ip *lab_start(struct lab *lab)
{
	struct ipt_entry *e = (void *)lab->entry;

	memset(lab, 0, sizeof(*lab));
	lab->rule.entry = e;
	lab->rules[0] = &lab->rule;
	for (int h = 0; h < NR_HOOKS; h++) {
		lab->chain[h].hook = h;
		lab->chain[h].rules = lab->rules;
		lab->chains[h] = &lab->chain[h];
	}
	lab->chain[HOOK_INPUT].nr_rules = 1;
	lab->chain[HOOK_INPUT].drop = true;
	lab->rs.chains = lab->chains;
	lab->rs.nr_chains = NR_HOOKS;
	e->target_offset = e->next_offset = sizeof(*e);
	return &e->ip;
}

static void lab_match(struct lab *lab, const char *name, int rev, const void *info, size_t size)
{
	struct ipt_entry *e = (void *)lab->entry;
	struct xt_entry_match *m = (void *)(lab->entry + e->next_offset);

	m->u.match_size = sizeof(*m) + XT_ALIGN(size);
	snprintf(m->u.user.name, sizeof(m->u.user.name), "%s", name);
	m->u.user.revision = rev;
	memcpy(m->data, info, size);
	e->next_offset += m->u.match_size;
	e->target_offset = e->next_offset;
}

static void lab_target(struct lab *lab, const char *name, int rev, const void *info, size_t size)
{
	struct ipt_entry *e = (void *)lab->entry;
	struct xt_entry_target *t = (void *)(lab->entry + e->target_offset);

	t->u.target_size = sizeof(*t) + XT_ALIGN(size);
	snprintf(t->u.user.name, sizeof(t->u.user.name), "%s", name);
	t->u.user.revision = rev;
	memcpy(t->data, info, size);
	e->next_offset = e->target_offset + t->u.target_size;
}

static void lab_verdict(struct lab *lab, int verdict)
{
	lab_target(lab, "", 0, &verdict, sizeof(verdict));
}

/* -i or -o, as libxtables fills it in */
static void set_iface(char *name, unsigned char *mask, const char *pattern)
{
	size_t len = strlen(pattern);

	memset(name, 0, IFNAMSIZ);
	memset(mask, 0, IFNAMSIZ);
	memcpy(name, pattern, len);
	if (len && pattern[len - 1] == '+')
		memset(mask, 0xff, len - 1);
	else if (len)
		memset(mask, 0xff, len + 1);
}

/* --- packets ---------------------------------------------------------------- */

/* struct packet - @len bytes from the IP header on, and what the hook knows */
struct packet {
	unsigned char data[256];
	size_t len;
	struct ref_meta meta;
};

static __u32 be(const unsigned char *p, int n)
{
	__u32 v = 0;

	while (n--)
		v = v << 8 | *p++;
	return v;
}

static int form_of(const struct packet *p)
{
	static const unsigned char fixed[256] = { [6] = 20, [17] = 8, [136] = 8, [1] = 8,
						  [50] = 8, [51] = 12, [132] = 12, [33] = 12 };
	__u32 off = be(p->data + 6, 2) & 0x1fff;
	size_t l4 = p->len - (p->data[0] & 15) * 4;

	if (off)
		return off == 1 ? FORM_FRAG1 : FORM_FRAGN;
	if (l4 >= fixed[p->data[9]])
		return FORM_WHOLE;
	return l4 >= 4 ? FORM_SHORT : FORM_STUB;
}

static inline void keys_of(const struct packet *p, const struct lower_ctx *ctx, __u32 *key)
{
	const unsigned char *l4 = p->data + (p->data[0] & 15) * 4;
	int proto = p->data[9], form = form_of(p);
	bool whole = form == FORM_WHOLE;

	memset(key, 0, NR_KEYS * sizeof(*key));
	key[KEY_SADDR] = be(p->data + 12, 4);
	key[KEY_DADDR] = be(p->data + 16, 4);
	key[KEY_L4] = L4_KEY(form, proto);
	key[KEY_SPORT] = key[KEY_DPORT] = PORT_NONE;
	if (whole && (proto == 6 || proto == 17 || proto == 136 || proto == 132 || proto == 33)) {
		key[KEY_SPORT] = be(l4, 2);
		key[KEY_DPORT] = be(l4 + 2, 2);
	}
	key[KEY_TCPFLAGS] = whole && proto == 6 ? l4[13] : TCPFLAGS_NONE;
	key[KEY_ICMP] = whole && proto == 1 ? be(l4, 2) : ICMP_NONE;
	if (whole && (proto == 50 || proto == 51))
		key[KEY_SPI] = be(l4 + (proto == 51 ? 4 : 0), 4);
	key[KEY_IIF] = ifclass_of_name(ctx->ifc, p->meta.in ? p->meta.in : "");
	key[KEY_OIF] = ifclass_of_name(ctx->ifc, p->meta.out ? p->meta.out : "");
	key[KEY_LENGTH] = p->len;
	key[KEY_TTL] = p->data[8];
	key[KEY_TOS] = p->data[1];
	key[KEY_MARK] = p->meta.mark;
	key[KEY_PKTTYPE] = p->meta.pkttype;
	if (p->meta.ether)
		key[KEY_MAC] = macclass_of(ctx->mac, p->meta.mac);
}

/* --- products --------------------------------------------------------------- */

enum say {
	SAY_NO,
	SAY_YES,
	SAY_HOTDROP,
	SAY_BOTH,	/* yes, and the packet is dropped */
};

/* What `!' makes of a match that says no with a hotdrop. */
static enum say inverted(enum say say, bool not)
{
	if (!not)
		return say;
	return say == SAY_HOTDROP ? SAY_BOTH : say == SAY_YES ? SAY_NO : SAY_YES;
}

static enum say dccp_eval(const struct late_dccp *d, bool not, const unsigned char *l4, size_t len)
{
	unsigned int type = l4[8] >> 1 & 15;
	size_t at = 12 + (l4[8] & 1) * 4 + (type == 2 ? 0 : type == 0 ? 4 :
		    type == 1 || type == 7 || type > 9 ? 12 : 8), end = l4[4] * 4;

	if (!(d->types & 1u << type))
		return SAY_NO;
	if (d->option == LATE_DCCP_NONE)
		return SAY_YES;
	if (end < at || end > len)
		return inverted(SAY_HOTDROP, not);
	while (at < end && l4[at] != d->option)
		at += l4[at] > 1 && at + 1 < end && l4[at + 1] ? l4[at + 1] : 1;
	return inverted(at < end ? SAY_YES : SAY_NO, not);
}

static enum say tcpopt_eval(__u32 kind, bool not, const unsigned char *l4, size_t len)
{
	size_t end = (l4[12] >> 4) * 4, i = 20;

	if (end < 20 || end > len)
		return SAY_HOTDROP;
	while (i < end) {
		if (l4[i] == kind)
			return not ? SAY_NO : SAY_YES;
		i += l4[i] > 1 && i + 1 < end && l4[i + 1] ? l4[i + 1] : 1;
	}
	return not ? SAY_YES : SAY_NO;
}

static enum say chunks_eval(const struct late_sctp *s, const unsigned char *l4, size_t len)
{
	bool seen[256] = { false };
	size_t off = 12;

	do {
		bool hit;

		if (off + 4 > len || !be(l4 + off + 2, 2))
			return SAY_HOTDROP;
		hit = s->map[l4[off] / 32] >> l4[off] % 32 & 1;
		for (__u32 i = 0; hit && i < s->nr_flags; i++) {
			if (s->flag[i].type != l4[off])
				continue;
			hit = (l4[off + 1] & s->flag[i].mask) == s->flag[i].value;
			break;
		}
		if (s->type == LATE_SCTP_ANY && hit)
			return SAY_YES;
		if (s->type == LATE_SCTP_ONLY && !hit)
			return SAY_NO;
		seen[l4[off]] |= hit;
		off += (be(l4 + off + 2, 2) + 3) & ~3u;
	} while (off < len);
	for (int t = 0; s->type == LATE_SCTP_ALL && t < 256; t++)
		if (s->map[t / 32] >> t % 32 & 1 && !seen[t])
			return SAY_NO;
	return s->type == LATE_SCTP_ANY ? SAY_NO : SAY_YES;
}

static bool multiport_eval(const struct late_multiport *m, const unsigned char *l4)
{
	bool hit = false;

	for (__u32 i = 0; i < m->n; i++) {
		__u32 first = m->range[i] >> 16, last = m->range[i] & 0xffff;

		hit |= m->dir & LATE_PORTS_SRC && be(l4, 2) >= first && be(l4, 2) <= last;
		hit |= m->dir & LATE_PORTS_DST && be(l4 + 2, 2) >= first && be(l4 + 2, 2) <= last;
	}
	return hit != !!(m->dir & LATE_PORTS_NOT);
}

static enum say late_eval(const __u32 *rec, const __u32 *key, const struct packet *p)
{
	const struct img_late *head = (const void *)rec;
	const __u32 *d = head->data;
	const unsigned char *l4 = p->data + (p->data[0] & 15) * 4;
	size_t len = p->len - (l4 - p->data);
	bool not = head->op & LATE_NOT, hit = false;
	__u32 form = HOTDROP(form_of(p));

	switch (head->op & ~LATE_NOT) {
	case LATE_HOTDROP:
		return d[0] & form ? SAY_HOTDROP : SAY_YES;
	case LATE_KEY_RANGE:
		for (int i = 1; i + 1 < head->words; i += 2)
			hit |= key[d[0]] >= d[i] && key[d[0]] <= d[i + 1];
		break;
	case LATE_ADDR_MASK:
		hit = (key[d[0]] & d[2]) == d[1];
		break;
	case LATE_MARK:
		hit = (p->meta.mark & d[0]) == d[1];
		break;
	case LATE_TCPOPT:
		return tcpopt_eval(d[0], not, l4, len);
	case LATE_TCP_ECN:
		return len >= 20 && (l4[13] & d[0]) == d[1] ? SAY_YES : SAY_NO;
	case LATE_MULTIPORT:
		if (!(d[0] & form))
			return SAY_YES;
		hit = multiport_eval((const void *)d, l4);
		break;
	case LATE_SCTP_CHUNKS:
		return inverted(chunks_eval((const void *)d, l4, len), not);
	case LATE_DCCP:
		return dccp_eval((const void *)d, not, l4, len);
	case LATE_IPCOMP:
		if (len < 4)
			return SAY_HOTDROP;
		hit = be(l4 + 2, 2) >= d[0] && be(l4 + 2, 2) <= d[1];
		break;
	default:
		printf("# unknown late op %u\n", head->op);
		tap_bad++;
	}
	return hit != not ? SAY_YES : SAY_NO;
}

static enum say product_eval(const struct product *pr, const __u32 *key, const struct packet *p)
{
	bool doomed = false;

	for (int k = 0; k < NR_KEYS; k++)
		if (pr->set[k] && !fset_has(pr->set[k], key[k]))
			return SAY_NO;
	if (pr->hotdrop & HOTDROP(form_of(p)))
		return SAY_HOTDROP;
	for (size_t at = 0; at < pr->late_words;
	     at += ((const struct img_late *)(pr->late + at))->words) {
		enum say say = late_eval(pr->late + at, key, p);

		if (say == SAY_BOTH)
			doomed = true;
		else if (say != SAY_YES)
			return doomed ? SAY_HOTDROP : say;
	}
	return doomed ? SAY_BOTH : SAY_YES;
}

/* What the rule's products make of a packet; *@said: how many did not say no. */
static inline enum say products_eval(const struct lowered *low, const __u32 *key,
			      const struct packet *p, int *said)
{
	enum say say = SAY_NO;

	*said = 0;
	for (size_t i = 0; i < low->nr_prod; i++) {
		enum say one = product_eval(&low->prod[i], key, p);

		*said += one != SAY_NO;
		say = say == SAY_NO ? one : say;
	}
	return say;
}

#endif /* BPFIPT_TEST_LOWER_RULE_H */
