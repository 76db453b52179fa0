/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * maps.bpf.h - the maps that every hook shares
 *
 * image	one value: struct img_map and some slots. Written by user/publish.c
 *		through mmap, read here. Its size is the tier, set before load.
 * counters	rule and policy counters: CPU times nr_counters plus slot. Added to
 *		here, read by user space (abi/counters.h), through mmap: a look-up of each
 *		took half the time of a command on 10,000 rules. One more row, behind the
 *		CPUs', has what an earlier generation counted (user/grow.c). Not a
 *		per-CPU array: that scatters its values, and a packet that hits a cold
 *		counter waited 20 to 400 ns for two more cache lines.
 * events	what is no rule's doing, by enum fw_event.
 * scratch	the packet under way. tc and XDP programs run with bottom halves off,
 *		so one per CPU is enough; a netfilter program is interrupted by others
 *		(FW_INTERRUPTED) and claims one of several. In a map, not on the stack:
 *		512 bytes are too few, and the verifier does not multiply states by its
 *		contents.
 * claims	by CPU, whose rows are claimed, and which slot of the image their packets
 *		are judged by: user/slots.c looks before it writes a slot again.
 */
#ifndef BPFIPT_MAPS_BPF_H
#define BPFIPT_MAPS_BPF_H

#include "fw.bpf.h"
#include "walk_state.bpf.h"

struct {
	__uint(type, BPF_MAP_TYPE_ARRAY);
	__uint(map_flags, BPF_F_MMAPABLE);
	__uint(max_entries, 1);
	__uint(key_size, sizeof(__u32));
	__uint(value_size, sizeof(struct img_map) + 2 * (1u << 16) + IMG_SLACK);
} image SEC(".maps");

struct {
	__uint(type, BPF_MAP_TYPE_ARRAY);
	__uint(map_flags, BPF_F_MMAPABLE);
	__uint(max_entries, 1024);
	__type(key, __u32);
	__type(value, struct fw_counter);
} counters SEC(".maps");

struct {
	__uint(type, BPF_MAP_TYPE_PERCPU_ARRAY);
	__uint(max_entries, NR_EVENTS);
	__type(key, __u32);
	__type(value, __u64);
} events SEC(".maps");

#ifdef FW_INTERRUPTED
#define SCRATCH_ROWS	8
#else
#define SCRATCH_ROWS	1
#endif

struct {
	__uint(type, BPF_MAP_TYPE_PERCPU_ARRAY);
	__uint(max_entries, SCRATCH_ROWS);
	__type(key, __u32);
	__type(value, struct walk);
} scratch SEC(".maps");

#ifdef FW_INTERRUPTED
struct {
	__uint(type, BPF_MAP_TYPE_ARRAY);
	__uint(map_flags, BPF_F_MMAPABLE);
	__uint(max_entries, 1);
	__type(key, __u32);
	__type(value, struct img_claims);
} claims SEC(".maps");
#endif

/*
 * struct fw - what every stage is handed: the image's slot, the journey, the context
 * @claim:	of the row @w; known to the entry program alone
 */
struct fw {
	const char *img;
	struct walk *w;
	fw_ctx_t *ctx;
#ifdef FW_INTERRUPTED
	__u32 *claim;
#endif
};

static __always_inline struct img fw_img(const struct fw *fw)
{
	return (struct img){ .base = fw->img, .mask = img_table_mask };
}

#ifdef FW_INTERRUPTED
/* LOCAL_OUT runs in process context: a softirq, or another task, may come in between. */
#define fw_add(p, n)	((void)__sync_fetch_and_add(p, n))
#else
#define fw_add(p, n)	((void)(*(p) += (n)))
#endif

/* count() - one packet of @bytes (IP total length) for counter @slot */
static __always_inline void count(__u32 slot, __u32 bytes)
{
	__u32 at = bpf_get_smp_processor_id() * nr_counters + slot;
	struct fw_counter *c = bpf_map_lookup_elem(&counters, &at);

	if (c) {
		fw_add(&c->packets, 1);
		fw_add(&c->bytes, bytes);
	}
}

static __always_inline void event(__u32 ev)
{
	__u64 *n = bpf_map_lookup_elem(&events, &ev);

	if (n)
		fw_add(n, 1);
}

#ifdef FW_INTERRUPTED
/* The claims of this CPU, on which a program stays (bpf_prog_run_pin_on_cpu) */
static __always_inline struct img_claims *claims_here(void)
{
	__u32 cpu = bpf_get_smp_processor_id();

	return bpf_map_lookup_elem(&claims, &cpu);
}

