// SPDX-License-Identifier: GPL-2.0-only
/*
 * lower_l4.c - matches on the transport header
 *
 * All of them fail on later fragments, inverted or not, and hotdrop a header that is
 * too short for what they read: low_forms() first, then the fields. What each
 * reads, and in which order, is from the kernel's xt_tcpudp.c, xt_multiport.c,
 * xt_sctp.c, xt_dccp.c, xt_esp.c, xt_ipcomp.c, ipt_ah.c and xt_ecn.c.
 */
#include <errno.h>
#include <string.h>
#include <netinet/in.h>
#include <linux/netfilter/xt_dccp.h>
#include <linux/netfilter/xt_ecn.h>
#include <linux/netfilter/xt_esp.h>
#include <linux/netfilter/xt_ipcomp.h>
#include <linux/netfilter/xt_multiport.h>
#include <linux/netfilter/xt_sctp.h>
#include <linux/netfilter/xt_tcpudp.h>
#include <linux/netfilter_ipv4/ipt_ah.h>

#include "lower_int.h"

#define WHOLE	FORM_BIT(FORM_WHOLE)
#define SHORT	FORM_BIT(FORM_SHORT)
#define STUB	FORM_BIT(FORM_STUB)

static int low_ports(struct lowering *l, enum fw_key key, const __u16 *range, bool inv)
{
	return low_range(l, key, range[0], range[1], inv);
}

static int lower_tcp(struct lowering *l, const void *data)
{
	const struct xt_tcp *tcp = data;
	struct late_tcpopt opt = { .kind = tcp->option };
	int err;

	/* A fragment at offset 1 could overwrite the flags: hotdrop too. */
	err = low_forms(l, WHOLE, SHORT | STUB | FORM_BIT(FORM_FRAG1));
	if (!err)
		err = low_ports(l, KEY_SPORT, tcp->spts, tcp->invflags & XT_TCP_INV_SRCPT);
	if (!err)
		err = low_ports(l, KEY_DPORT, tcp->dpts, tcp->invflags & XT_TCP_INV_DSTPT);
	if (!err)
		err = low_mask(l, KEY_TCPFLAGS, tcp->flg_cmp, tcp->flg_mask,
			       tcp->invflags & XT_TCP_INV_FLAGS);
	if (err || !tcp->option)
		return err;
	return low_late(l, LATE_TCPOPT | (tcp->invflags & XT_TCP_INV_OPTION ? LATE_NOT : 0),
			&opt, sizeof(opt) / 4, LOW_EFFECT);
}

static int check_tcp(const struct check *c, const void *data)
{
	const struct xt_tcp *tcp = data;

	return tcp->invflags & ~XT_TCP_INV_MASK ? check_fail(c, -EINVAL, "unknown flags") : 0;
}

/* udp and udplite */
static int lower_udp(struct lowering *l, const void *data)
{
	const struct xt_udp *udp = data;
	int err;

	err = low_forms(l, WHOLE, SHORT | STUB);
	if (!err)
		err = low_ports(l, KEY_SPORT, udp->spts, udp->invflags & XT_UDP_INV_SRCPT);
	if (!err)
		err = low_ports(l, KEY_DPORT, udp->dpts, udp->invflags & XT_UDP_INV_DSTPT);
	return err;
}

static int check_udp(const struct check *c, const void *data)
{
	const struct xt_udp *udp = data;

	return udp->invflags & ~XT_UDP_INV_MASK ? check_fail(c, -EINVAL, "unknown flags") : 0;
}

static int lower_icmp(struct lowering *l, const void *data)
{
	const struct ipt_icmp *icmp = data;
	bool inv = icmp->invflags & IPT_ICMP_INV;
	int err;

	err = low_forms(l, WHOLE, SHORT | STUB);
	if (err)
		return err;
	if (icmp->type == 0xff)		/* "any" */
		return low_range(l, KEY_ICMP, 0, ICMP_NONE - 1, inv);
	return low_range(l, KEY_ICMP, icmp->type << 8 | icmp->code[0],
			 icmp->type << 8 | icmp->code[1], inv);
}

