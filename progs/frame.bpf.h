/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * frame.bpf.h - what the stack would say of a frame that it has not seen yet
 */
#ifndef BPFIPT_FRAME_BPF_H
#define BPFIPT_FRAME_BPF_H

#include "fw.bpf.h"
#include "maps.bpf.h"
#include "parse.bpf.h"
#include "port.bpf.h"

#define VLAN_HLEN	4
#define VLAN_VID_MASK	0x0fff

/* A priority tag (VID 0) belongs to the interface itself; a VLAN's does not. */
static __always_inline int frame_l3_off(const void *data, const void *data_end)
{
	const struct ethhdr *eth = data;
	__be16 proto;

	if ((const void *)(eth + 1) > data_end)
		return -1;
	proto = eth->h_proto;
	if (likely(proto == bpf_htons(ETH_P_IP)))
		return ETH_HLEN;
	if (proto != bpf_htons(ETH_P_8021Q) && proto != bpf_htons(ETH_P_8021AD))
		return -1;
	if (data + ETH_HLEN + VLAN_HLEN > data_end || be16_at(data + ETH_HLEN) & VLAN_VID_MASK ||
	    *(const __be16 *)(data + ETH_HLEN + 2) != bpf_htons(ETH_P_IP))
		return -1;
	return ETH_HLEN + VLAN_HLEN;
}

/* eth_type_trans (net/ethernet/eth.c): who the frame was sent to. */
static __always_inline __u32 frame_type(const void *data, const struct port *in)
{
	__u32 hi = be32_at(data), lo = be16_at(data + 4);

	if (hi == in->mac_hi && lo == in->mac_lo)
		return PACKET_HOST;
	if (!(hi & 0x01000000))
		return PACKET_OTHERHOST;
	return hi == 0xffffffff && lo == 0xffff ? PACKET_BROADCAST : PACKET_MULTICAST;
}

/*
 * xdp_keys() - the keys that are not in the IP packet; marks and states are not known yet
 * @in_class:	of the input interface; @type: PACKET_*; @mac: the Ethernet source
 */
static __always_inline void xdp_keys(const struct fw *fw, __u32 in_class, __u32 type,
				     const __u8 *mac)
{
	__u32 flags = img_hdr_word(fw->img, flags);
	struct fw_pkt *pkt = &fw->w->pkt;

	pkt->mark = 0;
	pkt->key[KEY_MARK] = 0;
	pkt->key[KEY_CTSTATE] = 0;
	pkt->key[KEY_IIF] = in_class;
	pkt->key[KEY_OIF] = IFACE_CLASS_NONE;
	if (pkt->hook == HOOK_FORWARD && flags & IMG_F_OIF)
		pkt->key[KEY_OIF] = port_of(fw, pkt->oifindex).out_class;
	pkt->key[KEY_PKTTYPE] = type;
	pkt->key[KEY_MAC] = flags & IMG_F_MAC ? mac_class(fw, mac) : 0;
}

#endif /* BPFIPT_FRAME_BPF_H */
