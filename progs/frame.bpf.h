/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * frame.bpf.h - what the stack would say of a frame that it has not seen yet
 */
#ifndef BPFIPT_FRAME_BPF_H
#define BPFIPT_FRAME_BPF_H

#include "fw.bpf.h"
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

#endif /* BPFIPT_FRAME_BPF_H */
