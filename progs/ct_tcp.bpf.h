/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * ct_tcp.bpf.h - the TCP tracker: states and windows
 *
 * Semantics of nf_conntrack_tcp_packet() (net/netfilter/nf_conntrack_proto_tcp.c);
 * the window rules are Guido van Rooij's, "Real Stateful TCP Packet Filtering in
 * IP Filter". For a segment [seq, end) with acknowledgement `sack` (the right edge
 * of its highest SACK block, or its ACK), S the sender's side, R the receiver's:
 *
 *	I	seq  <= S.maxend		it was allowed to send that far
 *	II	end  >= S.end - R.maxwin	not older than one window
 *	III	sack <= R.end			the peer did send what it acknowledges
 *	IV	sack >= R.end - 66000		nor is that older than a window
 *
 * Beyond I or III is INVALID; before II or IV is let through, but teaches nothing.
 *
 * Worked example (scale 0): client SYN seq 100, window 1000; server SYN-ACK seq
 * 500, ack 101, window 2000. Then client {end 101, maxend 2101}, server {end 501,
 * maxend 1101}. A client segment with seq 2200 breaks I: INVALID.
 */
#ifndef BPFIPT_CT_TCP_BPF_H
#define BPFIPT_CT_TCP_BPF_H

#include "ct_tcp_seg.bpf.h"

#define CT_ACK_WINDOW		66000u

/* The state a segment leads to: [direction][class][state], IG and IV below. */
#define NO CT_TCP_NONE
#define SS CT_TCP_SYN_SENT
#define SR CT_TCP_SYN_RECV
#define ES CT_TCP_ESTABLISHED
#define FW CT_TCP_FIN_WAIT
#define CW CT_TCP_CLOSE_WAIT
#define LA CT_TCP_LAST_ACK
#define TW CT_TCP_TIME_WAIT
#define CL CT_TCP_CLOSE
#define S2 CT_TCP_SYN_SENT2
#define IG CT_TCP_MAX		/* let it through, stay */
#define IV (CT_TCP_MAX + 1)	/* INVALID */

static const __u8 ct_tcp_next[2][5][CT_TCP_MAX] = {
	[CT_ORIG] = {
		/* state:	   NO  SS  SR  ES  FW  CW  LA  TW  CL  S2 */
		[CT_SEG_SYN]	= { SS, SS, IG, IG, IG, IG, IG, SS, SS, S2 },
		[CT_SEG_SYNACK]	= { IV, IV, SR, IV, IV, IV, IV, IV, IV, SR },
		[CT_SEG_FIN]	= { IV, IV, FW, FW, LA, LA, LA, TW, CL, IV },
		[CT_SEG_ACK]	= { ES, IV, ES, ES, CW, CW, TW, TW, CL, IV },
		[CT_SEG_RST]	= { IV, CL, CL, CL, CL, CL, CL, CL, CL, CL },
	},
	[CT_REPLY] = {
		[CT_SEG_SYN]	= { IV, S2, IV, IV, IV, IV, IV, SS, IV, S2 },
		[CT_SEG_SYNACK]	= { IV, SR, IG, IG, IG, IG, IG, IG, IG, SR },
		[CT_SEG_FIN]	= { IV, IV, FW, FW, LA, LA, LA, TW, CL, IV },
		[CT_SEG_ACK]	= { IV, IG, SR, ES, CW, CW, TW, TW, CL, IG },
		[CT_SEG_RST]	= { IV, CL, CL, CL, CL, CL, CL, CL, CL, CL },
	},
};

#undef NO
#undef SS
#undef SR
#undef ES
#undef FW
#undef CW
#undef LA
#undef TW
#undef CL
#undef S2
#undef IG
#undef IV

#define CT_NEXT_IGNORE	CT_TCP_MAX
#define CT_NEXT_INVALID	(CT_TCP_MAX + 1)

/* A side takes the options of its SYN; without options it keeps what it had. */
static __always_inline void ct_tcp_take_opts(struct ct_tcp_side *side, volatile struct ct_seg *s)
{
	if (!s->has_opts)
		return;
	side->scale = s->scale;
	side->flags = (side->flags & CT_TCP_LIBERAL) | s->opt_flags;
}

