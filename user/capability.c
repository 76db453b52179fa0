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

/* struct refusal - the hooks in @modes cannot carry out match @name: @when, or ever */
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

static const struct refusal refusals[] = {
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
};

static int refuse(const struct xt_entry_match *m, enum fw_mode mode, struct lower_err *err)
{
	const char *name = m->u.user.name;

	if (mode == MODE_HYBRID)
		mode = MODE_NETFILTER;
	for (size_t i = 0; i < sizeof(refusals) / sizeof(*refusals); i++) {
		const struct refusal *r = &refusals[i];

		if (!(r->modes & ON_MODE(mode)) || strcmp(r->name, name) ||
		    (r->when && !r->when(m->data)))
			continue;
		snprintf(err->msg, sizeof(err->msg),
			 "match `%s' cannot be enforced by this hook: %s", name, r->why);
		return -EOPNOTSUPP;
	}
	return 0;
}

static int rule_refuse(const struct rule *rule, enum fw_mode mode, struct lower_err *err)
{
	rule_for_each_match(m, rule) {
		int ret = refuse(m, mode, err);

		if (ret)
			return ret;
	}
	return 0;
}

/*
 * capability_kernel() - can this kernel do what an image with @flags needs?
 * An ICMP answer in FORWARD comes from the address that the route back prefers, which
 * bpf_fib_lookup() tells since Linux 6.7.
 * Return: 0, or -EOPNOTSUPP with err->msg.
 */
int capability_kernel(__u32 flags, enum fw_mode mode, struct lower_err *err)
{
	if (!(flags & IMG_F_FIB_SRC) || mode_is_nf(mode) || loader_has_fib_src())
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
