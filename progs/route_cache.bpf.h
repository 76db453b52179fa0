/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * route_cache.bpf.h - what bpf_fib_lookup() says of a destination, while it says so
 *
 * The look-up is most of what a packet pays before its first rule, and its answer is
 * needed for one thing: INPUT, or FORWARD and by which interface. So each CPU keeps the
 * answer for a destination, or for all that begin with the same eight bits where no route
 * is to a part of them, as long as nothing has changed that it is made of
 * (bpf_ipv4_fib_lookup(), net/core/filter.c):
 *
 *	routes, addresses, nexthops, their devices' state and MTU, policy rules
 *		Every change of these ends in rt_cache_flush(), which makes the kernel's
 *		own cached routes stale, before the system call that made it returns: the
 *		namespace has then another rt_genid, and all that was kept is void. It is
 *		read for each packet, before anything else is. While the change is under
 *		way the stack itself takes either route for a packet.
 *	forwarding of the input device
 *		Read for each packet: without it all is INPUT's, and nothing is looked up.
 *	source, mark, ports, input device, TOS
 *		No part of the answer while there are no policy rules (a VRF makes one),
 *		the route has one next hop, and none on the way to it was for a TOS; with
 *		others nothing is kept.
 *	ignore_routes_with_linkdown
 *		Changes without a flush, so no route is kept whose next hop has no link,
 *		nor one that was found behind such a route.
 *	learned path MTUs
 *		Do not change the answer for a packet that the device takes whole
 *		(path_mtu_only()); a longer one that may not be fragmented is looked up.
 *	neighbours
 *		Are asked for by xdp --forward alone, which keeps the addresses of a route's
 *		gateway until the clock ticks, as all that it knows of a lane (xdp_lane.bpf.h);
 *		and only while its next hop has learned no path MTU, which that look-up would
 *		mind. Next hops that are on the link are asked for each time: there may be
 *		as many as destinations.
 *
 * What the route is made of, bpf_fib_lookup() does not tell: it is read from the routing
 * table in place (fib_trie.bpf.h), and must lead to the same answer. That costs more than
 * a dozen look-ups, so a destination must first come ROUTE_TOUCHES times between two
 * changes: neither a scan of addresses nor a router whose routes change all the time can
 * make packets dearer than the look-up. It also means that the route had been found, and
 * marked as accessed (fib_alias_accessed()), before the look-up whose answer is kept: the
 * kernel flushes nothing for a route that goes and was never found.
 */
#ifndef BPFIPT_ROUTE_CACHE_BPF_H
#define BPFIPT_ROUTE_CACHE_BPF_H

#include "fib_trie.bpf.h"

#define AF_INET		2
#define ROUTE_SETS_BITS	10
#define ROUTE_WAYS	4
#define ROUTE_TOUCHES	16
#define ROUTE_MTU_MAX	0xffffu
#define BLOCK_BITS	24	/* of an address within its block */
#define RTNH_F_LINKDOWN	16
#define ROUTE_VIAS	16	/* gateways, but for the first place */

/* Is this the program that may send packets on by itself, and shall it? */
#if defined(FW_XDP) && !defined(FW_EARLY)
#define FORWARDING	(features & IMG_F_FORWARD)
#else
#define FORWARDING	0
#endif

/* enum route_state - of a row of the cache; below ROUTE_TOUCHES: how often it was asked for */
enum route_state {
	ROUTE_LEARN = ROUTE_TOUCHES,	/* ask, and tell route_learn() */
	ROUTE_ASK,			/* ask, this cannot be kept */
	ROUTE_INPUT,
	ROUTE_FORWARD,
};

/*
 * struct route - an answer
 * @daddr:	the destination, of a block any
 * @version:	of the cache when it was given
 * @out:	the interface that FORWARD's packets leave by, and @mtu its MTU
 * @state:	enum route_state
 * @via:	place of its gateway, 0: it has none there
 */
struct route {
	__u32 daddr;
	__u32 version;
	__u32 out;
	__u16 mtu;
	__u8 state;
	__u8 via;
};

