// SPDX-License-Identifier: GPL-2.0-only
/*
 * fuzz_programs.c - any frame into every program, any image under them
 *
 *	fuzz_programs [--seed S] [--frames N] [--images N] [--hook NAME]
 *
 * For each hook a ruleset with a match of every kind that the hook enforces is put in
 * force in a lab, and every program that is pinned (found by listing the pins, so a new
 * one is tried as well) meets under BPF_PROG_TEST_RUN:
 *
 *	frames	packets aimed at the rules, then bytes changed, cut, lengthened, or noise
 *		altogether. Each run ends with one of the verdicts that the program has,
 *		and one that says "pass" has left the frame as it was.
 *	images	the image in force, a few words of it changed where it lies. The verifier
 *		promises that a program stays inside its maps; here it also has to end, and
 *		so has image_verify(), which the commands rely on; what that accepts must be
 *		printable. Then the words are put back and the rules count again.
 */
#include <dirent.h>
#include <errno.h>
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>
#include <bpf/bpf.h>

#include "opts.h"
#include "pair.h"
#include "../../user/compile.h"
#include "../../user/image.h"
#include "../../user/instance.h"

#include <linux/netfilter.h>
#include <linux/pkt_cls.h>

#define KSFT_SKIP	4
#define MAX_PROGS	16
#define FRAME_MOST	4000

/* struct prog - one that is pinned */
struct prog {
	char name[32];
	int fd;
	__u32 type;
	unsigned long runs, passes, drops, refused;
};

struct bench {
	struct lab lab;
	struct instance *in;
	struct ruleset *rs;
	struct prog prog[MAX_PROGS];
	unsigned int nr;
	struct prng rnd;
};

/* struct nf_hook_state as BPF_PROG_TEST_RUN takes it (include/linux/netfilter.h) */
struct hook_state {
	__u8 hook;
	__u8 pf;
	__u64 in, out, sk, net, okfn;
};

static int tap_n, tap_bad;

static void tap(bool good, const char *hook, const char *what)
{
	printf("%sok %d - %s: %s\n", good ? "" : "not ", ++tap_n, hook, what);
	tap_bad += !good;
}

#define HEAD	"*filter\n:INPUT ACCEPT [0:0]\n:FORWARD ACCEPT [0:0]\n:OUTPUT ACCEPT [0:0]\n:u - [0:0]\n"
#define TAIL	"-A FORWARD -j u\n-A INPUT -j u\n-A OUTPUT -j u\nCOMMIT\n"
#define EVERY									\
	"-A u -p tcp -m multiport --ports 1,2,80:90 -m tcp --tcp-flags SYN,ACK SYN\n"	\
	"-A u -p tcp -m tcp --tcp-option 8 -m tcpmss --mss 100:1400\n"		\
	"-A u -p sctp -m sctp --chunk-types any DATA,INIT -j DROP\n"		\
	"-A u -p icmp -m icmp --icmp-type 3/1 -j DROP\n"			\
	"-A u -m u32 --u32 \"0>>22&0x3C@4>>8&0xFF=1:7\" -j DROP\n"		\
	"-A u -m string --string ab --algo bm --from 20 --to 900\n"		\
	"-A u -m string --string bcd --algo kmp --icase -j DROP\n"		\
	"-A u -m limit --limit 5/sec\n-A u -m statistic --mode nth --every 3 --packet 0\n"	\
	"-A u -m hashlimit --hashlimit-upto 1/sec --hashlimit-mode srcip,dstport --hashlimit-name h\n"	\
	"-A u -m recent --name r --set\n-A u -m recent --name r --update --seconds 5 --hitcount 4 -j DROP\n"	\
	"-A u -m quota --quota 10000\n-A u -m time --timestart 01:00 --timestop 23:00\n"	\
	"-A u -m addrtype --dst-type LOCAL,BROADCAST\n-A u -m addrtype ! --src-type UNICAST -j DROP\n"	\
	"-A u -m conntrack --ctstate NEW,RELATED\n-A u -m state --state INVALID\n"	\
	"-A u -f -j DROP\n-A u -m ttl --ttl-lt 3\n-A u -m length --length 30:60\n"	\
	"-A u -m iprange --src-range 10.1.0.1-10.1.200.7 -j ACCEPT\n-A INPUT -m mac --mac-source 02:00:00:00:00:07\n"	\
	"-A u -m ecn --ecn-tcp-ece -p tcp\n-A u -m dscp --dscp 10\n-A u -p esp -m esp --espspi 1:9\n"	\
	"-A u -j LOG --log-prefix x\n-A u -m pkttype --pkt-type multicast\n"	\
	"-A OUTPUT -m owner --uid-owner 0\n-A FORWARD -m devgroup --src-group 0\n"
