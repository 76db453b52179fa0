// SPDX-License-Identifier: GPL-2.0-only
/*
 * lower_rate.c - hashlimit, recent, quota and time
 *
 * From the kernel's xt_hashlimit.c, xt_recent.c, xt_quota.c and xt_time.c. Every
 * figure that does not depend on the packet is worked out here, in the kernel's own
 * arithmetic: 64-bit credits for hashlimit's revisions 2 and 3, 32-bit ones for 1.
 */
#include <errno.h>
#include <limits.h>
#include <stddef.h>
#include <string.h>
#include <sys/time.h>
#include <sys/timex.h>
#include <linux/netfilter/xt_hashlimit.h>
#include <linux/netfilter/xt_quota.h>
#include <linux/netfilter/xt_recent.h>
#include <linux/netfilter/xt_time.h>

#include "../progs/abi/late_rate.h"
#include "../progs/hashlimit.h"
#include "lower_int.h"
#include "named.h"
#include "state.h"

_Static_assert(HASHLIMIT_DIP == XT_HASHLIMIT_HASH_DIP && HASHLIMIT_DPT == XT_HASHLIMIT_HASH_DPT &&
	       HASHLIMIT_SIP == XT_HASHLIMIT_HASH_SIP && HASHLIMIT_SPT == XT_HASHLIMIT_HASH_SPT &&
	       HASHLIMIT_INVERT == XT_HASHLIMIT_INVERT && HASHLIMIT_BYTES == XT_HASHLIMIT_BYTES &&
	       HASHLIMIT_RATE_MATCH == XT_HASHLIMIT_RATE_MATCH, "hashlimit modes");
_Static_assert(RECENT_CHECK == XT_RECENT_CHECK && RECENT_SET == XT_RECENT_SET &&
	       RECENT_UPDATE == XT_RECENT_UPDATE && RECENT_REMOVE == XT_RECENT_REMOVE &&
	       RECENT_TTL == XT_RECENT_TTL && RECENT_REAP == XT_RECENT_REAP, "recent flags");

#define HASHLIMIT_ALL	(HASHLIMIT_DIP | HASHLIMIT_DPT | HASHLIMIT_SIP | HASHLIMIT_SPT |	\
			 HASHLIMIT_INVERT | HASHLIMIT_BYTES | HASHLIMIT_RATE_MATCH)

static struct late_u64 late_u64(__u64 v)
{
	return (struct late_u64){ .lo = v, .hi = v >> 32 };
}

/* The largest power of two that is not above @max. */
static __u64 pow2_below(__u64 max)
{
	return 1ull << (63 - __builtin_clzll(max));
}

static __u64 credits_per_jiffy(int revision)
{
	__u64 day = kernel_hz() * 60 * 60 * 24;

	return pow2_below((revision == 1 ? 0xffffffffull : ~0ull) / day);
}

/* Credits per jiffy of a bucket that counts bytes, and what it holds: a second's worth. */
static __u32 byte_credits(void)
{
	return pow2_below(0xffffffffu / kernel_hz());
}

/* user2credits(); wraps as it does */
static __u64 to_credits(__u64 user, int revision)
{
	__u64 scale = revision == 1 ? XT_HASHLIMIT_SCALE : XT_HASHLIMIT_SCALE_v2;
	__u64 second = kernel_hz() * credits_per_jiffy(revision);

	return scale >= second ? user / (scale / second) : user * (second / scale);
}

/* user2credits_byte() */
static __u32 to_byte_credits(__u32 user)
{
	return (__u64)user * (kernel_hz() * byte_credits()) >> 32;
}

/* user2rate_bytes() */
static __u64 to_byte_rate(__u32 user)
{
	__u64 r = user ? 0xffffffffu / user : 0xffffffffu;

	return (r - 1) << XT_HASHLIMIT_BYTE_SHIFT;
}