static int check_icmp(const struct check *c, const void *data)
{
	const struct ipt_icmp *icmp = data;

	return icmp->invflags & ~IPT_ICMP_INV ? check_fail(c, -EINVAL, "unknown flags") : 0;
}

/* The ports of a multiport, as ranges and as the record for headers of 4 bytes. */
static int multiport_ports(const struct xt_multiport_v1 *mp, struct fset *set, __u32 *range)
{
	int n = 0;

	for (unsigned int i = 0; i < mp->count && i < XT_MULTI_PORTS; i++) {
		__u32 first = mp->ports[i], last = first;

		if (mp->pflags[i] && i + 1 < XT_MULTI_PORTS)
			last = mp->ports[++i];
		if (fset_add(set, first, last))
			return -ENOMEM;
		range[n++] = first << 16 | last;
	}
	return n;
}

/*
 * `--ports S': source in S (with the malformed forms, whose ports are in the record),
 * or else destination in S.
 */
static int multiport_either(struct lowering *l, const struct fset *in, const struct fset *out)
{
	size_t n = l->out->nr_prod;

	for (size_t i = 0; i < n; i++) {
		int copy, err;

		if (l->p[i].guard || l->p[i].dead)
			continue;
		copy = low_copy(l, i);
		if (copy < 0)
			return copy;
		l->p[copy].forms &= WHOLE;
		l->p[copy].doomed = 0;
		l->out->prod[copy].hotdrop = 0;
		err = low_set_one(l, copy, KEY_SPORT, out);
		if (!err && !l->p[copy].dead)
			err = low_set_one(l, copy, KEY_DPORT, in);
		if (!err)
			err = low_set_one(l, i, KEY_SPORT, in);
		if (err)
			return err;
		l->p[copy].dead |= !l->p[copy].forms;
	}
	return 0;
}

static int lower_multiport(struct lowering *l, const void *data)
{
	const struct xt_multiport_v1 *mp = data;
	__u32 rec[sizeof(struct late_multiport) / 4 + LATE_PORTS_MAX];
	struct late_multiport *late = (void *)rec;
	struct fset *in = fset_new(), *out = NULL;
	unsigned int read = l->effect ? WHOLE | SHORT : SHORT;
	int err, n;

	err = in ? low_forms(l, WHOLE | SHORT, STUB) : -ENOMEM;
	if (err)
		goto out;
	n = multiport_ports(mp, in, late->range);
	out = n < 0 ? NULL : fset_dup(in);
	err = -ENOMEM;
	if (!out || fset_complement(out, PORT_NONE - 1) ||
	    fset_add(in, PORT_NONE, PORT_NONE) || fset_add(out, PORT_NONE, PORT_NONE))
		goto out;

	late->n = n;
	late->dir = mp->flags == XT_MULTIPORT_SOURCE ? LATE_PORTS_SRC :
		    mp->flags == XT_MULTIPORT_DESTINATION ? LATE_PORTS_DST :
		    LATE_PORTS_SRC | LATE_PORTS_DST;
	if (mp->invert)
		late->dir |= LATE_PORTS_NOT;
	err = 0;
	low_for_each(l, i) {
		late->forms = read & l->p[i].forms & ~l->p[i].doomed;
		if (late->forms)
			err = low_late_one(l, i, LATE_MULTIPORT, rec,
					   sizeof(*late) / 4 + late->n);
		if (err)
			goto out;
	}
	if (l->effect)
		goto out;
	if (mp->flags == XT_MULTIPORT_EITHER && !mp->invert) {
		err = multiport_either(l, in, out);
		goto out;
	}
	if (mp->flags != XT_MULTIPORT_DESTINATION)
		err = low_set(l, KEY_SPORT, fset_dup(mp->invert ? out : in));
	if (!err && mp->flags != XT_MULTIPORT_SOURCE)
		err = low_set(l, KEY_DPORT, fset_dup(mp->invert ? out : in));
out:
	fset_free(in);
	fset_free(out);
	return err;
}

