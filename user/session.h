/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * session.h - one locked read-modify-commit of the filter table
 */
#ifndef BPFIPT_SESSION_H
#define BPFIPT_SESSION_H

#include <stdbool.h>

struct instance;
struct ruleset;

/*
 * struct session
 * @lock:	fd of the lock, -1 none
 * @in:		NULL: nothing is initialised in this namespace yet
 * @rs:		for the caller to edit
 */
struct session {
	int lock;
	struct instance *in;
	struct ruleset *rs;
};

/* session_begin() - lock and load. Return: 0 or an exit status, message printed. */
int session_begin(struct session *s, int wait);

/*
 * session_commit() - put s->rs in force; an instance is created if there is
 * none and there is something to enforce
 * @test:	check only
 * Return: 0 or -errno. For -EOPNOTSUPP @text names what cannot be enforced, and
 * is for the caller to print.
 */
int session_commit(struct session *s, bool test, char text[256]);
void session_end(struct session *s);

#endif /* BPFIPT_SESSION_H */
