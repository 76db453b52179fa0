/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * log.h - a record of LOG or NFLOG as a line of text
 */
#ifndef BPFIPT_LOG_H
#define BPFIPT_LOG_H

#include <stdbool.h>
#include <stddef.h>
#include <stdio.h>

#include "../progs/abi/log.h"

/*
 * struct log_names - what only the namespace knows
 * @in, @out:	interface names, "" for none
 * @ether:	the input interface is an Ethernet one
 */
struct log_names {
	const char *in;
	const char *out;
	bool ether;
};

/*
 * log_format() - the line that the kernel would have written, without its end
 * @data:	rec->cap_len bytes, from the IP header on
 * From net/netfilter/nf_log_syslog.c, whose every space this keeps.
 */
void log_format(FILE *f, const struct log_record *rec, const unsigned char *data,
		const struct log_names *names);

#endif /* BPFIPT_LOG_H */
