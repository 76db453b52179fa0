// SPDX-License-Identifier: GPL-2.0-only
/*
 * inject.c - put frames into a client-router-server topology, see what comes out
 *
 *	inject [-b] [-p MS] -c NETNS:DEV -r NETNS:DEVC:DEVS -s NETNS:DEV [-t TUN] < frames
 *	inject [-p MS] -r NETNS -w LETTER:NETNS:DEV:RDEV [-w ...] [-t TUN] < frames
 *
 * -b: the router's ends are ports of a bridge. -p: pause so long behind each frame. The
 * first form is the second with wires c and s. A wire runs from DEV, where its frames are
 * sent and read, to the router's RDEV.
 *
 * One frame at a time, and after each a marker (ethertype 0x88b5, which no IP
 * firewall looks at) over every wire: veth queues are first in first out, so when
 * the markers are through, all that the frame caused has arrived too. No sleeps,
 * and every delivery is attributed to the frame that caused it. Input lines are
 * those of frame.h; the output, one line per delivery:
 *
 *	<number of the frame> <where> <hex>
 *
 * where	a wire's letter: seen on it	l: delivered locally in the router (raw
 *	socket, so behind INPUT)	t: sent out of the tun device
 *	e: sendto() of an `o` frame failed, with errno's name in place of hex
 *
 * The IP id and checksum of packets the router itself made are recorded as 0 when
 * the checksum was right: the kernel picks ids at random. A TCP or UDP checksum that was
 * left to a device, as over lo, is completed in what was delivered locally. A VLAN tag is put
 * back where it was. Exit: 0, 2 usage, 3 a marker was lost.
 */
#include <arpa/inet.h>
#include <errno.h>
#include <fcntl.h>
#include <ifaddrs.h>
#include <linux/if_packet.h>
#include <linux/if_tun.h>
#include <net/ethernet.h>
#include <net/if.h>
#include <poll.h>
#include <sched.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/ioctl.h>
#include <sys/socket.h>
#include <unistd.h>

#include "frame.h"

#define MARKER_TYPE	0x88b5
#define MARKER_WAIT_MS	2000
#define NRAW		255

/* struct tap - a packet socket at one end of a wire */
struct tap {
	int fd;
	unsigned char mac[6];
};

/* struct wire - @far is the end that frames are put in at, @near the router's */
struct wire {
	char letter;
	const char *ns, *dev, *rdev;
	struct tap far, near;
};

#define MAX_WIRES 23	/* a to z but for o, t and l; e is an error */

static struct wire wires[MAX_WIRES];
static unsigned int nwires;
static int epfd = -1, hdrincl = -1, tun = -1;
static unsigned int own[256], nown;	/* the router's addresses, host order */
static unsigned long frame_no;
static unsigned int marker_seq;
static int bridged;	/* a bridge takes a frame before those who ask for its type */

static void die(const char *what)
{
	fprintf(stderr, "inject: %s: %s\n", what, strerror(errno));
	exit(2);
}

static void enter(const char *name)
{
	char path[256];
	int fd;

	snprintf(path, sizeof(path), "/run/netns/%s", name);
	fd = open(path, O_RDONLY | O_CLOEXEC);
	if (fd < 0 || setns(fd, CLONE_NEWNET))
		die(path);
	close(fd);
}

static struct tap tap_open(const char *dev, int proto)
{
	struct sockaddr_ll ll = { .sll_family = AF_PACKET, .sll_protocol = htons(proto) };
	struct tap w = { .fd = socket(AF_PACKET, SOCK_RAW | SOCK_CLOEXEC, 0) };
	struct ifreq ifr = { 0 };
	int one = 1, big = 1 << 23;

	ll.sll_ifindex = if_nametoindex(dev);
	if (w.fd < 0 || !ll.sll_ifindex)
		die(dev);
	setsockopt(w.fd, SOL_PACKET, PACKET_IGNORE_OUTGOING, &one, sizeof(one));
	setsockopt(w.fd, SOL_PACKET, PACKET_AUXDATA, &one, sizeof(one));
	setsockopt(w.fd, SOL_SOCKET, SO_RCVBUFFORCE, &big, sizeof(big));
	if (bind(w.fd, (struct sockaddr *)&ll, sizeof(ll)))
		die(dev);
	snprintf(ifr.ifr_name, sizeof(ifr.ifr_name), "%s", dev);
	if (ioctl(w.fd, SIOCGIFHWADDR, &ifr))
		die(dev);
	memcpy(w.mac, ifr.ifr_hwaddr.sa_data, 6);
	return w;
}