/* First segment: prepare both sides. Return: 0, or -1: cannot open a connection. */
static __always_inline int ct_tcp_new(struct ct_entry *e, volatile struct ct_seg *s)
{
	struct ct_tcp *t = &e->tcp;
	struct ct_tcp_side *side = &t->side[CT_ORIG];

	if (s->class != CT_SEG_SYN && (s->class != CT_SEG_ACK || !ct_params.tcp_loose))
		return -1;
	side->end = s->end;
	side->maxwin = s->win ? s->win : 1;
	side->maxend = s->end;
	if (s->class == CT_SEG_SYN) {
		ct_tcp_take_opts(side, s);
	} else {
		/* In mid-stream: the scales are unknown, so nothing is enforced. */
		side->maxend += side->maxwin;
		t->side[CT_ORIG].flags = CT_TCP_SACK_PERM | CT_TCP_LIBERAL;
		t->side[CT_REPLY].flags = CT_TCP_SACK_PERM | CT_TCP_LIBERAL;
	}
	t->last_index = CT_SEG_NONE;
	return 0;
}

static __always_inline void ct_tcp_init_side(struct ct_tcp_side *snd, struct ct_tcp_side *rcv,
					     volatile struct ct_seg *s, __u32 dir)
{
	snd->end = s->end;
	snd->maxend = s->end;
	snd->maxwin = s->win ? s->win : 1;
	ct_tcp_take_opts(snd, s);
	/* RFC 7323: both scale or none does. */
	if (dir == CT_REPLY && !(snd->flags & rcv->flags & CT_TCP_WSCALE)) {
		snd->scale = 0;
		rcv->scale = 0;
	}
}

enum ct_window {
	CT_WIN_ACCEPT,
	CT_WIN_IGNORE,
	CT_WIN_INVALID,
};

/*
 * Rules I to IV; learns from the segment when they hold.
 *
 * @s: seq, ack, sack and end are corrected in place. It is volatile to keep the
 * compiler from copying it all onto the stack, which is short.
 */
