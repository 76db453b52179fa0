// SPDX-License-Identifier: GPL-2.0-only
/*
 * attach_nf.c - hook netfilter: a link per built-in chain, for every interface at once
 *
 * A link of this type cannot be given another program (BPF_LINK_UPDATE says
 * EOPNOTSUPP). So the three links hold a stub for good, and the program that it jumps
 * to is the one element of the program array nf_progs: one store moves all three
 * chains to another generation, between two packets.
 *
 * Priority. iptables' filter table is at 0, and there a BPF hook is refused beside it
 * (EBUSY), so it has to be a neighbour, just before: -3, for at -2 and -1 follow the
 * native rules that carry out a REJECT or MARK, and what sees to it that they did
 * (progs/nf_native.bpf.h). Between them and 0 nothing else has a place, behind come the
 * security table (50) and SNAT (100), before it mangle (-150) and DNAT (-100), as for the
 * filter table. A packet that is dropped here is not counted by native filter rules,
 * which are empty where this tool stands in.
 *
 * The link belongs to the network namespace of the thread that makes it, and holds
 * it: a deleted namespace goes when reap.c has found it.
 */
#include <net/if.h>
#include <errno.h>
#include <stdio.h>
#include <string.h>
#include <sys/syscall.h>
#include <unistd.h>
#include <bpf/bpf.h>
#include <linux/netfilter.h>

#include "instance_int.h"

#define NF_PRIORITY	(NF_NATIVE_PRIORITY - 1)
#define NF_END_PRIORITY	(NF_NATIVE_PRIORITY + 1)

static const struct {
	const char *name;
	__u32 hooknum;
} chains[NR_HOOKS] = {
	[HOOK_INPUT] = { "INPUT", NF_INET_LOCAL_IN },
	[HOOK_FORWARD] = { "FORWARD", NF_INET_FORWARD },
	[HOOK_OUTPUT] = { "OUTPUT", NF_INET_LOCAL_OUT },
};

/* bpf(BPF_LINK_CREATE) as Linux 6.4 has it for this type; union bpf_attr may not yet. */
struct nf_link_attr {
	__u32 prog_fd;
	__u32 target_fd;
	__u32 attach_type;
	__u32 flags;
	__u32 pf;
	__u32 hooknum;
	__s32 priority;
	__u32 nf_flags;
};

static int link_create(int prog_fd, __u32 hooknum, __s32 priority)
{
	struct nf_link_attr attr = {
		.prog_fd = prog_fd,
		.attach_type = ATTACH_NETFILTER,
		.pf = NFPROTO_IPV4,
		.hooknum = hooknum,
		.priority = priority,
	};
	int fd = syscall(SYS_bpf, BPF_LINK_CREATE, &attr, sizeof(attr));

	return fd < 0 ? -errno : fd;
}

static int link_path(const struct instance *in, int hook, const char *suffix, char *path, size_t len)
{
	int n = snprintf(path, len, "%s/links/nf-%s%s", in->dir, chains[hook].name, suffix);

	return n >= (int)len ? -ENAMETOOLONG : 0;
}

static int attach_chain(struct instance *in, int prog_fd, int hook, const char *suffix,
			__s32 priority)
{
	char path[PATH_MAX];
	int fd, err = link_path(in, hook, suffix, path, sizeof(path));

	if (err || !access(path, F_OK))
		return err;
	fd = link_create(prog_fd, chains[hook].hooknum, priority);
	if (fd < 0)
		return fd;
	err = bpf_obj_pin(fd, path) ? -errno : 0;
	close(fd);
	fault_step();
	return err;
}

int attach_nf_end(struct instance *in, bool wanted)
{
	int fd = wanted ? pins_open("%s/g%d/prog-fw_native_end", in->dir, in->gen.number) : -1;
	int hook, err = wanted && fd < 0 ? fd : 0;
	char path[PATH_MAX];

	for (hook = 0; hook < NR_HOOKS && !err; hook++) {
		if (wanted)
			err = attach_chain(in, fd, hook, "-end", NF_END_PRIORITY);
		else if (!link_path(in, hook, "-end", path, sizeof(path)))
			pins_unlink(path);
	}
	if (fd >= 0)
		close(fd);
	return err;
}

int attach_nf(struct instance *in, const struct generation *gen)
{
	__u32 zero = 0;
	int err, hook;

	if (bpf_map_update_elem(gen->fd[GEN_NF_PROGS], &zero, &gen->fd[GEN_NETFILTER], BPF_ANY))
		return -errno;
	fault_step();
	for (hook = 0; hook < NR_HOOKS; hook++) {
		err = attach_chain(in, gen->fd[GEN_NF_ENTRY], hook, "", NF_PRIORITY);
		if (err) {
			fprintf(stderr, "bpf-iptables: %s is not covered: %s\n",
				chains[hook].name, strerror(-err));
			return err;
		}
	}
	return 0;
}

/* detach_nf() - every chain's link, and what attach_nf_end() put there */
void detach_nf(struct instance *in)
{
	char path[PATH_MAX];

	for (int hook = 0; hook < NR_HOOKS; hook++) {
		if (!link_path(in, hook, "", path, sizeof(path)))
			pins_unlink(path);
	}
	attach_nf_end(in, false);
}

/* attach_nf_describe() - status: which chains have their link */
void attach_nf_describe(const struct instance *in)
{
	char path[PATH_MAX];

	for (int hook = 0; hook < NR_HOOKS; hook++)
		printf("chain %s:%s\n", chains[hook].name,
		       !link_path(in, hook, "", path, sizeof(path)) && !access(path, F_OK) ?
		       " netfilter" : " not covered by a link");
}