/*
 * A tun device drops what it is given until the kernel has heard of its carrier: that
 * happens in a work item, which says IFF_RUNNING and then starts the queue under the
 * RTNL. Setting the flags waits for that lock.
 */
static void tun_open(const char *name)
{
	struct ifreq ifr = { .ifr_flags = IFF_TUN | IFF_NO_PI };

	tun = open("/dev/net/tun", O_RDWR | O_CLOEXEC | O_NONBLOCK);
	snprintf(ifr.ifr_name, sizeof(ifr.ifr_name), "%s", name);
	if (tun < 0 || ioctl(tun, TUNSETIFF, &ifr))
		die(name);
	for (int ms = 0; ms < 5000; ms++) {
		if (ioctl(hdrincl, SIOCGIFFLAGS, &ifr))
			die(name);
		if (ifr.ifr_flags & IFF_RUNNING)
			break;
		usleep(1000);
	}
	if (ioctl(hdrincl, SIOCSIFFLAGS, &ifr))
		die(name);
}

static void router_open(const char *tunname)
{
	struct ifaddrs *ifa, *i;
	int one = 1;

	for (unsigned int w = 0; w < nwires; w++)
		wires[w].near = tap_open(wires[w].rdev, bridged ? ETH_P_ALL : MARKER_TYPE);
	epfd = epoll_create1(EPOLL_CLOEXEC);
	for (int p = 0; p < NRAW; p++) {
		int fd = socket(AF_INET, SOCK_RAW | SOCK_CLOEXEC | SOCK_NONBLOCK, p);

		struct epoll_event ev = { .events = EPOLLIN, .data.fd = fd };

		if (fd >= 0 && epoll_ctl(epfd, EPOLL_CTL_ADD, fd, &ev))
			die("epoll");
	}
	hdrincl = socket(AF_INET, SOCK_RAW | SOCK_CLOEXEC, IPPROTO_RAW);
	if (hdrincl < 0 || setsockopt(hdrincl, SOL_SOCKET, SO_BROADCAST, &one, sizeof(one)))
		die("raw socket");
	if (getifaddrs(&ifa))
		die("getifaddrs");
	for (i = ifa; i; i = i->ifa_next)
		if (i->ifa_addr && i->ifa_addr->sa_family == AF_INET && nown < 256)
			own[nown++] = ntohl(((struct sockaddr_in *)i->ifa_addr)->sin_addr.s_addr);
	freeifaddrs(ifa);
	if (tunname)
		tun_open(tunname);
}

/* The pseudo header's sum alone in the checksum's place: the sender left the rest to a device */
static void complete_csum(unsigned char *ip, size_t len)
{
	size_t hlen = (ip[0] & 15) * 4, total = ip[2] << 8 | ip[3];
	size_t at = ip[9] == IPPROTO_TCP ? 16 : 6, need = at + 4 - at % 4;
	unsigned char *l4 = ip + hlen, ph[12] = { 0 };
	unsigned int pseudo, sum;

	if ((ip[9] != IPPROTO_TCP && ip[9] != IPPROTO_UDP) || hlen < 20 || total > len ||
	    total < hlen + need || ((ip[6] << 8 | ip[7]) & 0x3fff))
		return;
	memcpy(ph, ip + 12, 8);
	ph[9] = ip[9];
	ph[10] = (total - hlen) >> 8;
	ph[11] = total - hlen;
	pseudo = frame_csum(ph, sizeof(ph), 0);
	if ((unsigned int)(l4[at] << 8 | l4[at + 1]) != pseudo ||
	    frame_csum(l4, total - hlen, pseudo) == 0xffff)
		return;
	l4[at] = l4[at + 1] = 0;
	sum = ~frame_csum(l4, total - hlen, pseudo) & 0xffff;
	l4[at] = sum >> 8;
	l4[at + 1] = sum;
}

