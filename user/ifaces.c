// SPDX-License-Identifier: GPL-2.0-only
/*
 * ifaces.c - the interfaces of this network namespace, from rtnetlink
 */
#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <net/if_arp.h>
#include <libmnl/libmnl.h>
#include <linux/if_link.h>
#include <linux/rtnetlink.h>

#include "instance_int.h"

/* A dump's largest message, as the kernel sends them. */
#define DUMP_SIZE	32768

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
	struct nlattr *attr;

	mnl_attr_for_each_nested(attr, linkinfo)
		if (mnl_attr_get_type(attr) == IFLA_INFO_SLAVE_KIND)
			return !strcmp(mnl_attr_get_str(attr), "vrf");
	return false;
}

static int link_cb(const struct nlmsghdr *nlh, void *data)
{
	const struct ifinfomsg *ifi = mnl_nlmsg_get_payload(nlh);
	struct iface *i, *ifs;
	struct list *l = data;
	struct nlattr *attr;
	bool vrf_slave = false;

	if (l->n == l->cap) {
		size_t cap = l->cap ? l->cap * 2 : 16;

		ifs = realloc(l->ifs, cap * sizeof(*ifs));
		if (!ifs) {
			l->failed = true;
			return MNL_CB_STOP;
		}
		l->ifs = ifs;
		l->cap = cap;
	}
	i = &l->ifs[l->n++];
	memset(i, 0, sizeof(*i));
	i->ifindex = ifi->ifi_index;
	i->type = ifi->ifi_type;
	i->dev_flags = ifi->ifi_flags;
	mnl_attr_for_each(attr, nlh, sizeof(*ifi)) {
		switch (mnl_attr_get_type(attr)) {
		case IFLA_IFNAME:
			strncpy(i->name, mnl_attr_get_str(attr), IFNAMSIZ - 1);
			break;
		case IFLA_ADDRESS:
			if (mnl_attr_get_payload_len(attr) == sizeof(i->mac))
				memcpy(i->mac, mnl_attr_get_payload(attr), sizeof(i->mac));
			break;
		case IFLA_MASTER:
			i->master = mnl_attr_get_u32(attr);
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
	return MNL_CB_OK;
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
	unsigned int seq = 1, portid;
	struct mnl_socket *nl = NULL;
	struct ifinfomsg *ifi;
	struct nlmsghdr *nlh;
	struct list l = {};
	ssize_t len;
	int err = 0;

	if (!buf)
		return -ENOMEM;
	nl = mnl_socket_open2(NETLINK_ROUTE, SOCK_CLOEXEC);
	if (!nl || mnl_socket_bind(nl, 0, MNL_SOCKET_AUTOPID)) {
		err = -errno;
		goto out;
	}
	portid = mnl_socket_get_portid(nl);
	nlh = mnl_nlmsg_put_header(buf);
	nlh->nlmsg_type = RTM_GETLINK;
	nlh->nlmsg_flags = NLM_F_REQUEST | NLM_F_DUMP;
	nlh->nlmsg_seq = seq;
	ifi = mnl_nlmsg_put_extra_header(nlh, sizeof(*ifi));
	ifi->ifi_family = AF_UNSPEC;
	mnl_attr_put_u32(nlh, IFLA_EXT_MASK, RTEXT_FILTER_SKIP_STATS);
	if (mnl_socket_sendto(nl, nlh, nlh->nlmsg_len) < 0) {
		err = -errno;
		goto out;
	}
	while ((len = mnl_socket_recvfrom(nl, buf, DUMP_SIZE)) > 0) {
		int r = mnl_cb_run(buf, len, seq, portid, link_cb, &l);

		if (r < 0)
			err = -errno;
		if (r <= 0)
			break;
	}
	if (len < 0)
		err = -errno;
	if (l.failed)
		err = -ENOMEM;
	if (!err && l.n)
		qsort(l.ifs, l.n, sizeof(*l.ifs), by_ifindex);
out:
	if (nl)
		mnl_socket_close(nl);
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
