// SPDX-License-Identifier: GPL-2.0-only
/*
 * ct_params.c - conntrack's timeouts and switches (tc, xdp): one place for all of them
 *
 * A row is named as its sysctl, net.netfilter.nf_conntrack_NAME. Its value is, in this
 * order: what was set by hand (`bpf-iptables conntrack --sysctl NAME=VALUE'), until
 * NAME= takes that back; the namespace's sysctl, where nf_conntrack is there; the
 * kernel's own default. Sysctls are read at every change of a ruleset that uses
 * conntrack, by bpf-iptables-init, refresh, and by --sysctl itself.
 *
 * All programs share one map with struct ct_params, and read it packet by packet. What
 * was set by hand is noted in it (@set, a bit per row), so it stays when the programs
 * are loaded anew.
 */
#include <errno.h>
#include <limits.h>
#include <stddef.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>
#include <bpf/bpf.h>

#include "../progs/abi/ct.h"
#include "cmd.h"
#include "instance_int.h"

#define SYSCTL_DIR	"/proc/sys/net/netfilter/nf_conntrack_"

/* struct row - a field of struct ct_params, @size 1 or 4; @max: its highest value */
struct row {
	const char *name;
	size_t off;
	size_t size;
	long max;
};

#define FIELD(field)	offsetof(struct ct_params, field), sizeof(defaults.field)
#define SECONDS(name, field)	{ name, FIELD(field), INT_MAX }
#define SWITCH(field)		{ #field, FIELD(field), 1 }

static const struct ct_params defaults = CT_PARAMS_DEFAULT;

static const struct row rows[] = {
	SECONDS("tcp_timeout_syn_sent", tcp[CT_TCP_SYN_SENT]),
	SECONDS("tcp_timeout_syn_recv", tcp[CT_TCP_SYN_RECV]),
	SECONDS("tcp_timeout_established", tcp[CT_TCP_ESTABLISHED]),
	SECONDS("tcp_timeout_fin_wait", tcp[CT_TCP_FIN_WAIT]),
	SECONDS("tcp_timeout_close_wait", tcp[CT_TCP_CLOSE_WAIT]),
	SECONDS("tcp_timeout_last_ack", tcp[CT_TCP_LAST_ACK]),
	SECONDS("tcp_timeout_time_wait", tcp[CT_TCP_TIME_WAIT]),
	SECONDS("tcp_timeout_close", tcp[CT_TCP_CLOSE]),
	SECONDS("tcp_timeout_max_retrans", tcp_retrans),
	SECONDS("tcp_timeout_unacknowledged", tcp_unack),
	{ "tcp_max_retrans", FIELD(tcp_max_retrans), 255 },
	SWITCH(tcp_loose),
	SWITCH(tcp_be_liberal),
	SWITCH(tcp_ignore_invalid_rst),
	SWITCH(checksum),
	SECONDS("udp_timeout", udp),
	SECONDS("udp_timeout_stream", udp_stream),
	SECONDS("icmp_timeout", icmp),
	SECONDS("gre_timeout", gre),
	SECONDS("gre_timeout_stream", gre_stream),
	SECONDS("generic_timeout", generic),
	SECONDS("sctp_timeout_closed", sctp[CT_SCTP_CLOSED]),
	SECONDS("sctp_timeout_cookie_wait", sctp[CT_SCTP_COOKIE_WAIT]),
	SECONDS("sctp_timeout_cookie_echoed", sctp[CT_SCTP_COOKIE_ECHOED]),
	SECONDS("sctp_timeout_established", sctp[CT_SCTP_ESTABLISHED]),
	SECONDS("sctp_timeout_shutdown_sent", sctp[CT_SCTP_SHUTDOWN_SENT]),
	SECONDS("sctp_timeout_shutdown_recd", sctp[CT_SCTP_SHUTDOWN_RECD]),
	SECONDS("sctp_timeout_shutdown_ack_sent", sctp[CT_SCTP_SHUTDOWN_ACK_SENT]),
	SECONDS("sctp_timeout_heartbeat_sent", sctp[CT_SCTP_HEARTBEAT_SENT]),
};

#define NR_ROWS		(sizeof(rows) / sizeof(rows[0]))

_Static_assert(NR_ROWS <= 64, "ct_params.set has a bit for each");

static long row_get(const struct ct_params *p, const struct row *r)
{
	const char *at = (const char *)p + r->off;
	__u32 value;

	if (r->size == 1)
		return *(const __u8 *)at;
	memcpy(&value, at, sizeof(value));
	return value;
}

static void row_put(struct ct_params *p, const struct row *r, long value)
{
	char *at = (char *)p + r->off;
	__u32 word = value;

	if (r->size == 1)
		*(__u8 *)at = value;
	else
		memcpy(at, &word, sizeof(word));
}

static const struct row *row_named(const char *name, size_t len)
{
	static const char prefix[] = "nf_conntrack_", path[] = "net.netfilter.";

	if (!strncmp(name, path, sizeof(path) - 1) && len > sizeof(path) - 1) {
		name += sizeof(path) - 1;
		len -= sizeof(path) - 1;
	}
	if (!strncmp(name, prefix, sizeof(prefix) - 1) && len > sizeof(prefix) - 1) {
		name += sizeof(prefix) - 1;
		len -= sizeof(prefix) - 1;
	}
	for (size_t i = 0; i < NR_ROWS; i++)
		if (strlen(rows[i].name) == len && !memcmp(rows[i].name, name, len))
			return &rows[i];
	return NULL;
}

