/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * genpkts_int.h - between the packet generator's plan (genpkts.c) and its aim
 * (genpkts_aim.c)
 */
#ifndef BPFIPT_GENPKTS_INT_H
#define BPFIPT_GENPKTS_INT_H

#include "genpkts.h"

/* struct plan - one packet before it is bytes: a value per header field */
struct plan {
	struct prng *rnd;
	const struct genpkts_cfg *cfg;
	__u32 saddr, daddr;
	__u8 proto;
	__u16 sport, dport;
	__u8 tcp_flags;
	__u8 tcp_option;	/* kind to include, 0 none */
	__u8 type, code;
	__u32 spi;
	__u8 tos, ttl;		/* ttl as the hook sees it */
	__u16 len;		/* wished total length, 0: any */
	__u32 mark;
	__u8 pkttype;
	__u8 mac;
	__u8 in;
	__u8 chunk;		/* first SCTP chunk's type */
	bool later;		/* later fragment */
	const char *text;	/* to be somewhere behind the IP header, NULL: none */
	__u8 text_len;
	__u16 text_at;		/* from the IP header, 0: anywhere */
	bool mss;		/* a SYN with an MSS option */
	__u16 mss_value;
	bool letters;		/* a payload of the few letters that patterns have */
};

static inline __u32 below(struct plan *p, __u32 n)
{
	return prng_below(p->rnd, n);
}

static inline bool chance(struct plan *p, unsigned int percent)
{
	return prng_percent(p->rnd, percent);
}

/* gen_aim_ruleset() - move the plan's fields to where some rule wants them */
void gen_aim_ruleset(struct plan *p, const struct ruleset *rs);

#endif /* BPFIPT_GENPKTS_INT_H */
