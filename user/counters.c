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
 * Return: 0 or -errno.
 */
int counters_read(const struct generation *gen, __u32 n, struct fw_counter *sum)
{
	const struct fw_counter *c;

	if (n > gen->tier.nr_counters)
		return -EINVAL;
	memset(sum, 0, n * sizeof(*sum));
	for (__u32 row = 0; row < gen->rows; row++) {
		c = counters_row(gen, row, n);
		if (!c)
			return -ENOMEM;
		for (__u32 i = 0; i < n; i++) {
			sum[i].packets += __atomic_load_n(&c[i].packets, __ATOMIC_RELAXED);
			sum[i].bytes += __atomic_load_n(&c[i].bytes, __ATOMIC_RELAXED);
		}
	}
	return 0;
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
	__u32 n = from->tier.nr_counters, base = to->tier.nr_counters * (to->rows - 1);
	struct fw_counter *sum = calloc(n, sizeof(*sum));
	int err = sum ? counters_read(from, n, sum) : -ENOMEM;

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
