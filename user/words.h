/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * words.h - a line of a restore file -> argv
 */
#ifndef BPFIPT_WORDS_H
#define BPFIPT_WORDS_H

#define WORDS_MAX	255	/* words of a line, and the length limit of one: */
#define WORD_BYTES	1024
#define LINE_BYTES	10240

/* struct words - argv over one buffer, reused line after line */
struct words {
	int argc;
	char *argv[WORDS_MAX];
	char *next;
	char text[LINE_BYTES + 4 * WORDS_MAX];
};

void words_reset(struct words *w);
/* words_add() - one word as it is */
void words_add(struct words *w, const char *word);
/* words_split() - the words of a line; "..." keeps blanks, \ escapes inside it */
void words_split(struct words *w, const char *text);

#endif /* BPFIPT_WORDS_H */
