// SPDX-License-Identifier: GPL-2.0-only
/*
 * ct_lab.c - see ct_lab.h
 */
#include <arpa/inet.h>
#include <errno.h>
#include <fcntl.h>
#include <linux/if_ether.h>
#include <linux/if_packet.h>
#include <net/if.h>
#include <poll.h>
#include <sched.h>
#include <stdarg.h>
#include <stdlib.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/ioctl.h>
#include <sys/socket.h>
#include <unistd.h>

#include "../../tools/frame.h"
#include "ct_gen.h"
#include "ct_lab.h"

#ifndef PACKET_IGNORE_OUTGOING
#define PACKET_IGNORE_OUTGOING	23
#endif

#define IP_OFF		ETH_HLEN
#define ANSWER_MS	300
#define OWN_MARK	7	/* of what this process has the router send */

static const struct {
	const char *name;
	int tos;
	int state;
} tos_states[] = {
	{ "INVALID", 0x04, CT_INVALID },
	{ "ESTABLISHED", 0x08, CT_ESTABLISHED },
	{ "RELATED", 0x10, CT_RELATED },
	{ "NEW", 0x20, CT_NEW },
	{ "UNTRACKED", 0x40, CT_UNTRACKED },
};

#define NR_TOS	(sizeof(tos_states) / sizeof(tos_states[0]))

/* A shell command in the router, or in this namespace when @router < 0. */
static int run(int router, const char *fmt, ...)
{
	char cmd[2048], args[1900];
	va_list ap;
	int rc;

	va_start(ap, fmt);
	vsnprintf(args, sizeof(args), fmt, ap);
	va_end(ap);
	if (router >= 0)
		snprintf(cmd, sizeof(cmd), "nsenter --net=/proc/%d/fd/%d %s", getpid(), router, args);
	else
		snprintf(cmd, sizeof(cmd), "%s", args);
	rc = system(cmd);
	if (rc)
		fprintf(stderr, "# %s: status %d\n", args, rc);
	return rc ? -EIO : 0;
}

static int open_side(struct ct_lab *lab, int side)
{
	struct sockaddr_ll sll = { .sll_family = AF_PACKET, .sll_protocol = htons(ETH_P_IP) };
	int fd, one = 1, size = 4 << 20;

	fd = socket(AF_PACKET, SOCK_RAW | SOCK_CLOEXEC, 0);
	if (fd < 0)
		return -errno;
	sll.sll_ifindex = if_nametoindex(side ? "s0" : "c0");
	setsockopt(fd, SOL_SOCKET, SO_RCVBUFFORCE, &size, sizeof(size));
	if (setsockopt(fd, SOL_PACKET, PACKET_IGNORE_OUTGOING, &one, sizeof(one)) ||
	    bind(fd, (struct sockaddr *)&sll, sizeof(sll))) {
		close(fd);
		return -errno;
	}
	lab->sock[side] = fd;
	return 0;
}

/* The rules that tell the state, and the one that drops, in a chain of mangle. */
static int tell_states(int r, const char *chain, int drop_ttl)
{
	int i, err = 0;

	for (i = 0; i < (int)NR_TOS && !err; i++)
		err |= run(r, "iptables-legacy -w -t mangle -A %s -m conntrack --ctstate %s "
			   "-j TOS --set-tos 0x%02x/0xff", chain, tos_states[i].name, tos_states[i].tos);
	if (!err)
		err = run(r, "iptables-legacy -w -t mangle -A %s -m ttl --ttl-eq %d -j DROP", chain,
			  drop_ttl);
	return err;
}

/*
 * The addresses of the client, on lo also the server's, are the router's own. What an error
 * says of a path's MTU is not to keep a packet from being sent: locked.
 */
static int configure_host(struct ct_lab *lab)
{
	int r = lab->router, err = 0, i, end;

	for (end = 1; end <= 1 + (lab->mode == CT_LAB_LO); end++)
		for (i = 1; i <= CT_LAB_HOSTS && !err; i++)
			err = run(r, "sh -c 'a=10.%d.0.%d; ip addr add $a/32 dev lo; ip route replace "
				  "table local local $a dev lo proto kernel scope host src $a mtu lock 60000'",
				  end, i);
	if (!err && lab->mode == CT_LAB_HOST)
		err = run(r, "ip route change 10.2.0.0/16 dev r1 mtu lock 1500");
	if (!err)
		err = run(r, "iptables-legacy -w -t raw -A OUTPUT -m mark ! --mark %d -j DROP",
			  OWN_MARK);
	if (!err)
		err = tell_states(r, "OUTPUT", CT_LAB_DROP_TTL);
	return err ? err : tell_states(r, "INPUT", CT_LAB_DROP_TTL);
}

