/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * xdp_lane.bpf.h - does anything stand between two interfaces that XDP would pass by?
 *
 * A packet that goes on at the driver meets none of what the stack has for it between
 * netif_receive_skb() and the driver's transmit queue. So the lane from one interface to
 * another is open only while there is nothing: no netfilter hook of anybody, no IPsec
 * policy, no tc program, qdisc or nftables chain at either end but our own programs, no
 * bridge, bond, macvlan or VRF above. All is read from the kernel's own structures
 * (kernel.bpf.h), anew when the clock has ticked, so that whatever somebody adds is
 * obeyed from the next tick on, and nobody has to tell us.
 *
 * It also sees to what XDP itself cannot do: a driver that does not take the frame drops
 * it in silence (xdp_features says whether it does; of a veth, whether its peer's NAPI is
 * on), and tags and checksums that an skb has beside its bytes are lost.
 */
#ifndef BPFIPT_XDP_LANE_BPF_H
#define BPFIPT_XDP_LANE_BPF_H

#include "abi/forward.h"
#include "kernel.bpf.h"
#include "late_host.bpf.h"

#define NF_INET_PRE_ROUTING	0
#define NF_INET_FORWARD		2
#define NF_INET_POST_ROUTING	4
#define XFRM_POLICY_ACCEPT	2
#define HW_VLAN_CTAG_RX		(1u << 8)	/* NETIF_F_HW_VLAN_CTAG_RX */
#define XDP_ACT_NDO_XMIT	4u		/* NETDEV_XDP_ACT_NDO_XMIT */
#define TYPE_ETHER		1
#define QUEUES_MAX		4096

#pragma clang attribute push(__attribute__((preserve_access_index)), apply_to = record)

struct nf_hook_entry___fwd {
	void *hook;
};

struct nf_hook_entries___fwd {
	__u16 num_hook_entries;
	struct nf_hook_entry___fwd hooks[1];
};

struct netns_nf___fwd {
	struct nf_hook_entries___fwd *hooks_ipv4[5];
};

struct netns_xfrm___fwd {
	unsigned int policy_count[3];
	__u8 policy_default[3];
};

struct ipv4_devconf___fwd {
	int data[32];
};

struct atomic_t___fwd {
	int counter;
};

struct netns_ipv4___fwd {
	struct ipv4_devconf___fwd *devconf_all;
	_Bool fib_has_custom_rules;
	struct atomic_t___fwd rt_genid;
};

struct net___fwd {
	struct netns_nf___fwd nf;
	struct netns_xfrm___fwd xfrm;
	struct netns_ipv4___fwd ipv4;
};

struct in_device___fwd {
	struct ipv4_devconf___fwd cnf;
};

struct bpf_prog_aux___fwd {
	char name[16];
};

struct bpf_prog___fwd {
	struct bpf_prog_aux___fwd *aux;
};

struct bpf_mprog_fp___fwd {
	struct bpf_prog___fwd *prog;
};

struct bpf_mprog_bundle___fwd {
	__u32 count;
};

struct bpf_mprog_entry___fwd {
	struct bpf_mprog_fp___fwd fp_items[2];
	struct bpf_mprog_bundle___fwd *parent;
};

struct tcx_entry___fwd {
	void *miniq;
	struct bpf_mprog_bundle___fwd bundle;
};

struct Qdisc___fwd {
	__u32 handle;
};

struct netdev_queue___fwd {
	struct Qdisc___fwd *qdisc;
	struct Qdisc___fwd *qdisc_sleeping;
};

struct rtnl_link_ops___fwd {
	const char *kind;
};

struct net_device___fwd {
	unsigned long priv_flags;
	unsigned long long features;
	void *rx_handler;
	void *nf_hooks_ingress;
	void *nf_hooks_egress;
	struct bpf_mprog_entry___fwd *tcx_ingress;
	struct bpf_mprog_entry___fwd *tcx_egress;
	struct in_device___fwd *ip_ptr;
	const unsigned char *dev_addr;
	unsigned int xdp_features;
	unsigned short type;
	struct netdev_queue___fwd *_tx;
	unsigned int num_tx_queues;
	struct Qdisc___fwd *qdisc;
	struct rtnl_link_ops___fwd *rtnl_link_ops;
};

#pragma clang attribute pop

enum netdev_priv_flags___fwd {
	IFF_L3MDEV_SLAVE___fwd = 1 << 18,
};

