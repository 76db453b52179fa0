/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * opts.h - the options of a test, a row for each
 *
 *	const struct opt_row rows[] = {
 *		{ "seed", .seed = &seed }, { "hook", .word = &hook }, { "one", .flag = &one }, {},
 *	};
 *
 *	if (!opts_read(argc, argv, rows))
 *		return 2;
 */
#ifndef BPFIPT_OPTS_H
#define BPFIPT_OPTS_H

#include <stdbool.h>
#include <linux/types.h>

#define OPTS_MAX	8

/*
 * struct opt_row - --@name and where its argument goes, the one that is not NULL
 * @flag:	it has none
 */
struct opt_row {
	const char *name;
	__u64 *seed;
	unsigned int *number;
	const char **word;
	bool *flag;
};

/*
 * opts_read() - read a command line
 * @rows:	at most OPTS_MAX, and one without a name at the end
 * Return: false: it says something else, and what has been printed
 */
bool opts_read(int argc, char **argv, const struct opt_row *rows);

#endif /* BPFIPT_OPTS_H */
