// SPDX-License-Identifier: GPL-2.0-only
/*
 * publish.c - a ruleset into the kernel and back
 *
 * commit:  slots -> compile -> pack -> (grow) -> (attach) -> a slot that no program
 *	    reads any more -> copy into it -> one store to map->active
 *
 * Everything that can fail comes before the store. A process that dies anywhere
 * leaves the old ruleset or the new one in force, whole.
 *
 * Counters: the datapath only adds, user space only reads. What a rule shows is
 * base + sum over CPUs; its base travels in the packed rules. Example: slot 9 has
 * counted 1000 packets when its rule is zeroed: base becomes -1000, and the 3
 * packets that arrive meanwhile show as 3.
 */
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>
#include <unistd.h>
#include <signal.h>
#include <bpf/bpf.h>
#include <bpf/libbpf.h>

#include "compile.h"
#include "heap.h"
#include "instance_int.h"
#include "named.h"
#include "ruleset.h"
#include "sets.h"
#include "state.h"

/* Die here when the test of atomicity says so. */
void fault_step(void)
{
	static long left = -1;
	static bool known;

	if (!known) {
		const char *s = getenv("BPFIPT_FAULT_STEP");

		left = s ? strtol(s, NULL, 10) : -1;
		known = true;
	}
	if (left > 0 && !--left)
		raise(SIGKILL);
}

__u32 active_slot(const struct generation *gen)
{
	return __atomic_load_n(&gen->map->active, __ATOMIC_ACQUIRE) & (tier_slots(&gen->tier) - 1);
}

/* active_image() - header of the image in force, or NULL: nothing published yet */
const struct img_hdr *active_image(const struct generation *gen)
{
	__u32 slot = active_slot(gen);
	const struct img_hdr *h = (void *)slot_at(gen, slot, slot_used(gen, slot));

	return h->magic == IMG_MAGIC && h->abi == IMG_ABI ? h : NULL;
}

int active_verify(const struct generation *gen)
{
	__u32 slot = active_slot(gen);
	size_t used = slot_used(gen, slot);
	const __u32 *word = slot_at(gen, slot, used);

	if (((const struct img_hdr *)word)->nr_slots > gen->tier.nr_counters)
		return -EBADMSG;
	return image_verify(word, used);
}

struct image_stamp active_stamp(const struct generation *gen)
{
	const struct img_hdr *h = (const void *)slot_at(gen, active_slot(gen), sizeof(*h) / 4);

	return (struct image_stamp){
		.active = __atomic_load_n(&gen->map->active, __ATOMIC_ACQUIRE),
		.generation = __atomic_load_n(&h->generation, __ATOMIC_ACQUIRE),
	};
}

bool active_same(const struct generation *gen, struct image_stamp stamp)
{
	struct image_stamp now;

	__atomic_thread_fence(__ATOMIC_ACQUIRE);
	now = active_stamp(gen);
	return now.active == stamp.active && now.generation == stamp.generation;
}

/* Run @body for every counter of the ruleset: its slot, values and "set" flag. */
#define for_each_counter(rs, slot, packets, bytes, set, body) do {		\
	for (size_t c_ = 0; c_ < (rs)->nr_chains; c_++) {			\
		struct chain *ch_ = (rs)->chains[c_];				\
		if (ch_->hook >= 0) {						\
			__u32 slot = SLOT_POLICY(ch_->hook);			\
			__u64 *packets = &ch_->packets, *bytes = &ch_->bytes;	\
			bool *set = &ch_->set_counters;				\
			body							\
		}								\
		for (size_t r_ = 0; r_ < ch_->nr_rules; r_++) {			\
			struct rule *ru_ = ch_->rules[r_];			\
			__u32 slot = ru_->slot;					\
			__u64 *packets = &ru_->packets, *bytes = &ru_->bytes;	\
			bool *set = &ru_->set_counters;				\
			body							\
		}								\
	}									\
} while (0)

int instance_load(struct instance *in, struct ruleset **rs)
{
	const struct img_hdr *h;
	__u32 slot;
	int err;

	h = in ? active_image(&in->gen) : NULL;
	if (!h) {
		*rs = ruleset_new();
		return *rs ? 0 : -ENOMEM;
	}
	slot = active_slot(&in->gen);
	if (h->rules != tier_rules(&in->gen.tier, slot) ||
	    h->rules_bytes > in->gen.tier.rules_words * 4ull)
		return -EBADMSG;
	err = ruleset_unpack(rules_at(&in->gen, slot, h->rules_bytes), h->rules_bytes, rs);
	if (err)
		return err;
	free(in->snap);
	in->nr_snap = counter_slots_used(*rs);
	if (in->nr_snap < SLOT_FIRST_RULE || in->nr_snap > in->gen.tier.nr_counters)
		err = -EBADMSG;
	in->snap = err ? NULL : calloc(in->nr_snap, sizeof(*in->snap));
	if (!err)
		err = in->snap ? counters_read(&in->gen, in->nr_snap, in->snap) : -ENOMEM;
	if (err) {
		ruleset_free(*rs);
		*rs = NULL;
		return err;
	}
	for_each_counter(*rs, slot, packets, bytes, set, {
		*set = false;
		if (slot < in->nr_snap) {
			*packets += in->snap[slot].packets;
			*bytes += in->snap[slot].bytes;
		}
	});
	return 0;
}

