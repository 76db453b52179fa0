/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * late.bpf.h - stage 5a: matches that are no function of one key
 *
 * Run only for a rule whose keys all agree, in the order of the rule, exactly
 * where iptables would: the first record that does not match ends the list.
 * Parameters are those of abi/late.h.
 */
#ifndef BPFIPT_LATE_BPF_H
#define BPFIPT_LATE_BPF_H

#include "classifier.bpf.h"
#include "late_addrtype.bpf.h"
#ifndef FW_EARLY
#include "late_connlimit.bpf.h"
#endif
#include "late_host.bpf.h"
#include "late_ct.bpf.h"
#include "late_hashlimit.bpf.h"
#include "late_l4.bpf.h"
#include "late_nf.bpf.h"
#include "late_payload.bpf.h"
#ifdef FW_NETFILTER
#include "late_route.bpf.h"
#endif
#include "late_set.bpf.h"
#include "late_recent.bpf.h"
#include "late_state.bpf.h"
#include "late_time.bpf.h"
#include "maps.bpf.h"

/* Records in one rule, more than any command line can hold. */
#define LATE_MAX_RECORDS	256

/* LATE_KEY_RANGE: is the key in one of the record's ranges? */
static __noinline int late_key_range(struct fw *fw, __u32 d, __u32 words)
{
	struct img im = fw_img(fw);
	__u32 key = img_word(&im, d);
	struct ranges r = { .img = im, .at = d + 1, .wide = 1 };

	if (key >= NR_KEYS)
		return LATE_NO_MATCH;
	r.a = r.b = fw->w->pkt.key[key];
	bpf_loop((words - 2) / 2, range_step, &r, 0);
	return r.hit & 1;
}

static long late_step(__u32 i, struct fw *fw)
{
	struct walk *w = fw->w;
	const struct fw_pkt *pkt = &fw->w->pkt;
	struct img im = fw_img(fw);
	__u32 head = img_word(&im, w->late_at), d = w->late_at + 1;
	__u32 key, r = LATE_DROP_NOW, not = head & LATE_NOT;

	w->late_at += head >> 16;
	if (!early_late(w, head & 0x7fff, img_word(&im, d)))
		return 1;
	switch (head & 0x7fff) {
	case LATE_END:
		w->late_result = LATE_MATCH | w->doomed;
		return 1;
	case LATE_HOTDROP:
		r = img_word(&im, d) & HOTDROP(pkt->form) ? LATE_DROP_NOW : LATE_MATCH;
		not = 0;
		break;
	case LATE_ADDR_MASK:
		key = img_word(&im, d);
		if (key < NR_KEYS)
			r = (pkt->key[key] & img_word(&im, d + 2)) == img_word(&im, d + 1);
		break;
	case LATE_KEY_RANGE:
		r = late_key_range(fw, d, head >> 16);
		break;
	case LATE_MARK:
		r = (pkt->mark & img_word(&im, d)) == img_word(&im, d + 1);
		break;
	case LATE_TCPOPT:
		r = late_tcpopt(fw, img_word(&im, d), not);
		not = 0;
		break;
	case LATE_TCP_ECN:
		r = late_tcp_ecn(fw, img_word(&im, d), img_word(&im, d + 1));
		not = 0;
		break;
	case LATE_MULTIPORT:
		r = late_multiport(fw, d);
		not = 0;
		break;
	case LATE_SCTP_CHUNKS:
		r = late_inverted(fw, late_sctp(fw, d), not);
		not = 0;
		break;
	case LATE_DCCP:
		r = late_dccp(fw, d, not);
		not = 0;
		break;
	case LATE_IPCOMP:
		r = late_ipcomp(fw, d, not);
		not = 0;
		break;
	case LATE_LIMIT:
		if (features & IMG_F_STATE)
			r = late_limit(fw, d);
		not = 0;
		break;
	case LATE_STATISTIC:
		if (features & IMG_F_STATE)
			r = late_statistic(fw, d);
		break;
	case LATE_QUOTA:
		if (features & IMG_F_STATE)
			r = late_quota(fw, d);
		break;
	case LATE_HASHLIMIT:
		if (features & IMG_F_HASHLIMIT)
			r = late_hashlimit(fw, d);
		not = 0;
		break;
	case LATE_RECENT:
		if (features & IMG_F_RECENT)
			r = late_recent(fw, d);
		not = 0;
		break;
	case LATE_TIME:
		if (features & IMG_F_TIME)
			r = late_time(fw, d);
		break;
	case LATE_CPU:
		r = bpf_get_smp_processor_id() == img_word(&im, d);
		break;
	case LATE_U32:
		if (features & IMG_F_PAYLOAD)
			r = late_u32(fw, d, head >> 16);
		break;
	case LATE_STRING:
		if (features & IMG_F_PAYLOAD)
			r = late_string(fw, d);
		break;
	case LATE_TCPMSS:
		if (features & IMG_F_PAYLOAD)
			r = late_tcpmss(fw, img_word(&im, d), img_word(&im, d + 1), not);
		not = 0;
		break;
	case LATE_OWNER:
		if (features & IMG_F_SOCKET)
			r = late_owner(fw, d);
		not = 0;
		break;
	case LATE_DEVGROUP:
		if (features & IMG_F_DEVGROUP)
			r = late_devgroup(fw, d);
		not = 0;
		break;
	case LATE_ADDRTYPE:
		if (features & IMG_F_ADDRTYPE)
			r = late_addrtype(fw, d);
		not = 0;
		break;
	case LATE_CTINFO:
		if (features & IMG_F_CTINFO)
			r = late_ctinfo(fw, d);
		break;
	case LATE_CONNMARK:
		if (features & IMG_F_CTINFO)
			r = late_connmark(fw, d);
		break;
	case LATE_CONNBYTES:
		if (features & IMG_F_CTINFO)
			r = late_connbytes(fw, d);
		break;
	case LATE_HELPER:
		if (LATE_NF)
			r = late_helper(fw, d);
		break;
	case LATE_PHYSDEV:
		if (LATE_NF)
			r = late_physdev(fw, d);
		break;
#ifdef FW_NETFILTER
	case LATE_REALM:
		if (LATE_NF)
			r = late_realm(fw, d);
		break;
	case LATE_POLICY:
		if (LATE_NF)
			r = late_policy(fw, d);
		break;
#endif
	case LATE_SET:
		if (features & IMG_F_SET)
			r = late_set(fw, d);
		break;
#ifndef FW_EARLY
	case LATE_CONNLIMIT:
		if (features & IMG_F_CONNLIMIT)
			r = late_connlimit(fw, d);
		break;
#endif
	}	/* a record this program does not know: fail closed */
	if (not && r != LATE_DROP_NOW)
		r = !r;
	if (r & LATE_MATCH) {
		w->doomed |= r & LATE_DROP_NOW;
		return 0;
	}
	w->late_result = r | w->doomed;
	return 1;
}

/* late_run() - the list at word @off. Return: LATE_* of late_l4.bpf.h */
__noinline int late_run(fw_ctx_t *ctx, __u32 row, __u32 off)
{
	struct fw fw;

	if (fw_join_row(&fw, ctx, row))
		return LATE_DROP_NOW;
	fw.w->doomed = 0;
	fw.w->late_at = off;
	fw.w->late_result = LATE_DROP_NOW;
	bpf_loop(LATE_MAX_RECORDS, late_step, &fw, 0);
	return fw.w->late_result;
}

#endif /* BPFIPT_LATE_BPF_H */
