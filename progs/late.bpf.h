/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * late.bpf.h - stage 5a: matches that are no function of one key
 *
 * Run only for a rule whose keys all agree, in the order of the rule, exactly
 * where iptables would: the first record that does not match ends the list.
 */
#ifndef BPFIPT_LATE_BPF_H
#define BPFIPT_LATE_BPF_H

#include "classifier.bpf.h"
#include "maps.bpf.h"

/* Results of one record and of a whole list. */
enum {
	LATE_NO_MATCH,
	LATE_MATCH,
	LATE_DROP_NOW,	/* hotdrop */
};

/* Records in one rule, more than any command line can hold. */
#define LATE_MAX_RECORDS	256

struct late_run {
	struct img img;
	struct walk *w;
	fw_ctx_t *ctx;
	__u32 off;
	__u32 result;
};

static long late_step(__u32 i, struct late_run *l)
{
	struct walk *w = l->w;
	struct img im = l->img;
	__u32 head = img_word(&im, l->off), d = l->off + 1;
	__u32 key, r = LATE_NO_MATCH;

	l->off += head >> 16;
	switch (head & 0x7fff) {
	case LATE_END:
		l->result = LATE_MATCH;
		return 1;
	case LATE_HOTDROP:
		r = img_word(&im, d) & HOTDROP(w->pkt.form) ? LATE_DROP_NOW : LATE_MATCH;
		break;
	case LATE_ADDR_MASK:
	case LATE_KEY_RANGE:
		key = img_word(&im, d);
		if (key >= NR_KEYS)
			break;
		key = w->pkt.key[key];
		if ((head & 0x7fff) == LATE_ADDR_MASK)
			r = (key & img_word(&im, d + 2)) == img_word(&im, d + 1);
		else
			r = key >= img_word(&im, d + 1) && key <= img_word(&im, d + 2);
		break;
	case LATE_MARK:
		r = (w->pkt.mark & img_word(&im, d)) == img_word(&im, d + 1);
		break;
	}
	if (head & LATE_NOT && r != LATE_DROP_NOW)
		r = !r;
	if (r == LATE_MATCH)
		return 0;
	l->result = r;
	return 1;
}

/* late_run() - the list at word @off. Return: LATE_MATCH, _NO_MATCH or _DROP_NOW */
static __noinline int late_run(struct fw *fw, __u32 off)
{
	struct late_run l = {
		.img = fw->img, .w = fw->w, .ctx = fw->ctx,
		.off = off, .result = LATE_NO_MATCH,
	};

	bpf_loop(LATE_MAX_RECORDS, late_step, &l, 0);
	return l.result;
}

#endif /* BPFIPT_LATE_BPF_H */