/*
 * struct route_via - a route with a gateway
 * @fi:		its struct fib_info
 * @tick:	jiffies when @dmac and @smac were what bpf_fib_lookup() says
 */
struct route_via {
	__u64 fi;
	__u64 tick;
	__u8 dmac[ETH_ALEN];
	__u8 smac[ETH_ALEN];
	__u32 pad;
};

/* struct route_set - the places of a destination: one cache line */
struct route_set {
	struct route way[ROUTE_WAYS];
};

/*
 * struct route_cache - of one CPU
 * @net, @genid: cookie of the namespace, and its rt_genid, that @version is of
 * @turn:	counts destinations that found no place
 * @nr_via:	the last place in @via that is taken
 */
struct route_cache {
	__u64 net;
	__u32 genid;
	__u32 version;
	__u32 turn;
	__u32 nr_via;
	__u32 pad[10];
	struct route_via via[ROUTE_VIAS];
	struct route block[1 << (32 - BLOCK_BITS)];
	struct route_set set[1 << ROUTE_SETS_BITS];
};

_Static_assert(sizeof(struct route_set) == 64, "route_set is one cache line");
_Static_assert(sizeof(struct route_cache) % 64 == 0, "route_set is one cache line");

/* One per CPU: user/loader.c sizes it. May be mapped, since such values start a page. */
struct {
	__uint(type, BPF_MAP_TYPE_ARRAY);
	__uint(map_flags, BPF_F_MMAPABLE);
	__uint(max_entries, 1);
	__type(key, __u32);
	__type(value, struct route_cache);
} routes SEC(".maps");

/* The device that a packet has come in by, to read from without a helper (kern_ctx). */
static __always_inline struct net_device___fw *route_dev(fw_ctx_t *ctx)
{
#ifdef FW_XDP
	return ((struct xdp_buff___fw *)bpf_cast_to_kern_ctx(ctx))->rxq->dev;
#else
	return ((struct sk_buff___fw *)bpf_cast_to_kern_ctx(ctx))->dev;
#endif
}

static __always_inline struct route_cache *route_cache_get(void)
{
	__u32 cpu = bpf_get_smp_processor_id();

	return bpf_map_lookup_elem(&routes, &cpu);
}

static __always_inline struct route_set *route_set_of(struct route_cache *c, __u32 daddr)
{
	return &c->set[daddr * 0x9e3779b1u >> (32 - ROUTE_SETS_BITS)];
}

/* The addresses of gateway number @via into @w->hop, if they are known. Return: 1: they are. */
static __always_inline int via_take(const struct route_cache *c, struct walk *w, __u32 via,
				    __u32 len)
{
	const struct route_via *v = &c->via[via & (ROUTE_VIAS - 1)];

	if (!via)
		return 0;
	w->hop.via = via;
	if (v->tick != bpf_jiffies64())
		return 0;
	w->hop.len = len;
	__builtin_memcpy(w->hop.dmac, v->dmac, ETH_ALEN);
	__builtin_memcpy(w->hop.smac, v->smac, ETH_ALEN);
	return 1;
}

/* What bpf_fib_lookup() has put into @w->hop is good until the next tick. */
static __always_inline void via_renew(struct walk *w)
{
	struct route_cache *c = w->hop.via ? route_cache_get() : NULL;
	struct fib_info___fw *fi;
	struct route_via *v;

	if (!c)
		return;
	v = &c->via[w->hop.via & (ROUTE_VIAS - 1)];
	fi = (void *)v->fi;
	if (BPF_CORE_READ(fi, fib_nh[0].nh_common.nhc_exceptions))
		return;
	__builtin_memcpy(v->dmac, w->hop.dmac, ETH_ALEN);
	__builtin_memcpy(v->smac, w->hop.smac, ETH_ALEN);
	v->tick = bpf_jiffies64();
}

