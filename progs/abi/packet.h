/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * abi/packet.h - the packet summary: what the parser hands to every later stage
 *
 * Every header field that a rule can select on becomes one u32 *key*. A key is
 * in host byte order and small enough to be looked up in a table: the classifier
 * never touches the packet. A header that is too short to hold a field gives the
 * field's own out-of-range key (IMG_PORT_NONE ...), a class like any other, in
 * which every rule that constrains the field stays a candidate: whether such a
 * rule matches, fails or hotdrops is decided by its action record (see image.h,
 * "malformed headers").
 *
 * Worked example, a TCP SYN from 10.0.0.1:4000 to 10.0.0.2:80 arriving on eth0:
 *
 *	key[KEY_SADDR] = 0x0a000001	key[KEY_DADDR] = 0x0a000002
 *	key[KEY_L4]    = KEY_L4(FORM_WHOLE, 6)
 *	key[KEY_SPORT] = 4000		key[KEY_DPORT] = 80
 *	key[KEY_TCPFLAGS] = 0x02	key[KEY_IIF] = class of eth0 in the image
 */
#ifndef BPFIPT_ABI_PACKET_H
#define BPFIPT_ABI_PACKET_H

#include <linux/types.h>

#define LO_IFINDEX	1	/* of every network namespace */

/* The hooks of the filter table, in the order of iptables -L. */
enum fw_hook {
	HOOK_INPUT,
	HOOK_FORWARD,
	HOOK_OUTPUT,
	NR_HOOKS,
};

/*
 * How much of the transport header the packet holds. The first fragment
 * (offset 0, more fragments) is an ordinary packet and has a form of its own
 * only through its length. "Whole" means: at least the fixed header of its
 * protocol (TCP 20, UDP/UDPlite/ICMP/ESP 8, SCTP/AH/DCCP 12 bytes); protocols
 * without a known header are always whole.
 */
enum fw_form {
	FORM_WHOLE,
	FORM_SHORT,	/* 4 bytes or more, but less than the fixed header */
	FORM_STUB,	/* fewer than 4 bytes: not even two ports */
	FORM_FRAG1,	/* fragment offset is exactly 1 (8 bytes) */
	FORM_FRAGN,	/* fragment offset > 1 */
	NR_FORMS,
};

/* KEY_L4 key: protocol in the low 8 bits, form above them. */
#define L4_KEY(form, proto)	(((form) << 8) | (proto))
#define NR_L4_KEYS		(NR_FORMS << 8)

#define PORT_NONE	65536u	/* ports unreadable, or protocol has none */
#define TCPFLAGS_NONE	256u	/* byte 13 of TCP unreadable, or not TCP */
#define ICMP_NONE	65536u	/* not ICMP or too short: else type << 8 | code */
#define SPI_NONE	0u	/* no ESP/AH SPI; see KEY_SPI */

/*
 * enum fw_key - the fields rules select on
 * @KEY_SADDR:	 IPv4 source, host order
 * @KEY_DADDR:	 IPv4 destination, host order
 * @KEY_L4:	 L4_KEY(form, protocol); -p, -f and malformed headers
 * @KEY_SPORT:	 source port 0..65535 or PORT_NONE. TCP, UDP, UDPlite, SCTP, DCCP
 * @KEY_DPORT:	 destination port, likewise
 * @KEY_TCPFLAGS: byte 13 of the TCP header (CWR..FIN), or TCPFLAGS_NONE
 * @KEY_ICMP:	 type << 8 | code, or ICMP_NONE
 * @KEY_IIF:	 class of the input interface's name, from the interface table
 * @KEY_OIF:	 class of the output interface's name
 * @KEY_CTSTATE: CT_* bits of abi/ct.h (state bit, SNAT/DNAT); 0..255
 * @KEY_LENGTH:	 IP total length, bytes
 * @KEY_TTL:	 TTL as iptables would see it (FORWARD: already decremented)
 * @KEY_TOS:	 the TOS byte: tos, dscp, ecn ip bits
 * @KEY_MARK:	 skb mark (0 at XDP)
 * @KEY_PKTTYPE: PACKET_HOST, BROADCAST, MULTICAST, OTHERHOST of linux/if_packet.h
 * @KEY_SPI:	 ESP or AH SPI, host order (meaningful with FORM_WHOLE only)
 * @KEY_MAC:	 class of the Ethernet source, from the image's MAC table; 0 none
 */
