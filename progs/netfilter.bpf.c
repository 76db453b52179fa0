// SPDX-License-Identifier: GPL-2.0-only
/*
 * netfilter.bpf.c - the netfilter hook: INPUT, FORWARD and OUTPUT where iptables has them
 *
 * The same stages as tc.bpf.c on the packet that LOCAL_IN, FORWARD and LOCAL_OUT
 * hand over: behind defragmentation, the kernel's own conntrack, mangle and DNAT, so
 * there is no chain to select, nothing to leave to the stack, and no state to keep.
 * data begins at the IP header, and what the stack let come so far is taken as it is.
 *
 * fw_nf_entry is what the links of user/attach.c hold. A netfilter link cannot be
 * given another program (EOPNOTSUPP), so it is a stub that jumps through nf_progs:
 * a new generation of programs (user/grow.c) is one store into that array, which
 * all three hooks see at once.
 *
 * The connection is the kernel's own entry (nf_ct.bpf.h); user/nft.c keeps conntrack
 * registered while a rule asks for it.
 */
#define FW_NETFILTER
#define FW_INTERRUPTED
#define FW_KERNEL_CT
#include <linux/bpf.h>
#include <bpf/bpf_helpers.h>

#include "nf_skb.bpf.h"

typedef struct bpf_nf_ctx fw_ctx_t;

static __always_inline int fw_load(fw_ctx_t *ctx, __u32 off, void *to, __u32 len)
{
	struct bpf_dynptr ptr;

	if (bpf_dynptr_from_skb((struct __sk_buff *)ctx->skb, 0, &ptr))
		return -1;
	return bpf_dynptr_read(to, len, &ptr, off, 0);
}

#include "fw.bpf.h"
#include "maps.bpf.h"
#include "parse.bpf.h"
#include "port.bpf.h"
#include "classifier.bpf.h"
#include "walk.bpf.h"
#include "named.bpf.h"
#include "nf_ct.bpf.h"
#include "nf_native.bpf.h"

struct {
	__uint(type, BPF_MAP_TYPE_PROG_ARRAY);
	__uint(max_entries, 1);
	__uint(key_size, sizeof(__u32));
	__uint(value_size, sizeof(__u32));
} nf_progs SEC(".maps");

/* enum nf_inet_hooks and verdicts of linux/netfilter.h, which drags in a libc */
#define NF_INET_LOCAL_IN 1
#define NF_DROP		0
#define NF_ACCEPT	1

#define ETH_SRC_OFFSET	6

/* skb->pkt_type of a multicast or broadcast that this host hears itself send. */
#define PACKET_LOOPBACK	5

/* KEY_PKTTYPE, as xt_pkttype.c sees it. */
static __always_inline __u32 packet_type(const struct sk_buff *skb, __u32 daddr)
{
	__u32 type = BPF_CORE_READ_BITFIELD(skb, pkt_type);

	if (type != PACKET_LOOPBACK)
		return type;
	return is_multicast(daddr) ? PACKET_MULTICAST : PACKET_BROADCAST;
}

/* KEY_MAC: 0 none */
static __always_inline __u32 source_mac(const struct fw *fw, const struct sk_buff *skb)
{
	const unsigned char *mac = eth_header(skb);
	__u8 src[ETH_ALEN];

	if (!mac || bpf_probe_read_kernel(src, sizeof(src), mac + ETH_SRC_OFFSET))
		return 0;
	return mac_class(fw, src);
}

/* Keys of the bytes. Return: 0, or -1: they cannot be read. */
static __always_inline int read_headers(fw_ctx_t *ctx, struct fw_pkt *pkt)
{
	__u8 buf[sizeof(struct iphdr) + 20], l4_buf[20];
	const struct iphdr *iph, *both;
	const struct sk_buff *skb;
	struct bpf_dynptr ptr;
	const void *h;
	__u32 need;

	skb = ctx->skb;
	if (bpf_dynptr_from_skb((struct __sk_buff *)skb, 0, &ptr))
		return -1;
	/* Most often both headers are there, and one call has them. */
	iph = both = bpf_dynptr_slice(&ptr, 0, buf, sizeof(buf));
	if (!iph)
		iph = bpf_dynptr_slice(&ptr, 0, l4_buf, sizeof(*iph));
	/* A raw socket may send any ihl, but none beyond the packet's end. */
	if (!iph || iph->ihl * 4 > skb->len)
		return -1;
	need = parse_ip(iph, skb->len, 0, pkt);
	if (!need)
		return 0;
	if (both && pkt->ihl == sizeof(*both)) {
		parse_l4(pkt, both + 1);
		return 0;
	}
	h = bpf_dynptr_slice(&ptr, pkt->ihl, l4_buf, sizeof(l4_buf));
	if (h)
		parse_l4(pkt, h);
	else
		return load_l4(ctx, pkt, need);
	return 0;
}

static __always_inline int judge_hook(struct fw *fw)
{
	const struct nf_hook_state *state = fw->ctx->state;
	const struct sk_buff *skb = fw->ctx->skb;
	struct fw_pkt *pkt = &fw->w->pkt;
	__u32 flags = img_hdr_word(fw->img, flags);
	const struct net_device *in = state->in, *out = state->out;

	fw->w->ct.marked = 0;
	if (read_headers(fw->ctx, pkt))
		return WALK_DROP;
	pkt->hook = state->hook - NF_INET_LOCAL_IN;
	pkt->ifindex = in ? in->ifindex : 0;
	pkt->oifindex = out ? out->ifindex : 0;
	pkt->mark = skb->mark;
	pkt->key[KEY_MARK] = pkt->mark;
	pkt->key[KEY_CTSTATE] = features & IMG_F_CT && flags & IMG_F_CT ? nf_ct_state(skb) : 0;
	if (features & IMG_F_CTINFO && flags & IMG_F_CTINFO)
		nf_ct_view(fw);
	pkt->key[KEY_IIF] = in ? port_of(fw, pkt->ifindex).in_class : IFACE_CLASS_NONE;
	pkt->key[KEY_OIF] = IFACE_CLASS_NONE;
	if (out && flags & IMG_F_OIF)
		pkt->key[KEY_OIF] = port_of(fw, pkt->oifindex).out_class;
	pkt->key[KEY_PKTTYPE] = packet_type(skb, pkt->key[KEY_DADDR]);
	pkt->key[KEY_MAC] = flags & IMG_F_MAC ? source_mac(fw, skb) : 0;
	return walk_chain(fw);
}

SEC("netfilter")
int fw_netfilter(struct bpf_nf_ctx *ctx)
{
	int verdict;
	struct fw fw;

	if (fw_open(&fw, ctx))
		return NF_DROP;
	verdict = judge_hook(&fw);
	if (features & IMG_F_NATIVE) {
		verdict = native_finish(ctx, fw.w->row, verdict);
		barrier_var(verdict);	/* the verifier is to see that it is 0 or 1 */
		return verdict & 1;
	}
	scratch_put(&fw);
	return verdict == WALK_ACCEPT ? NF_ACCEPT : NF_DROP;
}

SEC("netfilter")
int fw_nf_entry(struct bpf_nf_ctx *ctx)
{
	bpf_tail_call(ctx, &nf_progs, 0);
	event(EV_BAD_IMAGE);
	return NF_DROP;
}

char LICENSE[] SEC("license") = "GPL";
