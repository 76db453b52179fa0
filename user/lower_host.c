// SPDX-License-Identifier: GPL-2.0-only
/*
 * lower_host.c - matches that ask the host about a packet: addrtype, owner, devgroup,
 * physdev
 *
 * From the kernel's xt_addrtype.c, xt_owner.c, xt_devgroup.c and xt_physdev.c. The
 * datapath reads the kernel's own structures at the instant of the question
 * (progs/kernel.bpf.h), so nothing here goes stale.
 *
 * physdev is asked of the packet at the netfilter hook, which bridged ones come by; what
 * the other hooks know of it is in capability.c.
 */
#include <errno.h>
#include <fcntl.h>
#include <net/if.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/stat.h>
#include <unistd.h>
#include <linux/netfilter/xt_addrtype.h>
#include <linux/netfilter/xt_devgroup.h>
#include <linux/netfilter/xt_owner.h>
#include <linux/netfilter/xt_physdev.h>
#include <linux/nsfs.h>

#include "lower_int.h"

#define INIT_USER_NS	0xeffffffdu	/* PROC_USER_INIT_INO of linux/proc_ns.h */

static int lower_types(struct lowering *l, __u32 flags, __u32 src, __u32 dst)
{
	struct late_addrtype late = { .flags = flags, .src = src, .dst = dst };

	if (!src && !dst)
		return 0;
	l->out->img_flags |= IMG_F_ADDRTYPE;
	return low_late(l, LATE_ADDRTYPE, &late, sizeof(late) / 4, LOW_PURE);
}

static int lower_addrtype0(struct lowering *l, const void *data)
{
	const struct xt_addrtype_info *at = data;

	return lower_types(l, (at->invert_source ? LATE_ADDRTYPE_NOT_SRC : 0) |
			   (at->invert_dest ? LATE_ADDRTYPE_NOT_DST : 0), at->source, at->dest);
}

static int lower_addrtype1(struct lowering *l, const void *data)
{
	const struct xt_addrtype_info_v1 *at = data;

	return lower_types(l, at->flags, at->source, at->dest);
}

/* The user namespace that is ours and the network namespace's, as an inode; 0: not one. */
static __u32 common_userns(void)
{
	struct stat own, net;
	__u32 ino = 0;
	int fd, ns;

	fd = open("/proc/thread-self/ns/net", O_RDONLY | O_CLOEXEC);
	if (fd < 0)
		return 0;
	ns = ioctl(fd, NS_GET_USERNS);
	if (ns >= 0) {
		if (!fstat(ns, &net) && !stat("/proc/self/ns/user", &own) &&
		    own.st_dev == net.st_dev && own.st_ino == net.st_ino)
			ino = own.st_ino;
		close(ns);
	}
	close(fd);
	return ino;
}

static int check_owner(const struct check *c, const void *data)
{
	const struct xt_owner_match_info *o = data;

	if (o->match & ~XT_OWNER_MASK)
		return check_fail(c, -EINVAL, "unknown flags");
	if (o->match & (XT_OWNER_UID | XT_OWNER_GID) && !common_userns())
		return check_fail(c, -EINVAL, "the network namespace is another user namespace's");
	if (o->match & XT_OWNER_UID &&
	    (o->uid_max < o->uid_min || o->uid_min == ~0u || o->uid_max == ~0u))
		return check_fail(c, -EINVAL, "bad user ids");
	if (o->match & XT_OWNER_GID &&
	    (o->gid_max < o->gid_min || o->gid_min == ~0u || o->gid_max == ~0u))
		return check_fail(c, -EINVAL, "bad group ids");
	return 0;
}

static int lower_owner(struct lowering *l, const void *data)
{
	const struct xt_owner_match_info *o = data;
	struct late_owner late = {
		.match = o->match, .invert = o->invert,
		.uid_min = o->uid_min, .uid_max = o->uid_max,
		.gid_min = o->gid_min, .gid_max = o->gid_max,
	};

	if (o->match & (XT_OWNER_UID | XT_OWNER_GID) && common_userns() != INIT_USER_NS)
		return low_refuse(l, "ids of a user namespace that is not the initial one");
	l->out->img_flags |= IMG_F_SOCKET;
	return low_late(l, LATE_OWNER, &late, sizeof(late) / 4, LOW_PURE);
}

