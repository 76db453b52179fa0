// SPDX-License-Identifier: GPL-2.0-only
/*
 * ct_gen_tcp.c - TCP segments for the state fuzz, see ct_gen.h
 */
#include <string.h>

#include "ct_gen.h"

enum {
	FIN = 1, SYN = 2, RST = 4, PSH = 8, ACK = 16, URG = 32, ECE = 64, CWR = 128,
};

static const __u16 windows[] = { 0, 1, 2, 100, 500, 4096, 8192, 29200, 65534, 65535 };

/* A number near a boundary of the window tracking. */
static __u32 nudge(struct prng *p, const struct ct_flow *f, __u32 v)
{
	__u32 win = (__u32)f->win[prng_below(p, 2)] << f->scale[prng_below(p, 2)];

	switch (prng_below(p, 12)) {
	case 0: return v + 1;
	case 1: return v - 1;
	case 2: return v + prng_below(p, 3000);
	case 3: return v - prng_below(p, 3000);
	case 4: return v + win + prng_below(p, 3) - 1;
	case 5: return v - win - prng_below(p, 3) + 1;
	case 6: return v + 66000 + prng_below(p, 3) - 1;
	case 7: return v - 66000 - prng_below(p, 5) + 2;
	case 8: return prng_u32(p);
	case 9: return 0;
	case 10: return v + 2 * win;
	default: return v ^ 0x80000000u;
	}
}

static size_t sack_option(const struct ct_flow *f, struct prng *p, int dir, __u8 *o, size_t room)
{
	int blocks = prng_range(p, 1, 4), i;
	__u32 edge = f->next[!dir];

	while (blocks > 1 && 4 + 8 * (size_t)blocks > room)
		blocks--;
	if (4 + 8 * (size_t)blocks > room)
		return 0;
	o[0] = 1;
	o[1] = 1;
	o[2] = 5;
	o[3] = 2 + 8 * blocks;
	for (i = 0; i < blocks; i++) {
		edge = prng_percent(p, 70) ? edge - prng_below(p, 2000) : nudge(p, f, edge);
		ct_put32(o + 4 + 8 * i, edge - prng_below(p, 1000));
		ct_put32(o + 8 + 8 * i, edge);
	}
	return 4 + 8 * blocks;
}

/* Options at @o, at most 40 bytes, padded to words. */
static size_t options(struct ct_flow *f, struct prng *p, int dir, int syn, __u8 *o)
{
	size_t n = 0;

	if (prng_percent(p, 2)) {
		/* Noise, with real kinds and lengths likely. */
		size_t want = prng_range(p, 1, 40);

		for (n = 0; n < want; n++)
			o[n] = prng_percent(p, 60) ? prng_below(p, 11) : prng_u32(p);
	} else if (syn) {
		if (prng_percent(p, 80)) {
			o[n++] = 2;
			o[n++] = 4;
			ct_put16(o + n, 1460);
			n += 2;
		}
		if (prng_percent(p, 60)) {
			o[n++] = 4;
			o[n++] = 2;
		}
		if (prng_percent(p, 60)) {
			o[n++] = 3;
			o[n++] = 3;
			f->scale[dir] = prng_percent(p, 90) ? prng_below(p, 15) : prng_u32(p) & 31;
			o[n++] = f->scale[dir];
			if (f->scale[dir] > 14)
				f->scale[dir] = 14;
		} else {
			f->scale[dir] = 0;
		}
	} else {
		if (prng_percent(p, 40)) {
			memcpy(o, "\1\1\10\12", 4);
			ct_put32(o + 4, prng_u32(p));
			ct_put32(o + 8, prng_u32(p));
			n = 12;
		}
		if (prng_percent(p, 25))
			n += sack_option(f, p, dir, o + n, 40 - n);
	}
	while (n % 4)
		o[n++] = prng_percent(p, 90);
	return n;
}

