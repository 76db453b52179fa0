// SPDX-License-Identifier: GPL-2.0-only
/*
 * pair.c - one packet through the loaded programs and through the oracle
 *
 * BPF_PROG_TEST_RUN gives the program the frame and, by its context, the lab's
 * interface: the route lookup in the program then finds the lab's routes.
 */
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/wait.h>
#include <unistd.h>
#include <bpf/bpf.h>

#include "counts.h"
#include "opts.h"
#include "pair.h"

#include "../../user/cmd.h"

#include <linux/if_packet.h>
#include <linux/pkt_cls.h>

#define KSFT_SKIP	4

static const char *const spoil_name[NR_SPOILS] = {
	"", "version", "header length", "total length below the header",
	"total length above the frame", "ethertype", "later fragment", "checksum",
	"martian source", "martian destination", "other host's MAC", "TTL", "broadcast MAC",
};

static const char *const hook_name[NR_HOOKS] = { "INPUT", "FORWARD", "OUTPUT" };

int pair_open(struct instance **in)
{
	int err = instance_open(in, false);

	if (!err)
		generation_programs(*in, &(*in)->gen);
	return err;
}

/* @flag: of the restore command, or NULL */
static int restore(const char *text, char *flag)
{
	char path[] = "/tmp/bpfipt-diff.XXXXXX";
	int fd = mkstemp(path), status = -1;
	size_t len = strlen(text);
	pid_t pid;

	if (fd < 0)
		return -errno;
	if (write(fd, text, len) != (ssize_t)len) {
		close(fd);
		unlink(path);
		return -EIO;
	}
	close(fd);
	fflush(stdout);
	/* In a child: libxtables keeps global state, and ends the process on errors. */
	pid = fork();
	if (!pid) {
		char *argv[] = { "bpf-iptables-restore", path, flag, NULL };

		optind = 0;
		if (!freopen("/dev/null", "w", stderr))
			_exit(1);
		exit(restore_main(flag ? 3 : 2, argv));
	}
	if (pid < 0 || waitpid(pid, &status, 0) < 0)
		status = -1;
	unlink(path);
	if (WIFEXITED(status) && WEXITSTATUS(status) == STATUS_PARAMETER)
		return -EOPNOTSUPP;
	return status ? -EINVAL : 0;
}

int pair_restore(const char *text)
{
	return restore(text, NULL);
}

int pair_edit(const char *text)
{
	return restore(text, "--noflush");
}

void trial_make(struct prng *rnd, unsigned int hooks, const struct ruleset *rs, struct trial *t)
{
	struct genpkts_cfg pc;
	unsigned int last;

	do {
		t->hook = prng_below(rnd, NR_HOOKS);
	} while (!(hooks & 1u << t->hook));
	lab_pkt_cfg(&pc, t->hook);
	pc.avoid &= ~PKT_NO_MF;
	if (t->hook != HOOK_FORWARD)
		pc.avoid |= PKT_NO_FRAG;
	genpkts_make(rnd, &pc, rs, &t->pkt);
	t->salt = prng_u32(rnd);
	t->spoil = SPOIL_NONE;
	if (!prng_percent(rnd, 4))
		return;
	last = t->hook == HOOK_OUTPUT ? SPOIL_FRAGMENT :
	       t->hook == HOOK_INPUT ? SPOIL_OTHERHOST : NR_SPOILS - 1;
	t->spoil = prng_range(rnd, SPOIL_NONE + 1, last);
	if (t->hook == HOOK_FORWARD && t->spoil == SPOIL_FRAGMENT)
		t->spoil = SPOIL_TTL;
}

