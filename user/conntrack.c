// SPDX-License-Identifier: GPL-2.0-only
/*
 * conntrack.c - `bpf-iptables conntrack': the connections of this namespace
 *
 *	bpf-iptables conntrack [-L | -C | -F | -D] [FILTER...]	list, count, flush
 *	bpf-iptables conntrack --sysctl [NAME[=[VALUE]]...]	timeouts and switches
 *	--map PATH: another pinned map
 * Filters: ct_filter.h. Settings: ct_params.c.
 *
 * Lines as conntrack(8) prints them, so that what reads those reads these:
 *	tcp      6 431999 ESTABLISHED src=10.0.0.1 dst=10.0.0.2 sport=4000 dport=80
 *	packets=3 bytes=180 src=10.0.0.2 ... [ASSURED] mark=0
 * Entries whose time is up are not shown, as they are no more for the hooks.
 */
#include <arpa/inet.h>
#include <errno.h>
#include <getopt.h>
#include <netdb.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>
#include <unistd.h>
#include <bpf/bpf.h>

#include "../progs/abi/ct.h"
#include "cmd.h"
#include "ct_filter.h"
#include "instance_int.h"

#define BATCH	4096u	/* entries; more than a bucket has */

enum {
	OPT_MAP = CT_OPT_OTHER,
	OPT_SYSCTL,
};

static __u64 now_ns(void)
{
	struct timespec ts;

	clock_gettime(CLOCK_MONOTONIC_COARSE, &ts);
	return ts.tv_sec * 1000000000ull + ts.tv_nsec;
}

/* The other direction; an ICMP reply's type is the query's answer. */
static struct ct_tuple inverse(const struct ct_tuple *t)
{
	struct ct_tuple r = { .src = t->dst, .dst = t->src, .proto = t->proto };
	__u8 *type = (__u8 *)&r.dport;

	if (t->proto == IPPROTO_ICMP) {
		r.sport = t->sport;
		r.dport = t->dport;
		*type = *type == 8 ? 0 : *type + 1;
		return r;
	}
	r.sport = t->dport;
	r.dport = t->sport;
	return r;
}

static void print_tuple(const struct ct_tuple *t, __u64 packets, __u64 bytes)
{
	const __u8 *type = (const __u8 *)&t->dport;
	char src[INET_ADDRSTRLEN], dst[INET_ADDRSTRLEN];

	inet_ntop(AF_INET, &t->src, src, sizeof(src));
	inet_ntop(AF_INET, &t->dst, dst, sizeof(dst));
	printf("src=%s dst=%s ", src, dst);
	switch (t->proto) {
	case IPPROTO_TCP:
	case IPPROTO_UDP:
	case IPPROTO_UDPLITE:
	case IPPROTO_SCTP:
		printf("sport=%u dport=%u ", ntohs(t->sport), ntohs(t->dport));
		break;
	case IPPROTO_ICMP:
		printf("type=%u code=%u id=%u ", type[0], type[1], ntohs(t->sport));
		break;
	case IPPROTO_GRE:
		printf("srckey=0x%x dstkey=0x%x ", ntohs(t->sport), ntohs(t->dport));
		break;
	}
	printf("packets=%llu bytes=%llu ", packets, bytes);
}

static void print_entry(const struct ct_entry *e, __u64 now)
{
	struct protoent *pe = getprotobynumber(e->orig.proto);
	struct ct_tuple reply = inverse(&e->orig);
	const char *state = ct_state_name(e);

	printf("%-8s %u %llu ", pe ? pe->p_name : "unknown", e->orig.proto,
	       (e->deadline - now) / 1000000000ull);
	if (state)
		printf("%s ", state);
	print_tuple(&e->orig, e->packets[CT_ORIG], e->bytes[CT_ORIG]);
	if (!(e->status & CTS_SEEN_REPLY))
		printf("[UNREPLIED] ");
	print_tuple(&reply, e->packets[CT_REPLY], e->bytes[CT_REPLY]);
	if (e->status & CTS_ASSURED)
		printf("[ASSURED] ");
	printf("mark=%u\n", e->mark);
}

/*
 * Visit the table: list (@what 'L'), flush ('F') or count ('C').
 * Bucket by bucket, so that nothing is met twice: going from key to key starts over
 * when the key it stands on is evicted meanwhile.
 */
