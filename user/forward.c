// SPDX-License-Identifier: GPL-2.0-only
/*
 * forward.c - what xdp --forward does with accepted packets, for `status'
 *
 * fw_xdp looks at a pair of interfaces when a packet is to go from one to the other, on
 * each CPU by itself, and keeps what it found. The latest that any CPU found is shown:
 *
 *	forward eth0 to eth1: open
 *	forward eth1 to eth0: closed, output: a queueing discipline was chosen for it
 */
#include <net/if.h>
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>
#include <bpf/bpf.h>
#include <bpf/libbpf.h>

#include "../progs/abi/forward.h"
#include "instance_int.h"

static int by_pair_and_age(const void *a, const void *b)
{
	const struct fwd_lane *x = a, *y = b;

	if (x->in != y->in)
		return x->in < y->in ? -1 : 1;
	if (x->out != y->out)
		return x->out < y->out ? -1 : 1;
	return (x->tick < y->tick) - (x->tick > y->tick);
}

static void print_lane(const struct fwd_lane *l)
{
	static const char *const whys[NR_FWD_WHYS] = FWD_WHYS;
	char from[IF_NAMESIZE], to[IF_NAMESIZE];

	if (!l->in || l->why >= NR_FWD_WHYS ||
	    !if_indextoname(l->in, from) || !if_indextoname(l->out, to))
		return;		/* gone since */
	printf("forward %s to %s: %s%s\n", from, to, l->why ? "closed, " : "", whys[l->why]);
}

/** forward_print() - a line for each pair of interfaces that a packet was to pass between */
void forward_print(const struct instance *in)
{
	int fd = pins_open("%s/g%d/map-fwd_lanes", in->dir, in->gen.number);
	int ncpu = libbpf_num_possible_cpus();
	struct fwd_lane *l;
	size_t n = 0, i;
	__u32 row;

	printf("forward on\n");
	l = fd >= 0 && ncpu > 0 ? calloc((size_t)FWD_LANES * ncpu, sizeof(*l)) : NULL;
	for (row = 0; l && row < FWD_LANES; row++)
		if (!bpf_map_lookup_elem(fd, &row, l + n))
			n += ncpu;
	if (n)
		qsort(l, n, sizeof(*l), by_pair_and_age);
	for (i = 0; i < n; i++)
		if (!i || l[i].in != l[i - 1].in || l[i].out != l[i - 1].out)
			print_lane(&l[i]);
	free(l);
	if (fd >= 0)
		close(fd);
}
