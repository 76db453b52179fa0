/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * ct_filter.h - which entries `bpf-iptables conntrack' lists, counts or flushes
 *
 * The options are those of conntrack(8). All that are given must hold; addresses and
 * ports are the original direction's unless their name says reply.
 */
#ifndef BPFIPT_CT_FILTER_H
#define BPFIPT_CT_FILTER_H

#include <stdbool.h>
#include <linux/types.h>

#include "../progs/abi/ct.h"

struct ct_addr {
	__be32 addr;
	__be32 mask;
};

/*
 * struct ct_filter
 * @proto, @sport, @dport: -1: any
 * @state:	name of one, of TCP or SCTP, the caller's string; NULL: any
 * @status, @not_status: CTS_* that must, must not be set
 */
struct ct_filter {
	int proto;
	struct ct_addr addr[4];		/* source, destination, reply source, destination */
	int sport;
	int dport;
	const char *state;
	__u32 status;
	__u32 not_status;
	__u32 mark;
	__u32 mark_mask;
};

#define CT_FILTER_ANY	{ .proto = -1, .sport = -1, .dport = -1 }

/* Options of getopt_long() that ct_filter_option() understands. */
#define CT_FILTER_SHORT	"p:s:d:r:q:m:u:"
#define CT_FILTER_LONG						\
	{ "proto", required_argument, NULL, 'p' },		\
	{ "src", required_argument, NULL, 's' },		\
	{ "orig-src", required_argument, NULL, 's' },		\
	{ "dst", required_argument, NULL, 'd' },		\
	{ "orig-dst", required_argument, NULL, 'd' },		\
	{ "reply-src", required_argument, NULL, 'r' },		\
	{ "reply-dst", required_argument, NULL, 'q' },		\
	{ "sport", required_argument, NULL, CT_OPT_SPORT },	\
	{ "orig-port-src", required_argument, NULL, CT_OPT_SPORT },	\
	{ "dport", required_argument, NULL, CT_OPT_DPORT },	\
	{ "orig-port-dst", required_argument, NULL, CT_OPT_DPORT },	\
	{ "state", required_argument, NULL, CT_OPT_STATE },	\
	{ "status", required_argument, NULL, 'u' },		\
	{ "mark", required_argument, NULL, 'm' }

enum {
	CT_OPT_SPORT = 256,
	CT_OPT_DPORT,
	CT_OPT_STATE,
	CT_OPT_OTHER,	/* the caller's own start here */
};

/* ct_filter_option() - Return: 0; -EINVAL: bad @arg; -ENOENT: no option of the filter. */
int ct_filter_option(struct ct_filter *f, int opt, const char *arg);

/* ct_state_name() - what TCP or SCTP calls the entry's state; NULL: another protocol */
const char *ct_state_name(const struct ct_entry *e);

bool ct_filter_match(const struct ct_filter *f, const struct ct_entry *e);

#endif /* BPFIPT_CT_FILTER_H */
