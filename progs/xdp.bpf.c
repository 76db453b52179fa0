// SPDX-License-Identifier: GPL-2.0-only
/*
 * xdp.bpf.c - the xdp hook: INPUT and FORWARD at the driver
 *
 * The same stages as tc.bpf.c on the frame as it came off the wire. What tc reads
 * from the skb is worked out here: the packet type from the destination address,
 * tags of VLAN devices from the frame. Marks are 0. OUTPUT stays with tc egress,
 * and so do interfaces without native XDP (user/attach.c). What a rule rejects is
 * passed up with a note to fw_answer (tc.bpf.c). What FORWARD accepts goes on from here
 * where that was asked for and is safe (xdp_forward.bpf.h).
 */
#define FW_XDP
#include <linux/bpf.h>
#include <bpf/bpf_helpers.h>

#include "ctx.bpf.h"
#include "fw.bpf.h"
#include "maps.bpf.h"
#include "parse.bpf.h"
#include "frame.bpf.h"
#include "chain_selector.bpf.h"
#include "classifier.bpf.h"
#include "walk.bpf.h"
#include "judge.bpf.h"
#include "xdp_forward.bpf.h"

/*
 * reject_pass() - hand a rejected packet up to fw_answer (tc.bpf.c), which has what it
 * takes to answer: the skb, and a way into the stack. Where the driver knows no
 * metadata it is dropped in silence, and counted.
 */
static __always_inline int reject_pass(struct xdp_md *ctx, const struct fw *fw)
{
	struct reject_meta *m;

	if (bpf_xdp_adjust_meta(ctx, -(int)sizeof(*m)))
		goto drop;
	m = (void *)(long)ctx->data_meta;
	if ((void *)(m + 1) > (void *)(long)ctx->data)
		goto drop;
	m->cookie[0] = reject_cookie[0];
	m->cookie[1] = reject_cookie[1];
	m->type = fw->w->verdict_arg;
	m->hook = fw->w->pkt.hook;
	m->ctstate = fw->w->pkt.key[KEY_CTSTATE];
	m->mark = fw->w->pkt.mark;
	return XDP_PASS;
drop:
	event(EV_NO_ANSWER);
	return XDP_DROP;
}

SEC("xdp.frags")
int fw_xdp(struct xdp_md *ctx)
{
	void *data = (void *)(long)ctx->data, *data_end = (void *)(long)ctx->data_end;
	__u32 type;
	struct fw_pkt *pkt;
	struct port in;
	struct fw fw;
	int l3_off, hook, verdict;

	if (fw_open(&fw, ctx))
		return XDP_DROP;
	in = port_of(&fw, ctx->ingress_ifindex);
	if (in.flags & IFACE_PORT)
		return XDP_PASS;
	l3_off = frame_l3_off(data, data_end);
	if (l3_off < 0 || data + ETH_HLEN > data_end) {
		event(EV_NOT_IPV4);
		return XDP_PASS;
	}
	/* An interface that is not in the table yet: its address is not known. */
	type = in.flags == PORT_UNKNOWN ? PACKET_HOST : frame_type(data, &in);
	if (type == PACKET_OTHERHOST)
		return XDP_PASS;

	pkt = &fw.w->pkt;
	pkt->ifindex = ctx->ingress_ifindex;
	if (parse_ipv4(ctx, data, data_end, l3_off, 1, pkt)) {
		event(EV_STACK_DROPS);
		return XDP_PASS;
	}
	hook = select_ingress(ctx, fw.w, type,
			      FORWARDING || pkt->frag_off & IP_DF ? pkt->tot_len : 0);
	if (hook < 0) {
		leave_to_stack(&fw, hook);
		return XDP_PASS;
	}
	pkt->hook = hook;
	hook = READ_ONCE(pkt->hook);	/* one verifier state for both */
	if (FORWARDING && in.flags)	/* not known, so neither is its address */
		fw.w->hop.len = 0;
	if (pkt->frag_off & IP_OFFSET_MASK && (hook == HOOK_INPUT || tracking(&fw)))
		return follow_first(&fw) == WALK_ACCEPT ? XDP_PASS : XDP_DROP;
	xdp_keys(&fw, in.in_class, type, data + ETH_ALEN);

	verdict = judge(&fw);
	if (features & IMG_F_REJECT && verdict == WALK_REJECT)
		return reject_pass(ctx, &fw);
	if (FORWARDING && verdict == WALK_ACCEPT && pkt->hook == HOOK_FORWARD)
		return fw_forward(ctx);
	return verdict == WALK_ACCEPT ? XDP_PASS : XDP_DROP;
}

char LICENSE[] SEC("license") = "GPL";
