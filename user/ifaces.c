// SPDX-License-Identifier: GPL-2.0-only
/*
 * ifaces.c - the interfaces of this network namespace, from rtnetlink
 */
#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>
#include <net/if_arp.h>
#include <linux/if_link.h>
#include <linux/rtnetlink.h>

#include "instance_int.h"
#include "netlink.h"

/* A dump's largest message, as the kernel sends them. */
#define DUMP_SIZE	32768
#define DUMP_SEQ	1

struct list {
	struct iface *ifs;
	size_t n, cap;
	bool failed;
};

/* Devices whose frames begin with the IP header. */
static bool is_l3(__u16 type)
{
	switch (type) {
	case ARPHRD_NONE:
	case ARPHRD_PPP:
	case ARPHRD_TUNNEL:
	case ARPHRD_IPGRE:
	case ARPHRD_SIT:
	case ARPHRD_RAWIP:
		return true;
	}
	return false;
}

/* A VRF changes the device of a packet in place: its slaves are filtered themselves. */
static bool is_vrf_slave(const struct nlattr *linkinfo)
{
	const struct nlattr *attr;

	nl_for_each_nested(attr, linkinfo)
		if (nl_type(attr) == IFLA_INFO_SLAVE_KIND)
			return !strcmp(nl_str(attr), "vrf");
	return false;
}

static int link_cb(const struct nlmsghdr *nlh, void *data)
{
	const struct ifinfomsg *ifi = NLMSG_DATA(nlh);
	struct iface *i, *ifs;
	struct list *l = data;
	const struct nlattr *attr;
	bool vrf_slave = false;

	if (l->n == l->cap) {
		size_t cap = l->cap ? l->cap * 2 : 16;

		ifs = realloc(l->ifs, cap * sizeof(*ifs));
		if (!ifs) {
			l->failed = true;
			return NL_FAILED;
		}
		l->ifs = ifs;
		l->cap = cap;
	}
	i = &l->ifs[l->n++];
	memset(i, 0, sizeof(*i));
	i->ifindex = ifi->ifi_index;
	i->type = ifi->ifi_type;
	i->dev_flags = ifi->ifi_flags;
	nl_for_each(attr, nlh, sizeof(*ifi)) {
		switch (nl_type(attr)) {
		case IFLA_IFNAME:
			strncpy(i->name, nl_str(attr), IFNAMSIZ - 1);
			break;
		case IFLA_ADDRESS:
			if (nl_len(attr) == sizeof(i->mac))
				memcpy(i->mac, nl_data(attr), sizeof(i->mac));
			break;
		case IFLA_MASTER:
			i->master = nl_u32(attr);
			break;
		case IFLA_LINKINFO:
			vrf_slave = is_vrf_slave(attr);
			break;
		}
	}
	if (is_l3(i->type))
		i->flags |= IFACE_L3;
	if (i->dev_flags & IFF_LOOPBACK)
		i->flags |= IFACE_LOOPBACK;
	if (i->master && !vrf_slave)
		i->flags |= IFACE_PORT;
	return NL_MORE;
}

static int by_ifindex(const void *a, const void *b)
{
	const struct iface *x = a, *y = b;

	return (x->ifindex > y->ifindex) - (x->ifindex < y->ifindex);
}

/* Dumps before an interface list that changes under each is given up. */
#define LIST_TRIES	1000

/* One dump. -EINTR: an interface came or went meanwhile (NLM_F_DUMP_INTR). */
static int list_once(struct iface **ifs, size_t *n)
{
	char *buf = malloc(DUMP_SIZE);
	int nl = nl_open(NETLINK_ROUTE, 0), r = NL_FAILED;
	struct nlmsghdr *nlh;
	struct list l = {};
	ssize_t len;
	int err = 0;

	if (!buf || nl < 0) {
		err = buf ? -errno : -ENOMEM;
		goto out;
	}
	nlh = nl_header(buf);
	nlh->nlmsg_type = RTM_GETLINK;
	nlh->nlmsg_flags = NLM_F_REQUEST | NLM_F_DUMP;
	nlh->nlmsg_seq = DUMP_SEQ;
	nl_extra(nlh, sizeof(struct ifinfomsg));
	nl_put_u32(nlh, IFLA_EXT_MASK, RTEXT_FILTER_SKIP_STATS);
	if (!nl_send(nl, nlh, nlh->nlmsg_len)) {
		do {
			len = nl_recv(nl, buf, DUMP_SIZE);
			r = len < 0 ? NL_FAILED : nl_run(buf, len, DUMP_SEQ, link_cb, &l);
		} while (r > 0);
	}
	if (r < 0)
		err = l.failed ? -ENOMEM : -errno;
	if (!err && l.n)
		qsort(l.ifs, l.n, sizeof(*l.ifs), by_ifindex);
out:
	if (nl >= 0)
		close(nl);
	free(buf);
	if (err) {
		free(l.ifs);
		return err;
	}
	*ifs = l.ifs;
	*n = l.n;
	return 0;
}

/*
 * ifaces_list() - all interfaces, sorted by ifindex
 * @ifs:	heap array for the caller to free
 * A port of a bridge, bond or team is marked IFACE_PORT: what it receives
 * comes up again on its master, where iptables sees it.
 * Return: 0 or -errno.
 */
int ifaces_list(struct iface **ifs, size_t *n)
{
	int err, tries = 0;

	do
		err = list_once(ifs, n);
	while (err == -EINTR && ++tries < LIST_TRIES);
	return err;
}
