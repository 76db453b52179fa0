// SPDX-License-Identifier: GPL-2.0-only
/*
 * kernel_table.c - the kernel's own filter table as a struct ruleset
 *
 * The kernel keeps a table as one blob of entries: the built-in chains at the
 * hooks' offsets, each ended by its policy (at "underflow"); then the user chains,
 * each headed by an ERROR entry that holds its name and ended by a RETURN; then
 * one last ERROR entry. A jump's verdict is the offset of its chain's first rule,
 * a rule without target "jumps" to the next one.
 */
#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>
#include <netinet/in.h>

#include "kernel_table.h"

#include <linux/netfilter.h>

static const int nf_hook[NR_HOOKS] = {
	[HOOK_INPUT] = NF_INET_LOCAL_IN,
	[HOOK_FORWARD] = NF_INET_FORWARD,
	[HOOK_OUTPUT] = NF_INET_LOCAL_OUT,
};

struct blob {
	struct ipt_getinfo info;
	struct ipt_get_entries *get;
};

static struct ipt_entry *at(const struct blob *b, unsigned int off)
{
	return (void *)((char *)b->get->entrytable + off);
}

static struct xt_standard_target *target(struct ipt_entry *e)
{
	return (void *)((char *)e + e->target_offset);
}

static int get_blob(struct blob *b)
{
	int fd = socket(AF_INET, SOCK_RAW, IPPROTO_RAW);
	socklen_t len = sizeof(b->info);
	int err = 0;

	if (fd < 0)
		return -errno;
	memset(b, 0, sizeof(*b));
	strcpy(b->info.name, "filter");
	if (getsockopt(fd, IPPROTO_IP, IPT_SO_GET_INFO, &b->info, &len)) {
		err = -errno;
		goto out;
	}
	len = sizeof(*b->get) + b->info.size;
	b->get = calloc(1, len);
	if (!b->get) {
		err = -ENOMEM;
		goto out;
	}
	strcpy(b->get->name, "filter");
	b->get->size = b->info.size;
	if (getsockopt(fd, IPPROTO_IP, IPT_SO_GET_ENTRIES, b->get, &len))
		err = -errno;
out:
	close(fd);
	return err;
}

static bool is_error(struct ipt_entry *e)
{
	return !strcmp(target(e)->target.u.user.name, XT_ERROR_TARGET);
}

/* Where the user chains' first rules are. */
struct start {
	unsigned int off;
	struct chain *chain;
};

static int add_rule(struct chain *c, struct ipt_entry *e, unsigned int off,
		    const struct start *st, size_t n)
{
	struct rule *r = rule_new(e->next_offset);
	int verdict = target(e)->verdict;
	size_t i;
	int err;

	if (!r)
		return -ENOMEM;
	memcpy(r->entry, e, e->next_offset);
	r->packets = e->counters.pcnt;
	r->bytes = e->counters.bcnt;
	if (!target(e)->target.u.user.name[0] && verdict >= 0) {
		for (i = 0; i < n; i++)
			if (st[i].off == (unsigned int)verdict)
				r->jump = st[i].chain;
		if (!r->jump)
			r->no_target = true;
		if (r->no_target && (unsigned int)verdict != off + e->next_offset) {
			rule_free(r);
			return -EBADMSG;
		}
	}
	err = chain_insert_rule(c, c->nr_rules, r);
	if (err)
		rule_free(r);
	return err;
}

static int fill(const struct blob *b, struct ruleset *rs, const struct start *st, size_t n)
{
	size_t i;

	for (i = 0; i < n; i++) {
		unsigned int off = st[i].off, next;
		int err;

		for (;; off = next) {
			next = off + at(b, off)->next_offset;
			/* Its last entry is the policy or the final RETURN. */
			if (i < NR_HOOKS ? off == b->info.underflow[nf_hook[i]] :
					   is_error(at(b, next)))
				break;
			err = add_rule(st[i].chain, at(b, off), off, st, n);
			if (err)
				return err;
		}
		if (i < NR_HOOKS) {
			rs->chains[i]->drop = target(at(b, off))->verdict == -NF_DROP - 1;
			rs->chains[i]->packets = at(b, off)->counters.pcnt;
			rs->chains[i]->bytes = at(b, off)->counters.bcnt;
		}
	}
	return 0;
}

int kernel_table_read(struct ruleset **out)
{
	struct ruleset *rs = NULL;
	struct start *st = NULL;
	struct blob b;
	unsigned int off;
	size_t n, i;
	int err;

	err = get_blob(&b);
	if (err)
		goto out;
	err = -ENOMEM;
	rs = ruleset_new();
	st = calloc(NR_HOOKS + b.info.num_entries, sizeof(*st));
	if (!rs || !st)
		goto out;
	for (n = 0; n < NR_HOOKS; n++) {
		st[n].off = b.info.hook_entry[nf_hook[n]];
		st[n].chain = rs->chains[n];
	}
	for (off = 0; off < b.info.size; off += at(&b, off)->next_offset) {
		struct ipt_entry *e = at(&b, off);

		if (!is_error(e) || off + e->next_offset == b.info.size)
			continue;
		st[n].chain = ruleset_add_chain(rs, ((struct xt_error_target *)target(e))->errorname);
		if (!st[n].chain)
			goto out;
		st[n++].off = off + e->next_offset;
	}
	for (i = 0; i < NR_HOOKS; i++)
		st[i].chain = rs->chains[i];
	err = fill(&b, rs, st, n);
out:
	free(b.get);
	free(st);
	if (err && rs)
		ruleset_free(rs);
	else
		*out = rs;
	return err;
}
