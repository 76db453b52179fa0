// SPDX-License-Identifier: GPL-2.0-only
/*
 * args.c - argv -> struct command
 *
 * getopt_long() walks the words; the base options are handled here, all others
 * go to the extensions named so far (xt.c). After the last word come the checks
 * that need the whole line (argcheck.c): does the option go with the command, is
 * anything missing. Messages and their order are those of iptables 1.8.9.
 *
 * `!` is a word of its own and inverts the option that follows it.
 */
#include <ctype.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "args.h"
#include "argcheck.h"
#include "cmd.h"
#include "names.h"

/* The line while it is being read. */
struct parse {
	struct command *cmd;
	struct xt_rule xr;
	int argc;
	char **argv;
	bool restore;
	bool invert;
	bool table_set;
	bool wait_interval;
	char *src, *dst;
};

static void set_command(struct parse *p, unsigned int new, unsigned int beside)
{
	arg_set_command(p->cmd, new, beside, p->invert);
}

static void set_option(struct parse *p, unsigned int opt)
{
	arg_set_option(p->cmd, opt, p->invert);
}

/* Is the next word an argument, for options whose argument may be missing? */
static bool has_word(int argc, char **argv)
{
	return optind < argc && argv[optind][0] != '-' && argv[optind][0] != '!';
}

static char *next_word(struct parse *p)
{
	return has_word(p->argc, p->argv) ? p->argv[optind++] : NULL;
}

int parse_wait(int argc, char **argv)
{
	const char *word = optarg;
	int seconds = -1;

	if (!word && has_word(argc, argv))
		word = argv[optind++];
	if (word && sscanf(word, "%i", &seconds) != 1)
		wrong("wait seconds not numeric");
	return seconds;
}

void parse_wait_interval(int argc, char **argv)
{
	const char *word = optarg;
	unsigned int usec;

	if (!word && has_word(argc, argv))
		word = argv[optind++];
	if (!word)
		wrong("wait interval value required");
	if (sscanf(word, "%u", &usec) != 1)
		wrong("wait interval not numeric");
	if (usec > 999999)
		wrong("too long usec wait %u > 999999 usec", usec);
	fprintf(stderr, "Ignoring deprecated --wait-interval option.\n");
}

static void set_counters(struct parse *p)
{
	const char *packets = optarg, *bytes = *packets ? strchr(packets + 1, ',') : NULL;
	unsigned long long n;

	set_option(p, OPT_COUNTERS);
	bytes = bytes ? bytes + 1 : next_word(p);
	if (!bytes)
		wrong("-%c requires packet and byte counter", 'c');
	if (sscanf(packets, "%llu", &n) != 1)
		wrong("-%c packet counter not numeric", 'c');
	p->cmd->packets = n;
	if (sscanf(bytes, "%llu", &n) != 1)
		wrong("-%c byte counter not numeric", 'c');
	p->cmd->bytes = n;
}

static void set_protocol(struct parse *p)
{
	struct command *cmd = p->cmd;

	set_option(p, OPT_PROTOCOL);
	for (char *s = optarg; *s; s++)
		*s = tolower((unsigned char)*s);
	p->xr.protocol = optarg;
	cmd->ip.proto = xtables_parse_protocol(optarg);
	if (!cmd->ip.proto && (cmd->ip.invflags & XT_INV_PROTO))
		wrong("rule would never match protocol");
	/* extensions look at these */
	p->xr.entry.ip.proto = cmd->ip.proto;
	p->xr.entry.ip.invflags = cmd->ip.invflags;
}

static void set_interface(struct parse *p, unsigned int opt, char *name, unsigned char *mask)
{
	if (!*optarg)
		wrong("Empty interface is likely to be undesired");
	set_option(p, opt);
	xtables_parse_interface(optarg, name, mask);
}

static void show_version(bool invert)
{
	if (invert)
		printf("Not %s ;-)\n", xt_params->program_version);
	else
		printf("%s v%s\n", xt_params->program_name, xt_params->program_version);
	exit(STATUS_OK);
}

static void show_help(struct parse *p)
{
	if (!p->xr.matches && p->xr.protocol)
		xtables_find_match(p->xr.protocol, XTF_TRY_LOAD, &p->xr.matches);
	if (verdict_by_name(p->cmd->jumpto))
		xtables_find_target(p->cmd->jumpto, XTF_TRY_LOAD);	/* has help, and no more */
	print_help();
	xt_help(&p->xr);
	exit(STATUS_OK);
}