enum fw_key {
	KEY_SADDR,
	KEY_DADDR,
	KEY_L4,
	KEY_SPORT,
	KEY_DPORT,
	KEY_TCPFLAGS,
	KEY_ICMP,
	KEY_IIF,
	KEY_OIF,
	KEY_CTSTATE,
	KEY_LENGTH,
	KEY_TTL,
	KEY_TOS,
	KEY_MARK,
	KEY_PKTTYPE,
	KEY_SPI,
	KEY_MAC,
	NR_KEYS,
};

/* Largest key of each field, inclusive: the compiler's universe. */
#define KEY_MAX_TABLE {				\
	[KEY_SADDR]	= 0xffffffffu,		\
	[KEY_DADDR]	= 0xffffffffu,		\
	[KEY_L4]	= NR_L4_KEYS - 1,	\
	[KEY_SPORT]	= PORT_NONE,		\
	[KEY_DPORT]	= PORT_NONE,		\
	[KEY_TCPFLAGS]	= TCPFLAGS_NONE,	\
	[KEY_ICMP]	= ICMP_NONE,		\
	[KEY_IIF]	= 0xffff,		\
	[KEY_OIF]	= 0xffff,		\
	[KEY_CTSTATE]	= 0xff,			\
	[KEY_LENGTH]	= 0xffff,		\
	[KEY_TTL]	= 0xff,			\
	[KEY_TOS]	= 0xff,			\
	[KEY_MARK]	= 0xffffffffu,		\
	[KEY_PKTTYPE]	= 7,			\
	[KEY_SPI]	= 0xffffffffu,		\
	[KEY_MAC]	= 0xffff,		\
}

/* fw_pkt.flags */
#define PKT_MARKED	0x1u	/* a MARK target ran: @mark goes back to the skb */
#define PKT_LOOPBACK	0x2u	/* on the loopback interface */
#define PKT_GSO		0x4u	/* a super-packet: lengths are the aggregate's */
#define PKT_ANSWER	0x8u	/* REJECT's answer: belongs to its offender's connection */
#define PKT_MADE	0x10u	/* ... any such answer: its socket is not who sent it */

/*
 * struct fw_pkt - one packet on its way through the stages
 * @key:	see enum fw_key
 * @l3_off:	bytes from the start of the frame to the IP header
 * @l4_off:	bytes from the start of the frame to the transport header
 * @l4_len:	transport bytes present: IP total length - header length
 * @tot_len:	IP total length, bytes: what the byte counters count
 * @ifindex:	input interface, 0: none
 * @oifindex:	output interface of a forwarded or sent packet, 0 unknown
 * @mark:	skb mark, changed by MARK in the walk
 * @hook:	enum fw_hook
 * @proto:	IP protocol
 * @form:	enum fw_form
 * @frag_off:	IP fragment field, host order: MF 0x2000, DF 0x4000, offset 0x1fff
 * @ihl:	IP header length, bytes
 * @flags:	PKT_*
 * @lo_state:	at INPUT on lo: the conntrack state (CT_*) that OUTPUT saw, 0 unknown
 */
struct fw_pkt {
	__u32 key[NR_KEYS];
	__u32 l3_off;
	__u32 l4_off;
	__u32 l4_len;
	__u32 tot_len;
	__u32 ifindex;
	__u32 oifindex;
	__u32 mark;
	__u8  hook;
	__u8  proto;
	__u8  form;
	__u8  ihl;
	__u16 frag_off;
	__u16 flags;
	__u32 lo_state;
};

_Static_assert(NR_KEYS == 17, "a new key is a new image ABI");
_Static_assert(sizeof(struct fw_pkt) == 17 * 4 + 7 * 4 + 12, "struct fw_pkt has holes");

#endif /* BPFIPT_ABI_PACKET_H */
