// SPDX-License-Identifier: GPL-2.0-only
/*
 * setup.c - bpf-iptables-init, -init-xdp, -clean, and the status command
 */
#include <errno.h>
#include <getopt.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>
#include <bpf/bpf.h>
#include <bpf/libbpf.h>

#include "../progs/abi/ct.h"
#include "cmd.h"
#include "instance_int.h"

static const struct mode_name {
	const char *name;
	enum fw_mode mode;
} modes[] = {
	{ "tc", MODE_TC },
	{ "xdp", MODE_XDP },
	{ "netfilter", MODE_NETFILTER },
	{ "hybrid", MODE_HYBRID },
};

static const char *mode_name(enum fw_mode mode)
{
	size_t i;

	for (i = 0; i < NR_MODES; i++)
		if (modes[i].mode == mode)
			return modes[i].name;
	return "?";
}

static int init_usage(int status)
{
	FILE *to = status ? stderr : stdout;

	fprintf(to, "Usage: bpf-iptables-init [--hook HOOK] [--conntrack-max ENTRIES] [--forward]\n"
		"Enforce this network namespace's filter table in eBPF.\n"
		"HOOK (%s; with bpf-iptables-init-xdp %s) is one of:",
		mode_name(MODE_TC), mode_name(MODE_XDP));
	for (size_t i = 0; i < NR_MODES; i++)
		fprintf(to, " %s", modes[i].name);
	fprintf(to, "\nENTRIES (tc, xdp): room for connections, %u to %u, default %u\n"
		"--forward (xdp): send accepted packets on at the driver, past the stack\n",
		CT_MIN_ENTRIES, CT_MAX_ENTRIES, CT_DEFAULT_ENTRIES);
	return status;
}

/* --conntrack-max. Return: 0, or an exit status, message printed. */
static int parse_ct_max(const char *word, __u32 *max)
{
	unsigned long n;
	char *end;

	errno = 0;
	n = strtoul(word, &end, 10);
	if (!*word || *word == '-' || *end || errno || n < CT_MIN_ENTRIES || n > CT_MAX_ENTRIES) {
		fprintf(stderr, "bpf-iptables: --conntrack-max: `%s' is not between %u and %u\n",
			word, CT_MIN_ENTRIES, CT_MAX_ENTRIES);
		return STATUS_PARAMETER;
	}
	*max = n;
	return STATUS_OK;
}

/* There is an instance already: is it the one asked for? Return: 0 or -EBUSY, message printed. */
static int same_instance(const struct instance *in, enum fw_mode mode, __u32 ct_max,
			 __u32 features)
{
	if (in->mode != mode) {
		fprintf(stderr, "bpf-iptables: hook %s is in use here; bpf-iptables-clean first\n",
			mode_name(in->mode));
		return -EBUSY;
	}
	if (ct_max && in->gen.tier.ct_max != ct_max) {
		fprintf(stderr, "bpf-iptables: conntrack has %u entries here; bpf-iptables-clean first\n",
			in->gen.tier.ct_max);
		return -EBUSY;
	}
	if (features & ~in->gen.tier.features) {
		fprintf(stderr, "bpf-iptables: not forwarding here; bpf-iptables-clean first\n");
		return -EBUSY;
	}
	return 0;
}

/* --forward, where it can be. Return: 0, or an exit status, message printed. */
static int check_forward(enum fw_mode mode)
{
	if (mode != MODE_XDP)
		fprintf(stderr, "bpf-iptables: --forward: hook %s leaves forwarding to the stack\n",
			mode_name(mode));
	else if (!kernel_can_forward())
		fprintf(stderr, "bpf-iptables: --forward needs Linux 6.6\n");
	else
		return STATUS_OK;
	return STATUS_PARAMETER;
}

