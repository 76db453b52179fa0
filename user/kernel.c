// SPDX-License-Identifier: GPL-2.0-only
/*
 * kernel.c - what the running kernel has of what came to Linux bit by bit
 *
 * Asked of the kernel itself, never of its version: parts are carried back to older
 * kernels, and left out when one is configured. Each row says what is done without the
 * part, or which hooks cannot be had; `bpf-iptables status' prints them all.
 */
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/utsname.h>
#include <unistd.h>
#include <xtables.h>
#include <linux/btf.h>
#include <bpf/bpf.h>
#include <bpf/libbpf.h>

#include "instance_int.h"

#define EVERY_HOOK	((1u << NR_MODES) - 1)
#define NF_HOOKS	(1u << MODE_NETFILTER | 1u << MODE_HYBRID)
#define XDP_HOOKS	(1u << MODE_XDP | 1u << MODE_HYBRID)

#define KERNEL_BTF	"/sys/kernel/btf/vmlinux"

/* The strings of the kernel's BTF, @len bytes. NULL: it has none, or there is no memory. */
static char *read_names(size_t *len)
{
	int fd = open(KERNEL_BTF, O_RDONLY | O_CLOEXEC);
	struct btf_header h;
	char *names = NULL;

	if (fd < 0)
		return NULL;
	if (pread(fd, &h, sizeof(h), 0) == sizeof(h) && h.magic == BTF_MAGIC)
		names = malloc(h.str_len);
	for (*len = 0; names && *len < h.str_len; ) {
		ssize_t n = pread(fd, names + *len, h.str_len - *len,
				  (off_t)h.hdr_len + h.str_off + *len);

		if (n <= 0) {
			free(names);
			names = NULL;
			break;
		}
		*len += n;
	}
	close(fd);
	return names;
}

/*
 * Has the kernel something of that name: a type, a function, an enumerator? To look the
 * names through takes 2 ms; to have libbpf parse the types, 25.
 */
static bool has_name(const char *name)
{
	static char *names;
	static size_t len;
	char whole[64];
	int n = snprintf(whole + 1, sizeof(whole) - 1, "%s", name);

	if (!names)
		names = read_names(&len);
	whole[0] = '\0';
	return names && memmem(names, len, whole, n + 2);
}

/* has_name(), looked up once. @known: 0 not yet, 1 it has, -1 it has not */
static bool has_name_kept(const char *name, int *known)
{
	if (!*known)
		*known = has_name(name) ? 1 : -1;
	return *known > 0;
}

static bool has_btf(void)
{
	return has_name("task_struct");
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
	static int known;

	return has_name_kept("bpf_cast_to_kern_ctx", &known);
}

bool kernel_has_skip_neigh(void)
{
	static int known;

	return has_name_kept("BPF_FIB_LOOKUP_SKIP_NEIGH", &known);
}

bool kernel_has_fib_src(void)
{
	static int known;

	return has_name_kept("BPF_FIB_LOOKUP_SRC", &known);
}

/* tcx, with which our programs can be told from others', and what a driver takes (6.3). */
bool kernel_can_forward(void)
{
	return has_name("tcx_entry") && has_name("NETDEV_XDP_ACT_NDO_XMIT");
}

/*
 * kernel_symbol() - address of what the kernel calls that, 0: there is none, or it is not
 * told. libbpf would look, which takes 40 ms, whether or not it is asked for.
 */
__u64 kernel_symbol(const char *name)
{
	FILE *f = fopen("/proc/kallsyms", "re");
	unsigned long long at = 0, found = 0;
	char line[512], sym[128];

	while (f && !found && fgets(line, sizeof(line), f))
		if (strstr(line, name) && sscanf(line, "%llx %*c %127s", &at, sym) == 2 &&
		    !strcmp(sym, name))
			found = at;
	if (f)
		fclose(f);
	return found;
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
