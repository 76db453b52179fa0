// SPDX-License-Identifier: GPL-2.0-only
/*
 * nft.c - the nftables table of an instance: what only the kernel can do for it
 *
 * At hook netfilter an instance owns a table "bpf-iptables" (family ip), and in it,
 * while a rule looks at the state, a chain that no hook leads to:
 *
 *	chain track { ct state; ct bytes }
 *
 * No packet meets these rules. They are there because a rule with `ct' keeps conntrack, and
 * with it defragmentation, registered in the network namespace (nft_ct_get_init(),
 * net/netfilter/nft_ct.c), just as xt_state and xt_conntrack do while a native rule
 * uses them; and one that reads bytes switches accounting on, as xt_connbytes does. The
 * chains that packets do meet are those of nft_native.c.
 *
 * One batch, which the kernel commits whole or not at all, makes the table what it is
 * to be: add, delete, add with its content. The old content is let go after the new one
 * took hold, so conntrack is never unregistered in between.
 */
#include <net/if.h>
#include <arpa/inet.h>
#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>
#include <libmnl/libmnl.h>
#include <linux/netfilter.h>
#include <linux/netfilter/nf_tables.h>
#include <linux/netfilter/nfnetlink.h>

#include "instance_int.h"
#include "nft_batch.h"

#define TABLE		"bpf-iptables"
#define TRACK		"track"
#define BATCH_SIZE	65536

static struct nlmsghdr *message(struct batch *b, __u16 type, __u16 flags, __u8 family,
				__u16 res_id)
{
	struct nlmsghdr *nlh = mnl_nlmsg_put_header(b->buf + b->len);
	struct nfgenmsg *nfg;

	nlh->nlmsg_type = type;
	nlh->nlmsg_flags = NLM_F_REQUEST | flags;
	nlh->nlmsg_seq = b->seq++;
	nfg = mnl_nlmsg_put_extra_header(nlh, sizeof(*nfg));
	nfg->nfgen_family = family;
	nfg->version = NFNETLINK_V0;
	nfg->res_id = htons(res_id);
	b->last = nlh;
	return nlh;
}

/* The message is complete. */
static void put(struct batch *b, const struct nlmsghdr *nlh)
{
	b->len += MNL_ALIGN(nlh->nlmsg_len);
}

static struct nlmsghdr *nft(struct batch *b, int type, __u16 flags)
{
	return message(b, NFNL_SUBSYS_NFTABLES << 8 | type, flags, NFPROTO_IPV4, 0);
}

static void table(struct batch *b, int type, __u16 flags)
{
	struct nlmsghdr *nlh = nft(b, type, flags);

	mnl_attr_put_strz(nlh, NFTA_TABLE_NAME, TABLE);
	put(b, nlh);
}

static struct nlmsghdr *chain(struct batch *b, const char *name)
{
	struct nlmsghdr *nlh = nft(b, NFT_MSG_NEWCHAIN, NLM_F_CREATE);

	mnl_attr_put_strz(nlh, NFTA_CHAIN_TABLE, TABLE);
	mnl_attr_put_strz(nlh, NFTA_CHAIN_NAME, name);
	return nlh;
}

void nft_chain(struct batch *b, const char *name)
{
	put(b, chain(b, name));
}

void nft_base_chain(struct batch *b, const char *name, __u32 hooknum, __s32 priority)
{
	struct nlmsghdr *nlh = chain(b, name);
	struct nlattr *hook = mnl_attr_nest_start(nlh, NFTA_CHAIN_HOOK);

	mnl_attr_put_u32(nlh, NFTA_HOOK_HOOKNUM, htonl(hooknum));
	mnl_attr_put_u32(nlh, NFTA_HOOK_PRIORITY, htonl(priority));
	mnl_attr_nest_end(nlh, hook);
	mnl_attr_put_u32(nlh, NFTA_CHAIN_POLICY, htonl(NF_ACCEPT));
	mnl_attr_put_strz(nlh, NFTA_CHAIN_TYPE, "filter");
	put(b, nlh);
}

void nft_rule(struct batch *b, struct nft_rule *r, const char *name)
{
	r->nlh = nft(b, NFT_MSG_NEWRULE, NLM_F_CREATE | NLM_F_APPEND);
	mnl_attr_put_strz(r->nlh, NFTA_RULE_TABLE, TABLE);
	mnl_attr_put_strz(r->nlh, NFTA_RULE_CHAIN, name);
	r->list = mnl_attr_nest_start(r->nlh, NFTA_RULE_EXPRESSIONS);
}

