// SPDX-License-Identifier: GPL-2.0-only
/*
 * ct_table.c - the conntrack table itself: full, expired, and shared by two CPUs
 *
 *	ct_table [-n PACKETS]		per CPU and case, default 4000
 *
 * ct_test.bpf.c labels and commits each packet at tc; the table has 64 entries. What
 * netfilter does when its table is full is the measure (early_drop(),
 * nf_ct_resolve_clash(): net/netfilter/nf_conntrack_core.c): unassured entries give way,
 * assured ones never do, and the packet is dropped and counted when none can.
 *
 * Time does not pass by sleeping: an entry's deadline is moved into the past. One case
 * waits for a timeout of a second, by the clock.
 */
#include <arpa/inet.h>
#include <errno.h>
#include <netinet/in.h>
#include <netinet/ip.h>
#include <netinet/tcp.h>
#include <netinet/udp.h>
#include <pthread.h>
#include <sched.h>
#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>
#include <unistd.h>
#include <linux/if_ether.h>
#include <bpf/bpf.h>
#include <bpf/libbpf.h>

#include "../../progs/abi/counters.h"
#include "../../progs/abi/ct.h"
#include "ct_test.skel.h"

#define ROOM		64
#define FLOWS		(ROOM / 4)	/* of one round; both CPUs claim a slot for each */
#define FULL_BIT	(1 << 9)

static struct ct_test *skel;
static int prog_fd, map_fd, test_nr, bad;
static long packets = 4000;

static void ok(bool good, const char *text)
{
	printf("%sok %d - %s\n", good ? "" : "not ", ++test_nr, text);
	bad += !good;
}

static void same(long want, long got, const char *text)
{
	if (want != got)
		printf("# want %ld, got %ld\n", want, got);
	ok(want == got, text);
}

struct frame {
	unsigned char byte[128];
};

/* A UDP (@flags < 0) or TCP segment; checksums are not looked at here. */
static struct frame frame(const char *src, __u16 sport, const char *dst, __u16 dport, int flags,
			  __u32 seq, __u32 ack)
{
	struct frame f = {};
	struct ethhdr *eth = (void *)f.byte;
	struct iphdr *ip = (void *)(eth + 1);
	struct udphdr *udp = (void *)(ip + 1);
	struct tcphdr *tcp = (void *)(ip + 1);

	eth->h_proto = htons(ETH_P_IP);
	ip->version = 4;
	ip->ihl = 5;
	ip->ttl = 64;
	ip->tot_len = htons(sizeof(f) - sizeof(*eth));
	inet_pton(AF_INET, src, &ip->saddr);
	inet_pton(AF_INET, dst, &ip->daddr);
	ip->protocol = flags < 0 ? IPPROTO_UDP : IPPROTO_TCP;
	if (flags < 0) {
		udp->source = htons(sport);
		udp->dest = htons(dport);
		udp->len = htons(sizeof(f) - sizeof(*eth) - sizeof(*ip));
	} else {
		tcp->source = htons(sport);
		tcp->dest = htons(dport);
		tcp->seq = htonl(seq);
		tcp->ack_seq = htonl(ack);
		tcp->doff = 5;
		tcp->window = htons(60000);
		f.byte[sizeof(*eth) + sizeof(*ip) + 13] = flags;
		/* no data: a SYN and a FIN take one number, an ACK none */
		ip->tot_len = htons(sizeof(*ip) + sizeof(*tcp));
	}
	unsigned int sum = 0;
	for (int i = 0; i < 10; i++)
		sum += ((__u16 *)ip)[i];
	sum = (sum & 0xffff) + (sum >> 16);
	ip->check = ~((sum & 0xffff) + (sum >> 16));
	return f;
}

static int run(const struct frame *f)
{
	LIBBPF_OPTS(bpf_test_run_opts, opts, .data_in = f, .data_size_in = sizeof(*f), .repeat = 1);
	int err = bpf_prog_test_run_opts(prog_fd, &opts);

	return err ? err : (int)opts.retval;
}

static int udp(__u16 sport)
{
	struct frame f = frame("10.0.0.1", sport, "10.0.0.2", 53, -1, 0, 0);

	return run(&f);
}

