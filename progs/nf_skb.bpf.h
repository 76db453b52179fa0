/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * nf_skb.bpf.h - what a netfilter program is handed, as far as it looks
 *
 * The kernel's own structures, read by CO-RE: only the names of the members count,
 * libbpf finds their offsets in the running kernel's BTF.
 */
#ifndef BPFIPT_NF_SKB_BPF_H
#define BPFIPT_NF_SKB_BPF_H

#include <linux/bpf.h>
#include <linux/if_ether.h>
#include <bpf/bpf_core_read.h>

#define ARPHRD_ETHER	1	/* linux/if_arp.h drags in a libc */

#pragma clang attribute push(__attribute__((preserve_access_index)), apply_to = record)

struct net_device {
	int ifindex;
	unsigned short type;
};

struct sk_buff {
	struct net_device *dev;
	unsigned char *head;
	unsigned char *data;
	unsigned int len;
	unsigned int data_len;
	unsigned long _nfct;
	unsigned long _skb_refdst;
	__u32 mark;
	__u8 active_extensions;
	struct skb_ext *extensions;
	__u16 mac_header;
	__u8 pkt_type: 3;
};

struct nf_hook_state {
	__u8 hook;
	struct net_device *in;
	struct net_device *out;
};

union nf_inet_addr {
	__be32 ip;
};

union nf_conntrack_man_proto {
	__be16 all;
};

struct nf_conntrack_man {
	union nf_inet_addr u3;
	union nf_conntrack_man_proto u;
};

struct nf_conntrack_tuple {
	struct nf_conntrack_man src;
	struct {
		union nf_inet_addr u3;
		union {
			__be16 all;
		} u;
		__u8 protonum;
	} dst;
};

struct nf_conntrack_tuple_hash {
	struct nf_conntrack_tuple tuple;
};

struct ip_ct_tcp {
	__u8 state;
};

union nf_conntrack_proto {
	struct ip_ct_tcp tcp;
};

struct nf_conn {
	__u32 timeout;
	struct nf_conntrack_tuple_hash tuplehash[2];
	unsigned long status;
	__u32 mark;
	struct nf_conn *master;
	struct nf_ct_ext *ext;
	union nf_conntrack_proto proto;
};

#pragma clang attribute pop

/* enum ip_conntrack_info's place in skb->_nfct, nf_conntrack_common.h */
#define NFCT_INFOMASK	7ul

static __always_inline const struct nf_conn *nf_ct(const struct sk_buff *skb)
{
	return (const void *)(skb->_nfct & ~NFCT_INFOMASK);
}

#define nf_ct_tuple(ct, i, t)							\
	do {									\
		(t)->src = BPF_CORE_READ(ct, tuplehash[i].tuple.src.u3.ip);	\
		(t)->dst = BPF_CORE_READ(ct, tuplehash[i].tuple.dst.u3.ip);	\
		(t)->sport = BPF_CORE_READ(ct, tuplehash[i].tuple.src.u.all);	\
		(t)->dport = BPF_CORE_READ(ct, tuplehash[i].tuple.dst.u.all);	\
		(t)->proto = BPF_CORE_READ(ct, tuplehash[i].tuple.dst.protonum);	\
	} while (0)

/* The context: part of the verifier's interface, not looked up. */
struct bpf_nf_ctx {
	const struct nf_hook_state *state;
	struct sk_buff *skb;
};

extern int bpf_dynptr_from_skb(struct __sk_buff *skb, __u64 flags,
			       struct bpf_dynptr *ptr) __ksym;
/* @obj, an address, as one of the kernel's type @btf_id: read where it lies, 0 where it faults */
extern void *bpf_rdonly_cast(const void *obj, __u32 btf_id) __ksym;

/* The Ethernet header, as xt_mac.c looks for it: in front of data; 0: there is none. */
static __always_inline const unsigned char *eth_header(const struct sk_buff *skb)
{
	const unsigned char *mac = skb->head + skb->mac_header;
	const struct net_device *dev = skb->dev;

	return dev && dev->type == ARPHRD_ETHER && mac + ETH_HLEN <= skb->data ? mac : 0;
}

#endif /* BPFIPT_NF_SKB_BPF_H */
