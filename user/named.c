// SPDX-License-Identifier: GPL-2.0-only
/*
 * named.c - tables of hashlimit and lists of recent
 *
 * The first rule with a name makes the table, with its settings; those that come
 * later get it as it is, and it goes with the last of them. A ruleset that replaces
 * another keeps the tables that both name, with all that they hold, as the kernel
 * does (it makes a new rule's table before it lets go of the old rule's). So they are
 * part of the ruleset, and travel in it:
 *
 *	generation 7: -A INPUT -m hashlimit ... --hashlimit-name a	a: table 0, born 7
 *	generation 8: -R INPUT 1 -m hashlimit ... --hashlimit-name a	a: still that one
 *	generation 9: -R INPUT 1 -m hashlimit ... --hashlimit-name b	b: table 1, born 9:
 *					packets of generation 8 may still be in table 0
 */
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/sysinfo.h>
#include <linux/netfilter/xt_recent.h>

#include "../progs/abi/late_rate.h"
#include "named.h"

#define HASHLIMIT_MAX_SIZE	1048576	/* xt_hashlimit.c */

static __u32 roundup_pow2(__u32 n)
{
	__u32 p = 1;

	while (p < n)
		p <<= 1;
	return p;
}

__u32 recent_stamps(__u32 hit_count)
{
	return (hit_count ? roundup_pow2(hit_count) : 32) - 1;
}

bool recent_is_big(__u32 stamps)
{
	return stamps >= RECENT_STAMPS;
}

/** named_find() - the table of that name, or NULL */
struct named *named_find(const struct ruleset *rs, enum named_kind kind, const char *name)
{
	for (size_t i = 0; rs && i < rs->nr_named; i++)
		if (rs->named[i].kind == kind && !strcmp(rs->named[i].name, name))
			return &rs->named[i];
	return NULL;
}

bool hashlimit_of(const struct xt_entry_match *m, struct hashlimit_cfg3 *cfg, const char **name)
{
	const void *data = m->data;
	size_t size = m->u.match_size - sizeof(*m);

	if (strcmp(m->u.user.name, "hashlimit"))
		return false;
	if (m->u.user.revision == 3 && size == XT_ALIGN(sizeof(struct xt_hashlimit_mtinfo3))) {
		const struct xt_hashlimit_mtinfo3 *v3 = data;

		*cfg = v3->cfg;
		*name = v3->name;
		return true;
	}
	if (m->u.user.revision == 2 && size == XT_ALIGN(sizeof(struct xt_hashlimit_mtinfo2))) {
		const struct xt_hashlimit_mtinfo2 *v2 = data;

		*cfg = (struct hashlimit_cfg3){
			.avg = v2->cfg.avg, .burst = v2->cfg.burst, .mode = v2->cfg.mode,
			.size = v2->cfg.size, .max = v2->cfg.max,
			.gc_interval = v2->cfg.gc_interval, .expire = v2->cfg.expire,
			.srcmask = v2->cfg.srcmask, .dstmask = v2->cfg.dstmask,
		};
		*name = v2->name;
		return true;
	}
	if (m->u.user.revision == 1 && size == XT_ALIGN(sizeof(struct xt_hashlimit_mtinfo1))) {
		const struct xt_hashlimit_mtinfo1 *v1 = data;

		*cfg = (struct hashlimit_cfg3){
			.avg = v1->cfg.avg, .burst = v1->cfg.burst, .mode = v1->cfg.mode,
			.size = v1->cfg.size, .max = v1->cfg.max,
			.gc_interval = v1->cfg.gc_interval, .expire = v1->cfg.expire,
			.srcmask = v1->cfg.srcmask, .dstmask = v1->cfg.dstmask,
		};
		*name = v1->name;
		return true;
	}
	return false;
}

/* htable_create() of xt_hashlimit.c: a bucket head per 16 kB of memory, 8 entries each. */
void hashlimit_complete(struct hashlimit_cfg3 *cfg)
{
	if (!cfg->size) {
		struct sysinfo si;
		__u64 ram = 0;

		if (!sysinfo(&si))
			ram = (__u64)si.totalram * si.mem_unit;
		cfg->size = ram > 1ull << 30 ? 8192 : ram / 16384 / sizeof(void *);
		if (cfg->size < 16)
			cfg->size = 16;
	}
	if (!cfg->max)
		cfg->max = 8 * cfg->size;
	else if (cfg->max < cfg->size)
		cfg->max = cfg->size;
}

/* struct namer - one pass over the rules; @used: tables that a rule has named */
struct namer {
	struct ruleset *rs;
	struct lower_err *err;
	__u32 born;
	bool *used;
};

static int refuse(struct namer *n, const char *match, const char *why)
{
	snprintf(n->err->msg, sizeof(n->err->msg),
		 "match `%s' cannot be enforced by this hook: %s", match, why);
	return -EOPNOTSUPP;
}

/* Lowest number that no table has, nor had in the ruleset in force. */
static int free_id(const struct namer *n, const struct named *want, __u32 limit)
{
	bool *taken = calloc(limit, sizeof(*taken));
	__u32 id = 0;

	if (!taken)
		return -ENOMEM;
	for (size_t i = 0; i < n->rs->nr_named; i++) {
		const struct named *t = &n->rs->named[i];

		if (t->kind == want->kind && t->id < limit &&
		    (t->kind == NAMED_HASHLIMIT ||
		     recent_is_big(t->stamps) == recent_is_big(want->stamps)))
			taken[t->id] = true;
	}
	while (id < limit && taken[id])
		id++;
	free(taken);
	return id < limit ? (int)id : -ENOSPC;
}

