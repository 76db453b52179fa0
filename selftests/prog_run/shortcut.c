// SPDX-License-Identifier: GPL-2.0-only
/*
 * shortcut.c - the short cut for established packets: taken when it may be, and only then
 *
 * Rulesets of FORWARD go in with the real restore command; packets of one UDP connection
 * meet the real programs under BPF_PROG_TEST_RUN. Every ruleset ends with a rule that no
 * packet meets, the marker. Whether a packet takes the short cut is seen by letting the
 * image's word for it (img_hdr.fast) point to the marker: who takes it counts there. And
 * with the word left alone every counter must grow as it does with the word cleared, where
 * all rules are looked up.
 *
 *	shortcut [-t]		-t: time both ways, in turn, behind 1,000 rules
 */
#include <arpa/inet.h>
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>
#include <bpf/bpf.h>
#include <linux/pkt_cls.h>

#include "pair.h"

#define KSFT_SKIP	4
#define ROUNDS		21
#define REPEAT		20000
#define EST		"-m conntrack --ctstate RELATED,ESTABLISHED -j ACCEPT\n"
#define MARKER		"-s 9.9.9.9 -j ACCEPT"

/* The packets to try: of a new connection, of an established one by lan0 and by lan1. */
enum probe { NEW_LAN0, EST_LAN0, EST_LAN1, NR_PROBES };

static const char *const probe_name[] = { "NEW", "ESTABLISHED by lan0", "ESTABLISHED by lan1" };

static const struct shortcut_case {
	const char *name;
	const char *rules;		/* of FORWARD, a line each */
	bool taken[NR_PROBES];
} cases[] = {
	{ "the first rule", EST, { 0, 1, 1 } },
	{ "behind lo, and INVALID", "-i lo -j ACCEPT\n-m conntrack --ctstate INVALID -j DROP\n" EST, { 0, 1, 1 } },
	{ "behind a rule for NEW", "-m conntrack --ctstate NEW -p tcp -j DROP\n" EST, { 0, 1, 1 } },
	{ "behind a rule on lan0", "-i lan0 -p tcp -j DROP\n" EST, { 0, 0, 1 } },
	{ "behind a rule on all but lan0", "! -i lan0 -p tcp -j DROP\n" EST, { 0, 1, 0 } },
	{ "behind a rule on any interface", "-p tcp -j DROP\n" EST, { 0, 0, 0 } },
	{ "behind a rule without a target", "-p udp\n" EST, { 0, 0, 0 } },
	{ "inverted", "-m conntrack ! --ctstate INVALID,NEW -j ACCEPT\n", { 0, 1, 1 } },
	{ "with another condition", "-p udp -m conntrack --ctstate ESTABLISHED -j ACCEPT\n", { 0, 0, 0 } },
	{ "that drops", "-m conntrack --ctstate ESTABLISHED -j DROP\n", { 0, 0, 0 } },
	{ "for NEW", "-m conntrack --ctstate NEW -j ACCEPT\n", { 1, 0, 0 } },
};

static struct lab lab;
static struct instance *in;

static int restore(const char *rules, unsigned int more)
{
	char *text = NULL, *line, *copy = strdup(rules), *save = NULL;
	size_t len;
	FILE *f = open_memstream(&text, &len);
	int err;

	fputs("*filter\n:FORWARD ACCEPT [0:0]\n", f);
	for (line = strtok_r(copy, "\n", &save); line; line = strtok_r(NULL, "\n", &save))
		fprintf(f, "-A FORWARD %s\n", line);
	fputs("-A FORWARD " MARKER "\n", f);
	for (unsigned int i = 0; i < more; i++)
		fprintf(f, "-A FORWARD -s 172.16.%u.%u -p udp -m udp --dport %u -j DROP\n", i >> 8,
			i & 255, i + 1);
	fputs("COMMIT\n", f);
	fclose(f);
	err = pair_restore(text);
	free(text);
	free(copy);
	if (!err) {
		instance_close(in);
		in = NULL;
		err = pair_open(&in);
	}
	return err;
}