/* Packets the router made carry a random IP id: blank it, unless the checksum lies */
static void normalise(unsigned char *ip, size_t len)
{
	size_t hlen = (ip[0] & 15) * 4;
	unsigned int src, ours;

	if (len < 20 || ip[0] >> 4 != 4 || hlen < 20 || hlen > len)
		return;
	src = (unsigned int)ip[12] << 24 | ip[13] << 16 | ip[14] << 8 | ip[15];
	ours = src >> 24 == 127;
	for (unsigned int i = 0; i < nown; i++)
		ours |= src == own[i];
	if (ours && frame_csum(ip, hlen, 0) == 0xffff)
		memset(ip + 4, 0, 2), memset(ip + 10, 0, 2);
}

static void record(char where, unsigned char *p, size_t len, size_t l3)
{
	if (len >= l3 + 20)
		normalise(p + l3, len - l3);
	if (len >= l3 + 20 && where == 'l')
		complete_csum(p + l3, len - l3);
	printf("%lu %c ", frame_no, where);
	for (size_t i = 0; i < len; i++)
		printf("%02x", p[i]);
	putchar('\n');
}

/* Return: 1 when the marker @seq was read, 0 nothing to read, else keep reading */
static int tap_read(struct tap *w, char where, unsigned int seq, int flags)
{
	unsigned char buf[FRAME_MAX + 64], *p = buf + 4;
	char ctl[CMSG_SPACE(sizeof(struct tpacket_auxdata))];
	struct iovec iov = { p, FRAME_MAX };
	struct msghdr m = { .msg_iov = &iov, .msg_iovlen = 1, .msg_control = ctl, .msg_controllen = sizeof(ctl) };
	ssize_t n = recvmsg(w->fd, &m, flags);
	unsigned int got;

	if (n < 14)
		return n < 0 ? 0 : -1;
	if (p[12] == MARKER_TYPE >> 8 && p[13] == (MARKER_TYPE & 255)) {
		memcpy(&got, p + 14, sizeof(got));
		return got == seq ? 1 : -1;
	}
	if (where == '-')
		return -1;
	for (struct cmsghdr *c = CMSG_FIRSTHDR(&m); c; c = CMSG_NXTHDR(&m, c)) {
		struct tpacket_auxdata aux;

		if (c->cmsg_level != SOL_PACKET || c->cmsg_type != PACKET_AUXDATA)
			continue;
		memcpy(&aux, CMSG_DATA(c), sizeof(aux));
		if (!(aux.tp_status & TP_STATUS_VLAN_VALID))
			continue;
		memmove(buf, p, 12);
		p = buf;
		p[12] = 0x81, p[13] = 0;
		p[14] = aux.tp_vlan_tci >> 8, p[15] = aux.tp_vlan_tci;
		record(where, p, n + 4, 18);
		return -1;
	}
	record(where, p, n, p[12] == 8 && !p[13] ? 14 : n);
	return -1;
}

/* Send a marker from @a to @b; what arrives at @b before it is recorded */
static void marker(struct tap *a, struct tap *b, char where)
{
	unsigned char m[60] = { 0 };
	struct pollfd pf = { .fd = b->fd, .events = POLLIN };
	unsigned int seq = ++marker_seq;

	memcpy(m, b->mac, 6);
	memcpy(m + 6, a->mac, 6);
	m[12] = MARKER_TYPE >> 8;
	m[13] = MARKER_TYPE & 255;
	memcpy(m + 14, &seq, sizeof(seq));
	if (send(a->fd, m, sizeof(m), 0) != sizeof(m))
		die("marker");
	for (;;) {
		int r = tap_read(b, where, seq, MSG_DONTWAIT);

		if (r == 1)
			return;
		if (r == 0 && poll(&pf, 1, MARKER_WAIT_MS) <= 0) {
			fprintf(stderr, "inject: marker lost towards %c\n", where);
			exit(3);
		}
	}
}

static void drain_local(void)
{
	unsigned char buf[65536];
	struct epoll_event ev;
	ssize_t n;

	while (epoll_wait(epfd, &ev, 1, 0) == 1)
		while ((n = recv(ev.data.fd, buf, sizeof(buf), MSG_DONTWAIT)) > 0)
			record('l', buf, n, 0);
	while (tun >= 0 && (n = read(tun, buf, sizeof(buf))) > 0)
		record('t', buf, n, 0);
}