static int configure(struct ct_lab *lab)
{
	int r = lab->router, err = 0, i;

	err |= run(r, "sh -c 'ip link set lo up; for i in 0 1; do "
		   "ip link add r$i address 02:00:00:00:01:0$i type veth peer name p$i; done; "
		   "ip link set p0 netns %d name c0; ip link set p1 netns %d name s0; "
		   "ip addr add 10.1.255.254/16 dev r0; ip addr add 10.2.255.254/16 dev r1; "
		   "for f in all default r0 r1; do echo 0 > /proc/sys/net/ipv4/conf/$f/rp_filter; "
		   "echo 0 > /proc/sys/net/ipv4/conf/$f/send_redirects; "
		   "echo 1 > /proc/sys/net/ipv6/conf/$f/disable_ipv6; done; "
		   "echo 1 > /proc/sys/net/ipv4/ip_forward; ip link set r0 up; ip link set r1 up'",
		   getpid(), getpid());
	err |= run(-1, "for d in c0 s0; do echo 1 > /proc/sys/net/ipv6/conf/$d/disable_ipv6; "
		   "ip link set $d arp off up; done");
	err |= run(-1, "ip link set c0 address 02:00:00:00:0c:10; "
		   "ip link set s0 address 02:00:00:00:0c:20");
	for (i = 1; i <= CT_LAB_HOSTS && !err; i++)
		err |= run(r, "sh -c 'ip neigh replace 10.1.0.%d lladdr 02:00:00:00:0c:10 dev r0 nud permanent;"
			   "ip neigh replace 10.2.0.%d lladdr 02:00:00:00:0c:20 dev r1 nud permanent'",
			   i, i);
	if (err)
		return err;
	return lab->mode == CT_LAB_FORWARD ? tell_states(r, "FORWARD", CT_LAB_DROP_TTL - 1) :
					     configure_host(lab);
}

/* The router's raw sockets; the calling thread is in its namespace. */
static int open_raw(struct ct_lab *lab)
{
	int proto, fd, mark = OWN_MARK, size = 4 << 20;

	lab->raw_out = socket(AF_INET, SOCK_RAW | SOCK_CLOEXEC, IPPROTO_RAW);
	lab->raw_in = epoll_create1(EPOLL_CLOEXEC);
	if (lab->raw_out < 0 || lab->raw_in < 0 ||
	    setsockopt(lab->raw_out, SOL_SOCKET, SO_MARK, &mark, sizeof(mark)))
		return -errno;
	for (proto = 1; proto < 256; proto++) {
		struct epoll_event ev = { .events = EPOLLIN };

		fd = socket(AF_INET, SOCK_RAW | SOCK_CLOEXEC | SOCK_NONBLOCK, proto);
		if (fd < 0)
			continue;
		setsockopt(fd, SOL_SOCKET, SO_RCVBUFFORCE, &size, sizeof(size));
		ev.data.fd = fd;
		if (epoll_ctl(lab->raw_in, EPOLL_CTL_ADD, fd, &ev))
			return -errno;
	}
	return 0;
}

int ct_lab_enter(struct ct_lab *lab, enum ct_lab_mode mode)
{
	static const __u8 mac0[6] = { 2, 0, 0, 0, 1, 0 }, mac1[6] = { 2, 0, 0, 0, 1, 1 };
	int err;

	memset(lab, 0, sizeof(*lab));
	lab->mode = mode;
	memcpy(lab->mac[0], mac0, 6);
	memcpy(lab->mac[1], mac1, 6);
	if (unshare(CLONE_NEWNET))
		return -errno;
	lab->router = open("/proc/self/ns/net", O_RDONLY);
	if (mode != CT_LAB_FORWARD) {
		err = open_raw(lab);
		if (err)
			return err;
	}
	if (unshare(CLONE_NEWNET))
		return -errno;
	lab->home = open("/proc/self/ns/net", O_RDONLY);
	if (lab->router < 0 || lab->home < 0)
		return -errno;
	err = configure(lab);
	if (!err)
		err = open_side(lab, 0);
	if (!err)
		err = open_side(lab, 1);
	return err;
}

