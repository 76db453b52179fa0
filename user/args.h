/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * args.h - one iptables command line as a struct
 */
#ifndef BPFIPT_ARGS_H
#define BPFIPT_ARGS_H

#include "xt.h"		/* first: libc's headers before the kernel's */

#include <linux/types.h>

/* What to do. LIST and LIST_RULES may come with one of the ZEROs. */
enum command_bits {
	CMD_INSERT	= 1 << 0,
	CMD_DELETE	= 1 << 1,
	CMD_DELETE_NUM	= 1 << 2,
	CMD_REPLACE	= 1 << 3,
	CMD_APPEND	= 1 << 4,
	CMD_LIST	= 1 << 5,
	CMD_FLUSH	= 1 << 6,
	CMD_ZERO	= 1 << 7,
	CMD_NEW		= 1 << 8,
	CMD_DELETE_CHAIN = 1 << 9,
	CMD_POLICY	= 1 << 10,
	CMD_RENAME	= 1 << 11,
	CMD_LIST_RULES	= 1 << 12,
	CMD_ZERO_NUM	= 1 << 13,
	CMD_CHECK	= 1 << 14,
};

/* Commands that take a rule. */
#define CMD_RULE	(CMD_INSERT | CMD_DELETE | CMD_REPLACE | CMD_APPEND | CMD_CHECK)
/* Commands that change nothing. */
#define CMD_READ_ONLY	(CMD_LIST | CMD_LIST_RULES | CMD_CHECK)

enum option_bits {
	OPT_NUMERIC	= 1 << 0,
	OPT_SOURCE	= 1 << 1,
	OPT_DESTINATION	= 1 << 2,
	OPT_PROTOCOL	= 1 << 3,
	OPT_JUMP	= 1 << 4,
	OPT_VERBOSE	= 1 << 5,
	OPT_EXPANDED	= 1 << 6,
	OPT_IN		= 1 << 7,
	OPT_OUT		= 1 << 8,
	OPT_LINENUMBERS	= 1 << 9,
	OPT_COUNTERS	= 1 << 10,
	OPT_FRAGMENT	= 1 << 11,
};

/* struct addr_list - what -s or -d named: @n addresses, each with its mask */
struct addr_list {
	struct in_addr *addr;
	struct in_addr *mask;
	unsigned int n;
};

/*
 * struct command
 * @commands:	enum command_bits, 0 for a line of the other family (`-6`)
 * @options:	enum option_bits that were given
 * @table, @chain, @newname, @policy: point into the argv that was parsed
 * @rulenum:	from 1; 0 none was given
 * @wait:	seconds for the lock, 0 do not, -1 for ever
 * @ip:		base part of the rule, without addresses
 * @src, @dst:	the rule is meant for every pair, sources in the outer loop
 * @jumpto:	name after -j or -g, "" none
 * @blobs:	matches and target
 */
struct command {
	unsigned int commands;
	unsigned int options;
	int verbose;
	int wait;
	const char *table;
	const char *chain;
	const char *newname;
	const char *policy;
	unsigned int rulenum;
	struct ipt_ip ip;
	struct addr_list src;
	struct addr_list dst;
	__u64 packets;
	__u64 bytes;
	const char *jumpto;
	struct xt_blobs blobs;
};

extern const struct option base_options[];
#define BASE_OPTSTRING	"-:A:C:D:R:I:L::S::M:F::Z::N:X::E:P:Vh::o:p:s:d:j:i:fbvw::W::nt:m:xc:g:46"

/*
 * command_parse() - parse one command line
 * @restore:	it is a line of a restore file
 * A wrong command line ends the process with iptables' message. @argv is
 * written to, and must outlive @cmd.
 */
void command_parse(int argc, char **argv, bool restore, struct command *cmd);
void command_free(struct command *cmd);

/* parse_wait() - argument of -w; used by restore too */
int parse_wait(int argc, char **argv);
/* parse_wait_interval() - check the argument of -W, which has no effect */
void parse_wait_interval(int argc, char **argv);

/* print_help() - `-h` */
void print_help(void);

#endif /* BPFIPT_ARGS_H */
