// SPDX-License-Identifier: GPL-2.0-only
/*
 * grace.c - user/grace.c: what is waited for has ended, and what claims say
 *
 * A program that takes long (it reads the clock 100,000 times, and again in each of 33
 * tail calls) says in a map when it begins and when it ends. A visit of all CPUs, or a
 * grace period, that begins in between must not be over before it has ended.
 */
#include <errno.h>
#include <pthread.h>
#include <sched.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <unistd.h>
#include <bpf/bpf.h>
#include <bpf/libbpf.h>

#include "../../user/instance_int.h"

#define ROUNDS	5	/* in which the wait began in time */
#define TRIES	50
#define LOOPS	100000

#define KSFT_SKIP	4

struct said {
	volatile __u32 begun;
	volatile __u32 ended;
};

static int test_nr, bad, prog_fd;

static void ok(bool good, const char *text)
{
	printf("%sok %d - %s\n", good ? "" : "not ", ++test_nr, text);
	bad += !good;
}

static void die(const char *what)
{
	printf("Bail out! %s: %s\n", what, strerror(errno));
	exit(1);
}

#define INSN(c, d, s, o, i)	{ .code = (c), .dst_reg = (d), .src_reg = (s), .off = (o), .imm = (i) }
#define LD_FD(reg, kind, fd)	INSN(BPF_LD | BPF_DW | BPF_IMM, reg, kind, 0, fd), INSN(0, 0, 0, 0, 0)
#define ST32(reg, off, value)	INSN(BPF_ST | BPF_MEM | BPF_W, reg, 0, off, value)

/* begun = 1; for (i = LOOPS; i; i--) ktime(); tail_call(itself); ended = 1; */
static int long_program(int said, int self)
{
	const struct bpf_insn prog[] = {
		INSN(BPF_ALU64 | BPF_MOV | BPF_X, BPF_REG_6, BPF_REG_1, 0, 0),
		LD_FD(BPF_REG_8, BPF_PSEUDO_MAP_VALUE, said),
		ST32(BPF_REG_8, offsetof(struct said, begun), 1),
		INSN(BPF_ALU64 | BPF_MOV | BPF_K, BPF_REG_7, 0, 0, LOOPS),
		INSN(BPF_JMP | BPF_CALL, 0, 0, 0, BPF_FUNC_ktime_get_ns),
		INSN(BPF_ALU64 | BPF_ADD | BPF_K, BPF_REG_7, 0, 0, -1),
		INSN(BPF_JMP | BPF_JNE | BPF_K, BPF_REG_7, 0, -3, 0),
		INSN(BPF_ALU64 | BPF_MOV | BPF_X, BPF_REG_1, BPF_REG_6, 0, 0),
		LD_FD(BPF_REG_2, BPF_PSEUDO_MAP_FD, self),
		INSN(BPF_ALU64 | BPF_MOV | BPF_K, BPF_REG_3, 0, 0, 0),
		INSN(BPF_JMP | BPF_CALL, 0, 0, 0, BPF_FUNC_tail_call),
		ST32(BPF_REG_8, offsetof(struct said, ended), 1),
		INSN(BPF_ALU64 | BPF_MOV | BPF_K, BPF_REG_0, 0, 0, XDP_PASS),
		INSN(BPF_JMP | BPF_EXIT, 0, 0, 0, 0),
	};

	return bpf_prog_load(BPF_PROG_TYPE_XDP, "slow", "GPL", prog, sizeof(prog) / sizeof(*prog), NULL);
}

static void *run(void *unused)
{
	char frame[64] = "";
	LIBBPF_OPTS(bpf_test_run_opts, opts, .data_in = frame, .data_size_in = sizeof(frame), .repeat = 1);

	if (bpf_prog_test_run_opts(prog_fd, &opts))
		die("BPF_PROG_TEST_RUN");
	return NULL;
}

/* Begin a program that takes long. */
static void begin(struct said *said, pthread_t *thread)
{
	said->begun = said->ended = 0;
	if (pthread_create(thread, NULL, run, NULL))
		die("thread");
	while (!said->begun)
		sched_yield();
}

static void test_wait(struct said *said, bool (*wait)(void), const char *what)
{
	unsigned int rounds = 0;
	bool done = true, early = false;
	pthread_t thread;
	char text[128];

	for (int i = 0; i < TRIES && rounds < ROUNDS; i++) {
		begin(said, &thread);
		if (!said->ended) {
			done &= wait();
			early |= !said->ended;
			rounds++;
		}
		pthread_join(thread, NULL);
	}
	snprintf(text, sizeof(text), "%s while a program ran, and again", what);
	ok(done && rounds == ROUNDS, text);
	ok(!early, "when that was done the program had ended");
}

static bool grace_period(void)
{
	return !sync_rcu();
}

static void test_claims(void)
{
	struct img_claims claims[3] = {};

	ok(!slots_claimed(claims, 3), "no claim: no slot is read");
	claims[0].row[1] = CLAIM_SLOT(0);
	claims[2].row[IMG_CLAIMS - 1] = CLAIM_SLOT(7);
	ok(slots_claimed(claims, 3) == 0x81, "claims of two CPUs: the slots they name");
	ok(slots_claimed(claims, 2) == 0x01, "control: of the first two CPUs, the one");
	claims[1].row[0] = CLAIM_TAKEN;
	ok(slots_claimed(claims, 3) == ~0u, "one that names none yet: any slot may be read");
}

int main(void)
{
	LIBBPF_OPTS(bpf_map_create_opts, mmapable, .map_flags = BPF_F_MMAPABLE);
	int said_fd = bpf_map_create(BPF_MAP_TYPE_ARRAY, "said", 4, sizeof(struct said), 1, &mmapable);
	int self_fd = bpf_map_create(BPF_MAP_TYPE_PROG_ARRAY, "self", 4, 4, 1, NULL);
	struct said *said = mmap(NULL, 4096, PROT_READ | PROT_WRITE, MAP_SHARED, said_fd, 0);
	cpu_set_t before, after;
	__u32 zero = 0;
	int policy;

	if (sysconf(_SC_NPROCESSORS_ONLN) < 2) {
		printf("1..0 # SKIP one CPU: no program runs beside this one\n");
		return KSFT_SKIP;
	}
	if (said_fd < 0 || self_fd < 0 || said == MAP_FAILED)
		die("maps");
	prog_fd = long_program(said_fd, self_fd);
	if (prog_fd < 0 || bpf_map_update_elem(self_fd, &zero, &prog_fd, 0))
		die("program");

	sched_getaffinity(0, sizeof(before), &before);
	policy = sched_getscheduler(0);
	test_wait(said, cpus_visit, "every CPU was visited");
	sched_getaffinity(0, sizeof(after), &after);
	ok(CPU_EQUAL(&before, &after), "and the process may run where it might before");
	ok(policy || sched_getscheduler(0) != policy, "it does not wait for a turn");
	cpus_leave();
	ok(sched_getscheduler(0) == policy, "until it has left");
	test_wait(said, grace_period, "a grace period was waited for");
	test_claims();
	bpf_map_delete_elem(self_fd, &zero);
	printf("1..%d\n", test_nr);
	return bad ? 1 : 0;
}
