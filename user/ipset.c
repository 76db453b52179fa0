// SPDX-License-Identifier: GPL-2.0-only
/*
 * ipset.c - the kernel's ipsets of this network namespace, read over netlink
 *
 * Names and indices by getsockopt(SO_IP_SET), as libxtables asks for them; contents
 * by a dump of IPSET_CMD_LIST for one set (net/netfilter/ipset/ip_set_core.c). The
 * kernel does not let a set be swapped while it is being dumped.
 */
#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>
#include <unistd.h>
#include <arpa/inet.h>
#include <netinet/in.h>
#include <sys/socket.h>
#include <libmnl/libmnl.h>
#include <linux/netfilter/nfnetlink.h>
#include <linux/netfilter/ipset/ip_set.h>

#include "array.h"
#include "ipset.h"

/* Newer than the headers: IPSET_ATTR_BITMASK (Linux 6.3) */
#define ATTR_BITMASK	12

#define DUMP_SIZE	32768

/* One SO_IP_SET request, with the version that the kernel has. */
static int sockopt(struct ip_set_req_get_set *req)
{
	struct ip_set_req_version v = { .op = IP_SET_OP_VERSION };
	int fd = socket(AF_INET, SOCK_RAW | SOCK_CLOEXEC, IPPROTO_RAW), err = 0;
	socklen_t size = sizeof(v);

	if (fd < 0)
		return -errno;
	if (getsockopt(fd, SOL_IP, SO_IP_SET, &v, &size))
		err = -errno;
	req->version = v.version;
	size = sizeof(*req);
	if (!err && getsockopt(fd, SOL_IP, SO_IP_SET, req, &size))
		err = -errno;
	close(fd);
	return err;
}

int ipset_name(__u32 index, char name[SET_NAME_LEN])
{
	struct ip_set_req_get_set req = { .op = IP_SET_OP_GET_BYINDEX };
	int err;

	_Static_assert(SET_NAME_LEN == IPSET_MAXNAMELEN, "names fit");
	req.set.index = index;
	err = sockopt(&req);
	if (!err && !req.set.name[0])
		err = -ENOENT;
	if (err)
		return err;
	memcpy(name, req.set.name, SET_NAME_LEN);
	name[SET_NAME_LEN - 1] = 0;
	return 0;
}

int ipset_index(const char *name)
{
	struct ip_set_req_get_set req = { .op = IP_SET_OP_GET_BYNAME };
	int err;

	strncpy(req.set.name, name, sizeof(req.set.name) - 1);
	err = sockopt(&req);
	if (err)
		return err;
	return req.set.index == IPSET_INVALID_ID ? -ENOENT : req.set.index;
}

struct reading {
	struct ipset *set;
	size_t cap;
};

/* IPSET_ATTR_IP and such: an address in a nest of its own; IPv4 only */
static __u32 address(const struct nlattr *nest)
{
	const struct nlattr *attr;

	mnl_attr_for_each_nested(attr, nest)
		if (mnl_attr_get_type(attr) == IPSET_ATTR_IPADDR_IPV4 &&
		    mnl_attr_get_payload_len(attr) == sizeof(__u32))
			return ntohl(mnl_attr_get_u32(attr));
	return 0;
}

static void copy_string(char *to, size_t size, const struct nlattr *attr)
{
	size_t len = mnl_attr_get_payload_len(attr);

	if (len >= size)
		len = size - 1;
	memset(to, 0, size);
	memcpy(to, mnl_attr_get_payload(attr), len);
}

static void read_header(struct ipset *set, const struct nlattr *data)
{
	const struct nlattr *attr;

	mnl_attr_for_each_nested(attr, data) {
		switch (mnl_attr_get_type(attr)) {
		case IPSET_ATTR_NETMASK:
			set->mask = 0xffffffffu << (32 - mnl_attr_get_u8(attr));
			break;
		case ATTR_BITMASK:
			set->mask = address(attr);
			break;
		}
	}
}