#define MORE									\
	"-A u -m connbytes --connbytes 100: --connbytes-mode bytes --connbytes-dir both\n"	\
	"-A u -p udp -m connlimit --connlimit-above 3 -j DROP\n-A u -j MARK --set-xmark 0x5/0xff\n"	\
	"-A u -m mark --mark 0x5/0xf\n-A u -j CONNMARK --save-mark\n-A u -m connmark --mark 5\n"	\
	"-A u -p tcp -m tcp --dport 7 -j REJECT --reject-with tcp-reset\n-A u -p udp -m udp --dport 7 -j REJECT\n"

static const struct {
	const char *name;
	enum fw_mode mode;
	const char *text;
	__u32 features;
} hooks[] = {
	{ "tc", MODE_TC, HEAD EVERY MORE TAIL, 0 },
	{ "xdp", MODE_XDP, HEAD EVERY MORE TAIL, 0 },
	{ "xdp-forward", MODE_XDP, HEAD EVERY MORE TAIL, IMG_F_FORWARD },
	{ "netfilter", MODE_NETFILTER, HEAD EVERY TAIL, 0 },
	/* stateless and without what only the stack knows: the driver's program is to drop */
	{ "hybrid", MODE_HYBRID, HEAD "-A u -s 10.1.0.0/17 -p udp -j DROP\n"
	  "-A u -m u32 --u32 \"0>>22&0x3C@4>>8&0xFF=1:7\" -j DROP\n-A u -p tcp -m tcp --dport 0:999 -j DROP\n"
	  "-A u -p icmp -j DROP\n" TAIL, 0 },
};

/* Every prog-NAME under the generation in force. */
static int find_programs(struct bench *b)
{
	char path[PATH_MAX + 16];
	struct dirent *de;
	DIR *d;

	snprintf(path, sizeof(path), "%s/current", b->in->dir);
	d = opendir(path);
	if (!d)
		return -errno;
	b->nr = 0;
	while ((de = readdir(d)) && b->nr < MAX_PROGS) {
		struct prog *p = &b->prog[b->nr];
		struct bpf_prog_info info = {};
		__u32 len = sizeof(info);

		if (strncmp(de->d_name, "prog-", 5))
			continue;
		*p = (struct prog){};
		snprintf(p->name, sizeof(p->name), "%.31s", de->d_name + 5);
		p->fd = pins_open("%s/current/%s", b->in->dir, de->d_name);
		if (p->fd < 0 || bpf_obj_get_info_by_fd(p->fd, &info, &len))
			continue;
		p->type = info.type;
		b->nr++;
	}
	closedir(d);
	return b->nr ? 0 : -ENOENT;
}

/* Return: 1 passed, 0 dropped or sent elsewhere, -1 no verdict of this program, -errno */
static int verdict(const struct prog *p, __u32 retval)
{
	if (p->type == BPF_PROG_TYPE_XDP)
		return retval == XDP_PASS ? 1 : retval <= XDP_REDIRECT && retval ? 0 : -1;
	if (p->type == PROG_TYPE_NETFILTER)
		return retval == NF_ACCEPT ? 1 : retval == NF_DROP ? 0 : -1;
	return (int)retval == TC_ACT_UNSPEC || retval == TC_ACT_OK ? 1 :
	       retval == TC_ACT_SHOT || retval == TC_ACT_REDIRECT || retval == TC_ACT_STOLEN ? 0 : -1;
}

/* One that answers a question or finishes a packet of our own, and may change it. */
static bool no_filter(const struct prog *p)
{
	return !strcmp(p->name, "fw_named") || !strncmp(p->name, "fw_native", 9);
}

