/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * ifclass.h - interface names as keys
 *
 * KEY_IIF and KEY_OIF are classes: two names are of one class when every -i/-o
 * pattern of the ruleset treats them alike. Class 0 is a name that no pattern
 * matches, which is also what an interface that the table does not hold gets: it
 * satisfies only "+" and inverted patterns. Class 1 is "no interface" (iptables
 * compares it as ""). Classes 2.. are one per pattern, and do not depend on which
 * interfaces exist; -i and -o share them.
 *
 * Example: patterns eth0, eth+; interfaces lo, eth0, eth1 gives
 *	class 0: lo	class 2: eth1 (eth+)	class 3: eth0
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

/* NULL when out of memory. */
struct ifclasses *ifclasses_build(const struct ruleset *rs, const struct iface *ifs, size_t n);
void ifclasses_free(struct ifclasses *ifc);

/* Class of any name, for an interface that appears later. */
__u16 ifclass_of_name(const struct ifclasses *ifc, const char *name);

/* Class of interface number @i of the array given to ifclasses_build(). */
__u16 ifclass_in(const struct ifclasses *ifc, size_t i);
__u16 ifclass_out(const struct ifclasses *ifc, size_t i);

/*
 * ifclass_set() - classes that `-i name` (or -o when @out) accepts
 * @name, @mask: as in struct ipt_ip (iniface, iniface_mask)
 * @inv:	`!`
 * Return: new set; NULL with errno ENOMEM, or EINVAL (a pattern that has no class).
 */
struct fset *ifclass_set(const struct ifclasses *ifc, int out, const char *name,
			 const unsigned char *mask, int inv);

#endif /* BPFIPT_IFCLASS_H */
