// SPDX-License-Identifier: GPL-2.0-only
/*
 * nft_native.c - native rules that carry out what a netfilter program decided
 *
 * The chains of progs/abi/native.h, in the instance's nftables table. Each question is a
 * match `bpf' (net/netfilter/xt_bpf.c, revision 1) by way of nft_compat, as
 * iptables-nft makes it of `-m bpf'; it runs the socket filter fw_native_ask. What
 * follows in the rule is nftables' own: meta, bitwise, ct, reject, immediate.
 */
#include <net/if.h>
#include <arpa/inet.h>
#include <stdio.h>
#include <string.h>
#include <libmnl/libmnl.h>
#include <linux/netfilter.h>
#include <linux/netfilter/nf_tables.h>
#include <linux/netfilter/nf_tables_compat.h>
#include <linux/netfilter/xt_bpf.h>

#include "../progs/abi/native.h"
#include "instance_int.h"
#include "nft_batch.h"

/* A rule that begins with a question. */
static void ask(struct batch *b, struct nft_rule *r, const char *chain, int ask_fd)
{
	struct xt_bpf_info_v1 info = { .mode = XT_BPF_MODE_FD_ELF, .fd = ask_fd };

	nft_rule(b, r, chain);
	nft_expr(r, "match");
	mnl_attr_put_strz(r->nlh, NFTA_MATCH_NAME, "bpf");
	mnl_attr_put_u32(r->nlh, NFTA_MATCH_REV, htonl(1));
	mnl_attr_put(r->nlh, NFTA_MATCH_INFO, sizeof(info), &info);
	nft_expr_end(r);
}

/* A verdict: a jump or goto to @chain, or another one. */
static void verdict(struct nft_rule *r, __s32 code, const char *chain)
{
	struct nlattr *data, *v;

	nft_expr(r, "immediate");
	mnl_attr_put_u32(r->nlh, NFTA_IMMEDIATE_DREG, htonl(NFT_REG_VERDICT));
	data = mnl_attr_nest_start(r->nlh, NFTA_IMMEDIATE_DATA);
	v = mnl_attr_nest_start(r->nlh, NFTA_DATA_VERDICT);
	mnl_attr_put_u32(r->nlh, NFTA_VERDICT_CODE, htonl(code));
	if (chain)
		mnl_attr_put_strz(r->nlh, NFTA_VERDICT_CHAIN, chain);
	mnl_attr_nest_end(r->nlh, v);
	mnl_attr_nest_end(r->nlh, data);
	nft_expr_end(r);
}

static void ask_go(struct batch *b, int ask_fd, const char *from, __s32 code, const char *to)
{
	struct nft_rule r;

	ask(b, &r, from, ask_fd);
	verdict(&r, code, to);
	nft_rule_end(b, &r);
}

/* The packet's mark into a register, or back. */
static void meta_mark(struct nft_rule *r, __u16 reg_attr)
{
	nft_expr(r, "meta");
	mnl_attr_put_u32(r->nlh, NFTA_META_KEY, htonl(NFT_META_MARK));
	mnl_attr_put_u32(r->nlh, reg_attr, htonl(NFT_REG32_00));
	nft_expr_end(r);
}

static void value(struct nft_rule *r, __u16 attr, __u32 v)
{
	struct nlattr *data = mnl_attr_nest_start(r->nlh, attr);

	mnl_attr_put(r->nlh, NFTA_DATA_VALUE, sizeof(v), &v);
	mnl_attr_nest_end(r->nlh, data);
}

/* meta mark set meta mark xor @bits, in host byte order as the mark is */
static void flip(struct nft_rule *r, __u32 bits)
{
	meta_mark(r, NFTA_META_DREG);
	nft_expr(r, "bitwise");
	mnl_attr_put_u32(r->nlh, NFTA_BITWISE_SREG, htonl(NFT_REG32_00));
	mnl_attr_put_u32(r->nlh, NFTA_BITWISE_DREG, htonl(NFT_REG32_00));
	mnl_attr_put_u32(r->nlh, NFTA_BITWISE_LEN, htonl(sizeof(bits)));
	value(r, NFTA_BITWISE_MASK, ~0u);
	value(r, NFTA_BITWISE_XOR, bits);
	nft_expr_end(r);
	meta_mark(r, NFTA_META_SREG);
}

