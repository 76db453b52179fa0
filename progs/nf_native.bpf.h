/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * nf_native.bpf.h - what the netfilter hook has native rules do for it
 *
 * A netfilter program can accept and drop; it cannot write to the packet, nor to its
 * connection, nor send anything. So it decides, and a few fixed rules of the instance's
 * own nftables table (user/nft_native.c), which stand at the next priority, do: they put
 * questions to fw_native_ask, a socket filter, through the kernel's xt_bpf match, and the
 * answers lead to a native `reject' or `meta mark set'. The netfilter program has written
 * all answers for the packet down beforehand, in the order in which they will be asked:
 *
 *	priority -3	fw_netfilter	script for skb 0x..c00: 1 0 0 1 0001 0000010 .. 0
 *		 -2	native rules	asked: 1, 0, 0, 1 ... the last one ends the script
 *		 -1	fw_native_end	a script that was not read to its end: drop
 *
 * The questions are those of struct native_script, abi/native.h. Scripts are found by the
 * address of the sk_buff: the three stages are neighbours in one traversal of a hook, so
 * that it is the same packet for all three whatever interrupts them, on whatever CPU they
 * run, and a packet that is judged meanwhile has another address. A packet for which
 * nothing is to be done has no script, and costs the rules one failed look-up.
 *
 * Somebody may take the native rules away (`nft flush ruleset'). fw_native_end, the
 * last stage, then finds the script and drops the packet: fail closed, with an event.
 */
#ifndef BPFIPT_NF_NATIVE_BPF_H
#define BPFIPT_NF_NATIVE_BPF_H

#include "abi/native.h"
#include "abi/reject.h"
#include "maps.bpf.h"
#include "nf_skb.bpf.h"
#include "walk.bpf.h"

/* Packets between the first stage and the last at one time: CPUs, and tasks put aside there */
#define NATIVE_SCRIPTS	4096

struct {
	__uint(type, BPF_MAP_TYPE_HASH);
	__uint(max_entries, NATIVE_SCRIPTS);
	__type(key, __u64);
	__type(value, struct native_script);
} native_scripts SEC(".maps");

/* @n answers, the first one in bit 0 */
static __always_inline void native_put(struct native_script *s, __u32 answers, __u32 n)
{
	__u32 i = s->nr / 32 & (NATIVE_WORDS - 1);
	__u64 bits = (__u64)answers << (s->nr & 31);

	s->answer[i] |= bits;
	s->answer[(i + 1) & (NATIVE_WORDS - 1)] |= bits >> 32;
	s->nr += n;
}

/* 1 when @n, below 2^31, is not 0: without a branch, which the verifier would follow twice */
static __always_inline __u32 native_any(__u32 n)
{
	return (n + 0x7fffffffu) >> 31;
}

/* Chain "flip": which bits of the mark are to be turned over? */
static __always_inline void native_flip(struct native_script *s, __u32 bits)
{
	__u32 i;

	native_put(s, !!bits, 1);
	if (!bits)
		return;
	for (i = 0; i < 32; i += 8) {
		__u32 byte = bits >> i & 0xff, any = native_any(byte);

		native_put(s, any, 1);
		native_put(s, byte, any * 8);
	}
}

/*
 * native_write() - a whole script
 * @first:	bits to be turned over before the connection's mark is stored; @store: it is
 * @second:	and then
 * @refuse:	enum fw_reject; NR_REJECTS: drop without an answer; beyond: neither
 * A function of its own to the verifier. Return: 0.
 */
__noinline int native_write(struct native_script *s, __u32 first, __u32 store, __u32 second,
			    __u32 refuse)
{
	__u32 kind;

	if (!s)
		return 0;
	__builtin_memset(s, 0, sizeof(*s));
	native_put(s, 1, 1);
	native_flip(s, first);
	native_put(s, store & 1, 1);
	native_flip(s, second);
	native_put(s, refuse <= NR_REJECTS, 1);
	if (refuse < NR_REJECTS) {
		kind = native_order(refuse);
		native_put(s, 1u << kind, kind + 1);
	} else if (refuse == NR_REJECTS) {
		native_put(s, 0, NATIVE_REJECTS);
	}
	return 0;
}

/* The packet's script. Return: 0; 1: there is nothing to be done natively; -1: no room. */
static __always_inline int native_script(const struct sk_buff *skb, struct walk *w, __u32 verdict)
{
	__u32 mark = skb->mark, want = w->pkt.mark, store = w->ct.marked, refuse = NR_REJECTS;
	__u64 key = (__u64)skb;

	if (!store && (verdict == WALK_ACCEPT ? mark == want : verdict != WALK_REJECT))
		return 1;
	if (verdict == WALK_ACCEPT)
		refuse = NR_REJECTS + 1;
	else if (verdict == WALK_REJECT)
		refuse = w->verdict_arg;
	/* The connection's mark has to go through the packet's (abi/native.h). */
	native_write(&w->script, store ? mark ^ w->ct.mark : 0, store,
		     (store ? w->ct.mark : mark) ^ want, refuse);
	return bpf_map_update_elem(&native_scripts, &key, &w->script, BPF_ANY) ? -1 : 0;
}

/*
 * native_finish() - the end of a packet that has been judged
 * @row:	of the scratch, given back
 * @verdict:	WALK_*
 * The verifier takes this as a function of its own: once, and not after each of the
 * thousands of ways through the walk.
 * Return: 1 accept, or have native rules go on; 0 drop.
 */
__noinline int native_finish(struct bpf_nf_ctx *ctx, __u32 row, __u32 verdict)
{
	struct walk *w = bpf_map_lookup_elem(&scratch, &row);
	int native;

	if (!w)
		return 0;
	native = native_script(ctx->skb, w, verdict);
	scratch_put_row(row);
	if (native < 0)
		event(EV_NO_SCRATCH);
	return native ? native > 0 && verdict == WALK_ACCEPT : 1;
}

SEC("socket")
int fw_native_ask(struct __sk_buff *skb)
{
	__u64 key = (__u64)skb;
	struct native_script *s = bpf_map_lookup_elem(&native_scripts, &key);
	__u32 at, answer;

	if (!s)
		return 0;
	at = s->at++;
	answer = s->answer[at / 32 & (NATIVE_WORDS - 1)] >> (at & 31) & 1;
	if (at + 1 >= s->nr)
		bpf_map_delete_elem(&native_scripts, &key);
	return answer;
}

SEC("netfilter")
int fw_native_end(struct bpf_nf_ctx *ctx)
{
	__u64 key = (__u64)ctx->skb;

	if (!bpf_map_lookup_elem(&native_scripts, &key))
		return 1;	/* NF_ACCEPT */
	bpf_map_delete_elem(&native_scripts, &key);
	event(EV_NATIVE_GONE);
	return 0;
}

#endif /* BPFIPT_NF_NATIVE_BPF_H */
