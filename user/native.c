// SPDX-License-Identifier: GPL-2.0-only
/*
 * native.c - the tables that are not ours: hand them to the native iptables
 *
 * The native tool is the first `iptables` on the PATH, then in the usual
 * directories, that is not this very program (which may be installed under that
 * name), or what BPF_IPTABLES_NATIVE names. -save and -restore are beside it.
 */
#include <errno.h>
#include <limits.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

#include "args.h"
#include "cmd.h"

#define USUAL_DIRS	"/usr/local/sbin:/usr/sbin:/sbin:/usr/bin:/bin"
#define DEPTH_VAR	"BPF_IPTABLES_DEPTH"	/* set for the native tool: we must not meet us */

static bool is_us(const char *path)
{
	struct stat us, it;

	return !stat("/proc/self/exe", &us) && !stat(path, &it) &&
	       us.st_dev == it.st_dev && us.st_ino == it.st_ino;
}

static bool search(const char *dirs, const char *tool, char path[PATH_MAX])
{
	while (dirs && *dirs) {
		int len = strcspn(dirs, ":");

		if (len && snprintf(path, PATH_MAX, "%.*s/iptables%s", len, dirs, tool) < PATH_MAX &&
		    !access(path, X_OK) && !is_us(path))
			return true;
		dirs += len;
		dirs += *dirs == ':';
	}
	return false;
}

/* Path of the native tool. Return: 0 or -ENOENT. */
static int find_native(const char *tool, char path[PATH_MAX])
{
	const char *named = getenv("BPF_IPTABLES_NATIVE");

	if (getenv(DEPTH_VAR))
		return -ENOENT;
	if (named && *named) {
		if (snprintf(path, PATH_MAX, "%s%s", named, tool) >= PATH_MAX ||
		    access(path, X_OK) || is_us(path))
			return -ENOENT;
		return 0;
	}
	return search(getenv("PATH"), tool, path) || search(USUAL_DIRS, tool, path) ? 0 : -ENOENT;
}

static int become(const char *path, char **argv)
{
	setenv(DEPTH_VAR, "1", 1);
	execv(path, argv);
	return -errno;
}

int native_exec(const char *tool, char **argv)
{
	char path[PATH_MAX];
	int err = find_native(tool, path);

	if (err)
		return err;
	fflush(NULL);
	argv[0] = path;
	return become(path, argv);
}

/**
 * native_table_of() - the argument of -t, without loading any extension
 *
 * Options of extensions are unknown here. Behind one of them, `-t` may be its
 * argument (`--comment -t`) or an option (`--syn -t nat`), and what looks like
 * the abbreviation of a base option may be an extension's (`--set -t nat`, of
 * recent): then only the full parse can tell.
 *
 * Return: the table, "filter" without -t; NULL when only the full parse can tell.
 */
const char *native_table_of(int argc, char **argv)
{
	const char *table = "filter";
	char **words = xtables_calloc(argc + 1, sizeof(*words));
	int c, unknown_at = -1, at;

	memcpy(words, argv, argc * sizeof(*words));
	optind = 0;
	opterr = 0;
	for (;;) {
		at = optind ? optind : 1;
		c = getopt_long(argc, words, BASE_OPTSTRING, base_options, NULL);
		if (c == -1)
			break;
		if (c == '?')
			unknown_at = at;
		if ((c == 't' && unknown_at >= 0 && at == unknown_at + 1) ||
		    (c != 't' && c != 1 && optarg && optarg[0] == '-')) {
			table = NULL;
			break;
		}
		if (c == 't')
			table = optarg;
	}
	free(words);
	return table;
}

struct child {
	pid_t pid;
	int fd;		/* our end: its stdout, or its stdin */
};

/* Start the native tool with a pipe on @its_fd (0 or 1). */
static int start(const char *tool, char *const *argv, int its_fd, struct child *ch)
{
	char path[PATH_MAX];
	int err = find_native(tool, path), p[2];

	if (err)
		return err;
	if (pipe(p))
		return -errno;
	fflush(NULL);
	ch->pid = fork();
	if (ch->pid < 0) {
		err = -errno;
		close(p[0]);
		close(p[1]);
		return err;
	}
	if (!ch->pid) {
		dup2(p[its_fd], its_fd);
		close(p[0]);
		close(p[1]);
		signal(SIGPIPE, SIG_DFL);
		become(path, (char **)argv);
		_exit(127);
	}
	close(p[its_fd]);
	ch->fd = p[!its_fd];
	return 0;
}

static int finish(const struct child *ch)
{
	int status;

	while (waitpid(ch->pid, &status, 0) < 0)
		if (errno != EINTR)
			return STATUS_OTHER;
	return WIFEXITED(status) ? WEXITSTATUS(status) : STATUS_OTHER;
}

/* Copy iptables-save's text, without the comments and lines of *filter. */
static void copy_other_tables(FILE *in, int (*filter)(void), int *status, bool *done)
{
	char *text = NULL, *generated = NULL;
	size_t size = 0;
	bool skipping = false;

	while (getline(&text, &size, in) > 0) {
		bool comment = text[0] == '#';

		if (!skipping && comment && !strncmp(text, "# Generated", 11)) {
			free(generated);
			generated = strdup(text);
			continue;
		}
		if (!strcmp(text, "*filter\n")) {
			skipping = true;
			if (!*done)
				*status = filter();
			*done = true;
		}
		if (!skipping) {
			if (generated)
				fputs(generated, stdout);
			fputs(text, stdout);
		}
		free(generated);
		generated = NULL;
		if (skipping && !strncmp(text, "# Completed", 11))
			skipping = false;
	}
	free(generated);
	free(text);
}

int native_save(char **argv, int (*filter)(void))
{
	struct child ch;
	bool done = false;
	int status = STATUS_OK, native = STATUS_OK;
	FILE *in;

	if (!start("-save", argv, STDOUT_FILENO, &ch)) {
		in = fdopen(ch.fd, "r");
		if (!in)
			return STATUS_OTHER;
		copy_other_tables(in, filter, &status, &done);
		fclose(in);
		native = finish(&ch);
	}
	if (!done)
		status = filter();
	return status ? status : native;
}

static bool write_all(int fd, const char *p, size_t n)
{
	while (n) {
		ssize_t done = write(fd, p, n);

		if (done < 0 && errno == EINTR)
			continue;
		if (done <= 0)
			return false;
		p += done;
		n -= done;
	}
	return true;
}

int native_restore(unsigned int first_line, const char *text, unsigned long len,
		   const char *const *args)
{
	char *argv[16] = { "iptables-restore" }, *blank;
	struct child ch;
	int n = 1, err;

	while (*args && n < 15)
		argv[n++] = (char *)*args++;
	err = start("-restore", argv, STDIN_FILENO, &ch);
	if (err) {
		fprintf(stderr, "iptables-restore: no native iptables-restore for line %u: %s\n",
			first_line, strerror(-err));
		return STATUS_OTHER;
	}
	/* empty lines in front: its messages then name the right line */
	blank = xtables_malloc(first_line);
	memset(blank, '\n', first_line);
	signal(SIGPIPE, SIG_IGN);
	if (write_all(ch.fd, blank, first_line - 1))
		write_all(ch.fd, text, len);
	free(blank);
	close(ch.fd);
	return finish(&ch);
}
