/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * ct_sctp.bpf.h - the SCTP tracker: chunks move the state, tags guard it
 *
 * Semantics of nf_conntrack_sctp_packet() (net/netfilter/nf_conntrack_proto_sctp.c;
 * RFC 9260, 8.5 and 8.5.1). The chunk list is read before the entry is locked:
 * ct_sctp_read() notes the chunks that can move the state, in order, and which
 * types were there at all.
 *
 * Limit: a packet with more than CT_SCTP_CHUNKS such chunks is INVALID. No stack
 * bundles that many control chunks.
 */
#ifndef BPFIPT_CT_SCTP_BPF_H
#define BPFIPT_CT_SCTP_BPF_H

#define CT_SCTP_CHUNKS	4

enum ct_sctp_chunk {
	SCTP_DATA		= 0,
	SCTP_INIT		= 1,
	SCTP_INIT_ACK		= 2,
	SCTP_HEARTBEAT		= 4,
	SCTP_HEARTBEAT_ACK	= 5,
	SCTP_ABORT		= 6,
	SCTP_SHUTDOWN		= 7,
	SCTP_SHUTDOWN_ACK	= 8,
	SCTP_ERROR		= 9,
	SCTP_COOKIE_ECHO	= 10,
	SCTP_COOKIE_ACK		= 11,
	SCTP_SHUTDOWN_COMPLETE	= 14,
};

#define HAS(type)	(1u << (type))
#define SCTP_MOVING	(HAS(SCTP_INIT) | HAS(SCTP_INIT_ACK) | HAS(SCTP_HEARTBEAT) |	\
			 HAS(SCTP_HEARTBEAT_ACK) | HAS(SCTP_ABORT) | HAS(SCTP_SHUTDOWN) |	\
			 HAS(SCTP_SHUTDOWN_ACK) | HAS(SCTP_ERROR) | HAS(SCTP_COOKIE_ECHO) |	\
			 HAS(SCTP_COOKIE_ACK) | HAS(SCTP_SHUTDOWN_COMPLETE))
/* ct_seg.present: a chunk of a type that does not move the state. */
#define SCTP_HAS_OTHER	(1u << 31)

#define SCTP_FLAG_T	0x01

#define NO CT_SCTP_NONE
#define CL CT_SCTP_CLOSED
#define CW CT_SCTP_COOKIE_WAIT
#define CE CT_SCTP_COOKIE_ECHOED
#define ES CT_SCTP_ESTABLISHED
#define SS CT_SCTP_SHUTDOWN_SENT
#define SR CT_SCTP_SHUTDOWN_RECD
#define SA CT_SCTP_SHUTDOWN_ACK_SENT
#define HS CT_SCTP_HEARTBEAT_SENT
#define IV CT_SCTP_MAX

