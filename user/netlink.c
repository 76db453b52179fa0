// SPDX-License-Identifier: GPL-2.0-only
/*
 * netlink.c - a netlink socket, see netlink.h
 */
#include <errno.h>
#include <sys/socket.h>
#include <unistd.h>

#include "netlink.h"

/* nl_open() - a socket; the kernel binds it when it first sends, or here to @groups */
int nl_open(int bus, __u32 groups)
{
	struct sockaddr_nl addr = { .nl_family = AF_NETLINK, .nl_groups = groups };
	int fd = socket(AF_NETLINK, SOCK_RAW | SOCK_CLOEXEC, bus);

	if (fd >= 0 && groups && bind(fd, (struct sockaddr *)&addr, sizeof(addr))) {
		int err = errno;

		close(fd);
		errno = err;
		return -1;
	}
	return fd;
}

/* nl_send() - to the kernel. Return: 0, or -1 with errno. */
int nl_send(int fd, const void *buf, size_t len)
{
	const struct sockaddr_nl kernel = { .nl_family = AF_NETLINK };

	return sendto(fd, buf, len, 0, (const struct sockaddr *)&kernel, sizeof(kernel)) < 0 ?
	       -1 : 0;
}

/* nl_recv() - from the kernel, and nobody else. Return: bytes, or -1 with errno. */
ssize_t nl_recv(int fd, void *buf, size_t len)
{
	struct sockaddr_nl from = { 0 };
	struct iovec iov = { .iov_base = buf, .iov_len = len };
	struct msghdr msg = {
		.msg_name = &from, .msg_namelen = sizeof(from), .msg_iov = &iov, .msg_iovlen = 1,
	};
	ssize_t n;

	do
		n = recvmsg(fd, &msg, 0);
	while (n >= 0 && from.nl_pid);
	if (n >= 0 && msg.msg_flags & MSG_TRUNC) {
		errno = ENOSPC;
		return -1;
	}
	return n;
}

/*
 * nl_run() - give the messages of a buffer to @cb, as long as it wants more
 * @seq: of the question, 0: none was asked
 * Return: NL_MORE; NL_STOP after the last one, or an acknowledgement; NL_FAILED with
 * errno, which is EINTR when what is listed changed meanwhile.
 */
int nl_run(const void *buf, ssize_t len, __u32 seq, nl_cb cb, void *data)
{
	const struct nlmsghdr *nlh = buf;
	int left = len, ret = NL_MORE;

	for (; NLMSG_OK(nlh, left) && ret > 0; nlh = NLMSG_NEXT(nlh, left)) {
		const struct nlmsgerr *e = NLMSG_DATA(nlh);

		if (seq && nlh->nlmsg_seq != seq) {
			errno = EPROTO;
			return NL_FAILED;
		}
		if (nlh->nlmsg_flags & NLM_F_DUMP_INTR) {
			errno = EINTR;
			return NL_FAILED;
		}
		switch (nlh->nlmsg_type) {
		case NLMSG_NOOP:
			break;
		case NLMSG_DONE:
			return NL_STOP;
		case NLMSG_ERROR:
			errno = nlh->nlmsg_len < NLMSG_LENGTH(sizeof(*e)) ? EBADMSG : -e->error;
			return errno ? NL_FAILED : NL_STOP;
		default:
			ret = cb(nlh, data);
		}
	}
	return ret;
}