/* struct draft - a commit under way: everything that can be made without the kernel */
struct draft {
	struct image img;
	struct iface *ifs;
	size_t nr_ifs;
	__u32 nr_slots;
};

/* What compiling and packing a rule takes, roughly; and what is written to pack it. */
#define COMPILE_BYTES	1200
#define PACK_BYTES	64

static size_t nr_rules(const struct ruleset *rs)
{
	size_t n = 0;

	for (size_t i = 0; i < rs->nr_chains; i++)
		n += rs->chains[i]->nr_rules;
	return n;
}

/*
 * draft_compile() - only what has changed, where that will do (delta.c)
 * @whole:	it will not: rules of the base mean something else now, or their slots do
 */
static int draft_compile(const struct ruleset *rs, const struct img_hdr *now, bool whole,
			 struct draft *d, struct lower_err *err)
{
	int ret = -EAGAIN;

	if (now && now->base_words && !whole) {
		heap_reserve(now->words * (sizeof(__u32) + 1) + nr_rules(rs) * PACK_BYTES);
		ret = delta_compile(rs, d->ifs, d->nr_ifs, now, &d->img);
	}
	if (ret == -EAGAIN) {
		heap_reserve(nr_rules(rs) * COMPILE_BYTES);
		ret = compile(rs, d->ifs, d->nr_ifs, &d->img, err);
	}
	return ret;
}

static int draft_make(const struct instance *in, struct ruleset *rs, bool whole, struct draft *d,
		      struct lower_err *err)
{
	struct live live = {};
	bool made;
	int ret;

	memset(d, 0, sizeof(*d));
	err->msg[0] = 0;
	if (in && active_image(&in->gen))
		live = live_images(in, rs);
	ret = in ? ifaces_known(in, &d->ifs, &d->nr_ifs) : ifaces_list(&d->ifs, &d->nr_ifs);
	if (!ret)
		ret = counter_slots_assign(in, &live, rs);
	if (!ret)
		ret = states_assign(rs, live.image, live.nr, err);
	if (!ret)
		ret = named_assign(rs, live.image[0], err);
	made = !ret && named_made(rs, live.image[0]);
	if (made && live.nr > 1)
		ret = images_settle(in);	/* their numbers may be in the other images */
	if (!ret)
		ret = draft_compile(rs, live.image[0], whole || made || live.reused, d, err);
	if (!ret)
		ret = capability_check(rs, in ? in->mode : MODE_TC, err);
	if (!ret)
		ret = capability_kernel(((struct img_hdr *)d->img.word)->flags,
					in ? in->mode : MODE_TC, err);
	if (!ret)
		ret = sets_check((struct img_hdr *)d->img.word, err);
	if (!ret)
		d->nr_slots = ((struct img_hdr *)d->img.word)->nr_slots;
	return ret;
}

static void draft_free(struct draft *d)
{
	image_free(&d->img);
	free(d->ifs);
}

/* struct want - what an image needs of its tier */
struct want {
	size_t words;
	size_t rules_bytes;
	__u32 slots;
	__u32 features;
};

/* @n and room to grow: 1/2 of what is small, 1/8 of what takes MBs. */
static __u32 with_room(size_t n)
{
	n += n < 1u << 18 ? n / 2 : n / 8;
	return (n + 1023) & ~1023u;
}

/*
 * tier_for() - the tier that holds what is wanted, with room to grow
 * Rules may come whole again, and new ones have counters of their own while the old ones
 * still count.
 */
static struct tier tier_for(const struct want *w)
{
	return (struct tier){
		.table_words = with_room(w->words),
		.rules_words = with_room(w->rules_bytes / 4 + 1),
		.nr_counters = (2 * w->slots + 1023) & ~1023u,
		.features = w->features,
	};
}

static bool has_room(const struct tier *have, const struct want *w)
{
	return w->words <= have->table_words && w->slots <= have->nr_counters &&
	       (w->rules_bytes + 3) / 4 <= have->rules_words;
}

/* Is every interface in the image in force (and so attached already)? */
static bool all_known(const struct img_hdr *h, const struct iface *ifs, size_t n)
{
	const __u32 *w = (const __u32 *)h;
	size_t i, j;

	if (!h)
		return false;
	for (i = 0; i < n; i++) {
		for (j = 0; j <= h->iftab_mask; j++) {
			const struct img_iface *row = (const void *)(w + h->iftab +
				((ifs[i].ifindex + j) & h->iftab_mask) * (sizeof(*row) / 4));

			if (row->ifindex == ifs[i].ifindex)
				break;
			if (!row->ifindex)
				return false;
		}
	}
	return true;
}

