// SPDX-License-Identifier: GPL-2.0-only
/*
 * ct_fuzz.c - our conntrack against the kernel's, packet by packet
 *
 *	ct_fuzz [-n PACKETS] [-s SEED] [-m forward|host|lo] [-p PROTO] [-v]
 *
 * PACKETS for each of the labs: through a router; from and to a host, whose client's
 * packets meet OUTPUT and the server's INPUT; and over lo, OUTPUT and then INPUT.
 * Each generated packet (ct_gen.h) goes through a router with iptables-legacy,
 * which tells its ctstate (ct_lab.h), and through ct_label()/ct_commit() as a tc
 * and as an XDP program (ct_test.bpf.c): the three states must be one. In the end
 * the tables must be equal too: the entries, their protocol state, SEEN_REPLY,
 * ASSURED, and the timeout left. On a difference the flow's packets are printed.
 *
 * Some packets are sent in fragments, which the kernel puts together before it looks. Our
 * state of one is what the last to come has; the first fragment's, by which the rules judge,
 * may differ in one way only: see fragments().
 */
#include <errno.h>
#include <netinet/in.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>
#include <unistd.h>
#include <bpf/bpf.h>
#include <bpf/libbpf.h>

#include "ct_gen.h"
#include "ct_lab.h"
#include "ct_test.skel.h"
#include "ct_test_xdp.skel.h"

#define FLOWS		48
#define HISTORY		128
#define MAX_DIFFS	5
#define FOLLOWED	(1 << 10)	/* what ct_test.bpf.c returns of a later fragment */
#define DUMPS		20	/* 6.1's dump skips entries, others each time: they are put together */
#define TIMEOUT_SLACK	3	/* s between the two dumps, and rounding */

struct history {
	char line[HISTORY][256];
	unsigned int n;
};

static struct ct_flow flows[FLOWS];
static struct history histories[FLOWS];
static int only_proto = -1, verbose;
static long guessed;	/* fragments(): first ones taken for what the whole was not */
static const char *const mode_name[NR_CT_LAB_MODES] = { "forward", "host", "lo" };

static const char *state_name(int state)
{
	switch (state) {
	case CT_INVALID: return "INVALID";
	case CT_ESTABLISHED: return "ESTABLISHED";
	case CT_RELATED: return "RELATED";
	case CT_NEW: return "NEW";
	case CT_LAB_LOST: return "-";
	}
	return "?";
}

/* Older kernels know DCCP's states, which the others' generic protocol has not. */
static int tracks_dccp(void)
{
	return !access("/proc/sys/net/netfilter/nf_conntrack_dccp_loose", F_OK);
}

static int random_proto(struct prng *p)
{
	static const __u8 other[] = { 50, 51, 4, 253, 58, 2, 0, 255, IPPROTO_DCCP };
	__u32 r = prng_below(p, 100);

	if (only_proto >= 0)
		return only_proto;
	if (r < 60)
		return IPPROTO_TCP;
	if (r < 70)
		return IPPROTO_UDP;
	if (r < 79)
		return IPPROTO_ICMP;
	if (r < 89)
		return IPPROTO_SCTP;
	if (r < 92)
		return IPPROTO_UDPLITE;
	if (r < 96)
		return IPPROTO_GRE;
	return other[prng_below(p, sizeof(other) - tracks_dccp())];
}

/* What the program says of a frame, or -errno. */
static int run_frame(int fd, const __u8 *frame, size_t len)
{
	LIBBPF_OPTS(bpf_test_run_opts, opts, .data_in = frame, .data_size_in = len, .repeat = 1);
	int err = bpf_prog_test_run_opts(fd, &opts);

	return err ? err : (int)opts.retval;
}

/*
 * What the program says of the packet, -errno, or -EBADE: a fragment behind its first one
 * is not taken for what that was.
 */