/* Run one program on one frame. Return: 0, or 1 with a line printed. */
static int run_one(struct bench *b, struct prog *p, const __u8 *frame, unsigned int len)
{
	static __u8 out[FRAME_MOST + 1000];
	struct __sk_buff skb = { .mark = prng_u32(&b->rnd) };
	struct xdp_md xdp = { .data_end = len };
	struct hook_state state = { .hook = NF_INET_LOCAL_IN + prng_below(&b->rnd, 3), .pf = NFPROTO_IPV4 };
	LIBBPF_OPTS(bpf_test_run_opts, run, .data_in = frame, .data_size_in = len,
		    .data_out = out, .data_size_out = sizeof(out), .repeat = 1);
	int said, dev = prng_below(&b->rnd, LAB_NR_IN);

	if (p->type == BPF_PROG_TYPE_XDP) {
		xdp.ingress_ifindex = b->lab.in_ifindex[dev];
		run.ctx_in = &xdp;
		run.ctx_size_in = sizeof(xdp);
	} else if (p->type == PROG_TYPE_NETFILTER) {
		run.ctx_in = &state;
		run.ctx_size_in = sizeof(state);
		if (state.hook == NF_INET_LOCAL_OUT && len > 14) {
			run.data_in = frame + 14;
			run.data_size_in = len - 14;
		}
	} else {
		skb.ifindex = prng_percent(&b->rnd, 50) ? b->lab.in_ifindex[dev] :
							  b->lab.out_ifindex[dev];
		run.ctx_in = &skb;
		run.ctx_size_in = sizeof(skb);
	}
	if (bpf_prog_test_run_opts(p->fd, &run)) {
		p->refused++;	/* the kernel takes no such frame for a test run */
		if (errno == EINVAL || errno == EPROTO)
			return 0;
		printf("# %s: %s\n", p->name, strerror(errno));
		return 1;
	}
	p->runs++;
	if (no_filter(p))
		return 0;
	said = verdict(p, run.retval);
	p->passes += said == 1;
	p->drops += !said;
	/* what comes back from XDP begins with the metadata, if the program left any */
	if (said < 0)
		printf("# %s: verdict %u\n", p->name, run.retval);
	else if (said == 1 && p->type != PROG_TYPE_NETFILTER &&
		 (run.data_size_out < len || memcmp(out + run.data_size_out - len, frame, len)))
		printf("# %s: passes the frame, and changes it\n", p->name);
	else
		return 0;
	return 1;
}

/* A frame of the rules' kind, and what became of it. */
static unsigned int make_frame(struct bench *b, __u8 *frame)
{
	struct trial t;
	unsigned int len, n;

	trial_make(&b->rnd, 7, b->rs, &t);
	len = lab_frame(&b->lab, &t.pkt, frame);
	if (prng_percent(&b->rnd, 5)) {
		len = prng_range(&b->rnd, 15, FRAME_MOST);
		for (n = prng_percent(&b->rnd, 70) ? 14 : 0; n < len; n++)
			frame[n] = prng_u32(&b->rnd);
	}
	if (prng_percent(&b->rnd, 15)) {
		n = prng_range(&b->rnd, len, FRAME_MOST);
		memset(frame + len, prng_u32(&b->rnd), n - len);
		len = n;
	}
	for (n = prng_percent(&b->rnd, 80) ? prng_below(&b->rnd, 7) : 0; n; n--) {
		/* mostly in the headers */
		unsigned int at = 14 + prng_below(&b->rnd, prng_percent(&b->rnd, 80) ? 48 : len);

		if (at < len)
			frame[at] = prng_percent(&b->rnd, 40) ? prng_u32(&b->rnd) :
				    frame[at] ^ 1 << prng_below(&b->rnd, 8);
	}
	/* a right checksum, or the header is no more than that */
	if (prng_percent(&b->rnd, 70) && len >= 34 && frame[14] >> 4 == 4) {
		struct gen_pkt p = {};

		memcpy(p.data, frame + 14, 60 < len - 14 ? 60 : len - 14);
		if ((p.data[0] & 15) >= 5)
			gen_pkt_sum(&p);
		memcpy(frame + 24, p.data + 10, 2);
	}
	if (prng_percent(&b->rnd, 10))
		len = prng_range(&b->rnd, 15, len);
	return len;
}

static bool frames(struct bench *b, unsigned int n)
{
	static __u8 frame[FRAME_MOST];
	bool good = true;

	while (n-- && good) {
		unsigned int len = make_frame(b, frame);

		for (unsigned int i = 0; i < b->nr && good; i++)
			good = !run_one(b, &b->prog[i], frame, len);
		for (unsigned int i = 0; !good && i < len; i++)
			printf("%s%02x%s", i ? "" : "# ", frame[i], i == len - 1 ? "\n" : "");
	}
	return good;
}