void ct_lab_leave(struct ct_lab *lab)
{
	close(lab->sock[0]);
	close(lab->sock[1]);
	close(lab->router);
	close(lab->home);
}

/* By the router's socket where the sender is the router. Return: 0, or -1 with errno. */
static int send_packet(struct ct_lab *lab, int side, const __u8 *frame, size_t len)
{
	struct sockaddr_in to = { .sin_family = AF_INET };
	ssize_t n;

	if (lab->mode == CT_LAB_FORWARD || (lab->mode == CT_LAB_HOST && side)) {
		n = send(lab->sock[side], frame, len, 0);
		return n == (ssize_t)len ? 0 : -1;
	}
	memcpy(&to.sin_addr, frame + IP_OFF + 16, 4);
	n = sendto(lab->raw_out, frame + IP_OFF, len - IP_OFF, 0, (void *)&to, sizeof(to));
	/* EPERM: dropped by a rule */
	return n < 0 && errno != EPERM ? -1 : 0;
}

/* Is what @side sends read by the router's raw sockets? */
static int by_raw(const struct ct_lab *lab, int side)
{
	return lab->mode == CT_LAB_LO || (lab->mode == CT_LAB_HOST && side);
}

/*
 * What comes out at the other end of @side.
 * Return: length, -1: nothing came in time; *@ip: where its IP header is
 */
static ssize_t read_packet(struct ct_lab *lab, int side, __u8 *buf, size_t size, __u8 **ip)
{
	int raw = by_raw(lab, side);
	struct pollfd pfd = { .fd = lab->sock[!side], .events = POLLIN };
	struct epoll_event ev;
	ssize_t n;

	*ip = buf + (raw ? 0 : IP_OFF);
	for (;;) {
		if (raw && epoll_wait(lab->raw_in, &ev, 1, ANSWER_MS) != 1)
			return -1;
		n = recv(raw ? ev.data.fd : pfd.fd, buf, size, MSG_DONTWAIT);
		if (n >= 0)
			return raw ? n : n - IP_OFF;
		if (!raw && poll(&pfd, 1, ANSWER_MS) <= 0)
			return -1;
	}
}

static void ip_checksum(__u8 *ip)
{
	__u16 sum;

	memset(ip + 10, 0, 2);
	sum = htons(~frame_csum(ip, (ip[0] & 15) * 4, 0));
	memcpy(ip + 10, &sum, 2);
}

size_t ct_lab_fragment(const struct ct_pkt *pkt, unsigned int i, __u8 *out)
{
	size_t head = IP_OFF + (pkt->frame[IP_OFF] & 15) * 4, from, to;

	if (i > pkt->nr_cuts - pkt->lost)
		return 0;
	if (pkt->reversed)
		i = pkt->nr_cuts - i;
	from = i ? pkt->cut[i - 1] : 0;
	to = i < pkt->nr_cuts ? pkt->cut[i] : pkt->len - head;
	memcpy(out, pkt->frame, head);
	memcpy(out + head, pkt->frame + head + from, to - from);
	if (pkt->nr_cuts) {
		ct_put16(out + IP_OFF + 2, head - IP_OFF + to - from);
		ct_put16(out + IP_OFF + 6, from / 8 | (i < pkt->nr_cuts) << 13);
		ip_checksum(out + IP_OFF);
	}
	return head + to - from;
}

int ct_lab_ask(struct ct_lab *lab, struct ct_pkt *pkt)
{
	__u8 *frame = pkt->frame, *ip = frame + IP_OFF, in[2048], part[CT_GEN_FRAME], *got;
	int side = pkt->side;
	size_t i, len;
	ssize_t n;
	__u16 id;

	if (++lab->id == 0)
		lab->id = 1;
	id = htons(lab->id);
	memcpy(frame, lab->mac[side], 6);
	memset(frame + 6, 0, 6);
	frame[6] = 2;
	frame[10] = 0x0c;
	frame[11] = side ? 0x20 : 0x10;
	frame[12] = ETH_P_IP >> 8;
	frame[13] = ETH_P_IP & 0xff;
	memcpy(ip + 4, &id, 2);
	ip[1] = 0;
	ip_checksum(ip);

	for (i = 0; (len = ct_lab_fragment(pkt, i, part)); i++)
		if (send_packet(lab, side, part, len))
			return -errno;
	/* Of protocol 0 there is no raw socket; to wait would part the two clocks. */
	if (ip[8] == CT_LAB_DROP_TTL || pkt->lost || (!ip[9] && by_raw(lab, side)))
		return CT_LAB_LOST;
	for (;;) {
		n = read_packet(lab, side, in, sizeof(in), &got);
		if (n < 0)
			return CT_LAB_LOST;
		if (n < 20 || memcmp(got + 4, &id, 2))
			continue;
		for (i = 0; i < NR_TOS; i++)
			if (got[1] == tos_states[i].tos)
				return tos_states[i].state;
		return -EPROTO;
	}
}

