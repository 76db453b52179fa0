/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * late_set.bpf.h - set: is the packet in an ipset?
 *
 * The mirror's layout is abi/ipset.h's. What a packet's element is, and when it has
 * none, is that of the kernel's *_kadt() functions in net/netfilter/ipset. One loop
 * does it all: a step looks up one prefix length, or opens the next member of a list.
 */
#ifndef BPFIPT_LATE_SET_BPF_H
#define BPFIPT_LATE_SET_BPF_H

#include "abi/ipset.h"
#include "bits.h"
#include "late_l4.bpf.h"
#include "maps.bpf.h"

struct {
	__uint(type, BPF_MAP_TYPE_ARRAY);
	__uint(map_flags, BPF_F_MMAPABLE);
	__uint(max_entries, SETS_MAX + 1);
	__type(key, __u32);
	__type(value, struct set_desc);
} set_desc SEC(".maps");

struct {
	__uint(type, BPF_MAP_TYPE_HASH);
	__uint(map_flags, BPF_F_NO_PREALLOC);
	__uint(max_entries, SET_ELEMS);
	__type(key, struct set_key);
	__type(value, struct set_elem);
} set_elems SEC(".maps");

/* A list's members times 33 prefix lengths, at most */
#define SET_MAX_STEPS	(1u << 16)

static __always_inline __u32 set_addr(const struct fw *fw, __u32 dim)
{
	const struct fw_pkt *pkt = &fw->w->pkt;

	return fw->w->set.src >> dim & 1 ? pkt->key[KEY_SADDR] : pkt->key[KEY_DADDR];
}

/*
 * ip_set_get_ip4_port(): protocol << 16 | port, or -1: there is none. Other protocols
 * than these have port 0, in fragments too.
 */
static __always_inline __s64 set_port(const struct fw *fw, __u32 dim)
{
	const struct fw_pkt *pkt = &fw->w->pkt;
	__u32 proto = pkt->proto, port = 0;

	switch (proto) {
	case 0:
		return -1;
	case IPPROTO_TCP:
	case IPPROTO_UDP:
	case IPPROTO_UDPLITE:
	case IPPROTO_SCTP:
		if (pkt->form != FORM_WHOLE)
			return -1;
		port = fw->w->set.src >> dim & 1 ? pkt->key[KEY_SPORT] : pkt->key[KEY_DPORT];
		break;
	case IPPROTO_ICMP:
		if (pkt->form != FORM_WHOLE)
			return -1;
		port = pkt->key[KEY_ICMP];
		break;
	}
	return proto << 16 | port;
}

/* The interface of direction @dim: its index, 0 none */
static __always_inline __u32 set_iface(const struct fw *fw, __u32 dim)
{
	const struct fw_pkt *pkt = &fw->w->pkt;

	if (!(fw->w->set.src >> dim & 1))
		return pkt->hook == HOOK_INPUT ? 0 : pkt->oifindex;
	return pkt->hook == HOOK_OUTPUT ? 0 : pkt->ifindex;
}

/* The packet as an element of set @index; s->cidrs is 0 when it cannot be one. */
static __always_inline void set_open(struct fw *fw, __u32 index)
{
	struct set_probe *s = &fw->w->set;
	const struct set_desc *desc = bpf_map_lookup_elem(&set_desc, &index);
	const struct set_bank *b;
	__s64 port = 0;

	s->cidrs = 0;
	if (!desc)
		return;
	b = READ_ONCE(desc->active) & 1 ? &desc->bank[1] : &desc->bank[0];
	__builtin_memset(&s->key, 0, sizeof(s->key));
	s->kind = b->kind;
	s->key.gen = b->gen;
	s->second = 0;
	s->addr = set_addr(fw, 1) & b->mask;
	switch (b->kind) {
	case SET_IP:
	case SET_NET:
		break;
	case SET_PORT:
		port = set_port(fw, 1);
		if (port >> 16 != IPPROTO_TCP && port >> 16 != IPPROTO_UDP)
			return;
		port &= 0xffff;
		s->addr = 0;
		break;
	case SET_NETIFACE:
		s->key.ifindex = set_iface(fw, 2);
		if (s->dim < 2 || !s->key.ifindex)
			return;
		break;
	case SET_IPPORT:
	case SET_NETPORT:
		if (s->dim < 2)
			return;
		port = set_port(fw, 2);
		break;
	case SET_IPPORTIP:
	case SET_IPPORTNET:
		if (s->dim < 3)
			return;
		port = set_port(fw, 2);
		s->key.ip = s->addr;
		s->addr = set_addr(fw, 3);
		s->second = 1;
		break;
	case SET_LIST:
		/* Lists have no lists for members. */
		s->list_gen = b->gen;
		s->list_next = 0;
		s->list_nr = b->nr;
		return;
	default:
		return;
	}
	if (port < 0)
		return;
	s->key.port = port;
	s->cidrs = b->cidrs;
}

static __always_inline const struct set_elem *set_lookup(const struct set_key *key)
{
	const struct set_elem *e = bpf_map_lookup_elem(&set_elems, key);

	return e && e->deadline && e->deadline <= bpf_ktime_get_ns() ? 0 : e;
}

static long set_step(__u32 i, struct fw *fw)
{
	struct set_probe *s = &fw->w->set;
	const struct set_elem *e;
	__u32 cidr, addr;

	if (!s->cidrs) {
		if (s->list_next >= s->list_nr)
			return 1;
		__builtin_memset(&s->key, 0, sizeof(s->key));
		s->key.gen = s->list_gen;
		s->key.ip = s->list_next++;
		s->key.cidr = 32;
		e = set_lookup(&s->key);
		if (e)
			set_open(fw, e->member);
		return 0;
	}
	cidr = 32 - lowest_bit(s->cidrs);
	s->cidrs &= s->cidrs - 1;
	addr = s->addr & (__u32)(0xffffffffull << (32 - (cidr & 63)));
	s->key.cidr = cidr;
	if (s->second)
		s->key.ip2 = addr;
	else
		s->key.ip = addr;
	e = set_lookup(&s->key);
	if (!e) {
		__u32 ifindex = s->key.ifindex;

		if (s->kind == SET_NETIFACE) {
			s->key.ifindex = 0;
			if (set_lookup(&s->key))
				s->cidrs = 0;
			s->key.ifindex = ifindex;
		}
		return 0;
	}
	/* Sets without prefixes know no exceptions: --return-nomatch is nothing to them. */
	if (s->return_nomatch && (s->kind == SET_NET || s->kind == SET_NETPORT ||
				  s->kind == SET_IPPORTNET || s->kind == SET_NETIFACE))
		s->found = !!e->nomatch;
	else
		s->found = !e->nomatch;
	s->cidrs = 0;
	return s->found;
}

/* LATE_SET; @d: word of struct late_set */
static __noinline int late_set(struct fw *fw, __u32 d)
{
	struct img im = fw_img(fw);
	struct set_probe *s = &fw->w->set;

	s->dim = img_word(&im, d + 1);
	s->src = img_word(&im, d + 2);
	s->return_nomatch = img_word(&im, d + 3);
	s->found = 0;
	s->list_nr = 0;
	s->list_next = 0;
	if (s->dim) {
		set_open(fw, img_word(&im, d));
		bpf_loop(SET_MAX_STEPS, set_step, fw, 0);
	}
	return s->found & 1;
}

#endif /* BPFIPT_LATE_SET_BPF_H */
