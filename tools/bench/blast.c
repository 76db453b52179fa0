// SPDX-License-Identifier: GPL-2.0-only
/*
 * blast.c - what does a packet cost in each of several worlds?
 *
 *	blast run [-r ROUNDS] [-t MS] [-n FRAMES] [-c CPU] [-d N] TEMPLATES WORLD...
 *	blast flood [-p PACKETS-PER-SECOND [-t TICKS] -c CPU] SECONDS TEMPLATES WORLD
 *	blast attach NETNS DEV PROG [ADDRESSES]		PROG: sink, hash_drop
 *
 * A WORLD is NAME:NETNS:IN:OUT: frames are redirected into device IN of that
 * namespace and come back, when nobody dropped them, at device OUT. TEMPLATES is a
 * file of struct blast_frame, sent in turn.
 *
 * Each round visits every world once, so that what disturbs the machine disturbs
 * all alike; of the BURSTS of a visit the fastest counts. Each of them meets every template
 * some times, after one burst that is not timed: else most packets of 4096 flows would be a
 * flow's first since the other worlds, and the making of the page pool, had the caches, which
 * is nobody's traffic. (But where a packet takes so long that such a burst would be longer
 * than four visits: there caches are no matter.) Injection is synchronous
 * and, on one CPU under SCHED_FIFO, nothing else runs: time / frames is a packet's
 * cost, generator and sink included. With -n a visit is one burst of FRAMES, for what
 * only the first packets of a flow cost. Output lines, MS milliseconds each:
 *
 *	NAME ROUND FRAMES NS-PER-FRAME SHARE-DELIVERED
 *	NAME sent FRAMES			at the end, all of its frames
 *
 * A flood measures nothing: it sends into one world until SIGTERM, or for so many
 * seconds, and says how many frames that were. Without -p it sends as fast as it can at
 * the priority of everybody else; with it at that rate, if the CPU can, ahead of every
 * process on it as packets from a wire would be, in TICKS lots a second (20).
 *
 * Exit: 0; 1 when a world delivered another number of frames than -d asks for
 * (1: all of them, 0: none); 2 for trouble.
 */
#include <arpa/inet.h>
#include <errno.h>
#include <fcntl.h>
#include <net/if.h>
#include <sched.h>
#include <signal.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>
#include <unistd.h>
#include <sys/prctl.h>
#include <bpf/bpf.h>
#include <bpf/libbpf.h>
#include <linux/if_link.h>

#include "blast.skel.h"
#include "blast.h"

#define BATCH		64
#define BURSTS		16	/* per visit; the fastest counts */
#define LONG_BURSTS	4	/* where it takes longer to have so many turns */
#define TURNS		4	/* of every template, in a burst */
#define MOST_FRAMES	(1u << 20)
#define MAX_WORLDS	32
#define FLOOD		4096	/* frames between two looks at the clock */
#define FLOOD_TICKS	20	/* making a page pool takes 20 ms */

/* @frames: per burst, from the first one's speed; @bursts: per visit, beside the first */
struct world {
	const char *name;
	char *netns;
	char *in;
	char *out;
	int fd;
	unsigned int ifindex;
	unsigned int frames;
	unsigned int bursts;
	unsigned long long sent;
};

static void die(const char *what)
{
	fprintf(stderr, "blast: %s: %s\n", what, strerror(errno));
	exit(2);
}

static int netns_open(const char *name)
{
	char path[256];
	int fd;

	snprintf(path, sizeof(path), "/run/netns/%s", name);
	fd = open(path, O_RDONLY | O_CLOEXEC);
	if (fd < 0)
		die(path);
	return fd;
}

static unsigned long long rx_packets(const char *dev)
{
	unsigned long long n = 0;
	char line[512], name[64];
	FILE *f = fopen("/proc/thread-self/net/dev", "r");

	while (f && fgets(line, sizeof(line), f))
		if (sscanf(line, " %63[^:]: %*u %llu", name, &n) == 2 && !strcmp(name, dev))
			break;
	if (f)
		fclose(f);
	return n;
}

/*
 * Return: nanoseconds per frame, by the kernel's own clock, which stands still while
 * it makes the page pool and while it lets others run.
 */
static unsigned int burst(struct blast *skel, struct world *w, unsigned int frames)
{
	char data[sizeof(struct blast_frame)] = "";
	LIBBPF_OPTS(bpf_test_run_opts, opts, .data_in = data, .data_size_in = sizeof(data),
		    .repeat = frames, .batch_size = BATCH, .flags = BPF_F_TEST_XDP_LIVE_FRAMES);

	skel->bss->out_ifindex = w->ifindex;
	if (bpf_prog_test_run_opts(bpf_program__fd(skel->progs.blast), &opts) && errno != EINTR)
		die("BPF_PROG_TEST_RUN");
	w->sent += frames;
	return opts.duration ? opts.duration : 1;
}

