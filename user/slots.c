// SPDX-License-Identifier: GPL-2.0-only
/*
 * slots.c - which slots are free: those of the image map, and the counters'
 *
 * An image that went out of force may be read by packets under way (grace.c). As long as
 * that is so neither may its slot be written, nor may a counter that it names get another
 * rule.
 */
#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "instance_int.h"
#include "ruleset.h"

#define CLAIM_LOOKS	20	/* at the claims, before a grace period is waited for, */
#define CLAIM_PAUSE	50	/* us apart: a packet takes less, unless preempted */

/* counter_slots_used() - highest counter slot of a rule, and one */
__u32 counter_slots_used(const struct ruleset *rs)
{
	__u32 max = SLOT_FIRST_RULE - 1;
	size_t c, r;

	for (c = 0; c < rs->nr_chains; c++)
		for (r = 0; r < rs->chains[c]->nr_rules; r++)
			if (rs->chains[c]->rules[r]->slot > max)
				max = rs->chains[c]->rules[r]->slot;
	return max + 1;
}

/* Slots (bits), but for the active one, that packets may be reading. */
static __u32 slots_read(const struct instance *in)
{
	const struct generation *gen = &in->gen;
	__u32 read = gen->map->retired & ~(1u << active_slot(gen));
	const struct img_claims *claims;

	if (read && mode_is_nf(in->mode)) {
		claims = generation_claims(in);
		if (claims)
			read &= slots_claimed(claims, gen->rows - 1);
	}
	return read;
}

/* Has @rs a rule that the image in force has not? */
static bool any_new(const struct ruleset *rs)
{
	for (size_t c = 0; c < rs->nr_chains; c++)
		for (size_t r = 0; r < rs->chains[c]->nr_rules; r++)
			if (!rs->chains[c]->rules[r]->slot)
				return true;
	return false;
}

/* Earlier images are asked for what new rules may not be given: none if there are none. */
struct live live_images(const struct instance *in, const struct ruleset *rs)
{
	const struct generation *gen = &in->gen;
	struct live l = { .image = { active_image(gen) }, .nr = 1 };
	__u32 read = any_new(rs) ? slots_read(in) : 0;

	for (__u32 s = 0; s < tier_slots(&gen->tier); s++) {
		const struct img_hdr *h;

		if (!(read >> s & 1))
			continue;
		h = (const void *)slot_at(gen, s, slot_used(gen, s));
		if (h->magic == IMG_MAGIC && h->abi == IMG_ABI &&
		    h->words <= slot_used(gen, s) &&
		    h->actions + h->nr_positions * (__u64)(sizeof(struct img_action) / 4) <=
		    h->words)
			l.image[l.nr++] = h;
	}
	return l;
}

/* images_settle() - wait until no image is read but the one in force. Return: 0 or -errno. */
int images_settle(const struct instance *in)
{
	int err;

	for (int looks = 0; mode_is_nf(in->mode) && looks < CLAIM_LOOKS; looks++) {
		if (!slots_read(in))
			return 0;
		usleep(CLAIM_PAUSE);
	}
	err = programs_return(in->mode);
	if (!err)
		in->gen.map->retired = 0;
	return err;
}

/* idle_slot() - a slot that nothing reads. Return: its number or -errno. */
int idle_slot(const struct instance *in)
{
	const struct generation *gen = &in->gen;
	__u32 all = ((1u << tier_slots(&gen->tier)) - 1) & ~(1u << active_slot(gen));
	__u32 free = all & ~slots_read(in);
	int err = free ? 0 : images_settle(in);

	return err ?: __builtin_ctz(free ?: all);
}

/* The counter slots of an image; @holes: those too of positions that no chain holds. */
static void mark_image(const struct img_hdr *h, bool holes, unsigned char *used, __u32 n)
{
	const struct img_action *act = (const void *)((const __u32 *)h + h->actions);

	for (__u32 pos = 0; pos < h->nr_positions; pos++)
		if (act[pos].slot < n && (holes || act[pos].chain_end))
			used[act[pos].slot] = 1;
}

/*
 * Mark the counter slots below @n that are taken: by rules, and by live images.
 * @room:	counters that the map has; 0: there is none
 * Return: how many more the new rules need than are free of those the map has.
 */
static long mark_used(__u32 room, const struct live *live, const struct ruleset *rs,
		      unsigned char *used, __u32 n)
{
	long lack = 0;

	memset(used, 0, n);
	for (__u32 i = 0; i < live->nr; i++)
		mark_image(live->image[i], !live->reused, used, n);
	for (size_t c = 0; c < rs->nr_chains; c++) {
		for (size_t r = 0; r < rs->chains[c]->nr_rules; r++) {
			used[rs->chains[c]->rules[r]->slot] = 1;
			lack += !rs->chains[c]->rules[r]->slot;
		}
	}
	for (__u32 i = SLOT_FIRST_RULE; i < room; i++)
		lack -= !used[i];
	return lack;
}

/*
 * counter_slots_assign() - give every new rule the lowest free slot
 * One that the rule of an earlier image has is not free as long as that may be read: its
 * packets would be the new rule's. Example: a rule in slot 4 is exchanged for another,
 * which gets slot 5, then for a third, in 6; the fourth may have 4 again. When earlier
 * images hold so many that the map would have to grow, their end is waited for. Nor is
 * one free that a rule deleted from the base had, by which the base would be taken to
 * have the new rule (delta.c), unless again the map would have to grow.
 * @live: afterwards only those that may still be read; and whether slots were reused that
 *	the base has
 * Return: 0 or -errno.
 */
int counter_slots_assign(const struct instance *in, struct live *live, struct ruleset *rs)
{
	const __u32 room = live->nr ? in->gen.tier.nr_counters : 0;
	__u32 n = counter_slots_used(rs), next = SLOT_FIRST_RULE, total = n;
	unsigned char *used;
	int err = 0;
	long lack;

	if (!any_new(rs))
		return 0;
	if (room > total)
		total = room;
	for (size_t c = 0; c < rs->nr_chains; c++)
		total += rs->chains[c]->nr_rules;
	used = malloc(total + 1);
	if (!used)
		return -ENOMEM;
	lack = mark_used(room, live, rs, used, total + 1);
	if (lack > 0 && live->nr > 1) {
		err = images_settle(in);
		live->nr = 1;
		lack = mark_used(room, live, rs, used, total + 1);
	}
	if (lack > 0 && live->nr) {
		live->reused = true;
		mark_used(room, live, rs, used, total + 1);
	}
	for (size_t c = 0; !err && c < rs->nr_chains; c++) {
		for (size_t r = 0; r < rs->chains[c]->nr_rules; r++) {
			struct rule *ru = rs->chains[c]->rules[r];

			if (ru->slot)
				continue;
			while (used[next])
				next++;
			used[next] = 1;
			ru->slot = next;
			ru->set_counters = true;
		}
	}
	free(used);
	return err;
}