static int ask_program(int fd, const struct ct_pkt *pkt)
{
	__u8 frame[CT_GEN_FRAME];
	int r, state = 0;
	bool met = false;
	unsigned int i;
	size_t len;

	for (i = 0; (len = ct_lab_fragment(pkt, i, frame)); i++) {
		bool first = !(frame[20] & 0x1f) && !frame[21];

		r = run_frame(fd, frame, len);
		if (r < 0)
			return r;
		if (first)
			state = r;
		else if (met && !(r & FOLLOWED))
			return -EBADE;
		else if (met && (r ^ state) & 0xff) {
			/* Of TCP, by what made it whole. */
			if (frame[23] != IPPROTO_TCP || (state & 0xff) == CT_INVALID ||
			    (r & 0xff) != CT_INVALID)
				return -EBADE;
			guessed++;
			state = r;
		}
		met |= first;
	}
	return state;
}

static void show_flow(int i)
{
	struct history *h = &histories[i];
	unsigned int k = h->n > HISTORY ? h->n - HISTORY : 0;

	for (; k < h->n; k++)
		printf("#   %s\n", h->line[k % HISTORY]);
}

static int by_tuple(const void *a, const void *b)
{
	return memcmp(a, b, sizeof(struct ct_tuple));
}

static __u64 now_ns(void)
{
	struct timespec ts;

	clock_gettime(CLOCK_MONOTONIC, &ts);
	return ts.tv_sec * 1000000000ull + ts.tv_nsec;
}

static long our_table(int fd, struct ct_row **rows)
{
	struct ct_tuple key, *prev = NULL;
	size_t n = 0, cap = 4096;
	__u64 now = now_ns();
	struct ct_entry e;

	*rows = malloc(cap * sizeof(**rows));
	while (*rows && !bpf_map_get_next_key(fd, prev, &key)) {
		prev = &key;
		if (bpf_map_lookup_elem(fd, &key, &e) || e.deadline <= now)
			continue;
		if (n == cap)
			*rows = realloc(*rows, (cap *= 2) * sizeof(**rows));
		(*rows)[n++] = (struct ct_row){
			.orig = e.orig, .timeout = (e.deadline - now) / 1000000000,
			.state = e.orig.proto == IPPROTO_TCP || e.orig.proto == IPPROTO_SCTP ? e.state : -1,
			.status = e.status,
		};
	}
	return n;
}

static void show_row(const char *who, const struct ct_row *r)
{
	const __u8 *s = (void *)&r->orig.src, *d = (void *)&r->orig.dst;

	printf("# %s: proto %u state %d timeout %ld status %x %u.%u.%u.%u:%u > %u.%u.%u.%u:%u\n", who,
	       r->orig.proto, r->state, r->timeout, r->status, s[0], s[1], s[2], s[3],
	       ntohs(r->orig.sport), d[0], d[1], d[2], d[3], ntohs(r->orig.dport));
}

/* What the dumps of the router's table have said so far, sorted; timeouts are deadlines in s. */
struct dumped {
	struct ct_row *rows;
	long n;
};

/* Dump the router's table once more. What was dumped before is replaced. Return: 0 or -errno. */
static int dump_more(struct dumped *all, struct ct_lab *lab)
{
	struct ct_row *rows, *grown, *known;
	long now, i, n = ct_lab_table(lab, &rows), had = all->n;

	if (n < 0)
		return n;
	grown = realloc(all->rows, (had + n) * sizeof(*rows));
	if (!grown && had + n) {
		free(rows);
		return -ENOMEM;
	}
	all->rows = grown;
	now = now_ns() / 1000000000;
	for (i = 0; i < n; i++) {
		rows[i].timeout += now;
		known = had ? bsearch(&rows[i], grown, had, sizeof(*rows), by_tuple) : NULL;
		*(known ?: &grown[all->n++]) = rows[i];
	}
	qsort(grown, all->n, sizeof(*rows), by_tuple);
	free(rows);
	return 0;
}