static __always_inline int ct_tcp_window(struct ct_entry *e, volatile struct ct_seg *s, __u32 dir)
{
	struct ct_tcp *t = &e->tcp;
	struct ct_tcp_side *snd = &t->side[dir & 1], *rcv = &t->side[!(dir & 1)];
	__u32 oldest_ack, over, win, swin;
	int in_recv_win;

	if (!(rcv->flags & CT_TCP_SACK_PERM))
		s->sack = s->ack;

	if (snd->maxwin == 0) {
		if (s->tcpflags & TH_SYN) {
			ct_tcp_init_side(snd, rcv, s, dir);
			if (!(s->tcpflags & TH_ACK))
				return CT_WIN_ACCEPT;
		} else {
			snd->end = s->end;
			swin = (__u32)s->win << (snd->scale & 15);
			snd->maxwin = swin ? swin : 1;
			snd->maxend = snd->end + snd->maxwin;
			if (rcv->maxwin == 0) {
				rcv->end = s->sack;
				rcv->maxend = s->sack;
			} else if (s->sack == rcv->end + 1) {
				/* Answer to a keepalive probe. */
				rcv->end++;
			}
		}
	} else if (s->tcpflags & TH_SYN && seq_after(s->end, snd->end) &&
		   (e->state == CT_TCP_SYN_SENT || e->state == CT_TCP_SYN_RECV)) {
		/* The end started over: RFC 793, larger sequence numbers. */
		ct_tcp_init_side(snd, rcv, s, dir);
		if (dir == CT_REPLY && !(s->tcpflags & TH_ACK))
			return CT_WIN_ACCEPT;
	}

	/* No ACK, or the zero ACK of some stacks' RST: taken for a right one. */
	if (!(s->tcpflags & TH_ACK) || (s->tcpflags & TH_RST && s->ack == 0)) {
		s->ack = rcv->end;
		s->sack = rcv->end;
	}
	/* RST in answer to a SYN. */
	if (s->tcpflags & TH_RST && s->seq == 0 && e->state == CT_TCP_SYN_SENT) {
		s->seq = snd->end;
		s->end = snd->end;
	}

	oldest_ack = rcv->end - (snd->maxwin > CT_ACK_WINDOW ? snd->maxwin : CT_ACK_WINDOW) - 1;
	in_recv_win = seq_after(s->end, snd->end - rcv->maxwin - 1);

	if (!seq_before(s->seq, snd->maxend + 1)) {
		over = s->end - snd->maxend + 1;
		/* A little too much, otherwise right: the peer may well take it. */
		if (rcv->maxwin && in_recv_win && seq_after(s->sack, oldest_ack) &&
		    over <= rcv->maxwin && seq_before(s->sack, rcv->end + 1)) {
			snd->end = s->end;
			snd->flags |= CT_TCP_UNACKED;
			return CT_WIN_IGNORE;
		}
		return CT_WIN_INVALID;
	}
	if (!seq_before(s->sack, rcv->end + 1))
		return CT_WIN_INVALID;
	if ((rcv->maxwin && !in_recv_win) || !seq_after(s->sack, oldest_ack))
		return CT_WIN_IGNORE;

	win = s->win;
	if (!(s->tcpflags & TH_SYN))
		win <<= snd->scale & 15;
	swin = win + (s->sack - s->ack);
	if (snd->maxwin < swin)
		snd->maxwin = swin;
	if (seq_after(s->end, snd->end)) {
		snd->end = s->end;
		snd->flags |= CT_TCP_UNACKED;
	}
	if (s->tcpflags & TH_ACK &&
	    (!(snd->flags & CT_TCP_MAXACK_SET) || seq_after(s->ack, snd->maxack))) {
		snd->maxack = s->ack;
		snd->flags |= CT_TCP_MAXACK_SET;
	}
	if (rcv->maxwin && seq_after(s->end, snd->maxend))
		rcv->maxwin += s->end - snd->maxend;
	if (seq_after(s->sack + win, rcv->maxend - 1))
		rcv->maxend = s->sack + win + (win == 0);
	if (s->ack == rcv->end)
		rcv->flags &= ~CT_TCP_UNACKED;

	if (s->class == CT_SEG_ACK) {
		if (t->last_dir == dir && t->last_seq == s->seq && t->last_ack == s->ack &&
		    t->last_end == s->end && t->last_win == s->win) {
			t->retrans++;
		} else {
			t->last_dir = dir;
			t->last_seq = s->seq;
			t->last_ack = s->ack;
			t->last_end = s->end;
			t->last_win = s->win;
			t->retrans = 0;
		}
	}
	return CT_WIN_ACCEPT;
}

/* In mid-stream, or by the sysctl, nothing is enforced: what fails the rules is accepted. */
static __always_inline int ct_tcp_liberal(const struct ct_tcp *t, __u32 dir)
{
	return t->side[dir & 1].flags & CT_TCP_LIBERAL || ct_params.tcp_be_liberal;
}

/*
 * A segment that is let through but not believed: the two ends may know better.
 * Remembered, so that what answers it can be told from noise.
 */
static __always_inline int ct_tcp_ignore(struct ct_tcp *t, volatile struct ct_seg *s, __u32 dir,
					 __u32 old)
{
	t->last_index = s->class;
	t->last_dir = dir;
	t->last_seq = s->seq;
	t->last_end = s->end;
	t->last_win = s->win;
	if (s->class == CT_SEG_SYN && dir == CT_ORIG) {
		t->last_flags = s->opt_flags;
		t->last_wscale = s->opt_flags & CT_TCP_WSCALE ? s->scale : 0;
		/* RFC 5961: the answer may be a challenge ACK, not the last ACK. */
		if (old == CT_TCP_LAST_ACK)
			t->last_flags |= CT_TCP_CHALLENGE;
	}
	if (old == CT_TCP_SYN_SENT && s->class == CT_SEG_ACK && dir == CT_REPLY)
		t->last_ack = s->ack;
	return CT_OUT_KEEP;
}

/* The SYN-ACK to a SYN we did not believe: the ends are in sync, follow them. */
static __always_inline void ct_tcp_resync(struct ct_tcp *t, __u32 dir)
{
	struct ct_tcp_side *syn = &t->side[!(dir & 1)], *me = &t->side[dir & 1];

	syn->end = t->last_end;
	syn->maxend = t->last_end;
	syn->maxwin = t->last_win ? t->last_win : 1;
	syn->scale = t->last_wscale;
	t->last_flags &= ~CT_TCP_CHALLENGE;
	syn->flags = t->last_flags;
	me->end = 0;
	me->maxend = 0;
	me->maxwin = 0;
	me->maxack = 0;
	me->scale = 0;
	me->flags &= CT_TCP_LIBERAL;
}

