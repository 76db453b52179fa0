// SPDX-License-Identifier: GPL-2.0-only
/*
 * tc.bpf.c - the tc hook: INPUT and FORWARD at ingress, OUTPUT at egress
 *
 * The include list is the packet's itinerary. Attached to every interface, lo
 * too, by user/attach.c (tcx links, or clsact on older kernels).
 *
 * At egress a packet with an input interface was forwarded, and FORWARD judged
 * it on the way in -- unless that interface is one the image does not know yet:
 * then it is judged here, so that a new interface forwards nothing unfiltered.
 */
#include <linux/bpf.h>
#include <linux/pkt_cls.h>
#include <bpf/bpf_helpers.h>

#include "ctx.bpf.h"
#include "fw.bpf.h"
#include "maps.bpf.h"
#include "parse.bpf.h"
#include "chain_selector.bpf.h"
#include "classifier.bpf.h"
#include "walk.bpf.h"
#include "judge.bpf.h"
#include "named.bpf.h"
#include "reject.bpf.h"

#define VLAN_VID_MASK	0x0fff

/*
 * A packet over lo keeps the conntrack state of OUTPUT for INPUT (in netfilter the skb
 * keeps its entry). skb->cb is left alone between the two: lo has no queue.
 */
#define LO_STATE_MARK	0x62664c00u

/* Keys that come from the skb rather than from its bytes. */
static __always_inline void skb_keys(struct __sk_buff *skb, struct fw_pkt *pkt,
				     __u32 in_class, __u32 out_class)
{
	pkt->mark = skb->mark;
	pkt->key[KEY_MARK] = pkt->mark;
	pkt->key[KEY_CTSTATE] = 0;
	if (reject_is_answer(skb) && (pkt->hook == HOOK_OUTPUT || pkt->flags & PKT_LOOPBACK))
		reject_state(skb, pkt);
	pkt->key[KEY_IIF] = in_class;
	pkt->key[KEY_OIF] = out_class;
}

static __always_inline int finish(struct __sk_buff *skb, struct fw *fw)
{
	int verdict = judge(fw);

	barrier_var(skb);	/* a context pointer that was added to may not be written by */
	if (fw->w->pkt.flags & PKT_MARKED)
		skb->mark = fw->w->pkt.mark;
	if (features & IMG_F_REJECT && verdict == WALK_REJECT)
		return reject_send(skb, fw->w->verdict_arg);
	return verdict == WALK_ACCEPT ? TC_ACT_UNSPEC : TC_ACT_SHOT;
}

/* Ethernet or bare IP: where the IP header is, or -1 when it is not IPv4 at all. */
static __always_inline int skb_l3_off(struct __sk_buff *skb, __u32 iface_flags)
{
	if (skb->protocol != bpf_htons(ETH_P_IP))
		return -1;
	/* Tagged for a VLAN device, which has its own programs; VID 0 is ours. */
	if (skb->vlan_present && skb->vlan_tci & VLAN_VID_MASK)
		return -1;
	/* Our own multicast comes back without one (dev_loopback_xmit, net/core/dev.c). */
	if (skb->pkt_type == PACKET_LOOPBACK)
		return 0;
	return iface_flags & IFACE_L3 ? 0 : ETH_HLEN;
}

/*
 * Is the IP header not linear yet? parse_ipv4() reads it in place, and the transport
 * header through fw_load() if need be. To pull more than that would copy the head of
 * every segment that TCP sends, since those are clones.
 */
static __always_inline int must_pull(const struct __sk_buff *skb, int l3_off)
{
	const struct iphdr *iph = (void *)(long)skb->data + l3_off;
	const void *data_end = (void *)(long)skb->data_end;

	return (const void *)(iph + 1) > data_end || (const void *)iph + iph->ihl * 4 > data_end;
}

/* Read the headers. Return: 0, or -1: the stack's business. */
static __always_inline int skb_parse(struct __sk_buff *skb, int l3_off, int csum,
				     __u32 iface_flags, struct fw_pkt *pkt)
{
	__u32 want = l3_off + 60;

	if (unlikely(must_pull(skb, l3_off)))
		bpf_skb_pull_data(skb, skb->len < want ? skb->len : want);
	pkt->ifindex = skb->ifindex;
	if (parse_ipv4(skb, (void *)(long)skb->data, (void *)(long)skb->data_end, l3_off, csum,
		       pkt)) {
		event(EV_STACK_DROPS);
		return -1;
	}
	if (iface_flags & IFACE_LOOPBACK)
		pkt->flags |= PKT_LOOPBACK;
	if (skb->gso_size)
		pkt->flags |= PKT_GSO;
	return 0;
}