/* Return: number of differences between the router's table, as @all has it, and ours. */
static long compare_tables(const struct dumped *all, int fd, const char *who)
{
	long now = now_ns() / 1000000000, no, i, diffs = 0;
	struct ct_row *ours = NULL, *o, t;

	no = our_table(fd, &ours);
	if (!ours)
		return 1;
	qsort(ours, no, sizeof(*ours), by_tuple);
	for (i = 0; i < all->n; i++) {
		t = all->rows[i];
		t.timeout -= now;
		o = bsearch(&t, ours, no, sizeof(*ours), by_tuple);
		/* About to expire: it may be gone from one of the dumps. */
		if (!o && t.timeout <= TIMEOUT_SLACK)
			continue;
		if (o && o->state == t.state && o->status == t.status &&
		    labs(o->timeout - t.timeout) <= TIMEOUT_SLACK)
			continue;
		if (diffs++ < MAX_DIFFS) {
			show_row("kernel", &t);
			if (o)
				show_row(who, o);
		}
	}
	for (i = 0; i < no; i++) {
		if (ours[i].timeout <= TIMEOUT_SLACK ||
		    (all->n && bsearch(&ours[i], all->rows, all->n, sizeof(*ours), by_tuple)))
			continue;
		if (diffs++ < MAX_DIFFS)
			show_row(who, &ours[i]);
	}
	free(ours);
	return diffs;
}

/* The hook that the program is to be at: ct_test.bpf.c reads it from the source MAC. */
static void set_hook(const struct ct_lab *lab, struct ct_pkt *pkt)
{
	if (lab->mode == CT_LAB_LO || (lab->mode == CT_LAB_HOST && !pkt->side))
		pkt->frame[11] = 1;
}

/* Over lo: INPUT, after OUTPUT said @state. Return: what the program says. */
static int ask_input(int fd, struct ct_pkt *pkt, int state)
{
	pkt->frame[10] = state;
	pkt->frame[11] = 2;
	return ask_program(fd, pkt) & 0xff;
}

/* One packet. Return: 0 same, 1 different, -errno. */
static int step(struct ct_lab *lab, struct prng *p, int tc_fd, int xdp_fd, long counts[256])
{
	int i = prng_below(p, FLOWS), kernel, tc, xdp;
	const struct ct_flow *about = NULL;
	struct ct_flow *f = &flows[i];
	struct history *h = &histories[i];
	static struct ct_pkt pkt;

	if (!f->packets || prng_below(p, 60) == 0) {
		ct_flow_open(f, p, random_proto(p));
		h->n = 0;
	}
	if (f->packets && prng_percent(p, 7))
		about = f;
	ct_flow_packet(f, about, p, &pkt);
	kernel = ct_lab_ask(lab, &pkt);
	if (kernel < 0)
		return kernel;
	set_hook(lab, &pkt);
	tc = ask_program(tc_fd, &pkt);
	xdp = ask_program(xdp_fd, &pkt);
	if (lab->mode == CT_LAB_LO && kernel != CT_LAB_LOST &&
	    ask_input(tc_fd, &pkt, tc & 0xff) != (tc & 0xff))
		tc = -EBADE;
	snprintf(h->line[h->n++ % HISTORY], sizeof(h->line[0]), "%s %s kernel %s tc %s xdp %s",
		 pkt.side ? "<" : ">", pkt.what, state_name(kernel), state_name(tc & 0xff),
		 state_name(xdp & 0xff));
	if (verbose)
		printf("# flow %d %s\n", i, h->line[(h->n - 1) % HISTORY]);
	if (tc == xdp && (kernel == CT_LAB_LOST || kernel == (tc & 0xff))) {
		counts[kernel]++;
		return 0;
	}
	printf("# flow %d, %s: kernel %s, tc %s (%x), xdp %s (%x)\n", i, pkt.what,
	       state_name(kernel), state_name(tc & 0xff), tc, state_name(xdp & 0xff), xdp);
	show_flow(i);
	f->packets = 0;
	return 1;
}

