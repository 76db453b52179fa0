/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * ct_lab.h - the kernel's conntrack as an oracle that answers packet by packet
 *
 *	c0 ==veth== r0   router   r1 ==veth== s0
 *	10.1.0.1-8      (nameless)       10.2.0.1-8
 *
 * Both outer ends are in this process's namespace. The router has iptables-legacy
 * rules in mangle that write the packet's ctstate into its TOS, so the state comes out
 * at the other end in the packet itself. The namespaces have no names: they go when
 * the process ends.
 *
 * Where the client is the router itself (CT_LAB_HOST), or both ends are (CT_LAB_LO), packets
 * are sent by a raw socket there, and read by raw sockets, which are behind INPUT. What the
 * stack would answer is dropped in raw OUTPUT, before conntrack: it has not the sender's mark.
 */
#ifndef BPFIPT_CT_LAB_H
#define BPFIPT_CT_LAB_H

#include <stddef.h>
#include <stdio.h>
#include <linux/types.h>

#include "../../progs/abi/ct.h"

#define CT_LAB_HOSTS	8
#define CT_LAB_LOST	0	/* no answer: the router dropped it */
#define CT_LAB_DROP_TTL	77	/* packets with this TTL are dropped in FORWARD */

enum ct_lab_mode {
	CT_LAB_FORWARD,
	CT_LAB_HOST,	/* client to server OUTPUT, server to client INPUT */
	CT_LAB_LO,	/* OUTPUT, then INPUT, over lo */
	NR_CT_LAB_MODES,
};

struct ct_lab {
	enum ct_lab_mode mode;
	int raw_out;		/* of the router: IP_HDRINCL */
	int raw_in;		/* epoll of raw sockets, one for each protocol */
	int router;		/* namespace fd */
	int home;
	int sock[2];		/* AF_PACKET on c0, s0 */
	__u8 mac[2][6];		/* of r0, r1 */
	__u16 id;
};

/* ct_lab_enter() - make the lab, move this process into it. Return: 0 or -errno */
int ct_lab_enter(struct ct_lab *lab, enum ct_lab_mode mode);
void ct_lab_leave(struct ct_lab *lab);

struct ct_pkt;

/*
 * ct_lab_ask() - send an IPv4 packet from its side, in fragments if it is to be cut
 * MACs, IP id and header checksum are filled in here.
 * Return: the CT_* state, CT_LAB_LOST when the packet did not come out, -errno.
 */
int ct_lab_ask(struct ct_lab *lab, struct ct_pkt *pkt);

/*
 * ct_lab_fragment() - the @i-th fragment of @pkt in the order of sending, or all of it
 * @out:	the frame, CT_GEN_FRAME bytes
 * Return: its length, 0: there is no such one.
 */
size_t ct_lab_fragment(const struct ct_pkt *pkt, unsigned int i, __u8 *out);

/* struct ct_row - one entry of the router's conntrack table */
struct ct_row {
	struct ct_tuple orig;
	long timeout;		/* s left */
	int state;		/* TCP and SCTP, else -1 */
	__u32 status;		/* CTS_SEEN_REPLY, CTS_ASSURED */
};

/* ct_lab_table() - the router's table. Return: number of rows, free(*rows); -errno */
long ct_lab_table(struct ct_lab *lab, struct ct_row **rows);

#endif /* BPFIPT_CT_LAB_H */
