/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * xt.h - the glue to libxtables, which parses and prints matches and targets
 *
 * An extension is loaded when the command line names it, and adds its options to
 * those getopt_long() knows. What it parsed is a binary blob, which goes into
 * the rule as it is.
 *
 * libxtables reports errors by ending the process, in iptables' words. That is
 * safe: nothing is in force before the commit.
 */
#ifndef BPFIPT_XT_H
#define BPFIPT_XT_H

#include <getopt.h>
#include <stdbool.h>
#include <xtables.h>
#include <linux/netfilter_ipv4/ip_tables.h>	/* after xtables.h: libc's if.h wins */

extern int line;	/* libxtables: line of the restore file, -1 none */

/*
 * struct xt_rule - a rule being parsed
 * @entry:	its base part, as the extensions want to see it
 * @protocol:	argument of -p, may load a match by its own
 * @numeric:	-n was given
 */
struct xt_rule {
	struct ipt_entry entry;
	struct xtables_rule_match *matches;
	struct xtables_target *target;
	const char *protocol;
	bool proto_tried;
	bool numeric;
};

/*
 * struct xt_blobs - what the extensions made of their options
 * @matches, @matches_len: xt_entry_match after xt_entry_match
 * @mask:	@matches_len bytes: 0xff where two rules must agree to be equal
 * @target:	its target, NULL when it has none that is an extension
 * @target_cmp:	bytes of the target's data where two rules must agree
 */
struct xt_blobs {
	char *matches;
	char *mask;
	size_t matches_len;
	struct xt_entry_target *target;
	size_t target_cmp;
};

void xt_init(const char *program, const struct option *base);
const struct option *xt_options(void);

void xt_begin(void);
void xt_add_match(struct xt_rule *xr, const char *name);
void xt_set_target(struct xt_rule *xr, const char *name);
bool xt_option(struct xt_rule *xr, int c, char **argv, bool invert);
void xt_check(struct xt_rule *xr);
void xt_collect(struct xt_rule *xr, struct xt_blobs *out);
void xt_release(struct xt_rule *xr);
void xt_blobs_free(struct xt_blobs *b);
void xt_help(const struct xt_rule *xr);

void xt_try_help(void) __attribute__((noreturn));

void xt_print_match(const struct xt_entry_match *m, const struct ipt_ip *ip, bool numeric);
void xt_print_target(const struct xt_entry_target *t, const char *name,
		     const struct ipt_ip *ip, bool numeric);
void xt_save_match(const struct xt_entry_match *m, const struct ipt_ip *ip);
void xt_save_target(const struct xt_entry_target *t, const struct ipt_ip *ip);

#endif /* BPFIPT_XT_H */
