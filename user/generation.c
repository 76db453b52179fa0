// SPDX-License-Identifier: GPL-2.0-only
/*
 * generation.c - a pinned generation: opened, mapped as far as it is used, closed
 *
 * A command on a few rules needs two maps, and of the image two slots of eight. Mapping a
 * map costs a microsecond a page, and each pin that is looked up as much as a rule: so a
 * slot is mapped when it is asked for and no farther than its image reaches, and programs
 * are opened by those who attach them.
 */
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>
#include <sys/mman.h>
#include <bpf/bpf.h>

#include "instance_int.h"
#include "../progs/abi/ct.h"
#include "cmd.h"

/* struct part - what is mapped of a slot; @p is NULL: nothing */
struct part {
	char *p;
	size_t len;
};

/*
 * struct gen_maps - what is mapped of a generation
 * @tables, @rules: by slot
 * @row:	of counters, gen->rows of them; NULL: none is mapped yet
 * @claims:	by CPU, @claims_len bytes; NULL: not mapped yet
 */
struct gen_maps {
	struct part tables[IMG_MAX_SLOTS];
	struct part rules[IMG_MAX_SLOTS];
	struct part *row;
	const struct img_claims *claims;
	size_t claims_len;
};

__u64 image_bytes(const struct tier *t)
{
	__u64 reach = (tier_slots(t) - 1ull) * t->table_words + tier_mask(t) + 1;
	__u64 words = tier_slots(t) * ((__u64)t->table_words + t->rules_words);

	return sizeof(struct img_map) + (words > reach ? words : reach) * 4 + IMG_SLACK;
}

static int map_info(int fd, struct bpf_map_info *info)
{
	__u32 len = sizeof(*info);

	*info = (struct bpf_map_info){ 0 };
	return bpf_obj_get_info_by_fd(fd, info, &len) ? -errno : 0;
}

static size_t page_size(void)
{
	return getpagesize();
}

static void unmap(struct part *part)
{
	if (part->p)
		munmap(part->p, part->len);
}

static int map_image(struct generation *gen)
{
	void *p;

	gen->maps = calloc(1, sizeof(*gen->maps));
	if (!gen->maps)
		return -ENOMEM;
	p = mmap(NULL, sizeof(*gen->map), PROT_READ | PROT_WRITE, MAP_SHARED, gen->image_fd, 0);
	if (p == MAP_FAILED)
		return -errno;
	gen->map = p;
	return 0;
}

/* The sizes that the map's head says, when the maps have them. Return: 0 or -errno. */
static int read_tier(struct generation *gen)
{
	const struct img_map *map = gen->map;
	struct tier *t = &gen->tier;
	struct bpf_map_info image, counters;
	int err = map_info(gen->image_fd, &image) ?: map_info(gen->counters_fd, &counters);

	if (err)
		return err;
	*t = (struct tier){
		.table_words = map->table_words,
		.rules_words = map->rules_words,
		.nr_counters = map->nr_counters,
		.features = map->features,
		.ct_max = map->ct_max ?: CT_DEFAULT_ENTRIES,
		.claims = mode_is_nf(map->mode),
	};
	if (!map->abi)		/* being made: loader.c */
		return 0;
	if (map->abi != IMG_ABI || image_bytes(t) != image.value_size || !t->nr_counters ||
	    counters.max_entries % t->nr_counters)
		return -EBADMSG;
	gen->rows = counters.max_entries / t->nr_counters;
	return 0;
}

/*
 * @bytes of a map from byte @at on, mapped if they are not yet. When they cannot be the
 * process ends, as it may anywhere (publish.c).
 */
static char *map_part(int fd, int prot, size_t at, size_t bytes, struct part *part)
{
	size_t before = at & (page_size() - 1);

	if (part->p && part->len >= before + bytes)
		return part->p + before;
	unmap(part);
	part->len = (before + bytes + page_size() - 1) & ~(page_size() - 1);	/* as it is mapped */
	part->p = mmap(NULL, part->len, prot, MAP_SHARED, fd, at - before);
	if (part->p == MAP_FAILED) {
		fprintf(stderr, "bpf-iptables: cannot map the ruleset: %s\n", strerror(errno));
		exit(STATUS_RESOURCE);
	}
	return part->p + before;
}

static char *map_words(const struct generation *gen, __u32 slot, __u32 word, size_t bytes,
		       struct part *part)
{
	size_t at = sizeof(*gen->map) + (slot * (size_t)gen->tier.table_words + word) * 4;

	return map_part(gen->image_fd, PROT_READ | PROT_WRITE, at, bytes, part);
}

/* slot_at() - the first @words of a slot's tables, no longer where they were before */
__u32 *slot_at(const struct generation *gen, __u32 slot, size_t words)
{
	return (__u32 *)map_words(gen, slot, 0, words * 4, &gen->maps->tables[slot]);
}

