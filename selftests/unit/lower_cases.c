// SPDX-License-Identifier: GPL-2.0-only
/*
 * lower_cases.c - lowering by hand: sets, classes, the shape of products, refusals
 *
 * What random packets (lower.c) cannot see: that a plain rule stays one product,
 * that an inexact match is refused by name, what the kernel would not load.
 */
#include "lower_rule.h"

#include <linux/netfilter/xt_TCPMSS.h>
#include <linux/netfilter/xt_dscp.h>
#include <linux/netfilter/xt_ecn.h>
#include <linux/netfilter/xt_length.h>
#include <linux/netfilter/xt_limit.h>
#include <linux/netfilter/xt_mac.h>
#include <linux/netfilter/xt_mark.h>
#include <linux/netfilter/xt_sctp.h>
#include <linux/netfilter_ipv4/ipt_REJECT.h>

#define ALL_HOOKS	(ON_HOOK(HOOK_INPUT) | ON_HOOK(HOOK_FORWARD) | ON_HOOK(HOOK_OUTPUT))

static struct lab lab;

static const struct xt_tcp tcp80 = { .spts = { 0, 65535 }, .dpts = { 80, 80 } };
static const struct xt_tcp syn = { .spts = { 0, 65535 }, .dpts = { 0, 65535 },
				   .flg_mask = 0x17, .flg_cmp = 0x02 };
static const struct xt_length_info len100 = { .min = 100, .max = 100 };

/* --- fset.c ----------------------------------------------------------------- */

#define UNIVERSE	64

static __u64 bits_of(const struct fset *s, bool *tidy)
{
	__u64 bits = 0;

	for (size_t i = 0; i < s->n; i++) {
		for (__u32 k = s->r[i].first; k <= s->r[i].last; k++)
			bits |= 1ull << k;
		*tidy &= s->r[i].first <= s->r[i].last &&
			 (!i || s->r[i].first > s->r[i - 1].last + 1);
	}
	return bits;
}

static void test_fset(void)
{
	struct prng r = { 7 };
	bool good = true;

	for (int round = 0; round < 20000; round++) {
		struct fset *s[2], *d;
		__u64 bits[2] = { 0 };

		for (int i = 0; i < 2; i++) {
			s[i] = fset_new();
			for (int n = prng_below(&r, 12); n--; ) {
				__u32 first = prng_below(&r, UNIVERSE);
				__u32 last = prng_below(&r, 4) ? first : prng_below(&r, UNIVERSE);

				fset_add(s[i], first, last);
				for (__u32 k = first; k <= last; k++)
					bits[i] |= 1ull << k;
			}
			good &= bits_of(s[i], &good) == bits[i];
		}
		d = fset_dup(s[0]);
		for (__u32 k = 0; k < UNIVERSE; k++)
			good &= fset_has(d, k) == (bits[0] >> k & 1);
		fset_complement(d, UNIVERSE - 1);
		good &= bits_of(d, &good) == ~bits[0];
		fset_intersect(s[0], s[1]);
		good &= bits_of(s[0], &good) == (bits[0] & bits[1]);
		fset_free(d);
		fset_free(s[0]);
		fset_free(s[1]);
	}
	ok(good, "sets: add, complement, intersect, has, against bit masks");

	struct fset *s = fset_new();

	fset_add(s, ~0u, ~0u);
	fset_add(s, 0, 0);
	fset_complement(s, ~0u);
	good = s->n == 1 && s->r[0].first == 1 && s->r[0].last == ~0u - 1;
	fset_add(s, 0, 0);
	fset_add(s, ~0u, ~0u);
	good &= s->n == 1 && s->r[0].first == 0 && s->r[0].last == ~0u;
	fset_complement(s, ~0u);
	good &= s->n == 0 && !fset_has(s, 0);
	fset_complement(s, ~0u);
	ok(good && s->n == 1, "sets: both ends of 32 bits");
	fset_free(s);
}

/* --- classes ---------------------------------------------------------------- */

static bool name_matches(const char *name, const char *pattern)
{
	size_t len = strlen(pattern);

	if (len && pattern[len - 1] == '+')
		return !strncmp(name, pattern, len - 1);
	return !strcmp(name, pattern);
}

