/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * owner.bpf.h - who sent a packet: `-m owner', and the UID= of LOG
 *
 * As xt_owner.c: the credentials of the file of the packet's full socket, not the
 * socket's own uid, which bpf_get_socket_uid() would give. A packet without a socket
 * (the kernel's own RST), or whose socket has no file any more, has no owner. An answer of
 * REJECT is made of its offender and still has that one's socket (PKT_MADE): it is taken
 * for what the kernel's answer would be, an ICMP error with icmp's own socket or a RST.
 * User and group ids are the kernel's, as the initial user namespace numbers them;
 * user space has turned a rule's ids into these.
 */
#ifndef BPFIPT_OWNER_BPF_H
#define BPFIPT_OWNER_BPF_H

#include "kernel.bpf.h"

#define SOCK_RAW		3

/* Socket states (include/net/tcp_states.h) that are not a full socket */
#define TCP_TIME_WAIT		6
#define TCP_NEW_SYN_RECV	12

#pragma clang attribute push(__attribute__((preserve_access_index)), apply_to = record)

struct kid___fw {
	__u32 val;
};

struct group_info___fw {
	int ngroups;
	struct kid___fw gid[1];
};

struct cred___fw {
	struct kid___fw fsuid;
	struct kid___fw fsgid;
	struct group_info___fw *group_info;
};

struct file___fw {
	const struct cred___fw *f_cred;
};

struct socket___fw {
	struct file___fw *file;
};

struct sock_common___fw {
	volatile unsigned char skc_state;
	unsigned char skc_net_refcnt : 1;
	struct possible_net_t___fw skc_net;
	struct sock___fw *skc_listener;
};

struct sock___fw {
	struct sock_common___fw __sk_common;
	struct socket___fw *sk_socket;
	__u16 sk_type;
	__u16 sk_protocol;
};

#pragma clang attribute pop

/* What socket a packet has: results of packet_file() */
enum {
	OWNER_NONE,	/* no socket: the kernel's own, or forwarded */
	OWNER_NO_FILE,	/* a socket that no process holds any more */
	OWNER_FILE,
};

#ifdef FW_XDP
static __always_inline int packet_file(fw_ctx_t *ctx, const struct fw_pkt *pkt, int full,
				       const struct cred___fw **cred)
{
	return OWNER_NONE;	/* nothing on the way in has a socket */
}
#else
/*
 * packet_file() - the credentials of the packet's sender
 * @full:	a SYN-ACK belongs to the listening socket; else it has none
 * Return: OWNER_*, @cred set with OWNER_FILE.
 */
static __always_inline int packet_file(fw_ctx_t *ctx, const struct fw_pkt *pkt, int full,
				       const struct cred___fw **cred)
{
	struct sk_buff___fw *skb = ctx_skb(ctx);
	struct sock___fw *sk = BPF_CORE_READ(skb, sk);
	struct socket___fw *socket;
	struct file___fw *file;
	__u8 state;

	if (pkt->flags & PKT_MADE)
		return pkt->proto == IPPROTO_ICMP ? OWNER_NO_FILE : OWNER_NONE;
	if (!sk)
		return OWNER_NONE;
	state = BPF_CORE_READ(sk, __sk_common.skc_state);
	if (state == TCP_NEW_SYN_RECV) {	/* sk_to_full_sk() */
		sk = full ? BPF_CORE_READ(sk, __sk_common.skc_listener) : 0;
		if (!sk)
			return OWNER_NONE;
	} else if (state == TCP_TIME_WAIT) {
		return OWNER_NONE;
	}
	if (BPF_CORE_READ(sk, __sk_common.skc_net.net) != ctx_net(ctx))
		return OWNER_NONE;
	socket = BPF_CORE_READ(sk, sk_socket);
	if (!socket)
		return OWNER_NONE;
	file = BPF_CORE_READ(socket, file);
	if (!file)
		return OWNER_NO_FILE;
	*cred = BPF_CORE_READ(file, f_cred);
	return OWNER_FILE;
}
#endif

/* packet_owner() - as LOG shows it: the sender's fsuid and fsgid. Return: 0, or -1: none */
static __always_inline int packet_owner(fw_ctx_t *ctx, const struct fw_pkt *pkt, __u32 *uid,
					__u32 *gid)
{
	const struct cred___fw *cred = 0;

	if (packet_file(ctx, pkt, 0, &cred) != OWNER_FILE)
		return -1;
	*uid = BPF_CORE_READ(cred, fsuid.val);
	*gid = BPF_CORE_READ(cred, fsgid.val);
	return 0;
}

#ifndef FW_XDP
/*
 * packet_of_icmp() - did the kernel itself write this ICMP message (an echo reply)?
 * It does so through a control socket of its own, a raw one that holds no reference to
 * the namespace (inet_ctl_sock_create()), locked while the packet goes out: icmp_send()
 * finds it taken (icmp_xmit_lock()) and says nothing.
 */
static __always_inline int packet_of_icmp(fw_ctx_t *ctx)
{
	struct sk_buff___fw *skb = ctx_skb(ctx);
	struct sock___fw *sk = BPF_CORE_READ(skb, sk);

	return sk && BPF_CORE_READ(sk, sk_type) == SOCK_RAW &&
	       BPF_CORE_READ(sk, sk_protocol) == IPPROTO_ICMP &&
	       !BPF_CORE_READ_BITFIELD_PROBED(&sk->__sk_common, skc_net_refcnt);
}
#endif

#endif /* BPFIPT_OWNER_BPF_H */
