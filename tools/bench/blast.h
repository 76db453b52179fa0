/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * blast.h - a frame of the generator: 64 bytes, of which all is header or zero
 */
#ifndef BPFIPT_BLAST_H
#define BPFIPT_BLAST_H

#include <linux/types.h>

#define BLAST_TEMPLATES	4096

struct blast_frame {
	__u64 word[8];
};

#endif /* BPFIPT_BLAST_H */
