// SPDX-License-Identifier: GPL-2.0-only
/*
 * attach.c - a link per interface and side
 *
 *	mode tc		tcx ingress and egress on every interface
 *	mode xdp	XDP (native) and tcx egress, and at tcx ingress fw_answer when
 *			some rule may reject; all of tcx ingress where the driver has no
 *			native XDP, said aloud
 *	mode netfilter	no interface needs a link: attach_nf.c
 *	mode hybrid	that, and XDP (native) for certain drops (early.bpf.c)
 *
 * Links are pinned as links/IFINDEX-in, -out and -xdp and die with their
 * interface; a kernel without tcx (before 6.6) gets clsact filters instead
 * (attach_cls.c).
 */
#include <dirent.h>
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>
#include <bpf/bpf.h>
#include <bpf/libbpf.h>
#include <linux/if_link.h>

#include "instance_int.h"

enum side { SIDE_IN, SIDE_OUT, SIDE_XDP, NR_SIDES };

static const char *const side_name[NR_SIDES] = { "in", "out", "xdp" };

static int side_prog(const struct generation *gen, enum side side)
{
	switch (side) {
	case SIDE_IN:
		return gen->fd[GEN_INGRESS];
	case SIDE_OUT:
		return gen->fd[GEN_EGRESS];
	default:
		return gen->fd[GEN_XDP];
	}
}

static int link_path(const struct instance *in, __u32 ifindex, enum side side,
		     char *path, size_t len)
{
	int n = snprintf(path, len, "%s/links/%u-%s", in->dir, ifindex, side_name[side]);

	return n >= (int)len ? -ENAMETOOLONG : 0;
}

static int link_create(int prog_fd, __u32 ifindex, enum side side)
{
	LIBBPF_OPTS(bpf_link_create_opts, opts);
	int fd;

	switch (side) {
	case SIDE_IN:
		fd = bpf_link_create(prog_fd, ifindex, TCX_INGRESS, NULL);
		break;
	case SIDE_OUT:
		fd = bpf_link_create(prog_fd, ifindex, TCX_EGRESS, NULL);
		break;
	default:
		opts.flags = XDP_FLAGS_DRV_MODE;
		fd = bpf_link_create(prog_fd, ifindex, BPF_XDP, &opts);
		break;
	}
	return fd < 0 ? -errno : fd;
}

static __u32 prog_id(int fd)
{
	struct bpf_prog_info info = {};
	__u32 len = sizeof(info);

	return bpf_obj_get_info_by_fd(fd, &info, &len) ? 0 : info.id;
}

/* A pinned link: does it still sit on @ifindex, and run our program? */
static int link_renew(int link_fd, __u32 ifindex, int prog_fd)
{
	struct bpf_link_info info = {};
	__u32 len = sizeof(info);

	if (bpf_obj_get_info_by_fd(link_fd, &info, &len))
		return -errno;
	if (info.xdp.ifindex != ifindex)	/* first member of info.tcx, too */
		return -ENODEV;
	if (info.prog_id == prog_id(prog_fd))
		return 0;
	return bpf_link_update(link_fd, prog_fd, NULL) ? -errno : 0;
}

static bool is_cls(enum side side)
{
	return side != SIDE_XDP && cls_needed();
}

static int attach(struct instance *in, int prog_fd, __u32 ifindex, enum side side)
{
	char path[PATH_MAX];
	int fd, err;

	if (is_cls(side))
		return cls_attach(in, prog_fd, ifindex, side == SIDE_IN);
	err = link_path(in, ifindex, side, path, sizeof(path));
	if (err)
		return err;
	fd = bpf_obj_get(path);
	if (fd >= 0) {
		err = link_renew(fd, ifindex, prog_fd);
		close(fd);
		if (err != -ENODEV)
			return err;
		unlink(path);
	}
	fault_step();
	fd = link_create(prog_fd, ifindex, side);
	if (fd < 0)
		return fd;
	err = bpf_obj_pin(fd, path) ? -errno : 0;
	close(fd);
	fault_step();
	return err;
}

static void detach(struct instance *in, __u32 ifindex, enum side side)
{
	char path[PATH_MAX];

	if (is_cls(side))
		cls_detach(ifindex, side == SIDE_IN);
	else if (!link_path(in, ifindex, side, path, sizeof(path)))
		unlink(path);
}

static bool has_link(struct instance *in, __u32 ifindex, enum side side)
{
	char path[PATH_MAX];

	if (is_cls(side))
		return cls_attached(ifindex, side == SIDE_IN);
	return !link_path(in, ifindex, side, path, sizeof(path)) && !access(path, F_OK);
}

/*
 * Ingress of one interface: XDP where the mode and the driver have it, else tc.
 * Beside XDP stands fw_answer when some rule may reject. It goes first, so that no
 * rejected frame finds nobody there, unless fw_ingress is in its place as yet.
 */
