/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * genpkts.h - random IPv4 packets aimed at a ruleset
 */
#ifndef BPFIPT_GENPKTS_H
#define BPFIPT_GENPKTS_H

#include <stdbool.h>
#include <stddef.h>
#include <linux/types.h>

#include "genrules.h"
#include "prng.h"
#include "../user/ruleset.h"

#define GEN_PKT_MAX	1500
#define GEN_PAD_MAX	46

/* genpkts_cfg.avoid */
#define PKT_NO_FRAG	0x1u	/* no later fragments */
#define PKT_NO_MF	0x2u	/* no first fragments either */
#define PKT_NO_OPTIONS	0x4u	/* no IP options */
#define PKT_NO_MARK	0x8u	/* arrives with mark 0 */
#define PKT_NO_EMPTY	0x10u	/* at least one byte behind the IP header */

/*
 * struct genpkts_cfg
 * @hook:	enum fw_hook the packets are for
 * @avoid:	PKT_NO_*
 * @src, @dst:	prefixes that make the packet reach the hook, host order; every
 *		address comes from them, unless a rule names one that @addr_ok allows
 * @addr_ok:	may this address be used here, as a source or a destination?
 * @in, @nr_in:	names of the devices that packets may arrive at
 */
struct genpkts_cfg {
	int hook;
	unsigned int avoid;
	const struct gen_net *src;
	size_t nr_src;
	const struct gen_net *dst;
	size_t nr_dst;
	bool (*addr_ok)(const struct genpkts_cfg *cfg, __u32 addr, bool dst);
	const char *const *in;
	size_t nr_in;
};

/*
 * struct gen_pkt - one packet as it is on the wire (FORWARD: TTL before the
 * decrement), from the IP header on, and what goes with it
 * @len, @pad:	IP total length; bytes of link-layer padding behind it, which no
 *		match may look at
 * @in:		index into genpkts_cfg.in
 * @pkttype:	PACKET_HOST, _BROADCAST or _MULTICAST: the destination MAC to use
 */
struct gen_pkt {
	__u8 data[GEN_PKT_MAX + GEN_PAD_MAX];
	__u16 len;
	__u16 pad;
	__u8 in;
	__u8 pkttype;
	__u8 mac[6];
	__u32 mark;
};

/*
 * genpkts_make() - one packet
 * @rs:	aim at its rules (at a random one's values and their boundaries, missing
 *	now and then); may have none
 */
void genpkts_make(struct prng *rnd, const struct genpkts_cfg *cfg, const struct ruleset *rs,
		  struct gen_pkt *out);

/* gen_pkt_sum() - set the IP header's checksum right */
void gen_pkt_sum(struct gen_pkt *p);

#endif /* BPFIPT_GENPKTS_H */