/* A handshake: the entry is ASSURED after it. Return: the last segment's state. */
static int establish(__u16 sport)
{
	struct frame f = frame("10.0.0.1", sport, "10.0.0.2", 80, TH_SYN, 99, 0);
	int r = run(&f);

	if (r & FULL_BIT)
		return r;
	f = frame("10.0.0.2", 80, "10.0.0.1", sport, TH_SYN | TH_ACK, 499, 100);
	run(&f);
	f = frame("10.0.0.1", sport, "10.0.0.2", 80, TH_ACK, 100, 500);
	return run(&f);
}

static long event(enum fw_event ev)
{
	int n = libbpf_num_possible_cpus();
	__u64 v[n], sum = 0;
	__u32 key = ev;

	if (bpf_map_lookup_elem(bpf_map__fd(skel->maps.events), &key, v))
		return -1;
	for (int i = 0; i < n; i++)
		sum += v[i];
	return sum;
}

/*
 * for_each() - visit the table
 * @proto:	0: all
 * @what:	0 count; 'D' delete; 'E' its time is up
 * Return: how many there were.
 */
static long for_each(int proto, int what)
{
	struct ct_tuple keys[4 * ROOM], *prev = NULL;
	struct ct_entry e;
	long n = 0, met = 0;

	while (n < 4 * ROOM && !bpf_map_get_next_key(map_fd, prev, &keys[n]))
		prev = &keys[n++];
	for (long i = 0; i < n; i++) {
		if (bpf_map_lookup_elem(map_fd, &keys[i], &e) || (proto && e.orig.proto != proto))
			continue;
		met++;
		if (what == 'D')
			bpf_map_delete_elem(map_fd, &keys[i]);
		e.deadline = 1;
		if (what == 'E')
			bpf_map_update_elem(map_fd, &keys[i], &e, BPF_F_LOCK);
	}
	return met;
}

static bool only_entry(struct ct_entry *e)
{
	struct ct_tuple key;

	return !bpf_map_get_next_key(map_fd, NULL, &key) && !bpf_map_lookup_elem(map_fd, &key, e) &&
	       for_each(0, 0) == 1;
}

/* Entries whose slot does not name them: eviction would never find them again. */
static long orphans(void)
{
	struct ct_tuple key, *prev = NULL;
	struct ct_entry e;
	struct ct_slot slot;
	long n = 0;

	for (int left = 4 * ROOM; left && !bpf_map_get_next_key(map_fd, prev, &key); left--) {
		prev = &key;
		if (!bpf_map_lookup_elem(map_fd, &key, &e) &&
		    (bpf_map_lookup_elem(bpf_map__fd(skel->maps.ct_slots), &e.slot, &slot) ||
		     memcmp(&slot.key, &key, sizeof(key))))
			n++;
	}
	return n;
}

/* Neither entries nor slots: one that was just claimed is left alone for some ms. */
static void start_afresh(void)
{
	struct ct_slot none = {};

	for_each(0, 'D');
	for (__u32 i = 0; i < 2 * ROOM; i++)
		bpf_map_update_elem(bpf_map__fd(skel->maps.ct_slots), &i, &none, BPF_ANY);
}

static void test_full(void)
{
	long n = 0, before;
	struct frame f;
	int r;

	for (int i = 0; i < ROOM; i++)
		n += (establish(1000 + i) & 0xff) == CT_ESTABLISHED;
	same(ROOM, n, "the table takes as many connections as it was sized for");
	before = event(EV_CT_FULL);
	r = udp(1);
	ok((r & 0xff) == CT_NEW && r & FULL_BIT, "full of assured ones: a new one is NEW, and dropped");
	ok(establish(5000) & FULL_BIT, "so is a SYN");
	same(2, event(EV_CT_FULL) - before, "both are counted");
	same(ROOM, for_each(IPPROTO_TCP, 0), "no assured entry gave way");
	f = frame("10.0.0.2", 80, "10.0.0.1", 1000, TH_ACK, 500, 100);
	r = run(&f);
	ok((r & 0xff) == CT_ESTABLISHED && !(r & FULL_BIT), "and they go on");

	for (int i = 0; i < ROOM / 2; i++) {
		f = frame("10.0.0.1", 1000 + i, "10.0.0.2", 80, TH_RST | TH_ACK, 100, 500);
		run(&f);
	}
	before = event(EV_CT_EARLY_DROP);
	for (int i = n = 0; i < ROOM / 4; i++)
		n += !(udp(100 + i) & FULL_BIT);
	same(ROOM / 4, n, "connections that are closing give way");
	same(ROOM / 4, event(EV_CT_EARLY_DROP) - before, "each is counted");
	for (int i = n = 0; i < 10 * ROOM; i++)
		n += !(udp(2000 + i) & FULL_BIT);
	same(10 * ROOM, n, "and so do unassured ones, again and again");
	same(ROOM, for_each(0, 0), "the table stays full");
	ok(for_each(IPPROTO_TCP, 0) >= ROOM / 2, "the established half of it is there still");
	same(0, orphans(), "every entry can be found by eviction");
}

