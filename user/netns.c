// SPDX-License-Identifier: GPL-2.0-only
/*
 * netns.c - `-n NAME` or `--netns NAME`: work on another network namespace
 *
 * Unlike `ip netns exec`, only the network namespace changes: the mount
 * namespace stays, and with it /sys/fs/bpf, where instances are pinned.
 *
 * `iptables -n` alone means numeric output, so -n is ours only where iptables
 * would call it an error: first, and followed by a plain word. --netns has no
 * other meaning.
 */
#include <errno.h>
#include <fcntl.h>
#include <sched.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#include "cmd.h"

#define NETNS_DIR	"/run/netns/"

static int enter(const char *name)
{
	char path[sizeof(NETNS_DIR) + 256];
	int fd;

	if (strchr(name, '/') || !strcmp(name, ".") || !strcmp(name, "..") ||
	    snprintf(path, sizeof(path), NETNS_DIR "%s", name) >= (int)sizeof(path)) {
		fprintf(stderr, "bpf-iptables: bad network namespace name `%s'\n", name);
		return STATUS_PARAMETER;
	}
	fd = open(path, O_RDONLY | O_CLOEXEC);
	if (fd < 0 || setns(fd, CLONE_NEWNET)) {
		fprintf(stderr, "bpf-iptables: cannot enter network namespace `%s': %s\n",
			name, strerror(errno));
		if (fd >= 0)
			close(fd);
		return STATUS_OTHER;
	}
	close(fd);
	return STATUS_OK;
}

static bool is_namespace_not_file(const char *name)
{
	char path[sizeof(NETNS_DIR) + 256];

	if (strchr(name, '/') || !access(name, F_OK))
		return false;
	if (snprintf(path, sizeof(path), NETNS_DIR "%s", name) >= (int)sizeof(path))
		return false;
	return !access(path, F_OK);
}

int netns_option(int *argc, char **argv, bool file_arg)
{
	bool lng = *argc > 1 && !strcmp(argv[1], "--netns");
	int status;

	if (!lng && (*argc < 3 || strcmp(argv[1], "-n")))
		return 0;
	if (*argc < 3) {
		fprintf(stderr, "bpf-iptables: --netns needs a name\n");
		return STATUS_PARAMETER;
	}
	if (!lng && (argv[2][0] == '-' || argv[2][0] == '!' || argv[2][0] == '\0'))
		return 0;
	if (!lng && file_arg && !is_namespace_not_file(argv[2]))
		return 0;

	status = enter(argv[2]);
	if (status)
		return status;
	memmove(&argv[1], &argv[3], (*argc - 2) * sizeof(*argv));
	*argc -= 2;
	return 0;
}
