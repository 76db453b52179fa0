// SPDX-License-Identifier: GPL-2.0-only
/*
 * counters.c - the rows of counters of one generation: read, and carried to the next
 *
 * The map holds one row of counters per CPU, so that no CPU waits for another's cache
 * line, and one more that no CPU adds to: what earlier generations counted.
 */
#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <bpf/bpf.h>
#include <bpf/libbpf.h>

#include "instance_int.h"

/*
 * counters_read() - counters 0..@n-1, summed over CPUs
 * Batched where the kernel can (5.6), else one by one.
 * Return: 0 or -errno.
 */
int counters_read(int fd, __u32 n, struct fw_counter *sum)
{
	struct bpf_map_info info = {};
	__u32 len = sizeof(info), i, got, row, *keys;
	struct fw_counter *v;
	int err = 0;

	if (bpf_obj_get_info_by_fd(fd, &info, &len))
		return -errno;
	row = info.max_entries / counters_rows();
	v = calloc(info.max_entries ?: 1, sizeof(*v));
	keys = calloc(info.max_entries ?: 1, sizeof(*keys));
	if (!v || !keys) {
		err = -ENOMEM;
		goto out;
	}
	got = info.max_entries;
	if (bpf_map_lookup_batch(fd, NULL, &i, keys, v, &got, NULL) && errno != ENOENT) {
		for (i = 0; i < info.max_entries; i++) {
			if (bpf_map_lookup_elem(fd, &i, v + i)) {
				err = -errno;
				goto out;
			}
		}
	}
	memset(sum, 0, n * sizeof(*sum));
	for (i = 0; i < info.max_entries; i++) {
		if (i % row >= n)
			continue;
		sum[i % row].packets += v[i].packets;
		sum[i % row].bytes += v[i].bytes;
	}
out:
	free(v);
	free(keys);
	return err;
}

__u32 counters_rows(void)
{
	return libbpf_num_possible_cpus() + 1;
}

/*
 * counters_carry() - what @from has counted, into the last row of @to, whose own rows
 * may be counting already. Nothing adds to @from any more. Return: 0 or -errno.
 */
int counters_carry(const struct generation *from, const struct generation *to)
{
	__u32 n = from->tier.nr_counters, base = to->tier.nr_counters * (counters_rows() - 1);
	struct fw_counter *sum = calloc(n, sizeof(*sum));
	int err = sum ? counters_read(from->counters_fd, n, sum) : -ENOMEM;

	for (__u32 i = 0; !err && i < n; i++) {
		__u32 key = base + i;

		if (!sum[i].packets && !sum[i].bytes)
			continue;
		if (bpf_map_update_elem(to->counters_fd, &key, &sum[i], 0))
			err = -errno;
	}
	free(sum);
	return err;
}
