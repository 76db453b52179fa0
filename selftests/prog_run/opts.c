// SPDX-License-Identifier: GPL-2.0-only
/*
 * opts.c - the options of a test, by getopt_long()
 */
#include <getopt.h>
#include <stdio.h>
#include <stdlib.h>

#include "opts.h"

static bool take(const struct opt_row *row)
{
	char *end = optarg;

	if (row->flag)
		*row->flag = true;
	else if (row->word)
		*row->word = optarg;
	else if (row->seed)
		*row->seed = strtoull(optarg, &end, 0);
	else
		*row->number = strtoul(optarg, &end, 0);
	if (row->flag || row->word || (end != optarg && !*end))
		return true;
	fprintf(stderr, "--%s: not a number: %s\n", row->name, optarg);
	return false;
}

bool opts_read(int argc, char **argv, const struct opt_row *rows)
{
	struct option longs[OPTS_MAX + 1] = { 0 };
	int c;

	for (int i = 0; i < OPTS_MAX && rows[i].name; i++)
		longs[i] = (struct option){ rows[i].name, !rows[i].flag, NULL, i };
	while ((c = getopt_long(argc, argv, "", longs, NULL)) != -1)
		if (c >= OPTS_MAX || !take(&rows[c]))	/* the first: '?' */
			return false;
	return optind == argc;
}
