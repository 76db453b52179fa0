// SPDX-License-Identifier: GPL-2.0-only
/*
 * lab.c - a network namespace in which every kind of packet has a known place
 */
#include <arpa/inet.h>
#include <errno.h>
#include <net/if.h>
#include <sched.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/socket.h>
#include <unistd.h>
#include <linux/if_ether.h>
#include <linux/if_packet.h>

#include "lab.h"

#define IP(a, b, c, d)	((__u32)(a) << 24 | (b) << 16 | (c) << 8 | (d))

static const struct gen_net src_nets[] = {
	{ IP(10, 1, 0, 0), 16 }, { IP(172, 16, 0, 0), 20 }, { IP(198, 51, 100, 0), 24 },
};

static const struct gen_net dst_nets[NR_HOOKS][4] = {
	[HOOK_INPUT] = { { IP(10, 5, 0, 0), 16 }, { IP(10, 5, 7, 0), 24 },
			 { IP(10, 5, 7, 9), 32 }, { IP(192, 0, 2, 1), 32 } },
	[HOOK_FORWARD] = { { IP(10, 2, 0, 0), 16 }, { IP(10, 3, 0, 0), 16 },
			   { IP(203, 0, 113, 0), 24 }, { IP(10, 2, 3, 0), 24 } },
	[HOOK_OUTPUT] = { { IP(10, 2, 0, 0), 16 }, { IP(10, 3, 0, 0), 16 },
			  { IP(203, 0, 113, 0), 24 }, { IP(10, 2, 3, 0), 24 } },
};

static const struct gen_net all_dst[] = {
	{ IP(10, 2, 0, 0), 16 }, { IP(10, 3, 0, 0), 16 }, { IP(203, 0, 113, 0), 24 },
	{ IP(10, 5, 0, 0), 16 }, { IP(10, 5, 7, 0), 24 }, { IP(192, 0, 2, 1), 32 },
	{ IP(10, 2, 3, 0), 24 },
};

static const char *const in_names[LAB_NR_IN] = { "lan0", "lan1" };
static const char *const out_names[LAB_NR_OUT] = { "wan0", "wan1", "dmz0" };

static bool is_local(__u32 a)
{
	return a >> 16 == (IP(10, 5, 0, 0) >> 16) || a == IP(192, 0, 2, 1);
}

/* Addresses that routing refuses, whatever the rules say. */
static bool is_special(__u32 a)
{
	return a >> 24 == 0 || a >> 24 == 127 || a >> 28 == 0xe || a == 0xffffffffu;
}

static bool addr_ok(const struct genpkts_cfg *cfg, __u32 a, bool dst)
{
	if (is_special(a))
		return false;
	if (dst)
		return is_local(a) == (cfg->hook == HOOK_INPUT);
	return !is_local(a);
}

void lab_gen_cfg(struct gen_cfg *cfg)
{
	cfg->src = src_nets;
	cfg->nr_src = sizeof(src_nets) / sizeof(src_nets[0]);
	cfg->in = in_names;
	cfg->nr_in = LAB_NR_IN;
	cfg->out = out_names;
	cfg->nr_out = LAB_NR_OUT;
	if (cfg->hooks == 1u << HOOK_INPUT || !(cfg->hooks & 1u << HOOK_INPUT)) {
		cfg->dst = dst_nets[cfg->hooks == 1u << HOOK_INPUT ? HOOK_INPUT : HOOK_FORWARD];
		cfg->nr_dst = 4;
	} else {
		cfg->dst = all_dst;
		cfg->nr_dst = sizeof(all_dst) / sizeof(all_dst[0]);
	}
}

void lab_pkt_cfg(struct genpkts_cfg *cfg, int hook)
{
	memset(cfg, 0, sizeof(*cfg));
	cfg->hook = hook;
	cfg->src = src_nets;
	cfg->nr_src = sizeof(src_nets) / sizeof(src_nets[0]);
	cfg->dst = dst_nets[hook];
	cfg->nr_dst = 4;
	cfg->addr_ok = addr_ok;
	cfg->in = in_names;
	cfg->nr_in = hook == HOOK_OUTPUT ? 0 : LAB_NR_IN;
	if (hook == HOOK_INPUT)
		cfg->avoid = PKT_NO_FRAG | PKT_NO_MF;
}

