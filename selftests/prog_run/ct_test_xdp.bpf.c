// SPDX-License-Identifier: GPL-2.0-only
/*
 * ct_test_xdp.bpf.c - ct_test.bpf.c as an XDP program
 */
#define FW_XDP
#include "ct_test.bpf.c"
