// SPDX-License-Identifier: GPL-2.0-only
/*
 * restore.c - iptables-restore
 *
 *	*filter				lock, load, (flush)
 *	:INPUT DROP [0:0]		policy
 *	:mine - [0:0]			chain, empty
 *	-A INPUT -j mine		any iptables command
 *	COMMIT				one commit, unlock
 *
 * What stands between *table and COMMIT comes into force at one instant or not
 * at all; tables committed earlier stay. The lines of a table that is not ours
 * go to the native tool at its COMMIT.
 */
#include <errno.h>
#include <getopt.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "edit.h"
#include "cmd.h"
#include "heap.h"
#include "session.h"
#include "words.h"

static const struct option options[] = {
	{ "counters",	   no_argument,	      NULL, 'c' },
	{ "verbose",	   no_argument,	      NULL, 'v' },
	{ "version",	   no_argument,	      NULL, 'V' },
	{ "test",	   no_argument,	      NULL, 't' },
	{ "help",	   no_argument,	      NULL, 'h' },
	{ "noflush",	   no_argument,	      NULL, 'n' },
	{ "modprobe",	   required_argument, NULL, 'M' },
	{ "table",	   required_argument, NULL, 'T' },
	{ "wait",	   optional_argument, NULL, 'w' },
	{ "wait-interval", optional_argument, NULL, 'W' },
	{ NULL },
};

/* The lines of a table for the native tool. */
struct text {
	char *p;
	size_t len;
	size_t cap;
	int first_line;
};

/*
 * struct restore - where we are in the file
 * @in_table:	between *table and COMMIT
 * @native:	... of a table that is not ours, collected in @text
 * @skip:	in what -T does not ask for
 */
struct restore {
	bool counters;
	bool noflush;
	bool test;
	int verbose;
	int wait;
	const char *only;
	bool in_table;
	bool native;
	bool skip;
	size_t commands;
	struct text text;
	struct session s;
	struct words words;
};

#define wrong(...)	xtables_error(PARAMETER_PROBLEM, __VA_ARGS__)
/* Heap for so many rules more is made ready in one step (heap.h). */
#define RESERVE_EVERY	8192
#define RULE_BYTES	360
#define BLANKS		" \t\n"

static int failed(void)
{
	fflush(stdout);
	fprintf(stderr, "iptables-restore: line %d failed\n", line);
	return STATUS_OTHER;
}

static void text_add(struct text *t, const char *s)
{
	size_t len = strlen(s);

	if (t->len + len > t->cap) {
		t->cap = (t->len + len) * 2;
		t->p = xtables_realloc(t->p, t->cap);
	}
	memcpy(t->p + t->len, s, len);
	t->len += len;
}

static int begin_table(struct restore *r, char *buffer)
{
	char *copy = xtables_strdup(buffer), *name, *rest;
	struct edit_error why;
	int status = STATUS_OK;

	name = strtok_r(buffer + 1, BLANKS, &rest);
	if (!name)
		wrong("iptables-restore: line %d table name invalid", line);
	r->skip = r->only && strcmp(r->only, name);
	if (r->skip)
		goto out;

	r->in_table = true;
	r->native = strcmp(name, "filter");
	if (r->native) {
		r->text.len = 0;
		r->text.first_line = line;
		text_add(&r->text, copy);
		goto out;
	}
	status = session_begin(&r->s, r->wait);
	if (!status && !r->noflush) {
		edit_flush(r->s.rs, NULL, r->verbose, &why);
		edit_delete_chain(r->s.rs, NULL, r->verbose, &why);
	}
out:
	free(copy);
	return status;
}

static int commit_native(struct restore *r)
{
	const char *args[8];
	char wait[24];
	int n = 0, status;

	if (r->counters)
		args[n++] = "-c";
	if (r->noflush)
		args[n++] = "-n";
	if (r->test)
		args[n++] = "-t";
	if (r->verbose)
		args[n++] = "-v";
	if (r->wait) {
		snprintf(wait, sizeof(wait), r->wait < 0 ? "--wait" : "--wait=%d", r->wait);
		args[n++] = wait;
	}
	args[n] = NULL;
	fflush(stdout);
	status = native_restore(r->text.first_line, r->text.p, r->text.len, args);
	r->text.len = 0;
	return status;
}

