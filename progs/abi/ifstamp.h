/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * ifstamp.h - what ifstamp.bpf.c answers
 */
#ifndef BPFIPT_ABI_IFSTAMP_H
#define BPFIPT_ABI_IFSTAMP_H

#include <linux/types.h>

/*
 * struct if_stamp - of the interfaces of the network namespace of who asks
 * @stamp:	differs when what user/ifaces.c reads of one does; 0: it is not known
 */
struct if_stamp {
	__u64 stamp;
};

_Static_assert(sizeof(struct if_stamp) == 8, "if_stamp");

#endif /* BPFIPT_ABI_IFSTAMP_H */
