// SPDX-License-Identifier: GPL-2.0-only
/*
 * ct_gen_sctp.c - SCTP packets for the state fuzz, see ct_gen.h
 */
#include <string.h>

#include "ct_gen.h"

/* CRC32c, reflected, bit by bit (RFC 9260, appendix A). */
__u32 ct_crc32c(const __u8 *data, size_t len)
{
	__u32 crc = ~0u;
	int k;

	while (len--) {
		crc ^= *data++;
		for (k = 0; k < 8; k++)
			crc = crc >> 1 ^ (crc & 1 ? 0x82f63b78 : 0);
	}
	return ~crc;
}

static size_t chunk(struct prng *p, __u8 *o, int type, int flags, __u32 tag)
{
	size_t len = 4, pad;

	switch (type) {
	case 1: case 2:
		len = prng_percent(p, 97) ? 20 : prng_range(p, 4, 19);
		break;
	case 0:
		len = prng_range(p, 17, 60);
		break;
	case 4: case 5: case 10:
		len = prng_range(p, 4, 24);
		break;
	case 7:
		len = 8;
		break;
	}
	memset(o, 0x55, len);
	o[0] = type;
	o[1] = flags;
	ct_put16(o + 2, prng_percent(p, 99) ? len : prng_below(p, 40));
	if (len >= 8)
		ct_put32(o + 4, tag);
	pad = (4 - len % 4) % 4;
	memset(o + len, 0, pad);
	return len + pad;
}

/* The next chunk type of an orderly association, and its sender. */
static int speak(struct ct_flow *f, struct prng *p, int *dir)
{
	static const __u8 types[] = { 1, 2, 10, 11 }, dirs[] = { 0, 1, 0, 1 };
	static const __u8 later[] = { 0, 0, 0, 3, 4, 5, 4, 5, 7, 8, 14, 6, 9, 1 };
	int i;

	if (f->step < 4) {
		i = f->step;
		*dir = dirs[i];
		if (prng_percent(p, 85))
			f->step++;
		return types[i];
	}
	if (f->step == 4 && prng_percent(p, 96)) {
		*dir = prng_below(p, 2);
		i = later[prng_below(p, prng_percent(p, 80) ? 8 : sizeof(later))];
		if (i == 7)
			f->step = 5 + *dir;
		return i;
	}
	*dir = prng_below(p, 2);
	if (f->step == 5 || f->step == 6) {
		*dir = f->step == 6 ? 0 : 1;
		f->step = f->step == 5 ? 7 : 8;
		return 8;
	}
	*dir = f->step == 8;
	f->step = 0;
	return 14;
}

size_t ct_gen_sctp(struct ct_flow *f, struct prng *p, struct ct_pkt *pkt, __u8 *l4)
{
	int dir, type, type2 = -1, flags = 0;
	__u32 tag, init_tag;
	size_t n = 12;

	type = speak(f, p, &dir);
	if (prng_percent(p, 10))
		type = prng_percent(p, 80) ? prng_below(p, 16) : prng_u32(p) & 0xff;
	if (prng_percent(p, 6))
		dir = !dir;
	/* next[d] is the tag that packets of side d carry. */
	tag = type == 1 ? 0 : f->next[dir];
	init_tag = f->next[!dir];
	if (type == 1 && prng_percent(p, 25))
		init_tag = f->next[!dir] = prng_u32(p);
	if ((type == 6 || type == 14) && prng_percent(p, 40)) {
		flags = 1;
		tag = f->next[!dir];
	}
	if (prng_percent(p, 5))
		tag = prng_percent(p, 30) ? 0 : prng_u32(p);
	if (prng_percent(p, 4))
		init_tag = prng_u32(p);
	ct_put16(l4, f->port[dir]);
	ct_put16(l4 + 2, f->port[!dir]);
	ct_put32(l4 + 4, tag);
	ct_put32(l4 + 8, 0);
	n += chunk(p, l4 + n, type, flags, init_tag);
	if (prng_percent(p, type == 10 ? 60 : 15)) {
		type2 = prng_percent(p, 60) ? 0 : prng_below(p, 16);
		n += chunk(p, l4 + n, type2, 0, init_tag);
	}
	if (prng_percent(p, 1))
		n = prng_range(p, 8, n);
	pkt->side = dir;
	ct_note(pkt, "sctp %u>%u chunk %d,%d flags %d vtag %x init %x", f->port[dir],
		f->port[!dir], type, type2, flags, tag, init_tag);
	return n;
}
