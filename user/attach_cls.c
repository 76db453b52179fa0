// SPDX-License-Identifier: GPL-2.0-only
/*
 * attach_cls.c - clsact filters, where the kernel has no tcx links (before Linux 6.6)
 *
 * A filter of ours is found again by its handle and priority. Giving it another program
 * (BPF_TC_F_REPLACE) swaps the two between two packets, as updating a link does.
 *
 * The qdisc clsact that filters hang on may be ours, or have been there before: of one
 * that we made there is a directory links/IFINDEX-clsact, and it goes with our filters,
 * unless someone else's have joined them.
 *
 * $BPFIPT_NO_TCX makes any kernel one without tcx links, for tests.
 */
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/stat.h>
#include <time.h>
#include <unistd.h>
#include <bpf/bpf.h>
#include <bpf/libbpf.h>
#include <libmnl/libmnl.h>
#include <linux/pkt_sched.h>
#include <linux/rtnetlink.h>

#include "instance_int.h"

#define CLS_HANDLE	1
#define CLS_PRIORITY	0x6266

#define DUMP_SIZE	32768

bool cls_needed(void)
{
	static int known = -1;
	__u32 n = 0;

	if (known < 0)
		known = getenv("BPFIPT_NO_TCX") ||
			(bpf_prog_query(LO_IFINDEX, TCX_INGRESS, 0, NULL, NULL, &n) &&
			 errno == EINVAL);
	return known;
}

static struct bpf_tc_hook hook_of(__u32 ifindex, bool ingress)
{
	return (struct bpf_tc_hook){
		.sz = sizeof(struct bpf_tc_hook),
		.ifindex = ifindex,
		.attach_point = ingress ? BPF_TC_INGRESS : BPF_TC_EGRESS,
	};
}

static int qdisc_path(const struct instance *in, __u32 ifindex, char *path, size_t len)
{
	int n = snprintf(path, len, "%s/links/%u-clsact", in->dir, ifindex);

	return n >= (int)len ? -ENAMETOOLONG : 0;
}

/* Id of the program in our filter, 0: there is no such filter */
static __u32 filter_prog(__u32 ifindex, bool ingress)
{
	LIBBPF_OPTS(bpf_tc_opts, opts, .handle = CLS_HANDLE, .priority = CLS_PRIORITY);
	struct bpf_tc_hook hook = hook_of(ifindex, ingress);

	loader_quiet();
	return bpf_tc_query(&hook, &opts) ? 0 : opts.prog_id;
}

bool cls_attached(__u32 ifindex, bool ingress)
{
	return filter_prog(ifindex, ingress);
}

/* Qdisc first: should we die in between, an empty directory is all that is too much. */
static int make_qdisc(const struct instance *in, struct bpf_tc_hook *hook)
{
	char path[PATH_MAX];
	int err = qdisc_path(in, hook->ifindex, path, sizeof(path));

	if (!err)
		err = bpf_tc_hook_create(hook);
	if (err)
		return err == -EEXIST ? 0 : err;
	return mkdir(path, 0700) && errno != EEXIST ? -errno : 0;
}

int cls_attach(const struct instance *in, int prog_fd, __u32 ifindex, bool ingress)
{
	LIBBPF_OPTS(bpf_tc_opts, opts, .handle = CLS_HANDLE, .priority = CLS_PRIORITY,
		    .prog_fd = prog_fd, .flags = BPF_TC_F_REPLACE);
	struct bpf_tc_hook hook = hook_of(ifindex, ingress);
	struct bpf_prog_info info = {};
	__u32 len = sizeof(info);
	int err;

	if (!bpf_obj_get_info_by_fd(prog_fd, &info, &len) &&
	    info.id == filter_prog(ifindex, ingress))
		return 0;
	fault_step();
	err = make_qdisc(in, &hook);
	fault_step();
	if (!err)
		err = bpf_tc_attach(&hook, &opts);
	fault_step();
	return err;
}

void cls_detach(__u32 ifindex, bool ingress)
{
	LIBBPF_OPTS(bpf_tc_opts, opts, .handle = CLS_HANDLE, .priority = CLS_PRIORITY);
	struct bpf_tc_hook hook = hook_of(ifindex, ingress);

	bpf_tc_detach(&hook, &opts);
}

static int filter_cb(const struct nlmsghdr *nlh, void *data)
{
	*(bool *)data = true;
	return MNL_CB_OK;
}

/* Does a filter hang on this side of the interface's clsact? True when in doubt. */
static bool has_filters(struct mnl_socket *nl, __u32 ifindex, __u32 parent)
{
	char buf[DUMP_SIZE];
	struct nlmsghdr *nlh = mnl_nlmsg_put_header(buf);
	unsigned int portid = mnl_socket_get_portid(nl), seq = time(NULL);
	bool found = false;
	struct tcmsg *tcm;
	ssize_t len;
	int r = MNL_CB_ERROR;

	nlh->nlmsg_type = RTM_GETTFILTER;
	nlh->nlmsg_flags = NLM_F_REQUEST | NLM_F_DUMP;
	nlh->nlmsg_seq = seq;
	tcm = mnl_nlmsg_put_extra_header(nlh, sizeof(*tcm));
	tcm->tcm_ifindex = ifindex;
	tcm->tcm_parent = TC_H_MAKE(TC_H_CLSACT, parent);
	if (mnl_socket_sendto(nl, nlh, nlh->nlmsg_len) < 0)
		return true;
	while ((len = mnl_socket_recvfrom(nl, buf, sizeof(buf))) > 0) {
		r = mnl_cb_run(buf, len, seq, portid, filter_cb, &found);
		if (r <= MNL_CB_STOP)
			break;
	}
	return found || len <= 0 || r < 0;
}

static void drop_qdisc(const struct instance *in, struct mnl_socket *nl, __u32 ifindex)
{
	struct bpf_tc_hook hook = hook_of(ifindex, true);
	char path[PATH_MAX];

	if (qdisc_path(in, ifindex, path, sizeof(path)) || access(path, F_OK) ||
	    has_filters(nl, ifindex, TC_H_MIN_INGRESS) || has_filters(nl, ifindex, TC_H_MIN_EGRESS))
		return;
	hook.attach_point = BPF_TC_INGRESS | BPF_TC_EGRESS;
	bpf_tc_hook_destroy(&hook);
}

void cls_detach_all(const struct instance *in, const struct iface *ifs, size_t n)
{
	struct mnl_socket *nl = mnl_socket_open2(NETLINK_ROUTE, SOCK_CLOEXEC);
	size_t i;

	if (nl && mnl_socket_bind(nl, 0, MNL_SOCKET_AUTOPID)) {
		mnl_socket_close(nl);
		nl = NULL;
	}
	for (i = 0; i < n; i++) {
		cls_detach(ifs[i].ifindex, true);
		cls_detach(ifs[i].ifindex, false);
		if (nl)
			drop_qdisc(in, nl, ifs[i].ifindex);
	}
	if (nl)
		mnl_socket_close(nl);
}
