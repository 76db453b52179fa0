// SPDX-License-Identifier: GPL-2.0-only
/*
 * grace.c - has every program that saw the old ruleset returned?
 *
 * A slot that went out of force may be written again one RCU grace period later. That
 * takes some 10 ms, many times what a small command does, so it is not waited for: the
 * next commits take other slots, and a slot is taken up again once its grace period is
 * seen to be over. A socket's filter shows that: detached, its program goes away in
 * call_rcu() (sk_filter_release(), net/core/filter.c), and its id with it. Between two
 * commands nothing runs and nothing stays but this one program, for those 10 ms.
 *
 * The programs of tc and XDP can be waited for at once. They run with softirqs disabled
 * (__dev_queue_xmit(), NAPI and what stands in for it), so that a task which runs on a CPU
 * runs there when whatever program was under way on it has ended; those that begin
 * later see what the task has written. To have run on every CPU takes 0.1 ms on two.
 * LOCAL_OUT's netfilter programs can be preempted, and on a realtime kernel all can.
 */
#include <errno.h>
#include <fcntl.h>
#include <sched.h>
#include <stdint.h>
#include <stdlib.h>
#include <unistd.h>
#include <linux/membarrier.h>
#include <sys/socket.h>
#include <sys/syscall.h>
#include <bpf/bpf.h>
#include <bpf/libbpf.h>

#include "instance_int.h"

#define ONLINE_MAX	4096	/* bytes of the list of CPUs */

/* Run on CPUs @first to @last, one after the other. @set has room for @nr of them. */
static bool visit_range(unsigned long first, unsigned long last, cpu_set_t *set, int nr)
{
	size_t size = CPU_ALLOC_SIZE(nr);

	if (last >= (unsigned long)nr)
		return false;
	for (unsigned long cpu = first; cpu <= last; cpu++) {
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
	bool ok = *list >= '0' && *list <= '9';

	while (ok && *list >= '0' && *list <= '9') {
		unsigned long first = strtoul(list, &list, 10), last = first;

		if (*list == '-')
			last = strtoul(list + 1, &list, 10);
		ok = visit_range(first, last, set, nr);
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

/*
 * cpus_visit() - have every program of tc and XDP that is running return
 * One that begins meanwhile sees all that was written before the call. A CPU that comes
 * online after the list was read begins with none.
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

/* grace_over() - is the grace period of @token over? Never true of GRACE_UNSURE. */
bool grace_over(__u32 token)
{
	__u32 next;

	if (token == GRACE_OVER || token == GRACE_UNSURE)
		return token == GRACE_OVER;
	return bpf_prog_get_next_id(token - 1, &next) ? errno == ENOENT : next != token;
}

/* The program as a socket's filter, and no more: its id is there until call_rcu() is done. */
static bool drop_by_rcu(int prog, __u32 id)
{
	int sock = socket(AF_UNIX, SOCK_DGRAM | SOCK_CLOEXEC, 0);
	bool ok = sock >= 0 && !setsockopt(sock, SOL_SOCKET, SO_ATTACH_BPF, &prog, sizeof(prog));

	close(prog);
	if (ok)
		ok = !setsockopt(sock, SOL_SOCKET, SO_DETACH_FILTER, &prog, sizeof(prog));
	if (sock >= 0)
		close(sock);
	return ok && !grace_over(id);	/* not yet gone: it was indeed put off */
}

/*
 * grace_begin() - what grace_over() will be asked about: a grace period that begins now
 * Return: never GRACE_OVER; GRACE_UNSURE when the kernel does not let us see it.
 */
__u32 grace_begin(void)
{
	static const struct bpf_insn nothing[] = {
		{ .code = BPF_ALU64 | BPF_MOV | BPF_K, .dst_reg = BPF_REG_0 },
		{ .code = BPF_JMP | BPF_EXIT },
	};
	/* not by libbpf, which loads two programs more to learn what this kernel can */
	union bpf_attr attr = {
		.prog_type = BPF_PROG_TYPE_SOCKET_FILTER,
		.insns = (uintptr_t)nothing,
		.insn_cnt = 2,
		.license = (uintptr_t)"GPL",
		.prog_name = "fw_grace",
	};
	struct bpf_prog_info info = {};
	__u32 len = sizeof(info);
	int prog = syscall(SYS_bpf, BPF_PROG_LOAD, &attr, sizeof(attr));

	if (prog < 0)
		return GRACE_UNSURE;
	if (bpf_obj_get_info_by_fd(prog, &info, &len) || info.id == GRACE_OVER) {
		close(prog);
		return GRACE_UNSURE;
	}
	return drop_by_rcu(prog, info.id) ? info.id : GRACE_UNSURE;
}
