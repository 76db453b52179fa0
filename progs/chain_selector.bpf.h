/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * chain_selector.bpf.h - stage 2: for us, through us, or none of our business
 *
 * The kernel's own route lookup decides (bpf_fib_lookup), in the order of
 * ip_route_input_slow (net/ipv4/route.c) and ip_forward (net/ipv4/ip_forward.c):
 *
 *	to 224/4, 255.255.255.255, 0 to 0, or on lo	INPUT
 *	martian source or destination			the stack drops it
 *	route is local, broadcast, or none we may use	INPUT
 *	route is unicast				FORWARD, unless the stack answers
 *							first: TTL, DF over MTU, L2 broadcast
 *	route is blackhole, unreachable, prohibit	the stack answers
 *
 * What the stack drops or answers by itself reaches no chain, so it is passed
 * and not counted: passing it cannot let anything through.
 */
#ifndef BPFIPT_CHAIN_SELECTOR_BPF_H
#define BPFIPT_CHAIN_SELECTOR_BPF_H

#include "fw.bpf.h"
#include "maps.bpf.h"
#include "parse.bpf.h"
#include "port.bpf.h"
#include "route_cache.bpf.h"

#define IP_DF		0x4000

/* What select_ingress() says when no chain is to see the packet: the stack drops it, or
 * sends an ICMP error about it. */
#define NO_HOOK		(-1)
#define NO_HOOK_ANSWER	(-2)

static __always_inline int is_loopback(__u32 addr)
{
	return addr >> 24 == 127;
}

/*
 * path_mtu_only() - is it but a learned path MTU that the lookup found too small?
 * bpf_fib_lookup() minds what "fragmentation needed" messages told about a host;
 * ip_forward() does not (ip_dst_mtu_maybe_forward(), include/net/ip.h): it takes the
 * device's MTU, and forwards. Sets fib->ifindex to the device that it leaves by.
 */
static __noinline int path_mtu_only(fw_ctx_t *ctx, struct bpf_fib_lookup *fib, __u32 len)
{
	int ret;

	if (!fib || !len)
		return 0;
	fib->tot_len = 0;
	ret = bpf_fib_lookup(ctx, fib, sizeof(*fib), fib_flags);
	if (ret != BPF_FIB_LKUP_RET_SUCCESS && ret != BPF_FIB_LKUP_RET_NO_NEIGH)
		return 0;
	return bpf_check_mtu(ctx, fib->ifindex, &len, 0, 0) == 0;
}

/*
 * route_look() - as select_ingress(), of a packet whose addresses a route may have
 * @known:	what route_known() said
 * Leaves to the caller what does not depend on the route.
 */
__noinline int route_look(fw_ctx_t *ctx, struct walk *w, __u32 pkt_type, __u32 fib_len, int known)
{
	struct bpf_fib_lookup fib = {};
	struct fw_pkt *pkt;

	if (!ctx || !w)
		return NO_HOOK;
	pkt = &w->pkt;
	fib.family = AF_INET;
	fib.l4_protocol = pkt->proto;
	fib.tos = pkt->key[KEY_TOS];
	fib.tot_len = fib_len;
	fib.ifindex = pkt->ifindex;
	fib.ipv4_src = bpf_htonl(pkt->key[KEY_SADDR]);
	fib.ipv4_dst = bpf_htonl(pkt->key[KEY_DADDR]);
	if (pkt->key[KEY_SPORT] < PORT_NONE) {
		fib.sport = bpf_htons(pkt->key[KEY_SPORT]);
		fib.dport = bpf_htons(pkt->key[KEY_DPORT]);
	}

	switch (bpf_fib_lookup(ctx, &fib, sizeof(fib), fib_flags)) {
	case BPF_FIB_LKUP_RET_SUCCESS:
		if (FORWARDING) {
			w->hop.len = fib_len;
			__builtin_memcpy(w->hop.dmac, fib.dmac, ETH_ALEN);
			__builtin_memcpy(w->hop.smac, fib.smac, ETH_ALEN);
			via_renew(w);
		}
		break;
	case BPF_FIB_LKUP_RET_NO_NEIGH:
	case BPF_FIB_LKUP_RET_UNSUPP_LWT:
		break;
	case BPF_FIB_LKUP_RET_FRAG_NEEDED:
		/* Asked in any case: only this tells the device. */
		if (!path_mtu_only(ctx, &fib, fib_len) && pkt->frag_off & IP_DF)
			return pkt_type == PACKET_HOST ? NO_HOOK_ANSWER : NO_HOOK;
		break;
	case BPF_FIB_LKUP_RET_BLACKHOLE:
		return NO_HOOK;
	case BPF_FIB_LKUP_RET_UNREACHABLE:
	case BPF_FIB_LKUP_RET_PROHIBIT:
		return NO_HOOK_ANSWER;
	default:	/* local, broadcast, no route, forwarding off, errors */
		if (known == ROUTE_LEARN)
			route_learn(ctx, w, 0);
		return HOOK_INPUT;
	}
	pkt->oifindex = fib.ifindex;
	if (known == ROUTE_LEARN)
		route_learn(ctx, w, fib.ifindex);
	return HOOK_FORWARD;
}

/*
 * select_ingress() - the built-in chain of a received packet
 * @pkt_type:	PACKET_* of linux/if_packet.h
 * @fib_len:	IP total length for the MTU test, 0 when the packet may be fragmented
 *		(and is not to be sent on from here) or is a GSO super-packet
 * Sets @w->pkt.oifindex, the TTL that FORWARD sees and, for FORWARDING, @w->hop.
 * Return: HOOK_INPUT, HOOK_FORWARD, NO_HOOK or NO_HOOK_ANSWER.
 */
static __always_inline int select_ingress(fw_ctx_t *ctx, struct walk *w, __u32 pkt_type,
					  __u32 fib_len)
{
	struct fw_pkt *pkt = &w->pkt;
	__u32 saddr = pkt->key[KEY_SADDR], daddr = pkt->key[KEY_DADDR];
	int known = ROUTE_ASK, hook;

	pkt->oifindex = 0;
	if (FORWARDING) {
		w->hop.len = 0;
		w->hop.via = 0;
	}
	if (pkt->flags & PKT_LOOPBACK)
		return HOOK_INPUT;
	if (is_multicast(saddr) || saddr == 0xffffffff || is_loopback(saddr) || is_loopback(daddr))
		return NO_HOOK;
	if (is_multicast(daddr) || daddr == 0xffffffff || !(saddr | daddr))
		return HOOK_INPUT;
	if (!saddr || !daddr)	/* the rest of 0/8 is unicast since Linux 5.3 */
		return NO_HOOK;

	if (kern_ctx)
		known = route_known(ctx, w, fib_len);
	if (known == ROUTE_INPUT)
		return HOOK_INPUT;
	if (known != ROUTE_FORWARD) {
		hook = route_look(ctx, w, pkt_type, fib_len, known);
		if (hook != HOOK_FORWARD)
			return hook;
	}
	if (pkt_type != PACKET_HOST)
		return NO_HOOK;
	if (pkt->key[KEY_TTL] <= 1)
		return NO_HOOK_ANSWER;
	pkt->key[KEY_TTL]--;
	return HOOK_FORWARD;
}

#endif /* BPFIPT_CHAIN_SELECTOR_BPF_H */