static int check_multiport(const struct check *c, const void *data)
{
	const struct xt_multiport_v1 *mp = data;

	switch (c->ip->proto) {
	case IPPROTO_TCP:
	case IPPROTO_UDP:
	case IPPROTO_UDPLITE:
	case IPPROTO_SCTP:
	case IPPROTO_DCCP:
		break;
	default:
		return check_fail(c, -EINVAL, "needs a protocol with ports");
	}
	if (c->ip->invflags & IPT_INV_PROTO)
		return check_fail(c, -EINVAL, "needs a protocol that is not inverted");
	if (mp->flags > XT_MULTIPORT_EITHER || mp->count > XT_MULTI_PORTS)
		return check_fail(c, -EINVAL, "unknown flags or bad count");
	for (unsigned int i = 0; i < mp->count; i++) {
		if (!mp->pflags[i])
			continue;
		if (++i >= mp->count || mp->pflags[i] || mp->ports[i - 1] > mp->ports[i])
			return check_fail(c, -EINVAL, "bad range");
	}
	return 0;
}

static int lower_sctp(struct lowering *l, const void *data)
{
	const struct xt_sctp_info *sctp = data;
	struct late_sctp late = { .type = sctp->chunk_match_type };
	bool not = sctp->invflags & XT_SCTP_CHUNK_TYPES;
	bool never = sctp->chunk_match_type == SCTP_CHUNK_MATCH_ALL && sctp->chunkmap[8];
	int err;

	err = low_forms(l, WHOLE, SHORT | STUB);
	if (!err && sctp->flags & XT_SCTP_SRC_PORTS)
		err = low_ports(l, KEY_SPORT, sctp->spts, sctp->invflags & XT_SCTP_SRC_PORTS);
	if (!err && sctp->flags & XT_SCTP_DEST_PORTS)
		err = low_ports(l, KEY_DPORT, sctp->dpts, sctp->invflags & XT_SCTP_DEST_PORTS);
	if (err || !(sctp->flags & XT_SCTP_CHUNK_TYPES))
		return err;
	late.nr_flags = sctp->flag_count;
	memcpy(late.map, sctp->chunkmap, sizeof(late.map));
	for (int i = 0; i < sctp->flag_count && i < LATE_SCTP_FLAGS; i++) {
		late.flag[i].type = sctp->flag_info[i].chunktype;
		late.flag[i].value = sctp->flag_info[i].flag;
		late.flag[i].mask = sctp->flag_info[i].flag_mask;
	}
	/*
	 * The kernel's map has 64 words, of which types use 8. `all ALL' sets every one,
	 * and then no packet can clear the rest: as `any' of none, which reads all chunks, too.
	 */
	if (never) {
		late.type = LATE_SCTP_ANY;
		memset(late.map, 0, sizeof(late.map));
	}
	return low_late(l, LATE_SCTP_CHUNKS | (not ? LATE_NOT : 0), &late, sizeof(late) / 4,
			LOW_EFFECT);
}

static int check_sctp(const struct check *c, const void *data)
{
	const struct xt_sctp_info *sctp = data;

	if (sctp->flag_count < 0 || sctp->flag_count > XT_NUM_SCTP_FLAGS)
		return check_fail(c, -EINVAL, "bad count of chunk flags");
	if ((sctp->flags | sctp->invflags) & ~XT_SCTP_VALID_FLAGS ||
	    sctp->invflags & ~sctp->flags)
		return check_fail(c, -EINVAL, "unknown flags");
	if (sctp->flags & XT_SCTP_CHUNK_TYPES &&
	    !(sctp->chunk_match_type & (SCTP_CHUNK_MATCH_ALL | SCTP_CHUNK_MATCH_ANY |
					SCTP_CHUNK_MATCH_ONLY)))
		return check_fail(c, -EINVAL, "unknown chunk match");
	return 0;
}

