/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * abi/native.h - netfilter hook: the questions that native rules ask about a packet
 *
 * Each rule that begins with `ask' is one question; a `no' goes on to the next rule, a
 * `yes' does what the rest of the rule says (user/nft_native.c):
 *
 *	INPUT, FORWARD, OUTPUT	ask goto act
 *	act	ask jump flip; ask ct mark set meta mark; ask jump flip; ask goto refuse
 *	flip	ask jump byte0; ... ask jump byte3
 *	byte0	ask meta mark set meta mark xor 0x1; ... ask ... xor 0x80
 *	refuse	ask reject with ..., NATIVE_REJECTS of them in native_order(); drop
 *
 * The connection's mark, of any value, cannot be a rule's constant: the packet's mark
 * is made equal to it bit by bit, stored with one rule, and then made what it shall be.
 * Nobody else sees the packet meanwhile.
 *
 * Example: MARK 0x105 on a packet with mark 0x4, accepted: 1 (act), 0, 0, 1 (flip), 1
 * (byte 0: 0x01) 1000 0000, 1 (byte 1: 0x01) 1000 0000, 0, 0, 0.
 */
#ifndef BPFIPT_ABI_NATIVE_H
#define BPFIPT_ABI_NATIVE_H

#include <linux/types.h>
#include "reject.h"

/* A power of two. The longest: act 1, flip 1 + 4 + 32, store 1, flip 37, refuse 1 + 8 */
#define NATIVE_WORDS	4
#define NATIVE_REJECTS	8

/*
 * struct native_script - a packet's answers
 * @at, @nr:	answers given; all of them
 * @answer:	one bit each, the first one in bit 0
 */
struct native_script {
	__u32 at;
	__u32 nr;
	__u32 answer[NATIVE_WORDS];
};

/* When a kind of REJECT (enum fw_reject) is asked about: the most frequent ones first. */
static inline __u32 native_order(__u32 kind)
{
	switch (kind) {
	case REJECT_PORT_UNREACH:	return 0;
	case REJECT_TCP_RESET:		return 1;
	case REJECT_ADMIN_PROHIBITED:	return 2;
	case REJECT_HOST_PROHIBITED:	return 3;
	case REJECT_HOST_UNREACH:	return 4;
	case REJECT_NET_UNREACH:	return 5;
	case REJECT_PROTO_UNREACH:	return 6;
	default:			return 7;	/* REJECT_NET_PROHIBITED */
	}
}

_Static_assert(1 + 2 * (1 + 4 + 32) + 1 + 1 + NATIVE_REJECTS <= 32 * NATIVE_WORDS, "script");
_Static_assert(sizeof(struct native_script) == 8 + 4 * NATIVE_WORDS, "native_script");

#endif /* BPFIPT_ABI_NATIVE_H */