/* What this side would say now. */
static __u8 speak(struct ct_flow *f, struct prng *p, int *dir, __u32 *len)
{
	int r;

	*len = 0;
	switch (f->step) {
	case 0:
		*dir = 0;
		f->step = prng_percent(p, 90) ? 1 : 3;
		return f->step == 1 ? SYN | (prng_percent(p, 10) ? ECE | CWR : 0) : ACK;
	case 1:
		if (prng_percent(p, 15)) {
			*dir = 0;
			return SYN;
		}
		if (prng_percent(p, 10)) {
			*dir = 1;	/* simultaneous open */
			return SYN;
		}
		f->step = 2;
		*dir = 1;
		return SYN | ACK;
	case 2:
		*dir = prng_percent(p, 15);
		if (*dir)
			return SYN | ACK;
		f->step = 3;
		return ACK;
	}
	*dir = prng_below(p, 2);
	r = prng_below(p, 100);
	if (r < 45) {
		*len = prng_percent(p, 80) ? prng_range(p, 1, 1000) : 0;
		return ACK | (prng_percent(p, 50) ? PSH : 0);
	}
	if (r < 72 || (r < 86 && f->fin[*dir] && f->fin[!*dir] && prng_percent(p, 60)))
		return ACK;
	if (r < 86) {
		f->fin[*dir] = 1;
		return FIN | ACK;
	}
	if (r < 91)
		return RST | (prng_percent(p, 50) ? ACK : 0);
	if (r < 96) {
		/* A new conversation on the old ports. */
		if (prng_percent(p, 70))
			*dir = 0;
		f->fin[0] = 0;
		f->fin[1] = 0;
		f->step = 1;
		f->next[*dir] = prng_percent(p, 50) ? prng_u32(p) : f->next[*dir] + 100000;
		return SYN;
	}
	if (r < 98) {
		*dir = 1;
		return SYN | ACK;
	}
	return ACK | URG;
}

/* What a segment may have wrong; else its sender has gone on by it. */
static void mistakes(struct ct_flow *f, struct prng *p, int *to, __u8 *with, __u32 *at, __u32 *up_to,
		     __u32 len, __u32 *room)
{
	static const __u8 odd[] = { 0, SYN | FIN, SYN | RST, FIN, PSH, 0xff, URG, RST | FIN, SYN | URG,
				    FIN | ACK | URG, SYN | ACK | PSH, SYN | ACK | URG };
	__u32 seq = *at, ack = f->next[!*to];
	__u8 flags = *with;
	int dir = *to;

	if (prng_percent(p, 6))
		flags = prng_percent(p, 60) ? odd[prng_below(p, sizeof(odd))] : prng_u32(p);
	if (prng_percent(p, 3))
		dir = !dir;
	if (prng_percent(p, 18))
		seq = nudge(p, f, seq);
	else if (prng_percent(p, 8))
		seq -= prng_below(p, 3000);	/* retransmission */
	else
		f->next[dir] = seq + len + !!(flags & SYN) + !!(flags & FIN);
	if (prng_percent(p, 14))
		ack = nudge(p, f, ack);
	else if (prng_percent(p, 20))
		ack -= prng_below(p, 3000);
	if (!(flags & ACK) && prng_percent(p, 80))
		ack = 0;
	if ((flags & RST) && prng_percent(p, 15))
		seq = prng_percent(p, 50) ? 0 : seq;
	if (prng_percent(p, 50))
		*room = windows[prng_below(p, sizeof(windows) / sizeof(windows[0]))];
	*to = dir;
	*with = flags;
	*at = seq;
	*up_to = ack;
}

size_t ct_gen_tcp(struct ct_flow *f, struct prng *p, struct ct_pkt *pkt, __u8 *l4)
{
	__u32 seq, ack, len, win;
	size_t hdr;
	__u8 flags;
	int dir, i;

	flags = speak(f, p, &dir, &len);
	seq = f->next[dir];
	ack = flags & ACK ? f->next[!dir] : 0;
	win = 65535;
	mistakes(f, p, &dir, &flags, &seq, &ack, len, &win);

	memset(l4, 0, 20);
	hdr = 20 + options(f, p, dir, flags & SYN, l4 + 20);
	ct_put16(l4, f->port[dir]);
	ct_put16(l4 + 2, f->port[!dir]);
	ct_put32(l4 + 4, seq);
	ct_put32(l4 + 8, ack);
	l4[12] = hdr / 4 << 4;
	l4[13] = flags;
	ct_put16(l4 + 14, win);
	f->win[dir] = win;
	for (i = 0; i < (int)len; i++)
		l4[hdr + i] = i;
	if (prng_percent(p, 1))
		l4[12] = prng_below(p, 16) << 4;
	pkt->side = dir;
	ct_note(pkt, "tcp %u>%u flags %02x seq %u ack %u win %u doff %u len %u", f->port[dir],
		f->port[!dir], flags, seq, ack, win, l4[12] >> 4, len);
	return hdr + len;
}
