// SPDX-License-Identifier: GPL-2.0-only
/*
 * grow.c - more room: another generation, with no packet judged differently
 *
 *	load the programs for the bigger tier aside		nothing changes
 *	copy the ruleset in force into their image		nothing changes
 *	move the links over, one by one				same verdicts
 *	carry the counters over					same sums
 *	rename the symbolic link `current'			the point of no return
 *	let the old generation go
 *
 * A process that dies before the rename leaves links on both generations, with
 * the same ruleset: instance_recover() brings them back to `current'.
 */
#include <dirent.h>
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "instance_int.h"

/* generation_set_current() - point `current' at generation @number, in one step */
int generation_set_current(const struct instance *in, int number)
{
	char tmp[PATH_MAX], cur[PATH_MAX], target[32];

	snprintf(target, sizeof(target), "g%d", number);
	if (snprintf(tmp, sizeof(tmp), "%s/next", in->dir) >= (int)sizeof(tmp) ||
	    snprintf(cur, sizeof(cur), "%s/current", in->dir) >= (int)sizeof(cur))
		return -ENAMETOOLONG;
	unlink(tmp);
	if (symlink(target, tmp) || rename(tmp, cur))
		return -errno;
	return 0;
}

/* The ruleset in force of @from, into slot 0 of @to, which nothing reads yet. */
static void copy_active(const struct generation *from, struct generation *to)
{
	const struct img_hdr *src = active_image(from);
	__u32 slot = active_slot(from);
	struct img_hdr *h;
	__u32 *w;

	if (!src)
		return;
	w = slot_at(to, 0, src->words);
	h = (void *)w;
	memcpy(w, src, src->words * 4ull);
	memcpy(rules_at(to, 0, src->rules_bytes), rules_at(from, slot, src->rules_bytes),
	       src->rules_bytes);
	h->rules = tier_rules(&to->tier, 0);
	to->map->used[0] = src->words;
	to->map->native = from->map->native;
	__atomic_store_n(&to->map->active, 0, __ATOMIC_RELEASE);
}

/* Let go of all that is pinned of generation @number. */
static void unpin(const struct instance *in, int number)
{
	char path[PATH_MAX];

	if (snprintf(path, sizeof(path), "%s/g%d", in->dir, number) < (int)sizeof(path))
		pins_remove(path);
}

/*
 * instance_grow() - move the instance to a generation of at least tier @need
 * What was counted until the links moved is carried over before the point of no return,
 * so that the counters say the same on either side of it.
 * Return: 0; -errno with everything as it was.
 */
int instance_grow(struct instance *in, const struct tier *need)
{
	struct generation old = in->gen, new;
	struct tier t = old.tier;
	struct iface *ifs = NULL;
	size_t n = 0;
	int err;

	if (need->table_words > t.table_words)
		t.table_words = need->table_words;
	if (need->rules_words > t.rules_words)
		t.rules_words = need->rules_words;
	if (need->nr_counters > t.nr_counters)
		t.nr_counters = need->nr_counters;
	t.features |= need->features;

	old.map->others = true;
	fault_step();
	err = generation_create(in, old.number + 1, &t, &old, &new);
	if (err) {
		old.map->others = false;
		return err;
	}
	new.map->others = true;
	fault_step();
	copy_active(&old, &new);
	fault_step();
	err = ifaces_list(&ifs, &n);
	if (!err)
		err = attach_all(in, &new, ifs, n, false);
	fault_step();
	if (!err)
		err = programs_return(in->mode);
	if (!err)
		err = counters_carry(&old, &new);
	fault_step();
	if (!err)
		err = generation_set_current(in, new.number);
	fault_step();
	if (!err) {
		in->gen = new;
		unpin(in, old.number);
		generation_close(&old);
		new.map->others = false;
	} else {
		/* Links that stay with @new are instance_recover()'s, who sees its pins. */
		if (!attach_all(in, &old, ifs, n, false))
			unpin(in, new.number);
		generation_close(&new);
	}
	free(ifs);
	return err;
}

/* instance_recover() - undo a growth that died half-way. Return: 0 or -errno. */
int instance_recover(struct instance *in)
{
	bool found = false;
	struct dirent *de;
	struct iface *ifs;
	size_t n;
	int err;
	DIR *d;

	if (!in->gen.map->others)
		return 0;
	d = opendir(in->dir);
	if (!d)
		return -errno;
	while ((de = readdir(d))) {
		int number;

		if (sscanf(de->d_name, "g%d", &number) == 1 && number != in->gen.number)
			found = true;
	}
	if (!found) {
		closedir(d);
		in->gen.map->others = false;
		return 0;
	}
	err = ifaces_list(&ifs, &n);
	if (!err) {
		err = attach_all(in, &in->gen, ifs, n, false);
		free(ifs);
	}
	rewinddir(d);
	while (!err && (de = readdir(d))) {
		int number;

		if (sscanf(de->d_name, "g%d", &number) == 1 && number != in->gen.number)
			unpin(in, number);
	}
	closedir(d);
	if (!err)
		in->gen.map->others = false;
	return err;
}