static int lower_devgroup(struct lowering *l, const void *data)
{
	const struct xt_devgroup_info *dg = data;
	struct late_devgroup late = {
		.flags = dg->flags, .src = dg->src_group, .src_mask = dg->src_mask,
		.dst = dg->dst_group, .dst_mask = dg->dst_mask,
	};

	l->out->img_flags |= IMG_F_DEVGROUP;
	if (dg->flags & XT_DEVGROUP_MATCH_DST)
		l->out->img_flags |= IMG_F_OIF;
	return low_late(l, LATE_DEVGROUP, &late, sizeof(late) / 4, LOW_PURE);
}

static int lower_physdev(struct lowering *l, const void *data)
{
	const struct xt_physdev_info *pd = data;
	struct late_physdev late = { .ops = pd->bitmask, .not = pd->invert };

	memcpy(late.in, pd->physindev, sizeof(late.in));
	memcpy(late.in_mask, pd->in_mask, sizeof(late.in_mask));
	memcpy(late.out, pd->physoutdev, sizeof(late.out));
	memcpy(late.out_mask, pd->out_mask, sizeof(late.out_mask));
	l->out->img_flags |= IMG_F_NF_HOST;
	return low_late(l, LATE_PHYSDEV, &late, sizeof(late) / 4, LOW_PURE);
}

const struct match_op host_matches[] = {
	{ "addrtype", 0, 0, .size = sizeof(struct xt_addrtype_info), .lower = lower_addrtype0 },
	{ "addrtype", 1, 1, .size = sizeof(struct xt_addrtype_info_v1),
	  .check = check_addrtype, .lower = lower_addrtype1 },
	{ "owner", 1, 1, .hooks = ON_HOOK(HOOK_OUTPUT), .size = sizeof(struct xt_owner_match_info),
	  .check = check_owner, .lower = lower_owner },
	{ "devgroup", .size = sizeof(struct xt_devgroup_info),
	  .check = check_devgroup, .lower = lower_devgroup },
	{ "physdev", .size = sizeof(struct xt_physdev_info),
	  .check = check_physdev, .lower = lower_physdev },
	{ .name = NULL },
};

_Static_assert(XT_ADDRTYPE_INVERT_SOURCE == LATE_ADDRTYPE_NOT_SRC &&
	       XT_ADDRTYPE_INVERT_DEST == LATE_ADDRTYPE_NOT_DST &&
	       XT_ADDRTYPE_LIMIT_IFACE_IN == LATE_ADDRTYPE_IN &&
	       XT_ADDRTYPE_LIMIT_IFACE_OUT == LATE_ADDRTYPE_OUT, "flags are xt_addrtype's");
_Static_assert(XT_OWNER_UID == LATE_OWNER_UID && XT_OWNER_GID == LATE_OWNER_GID &&
	       XT_OWNER_SOCKET == LATE_OWNER_SOCKET &&
	       XT_OWNER_SUPPL_GROUPS == LATE_OWNER_GROUPS, "flags are xt_owner's");
_Static_assert(XT_DEVGROUP_MATCH_SRC == LATE_DEVGROUP_SRC &&
	       XT_DEVGROUP_INVERT_SRC == LATE_DEVGROUP_NOT_SRC &&
	       XT_DEVGROUP_MATCH_DST == LATE_DEVGROUP_DST &&
	       XT_DEVGROUP_INVERT_DST == LATE_DEVGROUP_NOT_DST, "flags are xt_devgroup's");
_Static_assert(XT_PHYSDEV_OP_IN == LATE_PHYSDEV_IN && XT_PHYSDEV_OP_OUT == LATE_PHYSDEV_OUT &&
	       XT_PHYSDEV_OP_BRIDGED == LATE_PHYSDEV_BRIDGED &&
	       XT_PHYSDEV_OP_ISIN == LATE_PHYSDEV_ISIN &&
	       XT_PHYSDEV_OP_ISOUT == LATE_PHYSDEV_ISOUT, "operations are xt_physdev's");
