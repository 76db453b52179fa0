// SPDX-License-Identifier: GPL-2.0-only
/*
 * refmatch.c - the linear oracle: what iptables-legacy does with one packet
 *
 * Two things in the kernel's walk are easy to get wrong, and are why this file is
 * so literal about the order of things:
 *
 *  - hotdrop. A match that cannot read its header raises a flag and says "no". The
 *    rule does not count, and the walk ends with a drop right there: neither the
 *    later rules nor the policy see the packet. The flag is looked at only after
 *    the rule: a match whose "no" is inverted on the way out (sctp's
 *    `! --chunk-types`) lets its rule go on, count and run its target, and only
 *    then is the packet dropped.
 *  - goto. It leaves no return address, so a RETURN in its chain goes to where the
 *    chain it came from would return: from a built-in chain, to the policy.
 *
 * Sources for the semantics: net/ipv4/netfilter/ip_tables.c (ipt_do_table) of
 * Linux 6.12. The matches are in refmatch_xt.c.
 */
#include <arpa/inet.h>
#include <errno.h>
#include <stdlib.h>
#include <string.h>

/* First: it takes <net/if.h>, which must come before <linux/if.h>. */
#include "../user/array.h"
#include "refmatch_xt.h"

#include <linux/netfilter.h>
#include <linux/netfilter/xt_mark.h>

static bool device_ok(const char *dev, const char *pattern, const unsigned char *mask)
{
	char name[IFNAMSIZ] = "";
	int i;

	if (dev)
		strncpy(name, dev, IFNAMSIZ - 1);
	for (i = 0; i < IFNAMSIZ; i++)
		if ((name[i] ^ pattern[i]) & mask[i])
			return false;
	return true;
}

static bool base_ok(const struct view *v, const struct ipt_ip *b)
{
	bool frag_wrong;

	if (((v->saddr & ntohl(b->smsk.s_addr)) == ntohl(b->src.s_addr)) ==
	    !!(b->invflags & IPT_INV_SRCIP))
		return false;
	if (((v->daddr & ntohl(b->dmsk.s_addr)) == ntohl(b->dst.s_addr)) ==
	    !!(b->invflags & IPT_INV_DSTIP))
		return false;
	if (device_ok(v->meta->in, b->iniface, b->iniface_mask) ==
	    !!(b->invflags & IPT_INV_VIA_IN))
		return false;
	if (device_ok(v->meta->out, b->outiface, b->outiface_mask) ==
	    !!(b->invflags & IPT_INV_VIA_OUT))
		return false;
	if (b->proto && (v->ip[9] == b->proto) == !!(b->invflags & IPT_INV_PROTO))
		return false;
	frag_wrong = (b->flags & IPT_F_FRAG) && !v->fragoff;
	return frag_wrong == !!(b->invflags & IPT_INV_FRAG);
}

static int count(struct ref_result *res, const struct rule *r)
{
	if (array_room(res->hit, res->nr_hits + 1, res->cap_hits))
		return -ENOMEM;
	res->hit[res->nr_hits++] = (struct rule *)r;
	return 0;
}

/* What a target tells the walk to do next. */
enum next {
	NEXT_ACCEPT,
	NEXT_DROP,
	NEXT_RETURN,
	NEXT_CONTINUE,
	NEXT_UNKNOWN,
};

static enum next run_target(struct view *v, const struct rule *r, struct ref_result *res)
{
	const struct xt_entry_target *t = rule_target(r);

	if (r->no_target)
		return NEXT_CONTINUE;
	if (!t->u.user.name[0]) {
		switch (((const struct xt_standard_target *)t)->verdict) {
		case -NF_ACCEPT - 1:
			return NEXT_ACCEPT;
		case -NF_DROP - 1:
			return NEXT_DROP;
		case XT_RETURN:
			return NEXT_RETURN;
		}
		return NEXT_UNKNOWN;
	}
	if (!strcmp(t->u.user.name, "REJECT")) {
		if (res)
			res->reject = r;
		return NEXT_DROP;
	}
	if (!strcmp(t->u.user.name, "MARK") && t->u.user.revision == 2) {
		const struct xt_mark_tginfo2 *m = (const void *)t->data;

		if (v)
			v->mark = (v->mark & ~m->mask) ^ m->mark;
		return NEXT_CONTINUE;
	}
	return NEXT_UNKNOWN;
}

