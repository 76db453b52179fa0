/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * ifclass.h - interface names as keys
 *
 * KEY_IIF and KEY_OIF are classes: two interfaces are of one class when every
 * -i/-o pattern of the ruleset treats them alike. Class 0 is an interface the
 * table does not know, class 1 "no interface" (iptables compares it as "").
 * Class 0 satisfies what any new name would: only "+" and inverted exact names.
 *
 * Example: patterns eth0, eth+; interfaces lo(1) eth0(2) eth1(3) gives
 *	class 2: lo	class 3: eth0	class 4: eth1
 */
#ifndef BPFIPT_IFCLASS_H
#define BPFIPT_IFCLASS_H

#include <stddef.h>
#include <net/if.h>
#include <linux/types.h>

#include "../progs/abi/image.h"

/* struct iface - one network interface of this namespace */
struct iface {
	__u32 ifindex;
	__u32 flags;		/* IFACE_* */
	char name[IFNAMSIZ];
	unsigned char mac[6];
	__u32 master;		/* ifindex of its master, 0 none */
	__u16 type;		/* ARPHRD_* */
	__u32 dev_flags;	/* IFF_* */
};

struct ruleset;
struct fset;

struct ifclasses *ifclasses_build(const struct ruleset *rs, const struct iface *ifs, size_t n);
void ifclasses_free(struct ifclasses *ifc);

/* Class of interface number @i of the array given to ifclasses_build(). */
__u16 ifclass_in(const struct ifclasses *ifc, size_t i);
__u16 ifclass_out(const struct ifclasses *ifc, size_t i);

/*
 * ifclass_set() - classes that `-i name` (or -o when @out) accepts
 * @name, @mask: as in struct ipt_ip (iniface, iniface_mask)
 * @inv:	`!`
 * Return: new set, NULL when out of memory.
 */
struct fset *ifclass_set(const struct ifclasses *ifc, int out, const char *name,
			 const unsigned char *mask, int inv);

#endif /* BPFIPT_IFCLASS_H */
