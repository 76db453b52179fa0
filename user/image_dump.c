// SPDX-License-Identifier: GPL-2.0-only
/*
 * image_dump.c - an image as text, for people and for diff
 *
 *	hook FORWARD [0, 3) policy DROP slot 1
 *	vector 0: L4 3 x DPORT 4 -> 12 entries
 *	  DPORT range 0:0 22:1 23:0 80:2 81:0
 *	3 JUMP [3, 5) slot 12 late 7(0x2 0x50 0x50) end 3
 *
 * Nothing in it depends on where tables lie, so two images that say the same in
 * different layouts print the same but for the size.
 */

#include "../progs/abi/late_ct.h"
#include "image.h"

static const char *const hook_name[NR_HOOKS] = {
	[HOOK_INPUT] = "INPUT", [HOOK_FORWARD] = "FORWARD", [HOOK_OUTPUT] = "OUTPUT",
};

static const char *const key_name[NR_KEYS] = {
	[KEY_SADDR] = "SADDR", [KEY_DADDR] = "DADDR", [KEY_L4] = "L4",
	[KEY_SPORT] = "SPORT", [KEY_DPORT] = "DPORT", [KEY_TCPFLAGS] = "TCPFLAGS",
	[KEY_ICMP] = "ICMP", [KEY_IIF] = "IIF", [KEY_OIF] = "OIF",
	[KEY_CTSTATE] = "CTSTATE", [KEY_LENGTH] = "LENGTH", [KEY_TTL] = "TTL",
	[KEY_TOS] = "TOS", [KEY_MARK] = "MARK", [KEY_PKTTYPE] = "PKTTYPE",
	[KEY_SPI] = "SPI", [KEY_MAC] = "MAC",
};

static const char *const act_name[NR_ACTS] = {
	[ACT_ACCEPT] = "ACCEPT", [ACT_DROP] = "DROP", [ACT_RETURN] = "RETURN",
	[ACT_JUMP] = "JUMP", [ACT_GOTO] = "GOTO", [ACT_CONTINUE] = "CONTINUE",
	[ACT_REJECT] = "REJECT", [ACT_MARK] = "MARK",
	[ACT_CONNMARK] = "CONNMARK", [ACT_LOG] = "LOG",
	[ACT_TCPMSS] = "TCPMSS",
};

static __u64 mask_at(const __u32 *word, __u32 at)
{
	return word[at] | (__u64)word[at + 1] << 32;
}

static __u32 rows_of(const struct img_lookup *lk)
{
	return lk->method == LOOKUP_HASH ? lk->mult : lk->n;
}

/* Row @i of a lookup that is not DIRECT. */
static const struct img_range *row_of(const __u32 *word, const struct img_lookup *lk, __u32 i)
{
	__u32 at = lk->tab;

	if (lk->method == LOOKUP_HASH)
		return (const void *)(word + at + hash_rows(lk->mult) + (i << lk->row));
	if (lk->method == LOOKUP_TOP)
		at += top_rows(lk->buckets);
	return (const struct img_range *)(word + at) + i;
}

/* Boundaries of a lookup: "first:class", the class being the entry of VECTOR_CLASS. */
static void dump_lookup(FILE *f, const __u32 *word, const struct img_lookup *lk)
{
	static const char *const method[] = { "direct", "range", "top", "hash" };
	const __u32 *first = word + lk->tab;

	fprintf(f, "  %s %s", key_name[lk->key], method[lk->method]);
	if (lk->method == LOOKUP_DIRECT) {
		for (__u32 k = 0; k < lk->n; k++)
			if (!k || first[k] != first[k - 1])
				fprintf(f, " %u:%u", k, first[k]);
	} else {
		for (__u32 i = 0; i < rows_of(lk); i++) {
			const struct img_range *row = row_of(word, lk, i);

			if (row->class || lk->method != LOOKUP_HASH)
				fprintf(f, " %u:%u", row->first, row->class);
		}
		if (lk->method == LOOKUP_HASH)
			fprintf(f, " else:%u", lk->buckets);
	}
	fprintf(f, "\n");
}

/* One entry's positions, runs shortened: "0-5 9". */
static void dump_vector(FILE *f, const __u32 *word, __u32 entry, __u32 root)
{
	long from = -1, last = -2;
	__u32 child;

	if (root & HASH_LIST)
		root &= HASH_ROOT;
	else if (IMG_IS_FEW(root))
		root = word[root - 1];
	child = root + 2;

	fprintf(f, "  entry %u:", entry);
	for (__u64 m0 = mask_at(word, root); m0; m0 &= m0 - 1) {
		__u32 mid = word[child++], leaf = mid + 2;

		for (__u64 m1 = mask_at(word, mid); m1; m1 &= m1 - 1, leaf += 2) {
			for (__u64 m2 = mask_at(word, leaf); m2; m2 &= m2 - 1) {
				long pos = __builtin_ctzll(m0) << 12 | __builtin_ctzll(m1) << 6 |
					   __builtin_ctzll(m2);

				if (pos == last + 1) {
					last = pos;
					continue;
				}
				if (last > from)
					fprintf(f, "-%ld", last);
				fprintf(f, " %ld", pos);
				from = last = pos;
			}
		}
	}
	if (last > from)
		fprintf(f, "-%ld", last);
	fprintf(f, "\n");
}