static int attach_in(struct instance *in, const struct generation *gen,
		     const struct iface *i, bool verbose)
{
	int err;

	if (in->mode == MODE_XDP && !(i->flags & (IFACE_LOOPBACK | IFACE_L3))) {
		bool rejects = gen->tier.features & IMG_F_REJECT;

		if (rejects && (has_link(in, i->ifindex, SIDE_XDP) ||
				!has_link(in, i->ifindex, SIDE_IN))) {
			err = attach(in, gen->fd[GEN_ANSWER], i->ifindex, SIDE_IN);
			if (err)
				return err;
		}
		err = attach(in, gen->fd[GEN_XDP], i->ifindex, SIDE_XDP);
		if (!err && rejects)
			return attach(in, gen->fd[GEN_ANSWER], i->ifindex, SIDE_IN);
		if (!err) {
			detach(in, i->ifindex, SIDE_IN);
			return 0;
		}
		if (verbose)
			fprintf(stderr, "bpf-iptables: %s: no native XDP here (%s), using tc\n",
				i->name, strerror(-err));
	}
	return attach(in, gen->fd[GEN_INGRESS], i->ifindex, SIDE_IN);
}

/* hybrid: where there is no XDP the netfilter hook drops by itself, so nothing is lost. */
static void attach_early(struct instance *in, const struct generation *gen,
			 const struct iface *i, bool verbose)
{
	int err;

	if (i->flags & (IFACE_LOOPBACK | IFACE_L3) || i->master) {
		detach(in, i->ifindex, SIDE_XDP);
		return;
	}
	err = attach(in, gen->fd[GEN_EARLY], i->ifindex, SIDE_XDP);
	if (err && verbose)
		fprintf(stderr, "bpf-iptables: %s: no native XDP here (%s), nothing is dropped early\n",
			i->name, strerror(-err));
}

/* Links of interfaces that are gone, and what attach_cls.c noted of them. */
static void drop_stale(struct instance *in, const struct iface *ifs, size_t n)
{
	char dir[PATH_MAX], path[PATH_MAX];
	struct dirent *de;
	DIR *d;

	if (snprintf(dir, sizeof(dir), "%s/links", in->dir) >= (int)sizeof(dir))
		return;
	d = opendir(dir);
	if (!d)
		return;
	while ((de = readdir(d))) {
		unsigned int ifindex;
		size_t i;

		if (sscanf(de->d_name, "%u-", &ifindex) != 1)
			continue;
		for (i = 0; i < n && ifs[i].ifindex != ifindex; i++)
			;
		if (i == n &&
		    snprintf(path, sizeof(path), "%s/%s", dir, de->d_name) < (int)sizeof(path) &&
		    unlink(path))
			rmdir(path);
	}
	closedir(d);
}

int attach_all(struct instance *in, struct generation *gen,
	       const struct iface *ifs, size_t n, bool verbose)
{
	char dir[PATH_MAX];
	int err, first = 0;
	size_t i;

	if (snprintf(dir, sizeof(dir), "%s/links", in->dir) >= (int)sizeof(dir))
		return -ENAMETOOLONG;
	loader_quiet();
	if (mkdir(dir, 0700) && errno != EEXIST)
		return -errno;
	generation_programs(in, gen);
	if (mode_is_nf(in->mode)) {
		err = attach_nf(in, gen);
		if (err || in->mode == MODE_NETFILTER)
			return err;
	}
	err = pins_mark(in);
	if (err)
		return err;
	drop_stale(in, ifs, n);
	for (i = 0; i < n; i++) {
		if (in->mode == MODE_HYBRID) {
			attach_early(in, gen, &ifs[i], verbose);
			continue;
		}
		err = attach(in, side_prog(gen, SIDE_OUT), ifs[i].ifindex, SIDE_OUT);
		if (!err)
			err = attach_in(in, gen, &ifs[i], verbose);
		if (err && err != -ENODEV) {	/* gone meanwhile: nothing to cover */
			fprintf(stderr, "bpf-iptables: %s is not covered: %s\n",
				ifs[i].name, strerror(-err));
			if (!first)
				first = err;
		}
	}
	return first;
}

/* attach_detach_all() - let every packet pass untouched again */
int attach_detach_all(struct instance *in)
{
	char dir[PATH_MAX];
	struct iface *ifs;
	size_t n;
	int err;

	loader_quiet();
	err = ifaces_list(&ifs, &n);
	if (err)
		return err;
	cls_detach_all(in, ifs, n);
	free(ifs);
	detach_nf(in);
	if (snprintf(dir, sizeof(dir), "%s/links", in->dir) < (int)sizeof(dir))
		pins_remove(dir);
	return 0;
}

/* attach_describe() - " xdp tc-ingress tc-egress": the links that an interface has */
const char *attach_describe(struct instance *in, __u32 ifindex)
{
	static const char *const text[NR_SIDES] = { " tc-ingress", " tc-egress", " xdp" };
	static char buf[64];
	int side;

	buf[0] = 0;
	for (side = 0; side < NR_SIDES; side++)
		if (has_link(in, ifindex, side))
			strcat(buf, text[side]);
	return buf[0] ? buf : " not covered by a link";
}
