// SPDX-License-Identifier: GPL-2.0-only
/*
 * ifstamp.bpf.c - are the interfaces those that they were?
 *
 * Not met by any packet: each command runs it once, in 3 us, in place of a dump over
 * rtnetlink, which takes 65 (user/ifcache.c). Of each interface of the caller's network
 * namespace all that the dump is read for goes into one number of 64 bits.
 *
 * The list is walked without a lock, and before 6.2 a program of this type cannot hold
 * RCU: an interface that goes meanwhile may lead anywhere, which bpf_probe_read_kernel()
 * bears and the bound ends. What comes of it is the number of another list, and so a dump.
 */
#include <linux/bpf.h>
#include <bpf/bpf_helpers.h>
#include <bpf/bpf_core_read.h>

#include "abi/ifstamp.h"

#define IFACES_MOST	128	/* more than the cache has room for */

#pragma clang attribute push(__attribute__((preserve_access_index)), apply_to = record)

struct list_head {
	struct list_head *next;
};

struct net {
	struct list_head dev_base_head;
};

struct nsproxy {
	struct net *net_ns;
};

struct task_struct {
	struct nsproxy *nsproxy;
};

struct rtnl_link_ops;

struct net_device {
	int ifindex;
	unsigned short type;
	unsigned int flags;
	char name[16];
	unsigned char addr_len;
	const unsigned char *dev_addr;
	const struct rtnl_link_ops *rtnl_link_ops;
	struct list_head dev_list;
	struct {
		struct list_head upper;
	} adj_list;
};

struct netdev_adjacent {
	struct net_device *dev;
	_Bool master;
	struct list_head list;
};

#pragma clang attribute pop

/* struct walk - along the list: @at is next, @head its end */
struct walk {
	struct list_head *head;
	struct list_head *at;
	__u64 stamp;
	__u32 done;
};

#define holder(ptr, type, member) \
	((type *)((void *)(ptr) - bpf_core_field_offset(type, member)))

static __always_inline __u64 mix(__u64 stamp, __u64 word)
{
	stamp = (stamp ^ word) * 0x9e3779b97f4a7c15ull;
	return stamp ^ stamp >> 29;
}

/* The device that it is a port or slave of, and of which kind that is. */
static __always_inline __u64 mix_master(__u64 stamp, struct net_device *dev)
{
	struct list_head *first = BPF_CORE_READ(dev, adj_list.upper.next);
	struct netdev_adjacent *upper;

	if (first == (void *)dev + bpf_core_field_offset(struct net_device, adj_list.upper))
		return mix(stamp, 0);
	upper = holder(first, struct netdev_adjacent, list);
	stamp = mix(stamp, (__u64)BPF_CORE_READ(upper, dev) + BPF_CORE_READ(upper, master));
	return mix(stamp, (__u64)BPF_CORE_READ(upper, dev, rtnl_link_ops));
}

static long mix_iface(__u32 i, struct walk *w)
{
	struct net_device *dev = holder(w->at, struct net_device, dev_list);
	__u64 name[2] = {}, addr = 0;

	if (w->at == w->head) {
		w->done = 1;
		return 1;
	}
	BPF_CORE_READ_INTO(&name, dev, name);
	if (BPF_CORE_READ(dev, addr_len) == 6)
		bpf_probe_read_kernel(&addr, 6, BPF_CORE_READ(dev, dev_addr));
	w->stamp = mix(w->stamp, (__u64)BPF_CORE_READ(dev, flags) << 32 | BPF_CORE_READ(dev, ifindex));
	w->stamp = mix(w->stamp, name[0]);
	w->stamp = mix(w->stamp, name[1]);
	w->stamp = mix(w->stamp, addr << 16 | BPF_CORE_READ(dev, type));
	w->stamp = mix_master(w->stamp, dev);
	w->at = BPF_CORE_READ(dev, dev_list.next);
	return 0;
}

SEC("syscall")
int ifaces_stamp(struct if_stamp *ctx)
{
	struct task_struct *task = (void *)bpf_get_current_task();
	struct net *net = BPF_CORE_READ(task, nsproxy, net_ns);
	struct walk w = { .stamp = 1 };

	w.head = (void *)net + bpf_core_field_offset(struct net, dev_base_head);
	w.at = BPF_CORE_READ(net, dev_base_head.next);
	bpf_loop(IFACES_MOST, mix_iface, &w, 0);
	ctx->stamp = w.done ? w.stamp : 0;
	return 0;
}

char LICENSE[] SEC("license") = "GPL";
