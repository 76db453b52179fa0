// SPDX-License-Identifier: GPL-2.0-only
/*
 * grace.c - has every program that saw the old ruleset returned?
 *
 * A slot that went out of force may be written again when that is so. An RCU grace period
 * says it, in some 10 ms, many times what a small command does; two shorter ways:
 *
 * Programs of tc and XDP run with softirqs disabled (__dev_queue_xmit(), NAPI and what
 * stands in for it), so that a task which runs on a CPU runs there when whatever program
 * was under way on it has ended; those that begin later see what the task has written. To
 * have run on every CPU takes 0.1 ms on two. On a realtime kernel they can be preempted.
 * Where others want the CPU too, a task that comes waits for its turn, some ms, and so does
 * one that was let go first and is no more: so it goes first until its instance is closed.
 *
 * LOCAL_OUT's netfilter programs can be preempted anywhere. Those of hooks netfilter and
 * hybrid claim a row of the scratch in any case, since they interrupt one another, and their
 * claims say which slot they read (struct img_claims). Writer and reader each make
 * what they did known before they look at what the other did:
 *
 *	active = new			claim = CLAIM_TAKEN
 *	full barrier			full barrier (the exchange itself)
 *	look at the claims		slot = active, claim = CLAIM_SLOT(slot), read it
 *
 * so that a reader whom the writer does not see sees the new slot.
 */
#include <errno.h>
#include <fcntl.h>
#include <sched.h>
#include <stdlib.h>
#include <unistd.h>
#include <linux/membarrier.h>
#include <sys/socket.h>
#include <sys/syscall.h>
#include <bpf/bpf.h>
#include <bpf/libbpf.h>

#include "instance_int.h"

#define ONLINE_MAX	4096	/* bytes of the list of CPUs */

/*
 * Run on CPUs @first to @last, one after the other, but for @here, where we have been.
 * @set has room for @nr of them.
 */
static bool visit_range(unsigned long first, unsigned long last, int here, cpu_set_t *set,
			int nr)
{
	size_t size = CPU_ALLOC_SIZE(nr);

	if (last >= (unsigned long)nr)
		return false;
	for (unsigned long cpu = first; cpu <= last; cpu++) {
		if (cpu == (unsigned long)here)
			continue;
		CPU_ZERO_S(size, set);
		CPU_SET_S(cpu, size, set);
		if (sched_setaffinity(0, size, set))
			return false;
	}
	return true;
}

/* Run on every CPU of @list, as "0-3,8". */
static bool visit_list(char *list, cpu_set_t *set, int nr)
{
	int here = sched_getcpu();
	bool ok = *list >= '0' && *list <= '9';

	while (ok && *list >= '0' && *list <= '9') {
		unsigned long first = strtoul(list, &list, 10), last = first;

		if (*list == '-')
			last = strtoul(list + 1, &list, 10);
		ok = visit_range(first, last, here, set, nr);
		list += *list == ',';
	}
	return ok;
}

static bool cpus_online(char *list, size_t size)
{
	int fd = open("/sys/devices/system/cpu/online", O_RDONLY | O_CLOEXEC);
	ssize_t len = fd < 0 ? -1 : read(fd, list, size);

	if (fd >= 0)
		close(fd);
	if (len <= 0 || (size_t)len == size)
		return false;
	list[len] = '\0';
	return true;
}

/* The policy to go back to, -1: the task has its own. */
static int policy_was = -1;

/* Let what has an ordinary priority wait; children have one. */
static void go_first(void)
{
	const struct sched_param first = { .sched_priority = 1 };
	int was = sched_getscheduler(0), kind = was & ~SCHED_RESET_ON_FORK;

	if ((kind == SCHED_OTHER || kind == SCHED_BATCH || kind == SCHED_IDLE) &&
	    !sched_setscheduler(0, SCHED_FIFO | SCHED_RESET_ON_FORK, &first))
		policy_was = was;
}

/*
 * cpus_leave() - be again what one was before cpus_visit()
 * A command ends without it: who goes back waits for a turn at once.
 */
void cpus_leave(void)
{
	if (policy_was >= 0)
		sched_setscheduler(0, policy_was, &(struct sched_param){ 0 });
	policy_was = -1;
}

/*
 * cpus_visit() - have every program of tc and XDP that is running return
 * One that begins meanwhile sees all that was written before the call. A CPU that comes
 * online after the list was read begins with none. cpus_leave() is for afterwards.
 * Return: false: it is not known, for a CPU is none of this process's (cpusets), or
 * programs can be preempted.
 */
bool cpus_visit(void)
{
	int nr = libbpf_num_possible_cpus();
	cpu_set_t *was = nr > 0 ? CPU_ALLOC(nr) : NULL, *set = nr > 0 ? CPU_ALLOC(nr) : NULL;
	char list[ONLINE_MAX];
	bool ok = false;

	if (was && set && access("/sys/kernel/realtime", F_OK) && cpus_online(list, sizeof(list)) &&
	    !sched_getaffinity(0, CPU_ALLOC_SIZE(nr), was)) {
		go_first();
		ok = visit_list(list, set, nr);
		sched_setaffinity(0, CPU_ALLOC_SIZE(nr), was);
	}
	CPU_FREE(was);
	CPU_FREE(set);
	return ok;
}

/*
 * sync_rcu() - wait for an RCU grace period: programs that saw the old active word
 * have returned. membarrier(MEMBARRIER_CMD_GLOBAL) is synchronize_rcu(); where it
 * is not to be had (nohz_full), updating a map of maps waits for one as well
 * (maybe_wait_bpf_programs, kernel/bpf/syscall.c).
 */
int sync_rcu(void)
{
	LIBBPF_OPTS(bpf_map_create_opts, opts);
	__u32 zero = 0;
	int inner, outer, err = 0;

	if (!syscall(SYS_membarrier, MEMBARRIER_CMD_GLOBAL, 0, 0))
		return 0;
	inner = bpf_map_create(BPF_MAP_TYPE_ARRAY, "sync_in", 4, 4, 1, NULL);
	if (inner < 0)
		return -errno;
	opts.inner_map_fd = inner;
	outer = bpf_map_create(BPF_MAP_TYPE_ARRAY_OF_MAPS, "sync_out", 4, 4, 1, &opts);
	if (outer < 0)
		err = -errno;
	else if (bpf_map_update_elem(outer, &zero, &inner, 0))
		err = -errno;
	if (outer >= 0)
		close(outer);
	close(inner);
	return err;
}

/* programs_return() - wait until what runs of a hook's programs has returned */
int programs_return(enum fw_mode mode)
{
	return !mode_is_nf(mode) && cpus_visit() ? 0 : sync_rcu();
}

/*
 * slots_claimed() - slots (bits) of the image that some packet's program may be reading
 * Whoever claims a row after this has looked reads what was stored before.
 */
__u32 slots_claimed(const struct img_claims *claims, int nr_cpus)
{
	__u32 slots = 0;

	__atomic_thread_fence(__ATOMIC_SEQ_CST);
	for (int cpu = 0; cpu < nr_cpus; cpu++) {
		for (int i = 0; i < IMG_CLAIMS; i++) {
			__u32 claim = __atomic_load_n(&claims[cpu].row[i], __ATOMIC_ACQUIRE);

			if (claim == CLAIM_TAKEN)
				return ~0u;
			if (claim)
				slots |= 1u << ((claim - CLAIM_SLOT(0)) & (IMG_MAX_SLOTS - 1));
		}
	}
	return slots;
}