/* msecs_to_jiffies(); a value that is negative as an int is "never" */
static __u64 to_jiffies(__u32 ms)
{
	if ((__s32)ms < 0)
		return (LONG_MAX >> 1) - 1;
	return ((__u64)ms * kernel_hz() + 999) / 1000;
}

/* xt_check_proc_name(): the name is to be that of a file */
static int check_name(const struct check *c, const char *name, size_t size)
{
	if (!name[0])
		return check_fail(c, -EINVAL, "no name");
	if (!memchr(name, '\0', size))
		return check_fail(c, -ENAMETOOLONG, "name too long");
	if (!strcmp(name, ".") || !strcmp(name, "..") || strchr(name, '/'))
		return check_fail(c, -EINVAL, "`%s' is no name for a file", name);
	return 0;
}

static int check_hashlimit(const struct check *c, const void *data)
{
	const struct xt_entry_match *m =
		(const void *)((const char *)data - offsetof(struct xt_entry_match, data));
	int revision = m->u.user.revision;
	struct hashlimit_cfg3 cfg;
	const char *name;
	int err;

	if (!hashlimit_of(m, &cfg, &name))
		return check_fail(c, -EINVAL, "invalid size");
	err = check_name(c, name, revision == 1 ? IFNAMSIZ : NAME_MAX);
	if (err)
		return err;
	if (!cfg.gc_interval || !cfg.expire || cfg.srcmask > 32 || cfg.dstmask > 32 ||
	    cfg.mode & ~HASHLIMIT_ALL)
		return check_fail(c, -EINVAL, "a value out of range");
	if (cfg.mode & HASHLIMIT_RATE_MATCH) {
		if (revision < 3)
			return check_fail(c, -EINVAL, "no rate match in this revision");
		if (!cfg.avg || cfg.avg > 0xffffffffu)
			return check_fail(c, -ERANGE, "invalid rate");
		if (!cfg.interval)
			return check_fail(c, -EINVAL, "invalid interval");
	} else if (cfg.mode & HASHLIMIT_BYTES) {
		if (!to_byte_credits(cfg.avg))
			return check_fail(c, -EINVAL, "overflow, rate too high: %llu", cfg.avg);
	} else if (!cfg.burst ||
		   to_credits(cfg.avg * cfg.burst, revision) < to_credits(cfg.avg, revision)) {
		return check_fail(c, -ERANGE, "overflow, try lower: %llu/%llu", cfg.avg, cfg.burst);
	}
	return 0;
}

/* What a new bucket of table @t starts with, when a rule of @revision makes it. */
static void new_bucket(struct late_hashlimit *late, const struct hashlimit_cfg3 *t, int revision)
{
	if (t->mode & HASHLIMIT_RATE_MATCH) {
		__u64 rate, burst;

		if (t->mode & HASHLIMIT_BYTES) {
			rate = to_byte_rate(t->avg);
			burst = t->burst ? t->burst * rate : rate;
		} else {
			rate = t->avg ? XT_HASHLIMIT_SCALE_v2 / t->avg : 0;
			burst = t->burst + rate;
		}
		late->cost = late_u64(rate);
		late->burst = late_u64(burst);
		late->interval = t->interval * kernel_hz();
	} else if (t->mode & HASHLIMIT_BYTES) {
		late->per_jiffy = late_u64(byte_credits());
		late->credit = late->full;
		late->cap = late_u64(t->burst);
		late->cost = late_u64(to_byte_credits(t->avg));
	} else {
		late->per_jiffy = late_u64(credits_per_jiffy(revision));
		late->credit = late_u64(to_credits(t->avg * t->burst, revision));
		late->cap = late->credit;
		late->cost = late_u64(to_credits(t->avg, revision));
	}
}

void hashlimit_conf(const struct hashlimit_cfg3 *table, struct hashlimit_conf *c)
{
	*c = (struct hashlimit_conf){
		.mode = table->mode,
		.interval = table->interval * kernel_hz(),
		.per_jiffy = table->mode & HASHLIMIT_BYTES ? byte_credits() : credits_per_jiffy(3),
		.full = byte_credits() * kernel_hz(),
	};
}

