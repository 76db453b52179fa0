// SPDX-License-Identifier: GPL-2.0-only
/*
 * instance.c - the life of an instance: lock, open, init, refresh, remove
 */
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/file.h>
#include <sys/stat.h>
#include <time.h>
#include <unistd.h>
#include <bpf/bpf.h>

#include "../progs/abi/ct.h"
#include "compile.h"
#include "instance_int.h"

#define LOCK_FILE	"/run/xtables.lock"

/* Steps of a bounded wait for the lock. */
#define LOCK_POLL_NS	20000000L

/* A reader without the lock: tries before it asks for it, and for how many seconds. */
#define READ_TRIES	20
#define READ_PATIENCE	10

/* Polled rather than alarm(2)ed: no signal of ours may reach libxtables. */
int instance_lock(int wait)
{
	const char *file = getenv("XTABLES_LOCKFILE") ?: LOCK_FILE;
	struct timespec poll = { 0, LOCK_POLL_NS };
	long left = wait * (1000000000L / LOCK_POLL_NS);
	int fd;

	fd = open(file, O_CREAT | O_RDONLY | O_CLOEXEC, 0600);
	if (fd < 0) {
		int err = -errno;

		fprintf(stderr, "Fatal: can't open lock file %s: %s\n", file, strerror(-err));
		return err;
	}
	if (wait < 0) {
		while (flock(fd, LOCK_EX)) {
			if (errno != EINTR)
				goto busy;
		}
		return fd;
	}
	while (flock(fd, LOCK_EX | LOCK_NB)) {
		if (errno != EWOULDBLOCK || left-- <= 0)
			goto busy;
		nanosleep(&poll, NULL);
	}
	return fd;
busy:
	close(fd);
	fprintf(stderr, "Can't lock %s: %s\n", file, strerror(EAGAIN));
	if (wait)
		fprintf(stderr, "Another app is currently holding the xtables lock. "
			"Stopped waiting after %ds.\n", wait);
	else
		fprintf(stderr, "Another app is currently holding the xtables lock. "
			"Perhaps you want to use the -w option?\n");
	return -EAGAIN;
}

/* Number of the generation that `current' names, or -errno. */
static int current_generation(const struct instance *in)
{
	char path[PATH_MAX], target[32] = "";
	char *end;
	int number;

	if (snprintf(path, sizeof(path), "%s/current", in->dir) >= (int)sizeof(path))
		return -ENAMETOOLONG;
	if (readlink(path, target, sizeof(target) - 1) < 0)
		return -errno;
	number = strtol(target + 1, &end, 10);
	return target[0] == 'g' && end != target + 1 && !*end ? number : -EBADMSG;
}

/* What `current' names. It may be gone when it is looked at: the caller has no lock. */
static int open_current(struct instance **out)
{
	struct instance *in = calloc(1, sizeof(*in));
	int err, number;

	*out = NULL;
	if (!in)
		return -ENOMEM;
	err = pins_usual_dir(in->dir, sizeof(in->dir));
	number = err ?: current_generation(in);
	if (number < 0) {
		err = pins_instance_dir(in->dir, sizeof(in->dir));
		if (err)
			goto fail;
		number = current_generation(in);
	}
	if (number < 0) {
		err = number == -ENOENT ? 0 : number;
		goto fail;
	}
	err = generation_open(in, number, &in->gen);
	if (!err && (!in->gen.map->abi || in->gen.map->mode >= NR_MODES))
		err = -EBADMSG;
	if (err) {
		generation_close(&in->gen);
		goto fail;
	}
	in->mode = in->gen.map->mode;
	*out = in;
	return 0;
fail:
	free(in);
	return err;
}

static int open_existing(struct instance **out)
{
	int err = open_current(out);

	if (err || !*out)
		return err;
	err = active_verify(&(*out)->gen);
	if (!err)
		err = instance_recover(*out);
	if (err) {
		instance_close(*out);
		*out = NULL;
	}
	return err;
}

static void cannot_open(int err)
{
	fprintf(stderr, "bpf-iptables: cannot open the instance of this network namespace: %s\n",
		strerror(-err));
	if (err == -EBADMSG)
		fprintf(stderr, "bpf-iptables: what is pinned is damaged, or another version's; "
			"bpf-iptables-clean removes it\n");
}

int instance_open(struct instance **in, bool create)
{
	int err = open_existing(in);

	if (!err && !*in && create) {
		err = instance_init(MODE_TC, 0, 0, false);
		if (err)
			return err;
		err = open_existing(in);
	}
	if (err)
		cannot_open(err);
	return err;
}

int instance_peek(struct instance **in)
{
	int err, tries = READ_TRIES;

	do {
		err = open_current(in);
	} while (err == -ENOENT && tries--);
	if (err)
		cannot_open(err);
	return err;
}

int instance_none(void)
{
	fprintf(stderr, "bpf-iptables: no firewall in this network namespace\n");
	return -ENOENT;
}

