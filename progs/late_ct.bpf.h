/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * late_ct.bpf.h - matches and a target that ask for the packet's connection
 *
 * conntrack (all but the state), connmark, connbytes; CONNMARK. Semantics: abi/
 * late_ct.h; xt_conntrack.c, xt_connmark.c, xt_connbytes.c of net/netfilter. They read
 * struct ct_view, whoever filled it.
 */
#ifndef BPFIPT_LATE_CT_BPF_H
#define BPFIPT_LATE_CT_BPF_H

#include "abi/late_ct.h"
#ifdef FW_KERNEL_CT
#include "abi/ct.h"
#else
#include "ct_view.bpf.h"
#endif
#include "late_l4.bpf.h"
#include "maps.bpf.h"

#define CTI(field)	(d + offsetof(struct late_ctinfo, field) / 4)

/* A test that was asked for has failed when its result is its inversion. */
static __always_inline int ctinfo_fails(__u32 match, __u32 not, __u32 bit, int result)
{
	return match & bit && !result == !(not & bit);
}

/*
 * nf_ct_expires() / HZ. Of an entry that is in no table yet the kernel takes the
 * timeout, a number of jiffies, for the time at which it ends.
 */
static __always_inline __u32 ctinfo_expires(const struct ct_view *v, __u32 hz)
{
#ifdef FW_KERNEL_CT
	return hz ? v->left / hz : 0;	/* the kernel's own jiffies */
#else
	__u32 secs = v->left / 1000000000;
	__s32 left;

	if (v->confirmed || v->status & CTS_CONFIRMED)
		return secs;
	left = (secs + (v->left % 1000000000 != 0)) * hz - (__u32)bpf_jiffies64();
	return left > 0 && hz ? left / hz : 0;
#endif
}

static __always_inline int ctinfo_addr(const struct img *im, __u32 d, __u32 i, __be32 addr)
{
	return !((bpf_ntohl(addr) ^ img_word(im, d + 2 + 2 * i)) & img_word(im, d + 3 + 2 * i));
}

static __always_inline int ctinfo_port(const struct img *im, __u32 d, __u32 i, __be16 port)
{
	__u32 range = img_word(im, CTI(port) + i);

	return in_range(bpf_ntohs(port), range >> 16, range & 0xffff);
}

/* LATE_CTINFO; @d: word of struct late_ctinfo */
static __noinline int late_ctinfo(struct fw *fw, __u32 d)
{
	const struct ct_view *v = &fw->w->ct;
	struct img im = fw_img(fw);
	__u32 match = img_word(&im, d), not = img_word(&im, d + 1), fails, left;

	if (!v->has_entry)
		return match & CTI_STATE ? LATE_MATCH : LATE_NO_MATCH;
	fails = ctinfo_fails(match, not, CTI_DIRECTION, v->dir == CT_ORIG);
	fails |= ctinfo_fails(match, not, CTI_ORIGSRC, ctinfo_addr(&im, d, 0, v->orig.src));
	fails |= ctinfo_fails(match, not, CTI_ORIGDST, ctinfo_addr(&im, d, 1, v->orig.dst));
	fails |= ctinfo_fails(match, not, CTI_REPLSRC, ctinfo_addr(&im, d, 2, v->reply.src));
	fails |= ctinfo_fails(match, not, CTI_REPLDST, ctinfo_addr(&im, d, 3, v->reply.dst));
	fails |= ctinfo_fails(match, not, CTI_PROTO, v->orig.proto == img_word(&im, CTI(proto)));
	fails |= ctinfo_fails(match, not, CTI_PORT(0), ctinfo_port(&im, d, 0, v->orig.sport));
	fails |= ctinfo_fails(match, not, CTI_PORT(1), ctinfo_port(&im, d, 1, v->orig.dport));
	fails |= ctinfo_fails(match, not, CTI_PORT(2), ctinfo_port(&im, d, 2, v->reply.sport));
	fails |= ctinfo_fails(match, not, CTI_PORT(3), ctinfo_port(&im, d, 3, v->reply.dport));
	fails |= ctinfo_fails(match, not, CTI_STATUS, v->status & img_word(&im, CTI(status)));
	if (fails)
		return LATE_NO_MATCH;
	if (match & CTI_EXPIRES) {
		left = ctinfo_expires(v, img_word(&im, CTI(hz)));
		if (ctinfo_fails(match, not, CTI_EXPIRES, left >= img_word(&im, CTI(min)) &&
							  left <= img_word(&im, CTI(max))))
			return LATE_NO_MATCH;
	}
	return LATE_MATCH;
}

