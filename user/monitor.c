// SPDX-License-Identifier: GPL-2.0-only
/*
 * monitor.c - `bpf-iptables monitor': follow the interfaces of this namespace
 *
 * tc and XDP programs hang on interfaces, so one that appears has to be given
 * them. The monitor listens to rtnetlink, and on every link message covers what is
 * new and recompiles when an interface's name, address or master changed. It is in
 * no packet's path: when it dies, what is covered stays covered.
 */
#include <errno.h>
#include <stdio.h>
#include <string.h>
#include <time.h>
#include <unistd.h>
#include <libmnl/libmnl.h>
#include <linux/rtnetlink.h>

#include "cmd.h"
#include "instance_int.h"

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

/*
 * monitor_main() - run until killed. The socket listens before the first refresh,
 * so that no interface can appear in between; lost messages (ENOBUFS) are followed
 * by a refresh like any other.
 */
int monitor_main(int argc, char **argv)
{
	char buf[16384];
	struct mnl_socket *nl = mnl_socket_open2(NETLINK_ROUTE, SOCK_CLOEXEC);
	ssize_t len;

	if (!nl || mnl_socket_bind(nl, RTMGRP_LINK, MNL_SOCKET_AUTOPID)) {
		fprintf(stderr, "bpf-iptables: rtnetlink: %s\n", strerror(errno));
		return STATUS_OTHER;
	}
	if (refresh_once())
		return STATUS_OTHER;
	for (;;) {
		bool seen = false;

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
