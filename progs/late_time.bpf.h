/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * late_time.bpf.h - the match time: the wall clock, and what it is compared with
 *
 * There is no helper that reads CLOCK_REALTIME. CLOCK_TAI can be read, which is the
 * same clock plus the TAI offset that NTP daemons set (0 or 37 seconds). That offset
 * is the difference of what a CPU's high-resolution timers add to the monotonic clock
 * for the one and the other, which follows every change of the clock; the way there
 * is the current task, every one of which has such a timer.
 */
#ifndef BPFIPT_LATE_TIME_BPF_H
#define BPFIPT_LATE_TIME_BPF_H

#include "abi/late_rate.h"
#include "calendar.h"
#include "late_l4.bpf.h"
#include "maps.bpf.h"

/*
 * What is read of the kernel's types (include/linux/sched.h, hrtimer_types.h,
 * hrtimer_defs.h); libbpf puts the running kernel's offsets in.
 */
#pragma clang attribute push(__attribute__((preserve_access_index)), apply_to = record)
struct hrtimer_cpu_base;

struct hrtimer_clock_base {
	struct hrtimer_cpu_base *cpu_base;
	__s64 offset;
};

struct hrtimer_cpu_base {
	struct hrtimer_clock_base clock_base[8];
};

struct hrtimer {
	struct hrtimer_clock_base *base;
};

struct sched_dl_entity {
	struct hrtimer dl_timer;
};

struct task_struct {
	struct sched_dl_entity dl;
};
#pragma clang attribute pop

#define HRTIMER_BASE_REALTIME	1
#define HRTIMER_BASE_TAI	3

#define NSEC_PER_SEC	1000000000ll

/* TAI - UTC in ns; @fallback: the same in s, as it was when the rule was made */
static __always_inline __s64 tai_offset(__s32 fallback)
{
	struct task_struct *task = bpf_get_current_task_btf();
	struct hrtimer_clock_base *base = task->dl.dl_timer.base;
	struct hrtimer_cpu_base *cpu;

	if (!base)
		return fallback * NSEC_PER_SEC;
	cpu = base->cpu_base;
	return cpu->clock_base[HRTIMER_BASE_TAI].offset -
	       cpu->clock_base[HRTIMER_BASE_REALTIME].offset;
}

/* LATE_TIME; @d: word of struct late_time */
static __noinline int late_time(struct fw *fw, __u32 d)
{
	struct img im = fw_img(fw);
	struct late_time t = {
		.date_start = img_word(&im, d),
		.date_stop = img_word(&im, d + 1),
		.day_start = img_word(&im, d + 2),
		.day_stop = img_word(&im, d + 3),
		.monthdays = img_word(&im, d + 4),
		.weekdays = img_word(&im, d + 5),
		.flags = img_word(&im, d + 6),
	};
	__s32 west = img_word(&im, d + 7), tai = img_word(&im, d + 8);
	__u64 now = bpf_ktime_get_tai_ns() - tai_offset(tai);

	return calendar_match(&t, (__s64)(now / NSEC_PER_SEC) - west) ? LATE_MATCH :
									LATE_NO_MATCH;
}

#endif /* BPFIPT_LATE_TIME_BPF_H */
