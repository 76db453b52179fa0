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
#include <linux/tcp.h>
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

/*
 * Keys of the bytes. What is linear, as headers are but for a few senders' of fragments and
 * pages, is read where it lies: a dynptr and a slice of it took two calls.
 * Return: 0, or -1: they cannot be read.
 */
static __always_inline int read_headers(fw_ctx_t *ctx, struct fw_pkt *pkt)
{
	const struct sk_buff *skb = ctx->skb;
	__u32 linear = skb->len - skb->data_len, need;
	const void *data = skb->data;
	const struct tcphdr *tcph;
	const struct iphdr *iph;
	struct iphdr copy;

	if (unlikely(linear < sizeof(copy))) {
		if (fw_load(ctx, 0, &copy, sizeof(copy)))
			return -1;
		iph = bpf_rdonly_cast(&copy, bpf_core_type_id_kernel(struct iphdr));
	} else {
		iph = bpf_rdonly_cast(data, bpf_core_type_id_kernel(struct iphdr));
	}
	/* A raw socket may send any ihl, but none beyond the packet's end. */
	if (iph->ihl * 4 > skb->len)
		return -1;
	need = parse_ip(iph, skb->len, 0, pkt);
	if (!need)
		return 0;
	tcph = bpf_rdonly_cast(data + pkt->ihl, bpf_core_type_id_kernel(struct tcphdr));
	/* To the verifier it is a TCP header, which has no word where these have their SPI. */
	if (unlikely(linear < pkt->ihl + need || pkt->proto == IPPROTO_ESP ||
		     pkt->proto == IPPROTO_AH))
		return load_l4(ctx, pkt, need);
	parse_l4(pkt, tcph);
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
