// SPDX-License-Identifier: GPL-2.0-only
/*
 * named_view.c - `bpf-iptables recent' and `hashlimit': what /proc/net shows natively
 *
 *	bpf-iptables recent			names of the lists
 *	bpf-iptables recent NAME		as /proc/net/xt_recent/NAME
 *	bpf-iptables recent NAME +ADDR | -ADDR | /	as written to that file
 *	bpf-iptables hashlimit [NAME]		as /proc/net/ipt_hashlimit/NAME
 *
 * Lists are edited by the program fw_named, run once with the request as its packet:
 * under the lock that packets take, and with the kernel's jiffies, which user space
 * cannot read.
 */
#include <arpa/inet.h>
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>
#include <bpf/bpf.h>

#include "../progs/abi/late_rate.h"
#include "../progs/hashlimit.h"
#include "cmd.h"
#include "instance_int.h"
#include "lower_int.h"
#include "named.h"

/* struct view - an instance and its ruleset, read only */
struct view {
	struct instance *in;
	struct ruleset *rs;
};

static int view_open(struct view *v)
{
	int err = instance_read(&v->in, &v->rs);

	if (err)
		return err;
	if (v->in)
		return 0;
	ruleset_free(v->rs);
	return instance_none();
}

static void view_close(struct view *v)
{
	ruleset_free(v->rs);
	instance_close(v->in);
}

static void print_names(const struct view *v, enum named_kind kind)
{
	for (size_t i = 0; i < v->rs->nr_named; i++)
		if (v->rs->named[i].kind == kind)
			printf("%s\n", v->rs->named[i].name);
}

/* Run fw_named on @ask, which has its answer then. */
static int named_run(const struct view *v, struct recent_edit *ask)
{
	LIBBPF_OPTS(bpf_test_run_opts, opts,
		.data_in = ask, .data_size_in = sizeof(*ask),
		.data_out = ask, .data_size_out = sizeof(*ask));
	int fd = pins_open("%s/g%d/prog-fw_named", v->in->dir, v->in->gen.number), err = 0;

	if (fd < 0)
		return fd;
	if (bpf_prog_test_run_opts(fd, &opts))
		err = -errno;
	else if (opts.retval)
		err = -EIO;
	close(fd);
	return err;
}

static int now_jiffies(const struct view *v, __u64 *now)
{
	struct recent_edit ask = { .op = RECENT_NOW };
	int err = named_run(v, &ask);

	*now = ask.now;
	return err;
}

static void print_recent_entry(const struct named *t, const struct recent_entry *e,
			       const __u64 *stamp)
{
	__be32 addr = htonl(e->addr);
	char text[INET_ADDRSTRLEN];

	inet_ntop(AF_INET, &addr, text, sizeof(text));
	printf("src=%s ttl: %u last_seen: %llu oldest_pkt: %u", text, e->ttl,
	       stamp[(e->index - 1) & t->stamps], e->index);
	for (unsigned int i = 0; i < e->nstamps; i++)
		printf("%s %llu", i ? "," : "", stamp[i]);
	printf("\n");
}

static int print_recent(const struct view *v, const struct named *t)
{
	bool big = recent_is_big(t->stamps);
	size_t per = big ? RECENT_BIG_STAMPS : RECENT_STAMPS;
	struct recent_small *row;	/* a struct recent_big begins alike */
	const struct recent_list *l;
	const __u64 *stamp;
	int fd, err = 0;

	fd = pins_open("%s/g%d/map-recent_%s", v->in->dir, v->in->gen.number,
		       big ? "big" : "small");
	if (fd < 0)
		return fd;
	row = calloc(1, big ? sizeof(struct recent_big) : sizeof(*row));
	if (!row) {
		close(fd);
		return -ENOMEM;
	}
	if (bpf_map_lookup_elem_flags(fd, &t->id, row, BPF_F_LOCK))
		err = -errno;
	close(fd);
	l = &row->list;
	stamp = row->stamp;
	if (!err && l->born == t->born)
		for (unsigned int h = 0; h < RECENT_HASH; h++)
			for (unsigned int n = l->head[h]; n && n < RECENT_HASH; n = l->e[n].chain)
				print_recent_entry(t, &l->e[n], stamp + n * per);
	free(row);
	return err;
}

/* "+1.2.3.4", "-1.2.3.4", "/". Return: 0 or -EINVAL. */
static int parse_edit(const char *word, struct recent_edit *ask)
{
	__be32 addr;

	if (*word == '/') {
		ask->op = RECENT_FLUSH;
		return 0;
	}
	if (*word != '+' && *word != '-')
		return -EINVAL;
	if (inet_pton(AF_INET, word + 1, &addr) != 1)
		return -EINVAL;
	ask->op = *word == '+' ? RECENT_ADD : RECENT_DEL;
	ask->addr = ntohl(addr);
	return 0;
}

