// SPDX-License-Identifier: GPL-2.0-only
/*
 * names.c - names that stand for numbers: verdicts, protocols, ports
 *
 * Ports. libxtables has getaddrinfo() find out what port `--dport 80' is, which for the
 * answer 80 asks the kernel for every address of the host, reads /etc/gai.conf and opens
 * a socket: 12 system calls a port, half the time of parsing a rule. So the getaddrinfo()
 * that it is bound to is the one here, which answers that one question itself and
 * leaves all others to libc's.
 */
#include <ctype.h>
#include <dlfcn.h>
#include <netdb.h>
#include <netinet/in.h>
#include <stdlib.h>
#include <string.h>

#include "names.h"
#include "xt.h"

/* The targets that every chain may use, as struct xt_standard_target has them. */
static const struct verdict {
	const char *name;
	int verdict;
} verdicts[] = {
	{ "ACCEPT", -NF_ACCEPT - 1 },
	{ "DROP",   -NF_DROP - 1 },
	{ "QUEUE",  -NF_QUEUE - 1 },
	{ "RETURN", XT_RETURN },
};

#define NR_VERDICTS	(sizeof(verdicts) / sizeof(verdicts[0]))

/** verdict_by_name() - the verdict that is called @name, NULL: none is */
const int *verdict_by_name(const char *name)
{
	for (size_t i = 0; i < NR_VERDICTS; i++)
		if (!strcmp(verdicts[i].name, name))
			return &verdicts[i].verdict;
	return NULL;
}

/** verdict_name() - what a verdict is called, NULL: it is none */
const char *verdict_name(int verdict)
{
	for (size_t i = 0; i < NR_VERDICTS; i++)
		if (verdicts[i].verdict == verdict)
			return verdicts[i].name;
	return NULL;
}

/**
 * name_of_proto() - name of an IP protocol
 * @proto:	0..255
 * @builtin_only: do not ask /etc/protocols, which is read once per protocol
 *
 * Return: libxtables' own name, else that of /etc/protocols, else NULL.
 */
const char *name_of_proto(unsigned int proto, bool builtin_only)
{
	static const char *known[256];
	static bool asked[256];
	const struct protoent *pe;

	for (const struct xtables_pprot *p = xtables_chain_protos; p->name; p++)
		if (p->num == proto)
			return p->name;
	if (!proto || builtin_only)
		return NULL;
	if (!asked[proto]) {
		asked[proto] = true;
		pe = getprotobynumber(proto);
		if (pe)
			known[proto] = xtables_strdup(pe->p_name);
	}
	return known[proto];
}

/* @text as a port, if it is nothing but the digits of one; else -1. */
static int port_number(const char *text)
{
	int n = 0;

	if (!*text)
		return -1;
	for (; *text; text++) {
		if (!isdigit((unsigned char)*text))
			return -1;
		n = 10 * n + *text - '0';
		if (n > 0xffff)
			return -1;
	}
	return n;
}

/* The answer for a port: read at once, and given back to freeaddrinfo(). */
static struct sockaddr_in port_addr = { .sin_family = AF_INET };
static struct addrinfo port_info = {
	.ai_family = AF_INET,
	.ai_addrlen = sizeof(port_addr),
	.ai_addr = (struct sockaddr *)&port_addr,
};

/* getaddrinfo() - libc's, but for the number of a port and nothing else */
int getaddrinfo(const char *node, const char *service, const struct addrinfo *hints,
		struct addrinfo **info)
{
	int port = !node && !hints && service ? port_number(service) : -1;
	int (*libc)(const char *node, const char *service, const struct addrinfo *hints,
		    struct addrinfo **info);

	if (port >= 0) {
		port_addr.sin_port = htons(port);
		*info = &port_info;
		return 0;
	}
	libc = dlsym(RTLD_NEXT, "getaddrinfo");
	return libc ? libc(node, service, hints, info) : EAI_SYSTEM;
}

/* freeaddrinfo() - the other half of it */
void freeaddrinfo(struct addrinfo *info)
{
	void (*libc)(struct addrinfo *info);

	if (info == &port_info)
		return;
	libc = dlsym(RTLD_NEXT, "freeaddrinfo");
	if (libc)
		libc(info);
}