/*
 * Fragments of TCP whose first does not say it all.
 * 4001: what is too old to move the window does not move it by its last fragment either: the
 * ACK of it is INVALID. 4002: data that is in the last fragment only is unacknowledged as
 * other data is: the timeout is shorter. 4003: so it is where the connection begins with it.
 * 4004: a SYN-ACK that acknowledges too much is INVALID, but its end counts: what
 * acknowledges its data is not. 4005: more than the window allows is let through unless it
 * is more than the receiver ever offered: INVALID, and the rules had taken the first
 * fragment for ESTABLISHED. 4006: half a RST ends nothing.
 */
static int fragments(struct ct_lab *lab, int tc_fd, int xdp_fd)
{
	enum { SYN = 2, RST = 4, ACK = 16, OLD = 1000000 };
	static const struct ct_segment script[] = {
		{ 0, 4001, SYN, 5, 1000, 0, 0, 0, 0 },
		{ 1, 4001, SYN | ACK, 5, 5000, 1001, 0, 0, 0 },
		{ 0, 4001, ACK, 5, 1001, 5001, 0, 0, 0 },
		{ 0, 4001, ACK, 5, 1001, 5001u - OLD, 96, 48, 0 },
		{ 1, 4001, ACK, 5, 5001, 1097, 0, 0, 0 },
		{ 0, 4002, SYN, 5, 1000, 0, 0, 0, 0 },
		{ 1, 4002, SYN | ACK, 5, 5000, 1001, 0, 0, 0 },
		{ 0, 4002, ACK, 5, 1001, 5001, 0, 0, 0 },
		{ 0, 4002, ACK, 8, 1001, 5001, 96, 32, 0 },
		{ 0, 4003, ACK, 8, 1001, 5001, 96, 32, 0 },
		{ 0, 4004, SYN, 5, 1000, 0, 0, 0, 0 },
		{ 1, 4004, SYN | ACK, 5, 5000, 1500, 96, 48, 0 },
		{ 1, 4004, SYN | ACK, 5, 5000, 1001, 0, 0, 0 },
		{ 0, 4004, ACK, 5, 1001, 5097, 0, 0, 0 },
		{ 0, 4005, SYN, 5, 1000, 0, 0, 0, 0 },
		{ 1, 4005, SYN | ACK, 5, 5000, 1001, 0, 0, 0 },
		{ 0, 4005, ACK, 5, 1001, 5001, 0, 0, 0 },
		{ 0, 4005, ACK, 5, 1001 + 65535 + 65400, 5001, 200, 48, 0 },
		{ 0, 4006, SYN, 5, 1000, 0, 0, 0, 0 },
		{ 1, 4006, SYN | ACK, 5, 5000, 1001, 0, 0, 0 },
		{ 0, 4006, ACK, 5, 1001, 5001, 0, 0, 0 },
		{ 0, 4006, RST, 5, 1001, 0, 96, 48, 1 },
	};
	struct ct_pkt pkt;
	int bad = 0;

	guessed = 0;
	for (size_t i = 0; i < sizeof(script) / sizeof(*script); i++) {
		int kernel, tc, xdp;

		ct_segment(&script[i], &pkt);
		kernel = ct_lab_ask(lab, &pkt);
		tc = ask_program(tc_fd, &pkt) & 0xff;
		xdp = ask_program(xdp_fd, &pkt) & 0xff;
		if (kernel == CT_LAB_LOST || (tc == kernel && xdp == kernel))
			continue;
		printf("# %s: kernel %s, tc %s, xdp %s\n", pkt.what, state_name(kernel),
		       state_name(tc), state_name(xdp));
		bad++;
	}
	if (guessed == 2)
		return bad;
	printf("# first fragments of 4005 that were not taken for more: %ld\n", 2 - guessed);
	return bad + 1;
}

