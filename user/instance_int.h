/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * instance_int.h - inside an instance: pins, programs, links, the image map
 *
 * On the BPF file system, one directory per network namespace, named by the
 * namespace's cookie (unique until reboot, unlike its inode number):
 *
 *	bpf-iptables/ns-COOKIE/
 *		current -> g3		generation in force, a symbolic link
 *		g3/map-NAME		maps
 *		g3/prog-NAME		programs
 *		links/IFINDEX-in -out -xdp	one link per interface and side
 *		links/IFINDEX-clsact		a qdisc that we made (attach_cls.c)
 *		links/lo			says whether the namespace lives (pins.c)
 *		links/nf-INPUT -FORWARD -OUTPUT	hook netfilter: one link per chain
 *		links/nf-INPUT-end ...		and of fw_native_end (nf_native.bpf.h)
 *
 * A generation is one load of the programs against one size of the image map.
 * A ruleset that outgrows it gets a new generation, loaded aside (grow.c).
 */
#ifndef BPFIPT_INSTANCE_INT_H
#define BPFIPT_INSTANCE_INT_H

#include <limits.h>
#include <stdbool.h>
#include <linux/types.h>

#include "../progs/abi/counters.h"
#include "../progs/abi/image.h"
#include "ifclass.h"
#include "instance.h"

/* Linux 6.4, newer than Debian 12's headers: BPF_PROG_TYPE_NETFILTER, BPF_NETFILTER */
#define PROG_TYPE_NETFILTER	32
#define ATTACH_NETFILTER	45

/* Linux 6.6: BPF_TCX_INGRESS, BPF_TCX_EGRESS */
#define TCX_INGRESS	46
#define TCX_EGRESS	47

/* Priority of the chains of nft_native.c; the programs stand before and behind it. */
#define NF_NATIVE_PRIORITY	(-2)

/*
 * struct tier - sizes that are fixed when the programs are loaded
 * @table_words: words of a slot, a multiple of 1024
 * @rules_words: words of its rules, a multiple of 1024
 * @nr_counters: counter slots
 * @features:	IMG_F_PROGRAM bits: parts that the programs hold, with full-size maps
 * @ct_max:	entries of the conntrack map, tc and xdp
 * @claims:	the programs say which slot they read: hooks netfilter and hybrid
 */
struct tier {
	__u32 table_words;
	__u32 rules_words;
	__u32 nr_counters;
	__u32 features;
	__u32 ct_max;
	bool claims;
};

/*
 * tier_slots() - slots of an image map: as many as keep the small commands of a grace
 * period from waiting for its end, and from visiting all CPUs for it, for some MB. Where
 * programs claim what they read nobody visits them, and fewer do.
 */
static inline __u32 tier_slots(const struct tier *t)
{
	__u32 words = t->table_words + t->rules_words;

	return words <= 1u << 17 && !t->claims ? 8 : words <= 1u << 18 ? 4 : 2;
}

/* tier_mask() - what the datapath cuts an index of a slot's words with */
static inline __u32 tier_mask(const struct tier *t)
{
	return t->table_words < 2 ? 0 : ~0u >> __builtin_clz(t->table_words - 1);
}

/* tier_rules() - the word behind slot @slot's first one at which its rules lie */
static inline __u32 tier_rules(const struct tier *t, __u32 slot)
{
	return (tier_slots(t) - slot) * t->table_words + slot * t->rules_words;
}

/* What of a generation is opened only by those who attach it. */
enum gen_fd {
	GEN_INGRESS,
	GEN_EGRESS,
	GEN_ANSWER,
	GEN_XDP,
	GEN_NETFILTER,
	GEN_NF_ENTRY,
	GEN_EARLY,
	GEN_NF_PROGS,
	NR_GEN_FDS,
};

/*
 * struct generation - loaded programs and their maps
 * @map:	start of the image map, mmapped; slots are by slot_at()
 * @maps:	of generation.c
 * @rows:	of counters: one per CPU, and one for what was carried over
 * @fd:		by enum gen_fd, see generation_programs(); negative: not open
 */
struct generation {
	int number;
	struct tier tier;
	struct img_map *map;
	struct gen_maps *maps;
	__u32 rows;
	int image_fd;
	int counters_fd;
	int fd[NR_GEN_FDS];
};

/*
 * struct instance
 * @dir:	its directory on bpffs
 * @snap:	counters as instance_load() saw them, summed over CPUs, by slot
 */
struct instance {
	char dir[PATH_MAX];
	enum fw_mode mode;
	struct generation gen;
	struct fw_counter *snap;
	__u32 nr_snap;
};