static int lower_dccp(struct lowering *l, const void *data)
{
	const struct xt_dccp_info *dccp = data;
	struct late_dccp late = { .types = 0xffff, .option = LATE_DCCP_NONE };
	bool option = dccp->flags & XT_DCCP_OPTION;
	bool not = dccp->invflags & XT_DCCP_OPTION;
	int err;

	err = low_forms(l, WHOLE, SHORT | STUB);
	if (!err && dccp->flags & XT_DCCP_SRC_PORTS)
		err = low_ports(l, KEY_SPORT, dccp->spts, dccp->invflags & XT_DCCP_SRC_PORTS);
	if (!err && dccp->flags & XT_DCCP_DEST_PORTS)
		err = low_ports(l, KEY_DPORT, dccp->dpts, dccp->invflags & XT_DCCP_DEST_PORTS);
	if (err || !(dccp->flags & (XT_DCCP_TYPE | XT_DCCP_OPTION)))
		return err;
	if (dccp->flags & XT_DCCP_TYPE)
		late.types = dccp->typemask;
	if (dccp->invflags & XT_DCCP_TYPE)
		late.types ^= 0xffff;
	if (option)
		late.option = dccp->option;
	return low_late(l, LATE_DCCP | (not ? LATE_NOT : 0), &late, sizeof(late) / 4, option);
}

static int check_dccp(const struct check *c, const void *data)
{
	const struct xt_dccp_info *dccp = data;

	if ((dccp->flags | dccp->invflags) & ~XT_DCCP_VALID_FLAGS ||
	    dccp->invflags & ~dccp->flags)
		return check_fail(c, -EINVAL, "unknown flags");
	return 0;
}

/* The SPI has no "none" key: low_range() splits the malformed forms off. */
static int lower_spi(struct lowering *l, const __u32 *spis, bool inv)
{
	int err = low_forms(l, WHOLE, SHORT | STUB);

	return err ? err : low_range(l, KEY_SPI, spis[0], spis[1], inv);
}

static int lower_esp(struct lowering *l, const void *data)
{
	const struct xt_esp *esp = data;

	return lower_spi(l, esp->spis, esp->invflags & XT_ESP_INV_SPI);
}

static int check_esp(const struct check *c, const void *data)
{
	const struct xt_esp *esp = data;

	return esp->invflags & ~XT_ESP_INV_MASK ? check_fail(c, -EINVAL, "unknown flags") : 0;
}

static int lower_ipcomp(struct lowering *l, const void *data)
{
	const struct xt_ipcomp *comp = data;
	struct late_ipcomp late = { .first = comp->spis[0], .last = comp->spis[1] };
	bool not = comp->invflags & XT_IPCOMP_INV_SPI;
	int err = low_forms(l, WHOLE, 0);

	if (!err && late.first > late.last) {	/* no CPI, or any */
		late = (struct late_ipcomp){ 0, ~0u };
		not = !not;
	}
	return err ? err : low_late(l, LATE_IPCOMP | (not ? LATE_NOT : 0), &late, sizeof(late) / 4,
				    LOW_EFFECT);
}

static int check_ipcomp(const struct check *c, const void *data)
{
	const struct xt_ipcomp *comp = data;

	return comp->invflags & ~XT_IPCOMP_INV_MASK ? check_fail(c, -EINVAL, "unknown flags") : 0;
}

static int lower_ah(struct lowering *l, const void *data)
{
	const struct ipt_ah *ah = data;

	return lower_spi(l, ah->spis, ah->invflags & IPT_AH_INV_SPI);
}

static int check_ah(const struct check *c, const void *data)
{
	const struct ipt_ah *ah = data;

	return ah->invflags & ~IPT_AH_INV_MASK ? check_fail(c, -EINVAL, "unknown flags") : 0;
}

/*
 * ecn: the TOS bits, and CWR and ECE of whatever stands where a TCP header would:
 * xt_ecn does not look at the fragment offset. It never hotdrops.
 */
