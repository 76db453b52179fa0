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
#include <stdbool.h>
#include <stdio.h>
#include <string.h>

#include "cmd.h"

/*
 * struct applet - one row
 * @name:	after "bpf-" or "pcn-"
 * @usage:	what --help prints after "Usage: bpf-iptables "; NULL: its main does
 * @alone:	takes no argument but that
 */
struct applet {
	const char *name;
	int (*main)(int argc, char **argv);
	const char *usage;
	bool alone;
};

#define CLEAN_USAGE	"clean\nLet every packet pass and remove every trace.\n"

static const struct applet applets[] = {
	{ .name = "iptables", .main = iptables_main },
	{ .name = "iptables-save", .main = save_main },
	{ .name = "iptables-restore", .main = restore_main },
	{ .name = "iptables-init", .main = init_main },
	{ .name = "iptables-init-xdp", .main = init_xdp_main },
	{ .name = "iptables-clean", .main = clean_main, .usage = CLEAN_USAGE, .alone = true },
};

static const struct applet words[] = {
	{ .name = "save", .main = save_main },
	{ .name = "restore", .main = restore_main },
	{ .name = "init", .main = init_main },
	{ .name = "init-xdp", .main = init_xdp_main },
	{ .name = "clean", .main = clean_main, .usage = CLEAN_USAGE, .alone = true },
	{ .name = "monitor", .main = monitor_main,
	  .usage = "monitor\n"
	  "Cover interfaces that appear and mirror ipsets that change, until killed.\n",
	  .alone = true },
	{ .name = "refresh", .main = refresh_main,
	  .usage = "refresh\nCover interfaces and mirror ipsets as they are now.\n",
	  .alone = true },
	{ .name = "conntrack", .main = conntrack_main,
	  .usage = "conntrack [-L | -C | -F | -D] [FILTER...]\n"
	  "       bpf-iptables conntrack --sysctl [NAME[=[VALUE]]...]\n"
	  "List, count, flush or delete connections (tc, xdp); or show and set timeouts.\n"
	  "FILTER, as conntrack(8) has them: -p PROTO  -s, -d, -r, -q ADDR[/BITS]\n"
	  "  --sport, --dport PORT  --state STATE  -u STATUS[,...]  -m MARK[/MASK]\n" },
	{ .name = "hashlimit", .main = hashlimit_main,
	  .usage = "hashlimit [NAME]\nShow the tables' names, or what is in one.\n" },
	{ .name = "recent", .main = recent_main,
	  .usage = "recent [NAME [+ADDR | -ADDR | /]]\n"
	  "Show the lists' names, or one; add or remove an address, or empty it.\n" },
	{ .name = "log", .main = log_main,
	  .usage = "log [-f] [-l] [-t] [--nflog-group N] [-w FILE]\n"
	  "Write what LOG and NFLOG have recorded: -f and what comes, -l with the level,\n"
	  "-t with the time since boot, -w the packets as pcap.\n" },
	{ .name = "status", .main = status_main,
	  .usage = "status\nShow hook, image, interfaces, events, and what this kernel has.\n",
	  .alone = true },
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

static int run(const struct applet *a, int argc, char **argv)
{
	bool help = argc > 1 && (!strcmp(argv[1], "--help") || !strcmp(argv[1], "-h"));

	if (!a->usage || (!help && !(a->alone && argc > 1)))
		return a->main(argc, argv);
	fprintf(help ? stdout : stderr, "Usage: bpf-iptables %s", a->usage);
	return help ? STATUS_OK : STATUS_PARAMETER;
}

int main(int argc, char **argv)
{
	const struct applet *a, *word;
	static char name[32];
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
			snprintf(name, sizeof(name), "bpf-iptables: %s", word->name);
			argc--;
			argv++;
			argv[0] = name;		/* as messages begin, getopt's too */
			a = word;
		}
	}
	return run(a, argc, argv);
}
