/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * kernel.bpf.h - the kernel's own structures, read where no helper shows them
 *
 * What iptables asks the kernel for, and no helper answers, is read from the kernel's
 * memory with bpf_probe_read_kernel(): always as it is at this instant, with nothing
 * to keep in step. Only the fields that are used are declared; CO-RE finds where they
 * are in the running kernel, and a kernel that has not got them refuses the program. A
 * structure that several files read is declared once, since libbpf goes through all types
 * of the kernel for each declaration, 1 ms.
 * Programs run inside an RCU read-side section, which is what keeps these alive. A
 * part that reads so is loaded only when a rule needs it (IMG_F_ADDRTYPE, _SOCKET ...).
 *
 * A context pointer is, at run time, the address of the sk_buff or xdp_buff; at the
 * netfilter hook, of a struct bpf_nf_ctx (nf_skb.bpf.h).
 */
#ifndef BPFIPT_KERNEL_BPF_H
#define BPFIPT_KERNEL_BPF_H

#include <bpf/bpf_core_read.h>
#include "fw.bpf.h"

#pragma clang attribute push(__attribute__((preserve_access_index)), apply_to = record)

struct hlist_node___fw {
	struct hlist_node___fw *next;
};

struct hlist_head___fw {
	struct hlist_node___fw *first;
};

struct possible_net_t___fw {
	struct net___fw *net;
};

struct ipv4_devconf___fw {
	int data[1];
};

struct in_device___fw {
	struct ipv4_devconf___fw cnf;
};

struct net_device___fw {
	int ifindex;
	char name[16];
	unsigned int group;
	unsigned int mtu;
	unsigned short hard_header_len;
	struct in_device___fw *ip_ptr;
	struct hlist_node___fw index_hlist;
	struct possible_net_t___fw nd_net;
};

struct xdp_rxq_info___fw {
	struct net_device___fw *dev;
};

struct xdp_buff___fw {
	struct xdp_rxq_info___fw *rxq;
};

struct sock___fw;

struct sk_buff___fw {
	struct net_device___fw *dev;
	struct sock___fw *sk;
	unsigned char *head;
	unsigned char *data;
	unsigned long _skb_refdst;
	__u16 mac_header;
	__u8 ip_summed : 2;
};

struct atomic_t___fw {
	int counter;
};

struct netns_ipv4___fw {
	void *rules_ops;		/* these two: CONFIG_IP_MULTIPLE_TABLES */
	_Bool fib_has_custom_rules;
	struct hlist_head___fw *fib_table_hash;
	struct atomic_t___fw rt_genid;
};

struct net___fw {
	__u64 net_cookie;
	struct hlist_head___fw *dev_index_head;
	struct netns_ipv4___fw ipv4;
};

#pragma clang attribute pop

/* Linux 6.2, and then @kern_ctx is set: read without a helper what a context stands for. */
extern void *bpf_cast_to_kern_ctx(void *ctx) __ksym __weak;

/* The packet itself, for hooks that have an sk_buff. */
static __always_inline struct sk_buff___fw *ctx_skb(fw_ctx_t *ctx)
{
#ifdef FW_NETFILTER
	return (struct sk_buff___fw *)ctx->skb;
#else
	return (struct sk_buff___fw *)ctx;
#endif
}

/* The device that the packet is on. */
static __always_inline struct net_device___fw *ctx_dev(fw_ctx_t *ctx)
{
#if defined(FW_XDP)
	return BPF_CORE_READ((struct xdp_buff___fw *)ctx, rxq, dev);
#elif defined(FW_NETFILTER)
	const struct nf_hook_state *state = ctx->state;

	return (struct net_device___fw *)(state->in ? state->in : state->out);
#else
	return BPF_CORE_READ((struct sk_buff___fw *)ctx, dev);
#endif
}

/* The network namespace that judges it. */
static __always_inline struct net___fw *ctx_net(fw_ctx_t *ctx)
{
	struct net_device___fw *dev = ctx_dev(ctx);

	return BPF_CORE_READ(dev, nd_net.net);
}

#endif /* BPFIPT_KERNEL_BPF_H */
