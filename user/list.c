// SPDX-License-Identifier: GPL-2.0-only
/*
 * list.c - rules as columns: -L, and the line that -v shows
 *
 * The columns are iptables 1.8.9's, byte for byte: protocols are numbers with
 * -n, counters are rounded to K, M, G without -x. The line of -v is the same
 * row with single blanks and words instead of columns.
 */
#include <arpa/inet.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#include "list.h"
#include "names.h"

/* What one row shows; FMT_* are libxtables', some of its functions take them. */
#define LINE_FORMAT	(FMT_NOCOUNTS | FMT_OPTIONS | FMT_VIA | FMT_NUMERIC | FMT_NOTABLE)

/* The same value in a column, or followed by one blank. */
#define COLUMN(format, width, kind) \
	((format) & FMT_NOTABLE ? "%" kind " " : "%-" #width kind " ")

const char *rule_target_name(const struct rule *r)
{
	const struct xt_entry_target *t = rule_target(r);

	if (r->jump)
		return r->jump->name;
	if (r->no_target)
		return "";
	if (t->u.user.name[0])
		return t->u.user.name;
	return verdict_name(((const struct xt_standard_target *)t)->verdict);
}

static void print_head(const struct chain *c, unsigned int format)
{
	printf("Chain %s", c->name);
	if (c->hook < 0) {
		printf(" (%zu references)\n", c->index);
	} else {
		printf(" (policy %s", c->drop ? "DROP" : "ACCEPT");
		if (!(format & FMT_NOCOUNTS)) {
			putchar(' ');
			xtables_print_num(c->packets, format | FMT_NOTABLE);
			fputs("packets, ", stdout);
			xtables_print_num(c->bytes, format | FMT_NOTABLE);
			fputs("bytes", stdout);
		}
		puts(")");
	}

	if (format & FMT_LINENUMBERS)
		printf("%-4s ", "num");
	if (!(format & FMT_NOCOUNTS))
		printf(format & FMT_KILOMEGAGIGA ? "%5s %5s " : "%8s %10s ", "pkts", "bytes");
	printf("%-9s  prot opt", "target");
	if (format & FMT_VIA)
		printf(" %-6s %-6s ", "in", "out");
	printf(" %-19s  %-19s \n", "source", "destination");
}

static void print_protocol(const struct ipt_ip *ip, unsigned int format)
{
	bool number = (format & (FMT_NUMERIC | FMT_NOTABLE)) == FMT_NUMERIC;
	const char *name = number ? NULL : name_of_proto(ip->proto, format & FMT_NUMERIC);

	putchar(ip->invflags & XT_INV_PROTO ? '!' : ' ');
	if (name)
		printf(COLUMN(format, 4, "s"), name);
	else
		printf(COLUMN(format, 4, "u"), (unsigned int)ip->proto);
}

static void print_interface(const char *name, bool inverted, unsigned int format, bool in)
{
	char text[IFNAMSIZ + 2];

	if (!*name)
		name = format & FMT_NUMERIC ? "*" : "any";
	snprintf(text, sizeof(text), "%s%s", inverted ? "!" : "", name);
	if (format & FMT_NOTABLE)
		printf(in ? "in %s " : "out %s ", text);
	else
		printf(in ? " %-6s " : "%-6s ", text);
}

static void print_address(const struct in_addr *addr, const struct in_addr *mask,
			  bool inverted, unsigned int format, bool source)
{
	char text[1200];

	if (!mask->s_addr && !(format & FMT_NUMERIC))
		strcpy(text, "anywhere");
	else if (format & FMT_NUMERIC)
		snprintf(text, sizeof(text), "%s", xtables_ipaddr_to_numeric(addr));
	else
		snprintf(text, sizeof(text), "%s", xtables_ipaddr_to_anyname(addr));
	if (mask->s_addr || (format & FMT_NUMERIC))
		strncat(text, xtables_ipmask_to_numeric(mask),
			sizeof(text) - strlen(text) - 1);

	putchar(inverted ? '!' : ' ');
	if (!(format & FMT_NOTABLE))
		printf("%-19s ", text);
	else
		printf(source ? "%s " : "-> %s", text);
}

static void print_rule(const struct rule *r, size_t number, unsigned int format)
{
	const struct ipt_ip *ip = &r->entry->ip;
	bool numeric = format & FMT_NUMERIC;

	if (format & FMT_LINENUMBERS)
		printf("%-4zu ", number);
	if (!(format & FMT_NOCOUNTS)) {
		xtables_print_num(r->packets, format);
		xtables_print_num(r->bytes, format);
	}
	printf(COLUMN(format, 9, "s"), rule_target_name(r));
	print_protocol(ip, format);
	if (format & FMT_NOTABLE)
		fputs("opt ", stdout);
	putchar(ip->invflags & IPT_INV_FRAG ? '!' : '-');
	putchar(ip->flags & IPT_F_FRAG ? 'f' : '-');
	putchar(' ');
	if (format & FMT_VIA) {
		print_interface(ip->iniface, ip->invflags & IPT_INV_VIA_IN, format, true);
		print_interface(ip->outiface, ip->invflags & IPT_INV_VIA_OUT, format, false);
	}
	print_address(&ip->src, &ip->smsk, ip->invflags & IPT_INV_SRCIP, format, true);
	print_address(&ip->dst, &ip->dmsk, ip->invflags & IPT_INV_DSTIP, format, false);
	if (format & FMT_NOTABLE)
		fputs("  ", stdout);
	if (ip->flags & IPT_F_GOTO)
		fputs("[goto] ", stdout);
	rule_for_each_match(m, r)
		xt_print_match(m, ip, numeric);
	xt_print_target(rule_target(r), rule_target_name(r), ip, numeric);
	putchar('\n');
}

/** list_rule_line() - one rule on one line, for -v */
void list_rule_line(const struct rule *r)
{
	print_rule(r, 0, LINE_FORMAT);
}

/**
 * list_table() - -L
 * @rs:		every chain's @index is its number of references
 *
 * Return: false when cmd->chain does not exist; nothing was printed then.
 */
bool list_table(const struct ruleset *rs, const struct command *cmd)
{
	unsigned int format = FMT_OPTIONS;
	bool found = false;

	format |= cmd->options & OPT_VERBOSE ? FMT_VIA : FMT_NOCOUNTS;
	if (cmd->options & OPT_NUMERIC)
		format |= FMT_NUMERIC;
	if (!(cmd->options & OPT_EXPANDED))
		format |= FMT_KILOMEGAGIGA;
	if (cmd->options & OPT_LINENUMBERS)
		format |= FMT_LINENUMBERS;

	for (size_t i = 0; i < rs->nr_chains; i++) {
		const struct chain *c = rs->chains[i];

		if (cmd->chain && strcmp(cmd->chain, c->name))
			continue;
		if (found)
			putchar('\n');
		found = true;
		if (!cmd->rulenum)
			print_head(c, format);
		for (size_t j = 0; j < c->nr_rules; j++)
			if (!cmd->rulenum || j + 1 == cmd->rulenum)
				print_rule(c->rules[j], j + 1, format);
	}
	if (found && isatty(STDOUT_FILENO))
		fputs("# IPv4 only: IPv6 and ARP pass this firewall untouched\n", stderr);
	return found;
}