/* pins.c */
int pins_root(char *path, size_t len);		/* .../bpf-iptables, made or not */
int pins_instance_dir(char *path, size_t len);	/* of this thread's namespace */
int pins_usual_dir(char *path, size_t len);
int pins_make_dir(const char *dir);
void pins_remove(const char *dir);		/* recursively */
int pins_mark(const struct instance *in);	/* hooks tc, xdp: for pins_prune() */
void pins_unlink(const char *path);		/* of a link, which is detached */
void pins_prune(void);				/* instances of namespaces that are gone */
int pins_open(const char *fmt, ...) __attribute__((format(printf, 1, 2)));

/* reap.c */
bool reap_is_orphan(const char *dir);

/* loader.c */
int generation_create(struct instance *in, int number, const struct tier *tier,
		      const struct generation *share, struct generation *gen);
void loader_quiet(void);

/* generation.c */
int generation_open(struct instance *in, int number, struct generation *gen);
void generation_programs(const struct instance *in, struct generation *gen);
void generation_close(struct generation *gen);
const struct fw_counter *counters_row(const struct generation *gen, __u32 row, __u32 n);
const struct img_claims *generation_claims(const struct instance *in);
__u32 *slot_at(const struct generation *gen, __u32 slot, size_t words);
size_t slot_used(const struct generation *gen, __u32 slot);
char *rules_at(const struct generation *gen, __u32 slot, size_t bytes);
__u64 image_bytes(const struct tier *t);	/* of the map's value */

/*
 * kernel.c
 * kernel_has_...(): BPF_FIB_LOOKUP_SKIP_NEIGH, BPF_FIB_LOOKUP_SRC,
 * bpf_cast_to_kern_ctx()
 * kernel_symbol(): its address, or 0
 * kernel_print(): what this kernel has, and what is done without what it has not
 * kernel_explain(): name on stderr what @mode needs and this kernel has not. Return: any?
 */
bool kernel_has_skip_neigh(void);
bool kernel_has_fib_src(void);
bool kernel_has_kern_ctx(void);
__u64 kernel_symbol(const char *name);
bool kernel_can_forward(void);	/* what progs/xdp_lane.bpf.h asks for */
void kernel_print(void);
bool kernel_explain(enum fw_mode mode);
void kernel_load_conntrack(void);	/* before programs that read connections are loaded */

/* grow.c */
int generation_set_current(const struct instance *in, int number);
int instance_grow(struct instance *in, const struct tier *need);
int instance_recover(struct instance *in);

/* ifaces.c: every interface of this namespace, sorted by ifindex; free(*ifs) */
int ifaces_list(struct iface **ifs, size_t *n);

/* ifcache.c: the same without a dump, where none has changed; the caller has the lock */
int ifaces_known(const struct instance *in, struct iface **ifs, size_t *n);
void ifstamp_make(const struct instance *in);

/*
 * attach.c
 * attach_all(): a link wherever one is missing, none where none belongs; every
 * link runs the programs of @gen. What could not be covered is named on stderr.
 * Return: 0, or -errno of the first interface that could not be covered.
 */
int attach_all(struct instance *in, struct generation *gen,
	       const struct iface *ifs, size_t n, bool verbose);
int attach_detach_all(struct instance *in);
const char *attach_describe(struct instance *in, __u32 ifindex);

/*
 * attach_cls.c: filters instead of links, @ingress or egress
 * cls_needed(): the kernel has no tcx links
 * cls_detach_all(): all filters of ours, and the qdiscs that were made for them
 */
bool cls_needed(void);
int cls_attach(const struct instance *in, int prog_fd, __u32 ifindex, bool ingress);
void cls_detach(__u32 ifindex, bool ingress);
bool cls_attached(__u32 ifindex, bool ingress);
void cls_detach_all(const struct instance *in, const struct iface *ifs, size_t n);

/*
 * ct_params.c: timeouts and switches of conntrack, tc and xdp
 * ct_params_follow(): what was not set by hand takes the value of its sysctl, if there is
 * one. Return: 0 or -errno.
 * ct_params_print(): every row, or those that differ from netfilter's own default
 * ct_params_main(): `conntrack --sysctl', @words being NAME, NAME=VALUE or NAME=
 */
int ct_params_follow(const struct instance *in);
int ct_params_print(const struct instance *in, const char *prefix, bool all);
int ct_params_main(char *const words[], int n);

/* conntrack.c: entries of the table that have time left, or -errno */
long conntrack_used(const struct instance *in);

/* forward.c: status: between which interfaces packets go on at the driver, or why not */
void forward_print(const struct instance *in);

/* reject.c: the sysctls that shape REJECT's answers, for the programs of @gen */
int reject_configure(const struct instance *in, const struct generation *gen);
/*
 * attach_nf.c, the same for hook netfilter
 * attach_nf(): the three links, running the program of @gen from the moment it returns
 */
static inline bool mode_is_nf(enum fw_mode mode)
{
	return mode == MODE_NETFILTER || mode == MODE_HYBRID;
}