void lab_hook_view(int hook, const struct gen_pkt *p, __u8 *ip, struct ref_meta *meta)
{
	__u32 net = p->data[16] << 8 | p->data[17];

	memcpy(ip, p->data, p->len);
	memset(meta, 0, sizeof(*meta));
	meta->hook = hook;
	meta->mark = p->mark;
	meta->pkttype = p->pkttype;
	if (hook != HOOK_OUTPUT) {
		meta->in = in_names[p->in];
		meta->ether = true;
		memcpy(meta->mac, p->mac, 6);
	}
	if (hook != HOOK_INPUT)
		meta->out = net == 0x0a02 ? "wan0" : net == 0x0a03 ? "wan1" : "dmz0";
	if (hook == HOOK_FORWARD) {
		/* RFC 1141, as ip_decrease_ttl() does it */
		__u32 sum = (ip[10] << 8 | ip[11]) + 0x0100;

		sum += sum >= 0xffff;
		ip[8]--;
		ip[10] = sum >> 8;
		ip[11] = sum;
	}
}

static int set_sysctl(const char *path, const char *value)
{
	FILE *f = fopen(path, "w");
	int err = 0;

	if (!f)
		return -errno;
	if (fputs(value, f) == EOF)
		err = -EIO;
	if (fclose(f))
		err = -errno;
	return err;
}

static int run(const char *cmd, const char *input)
{
	FILE *f = popen(cmd, "w");
	int err = 0;

	if (!f)
		return -errno;
	if (fputs(input, f) == EOF)
		err = -EIO;
	if (pclose(f))
		err = -EINVAL;
	return err;
}

static const char topology[] =
	"link set lo up\n"
	"link add lan0 type veth peer name p0\n"
	"link add lan1 type veth peer name p1\n"
	"link add wan0 type veth peer name q0\n"
	"link add wan1 type veth peer name q1\n"
	"link add dmz0 type veth peer name q2\n"
	"link set lan0 up\n" "link set lan1 up\n" "link set p0 up\n" "link set p1 up\n"
	"link set q0 up\n" "link set q1 up\n" "link set q2 up\n"
	"link set wan0 up arp off\n" "link set wan1 up arp off\n" "link set dmz0 up arp off\n"
	"addr add 192.0.2.1/32 dev lan0\n"
	"route add 10.2.0.0/16 dev wan0\n"
	"route add 10.3.0.0/16 dev wan1\n"
	"route add default dev dmz0\n"
	"route add local 10.5.0.0/16 dev lo table local\n";

int lab_enter(struct lab *lab)
{
	static const char *const zero[] = {
		"/proc/sys/net/ipv4/conf/all/rp_filter", "/proc/sys/net/ipv4/conf/default/rp_filter",
		"/proc/sys/net/ipv4/conf/all/send_redirects",
		"/proc/sys/net/ipv4/conf/default/send_redirects",
		"/proc/sys/net/ipv4/icmp_echo_ignore_broadcasts",
	};
	char lock[] = "/tmp/lab-lock-XXXXXX";
	size_t i;
	int err, one = 1;

	memset(lab, 0, sizeof(*lab));
	signal(SIGPIPE, SIG_IGN);
	if (unshare(CLONE_NEWNET))
		return -errno;
	/* A lock of its own: nobody else can see this namespace's tables. */
	err = mkstemp(lock);
	if (err < 0)
		return -errno;
	close(err);
	unlink(lock);
	setenv("XTABLES_LOCKFILE", lock, 1);
	set_sysctl("/proc/sys/net/ipv6/conf/default/disable_ipv6", "1");
	set_sysctl("/proc/sys/net/ipv6/conf/all/disable_ipv6", "1");
	for (i = 0; i < sizeof(zero) / sizeof(zero[0]); i++) {
		err = set_sysctl(zero[i], "0");
		if (err)
			return err;
	}
	err = set_sysctl("/proc/sys/net/ipv4/ip_forward", "1");
	if (!err)
		err = run("ip -batch -", topology);
	if (err)
		return err;
	lab->packet_fd = socket(AF_PACKET, SOCK_RAW, 0);
	lab->raw_fd = socket(AF_INET, SOCK_RAW, IPPROTO_RAW);
	if (lab->packet_fd < 0 || lab->raw_fd < 0)
		return -errno;
	setsockopt(lab->packet_fd, SOL_PACKET, PACKET_QDISC_BYPASS, &one, sizeof(one));
	setsockopt(lab->raw_fd, SOL_SOCKET, SO_BROADCAST, &one, sizeof(one));
	for (i = 0; i < LAB_NR_OUT; i++)
		lab->out_ifindex[i] = if_nametoindex(out_names[i]);
	for (i = 0; i < LAB_NR_IN; i++) {
		struct ifreq ifr = { 0 };

		lab->in_ifindex[i] = if_nametoindex(in_names[i]);
		lab->peer_ifindex[i] = if_nametoindex(i ? "p1" : "p0");
		strcpy(ifr.ifr_name, in_names[i]);
		if (ioctl(lab->raw_fd, SIOCGIFHWADDR, &ifr))
			return -errno;
		memcpy(lab->in_mac[i], ifr.ifr_hwaddr.sa_data, 6);
	}
	return 0;
}

