// SPDX-License-Identifier: GPL-2.0-only
/*
 * loader.c - load the programs against one size of the image map, and pin them
 *
 * The objects share their maps by name: the first one loaded makes them, the next
 * ones reuse them. A generation loaded beside another one (grow.c) also takes over
 * the maps that hold state, all but the image and the counters, whose size it has for
 * itself. When it makes no other, two objects are loaded side by side: most of the time
 * is the verifier's.
 */
#include <errno.h>
#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/random.h>
#include <sys/stat.h>
#include <unistd.h>
#include <bpf/bpf.h>
#include <bpf/libbpf.h>

#include "instance_int.h"
#include "../progs/abi/forward.h"
#include "../progs/abi/ct.h"	/* the skeletons have a struct ct_params */
#include "early.skel.h"
#include "netfilter.skel.h"
#include "tc.skel.h"
#include "xdp.skel.h"

#define FIB_SKIP_NEIGH	(1u << 2)	/* BPF_FIB_LOOKUP_SKIP_NEIGH, Linux 6.3 */
#define FIB_SRC		(1u << 4)	/* BPF_FIB_LOOKUP_SRC, Linux 6.7 */

/* Parts of a netfilter program that read the kernel's connections */
#define NF_CT_FEATURES	(IMG_F_CT | IMG_F_CTINFO | IMG_F_NF_HOST)

static int print_debug(enum libbpf_print_level level, const char *fmt, va_list ap)
{
	if (!getenv("BPFIPT_DEBUG"))
		return 0;
	return vfprintf(stderr, fmt, ap);
}

/* loader_quiet() - libbpf speaks only when $BPFIPT_DEBUG is set */
void loader_quiet(void)
{
	libbpf_set_print(print_debug);
}

/* Random, and the same for all objects that this process loads. */
static __u32 reject_cookie(int i)
{
	static __u32 cookie[2];

	if (!cookie[0] && getrandom(cookie, sizeof(cookie), 0) != sizeof(cookie))
		abort();
	return cookie[i];
}

/* map-NAME or prog-NAME under a generation's directory */
static int pin(const char *dir, const char *kind, const char *name, int fd)
{
	char path[PATH_MAX];

	if (snprintf(path, sizeof(path), "%s/%s-%s", dir, kind, name) >= (int)sizeof(path))
		return -ENAMETOOLONG;
	return bpf_obj_pin(fd, path) ? -errno : 0;
}

/* A map of that name from the generation being extended, or -1. */
static int shared_map(const struct instance *in, const struct generation *share, const char *name)
{
	if (!share)
		return -1;
	return pins_open("%s/g%d/map-%s", in->dir, share->number, name);
}

/*
 * Maps that belong to a part of the programs: one entry while it is not loaded, and none,
 * not even a map, where that is big.
 */
#define BIG_VALUE	65536

static const struct {
	const char *name;
	__u32 feature;		/* IMG_F_* */
} part_maps[] = {
	{ "conntrack", IMG_F_CT },
	{ "ct_slots", IMG_F_CT },
	{ "fragments", IMG_F_CT },
	{ "ct_left_map", IMG_F_CT },
	{ "late_state", IMG_F_STATE },
	{ "climit_lists", IMG_F_CONNLIMIT },
	{ "climit_conns", IMG_F_CONNLIMIT },
	{ "climit_slots", IMG_F_CONNLIMIT },
	{ "hashlimit_entries", IMG_F_HASHLIMIT },
	{ "hashlimit_tables", IMG_F_HASHLIMIT },
	{ "recent_small", IMG_F_RECENT },
	{ "recent_big", IMG_F_RECENT_BIG },
	{ "reject_peers", IMG_F_REJECT },
	{ "native_scripts", IMG_F_NATIVE },
	{ "log_ring", IMG_F_LOG },
	{ "log_buffer", IMG_F_LOG },
	{ "set_desc", IMG_F_SET },
	{ "set_elems", IMG_F_SET },
	{ "flows", IMG_F_FLOWS },
	{ "fwd_lanes", IMG_F_FORWARD },
	{ "fwd_flows", IMG_F_FORWARD },
	{ "fwd_nexts", IMG_F_FORWARD },
};

/* The part that a map belongs to, 0: every program's. */
static __u32 map_feature(const char *name)
{
	for (size_t i = 0; i < sizeof(part_maps) / sizeof(part_maps[0]); i++)
		if (!strcmp(part_maps[i].name, name))
			return part_maps[i].feature;
	return 0;
}

/* Under which name a map is pinned; NULL: it is the object's own. */
static const char *pin_name(const struct bpf_map *map)
{
	if (!strcmp(bpf_map__name(map), ".data.ct"))
		return "ct_params";	/* bpffs takes no dots */
	return bpf_map__is_internal(map) ? NULL : bpf_map__name(map);
}

