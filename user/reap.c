// SPDX-License-Identifier: GPL-2.0-only
/*
 * reap.c - has a namespace been deleted that only our netfilter links hold?
 *
 * The kernel has such a link hold its network namespace, so a deleted one stays, with
 * its interfaces, for as long as the links are pinned. It can be told: the namespace is
 * held exactly as often as there are links of ours. Who could still get there, a process,
 * a mount, a socket, an open descriptor, another's link, holds it once more.
 */
#include <dirent.h>
#include <errno.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>
#include <bpf/bpf.h>
#include <bpf/libbpf.h>

#include "../progs/abi/refs.h"
#include "instance_int.h"
#include "refs.skel.h"

#define LINK_PREFIX	"nf-"
#define MAX_LINKS	(2 * NR_HOOKS)	/* attach_nf.c: the chain's own, and "-end" */

/* Ids of the netfilter links of the instance at @dir. Return: how many. */
static int own_links(const char *dir, __u32 id[MAX_LINKS])
{
	char path[PATH_MAX];
	struct dirent *de;
	int n = 0;
	DIR *d;

	if (snprintf(path, sizeof(path), "%s/links", dir) >= (int)sizeof(path))
		return 0;
	d = opendir(path);
	while (d && n < MAX_LINKS && (de = readdir(d))) {
		struct bpf_link_info info = {};
		__u32 len = sizeof(info);
		int fd;

		if (strncmp(de->d_name, LINK_PREFIX, strlen(LINK_PREFIX)))
			continue;
		fd = pins_open("%s/%s", path, de->d_name);
		if (fd >= 0 && !bpf_obj_get_info_by_fd(fd, &info, &len))
			id[n++] = info.id;
		if (fd >= 0)
			close(fd);
	}
	if (d)
		closedir(d);
	return n;
}

/* What the iterator tells of the links @id: are they all that holds their namespace? */
static bool only_links(int iter, const __u32 *id, int n)
{
	struct nf_ref ref[64];
	__u32 refs = 0;
	int held = 0;
	ssize_t got;

	while ((got = read(iter, ref, sizeof(ref))) > 0) {
		/* Records are written whole, and a read ends between two of them. */
		for (size_t i = 0; i < got / sizeof(*ref); i++) {
			for (int j = 0; j < n; j++) {
				if (ref[i].link != id[j])
					continue;
				held++;
				refs = ref[i].refs;
			}
		}
	}
	return !got && held && refs == (__u32)held;
}

/*
 * reap_is_orphan() - does nobody but its own pinned links hold the namespace of @dir?
 * A kernel that cannot say (before 6.4 there are no such links) says no.
 */
bool reap_is_orphan(const char *dir)
{
	__u32 id[MAX_LINKS];
	int n = own_links(dir, id), iter;
	struct bpf_link *link = NULL;
	struct refs *skel = NULL;
	bool orphan = false;

	if (!n)
		return false;
	loader_quiet();
	skel = refs__open_and_load();
	if (skel)
		link = bpf_program__attach_iter(skel->progs.nf_refs, NULL);
	if (link) {
		iter = bpf_iter_create(bpf_link__fd(link));
		if (iter >= 0) {
			orphan = only_links(iter, id, n);
			close(iter);
		}
	}
	bpf_link__destroy(link);
	refs__destroy(skel);
	return orphan;
}