int ref_supported(const struct rule *r, const char **name)
{
	rule_for_each_match(m, r) {
		if (!ref_find_match(m)) {
			*name = m->u.user.name;
			return -EOPNOTSUPP;
		}
	}
	if (!r->jump && run_target(NULL, r, NULL) == NEXT_UNKNOWN) {
		*name = rule_target(r)->u.user.name;
		return -EOPNOTSUPP;
	}
	return 0;
}

/* Return: 1 the rule matched, 0 it did not, or -EOPNOTSUPP. */
static int rule_matches(struct view *v, const struct rule *r)
{
	if (!base_ok(v, &r->entry->ip))
		return 0;
	rule_for_each_match(m, r) {
		const struct ref_match *f = ref_find_match(m);

		if (!f)
			return -EOPNOTSUPP;
		if (!f->match(v, m->data))
			return 0;
	}
	return 1;
}

/* A return address: the rule after the jump. */
struct frame {
	const struct chain *chain;
	size_t next;
};

/* @stack has room for one frame per chain. */
static int walk(const struct ruleset *rs, struct view *v, struct frame *stack,
		struct ref_result *res)
{
	const struct chain *c = rs->chains[v->meta->hook];
	size_t i = 0, depth = 0;

	while (!v->hotdrop) {
		const struct rule *r;
		int ret;

		if (i == c->nr_rules) {
			if (depth == 0) {
				/* A goto may have led here from the built-in chain. */
				c = rs->chains[v->meta->hook];
				res->policy = true;
				res->verdict = c->drop ? REF_DROP : REF_ACCEPT;
				return 0;
			}
			depth--;
			c = stack[depth].chain;
			i = stack[depth].next;
			continue;
		}
		r = c->rules[i++];
		ret = rule_matches(v, r);
		if (ret < 0)
			return ret;
		if (!ret)
			continue;
		ret = count(res, r);
		if (ret)
			return ret;
		if (r->jump) {
			if (!(r->entry->ip.flags & IPT_F_GOTO)) {
				if (depth == rs->nr_chains)
					return -ELOOP;
				stack[depth].chain = c;
				stack[depth].next = i;
				depth++;
			}
			c = r->jump;
			i = 0;
			continue;
		}
		switch (run_target(v, r, res)) {
		case NEXT_ACCEPT:
			res->verdict = v->hotdrop ? REF_DROP : REF_ACCEPT;
			res->hotdrop = v->hotdrop;
			return 0;
		case NEXT_DROP:
			res->verdict = REF_DROP;
			res->hotdrop = v->hotdrop;
			return 0;
		case NEXT_RETURN:
			i = c->nr_rules;
			break;
		case NEXT_CONTINUE:
			break;
		case NEXT_UNKNOWN:
			return -EOPNOTSUPP;
		}
	}
	res->hotdrop = true;
	res->verdict = REF_DROP;
	return 0;
}

int ref_eval(const struct ruleset *rs, const void *ip, size_t len,
	     const struct ref_meta *meta, struct ref_result *res)
{
	struct view v = { .meta = meta, .ip = ip, .mark = meta->mark };
	struct frame *stack;
	__u32 addr;
	int err;

	res->nr_hits = 0;
	res->hotdrop = false;
	res->policy = false;
	res->reject = NULL;
	if (len < 20 || v.ip[0] >> 4 != 4)
		return -EINVAL;
	v.thoff = (v.ip[0] & 15) * 4;
	v.len = v.ip[2] << 8 | v.ip[3];
	if (v.thoff < 20 || v.len < v.thoff || v.len > len)
		return -EINVAL;
	v.fragoff = (v.ip[6] << 8 | v.ip[7]) & 0x1fff;
	memcpy(&addr, v.ip + 12, 4);
	v.saddr = ntohl(addr);
	memcpy(&addr, v.ip + 16, 4);
	v.daddr = ntohl(addr);

	stack = malloc(rs->nr_chains * sizeof(*stack));
	if (!stack)
		return -ENOMEM;
	err = walk(rs, &v, stack, res);
	free(stack);
	res->mark = v.mark;
	res->bytes = v.len;
	return err;
}

void ref_result_free(struct ref_result *res)
{
	free(res->hit);
	memset(res, 0, sizeof(*res));
}