static int name_index(const char *name, const char *const *names, int n)
{
	int i;

	for (i = 0; i < n; i++)
		if (!strcmp(name, names[i]))
			return i;
	return -1;
}

/* One line of /proc/net/nf_conntrack; ICMP has type=, code=, id= for ports. */
static int parse_row(char *line, struct ct_row *row)
{
	static const char *const tcp[] = CT_TCP_NAMES, *const sctp[] = CT_SCTP_NAMES;
	char *save = NULL, *tok;
	int field = 0, srcs = 0;

	memset(row, 0, sizeof(*row));
	row->state = -1;
	row->status = CTS_CONFIRMED | CTS_SEEN_REPLY;
	for (tok = strtok_r(line, " \n", &save); tok; tok = strtok_r(NULL, " \n", &save), field++) {
		if (field == 0 && strcmp(tok, "ipv4"))
			return -1;
		if (field == 3)
			row->orig.proto = atoi(tok);
		else if (field == 4)
			row->timeout = atol(tok);
		else if (field == 5 && row->orig.proto == IPPROTO_TCP)
			row->state = name_index(tok, tcp, CT_TCP_MAX);
		else if (field == 5 && row->orig.proto == IPPROTO_SCTP)
			row->state = name_index(tok, sctp, CT_SCTP_MAX);
		else if (!strcmp(tok, "[UNREPLIED]"))
			row->status &= ~CTS_SEEN_REPLY;
		else if (!strcmp(tok, "[ASSURED]"))
			row->status |= CTS_ASSURED;
		else if (!strncmp(tok, "src=", 4) && ++srcs == 1)
			inet_pton(AF_INET, tok + 4, &row->orig.src);
		if (srcs != 1)
			continue;
		if (!strncmp(tok, "dst=", 4))
			inet_pton(AF_INET, tok + 4, &row->orig.dst);
		else if (!strncmp(tok, "sport=", 6))
			row->orig.sport = htons(atoi(tok + 6));
		else if (!strncmp(tok, "dport=", 6))
			row->orig.dport = htons(atoi(tok + 6));
		else if (!strncmp(tok, "srckey=", 7))
			row->orig.sport = htons(strtoul(tok + 7, NULL, 0));
		else if (!strncmp(tok, "dstkey=", 7))
			row->orig.dport = htons(strtoul(tok + 7, NULL, 0));
		else if (!strncmp(tok, "id=", 3))
			row->orig.sport = htons(atoi(tok + 3));
		else if (!strncmp(tok, "type=", 5))
			((__u8 *)&row->orig.dport)[0] = atoi(tok + 5);
		else if (!strncmp(tok, "code=", 5))
			((__u8 *)&row->orig.dport)[1] = atoi(tok + 5);
	}
	return srcs ? 0 : -1;
}

long ct_lab_table(struct ct_lab *lab, struct ct_row **rows)
{
	size_t cap = 1024, n = 0;
	char line[1024];
	FILE *f;

	*rows = malloc(cap * sizeof(**rows));
	if (!*rows)
		return -ENOMEM;
	if (setns(lab->router, CLONE_NEWNET))
		return -errno;
	f = fopen("/proc/thread-self/net/nf_conntrack", "r");
	if (setns(lab->home, CLONE_NEWNET) || !f)
		return -errno;
	while (fgets(line, sizeof(line), f)) {
		if (n == cap) {
			struct ct_row *more = realloc(*rows, 2 * cap * sizeof(**rows));

			if (!more)
				break;
			*rows = more;
			cap *= 2;
		}
		if (!parse_row(line, &(*rows)[n]))
			n++;
	}
	fclose(f);
	return n;
}
