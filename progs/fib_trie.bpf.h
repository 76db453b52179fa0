/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * fib_trie.bpf.h - the kernel's routing table "local", read in place
 *
 * inet_addr_type() (net/ipv4/fib_frontend.c), which xt_addrtype.c asks, looks the
 * address up in the routing table "local" and answers with the type of the route:
 * LOCAL, BROADCAST, ANYCAST ...; without a route, or with one that is an error
 * (blackhole, unreachable, prohibit, throw), UNICAST. bpf_fib_lookup() has one answer
 * for all of these, so the table is read in place: a trie of
 *
 *	key, pos, bits		the node branches on the @bits bits from @pos on
 *	slen			longest suffix (32 - prefix length) below it
 *	tnode[1 << bits]	children; a leaf (bits == 0) has a list of routes instead
 *
 * and walked as fib_table_lookup() of net/ipv4/fib_trie.c documents it: down by the
 * bits of the address to the leaf; where that is not a prefix of the address, or has
 * no usable route, back up, clearing the lowest bit of the way that was set, and down
 * that subtree's all-zero side, where the shorter prefixes are.
 *
 * While a namespace has never had a policy rule of its own, "local" and "main" are one
 * trie, and the kernel answers from both: so does this.
 */
#ifndef BPFIPT_FIB_TRIE_BPF_H
#define BPFIPT_FIB_TRIE_BPF_H

#include "kernel.bpf.h"
#include "maps.bpf.h"
#include "parse.bpf.h"

/* enum rtn_type of linux/rtnetlink.h; those from RTN_BLACKHOLE on are errors */
#define RTN_UNICAST	1
#define RTN_LOCAL	2
#define RTN_BROADCAST	3
#define RTN_MULTICAST	5
#define RTN_BLACKHOLE	6

#define RT_TABLE_LOCAL	255
#define RTNH_F_DEAD	1
#define TRIE_ROOT_POS	32

/* Steps of one lookup: 32 levels, and as many turns back, never come near it. */
#define FIB_STEPS	4096

#pragma clang attribute push(__attribute__((preserve_access_index)), apply_to = record)

struct key_vector___fw {
	__u32 key;
	unsigned char pos;
	unsigned char bits;
	unsigned char slen;
	struct hlist_head___fw leaf;
	struct key_vector___fw *tnode[1];
};

struct tnode___fw {
	struct key_vector___fw *parent;
	struct key_vector___fw kv[1];
};

struct fib_table___fw {
	struct hlist_node___fw tb_hlist;
	__u32 tb_id;
	unsigned long *tb_data;
};

struct fib_nh_common___fw {
	struct net_device___fw *nhc_dev;
	unsigned char nhc_flags;
	unsigned char nhc_gw_family;
	void *nhc_exceptions;
};

struct fib_nh___fw {
	struct fib_nh_common___fw nh_common;
};

struct dst_metrics___fw {
	__u32 metrics[2];	/* RTAX_MTU is the second */
};

struct fib_info___fw {
	unsigned int fib_flags;
	unsigned char fib_dead;
	struct dst_metrics___fw *fib_metrics;
	int fib_nhs;
	void *nh;
	struct fib_nh___fw fib_nh[1];
};

struct fib_alias___fw {
	struct hlist_node___fw fa_list;
	struct fib_info___fw *fa_info;
	unsigned char fa_dscp;
	unsigned char fa_type;
	unsigned char fa_slen;
};

#pragma clang attribute pop

/* The first bytes of struct key_vector, read at once; node_layout() checks it. */
struct fib_node {
	__u32 key;
	__u8 pos;
	__u8 bits;
	__u8 slen;
	__u8 pad;
};

static __always_inline int node_layout(void)
{
	__u32 key = bpf_core_field_offset(struct key_vector___fw, key);

	return bpf_core_field_offset(struct key_vector___fw, pos) - key == 4 &&
	       bpf_core_field_offset(struct key_vector___fw, bits) - key == 5 &&
	       bpf_core_field_offset(struct key_vector___fw, slen) - key == 6;
}

static __always_inline struct fib_node node_read(__u64 n)
{
	struct fib_node node = {};

	bpf_probe_read_kernel(&node, sizeof(node),
			      (void *)(n + bpf_core_field_offset(struct key_vector___fw, key)));
	return node;
}

static __always_inline __u64 node_child(__u64 n, __u64 index)
{
	__u64 at = n + bpf_core_field_offset(struct key_vector___fw, tnode) + index * 8, to = 0;

	bpf_probe_read_kernel(&to, sizeof(to), (void *)at);
	return to;
}

static __always_inline __u64 node_parent(__u64 n)
{
	struct tnode___fw *t = (void *)(n - bpf_core_field_offset(struct tnode___fw, kv));

	return (__u64)BPF_CORE_READ(t, parent);
}

