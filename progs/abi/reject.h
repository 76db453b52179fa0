/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * abi/reject.h - the REJECT target: kinds of answer, and what user space says of them
 */
#ifndef BPFIPT_ABI_REJECT_H
#define BPFIPT_ABI_REJECT_H

#include <linux/types.h>

/* arg of ACT_REJECT: the values of enum ipt_reject_with (linux/netfilter_ipv4/ipt_REJECT.h). */
enum fw_reject {
	REJECT_NET_UNREACH,
	REJECT_HOST_UNREACH,
	REJECT_PROTO_UNREACH,
	REJECT_PORT_UNREACH,
	REJECT_NET_PROHIBITED = 5,
	REJECT_HOST_PROHIBITED,
	REJECT_TCP_RESET,
	REJECT_ADMIN_PROHIBITED,
	NR_REJECTS,
};

/*
 * struct reject_conf - the namespace's sysctls that shape an answer; one row of map
 * reject_conf, written by user/reject.c at every commit
 * @ttl:	net.ipv4.ip_default_ttl
 * @keep_mark:	net.ipv4.fwmark_reflect
 * @limited:	net.ipv4.icmp_ratemask names destination-unreachable
 * @interval:	net.ipv4.icmp_ratelimit, ms between answers to one address; 0: no limit
 * @rate, @burst: net.ipv4.icmp_msgs_per_sec, icmp_msgs_burst
 */
struct reject_conf {
	__u32 ttl;
	__u32 keep_mark;
	__u32 limited;
	__u32 interval;
	__u32 rate;
	__u32 burst;
};

/*
 * struct reject_meta - in front of a frame that XDP rejected, for fw_answer at tc
 * @cookie:	the knob reject_cookie: nobody else's metadata is taken for ours
 * @type:	enum fw_reject
 * @hook:	enum fw_hook
 * @ctstate:	KEY_CTSTATE
 * @mark:	as MARK targets left it
 */
struct reject_meta {
	__u32 cookie[2];
	__u16 type;
	__u8 hook;
	__u8 ctstate;
	__u32 mark;
};

/* inet_peer_xrlim_allow (net/ipv4/inetpeer.c): answers to one address in a burst. */
#define REJECT_PEER_BURST	6

/* An address not heard of yet counts as one last answered so many ms ago (inet_getpeer). */
#define REJECT_PEER_AGE		60000

/* Addresses whose buckets are remembered. */
#define REJECT_PEERS		16384u

_Static_assert(sizeof(struct reject_conf) == 24, "reject_conf");
_Static_assert(sizeof(struct reject_meta) == 16, "reject_meta");

#endif /* BPFIPT_ABI_REJECT_H */
