// SPDX-License-Identifier: GPL-2.0-only
/*
 * kernel.c - what the running kernel has of what came to Linux bit by bit
 *
 * Asked of the kernel itself, never of its version: parts are carried back to older
 * kernels, and left out when one is configured. Each row says what is done without the
 * part, or which hooks cannot be had; `bpf-iptables status' prints them all.
 */
#include <errno.h>
#include <stdio.h>
#include <string.h>
#include <sys/utsname.h>
#include <unistd.h>
#include <xtables.h>
#include <bpf/bpf.h>
#include <bpf/btf.h>
#include <bpf/libbpf.h>

#include "instance_int.h"

#define EVERY_HOOK	((1u << NR_MODES) - 1)
#define NF_HOOKS	(1u << MODE_NETFILTER | 1u << MODE_HYBRID)
#define XDP_HOOKS	(1u << MODE_XDP | 1u << MODE_HYBRID)

static struct btf *kernel_btf(void)
{
	static struct btf *btf;

	if (!btf)
		btf = btf__load_vmlinux_btf();
	return btf;
}

static bool has_enumerator(const char *name)
{
	struct btf *btf = kernel_btf();
	__u32 id, n;
	int i;

	if (!btf)
		return false;
	n = btf__type_cnt(btf);
	for (id = 1; id < n; id++) {
		const struct btf_type *t = btf__type_by_id(btf, id);
		const struct btf_enum *e;

		if (!btf_is_enum(t))
			continue;
		e = btf_enum(t);
		for (i = 0; i < btf_vlen(t); i++)
			if (!strcmp(btf__name_by_offset(btf, e[i].name_off), name))
				return true;
	}
	return false;
}

static bool has_btf(void)
{
	return kernel_btf();
}

static bool has_loop(void)
{
	return libbpf_probe_bpf_helper(BPF_PROG_TYPE_SCHED_CLS, BPF_FUNC_loop, NULL) == 1;
}

static bool has_xdp_load(void)
{
	return libbpf_probe_bpf_helper(BPF_PROG_TYPE_XDP, BPF_FUNC_xdp_load_bytes, NULL) == 1;
}

bool kernel_has_kern_ctx(void)
{
	struct btf *btf = kernel_btf();

	return btf && btf__find_by_name_kind(btf, "bpf_cast_to_kern_ctx", BTF_KIND_FUNC) > 0;
}

bool kernel_has_skip_neigh(void)
{
	static int known = -1;

	if (known < 0)
		known = has_enumerator("BPF_FIB_LOOKUP_SKIP_NEIGH");
	return known;
}

bool kernel_has_fib_src(void)
{
	static int known = -1;

	if (known < 0)
		known = has_enumerator("BPF_FIB_LOOKUP_SRC");
	return known;
}

/* tcx, with which our programs can be told from others', and what a driver takes (6.3). */
bool kernel_can_forward(void)
{
	struct btf *btf = kernel_btf();

	return btf && btf__find_by_name_kind(btf, "tcx_entry", BTF_KIND_STRUCT) > 0 &&
	       has_enumerator("NETDEV_XDP_ACT_NDO_XMIT");
}

/*
 * kernel_load_conntrack() - have the types of nf_conntrack to look up, a module in most
 * distributions' kernels: rules on connections load it in any case, but only later.
 */
void kernel_load_conntrack(void)
{
	if (access("/sys/module/nf_conntrack", F_OK))
		xtables_insmod("nf_conntrack", NULL, true);
}

/* A program that accepts: such links have no other use than such programs. */
static bool has_nf_links(void)
{
	const struct bpf_insn accept[] = {
		{ .code = BPF_ALU64 | BPF_MOV | BPF_K, .imm = 1 },
		{ .code = BPF_JMP | BPF_EXIT },
	};
	LIBBPF_OPTS(bpf_prog_load_opts, opts,
		    .expected_attach_type = (enum bpf_attach_type)ATTACH_NETFILTER);
	int fd = bpf_prog_load((enum bpf_prog_type)PROG_TYPE_NETFILTER, "probe", "GPL", accept,
			       sizeof(accept) / sizeof(*accept), &opts);

	if (fd >= 0)
		close(fd);
	return fd >= 0;
}

static bool has_tcx(void)
{
	return !cls_needed();
}

/*
 * @since:	the release of Linux that brought it
 * @needed:	by these hooks (1 << MODE_*)
 * @without:	what is done, or not to be had, without it
 */
static const struct part {
	const char *name;
	const char *since;
	bool (*has)(void);
	__u32 needed;
	const char *without;
} parts[] = {
	{ "btf", "5.4", has_btf, EVERY_HOOK, "no hook can be had" },
	{ "loops", "5.17", has_loop, EVERY_HOOK, "no hook can be had" },
	{ "xdp-loads", "5.18", has_xdp_load, XDP_HOOKS, "no hook xdp or hybrid" },
	{ "netfilter-links", "6.4", has_nf_links, NF_HOOKS, "no hook netfilter or hybrid" },
	{ "tcx-links", "6.6", has_tcx, 0, "clsact filters stand in" },
	{ "skb-fields", "6.2", kernel_has_kern_ctx, 0,
	  "routes are looked up for each packet, checksums still to be made are inferred" },
	{ "fib-skip-neigh", "6.3", kernel_has_skip_neigh, 0, "route look-ups do more than is needed" },
	{ "fib-source", "6.7", kernel_has_fib_src, 0,
	  "hooks tc and xdp: REJECT in FORWARD only with tcp-reset" },
	{ "xdp-forwarding", "6.6", kernel_can_forward, 0, "no init --forward" },
};

#define NR_PARTS	(sizeof(parts) / sizeof(*parts))

void kernel_print(void)
{
	struct utsname uts;
	size_t i;

	loader_quiet();
	printf("kernel %s\n", uname(&uts) ? "?" : uts.release);
	for (i = 0; i < NR_PARTS; i++) {
		const struct part *p = &parts[i];

		if (p->has())
			printf("kernel %-20s yes\n", p->name);
		else
			printf("kernel %-20s no, Linux %s has it: %s\n", p->name, p->since,
			       p->without);
	}
}

bool kernel_explain(enum fw_mode mode)
{
	bool missing = false;
	size_t i;

	loader_quiet();
	for (i = 0; i < NR_PARTS; i++) {
		if (!(parts[i].needed & 1u << mode) || parts[i].has())
			continue;
		fprintf(stderr, "bpf-iptables: this hook needs %s, which Linux %s has and this kernel has not\n",
			parts[i].name, parts[i].since);
		missing = true;
	}
	return missing;
}
