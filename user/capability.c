// SPDX-License-Identifier: GPL-2.0-only
/*
 * capability.c - what a hook cannot do, by name
 *
 * The lowering knows what the classifier can express; a hook may still be unable
 * to carry out a match exactly. Such a rule is refused when it is
 * added, by name, instead of being enforced as something less.
 */
#include <errno.h>
#include <stdio.h>
#include <string.h>
#include <net/if.h>
#include <linux/netfilter/xt_physdev.h>

#include "instance_int.h"
#include "lower.h"
#include "ruleset.h"

#define ON_MODE(m)	(1u << (m))

/* struct refusal - the hooks in @modes cannot carry out match or target @name: @when, or ever */
struct refusal {
	const char *name;
	unsigned int modes;
	const char *why;
	bool (*when)(const void *data);
};

static bool physdev_asks_port(const void *data)
{
	const struct xt_physdev_info *pd = data;

	if (pd->bitmask & ~pd->invert &
	    (XT_PHYSDEV_OP_BRIDGED | XT_PHYSDEV_OP_ISOUT | XT_PHYSDEV_OP_OUT))
		return false;
	return pd->bitmask & (XT_PHYSDEV_OP_IN | XT_PHYSDEV_OP_ISIN | XT_PHYSDEV_OP_OUT);
}

static const struct refusal matches[] = {
	/* Receive packet steering comes between this hook and the kernel's. */
	{ "cpu", ON_MODE(MODE_XDP), "the stack may run on another CPU than the driver",
	  NULL },
	/*
	 * The frames that a bridge forwards do not come by there, so what asks for bridged
	 * packets, or for a port that they leave by, has one answer. But the port that
	 * others came by iptables knows, when br_netfilter has seen them.
	 */
	{ "physdev", ON_MODE(MODE_TC) | ON_MODE(MODE_XDP),
	  "which port of a bridge a packet came by is not known here", physdev_asks_port },
	{ "realm", ON_MODE(MODE_TC) | ON_MODE(MODE_XDP),
	  "a packet's route is not known here", NULL },
	{ "policy", ON_MODE(MODE_TC) | ON_MODE(MODE_XDP),
	  "packets come by before they are decrypted, and when they are encrypted", NULL },
};

static const struct refusal targets[] = {
	{ "TCPMSS", ON_MODE(MODE_NETFILTER), "a program there cannot write to the packet", NULL },
};

/* @kind: what the @n rows are about, "match" or "target" */
static int refuse(const struct refusal *r, size_t n, const char *kind, const char *name,
		  const void *data, enum fw_mode mode, struct lower_err *err)
{
	if (mode == MODE_HYBRID)
		mode = MODE_NETFILTER;
	for (; n; r++, n--) {
		if (!(r->modes & ON_MODE(mode)) || strcmp(r->name, name) ||
		    (r->when && !r->when(data)))
			continue;
		snprintf(err->msg, sizeof(err->msg),
			 "%s `%s' cannot be enforced by this hook: %s", kind, name, r->why);
		return -EOPNOTSUPP;
	}
	return 0;
}

#define ROWS(a) (a), sizeof(a) / sizeof((a)[0])

static int rule_refuse(const struct rule *rule, enum fw_mode mode, struct lower_err *err)
{
	const struct xt_entry_target *t = rule_target(rule);

	rule_for_each_match(m, rule) {
		int ret = refuse(ROWS(matches), "match", m->u.user.name, m->data, mode, err);

		if (ret)
			return ret;
	}
	if (rule->no_target || rule->jump)
		return 0;
	return refuse(ROWS(targets), "target", t->u.user.name, t->data, mode, err);
}

/*
 * capability_kernel() - can this kernel do what an image with @flags needs?
 * An ICMP answer in FORWARD comes from the address that the route back prefers, which
 * bpf_fib_lookup() tells since Linux 6.7.
 * Return: 0, or -EOPNOTSUPP with err->msg.
 */
int capability_kernel(__u32 flags, enum fw_mode mode, struct lower_err *err)
{
	if (!(flags & IMG_F_FIB_SRC) || mode_is_nf(mode) || kernel_has_fib_src())
		return 0;
	snprintf(err->msg, sizeof(err->msg), "target `REJECT' cannot be enforced by this hook: "
		 "in FORWARD it needs Linux 6.7, but for --reject-with tcp-reset");
	return -EOPNOTSUPP;
}

/*
 * capability_check() - is there a rule that @mode cannot enforce exactly?
 * Return: 0, or -EOPNOTSUPP with err->msg.
 */
int capability_check(const struct ruleset *rs, enum fw_mode mode, struct lower_err *err)
{
	for (size_t c = 0; c < rs->nr_chains; c++) {
		for (size_t r = 0; r < rs->chains[c]->nr_rules; r++) {
			int ret = rule_refuse(rs->chains[c]->rules[r], mode, err);

			if (ret)
				return ret;
		}
	}
	return 0;
}