/* A place for the gateway of the route @fi. Return: 0: it has none, or all are taken. */
static __always_inline __u32 via_place(struct route_cache *c, struct fib_info___fw *fi)
{
	__u32 i;

	if (BPF_CORE_READ(fi, fib_nh[0].nh_common.nhc_gw_family) != AF_INET)
		return 0;
	for (i = 1; i < ROUTE_VIAS; i++) {
		if (i > c->nr_via) {
			c->nr_via = i;
			c->via[i].fi = (__u64)fi;
			c->via[i].tick = 0;
		}
		if (c->via[i].fi == (__u64)fi)
			return i;
	}
	return 0;
}

/* An answer, or the next step towards one. */
static __always_inline enum route_state route_of(const struct route_cache *c, struct route *r,
						 struct walk *w, __u32 fib_len)
{
	if (r->state < ROUTE_LEARN)
		return ++r->state == ROUTE_LEARN ? ROUTE_LEARN : ROUTE_ASK;
	if (r->state == ROUTE_FORWARD) {
		if (fib_len > r->mtu || (FORWARDING && !via_take(c, w, r->via, fib_len)))
			return ROUTE_ASK;
		w->pkt.oifindex = r->out;
	}
	return r->state;
}

static __always_inline void route_begin(struct route *r, const struct route_cache *c, __u32 daddr)
{
	r->daddr = daddr;
	r->version = c->version;
	r->state = 0;
}

/*
 * route_place() - a destination that has no place takes that of an older version, or of
 * one that has come less often; one in 16 that finds none of these takes any
 */
__noinline int route_place(__u32 daddr)
{
	struct route_cache *c = route_cache_get();
	struct route *at = NULL;
	struct route_set *set;
	__u32 i;

	if (!c)
		return 0;
	set = route_set_of(c, daddr);
	for (i = 0; i < ROUTE_WAYS; i++)
		if (set->way[i].version != c->version || set->way[i].state < ROUTE_LEARN)
			at = &set->way[i];
	if (!at && !(++c->turn & 15))
		at = &set->way[c->turn >> 4 & (ROUTE_WAYS - 1)];
	if (at)
		route_begin(at, c, daddr);
	return 0;
}

/* As route_known(), for a destination alone. */
static __always_inline int route_dest(struct route_cache *c, struct walk *w, __u32 fib_len)
{
	__u32 daddr = w->pkt.key[KEY_DADDR], i;
	struct route_set *set = route_set_of(c, daddr);

	for (i = 0; i < ROUTE_WAYS; i++) {
		struct route *r = &set->way[i];

		if (r->daddr == daddr && r->version == c->version)
			return route_of(c, r, w, fib_len);
	}
	route_place(daddr);
	return ROUTE_ASK;
}

/*
 * route_known() - the answer for the packet in @w, if it is known
 * @fib_len:	as select_ingress() has it
 * Sets @w->pkt.oifindex with ROUTE_FORWARD.
 * Return: ROUTE_INPUT, ROUTE_FORWARD; ROUTE_ASK: not known; ROUTE_LEARN: nor this, but
 * route_learn() is to be told what bpf_fib_lookup() says.
 */
static __always_inline int route_known(fw_ctx_t *ctx, struct walk *w, __u32 fib_len)
{
	struct net_device___fw *dev = route_dev(ctx);
	struct in_device___fw *ip = dev->ip_ptr;
	struct net___fw *net = dev->nd_net.net;
	__u64 cookie = net->net_cookie;
	struct route_cache *c;
	struct route *r;
	__u32 genid;

	if (!ip || !READ_ONCE(ip->cnf.data[IPV4_DEVCONF_FORWARDING - 1]))
		return ROUTE_INPUT;
	c = route_cache_get();
	if (!c)
		return ROUTE_ASK;
	genid = READ_ONCE(net->ipv4.rt_genid.counter);
	if (unlikely(c->genid != genid || c->net != cookie || !c->version)) {
		c->genid = genid;
		c->net = cookie;
		c->version++;
		c->nr_via = 0;
	}
	r = &c->block[w->pkt.key[KEY_DADDR] >> BLOCK_BITS];
	if (unlikely(r->version != c->version))
		route_begin(r, c, w->pkt.key[KEY_DADDR]);
	if (r->state == ROUTE_ASK)
		return route_dest(c, w, fib_len);
	return route_of(c, r, w, fib_len);
}

