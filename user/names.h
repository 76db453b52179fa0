/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * names.h - names that stand for numbers: verdicts, protocols, ports
 */
#ifndef BPFIPT_NAMES_H
#define BPFIPT_NAMES_H

#include <stdbool.h>

bool name_is_verdict(const char *name);
const char *name_of_proto(unsigned int proto, bool builtin_only);

#endif /* BPFIPT_NAMES_H */
