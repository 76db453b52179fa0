/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * heap.h - memory ahead of need
 */
#ifndef BPFIPT_HEAP_H
#define BPFIPT_HEAP_H

#include <stddef.h>

/*
 * heap_reserve() - the next @bytes that malloc() hands out shall not page-fault
 * A hint: it never fails, and small amounts are left to the ordinary way.
 */
void heap_reserve(size_t bytes);

#endif /* BPFIPT_HEAP_H */