static void flips(struct batch *b, int ask_fd)
{
	static const char *const bytes[] = { "byte0", "byte1", "byte2", "byte3" };

	for (int i = 0; i < 32; i++) {
		struct nft_rule r;

		if (i % 8 == 0)
			nft_chain(b, bytes[i / 8]);
		ask(b, &r, bytes[i / 8], ask_fd);
		flip(&r, 1u << i);
		nft_rule_end(b, &r);
	}
	nft_chain(b, "flip");
	for (int i = 0; i < 4; i++)
		ask_go(b, ask_fd, "flip", NFT_JUMP, bytes[i]);
}

/* ct mark set meta mark */
static void store(struct nft_rule *r)
{
	meta_mark(r, NFTA_META_DREG);
	nft_expr(r, "ct");
	mnl_attr_put_u32(r->nlh, NFTA_CT_KEY, htonl(NFT_CT_MARK));
	mnl_attr_put_u32(r->nlh, NFTA_CT_SREG, htonl(NFT_REG32_00));
	nft_expr_end(r);
}

static void refuse(struct batch *b, int ask_fd)
{
	static const struct {
		__u32 type;
		__u8 code;	/* enum fw_reject -> ICMP code */
	} how[NR_REJECTS] = {
		[REJECT_NET_UNREACH] = { NFT_REJECT_ICMP_UNREACH, 0 },
		[REJECT_HOST_UNREACH] = { NFT_REJECT_ICMP_UNREACH, 1 },
		[REJECT_PROTO_UNREACH] = { NFT_REJECT_ICMP_UNREACH, 2 },
		[REJECT_PORT_UNREACH] = { NFT_REJECT_ICMP_UNREACH, 3 },
		[REJECT_NET_PROHIBITED] = { NFT_REJECT_ICMP_UNREACH, 9 },
		[REJECT_HOST_PROHIBITED] = { NFT_REJECT_ICMP_UNREACH, 10 },
		[REJECT_TCP_RESET] = { NFT_REJECT_TCP_RST, 0 },
		[REJECT_ADMIN_PROHIBITED] = { NFT_REJECT_ICMP_UNREACH, 13 },
	};
	int kind_at[NATIVE_REJECTS];
	struct nft_rule r;

	for (int i = 0; i < NR_REJECTS; i++)
		if (i != REJECT_NET_PROHIBITED - 1)	/* 4 is no kind */
			kind_at[native_order(i)] = i;
	nft_chain(b, "refuse");
	for (int i = 0; i < NATIVE_REJECTS; i++) {
		ask(b, &r, "refuse", ask_fd);
		nft_expr(&r, "reject");
		mnl_attr_put_u32(r.nlh, NFTA_REJECT_TYPE, htonl(how[kind_at[i]].type));
		mnl_attr_put_u8(r.nlh, NFTA_REJECT_ICMP_CODE, how[kind_at[i]].code);
		nft_expr_end(&r);
		nft_rule_end(b, &r);
	}
	nft_rule(b, &r, "refuse");
	verdict(&r, NF_DROP, NULL);
	nft_rule_end(b, &r);
}

/* Without CONNMARK no rule with `ct': it would have conntrack registered. */
void nft_native(struct batch *b, int ask_fd, bool conntrack)
{
	static const struct {
		const char *name;
		__u32 hooknum;
	} base[] = {
		{ "INPUT", NF_INET_LOCAL_IN },
		{ "FORWARD", NF_INET_FORWARD },
		{ "OUTPUT", NF_INET_LOCAL_OUT },
	};
	struct nft_rule r;

	flips(b, ask_fd);
	refuse(b, ask_fd);
	nft_chain(b, "act");
	ask_go(b, ask_fd, "act", NFT_JUMP, "flip");
	ask(b, &r, "act", ask_fd);
	if (conntrack)
		store(&r);
	nft_rule_end(b, &r);
	ask_go(b, ask_fd, "act", NFT_JUMP, "flip");
	ask_go(b, ask_fd, "act", NFT_GOTO, "refuse");
	for (size_t i = 0; i < sizeof(base) / sizeof(*base); i++) {
		nft_base_chain(b, base[i].name, base[i].hooknum, NF_NATIVE_PRIORITY);
		ask_go(b, ask_fd, base[i].name, NFT_GOTO, "act");
	}
}
