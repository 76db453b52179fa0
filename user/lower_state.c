// SPDX-License-Identifier: GPL-2.0-only
/*
 * lower_state.c - matches that are no function of the packet: limit, statistic, cpu
 *
 * From the kernel's xt_limit.c, xt_statistic.c and xt_cpu.c. The rows of state are
 * given out by state.c.
 */
#include <errno.h>
#include <stddef.h>
#include <string.h>
#include <time.h>
#include <linux/netfilter/xt_cpu.h>
#include <linux/netfilter/xt_limit.h>
#include <linux/netfilter/xt_statistic.h>

#include "lower_int.h"
#include "state.h"

struct late_state_ref state_ref(const void *pointer)
{
	struct match_state s;

	memcpy(&s, pointer, sizeof(s));
	return (struct late_state_ref){ .id = s.id, .born = s.born };
}

/* Jiffies per second: the resolution of the coarse clock is one jiffy. */
__u32 kernel_hz(void)
{
	static __u32 hz;
	struct timespec res;

	if (!hz) {
		hz = 250;
		if (!clock_getres(CLOCK_MONOTONIC_COARSE, &res) && !res.tv_sec &&
		    res.tv_nsec > 0)
			hz = (1000000000u + res.tv_nsec / 2) / res.tv_nsec;
	}
	return hz;
}

/*
 * Credits per jiffy: the largest power of two with which a day's credits stay below
 * 2^32 (128 for HZ 250, 32 for HZ 1000: 32000 a second in both).
 */
static __u32 credits_per_jiffy(void)
{
	__u32 max = 0xffffffffu / (kernel_hz() * 60 * 60 * 24);

	return 1u << (31 - __builtin_clz(max));
}

/* A time in 1/XT_LIMIT_SCALE seconds, in credits; wraps as the kernel's does. */
static __u32 limit_credits(__u32 user)
{
	__u32 per_second = kernel_hz() * credits_per_jiffy();

	if (user > 0xffffffffu / per_second)
		return user / XT_LIMIT_SCALE * per_second;
	return user * per_second / XT_LIMIT_SCALE;
}

static int check_limit(const struct check *c, const void *data)
{
	const struct xt_rateinfo *r = data;

	if (!r->burst || limit_credits(r->avg * r->burst) < limit_credits(r->avg))
		return check_fail(c, -ERANGE, "overflow, try lower: %u/%u", r->avg, r->burst);
	return 0;
}

static int lower_limit(struct lowering *l, const void *data)
{
	const struct xt_rateinfo *r = data;
	struct late_limit late = {
		.state = state_ref(&r->master),
		.cost = limit_credits(r->avg),
		.cap = limit_credits(r->avg * r->burst),
		.per_jiffy = credits_per_jiffy(),
	};

	l->out->img_flags |= IMG_F_STATE;
	return low_late(l, LATE_LIMIT, &late, sizeof(late) / 4, LOW_EFFECT);
}

static int check_statistic(const struct check *c, const void *data)
{
	const struct xt_statistic_info *st = data;

	if (st->mode > XT_STATISTIC_MODE_MAX || st->flags & ~XT_STATISTIC_MASK)
		return check_fail(c, -EINVAL, "unknown mode or flags");
	return 0;
}

static int lower_statistic(struct lowering *l, const void *data)
{
	const struct xt_statistic_info *st = data;
	bool nth = st->mode == XT_STATISTIC_MODE_NTH;
	struct late_statistic late = {
		.state = state_ref(&st->master),
		.mode = st->mode,
		.n = nth ? st->u.nth.every : st->u.random.probability,
		.first = nth ? st->u.nth.count : 0,
	};

	l->out->img_flags |= IMG_F_STATE;
	return low_late(l, LATE_STATISTIC | (st->flags & XT_STATISTIC_INVERT ? LATE_NOT : 0),
			&late, sizeof(late) / 4, LOW_EFFECT);
}

static int check_cpu(const struct check *c, const void *data)
{
	const struct xt_cpu_info *cpu = data;

	return cpu->invert & ~1u ? check_fail(c, -EINVAL, "unknown flags") : 0;
}

static int lower_cpu(struct lowering *l, const void *data)
{
	const struct xt_cpu_info *cpu = data;
	struct late_cpu late = { .cpu = cpu->cpu };

	return low_late(l, LATE_CPU | (cpu->invert ? LATE_NOT : 0), &late, sizeof(late) / 4,
			LOW_PURE);
}

const struct match_op state_matches[] = {
	{ "limit", .size = sizeof(struct xt_rateinfo),
	  .state = offsetof(struct xt_rateinfo, master),
	  .check = check_limit, .lower = lower_limit },
	{ "statistic", .size = sizeof(struct xt_statistic_info),
	  .state = offsetof(struct xt_statistic_info, master),
	  .check = check_statistic, .lower = lower_statistic },
	{ "cpu", .size = sizeof(struct xt_cpu_info), .check = check_cpu, .lower = lower_cpu },
	{ .name = NULL },
};

_Static_assert(sizeof(struct match_state) == sizeof(void *), "a row fits a pointer");
