/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * names.h - names that stand for numbers: verdicts, protocols, ports
 */
#ifndef BPFIPT_NAMES_H
#define BPFIPT_NAMES_H

#include <stdbool.h>

const int *verdict_by_name(const char *name);
const char *verdict_name(int verdict);
const char *name_of_proto(unsigned int proto, bool builtin_only);

#endif /* BPFIPT_NAMES_H */
