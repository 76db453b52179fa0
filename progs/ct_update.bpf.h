/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * ct_update.bpf.h - a packet of a connection that the table has
 *
 * Locking. An entry with a state machine (TCP, SCTP) is advanced under its bpf_spin_lock.
 * No helper may be called there, so all that is read of the packet is read before, into the
 * scratch. The tuple is compared again under the lock: an element that was deleted and
 * reused meanwhile is another connection's. Others are a time and counters, to which
 * everybody adds at once, as in netfilter: a lock taken and left would be 50 ns.
 * What that leaves open: another CPU may delete the element and reuse it between comparison
 * and addition, and the packet is then another connection's. A look at the tuple afterwards
 * would not do, since an insertion is a copy that is seen in parts.
 */
#ifndef BPFIPT_CT_UPDATE_BPF_H
#define BPFIPT_CT_UPDATE_BPF_H

/* Is @t the tuple of @e, in which direction? Return: enum ct_dir or -1. */
static __always_inline int ct_dir_of(const struct ct_entry *e, const struct ct_tuple *t)
{
	if (e->orig.proto != t->proto)
		return -1;
	if (t->proto == IPPROTO_ICMP) {
		if (e->orig.sport != t->sport)
			return -1;
		if (e->orig.src == t->src && e->orig.dst == t->dst && e->orig.dport == t->dport)
			return CT_ORIG;
		return e->orig.src == t->dst && e->orig.dst == t->src ? CT_REPLY : -1;
	}
	/* A tuple that is its own inverse is found as the reply first, as in netfilter. */
	if (e->orig.src == t->dst && e->orig.dst == t->src &&
	    e->orig.sport == t->dport && e->orig.dport == t->sport)
		return CT_REPLY;
	if (e->orig.src == t->src && e->orig.dst == t->dst &&
	    e->orig.sport == t->sport && e->orig.dport == t->dport)
		return CT_ORIG;
	return -1;
}

/* One packet more of @e in direction @dir; @locked: nobody else counts meanwhile. */
static __always_inline void ct_count(struct ct_entry *e, __u32 dir, __u32 bytes, int locked)
{
	__u64 *packets = &e->packets[dir & 1], *sum = &e->bytes[dir & 1];

	if (locked) {
		++*packets;
		*sum += bytes;
	} else {
		__sync_fetch_and_add(packets, 1);
		__sync_fetch_and_add(sum, bytes);
	}
}

/*
 * Advance @e by the packet in @sc->seg. @e is locked, or not in the table yet
 * (no CTS_CONFIRMED). Sets e->deadline on CT_OUT_REFRESH.
 */
static __always_inline int ct_advance(struct ct_entry *e, volatile struct ct_seg *s, __u32 dir,
				      __u64 now)
{
	switch (e->orig.proto) {
	case IPPROTO_TCP:
		return ct_tcp_advance(e, s, dir, now);
	case IPPROTO_SCTP:
		return ct_sctp_advance(e, s, dir, now);
	}
	return ct_other_advance(e, now);
}

/* The state of a packet of an entry as it was before the packet. */
static __always_inline __u32 ct_state_of(__u32 status, __u32 dir)
{
	if (dir == CT_REPLY || status & CTS_SEEN_REPLY)
		return CT_ESTABLISHED;
	return status & CTS_EXPECTED ? CT_RELATED : CT_NEW;
}

/* Of a protocol whose entries have a state machine? */
static __always_inline int ct_has_states(__u8 proto)
{
	return proto == IPPROTO_TCP || proto == IPPROTO_SCTP;
}

/* ct_update() of an entry without states: nothing of it need be of one moment. */
static __always_inline int ct_touch(struct ct_ref *ref, struct ct_scratch *sc, __u32 bytes, int peek)
{
	__u64 now = bpf_ktime_get_coarse_ns();
	struct ct_entry *e;
	__u32 status;
	int dir;

	e = ct_lookup(&ref->key, now);
	if (!e)
		return CT_OUT_MISS;
	dir = ct_dir_of(e, &sc->tuple);
	status = e->status;
	if (dir < 0)
		return CT_OUT_MISS;
	ref->dir = dir;
	ref->state = ct_state_of(status, dir);
	if (!peek) {
		ct_other_advance(e, now);
		ct_count(e, dir, bytes, 0);
		if (dir == CT_REPLY && !(status & CTS_SEEN_REPLY))
			__sync_fetch_and_or(&e->status, CTS_SEEN_REPLY);
	}
	ct_copy(sc, e);
	return peek ? CT_OUT_KEEP : CT_OUT_REFRESH;
}

/*
 * ct_update() - a packet of an existing entry
 * @bytes:	IP total length
 * @peek:	on lo at INPUT, where OUTPUT advanced it already
 * Return: enum ct_outcome; @ref's direction and state are set.
 */
__noinline int ct_update(struct ct_ref *ref, __u32 bytes, int peek)
{
	struct ct_scratch *sc = ct_scratch_get();
	__u64 now = bpf_ktime_get_coarse_ns();
	int dir, out = CT_OUT_KEEP;
	struct ct_entry *e;
	__u32 status;

	if (!(features & IMG_F_CT) || !sc || !ref)
		return CT_OUT_MISS;
	e = ct_lookup(&ref->key, now);
	if (!e)
		return CT_OUT_MISS;

	bpf_spin_lock(&e->lock);
	dir = ct_dir_of(e, &sc->tuple);
	if (dir < 0) {
		bpf_spin_unlock(&e->lock);
		return CT_OUT_MISS;
	}
	/* Out of the verifier's sight, which would follow either direction to the end. */
	ref->dir = dir;
	dir = READ_ONCE(ref->dir) & 1;
	status = e->status;
	if (!peek) {
		out = ct_advance(e, &sc->seg, dir, now);
		if (out == CT_OUT_REFRESH || out == CT_OUT_KILL)
			ct_count(e, dir, bytes, 1);
		if (dir == CT_REPLY && out != CT_OUT_INVALID && out != CT_OUT_REOPEN)
			e->status |= CTS_SEEN_REPLY;
	}
	ct_copy(sc, e);
	bpf_spin_unlock(&e->lock);
	ref->state = ct_state_of(status, dir);
	return out;
}

#endif /* BPFIPT_CT_UPDATE_BPF_H */
