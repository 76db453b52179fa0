// SPDX-License-Identifier: GPL-2.0-only
/*
 * sets.c - the mirror of the ipsets that the rules in force name
 *
 * A tc or XDP program cannot ask an ipset, so its contents are copied into a map
 * (abi/ipset.h), before the first rule that names it is published, and anew whenever
 * they have changed: at every command, and by the monitor. ipset tells nobody of a
 * change: they are read and compared.
 *
 * New contents get a number of their own in their keys and are exchanged by one store:
 * a packet sees the old set or the new one. A process that dies half-way leaves
 * elements with a number that is in no row; purge() of the next change takes them out.
 *
 * The kernel's rules hold their sets, ours cannot: a set may be destroyed or renamed
 * under a rule. The row knows its name; when the name is gone, or has another index,
 * the set counts as empty.
 */
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>
#include <unistd.h>
#include <sys/mman.h>
#include <sys/socket.h>
#include <bpf/bpf.h>

#include "array.h"
#include "ipset.h"
#include "lower.h"
#include "sets.h"

#define NSEC		1000000000ull
#define BATCH		4096

/* A deadline is known to a second: the kernel tells whole ones. */
#define TIMEOUT_SLACK	(2 * NSEC)

static const struct {
	const char *type;
	enum set_kind kind;
} kinds[] = {
	{ "hash:ip", SET_IP },
	{ "bitmap:ip", SET_IP },
	{ "hash:net", SET_NET },
	{ "hash:ip,port", SET_IPPORT },
	{ "hash:net,port", SET_NETPORT },
	{ "hash:ip,port,ip", SET_IPPORTIP },
	{ "hash:ip,port,net", SET_IPPORTNET },
	{ "hash:net,iface", SET_NETIFACE },
	{ "bitmap:port", SET_PORT },
	{ "list:set", SET_LIST },
};

static enum set_kind kind_of(const char *type)
{
	for (size_t i = 0; i < sizeof(kinds) / sizeof(kinds[0]); i++)
		if (!strcmp(kinds[i].type, type))
			return kinds[i].kind;
	return SET_NONE;
}

/*
 * struct mirror - a synchronisation under way
 * @used:	sets that some image names
 * @done:	looked at already
 * @changed:	some row got new contents
 */
struct mirror {
	struct set_desc *desc;
	size_t len;
	int elems_fd;
	struct iface *ifs;
	size_t nr_ifs;
	bool changed;
	bool used[SETS_MAX];
	bool fresh[SETS_MAX];
	bool done[SETS_MAX];
	struct lower_err *err;
};

/* struct contents - a set as the mirror has it */
struct contents {
	struct set_bank bank;
	struct set_key *key;
	struct set_elem *elem;
	size_t cap;
};

/* The sets that an image names. */
static void mark_image(const struct img_hdr *h, bool *used)
{
	const __u32 *word = (const __u32 *)h;
	const struct img_action *act = (const void *)(word + h->actions);

	if (!(h->flags & IMG_F_SET))
		return;
	for (__u32 pos = 0; pos < h->nr_positions; pos++) {
		const struct img_late *rec = (const void *)(word + act[pos].late);

		if (!act[pos].late || !act[pos].chain_end)
			continue;
		for (; (rec->op & ~LATE_NOT) != LATE_END;
		     rec = (const void *)((const __u32 *)rec + rec->words))
			if ((rec->op & ~LATE_NOT) == LATE_SET && rec->data[0] < SETS_MAX)
				used[rec->data[0]] = true;
	}
}

static int refuse(struct lower_err *err, const char *name, const char *what, const char *type)
{
	snprintf(err->msg, sizeof(err->msg),
		 "match `set' cannot be enforced by this hook: ipset %s %s%s", name, what, type);
	return -EOPNOTSUPP;
}

static int check_one(const char *name, bool member, struct lower_err *err)
{
	struct ipset set;
	int ret = ipset_read(name, true, &set);

	if (ret)
		return ret;
	ipset_free(&set);
	if (kind_of(set.type) == SET_NONE)
		return refuse(err, name, "is of type ", set.type);
	if (kind_of(set.type) != SET_LIST || member)
		return 0;
	ret = ipset_read(name, false, &set);
	for (size_t i = 0; !ret && i < set.nr; i++)
		ret = check_one(set.entry[i].member, true, err);
	ipset_free(&set);
	return ret;
}

int sets_check(const struct img_hdr *img, struct lower_err *err)
{
	bool *used;
	int ret = 0;

	if (!(img->flags & IMG_F_SET))
		return 0;
	used = calloc(SETS_MAX, sizeof(*used));
	if (!used)
		return -ENOMEM;
	mark_image(img, used);
	for (__u32 i = 0; i < SETS_MAX && !ret; i++) {
		char name[SET_NAME_LEN];

		if (!used[i] || ipset_name(i, name))
			continue;
		ret = check_one(name, false, err);
		if (ret == -ENOENT)
			ret = 0;
	}
	free(used);
	return ret;
}