static void test_expired(void)
{
	struct timespec t0, t;
	struct ct_entry e;
	long before;
	int r;

	for_each(0, 'D');
	for (int i = 0; i < ROOM; i++)
		establish(1000 + i);
	same(ROOM, for_each(IPPROTO_TCP, 'E'), "a full table, and everybody's time is up");
	before = event(EV_CT_FULL);
	r = establish(1000);
	ok((r & 0xff) == CT_ESTABLISHED && !(r & FULL_BIT), "one of them comes again, as a new one");
	for (int i = r = 0; i < ROOM / 2; i++)
		r |= udp(100 + i);
	ok(!(r & FULL_BIT), "new ones find room");
	same(0, event(EV_CT_FULL) - before, "nothing was dropped");
	ok(event(EV_CT_EXPIRED) > 0, "expired entries are counted");

	for_each(0, 'D');
	skel->data_ct->ct_params.udp = 1;
	clock_gettime(CLOCK_MONOTONIC, &t0);
	ok((udp(7) & 0xff) == CT_NEW && only_entry(&e) && e.deadline - e.created == 1000000000ull,
	   "a timeout of one second, set while the program runs");
	do {
		clock_gettime(CLOCK_MONOTONIC, &t);
		usleep(20000);
	} while (t.tv_sec * 1000000000ull + t.tv_nsec <= e.deadline + 100000000);
	same(CT_NEW, udp(7) & 0xff, "behind it the flow is NEW");
	struct ct_entry second = {};

	ok(only_entry(&second) && second.created > e.created && second.packets[0] == 1,
	   "with an entry of its own, counting from one");
	skel->data_ct->ct_params.udp = 30;
}

/* What one of two CPUs sends, at the same time as the other one. */
struct sender {
	pthread_t thread;
	int cpu;
	struct frame frame;
	bool fresh;		/* the source port moves: FLOWS new flows, again and again */
	bool clears;		/* empties the table before each round of them */
	long dropped;
	long wrong;		/* a state out of @states */
	unsigned int states;
};

static atomic_long turn;

/* Both at the same packet: the next one when both are done. */
static void meet(long n)
{
	atomic_fetch_add(&turn, 1);
	while (atomic_load(&turn) < 2 * (n + 1))
		sched_yield();
}

static void *send_all(void *arg)
{
	struct sender *s = arg;
	struct udphdr *l4 = (void *)(s->frame.byte + sizeof(struct ethhdr) + sizeof(struct iphdr));
	cpu_set_t cpus;

	CPU_ZERO(&cpus);
	CPU_SET(s->cpu, &cpus);
	pthread_setaffinity_np(pthread_self(), sizeof(cpus), &cpus);
	for (long i = 0; i < packets; i++) {
		int r;

		if (s->fresh) {
			l4->source = htons(20000 + i % FLOWS);
			if (!(i % FLOWS)) {
				meet(2 * (i / FLOWS));
				if (s->clears)
					start_afresh();
				meet(2 * (i / FLOWS) + 1);
			}
		}
		r = run(&s->frame);
		s->dropped += !!(r & FULL_BIT);
		s->wrong += !(r & s->states & 0xff);
	}
	return NULL;
}

