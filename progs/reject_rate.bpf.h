/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * reject_rate.bpf.h - how many ICMP errors REJECT may send, as icmp_send() counts
 *
 * Two buckets, both asked before an answer is made (net/ipv4/icmp.c, inetpeer.c):
 * icmp_msgs_per_sec and icmp_msgs_burst for all addresses together, icmp_ratelimit for
 * each. The first is only charged when the second allowed it (icmp_global_consume).
 */
#ifndef BPFIPT_REJECT_RATE_BPF_H
#define BPFIPT_REJECT_RATE_BPF_H

#include "abi/reject.h"

/* tokens << 32 | ms when they were last filled; races lose a token, as the kernel's do */
struct {
	__uint(type, BPF_MAP_TYPE_LRU_HASH);
	__uint(max_entries, REJECT_PEERS);
	__type(key, __be32);
	__type(value, __u64);
} reject_peers SEC(".maps");

/* struct reject_bucket - all addresses together */
struct reject_bucket {
	__s32 credit;
	__u32 stamp;	/* ms */
};

struct {
	__uint(type, BPF_MAP_TYPE_ARRAY);
	__uint(max_entries, 1);
	__type(key, __u32);
	__type(value, struct reject_bucket);
} reject_bucket SEC(".maps");

/* icmp_global_allow() */
static __always_inline int reject_global_allow(const struct reject_conf *conf, __u32 now)
{
	__u32 zero = 0, delta, more;
	struct reject_bucket *b = bpf_map_lookup_elem(&reject_bucket, &zero);

	if (!b)
		return 0;
	if (b->credit > 0)
		return 1;
	delta = now - b->stamp;
	if (delta > 1000)
		delta = 1000;
	more = conf->rate * delta / 1000;
	if (delta < 20 || !more)
		return 0;
	b->stamp = now;
	b->credit = b->credit + (__s32)more > (__s32)conf->burst ? conf->burst : b->credit + more;
	return 1;
}

/* inet_peer_xrlim_allow() */
static __always_inline int reject_peer_allow(const struct reject_conf *conf, __be32 peer,
					     __u32 now)
{
	__u64 *row = bpf_map_lookup_elem(&reject_peers, &peer), value;
	__u32 most = REJECT_PEER_BURST * conf->interval;
	__u32 token = most < REJECT_PEER_AGE ? most : REJECT_PEER_AGE;
	int allowed = 0;

	if (!conf->interval)
		return 1;
	if (row) {
		__u32 elapsed = now - (__u32)*row;

		token = *row >> 32;
		token = elapsed > most || token + elapsed > most ? most : token + elapsed;
	}
	if (token >= conf->interval) {
		token -= conf->interval;
		allowed = 1;
	}
	value = (__u64)token << 32 | now;
	if (row)
		*row = value;
	else
		bpf_map_update_elem(&reject_peers, &peer, &value, BPF_ANY);
	return allowed;
}

/* icmp_global_consume() */
static __always_inline void reject_consume(void)
{
	__u32 zero = 0;
	struct reject_bucket *b = bpf_map_lookup_elem(&reject_bucket, &zero);

	if (b)
		b->credit -= bpf_get_prandom_u32() % 3;
}

#endif /* BPFIPT_REJECT_RATE_BPF_H */
