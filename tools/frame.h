/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * frame.h - one line of text into one frame on the wire
 *
 * A test names its packets in a line that a person can read, and the injector
 * and the case files share that one notation:
 *
 *	<from> <proto> <src>[:sport] <dst>[:dport] [key[=value]]...
 *	<from> hex <whole frame, or IP packet for o and t>
 *
 * from	c client's wire, s server's wire, or the letter of another wire; o the
 *	router itself (raw socket, so it passes OUTPUT), t the router's tun device
 * proto	tcp udp icmp udplite sctp, or a number
 *
 * keys	ttl tos id len (payload bytes) pay (payload, hex) opt (IP options, hex)
 *	off (fragment offset / 8) mf df  l4=N (IP payload cut to N bytes)
 *	cut=N (frame cut to N bytes of IP, lengths untouched) pad=N
 *	totlen ihl ver badip badl4 nocsum flags=SA seq ack topt doff urg
 *	type code rest (icmp)  dmac=bcast|mcast|other|hex smac vlan=ID eth=HEX
 *
 * Example: "c tcp 10.1.0.2:1024 10.2.0.2:80 flags=S ttl=1"
 */
#ifndef BPFIPT_FRAME_H
#define BPFIPT_FRAME_H

#include <stddef.h>

#define FRAME_MAX	9216

/* struct frame - what to send and where */
struct frame {
	char from;			/* a wire, o or t */
	size_t len;
	size_t l3;			/* offset of the IP header in data */
	unsigned char data[FRAME_MAX];
};

/*
 * frame_macs() - the Ethernet addresses used for frames from one wire
 * @from:	its letter, 'a' to 'z'
 * @src, @dst:	6 bytes each
 */
void frame_macs(char from, const unsigned char *src, const unsigned char *dst);

/*
 * frame_parse() - build the frame @line describes
 * @line is modified. Return: 0; 1 for a blank or comment line; -EINVAL with the
 * complaint in @err (at least 128 bytes).
 */
int frame_parse(char *line, struct frame *f, char *err);

/* frame_csum() - Internet checksum (RFC 1071) of @len bytes, host-order result */
unsigned int frame_csum(const void *data, size_t len, unsigned int sum);

#endif /* BPFIPT_FRAME_H */
