// SPDX-License-Identifier: GPL-2.0-only
/*
 * session.c - one locked read-modify-commit of the filter table
 *
 * The lock is held from load to commit, so a command works on the newest
 * ruleset and no other writer comes between. What fails before the commit has
 * changed nothing.
 */
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#include "cmd.h"
#include "instance.h"
#include "lower.h"
#include "session.h"

int session_begin(struct session *s, int wait)
{
	int err;

	s->in = NULL;
	s->rs = NULL;
	s->lock = instance_lock(wait);
	if (s->lock < 0)
		return STATUS_RESOURCE;
	err = instance_open(&s->in, false);
	if (err)
		goto out;
	err = instance_load(s->in, &s->rs);
	if (!err)
		return STATUS_OK;
	fprintf(stderr, "iptables: cannot read the ruleset: %s.\n", strerror(-err));
out:
	session_end(s);
	return err == -EPERM || err == -EACCES ? STATUS_RESOURCE : STATUS_OTHER;
}

/* Does @rs differ from no firewall at all? */
static bool anything_to_enforce(const struct ruleset *rs)
{
	if (rs->nr_chains > NR_HOOKS)
		return true;
	for (size_t i = 0; i < rs->nr_chains; i++)
		if (rs->chains[i]->nr_rules || rs->chains[i]->drop)
			return true;
	return false;
}

/*
 * Why it was refused. Our own limits are told to the user; what the kernel's
 * xtables would have refused too goes where it would have put it, to the kernel's
 * log: the user is about to read "Run `dmesg' for more information".
 */
static void explain(int err, const char *text)
{
	char record[300];
	int fd, n;

	if (err == -E2BIG || err == -ENOSPC || err == -ENOMEM) {
		fprintf(stderr, "%s\n", text);
		return;
	}
	n = snprintf(record, sizeof(record), "bpf-iptables: %s\n", text);
	fd = open("/dev/kmsg", O_WRONLY | O_CLOEXEC);
	if (fd < 0)
		return;
	if (write(fd, record, n) < 0)
		fprintf(stderr, "%s\n", text);
	close(fd);
}

int session_commit(struct session *s, bool test, char text[256])
{
	struct lower_err le = { .msg = "" };
	int err;

	text[0] = '\0';
	if (!s->in && !anything_to_enforce(s->rs))
		return 0;
	if (test) {
		err = instance_test(s->in, s->rs, &le);
	} else {
		if (!s->in) {
			err = instance_open(&s->in, true);
			if (err)
				return err;
		}
		err = instance_commit(s->in, s->rs, &le);
	}
	if (!err)
		return 0;
	snprintf(text, 256, "%s", le.msg);
	if (text[0] && err != -EOPNOTSUPP)
		explain(err, text);
	return err;
}

void session_end(struct session *s)
{
	ruleset_free(s->rs);
	s->rs = NULL;
	if (s->in)
		instance_close(s->in);
	s->in = NULL;
	if (s->lock >= 0)
		close(s->lock);
	s->lock = -1;
}