/* Counter values -> bases, for the packed form; and back. */
static void bases(struct instance *in, struct ruleset *rs, const struct fw_counter *now,
		  __u32 nr_now, int sign)
{
	for_each_counter(rs, slot, packets, bytes, set, {
		const struct fw_counter *c = *set ? now : in->snap;

		if (slot < (*set ? nr_now : in->nr_snap)) {
			*packets -= sign * c[slot].packets;
			*bytes -= sign * c[slot].bytes;
		}
	});
}

/* The packed ruleset, with counter bases as of the counters read now. */
static int pack(struct instance *in, struct ruleset *rs, void **bytes, size_t *len)
{
	__u32 n = counter_slots_used(rs);
	struct fw_counter *now;
	int err;

	if (n > in->gen.tier.nr_counters)
		n = in->gen.tier.nr_counters;
	now = calloc(n, sizeof(*now));
	if (!now)
		return -ENOMEM;
	err = counters_read(&in->gen, n, now);
	if (!err) {
		bases(in, rs, now, n, 1);
		err = ruleset_pack(rs, bytes, len);
		bases(in, rs, now, n, -1);
	}
	free(now);
	return err;
}

/* Copy an image into an idle slot and make it the one in force. */
static int publish(struct instance *in, const struct image *img, const void *rules,
		   size_t rules_bytes, __u32 slots)
{
	struct generation *gen = &in->gen;
	const struct img_hdr *old = active_image(gen);
	__u32 was = active_slot(gen);
	struct img_hdr *h;
	__u32 *w;
	int idle;

	idle = img->delta ? image_verify_delta(img->word, img->words) :
			    image_verify(img->word, img->words);
	if (!idle)
		idle = idle_slot(in);
	if (idle < 0)
		return idle;
	w = slot_at(gen, idle, img->words);
	h = (void *)w;
	fault_step();
	h->magic = 0;
	gen->map->used[idle] = img->words;
	memcpy(rules_at(gen, idle, rules_bytes), rules, rules_bytes);
	fault_step();
	memcpy(w + 1, img->word + 1, (img->words - 1) * 4);
	h->generation = old ? old->generation + 1 : 1;
	h->rules = tier_rules(&gen->tier, idle);
	h->rules_bytes = rules_bytes;
	h->nr_slots = slots;
	h->magic = IMG_MAGIC;
	fault_step();
	gen->map->retired |= 1u << was;
	__atomic_store_n(&gen->map->active, idle, __ATOMIC_RELEASE);
	fault_step();
	return 0;
}

static int commit(struct instance *in, struct ruleset *rs, bool whole, struct lower_err *err)
{
	void *rules = NULL;
	struct draft d;
	__u32 flags, features, need;
	struct want want;
	size_t len = 0;
	bool room;
	int ret;

	ret = draft_make(in, rs, whole, &d, err);
	if (!ret)
		ret = pack(in, rs, &rules, &len);
	flags = ret ? 0 : ((struct img_hdr *)d.img.word)->flags;
	features = flags & mode_features(in->mode);
	need = native_need(in->mode, flags);
	want = (struct want){ d.img.words, len, d.nr_slots, features };
	room = has_room(&in->gen.tier, &want);
	if (!ret && (!room || features & ~in->gen.tier.features)) {
		struct tier t = tier_for(&want);

		ret = instance_grow(in, &t);
		free(rules);
		rules = NULL;
		if (!ret)
			ret = pack(in, rs, &rules, &len);
	}
	/* The very first image is published before anything can read it. */
	if (!ret && active_image(&in->gen) &&
	    !all_known(active_image(&in->gen), d.ifs, d.nr_ifs))
		ret = attach_all(in, &in->gen, d.ifs, d.nr_ifs, false);
	if (!ret && features & IMG_F_REJECT && !mode_is_nf(in->mode))
		ret = reject_configure(in, &in->gen);
	if (!ret && features & IMG_F_CT && !mode_is_nf(in->mode))
		ret = ct_params_follow(in);
	fault_step();
	if (!ret)
		ret = native_set(in, in->gen.map->native | need, err);
	fault_step();
	if (!ret)
		ret = sets_sync(in, (struct img_hdr *)d.img.word, err);
	if (!ret)
		ret = publish(in, &d.img, rules, len, d.nr_slots);
	if (!ret)
		ret = native_set(in, need, err);
	free(rules);
	draft_free(&d);
	return ret;
}

int instance_commit(struct instance *in, struct ruleset *rs, struct lower_err *err)
{
	return commit(in, rs, false, err);
}

int instance_commit_whole(struct instance *in, struct ruleset *rs, struct lower_err *err)
{
	return commit(in, rs, true, err);
}

int instance_test(struct instance *in, struct ruleset *rs, struct lower_err *err)
{
	struct draft d;
	int ret = draft_make(in, rs, false, &d, err);

	draft_free(&d);
	return ret;
}