static __u64 now_ns(void)
{
	struct timespec ts;

	clock_gettime(CLOCK_MONOTONIC, &ts);
	return ts.tv_sec * NSEC + ts.tv_nsec;
}

static int add(struct contents *c, const struct set_key *key, const struct set_elem *elem)
{
	size_t cap = c->cap;	/* of both */

	if (array_room(c->key, c->bank.nr + 1, cap) ||
	    array_room(c->elem, c->bank.nr + 1, c->cap))
		return -ENOMEM;
	c->key[c->bank.nr] = *key;
	c->elem[c->bank.nr++] = *elem;
	c->bank.cidrs |= 1ull << (32 - key->cidr);
	return 0;
}

/* The same, unless the element is there: the first one counts. */
static int add_once(struct contents *c, const struct set_key *key, const struct set_elem *elem)
{
	for (__u32 i = 0; i < c->bank.nr; i++)
		if (!memcmp(&c->key[i], key, sizeof(*key)))
			return 0;
	return add(c, key, elem);
}

/* hash:net,iface: once per interface that it is about, and for its prefix. */
static int add_ifaces(struct mirror *m, struct contents *c, const struct ipset_entry *e,
		      struct set_key key, const struct set_elem *elem)
{
	struct set_elem mark = { 0 };
	size_t len = e->wildcard ? strlen(e->iface) : IFNAMSIZ;
	int err = add_once(c, &key, &mark);

	/* A bridge port's packets never come with --physdev asked for. */
	for (size_t i = 0; !err && !e->physdev && i < m->nr_ifs; i++) {
		if (strncmp(m->ifs[i].name, e->iface, len))
			continue;
		key.ifindex = m->ifs[i].ifindex;
		err = add_once(c, &key, elem);
	}
	return err;
}

static int sync_one(struct mirror *m, __u32 index);

/* What the kernel says of a set, as the mirror's elements. */
static int convert(struct mirror *m, const struct ipset *set, struct contents *c)
{
	__u64 now = now_ns();
	int err = 0;

	c->bank.kind = set->family == AF_INET6 ? SET_NONE : kind_of(set->type);
	c->bank.mask = set->mask;
	for (size_t i = 0; !err && i < set->nr; i++) {
		const struct ipset_entry *e = &set->entry[i];
		struct set_key key = { .ip = e->ip, .ip2 = e->ip2, .port = e->port };
		struct set_elem elem = { .nomatch = e->nomatch };
		int member;

		if (e->timeout)
			elem.deadline = now + e->timeout * NSEC + NSEC / 2;
		key.cidr = c->bank.kind == SET_IPPORTNET ? e->cidr2 : e->cidr;
		switch (c->bank.kind) {
		case SET_NONE:
			continue;
		case SET_NETIFACE:
			err = add_ifaces(m, c, e, key, &elem);
			continue;
		case SET_LIST:
			member = ipset_index(e->member);
			if (member < 0 || member >= SETS_MAX)
				continue;
			m->used[member] = true;
			err = sync_one(m, member);
			key = (struct set_key){ .ip = c->bank.nr, .cidr = 32 };
			elem.member = member;
			break;
		}
		if (!err)
			err = add(c, &key, &elem);
	}
	return err;
}

static bool same_elem(const struct set_elem *a, const struct set_elem *b)
{
	__u64 apart = a->deadline > b->deadline ? a->deadline - b->deadline :
						  b->deadline - a->deadline;

	return a->nomatch == b->nomatch && a->member == b->member &&
	       !a->deadline == !b->deadline && apart <= TIMEOUT_SLACK;
}

/* Is that what the row has? */
static bool unchanged(const struct mirror *m, const struct set_desc *d, struct contents *c)
{
	const struct set_bank *b = &d->bank[d->active & 1];

	if (b->kind != c->bank.kind || b->mask != c->bank.mask || b->nr != c->bank.nr ||
	    b->cidrs != c->bank.cidrs)
		return false;
	for (__u32 i = 0; i < c->bank.nr; i++) {
		struct set_elem elem;

		c->key[i].gen = b->gen;
		if (bpf_map_lookup_elem(m->elems_fd, &c->key[i], &elem) ||
		    !same_elem(&elem, &c->elem[i]))
			return false;
	}
	return true;
}

/* Elements into the map, then the row over to them. */
static int exchange(struct mirror *m, struct set_desc *d, struct contents *c)
{
	__u32 idle = !(d->active & 1), done = 0;
	int err = 0;

	/* Packets may still be reading the bank that was left last time. */
	if (!m->changed)
		err = sync_rcu();
	if (err)
		return err;
	m->changed = true;
	c->bank.gen = ++m->desc[SETS_MAX].next_gen;
	for (__u32 i = 0; i < c->bank.nr; i++)
		c->key[i].gen = c->bank.gen;
	while (done < c->bank.nr) {
		__u32 n = c->bank.nr - done < BATCH ? c->bank.nr - done : BATCH;

		if (bpf_map_update_batch(m->elems_fd, &c->key[done], &c->elem[done], &n, NULL))
			return -errno;
		done += n;
	}
	d->bank[idle] = c->bank;
	__atomic_store_n(&d->active, idle, __ATOMIC_RELEASE);
	return 0;
}

