/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * cmd.h - the commands of the multi-call binary
 *
 * Every command is NAME_main(argc, argv), argv[0] being the name it was called
 * by, and returns the exit status. main.c holds the table; a new command is one
 * row there and one line here.
 */
#ifndef BPFIPT_CMD_H
#define BPFIPT_CMD_H

#include <stdbool.h>

/* Exit statuses of iptables(8). */
enum {
	STATUS_OK	 = 0,
	STATUS_OTHER	 = 1,	/* the ruleset or the kernel refused */
	STATUS_PARAMETER = 2,	/* the command line is wrong */
	STATUS_VERSION	 = 3,	/* no such table */
	STATUS_RESOURCE	 = 4,	/* the lock is taken, or may not be taken */
};

/* The version that clients parse from -V and from messages: the one we equal. */
#define IPTABLES_VERSION	"1.8.9"

int iptables_main(int argc, char **argv);
int save_main(int argc, char **argv);
int restore_main(int argc, char **argv);

/* user/setup.c */
int init_main(int argc, char **argv);
int init_xdp_main(int argc, char **argv);
int clean_main(int argc, char **argv);
int monitor_main(int argc, char **argv);
int refresh_main(int argc, char **argv);

/* user/conntrack.c */
int log_main(int argc, char **argv);
int conntrack_main(int argc, char **argv);
int status_main(int argc, char **argv);

/* user/named_view.c */
int recent_main(int argc, char **argv);
int hashlimit_main(int argc, char **argv);

/*
 * netns_option() - obey `-n NAME` or `--netns NAME` as the first argument
 * @argc, @argv: the two words are taken out when they were obeyed
 * @file_arg:	`-n FILE` means something else (iptables-restore): there `-n NAME`
 *		is a namespace only if one has that name and no file has
 * Return: 0, or an exit status with the message on stderr.
 */
int netns_option(int *argc, char **argv, bool file_arg);

/*
 * native_exec() - become the native tool, arguments unchanged
 * @tool:	"", "-save" or "-restore"
 * Return: only on failure: -ENOENT when there is none, or -errno.
 */
int native_exec(const char *tool, char **argv);

/* native_table_of() - `-t` of an iptables command line; NULL: cannot tell yet */
const char *native_table_of(int argc, char **argv);

/*
 * native_save() - print the native tool's tables, except filter
 * @filter:	called once, where the native filter table would have stood
 * Return: exit status.
 */
int native_save(char **argv, int (*filter)(void));

/*
 * native_restore() - feed one table's lines to the native iptables-restore
 * @first_line:	line number of @text in the file: messages keep their numbers
 * @text, @len: "*table\n" ... "COMMIT\n"
 * @args:	options to pass, NULL-terminated
 * Return: exit status.
 */
int native_restore(unsigned int first_line, const char *text, unsigned long len,
		   const char *const *args);

#endif /* BPFIPT_CMD_H */