/* slot_used() - words of the image in a slot, no more than fit, no fewer than a header's */
size_t slot_used(const struct generation *gen, __u32 slot)
{
	__u32 used = __atomic_load_n(&gen->map->used[slot], __ATOMIC_RELAXED);

	if (used > gen->tier.table_words)
		used = gen->tier.table_words;
	return used < sizeof(struct img_hdr) / 4 ? sizeof(struct img_hdr) / 4 : used;
}

/* rules_at() - the first @bytes of a slot's rules, no longer where they were before */
char *rules_at(const struct generation *gen, __u32 slot, size_t bytes)
{
	return map_words(gen, slot, tier_rules(&gen->tier, slot), bytes, &gen->maps->rules[slot]);
}

/*
 * counters_row() - the first @n counters of a row, no longer where they were before
 * Return: NULL: no memory.
 */
const struct fw_counter *counters_row(const struct generation *gen, __u32 row, __u32 n)
{
	const size_t one = sizeof(struct fw_counter);
	struct gen_maps *m = gen->maps;

	if (!m->row)
		m->row = calloc(gen->rows, sizeof(*m->row));
	if (!m->row)
		return NULL;
	return (const void *)map_part(gen->counters_fd, PROT_READ,
				      row * one * gen->tier.nr_counters, n * one, &m->row[row]);
}

/* generation_claims() - of hooks netfilter and hybrid, by CPU; NULL: they cannot be mapped */
const struct img_claims *generation_claims(const struct instance *in)
{
	struct gen_maps *m = in->gen.maps;
	size_t len = sizeof(*m->claims) * (in->gen.rows - 1);
	void *p = MAP_FAILED;
	int fd;

	if (m->claims)
		return m->claims;
	fd = pins_open("%s/g%d/map-claims", in->dir, in->gen.number);
	if (fd >= 0) {
		p = mmap(NULL, len, PROT_READ, MAP_SHARED, fd, 0);
		close(fd);
	}
	if (p == MAP_FAILED)
		return NULL;
	m->claims = p;
	m->claims_len = len;
	return p;
}

/*
 * generation_open() - open the pinned generation @number
 * Return: 0; -ENOENT; -EBADMSG when its image map has another layout; -errno.
 */
int generation_open(struct instance *in, int number, struct generation *gen)
{
	int err;

	*gen = (struct generation){ .number = number };
	for (int i = 0; i < NR_GEN_FDS; i++)
		gen->fd[i] = -1;
	gen->image_fd = pins_open("%s/g%d/map-image", in->dir, number);
	gen->counters_fd = pins_open("%s/g%d/map-counters", in->dir, number);
	if (gen->image_fd < 0 || gen->counters_fd < 0) {
		err = gen->image_fd < 0 ? gen->image_fd : gen->counters_fd;
		goto out;
	}
	err = map_image(gen);
	if (!err)
		err = read_tier(gen);
out:
	if (err)
		generation_close(gen);
	return err;
}

/*
 * generation_programs() - open what is attached: programs, and the map of netfilter's
 * Those of other hooks are not there, and stay negative.
 */
void generation_programs(const struct instance *in, struct generation *gen)
{
	static const char *const pin[NR_GEN_FDS] = {
		[GEN_INGRESS] = "prog-fw_ingress",
		[GEN_EGRESS] = "prog-fw_egress",
		[GEN_ANSWER] = "prog-fw_answer",
		[GEN_XDP] = "prog-fw_xdp",
		[GEN_NETFILTER] = "prog-fw_netfilter",
		[GEN_NF_ENTRY] = "prog-fw_nf_entry",
		[GEN_EARLY] = "prog-fw_early",
		[GEN_NF_PROGS] = "map-nf_progs",
	};

	if (gen->fd[GEN_EGRESS] >= 0 || gen->fd[GEN_NETFILTER] >= 0)
		return;		/* of any hook one is there */
	for (int i = 0; i < NR_GEN_FDS; i++)
		gen->fd[i] = pins_open("%s/g%d/%s", in->dir, gen->number, pin[i]);
}

static void close_fd(int *fd)
{
	if (*fd >= 0)
		close(*fd);
	*fd = -1;
}

void generation_close(struct generation *gen)
{
	struct gen_maps *m = gen->maps;

	for (int i = 0; m && i < IMG_MAX_SLOTS; i++) {
		unmap(&m->tables[i]);
		unmap(&m->rules[i]);
	}
	for (__u32 i = 0; m && m->row && i < gen->rows; i++)
		unmap(&m->row[i]);
	if (m)
		free(m->row);
	if (m && m->claims)
		munmap((void *)m->claims, m->claims_len);
	if (gen->map)
		munmap(gen->map, sizeof(*gen->map));
	free(m);
	gen->maps = NULL;
	gen->map = NULL;
	close_fd(&gen->image_fd);
	close_fd(&gen->counters_fd);
	for (int i = 0; i < NR_GEN_FDS; i++)
		close_fd(&gen->fd[i]);
}
