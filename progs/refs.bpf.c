// SPDX-License-Identifier: GPL-2.0-only
/*
 * refs.bpf.c - how often is the network namespace of each netfilter link held?
 *
 * Not met by any packet: an iterator over the kernel's links, which user/reap.c reads. A
 * link of that type holds its namespace (bpf_nf_link_attach(), net/netfilter/
 * nf_bpf_link.c), and a namespace that only its links hold is one that its user has
 * deleted. Every process in it, mount of it, descriptor and socket counts one more.
 */
#include <linux/bpf.h>
#include <bpf/bpf_helpers.h>
#include <bpf/bpf_core_read.h>

#include "abi/refs.h"

#define LINK_TYPE_NETFILTER	10	/* BPF_LINK_TYPE_NETFILTER: Linux 6.4 */

#pragma clang attribute push(__attribute__((preserve_access_index)), apply_to = record)

typedef struct {
	int counter;
} atomic_t;

typedef struct {
	atomic_t refs;
} refcount_t;

struct ns_common {
	refcount_t count;
};

struct ns_common___ref {	/* from Linux 6.18 on */
	refcount_t __ns_ref;
};

struct net {
	struct ns_common ns;
};

struct bpf_link {
	__u32 id;
	enum bpf_link_type type;
};

struct bpf_nf_link {
	struct bpf_link link;
	struct net *net;
	__u32 dead;
};

struct seq_file;

struct bpf_iter_meta {
	struct seq_file *seq;
};

struct bpf_iter__bpf_link {
	struct bpf_iter_meta *meta;
	struct bpf_link *link;
};

#pragma clang attribute pop

SEC("iter/bpf_link")
int nf_refs(struct bpf_iter__bpf_link *ctx)
{
	struct seq_file *seq = ctx->meta->seq;
	struct bpf_link *link = ctx->link;
	struct bpf_nf_link *nf = (void *)link;
	struct nf_ref ref = {};
	struct ns_common___ref *ns;
	struct net *net;

	if (!link || BPF_CORE_READ(link, type) != LINK_TYPE_NETFILTER || BPF_CORE_READ(nf, dead))
		return 0;
	net = BPF_CORE_READ(nf, net);
	if (!net)
		return 0;
	ns = (void *)&net->ns;
	if (bpf_core_field_exists(ns->__ns_ref))
		ref.refs = BPF_CORE_READ(ns, __ns_ref.refs.counter);
	else
		ref.refs = BPF_CORE_READ(net, ns.count.refs.counter);
	ref.link = BPF_CORE_READ(link, id);
	bpf_seq_write(seq, &ref, sizeof(ref));
	return 0;
}

char LICENSE[] SEC("license") = "GPL";
