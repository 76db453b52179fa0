/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * ipset.h - the kernel's ipsets of this network namespace, read over netlink
 */
#ifndef BPFIPT_IPSET_H
#define BPFIPT_IPSET_H

#include <net/if.h>
#include <stdbool.h>
#include <stddef.h>
#include <linux/types.h>

#include "../progs/abi/ipset.h"

/*
 * struct ipset_entry - one element as the kernel lists it; host order
 * @port:	protocol << 16 | port
 * @cidr, @cidr2: prefix lengths, 32 when the type has none
 * @timeout:	seconds left, rounded down but not to 0; 0: for ever
 * @member:	of a list: name of the set
 */
struct ipset_entry {
	__u32 ip;
	__u32 ip2;
	__u32 port;
	__u8 cidr;
	__u8 cidr2;
	bool nomatch;
	bool physdev;
	bool wildcard;
	__u32 timeout;
	char iface[IFNAMSIZ];
	char member[SET_NAME_LEN];
};

/*
 * struct ipset - a set
 * @mask:	its netmask or bitmask, all ones when it has none
 * @entry:	@nr elements, for ipset_free()
 */
struct ipset {
	char type[32];
	__u8 family;
	__u32 mask;
	struct ipset_entry *entry;
	size_t nr;
};

/* ipset_name() - the name of set @index. Return: 0, -ENOENT, -errno */
int ipset_name(__u32 index, char name[SET_NAME_LEN]);

/* ipset_index() - the index of set @name. Return: >= 0, -ENOENT, -errno */
int ipset_index(const char *name);

/*
 * ipset_read() - a set, with its elements or (@header) without
 * Return: 0; -ENOENT: there is none; -errno. To be freed when 0.
 */
int ipset_read(const char *name, bool header, struct ipset *set);
void ipset_free(struct ipset *set);

#endif /* BPFIPT_IPSET_H */
