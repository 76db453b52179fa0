// SPDX-License-Identifier: GPL-2.0-only
/*
 * argcheck.c - what is legal on a command line
 *
 * Tables of the base options and of the commands, and the checks of single
 * values. A check that fails ends the process with iptables' message.
 */
#include <ctype.h>
#include <stdio.h>
#include <string.h>

#include "argcheck.h"

const struct option base_options[] = {
	{ "append",	   required_argument, NULL, 'A' },
	{ "check",	   required_argument, NULL, 'C' },
	{ "delete",	   required_argument, NULL, 'D' },
	{ "insert",	   required_argument, NULL, 'I' },
	{ "replace",	   required_argument, NULL, 'R' },
	{ "list",	   optional_argument, NULL, 'L' },
	{ "list-rules",	   optional_argument, NULL, 'S' },
	{ "flush",	   optional_argument, NULL, 'F' },
	{ "zero",	   optional_argument, NULL, 'Z' },
	{ "new-chain",	   required_argument, NULL, 'N' },
	{ "delete-chain",  optional_argument, NULL, 'X' },
	{ "rename-chain",  required_argument, NULL, 'E' },
	{ "policy",	   required_argument, NULL, 'P' },
	{ "source",	   required_argument, NULL, 's' },
	{ "src",	   required_argument, NULL, 's' },
	{ "destination",   required_argument, NULL, 'd' },
	{ "dst",	   required_argument, NULL, 'd' },
	{ "protocol",	   required_argument, NULL, 'p' },
	{ "in-interface",  required_argument, NULL, 'i' },
	{ "out-interface", required_argument, NULL, 'o' },
	{ "jump",	   required_argument, NULL, 'j' },
	{ "goto",	   required_argument, NULL, 'g' },
	{ "match",	   required_argument, NULL, 'm' },
	{ "table",	   required_argument, NULL, 't' },
	{ "fragments",	   no_argument,	      NULL, 'f' },
	{ "numeric",	   no_argument,	      NULL, 'n' },
	{ "verbose",	   no_argument,	      NULL, 'v' },
	{ "exact",	   no_argument,	      NULL, 'x' },
	{ "line-numbers",  no_argument,	      NULL, '0' },
	{ "set-counters",  required_argument, NULL, 'c' },
	{ "wait",	   optional_argument, NULL, 'w' },
	{ "wait-interval", optional_argument, NULL, 'W' },
	{ "modprobe",	   required_argument, NULL, 'M' },
	{ "version",	   no_argument,	      NULL, 'V' },
	{ "help",	   optional_argument, NULL, 'h' },
	{ "ipv4",	   no_argument,	      NULL, '4' },
	{ "ipv6",	   no_argument,	      NULL, '6' },
	{ NULL },
};

#define RULE_OR_POLICY	(CMD_INSERT | CMD_REPLACE | CMD_APPEND | CMD_POLICY)

/* Letter for messages, what `!` sets (0: not invertible), and with which commands. */
static const struct option_row {
	unsigned int opt;
	char letter;
	__u8 invert;
	unsigned int commands;
} option_rows[] = {
	{ OPT_NUMERIC,	   'n', 0,		  CMD_LIST },
	{ OPT_SOURCE,	   's', IPT_INV_SRCIP,	  CMD_RULE },
	{ OPT_DESTINATION, 'd', IPT_INV_DSTIP,	  CMD_RULE },
	{ OPT_PROTOCOL,	   'p', XT_INV_PROTO,	  CMD_RULE },
	{ OPT_JUMP,	   'j', 0,		  CMD_RULE },
	{ OPT_VERBOSE,	   'v', 0,		  ~0u },
	{ OPT_EXPANDED,	   'x', 0,		  CMD_LIST },
	{ OPT_IN,	   'i', IPT_INV_VIA_IN,	  CMD_RULE },
	{ OPT_OUT,	   'o', IPT_INV_VIA_OUT,  CMD_RULE },
	{ OPT_LINENUMBERS, '0', 0,		  CMD_LIST },
	{ OPT_COUNTERS,	   'c', 0,		  RULE_OR_POLICY },
	{ OPT_FRAGMENT,	   'f', IPT_INV_FRAG,	  CMD_RULE },
};