/* The command letters. Return: false when @c is none of them. */
static bool command_option(struct parse *p, int c)
{
	struct command *cmd = p->cmd;
	const char *word;

	switch (c) {
	case 'A':
		set_command(p, CMD_APPEND, 0);
		cmd->chain = optarg;
		return true;
	case 'C':
		set_command(p, CMD_CHECK, 0);
		cmd->chain = optarg;
		return true;
	case 'D':
		set_command(p, CMD_DELETE, 0);
		cmd->chain = optarg;
		word = next_word(p);
		if (word) {
			cmd->rulenum = arg_rule_number(word);
			cmd->commands = CMD_DELETE_NUM;
		}
		return true;
	case 'I':
		set_command(p, CMD_INSERT, 0);
		cmd->chain = optarg;
		word = next_word(p);
		cmd->rulenum = word ? arg_rule_number(word) : 1;
		return true;
	case 'R':
		set_command(p, CMD_REPLACE, 0);
		cmd->chain = optarg;
		word = next_word(p);
		if (!word)
			wrong("-%c requires a rule number", 'R');
		cmd->rulenum = arg_rule_number(word);
		return true;
	case 'L':
	case 'S':
		set_command(p, c == 'L' ? CMD_LIST : CMD_LIST_RULES, CMD_ZERO | CMD_ZERO_NUM);
		break;
	case 'F':
		set_command(p, CMD_FLUSH, 0);
		break;
	case 'X':
		set_command(p, CMD_DELETE_CHAIN, 0);
		break;
	case 'Z':
		set_command(p, CMD_ZERO, CMD_LIST | CMD_LIST_RULES);
		break;
	case 'N':
		arg_check_new_name(optarg);
		set_command(p, CMD_NEW, 0);
		cmd->chain = optarg;
		return true;
	case 'E':
		set_command(p, CMD_RENAME, 0);
		cmd->chain = optarg;
		cmd->newname = next_word(p);
		if (!cmd->newname)
			wrong("-%c requires old-chain-name and new-chain-name", 'E');
		return true;
	case 'P':
		set_command(p, CMD_POLICY, 0);
		cmd->chain = optarg;
		cmd->policy = next_word(p);
		if (!cmd->policy)
			wrong("-%c requires a chain and a policy", 'P');
		return true;
	default:
		return false;
	}

	/* L S F X Z: [chain], and [rulenum] for L S Z */
	word = optarg ? optarg : next_word(p);
	if (word)
		cmd->chain = word;
	if (c == 'F' || c == 'X')
		return true;
	word = next_word(p);
	if (word) {
		cmd->rulenum = arg_rule_number(word);
		if (c == 'Z')
			cmd->commands = CMD_ZERO_NUM;
	}
	return true;
}

static void option_table(struct parse *p)
{
	if (p->invert)
		wrong("unexpected ! flag before --table");
	if (p->restore && p->table_set)
		wrong("The -t option cannot be used in %s.\n", xt_params->program_name);
	p->cmd->table = optarg;
	p->table_set = true;
}

static void option_jump(struct parse *p, int c)
{
	set_option(p, OPT_JUMP);
	p->cmd->jumpto = arg_check_target_name(optarg);
	if (c == 'g')
		p->cmd->ip.flags |= IPT_F_GOTO;
	else
		xt_set_target(&p->xr, p->cmd->jumpto);
}

static void not_in_restore(const struct parse *p, int c)
{
	if (p->restore)
		wrong("You cannot use `-%c' from iptables-restore", c);
}

/* What the base option @c does. Return: false when it is the extensions'. */
static bool base_option(struct parse *p, int c)
{
	struct command *cmd = p->cmd;

	switch (c) {
	case 'p':
		set_protocol(p);
		return true;
	case 's':
		set_option(p, OPT_SOURCE);
		p->src = optarg;
		return true;
	case 'd':
		set_option(p, OPT_DESTINATION);
		p->dst = optarg;
		return true;
	case 'j':
	case 'g':
		option_jump(p, c);
		return true;
	case 'i':
		set_interface(p, OPT_IN, cmd->ip.iniface, cmd->ip.iniface_mask);
		return true;
	case 'o':
		set_interface(p, OPT_OUT, cmd->ip.outiface, cmd->ip.outiface_mask);
		return true;
	case 'f':
		set_option(p, OPT_FRAGMENT);
		cmd->ip.flags |= IPT_F_FRAG;
		return true;
	case 'v':
		if (!cmd->verbose)
			set_option(p, OPT_VERBOSE);
		cmd->verbose++;
		return true;
	case 'm':
		if (p->invert)
			wrong("unexpected ! flag before --match");
		xt_add_match(&p->xr, optarg);
		return true;
	case 'n':
		set_option(p, OPT_NUMERIC);
		p->xr.numeric = true;
		return true;
	case 'x':
		set_option(p, OPT_EXPANDED);
		return true;
	case '0':
		set_option(p, OPT_LINENUMBERS);
		return true;
	case 't':
		option_table(p);
		return true;
	case 'c':
		set_counters(p);
		return true;
	case 'w':
		not_in_restore(p, c);
		cmd->wait = parse_wait(p->argc, p->argv);
		return true;
	case 'W':
		not_in_restore(p, c);
		parse_wait_interval(p->argc, p->argv);
		p->wait_interval = true;
		return true;
	case 'M':
		xtables_modprobe_program = optarg;
		return true;
	case 'V':
		show_version(p->invert);
		return true;
	case 'h':
		show_help(p);
		return true;
	case '4':
		return true;
	default:
		return false;
	}
}