static void test_ifclass(void)
{
	static const char *const pat[] = { "eth0", "eth+", "eth", "e+", "eth0.1", "eth0.+", "lo",
					   "abcdefghijklmno", "abcdefghijklmn+", "br-12" };
	static const char *const name[] = { "", "e", "et", "eth", "eth0", "eth1", "eth0.1",
					    "eth0.2", "lo", "lo0", "abcdefghijklmno",
					    "abcdefghijklmnp", "br-1", "br-123", "new7" };
	const size_t np = sizeof(pat) / sizeof(pat[0]), nn = sizeof(name) / sizeof(name[0]);
	struct ipt_entry e[sizeof(pat) / sizeof(pat[0])];
	struct rule rule[sizeof(pat) / sizeof(pat[0])], *rules[sizeof(pat) / sizeof(pat[0])];
	struct chain c = { .rules = rules, .nr_rules = np }, *chains = &c;
	struct ruleset rs = { .chains = &chains, .nr_chains = 1 };
	struct ifclasses *ifc;
	bool good = true;

	memset(e, 0, sizeof(e));
	for (size_t i = 0; i < np; i++) {
		rules[i] = &rule[i];
		rule[i].entry = &e[i];
		if (i % 2)
			set_iface(e[i].ip.iniface, e[i].ip.iniface_mask, pat[i]);
		else
			set_iface(e[i].ip.outiface, e[i].ip.outiface_mask, pat[i]);
	}
	ifc = ifclasses_build(&rs, NULL, 0);
	for (size_t i = 0; i < np; i++) {
		for (int inv = 0; inv < 2; inv++) {
			const struct ipt_ip *ip = &e[i].ip;
			struct fset *s = ifclass_set(ifc, 0, i % 2 ? ip->iniface : ip->outiface,
						     i % 2 ? ip->iniface_mask : ip->outiface_mask,
						     inv);
			for (size_t j = 0; j < nn; j++)
				good &= fset_has(s, ifclass_of_name(ifc, name[j])) ==
					(name_matches(name[j], pat[i]) != inv);
			good &= fset_has(s, IFACE_CLASS_UNKNOWN) == inv;
			fset_free(s);
		}
	}
	ok(good, "interface classes: every pattern on every name");
	ok(ifclass_of_name(ifc, "new7") == IFACE_CLASS_UNKNOWN &&
	   ifclass_of_name(ifc, "") == IFACE_CLASS_NONE, "interface classes: unknown and none");
	set_iface(e[0].ip.iniface, e[0].ip.iniface_mask, "eth0");
	e[0].ip.iniface_mask[1] = 0;
	ok(!ifclass_set(ifc, 0, e[0].ip.iniface, e[0].ip.iniface_mask, 0),
	   "interface classes: a mask with a hole has none");
	ifclasses_free(ifc);
}

/* --- shapes ----------------------------------------------------------------- */

static struct lowered low;

static int lower_lab(struct lower_err *err)
{
	struct lower_ctx ctx = {
		.ifc = ifclasses_build(&lab.rs, NULL, 0), .mac = macclasses_build(&lab.rs),
	};
	int ret;

	err->msg[0] = '\0';
	ret = rule_check(&lab.rule, ON_HOOK(HOOK_INPUT), err);
	if (!ret)
		ret = rule_lower(&lab.rule, ON_HOOK(HOOK_INPUT), &ctx, &low, err);
	ifclasses_free((void *)ctx.ifc);
	macclasses_free((void *)ctx.mac);
	return ret;
}

static bool is_set(const struct product *p, enum fw_key key, __u32 first, __u32 last)
{
	const struct fset *s = p->set[key];

	return s && s->n == 1 && s->r[0].first == first && s->r[0].last == last;
}

static const __u16 TCP_HOT = HOTDROP(FORM_SHORT) | HOTDROP(FORM_STUB) | HOTDROP(FORM_FRAG1);