/* All packets of one lab. @test: TAP tests so far. Return: tests that failed, -errno to skip. */
static int one_lab(const char *me, enum ct_lab_mode mode, long n, __u64 seed, int *test)
{
	long i, diffs = 0, counts[256] = { 0 }, bad, met, dump;
	struct prng p = { .state = seed };
	struct ct_test_xdp *xdp;
	struct dumped all = { 0 };
	struct ct_test *tc;
	struct ct_lab lab;
	int r;

	r = ct_lab_enter(&lab, mode);
	if (r)
		return r;
	memset(flows, 0, sizeof(flows));
	tc = ct_test__open_and_load();
	xdp = ct_test_xdp__open_and_load();
	printf("# %s -n %ld -s %#llx -m %s\n", me, n, seed, mode_name[mode]);
	if (!tc || !xdp) {
		printf("not ok %d - the programs load\n", ++*test);
		return 1;
	}
	if (mode == CT_LAB_FORWARD) {
		diffs = fragments(&lab, bpf_program__fd(tc->progs.ct_tc),
				  bpf_program__fd(xdp->progs.ct_xdp));
		printf("%sok %d - %s: fragments that say little\n", diffs ? "not " : "", ++*test,
		       mode_name[mode]);
	}
	guessed = 0;
	for (i = 0; i < n && diffs < MAX_DIFFS; i++) {
		r = step(&lab, &p, bpf_program__fd(tc->progs.ct_tc),
			 bpf_program__fd(xdp->progs.ct_xdp), counts);
		if (r < 0) {
			printf("# packet %ld: %s\n", i, strerror(-r));
			diffs++;
			break;
		}
		diffs += r;
	}
	printf("# NEW %ld ESTABLISHED %ld RELATED %ld INVALID %ld dropped %ld; by the first fragment %ld more\n",
	       counts[CT_NEW], counts[CT_ESTABLISHED], counts[CT_RELATED], counts[CT_INVALID],
	       counts[CT_LAB_LOST], guessed / 2);
	printf("%sok %d - %s: %ld packets have the kernel's ctstate at tc and xdp\n",
	       diffs ? "not " : "", ++*test, mode_name[mode], i);
	met = counts[CT_NEW] && counts[CT_ESTABLISHED] && counts[CT_RELATED] && counts[CT_INVALID];
	printf("%sok %d - %s: every state was met\n", met ? "" : "not ", ++*test, mode_name[mode]);
	bad = diffs ? 1 : -1;
	for (dump = 0; bad && !diffs && dump < DUMPS; dump++)
		bad = dump_more(&all, &lab) ? 1 :
			compare_tables(&all, bpf_map__fd(tc->maps.conntrack), "tc");
	printf("%sok %d - %s: %ld entries have the kernel's state, status and timeout\n",
	       bad ? "not " : "", ++*test, mode_name[mode], all.n);
	free(all.rows);
	ct_test__destroy(tc);
	ct_test_xdp__destroy(xdp);
	ct_lab_leave(&lab);
	return !!diffs + !met + !!bad;
}

int main(int argc, char **argv)
{
	int opt, r, test = 0, failed = 0, only = -1, mode;
	__u64 seed = 1;
	long n = 100000;

	while ((opt = getopt(argc, argv, "n:s:p:m:v")) > 0) {
		switch (opt) {
		case 'n': n = atol(optarg); break;
		case 's': seed = strtoull(optarg, NULL, 0); break;
		case 'p': only_proto = atoi(optarg); break;
		case 'v': verbose = 1; break;
		case 'm':
			for (mode = 0; mode < NR_CT_LAB_MODES; mode++)
				if (!strcmp(optarg, mode_name[mode]))
					only = mode;
			if (only >= 0)
				break;
			return 2;
		default: return 2;
		}
	}
	if (geteuid()) {
		printf("1..0 # SKIP needs root\n");
		return 4;
	}
	for (mode = 0; mode < NR_CT_LAB_MODES; mode++) {
		if (only >= 0 && mode != only)
			continue;
		r = one_lab(argv[0], mode, n, seed, &test);
		if (r < 0)
			printf("ok %d - %s # SKIP no router with iptables-legacy: %s\n", ++test,
			       mode_name[mode], strerror(-r));
		else
			failed += r;
	}
	printf("1..%d\n", test);
	return failed != 0;
}
