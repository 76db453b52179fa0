// SPDX-License-Identifier: GPL-2.0-only
/*
 * peer.c - the two ends of a connection, and of a ping-pong
 *
 *	peer serve PORT PROCESSES		answer each connection with 100 bytes
 *	peer connect ADDR PORT SECONDS PROCESSES	connections made: NUMBER SECONDS
 *	peer echo PORT				send every datagram back
 *	peer ping ADDR PORT SECONDS		round trips: NUMBER P50 P99 P99.9 in us, LOST
 *
 * connect: connect, read the answer, close with a reset (no port of either side stays in
 * TIME_WAIT), and again; so many processes do so side by side that a CPU is never idle,
 * and the rate is what a connection costs. Servers say "ready" when they listen, and
 * end with their parent.
 *
 * Exit: 0; 2 for trouble, or not one connection or round trip.
 */
#include <arpa/inet.h>
#include <errno.h>
#include <netinet/in.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/prctl.h>
#include <sys/socket.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

#define ANSWER		100
#define MOST_TRIPS	(1u << 20)
#define PATIENCE_US	200000		/* then a connection or a datagram is lost */

static void die(const char *what)
{
	fprintf(stderr, "peer: %s: %s\n", what, strerror(errno));
	exit(2);
}

static double now(void)
{
	struct timespec t;

	clock_gettime(CLOCK_MONOTONIC, &t);
	return t.tv_sec + t.tv_nsec / 1e9;
}

static struct sockaddr_in address(const char *addr, const char *port)
{
	struct sockaddr_in sin = { .sin_family = AF_INET, .sin_port = htons(atoi(port)) };

	if (addr && !inet_aton(addr, &sin.sin_addr))
		die(addr);
	return sin;
}

static int bound(int type, const char *port)
{
	struct sockaddr_in sin = address(NULL, port);
	int fd = socket(AF_INET, type, 0), one = 1;

	setsockopt(fd, SOL_SOCKET, SO_REUSEADDR, &one, sizeof(one));
	if (fd < 0 || bind(fd, (struct sockaddr *)&sin, sizeof(sin)))
		die("bind");
	return fd;
}

static void ready(void)
{
	puts("ready");
	fflush(stdout);
}

/* Fork until there are @n of us, all of which die when the first one does. */
static void multiply(int n)
{
	while (--n > 0) {
		pid_t parent = getpid(), pid = fork();

		if (pid < 0)
			die("fork");
		if (pid)
			continue;
		prctl(PR_SET_PDEATHSIG, SIGKILL);
		if (getppid() != parent)
			exit(2);
		return;
	}
}

static void serve(const char *port, int processes)
{
	static const char answer[ANSWER];
	char byte;
	int fd = bound(SOCK_STREAM, port), c;

	if (listen(fd, 1024))
		die("listen");
	ready();
	multiply(processes);
	for (;;) {
		c = accept(fd, NULL, NULL);
		if (c < 0)
			continue;
		if (write(c, answer, sizeof(answer)) == sizeof(answer))
			while (read(c, &byte, 1) > 0)
				;
		close(c);
	}
}

/* Return: was the connection made and answered? */
static int one_connection(const struct sockaddr_in *to)
{
	static const struct linger reset = { .l_onoff = 1 };
	static const struct timeval patience = { .tv_usec = PATIENCE_US };
	int fd = socket(AF_INET, SOCK_STREAM, 0), ok;
	char answer[ANSWER];

	if (fd < 0)
		die("socket");
	setsockopt(fd, SOL_SOCKET, SO_SNDTIMEO, &patience, sizeof(patience));
	setsockopt(fd, SOL_SOCKET, SO_RCVTIMEO, &patience, sizeof(patience));
	setsockopt(fd, SOL_SOCKET, SO_LINGER, &reset, sizeof(reset));
	ok = !connect(fd, (const struct sockaddr *)to, sizeof(*to)) &&
	     recv(fd, answer, sizeof(answer), MSG_WAITALL) == sizeof(answer);
	close(fd);
	return ok;
}

static int connect_loop(const char *addr, const char *port, double seconds, int processes)
{
	struct sockaddr_in to = address(addr, port);
	unsigned long *made = mmap(NULL, sizeof(*made), PROT_READ | PROT_WRITE,
				   MAP_SHARED | MAP_ANONYMOUS, -1, 0);
	double start = now(), took;
	pid_t first = getpid();

	if (made == MAP_FAILED)
		die("mmap");
	multiply(processes);
	while (now() - start < seconds)
		if (one_connection(&to))
			__atomic_fetch_add(made, 1, __ATOMIC_RELAXED);
	if (getpid() != first)
		return 0;
	took = now() - start;
	while (wait(NULL) > 0)
		;
	printf("%lu %.4f\n", *made, took);
	return *made ? 0 : 2;
}

static void echo(const char *port)
{
	int fd = bound(SOCK_DGRAM, port);
	struct sockaddr_in from;
	socklen_t len;
	char data[64];
	ssize_t n;

	ready();
	for (;;) {
		len = sizeof(from);
		n = recvfrom(fd, data, sizeof(data), 0, (struct sockaddr *)&from, &len);
		if (n > 0)
			sendto(fd, data, n, 0, (struct sockaddr *)&from, len);
	}
}

static int by_size(const void *a, const void *b)
{
	float x = *(const float *)a, y = *(const float *)b;

	return (x > y) - (x < y);
}

static int ping(const char *addr, const char *port, double seconds)
{
	static const struct timeval patience = { .tv_usec = PATIENCE_US };
	struct sockaddr_in to = address(addr, port);
	float *took = malloc(MOST_TRIPS * sizeof(*took));
	int fd = socket(AF_INET, SOCK_DGRAM, 0);
	unsigned int n = 0, lost = 0, seq, back;
	double start = now();

	if (!took || fd < 0 || connect(fd, (struct sockaddr *)&to, sizeof(to)))
		die("connect");
	setsockopt(fd, SOL_SOCKET, SO_RCVTIMEO, &patience, sizeof(patience));
	for (seq = 0; n < MOST_TRIPS && now() - start < seconds; seq++) {
		double sent = now();
		ssize_t got;

		if (send(fd, &seq, sizeof(seq), 0) != sizeof(seq)) {
			lost++;
			continue;
		}
		do {
			got = recv(fd, &back, sizeof(back), 0);
		} while (got == sizeof(back) && back != seq);
		if (got == sizeof(back))
			took[n++] = (now() - sent) * 1e6;
		else
			lost++;
	}
	if (!n)
		return 2;
	qsort(took, n, sizeof(*took), by_size);
	printf("%u %.2f %.2f %.2f %u\n", n, took[n / 2], took[n * 99ul / 100],
	       took[n * 999ul / 1000], lost);
	return 0;
}

int main(int argc, char **argv)
{
	signal(SIGPIPE, SIG_IGN);
	prctl(PR_SET_PDEATHSIG, SIGKILL);
	if (argc == 4 && !strcmp(argv[1], "serve"))
		serve(argv[2], atoi(argv[3]));
	if (argc == 6 && !strcmp(argv[1], "connect"))
		return connect_loop(argv[2], argv[3], atof(argv[4]), atoi(argv[5]));
	if (argc == 3 && !strcmp(argv[1], "echo"))
		echo(argv[2]);
	if (argc == 5 && !strcmp(argv[1], "ping"))
		return ping(argv[2], argv[3], atof(argv[4]));
	fputs("usage: peer serve|connect|echo|ping ...\n", stderr);
	return 2;
}
