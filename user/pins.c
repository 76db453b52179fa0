// SPDX-License-Identifier: GPL-2.0-only
/*
 * pins.c - where an instance lives on the BPF file system
 *
 * `ip netns exec` mounts a fresh /sys and so hides /sys/fs/bpf. It is still there
 * in the mount namespace that we came from, and an ancestor of ours is still in it:
 * /proc/PID/root/sys/fs/bpf, trying our parent, its parent, ... and init. A machine
 * without a mounted bpffs gets one, in the mount namespace of the oldest ancestor
 * that we may enter.
 */
#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <sched.h>
#include <stdarg.h>
#include <stdio.h>
#include <string.h>
#include <sys/mount.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/statfs.h>
#include <sys/wait.h>
#include <unistd.h>
#include <linux/magic.h>
#include <bpf/bpf.h>

#include "instance_int.h"

#ifndef SO_NETNS_COOKIE
#define SO_NETNS_COOKIE 71
#endif

#define BPFFS		"/sys/fs/bpf"
#define ROOT		"/bpf-iptables"

static bool is_bpffs(const char *path)
{
	struct statfs sfs;

	return !statfs(path, &sfs) && (unsigned long)sfs.f_type == BPF_FS_MAGIC;
}

/* Parent of @pid, 0 when there is none or it cannot be told. */
static pid_t parent_of(pid_t pid)
{
	char path[64], buf[512], *p;
	int fd, n, ppid = 0;

	snprintf(path, sizeof(path), "/proc/%d/stat", pid);
	fd = open(path, O_RDONLY | O_CLOEXEC);
	if (fd < 0)
		return 0;
	n = read(fd, buf, sizeof(buf) - 1);
	close(fd);
	if (n <= 0)
		return 0;
	buf[n] = 0;
	p = strrchr(buf, ')');		/* the name may hold anything */
	if (!p || sscanf(p + 1, " %*c %d", &ppid) != 1)
		return 0;
	return ppid;
}

/* Mount bpffs where @pid sees it: a child changes namespace, not we. */
static int mount_bpffs(pid_t pid)
{
	pid_t child = fork();
	int status;

	if (child < 0)
		return -errno;
	if (!child) {
		char path[64];
		int fd;

		snprintf(path, sizeof(path), "/proc/%d/ns/mnt", pid);
		fd = open(path, O_RDONLY | O_CLOEXEC);
		if (fd < 0 || setns(fd, CLONE_NEWNS) ||
		    (!is_bpffs(BPFFS) && mount("bpf", BPFFS, "bpf", 0, "mode=0700")))
			_exit(1);
		_exit(0);
	}
	if (waitpid(child, &status, 0) < 0)
		return -errno;
	return WIFEXITED(status) && !WEXITSTATUS(status) ? 0 : -ENODEV;
}

/* Where bpffs is: ours, an ancestor's, or one we mount. */
static int find_bpffs(char *path, size_t len)
{
	pid_t pid, oldest = getpid();
	int err;

	snprintf(path, len, "%s", BPFFS);
	if (is_bpffs(path))
		return 0;
	for (pid = getppid(); pid > 0; pid = parent_of(pid)) {
		char root[64];

		snprintf(path, len, "/proc/%d/root%s", pid, BPFFS);
		if (is_bpffs(path))
			return 0;
		snprintf(root, sizeof(root), "/proc/%d/root/.", pid);
		if (!access(root, R_OK))
			oldest = pid;
	}
	err = mount_bpffs(oldest);
	if (err)
		return err;
	if (oldest == getpid())
		snprintf(path, len, "%s", BPFFS);
	else
		snprintf(path, len, "/proc/%d/root%s", oldest, BPFFS);
	return is_bpffs(path) ? 0 : -ENODEV;
}

static int make_dir(const char *path)
{
	return mkdir(path, 0700) && errno != EEXIST ? -errno : 0;
}

/* pins_root() - the directory of all instances, made or not. Return: 0 or -errno. */
int pins_root(char *path, size_t len)
{
	char fs[128];
	int err = find_bpffs(fs, sizeof(fs));

	if (err)
		return err;
	return snprintf(path, len, "%s" ROOT, fs) >= (int)len ? -ENAMETOOLONG : 0;
}

static int netns_cookie(__u64 *cookie)
{
	socklen_t len = sizeof(*cookie);
	int fd = socket(AF_INET, SOCK_DGRAM | SOCK_CLOEXEC, 0), err = 0;

	if (fd < 0)
		return -errno;
	if (getsockopt(fd, SOL_SOCKET, SO_NETNS_COOKIE, cookie, &len))
		err = -errno;
	close(fd);
	return err;
}

