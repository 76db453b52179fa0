/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * abi/late_payload.h - late matches on the packet's bytes: u32, string, tcpmss
 *
 * Offsets count from the IP header, and the packet ends with its IP total length,
 * as in an skb that ip_rcv_core() has trimmed. In FORWARD the header is the one that
 * ip_forward() made: TTL decremented, checksum adjusted.
 */
#ifndef BPFIPT_ABI_LATE_PAYLOAD_H
#define BPFIPT_ABI_LATE_PAYLOAD_H

#include <linux/types.h>

/*
 * LATE_U32: xt_u32 as a row of instructions on a value, a base and a flag, all 0 at
 * first; the record's length says how many. A read beyond the packet's end, and
 * U32_NEXT without a hit, is no match; the end of the row is the match.
 *
 *	"6 & 0xFF = 6 && 0 >> 22 & 0x3C @ 0 >> 16 = 80:90"
 *	READ 6; AND 0xff; IN 6 6; NEXT; READ 0; SHR 22; AND 0x3c; AT 0; SHR 16; IN 80 90; NEXT
 */
enum u32_op {
	U32_READ,	/* base = 0; value = 32 bits at @a */
	U32_AT,		/* base += value; value = 32 bits at base + @a; no sum may wrap */
	U32_AND,	/* value &= @a */
	U32_SHL,	/* value <<= @a, below 32 */
	U32_SHR,	/* value >>= @a, below 32 */
	U32_IN,		/* hit when @a <= value <= @b */
	U32_NEXT,	/* no hit: no match; else take the hit back */
	NR_U32_OPS,
};

struct late_u32 {
	__u32 op;	/* enum u32_op */
	__u32 a;
	__u32 b;
};

/* 11 tests of 11 locations, 11 ranges and the U32_NEXT */
#define LATE_U32_MAX	(11 * (11 + 11 + 1))

/*
 * LATE_STRING: a pattern of @len bytes lies in [@from, @to) of the packet. Boyer and
 * Moore's search (CACM 20(10), 1977), with the shift tables made by user space:
 * where the text's byte c stands at distance i from the pattern's last one and is not
 * the pattern's, the pattern moves on by max(bad[c] - i, good[i]). That is linear in
 * the text also at its worst.
 * @fold:	1: fold c to upper case, as the kernel's toupper() does, before it is
 *		compared; the pattern is in upper case then
 */
#define LATE_STRING_MAX	128

struct late_string {
	__u32 from;
	__u32 to;
	__u32 len;		/* 1..LATE_STRING_MAX */
	__u32 fold;
	__u8 pattern[LATE_STRING_MAX];
	__u8 bad[256];
	__u8 good[LATE_STRING_MAX];
};

/*
 * LATE_TCPMSS: the MSS option's value is in [@first, @last]. Options are walked as by
 * LATE_TCPOPT, an MSS option being kind 2 of length 4; without one: no match (so
 * LATE_NOT gives a match). Less than a TCP header, or a data offset below 5 or beyond
 * the packet's end: hotdrop, in any form, for xt_tcpmss.c has no fragment test.
 */
struct late_tcpmss {
	__u32 first;
	__u32 last;
};

_Static_assert(sizeof(struct late_u32) == 12, "late_u32");
_Static_assert(sizeof(struct late_string) == 16 + 512, "late_string");
_Static_assert(sizeof(struct late_tcpmss) == 8, "late_tcpmss");

#endif /* BPFIPT_ABI_LATE_PAYLOAD_H */