void lab_leave(struct lab *lab)
{
	const char *lock = getenv("XTABLES_LOCKFILE");

	close(lab->packet_fd);
	close(lab->raw_fd);
	if (lock)
		unlink(lock);
}

unsigned int lab_frame(const struct lab *lab, const struct gen_pkt *p, __u8 *frame)
{
	static const __u8 multicast[6] = { 0x01, 0x00, 0x5e, 0x01, 0x02, 0x03 };

	if (p->pkttype == PACKET_BROADCAST)
		memset(frame, 0xff, 6);
	else if (p->pkttype == PACKET_MULTICAST)
		memcpy(frame, multicast, 6);
	else
		memcpy(frame, lab->in_mac[p->in], 6);
	memcpy(frame + 6, p->mac, 6);
	frame[12] = ETH_P_IP >> 8;
	frame[13] = ETH_P_IP & 255;
	memcpy(frame + ETH_HLEN, p->data, p->len + p->pad);
	return ETH_HLEN + p->len + p->pad;
}

int lab_send(struct lab *lab, int hook, const struct gen_pkt *p)
{
	__u8 frame[LAB_FRAME_MAX];
	unsigned int len = lab_frame(lab, p, frame);
	int mark = p->mark;

	if (hook == HOOK_OUTPUT) {
		struct sockaddr_in to = { .sin_family = AF_INET };

		memcpy(&to.sin_addr, p->data + 16, 4);
		if (setsockopt(lab->raw_fd, SOL_SOCKET, SO_MARK, &mark, sizeof(mark)))
			return -errno;
		if (sendto(lab->raw_fd, p->data, p->len, 0, (void *)&to, sizeof(to)) < 0)
			return -errno;
	} else {
		struct sockaddr_ll to = {
			.sll_family = AF_PACKET,
			.sll_protocol = htons(ETH_P_IP),
			.sll_ifindex = lab->peer_ifindex[p->in],
			.sll_halen = 6,
		};

		if (setsockopt(lab->packet_fd, SOL_SOCKET, SO_MARK, &mark, sizeof(mark)))
			return -errno;
		if (sendto(lab->packet_fd, frame, len, 0, (void *)&to, sizeof(to)) < 0)
			return -errno;
	}
	return 0;
}

unsigned int lab_ifindex(const struct lab *lab, const char *dev)
{
	unsigned int i;

	for (i = 0; i < LAB_NR_OUT; i++)
		if (!strcmp(out_names[i], dev))
			return lab->out_ifindex[i];
	return 0;
}

long long lab_sent(void)
{
	FILE *f = fopen("/proc/thread-self/net/dev", "r");
	char buf[512], dev[64];
	long long sum = 0, tx;

	if (!f)
		return -1;
	while (fgets(buf, sizeof(buf), f))
		if (sscanf(buf, " %63[^:]: %*u %*u %*u %*u %*u %*u %*u %*u %*u %lld", dev, &tx) == 2 &&
		    (!strncmp(dev, "wan", 3) || !strcmp(dev, "dmz0")))
			sum += tx;
	fclose(f);
	return sum;
}

int lab_restore(const char *text)
{
	return run("iptables-legacy-restore -w", text);
}
