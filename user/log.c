// SPDX-License-Identifier: GPL-2.0-only
/*
 * log.c - `bpf-iptables log': what the targets LOG and NFLOG have recorded
 *
 *	bpf-iptables log [-f] [-l] [-t] [--nflog-group N] [-w FILE]
 *
 * Writes each record as the line that the kernel's LOG would have written, NFLOG's
 * too, and so empties the ring: without -f all that is there, with it until killed.
 *	-l	<N> before the line: the level, as in /dev/kmsg
 *	-t	[seconds.microseconds] before it, since boot, as dmesg has it
 *	--nflog-group N	only NFLOG's of that group; what else is there is skipped
 *	-w FILE	the packets themselves, as pcap (raw IP), in place of lines
 * One reader at a time, or each would see a part of it: a lock on the instance's
 * directory says so. -f stays with the instance when its programs are loaded anew.
 */
#include <errno.h>
#include <net/if.h>
#include <getopt.h>
#include <net/if_arp.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <fcntl.h>
#include <sys/file.h>
#include <sys/ioctl.h>
#include <sys/socket.h>
#include <time.h>
#include <unistd.h>
#include <bpf/bpf.h>
#include <bpf/libbpf.h>

#include "cmd.h"
#include "instance_int.h"
#include "log.h"

#define POLL_MS		1000	/* how often -f looks whether the ring is still the one */

#define PCAP_MAGIC_NS	0xa1b23c4du
#define PCAP_RAW_IP	101

/* struct log_reader - options, and what is open */
struct log_reader {
	bool level;
	bool time;
	int group;		/* -1: all */
	FILE *pcap;
	int sock;
	__s64 boot_ns;		/* CLOCK_REALTIME - CLOCK_MONOTONIC */
};

static __s64 clock_ns(clockid_t id)
{
	struct timespec ts;

	clock_gettime(id, &ts);
	return ts.tv_sec * 1000000000ll + ts.tv_nsec;
}

/* Name of an interface; one that is gone has its number for a name. */
static const char *iface_name(__u32 ifindex, char *buf)
{
	if (!ifindex)
		return "";
	if (!if_indextoname(ifindex, buf))
		snprintf(buf, IFNAMSIZ, "if%u", ifindex);
	return buf;
}

static bool iface_is_ether(const struct log_reader *r, const char *name)
{
	struct ifreq ifr = {};

	strncpy(ifr.ifr_name, name, IFNAMSIZ - 1);
	return !ioctl(r->sock, SIOCGIFHWADDR, &ifr) &&
	       ifr.ifr_hwaddr.sa_family == ARPHRD_ETHER;
}

static void pcap_header(FILE *f)
{
	const __u32 head[6] = { PCAP_MAGIC_NS, 2 | 4 << 16, 0, 0, 65535, PCAP_RAW_IP };

	fwrite(head, sizeof(head), 1, f);
}

static void pcap_packet(const struct log_reader *r, const struct log_record *rec,
			const unsigned char *data)
{
	__u64 ns = rec->time + r->boot_ns;
	const __u32 head[4] = { ns / 1000000000, ns % 1000000000, rec->cap_len, rec->tot_len };

	fwrite(head, sizeof(head), 1, r->pcap);
	fwrite(data, rec->cap_len, 1, r->pcap);
}

static int on_record(void *ctx, void *p, size_t size)
{
	const struct log_record *rec = p;
	const unsigned char *data = (const unsigned char *)(rec + 1);
	char in[IFNAMSIZ], out[IFNAMSIZ];
	struct log_reader *r = ctx;
	struct log_names names;

	if (size < sizeof(*rec) || rec->cap_len > size - sizeof(*rec))
		return 0;
	if (r->group >= 0 && (rec->p.kind != LOG_KIND_NFLOG || rec->p.group != (__u32)r->group))
		return 0;
	if (r->pcap) {
		pcap_packet(r, rec, data);
		return 0;
	}
	names.in = iface_name(rec->in, in);
	names.out = iface_name(rec->out, out);
	names.ether = rec->in && iface_is_ether(r, names.in);
	if (r->level)
		printf("<%u>", rec->p.level);
	if (r->time)
		printf("[%5llu.%06llu] ", (unsigned long long)(rec->time / 1000000000),
		       (unsigned long long)(rec->time / 1000 % 1000000));
	log_format(stdout, rec, data, &names);
	putchar('\n');
	return 0;
}

/* What became of the output. Return: 0 or -errno. */
static int flush(struct log_reader *r)
{
	return fflush(r->pcap ? r->pcap : stdout) ? -errno : 0;
}

/*
 * The ring of the generation in force, and @dir_fd, unless NULL, its instance's
 * directory. No lock: -f looks every second, and must not be in a command's way.
 * Return: fd, -ENOENT: no firewall, -errno.
 */
