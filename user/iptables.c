// SPDX-License-Identifier: GPL-2.0-only
/*
 * iptables.c - the iptables command
 *
 *	parse -> lock -> load -> edit -> commit -> unlock
 *
 * Silent on success. Every other table is the native tool's.
 */
#include <errno.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "edit.h"
#include "cmd.h"
#include "session.h"

static int no_such_table(const char *table)
{
	xtables_error(VERSION_PROBLEM, "can't initialize iptables table `%s': "
		      "Table does not exist (do you need to insmod?)", table);
	return STATUS_VERSION;
}

static int report(int err, const char *text)
{
	fflush(stdout);
	fprintf(stderr, err == EINVAL ? "iptables: %s. Run `dmesg' for more information.\n" :
		"iptables: %s.\n", text);
	return err == EAGAIN ? STATUS_RESOURCE : STATUS_OTHER;
}

static int filter_command(struct command *cmd)
{
	static struct session s;	/* what it holds goes with the process */
	struct edit_error why = { 0 };
	char text[256];
	int status, err;

	status = session_begin(&s, cmd->wait);
	if (status)
		return status;

	if (!edit_apply(s.rs, cmd, &why))
		return report(why.err, why.text);
	if (!(cmd->commands & ~CMD_READ_ONLY))
		return 0;
	err = session_commit(&s, false, text);
	if (err == -EOPNOTSUPP)
		xtables_error(PARAMETER_PROBLEM, "%s", text);
	return err ? report(-err, edit_strerror(-err)) : 0;
}

/* A copy of @argv that survives what parsing does to it. */
static char **copy_argv(int argc, char **argv)
{
	char **copy = xtables_calloc(argc + 1, sizeof(*copy));

	for (int i = 0; i < argc; i++)
		copy[i] = xtables_strdup(argv[i]);
	return copy;
}

static void free_argv(char **argv)
{
	for (char **p = argv; *p; p++)
		free(*p);
	free(argv);
}

/**
 * iptables_main() - the iptables command
 */
int iptables_main(int argc, char **argv)
{
	const char *table = native_table_of(argc, argv);
	char **original = NULL;
	struct command cmd;
	int status;

	signal(SIGPIPE, SIG_IGN);
	xt_init("iptables", base_options);
	if (table && strcmp(table, "filter")) {
		native_exec("", argv);
		return no_such_table(table);
	}
	if (!table)
		original = copy_argv(argc, argv);

	command_parse(argc, argv, false, &cmd);
	if (strcmp(cmd.table, "filter")) {
		native_exec("", original ? original : argv);
		status = no_such_table(cmd.table);
	} else {
		status = filter_command(&cmd);
	}
	command_free(&cmd);
	if (original)
		free_argv(original);
	return status;
}