static const __u8 ct_sctp_next[2][16][CT_SCTP_MAX] = {
	[CT_ORIG] = {
		/* state:		     NO  CL  CW  CE  ES  SS  SR  SA  HS */
		[SCTP_INIT]		= { CL, CL, CW, CE, ES, CL, CL, SA, CW },
		[SCTP_INIT_ACK]		= { CL, CL, CW, CE, ES, SS, SR, SA, CL },
		[SCTP_ABORT]		= { CL, CL, CL, CL, CL, CL, CL, CL, CL },
		[SCTP_SHUTDOWN]		= { CL, CL, CW, CE, SS, SS, SR, SA, CL },
		[SCTP_SHUTDOWN_ACK]	= { SA, CL, CW, CE, ES, SA, SA, SA, SA },
		[SCTP_ERROR]		= { CL, CL, CW, CE, ES, SS, SR, SA, CL },
		[SCTP_COOKIE_ECHO]	= { CL, CL, CE, CE, ES, SS, SR, SA, CL },
		[SCTP_COOKIE_ACK]	= { CL, CL, CW, ES, ES, SS, SR, SA, CL },
		[SCTP_SHUTDOWN_COMPLETE] = { CL, CL, CW, CE, ES, SS, SR, CL, CL },
		[SCTP_HEARTBEAT]	= { HS, CL, CW, CE, ES, SS, SR, SA, HS },
		[SCTP_HEARTBEAT_ACK]	= { CL, CL, CW, CE, ES, SS, SR, SA, HS },
	},
	[CT_REPLY] = {
		[SCTP_INIT]		= { IV, CL, CW, CE, ES, SS, SR, SA, IV },
		[SCTP_INIT_ACK]		= { IV, CW, CW, CE, ES, SS, SR, SA, IV },
		[SCTP_ABORT]		= { IV, CL, CL, CL, CL, CL, CL, CL, IV },
		[SCTP_SHUTDOWN]		= { IV, CL, CW, CE, SR, SS, SR, SA, IV },
		[SCTP_SHUTDOWN_ACK]	= { IV, CL, CW, CE, ES, SA, SA, SA, IV },
		[SCTP_ERROR]		= { IV, CL, CW, CL, ES, SS, SR, SA, IV },
		[SCTP_COOKIE_ECHO]	= { IV, CL, CE, CE, ES, SS, SR, SA, IV },
		[SCTP_COOKIE_ACK]	= { IV, CL, CW, ES, ES, SS, SR, SA, IV },
		[SCTP_SHUTDOWN_COMPLETE] = { IV, CL, CW, CE, ES, SS, SR, CL, IV },
		[SCTP_HEARTBEAT]	= { IV, CL, CW, CE, ES, SS, SR, SA, HS },
		[SCTP_HEARTBEAT_ACK]	= { IV, CL, CW, CE, ES, SS, SR, SA, ES },
	},
};

#undef NO
#undef CL
#undef CW
#undef CE
#undef ES
#undef SS
#undef SR
#undef SA
#undef HS
#undef IV

/*
 * struct ct_sctp_walk - the chunk walk, for bpf_loop()
 *
 * What is 0 at the first round only must not be asked of these, but of the round's number:
 * Linux 6.1's verifier goes through one round alone (Documentation/kernels.rst).
 */
struct ct_sctp_walk {
	fw_ctx_t *ctx;
	__u32 off;
	__u32 left;
	__u8 alone;	/* a chunk that must be the only one was met */
	__u8 met;	/* a chunk */
	__u8 bad;
};

static long ct_sctp_chunk(__u32 i, struct ct_sctp_walk *w)
{
	struct ct_scratch *sc = ct_scratch_get();
	__u32 type, len, at;
	struct ct_seg *s;

	if (!sc || w->left < 4 || fw_load(w->ctx, w->off, sc->buf, 4))
		return 1;
	s = &sc->seg;
	type = sc->buf[0];
	len = bpf_ntohs(*(__be16 *)(sc->buf + 2));
	if (type == SCTP_INIT || type == SCTP_INIT_ACK || type == SCTP_SHUTDOWN_COMPLETE)
		w->alone = 1;
	if (!len || (i && (w->alone || type == SCTP_COOKIE_ACK || type == SCTP_COOKIE_ECHO))) {
		w->bad = 1;
		return 1;
	}
	w->met = 1;
	if (type < 16 && SCTP_MOVING & HAS(type)) {
		if (s->nr_chunks >= CT_SCTP_CHUNKS) {
			w->bad = 1;
			return 1;
		}
		s->present |= HAS(type);
		at = s->nr_chunks * 2;
		s->chunk[at & 31] = type;
		s->chunk[(at + 1) & 31] = sc->buf[1];
		s->nr_chunks++;
	} else {
		s->present |= SCTP_HAS_OTHER;
		if (type == SCTP_DATA)
			s->present |= HAS(SCTP_DATA);
	}
	if (type == SCTP_INIT || type == SCTP_INIT_ACK) {
		/* The fixed part: tag, window, streams, first TSN. */
		if (w->left >= 20 && !fw_load(w->ctx, w->off + 4, sc->buf, 4)) {
			s->init_tag = *(__be32 *)sc->buf;
			s->is_init = 1;
		}
	}
	len = (len + 3) & ~3u;
	if (len >= w->left)
		return 1;
	w->off += len;
	w->left -= len;
	return 0;
}

