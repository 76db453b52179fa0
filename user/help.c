// SPDX-License-Identifier: GPL-2.0-only
/*
 * help.c - what -h prints
 */
#include <stdio.h>

#include "args.h"
#include "cmd.h"

/** print_help() - `-h`, without the extensions' part */
void print_help(void)
{
	printf("iptables v" IPTABLES_VERSION " (legacy)\n"
	       "bpf-iptables: the filter table of iptables, enforced in eBPF\n\n");
	fputs(
"Usage: bpf-iptables [-n NETNS] -[ACD] CHAIN RULE\n"
"       bpf-iptables [-n NETNS] -I CHAIN [NUM] RULE\n"
"       bpf-iptables [-n NETNS] -R CHAIN NUM RULE\n"
"       bpf-iptables [-n NETNS] -D CHAIN NUM\n"
"       bpf-iptables [-n NETNS] -[LS] [CHAIN [NUM]]\n"
"       bpf-iptables [-n NETNS] -[FX] [CHAIN] | -Z [CHAIN [NUM]]\n"
"       bpf-iptables [-n NETNS] -N CHAIN | -E OLD NEW | -P CHAIN ACCEPT|DROP\n"
"       bpf-iptables [-n NETNS] init|init-xdp|clean|monitor|refresh|status\n"
"       bpf-iptables [-n NETNS] conntrack|log|recent|hashlimit\n\n"
"Commands:\n"
"  -A, --append CHAIN           add the rule at the end\n"
"  -C, --check CHAIN            is there such a rule? (exit status)\n"
"  -D, --delete CHAIN [NUM]     remove the first such rule, or rule NUM\n"
"  -I, --insert CHAIN [NUM]     add the rule as number NUM (1)\n"
"  -R, --replace CHAIN NUM      put the rule in place of rule NUM\n"
"  -L, --list [CHAIN [NUM]]     show rules as a table\n"
"  -S, --list-rules [CHAIN [NUM]]  show rules as commands\n"
"  -F, --flush [CHAIN]          remove all rules\n"
"  -Z, --zero [CHAIN [NUM]]     set counters to zero\n"
"  -N, --new-chain CHAIN        make a user chain\n"
"  -X, --delete-chain [CHAIN]   remove an empty, unused user chain, or all\n"
"  -P, --policy CHAIN TARGET    what a built-in chain does at its end\n"
"  -E, --rename-chain OLD NEW   rename a user chain, jumps follow\n\n"
"Rule:\n"
"  [!] -p, --protocol PROTO     by name or number\n"
"  [!] -s, --source ADDR[/MASK][,...]\n"
"  [!] -d, --destination ADDR[/MASK][,...]\n"
"  [!] -i, --in-interface NAME[+]\n"
"  [!] -o, --out-interface NAME[+]\n"
"  [!] -f, --fragments          second and later fragments\n"
"  -m, --match MATCH            extension, with its own options\n"
"  -j, --jump TARGET            verdict, user chain or extension\n"
"  -g, --goto CHAIN             go there and do not come back\n"
"  -c, --set-counters PKTS BYTES\n\n"
"Options:\n"
"  -t, --table TABLE            filter (others: the native iptables)\n"
"  -v, --verbose   -n, --numeric   -x, --exact   --line-numbers\n"
"  -w, --wait [SECONDS]         wait for the lock\n"
"  -4, --ipv4   -6, --ipv6      IPv4 only; -6 lines of a restore file are skipped\n"
"  --modprobe=COMMAND           accepted, without effect\n"
"  -h, --help                   also: -p PROTO -h, -m MATCH -h, -j TARGET -h\n"
"  [!] -V, --version\n\n"
"IPv6 and ARP pass untouched.\n", stdout);
}