/*
 * What a lane is asked of needs Linux 6.6: tcx, with which what else is at tc can be told
 * from our own programs, and xdp_features. User space has refused --forward before that.
 */
static __always_inline int lane_kernel(struct net_device___fwd *d, struct net___fwd *net)
{
	return bpf_core_field_exists(d->tcx_egress) && bpf_core_field_exists(d->xdp_features) &&
	       bpf_core_field_exists(net->nf.hooks_ipv4) &&
	       bpf_core_field_exists(net->ipv4.rt_genid) &&
	       bpf_core_enum_value_exists(enum netdev_priv_flags___fwd, IFF_L3MDEV_SLAVE___fwd);
}

/* Is nothing at this side of tc, or @ours alone? */
static __noinline int tcx_ours(struct bpf_mprog_entry___fwd *e, int egress)
{
	struct tcx_entry___fwd *tcx;
	char name[16] = {};

	if (!e)
		return 1;
	tcx = (void *)BPF_CORE_READ(e, parent);
	tcx = (void *)tcx - bpf_core_field_offset(struct tcx_entry___fwd, bundle);
	if (BPF_CORE_READ(tcx, miniq) || BPF_CORE_READ(e, fp_items[1].prog))
		return 0;
	BPF_CORE_READ_INTO(&name, e, fp_items[0].prog, aux, name);
	return !bpf_strncmp(name, sizeof(name), egress ? "fw_egress" : "fw_answer");
}

/* No bridge, bond, team or macvlan takes its frames, no VRF its packets. */
static __always_inline int dev_alone(struct net_device___fwd *d)
{
	__u64 flags = BPF_CORE_READ_BITFIELD_PROBED(d, priv_flags);

	return BPF_CORE_READ(d, type) == TYPE_ETHER && !BPF_CORE_READ(d, rx_handler) &&
	       !(flags & bpf_core_enum_value(enum netdev_priv_flags___fwd,
					     IFF_L3MDEV_SLAVE___fwd));
}

/* struct queue_walk - has a transmit queue of @tx a qdisc that somebody chose? */
struct queue_walk {
	__u64 tx;
	__u32 n;
	__u32 chosen;
};

/* One that the kernel has put there by itself has no handle, nor have its children. */
static long queue_step(__u32 i, struct queue_walk *q)
{
	struct netdev_queue___fwd *tx;

	if (i >= q->n)
		return 1;
	tx = (void *)(q->tx + (__u64)i * bpf_core_type_size(struct netdev_queue___fwd));
	q->chosen = BPF_CORE_READ(tx, qdisc_sleeping, handle) || BPF_CORE_READ(tx, qdisc, handle);
	return q->chosen;
}

static __noinline int queues_plain(struct net_device___fwd *d)
{
	struct queue_walk q = { .tx = (__u64)BPF_CORE_READ(d, _tx) };

	q.n = BPF_CORE_READ(d, num_tx_queues);
	if (q.n > QUEUES_MAX || BPF_CORE_READ(d, qdisc, handle))
		return 0;
	bpf_loop(QUEUES_MAX, queue_step, &q, 0);
	return !q.chosen;
}

static __always_inline int devconf(struct ipv4_devconf___fwd *cnf, __u32 what)
{
	int v = 0;

	bpf_probe_read_kernel(&v, sizeof(v), &cnf->data[what - 1]);
	return v;
}

static __noinline __u32 lane_in(struct net_device___fwd *d, struct fwd_lane *l)
{
	struct rtnl_link_ops___fwd *ops = BPF_CORE_READ(d, rtnl_link_ops);
	char kind[8] = {};

	if (ops)
		bpf_probe_read_kernel_str(kind, sizeof(kind), BPF_CORE_READ(ops, kind));
	l->veth = !bpf_strncmp(kind, sizeof(kind), "veth");
	if ((ops && !l->veth) || !dev_alone(d))
		return FWD_IN_KIND;
	if (!l->veth && BPF_CORE_READ(d, features) & HW_VLAN_CTAG_RX)
		return FWD_IN_VLAN;
	if (BPF_CORE_READ(d, nf_hooks_ingress) || !tcx_ours(BPF_CORE_READ(d, tcx_ingress), 0))
		return FWD_IN_HOOKS;
	return FWD_OPEN;
}

