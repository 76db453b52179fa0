/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * late_state.bpf.h - late matches that remember: limit, statistic, quota
 *
 * One row of late_state per match, shared by all CPUs, under a spin lock that is
 * held for a few instructions. The map outlives the image, and a generation of
 * programs (user/loader.c shares it), so that editing other rules refills no
 * bucket. abi/late.h says how a row is told from its predecessor's.
 */
#ifndef BPFIPT_LATE_STATE_BPF_H
#define BPFIPT_LATE_STATE_BPF_H

#include "abi/late.h"
#include "abi/late_rate.h"
#include "late_l4.bpf.h"
#include "maps.bpf.h"

/*
 * struct late_row
 * @born:	as in struct late_state_ref
 * @prev:	limit: jiffies when the bucket was last filled; quota: bytes left
 * @value:	limit: credits; statistic: the counter
 */
struct late_row {
	struct bpf_spin_lock lock;
	__u32 born;
	__u64 prev;
	__u32 value;
	__u32 pad;
};

struct {
	__uint(type, BPF_MAP_TYPE_ARRAY);
	__uint(max_entries, LATE_STATES);
	__type(key, __u32);
	__type(value, struct late_row);
} late_state SEC(".maps");

/*
 * late_row_lock() - the row that a record names, locked; one of another rule starts afresh
 * @d:	word of struct late_state_ref
 * @prev, @value: of a new row
 * Return: the row, for late_row_unlock(); NULL: there is none.
 */
static __always_inline struct late_row *late_row_lock(const struct img *im, __u32 d, __u64 prev,
						      __u32 value)
{
	__u32 id = img_word(im, d), born = img_word(im, d + 1);
	struct late_row *row = bpf_map_lookup_elem(&late_state, &id);

	if (!row)
		return NULL;
	bpf_spin_lock(&row->lock);
	if (row->born != born) {
		row->born = born;
		row->prev = prev;
		row->value = value;
	}
	return row;
}

static __always_inline void late_row_unlock(struct late_row *row)
{
	bpf_spin_unlock(&row->lock);
}

/* LATE_LIMIT; @d: word of struct late_limit */
static __noinline int late_limit(struct fw *fw, __u32 d)
{
	struct img im = fw_img(fw);
	__u32 cost = img_word(&im, d + 2), cap = img_word(&im, d + 3);
	__u32 per_jiffy = img_word(&im, d + 4), credit;
	__u64 now = bpf_jiffies64();
	struct late_row *row = late_row_lock(&im, d, now, cap);
	int r = LATE_NO_MATCH;

	if (!row)
		return LATE_DROP_NOW;
	credit = row->value;
	/* Another CPU may have come first with a later @now. */
	if ((__s64)(now - row->prev) > 0) {
		credit += (__u32)(now - row->prev) * per_jiffy;
		row->prev = now;
	}
	if (credit > cap)
		credit = cap;
	if (credit >= cost) {
		credit -= cost;
		r = LATE_MATCH;
	}
	row->value = credit;
	late_row_unlock(row);
	return r;
}

/* LATE_STATISTIC; @d: word of struct late_statistic */
static __noinline int late_statistic(struct fw *fw, __u32 d)
{
	struct img im = fw_img(fw);
	__u32 n = img_word(&im, d + 3), next;
	struct late_row *row;

	if (!img_word(&im, d + 2))
		return (bpf_get_prandom_u32() & 0x7fffffff) < n ? LATE_MATCH : LATE_NO_MATCH;
	row = late_row_lock(&im, d, 0, img_word(&im, d + 4));
	if (!row)
		return LATE_DROP_NOW;
	next = row->value == n ? 0 : row->value + 1;
	row->value = next;
	late_row_unlock(row);
	return next ? LATE_NO_MATCH : LATE_MATCH;
}

/* LATE_QUOTA; @d: word of struct late_quota */
static __noinline int late_quota(struct fw *fw, __u32 d)
{
	struct img im = fw_img(fw);
	__u32 len = fw->w->pkt.tot_len;
	struct late_row *row = late_row_lock(&im, d, img_word(&im, d + 2) |
					     (__u64)img_word(&im, d + 3) << 32, 0);
	int r = LATE_NO_MATCH;

	if (!row)
		return LATE_DROP_NOW;
	if (row->prev >= len) {
		row->prev -= len;
		r = LATE_MATCH;
	} else {
		row->prev = 0;	/* not even small packets from now on */
	}
	late_row_unlock(row);
	return r;
}

#endif /* BPFIPT_LATE_STATE_BPF_H */