static void test_shapes(void)
{
	struct lower_err err;
	struct product *p;
	struct ipt_ip *ip;
	bool good;

	lab_start(&lab);
	lab_verdict(&lab, -NF_DROP - 1);
	good = !lower_lab(&err) && low.nr_prod == 1 && low.act == ACT_DROP;
	for (int k = 0; good && k < NR_KEYS; k++)
		good &= !low.prod[0].set[k];
	ok(good, "-j DROP constrains nothing");
	lowered_free(&low);

	ip = lab_start(&lab);
	ip->proto = 6;
	ip->src.s_addr = htonl(0x0a000000);
	ip->smsk.s_addr = htonl(0xff000000);
	lab_match(&lab, "tcp", 0, &tcp80, sizeof(tcp80));
	lab_verdict(&lab, -NF_ACCEPT - 1);
	good = !lower_lab(&err) && low.nr_prod == 1 && low.act == ACT_ACCEPT;
	p = low.prod;
	ok(good && is_set(p, KEY_SADDR, 0x0a000000, 0x0affffff) && p->hotdrop == TCP_HOT &&
	   !p->late_words && fset_has(p->set[KEY_DPORT], 80) &&
	   fset_has(p->set[KEY_DPORT], PORT_NONE) && !fset_has(p->set[KEY_DPORT], 81) &&
	   !p->set[KEY_SPORT] && p->set[KEY_L4]->n == 4,
	   "-s 10/8 -p tcp --dport 80 is one product");
	lowered_free(&low);

	ip = lab_start(&lab);
	ip->proto = 6;
	lab_match(&lab, "tcp", 0, &tcp80, sizeof(tcp80));
	lab_match(&lab, "length", 0, &len100, sizeof(len100));
	lab_verdict(&lab, -NF_ACCEPT - 1);
	good = !lower_lab(&err) && low.nr_prod == 2;
	p = low.prod;
	ok(good && !p[0].hotdrop && is_set(&p[0], KEY_LENGTH, 100, 100) &&
	   is_set(&p[0], KEY_L4, L4_KEY(FORM_WHOLE, 6), L4_KEY(FORM_WHOLE, 6)) &&
	   p[1].hotdrop == TCP_HOT && !p[1].set[KEY_LENGTH] && p[1].set[KEY_L4]->n == 3,
	   "a length behind --dport leaves a guard behind");
	lowered_free(&low);

	ip = lab_start(&lab);
	ip->proto = 6;
	lab_match(&lab, "length", 0, &len100, sizeof(len100));
	lab_match(&lab, "tcp", 0, &tcp80, sizeof(tcp80));
	lab_match(&lab, "tcp", 0, &syn, sizeof(syn));
	lab_verdict(&lab, -NF_ACCEPT - 1);
	ok(!lower_lab(&err) && low.nr_prod == 1, "before it, or tcp twice, needs none");
	lowered_free(&low);

	ip = lab_start(&lab);
	ip->invflags = IPT_INV_SRCIP;
	lab_verdict(&lab, -NF_ACCEPT - 1);
	ok(!lower_lab(&err) && !low.nr_prod, "! -s 0/0 has no product");
	lowered_free(&low);

	ip = lab_start(&lab);
	ip->src.s_addr = htonl(0x01010101);
	ip->smsk.s_addr = htonl(0x01010101);
	ip->dst.s_addr = htonl(0x0a000005);
	ip->dmsk.s_addr = htonl(0xff00003f);	/* 18 free bits: a late record */
	lab_verdict(&lab, -NF_ACCEPT - 1);
	ok(!lower_lab(&err) && low.nr_prod == 1 && low.prod[0].late_words == 8 &&
	   !low.prod[0].set[KEY_SADDR], "masks with too many ranges become late records");
	lowered_free(&low);

	ip = lab_start(&lab);
	ip->dst.s_addr = htonl(0x0a000001);
	ip->dmsk.s_addr = htonl(0xfffffc3f);	/* 4 free bits above: 16 ranges */
	lab_verdict(&lab, -NF_ACCEPT - 1);
	ok(!lower_lab(&err) && !low.prod[0].late_words && low.prod[0].set[KEY_DADDR]->n == 16,
	   "others are expanded");
	lowered_free(&low);

	lab_start(&lab);
	lab_target(&lab, "MARK", 2, &(struct xt_mark_tginfo2){ 5, 0xff }, 8);
	ok(!lower_lab(&err) && low.act == ACT_MARK && low.arg == 5 && low.arg2 == 0xff &&
	   low.img_flags == IMG_F_MARK, "MARK");
	lowered_free(&low);

	lab_start(&lab);
	lab_target(&lab, "REJECT", 0, &(struct ipt_reject_info){ IPT_ICMP_HOST_PROHIBITED }, 4);
	ok(!lower_lab(&err) && low.act == ACT_REJECT && low.arg == IPT_ICMP_HOST_PROHIBITED,
	   "REJECT");
	lowered_free(&low);

	ip = lab_start(&lab);
	lab_verdict(&lab, XT_RETURN);
	good = !lower_lab(&err) && low.act == ACT_RETURN;
	lowered_free(&low);
	lab.rule.jump = &lab.chain[0];
	good &= !lower_lab(&err) && low.act == ACT_JUMP;
	lowered_free(&low);
	ip->flags = IPT_F_GOTO;
	good &= !lower_lab(&err) && low.act == ACT_GOTO;
	lowered_free(&low);
	lab.rule.jump = NULL;
	lab.rule.no_target = true;
	ok(good && !lower_lab(&err) && low.act == ACT_CONTINUE, "RETURN, -j, -g, no target");
	lowered_free(&low);
}

