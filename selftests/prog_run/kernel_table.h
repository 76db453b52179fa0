/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * kernel_table.h - the kernel's own filter table (iptables-legacy) as a struct ruleset
 */
#ifndef BPFIPT_KERNEL_TABLE_H
#define BPFIPT_KERNEL_TABLE_H

#include "../../user/ruleset.h"

/*
 * kernel_table_read() - read the filter table of this network namespace
 * Counters of rules and policies are the kernel's. Return: 0 or -errno
 */
int kernel_table_read(struct ruleset **rs);

#endif /* BPFIPT_KERNEL_TABLE_H */