/* Is the route in @w->fib all that the answer depends on? Return: a lasting state. */
static __always_inline enum route_state route_lasts(fw_ctx_t *ctx, struct walk *w, __u32 out)
{
	struct net___fw *net = ctx_net(ctx);
	const struct fib_walk *f = &w->fib;
	struct fib_info___fw *fi = (void *)f->fi;

	if (bpf_core_field_exists(net->ipv4.fib_has_custom_rules) &&
	    BPF_CORE_READ(net, ipv4.fib_has_custom_rules))
		return ROUTE_ASK;
	if (!fi || f->by_tos || BPF_CORE_READ(fi, nh) ||
	    BPF_CORE_READ(fi, fib_nhs) != 1 ||
	    BPF_CORE_READ(fi, fib_nh[0].nh_common.nhc_flags) & (RTNH_F_DEAD | RTNH_F_LINKDOWN))
		return ROUTE_ASK;
	if (!out)
		return f->type == RTN_LOCAL || f->type == RTN_BROADCAST ? ROUTE_INPUT : ROUTE_ASK;
	return f->type == RTN_UNICAST && f->dev == out ? ROUTE_FORWARD : ROUTE_ASK;
}

/*
 * block_is_one() - has the block of @daddr no route to a part of it, nor to it alone?
 * Down from the root @pn of the trie while a node branches on bits of the block's number:
 * what is found there begins with other bits, or is within the block.
 */
static __noinline int block_is_one(__u64 pn, __u32 daddr)
{
	__u64 at = node_child(pn, 0);
	__u32 i;

	for (i = 0; i <= 32 - BLOCK_BITS; i++) {
		struct fib_node n;

		if (!at)
			return 1;
		n = node_read(at);
		if ((n.key ^ daddr) >> BLOCK_BITS && (__u64)(n.key ^ daddr) >> ((n.pos + n.bits) & 63))
			return 1;
		if (!n.bits || n.pos < BLOCK_BITS)
			return 0;
		at = node_child(at, (__u64)(n.key ^ daddr) >> (n.pos & 63));
	}
	return 0;
}

/*
 * route_learn() - bpf_fib_lookup() has answered for the packet in @w: keep that?
 * @out:	the interface it is to leave by, 0: it is INPUT's
 */
static __noinline int route_learn(fw_ctx_t *ctx, struct walk *w, __u32 out)
{
	struct route_cache *c = route_cache_get();
	__u32 daddr = w->pkt.key[KEY_DADDR], mtu = 1, i;
	struct fw fw = { .ctx = ctx, .w = w };
	struct route_set *set;
	struct route *r;
	__u16 state;

	if (!c)
		return 0;
	state = fib_find(&fw, daddr, 0) ? ROUTE_ASK : route_lasts(ctx, w, out);
	if (state == ROUTE_FORWARD && bpf_check_mtu(ctx, out, &mtu, 0, 0) < 0)
		state = ROUTE_ASK;
	r = &c->block[daddr >> BLOCK_BITS];
	if (r->state == ROUTE_LEARN) {
		if (!block_is_one(w->fib.root, daddr))
			state = ROUTE_ASK;
		goto keep;
	}
	set = route_set_of(c, daddr);
	for (i = 0; i < ROUTE_WAYS; i++) {
		r = &set->way[i];
		if (r->daddr == daddr && r->version == c->version)
			goto keep;
	}
	return 0;
keep:
	r->out = out;
	r->mtu = mtu < ROUTE_MTU_MAX ? mtu : ROUTE_MTU_MAX;
	r->via = state == ROUTE_FORWARD ? via_place(c, (void *)w->fib.fi) : 0;
	r->state = state;
	if (state != ROUTE_ASK)
		event(EV_ROUTE_KEPT);
	return 0;
}

#endif /* BPFIPT_ROUTE_CACHE_BPF_H */