/* Flags of an image that the programs of @mode have parts for */
static inline __u32 mode_features(enum fw_mode mode)
{
	return IMG_F_PROGRAM | (mode_is_nf(mode) ? IMG_F_NATIVE | IMG_F_NF_HOST : 0);
}

int attach_nf(struct instance *in, const struct generation *gen);
/* The links of fw_native_end: there, or not */
int attach_nf_end(struct instance *in, bool wanted);
void detach_nf(struct instance *in);
void attach_nf_describe(const struct instance *in);

/*
 * nft.c: parts of the instance's nftables table (img_map.native)
 * NATIVE_TRACK: conntrack stays registered
 * NATIVE_ACCT: it counts packets and bytes
 * NATIVE_ASK: the chains that do what a netfilter program cannot (nft_native.c), and
 *	the links of fw_native_end behind them
 */
#define NATIVE_TRACK	0x1u
#define NATIVE_ACCT	0x2u
#define NATIVE_ASK	0x4u
#define NATIVE_UNSURE	0x80000000u	/* a change was begun: what is there may be otherwise */

int nft_table_set(__u32 want, int ask_fd);

/* native_renew() - put back what img_map.native says and somebody took away */
int native_renew(struct instance *in);

/*
 * native_part.c
 * native_need(): the parts that an image with @flags (IMG_F_*) needs in @mode
 * native_set(): there are the parts @want, and no others. Return: 0 or -errno, err->msg.
 */
struct lower_err;
__u32 native_need(enum fw_mode mode, __u32 flags);
int native_set(struct instance *in, __u32 want, struct lower_err *err);

/* capability.c: 0, or -EOPNOTSUPP naming what the hooks of @mode cannot do */
struct lower_err;
int capability_check(const struct ruleset *rs, enum fw_mode mode, struct lower_err *err);
/* The same for what the running kernel cannot; @flags: IMG_F_* of the image */
int capability_kernel(__u32 flags, enum fw_mode mode, struct lower_err *err);

/*
 * publish.c: the active slot's image
 * active_verify(): the image in force is sound and inside its slot: 0 or -errno
 * active_same(): no commit since active_stamp() (of the same generation)
 */
__u32 active_slot(const struct generation *gen);

/*
 * slots.c: slots of the image map and of the counters that are free
 * struct live - images that packets may be reading: that in force is the first
 * @reused:	rules got slots that the base of the image in force still names
 */
struct live {
	const struct img_hdr *image[IMG_MAX_SLOTS];
	__u32 nr;
	bool reused;
};

struct live live_images(const struct instance *in, const struct ruleset *rs);
__u32 counter_slots_used(const struct ruleset *rs);
int counter_slots_assign(const struct instance *in, struct live *live, struct ruleset *rs);
int idle_slot(const struct instance *in);
int images_settle(const struct instance *in);

struct image_stamp {
	__u32 active;
	__u32 generation;
};

const struct img_hdr *active_image(const struct generation *gen);
int active_verify(const struct generation *gen);
struct image_stamp active_stamp(const struct generation *gen);
bool active_same(const struct generation *gen, struct image_stamp stamp);

/* counters.c */
int counters_read(const struct generation *gen, __u32 n, struct fw_counter *sum);
int counters_carry(const struct generation *from, const struct generation *to);
__u32 counters_rows(void);	/* that a new map is to have, see struct generation */

/*
 * instance_init() - make an instance in this namespace
 * @ct_max:	entries of the conntrack table, 0: the default; hooks tc and xdp
 * @features:	IMG_F_FORWARD, or 0; hook xdp
 * @verbose:	say what is attached where
 * Return: 0, -EEXIST when there is one, -errno; message on stderr.
 */
int instance_init(enum fw_mode mode, __u32 ct_max, __u32 features, bool verbose);
int instance_remove(void);

/* instance_refresh() - cover new interfaces and recompile */
int instance_refresh(struct instance *in, bool verbose);

/* fault_step() - kill -9 ourselves at step $BPFIPT_FAULT_STEP (tests of atomicity) */
void fault_step(void);

/*
 * grace.c: has every program that was running returned?
 * sync_rcu(): wait for it. Return: 0 or -errno.
 * cpus_visit(): tc and XDP programs alone, at once. Return: false: not known
 * cpus_leave(): the end of what cpus_visit() did to this task's priority
 * programs_return(): the one or the other. Return: 0 or -errno
 * slots_claimed(): slots (bits) that netfilter and hybrid programs may be reading
 */
int sync_rcu(void);
bool cpus_visit(void);
void cpus_leave(void);
int programs_return(enum fw_mode mode);
__u32 slots_claimed(const struct img_claims *claims, int nr_cpus);

#endif /* BPFIPT_INSTANCE_INT_H */
