// SPDX-License-Identifier: GPL-2.0-only
/*
 * ifcache.c - user/ifcache.c: what it says of the interfaces is what a dump says
 *
 * After each of a row of changes it is asked twice: the first answer must be a dump's; so
 * must the second, which comes from the image map (a mark put there comes with it).
 */
#include <sched.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "../../user/instance_int.h"

#define KSFT_SKIP	4
#define MARK		0x6d61726bu

static int test_nr, bad;

static void ok(bool good, const char *text)
{
	printf("%sok %d - %s\n", good ? "" : "not ", ++test_nr, text);
	bad += !good;
}

static void skip(const char *text)
{
	printf("ok %d - %s # SKIP no such device in this kernel\n", ++test_nr, text);
}

/* Is what @in knows what a dump says, and from where? */
static bool known(const struct instance *in, bool *cached)
{
	struct iface *ifs = NULL, *dump = NULL;
	struct img_map *map = in->gen.map;
	size_t n = 0, nr = 0;
	struct iface first;
	bool same;

	/* the marked field is a dump's again, or it is the mark that comes back */
	memcpy(&first, map->ifaces, sizeof(first));
	first.dev_flags = MARK;
	memcpy(map->ifaces, &first, sizeof(first));
	if (ifaces_known(in, &ifs, &n) || ifaces_list(&dump, &nr))
		return false;
	*cached = n && ifs[0].dev_flags == MARK;
	same = n == nr;
	for (size_t i = 0; same && i < n; i++)
		same = ifs[i].ifindex == dump[i].ifindex && ifs[i].flags == dump[i].flags &&
		       ifs[i].type == dump[i].type && ifs[i].master == dump[i].master &&
		       !memcmp(ifs[i].mac, dump[i].mac, sizeof(ifs[i].mac)) &&
		       !strcmp(ifs[i].name, dump[i].name);
	free(ifs);
	free(dump);
	return same;
}

static const struct change {
	const char *what;
	const char *command;
	bool may_miss;		/* a kernel may be without such devices */
} changes[] = {
	{ "a new pair", "ip link add a0 type veth peer name b0", false },
	{ "an address of Ethernet", "ip link set a0 address 02:00:00:00:00:07", false },
	{ "up", "ip link set a0 up", false },
	{ "down, and another name", "ip link set a0 down && ip link set a0 name c0", false },
	{ "a tun device", "ip tuntap add mode tun name t0", true },
	{ "a bridge", "ip link add br0 type bridge", true },
	{ "a port of it", "ip link set c0 master br0", true },
	{ "no more", "ip link set c0 nomaster", true },
	{ "a VRF", "ip link add v0 type vrf table 9", true },
	{ "a slave of it", "ip link set c0 master v0", true },
	{ "gone", "ip link del b0", false },
	{ "again, in its place", "ip link add c0 index 77 type veth peer name b0", false },
	{ "names exchanged", "ip link set c0 name x && ip link set b0 name c0 && ip link set x name b0", false },
	{ "another of the same number", "ip link del b0 && ip link add d0 index 77 type veth peer name e0", false },
	{ "more than there is room for",
	  "for i in $(seq 60); do ip link add m$i type veth peer name n$i || exit 1; done", false },
	{ "and few again, one of them up",
	  "for i in $(seq 60); do ip link del m$i; done; ip link set d0 up", false },
};

static void try(const struct instance *in, const struct change *c)
{
	bool first, second, once, twice, full;
	char text[160], line[300];

	snprintf(line, sizeof(line), "{ %s; } >/dev/null 2>&1", c->command);
	if (system(line)) {
		if (c->may_miss)
			skip(c->what);
		else
			ok(false, c->what);
		return;
	}
	once = known(in, &first);
	twice = known(in, &second);
	full = strstr(c->what, "more than");
	snprintf(text, sizeof(text), "%s: as dumped, then %s", c->what,
		 full ? "dumped again" : "the same from the image map");
	ok(once && twice && !first && second == !full, text);
}

int main(void)
{
	struct instance *in = NULL;
	bool cached;

	if (geteuid() || unshare(CLONE_NEWNET)) {
		printf("1..0 # SKIP needs root\n");
		return KSFT_SKIP;
	}
	if (instance_init(MODE_NETFILTER, 0, 0, false) && instance_init(MODE_TC, 0, 0, false)) {
		printf("Bail out! no instance\n");
		return 1;
	}
	if (instance_open(&in, false) || !in) {
		printf("Bail out! no instance\n");
		instance_remove();
		return 1;
	}
	ok(known(in, &cached) && cached, "nothing changed since init: from the image map");
	for (size_t i = 0; i < sizeof(changes) / sizeof(*changes); i++)
		try(in, &changes[i]);
	instance_close(in);
	instance_remove();
	printf("1..%d\n", test_nr);
	return bad != 0;
}
