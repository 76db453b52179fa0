// SPDX-License-Identifier: GPL-2.0-only
/*
 * blast.bpf.c - the generator, the sink, and the two programs that set the bar at XDP
 *
 * Run under BPF_PROG_TEST_RUN with BPF_F_TEST_XDP_LIVE_FRAMES, `blast` turns every
 * frame of the page pool into the next template and redirects it into a veth, whose
 * peer's NAPI (GRO on) runs the stack in the same softirq. The stack hands the page
 * back as it left it, so the whole header is written each time.
 */
#include <linux/bpf.h>
#include <bpf/bpf_helpers.h>

#include "blast.h"

struct {
	__uint(type, BPF_MAP_TYPE_ARRAY);
	__uint(max_entries, BLAST_TEMPLATES);
	__type(key, __u32);
	__type(value, struct blast_frame);
} templates SEC(".maps");

struct {
	__uint(type, BPF_MAP_TYPE_HASH);
	__uint(max_entries, 1 << 17);
	__type(key, __u32);
	__type(value, __u32);
} blacklist SEC(".maps");

__u32 out_ifindex;
__u32 nr_templates = 1;
__u32 next_template;

SEC("xdp")
int blast(struct xdp_md *ctx)
{
	__u64 *to = (void *)(long)ctx->data;
	const struct blast_frame *f;
	__u32 i = next_template;

	next_template = i + 1 < nr_templates ? i + 1 : 0;
	f = bpf_map_lookup_elem(&templates, &i);
	if (!f || (void *)to + sizeof(*f) > (void *)(long)ctx->data_end)
		return XDP_ABORTED;
	for (i = 0; i < sizeof(*f) / 8; i++)
		to[i] = f->word[i];
	return bpf_redirect(out_ifindex, 0);
}

/* What the far end of the router does with everything. */
SEC("xdp")
int sink(struct xdp_md *ctx)
{
	return XDP_DROP;
}

/* The bar for a blacklist: one hash lookup of the source, and drop. */
SEC("xdp")
int hash_drop(struct xdp_md *ctx)
{
	void *data = (void *)(long)ctx->data, *end = (void *)(long)ctx->data_end;
	__u32 saddr;

	if (data + 34 > end || *(__u16 *)(data + 12) != 8)
		return XDP_PASS;
	saddr = *(__u32 *)(data + 26);
	return bpf_map_lookup_elem(&blacklist, &saddr) ? XDP_DROP : XDP_PASS;
}

char LICENSE[] SEC("license") = "GPL";
