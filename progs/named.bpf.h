/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * named.bpf.h - the program that `bpf-iptables recent' and `hashlimit' run
 *
 * It is attached nowhere. user/named_view.c runs it once (BPF_PROG_TEST_RUN) with a
 * struct recent_edit as its packet, under the lock that packets take. A tc program, since
 * those can be run so, in the netfilter object too: it has the maps of its generation.
 */
#ifndef BPFIPT_NAMED_BPF_H
#define BPFIPT_NAMED_BPF_H

#include "abi/late_rate.h"
#include "late_recent.bpf.h"

SEC("tc")
int fw_named(struct __sk_buff *skb)
{
	struct recent_edit ask = {};
	struct recent_args a = {};

	if (!(features & (IMG_F_RECENT | IMG_F_HASHLIMIT)))
		return -1;
	if (bpf_skb_load_bytes(skb, 0, &ask, sizeof(ask)))
		return -1;
	ask.now = bpf_jiffies64();
	if (bpf_skb_store_bytes(skb, 0, &ask, sizeof(ask), 0))
		return -1;
	if (!(features & IMG_F_RECENT) || ask.op == RECENT_NOW)
		return 0;
	a.born = ask.list.born;
	a.flags = ask.flags | (ask.op == RECENT_DEL ? RECENT_REMOVE : RECENT_SET);
	a.edit = ask.op;
	a.addr = ask.addr;
	a.mask = ask.stamps;
	a.now = ask.now;
	return recent_run(&a, ask.list.id) < 0 ? -1 : 0;
}

#endif /* BPFIPT_NAMED_BPF_H */