SEC("tc")
int fw_ingress(struct __sk_buff *skb)
{
	__u32 type, fib_len, out_class = IFACE_CLASS_NONE;
	struct fw_pkt *pkt;
	struct fw fw;
	struct port in;
	int l3_off, hook;

	if (fw_open(&fw, skb))
		return TC_ACT_SHOT;
	in = port_of(&fw, skb->ifindex);
	if (in.flags & IFACE_PORT)
		return TC_ACT_UNSPEC;
	l3_off = skb_l3_off(skb, in.flags);
	if (l3_off < 0) {
		event(EV_NOT_IPV4);
		return TC_ACT_UNSPEC;
	}
	type = skb->pkt_type;
	if (type == PACKET_OTHERHOST)
		return TC_ACT_UNSPEC;

	pkt = &fw.w->pkt;
	if (skb_parse(skb, l3_off, 1, in.flags, pkt))
		return TC_ACT_UNSPEC;
	fib_len = pkt->frag_off & IP_DF && !skb->gso_size ? pkt->tot_len : 0;
	hook = select_ingress(skb, fw.w, type, fib_len);
	if (hook < 0) {
		leave_to_stack(&fw, hook);
		return TC_ACT_UNSPEC;
	}
	pkt->hook = hook;
	hook = READ_ONCE(pkt->hook);	/* one verifier state for both */
	if (pkt->flags & PKT_LOOPBACK && (skb->cb[4] & ~0xffu) == LO_STATE_MARK)
		pkt->lo_state = skb->cb[4] & 0xff;
	if (pkt->frag_off & IP_OFFSET_MASK && (hook == HOOK_INPUT || tracking(&fw)))
		return follow_first(&fw) == WALK_ACCEPT ? TC_ACT_UNSPEC : TC_ACT_SHOT;
	if (hook == HOOK_FORWARD && img_hdr_word(fw.img, flags) & IMG_F_OIF)
		out_class = port_of(&fw, pkt->oifindex).out_class;
	skb_keys(skb, pkt, in.in_class, out_class);
	if (type == PACKET_LOOPBACK)
		type = is_multicast(pkt->key[KEY_DADDR]) ? PACKET_MULTICAST : PACKET_BROADCAST;
	pkt->key[KEY_PKTTYPE] = type;
	pkt->key[KEY_MAC] = 0;
	if (img_hdr_word(fw.img, flags) & IMG_F_MAC && l3_off &&
	    !(pkt->flags & PKT_LOOPBACK)) {
		__u8 mac[8] = {};

		if (!bpf_skb_load_bytes(skb, ETH_ALEN, mac, ETH_ALEN))
			pkt->key[KEY_MAC] = mac_class(&fw, mac);
	}
	return finish(skb, &fw);
}

SEC("tc")
int fw_egress(struct __sk_buff *skb)
{
	struct fw_pkt *pkt;
	struct fw fw;
	struct port out;
	int l3_off, forwarded, ret;

	if (fw_open(&fw, skb))
		return TC_ACT_SHOT;
	forwarded = skb->ingress_ifindex && !reject_is_answer(skb);
	if (forwarded &&
	    port_of(&fw, skb->ingress_ifindex).flags != PORT_UNKNOWN)
		return TC_ACT_UNSPEC;
	out = port_of(&fw, skb->ifindex);
	if (out.flags & IFACE_PORT)
		return TC_ACT_UNSPEC;
	l3_off = skb_l3_off(skb, out.flags);
	if (l3_off < 0) {
		event(EV_NOT_IPV4);
		return TC_ACT_UNSPEC;
	}

	pkt = &fw.w->pkt;
	if (skb_parse(skb, l3_off, 0, out.flags, pkt))
		return TC_ACT_UNSPEC;
	if (reject_is_answer(skb))
		pkt->flags |= PKT_MADE;
	pkt->oifindex = skb->ifindex;
	pkt->ifindex = forwarded ? skb->ingress_ifindex : 0;
	pkt->hook = forwarded ? HOOK_FORWARD : HOOK_OUTPUT;
	if (pkt->frag_off & IP_OFFSET_MASK && (pkt->hook == HOOK_OUTPUT || tracking(&fw)))
		return follow_first(&fw) == WALK_ACCEPT ? TC_ACT_UNSPEC : TC_ACT_SHOT;
	skb_keys(skb, pkt, forwarded ? IFACE_CLASS_UNKNOWN : IFACE_CLASS_NONE,
		 out.out_class);
	pkt->key[KEY_PKTTYPE] = PACKET_HOST;
	pkt->key[KEY_MAC] = 0;
	ret = finish(skb, &fw);
	if (pkt->flags & PKT_LOOPBACK)
		skb->cb[4] = LO_STATE_MARK | pkt->key[KEY_CTSTATE];
	return ret;
}

/*
 * fw_answer() - ingress beside XDP (user/attach.c): answer what fw_xdp rejected
 * Such a frame carries struct reject_meta; all others pass, XDP has judged them.
 */
SEC("tc")
int fw_answer(struct __sk_buff *skb)
{
	const struct reject_meta *m = (void *)(long)skb->data_meta;
	struct reject_meta meta;
	struct fw_pkt *pkt;
	struct fw fw;
	struct port in;
	int l3_off;

	if (!(features & IMG_F_REJECT) || (void *)(m + 1) > (void *)(long)skb->data ||
	    m->cookie[0] != reject_cookie[0] || m->cookie[1] != reject_cookie[1])
		return TC_ACT_UNSPEC;
	meta = *m;
	if (fw_open(&fw, skb))
		return reject_failed();
	in = port_of(&fw, skb->ifindex);
	l3_off = skb_l3_off(skb, in.flags);
	pkt = &fw.w->pkt;
	if (l3_off < 0 || skb_parse(skb, l3_off, 0, in.flags, pkt))
		return reject_failed();
	pkt->hook = meta.hook;
	pkt->key[KEY_CTSTATE] = meta.ctstate;
	if (meta.hook == HOOK_FORWARD)
		pkt->key[KEY_TTL]--;
	skb->mark = meta.mark;
	return reject_send(skb, meta.type);
}

char LICENSE[] SEC("license") = "GPL";