/* Damage the image in force, run, mend. */
static bool images(struct bench *b, unsigned int n, unsigned int *accepted)
{
	static __u8 frame[FRAME_MOST];
	__u32 *word = (__u32 *)active_image(&b->in->gen);
	__u32 words = ((const struct img_hdr *)word)->words;
	__u32 *copy = malloc(words * sizeof(*copy));
	FILE *null = fopen("/dev/null", "w");
	bool good = copy && null;

	*accepted = 0;
	if (good)
		memcpy(copy, word, words * sizeof(*copy));
	while (n-- && good) {
		/* anything but what says that it is an image at all, now and then */
		for (unsigned int hits = prng_range(&b->rnd, 1, 4); hits; hits--) {
			__u32 at = prng_below(&b->rnd, prng_percent(&b->rnd, 30) ? 60 : words);

			if (at < 2 && prng_percent(&b->rnd, 95))
				continue;
			word[at] = prng_percent(&b->rnd, 50) ? prng_below(&b->rnd, words) :
				   prng_percent(&b->rnd, 30) ? prng_u32(&b->rnd) :
				   word[at] ^ 1u << prng_below(&b->rnd, 32);
		}
		if (!image_verify(word, words)) {
			++*accepted;
			if (*accepted % 8 == 0)
				image_dump(null, word, true);
		}
		for (unsigned int f = 0; f < 4 && good; f++) {
			unsigned int len = make_frame(b, frame);

			for (unsigned int i = 0; i < b->nr && good; i++)
				good = !run_one(b, &b->prog[i], frame, len);
		}
		memcpy(word, copy, words * sizeof(*copy));
	}
	if (null)
		fclose(null);
	free(copy);
	return good;
}

static int one_hook(struct bench *b, size_t h, __u64 seed, unsigned int nr_frames, unsigned int nr_images)
{
	unsigned int accepted = 0;
	int err, before = tap_bad;
	bool good = true;

	b->rnd = (struct prng){ seed };
	b->in = NULL;
	err = instance_init(hooks[h].mode, 0, hooks[h].features, false);
	if (err)
		return err;
	err = pair_restore(hooks[h].text);
	if (!err)
		err = instance_open(&b->in, false);
	if (!err)
		err = instance_load(b->in, &b->rs);
	if (!err)
		err = find_programs(b);
	if (err)
		goto out;
	tap(frames(b, nr_frames), hooks[h].name, "any frame gets one of the verdicts");
	for (unsigned int i = 0; i < b->nr; i++) {
		const struct prog *p = &b->prog[i];

		printf("# %s: %lu runs, %lu passes, %lu drops, %lu refused by the kernel\n", p->name,
		       p->runs, p->passes, p->drops, p->refused);
		good = good && (p->runs > p->refused || no_filter(p));
	}
	tap(good, hooks[h].name, "every program ran");
	good = images(b, nr_images, &accepted);
	printf("# %u of %u damaged images accepted\n", accepted, nr_images);
	tap(good && accepted < nr_images, hooks[h].name, "on a damaged image too, which image_verify() knows or makes no difference");
	tap(!active_verify(&b->in->gen), hooks[h].name, "mended, it is as before");
	ruleset_free(b->rs);
out:
	if (err)
		printf("# %s: %s\n", hooks[h].name, strerror(-err));
	for (unsigned int i = 0; i < b->nr; i++)
		close(b->prog[i].fd);
	instance_close(b->in);
	instance_remove();
	if (tap_bad > before)
		printf("# again: fuzz_programs --hook %s --seed %" PRIu64 " --frames %u --images %u\n",
		       hooks[h].name, (uint64_t)seed, nr_frames, nr_images);
	return err;
}

int main(int argc, char **argv)
{
	unsigned int nr_frames = 2000, nr_images = 400;
	const char *hook = NULL;
	static struct bench b;
	__u64 seed = 1;
	const struct opt_row rows[] = {
		{ "seed", .seed = &seed }, { "frames", .number = &nr_frames },
		{ "images", .number = &nr_images }, { "hook", .word = &hook }, {},
	};
	int err;

	if (!opts_read(argc, argv, rows))
		return 2;
	setlinebuf(stdout);
	err = geteuid() ? -EPERM : lab_enter(&b.lab);
	if (err) {
		printf("ok 1 - any frame, any image # SKIP no lab: %s\n1..1\n", strerror(-err));
		return KSFT_SKIP;
	}
	for (size_t h = 0; h < sizeof(hooks) / sizeof(*hooks); h++) {
		if (hook && strcmp(hook, hooks[h].name))
			continue;
		if (hooks[h].features && !kernel_can_forward()) {
			printf("ok %d - %s # SKIP needs Linux 6.6\n", ++tap_n, hooks[h].name);
			continue;
		}
		if (one_hook(&b, h, seed, nr_frames, nr_images)) {
			if (hooks[h].mode == MODE_NETFILTER || hooks[h].mode == MODE_HYBRID)
				printf("ok %d - %s # SKIP needs Linux 6.4\n", ++tap_n, hooks[h].name);
			else
				tap(false, hooks[h].name, "an instance");
		}
	}
	lab_leave(&b.lab);
	printf("1..%d\n", tap_n);
	return tap_bad != 0;
}
