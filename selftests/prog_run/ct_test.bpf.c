// SPDX-License-Identifier: GPL-2.0-only
/*
 * ct_test.bpf.c - conntrack alone: label a packet, commit it, say what it was
 *
 * Runs under BPF_PROG_TEST_RUN only. Compiled twice, as a tc program and, with
 * -DFW_XDP, as an XDP program. Returns
 *	bits 0-7 the CT_* state, 8 committed, 9 table full, 10 followed its first
 *	fragment, 11 which was dropped, 16-23 ct_ref.what
 * A packet with TTL CT_TEST_DROP_TTL is "dropped by a rule": labelled, not
 * committed. The source MAC's last byte chooses the hook: 1 OUTPUT, 2 INPUT on lo (the
 * byte before it: the state that OUTPUT said), else FORWARD, which INPUT is like.
 */
#include <linux/bpf.h>
#include <bpf/bpf_helpers.h>

#define CT_TEST_DROP_TTL	77

#include "../../progs/ctx.bpf.h"
#include "../../progs/fw.bpf.h"
#include "../../progs/maps.bpf.h"
#include "../../progs/parse.bpf.h"
#include "../../progs/conntrack.bpf.h"
#include "../../progs/frag.bpf.h"

static __always_inline int ct_test(fw_ctx_t *ctx, void *data, void *data_end)
{
	const __u8 *mac = data;
	struct ct_ref ref = {};
	struct fw_pkt pkt = {};
	int r;

	if (data + ETH_HLEN > data_end)
		return -1;
	if (parse_ipv4(ctx, data, data_end, ETH_HLEN, 1, &pkt))
		return -1;
	pkt.hook = HOOK_FORWARD;
	if (mac[11] == 1)
		pkt.hook = HOOK_OUTPUT;
	if (mac[11] == 2) {
		pkt.hook = HOOK_INPUT;
		pkt.flags |= PKT_LOOPBACK;
		pkt.lo_state = mac[10];
	}
	if (pkt.frag_off & IP_OFFSET_MASK) {
		r = frag_follow(ctx, &pkt);
		return r < 0 ? CT_INVALID : pkt.key[KEY_CTSTATE] | 1 << 10 | r << 11;
	}
	ct_label(ctx, &pkt, &ref);
	r = pkt.key[KEY_CTSTATE];
	if (pkt.key[KEY_TTL] != CT_TEST_DROP_TTL) {
		r |= ref.what == CT_REF_NEW ? 1 << 8 : 0;
		if (ct_commit(ctx, &pkt, &ref))
			r |= 1 << 9;
	}
	frag_remember(ctx, &pkt, &ref, pkt.key[KEY_TTL] == CT_TEST_DROP_TTL);
	return r | ref.what << 16;
}

#ifdef FW_XDP
SEC("xdp")
int ct_xdp(struct xdp_md *ctx)
{
	return ct_test(ctx, (void *)(long)ctx->data, (void *)(long)ctx->data_end);
}
#else
SEC("tc")
int ct_tc(struct __sk_buff *skb)
{
	if (skb->data_end - skb->data < ETH_HLEN + 60)
		bpf_skb_pull_data(skb, skb->len < ETH_HLEN + 60 ? skb->len : ETH_HLEN + 60);
	return ct_test(skb, (void *)(long)skb->data, (void *)(long)skb->data_end);
}
#endif

char LICENSE[] SEC("license") = "GPL";