static __u32 prefix_mask(unsigned int bits)
{
	return bits ? ~0u << (32 - bits) : 0;
}

static int lower_hashlimit(struct lowering *l, const void *data)
{
	const struct xt_entry_match *m =
		(const void *)((const char *)data - offsetof(struct xt_entry_match, data));
	struct named own = { .born = 1 };
	const struct named *t;
	struct late_hashlimit late;
	const char *name;
	__u32 rule;

	if (!hashlimit_of(m, &own.cfg, &name))
		return -EINVAL;
	rule = own.cfg.mode;
	hashlimit_complete(&own.cfg);
	t = named_find(l->ctx->rs, NAMED_HASHLIMIT, name);
	if (!t)			/* a ruleset that was not committed */
		t = &own;
	late = (struct late_hashlimit){
		.table = { .id = t->id, .born = t->born },
		.mode = t->cfg.mode,
		.rule = rule,
		.src_mask = prefix_mask(t->cfg.srcmask),
		.dst_mask = prefix_mask(t->cfg.dstmask),
		.max = t->cfg.max,
		.gc = to_jiffies(t->cfg.gc_interval),
		.expire = late_u64(to_jiffies(t->cfg.expire)),
		.full = late_u64(byte_credits() * kernel_hz()),
	};
	new_bucket(&late, &t->cfg, m->u.user.revision);
	l->out->img_flags |= IMG_F_HASHLIMIT;
	return low_late(l, LATE_HASHLIMIT, &late, sizeof(late) / 4, LOW_EFFECT);
}

static int check_recent(const struct check *c, const void *data)
{
	const struct xt_recent_mtinfo_v1 *info = data;	/* revision 0 lacks the mask only */
	unsigned int verb = info->check_set & (XT_RECENT_SET | XT_RECENT_REMOVE |
					       XT_RECENT_CHECK | XT_RECENT_UPDATE);

	if (info->check_set & ~XT_RECENT_VALID_FLAGS || __builtin_popcount(verb) != 1)
		return check_fail(c, -EINVAL, "unknown or conflicting flags");
	if (verb & (XT_RECENT_SET | XT_RECENT_REMOVE) &&
	    (info->seconds || info->hit_count || info->check_set & XT_RECENT_MODIFIERS))
		return check_fail(c, -EINVAL, "--set and --remove take no condition");
	if (info->check_set & XT_RECENT_REAP && !info->seconds)
		return check_fail(c, -EINVAL, "--reap without --seconds");
	if (info->hit_count >= 65536)
		return check_fail(c, -EINVAL, "hitcount (%u) is larger than allowed maximum (65535)",
				  info->hit_count);
	return check_name(c, info->name, sizeof(info->name));
}

static int lower_recent(struct lowering *l, const void *data)
{
	const struct xt_recent_mtinfo_v1 *info = data;
	struct named own = { .born = 1, .mask = 0xffffffff,
			     .stamps = recent_stamps(info->hit_count) };
	const struct named *t = named_find(l->ctx->rs, NAMED_RECENT, info->name);
	struct late_recent late;

	if (!t)			/* a ruleset that was not committed */
		t = &own;
	late = (struct late_recent){
		.list = { .id = t->id, .born = t->born },
		.flags = info->check_set |
			 (info->invert ? RECENT_INVERT : 0) |
			 (info->side == XT_RECENT_DEST ? RECENT_DST : 0) |
			 (recent_is_big(t->stamps) ? RECENT_BIG : 0) |
			 (info->seconds ? RECENT_WITHIN : 0),
		.addr_mask = __builtin_bswap32(t->mask),
		.stamps = t->stamps,
		.seconds = info->seconds * kernel_hz(),
		.hits = info->hit_count ? info->hit_count : 1,
	};
	l->out->img_flags |= IMG_F_RECENT;
	if (late.flags & RECENT_BIG)
		l->out->img_flags |= IMG_F_RECENT_BIG;
	return low_late(l, LATE_RECENT, &late, sizeof(late) / 4, LOW_EFFECT);
}

