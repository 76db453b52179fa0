/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * macclass.h - Ethernet source addresses as keys
 *
 * KEY_MAC is a class: each address that some rule of the ruleset names has its own.
 * Class 0 is a packet without an Ethernet source (lo, tun, wg), which `-m mac`
 * never matches, inverted or not; class 1 an address that no rule names.
 *
 * The compiler fills the image's MAC table from macclass_addr().
 */
#ifndef BPFIPT_MACCLASS_H
#define BPFIPT_MACCLASS_H

#include <stddef.h>
#include <linux/types.h>

#define MAC_CLASS_NONE	0u
#define MAC_CLASS_OTHER	1u
#define MAC_CLASS_FIRST	2u
#define MAC_CLASS_MAX	65533	/* distinct addresses a ruleset may name */

struct ruleset;

/*
 * macclasses_build() - collect the addresses of a ruleset
 * Beyond MAC_CLASS_MAX of them, the rest get no class: rule_lower() refuses their rules.
 * Return: classes, for macclasses_free(); NULL when out of memory.
 */
struct macclasses *macclasses_build(const struct ruleset *rs);
void macclasses_free(struct macclasses *mc);

/* Class of an address; MAC_CLASS_OTHER when no rule names it. */
__u16 macclass_of(const struct macclasses *mc, const unsigned char addr[6]);

/* Number of named addresses; number @i of them has class MAC_CLASS_FIRST + @i. */
size_t macclasses_count(const struct macclasses *mc);
const unsigned char *macclass_addr(const struct macclasses *mc, size_t i);

#endif /* BPFIPT_MACCLASS_H */