static void load_templates(struct blast *skel, const char *path)
{
	FILE *f = fopen(path, "r");
	struct blast_frame frame;
	__u32 n = 0;

	if (!f)
		die(path);
	while (n < BLAST_TEMPLATES && fread(&frame, sizeof(frame), 1, f) == 1) {
		if (bpf_map_update_elem(bpf_map__fd(skel->maps.templates), &n, &frame, 0))
			die("template");
		n++;
	}
	fclose(f);
	if (!n)
		die("no templates");
	skel->data->nr_templates = n;
}

static void world_parse(struct world *w, char *spec)
{
	w->name = strsep(&spec, ":");
	w->netns = strsep(&spec, ":");
	w->in = strsep(&spec, ":");
	w->out = spec;
	if (!w->out) {
		errno = EINVAL;
		die("world");
	}
	w->fd = netns_open(w->netns);
	if (setns(w->fd, CLONE_NEWNET))
		die(w->netns);
	w->ifindex = if_nametoindex(w->in);
	if (!w->ifindex)
		die(w->in);
}

/*
 * Frames and bursts of this world's visits of @ms: the first call for a world. By the speed of
 * a second turn: the first one opens connections, and meets code and tables for the first
 * time. (But where even these packets say that caches are no matter.)
 */
static void plan_visit(struct blast *skel, struct world *w, unsigned int ms)
{
	unsigned int turn = skel->data->nr_templates, all = turn * TURNS, ns, want;

	burst(skel, w, BATCH);
	ns = burst(skel, w, 2 * BATCH);
	if ((unsigned long long)turn * ns <= ms * 16000000ull) {
		burst(skel, w, turn);
		ns = burst(skel, w, turn + BATCH);
	}
	want = ms * 1000000ull / BURSTS / ns;
	w->bursts = BURSTS;
	if (want < all && (unsigned long long)all * ns <= ms * 4000000ull) {
		want = all;
		w->bursts = LONG_BURSTS;
	}
	w->frames = want > MOST_FRAMES ? MOST_FRAMES : (want + BATCH) / BATCH * BATCH;
}

/* The fastest burst of a visit; *@share: of its frames, how many came out. */
static unsigned int visit(struct blast *skel, struct world *w, bool warm, double *share)
{
	unsigned long long seen = rx_packets(w->out), sent = w->sent;
	unsigned int best = ~0u;

	if (warm)
		burst(skel, w, w->frames);
	for (unsigned int i = 0; i < w->bursts; i++) {
		unsigned int ns = burst(skel, w, w->frames);

		best = ns < best ? ns : best;
	}
	*share = (double)(rx_packets(w->out) - seen) / (w->sent - sent);
	return best;
}

static void pin_to(int cpu)
{
	struct sched_param prio = { .sched_priority = 1 };
	cpu_set_t cpus;

	CPU_ZERO(&cpus);
	CPU_SET(cpu, &cpus);
	if (sched_setaffinity(0, sizeof(cpus), &cpus))
		die("sched_setaffinity");
	sched_setscheduler(0, SCHED_FIFO, &prio);
}

static int run(int argc, char **argv)
{
	unsigned int rounds = 5, ms = 20, n = 0, nr_bad = 0, fixed = 0;
	struct world world[MAX_WORLDS] = {};
	int cpu = sysconf(_SC_NPROCESSORS_ONLN) - 1, deliver = -1, opt;
	struct blast *skel;

	while ((opt = getopt(argc, argv, "r:t:n:c:d:")) != -1)
		switch (opt) {
		case 'r': rounds = atoi(optarg); break;
		case 't': ms = atoi(optarg); break;
		case 'n': fixed = atoi(optarg); break;
		case 'c': cpu = atoi(optarg); break;
		case 'd': deliver = atoi(optarg); break;
		default: return 2;
		}
	if (optind + 1 >= argc)
		return 2;
	skel = blast__open_and_load();
	if (!skel)
		die("load");
	load_templates(skel, argv[optind++]);
	for (; optind < argc && n < MAX_WORLDS; optind++)
		world_parse(&world[n++], argv[optind]);
	pin_to(cpu);
	for (unsigned int r = 0; r < rounds; r++) {
		for (struct world *w = world; w < world + n; w++) {
			unsigned int ns;
			double share;

			if (setns(w->fd, CLONE_NEWNET))
				die(w->netns);
			if (fixed) {
				w->frames = fixed;
				w->bursts = 1;
			} else if (!w->frames) {
				plan_visit(skel, w, ms);
			}
			ns = visit(skel, w, !fixed, &share);
			printf("%s %u %u %u %.4f\n", w->name, r, w->frames, ns, share);
			if (deliver >= 0 && share != deliver)
				nr_bad++;
		}
	}
	for (struct world *w = world; w < world + n; w++)
		printf("%s sent %llu\n", w->name, w->sent);
	blast__destroy(skel);
	return nr_bad ? 1 : 0;
}

