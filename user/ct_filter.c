// SPDX-License-Identifier: GPL-2.0-only
/*
 * ct_filter.c - the filters of `bpf-iptables conntrack'
 *
 *	-p tcp --dport 80 --state ESTABLISHED -s 10.0.0.0/8 -u ASSURED -m 0x10/0xf0
 *
 * A port is asked of the protocols that have ports: what has none is not met. A state is
 * asked by name, and TCP and SCTP share one (ESTABLISHED).
 */
#include <arpa/inet.h>
#include <errno.h>
#include <netdb.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>

#include "ct_filter.h"

static const char *const tcp_names[] = CT_TCP_NAMES;
static const char *const sctp_names[] = CT_SCTP_NAMES;

_Static_assert(sizeof(tcp_names) / sizeof(tcp_names[0]) == CT_TCP_MAX, "TCP state names");
_Static_assert(sizeof(sctp_names) / sizeof(sctp_names[0]) == CT_SCTP_MAX, "SCTP state names");

/* struct status - a name of -u: bits that must be there, or must not */
static const struct status {
	const char *name;
	__u32 set, clear;
} statuses[] = {
	{ "SEEN_REPLY", CTS_SEEN_REPLY, 0 },
	{ "UNREPLIED", 0, CTS_SEEN_REPLY },
	{ "ASSURED", CTS_ASSURED, 0 },
	{ "EXPECTED", CTS_EXPECTED, 0 },
	{ "CONFIRMED", CTS_CONFIRMED, 0 },
};

static int parse_addr(const char *word, struct ct_addr *a)
{
	char buf[INET_ADDRSTRLEN], *end;
	const char *slash = strchr(word, '/');
	size_t n = slash ? (size_t)(slash - word) : strlen(word);
	long bits = 32;

	if (n >= sizeof(buf))
		return -EINVAL;
	memcpy(buf, word, n);
	buf[n] = 0;
	if (slash) {
		bits = strtol(slash + 1, &end, 10);
		if (end == slash + 1 || *end || bits < 0 || bits > 32)
			return -EINVAL;
	}
	if (inet_pton(AF_INET, buf, &a->addr) != 1)
		return -EINVAL;
	a->mask = bits ? htonl(~0u << (32 - bits)) : 0;
	return 0;
}

static int parse_proto(const char *word)
{
	struct protoent *pe;
	char *end;
	long n = strtol(word, &end, 10);

	if (end != word && !*end)
		return n >= 0 && n <= 255 ? (int)n : -EINVAL;
	pe = getprotobyname(word);
	return pe ? pe->p_proto : -EINVAL;
}

static int parse_port(const char *word)
{
	char *end;
	long n = strtol(word, &end, 10);

	if (end != word && !*end)
		return n >= 0 && n <= 65535 ? (int)n : -EINVAL;
	return -EINVAL;
}

const char *ct_state_name(const struct ct_entry *e)
{
	if (e->orig.proto == IPPROTO_TCP && e->state < CT_TCP_MAX)
		return tcp_names[e->state];
	if (e->orig.proto == IPPROTO_SCTP && e->state < CT_SCTP_MAX)
		return sctp_names[e->state];
	return NULL;
}

/* The first name, NONE, is no state of an entry. */
static bool is_name(const char *const names[], int n, const char *word)
{
	for (int i = 1; i < n; i++)
		if (!strcasecmp(names[i], word))
			return true;
	return false;
}

static int parse_state(struct ct_filter *f, const char *word)
{
	f->state = word;
	return is_name(tcp_names, CT_TCP_MAX, word) || is_name(sctp_names, CT_SCTP_MAX, word) ?
	       0 : -EINVAL;
}

/* A list: NAME,NAME... */
static int parse_status(struct ct_filter *f, const char *word)
{
	size_t len, i;

	for (; *word; word += len + (word[len] == ',')) {
		len = strcspn(word, ",");
		for (i = 0; i < sizeof(statuses) / sizeof(statuses[0]); i++)
			if (strlen(statuses[i].name) == len &&
			    !strncasecmp(statuses[i].name, word, len))
				break;
		if (i == sizeof(statuses) / sizeof(statuses[0]))
			return -EINVAL;
		f->status |= statuses[i].set;
		f->not_status |= statuses[i].clear;
	}
	return f->status | f->not_status ? 0 : -EINVAL;
}

static int parse_mark(struct ct_filter *f, const char *word)
{
	char *end;
	unsigned long mark = strtoul(word, &end, 0), mask = 0xffffffff;

	if (end == word || (*end && *end != '/'))
		return -EINVAL;
	if (*end) {
		word = end + 1;
		mask = strtoul(word, &end, 0);
		if (end == word || *end)
			return -EINVAL;
	}
	if (mark > 0xffffffff || mask > 0xffffffff)
		return -EINVAL;
	f->mark = mark;
	f->mark_mask = mask;
	return 0;
}

static int not_negative(int value)
{
	return value < 0 ? value : 0;
}

int ct_filter_option(struct ct_filter *f, int opt, const char *arg)
{
	switch (opt) {
	case 'p':
		return not_negative(f->proto = parse_proto(arg));
	case 's':
		return parse_addr(arg, &f->addr[0]);
	case 'd':
		return parse_addr(arg, &f->addr[1]);
	case 'r':
		return parse_addr(arg, &f->addr[2]);
	case 'q':
		return parse_addr(arg, &f->addr[3]);
	case 'm':
		return parse_mark(f, arg);
	case 'u':
		return parse_status(f, arg);
	case CT_OPT_SPORT:
		return not_negative(f->sport = parse_port(arg));
	case CT_OPT_DPORT:
		return not_negative(f->dport = parse_port(arg));
	case CT_OPT_STATE:
		return parse_state(f, arg);
	}
	return -ENOENT;
}

static bool has_ports(__u8 proto)
{
	return proto == IPPROTO_TCP || proto == IPPROTO_UDP || proto == IPPROTO_UDPLITE ||
	       proto == IPPROTO_SCTP;
}

static bool in(const struct ct_addr *a, __be32 addr)
{
	return !((addr ^ a->addr) & a->mask);
}

bool ct_filter_match(const struct ct_filter *f, const struct ct_entry *e)
{
	const struct ct_tuple *t = &e->orig;
	const char *state = ct_state_name(e);

	if (f->proto >= 0 && f->proto != t->proto)
		return false;
	if (!in(&f->addr[0], t->src) || !in(&f->addr[1], t->dst) ||
	    !in(&f->addr[2], t->dst) || !in(&f->addr[3], t->src))
		return false;
	if ((f->sport >= 0 || f->dport >= 0) && !has_ports(t->proto))
		return false;
	if ((f->sport >= 0 && f->sport != ntohs(t->sport)) ||
	    (f->dport >= 0 && f->dport != ntohs(t->dport)))
		return false;
	if (f->state && (!state || strcasecmp(state, f->state)))
		return false;
	return (e->status & f->status) == f->status && !(e->status & f->not_status) &&
	       !((e->mark ^ f->mark) & f->mark_mask);
}