/* Twice: what loops through the router may send a second time */
static void drain(void)
{
	for (int i = 0; i < 2; i++) {
		for (struct wire *w = wires; w < wires + nwires; w++)
			marker(&w->far, &w->near, '-');
		for (struct wire *w = wires; w < wires + nwires; w++)
			marker(&w->near, &w->far, w->letter);
	}
	drain_local();
}

static struct wire *wire_of(char letter)
{
	for (struct wire *w = wires; w < wires + nwires; w++)
		if (w->letter == letter)
			return w;
	return NULL;
}

static void inject(const struct frame *f)
{
	struct wire *w;
	struct sockaddr_in to = { .sin_family = AF_INET };
	ssize_t n = 0;

	switch (f->from) {
	case 't':
		n = tun < 0 ? (errno = ENODEV, -1) : write(tun, f->data, f->len);
		break;
	case 'o':
		memcpy(&to.sin_addr, f->data + 16, 4);
		n = sendto(hdrincl, f->data, f->len, 0, (struct sockaddr *)&to, sizeof(to));
		break;
	default:
		w = wire_of(f->from);
		n = w ? send(w->far.fd, f->data, f->len, 0) : (errno = ENODEV, -1);
	}
	if (n < 0)
		printf("%lu e %s\n", frame_no, strerrorname_np(errno));
}

static void usage(void)
{
	fputs("usage: inject [-b] [-p MS] -c NS:DEV -r NS:DEVC:DEVS -s NS:DEV [-t TUN] < frames\n"
	      "       inject [-p MS] -r NS -w LETTER:NS:DEV:RDEV [-w ...] [-t TUN] < frames\n", stderr);
	exit(2);
}

static char *part(char **s)
{
	char *p = strsep(s, ":");

	if (!p)
		usage();
	return p;
}

/* The wire with this letter, made when it is new */
static struct wire *wire_named(char letter)
{
	struct wire *w = wire_of(letter);

	if (w)
		return w;
	if (nwires == MAX_WIRES || letter < 'a' || letter > 'z' || strchr("otle", letter))
		usage();
	w = &wires[nwires++];
	w->letter = letter;
	return w;
}

static void far_end(char letter, char *s)
{
	struct wire *w = wire_named(letter);

	w->ns = part(&s);
	w->dev = part(&s);
	if (s)
		w->rdev = s;
}

int main(int argc, char **argv)
{
	char *r = NULL, *t = NULL, *line = NULL, *ns;
	unsigned long line_no = 0, pause = 0;
	size_t room = 0;
	struct frame f;
	cpu_set_t cpus;
	int opt;

	while ((opt = getopt(argc, argv, "bc:p:r:s:t:w:")) != -1)
		switch (opt) {
		case 'c':
		case 's': far_end(opt, optarg); break;
		case 'w':
			ns = part(&optarg);
			far_end(ns[0], optarg);
			break;
		case 'r': r = optarg; break;
		case 't': t = optarg; break;
		case 'b': bridged = 1; break;
		case 'p': pause = strtoul(optarg, NULL, 10); break;
		default: usage();
		}
	/* one CPU: a softirq then follows its send at once, and queues stay in order */
	CPU_ZERO(&cpus);
	CPU_SET(sched_getcpu(), &cpus);
	if (sched_setaffinity(0, sizeof(cpus), &cpus))
		die("sched_setaffinity");
	ns = part(&r);
	if (r) {
		wire_named('c')->rdev = part(&r);
		wire_named('s')->rdev = part(&r);
	}
	for (struct wire *w = wires; w < wires + nwires; w++) {
		if (!w->ns || !w->rdev)
			usage();
		enter(w->ns);
		w->far = tap_open(w->dev, ETH_P_ALL);
	}
	enter(ns);
	router_open(t);
	for (struct wire *w = wires; w < wires + nwires; w++)
		frame_macs(w->letter, w->far.mac, w->near.mac);
	drain();
	while (getline(&line, &room, stdin) > 0) {
		char err[128];
		int rc = frame_parse(line, &f, err);

		line_no++;
		if (rc < 0) {
			fprintf(stderr, "inject: line %lu: %s\n", line_no, err);
			return 2;
		}
		if (rc)
			continue;
		frame_no++;
		inject(&f);
		drain();
		if (pause)
			usleep(pause * 1000);
	}
	free(line);
	return fflush(stdout) ? 2 : 0;
}
