// SPDX-License-Identifier: GPL-2.0-only
/*
 * xt.c - the glue to libxtables, see xt.h
 *
 * Which revision of an extension is used is a question that libxtables puts to
 * the kernel's xtables. Ours is not that kernel: the newest revision is always
 * taken, as a current kernel would, and no module is needed or loaded.
 */
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "cmd.h"
#include "names.h"
#include "xt.h"

static int newest_revision(const char *name, uint8_t revision, int opt)
{
	(void)name;
	(void)revision;
	(void)opt;
	return 1;
}

static void fail(enum xtables_exittype status, const char *fmt, ...)
	__attribute__((noreturn, format(printf, 2, 3)));

static struct xtables_globals globals = {
	.program_version = IPTABLES_VERSION " (legacy)",
	.compat_rev	 = newest_revision,
	.exit_err	 = fail,
};

/**
 * xt_try_help() - end the process as iptables does after a wrong command line
 */
void xt_try_help(void)
{
	if (line != -1)
		fprintf(stderr, "Error occurred at line: %d\n", line);
	fprintf(stderr, "Try `%s -h' or '%s --help' for more information.\n",
		globals.program_name, globals.program_name);
	exit(STATUS_PARAMETER);
}

static void fail(enum xtables_exittype status, const char *fmt, ...)
{
	va_list ap;

	fprintf(stderr, "%s v%s: ", globals.program_name, globals.program_version);
	va_start(ap, fmt);
	vfprintf(stderr, fmt, ap);
	va_end(ap);
	fputc('\n', stderr);
	if (status == PARAMETER_PROBLEM)
		xt_try_help();
	if (status == VERSION_PROBLEM)
		fprintf(stderr, "Perhaps %s or your kernel needs to be upgraded.\n",
			globals.program_name);
	exit(status);
}

/**
 * xt_init() - set libxtables up for IPv4
 * @program:	name for messages: iptables, iptables-save, iptables-restore
 * @base:	options known before any extension adds its own
 */
void xt_init(const char *program, const struct option *base)
{
	globals.program_name = program;
	globals.orig_opts = (struct option *)base;
	if (xtables_init_all(&globals, NFPROTO_IPV4) < 0) {
		fprintf(stderr, "%s/%s Failed to initialize xtables\n",
			globals.program_name, globals.program_version);
		exit(STATUS_OTHER);
	}
}

/** xt_options() - the options getopt_long() shall know at this moment */
const struct option *xt_options(void)
{
	return globals.opts ? globals.opts : globals.orig_opts;
}

/** xt_begin() - forget what the extensions were told for an earlier rule */
void xt_begin(void)
{
	for (struct xtables_match *m = xtables_matches; m; m = m->next)
		m->mflags = 0;
	for (struct xtables_target *t = xtables_targets; t; t = t->next) {
		t->tflags = 0;
		t->used = 0;
	}
}

/* Make an extension's options known; either description, either may be absent. */
static void add_options(const struct xt_option_entry *x6, const struct option *plain,
			unsigned int *offset)
{
	struct option *all;

	if (x6)
		all = xtables_options_xfrm(globals.orig_opts, globals.opts, x6, offset);
	else if (plain)
		all = xtables_merge_options(globals.orig_opts, globals.opts, plain, offset);
	else
		return;
	if (!all)
		fail(OTHER_PROBLEM, "can't alloc memory!");
	globals.opts = all;
}

static void match_alloc(struct xtables_match *m, const char *name)
{
	size_t size = XT_ALIGN(sizeof(struct xt_entry_match)) + m->size;

	m->m = xtables_calloc(1, size);
	m->m->u.match_size = size;
	strcpy(m->m->u.user.name, name);
	m->m->u.user.revision = m->revision;
	if (m->udata_size) {
		free(m->udata);
		m->udata = xtables_calloc(1, m->udata_size);
	}
	if (m->init)
		m->init(m->m);
}

/**
 * xt_add_match() - obey `-m name`
 */
void xt_add_match(struct xt_rule *xr, const char *name)
{
	struct xtables_match *m = xtables_find_match(name, XTF_LOAD_MUST_SUCCEED,
						     &xr->matches);
	const char *real = m->real_name ? m->real_name : m->name;

	if (m->real_name && !(m->ext_flags & XTABLES_EXT_ALIAS))
		fprintf(stderr, "Notice: the %s match is converted into %s match "
			"in rule listing and saving.\n", m->name, m->real_name);
	match_alloc(m, real);
	if (m == m->next)	/* a second instance: its options are known */
		return;
	add_options(m->x6_options, m->extra_opts, &m->option_offset);
}

/**
 * xt_set_target() - obey `-j name` if name is an extension
 *
 * xr->target stays NULL when there is none of that name: it may be a chain. So it does
 * for a verdict: the extension `standard' that libxtables would load has no options.
 */