static long long ns_between(const struct timespec *from, const struct timespec *to)
{
	return (to->tv_sec - from->tv_sec) * 1000000000ll + to->tv_nsec - from->tv_nsec;
}

/* Sleep until a tick after the last one; ticks that went by are not made up for. */
static void tick(struct timespec *next, int ticks)
{
	struct timespec now;

	next->tv_nsec += 1000000000 / ticks;
	if (next->tv_nsec >= 1000000000) {
		next->tv_nsec -= 1000000000;
		next->tv_sec++;
	}
	clock_nanosleep(CLOCK_MONOTONIC, TIMER_ABSTIME, next, NULL);
	clock_gettime(CLOCK_MONOTONIC, &now);
	if (ns_between(next, &now) > 0)
		*next = now;
}

/* Until then SIGTERM waits: a run that it cut short would not say how many it sent. */
static bool stopped(void)
{
	sigset_t pending;

	return !sigpending(&pending) && sigismember(&pending, SIGTERM);
}

static int flood(int argc, char **argv)
{
	int rate = 0, ticks = FLOOD_TICKS, cpu = sysconf(_SC_NPROCESSORS_ONLN) - 1, opt;
	struct timespec next;
	struct world w = {};
	struct blast *skel;
	sigset_t term;
	time_t end;

	while ((opt = getopt(argc, argv, "p:t:c:")) != -1)
		switch (opt) {
		case 'p': rate = atoi(optarg); break;
		case 't': ticks = atoi(optarg); break;
		case 'c': cpu = atoi(optarg); break;
		default: return 2;
		}
	if (argc - optind != 3 || ticks < 1)
		return 2;
	sigemptyset(&term);
	sigaddset(&term, SIGTERM);
	sigprocmask(SIG_BLOCK, &term, NULL);
	skel = blast__open_and_load();
	if (!skel)
		die("load");
	load_templates(skel, argv[optind + 1]);
	world_parse(&w, argv[optind + 2]);
	if (rate)
		pin_to(cpu);
	clock_gettime(CLOCK_MONOTONIC, &next);
	for (end = time(NULL) + atoi(argv[optind]); !stopped() && time(NULL) < end; ) {
		burst(skel, &w, rate ? rate / ticks : FLOOD);
		if (rate)
			tick(&next, ticks);
	}
	printf("%llu\n", w.sent);
	blast__destroy(skel);
	return 0;
}

static int attach(int argc, char **argv)
{
	struct blast *skel;
	const struct bpf_program *prog;
	unsigned int ifindex;
	int fd;

	if (argc < 4)
		return 2;
	fd = netns_open(argv[1]);
	skel = blast__open_and_load();
	if (!skel)
		die("load");
	prog = bpf_object__find_program_by_name(skel->obj, argv[3]);
	if (!prog || setns(fd, CLONE_NEWNET))
		die(argv[3]);
	if (argc > 4) {
		FILE *f = fopen(argv[4], "r");
		struct in_addr a;
		char line[64];
		__u32 one = 1;

		while (f && fgets(line, sizeof(line), f)) {
			line[strcspn(line, "\n")] = 0;
			if (inet_aton(line, &a) &&
			    bpf_map_update_elem(bpf_map__fd(skel->maps.blacklist), &a, &one, 0))
				die(line);
		}
		if (f)
			fclose(f);
	}
	ifindex = if_nametoindex(argv[2]);
	if (bpf_xdp_attach(ifindex, bpf_program__fd(prog), XDP_FLAGS_DRV_MODE, NULL))
		die(argv[2]);
	return 0;
}

int main(int argc, char **argv)
{
	prctl(PR_SET_PDEATHSIG, SIGKILL);
	if (argc > 1 && !strcmp(argv[1], "run"))
		return run(argc - 1, argv + 1);
	if (argc > 1 && !strcmp(argv[1], "flood"))
		return flood(argc - 1, argv + 1);
	if (argc > 1 && !strcmp(argv[1], "attach"))
		return attach(argc - 1, argv + 1);
	fputs("usage: blast run|flood|attach ...\n", stderr);
	return 2;
}
