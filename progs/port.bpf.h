/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * port.bpf.h - what the image knows of an interface and of an Ethernet source
 */
#ifndef BPFIPT_PORT_BPF_H
#define BPFIPT_PORT_BPF_H

#include "fw.bpf.h"
#include "maps.bpf.h"
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

/*
 * struct probe - a row is looked for in a table, slot by slot
 * @tab, @mask:	of the table
 * @at:		the slot to begin with
 * @key, @lo:	what is looked for: an ifindex; bytes 0..3 and 4..5 of an address
 * @found:	the answer
 */
struct probe {
	struct img im;
	__u32 tab;
	__u32 mask;
	__u32 at;
	__u32 key;
	__u32 lo;
	__u32 found;
};

static long port_step(__u32 i, struct probe *p)
{
	struct img im = p->im;
	__u32 word = p->tab + ((p->at + i) & p->mask) * (sizeof(struct img_iface) / 4);
	__u32 at = ((const struct img_iface *)img_record(&im, word))->ifindex;

	if (at == p->key)
		p->found = word;
	return !at || at == p->key;
}

/* Word of an interface's row, 0: the table has none. The first place was looked at already. */
__noinline __u32 port_probe(__u32 slot, __u32 ifindex)
{
	struct probe p = { .at = ifindex + 1, .key = ifindex };

	if (!img_open(&p.im, slot))
		return 0;
	p.tab = img_hdr_word(p.im.base, iftab);
	p.mask = img_hdr_word(p.im.base, iftab_mask);
	bpf_loop(IMG_MAX_PROBE - 1, port_step, &p, 0);
	return p.found;
}

/* The interface table's row of @ifindex; an unknown one is of class 0. */
static __always_inline struct port port_of(const struct fw *fw, __u32 ifindex)
{
	struct port p = { IFACE_CLASS_UNKNOWN, IFACE_CLASS_UNKNOWN, PORT_UNKNOWN, 0, 0 };
	__u32 tab = img_hdr_word(fw->img, iftab), mask = img_hdr_word(fw->img, iftab_mask);
	const struct img_iface *row;
	struct img im = fw_img(fw);
	__u32 word;

	row = img_record(&im, tab + (__u64)(ifindex & mask) * (sizeof(*row) / 4));
	if (unlikely(row->ifindex != ifindex)) {
		word = port_probe(fw->w->slot, ifindex);
		if (!word)
			return p;
		row = img_record(&im, word);
	}
	p.in_class = row->in_class;
	p.out_class = row->out_class;
	p.flags = row->flags;
	p.mac_hi = be32_at(row->mac);
	p.mac_lo = be16_at(row->mac + 4);
	return p;
}

static long mac_step(__u32 i, struct probe *p)
{
	struct img im = p->im;
	const struct img_mac *row;

	row = img_record(&im, p->tab + (__u64)((p->at + i) & p->mask) * (sizeof(*row) / 4));
	if (!row->class)
		return 1;
	if (row->hi != p->key || row->lo != p->lo)
		return 0;
	p->found = row->class;
	return 1;
}

/* Class of an Ethernet source, 1: named by no rule. The first place was looked at already. */
__noinline __u32 mac_probe(__u32 slot, __u32 hi, __u32 lo)
{
	struct probe p = { .at = mac_hash(hi, lo) + 1, .key = hi, .lo = lo, .found = 1 };

	if (!img_open(&p.im, slot))
		return 1;
	p.tab = img_hdr_word(p.im.base, mactab);
	p.mask = img_hdr_word(p.im.base, mactab_mask);
	bpf_loop(IMG_MAX_PROBE - 1, mac_step, &p, 0);
	return p.found;
}

/* KEY_MAC of an Ethernet source address: 0 none, 1 named by no rule. */
static __always_inline __u32 mac_class(const struct fw *fw, const __u8 *mac)
{
	__u32 tab = img_hdr_word(fw->img, mactab), mask = img_hdr_word(fw->img, mactab_mask);
	__u32 hi = bpf_ntohl(*(const __be32 *)mac), lo = bpf_ntohs(*(const __be16 *)(mac + 4));
	struct img im = fw_img(fw);
	const struct img_mac *row;

	row = img_record(&im, tab + (__u64)(mac_hash(hi, lo) & mask) * (sizeof(*row) / 4));
	if (!row->class)
		return 1;
	if (row->hi == hi && row->lo == lo)
		return row->class;
	return mac_probe(fw->w->slot, hi, lo);
}

#endif /* BPFIPT_PORT_BPF_H */