/* Make the packet, then the frame around it, wrong. Return: the frame's length. */
static unsigned int spoilt_frame(const struct lab *lab, const struct trial *t, __u8 *frame)
{
	static const __u16 ethertype[] = { 0x86dd, 0x0806, 0x8100, 0x88a8, 0x8847, 0x0801 };
	static const __u8 martian[] = { 127, 224, 239, 127 };
	struct gen_pkt p = t->pkt;
	unsigned int n = t->salt, room = p.len + p.pad, hlen = (p.data[0] & 15) * 4, len;

	switch (t->spoil) {
	case SPOIL_VERSION:
		p.data[0] = (n % 16 == 4 ? 6 : n % 16) << 4 | (p.data[0] & 15);
		break;
	case SPOIL_SHORT_TOTAL:
		p.data[2] = 0;
		p.data[3] = n % hlen;
		break;
	case SPOIL_LONG_TOTAL:
		p.data[2] = (room + 1 + n % 50) >> 8;
		p.data[3] = room + 1 + n % 50;
		break;
	case SPOIL_FRAGMENT:
		p.data[6] = n % 2 ? 0x20 : 0;
		p.data[7] = 1 + n / 2 % 2 * (n / 4 % 250);
		break;
	case SPOIL_SOURCE:
		p.data[12] = martian[n % 4];
		break;
	case SPOIL_DESTINATION:
		if (n % 2)
			p.data[16] = 127;
		else	/* the rest of 0/8 is unicast */
			memset(p.data + 16, 0, 4);
		break;
	case SPOIL_TTL:
		p.data[8] = n % 2;
		break;
	case SPOIL_OTHERHOST:
		p.pkttype = PACKET_HOST;
		break;
	case SPOIL_BROADCAST:
		p.pkttype = n % 2 ? PACKET_BROADCAST : PACKET_MULTICAST;
		break;
	default:
		break;
	}
	gen_pkt_sum(&p);
	if (t->spoil == SPOIL_IHL)
		p.data[0] = 0x40 | n % 5;
	if (t->spoil == SPOIL_CSUM)
		p.data[10 + n % 2] ^= 1 << n / 2 % 8;
	len = lab_frame(lab, &p, frame);
	if (t->spoil == SPOIL_ETHERTYPE) {
		/* TEST_RUN itself refuses IPv6 that is shorter than its header. */
		if (room < 40 && n % 6 == 0)
			n++;
		frame[12] = ethertype[n % 6] >> 8;
		frame[13] = ethertype[n % 6];
	}
	if (t->spoil == SPOIL_OTHERHOST)
		frame[5] ^= 1 << n % 8;
	return len;
}

/* struct said - what a program says: accept or drop, and the mark it leaves */
struct said {
	bool accept;
	bool has_mark;
	__u32 mark;
};

static int run_program(const struct lab *lab, struct instance *in, const struct trial *t,
		       const char *out_dev, struct said *said)
{
	__u8 frame[LAB_FRAME_MAX], out[LAB_FRAME_MAX + 256];
	unsigned int len = spoilt_frame(lab, t, frame);
	struct __sk_buff skb = { .mark = t->pkt.mark }, skb_out = { 0 };
	struct xdp_md xdp = { .data_end = len, .ingress_ifindex = lab->in_ifindex[t->pkt.in] };
	LIBBPF_OPTS(bpf_test_run_opts, run, .data_in = frame, .data_size_in = len,
		    .data_out = out, .data_size_out = sizeof(out), .repeat = 1);
	int fd;

	memset(said, 0, sizeof(*said));
	generation_programs(in, &in->gen);
	if (in->mode == MODE_XDP && t->hook != HOOK_OUTPUT) {
		run.ctx_in = &xdp;
		run.ctx_size_in = sizeof(xdp);
		if (bpf_prog_test_run_opts(in->gen.fd[GEN_XDP], &run))
			return -errno;
		said->accept = run.retval == XDP_PASS;
		return 0;
	}
	skb.ifindex = t->hook == HOOK_OUTPUT ? lab_ifindex(lab, out_dev) :
					       (unsigned int)lab->in_ifindex[t->pkt.in];
	run.ctx_in = &skb;
	run.ctx_size_in = sizeof(skb);
	run.ctx_out = &skb_out;
	run.ctx_size_out = sizeof(skb_out);
	fd = t->hook == HOOK_OUTPUT ? in->gen.fd[GEN_EGRESS] : in->gen.fd[GEN_INGRESS];
	if (bpf_prog_test_run_opts(fd, &run))
		return -errno;
	said->accept = (int)run.retval == TC_ACT_UNSPEC;
	said->has_mark = true;
	said->mark = skb_out.mark;
	return 0;
}