static void read_entry(struct ipset_entry *e, const struct nlattr *data)
{
	const struct nlattr *attr;
	__u32 flags = 0, proto = 0, port = 0;

	memset(e, 0, sizeof(*e));
	e->cidr = e->cidr2 = 32;
	mnl_attr_for_each_nested(attr, data) {
		switch (mnl_attr_get_type(attr)) {
		case IPSET_ATTR_IP:
			e->ip = address(attr);
			break;
		case IPSET_ATTR_IP2:
			e->ip2 = address(attr);
			break;
		case IPSET_ATTR_CIDR:
			e->cidr = mnl_attr_get_u8(attr);
			break;
		case IPSET_ATTR_CIDR2:
			e->cidr2 = mnl_attr_get_u8(attr);
			break;
		case IPSET_ATTR_PORT:
			port = ntohs(mnl_attr_get_u16(attr));
			break;
		case IPSET_ATTR_PROTO:
			proto = mnl_attr_get_u8(attr);
			break;
		case IPSET_ATTR_TIMEOUT:
			e->timeout = ntohl(mnl_attr_get_u32(attr));
			break;
		case IPSET_ATTR_CADT_FLAGS:
			flags = ntohl(mnl_attr_get_u32(attr));
			break;
		case IPSET_ATTR_IFACE:
			copy_string(e->iface, sizeof(e->iface), attr);
			break;
		case IPSET_ATTR_NAME:
			copy_string(e->member, sizeof(e->member), attr);
			break;
		}
	}
	e->port = proto << 16 | port;
	e->nomatch = flags & IPSET_FLAG_NOMATCH;
	e->physdev = flags & IPSET_FLAG_PHYSDEV;
	e->wildcard = flags & IPSET_FLAG_IFACE_WILDCARD;
}

/* Elements. Return: MNL_CB_OK, MNL_CB_ERROR when out of memory */
static int read_entries(struct reading *r, const struct nlattr *adt)
{
	struct ipset *set = r->set;
	const struct nlattr *attr;

	mnl_attr_for_each_nested(attr, adt) {
		if (array_room(set->entry, set->nr + 1, r->cap))
			return MNL_CB_ERROR;
		read_entry(&set->entry[set->nr++], attr);
	}
	return MNL_CB_OK;
}

static int set_cb(const struct nlmsghdr *nlh, void *data)
{
	struct reading *r = data;
	const struct nlattr *attr;
	int ret = MNL_CB_OK;

	mnl_attr_for_each(attr, nlh, sizeof(struct nfgenmsg)) {
		switch (mnl_attr_get_type(attr)) {
		case IPSET_ATTR_TYPENAME:
			copy_string(r->set->type, sizeof(r->set->type), attr);
			break;
		case IPSET_ATTR_FAMILY:
			r->set->family = mnl_attr_get_u8(attr);
			break;
		case IPSET_ATTR_DATA:
			read_header(r->set, attr);
			break;
		case IPSET_ATTR_ADT:
			if (read_entries(r, attr) == MNL_CB_ERROR)
				ret = MNL_CB_ERROR;
			break;
		}
	}
	return ret;
}

int ipset_read(const char *name, bool header, struct ipset *set)
{
	struct mnl_socket *nl = mnl_socket_open2(NETLINK_NETFILTER, SOCK_CLOEXEC);
	struct reading r = { .set = set };
	char *buf = malloc(DUMP_SIZE);
	struct nlmsghdr *nlh;
	struct nfgenmsg *nfg;
	unsigned int seq = time(NULL);
	ssize_t len;
	int ret = -1;

	memset(set, 0, sizeof(*set));
	set->mask = 0xffffffffu;
	if (!nl || !buf || mnl_socket_bind(nl, 0, MNL_SOCKET_AUTOPID))
		goto out;
	nlh = mnl_nlmsg_put_header(buf);
	nlh->nlmsg_type = NFNL_SUBSYS_IPSET << 8 | IPSET_CMD_LIST;
	nlh->nlmsg_flags = NLM_F_REQUEST | NLM_F_ACK | NLM_F_DUMP;
	nlh->nlmsg_seq = seq;
	nfg = mnl_nlmsg_put_extra_header(nlh, sizeof(*nfg));
	nfg->nfgen_family = AF_INET;
	nfg->version = NFNETLINK_V0;
	mnl_attr_put_u8(nlh, IPSET_ATTR_PROTOCOL, IPSET_PROTOCOL);
	mnl_attr_put_strz(nlh, IPSET_ATTR_SETNAME, name);
	if (header)
		mnl_attr_put_u32(nlh, IPSET_ATTR_FLAGS, htonl(IPSET_FLAG_LIST_HEADER));
	if (mnl_socket_sendto(nl, nlh, nlh->nlmsg_len) < 0)
		goto out;
	do {
		len = mnl_socket_recvfrom(nl, buf, DUMP_SIZE);
		ret = len < 0 ? -1 : mnl_cb_run(buf, len, seq, mnl_socket_get_portid(nl), set_cb, &r);
	} while (ret > 0);
out:
	ret = ret < 0 ? -(errno ?: EIO) : set->type[0] ? 0 : -ENOENT;
	if (ret)
		ipset_free(set);
	free(buf);
	if (nl)
		mnl_socket_close(nl);
	return ret;
}

void ipset_free(struct ipset *set)
{
	free(set->entry);
	set->entry = NULL;
	set->nr = 0;
}