static void both(struct sender *a, struct sender *b)
{
	a->cpu = 0;
	b->cpu = sysconf(_SC_NPROCESSORS_ONLN) > 1;
	atomic_store(&turn, 0);
	pthread_create(&a->thread, NULL, send_all, a);
	pthread_create(&b->thread, NULL, send_all, b);
	pthread_join(a->thread, NULL);
	pthread_join(b->thread, NULL);
}

static void test_two_cpus(void)
{
	struct sender a = {}, b = {};
	struct ct_entry e;
	long bytes, clashes;

	for_each(0, 'D');
	establish(1000);
	a.frame = frame("10.0.0.1", 1000, "10.0.0.2", 80, TH_ACK, 100, 500);
	b.frame = frame("10.0.0.2", 80, "10.0.0.1", 1000, TH_ACK, 500, 100);
	a.states = b.states = CT_ESTABLISHED;
	both(&a, &b);
	same(0, a.wrong + b.wrong, "TCP, a direction on each CPU: every packet is ESTABLISHED");
	ok(only_entry(&e) && e.state == CT_TCP_ESTABLISHED && e.status & CTS_ASSURED,
	   "the entry is");
	same(packets + 2, e.packets[CT_ORIG], "no packet of the one is lost");
	same(packets + 1, e.packets[CT_REPLY], "nor of the other");
	same((packets + 2) * 40, e.bytes[CT_ORIG], "nor a byte");

	for_each(0, 'D');
	a = b = (struct sender){ .states = CT_NEW | CT_ESTABLISHED };
	a.frame = frame("10.0.0.1", 1000, "10.0.0.2", 53, -1, 0, 0);
	b.frame = frame("10.0.0.2", 53, "10.0.0.1", 1000, -1, 0, 0);
	bytes = sizeof(a.frame) - sizeof(struct ethhdr);
	both(&a, &b);
	ok(!a.wrong && !b.wrong && only_entry(&e), "UDP, opened from both sides at once: one entry");
	same(2 * packets, e.packets[0] + e.packets[1], "every packet is counted");
	same(packets, e.packets[0], "in its direction");
	same(2 * packets * bytes, e.bytes[0] + e.bytes[1], "and every byte");

	for_each(0, 'D');
	clashes = event(EV_CT_CLASH);
	a = b = (struct sender){ .states = CT_NEW, .fresh = true };
	a.frame = b.frame = frame("10.0.0.1", 0, "10.0.0.2", 53, -1, 0, 0);
	a.clears = true;
	both(&a, &b);
	printf("# %ld times the other CPU was faster\n", event(EV_CT_CLASH) - clashes);
	same(0, a.wrong + b.wrong + a.dropped + b.dropped,
	     "a new flow from both CPUs at once, again and again: NEW, and nothing dropped");
	same((packets - 1) % FLOWS + 1, for_each(0, 0), "an entry each");
	struct ct_tuple key;
	long sum = 0, sent = (packets - 1) % FLOWS + 1;

	for (struct ct_tuple *p = NULL; !bpf_map_get_next_key(map_fd, p, &key); p = &key)
		if (!bpf_map_lookup_elem(map_fd, &key, &e))
			sum += e.packets[CT_ORIG];
	same(2 * sent, sum, "both packets are counted in it");
	same(0, orphans(), "two CPUs never take one slot");
}

int main(int argc, char **argv)
{
	int opt;

	while ((opt = getopt(argc, argv, "n:")) > 0) {
		if (opt != 'n')
			return 2;
		packets = atol(optarg);
	}
	if (geteuid()) {
		printf("1..0 # SKIP needs root\n");
		return 4;
	}
	skel = ct_test__open();
	if (skel) {
		skel->rodata->ct_slots_mask = 2 * ROOM - 1;
		bpf_map__set_max_entries(skel->maps.conntrack, ROOM);
		bpf_map__set_max_entries(skel->maps.ct_slots, 2 * ROOM);
	}
	if (!skel || ct_test__load(skel)) {
		printf("not ok 1 - the programs load\n1..1\n");
		return 1;
	}
	skel->data_ct->ct_params.checksum = 0;
	prog_fd = bpf_program__fd(skel->progs.ct_tc);
	map_fd = bpf_map__fd(skel->maps.conntrack);
	test_full();
	test_expired();
	test_two_cpus();
	printf("1..%d\n", test_nr);
	ct_test__destroy(skel);
	return bad != 0;
}
