/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * port.bpf.h - what the image knows of an interface and of an Ethernet source
 */
#ifndef BPFIPT_PORT_BPF_H
#define BPFIPT_PORT_BPF_H

#include "fw.bpf.h"
#include "parse.bpf.h"

/* struct port - what the interface table says of one interface */
struct port {
	__u32 in_class;
	__u32 out_class;
	__u32 flags;	/* IFACE_*, or PORT_UNKNOWN alone */
	__u32 mac_hi;	/* own address, bytes 0..3 as one number */
	__u32 mac_lo;	/* bytes 4..5 */
};

#define PORT_UNKNOWN	0x80000000u

/* The interface table's row of @ifindex; an unknown one is of class 0. */
static __always_inline struct port port_of(const struct img *im, __u32 ifindex)
{
	struct port p = { IFACE_CLASS_UNKNOWN, IFACE_CLASS_UNKNOWN, PORT_UNKNOWN, 0, 0 };
	__u32 tab = img_hdr_word(im, iftab), mask = img_hdr_word(im, iftab_mask);
	__u32 i;

	for (i = 0; i < IMG_MAX_PROBE; i++) {
		const struct img_iface *row;
		__u32 at;

		row = img_record(im, tab + (__u64)((ifindex + i) & mask) * (sizeof(*row) / 4));
		at = row->ifindex;
		if (at == ifindex) {
			p.in_class = row->in_class;
			p.out_class = row->out_class;
			p.flags = row->flags;
			p.mac_hi = be32_at(row->mac);
			p.mac_lo = be16_at(row->mac + 4);
			break;
		}
		if (!at)
			break;
	}
	return p;
}

/* KEY_MAC of an Ethernet source address: 0 none, 1 named by no rule. */
static __always_inline __u32 mac_class(const struct img *im, const __u8 *mac)
{
	__u32 tab = img_hdr_word(im, mactab), mask = img_hdr_word(im, mactab_mask);
	__u32 hi = bpf_ntohl(*(const __be32 *)mac), i;
	__u16 lo = bpf_ntohs(*(const __be16 *)(mac + 4));
	__u32 h = mac_hash(hi, lo);

	for (i = 0; i < IMG_MAX_PROBE; i++) {
		const struct img_mac *row;

		row = img_record(im, tab + (__u64)((h + i) & mask) * (sizeof(*row) / 4));
		if (!row->class)
			break;
		if (row->hi == hi && row->lo == lo)
			return row->class;
	}
	return 1;
}

#endif /* BPFIPT_PORT_BPF_H */