static int commit_table(struct restore *r)
{
	char text[256];
	int err;

	r->in_table = false;
	if (r->native)
		return commit_native(r);
	err = session_commit(&r->s, r->test, text);
	if (err == -EOPNOTSUPP)
		wrong("%s", text);
	session_end(&r->s);
	return err ? failed() : STATUS_OK;
}

static bool parse_counters(const char *text, __u64 *packets, __u64 *bytes)
{
	unsigned long long p, b;

	if (!text || sscanf(text, "[%llu:%llu]", &p, &b) != 2)
		return false;
	*packets = p;
	*bytes = b;
	return true;
}

/* :CHAIN POLICY [packets:bytes] */
static int chain_line(struct restore *r, char *buffer)
{
	struct edit_error why;
	char *name, *policy, *counters, *rest;
	__u64 packets = 0, bytes = 0;
	struct chain *c;

	name = strtok_r(buffer + 1, BLANKS, &rest);
	if (!name)
		wrong("iptables-restore: line %d chain name invalid", line);
	if (strlen(name) >= XT_EXTENSION_MAXNAMELEN)
		wrong("Invalid chain name `%s' (%u chars max)", name,
		      XT_EXTENSION_MAXNAMELEN - 1);

	c = ruleset_find(r->s.rs, name);
	if (c && c->hook < 0 && r->noflush)
		chain_flush(c);
	else if ((!c || c->hook < 0) && !edit_new_chain(r->s.rs, name, &why))
		wrong("error creating chain '%s':%s", name, strerror(why.err));

	policy = strtok_r(NULL, BLANKS, &rest);
	if (!policy)
		wrong("iptables-restore: line %d policy invalid", line);
	if (strcmp(policy, "-")) {
		counters = strtok_r(NULL, BLANKS, &rest);
		if (r->counters && !parse_counters(counters, &packets, &bytes))
			wrong("invalid policy counters for chain '%s'", name);
		if (!edit_policy(r->s.rs, name, policy, packets, bytes, &why))
			xtables_error(OTHER_PROBLEM, "Can't set policy `%s' on `%s' line %d: %s",
				      policy, name, line, why.text);
	}
	xtables_announce_chain(name);
	return STATUS_OK;
}

/* [packets:bytes] in front of a rule. Return: what follows. */
static char *rule_counters(struct restore *r, char *text)
{
	char *end, *packets, *bytes, *rest;

	if (text[0] != '[')
		return text;
	end = strchr(text, ']');
	if (!end)
		wrong("Bad line %d: need ]", line);
	packets = strtok_r(text + 1, ":", &rest);
	if (!packets)
		wrong("Bad line %d: need :", line);
	bytes = strtok_r(NULL, "]", &rest);
	if (!bytes)
		wrong("Bad line %d: need ]", line);
	if (r->counters) {
		words_add(&r->words, "--set-counters");
		words_add(&r->words, packets);
		words_add(&r->words, bytes);
	}
	return end + 1;
}

static int command_line(struct restore *r, char *buffer)
{
	struct words *w = &r->words;
	struct edit_error why;
	struct command cmd;
	bool ok;

	words_reset(w);
	words_add(w, "iptables-restore");
	words_add(w, "-t");
	words_add(w, "filter");
	for (int i = 0; !r->noflush && i < r->verbose; i++)
		words_add(w, "-v");
	words_split(w, rule_counters(r, buffer));

	if (r->commands++ % RESERVE_EVERY == RESERVE_EVERY - 1)
		heap_reserve(RESERVE_EVERY * RULE_BYTES);
	command_parse(w->argc, w->argv, true, &cmd);
	ok = edit_apply(r->s.rs, &cmd, &why);
	command_free(&cmd);
	return ok ? STATUS_OK : failed();
}