/*
 * scratch_get() - a row of this CPU's scratch
 * A netfilter program may be interrupted on its CPU by one for another packet, and
 * preempted for a third, so each claims a row of its own. Row 0 is free but for those.
 * Return: the row, for scratch_put(); NULL: all are claimed.
 */
static __always_inline struct walk *scratch_get(struct fw *fw)
{
	struct img_claims *c = claims_here();
	struct walk *w;
	__u32 i, row;

	if (!c)
		return NULL;
	for (i = 0; i < SCRATCH_ROWS; i++)
		/* what follows is read after others have seen this */
		if (!__sync_lock_test_and_set(&c->row[i], CLAIM_TAKEN))
			break;
	if (i)
		event(i < SCRATCH_ROWS ? EV_NESTED : EV_NO_SCRATCH);
	if (i == SCRATCH_ROWS)
		return NULL;
	row = i;
	w = bpf_map_lookup_elem(&scratch, &row);
	if (w)	/* one verifier state for all rows */
		fw->claim = &c->row[unseen(&w->row, row) & (SCRATCH_ROWS - 1)];
	return w;
}

/* x86 stores after the loads that came before: the image has been read. */
static __always_inline void scratch_put(struct fw *fw)
{
	*(volatile __u32 *)fw->claim = 0;
}

/* What scratch_get() said of @fw->w, where that is not known. */
static __always_inline void scratch_put_row(__u32 row)
{
	struct img_claims *c = claims_here();

	if (c)
		*(volatile __u32 *)&c->row[row & (IMG_CLAIMS - 1)] = 0;
}

static __always_inline void claim_slot(struct fw *fw, __u32 slot)
{
	*(volatile __u32 *)fw->claim = CLAIM_SLOT(slot);
}
#else
static __always_inline struct walk *scratch_get(struct fw *fw)
{
	__u32 zero = 0;

	return bpf_map_lookup_elem(&scratch, &zero);
}

static __always_inline void scratch_put(struct fw *fw)
{
}

static __always_inline void claim_slot(struct fw *fw, __u32 slot)
{
}
#endif

/*
 * fw_open() - a scratch row and the image in force
 * Reads the active word once: the packet is judged by one ruleset throughout.
 * Return: 0, or -1 when no valid image, or no row, is there.
 */
static __always_inline int fw_open(struct fw *fw, fw_ctx_t *ctx)
{
	__u32 zero = 0;
	struct img_map *map = bpf_map_lookup_elem(&image, &zero);
	__u64 active;

	if (!map)
		return -1;
	fw->w = scratch_get(fw);
	if (!fw->w)
		return -1;
	active = READ_ONCE(map->active) & img_slot_mask;
	barrier_var(active);	/* one verifier state for all slots */
	claim_slot(fw, active);
	fw->w->slot = active;
	fw->img = (const char *)(map + 1) + active * img_slot_bytes;
	fw->ctx = ctx;
	if (img_hdr_word(fw->img, magic) != IMG_MAGIC) {
		event(EV_BAD_IMAGE);
		scratch_put(fw);
		return -1;
	}
	return 0;
}

/* img_open() - the image's slot @slot. Return: 1; 0: there is no map, which cannot be. */
static __always_inline int img_open(struct img *im, __u32 slot)
{
	__u64 at = slot & img_slot_mask;
	__u32 zero = 0;
	struct img_map *map = bpf_map_lookup_elem(&image, &zero);

	if (!map)
		return 0;
	barrier_var(at);	/* one verifier state for all slots */
	im->base = (const char *)(map + 1) + at * img_slot_bytes;
	im->mask = img_table_mask;
	return 1;
}

/*
 * fw_join() - what fw_open() found, in a global function that was handed @w
 * The verifier looks at a global function once, whatever its callers know; at a static
 * one anew for each state that it is called in, and there are many. Pointers inside a
 * struct do not get there, so the image is found again, which is a few instructions.
 * Return: 0 or -1.
 */
static __always_inline int fw_join(struct fw *fw, fw_ctx_t *ctx, struct walk *w)
{
	struct img im;

	if (!ctx || !w || !img_open(&im, w->slot))
		return -1;
	fw->img = im.base;
	fw->ctx = ctx;
	fw->w = w;
	return 0;
}

/* fw_join_row() - likewise, of row @row of the scratch: map keys may lie in it (Linux 6.1) */
static __always_inline int fw_join_row(struct fw *fw, fw_ctx_t *ctx, __u32 row)
{
	return fw_join(fw, ctx, bpf_map_lookup_elem(&scratch, &row));
}

#endif /* BPFIPT_MAPS_BPF_H */