static void bare_word(struct parse *p)
{
	if (strcmp(optarg, "!")) {
		fprintf(stderr, "Bad argument `%s'\n", optarg);
		xt_try_help();
	}
	if (p->invert)
		wrong("multiple consecutive ! not allowed");
	p->invert = true;
	optarg[0] = '\0';
}

static void parse_addresses(const char *spec, struct addr_list *list)
{
	if (spec) {
		xtables_ipparse_multiple(spec, &list->addr, &list->mask, &list->n);
		return;
	}
	list->n = 1;
	list->addr = xtables_calloc(1, sizeof(*list->addr));
	list->mask = xtables_calloc(1, sizeof(*list->mask));
}

static void check_whole_line(struct parse *p)
{
	struct command *cmd = p->cmd;

	if (!strcmp(cmd->table, "nat") &&
	    ((cmd->policy && !strcmp(cmd->policy, "DROP")) || !strcmp(cmd->jumpto, "DROP")))
		wrong("\nThe \"nat\" table is not intended for filtering, "
		      "the use of DROP is therefore inhibited.\n\n");
	if (!cmd->wait && p->wait_interval)
		wrong("--wait-interval only makes sense with --wait\n");
	xt_check(&p->xr);
	if (optind < p->argc)
		wrong("unknown arguments found on commandline");
	if (!cmd->commands)
		wrong("no command specified");
	if (p->invert)
		wrong("nothing appropriate following !");

	if (cmd->commands & CMD_RULE) {
		parse_addresses(p->src, &cmd->src);
		parse_addresses(p->dst, &cmd->dst);
		if ((cmd->src.n > 1 || cmd->dst.n > 1) &&
		    (cmd->ip.invflags & (IPT_INV_SRCIP | IPT_INV_DSTIP)))
			wrong("! not allowed with multiple source or destination "
			      "IP addresses");
	}
	if (cmd->commands == CMD_REPLACE && (cmd->src.n != 1 || cmd->dst.n != 1))
		wrong("Replacement rule does not specify a unique address");
	arg_check_options(cmd);
	if (cmd->chain)
		arg_check_name_length(cmd->chain);
	if (cmd->newname)
		arg_check_name_length(cmd->newname);
	arg_check_interfaces(cmd);
}

void command_parse(int argc, char **argv, bool restore, struct command *cmd)
{
	struct parse p = {
		.cmd = cmd, .argc = argc, .argv = argv, .restore = restore,
	};
	int c;

	memset(cmd, 0, sizeof(*cmd));
	cmd->table = "filter";
	cmd->jumpto = "";
	xt_begin();
	optind = 0;
	opterr = 0;

	while ((c = getopt_long(argc, argv, BASE_OPTSTRING, xt_options(), NULL)) != -1) {
		if (c == 1) {
			bare_word(&p);
			continue;
		}
		if (c == '6') {
			if (!restore)
				xt_try_help();
			cmd->commands = 0;
			xt_release(&p.xr);
			return;
		}
		if (!command_option(&p, c) && !base_option(&p, c) &&
		    xt_option(&p.xr, c, argv, p.invert))
			continue;
		p.invert = false;
	}
	check_whole_line(&p);
	xt_collect(&p.xr, &cmd->blobs);
	xt_release(&p.xr);
}

/** command_free() - free what command_parse() allocated */
void command_free(struct command *cmd)
{
	free(cmd->src.addr);
	free(cmd->src.mask);
	free(cmd->dst.addr);
	free(cmd->dst.mask);
	xt_blobs_free(&cmd->blobs);
}
