// SPDX-License-Identifier: GPL-2.0-only
/*
 * mnl.c - libmnl, loaded when something of it is called for the first time
 *
 * Most commands ask nothing over netlink (ifcache.c), and to have the dynamic linker map
 * and relocate one more library takes 50 us, a twentieth of a command on a few rules; it
 * cannot be linked in as libbpf is, for Debian has no archive of it. So what
 * <libmnl/libmnl.h> declares is defined here: each function finds its namesake in the
 * library, and calls it. iptables itself needs the library (xtables-nft-multi): it is
 * there wherever the extensions are that libxtables loads.
 */
#include <dlfcn.h>
#include <stdio.h>
#include <stdlib.h>
#include <libmnl/libmnl.h>

#include "cmd.h"

#define LIBRARY	"libmnl.so.0"

static void *find(const char *name)
{
	static void *library;
	void *function = NULL;

	if (!library)
		library = dlopen(LIBRARY, RTLD_LAZY);
	if (library)
		function = dlsym(library, name);
	if (!function) {
		fprintf(stderr, "bpf-iptables: %s\n", dlerror());
		exit(STATUS_OTHER);
	}
	return function;
}

#define FORWARD(type, name, params, args)		\
type name params					\
{							\
	static type (*function) params;			\
							\
	if (!function)					\
		function = find(#name);			\
	return function args;				\
}

FORWARD(struct mnl_socket *, mnl_socket_open2, (int bus, int flags), (bus, flags))
FORWARD(int, mnl_socket_bind, (struct mnl_socket *nl, unsigned int groups, pid_t pid),
	(nl, groups, pid))
FORWARD(int, mnl_socket_close, (struct mnl_socket *nl), (nl))
FORWARD(int, mnl_socket_get_fd, (const struct mnl_socket *nl), (nl))
FORWARD(unsigned int, mnl_socket_get_portid, (const struct mnl_socket *nl), (nl))
FORWARD(ssize_t, mnl_socket_sendto, (const struct mnl_socket *nl, const void *req, size_t size),
	(nl, req, size))
FORWARD(ssize_t, mnl_socket_recvfrom, (const struct mnl_socket *nl, void *buf, size_t size),
	(nl, buf, size))
FORWARD(int, mnl_cb_run, (const void *buf, size_t len, unsigned int seq, unsigned int portid,
			  mnl_cb_t cb, void *data), (buf, len, seq, portid, cb, data))

FORWARD(struct nlmsghdr *, mnl_nlmsg_put_header, (void *buf), (buf))
FORWARD(void *, mnl_nlmsg_put_extra_header, (struct nlmsghdr *nlh, size_t size), (nlh, size))
FORWARD(bool, mnl_nlmsg_ok, (const struct nlmsghdr *nlh, int len), (nlh, len))
FORWARD(void *, mnl_nlmsg_get_payload, (const struct nlmsghdr *nlh), (nlh))
FORWARD(void *, mnl_nlmsg_get_payload_offset, (const struct nlmsghdr *nlh, size_t offset),
	(nlh, offset))
FORWARD(void *, mnl_nlmsg_get_payload_tail, (const struct nlmsghdr *nlh), (nlh))

FORWARD(bool, mnl_attr_ok, (const struct nlattr *attr, int len), (attr, len))
FORWARD(struct nlattr *, mnl_attr_next, (const struct nlattr *attr), (attr))
FORWARD(uint16_t, mnl_attr_get_type, (const struct nlattr *attr), (attr))
FORWARD(void *, mnl_attr_get_payload, (const struct nlattr *attr), (attr))
FORWARD(uint16_t, mnl_attr_get_payload_len, (const struct nlattr *attr), (attr))
FORWARD(const char *, mnl_attr_get_str, (const struct nlattr *attr), (attr))
FORWARD(uint8_t, mnl_attr_get_u8, (const struct nlattr *attr), (attr))
FORWARD(uint16_t, mnl_attr_get_u16, (const struct nlattr *attr), (attr))
FORWARD(uint32_t, mnl_attr_get_u32, (const struct nlattr *attr), (attr))

FORWARD(void, mnl_attr_put, (struct nlmsghdr *nlh, uint16_t type, size_t len, const void *data),
	(nlh, type, len, data))
FORWARD(void, mnl_attr_put_u8, (struct nlmsghdr *nlh, uint16_t type, uint8_t data),
	(nlh, type, data))
FORWARD(void, mnl_attr_put_u32, (struct nlmsghdr *nlh, uint16_t type, uint32_t data),
	(nlh, type, data))
FORWARD(void, mnl_attr_put_strz, (struct nlmsghdr *nlh, uint16_t type, const char *data),
	(nlh, type, data))
FORWARD(struct nlattr *, mnl_attr_nest_start, (struct nlmsghdr *nlh, uint16_t type), (nlh, type))
FORWARD(void, mnl_attr_nest_end, (struct nlmsghdr *nlh, struct nlattr *start), (nlh, start))