static int walk(int fd, const struct ct_filter *f, int what, unsigned long *n)
{
	LIBBPF_OPTS(bpf_map_batch_opts, opts, .elem_flags = BPF_F_LOCK);
	struct bpf_map_info info = {};
	__u32 len = sizeof(info), at = 0, got, *from = NULL;
	struct ct_tuple *keys = calloc(BATCH, sizeof(*keys));
	struct ct_entry *entries = calloc(BATCH, sizeof(*entries));
	__u64 now = now_ns();
	int err = 0;

	if (!keys || !entries)
		err = -ENOMEM;
	else if (bpf_obj_get_info_by_fd(fd, &info, &len))
		err = -errno;
	else if (info.key_size != sizeof(*keys) || info.value_size != sizeof(*entries))
		err = -EBADMSG;
	while (!err) {
		got = BATCH;
		err = bpf_map_lookup_batch(fd, from, &at, keys, entries, &got, &opts) ? -errno : 0;
		if (err && err != -ENOENT)
			break;
		from = &at;
		for (__u32 i = 0; i < got; i++) {
			if (entries[i].deadline <= now || !ct_filter_match(f, &entries[i]))
				continue;
			if (what == 'F')
				bpf_map_delete_elem(fd, &keys[i]);
			else if (what == 'L')
				print_entry(&entries[i], now);
			++*n;
		}
	}
	free(keys);
	free(entries);
	return err == -ENOENT ? 0 : err;
}

/* The instance's map, or the one at @path. Return: fd or -errno, message printed. */
static int open_table(const char *path)
{
	struct instance *in = NULL;
	int fd, err;

	if (path) {
		fd = pins_open("%s", path);
		if (fd < 0)
			fprintf(stderr, "bpf-iptables: %s: %s\n", path, strerror(-fd));
		return fd;
	}
	err = instance_peek(&in);
	if (err)
		return err;
	if (!in)
		return instance_none();
	fd = pins_open("%s/g%d/map-conntrack", in->dir, in->gen.number);
	if (fd < 0)
		fprintf(stderr, "bpf-iptables: conntrack: %s\n", strerror(-fd));
	instance_close(in);
	return fd;
}

/* conntrack_used() - entries that live, for the status */
long conntrack_used(const struct instance *in)
{
	int fd = pins_open("%s/g%d/map-conntrack", in->dir, in->gen.number), err;
	struct ct_filter any = CT_FILTER_ANY;
	unsigned long n = 0;

	if (fd < 0)
		return fd;
	err = walk(fd, &any, 'C', &n);
	close(fd);
	return err ? err : (long)n;
}

/**
 * conntrack_main() - list, count, flush; or the settings
 * The count goes to stderr, as conntrack(8) does; that of -C to stdout.
 * Return: exit status.
 */
int conntrack_main(int argc, char **argv)
{
	static const struct option longs[] = {
		{ "dump", no_argument, NULL, 'L' },
		{ "delete", no_argument, NULL, 'D' },
		{ "flush", no_argument, NULL, 'F' },
		{ "count", no_argument, NULL, 'C' },
		{ "map", required_argument, NULL, OPT_MAP },
		{ "sysctl", no_argument, NULL, OPT_SYSCTL },
		CT_FILTER_LONG,
		{ NULL, 0, NULL, 0 },
	};
	struct ct_filter f = CT_FILTER_ANY;
	const char *path = NULL;
	bool settings = false;
	unsigned long n = 0;
	int opt, fd, err, what = 'L';

	optind = 1;
	while ((opt = getopt_long(argc, argv, "LFDC" CT_FILTER_SHORT, longs, NULL)) != -1) {
		switch (opt) {
		case 'L':
		case 'F':
		case 'C':
			what = opt;
			break;
		case 'D':
			what = 'F';
			break;
		case OPT_MAP:
			path = optarg;
			break;
		case OPT_SYSCTL:
			settings = true;
			break;
		default:
			err = ct_filter_option(&f, opt, optarg);
			if (err == -EINVAL)
				fprintf(stderr, "bpf-iptables: conntrack: bad argument `%s'\n", optarg);
			if (err)
				return STATUS_PARAMETER;
		}
	}
	if (settings)
		return ct_params_main(argv + optind, argc - optind);
	if (optind < argc) {
		fprintf(stderr, "bpf-iptables: conntrack: bad argument `%s'\n", argv[optind]);
		return STATUS_PARAMETER;
	}
	fd = open_table(path);
	if (fd < 0)
		return STATUS_OTHER;
	err = walk(fd, &f, what, &n);
	close(fd);
	if (err) {
		fprintf(stderr, "bpf-iptables: conntrack: %s\n", strerror(-err));
		return STATUS_OTHER;
	}
	if (what == 'C')
		printf("%lu\n", n);
	else
		fprintf(stderr, "bpf-iptables: %lu flow entries have been %s.\n", n,
			what == 'F' ? "deleted" : "shown");
	return STATUS_OK;
}