static int one_line(struct restore *r, char *buffer)
{
	bool native = r->in_table && r->native;

	if (native)	/* all of it: the native tool counts lines, and shows comments with -v */
		text_add(&r->text, buffer);
	if (buffer[0] == '\n')
		return STATUS_OK;
	if (buffer[0] == '#') {
		if (r->verbose && !native)
			fputs(buffer, stdout);
		return STATUS_OK;
	}
	if (r->in_table && !strcmp(buffer, "COMMIT\n"))
		return commit_table(r);
	if (!r->in_table && buffer[0] == '*')
		return begin_table(r, buffer);
	if (native)
		return STATUS_OK;
	if (r->in_table)
		return buffer[0] == ':' ? chain_line(r, buffer) : command_line(r, buffer);
	return r->skip ? STATUS_OK : failed();
}

static int all_lines(struct restore *r, FILE *in)
{
	static char buffer[LINE_BYTES];
	int status = STATUS_OK;

	while (!status && fgets(buffer, sizeof(buffer), in)) {
		line++;
		status = one_line(r, buffer);
	}
	if (!status && r->in_table && r->native) {
		status = commit_native(r);	/* it will miss the COMMIT */
	} else if (!status && r->in_table) {
		fprintf(stderr, "iptables-restore: COMMIT expected at line %d\n", line + 1);
		status = STATUS_OTHER;
	}
	session_end(&r->s);
	free(r->text.p);
	return status;
}

static void usage(void)
{
	fprintf(stderr,
		"Usage: iptables-restore [-c] [-v] [-V] [-t] [-h] [-n] [-w secs] [-W usecs] "
		"[-T table] [-M command] [file]\n"
		"\t   [ --counters ]\n"
		"\t   [ --verbose ]\n"
		"\t   [ --version]\n"
		"\t   [ --test ]\n"
		"\t   [ --help ]\n"
		"\t   [ --noflush ]\n"
		"\t   [ --wait=<seconds>\n"
		"\t   [ --table=<TABLE> ]\n"
		"\t   [ --modprobe=<command> ]\n");
}

/**
 * restore_main() - iptables-restore
 */
int restore_main(int argc, char **argv)
{
	static struct restore r = { .s.lock = -1 };
	bool wait_interval = false;
	FILE *in = stdin;
	int c, status;

	signal(SIGPIPE, SIG_IGN);
	xt_init("iptables-restore", base_options);
	line = 0;
	while ((c = getopt_long(argc, argv, "bcvVthnwWM:T:", options, NULL)) != -1) {
		switch (c) {
		case 'b':	/* iptables' own words, and like iptables it goes on */
			fprintf(stderr, "-b/--binary option is not implemented\n");
			break;
		case 'c':
			r.counters = true;
			break;
		case 'v':
			r.verbose++;
			break;
		case 'V':
			printf("iptables-restore v" IPTABLES_VERSION " (legacy)\n");
			return STATUS_OK;
		case 't':
			r.test = true;
			break;
		case 'h':
			usage();
			return STATUS_OK;
		case 'n':
			r.noflush = true;
			break;
		case 'w':
			r.wait = parse_wait(argc, argv);
			break;
		case 'W':
			parse_wait_interval(argc, argv);
			wait_interval = true;
			break;
		case 'M':
			xtables_modprobe_program = optarg;
			break;
		case 'T':
			r.only = optarg;
			break;
		default:
			fprintf(stderr, "Try `iptables-restore -h' for more information.\n");
			return STATUS_OTHER;
		}
	}
	if (optind == argc - 1) {
		in = fopen(argv[optind], "re");
		if (!in) {
			fprintf(stderr, "Can't open %s: %s\n", argv[optind], strerror(errno));
			return STATUS_OTHER;
		}
	} else if (optind < argc) {
		fprintf(stderr, "Unknown arguments found on commandline\n");
		return STATUS_OTHER;
	}
	if (wait_interval && !r.wait) {
		fprintf(stderr, "Option --wait-interval requires option --wait\n");
		return STATUS_OTHER;
	}
	r.skip = r.only;
	status = all_lines(&r, in);
	if (in != stdin)
		fclose(in);
	return status;
}
