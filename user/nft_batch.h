/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * nft_batch.h - messages to nftables, collected into one batch (nft.c)
 */
#ifndef BPFIPT_NFT_BATCH_H
#define BPFIPT_NFT_BATCH_H

#include <stdbool.h>
#include <stddef.h>
#include <linux/types.h>

struct nlattr;
struct nlmsghdr;

/* struct batch - messages one behind the other in @buf */
struct batch {
	char *buf;
	size_t len;
	__u32 seq;
	struct nlmsghdr *last;
};

/* A chain of our table: a plain one, or a filter at @hooknum and @priority, policy accept. */
void nft_chain(struct batch *b, const char *name);
void nft_base_chain(struct batch *b, const char *name, __u32 hooknum, __s32 priority);

/* A rule: nft_rule(), its expressions, nft_rule_end(). */
struct nft_rule {
	struct nlmsghdr *nlh;
	struct nlattr *list;
	struct nlattr *elem;
	struct nlattr *data;
};

void nft_rule(struct batch *b, struct nft_rule *r, const char *chain);
void nft_rule_end(struct batch *b, struct nft_rule *r);
/* An expression of a rule: nft_expr(), attributes of r->nlh, nft_expr_end(). */
void nft_expr(struct nft_rule *r, const char *name);
void nft_expr_end(struct nft_rule *r);

/*
 * nft_native.c: the chains that ask fw_native_ask, which @ask_fd is
 * @conntrack:	it is in use anyway, and may be written to
 */
void nft_native(struct batch *b, int ask_fd, bool conntrack);

#endif /* BPFIPT_NFT_BATCH_H */
