/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * lab.h - a network namespace in which every kind of packet has a known place
 *
 *	p0 ==veth== lan0                     wan0 (10.2.0.0/16)
 *	             |      this namespace   wan1 (10.3.0.0/16)
 *	p1 ==veth== lan1                     dmz0 (everything else)
 *
 * The three ways out are veths without ARP: a frame that leaves is addressed to its
 * own sender, so the other end (q0, q1, q2) drops it.
 * 10.5.0.0/16 and 192.0.2.1 are local. Frames are sent into p0 and p1, in the same
 * namespace, so that SO_MARK survives. There is no conntrack, no reverse path
 * filter, and the namespace has no name: it goes when the process ends.
 */
#ifndef BPFIPT_LAB_H
#define BPFIPT_LAB_H

#include <stdbool.h>
#include <stddef.h>
#include <linux/types.h>

#include "../../tools/genpkts.h"
#include "../../tools/genrules.h"
#include "../../tools/refmatch.h"

#define LAB_NR_IN	2
#define LAB_NR_OUT	3
#define LAB_FRAME_MAX	(14 + GEN_PKT_MAX + GEN_PAD_MAX)

struct lab {
	int in_ifindex[LAB_NR_IN];	/* lan0, lan1 */
	int peer_ifindex[LAB_NR_IN];	/* p0, p1 */
	int out_ifindex[LAB_NR_OUT];	/* wan0, wan1, dmz0 */
	__u8 in_mac[LAB_NR_IN][6];
	int packet_fd;			/* AF_PACKET */
	int raw_fd;			/* IP_HDRINCL */
};

/* lab_enter() - move this process into a new lab. Return: 0 or -errno */
int lab_enter(struct lab *lab);
void lab_leave(struct lab *lab);

/* Device names and prefixes of the lab, into a generator's configuration. */
void lab_gen_cfg(struct gen_cfg *cfg);
void lab_pkt_cfg(struct genpkts_cfg *cfg, int hook);

/*
 * lab_hook_view() - the packet as its hook sees it
 * @ip:		GEN_PKT_MAX bytes, filled (FORWARD: TTL decremented)
 * @meta:	filled
 */
void lab_hook_view(int hook, const struct gen_pkt *p, __u8 *ip, struct ref_meta *meta);

/*
 * lab_send() - put @p where it meets @hook, and let the stack run
 * Return: 0 sent; -EPERM: OUTPUT dropped it; -errno
 */
int lab_send(struct lab *lab, int hook, const struct gen_pkt *p);

/*
 * lab_frame() - @p as an Ethernet frame, with its padding
 * @frame:	LAB_FRAME_MAX bytes
 * Return: its length
 */
unsigned int lab_frame(const struct lab *lab, const struct gen_pkt *p, __u8 *frame);

/* lab_ifindex() - of wan0, wan1 or dmz0 */
unsigned int lab_ifindex(const struct lab *lab, const char *dev);

/* lab_sent() - frames that left on wan0, wan1 and dmz0 together */
long long lab_sent(void);

/* lab_restore() - iptables-legacy-restore. Return: 0, or -EINVAL */
int lab_restore(const char *text);

#endif /* BPFIPT_LAB_H */