/* Read the chunks into the scratch. Return: 0, or -1: INVALID. */
__noinline int ct_sctp_read(fw_ctx_t *ctx, struct fw_pkt *pkt)
{
	struct ct_scratch *sc = ct_scratch_get();
	struct ct_sctp_walk w = { .ctx = ctx };
	struct ct_seg *s;

	if (!(features & IMG_F_CT) || !sc || !ctx || !pkt)
		return -1;
	s = &sc->seg;
	w.off = pkt->l4_off + 12;
	if (pkt->l4_len < 12 || fw_load(ctx, pkt->l4_off, sc->buf, 12))
		return -1;
	s->vtag = *(__be32 *)(sc->buf + 4);
	if (!ct_sctp_crc_ok(ctx, pkt, *(__u32 *)(sc->buf + 8)))
		return -1;
	w.left = pkt->l4_len - 12;
	s->nr_chunks = 0;
	s->is_init = 0;
	s->present = 0;
	bpf_loop(65536 / 4, ct_sctp_chunk, &w, 0);
	return w.bad || !w.met ? -1 : 0;
}

/* First packet. Return: 0, or -1: cannot open an association. */
static __always_inline int ct_sctp_new(struct ct_entry *e, volatile struct ct_seg *s)
{
	/* Out of the blue (8.4), and chunks that lead nowhere from no state. */
	if (s->present & (HAS(SCTP_ABORT) | HAS(SCTP_SHUTDOWN_COMPLETE) | HAS(SCTP_COOKIE_ACK) |
			  SCTP_HAS_OTHER))
		return -1;
	if (s->present & HAS(SCTP_INIT)) {
		if (s->vtag || !s->is_init)
			return -1;
		e->sctp.vtag[CT_REPLY] = s->init_tag;
	}
	if (s->present & HAS(SCTP_HEARTBEAT))
		e->sctp.vtag[CT_ORIG] = s->vtag;
	if (s->present & HAS(SCTP_SHUTDOWN_ACK))
		e->sctp.vtag[CT_REPLY] = s->vtag;
	return 0;
}

enum ct_sctp_step {
	CT_SCTP_OK,
	CT_SCTP_BAD,
	CT_SCTP_IGNORE,	/* part of the association, nothing moves */
	CT_SCTP_SKIP,	/* likewise, and the chunk changes no state */
};

/* vtag[d]: the mask is for Linux 6.1, which loses sight of a bit that was inverted. */
static __always_inline __be32 ct_vtag(const struct ct_sctp *t, __u32 d)
{
	barrier_var(d);
	return t->vtag[d & 1];
}

/* The verification tag of one chunk (8.5.1), and what else it says. */
static __always_inline int ct_sctp_tag(struct ct_sctp *t, volatile struct ct_seg *s, __u32 type,
				       __u32 flags, __u32 dir)
{
	__u32 d = dir & 1;

	switch (type) {
	case SCTP_INIT:
		return s->vtag ? CT_SCTP_BAD : CT_SCTP_OK;
	case SCTP_ABORT:
	case SCTP_SHUTDOWN_COMPLETE:
		return s->vtag == ct_vtag(t, flags & SCTP_FLAG_T ? !d : d) ?
		       CT_SCTP_OK : CT_SCTP_BAD;
	case SCTP_COOKIE_ECHO:
		return s->vtag == t->vtag[d] ? CT_SCTP_OK : CT_SCTP_BAD;
	case SCTP_COOKIE_ACK:
		t->init[0] = 0;
		t->init[1] = 0;
		return CT_SCTP_OK;
	case SCTP_HEARTBEAT:
	case SCTP_HEARTBEAT_ACK:
		if (t->vtag[d] == 0) {
			t->vtag[d] = s->vtag;
			return CT_SCTP_OK;
		}
		if (s->vtag == t->vtag[d]) {
			t->heartbeat_failed = 0;
			return CT_SCTP_OK;
		}
		/* The peer may have restarted: two heartbeats must agree on it. */
		if (s->present & HAS(SCTP_DATA) || s->ignore)
			return CT_SCTP_BAD;
		if (type == SCTP_HEARTBEAT) {
			t->heartbeat_failed = 1;
			t->last_dir = d;
			return CT_SCTP_SKIP;
		}
		if (!t->heartbeat_failed || t->last_dir == d)
			return CT_SCTP_BAD;
		t->heartbeat_failed = 0;
		t->vtag[d] = s->vtag;
		t->vtag[!d] = 0;
		return CT_SCTP_OK;
	}
	return CT_SCTP_OK;
}