/* Two slots for an entry, a power of two: see progs/ct_table.bpf.h. */
static __u32 ct_slots(const struct tier *tier)
{
	__u32 n = 2;

	while (n < 2 * tier->ct_max)
		n *= 2;
	return n;
}

/*
 * Size or reuse every map of an object. @dir: maps pinned there already are the
 * generation's own, made by the object loaded before.
 */
static int prepare_maps(struct bpf_object *obj, const struct instance *in, const char *dir,
			const struct tier *tier, const struct generation *share)
{
	struct bpf_map *map;
	int err, fd;

	bpf_object__for_each_map(map, obj) {
		const char *name = pin_name(map);
		__u32 feature = name ? map_feature(name) : 0;
		bool grows = share && (tier->features ^ share->tier.features) & feature;

		if (!name)
			continue;
		fd = pins_open("%s/map-%s", dir, name);
		if (fd < 0 && !grows)
			fd = shared_map(in, share, name);
		if (fd >= 0) {
			err = bpf_map__reuse_fd(map, fd);
			close(fd);
			if (err)
				return err;
			continue;
		}
		if (feature && !(tier->features & feature))
			err = bpf_map__value_size(map) > BIG_VALUE ?
			      bpf_map__set_autocreate(map, false) :
			      bpf_map__set_max_entries(map, 1);
		else if (!strcmp(name, "fwd_flows"))
			err = bpf_map__set_max_entries(map, FWD_FLOWS *
						       libbpf_num_possible_cpus());
		else if (!strcmp(name, "flows"))
			err = bpf_map__set_max_entries(map, libbpf_num_possible_cpus() << FLOW_SETS_BITS);
		else if (!strcmp(name, "claims"))
			err = bpf_map__set_max_entries(map, libbpf_num_possible_cpus());
		else if (!strcmp(name, "routes"))
			err = bpf_map__set_max_entries(map, kernel_has_kern_ctx() ?
						       libbpf_num_possible_cpus() : 1);
		else if (!strcmp(name, "conntrack"))
			err = bpf_map__set_max_entries(map, tier->ct_max);
		else if (!strcmp(name, "ct_slots"))
			err = bpf_map__set_max_entries(map, ct_slots(tier));
		else
			err = 0;
		if (err)
			return err;
	}
	return 0;
}

/* An array that user space maps, pinned before an object is loaded that takes it. */
static int make_array(const char *dir, const char *name, __u64 value_size, __u32 entries)
{
	LIBBPF_OPTS(bpf_map_create_opts, opts, .map_flags = BPF_F_MMAPABLE);
	int fd = -EINVAL, err;

	if (value_size <= UINT32_MAX)
		fd = bpf_map_create(BPF_MAP_TYPE_ARRAY, name, sizeof(__u32), value_size, entries,
				    &opts);
	if (fd < 0)
		return fd;
	err = pin(dir, "map", name, fd);
	close(fd);
	return err;
}

/* Pin what the object made: maps not pinned yet, and its programs. */
static int pin_object(struct bpf_object *obj, const char *dir)
{
	struct bpf_program *prog;
	struct bpf_map *map;
	int err;

	bpf_object__for_each_map(map, obj) {
		if (!pin_name(map) || bpf_map__fd(map) < 0)
			continue;
		err = pin(dir, "map", pin_name(map), bpf_map__fd(map));
		if (err && err != -EEXIST)
			return err;
	}
	bpf_object__for_each_program(prog, obj) {
		err = pin(dir, "prog", bpf_program__name(prog), bpf_program__fd(prog));
		if (err)
			return err;
	}
	return 0;
}

/*
 * Program and attach type of netfilter programs (Linux 6.4), newer than Debian 12's libbpf,
 * which knows those of fw_named and fw_native_ask.
 */
static void set_netfilter_type(struct bpf_object *obj)
{
	struct bpf_program *prog;

	bpf_object__for_each_program(prog, obj) {
		if (strcmp(bpf_program__section_name(prog), "netfilter"))
			continue;
		bpf_program__set_type(prog, (enum bpf_prog_type)PROG_TYPE_NETFILTER);
		bpf_program__set_expected_attach_type(prog,
						      (enum bpf_attach_type)ATTACH_NETFILTER);
	}
}

/* The kernel tracks connections for the netfilter program: it has no table to size. */
#define set_ct_slots(skel, tier)						\
	((skel)->rodata->ct_slots_mask = (tier)->features & IMG_F_CT ? ct_slots(tier) - 1 : 0)
#define set_tc(skel, tier)		set_ct_slots(skel, tier)
/* To send a packet on takes the neighbour, which other look-ups can do without. */
#define set_xdp(skel, tier) do {						\
	set_ct_slots(skel, tier);						\
	if ((tier)->features & IMG_F_FORWARD) {					\
		(skel)->rodata->fib_flags = 0;					\
		(skel)->rodata->apparmor_ip_postroute =				\
			kernel_symbol("apparmor_ip_postroute");			\
	}									\
} while (0)
#define set_netfilter(skel, tier)	set_netfilter_type((skel)->obj)
/* What else a rule may need it leaves to the netfilter program. */
#define set_early(skel, tier)		((skel)->rodata->features = (tier)->features & IMG_F_PAYLOAD)