static int lower_ecn(struct lowering *l, const void *data)
{
	const struct xt_ecn_info *ecn = data;
	struct late_tcp_ecn late = { 0 };
	bool fragments = false;
	int err = 0;

	if (ecn->operation & XT_ECN_OP_MATCH_IP)
		err = low_mask(l, KEY_TOS, ecn->ip_ect, 0xff & XT_ECN_IP_MASK,
			       ecn->invert & XT_ECN_OP_MATCH_IP);
	if (err || !(ecn->operation & (XT_ECN_OP_MATCH_ECE | XT_ECN_OP_MATCH_CWR)))
		return err;
	if (ecn->operation & XT_ECN_OP_MATCH_ECE) {
		late.mask |= 0x40;
		late.value |= ecn->invert & XT_ECN_OP_MATCH_ECE ? 0 : 0x40;
	}
	if (ecn->operation & XT_ECN_OP_MATCH_CWR) {
		late.mask |= 0x80;
		late.value |= ecn->invert & XT_ECN_OP_MATCH_CWR ? 0 : 0x80;
	}
	err = low_forms(l, FORMS_ALL & ~(SHORT | STUB), 0);
	if (err)
		return err;
	low_for_each(l, i)
		fragments |= l->p[i].forms & ~l->p[i].doomed & ~WHOLE;
	if (!fragments)
		return low_mask(l, KEY_TCPFLAGS, late.value, late.mask, false);
	return low_late(l, LATE_TCP_ECN, &late, sizeof(late) / 4, LOW_PURE);
}

static int check_ecn(const struct check *c, const void *data)
{
	const struct xt_ecn_info *ecn = data;

	if ((ecn->operation | ecn->invert) & XT_ECN_OP_MATCH_MASK)
		return check_fail(c, -EINVAL, "unknown operation");
	if (ecn->operation & (XT_ECN_OP_MATCH_ECE | XT_ECN_OP_MATCH_CWR) &&
	    (c->ip->proto != IPPROTO_TCP || c->ip->invflags & IPT_INV_PROTO))
		return check_fail(c, -EINVAL, "cannot match TCP bits of other protocols");
	return 0;
}

const struct match_op l4_matches[] = {
	{ "tcp", .proto = IPPROTO_TCP, .size = sizeof(struct xt_tcp),
	  .check = check_tcp, .lower = lower_tcp },
	{ "udp", .proto = IPPROTO_UDP, .size = sizeof(struct xt_udp),
	  .check = check_udp, .lower = lower_udp },
	{ "udplite", .proto = IPPROTO_UDPLITE, .size = sizeof(struct xt_udp),
	  .check = check_udp, .lower = lower_udp },
	{ "icmp", .proto = IPPROTO_ICMP, .size = sizeof(struct ipt_icmp),
	  .check = check_icmp, .lower = lower_icmp },
	{ "multiport", 1, 1, .size = sizeof(struct xt_multiport_v1),
	  .check = check_multiport, .lower = lower_multiport },
	{ "sctp", .proto = IPPROTO_SCTP, .size = sizeof(struct xt_sctp_info),
	  .check = check_sctp, .lower = lower_sctp },
	{ "dccp", .proto = IPPROTO_DCCP, .size = sizeof(struct xt_dccp_info),
	  .check = check_dccp, .lower = lower_dccp },
	{ "esp", .proto = IPPROTO_ESP, .size = sizeof(struct xt_esp),
	  .check = check_esp, .lower = lower_esp },
	{ "ipcomp", .proto = IPPROTO_COMP, .size = sizeof(struct xt_ipcomp),
	  .check = check_ipcomp, .lower = lower_ipcomp },
	{ "ah", .proto = IPPROTO_AH, .size = sizeof(struct ipt_ah),
	  .check = check_ah, .lower = lower_ah },
	{ "ecn", .size = sizeof(struct xt_ecn_info),
	  .check = check_ecn, .lower = lower_ecn },
	{ .name = NULL },
};