/* INIT and INIT-ACK carry the tag the other side must use. */
static __always_inline int ct_sctp_init(struct ct_sctp *t, volatile struct ct_seg *s, __u32 type,
					__u32 dir, __u32 old)
{
	__u32 d = dir & 1;
	__be32 tag = t->vtag[!d];

	if (!s->is_init)
		return -1;
	if (type == SCTP_INIT) {
		/* A repeated INIT is no new attempt. */
		if (old == CT_SCTP_NONE || tag != s->init_tag) {
			if (t->init[d] && t->init[!d])
				t->init[!d] = 0;
			t->init[d] = 1;
		}
	} else if (tag != s->init_tag &&
		   ((!t->init[!d] && tag) || (t->init[d] && t->init[!d]))) {
		return -1;
	}
	t->vtag[!d] = s->init_tag;
	return 0;
}

/* ct_sctp_advance() - one packet of an association. Return: enum ct_outcome. */
static __always_inline int ct_sctp_advance(struct ct_entry *e, volatile struct ct_seg *s, __u32 dir,
					   __u64 now)
{
	struct ct_sctp *t = &e->sctp;
	__u32 i, type, old, next;
	int r;

	if (!(s->present & (HAS(SCTP_INIT) | HAS(SCTP_SHUTDOWN_COMPLETE) | HAS(SCTP_COOKIE_ECHO) |
			    HAS(SCTP_ABORT) | HAS(SCTP_SHUTDOWN_ACK) | HAS(SCTP_HEARTBEAT) |
			    HAS(SCTP_HEARTBEAT_ACK))) && s->vtag != t->vtag[dir & 1])
		return CT_OUT_INVALID;

	s->ignore = 0;
	for (i = 0; i < CT_SCTP_CHUNKS; i++) {
		if (i >= s->nr_chunks)
			break;
		type = s->chunk[2 * i] & 15;
		r = ct_sctp_tag(t, s, type, s->chunk[2 * i + 1], dir);
		if (r == CT_SCTP_BAD)
			return CT_OUT_INVALID;
		if (r == CT_SCTP_SKIP) {
			s->ignore = 1;
			continue;
		}
		type = s->chunk[2 * i] & 15;	/* one verifier state for all */
		old = e->state;
		barrier_var(old);	/* bounded in one register, for Linux 6.1 */
		if (old >= CT_SCTP_MAX)
			return CT_OUT_INVALID;
		next = ct_sctp_next[dir & 1][type][old];
		if (next >= CT_SCTP_MAX)
			return CT_OUT_INVALID;
		if (type == SCTP_INIT || type == SCTP_INIT_ACK) {
			if (ct_sctp_init(t, s, type, dir, old))
				return CT_OUT_INVALID;
			if (type == SCTP_INIT && old == CT_SCTP_CLOSED &&
			    next == CT_SCTP_CLOSED && e->status & CTS_CONFIRMED)
				s->ignore = 1;
		}
		e->state = next;
		if (old != next && next == CT_SCTP_ESTABLISHED)
			e->status |= CTS_ASSURED;
	}
	if (s->ignore)
		return CT_OUT_KEEP;
	old = e->state;
	barrier_var(old);
	if (old >= CT_SCTP_MAX)
		return CT_OUT_INVALID;
	e->deadline = ct_after_secs(now, ct_params.sctp[old]);
	return CT_OUT_REFRESH;
}

#undef HAS

#endif /* BPFIPT_CT_SCTP_BPF_H */