static int name_dir(char *path, size_t len, const char *root, __u64 cookie)
{
	return snprintf(path, len, "%s/ns-%llx", root, (unsigned long long)cookie) >= (int)len ?
	       -ENAMETOOLONG : 0;
}

/* pins_instance_dir() - the directory of this namespace's instance, made or not */
int pins_instance_dir(char *path, size_t len)
{
	char root[PATH_MAX];
	__u64 cookie;
	int err;

	err = pins_root(root, sizeof(root));
	if (!err)
		err = netns_cookie(&cookie);
	if (err)
		return err;
	return name_dir(path, len, root, cookie);
}

/* pins_usual_dir() - where it mostly is: whether that is on bpffs is not looked at */
int pins_usual_dir(char *path, size_t len)
{
	__u64 cookie;
	int err = netns_cookie(&cookie);

	return err ?: name_dir(path, len, BPFFS ROOT, cookie);
}

/* pins_make_dir() - the directory of an instance, and the one that holds it */
int pins_make_dir(const char *dir)
{
	char parent[PATH_MAX];
	int err;

	snprintf(parent, sizeof(parent), "%s", dir);
	*strrchr(parent, '/') = '\0';
	err = make_dir(parent);
	return err ?: make_dir(dir);
}

/* pins_remove() - a directory and all in it. Dropping a pin lets go of its object. */
void pins_remove(const char *dir)
{
	struct dirent *de;
	DIR *d = opendir(dir);

	if (!d)
		return;
	while ((de = readdir(d))) {
		char path[PATH_MAX];

		if (!strcmp(de->d_name, ".") || !strcmp(de->d_name, ".."))
			continue;
		if (snprintf(path, sizeof(path), "%s/%s", dir, de->d_name) >= (int)sizeof(path))
			continue;
		if (unlink(path) && (errno == EISDIR || errno == EPERM))
			pins_remove(path);
	}
	closedir(d);
	rmdir(dir);
}

/*
 * pins_unlink() - drop a pinned link, and have its hook free on return
 * A link whose last reference goes is torn down by a worker, later: a netfilter link made
 * meanwhile at its priority would be refused (EBUSY). So it is detached by hand.
 */
void pins_unlink(const char *path)
{
	int fd = bpf_obj_get(path);

	unlink(path);
	if (fd < 0)
		return;
	bpf_link_detach(fd);
	close(fd);
}

/* pins_open() - fd of the object pinned at a path, or -errno */
int pins_open(const char *fmt, ...)
{
	char path[PATH_MAX];
	va_list ap;
	int n, fd;

	va_start(ap, fmt);
	n = vsnprintf(path, sizeof(path), fmt, ap);
	va_end(ap);
	if (n >= (int)sizeof(path))
		return -ENAMETOOLONG;
	fd = bpf_obj_get(path);
	return fd < 0 ? -errno : fd;
}

/*
 * pins_mark() - pin what tells later whether this namespace still lives
 * Loopback lives as long as its namespace, and leaves every devmap when it goes.
 */
int pins_mark(const struct instance *in)
{
	__u32 zero = 0, lo = LO_IFINDEX;
	char path[PATH_MAX];
	int fd, err;

	if (snprintf(path, sizeof(path), "%s/links/lo", in->dir) >= (int)sizeof(path))
		return -ENAMETOOLONG;
	if (!access(path, F_OK))
		return 0;
	fd = bpf_map_create(BPF_MAP_TYPE_DEVMAP, "lo", sizeof(zero), sizeof(lo), 1, NULL);
	if (fd < 0)
		return -errno;
	err = bpf_map_update_elem(fd, &zero, &lo, BPF_ANY) || bpf_obj_pin(fd, path) ? -errno : 0;
	close(fd);
	return err;
}

/* pins_mark() tells, where no netfilter link holds the namespace: reap.c. */
static bool instance_is_dead(const char *dir)
{
	int fd = pins_open("%s/links/lo", dir);
	__u32 zero = 0, lo;
	bool dead = false;

	if (fd >= 0) {
		dead = bpf_map_lookup_elem(fd, &zero, &lo) && errno == ENOENT;
		close(fd);
	}
	return dead || reap_is_orphan(dir);
}

/* pins_prune() - remove what namespaces that no longer exist have left behind */
void pins_prune(void)
{
	char root[PATH_MAX];
	struct dirent *de;
	DIR *d;

	if (pins_root(root, sizeof(root)))
		return;
	d = opendir(root);
	if (!d)
		return;
	while ((de = readdir(d))) {
		char dir[PATH_MAX];

		if (strncmp(de->d_name, "ns-", 3) ||
		    snprintf(dir, sizeof(dir), "%s/%s", root, de->d_name) >= (int)sizeof(dir))
			continue;
		if (instance_is_dead(dir))
			pins_remove(dir);
	}
	closedir(d);
}