/* One object, from its skeleton: open, set the knobs, load, pin, let go. */
#define LOAD(name, in, dir, tier, share) ({					\
	struct name *skel_ = name##__open();					\
	int err_ = skel_ ? 0 : -errno;						\
	if (!err_) {								\
		skel_->rodata->img_table_mask = tier_mask(tier);		\
		skel_->rodata->img_slot_bytes = (tier)->table_words * 4;		\
		skel_->rodata->img_slot_mask = tier_slots(tier) - 1;		\
		skel_->rodata->fib_flags = kernel_has_skip_neigh() ? FIB_SKIP_NEIGH : 0; \
		skel_->rodata->nr_counters = (tier)->nr_counters;		\
		skel_->rodata->fib_src_flag = kernel_has_fib_src() ? FIB_SRC : 0;	\
		skel_->rodata->kern_ctx = kernel_has_kern_ctx();		\
		skel_->rodata->reject_cookie[0] = reject_cookie(0);		\
		skel_->rodata->reject_cookie[1] = reject_cookie(1);		\
		skel_->rodata->features = (tier)->features;			\
		set_##name(skel_, tier);					\
		err_ = prepare_maps(skel_->obj, in, dir, tier, share);		\
	}									\
	if (!err_)								\
		err_ = name##__load(skel_);					\
	if (!err_)								\
		err_ = pin_object(skel_->obj, dir);				\
	name##__destroy(skel_);							\
	err_;									\
})

/* struct load - what is to be loaded of a generation; @err: what came of it */
struct load {
	const struct instance *in;
	const char *dir;
	const struct tier *tier;
	const struct generation *share;
	int err;
};

static void load_first(struct load *l)
{
	l->err = mode_is_nf(l->in->mode) ? LOAD(netfilter, l->in, l->dir, l->tier, l->share) :
					   LOAD(tc, l->in, l->dir, l->tier, l->share);
}

/* What stands at the driver. */
static void *load_second(void *arg)
{
	struct load *l = arg;

	l->err = l->in->mode == MODE_XDP ? LOAD(xdp, l->in, l->dir, l->tier, l->share) :
					   LOAD(early, l->in, l->dir, l->tier, l->share);
	return NULL;
}

static int load_both(struct load *first)
{
	bool beside = first->share && first->share->tier.features == first->tier->features;
	struct load second = *first;
	pthread_t thread;

	/* what is looked up once and kept */
	reject_cookie(0);
	kernel_has_skip_neigh();
	kernel_has_fib_src();
	kernel_has_kern_ctx();
	if (beside && pthread_create(&thread, NULL, load_second, &second))
		beside = false;
	load_first(first);
	if (beside)
		pthread_join(thread, NULL);
	else if (!first->err)
		load_second(&second);
	return first->err ?: second.err;
}

/*
 * generation_create() - load the programs for @tier and pin them as gNUMBER
 * @share:	generation whose state (conntrack, events, late matches) goes on, or NULL
 * Nothing is attached. The image map is empty: publish into it first.
 * Return: 0 with @gen open, or -errno with nothing left behind.
 */
int generation_create(struct instance *in, int number, const struct tier *tier,
		      const struct generation *share, struct generation *gen)
{
	char dir[PATH_MAX];
	struct load load = { .in = in, .dir = dir, .tier = tier, .share = share };
	int err;

	loader_quiet();
	if (snprintf(dir, sizeof(dir), "%s/g%d", in->dir, number) >= (int)sizeof(dir))
		return -ENAMETOOLONG;
	pins_remove(dir);
	if (mkdir(dir, 0700))
		return -errno;
	if (mode_is_nf(in->mode) && tier->features & NF_CT_FEATURES)
		kernel_load_conntrack();
	err = make_array(dir, "image", image_bytes(tier), 1);
	if (!err)
		err = make_array(dir, "counters", sizeof(struct fw_counter),
				 tier->nr_counters * counters_rows());
	if (!err && (in->mode == MODE_XDP || in->mode == MODE_HYBRID)) {
		err = load_both(&load);
	} else if (!err) {
		load_first(&load);
		err = load.err;
	}
	if (!err)
		err = generation_open(in, number, gen);
	if (err) {
		pins_remove(dir);
		return err;
	}
	gen->tier = *tier;
	gen->rows = counters_rows();
	gen->map->abi = IMG_ABI;
	gen->map->table_words = tier->table_words;
	gen->map->rules_words = tier->rules_words;
	gen->map->nr_counters = tier->nr_counters;
	gen->map->mode = in->mode;
	gen->map->features = tier->features;
	gen->map->ct_max = tier->ct_max;
	return 0;
}