/* The namespace's sysctl, or -1: there is none. */
static long sysctl_of(const struct row *r)
{
	char path[sizeof(SYSCTL_DIR) + 64];
	long value = -1;
	FILE *f;

	snprintf(path, sizeof(path), SYSCTL_DIR "%s", r->name);
	f = fopen(path, "r");
	if (!f)
		return -1;
	if (fscanf(f, "%ld", &value) != 1 || value < 0 || value > INT_MAX)
		value = -1;
	fclose(f);
	return r->max == 1 && value > 1 ? 1 : value;
}

static int map_open(const struct instance *in)
{
	return pins_open("%s/g%d/map-ct_params", in->dir, in->gen.number);
}

static int params_read(int fd, struct ct_params *p)
{
	__u32 zero = 0;

	return bpf_map_lookup_elem(fd, &zero, p) ? -errno : 0;
}

static int params_write(int fd, const struct ct_params *p)
{
	__u32 zero = 0;

	return bpf_map_update_elem(fd, &zero, p, BPF_ANY) ? -errno : 0;
}

/* Rows that were not set by hand take their sysctl's value. */
static void follow(struct ct_params *p)
{
	for (size_t i = 0; i < NR_ROWS; i++) {
		long value;

		if (p->set >> i & 1)
			continue;
		value = sysctl_of(&rows[i]);
		row_put(p, &rows[i], value < 0 ? row_get(&defaults, &rows[i]) : value);
	}
}

int ct_params_follow(const struct instance *in)
{
	struct ct_params p;
	int fd = map_open(in), err;

	if (fd < 0)
		return fd;
	err = params_read(fd, &p);
	if (!err) {
		follow(&p);
		err = params_write(fd, &p);
	}
	close(fd);
	return err;
}

static void row_print(const struct ct_params *p, size_t i, const char *prefix)
{
	long value = row_get(p, &rows[i]);
	const char *from = "default";

	if (p->set >> i & 1)
		from = "set";
	else if (value != row_get(&defaults, &rows[i]))
		from = "sysctl";
	printf("%s%s = %ld (%s)\n", prefix, rows[i].name, value, from);
}

int ct_params_print(const struct instance *in, const char *prefix, bool all)
{
	struct ct_params p;
	int fd = map_open(in), err;

	if (fd < 0)
		return fd;
	err = params_read(fd, &p);
	close(fd);
	for (size_t i = 0; !err && i < NR_ROWS; i++)
		if (all || p.set >> i & 1 || row_get(&p, &rows[i]) != row_get(&defaults, &rows[i]))
			row_print(&p, i, prefix);
	return err;
}

/* One word of --sysctl into @p, or printed. Return: exit status. */
static int word_obey(struct ct_params *p, const char *word)
{
	const char *eq = strchr(word, '=');
	const struct row *r = row_named(word, eq ? (size_t)(eq - word) : strlen(word));
	char *end;
	long value;
	size_t i;

	if (!r) {
		fprintf(stderr, "bpf-iptables: conntrack: no such setting: `%s'\n", word);
		return STATUS_PARAMETER;
	}
	i = r - rows;
	if (!eq) {
		row_print(p, i, "");
		return STATUS_OK;
	}
	if (!eq[1]) {
		p->set &= ~(1ull << i);
		return STATUS_OK;
	}
	errno = 0;
	value = strtol(eq + 1, &end, 10);
	if (*end || errno || value < 0 || value > r->max) {
		fprintf(stderr, "bpf-iptables: conntrack: %s: `%s' is not between 0 and %ld\n",
			r->name, eq + 1, r->max);
		return STATUS_PARAMETER;
	}
	row_put(p, r, value);
	p->set |= 1ull << i;
	return STATUS_OK;
}

static int obey(const struct instance *in, char *const words[], int n)
{
	struct ct_params p;
	int fd = map_open(in), status = STATUS_OK, err;

	if (fd < 0) {
		fprintf(stderr, "bpf-iptables: conntrack: the kernel's own is in use: sysctl net.netfilter\n");
		return STATUS_OTHER;
	}
	err = params_read(fd, &p);
	if (!err)
		follow(&p);
	for (int i = 0; !err && i < n && !status; i++)
		status = word_obey(&p, words[i]);
	if (!err && !status) {
		follow(&p);
		err = params_write(fd, &p);
	}
	close(fd);
	if (!err && !status && !n)
		err = ct_params_print(in, "", true);
	if (err)
		fprintf(stderr, "bpf-iptables: conntrack: %s\n", strerror(-err));
	return err ? STATUS_OTHER : status;
}

int ct_params_main(char *const words[], int n)
{
	struct instance *in = NULL;
	int lock = instance_lock(-1), status = STATUS_OTHER;

	if (lock < 0)
		return STATUS_RESOURCE;
	if (!instance_open(&in, false)) {
		if (in)
			status = obey(in, words, n);
		else
			instance_none();
	}
	instance_close(in);
	close(lock);
	return status;
}
