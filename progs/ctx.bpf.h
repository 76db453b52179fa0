/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * ctx.bpf.h - what a program of tc or, with FW_XDP, of XDP is handed, and its bytes
 */
#ifndef BPFIPT_CTX_BPF_H
#define BPFIPT_CTX_BPF_H

#ifdef FW_XDP
typedef struct xdp_md fw_ctx_t;

static __always_inline int fw_load(fw_ctx_t *ctx, __u32 off, void *to, __u32 len)
{
	return bpf_xdp_load_bytes(ctx, off, to, len);
}

/* Bytes of the whole frame, those that are not in the linear part, too */
static __always_inline __u32 fw_len(fw_ctx_t *ctx)
{
	return bpf_xdp_get_buff_len(ctx);
}
#else
typedef struct __sk_buff fw_ctx_t;

static __always_inline int fw_load(fw_ctx_t *ctx, __u32 off, void *to, __u32 len)
{
	return bpf_skb_load_bytes(ctx, off, to, len);
}

/* likewise */
static __always_inline __u32 fw_len(fw_ctx_t *ctx)
{
	return ctx->len;
}
#endif

#endif /* BPFIPT_CTX_BPF_H */