/* LATE_CONNMARK; @d: word of struct late_connmark */
static __noinline int late_connmark(struct fw *fw, __u32 d)
{
	const struct ct_view *v = &fw->w->ct;
	struct img im = fw_img(fw);

	if (!v->has_entry)
		return LATE_NO_MATCH;
	return ((v->mark & img_word(&im, d)) == img_word(&im, d + 1)) != !!img_word(&im, d + 2) ?
	       LATE_MATCH : LATE_NO_MATCH;
}

/* LATE_CONNBYTES; @d: word of struct late_connbytes */
static __noinline int late_connbytes(struct fw *fw, __u32 d)
{
	const struct ct_view *v = &fw->w->ct;
	struct img im = fw_img(fw);
	__u32 what = img_word(&im, d), dir = img_word(&im, d + 1);
	__u64 from = img_word(&im, d + 2) | (__u64)img_word(&im, d + 3) << 32;
	__u64 to = img_word(&im, d + 4) | (__u64)img_word(&im, d + 5) << 32;
	__u64 packets = 0, bytes = 0, n;

	if (!v->has_entry || v->uncounted)
		return LATE_NO_MATCH;
	if (dir != CT_REPLY) {
		packets = v->packets[CT_ORIG];
		bytes = v->bytes[CT_ORIG];
	}
	if (dir != CT_ORIG) {
		packets += v->packets[CT_REPLY];
		bytes += v->bytes[CT_REPLY];
	}
	n = what == 0 ? packets : bytes;
	if (what == 2)
		n = packets ? bytes / packets : 0;
	if (to >= from)
		return n >= from && n <= to ? LATE_MATCH : LATE_NO_MATCH;
	return n < to || n > from ? LATE_MATCH : LATE_NO_MATCH;
}

static __always_inline __u32 shifted(__u32 v, __s32 shift)
{
	return shift < 0 ? v >> (-shift & 31) : v << (shift & 31);
}

#ifdef FW_KERNEL_CT
/* The kernel's entry gets its mark from a native rule (nf_native.bpf.h). */
static __always_inline void ct_set_mark(struct ct_view *v, __u32 mask, __u32 value, __s32 shift)
{
	v->mark = shifted((v->mark & ~mask) ^ value, shift);
	v->marked = 1;
}
#endif

/*
 * act_connmark() - ACT_CONNMARK; @d: word of struct act_connmark
 * @mark:	of the packet; CONNMARK_RESTORE sets it
 * Return: 1 when @mark is set.
 */
static __noinline int act_connmark(struct fw *fw, __u32 d, __u32 *mark)
{
	struct ct_view *v = &fw->w->ct;
	struct img im = fw_img(fw);
	__u32 ctmark = img_word(&im, d + 1), ctmask = img_word(&im, d + 2);
	__u32 nfmask = img_word(&im, d + 3);
	__s32 shift = img_word(&im, d + 4);

	if (!v->has_entry)
		return 0;
	switch (img_word(&im, d)) {
	case CONNMARK_SET:
		ct_set_mark(v, ctmask, ctmark, shift);
		return 0;
	case CONNMARK_SAVE:
		ct_set_mark(v, ctmask, shifted(*mark & nfmask, shift), 0);
		return 0;
	case CONNMARK_RESTORE:
		*mark = (*mark & ~nfmask) ^ shifted(v->mark & ctmask, shift);
		return 1;
	}
	return 0;
}

#endif /* BPFIPT_LATE_CT_BPF_H */