static int ring_open(int *dir_fd, __u32 *id)
{
	struct bpf_map_info info = {};
	__u32 len = sizeof(info);
	char dir[PATH_MAX];
	int fd, err;

	err = pins_instance_dir(dir, sizeof(dir));
	if (err)
		return err;
	fd = pins_open("%s/current/map-log_ring", dir);
	if (fd < 0)
		return fd;
	if (dir_fd)
		*dir_fd = open(dir, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	if (bpf_obj_get_info_by_fd(fd, &info, &len)) {
		close(fd);
		return -errno;
	}
	*id = info.id;
	return fd;
}

/* Read until the ring is empty, or with @follow until another ring is in force. */
static int read_ring(struct log_reader *r, int fd, bool follow, __u32 id)
{
	struct ring_buffer *rb = ring_buffer__new(fd, on_record, r, NULL);
	int err = rb ? 0 : -errno;

	while (!err) {
		__u32 now = id;

		err = follow ? ring_buffer__poll(rb, POLL_MS) : ring_buffer__consume(rb);
		if (err > 0 || err == -EINTR)
			err = 0;
		if (!err)
			err = flush(r);
		if (!follow || err)
			break;
		fd = ring_open(NULL, &now);
		if (fd >= 0)
			close(fd);
		if (fd < 0 || now != id) {	/* what came before the change */
			ring_buffer__consume(rb);
			break;
		}
	}
	ring_buffer__free(rb);
	return err;
}

static int log_run(struct log_reader *r, bool follow)
{
	bool first = true;
	int err;

	do {
		int dir = -1, fd;
		__u32 id;

		fd = ring_open(&dir, &id);
		err = fd < 0 ? fd : 0;
		if (first && err == -ENOENT)
			instance_none();
		else if (!err && flock(dir, LOCK_EX | LOCK_NB))
			err = -errno;
		if (!err)
			err = read_ring(r, fd, follow, id);
		if (fd >= 0)
			close(fd);
		if (dir >= 0)
			close(dir);
		if (err == -ENOENT && !first) {	/* cleaned; it may come again */
			nanosleep(&(struct timespec){ .tv_sec = POLL_MS / 1000 }, NULL);
			err = 0;
		}
		first = false;
	} while (follow && !err);
	return err;
}

/**
 * log_main() - read the records
 * Return: exit status.
 */
int log_main(int argc, char **argv)
{
	static const struct option longs[] = {
		{ "follow", no_argument, NULL, 'f' },
		{ "level", no_argument, NULL, 'l' },
		{ "time", no_argument, NULL, 't' },
		{ "nflog-group", required_argument, NULL, 'g' },
		{ "write", required_argument, NULL, 'w' },
		{ NULL, 0, NULL, 0 },
	};
	struct log_reader r = { .group = -1, .sock = -1 };
	const char *file = NULL;
	bool follow = false;
	int opt, err;
	char *end;

	optind = 1;
	while ((opt = getopt_long(argc, argv, "fltg:w:", longs, NULL)) != -1) {
		switch (opt) {
		case 'f':
			follow = true;
			break;
		case 'l':
			r.level = true;
			break;
		case 't':
			r.time = true;
			break;
		case 'g':
			r.group = strtol(optarg, &end, 0);
			if (end == optarg || *end || r.group < 0 || r.group > 65535) {
				fprintf(stderr, "bpf-iptables: log: bad group `%s'\n", optarg);
				return STATUS_PARAMETER;
			}
			break;
		case 'w':
			file = optarg;
			break;
		default:
			return STATUS_PARAMETER;
		}
	}
	if (optind < argc) {
		fprintf(stderr, "bpf-iptables: log: bad argument `%s'\n", argv[optind]);
		return STATUS_PARAMETER;
	}
	if (file) {
		r.pcap = strcmp(file, "-") ? fopen(file, "we") : stdout;
		if (!r.pcap) {
			fprintf(stderr, "bpf-iptables: %s: %s\n", file, strerror(errno));
			return STATUS_OTHER;
		}
		pcap_header(r.pcap);
	}
	loader_quiet();
	r.sock = socket(AF_INET, SOCK_DGRAM | SOCK_CLOEXEC, 0);
	r.boot_ns = clock_ns(CLOCK_REALTIME) - clock_ns(CLOCK_MONOTONIC);
	err = log_run(&r, follow);
	if (err == -EWOULDBLOCK)
		fprintf(stderr, "bpf-iptables: log: another `bpf-iptables log' is reading\n");
	else if (err && err != -ENOENT)
		fprintf(stderr, "bpf-iptables: log: %s\n", strerror(-err));
	if (r.pcap && r.pcap != stdout)
		fclose(r.pcap);
	if (r.sock >= 0)
		close(r.sock);
	return err ? STATUS_OTHER : STATUS_OK;
}