/* Common to both commands: find the table that is asked for. Return: exit status, -1: go on. */
static int find(struct view *v, enum named_kind kind, int argc, char **argv, int max,
		const struct named **t)
{
	if (argc > max) {
		fprintf(stderr, "%s: bad argument `%s'\n", argv[0], argv[max]);
		return STATUS_PARAMETER;
	}
	if (view_open(v))
		return STATUS_OTHER;
	if (argc < 2) {
		print_names(v, kind);
		view_close(v);
		return STATUS_OK;
	}
	*t = named_find(v->rs, kind, argv[1]);
	if (*t)
		return -1;
	fprintf(stderr, "%s: no rule names `%s'\n", argv[0], argv[1]);
	view_close(v);
	return STATUS_OTHER;
}

static int finish(struct view *v, const char *what, int err)
{
	view_close(v);
	if (!err)
		return STATUS_OK;
	fprintf(stderr, "bpf-iptables: %s: %s\n", what, strerror(-err));
	return STATUS_OTHER;
}

/** recent_main() - list or edit. Return: exit status. */
int recent_main(int argc, char **argv)
{
	struct recent_edit ask = { 0 };
	const struct named *t = NULL;
	struct view v;
	int status;

	if (argc == 3 && parse_edit(argv[2], &ask)) {
		fprintf(stderr, "bpf-iptables: recent: Need \"+ip\", \"-ip\" or \"/\"\n");
		return STATUS_PARAMETER;
	}
	status = find(&v, NAMED_RECENT, argc, argv, 3, &t);
	if (status >= 0)
		return status;
	if (argc < 3)
		return finish(&v, "recent", print_recent(&v, t));
	ask.list = (struct late_named){ .id = t->id, .born = t->born };
	ask.stamps = t->stamps;
	ask.flags = recent_is_big(t->stamps) ? RECENT_BIG : 0;
	return finish(&v, "recent", named_run(&v, &ask));
}

/* The bucket as a packet would find it now; the kernel's gaps in a union included. */
static void print_bucket(const struct named *t, const struct hashlimit_key *k,
			 struct hashlimit_entry *e, __u64 now)
{
	bool rate = t->cfg.mode & HASHLIMIT_RATE_MATCH;
	struct hashlimit_conf c;
	char src[INET_ADDRSTRLEN], dst[INET_ADDRSTRLEN];
	__be32 s = htonl(k->src), d = htonl(k->dst);

	hashlimit_conf(&t->cfg, &c);
	hashlimit_fill(e, &c, now);
	inet_ntop(AF_INET, &s, src, sizeof(src));
	inet_ntop(AF_INET, &d, dst, sizeof(dst));
	printf("%ld %s:%u->%s:%u %llu %llu %llu\n",
	       (long)(e->expires - now) / (long)kernel_hz(), src, ntohs(k->sport), dst,
	       ntohs(k->dport),
	       rate ? t->cfg.interval | (__u64)e->window << 32 : e->credit,
	       rate ? e->credit : e->cap, e->cost);
}

static int print_hashlimit(const struct view *v, const struct named *t)
{
	struct hashlimit_table row;
	struct hashlimit_key key, next;
	struct hashlimit_entry e;
	unsigned int left = 2 * HASHLIMIT_ENTRIES;
	int rows, fd, err;
	__u64 now, tick;

	rows = pins_open("%s/g%d/map-hashlimit_tables", v->in->dir, v->in->gen.number);
	fd = pins_open("%s/g%d/map-hashlimit_entries", v->in->dir, v->in->gen.number);
	err = rows < 0 ? rows : fd < 0 ? fd : now_jiffies(v, &now);
	if (!err && bpf_map_lookup_elem_flags(rows, &t->id, &row, BPF_F_LOCK))
		err = -errno;
	if (!err && row.born == t->born) {
		int end = bpf_map_get_next_key(fd, NULL, &next);

		tick = hashlimit_tick(row.created, row.gc, now);
		while (!end && left--) {
			key = next;
			end = bpf_map_get_next_key(fd, &key, &next);
			if (key.table != t->id || key.born != t->born ||
			    bpf_map_lookup_elem_flags(fd, &key, &e, BPF_F_LOCK) ||
			    hashlimit_gone(e.expires, tick))
				continue;
			print_bucket(t, &key, &e, now);
		}
	}
	if (fd >= 0)
		close(fd);
	if (rows >= 0)
		close(rows);
	return err;
}

/** hashlimit_main() - list. Return: exit status. */
int hashlimit_main(int argc, char **argv)
{
	const struct named *t = NULL;
	struct view v;
	int status = find(&v, NAMED_HASHLIMIT, argc, argv, 2, &t);

	return status >= 0 ? status : finish(&v, "hashlimit", print_hashlimit(&v, t));
}