/* The bit vectors that a lookup's own table holds. */
static void dump_classes(FILE *f, const __u32 *word, const struct img_lookup *lk)
{
	for (__u32 i = 0; i < rows_of(lk); i++) {
		__u32 entry = lk->method == LOOKUP_DIRECT ? word[lk->tab + i] :
			      row_of(word, lk, i)->class;

		if (entry)
			dump_vector(f, word, entry, entry);
	}
	if (lk->method == LOOKUP_HASH)
		dump_vector(f, word, lk->buckets, lk->buckets);
}

static void dump_lookups(FILE *f, const __u32 *word, const struct img_part *part, bool vectors)
{
	const struct img_lookup *lk = (const void *)(word + part->lookups);
	__u32 from = 0, nr = 0;

	for (__u32 i = 0; i < part->nr_lookups; i++) {
		__u32 entries = 1;

		if (!lk[i].vector)
			continue;
		fprintf(f, "vector %u:", nr++);
		for (__u32 k = from; k <= i; k++) {
			fprintf(f, "%s %s %u", k > from ? " x" : "", key_name[lk[k].key], lk[k].mult);
			entries *= lk[k].mult;
		}
		fprintf(f, " -> %u entries\n", entries);
		for (__u32 k = from; k <= i; k++)
			dump_lookup(f, word, &lk[k]);
		if (lk[i].vector == VECTOR_CLASS && vectors)
			dump_classes(f, word, &lk[i]);
		for (__u32 e = 0; vectors && lk[i].vector != VECTOR_CLASS && e < entries; e++)
			dump_vector(f, word, e, word[lk[i].vector + e]);
		from = i + 1;
	}
}

/* "late 6(0x1) !7(0x2 0x1)": record numbers of enum img_late_op and what they carry. */
static void dump_late(FILE *f, const __u32 *word, __u32 at)
{
	fprintf(f, " late");
	for (;;) {
		const struct img_late *rec = (const void *)(word + at);

		if (rec->op == LATE_END)
			break;
		fprintf(f, " %s%u(", rec->op & LATE_NOT ? "!" : "", rec->op & ~LATE_NOT);
		for (__u32 i = 0; i + 1 < rec->words; i++)
			fprintf(f, "%s%#x", i ? " " : "", rec->data[i]);
		fprintf(f, ")");
		at += rec->words;
	}
}

static void dump_action(FILE *f, const __u32 *word, __u32 pos, const struct img_action *act)
{
	fprintf(f, "%u %s", pos, act_name[act->act]);
	switch (act->act) {
	case ACT_JUMP:
	case ACT_GOTO:
		fprintf(f, " [%u, %u)", act->arg, act->arg2);
		break;
	case ACT_MARK:
		fprintf(f, " %#x/%#x", act->arg, act->arg2);
		break;
	case ACT_CONNMARK:
		for (__u32 i = 0; i < sizeof(struct act_connmark) / 4; i++)
			fprintf(f, " %#x", word[act->arg + i]);
		break;
	case ACT_REJECT:
	case ACT_TCPMSS:
		fprintf(f, " %u", act->arg);
		break;
	}
	fprintf(f, " slot %u", act->slot);
	if (act->hotdrop)
		fprintf(f, " hotdrop %#x", act->hotdrop);
	if (act->late)
		dump_late(f, word, act->late);
	fprintf(f, " end %u", act->chain_end);
	if (act->next)
		fprintf(f, " next %u", act->next - 1);
	fprintf(f, "\n");
}

void image_dump(FILE *f, const __u32 *word, bool vectors)
{
	const struct img_hdr *h = (const void *)word;
	const struct img_action *act = (const void *)(word + h->actions);
	const struct img_iface *iface = (const void *)(word + h->iftab);

	fprintf(f, "image generation %u: %u words, %u positions, %u slots, flags %#x\n",
		h->generation, h->words, h->nr_positions, h->nr_slots, h->flags);
	for (int i = 0; i < NR_HOOKS; i++)
		fprintf(f, "hook %s [%u, %u) policy %s slot %u\n", hook_name[i], h->hook[i].start,
			h->hook[i].end, act_name[h->hook[i].policy], h->hook[i].slot);
	for (__u32 i = 0; i <= h->iftab_mask; i++)
		if (iface[i].ifindex)
			fprintf(f, "interface %u in %u out %u flags %#x\n", iface[i].ifindex,
				iface[i].in_class, iface[i].out_class, iface[i].flags);
	dump_lookups(f, word, &h->part[PART_BASE], vectors);
	if (h->flags & IMG_F_LINKED || h->part[PART_DELTA].start < h->nr_positions)
		fprintf(f, "delta from %u\n", h->part[PART_DELTA].start);
	dump_lookups(f, word, &h->part[PART_DELTA], vectors);
	for (__u32 pos = 0; pos < h->nr_positions; pos++)
		dump_action(f, word, pos, &act[pos]);
}
