/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * genrules.h - random rulesets as iptables-save text
 *
 * The text goes to iptables-legacy-restore and to bpf-iptables-restore alike. The
 * same configuration gives the same text.
 */
#ifndef BPFIPT_GENRULES_H
#define BPFIPT_GENRULES_H

#include <stddef.h>
#include <linux/types.h>

/* struct gen_net - a prefix that addresses are taken from; host order */
struct gen_net {
	__u32 addr;
	__u32 len;
};

enum gen_shape {
	GEN_MIXED,	/* every match, few values, many wildcards */
	GEN_BLACKLIST,	/* one chain of single sources, as fail2ban writes them */
	GEN_SERVICES,	/* per-service accepts behind per-interface chains */
	GEN_TUPLES,	/* plain 5-tuple rules with prefixes and port ranges */
	NR_GEN_SHAPES,
};

/* gen_cfg.avoid: what must not appear */
#define GEN_NO_REJECT	0x1u
#define GEN_NO_MARK	0x2u
#define GEN_NO_MAC	0x4u
#define GEN_NO_FRAG	0x8u	/* no -f */
#define GEN_NO_PKTTYPE	0x10u
#define GEN_NO_LENGTH	0x20u
#define GEN_NO_PAYLOAD	0x40u	/* no u32, string, tcpmss */

/*
 * struct gen_cfg
 * @rules:	number of rules, all chains together
 * @chains:	number of user chains
 * @depth:	deepest nesting of jumps
 * @hooks:	1 << enum fw_hook: built-in chains that get rules
 * @avoid:	GEN_NO_*
 * @src, @dst:	where addresses come from; @in, @out: interface names
 */
struct gen_cfg {
	__u64 seed;
	enum gen_shape shape;
	unsigned int rules;
	unsigned int chains;
	unsigned int depth;
	unsigned int hooks;
	unsigned int avoid;
	const struct gen_net *src;
	size_t nr_src;
	const struct gen_net *dst;
	size_t nr_dst;
	const char *const *in;
	size_t nr_in;
	const char *const *out;
	size_t nr_out;
};

/* genrules() - Return: malloc'ed text, NULL when out of memory */
char *genrules(const struct gen_cfg *cfg);

/*
 * genrules_classbench() - a ClassBench filter file as a chain of 5-tuple rules
 * @path:	the file, gzip or plain
 * @max_rules:	read no more than these
 * @hook:	"INPUT", "FORWARD" or "OUTPUT"
 * Rules alternate between ACCEPT and DROP by @seed; the flags column is used as
 * far as it names TCP flags.
 * Return: malloc'ed text, NULL with errno
 */
char *genrules_classbench(const char *path, unsigned int max_rules, const char *hook,
			  __u64 seed);

#endif /* BPFIPT_GENRULES_H */
