/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * fw.bpf.h - the ground every program stands on: types, knobs, the image accessors
 *
 * Each entry object (tc.bpf.c, xdp.bpf.c, netfilter.bpf.c) defines its context
 * type as fw_ctx_t and fw_load() before it includes the stages.
 */
#ifndef BPFIPT_FW_BPF_H
#define BPFIPT_FW_BPF_H

#include <linux/bpf.h>
#include <linux/if_ether.h>
#include <linux/if_packet.h>
#include <linux/in.h>
#include <linux/ip.h>
#include <bpf/bpf_helpers.h>
#include <bpf/bpf_endian.h>

#include "abi/counters.h"
#include "abi/image.h"
#include "abi/packet.h"

#define likely(x)	__builtin_expect(!!(x), 1)
#define unlikely(x)	__builtin_expect(!!(x), 0)

/* A relaxed read of a word that user space may store to at any moment. */
#define READ_ONCE(x)	(*(volatile typeof(x) *)&(x))

/*
 * Knobs, set by user/loader.c before load and frozen: the verifier sees
 * constants. The defaults verify on their own.
 * @img_table_mask:	words of a slot, rounded up to a power of two, - 1
 * @img_slot_bytes:	bytes of a slot
 * @img_slot_mask:	slots - 1 (a power of two - 1)
 * @fib_flags:		flags of bpf_fib_lookup that this kernel has
 * @fib_src_flag:	BPF_FIB_LOOKUP_SRC where this kernel has it, else 0
 * @kern_ctx:		this kernel has bpf_cast_to_kern_ctx()
 * @reject_cookie:	random: marks the answers of REJECT (reject.bpf.h)
 * @nr_counters: counter slots of one CPU
 * @features:	IMG_F_* parts that the program holds (else dead code, not loaded)
 */
const volatile __u32 img_table_mask = (1u << 14) - 1;
const volatile __u32 img_slot_bytes = 1u << 16;
const volatile __u32 img_slot_mask = 1;
const volatile __u32 fib_flags;
const volatile __u32 features = IMG_F_PROGRAM | IMG_F_NATIVE | IMG_F_NF_HOST;
const volatile __u32 nr_counters = 1024;
const volatile __u32 fib_src_flag;
const volatile __u32 kern_ctx;
const volatile __u32 reject_cookie[2];

/* struct img - the slot one packet is judged by, from first to last stage */
struct img {
	const char *base;
	__u64 mask;
};

static __always_inline __u32 img_word(const struct img *im, __u64 word)
{
	return *(const __u32 *)(im->base + ((word & im->mask) << 2));
}

static __always_inline __u64 img_node(const struct img *im, __u64 word)
{
	return *(const __u64 *)(im->base + ((word & im->mask) << 2));
}

/*
 * A record at @word. The mask bounds its first word; IMG_SLACK bytes behind the
 * second slot make room for the rest of a record at the very last word.
 */
static __always_inline const void *img_record(const struct img *im, __u64 word)
{
	return im->base + ((word & im->mask) << 2);
}

/*
 * unseen() - @v, which the verifier no longer knows: it comes back by way of @at, in a map
 * What it knows of a value it follows to the end, each one by itself.
 */
static __always_inline __u32 unseen(__u32 *at, __u32 v)
{
	*(volatile __u32 *)at = v;
	return READ_ONCE(*at);
}

/*
 * fw_load_some() - like fw_load(), @len between 1 and @max, a power of two
 * Linux 6.1's verifier does not learn from `len != 0' that a length is not zero: the
 * mask tells it. @to has room for @max bytes.
 */
static __always_inline int fw_load_some(fw_ctx_t *ctx, __u32 off, void *to, __u32 len, __u32 max)
{
	barrier_var(len);
	return fw_load(ctx, off, to, ((len - 1) & (max - 1)) + 1);
}

/* Of the image that begins at @base */
#define img_hdr_word(base, field)	\
	(*(const __u32 *)((base) + offsetof(struct img_hdr, field)))

#ifndef offsetof
#define offsetof(type, member)	__builtin_offsetof(type, member)
#endif

#endif /* BPFIPT_FW_BPF_H */
