// SPDX-License-Identifier: GPL-2.0-only
/*
 * capability.c - what a hook cannot do, by name
 *
 * The lowering knows what the classifier can express; a hook may still be unable
 * to carry out a target exactly. Such a rule is refused when it is added, naming
 * the target, instead of being enforced as something less.
 */
#include <errno.h>
#include <stdio.h>
#include <string.h>

#include "instance_int.h"
#include "lower.h"
#include "ruleset.h"

#define ON_MODE(m)	(1u << (m))

/* struct refusal - target @name cannot be carried out by the hooks in @modes */
static const struct refusal {
	const char *name;
	unsigned int modes;
	const char *why;
} refusals[] = {
	/* The answer belongs to the local stack: source address, rate limit, OUTPUT. */
	{ "REJECT", ON_MODE(MODE_TC) | ON_MODE(MODE_XDP),
	  "its answers cannot be sent from this hook; use DROP" },
};

/*
 * capability_check() - is there a rule that @mode cannot enforce exactly?
 * Return: 0, or -EOPNOTSUPP with err->msg.
 */
int capability_check(const struct ruleset *rs, enum fw_mode mode, struct lower_err *err)
{
	size_t c, r, i;

	for (c = 0; c < rs->nr_chains; c++) {
		for (r = 0; r < rs->chains[c]->nr_rules; r++) {
			const char *name = rule_target(rs->chains[c]->rules[r])->u.user.name;

			if (!name[0])
				continue;
			for (i = 0; i < sizeof(refusals) / sizeof(*refusals); i++) {
				if (!(refusals[i].modes & ON_MODE(mode)) ||
				    strcmp(refusals[i].name, name))
					continue;
				snprintf(err->msg, sizeof(err->msg),
					 "target `%s' cannot be enforced by this hook: %s",
					 name, refusals[i].why);
				return -EOPNOTSUPP;
			}
		}
	}
	return 0;
}
