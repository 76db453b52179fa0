// SPDX-License-Identifier: GPL-2.0-only
/*
 * early.bpf.c - hook hybrid: XDP in front of the netfilter hook, for certain drops
 *
 * fw_early drops a packet when the netfilter hook is certain to drop it, and passes
 * everything else without a trace. Certain means: nothing stands between the driver
 * and the routing decision that could take, change or hold the packet
 * (nothing_between()), the packet is one that comes through the stack in the shape it
 * has here (plain()), its chain is beyond doubt, and the walk met nothing that it could
 * not know (early.bpf.h). Connection tracking, NAT and mangle stand at PRE_ROUTING, so
 * as long as they are in use every packet is the netfilter hook's: an existing
 * connection advances even by packets that a rule drops.
 */
#define FW_XDP
#define FW_EARLY
#define FW_INTERRUPTED
#define FW_KERNEL_CT
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

#define TCP_SYN_RST	0x06
#define IP_MF		0x2000
#define NF_INET_PRE_ROUTING 0

#pragma clang attribute push(__attribute__((preserve_access_index)), apply_to = record)

struct netns_nf___early {
	void *hooks_ipv4[5];
};

struct net___early {
	struct netns_nf___early nf;
};

struct net_device___early {
	void *rx_handler;
	void *tcx_ingress;	/* Linux 6.6 */
	void *miniq_ingress;	/* before that */
	void *nf_hooks_ingress;
};

#pragma clang attribute pop

#define member_set(ptr, member) \
	(bpf_core_field_exists((ptr)->member) && BPF_CORE_READ(ptr, member))

/* No bridge, macvlan or bond above, no tc, nftables ingress or PRE_ROUTING hook. */
static __always_inline int nothing_between(struct xdp_md *ctx)
{
	struct net_device___fw *dev = ctx_dev(ctx);
	struct net_device___early *d = (void *)dev;
	struct net___early *net = (void *)BPF_CORE_READ(dev, nd_net.net);

	return !member_set(d, rx_handler) && !member_set(d, tcx_ingress) &&
	       !member_set(d, miniq_ingress) && !member_set(d, nf_hooks_ingress) &&
	       !BPF_CORE_READ(net, nf.hooks_ipv4[NF_INET_PRE_ROUTING]);
}

/* No fragment, no IP options, nothing that GRO may merge with its neighbours. */
static __always_inline int plain(struct xdp_md *ctx, const struct fw_pkt *pkt)
{
	__u8 doff = 0;

	if (pkt->frag_off & (IP_OFFSET_MASK | IP_MF) || pkt->ihl != sizeof(struct iphdr))
		return 0;
	switch (pkt->proto) {
	case IPPROTO_TCP:
		if (pkt->form != FORM_WHOLE || pkt->key[KEY_TCPFLAGS] & TCP_SYN_RST)
			return 1;
		return !fw_load(ctx, pkt->l4_off + 12, &doff, 1) &&
		       pkt->l4_len <= (__u32)(doff >> 4) * 4;
	case IPPROTO_IPIP:
	case IPPROTO_IPV6:
	case IPPROTO_GRE:
	case IPPROTO_ESP:
		return 0;
	}
	return 1;
}

SEC("xdp.frags")
int fw_early(struct xdp_md *ctx)
{
	void *data = (void *)(long)ctx->data, *data_end = (void *)(long)ctx->data_end;
	int l3_off, hook, verdict, ret = XDP_PASS;
	struct fw_pkt *pkt;
	struct port in;
	struct fw fw;

	l3_off = frame_l3_off(data, data_end);
	if (l3_off < 0 || data + ETH_HLEN > data_end || !nothing_between(ctx) || fw_open(&fw, ctx))
		return XDP_PASS;
	in = port_of(&fw, ctx->ingress_ifindex);
	if (in.flags || frame_type(data, &in) != PACKET_HOST)
		goto out;

	pkt = &fw.w->pkt;
	pkt->ifindex = ctx->ingress_ifindex;
	if (parse_ipv4(ctx, data, data_end, l3_off, 1, pkt) ||
	    !plain(ctx, pkt) || is_multicast(pkt->key[KEY_DADDR]))
		goto out;
	hook = select_ingress(ctx, fw.w, PACKET_HOST, pkt->frag_off & IP_DF ? pkt->tot_len : 0);
	/* No route, or no forwarding, looks like INPUT: ask the routing table itself. */
	if (hook < 0 || (hook == HOOK_INPUT &&
			 (addr_type(ctx, fw.w, pkt->key[KEY_DADDR]) & 0xff) != RTN_LOCAL))
		goto out;
	pkt->hook = hook;
	xdp_keys(&fw, in.in_class, PACKET_HOST, data + ETH_ALEN);

	fw.w->unsure = 0;
	fw.w->nr_noted = 0;
	verdict = walk_chain(&fw);
	if ((verdict == WALK_DROP || verdict == WALK_HOTDROP) && !fw.w->unsure) {
		early_count(&fw);
		event(EV_EARLY);
		ret = XDP_DROP;
	}
out:
	scratch_put(&fw);
	return ret;
}

char LICENSE[] SEC("license") = "GPL";