static int check_quota(const struct check *c, const void *data)
{
	const struct xt_quota_info *q = data;

	return q->flags & ~XT_QUOTA_MASK ? check_fail(c, -EINVAL, "unknown flags") : 0;
}

static int lower_quota(struct lowering *l, const void *data)
{
	const struct xt_quota_info *q = data;
	struct late_quota late = { .quota = late_u64(q->quota) };
	struct match_state s;

	memcpy(&s, &q->master, sizeof(s));
	late.row = (struct late_named){ .id = s.id, .born = s.born };
	l->out->img_flags |= IMG_F_STATE;
	return low_late(l, LATE_QUOTA | (q->flags & XT_QUOTA_INVERT ? LATE_NOT : 0), &late,
			sizeof(late) / 4, LOW_EFFECT);
}

static int check_time(const struct check *c, const void *data)
{
	const struct xt_time_info *t = data;

	if (t->daytime_start > XT_TIME_MAX_DAYTIME || t->daytime_stop > XT_TIME_MAX_DAYTIME)
		return check_fail(c, -EDOM, "invalid argument - "
				  "start or stop time greater than 23:59:59");
	if (t->flags & ~XT_TIME_ALL_FLAGS)
		return check_fail(c, -EINVAL, "unknown flags");
	if (t->flags & XT_TIME_CONTIGUOUS && t->daytime_start < t->daytime_stop)
		return check_fail(c, -EINVAL, "--contiguous only makes sense when stop time is "
				  "smaller than start time");
	return 0;
}

static int lower_time(struct lowering *l, const void *data)
{
	const struct xt_time_info *t = data;
	struct timezone tz = { 0 };
	struct timex tx = { .modes = 0 };
	struct timeval tv;
	struct late_time late = {
		.date_start = t->date_start,
		.date_stop = t->date_stop,
		.day_start = t->daytime_start,
		.day_stop = t->daytime_stop,
		.monthdays = t->monthdays_match,
		.weekdays = t->weekdays_match,
		.flags = t->flags,
	};

	if (t->flags & XT_TIME_LOCAL_TZ && !gettimeofday(&tv, &tz))
		late.west = 60 * tz.tz_minuteswest;
	if (adjtimex(&tx) >= 0)
		late.tai = tx.tai;
	l->out->img_flags |= IMG_F_TIME;
	return low_late(l, LATE_TIME, &late, sizeof(late) / 4, LOW_PURE);
}

const struct match_op rate_matches[] = {
	{ "hashlimit", 1, 1, .size = sizeof(struct xt_hashlimit_mtinfo1),
	  .check = check_hashlimit, .lower = lower_hashlimit },
	{ "hashlimit", 2, 2, .size = sizeof(struct xt_hashlimit_mtinfo2),
	  .check = check_hashlimit, .lower = lower_hashlimit },
	{ "hashlimit", 3, 3, .size = sizeof(struct xt_hashlimit_mtinfo3),
	  .check = check_hashlimit, .lower = lower_hashlimit },
	{ "recent", 0, 0, .size = sizeof(struct xt_recent_mtinfo),
	  .check = check_recent, .lower = lower_recent },
	{ "recent", 1, 1, .size = sizeof(struct xt_recent_mtinfo_v1),
	  .check = check_recent, .lower = lower_recent },
	{ "quota", .size = sizeof(struct xt_quota_info),
	  .state = offsetof(struct xt_quota_info, master),
	  .check = check_quota, .lower = lower_quota },
	{ "time", .size = sizeof(struct xt_time_info), .check = check_time, .lower = lower_time },
	{ .name = NULL },
};