/* `all ALL' with every bit of the kernel's map: no packet satisfies it. */
static void test_sctp_all(void)
{
	struct xt_sctp_info s = { .flags = XT_SCTP_CHUNK_TYPES,
				  .chunk_match_type = SCTP_CHUNK_MATCH_ALL };
	struct lower_err err;

	SCTP_CHUNKMAP_SET_ALL(s.chunkmap);
	lab_start(&lab)->proto = 132;
	lab_match(&lab, "sctp", 0, &s, sizeof(s));
	lab_verdict(&lab, -NF_ACCEPT - 1);
	/* 1 + 14 words of chunks: any of none */
	ok(!lower_lab(&err) && low.nr_prod == 1 && low.prod[0].late_words == 15 &&
	   low.prod[0].late[1] == LATE_SCTP_ANY && !low.prod[0].late[3],
	   "--chunk-types all ALL never matches");
	lowered_free(&low);
}

/* --- refusals --------------------------------------------------------------- */

static void refused(const char *what, const char *says)
{
	struct lower_err err;
	int ret = lower_lab(&err);

	if (!ok(ret == -EOPNOTSUPP && strstr(err.msg, says) && !low.prod, what))
		printf("# %d %s\n", ret, err.msg);
}

static void test_refused(void)
{
	char info[64] = { 0 };

	lab_start(&lab);
	lab_match(&lab, "foo", 0, info, 8);
	lab_verdict(&lab, -NF_ACCEPT - 1);
	refused("an unknown match", "match `foo' cannot be enforced by this hook");
	lab_start(&lab);
	lab_match(&lab, "mark", 9, info, 16);
	lab_verdict(&lab, -NF_ACCEPT - 1);
	refused("an unknown revision", "match `mark'");
	lab_start(&lab);
	lab_target(&lab, "NFQUEUE", 3, info, 8);
	refused("NFQUEUE", "target `NFQUEUE' cannot be enforced by this hook");
	lab_start(&lab);
	lab_verdict(&lab, -NF_QUEUE - 1);
	refused("QUEUE", "target `QUEUE'");
}

static void check(const char *what, unsigned int hooks, int want)
{
	struct lower_err err = { "" };
	int ret = rule_check(&lab.rule, hooks, &err);

	if (!ok(ret == want && !err.msg[0] == !want, what))
		printf("# %d %s\n", ret, err.msg);
}

/* A rule with one match and protocol, checked as reached from @hooks. */
static void check_match(const char *what, int proto, const char *name, int rev,
			const void *info, size_t size, unsigned int hooks, int want)
{
	struct ipt_ip *ip = lab_start(&lab);

	ip->proto = proto & 0xff;
	ip->invflags = proto & 0x100 ? IPT_INV_PROTO : 0;
	lab_match(&lab, name, rev, info, size);
	lab_verdict(&lab, -NF_ACCEPT - 1);
	check(what, hooks, want);
}

static void check_target(const char *what, int proto, const char *name, int rev,
			 const void *info, size_t size, unsigned int hooks, int want)
{
	lab_start(&lab)->proto = proto;
	lab_target(&lab, name, rev, info, size);
	check(what, hooks, want);
}

#define NOT		0x100
#define INPUT		ON_HOOK(HOOK_INPUT)
#define FORWARD		ON_HOOK(HOOK_FORWARD)
#define OUTPUT		ON_HOOK(HOOK_OUTPUT)

