/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * netlink.h - the little of netlink that is needed: messages, attributes, dumps
 *
 * Not libmnl: one shared library more to load takes a plain command 60 us of its 1600.
 *
 *	fd = nl_open(NETLINK_ROUTE, 0);
 *	nlh = nl_header(buf);
 *	ifi = nl_extra(nlh, sizeof(*ifi));
 *	nl_put_u32(nlh, IFLA_EXT_MASK, RTEXT_FILTER_SKIP_STATS);
 *	nl_send(fd, nlh, nlh->nlmsg_len);
 *	while ((len = nl_recv(fd, buf, sizeof(buf))) > 0 && nl_run(buf, len, seq, cb, data) > 0)
 *		;
 *
 * Who makes a message sees to it that its buffer is big enough.
 */
#ifndef BPFIPT_NETLINK_H
#define BPFIPT_NETLINK_H

#include <stddef.h>
#include <string.h>
#include <sys/types.h>
#include <linux/netlink.h>

/* What a callback says, and nl_run(): go on, no more to come, errno is set. */
enum {
	NL_FAILED = -1,
	NL_STOP,
	NL_MORE,
};

typedef int (*nl_cb)(const struct nlmsghdr *nlh, void *data);

int nl_open(int bus, __u32 groups);	/* fd, or -1 with errno */
int nl_send(int fd, const void *buf, size_t len);
ssize_t nl_recv(int fd, void *buf, size_t len);
int nl_run(const void *buf, ssize_t len, __u32 seq, nl_cb cb, void *data);

/* --- to be sent --- */

static inline struct nlmsghdr *nl_header(void *buf)
{
	struct nlmsghdr *nlh = buf;

	*nlh = (struct nlmsghdr){ .nlmsg_len = NLMSG_HDRLEN };
	return nlh;
}

static inline void *nl_end(const struct nlmsghdr *nlh)
{
	return (char *)nlh + NLMSG_ALIGN(nlh->nlmsg_len);
}

/* Room for @size bytes of zeros at the end. */
static inline void *nl_extra(struct nlmsghdr *nlh, size_t size)
{
	void *p = nl_end(nlh);

	nlh->nlmsg_len = NLMSG_ALIGN(nlh->nlmsg_len) + NLMSG_ALIGN(size);
	return memset(p, 0, NLMSG_ALIGN(size));
}

static inline void nl_put(struct nlmsghdr *nlh, __u16 type, size_t len, const void *data)
{
	struct nlattr *attr = nl_extra(nlh, NLA_HDRLEN + len);

	*attr = (struct nlattr){ .nla_type = type, .nla_len = NLA_HDRLEN + len };
	memcpy(attr + 1, data, len);
}

static inline void nl_put_u8(struct nlmsghdr *nlh, __u16 type, __u8 value)
{
	nl_put(nlh, type, sizeof(value), &value);
}

static inline void nl_put_u32(struct nlmsghdr *nlh, __u16 type, __u32 value)
{
	nl_put(nlh, type, sizeof(value), &value);
}

static inline void nl_put_str(struct nlmsghdr *nlh, __u16 type, const char *text)
{
	nl_put(nlh, type, strlen(text) + 1, text);
}

static inline struct nlattr *nl_nest(struct nlmsghdr *nlh, __u16 type)
{
	struct nlattr *nest = nl_end(nlh);

	nl_put(nlh, NLA_F_NESTED | type, 0, NULL);
	return nest;
}

static inline void nl_nest_end(struct nlmsghdr *nlh, struct nlattr *nest)
{
	nest->nla_len = (char *)nl_end(nlh) - (char *)nest;
}

/* --- received --- */

static inline __u16 nl_type(const struct nlattr *attr)
{
	return attr->nla_type & NLA_TYPE_MASK;
}

static inline size_t nl_len(const struct nlattr *attr)
{
	return attr->nla_len - NLA_HDRLEN;
}

static inline const void *nl_data(const struct nlattr *attr)
{
	return (const char *)attr + NLA_HDRLEN;
}

/* The value of an attribute, 0 when it is too short for one. */
#define NL_GET(name, ctype)						\
static inline ctype name(const struct nlattr *attr)			\
{									\
	ctype value = 0;						\
									\
	if (nl_len(attr) >= sizeof(value))				\
		memcpy(&value, nl_data(attr), sizeof(value));		\
	return value;							\
}

NL_GET(nl_u8, __u8)
NL_GET(nl_u16, __u16)
NL_GET(nl_u32, __u32)

static inline const char *nl_str(const struct nlattr *attr)
{
	return memchr(nl_data(attr), 0, nl_len(attr)) ? nl_data(attr) : "";
}

/* Is there a whole attribute before @end? */
static inline int nl_attr_ok(const struct nlattr *attr, const void *end)
{
	const char *p = (const char *)attr, *to = end;

	return to - p >= NLA_HDRLEN && attr->nla_len >= NLA_HDRLEN && attr->nla_len <= to - p;
}

#define nl_for_each_in(attr, first, end)						\
	for ((attr) = (const struct nlattr *)(first); nl_attr_ok(attr, end);		\
	     (attr) = (const void *)((const char *)(attr) + NLA_ALIGN((attr)->nla_len)))

/* Attributes of a message behind @offset bytes, and of an attribute. */
#define nl_for_each(attr, nlh, offset)							\
	nl_for_each_in(attr, (const char *)NLMSG_DATA(nlh) + NLMSG_ALIGN(offset),	\
		       (const char *)(nlh) + (nlh)->nlmsg_len)
#define nl_for_each_nested(attr, nest)							\
	nl_for_each_in(attr, nl_data(nest), (const char *)(nest) + (nest)->nla_len)

#endif /* BPFIPT_NETLINK_H */