void xt_set_target(struct xt_rule *xr, const char *name)
{
	struct xtables_target *t;
	size_t size;

	if (verdict_by_name(name))
		return;
	t = xtables_find_target(name, XTF_TRY_LOAD);
	xr->target = t;
	if (!t)
		return;
	size = XT_ALIGN(sizeof(struct xt_entry_target)) + t->size;
	t->t = xtables_calloc(1, size);
	t->t->u.target_size = size;
	if (t->real_name && !(t->ext_flags & XTABLES_EXT_ALIAS))
		fprintf(stderr, "Notice: The %s target is converted into %s target "
			"in rule listing and saving.\n", name, t->real_name);
	strcpy(t->t->u.user.name, t->real_name ? t->real_name : name);
	t->t->u.user.revision = t->revision;
	if (t->udata_size) {
		free(t->udata);
		t->udata = xtables_calloc(1, t->udata_size);
	}
	if (t->init)
		t->init(t->t);
	add_options(t->x6_options, t->extra_opts, &t->option_offset);
}

/* `-p tcp --dport 22`: the protocol's own match, at the first option unknown. */
static struct xtables_match *protocol_match(struct xt_rule *xr)
{
	const char *name = xr->protocol;
	unsigned int proto;

	if (!name || xr->proto_tried)
		return NULL;
	xr->proto_tried = true;
	if (xtables_strtoui(name, NULL, &proto, 0, UINT8_MAX)) {
		name = name_of_proto(proto, xr->numeric);
		if (!name)
			return NULL;
	}
	return xtables_find_match(name, XTF_TRY_LOAD, &xr->matches);
}

/* libxtables numbers the options of each extension from a multiple of this. */
#define OPTION_SPAN	256

static bool owns(unsigned int offset, int c)
{
	return c >= (int)offset && c < (int)offset + OPTION_SPAN;
}

/**
 * xt_option() - obey an option that is not one of the base options
 * @c:		what getopt_long() returned
 * @argv:	what getopt_long() was given
 * @invert:	it stood behind `!`
 *
 * Return: true when getopt_long() must look at the same word again, since an
 * extension was loaded that may know it.
 */
bool xt_option(struct xt_rule *xr, int c, char **argv, bool invert)
{
	struct xtables_target *t = xr->target;
	struct xtables_match *m;

	if (t && (t->parse || t->x6_parse) && owns(t->option_offset, c)) {
		xtables_option_tpcall(c, argv, invert, t, &xr->entry);
		return false;
	}
	for (struct xtables_rule_match *rm = xr->matches; rm; rm = rm->next) {
		m = rm->match;
		if (rm->completed || (!m->parse && !m->x6_parse) ||
		    !owns(m->option_offset, c))
			continue;
		xtables_option_mpcall(c, argv, invert, m, &xr->entry);
		return false;
	}

	m = protocol_match(xr);
	if (m) {
		match_alloc(m, m->name);
		add_options(m->x6_options, m->extra_opts, &m->option_offset);
		optind--;
		return true;
	}
	if (c == ':')
		fail(PARAMETER_PROBLEM, "option \"%s\" requires an argument",
		     argv[optind - 1]);
	if (c == '?')
		fail(PARAMETER_PROBLEM, "unknown option \"%s\"", argv[optind - 1]);
	fail(PARAMETER_PROBLEM, "Unknown arg \"%s\"", optarg ? optarg : "(null)");
}

/** xt_check() - let every extension check that its options are complete */
void xt_check(struct xt_rule *xr)
{
	for (struct xtables_rule_match *rm = xr->matches; rm; rm = rm->next)
		xtables_option_mfcall(rm->match);
	if (xr->target)
		xtables_option_tfcall(xr->target);
}

/**
 * xt_collect() - copy the blobs out, for xt_blobs_free()
 */
void xt_collect(struct xt_rule *xr, struct xt_blobs *out)
{
	size_t head = XT_ALIGN(sizeof(struct xt_entry_match)), at = 0;

	memset(out, 0, sizeof(*out));
	for (struct xtables_rule_match *rm = xr->matches; rm; rm = rm->next)
		out->matches_len += rm->match->m->u.match_size;
	if (out->matches_len) {
		out->matches = xtables_malloc(out->matches_len);
		out->mask = xtables_calloc(1, out->matches_len);
	}
	for (struct xtables_rule_match *rm = xr->matches; rm; rm = rm->next) {
		const struct xtables_match *m = rm->match;

		memcpy(out->matches + at, m->m, m->m->u.match_size);
		memset(out->mask + at, 0xff, head + m->userspacesize);
		at += m->m->u.match_size;
	}
	if (xr->target && strcmp(xr->target->name, "standard")) {
		out->target = xtables_malloc(xr->target->t->u.target_size);
		memcpy(out->target, xr->target->t, xr->target->t->u.target_size);
		out->target_cmp = xr->target->userspacesize;
	}
}

