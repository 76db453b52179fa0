// SPDX-License-Identifier: GPL-2.0-only
/*
 * verstat.c - what the verifier makes of each program
 *
 *	verstat build/tc.bpf.o ...		CSV: object,parts,program,insns,states
 *	verstat --baseline FILE OBJECT...	compare: fails when a program does not
 *						load, is new, or costs 20 % more
 *
 * The figures are libbpf's log level 4, the verifier's own "processed N insns" and
 * "total_states N" (print_verification_stats, kernel/bpf/verifier.c). Each program is
 * loaded as user/loader.c loads it on this kernel: as init does, and with all that rules
 * may ask for.
 */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <bpf/btf.h>
#include <bpf/libbpf.h>

#include "../user/instance_int.h"

#define LOG_SIZE	(1u << 16)
#define GROWTH		1.2
#define MAX_ROWS	64

/* What of a program is loaded: with what parts (IMG_F_*). */
static const struct variant {
	const char *object;
	const char *parts;
	__u32 features;
} variants[] = {
	{ "early.bpf.o", "all", IMG_F_PAYLOAD },
	{ "early.bpf.o", "init", 0 },
	{ "ifstamp.bpf.o", "all", 0 },
	{ "netfilter.bpf.o", "all", IMG_F_PROGRAM | IMG_F_NATIVE | IMG_F_NF_HOST },
	{ "netfilter.bpf.o", "init", 0 },
	{ "refs.bpf.o", "all", 0 },
	{ "tc.bpf.o", "all", IMG_F_PROGRAM & ~IMG_F_FORWARD },
	{ "tc.bpf.o", "init", 0 },
	{ "xdp.bpf.o", "all", IMG_F_PROGRAM & ~IMG_F_FORWARD },
	{ "xdp.bpf.o", "forward", IMG_F_PROGRAM },
	{ "xdp.bpf.o", "init", 0 },
};

struct row {
	char name[96];		/* object,parts,program */
	unsigned long insns;
	unsigned long states;
};

static int quiet(enum libbpf_print_level level, const char *fmt, va_list ap)
{
	return 0;
}

static unsigned long figure(const char *log, const char *word)
{
	const char *s = strstr(log, word);

	return s ? strtoul(s + strlen(word), NULL, 10) : 0;
}

/* The value, before the load, of a const volatile __u32 of the programs; NULL: there is none. */
static __u32 *knob(struct bpf_object *obj, const char *name)
{
	struct bpf_map *map = bpf_object__find_map_by_name(obj, ".rodata");
	const struct btf *btf = bpf_object__btf(obj);
	int sec = btf__find_by_name_kind(btf, ".rodata", BTF_KIND_DATASEC);
	const struct btf_type *t = sec > 0 ? btf__type_by_id(btf, sec) : NULL;
	const char *data;
	size_t size;
	int i;

	data = map ? bpf_map__initial_value(map, &size) : NULL;
	for (i = 0; data && t && i < btf_vlen(t); i++) {
		const struct btf_var_secinfo *v = btf_var_secinfos(t) + i;

		if (!strcmp(btf__str_by_offset(btf, btf__type_by_id(btf, v->type)->name_off), name))
			return (__u32 *)(data + v->offset);
	}
	return NULL;
}

/* Load one object. Return: rows added, or -1 with the loss named on stderr. */
static int load(const char *path, const struct variant *v, struct row *rows, int room)
{
	struct bpf_object *obj = bpf_object__open(path);
	char *log[MAX_ROWS] = { NULL };
	struct bpf_program *prog;
	int n = 0, i, err;
	__u32 *word;

	if (!obj)
		return -1;
	word = knob(obj, "kern_ctx");
	if (word)
		*word = kernel_has_kern_ctx();
	word = knob(obj, "features");
	if (word)
		*word = v->features;
	bpf_object__for_each_program(prog, obj) {
		if (n == room || n == MAX_ROWS)
			break;
		log[n] = calloc(1, LOG_SIZE);
		snprintf(rows[n].name, sizeof(rows[n].name), "%s,%s,%s", v->object,
			 v->parts, bpf_program__name(prog));
		if (!strcmp(bpf_program__section_name(prog), "netfilter")) {
			/* newer than Debian 12's libbpf */
			bpf_program__set_type(prog, (enum bpf_prog_type)32);
			bpf_program__set_expected_attach_type(prog, (enum bpf_attach_type)45);
		}
		bpf_program__set_log_level(prog, 4);
		bpf_program__set_log_buf(prog, log[n], log[n] ? LOG_SIZE : 0);
		n++;
	}
	err = bpf_object__load(obj);
	for (i = 0; i < n; i++) {
		if (log[i]) {
			rows[i].insns = figure(log[i], "processed ");
			rows[i].states = figure(log[i], "total_states ");
		}
		free(log[i]);
	}
	bpf_object__close(obj);
	if (err)
		fprintf(stderr, "verstat: %s (%s) does not load: %s\n", path, v->parts, strerror(-err));
	return err ? -1 : n;
}

/* Every variant of an object that this kernel is for. Return: as load(). */
static int measure(const char *path, struct row *rows, int room)
{
	const char *base = strrchr(path, '/') ? strrchr(path, '/') + 1 : path;
	int n = 0, got, known = 0;
	size_t i;

	for (i = 0; i < sizeof(variants) / sizeof(*variants); i++) {
		if (strcmp(variants[i].object, base))
			continue;
		known = 1;
		if (!strcmp(variants[i].parts, "forward") && !kernel_can_forward())
			continue;
		got = load(path, &variants[i], rows + n, room - n);
		if (got < 0)
			return -1;
		n += got;
	}
	if (!known)
		fprintf(stderr, "verstat: %s: what parts it has is not known\n", path);
	return known ? n : -1;
}

/* Return: 0 when @row is within bounds of its line in the baseline. */
static int compare(const char *baseline, const struct row *row)
{
	unsigned long insns, states;
	char line[256];
	FILE *f = fopen(baseline, "r");
	int found = 0;

	if (!f) {
		perror(baseline);
		return 1;
	}
	while (!found && fgets(line, sizeof(line), f)) {
		char *c = strchr(line, ',');

		c = c ? strchr(c + 1, ',') : NULL;
		c = c ? strchr(c + 1, ',') : NULL;
		if (!c || sscanf(c, ",%lu,%lu", &insns, &states) != 2)
			continue;
		*c = 0;
		found = !strcmp(line, row->name);
	}
	fclose(f);
	if (!found) {
		printf("%s: not in the baseline\n", row->name);
		return 1;
	}
	printf("%s: %lu insns, baseline %lu (%+.0f%%)\n", row->name, row->insns, insns,
	       100.0 * row->insns / insns - 100);
	return row->insns > insns * GROWTH;
}

int main(int argc, char **argv)
{
	const char *baseline = NULL;
	struct row rows[MAX_ROWS];
	int i = 1, n = 0, bad = 0;

	libbpf_set_print(quiet);
	if (argc > 2 && !strcmp(argv[1], "--baseline")) {
		baseline = argv[2];
		i = 3;
	}
	for (; i < argc; i++) {
		int got = measure(argv[i], rows + n, MAX_ROWS - n);

		if (got < 0)
			return 1;
		n += got;
	}
	if (!baseline)
		printf("object,parts,program,insns,states\n");
	for (i = 0; i < n; i++) {
		if (baseline)
			bad += compare(baseline, &rows[i]);
		else
			printf("%s,%lu,%lu\n", rows[i].name, rows[i].insns, rows[i].states);
	}
	return bad != 0;
}
