/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * abi/log.h - what LOG and NFLOG leave for user space
 *
 * The target is an action of its own, ACT_LOG, that continues the walk: it puts one
 * struct log_record, with the head of the packet behind it, into the ring buffer
 * log_ring, and `bpf-iptables log' (user/log.c) writes the line. A record carries the
 * target's parameters with it, so it is readable whatever has become of the rule.
 */
#ifndef BPFIPT_ABI_LOG_H
#define BPFIPT_ABI_LOG_H

#include <linux/types.h>

#define LOG_RING_BYTES	(1u << 20)
#define LOG_PREFIX	64	/* xt_nflog_info; xt_log_info has 30 */

/* Bytes of the packet: two IP headers and two TCP headers with options, and ICMP's. */
#define LOG_SNAP	248
#define LOG_SNAP_MAX	4096u	/* NFLOG's, whatever --nflog-size asks for */

/* @kind */
#define LOG_KIND_LOG	0u
#define LOG_KIND_NFLOG	1u

/*
 * struct log_params - the target's parameters, as they stand in the image
 * @level:	LOG: 0..7		@flags: LOG: XT_LOG_*
 * @group, @threshold: NFLOG
 * @snap:	bytes of the packet to keep, 1..LOG_SNAP_MAX
 * @prefix:	NUL-terminated
 */
struct log_params {
	__u32 kind;
	__u32 level;
	__u32 flags;
	__u32 group;
	__u32 threshold;
	__u32 snap;
	char prefix[LOG_PREFIX];
};

#define LOG_PARAM_WORDS	(sizeof(struct log_params) / 4)

/*
 * struct log_record
 * @time:	CLOCK_MONOTONIC, ns
 * @in, @out:	ifindex, 0: none
 * @mark:	the mark as it was at the rule
 * @uid, @gid:	with LOG_HAS_OWNER: of the file of the sending socket
 * @slot:	the rule's counter slot
 * @tot_len:	IP total length
 * @cap_len:	bytes of the packet that follow, from its IP header on
 * @ttl:	as iptables would see it
 * @mac:	the first @mac_len bytes of the frame, 14 at most
 */
struct log_record {
	struct log_params p;
	__u64 time;
	__u32 in;
	__u32 out;
	__u32 mark;
	__u32 uid;
	__u32 gid;
	__u32 slot;
	__u32 tot_len;
	__u32 cap_len;
	__u8 hook;
	__u8 ttl;
	__u8 flags;
	__u8 mac_len;
	__u8 mac[16];
	__u32 pad;
};

#define LOG_HAS_OWNER	0x1u	/* log_record.flags */

_Static_assert(sizeof(struct log_params) == 88, "log_params");
_Static_assert(sizeof(struct log_record) == 152, "log_record");

#endif /* BPFIPT_ABI_LOG_H */