/* One route of a leaf. Return: 1 when it is the answer. */
static __always_inline int fib_route(struct fib_walk *f)
{
	__u64 at = f->fa - bpf_core_field_offset(struct fib_alias___fw, fa_list);
	struct fib_alias___fw *fa = (void *)at;
	struct fib_info___fw *fi = BPF_CORE_READ(fa, fa_info);
	__u32 type = BPF_CORE_READ(fa, fa_type), dscp = BPF_CORE_READ(fa, fa_dscp);

	f->fa = (__u64)BPF_CORE_READ(fa, fa_list.next);
	if ((__u64)(f->key ^ f->leaf_key) >> (BPF_CORE_READ(fa, fa_slen) & 63))
		return 0;
	f->by_tos |= dscp;
	if ((dscp && dscp != f->dscp) || BPF_CORE_READ(fi, fib_dead))
		return 0;
	if (type >= RTN_BLACKHOLE) {
		f->type = RTN_UNICAST;
		return 1;
	}
	if (BPF_CORE_READ(fi, fib_flags) & RTNH_F_DEAD)
		return 0;
	f->type = type;
	f->fi = (__u64)fi;
	if (!BPF_CORE_READ(fi, nh))
		f->dev = BPF_CORE_READ(fi, fib_nh[0].nh_common.nhc_dev, ifindex);
	return 1;
}

/* The table: its trie's root takes the place of @pn. Return: 1 when there is none. */
static __always_inline int fib_table_step(struct fib_walk *f)
{
	struct fib_table___fw *tb;
	__u64 at = f->tb;

	if (!at) {
		f->type = RTN_BROADCAST;	/* sic: __inet_dev_addr_type() */
		return 1;
	}
	tb = (void *)(at - bpf_core_field_offset(struct fib_table___fw, tb_hlist));
	if (BPF_CORE_READ(tb, tb_id) != RT_TABLE_LOCAL) {
		f->tb = (__u64)BPF_CORE_READ(tb, tb_hlist.next);
		return 0;
	}
	f->pn = (__u64)BPF_CORE_READ(tb, tb_data);
	f->root = f->pn;
	f->n = node_child(f->pn, 0);
	if (!f->n)
		f->type = RTN_UNICAST;
	return !f->n;
}

/* Up from @pn until a set bit of the way can be cleared. Return: 1 at the root. */
static __always_inline int fib_back(struct fib_walk *f)
{
	struct fib_node pn = node_read(f->pn);
	__u32 key = pn.key;

	if (!f->cindex) {
		if (pn.pos >= TRIE_ROOT_POS) {
			f->type = RTN_UNICAST;
			return 1;
		}
		f->pn = node_parent(f->pn);
		pn = node_read(f->pn);
		f->cindex = (__u64)(key ^ pn.key) >> (pn.pos & 63);
		return 0;
	}
	f->cindex &= f->cindex - 1;
	f->n = node_child(f->pn, f->cindex);
	f->zeros = 1;
	return 0;
}

static long fib_step(__u32 i, struct fw *fw)
{
	struct fib_walk *f = &fw->w->fib;
	struct key_vector___fw *leaf;
	struct fib_node n;
	__u64 index;

	if (!f->pn)
		return fib_table_step(f);
	if (f->fa)
		return fib_route(f);
	if (!f->n)
		return fib_back(f);
	n = node_read(f->n);
	index = (__u64)(f->key ^ n.key) >> (n.pos & 63);
	if (!f->zeros && index >> (n.bits & 63))
		f->zeros = 1;	/* the bits that the trie skipped differ */
	if (f->zeros && ((f->key ^ n.key) & (n.key | -n.key) || n.slen == n.pos)) {
		f->n = 0;
		return 0;
	}
	if (!n.bits) {
		f->leaf_key = n.key;
		leaf = (void *)f->n;
		f->fa = (__u64)BPF_CORE_READ(leaf, leaf.first);
		f->n = 0;
		return 0;
	}
	if (f->zeros) {
		index = 0;
	} else if (n.slen > n.pos) {
		f->pn = f->n;
		f->cindex = index;
	}
	f->n = node_child(f->n, index);
	return 0;
}

/* fib_find() - the route of @addr for packets of @dscp, to fw->w->fib. Return: 0; -1: failed */
static __always_inline int fib_find(struct fw *fw, __u32 addr, __u32 dscp)
{
	struct fib_walk *f = &fw->w->fib;
	struct hlist_head___fw *hash;
	struct net___fw *net;

	if (!node_layout())
		return -1;
	net = ctx_net(fw->ctx);
	hash = BPF_CORE_READ(net, ipv4.fib_table_hash);
	/* 256 lists, or 2 without policy routing */
	hash = (void *)((__u64)hash + 8 * (bpf_core_field_exists(net->ipv4.rules_ops) ?
					   RT_TABLE_LOCAL : RT_TABLE_LOCAL & 1));
	__builtin_memset(f, 0, sizeof(*f));
	f->key = addr;
	f->dscp = dscp;
	f->tb = (__u64)BPF_CORE_READ(hash, first);
	bpf_loop(FIB_STEPS, fib_step, fw, 0);
	return 0;
}

/* addr_type() - RTN_* of @addr in bits 0..7, the ifindex of its route above; 0: failed */
__noinline __u64 addr_type(fw_ctx_t *ctx, struct walk *w, __u32 addr)
{
	struct fw fw = { .ctx = ctx, .w = w };

	if (!ctx || !w)
		return 0;
	if (!addr || addr == 0xffffffff)
		return RTN_BROADCAST;
	if (is_multicast(addr))
		return RTN_MULTICAST;
	if (fib_find(&fw, addr, 0))
		return 0;
	return (__u64)w->fib.dev << 8 | (w->fib.type & 0xff);
}

#endif /* BPFIPT_FIB_TRIE_BPF_H */