/* The row's name, and whether the kernel still has that set there. */
static bool present(struct mirror *m, __u32 index)
{
	struct set_desc *d = &m->desc[index];

	if (m->fresh[index] || !d->name[0])
		return !ipset_name(index, d->name);
	return ipset_index(d->name) == (int)index;
}

static int sync_one(struct mirror *m, __u32 index)
{
	struct set_desc *d = &m->desc[index];
	struct contents c = { 0 };
	struct ipset set = { 0 };
	int err = 0;

	if (m->done[index])
		return 0;
	m->done[index] = true;
	if (present(m, index)) {
		err = ipset_read(d->name, false, &set);
		if (err == -ENOENT)
			err = 0;
		else if (!err)
			err = convert(m, &set, &c);
	}
	if (!err && !unchanged(m, d, &c))
		err = exchange(m, d, &c);
	if (err == -E2BIG || err == -ENOSPC)
		err = refuse(m->err, d->name, "has more elements than the mirror has room for", "");
	ipset_free(&set);
	free(c.key);
	free(c.elem);
	return err;
}

static int by_gen(const void *a, const void *b)
{
	__u32 x = *(const __u32 *)a, y = *(const __u32 *)b;

	return (x > y) - (x < y);
}

/* Rows that no image names become empty; elements of no row go. */
static void purge(struct mirror *m)
{
	struct set_key *key = calloc(BATCH, sizeof(*key));
	struct set_elem *elem = calloc(BATCH, sizeof(*elem));
	__u32 *gen = calloc(SETS_MAX, sizeof(*gen)), nr = 0, n, at, gone;
	bool first = true, last = false;

	for (__u32 i = 0; i < SETS_MAX; i++) {
		struct set_desc *d = &m->desc[i];
		const struct set_bank *b = &d->bank[d->active & 1];

		if (!m->used[i] && d->name[0]) {
			struct contents none = { 0 };

			d->name[0] = 0;
			if (exchange(m, d, &none))
				continue;
		} else if (gen && b->nr) {
			gen[nr++] = b->gen;
		}
	}
	if (!key || !elem || !gen || sync_rcu())
		goto out;
	qsort(gen, nr, sizeof(*gen), by_gen);
	while (!last) {
		n = BATCH;
		if (bpf_map_lookup_batch(m->elems_fd, first ? NULL : &at, &at, key, elem, &n, NULL)) {
			if (errno != ENOENT)
				break;
			last = true;
		}
		first = false;
		for (__u32 i = gone = 0; i < n; i++)
			if (!bsearch(&key[i].gen, gen, nr, sizeof(*gen), by_gen))
				key[gone++] = key[i];
		for (__u32 i = 0; i < gone; i++)
			bpf_map_delete_elem(m->elems_fd, &key[i]);
	}
out:
	free(key);
	free(elem);
	free(gen);
}

static int mirror_open(struct instance *in, struct mirror *m)
{
	int fd = pins_open("%s/g%d/map-set_desc", in->dir, in->gen.number), err = 0;

	m->elems_fd = pins_open("%s/g%d/map-set_elems", in->dir, in->gen.number);
	if (fd < 0 || m->elems_fd < 0)
		err = fd < 0 ? fd : m->elems_fd;
	m->len = (SETS_MAX + 1) * sizeof(struct set_desc);
	if (!err) {
		m->desc = mmap(NULL, m->len, PROT_READ | PROT_WRITE, MAP_SHARED, fd, 0);
		if (m->desc == MAP_FAILED)
			err = -errno;
	}
	if (fd >= 0)
		close(fd);
	if (err && m->elems_fd >= 0)
		close(m->elems_fd);
	return err;
}

int sets_sync(struct instance *in, const struct img_hdr *img, struct lower_err *err)
{
	const struct img_hdr *now = active_image(&in->gen);
	struct mirror *m;
	int ret = 0, one;

	if (!(in->gen.tier.features & IMG_F_SET))
		return 0;
	m = calloc(1, sizeof(*m));
	if (!m)
		return -ENOMEM;
	m->err = err;
	if (now)
		mark_image(now, m->used);
	if (img) {
		mark_image(img, m->fresh);
		for (__u32 i = 0; i < SETS_MAX; i++) {
			bool named = m->fresh[i];

			m->fresh[i] = named && !m->used[i];
			m->used[i] |= named;
		}
	}
	ret = ifaces_list(&m->ifs, &m->nr_ifs);
	if (!ret)
		ret = mirror_open(in, m);
	if (ret)
		goto out;
	for (__u32 i = 0; i < SETS_MAX; i++) {
		one = m->used[i] ? sync_one(m, i) : 0;
		if (one)
			ret = one;
	}
	if (m->changed)
		purge(m);
	munmap(m->desc, m->len);
	close(m->elems_fd);
out:
	free(m->ifs);
	free(m);
	return ret;
}