int pair_run(const struct lab *lab, struct instance *in, struct ruleset *want,
	     const struct trial *t, struct ref_result *res, struct sums *sum, bool report)
{
	struct ref_meta meta;
	__u8 ip[GEN_PKT_MAX];
	struct said said;
	int err;

	lab_hook_view(t->hook, &t->pkt, ip, &meta);
	if (in->mode == MODE_XDP && t->hook != HOOK_OUTPUT)
		meta.mark = 0;
	if (t->spoil) {
		res->nr_hits = 0;
		res->policy = res->hotdrop = false;
		res->verdict = REF_ACCEPT;
		res->mark = meta.mark;
		sum->spoilt++;
	} else {
		err = ref_eval(want, ip, t->pkt.len, &meta, res);
		if (err)
			return err;
	}
	counts_add(want, t->hook, res);
	err = run_program(lab, in, t, meta.out, &said);
	if (err)
		return err;
	sum->pairs++;
	sum->hits += res->nr_hits;
	sum->hotdrops += res->hotdrop;
	sum->drops += res->verdict == REF_DROP;
	if (said.accept != (res->verdict == REF_ACCEPT)) {
		if (report)
			printf("# %s: oracle %s%s, bpf %s\n", hook_name[t->hook],
			       res->verdict == REF_DROP ? "DROP" : "ACCEPT",
			       res->hotdrop ? " (hotdrop)" : "", said.accept ? "ACCEPT" : "DROP");
		return 1;
	}
	if (said.accept && said.has_mark && said.mark != res->mark) {
		if (report)
			printf("# %s: mark: oracle %#x, bpf %#x\n", hook_name[t->hook], res->mark,
			       said.mark);
		return 1;
	}
	return 0;
}

unsigned int pair_compare(struct instance *in, const struct ruleset *want, bool report)
{
	struct ruleset *got;
	unsigned int bad;

	if (instance_load(in, &got))
		return 1;
	bad = counts_differ(want, got, -1, report ? "bpf" : NULL);
	ruleset_free(got);
	return bad;
}

void trial_print(const struct trial *t)
{
	const struct gen_pkt *p = &t->pkt;
	unsigned int i;

	printf("# packet for %s: in=%u mark=%#x pkttype=%u mac=..:%02x pad=%u%s%s ",
	       hook_name[t->hook], p->in, p->mark, p->pkttype, p->mac[5], p->pad,
	       t->spoil ? " spoilt: " : "", spoil_name[t->spoil]);
	for (i = 0; i < p->len; i++)
		printf("%02x", p->data[i]);
	printf("\n");
}

bool pair_args(int argc, char **argv, struct pair_args *a)
{
	bool one = false;
	const struct opt_row rows[] = {
		{ "seed", .seed = &a->seed }, { "rulesets", .number = &a->rulesets },
		{ "hook", .word = &a->hook }, { "one", .flag = &one }, {},
	};

	a->me = argv[0];
	if (!opts_read(argc, argv, rows))
		return false;
	if (one)
		a->rulesets = 1;
	return true;
}

int pair_rulesets(const struct pair_args *a, enum fw_mode mode, __u32 features,
		  int (*one)(void *run, __u64 seed), void *run, struct instance **in)
{
	int bad = 0, err = instance_init(mode, 0, features, false);

	if (err)
		return err;
	for (unsigned int i = 0; i < a->rulesets && !bad; i++) {
		err = one(run, a->seed + i);
		bad += err != 0;
		if (err)
			printf("# %s\n# reproduce: %s --hook %s --one --seed %llu\n",
			       err < 0 ? strerror(-err) : "differs", a->me,
			       mode == MODE_XDP ? "xdp" : "tc", (unsigned long long)(a->seed + i));
	}
	instance_close(*in);
	instance_remove();
	return bad;
}

int pair_ok(int n, bool good, const char *hook, const char *text)
{
	printf("%s %d - %s: %s\n", good ? "ok" : "not ok", n, hook, text);
	return !good;
}

int pair_modes(int argc, char **argv, struct pair_args *a, const char *what,
	       int (*one)(const struct pair_args *a, struct lab *lab, enum fw_mode mode,
			  const char *hook, int n))
{
	static const struct { const char *name; enum fw_mode mode; } modes[] = {
		{ "tc", MODE_TC }, { "xdp", MODE_XDP },
	};
	int err, n = 0, failed = 0;
	struct lab lab;

	if (!pair_args(argc, argv, a))
		return 2;
	setlinebuf(stdout);
	err = geteuid() ? -EPERM : lab_enter(&lab);
	if (err) {
		printf("ok 1 - %s # SKIP no lab: %s\n1..1\n", what, strerror(-err));
		return KSFT_SKIP;
	}
	printf("# seed %llu\n", (unsigned long long)a->seed);
	for (size_t i = 0; i < sizeof(modes) / sizeof(*modes); i++) {
		if (a->hook && strcmp(a->hook, modes[i].name))
			continue;
		failed += one(a, &lab, modes[i].mode, modes[i].name, n + 1);
		n += 2;
	}
	printf("1..%d\n", n);
	lab_leave(&lab);
	return failed != 0;
}
