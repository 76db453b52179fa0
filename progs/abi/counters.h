/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * abi/counters.h - counters, a row of them per CPU, indexed by a stable slot
 *
 * A rule keeps its slot for life; inserts and deletes move no counters. The
 * datapath only ever adds. User space never writes a counter: zeroing or
 * setting one records a base (value wanted - value read) beside the rule, so
 * no packet counted meanwhile is lost.
 */
#ifndef BPFIPT_ABI_COUNTERS_H
#define BPFIPT_ABI_COUNTERS_H

#include <linux/types.h>
#include "packet.h"

/* Slots 0..NR_HOOKS-1 are the policies'; rules start at SLOT_FIRST_RULE. */
#define SLOT_POLICY(hook)	(hook)
#define SLOT_FIRST_RULE		NR_HOOKS

/* struct fw_counter - packets, and bytes of IP total length */
struct fw_counter {
	__u64 packets;
	__u64 bytes;
};

/* Events outside the rules, one per-CPU row each; `bpf-iptables status` names them. */
enum fw_event {
	EV_NOT_IPV4,	/* passed untouched: ARP, IPv6, VLAN, other ethertypes */
	EV_STACK_DROPS,	/* passed, uncounted: the stack drops or answers it itself */
	EV_HOTDROP,	/* dropped by a match on a malformed header */
	EV_FRAGMENT,	/* later fragment passed at INPUT: lives with its first */
	EV_WALK_LIMIT,	/* dropped: the walk did not end within its step limit */
	EV_BAD_IMAGE,	/* dropped: no valid image in the active slot */
	EV_CT_FULL,	/* conntrack table full: packet dropped */
	EV_NO_ANSWER,	/* rejected, but the answer could not be made */
	EV_LOG_LOST,	/* LOG or NFLOG record: the ring buffer was full */
	EV_NESTED,	/* netfilter hook: judged while another packet was on this CPU */
	EV_NO_SCRATCH,	/* netfilter hook: dropped, too many packets at once on one CPU */
	EV_CONNLIMIT_FULL, /* dropped: no room to count the connection, or no tuple */
	EV_EARLY,	/* hybrid: dropped by the driver's program */
	EV_NATIVE_GONE,	/* netfilter hook: dropped, the native rules that REJECT or MARK are gone */
	EV_CT_EARLY_DROP, /* conntrack table full: a living entry gave way to a new one */
	EV_CT_EXPIRED,	/* conntrack entries whose time was up, deleted when met */
	EV_CT_CLASH,	/* two CPUs opened one connection: joined, or dropped as in netfilter */
	EV_MSS_FAILED,	/* dropped: TCPMSS had no room for the option, or no path MTU */
	EV_FORWARDED,	/* xdp --forward: sent on at the driver */
	EV_FORWARD_STACK, /* xdp --forward: accepted by FORWARD, and left to the stack */
	EV_ROUTE_KEPT,	/* tc, xdp: answers of the route look-up that were kept */
	NR_EVENTS,
};

#define EVENT_NAMES {						\
	[EV_NOT_IPV4]		= "not-ipv4",			\
	[EV_STACK_DROPS]	= "left-to-stack",		\
	[EV_HOTDROP]		= "hotdrop",			\
	[EV_FRAGMENT]		= "later-fragment",		\
	[EV_WALK_LIMIT]		= "walk-limit",			\
	[EV_BAD_IMAGE]		= "bad-image",			\
	[EV_CT_FULL]		= "conntrack-full",		\
	[EV_NO_ANSWER]		= "reject-unanswered",		\
	[EV_LOG_LOST]		= "log-record-lost",		\
	[EV_NESTED]		= "nested",			\
	[EV_NO_SCRATCH]		= "no-scratch",			\
	[EV_CONNLIMIT_FULL]	= "connlimit-uncounted",	\
	[EV_EARLY]		= "dropped-early",		\
	[EV_NATIVE_GONE]	= "native-rules-gone",		\
	[EV_CT_EARLY_DROP]	= "conntrack-early-drop",	\
	[EV_CT_EXPIRED]		= "conntrack-expired",		\
	[EV_CT_CLASH]		= "conntrack-clash",		\
	[EV_MSS_FAILED]		= "tcpmss-failed",		\
	[EV_FORWARDED]		= "forwarded",			\
	[EV_FORWARD_STACK]	= "forward-left-to-stack",	\
	[EV_ROUTE_KEPT]		= "route-kept",			\
}

_Static_assert(sizeof(struct fw_counter) == 16, "counter row");

#endif /* BPFIPT_ABI_COUNTERS_H */
