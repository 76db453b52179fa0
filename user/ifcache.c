// SPDX-License-Identifier: GPL-2.0-only
/*
 * ifcache.c - the interfaces, from the image map's head as long as they are the same
 *
 * A command compiles for the interfaces that there are, so it has to know of each new,
 * renamed or enslaved one. To dump three over rtnetlink takes 65 us, a twentieth of a
 * command; a program that makes one number of all that is read of them (ifstamp.bpf.c), 10.
 * The number is asked for before the dump, so that what changes meanwhile makes the next
 * command dump again. A kernel that does not take the program is asked for the dump.
 */
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>
#include <bpf/bpf.h>
#include <bpf/libbpf.h>

#include "../progs/abi/ifstamp.h"
#include "ifstamp.skel.h"
#include "instance_int.h"

#define PIN	"%s/ifstamp"	/* of the instance, not of a generation */
#define MOST	(sizeof(((struct img_map *)0)->ifaces) / sizeof(struct iface))

/* ifstamp_make() - load and pin the program; without it every list is dumped */
void ifstamp_make(const struct instance *in)
{
	struct ifstamp *skel;
	char path[PATH_MAX];

	if (snprintf(path, sizeof(path), PIN, in->dir) >= (int)sizeof(path))
		return;
	skel = ifstamp__open_and_load();
	if (skel)
		bpf_obj_pin(bpf_program__fd(skel->progs.ifaces_stamp), path);
	ifstamp__destroy(skel);
}

/* 0: it is not known */
static __u64 stamp_now(const struct instance *in)
{
	struct if_stamp arg = {};
	LIBBPF_OPTS(bpf_test_run_opts, opts, .ctx_in = &arg, .ctx_size_in = sizeof(arg));
	int fd = pins_open(PIN, in->dir);

	if (fd < 0)
		return 0;
	if (bpf_prog_test_run_opts(fd, &opts))
		arg.stamp = 0;
	close(fd);
	return arg.stamp;
}

static int copy_list(const struct img_map *map, struct iface **ifs, size_t *n)
{
	*n = map->nr_ifaces;
	*ifs = malloc((*n + 1) * sizeof(**ifs));
	if (!*ifs)
		return -ENOMEM;
	memcpy(*ifs, map->ifaces, *n * sizeof(**ifs));
	return 0;
}

/*
 * ifaces_known() - as ifaces_list(), for who has the lock
 * Return: 0 or -errno.
 */
int ifaces_known(const struct instance *in, struct iface **ifs, size_t *n)
{
	struct img_map *map = in->gen.map;
	__u64 stamp = stamp_now(in);
	int err;

	if (stamp && stamp == map->ifaces_stamp && map->nr_ifaces <= MOST)
		return copy_list(map, ifs, n);
	err = ifaces_list(ifs, n);
	if (err || !stamp || *n > MOST)
		return err;
	__atomic_store_n(&map->ifaces_stamp, 0, __ATOMIC_RELEASE);
	memcpy(map->ifaces, *ifs, *n * sizeof(**ifs));
	map->nr_ifaces = *n;
	__atomic_store_n(&map->ifaces_stamp, stamp, __ATOMIC_RELEASE);
	return 0;
}