enum ct_rst {
	CT_RST_CHECK,	/* check the window, then close */
	CT_RST_CLOSE,	/* close, whatever the window */
	CT_RST_STAY,	/* check the window, but do not close */
	CT_RST_INVALID,
};

static __always_inline int ct_tcp_rst(const struct ct_entry *e, volatile struct ct_seg *s, __u32 dir)
{
	const struct ct_tcp *t = &e->tcp;
	const struct ct_tcp_side *peer = &t->side[!(dir & 1)];
	int established = e->state == CT_TCP_ESTABLISHED && e->status & CTS_ASSURED;

	/* Closing already: the tuple may be in use again, nothing here is current. */
	if (e->state >= CT_TCP_FIN_WAIT && e->state <= CT_TCP_CLOSE)
		return CT_RST_CLOSE;
	if (peer->flags & CT_TCP_MAXACK_SET && t->last_index != CT_SEG_SYN) {
		if (s->seq == 0 && !established)
			return CT_RST_CHECK;
		if (seq_before(s->seq, peer->maxack) && !ct_params.tcp_ignore_invalid_rst)
			return CT_RST_INVALID;
		if (!established || s->seq == peer->maxack)
			return CT_RST_CHECK;
		/* Behind data of its own that was just seen. */
		if (t->last_index == CT_SEG_ACK && t->last_dir == dir && s->seq == t->last_end)
			return CT_RST_CHECK;
		/* RFC 5961: not exact, so a challenge ACK may follow. */
		return CT_RST_STAY;
	}
	/* In answer to a SYN or an ACK that was let through unbelieved. */
	if (s->ack == t->last_end &&
	    ((e->status & CTS_SEEN_REPLY && t->last_index == CT_SEG_SYN && t->last_dir != dir) ||
	     (!(e->status & CTS_ASSURED) && t->last_index == CT_SEG_ACK)))
		return CT_RST_CLOSE;
	/* In answer to a challenge ACK. */
	if (e->state == CT_TCP_SYN_SENT && t->last_index == CT_SEG_ACK &&
	    t->last_dir == CT_REPLY && s->seq == t->last_ack)
		return CT_RST_CLOSE;
	return CT_RST_CHECK;
}

/* A FIN or RST out of the window, from both ends: do not wait for days. */
static __always_inline void ct_tcp_out_of_window(struct ct_entry *e, volatile struct ct_seg *s,
						 __u32 dir, __u64 now)
{
	struct ct_tcp *t = &e->tcp;

	if (!(e->status & CTS_ASSURED) || (s->class != CT_SEG_RST && s->class != CT_SEG_FIN))
		return;
	if (t->last_dir != dir &&
	    (t->last_index == CT_SEG_FIN || t->last_index == CT_SEG_RST)) {
		if (e->deadline > ct_after_secs(now, 120) &&
		    e->deadline > ct_after_secs(now, ct_params.tcp_unack))
			e->deadline = ct_after_secs(now, ct_params.tcp_unack);
	} else {
		t->last_index = s->class;
		t->last_dir = dir;
	}
}

static __always_inline __u32 ct_tcp_timeout(const struct ct_entry *e, volatile struct ct_seg *s)
{
	const struct ct_tcp *t = &e->tcp;
	__u32 state = e->state, secs;

	if (state >= CT_TCP_MAX)
		return 0;
	secs = ct_params.tcp[state];
	if (t->retrans >= ct_params.tcp_max_retrans && secs > ct_params.tcp_retrans)
		return ct_params.tcp_retrans;
	if (s->class == CT_SEG_RST && state == CT_TCP_ESTABLISHED && secs > ct_params.tcp_rst)
		return ct_params.tcp_rst;
	if ((t->side[0].flags | t->side[1].flags) & CT_TCP_UNACKED && secs > ct_params.tcp_unack)
		return ct_params.tcp_unack;
	if (t->last_win == 0 && secs > ct_params.tcp_retrans)
		return ct_params.tcp_retrans;
	return secs;
}

