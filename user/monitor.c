// SPDX-License-Identifier: GPL-2.0-only
/*
 * monitor.c - `bpf-iptables monitor': follow the interfaces and ipsets of this namespace
 *
 * tc and XDP programs hang on interfaces, so one that appears has to be given
 * them. The monitor listens to rtnetlink, and on every link message covers what is
 * new and recompiles when an interface's name, address or master changed. It is in
 * no packet's path: when it dies, what is covered stays covered.
 *
 * ipset announces no changes: those that rules name are read once a second, or as much
 * less often as it takes to spend no more than a twentieth of the time on it.
 */
#include <errno.h>
#include <poll.h>
#include <stdio.h>
#include <string.h>
#include <time.h>
#include <unistd.h>
#include <libmnl/libmnl.h>
#include <linux/rtnetlink.h>

#include "cmd.h"
#include "instance_int.h"
#include "lower.h"
#include "sets.h"

#define SETS_PERIOD_MS	1000
#define SETS_SHARE	20

static int link_event(const struct nlmsghdr *nlh, void *data)
{
	bool *seen = data;

	if (nlh->nlmsg_type == RTM_NEWLINK || nlh->nlmsg_type == RTM_DELLINK)
		*seen = true;
	return MNL_CB_OK;
}

static int refresh_once(void)
{
	struct instance *in;
	int lock = instance_lock(-1), err;

	if (lock < 0)
		return lock;
	err = instance_open(&in, false);
	if (!err && in) {
		err = instance_refresh(in, true);
		instance_close(in);
	}
	close(lock);
	return err;
}

static long long now_ms(void)
{
	struct timespec ts;

	clock_gettime(CLOCK_MONOTONIC, &ts);
	return ts.tv_sec * 1000ll + ts.tv_nsec / 1000000;
}

/* Mirror the ipsets anew. Return: milliseconds until the next time. */
static int sets_once(void)
{
	struct lower_err why = { "" };
	static bool complained;
	long long start;
	struct instance *in;
	int lock = instance_lock(-1), err = lock < 0 ? lock : 0, took;

	if (err)
		return SETS_PERIOD_MS;
	start = now_ms();
	err = instance_open(&in, false);
	if (!err && in) {
		err = sets_sync(in, NULL, &why);
		instance_close(in);
	}
	close(lock);
	if (err && !complained)
		fprintf(stderr, "bpf-iptables: monitor: %s\n", why.msg[0] ? why.msg : strerror(-err));
	complained = err;
	took = (now_ms() - start) * SETS_SHARE;
	return took > SETS_PERIOD_MS ? took : SETS_PERIOD_MS;
}

/* `bpf-iptables refresh': what the monitor does at once, and no more */
int refresh_main(int argc, char **argv)
{
	if (refresh_once()) {
		fprintf(stderr, "bpf-iptables: refresh failed\n");
		return STATUS_OTHER;
	}
	return 0;
}

/*
 * monitor_main() - run until killed. The socket listens before the first refresh,
 * so that no interface can appear in between; lost messages (ENOBUFS) are followed
 * by a refresh like any other.
 */
int monitor_main(int argc, char **argv)
{
	char buf[16384];
	struct mnl_socket *nl = mnl_socket_open2(NETLINK_ROUTE, SOCK_CLOEXEC);
	long long next;
	ssize_t len;

	if (!nl || mnl_socket_bind(nl, RTMGRP_LINK, MNL_SOCKET_AUTOPID)) {
		fprintf(stderr, "bpf-iptables: rtnetlink: %s\n", strerror(errno));
		return STATUS_OTHER;
	}
	if (refresh_once())
		return STATUS_OTHER;
	next = now_ms() + SETS_PERIOD_MS;
	for (;;) {
		struct pollfd fd = { .fd = mnl_socket_get_fd(nl), .events = POLLIN };
		long long left = next - now_ms();
		bool seen = false;

		if (left <= 0) {
			next = now_ms() + sets_once();
			continue;
		}
		if (!poll(&fd, 1, left))
			continue;
		len = mnl_socket_recvfrom(nl, buf, sizeof(buf));
		if (len < 0 && errno == EINTR)
			continue;
		if (len < 0 && errno == ENOBUFS)
			seen = true;
		else if (len < 0)
			break;
		else
			mnl_cb_run(buf, len, 0, 0, link_event, &seen);
		if (seen && refresh_once())
			fprintf(stderr, "bpf-iptables: monitor: some interface is not covered\n");
	}
	fprintf(stderr, "bpf-iptables: monitor: rtnetlink: %s\n", strerror(errno));
	mnl_socket_close(nl);
	return STATUS_OTHER;
}
