// SPDX-License-Identifier: GPL-2.0-only
/*
 * slots.c - which slots are free: those of the image map, and the counters'
 *
 * An image that went out of force may be read until a grace period is over (grace.c). As
 * long as that is so neither may its slot be written, nor may a counter that it names
 * get another rule.
 */
#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "instance_int.h"
#include "ruleset.h"

#define GRACE_LOOKS	40	/* at the first grace period to end, */
#define GRACE_PAUSE	500	/* us apart, before another is waited for */

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
struct live live_images(const struct generation *gen, const struct ruleset *rs)
{
	struct live l = { .image = { active_image(gen) }, .nr = 1 };

	for (__u32 s = 0; any_new(rs) && s < tier_slots(&gen->tier); s++) {
		const struct img_hdr *h;

		if (s == active_slot(gen) || grace_over(gen->map->retired[s]))
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
int images_settle(const struct generation *gen)
{
	__u32 active = active_slot(gen);
	int err = !mode_is_nf(gen->map->mode) && cpus_visit() ? 0 : sync_rcu();

	for (__u32 s = 0; !err && s < tier_slots(&gen->tier); s++)
		if (s != active)
			gen->map->retired[s] = GRACE_OVER;
	return err;
}

/* A slot whose grace period is over; -1: none; *soon: some slot's will be seen to be. */
static int over_slot(struct generation *gen, bool *soon)
{
	__u32 active = active_slot(gen), *retired = gen->map->retired;

	*soon = false;
	for (__u32 s = 0; s < tier_slots(&gen->tier); s++) {
		if (s == active)
			continue;
		if (grace_over(retired[s])) {
			retired[s] = GRACE_OVER;
			return s;
		}
		*soon |= retired[s] != GRACE_UNSURE;
	}
	return -1;
}

/*
 * idle_slot() - a slot that nothing reads: not in force, its grace period over
 * Waits for one only when commits came faster than grace periods end, and then for the
 * one that began first, which is nearer its end than one that begins now.
 * Return: its number or -errno.
 */
int idle_slot(struct generation *gen)
{
	__u32 active = active_slot(gen);
	bool soon = true;
	int slot, err;

	for (int tries = 0; soon && tries < GRACE_LOOKS; tries++) {
		if (tries)
			usleep(GRACE_PAUSE);
		slot = over_slot(gen, &soon);
		if (slot >= 0)
			return slot;
	}
	err = images_settle(gen);
	return err ?: (int)!active;
}

/*
 * slot_retired() - a slot has gone out of force and is GRACE_UNSURE: see to its grace period
 * To watch one takes a program (grace.c) and 90 us. So while commits are rare, none being
 * watched and free slots left, nothing is done: up to half of the slots wait for the same one.
 * At tc and XDP none is watched: images_settle() takes no time there.
 */
void slot_retired(struct generation *gen)
{
	__u32 n = tier_slots(&gen->tier), active = active_slot(gen), unsure = 0, token;
	__u32 *retired = gen->map->retired;
	bool watched = false;

	if (!mode_is_nf(gen->map->mode))
		return;
	for (__u32 s = 0; s < n; s++) {
		if (s == active)
			continue;
		unsure += retired[s] == GRACE_UNSURE;
		watched |= retired[s] != GRACE_UNSURE && !grace_over(retired[s]);
	}
	if (!watched && unsure < n / 2)
		return;
	token = grace_begin();
	for (__u32 s = 0; s < n; s++)
		if (s != active && retired[s] == GRACE_UNSURE)
			retired[s] = token;
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
 * Return: how many more the new rules need than are free of those the map has.
 */
static long mark_used(const struct generation *gen, const struct live *live,
		      const struct ruleset *rs, unsigned char *used, __u32 n)
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
	for (__u32 i = SLOT_FIRST_RULE; live->nr && i < gen->tier.nr_counters; i++)
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
int counter_slots_assign(const struct generation *gen, struct live *live, struct ruleset *rs)
{
	__u32 n = counter_slots_used(rs), next = SLOT_FIRST_RULE, total = n;
	unsigned char *used;
	int err = 0;
	long lack;

	if (!any_new(rs))
		return 0;
	if (live->nr && gen->tier.nr_counters > total)
		total = gen->tier.nr_counters;
	for (size_t c = 0; c < rs->nr_chains; c++)
		total += rs->chains[c]->nr_rules;
	used = malloc(total + 1);
	if (!used)
		return -ENOMEM;
	lack = mark_used(gen, live, rs, used, total + 1);
	if (lack > 0 && live->nr > 1) {
		err = images_settle(gen);
		live->nr = 1;
		lack = mark_used(gen, live, rs, used, total + 1);
	}
	if (lack > 0 && live->nr) {
		live->reused = true;
		mark_used(gen, live, rs, used, total + 1);
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