static int init_mode(int argc, char **argv, enum fw_mode mode)
{
	static const struct option opts[] = {
		{ "hook", required_argument, NULL, 'H' },
		{ "conntrack-max", required_argument, NULL, 'M' },
		{ "forward", no_argument, NULL, 'F' },
		{ "help", no_argument, NULL, 'h' },
		{},
	};
	struct instance *in;
	__u32 ct_max = 0, features = 0;
	int c, lock, err;
	size_t i;

	while ((c = getopt_long(argc, argv, "h", opts, NULL)) >= 0) {
		if (c == 'h')
			return init_usage(STATUS_OK);
		if (c == 'M') {
			err = parse_ct_max(optarg, &ct_max);
			if (err)
				return err;
			continue;
		}
		if (c == 'F') {
			features = IMG_F_FORWARD;
			continue;
		}
		if (c != 'H')
			return init_usage(STATUS_PARAMETER);
		for (i = 0; i < NR_MODES && strcmp(modes[i].name, optarg); i++)
			;
		if (i == NR_MODES) {
			fprintf(stderr, "bpf-iptables: unknown hook `%s'\n", optarg);
			return init_usage(STATUS_PARAMETER);
		}
		mode = modes[i].mode;
	}
	if (optind < argc)
		return init_usage(STATUS_PARAMETER);
	if (ct_max && mode_is_nf(mode)) {
		fprintf(stderr, "bpf-iptables: --conntrack-max: hook %s has the kernel's conntrack: "
			"sysctl net.netfilter.nf_conntrack_max\n", mode_name(mode));
		return STATUS_PARAMETER;
	}
	err = features ? check_forward(mode) : STATUS_OK;
	if (err)
		return err;
	lock = instance_lock(-1);
	if (lock < 0)
		return STATUS_RESOURCE;
	err = instance_init(mode, ct_max, features, true);
	if (err == -EEXIST) {
		err = instance_open(&in, false);
		if (!err)
			err = same_instance(in, mode, ct_max, features);
		if (!err)
			err = instance_refresh(in, true);
		if (in)
			instance_close(in);
	}
	close(lock);
	return err ? STATUS_OTHER : STATUS_OK;
}

int init_main(int argc, char **argv)
{
	return init_mode(argc, argv, MODE_TC);
}

int init_xdp_main(int argc, char **argv)
{
	return init_mode(argc, argv, MODE_XDP);
}

int clean_main(int argc, char **argv)
{
	int lock = instance_lock(-1), err;

	if (lock < 0)
		return STATUS_RESOURCE;
	err = instance_remove();
	if (err)
		fprintf(stderr, "bpf-iptables: %s\n", strerror(-err));
	close(lock);
	return err ? STATUS_OTHER : STATUS_OK;
}

static void print_events(const struct instance *in)
{
	static const char *const names[NR_EVENTS] = EVENT_NAMES;
	int ncpu = libbpf_num_possible_cpus(), c;
	int fd = pins_open("%s/g%d/map-events", in->dir, in->gen.number);
	__u32 ev;
	__u64 *v;

	v = ncpu > 0 ? calloc(ncpu, sizeof(*v)) : NULL;
	for (ev = 0; v && fd >= 0 && ev < NR_EVENTS; ev++) {
		__u64 sum = 0;

		if (bpf_map_lookup_elem(fd, &ev, v))
			continue;
		for (c = 0; c < ncpu; c++)
			sum += v[c];
		printf("event %-20s %llu\n", names[ev], (unsigned long long)sum);
	}
	if (fd >= 0)
		close(fd);
	free(v);
}

/* Connections, and the settings that are not netfilter's own. */
static void print_conntrack(const struct instance *in)
{
	long used = in->gen.tier.features & IMG_F_CT ? conntrack_used(in) : 0;

	if (used < 0)
		return;
	printf("conntrack %ld of %u entries\n", used, in->gen.tier.ct_max);
	ct_params_print(in, "conntrack ", false);
}

/* `bpf-iptables status' - what runs where, how big it is, what it met, what it runs on */
int status_main(int argc, char **argv)
{
	const struct img_hdr *h;
	struct instance *in;
	struct iface *ifs;
	size_t n, i;
	int lock = instance_lock(-1);

	if (lock < 0)
		return STATUS_RESOURCE;
	if (instance_open(&in, false)) {
		close(lock);
		return STATUS_OTHER;
	}
	if (!in) {
		printf("not initialised in this network namespace\n");
		kernel_print();
		close(lock);
		return STATUS_OTHER;
	}
	printf("hook %s\n", mode_name(in->mode));
	h = active_image(&in->gen);
	if (h)
		printf("image generation %u, %u positions, %u of a delta, %u vectors, %u lookups, "
		       "tables %u of %u bytes, rules %u of %u bytes, counters %u of %u\n",
		       h->generation, h->nr_positions,
		       h->nr_positions - h->part[PART_DELTA].start,
		       h->part[PART_BASE].nr_vectors, h->part[PART_BASE].nr_lookups,
		       h->words * 4, in->gen.tier.table_words * 4, h->rules_bytes,
		       in->gen.tier.rules_words * 4,
		       h->nr_slots, in->gen.tier.nr_counters);
	if (mode_is_nf(in->mode))
		attach_nf_describe(in);
	if (in->mode != MODE_NETFILTER && !ifaces_list(&ifs, &n)) {
		for (i = 0; i < n; i++)
			printf("interface %s:%s\n", ifs[i].name, attach_describe(in, ifs[i].ifindex));
		free(ifs);
	}
	if (!mode_is_nf(in->mode))
		print_conntrack(in);
	if (in->gen.tier.features & IMG_F_FORWARD)
		forward_print(in);
	print_events(in);
	kernel_print();
	instance_close(in);
	close(lock);
	return STATUS_OK;
}