static __u32 *fast_word(void)
{
	return (__u32 *)&active_image(&in->gen)->fast[HOOK_FORWARD];
}

/* One UDP packet of the connection by @port, @repeat times. Return: ns each, or -errno. */
static long run(bool reply, int dev, __u16 port, unsigned int repeat)
{
	struct gen_pkt p = { .len = 28, .in = dev, .mac = { 2 } };
	struct __sk_buff skb = { .ifindex = lab.in_ifindex[dev] };
	struct xdp_md xdp = { .ingress_ifindex = lab.in_ifindex[dev] };
	__u8 frame[LAB_FRAME_MAX], out[LAB_FRAME_MAX + 256];
	LIBBPF_OPTS(bpf_test_run_opts, opts, .data_in = frame, .data_out = out,
		    .data_size_out = sizeof(out), .repeat = repeat);
	__be32 c = htonl(0x0a010002), s = htonl(0x0a020002);
	__be16 sport = htons(reply ? 7 : port), dport = htons(reply ? port : 7), len = htons(8);
	bool is_xdp = in->mode == MODE_XDP;

	memcpy(p.data, (const __u8[]){ 0x45, 0, 0, 28, 0, 1, 0, 0, 64, 17 }, 10);
	memcpy(p.data + 12, reply ? &s : &c, 4);
	memcpy(p.data + 16, reply ? &c : &s, 4);
	memcpy(p.data + 20, &sport, 2);
	memcpy(p.data + 22, &dport, 2);
	memcpy(p.data + 24, &len, 2);
	gen_pkt_sum(&p);
	opts.data_size_in = lab_frame(&lab, &p, frame);
	xdp.data_end = opts.data_size_in;
	generation_programs(in, &in->gen);
	opts.ctx_in = is_xdp ? (void *)&xdp : &skb;
	opts.ctx_size_in = is_xdp ? sizeof(xdp) : sizeof(skb);
	if (bpf_prog_test_run_opts(is_xdp ? in->gen.fd[GEN_XDP] : in->gen.fd[GEN_INGRESS], &opts))
		return -errno;
	return opts.duration;
}

static void open_connection(__u16 port)
{
	run(false, 0, port, 1);
	run(true, 1, port, 1);
}

/* Packets of every rule of FORWARD, then of its policy. Return: how many rules. */
static size_t counters(__u64 *n, size_t max)
{
	struct ruleset *rs;
	struct chain *chain;
	size_t i;

	if (instance_load(in, &rs))
		return 0;
	chain = rs->chains[HOOK_FORWARD];
	for (i = 0; i < chain->nr_rules && i + 1 < max; i++)
		n[i] = chain->rules[i]->packets << 32 | chain->rules[i]->bytes;
	n[i] = chain->packets << 32 | chain->bytes;
	ruleset_free(rs);
	return i + 1;
}

/* Does the packet take the short cut? -1: cannot tell */
static int takes(enum probe probe, __u16 port, unsigned int marker)
{
	__u64 before[16], after[16];
	__u32 *fast = fast_word(), word = *fast;
	size_t n = counters(before, 16);

	if (word)
		*fast = (word & ~(FAST_OFFSET_MAX << FAST_OFFSET_SHIFT)) | marker << FAST_OFFSET_SHIFT;
	if (run(probe == EST_LAN1, probe == EST_LAN1, probe == NEW_LAN0 ? port + 1 : port, 1) < 0)
		return -1;
	*fast = word;
	if (counters(after, 16) != n || n <= marker)
		return -1;
	return after[marker] != before[marker];
}

