// SPDX-License-Identifier: GPL-2.0-only
/*
 * genrules_payload.c - the ruleset generator's conditions on the packet's bytes
 *
 * u32 tests that ask what people ask (protocol, fragment, ports behind any options,
 * payload by TCP's data offset), at odd places, beyond the packet and over the TTL and
 * checksum that FORWARD changes; strings over three letters, so that nearly equal
 * places are many.
 */
#include "genrules_int.h"

static void put_u32_location(struct gen *g)
{
	static const char *const head[] = {
		"6&0xFF", "4&0x1FFF", "0>>22&0x3C@0>>16", "0>>22&0x3C@2&0xFFFF",
		"0>>22&0x3C@12>>26&0x3C@0", "0>>22&0x3C@4", "8>>24", "8&0xFFFF", "10>>16", "0&0xFFFF",
		"1>>24&0xFC", "9", "5", "11", "7&0xFF", "0>>22&0x3C@12>>28<<2@0",
	};
	unsigned int n;

	if (chance(g, 70)) {
		fputs(head[below(g, sizeof(head) / sizeof(head[0]))], g->f);
		return;
	}
	fprintf(g->f, "%u", chance(g, 80) ? below(g, 64) : prng_u32(&g->rnd));
	for (n = below(g, 5); n; n--) {
		switch (below(g, 4)) {
		case 0:
			fprintf(g->f, "&0x%x", chance(g, 50) ? 0xff : prng_u32(&g->rnd));
			break;
		case 1:
			fprintf(g->f, "<<%u", below(g, 32));
			break;
		case 2:
			fprintf(g->f, ">>%u", chance(g, 60) ? 26 : below(g, 32));
			break;
		default:
			fprintf(g->f, "@%u", chance(g, 90) ? below(g, 40) : prng_u32(&g->rnd));
		}
	}
}

static void put_u32(struct gen *g)
{
	unsigned int tests = 1 + below(g, 3), n;

	fprintf(g->f, " -m u32 %s--u32 \"", maybe_not(g, 25));
	while (tests--) {
		put_u32_location(g);
		fputc('=', g->f);
		for (n = 1 + below(g, 3); n; n--) {
			__u32 a = chance(g, 60) ? below(g, 100) : chance(g, 50) ? g->port[below(g, POOL)] :
				  prng_u32(&g->rnd) & 0x7fffffff;

			fprintf(g->f, "0x%x", a);
			if (chance(g, 60))
				fprintf(g->f, ":0x%x", a + (chance(g, 50) ? below(g, 300) : 0x7fffffff));
			if (n > 1)
				fputc(',', g->f);
		}
		if (tests)
			fputs("&&", g->f);
	}
	fputc('"', g->f);
}

/* Also from the packet's own head, where bytes are known: "E\0". */
static void put_string(struct gen *g)
{
	/* libxt_string takes 127 bytes in this notation, 128 in the other. */
	unsigned int n = chance(g, 5) ? 1 + below(g, 127) : 1 + below(g, chance(g, 70) ? 4 : 12);
	unsigned int letters = chance(g, 60) ? 1 + below(g, 3) : 5, from;

	fprintf(g->f, " -m string %s--hex-string \"|", maybe_not(g, 20));
	while (n--)
		fprintf(g->f, "%02x", (unsigned char)"abAB\xe0"[below(g, letters)]);
	fprintf(g->f, "|\" --algo %s", chance(g, 50) ? "bm" : "kmp");
	from = chance(g, 50) ? below(g, 70) : below(g, 1500);
	if (chance(g, 40))
		fprintf(g->f, " --from %u", from);
	else
		from = 0;
	if (chance(g, 40))
		fprintf(g->f, " --to %u", from + below(g, chance(g, 50) ? 60 : 1500));
	if (chance(g, 40))
		fputs(" --icase", g->f);
}

void gen_put_payload(struct gen *g)
{
	if (chance(g, 50))
		put_u32(g);
	else
		put_string(g);
}

void gen_put_tcpmss(struct gen *g)
{
	unsigned int a = below(g, 65536);

	fprintf(g->f, " -m tcpmss %s--mss %u", maybe_not(g, 30), a);
	if (chance(g, 70))
		fprintf(g->f, ":%u", a + below(g, 65536 - a));
}
