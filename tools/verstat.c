// SPDX-License-Identifier: GPL-2.0-only
/*
 * verstat.c - what the verifier makes of each program
 *
 *	verstat build/tc.bpf.o ...		CSV: object,program,insns,states
 *	verstat --baseline FILE OBJECT...	compare: fails when a program does not
 *						load, is new, or costs 20 % more
 *
 * The figures are libbpf's log level 4, the verifier's own "processed N insns" and
 * "total_states N" (print_verification_stats, kernel/bpf/verifier.c).
 */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <bpf/libbpf.h>

#define LOG_SIZE	(1u << 16)
#define GROWTH		1.2
#define MAX_ROWS	64

struct row {
	char name[96];		/* object,program */
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

/* Load one object. Return: rows added, or -1 with the loss named on stderr. */
static int measure(const char *path, struct row *rows, int room)
{
	struct bpf_object *obj = bpf_object__open(path);
	const char *base = strrchr(path, '/') ? strrchr(path, '/') + 1 : path;
	char *log[MAX_ROWS] = { NULL };
	struct bpf_program *prog;
	int n = 0, i, err;

	if (!obj)
		return -1;
	bpf_object__for_each_program(prog, obj) {
		if (n == room || n == MAX_ROWS)
			break;
		log[n] = calloc(1, LOG_SIZE);
		snprintf(rows[n].name, sizeof(rows[n].name), "%s,%s", base,
			 bpf_program__name(prog));
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
		fprintf(stderr, "verstat: %s does not load: %s\n", path, strerror(-err));
	return err ? -1 : n;
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
		printf("object,program,insns,states\n");
	for (i = 0; i < n; i++) {
		if (baseline)
			bad += compare(baseline, &rows[i]);
		else
			printf("%s,%lu,%lu\n", rows[i].name, rows[i].insns, rows[i].states);
	}
	return bad != 0;
}
