// SPDX-License-Identifier: GPL-2.0-only
/*
 * lower_route.c - matches on a packet's route and on IPsec: realm, policy
 *
 * From the kernel's xt_realm.c and xt_policy.c. Only the netfilter hook knows either;
 * capability.c refuses them elsewhere.
 */
#include <errno.h>
#include <string.h>
#include <linux/netfilter/xt_policy.h>
#include <linux/netfilter/xt_realm.h>

#include "lower_int.h"

static int lower_realm(struct lowering *l, const void *data)
{
	const struct xt_realm_info *realm = data;
	struct late_realm late = { .id = realm->id, .mask = realm->mask };

	l->out->img_flags |= IMG_F_NF_HOST;
	return low_late(l, LATE_REALM | (realm->invert ? LATE_NOT : 0), &late, sizeof(late) / 4,
			LOW_PURE);
}

static int check_policy(const struct check *c, const void *data)
{
	const struct xt_policy_info *pol = data;

	if (!(pol->flags & (XT_POLICY_MATCH_IN | XT_POLICY_MATCH_OUT)))
		return check_fail(c, -EINVAL, "neither incoming nor outgoing policy");
	if (c->hooks & ON_HOOK(HOOK_INPUT) && pol->flags & XT_POLICY_MATCH_OUT)
		return check_fail(c, -EINVAL, "output policy in INPUT");
	if (c->hooks & ON_HOOK(HOOK_OUTPUT) && pol->flags & XT_POLICY_MATCH_IN)
		return check_fail(c, -EINVAL, "input policy in OUTPUT");
	if (pol->len > XT_POLICY_MAX_ELEM)
		return check_fail(c, -EINVAL, "too many policy elements");
	return 0;
}

/* The bits as they lie in struct xt_policy_spec */
static __u32 spec_bits(const struct xt_policy_spec *spec)
{
	return (spec->saddr ? LATE_POLICY_SADDR : 0) | (spec->daddr ? LATE_POLICY_DADDR : 0) |
	       (spec->proto ? LATE_POLICY_PROTO : 0) | (spec->mode ? LATE_POLICY_MODE : 0) |
	       (spec->spi ? LATE_POLICY_SPI : 0) | (spec->reqid ? LATE_POLICY_REQID : 0);
}

static int lower_policy(struct lowering *l, const void *data)
{
	const struct xt_policy_info *pol = data;
	struct late_policy late = { .flags = pol->flags, .nr = pol->len };

	/* Kernels differ in the order of these, and some look in front of the first one. */
	if (pol->flags & XT_POLICY_MATCH_IN && pol->flags & XT_POLICY_MATCH_STRICT && pol->len > 1)
		return low_refuse(l, "--strict with several elements and --dir in");
	for (__u32 i = 0; i < late.nr; i++) {
		const struct xt_policy_elem *e = &pol->pol[i];

		late.elem[i] = (struct late_policy_elem){
			.saddr = e->saddr.a4.s_addr, .smask = e->smask.a4.s_addr,
			.daddr = e->daddr.a4.s_addr, .dmask = e->dmask.a4.s_addr,
			.spi = e->spi, .reqid = e->reqid, .proto = e->proto, .mode = e->mode,
			.match = spec_bits(&e->match), .invert = spec_bits(&e->invert),
		};
	}
	l->out->img_flags |= IMG_F_NF_HOST;
	return low_late(l, LATE_POLICY, &late, sizeof(late) / 4, LOW_PURE);
}

const struct match_op route_matches[] = {
	{ "realm", .size = sizeof(struct xt_realm_info), .lower = lower_realm },
	{ "policy", .size = sizeof(struct xt_policy_info),
	  .check = check_policy, .lower = lower_policy },
	{ .name = NULL },
};

_Static_assert(XT_POLICY_MATCH_IN == LATE_POLICY_IN && XT_POLICY_MATCH_OUT == LATE_POLICY_OUT &&
	       XT_POLICY_MATCH_NONE == LATE_POLICY_NONE &&
	       XT_POLICY_MATCH_STRICT == LATE_POLICY_STRICT &&
	       XT_POLICY_MAX_ELEM == LATE_POLICY_ELEMS, "flags are xt_policy's");
