// SPDX-License-Identifier: GPL-2.0-only
/*
 * nft.c - the nftables table of an instance: what only the kernel can do for it
 *
 * At hook netfilter an instance owns a table "bpf-iptables" (family ip), and in it,
 * while a rule looks at the state, a chain that no hook leads to:
 *
 *	chain track { ct state }
 *
 * No packet meets that rule. It is there because a rule with `ct' keeps conntrack, and
 * with it defragmentation, registered in the network namespace (nft_ct_get_init(),
 * net/netfilter/nft_ct.c), just as xt_state and xt_conntrack do while a native rule
 * uses them.
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

#define TABLE		"bpf-iptables"
#define TRACK		"track"
#define BATCH_SIZE	65536

/* struct batch - messages one behind the other in @buf */
struct batch {
	char *buf;
	size_t len;
	__u32 seq;
	struct nlmsghdr *last;
};

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

static void chain(struct batch *b, const char *name)
{
	struct nlmsghdr *nlh = nft(b, NFT_MSG_NEWCHAIN, NLM_F_CREATE);

	mnl_attr_put_strz(nlh, NFTA_CHAIN_TABLE, TABLE);
	mnl_attr_put_strz(nlh, NFTA_CHAIN_NAME, name);
	put(b, nlh);
}

/* track: load the state into a register, and leave it there */
static void track(struct batch *b)
{
	struct nlattr *list, *elem, *data;
	struct nlmsghdr *nlh;

	chain(b, TRACK);
	nlh = nft(b, NFT_MSG_NEWRULE, NLM_F_CREATE | NLM_F_APPEND);
	mnl_attr_put_strz(nlh, NFTA_RULE_TABLE, TABLE);
	mnl_attr_put_strz(nlh, NFTA_RULE_CHAIN, TRACK);
	list = mnl_attr_nest_start(nlh, NFTA_RULE_EXPRESSIONS);
	elem = mnl_attr_nest_start(nlh, NFTA_LIST_ELEM);
	mnl_attr_put_strz(nlh, NFTA_EXPR_NAME, "ct");
	data = mnl_attr_nest_start(nlh, NFTA_EXPR_DATA);
	mnl_attr_put_u32(nlh, NFTA_CT_DREG, htonl(NFT_REG_1));
	mnl_attr_put_u32(nlh, NFTA_CT_KEY, htonl(NFT_CT_STATE));
	mnl_attr_nest_end(nlh, data);
	mnl_attr_nest_end(nlh, elem);
	mnl_attr_nest_end(nlh, list);
	put(b, nlh);
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
 * Return: 0 or -errno, with nothing changed.
 */
int nft_table_set(__u32 want)
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
	if (want & NATIVE_TRACK)
		track(&b);
	b.last->nlmsg_flags |= NLM_F_ACK;
	put(&b, message(&b, NFNL_MSG_BATCH_END, 0, AF_UNSPEC, NFNL_SUBSYS_NFTABLES));
	err = send_batch(&b);
	free(b.buf);
	return err;
}
