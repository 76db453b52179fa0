// SPDX-License-Identifier: GPL-2.0-only
/*
 * lower_log.c - the targets LOG and NFLOG
 *
 * Both become ACT_LOG with a struct log_params (abi/log.h) in the image. From the
 * kernel's xt_LOG.c and xt_NFLOG.c.
 */
#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <linux/netfilter/xt_LOG.h>
#include <linux/netfilter/xt_NFLOG.h>

#include "../progs/abi/log.h"
#include "lower_int.h"

static int lower_params(struct lowering *l, const struct log_params *p)
{
	struct log_params *copy = malloc(sizeof(*copy));

	if (!copy)
		return -ENOMEM;
	*copy = *p;
	l->out->act = ACT_LOG;
	l->out->params = (__u32 *)copy;
	l->out->nr_params = LOG_PARAM_WORDS;
	l->out->img_flags |= IMG_F_LOG;
	return 0;
}

static int check_log(const struct check *c, const void *data)
{
	const struct xt_log_info *log = data;

	if (log->level >= 8)
		return check_fail(c, -EINVAL, "level %u", log->level);
	if (log->prefix[sizeof(log->prefix) - 1])
		return check_fail(c, -EINVAL, "the prefix does not end");
	return 0;
}

static int lower_log(struct lowering *l, const void *data)
{
	const struct xt_log_info *log = data;
	struct log_params p = {
		.kind = LOG_KIND_LOG, .level = log->level, .flags = log->logflags,
		.snap = LOG_SNAP,
	};

	memcpy(p.prefix, log->prefix, sizeof(log->prefix));
	return lower_params(l, &p);
}

static int check_nflog(const struct check *c, const void *data)
{
	const struct xt_nflog_info *log = data;

	if (log->flags & ~XT_NFLOG_MASK)
		return check_fail(c, -EINVAL, "unknown flags");
	if (log->prefix[sizeof(log->prefix) - 1])
		return check_fail(c, -EINVAL, "the prefix does not end");
	return 0;
}

static int lower_nflog(struct lowering *l, const void *data)
{
	const struct xt_nflog_info *log = data;
	struct log_params p = {
		.kind = LOG_KIND_NFLOG, .level = 4, .group = log->group,
		.threshold = log->threshold, .snap = LOG_SNAP_MAX,
	};

	if (log->flags & XT_NFLOG_F_COPY_LEN && log->len < p.snap)
		p.snap = log->len ? log->len : 1;
	memcpy(p.prefix, log->prefix, sizeof(log->prefix));
	return lower_params(l, &p);
}

const struct match_op log_targets[] = {
	{ "LOG", .size = sizeof(struct xt_log_info), .check = check_log, .lower = lower_log },
	{ "NFLOG", .size = sizeof(struct xt_nflog_info),
	  .check = check_nflog, .lower = lower_nflog },
	{ .name = NULL },
};

_Static_assert(sizeof(((struct xt_nflog_info *)0)->prefix) == LOG_PREFIX, "NFLOG's prefix");
