/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * csum.bpf.h - Internet checksums (RFC 1071), and one brought up to date (RFC 1624)
 */
#ifndef BPFIPT_CSUM_BPF_H
#define BPFIPT_CSUM_BPF_H

#include <linux/types.h>

static __always_inline __u32 csum_fold(__u64 sum)
{
	sum = (sum & 0xffffffff) + (sum >> 32);
	sum = (sum & 0xffff) + (sum >> 16);
	sum = (sum & 0xffff) + (sum >> 16);
	sum = (sum & 0xffff) + (sum >> 16);
	return sum & 0xffff;
}

/* The checksum @check when @from, 32 bits of what it covers, have become @to. */
static __always_inline __u16 csum_replace(__u16 check, __u32 from, __u32 to)
{
	return ~csum_fold((__u64)(__u32)~(__u32)check + (__u32)~from + to);
}

#endif /* BPFIPT_CSUM_BPF_H */
