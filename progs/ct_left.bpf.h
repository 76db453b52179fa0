/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * ct_left.bpf.h - packets that reach no chain, and the stack's answers to them
 *
 * netfilter tracks a packet before it is routed, so one that the stack then drops or
 * answers (TTL, DF over the MTU, no way there) has been to conntrack: a connection that
 * there is has moved on, and a NEW one, though never confirmed, is attached to the ICMP
 * error (icmp_glue_bits(), net/ipv4/icmp.c), which OUTPUT sees as RELATED. So does a
 * router whose OUTPUT accepts RELATED only answer traceroute. Here ct_left() remembers
 * the NEW one's tuple, and ct_left_error() finds it when the error comes by.
 *
 * Example: UDP 10.1.0.2:4000 -> 10.2.0.2:33434 with TTL 1, of no known connection, is
 * left to the stack; "time exceeded" to 10.1.0.2 that quotes it is RELATED, once.
 */
#ifndef BPFIPT_CT_LEFT_BPF_H
#define BPFIPT_CT_LEFT_BPF_H

struct {
	__uint(type, BPF_MAP_TYPE_LRU_HASH);
	__uint(max_entries, CT_LEFT_ENTRIES);
	__type(key, struct ct_tuple);
	__type(value, struct ct_left);
} ct_left_map SEC(".maps");

/* ct_left_note() - the packet in the scratch opens a connection that will not be */
static __always_inline void ct_left_note(const struct ct_scratch *sc, __u32 bytes)
{
	struct ct_left v = {
		.deadline = ct_after_secs(bpf_ktime_get_coarse_ns(), CT_LEFT_SECS),
		.bytes = bytes,
	};

	bpf_map_update_elem(&ct_left_map, &sc->tuple, &v, BPF_ANY);
}

/*
 * ct_left_error() - does an error that quotes @t answer a packet that was left?
 * If so its connection is in the scratch, as ct_copy() would put it.
 */
static __always_inline int ct_left_error(struct ct_scratch *sc, const struct ct_tuple *t, __u64 now)
{
	struct ct_left *v = bpf_map_lookup_elem(&ct_left_map, t);
	struct ct_entry *e = (void *)sc->entry;

	if (!v || now >= v->deadline)
		return 0;
	__builtin_memset(e, 0, sizeof(*e));
	e->orig = *t;
	e->packets[CT_ORIG] = 1;
	e->bytes[CT_ORIG] = v->bytes;
	bpf_map_delete_elem(&ct_left_map, t);
	return 1;
}

#endif /* BPFIPT_CT_LEFT_BPF_H */