static __noinline __u32 lane_out(struct net_device___fwd *d, struct ipv4_devconf___fwd *all)
{
	struct in_device___fwd *ip;

	if (!d || !dev_alone(d))
		return FWD_OUT_KIND;
	if (!(BPF_CORE_READ(d, xdp_features) & XDP_ACT_NDO_XMIT))
		return FWD_OUT_XMIT;
	if ((bpf_core_field_exists(d->nf_hooks_egress) && BPF_CORE_READ(d, nf_hooks_egress)) ||
	    !tcx_ours(BPF_CORE_READ(d, tcx_egress), 1))
		return FWD_OUT_HOOKS;
	if (!queues_plain(d))
		return FWD_OUT_QUEUE;
	ip = BPF_CORE_READ(d, ip_ptr);
	if (!ip || (devconf(all, IPV4_DEVCONF_ACCEPT_REDIRECTS) &&
		    devconf(&ip->cnf, IPV4_DEVCONF_ACCEPT_REDIRECTS)))
		return FWD_OUT_REDIRECTS;
	return FWD_OPEN;
}

/*
 * AppArmor has a hook at POST_ROUTING in every namespace, which accepts what has no secmark
 * (security/apparmor/lsm.c); only rules at other hooks could set one.
 */
const volatile __u64 apparmor_ip_postroute;	/* set by user/loader.c; 0: there is none */

static __always_inline int hooks_idle(struct nf_hook_entries___fwd *e)
{
	return !e || (BPF_CORE_READ(e, num_hook_entries) == 1 &&
		      (__u64)BPF_CORE_READ(e, hooks[0].hook) == apparmor_ip_postroute);
}

/* What holds for the whole namespace. */
static __noinline __u32 lane_net(struct net___fwd *net)
{
	int i;

	if (BPF_CORE_READ(net, nf.hooks_ipv4[NF_INET_PRE_ROUTING]) ||
	    BPF_CORE_READ(net, nf.hooks_ipv4[NF_INET_FORWARD]) ||
	    !hooks_idle(BPF_CORE_READ(net, nf.hooks_ipv4[NF_INET_POST_ROUTING])))
		return FWD_NETFILTER;
	for (i = 0; bpf_core_field_exists(net->xfrm) && i < 3; i++)
		if (BPF_CORE_READ(net, xfrm.policy_count[i]) ||
		    BPF_CORE_READ(net, xfrm.policy_default[i]) != XFRM_POLICY_ACCEPT)
			return FWD_XFRM;
	if (bpf_core_field_exists(net->ipv4.fib_has_custom_rules) &&
	    BPF_CORE_READ(net, ipv4.fib_has_custom_rules))
		return FWD_RULES;
	return FWD_OPEN;
}

/*
 * lane_look() - look at the lane from @l->in to @l->out anew
 * @mac:	destination of a frame that was taken for ours: is it still the interface's?
 * Return: enum fwd_why.
 */
static __noinline __u32 lane_look(struct fw *fw, struct fwd_lane *l, __u64 mac)
{
	struct net_device___fwd *in = (void *)ctx_dev(fw->ctx), *out;
	struct net___fwd *net = (void *)ctx_net(fw->ctx);
	struct ipv4_devconf___fwd *all;
	struct in_device___fwd *ip;
	__u64 own = 0;
	__u32 why;
	int rp;

	if (!lane_kernel(in, net))
		return FWD_KERNEL;
	if (l->in == l->out)
		return FWD_SAME;
	why = lane_net(net);
	if (why)
		return why;
	why = lane_in(in, l);
	if (why)
		return why;
	bpf_probe_read_kernel(&own, ETH_ALEN, BPF_CORE_READ(in, dev_addr));
	ip = BPF_CORE_READ(in, ip_ptr);
	if (own != mac || !ip)
		return FWD_IN_KIND;
	all = BPF_CORE_READ(net, ipv4.devconf_all);
	l->rp_filter = devconf(all, IPV4_DEVCONF_RP_FILTER);
	rp = devconf(&ip->cnf, IPV4_DEVCONF_RP_FILTER);
	if (rp > l->rp_filter)
		l->rp_filter = rp;
	l->genid = BPF_CORE_READ(net, ipv4.rt_genid.counter);
	out = (void *)dev_by_index(fw, l->out);
	return lane_out(out, all);
}

#endif /* BPFIPT_XDP_LANE_BPF_H */