/* One try of instance_read(). -EAGAIN: a writer was at it. */
static int read_once(struct instance **in, struct ruleset **rs)
{
	struct image_stamp before;
	int err = open_current(in);

	*rs = NULL;
	if (err || !*in)
		return err == -ENOENT ? -EAGAIN : err ? err : instance_load(NULL, rs);
	before = active_stamp(&(*in)->gen);
	err = active_verify(&(*in)->gen);
	if (!err)
		err = instance_load(*in, rs);
	if (active_same(&(*in)->gen, before) && !err)
		return 0;
	if (!active_same(&(*in)->gen, before))
		err = -EAGAIN;
	ruleset_free(*rs);
	*rs = NULL;
	instance_close(*in);
	*in = NULL;
	return err;
}

int instance_read(struct instance **in, struct ruleset **rs)
{
	int err, lock = -1, tries = READ_TRIES;

	do {
		err = read_once(in, rs);
	} while (err == -EAGAIN && --tries);
	if (err == -EAGAIN) {		/* no end of writers: get in line */
		lock = instance_lock(READ_PATIENCE);
		if (lock < 0)
			return lock;
		err = read_once(in, rs);
		close(lock);
	}
	if (err)
		cannot_open(err);
	return err;
}

void instance_close(struct instance *in)
{
	if (!in)
		return;
	cpus_leave();
	generation_close(&in->gen);
	free(in->snap);
	free(in);
}

/*
 * The first generation: an empty ruleset published before anything is attached. It has room
 * for some 1000 rules, so that a usual ruleset never has the programs loaded again.
 */
static int init_first(struct instance *in, __u32 ct_max, __u32 features, bool verbose)
{
	const struct tier first = {
		.table_words = 1u << 16,
		.rules_words = 1u << 14,
		.nr_counters = 2560,
		.features = features,
		.ct_max = ct_max ?: CT_DEFAULT_ENTRIES,
		.claims = mode_is_nf(in->mode),
	};
	struct lower_err lerr;
	struct iface *ifs = NULL;
	struct ruleset *rs = NULL;
	size_t n = 0;
	int err;

	err = pins_make_dir(in->dir);
	if (err) {
		fprintf(stderr, "bpf-iptables: %s: %s\n", in->dir, strerror(-err));
		return err;
	}
	err = generation_create(in, 1, &first, NULL, &in->gen);
	if (err) {
		if (!kernel_explain(in->mode))
			fprintf(stderr, "bpf-iptables: cannot load the programs: %s\n",
				strerror(-err));
		return err;
	}
	ifstamp_make(in);
	rs = ruleset_new();
	err = rs ? instance_commit(in, rs, &lerr) : -ENOMEM;
	if (!err)
		err = ifaces_list(&ifs, &n);
	if (!err)
		err = attach_all(in, &in->gen, ifs, n, verbose);
	if (!err)
		err = generation_set_current(in, in->gen.number);
	if (err)
		fprintf(stderr, "bpf-iptables: cannot initialise: %s\n", strerror(-err));
	free(ifs);
	ruleset_free(rs);
	return err;
}

int instance_init(enum fw_mode mode, __u32 ct_max, __u32 features, bool verbose)
{
	struct instance in = { .mode = mode };
	int err;

	pins_prune();
	err = pins_instance_dir(in.dir, sizeof(in.dir));
	if (err) {
		fprintf(stderr, "bpf-iptables: no BPF file system: %s\n", strerror(-err));
		return err;
	}
	err = current_generation(&in);
	if (err >= 0)
		return -EEXIST;
	err = init_first(&in, ct_max, features, verbose);
	if (err) {
		attach_detach_all(&in);
		pins_remove(in.dir);
	}
	generation_close(&in.gen);
	free(in.snap);
	return err;
}

/* instance_remove() - every link, program and map of this namespace's instance */
int instance_remove(void)
{
	struct instance in = {};
	char path[PATH_MAX];
	int err;

	pins_prune();
	err = pins_instance_dir(in.dir, sizeof(in.dir));
	if (err)
		return err;
	err = attach_detach_all(&in);
	if (snprintf(path, sizeof(path), "%s/current/map-nf_progs", in.dir) < (int)sizeof(path) &&
	    !access(path, F_OK) && !err)
		err = nft_table_set(0, -1);
	pins_remove(in.dir);
	return err;
}

/*
 * instance_refresh() - follow the interfaces: cover new ones, recompile
 * The image holds no names, so whether one changed cannot be told: always recompile.
 * Return: 0 or -errno.
 */
int instance_refresh(struct instance *in, bool verbose)
{
	struct ruleset *rs = NULL;
	struct lower_err lerr;
	struct iface *ifs;
	size_t n;
	int err;

	err = ifaces_list(&ifs, &n);
	if (err)
		return err;
	err = attach_all(in, &in->gen, ifs, n, verbose);
	if (!err && in->gen.map->native)	/* `nft flush ruleset' takes it away */
		err = native_renew(in);
	if (!err) {
		err = instance_load(in, &rs);
		if (!err)
			err = instance_commit_whole(in, rs, &lerr);
		ruleset_free(rs);
	}
	free(ifs);
	return err;
}
