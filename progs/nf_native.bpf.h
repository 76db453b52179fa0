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

/* Chain "flip": which bits of the mark are to be turned over? */
static __always_inline void native_flip(struct native_script *s, __u32 bits)
{
	__u32 i;

	native_put(s, !!bits, 1);
	if (!bits)
		return;
	for (i = 0; i < 32; i += 8) {
		__u32 byte = bits >> i & 0xff;

		native_put(s, !!byte, 1);
		if (byte)
			native_put(s, byte, 8);
	}
}

/*
 * native_script() - write the packet's script
 * @verdict:	WALK_*
 * The connection's mark has to go through the packet's (abi/native.h).
 * Return: 0; 1: there is nothing to be done natively; -1: no room.
 */
static __noinline int native_script(struct fw *fw, int verdict)
{
	const struct sk_buff *skb = fw->ctx->skb;
	struct walk *w = fw->w;
	struct native_script *s = &w->script;
	__u32 mark = skb->mark, want = w->pkt.mark, kind;
	__u64 key = (__u64)skb;

	if (verdict == WALK_ACCEPT ? !w->ct.marked && mark == want :
				     !w->ct.marked && verdict != WALK_REJECT)
		return 1;
	__builtin_memset(s, 0, sizeof(*s));
	native_put(s, 1, 1);
	native_flip(s, w->ct.marked ? mark ^ w->ct.mark : 0);
	native_put(s, w->ct.marked, 1);
	native_flip(s, (w->ct.marked ? w->ct.mark : mark) ^ want);
	native_put(s, verdict != WALK_ACCEPT, 1);
	if (verdict == WALK_REJECT) {
		kind = native_order(w->verdict_arg);
		native_put(s, 1u << kind, kind + 1);
	} else if (verdict != WALK_ACCEPT) {
		native_put(s, 0, NATIVE_REJECTS);
	}
	return bpf_map_update_elem(&native_scripts, &key, s, BPF_ANY) ? -1 : 0;
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