void nft_rule_end(struct batch *b, struct nft_rule *r)
{
	mnl_attr_nest_end(r->nlh, r->list);
	put(b, r->nlh);
}

void nft_expr(struct nft_rule *r, const char *name)
{
	r->elem = mnl_attr_nest_start(r->nlh, NFTA_LIST_ELEM);
	mnl_attr_put_strz(r->nlh, NFTA_EXPR_NAME, name);
	r->data = mnl_attr_nest_start(r->nlh, NFTA_EXPR_DATA);
}

void nft_expr_end(struct nft_rule *r)
{
	mnl_attr_nest_end(r->nlh, r->data);
	mnl_attr_nest_end(r->nlh, r->elem);
}

/* Load @key of the connection into a register, and leave it there. */
static void look_at(struct batch *b, __u32 key)
{
	struct nft_rule r;

	nft_rule(b, &r, TRACK);
	nft_expr(&r, "ct");
	mnl_attr_put_u32(r.nlh, NFTA_CT_DREG, htonl(NFT_REG_1));
	mnl_attr_put_u32(r.nlh, NFTA_CT_KEY, htonl(key));
	nft_expr_end(&r);
	nft_rule_end(b, &r);
}

/*
 * The first answer decides: an error, of whatever message, comes before the
 * acknowledgement of the last one (nfnetlink_rcv_batch(), net/netfilter/nfnetlink.c).
 */
static int answer(struct mnl_socket *nl)
{
	char buf[8192];
	const struct nlmsghdr *nlh = (const void *)buf;
	const struct nlmsgerr *e;
	ssize_t len = mnl_socket_recvfrom(nl, buf, sizeof(buf));
	int left = len;

	if (len < 0)
		return -errno;
	if (!mnl_nlmsg_ok(nlh, left) || nlh->nlmsg_type != NLMSG_ERROR)
		return -EBADMSG;
	e = mnl_nlmsg_get_payload(nlh);
	return e->error;
}

static int send_batch(struct batch *b)
{
	struct mnl_socket *nl = mnl_socket_open2(NETLINK_NETFILTER, SOCK_CLOEXEC);
	int err;

	if (!nl)
		return -errno;
	err = mnl_socket_bind(nl, 0, MNL_SOCKET_AUTOPID) ||
	      mnl_socket_sendto(nl, b->buf, b->len) < 0 ? -errno : 0;
	if (!err)
		err = answer(nl);
	mnl_socket_close(nl);
	return err;
}

/*
 * nft_table_set() - make this namespace's table hold what @want says
 * @want:	NATIVE_* of instance_int.h; 0: no table
 * @ask_fd:	program fw_native_ask, for NATIVE_ASK
 * Return: 0 or -errno, with nothing changed.
 */
int nft_table_set(__u32 want, int ask_fd)
{
	struct batch b = { .buf = malloc(BATCH_SIZE), .seq = time(NULL) };
	int err;

	if (!b.buf)
		return -ENOMEM;
	put(&b, message(&b, NFNL_MSG_BATCH_BEGIN, 0, AF_UNSPEC, NFNL_SUBSYS_NFTABLES));
	table(&b, NFT_MSG_NEWTABLE, NLM_F_CREATE);
	table(&b, NFT_MSG_DELTABLE, 0);
	if (want)
		table(&b, NFT_MSG_NEWTABLE, NLM_F_CREATE);
	if (want & (NATIVE_TRACK | NATIVE_ACCT))
		nft_chain(&b, TRACK);
	if (want & NATIVE_TRACK)
		look_at(&b, NFT_CT_STATE);
	if (want & NATIVE_ACCT)
		look_at(&b, NFT_CT_BYTES);
	if (want & NATIVE_ASK)
		nft_native(&b, ask_fd, want & NATIVE_TRACK);
	b.last->nlmsg_flags |= NLM_F_ACK;
	put(&b, message(&b, NFNL_MSG_BATCH_END, 0, AF_UNSPEC, NFNL_SUBSYS_NFTABLES));
	err = send_batch(&b);
	free(b.buf);
	return err;
}
