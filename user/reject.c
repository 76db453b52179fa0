// SPDX-License-Identifier: GPL-2.0-only
/*
 * reject.c - what REJECT's answers owe to the namespace's sysctls
 *
 * Read when a ruleset is published; a sysctl changed later counts from the next
 * change of the ruleset (or `bpf-iptables-init`) on. What does not exist in this
 * namespace (icmp_msgs_* before Linux 6.13 are the initial one's) has its default.
 */
#include <errno.h>
#include <stdio.h>
#include <unistd.h>
#include <bpf/bpf.h>

#include "../progs/abi/reject.h"
#include "instance_int.h"

#define ICMP_DEST_UNREACH	3

static long sysctl(const char *name, long fallback)
{
	char path[128];
	long value = fallback;
	FILE *f;

	snprintf(path, sizeof(path), "/proc/sys/net/ipv4/%s", name);
	f = fopen(path, "r");
	if (!f)
		return fallback;
	if (fscanf(f, "%ld", &value) != 1)
		value = fallback;
	fclose(f);
	return value;
}

/*
 * reject_configure() - write the sysctls of this namespace into @gen's map reject_conf
 * Defaults: net/ipv4/icmp.c, icmp_sk_init(). Return: 0 or -errno.
 */
int reject_configure(const struct instance *in, const struct generation *gen)
{
	struct reject_conf conf = {
		.ttl = sysctl("ip_default_ttl", 64),
		.keep_mark = sysctl("fwmark_reflect", 0),
		.limited = sysctl("icmp_ratemask", 0x1818) >> ICMP_DEST_UNREACH & 1,
		.interval = sysctl("icmp_ratelimit", 1000),
		.rate = sysctl("icmp_msgs_per_sec", 1000),
		.burst = sysctl("icmp_msgs_burst", 50),
	};
	__u32 zero = 0;
	int fd, err;

	fd = pins_open("%s/g%d/map-reject_conf", in->dir, gen->number);
	if (fd < 0)
		return fd;
	err = bpf_map_update_elem(fd, &zero, &conf, BPF_ANY) ? -errno : 0;
	close(fd);
	return err;
}