/*
 * ct_tcp_advance() - one segment of a connection
 * Return: enum ct_outcome.
 */
static __always_inline int ct_tcp_advance(struct ct_entry *e, volatile struct ct_seg *s, __u32 dir,
					  __u64 now)
{
	struct ct_tcp *t = &e->tcp;
	__u32 old = e->state, class = s->class, next, secs;
	int check = 1, r;

	if (old >= CT_TCP_MAX || class > CT_SEG_RST)
		return CT_OUT_INVALID;
	next = ct_tcp_next[dir & 1][class][old];
	if (next == CT_NEXT_INVALID)
		return CT_OUT_INVALID;

	if (next == CT_TCP_SYN_SENT && old >= CT_TCP_TIME_WAIT) {
		/* A SYN on a connection that is over: RFC 1122, 4.2.2.13. */
		if ((t->side[0].flags | t->side[1].flags) & CT_TCP_CLOSE_INIT ||
		    (t->last_dir == dir && t->last_index == CT_SEG_RST))
			return CT_OUT_REOPEN;
		next = CT_NEXT_IGNORE;
	}
	if (next == CT_NEXT_IGNORE) {
		if (s->class != CT_SEG_SYNACK || t->last_index != CT_SEG_SYN ||
		    t->last_dir == dir || s->ack != t->last_end)
			return ct_tcp_ignore(t, s, dir, old);
		ct_tcp_resync(t, dir);
		old = CT_TCP_SYN_SENT;
		next = CT_TCP_SYN_RECV;
	} else if (next == CT_TCP_TIME_WAIT) {
		if (old == CT_TCP_LAST_ACK && s->class == CT_SEG_ACK && t->last_dir != dir &&
		    t->last_index == CT_SEG_SYN && t->last_flags & CT_TCP_CHALLENGE) {
			t->last_flags &= ~CT_TCP_CHALLENGE;
			return CT_OUT_KEEP;
		}
	} else if (next == CT_TCP_SYN_SENT2) {
		t->last_flags |= CT_TCP_SIMULTANEOUS;
	} else if (next == CT_TCP_SYN_RECV) {
		if (dir == CT_REPLY && s->class == CT_SEG_ACK &&
		    t->last_flags & CT_TCP_SIMULTANEOUS)
			next = CT_TCP_ESTABLISHED;
	} else if (next == CT_TCP_CLOSE && s->class == CT_SEG_RST) {
		r = ct_tcp_rst(e, s, dir);
		if (r == CT_RST_INVALID)
			return CT_OUT_INVALID;
		if (r == CT_RST_STAY)
			next = old;
		check = r != CT_RST_CLOSE;
	}

	s->old = old;
	s->next = next;
	if (check) {
		r = ct_tcp_window(e, s, dir);
		if (r != CT_WIN_ACCEPT && !ct_tcp_liberal(t, dir)) {
			if (r == CT_WIN_IGNORE)
				return CT_OUT_KEEP;
			ct_tcp_out_of_window(e, s, dir, now);
			return CT_OUT_INVALID;
		}
	}
	old = s->old;
	next = s->next;
	t->last_index = s->class;
	t->last_dir = dir;
	e->state = next;
	if (old != next && next == CT_TCP_FIN_WAIT)
		t->side[dir & 1].flags |= CT_TCP_CLOSE_INIT;

	secs = ct_tcp_timeout(e, s);
	if (!(e->status & CTS_SEEN_REPLY)) {
		/* A RST is all that came back, or all that was heard: no connection. */
		if (s->tcpflags & TH_RST)
			return CT_OUT_KILL;
		/* A repeated SYN does not keep a dead entry alive. */
		if (s->class == CT_SEG_SYN && old == CT_TCP_SYN_SENT)
			return CT_OUT_KEEP;
		if (next == CT_TCP_ESTABLISHED && secs > ct_params.tcp_unack)
			secs = ct_params.tcp_unack;
	} else if ((old == CT_TCP_SYN_RECV || old == CT_TCP_ESTABLISHED) &&
		   next == CT_TCP_ESTABLISHED) {
		e->status |= CTS_ASSURED;
	}
	e->deadline = ct_after_secs(now, secs);
	return CT_OUT_REFRESH;
}

#endif /* BPFIPT_CT_TCP_BPF_H */