static const struct {
	unsigned int command;
	char letter;
} command_letters[] = {
	{ CMD_INSERT, 'I' }, { CMD_DELETE, 'D' }, { CMD_DELETE_NUM, 'D' },
	{ CMD_REPLACE, 'R' }, { CMD_APPEND, 'A' }, { CMD_LIST, 'L' },
	{ CMD_FLUSH, 'F' }, { CMD_ZERO, 'Z' }, { CMD_NEW, 'N' },
	{ CMD_DELETE_CHAIN, 'X' }, { CMD_POLICY, 'P' }, { CMD_RENAME, 'E' },
	{ CMD_LIST_RULES, 'S' }, { CMD_ZERO_NUM, 'Z' }, { CMD_CHECK, 'C' },
};

/* The letter of the highest command in @commands. */
static char letter_of(unsigned int commands)
{
	char letter = '?';

	for (size_t i = 0; i < sizeof(command_letters) / sizeof(*command_letters); i++)
		if (commands & command_letters[i].command)
			letter = command_letters[i].letter;
	return letter;
}

void arg_set_command(struct command *cmd, unsigned int new, unsigned int beside, bool invert)
{
	unsigned int *have = &cmd->commands;

	if (invert)
		wrong("unexpected '!' flag");
	if (*have & ~beside)
		wrong("Cannot use -%c with -%c", letter_of(new), letter_of(*have & ~beside));
	*have |= new;
}

void arg_set_option(struct command *cmd, unsigned int opt, bool invert)
{
	const struct option_row *row = option_rows;

	while (row->opt != opt)
		row++;
	if (cmd->options & opt)
		wrong("multiple -%c flags not allowed", row->letter);
	cmd->options |= opt;
	if (!invert)
		return;
	if (!row->invert)
		wrong("cannot have ! before -%c", row->letter);
	cmd->ip.invflags |= row->invert;
}

unsigned int arg_rule_number(const char *word)
{
	unsigned int n;

	if (!xtables_strtoui(word, NULL, &n, 1, INT_MAX))
		wrong("Invalid rule number `%s'", word);
	return n;
}

void arg_check_name_length(const char *name)
{
	if (strlen(name) >= XT_EXTENSION_MAXNAMELEN)
		wrong("chain name `%s' too long (must be under %u chars)", name,
		      XT_EXTENSION_MAXNAMELEN);
}

void arg_check_new_name(const char *name)
{
	arg_check_name_length(name);
	if (*name == '-' || *name == '!')
		wrong("chain name not allowed to start with `%c'", *name);
	if (xtables_find_target(name, XTF_TRY_LOAD))
		wrong("chain name may not clash with target name");
	for (const char *s = name; *s; s++)
		if (isspace((unsigned char)*s))
			wrong("Invalid chain name `%s'", name);
}

const char *arg_check_target_name(const char *name)
{
	if (!*name)
		wrong("Invalid target name (too short)");
	if (strlen(name) >= XT_EXTENSION_MAXNAMELEN)
		wrong("Invalid target name `%s' (%u chars max)", name,
		      XT_EXTENSION_MAXNAMELEN - 1);
	for (const char *s = name; *s; s++)
		if (isspace((unsigned char)*s))
			wrong("Invalid target name `%s'", name);
	return name;
}

/* Every option must go with at least one of the commands given. */
void arg_check_options(const struct command *cmd)
{
	for (size_t i = 0; i < sizeof(option_rows) / sizeof(*option_rows); i++)
		if ((cmd->options & option_rows[i].opt) &&
		    !(cmd->commands & option_rows[i].commands))
			wrong("Illegal option `-%c' with this command",
			      option_rows[i].letter);
}

void arg_check_interfaces(const struct command *cmd)
{
	if (!(cmd->commands & CMD_RULE))
		return;
	if ((cmd->options & OPT_OUT) &&
	    (!strcmp(cmd->chain, "INPUT") || !strcmp(cmd->chain, "PREROUTING")))
		wrong("Can't use -%c with %s\n", 'o', cmd->chain);
	if ((cmd->options & OPT_IN) &&
	    (!strcmp(cmd->chain, "OUTPUT") || !strcmp(cmd->chain, "POSTROUTING")))
		wrong("Can't use -%c with %s\n", 'i', cmd->chain);
}