/* One more table. The array may move. */
static int add(struct namer *n, const struct named *t, const char *match, __u32 limit)
{
	struct ruleset *rs = n->rs;
	int id = free_id(n, t, limit);
	struct named *named;
	bool *used;

	if (id == -ENOSPC)
		return refuse(n, match, "too many names");
	if (id < 0)
		return id;
	named = realloc(rs->named, (rs->nr_named + 1) * sizeof(*named));
	if (!named)
		return -ENOMEM;
	rs->named = named;
	used = realloc(n->used, rs->nr_named + 1);
	if (!used)
		return -ENOMEM;
	n->used = used;
	named[rs->nr_named] = *t;
	named[rs->nr_named].id = id;
	named[rs->nr_named].born = n->born;
	used[rs->nr_named++] = true;
	return 0;
}

/* The kernel cuts sizes down in the rule itself, which it then shows. */
static void cut_sizes(struct xt_entry_match *m)
{
	struct hashlimit_cfg3 *cfg = &((struct xt_hashlimit_mtinfo3 *)m->data)->cfg;

	if (m->u.user.revision != 3)
		return;
	if (cfg->size > HASHLIMIT_MAX_SIZE)
		cfg->size = HASHLIMIT_MAX_SIZE;
	if (cfg->max > HASHLIMIT_MAX_SIZE)
		cfg->max = HASHLIMIT_MAX_SIZE;
}

static int name_hashlimit(struct namer *n, struct xt_entry_match *m)
{
	struct named t = { .kind = NAMED_HASHLIMIT }, *found;
	const char *name;

	if (!hashlimit_of(m, &t.cfg, &name) || !memchr(name, '\0', 255))
		return 0;
	cut_sizes(m);
	hashlimit_of(m, &t.cfg, &name);
	found = named_find(n->rs, NAMED_HASHLIMIT, name);
	if (!found) {
		hashlimit_complete(&t.cfg);
		strcpy(t.name, name);
		return add(n, &t, "hashlimit", HASHLIMIT_TABLES);
	}
	n->used[found - n->rs->named] = true;
	if ((found->cfg.mode ^ t.cfg.mode) & XT_HASHLIMIT_RATE_MATCH) {
		snprintf(n->err->msg, sizeof(n->err->msg),
			 "hashlimit: rate match differs from the table `%s'", name);
		return -EINVAL;
	}
	return 0;
}

static int name_recent(struct namer *n, const struct xt_entry_match *m)
{
	struct named t = { .kind = NAMED_RECENT, .mask = 0xffffffff }, *found;
	const struct xt_recent_mtinfo_v1 *info = (const void *)m->data;
	bool big;

	if (m->u.match_size - sizeof(*m) < sizeof(struct xt_recent_mtinfo) ||
	    !memchr(info->name, '\0', sizeof(info->name)))
		return 0;
	if (m->u.user.revision == 1 &&
	    m->u.match_size - sizeof(*m) == XT_ALIGN(sizeof(*info)))
		t.mask = info->mask.ip;
	t.stamps = recent_stamps(info->hit_count);
	found = named_find(n->rs, NAMED_RECENT, info->name);
	if (found && found->stamps >= t.stamps) {
		n->used[found - n->rs->named] = true;
		return 0;
	}
	/* A list that must keep more times than it does is emptied: a new one. */
	if (found) {
		t.mask = found->mask;
		n->used[found - n->rs->named] = false;
		found->name[0] = '\0';	/* its number stays taken until the end */
	}
	big = recent_is_big(t.stamps);
	if (t.stamps >= RECENT_BIG_STAMPS)
		return refuse(n, "recent", "a hitcount over 1024");
	strcpy(t.name, info->name);
	return add(n, &t, "recent", big ? RECENT_BIG_LISTS : RECENT_LISTS);
}

/* Take out what no rule names any more. */
static void prune(struct namer *n)
{
	struct ruleset *rs = n->rs;
	size_t to = 0;

	for (size_t i = 0; i < rs->nr_named; i++)
		if (n->used[i])
			rs->named[to++] = rs->named[i];
	rs->nr_named = to;
}

static __u32 born_after(const struct img_hdr *now)
{
	__u32 born = now ? now->generation + 1 : 1;

	return born ? born : 1;
}

/** named_made() - see named.h */
bool named_made(const struct ruleset *rs, const struct img_hdr *now)
{
	for (size_t i = 0; i < rs->nr_named; i++)
		if (rs->named[i].born == born_after(now))
			return true;
	return false;
}

/** named_assign() - see named.h */
int named_assign(struct ruleset *rs, const struct img_hdr *now, struct lower_err *err)
{
	struct namer n = {
		.rs = rs, .err = err, .born = born_after(now),
		.used = calloc(rs->nr_named + 1, 1),
	};
	int ret = n.used ? 0 : -ENOMEM;

	for (size_t c = 0; !ret && c < rs->nr_chains; c++) {
		for (size_t r = 0; !ret && r < rs->chains[c]->nr_rules; r++) {
			rule_for_each_match(m, rs->chains[c]->rules[r]) {
				if (!strcmp(m->u.user.name, "hashlimit"))
					ret = name_hashlimit(&n, m);
				else if (!strcmp(m->u.user.name, "recent"))
					ret = name_recent(&n, m);
				if (ret)
					break;
			}
		}
	}
	if (!ret)
		prune(&n);
	free(n.used);
	return ret;
}