static void test_checks(void)
{
	struct xt_multiport_v1 mp = { .flags = 1, .count = 2, .ports = { 5, 9 },
				      .pflags = { 1, 0 } };
	struct xt_ecn_info cwr = { .operation = XT_ECN_OP_MATCH_CWR };
	struct xt_rateinfo slow = { .avg = 10000 * 60 * 60, .burst = 5 };
	struct xt_rateinfo over = { .avg = 10000 * 60 * 60, .burst = 120 };
	struct xt_rateinfo none = { .avg = 10000 };
	struct xt_tcpmss_info clamp = { .mss = XT_TCPMSS_CLAMP_PMTU };
	struct xt_dscp_info dscp = { .dscp = 64 };
	struct xt_mac_info mac = { .invert = 0 };
	struct ipt_reject_info reset = { IPT_TCP_RESET }, echo = { IPT_ICMP_ECHOREPLY };
	char info[128] = { 0 };

	check_match("-p tcp -m tcp", 6, "tcp", 0, &tcp80, 12, INPUT, 0);
	check_match("-m tcp without -p", 0, "tcp", 0, &tcp80, 12, 0, -EINVAL);
	check_match("! -p tcp -m tcp", 6 | NOT, "tcp", 0, &tcp80, 12, INPUT, -EINVAL);
	check_match("-p udp -m tcp", 17, "tcp", 0, &tcp80, 12, INPUT, -EINVAL);
	check_match("wrong size", 6, "tcp", 0, &tcp80, 4, INPUT, -EINVAL);
	check_match("multiport", 17, "multiport", 1, &mp, sizeof(mp), INPUT, 0);
	check_match("multiport -p icmp", 1, "multiport", 1, &mp, sizeof(mp), INPUT, -EINVAL);
	check_match("multiport ! -p tcp", 6 | NOT, "multiport", 1, &mp, sizeof(mp), INPUT, -EINVAL);
	mp.ports[0] = 10;
	check_match("multiport 10:9", 6, "multiport", 1, &mp, sizeof(mp), INPUT, -EINVAL);
	check_match("esp without -p esp", 0, "esp", 0, info, 12, INPUT, -EINVAL);
	check_match("ah -p ah", 51, "ah", 0, info, 12, INPUT, 0);
	check_match("ecn-tcp -p tcp", 6, "ecn", 0, &cwr, sizeof(cwr), INPUT, 0);
	check_match("ecn-tcp -p udp", 17, "ecn", 0, &cwr, sizeof(cwr), INPUT, -EINVAL);
	check_match("dscp 64", 0, "dscp", 0, &dscp, sizeof(dscp), INPUT, -EDOM);
	check_match("mac in INPUT, FORWARD", 0, "mac", 0, &mac, sizeof(mac), INPUT | FORWARD, 0);
	check_match("mac in OUTPUT", 0, "mac", 0, &mac, sizeof(mac), ALL_HOOKS, -EINVAL);
	check_match("mac in no hook", 0, "mac", 0, &mac, sizeof(mac), 0, 0);
	check_match("owner in OUTPUT", 0, "owner", 1, info, 24, OUTPUT, 0);
	check_match("owner in INPUT", 0, "owner", 1, info, 24, INPUT, -EINVAL);
	check_match("rpfilter", 0, "rpfilter", 0, info, 1, INPUT, -EINVAL);
	check_match("limit 1/hour burst 5", 0, "limit", 0, &slow, sizeof(slow), INPUT, 0);
	check_match("limit 1/hour burst 120", 0, "limit", 0, &over, sizeof(over), INPUT, -ERANGE);
	check_match("limit burst 0", 0, "limit", 0, &none, sizeof(none), INPUT, -ERANGE);
	check_target("tcp-reset -p tcp", 6, "REJECT", 0, &reset, sizeof(reset), ALL_HOOKS, 0);
	check_target("tcp-reset -p udp", 17, "REJECT", 0, &reset, sizeof(reset), INPUT, -EINVAL);
	check_target("REJECT echo-reply", 0, "REJECT", 0, &echo, sizeof(echo), INPUT, -EINVAL);
	check_target("DNAT", 0, "DNAT", 2, info, 40, INPUT, -EINVAL);
	check_target("CT", 0, "CT", 2, info, 64, OUTPUT, -EINVAL);
	check_target("TTL", 0, "TTL", 0, info, 2, FORWARD, -EINVAL);
	check_target("TCPMSS without --syn", 6, "TCPMSS", 0, &clamp, sizeof(clamp), FORWARD,
		     -EINVAL);
	lab_start(&lab)->proto = 6;
	lab_match(&lab, "tcp", 0, &syn, sizeof(syn));
	lab_target(&lab, "TCPMSS", 0, &clamp, sizeof(clamp));
	check("TCPMSS --syn in FORWARD", FORWARD, 0);
	check("TCPMSS --clamp-mss-to-pmtu in INPUT", INPUT, -EINVAL);
}

int main(void)
{
	test_fset();
	test_ifclass();
	test_shapes();
	test_sctp_all();
	test_refused();
	test_checks();
	printf("1..%d\n", tap_nr);
	return tap_bad ? 1 : 0;
}
