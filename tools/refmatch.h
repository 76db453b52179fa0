/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * refmatch.h - the linear oracle: what iptables-legacy does with one packet
 *
 * A second opinion for the tests, written from the kernel's behaviour and sharing
 * no code with user/lower.c or the datapath: it walks the rules one by one and
 * reads the packet's bytes for each. It answers with the verdict and with the list
 * of rules that counted the packet.
 */
#ifndef BPFIPT_REFMATCH_H
#define BPFIPT_REFMATCH_H

#include <stdbool.h>
#include <stddef.h>
#include <linux/types.h>

#include "../user/ruleset.h"

/*
 * struct ref_meta - what a hook knows beside the packet's bytes
 * @hook:	enum fw_hook
 * @in, @out:	device names; NULL: the hook has none
 * @mark:	skb mark on arrival
 * @pkttype:	PACKET_* of linux/if_packet.h
 * @ether:	@mac is the Ethernet source of this packet; false: no Ethernet
 *		header (lo, tun, OUTPUT)
 * @ct_state:	XT_CONNTRACK_STATE_* bits as xt_conntrack sees them (state bit, plus
 *		SNAT and DNAT); 0 means INVALID
 */
struct ref_meta {
	int hook;
	const char *in;
	const char *out;
	__u32 mark;
	__u8 pkttype;
	bool ether;
	__u8 mac[6];
	__u16 ct_state;
};

enum ref_verdict {
	REF_ACCEPT,
	REF_DROP,
};

/*
 * struct ref_result - the oracle's answer; zero it before the first use, then it
 * may be used again and again
 * @verdict:	enum ref_verdict
 * @hotdrop:	dropped by a match on a malformed header
 * @reject:	the REJECT rule that ended the walk, or NULL
 * @policy:	the policy of the hook's chain ended the walk and counted
 * @mark:	mark after the walk
 * @bytes:	what each counter grows by
 * @hit, @nr_hits: rules that counted the packet, in order; a rule that was met
 *		twice is there twice
 */
struct ref_result {
	enum ref_verdict verdict;
	bool hotdrop;
	const struct rule *reject;
	bool policy;
	__u32 mark;
	__u32 bytes;
	struct rule **hit;
	size_t nr_hits;
	size_t cap_hits;
};

/*
 * ref_eval() - walk @rs as ipt_do_table would
 * @ip:		packet from the IP header on, as the hook sees it: FORWARD's TTL is
 *		decremented already
 * @len:	bytes at @ip; those behind the IP total length are padding
 *
 * @rs must be free of loops.
 *
 * Return: 0; -EINVAL: no hook sees such a packet (not IPv4, header or total
 * length wrong); -EOPNOTSUPP: a match or target that the oracle does not know;
 * -ELOOP: nested jumps loop; -ENOMEM.
 */
int ref_eval(const struct ruleset *rs, const void *ip, size_t len,
	     const struct ref_meta *meta, struct ref_result *res);
void ref_result_free(struct ref_result *res);

/*
 * ref_supported() - 0 when the oracle knows every match and target of @r, else
 * -EOPNOTSUPP with the first unknown one's name in *@name
 */
int ref_supported(const struct rule *r, const char **name);

#endif /* BPFIPT_REFMATCH_H */
