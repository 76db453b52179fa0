// SPDX-License-Identifier: GPL-2.0-only
/*
 * main.c - which command was asked for
 *
 * One binary, many names. The basename of argv[0], without a leading "bpf-" or
 * "pcn-", selects the row; `bpf-iptables WORD ...` selects a sub-command by its
 * first word, which no iptables command line starts with.
 *
 *	bpf-iptables-save -c		save_main
 *	pcn-iptables -A INPUT ...	iptables_main
 *	bpf-iptables -n blue -L		iptables_main in namespace "blue"
 *	bpf-iptables status		status_main
 */
#include <stdio.h>
#include <string.h>

#include "cmd.h"

struct applet {
	const char *name;	/* after "bpf-" or "pcn-" */
	int (*main)(int argc, char **argv);
};

static const struct applet applets[] = {
	{ "iptables",		iptables_main },
	{ "iptables-save",	save_main },
	{ "iptables-restore",	restore_main },
	{ "iptables-init",	init_main },
	{ "iptables-init-xdp",	init_xdp_main },
	{ "iptables-clean",	clean_main },
};

static const struct applet words[] = {
	{ "save",	save_main },
	{ "restore",	restore_main },
	{ "init",	init_main },
	{ "init-xdp",	init_xdp_main },
	{ "clean",	clean_main },
	{ "monitor",	monitor_main },
	{ "refresh",	refresh_main },
	{ "conntrack",	conntrack_main },
	{ "hashlimit",	hashlimit_main },
	{ "recent",	recent_main },
	{ "log",	log_main },
	{ "status",	status_main },
};

#define ROWS(table)	(sizeof(table) / sizeof((table)[0]))

static const struct applet *lookup(const struct applet *table, size_t n, const char *name)
{
	for (size_t i = 0; i < n; i++)
		if (!strcmp(table[i].name, name))
			return &table[i];
	return NULL;
}

static const struct applet *by_program_name(const char *path)
{
	const char *slash = strrchr(path, '/');
	const char *name = slash ? slash + 1 : path;
	const struct applet *a;

	if (!strncmp(name, "bpf-", 4) || !strncmp(name, "pcn-", 4))
		name += 4;
	a = lookup(applets, ROWS(applets), name);
	return a ? a : &applets[0];
}

int main(int argc, char **argv)
{
	const struct applet *a, *word;
	int status;

	if (argc < 1)
		return STATUS_OTHER;
	a = by_program_name(argv[0]);
	status = netns_option(&argc, argv, a->main == restore_main);
	if (status)
		return status;

	if (a->main == iptables_main && argc > 1) {
		word = lookup(words, ROWS(words), argv[1]);
		if (word) {
			argc--;
			argv++;
			a = word;
		}
	}
	return a->main(argc, argv);
}