/* What a conversation adds to each counter, the word as it is or cleared. */
static size_t conversation(__u16 port, bool clear, __u64 *delta)
{
	__u64 before[16];
	__u32 *fast = fast_word(), word = *fast;
	size_t n = counters(before, 16), i;

	if (clear)
		*fast = 0;
	open_connection(port);
	for (i = 0; i < 5; i++)
		run(i & 1, i & 1, port, 1);
	*fast = word;
	if (counters(delta, 16) != n)
		return 0;
	for (i = 0; i < n; i++)
		delta[i] -= before[i];
	return n;
}

static bool try_case(const struct shortcut_case *c, __u16 port)
{
	__u64 with[16], without[16];
	unsigned int marker = 0;
	bool good = true;
	size_t n;

	for (const char *s = c->rules; *s; s++)
		marker += *s == '\n';
	if (restore(c->rules, 0)) {
		printf("# %s: the rules are not taken\n", c->name);
		return false;
	}
	open_connection(port);
	for (int probe = 0; probe < NR_PROBES; probe++) {
		int got = takes(probe, port, marker);

		if (got == c->taken[probe])
			continue;
		printf("# %s: %s: %s\n", c->name, probe_name[probe],
		       got < 0 ? "cannot tell" : got ? "takes it" : "does not take it");
		good = false;
	}
	n = conversation(port + 2, false, with);
	if (!n || n != conversation(port + 4, true, without) || memcmp(with, without, n * sizeof(*with))) {
		printf("# %s: counters differ\n", c->name);
		good = false;
	}
	return good;
}

static int by_size(const void *a, const void *b)
{
	return *(const long *)a < *(const long *)b ? -1 : *(const long *)a > *(const long *)b;
}

/* Both ways in turn, so that what else the machine does meets both. */
static void measure(const char *hook)
{
	long ns[2][ROUNDS];
	__u32 word, *fast;

	if (restore(cases[1].rules, 1000))
		return;
	open_connection(60000);
	fast = fast_word();
	word = *fast;
	for (int round = 0; round < ROUNDS; round++) {
		for (int way = 0; way < 2; way++) {
			*fast = way ? 0 : word;
			ns[way][round] = run(false, 0, 60000, REPEAT);
		}
	}
	*fast = word;
	qsort(ns[0], ROUNDS, sizeof(long), by_size);
	qsort(ns[1], ROUNDS, sizeof(long), by_size);
	printf("# %s: an ESTABLISHED packet, rule 3 of 1,004: %ld ns with the short cut, %ld ns without (medians of %d)\n",
	       hook, ns[0][ROUNDS / 2], ns[1][ROUNDS / 2], ROUNDS);
}

int main(int argc, char **argv)
{
	static const struct { const char *name; enum fw_mode mode; } modes[] = {
		{ "tc", MODE_TC }, { "xdp", MODE_XDP },
	};
	int n = 0, failed = 0, err = geteuid() ? -EPERM : lab_enter(&lab);
	__u16 port = 1000;

	if (err) {
		printf("1..0 # SKIP no lab: %s\n", strerror(-err));
		return KSFT_SKIP;
	}
	setlinebuf(stdout);
	for (size_t m = 0; m < sizeof(modes) / sizeof(*modes); m++) {
		err = instance_init(modes[m].mode, 0, 0, false);
		for (size_t i = 0; !err && i < sizeof(cases) / sizeof(*cases); i++, port += 10) {
			bool good = try_case(&cases[i], port);

			failed += !good;
			printf("%sok %d - %s: %s\n", good ? "" : "not ", ++n, modes[m].name, cases[i].name);
		}
		if (!err && argc > 1 && !strcmp(argv[1], "-t"))
			measure(modes[m].name);
		if (in)
			instance_close(in);
		in = NULL;
		instance_remove();
		if (err) {
			failed++;
			printf("not ok %d - %s: init: %s\n", ++n, modes[m].name, strerror(-err));
		}
	}
	lab_leave(&lab);
	printf("1..%d\n", n);
	return failed != 0;
}
