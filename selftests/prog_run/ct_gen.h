/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * ct_gen.h - conversations that are mostly right: packets for the state fuzz
 *
 * A flow has two ends that speak their protocol in turn; every packet then may
 * have a flag, a number, a length or a checksum changed. So deep states are
 * reached and their edges hit.
 */
#ifndef BPFIPT_CT_GEN_H
#define BPFIPT_CT_GEN_H

#include <stdbool.h>
#include <stddef.h>
#include <linux/types.h>

#include "../../tools/prng.h"

#define CT_GEN_FRAME	1600

/*
 * struct ct_flow
 * @addr, @port: client 0 and server 1, host order
 * @next:	TCP: next sequence number of each side; SCTP: verification tag
 * @step:	how far the conversation is
 */
struct ct_flow {
	__u8 proto;
	__u32 addr[2];
	__u16 port[2];
	__u32 next[2];
	__u16 win[2];
	__u8 scale[2];
	__u8 sack;
	__u8 step;
	__u8 fin[2];
	__u32 packets;
};

#define CT_GEN_CUTS	2

/*
 * struct ct_pkt - one generated packet and what it is, for the report
 * @side:	who sends it: client 0, server 1
 * @cut:	where to cut it into fragments, @nr_cuts of them: offsets of the IP payload
 * @reversed:	send the last fragment first
 * @lost:	do not send the last fragment
 */
struct ct_pkt {
	__u8 frame[CT_GEN_FRAME];
	size_t len;
	int side;
	size_t cut[CT_GEN_CUTS];
	unsigned int nr_cuts;
	bool reversed;
	bool lost;
	char what[192];
};

void ct_flow_open(struct ct_flow *f, struct prng *p, int proto);

/*
 * ct_flow_packet() - the next packet of @f
 * @other:	a flow that an ICMP error may speak of
 */
void ct_flow_packet(struct ct_flow *f, const struct ct_flow *other, struct prng *p,
		    struct ct_pkt *pkt);

/*
 * ct_segment() - one TCP segment of the first client and the first server
 * @words:	of its header, 5 or more: no-operations
 * @cut:	where to cut it, 0: not at all
 * @lost:	the last fragment is
 */
struct ct_segment {
	int side;
	__u16 port;		/* the client's; the server's is 80 */
	__u8 flags;
	__u8 words;
	__u32 seq, ack;
	size_t len;
	size_t cut;
	bool lost;
};
void ct_segment(const struct ct_segment *s, struct ct_pkt *pkt);

/* Of the builders: ct_gen.c the IP part, ct_gen_tcp.c, ct_gen_sctp.c */
size_t ct_gen_tcp(struct ct_flow *f, struct prng *p, struct ct_pkt *pkt, __u8 *l4);
size_t ct_gen_sctp(struct ct_flow *f, struct prng *p, struct ct_pkt *pkt, __u8 *l4);
__u32 ct_crc32c(const __u8 *data, size_t len);
void ct_note(struct ct_pkt *pkt, const char *fmt, ...) __attribute__((format(printf, 2, 3)));

static inline void ct_put16(__u8 *p, __u32 v)
{
	p[0] = v >> 8;
	p[1] = v;
}

static inline void ct_put32(__u8 *p, __u32 v)
{
	ct_put16(p, v >> 16);
	ct_put16(p + 2, v);
}

#endif /* BPFIPT_CT_GEN_H */