/** xt_release() - give back what parsing took */
void xt_release(struct xt_rule *xr)
{
	struct xtables_target *t = xr->target;

	xtables_rule_matches_free(&xr->matches);
	if (t) {
		free(t->t);
		t->t = NULL;
		free(t->udata);
		t->udata = NULL;
		if (t == t->next)	/* a clone */
			free(t);
	}
	xr->target = NULL;
	xtables_free_opts(1);
}

/** xt_blobs_free() - free what xt_collect() filled in */
void xt_blobs_free(struct xt_blobs *b)
{
	free(b->matches);
	free(b->mask);
	free(b->target);
	memset(b, 0, sizeof(*b));
}

/** xt_help() - the help of every extension named so far */
void xt_help(const struct xt_rule *xr)
{
	for (const struct xtables_target *t = xtables_targets; t; t = t->next) {
		if (!t->used)
			continue;
		putchar('\n');
		if (t->help)
			t->help();
		else
			printf("%s does not take any options\n", t->name);
	}
	for (const struct xtables_rule_match *rm = xr->matches; rm; rm = rm->next) {
		putchar('\n');
		if (rm->match->help)
			rm->match->help();
		else
			printf("%s does not take any options\n", rm->match->name);
	}
}

/** xt_print_match() - one match as -L shows it */
void xt_print_match(const struct xt_entry_match *m, const struct ipt_ip *ip, bool numeric)
{
	const char *name = m->u.user.name;
	struct xtables_match *first = xtables_find_match(name, XTF_TRY_LOAD, NULL);
	struct xtables_match *rev;

	if (!first) {
		printf("UNKNOWN match `%s' ", name);
		return;
	}
	rev = xtables_find_match_revision(name, XTF_TRY_LOAD, first, m->u.user.revision);
	if (rev && rev->print)
		rev->print(ip, m, numeric);
	else
		printf("%s%s ", first->name, first->print ? " [unsupported revision]" : "");
	if (first->next == first)
		free(first);
}

/**
 * xt_print_target() - a target's options as -L shows them
 * @name:	of the target, a chain's prints nothing
 */
void xt_print_target(const struct xt_entry_target *t, const char *name,
		     const struct ipt_ip *ip, bool numeric)
{
	struct xtables_target *first, *rev;

	if (!t->u.user.name[0])		/* standard: nothing to show */
		return;
	first = xtables_find_target(name, XTF_TRY_LOAD);
	if (!first) {
		printf("[%zu bytes of unknown target data] ",
		       t->u.target_size - sizeof(*t));
		return;
	}
	rev = xtables_find_target_revision(name, XTF_TRY_LOAD, first, t->u.user.revision);
	if (rev && rev->print)
		rev->print(ip, t, numeric);
	else if (first->print)
		printf(" %s [unsupported revision]", first->name);
	if (first->next == first)
		free(first);
}

/** xt_save_match() - one match as -S shows it */
void xt_save_match(const struct xt_entry_match *m, const struct ipt_ip *ip)
{
	const char *name = m->u.user.name;
	struct xtables_match *first = xtables_find_match(name, XTF_TRY_LOAD, NULL);
	struct xtables_match *rev, *named;

	if (!first) {
		fprintf(stderr, "Can't find library for match `%s'\n", name);
		exit(STATUS_OTHER);
	}
	rev = xtables_find_match_revision(name, XTF_TRY_LOAD, first, m->u.user.revision);
	named = rev ? rev : first;
	printf(" -m %s", named->alias ? named->alias(m) : name);
	if (rev && rev->save)
		rev->save(ip, m);
	else if (first->save)
		fputs(" [unsupported revision]", stdout);
	if (first->next == first)
		free(first);
}

/** xt_save_target() - an extension target as -S shows it, with its -j */
void xt_save_target(const struct xt_entry_target *t, const struct ipt_ip *ip)
{
	const char *name = t->u.user.name;
	struct xtables_target *first = xtables_find_target(name, XTF_TRY_LOAD);
	struct xtables_target *rev, *named;

	if (!first) {
		fprintf(stderr, "Can't find library for target `%s'\n", name);
		exit(STATUS_OTHER);
	}
	rev = xtables_find_target_revision(name, XTF_TRY_LOAD, first, t->u.user.revision);
	named = rev ? rev : first;
	printf(" -j %s", named->alias ? named->alias(t) : name);
	if (rev && rev->save) {
		rev->save(ip, t);
	} else if (first->save) {
		fputs(" [unsupported revision]", stdout);
	} else if (t->u.target_size != sizeof(*t)) {
		fprintf(stderr, "Target `%s' is missing save function\n", name);
		exit(STATUS_OTHER);
	}
	if (first->next == first)
		free(first);
}
