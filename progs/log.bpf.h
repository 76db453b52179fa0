/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * log.bpf.h - the targets LOG and NFLOG: a record for `bpf-iptables log'
 *
 * Built in a per-CPU buffer (as many of them as scratch rows) and copied into the ring,
 * which needs its length only at that moment. When the ring is full the record is lost,
 * and counted as such; the packet goes on either way.
 */
#ifndef BPFIPT_LOG_BPF_H
#define BPFIPT_LOG_BPF_H

#include "abi/log.h"
#include "maps.bpf.h"
#include "owner.bpf.h"

struct {
	__uint(type, BPF_MAP_TYPE_RINGBUF);
	__uint(max_entries, LOG_RING_BYTES);
} log_ring SEC(".maps");

struct log_buffer {
	struct log_record rec;
	__u8 data[LOG_SNAP_MAX];
};

struct {
	__uint(type, BPF_MAP_TYPE_PERCPU_ARRAY);
	__uint(max_entries, SCRATCH_ROWS);
	__type(key, __u32);
	__type(value, struct log_buffer);
} log_buffer SEC(".maps");

#ifdef FW_NETFILTER
/* Where the link-layer header is, if the device has one and the packet still has it. */
static __always_inline int load_mac(struct fw *fw, struct log_record *rec)
{
	struct sk_buff___fw *skb = ctx_skb(fw->ctx);
	__u16 at = BPF_CORE_READ(skb, mac_header);
	unsigned char *mac = BPF_CORE_READ(skb, head) + at;
	struct net_device___fw *dev = BPF_CORE_READ(skb, dev);

	if (at == 0xffff || mac == BPF_CORE_READ(skb, data) ||
	    BPF_CORE_READ(dev, hard_header_len) < ETH_HLEN)
		return -1;
	return bpf_probe_read_kernel(rec->mac, ETH_HLEN, mac);
}
#else
static __always_inline int load_mac(struct fw *fw, struct log_record *rec)
{
	const struct fw_pkt *pkt = &fw->w->pkt;

	if (pkt->l3_off < ETH_HLEN || fw_load(fw->ctx, 0, rec->mac, 2 * ETH_ALEN))
		return -1;
	return fw_load(fw->ctx, pkt->l3_off - 2, rec->mac + 2 * ETH_ALEN, 2);
}
#endif

/* log_packet() - the rule whose counter is @slot and whose parameters lie at @at */
__noinline int log_packet(fw_ctx_t *ctx, __u32 row, __u32 at, __u32 slot)
{
	struct log_buffer *b = bpf_map_lookup_elem(&log_buffer, &row);
	struct fw here, *fw = &here;
	const struct fw_pkt *pkt;
	struct log_record *rec;
	__u32 len, snap, i;
	struct img im;

	if (!(features & IMG_F_LOG) || !b || fw_join_row(fw, ctx, row))
		return 0;
	pkt = &fw->w->pkt;
	len = pkt->tot_len;
	im = fw_img(fw);
	rec = &b->rec;
	for (i = 0; i < LOG_PARAM_WORDS; i++)
		((__u32 *)&rec->p)[i] = img_word(&im, at + i);
	rec->time = bpf_ktime_get_ns();
	rec->in = pkt->ifindex;
	rec->out = pkt->oifindex;
	rec->mark = pkt->mark;
	rec->slot = slot;
	rec->tot_len = pkt->tot_len;
	rec->hook = pkt->hook;
	rec->ttl = pkt->key[KEY_TTL];
	rec->flags = 0;
	rec->pad = 0;
	if (!packet_owner(fw->ctx, pkt, &rec->uid, &rec->gid))
		rec->flags = LOG_HAS_OWNER;
	rec->mac_len = pkt->hook != HOOK_OUTPUT && !load_mac(fw, rec) ? ETH_HLEN : 0;
	snap = rec->p.snap;
	if (len > snap)
		len = snap;
	barrier_var(len);
	if (len < 1 || len > LOG_SNAP_MAX ||
	    fw_load_some(fw->ctx, pkt->l3_off, b->data, len, LOG_SNAP_MAX))
		len = 0;
	rec->cap_len = len;
	barrier_var(len);
	if (len > LOG_SNAP_MAX)
		return 0;
	if (bpf_ringbuf_output(&log_ring, b, sizeof(*rec) + len, 0))
		event(EV_LOG_LOST);
	return 0;
}

#endif /* BPFIPT_LOG_BPF_H */
