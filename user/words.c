// SPDX-License-Identifier: GPL-2.0-only
/*
 * words.c - a line of a restore file -> argv
 *
 *	-A INPUT -m comment --comment "it\"s  mine" -j ACCEPT
 *
 * is 8 words, the sixth `it"s  mine`. Only double quotes quote, and only inside
 * them does a backslash escape; a single quote is a character like any other.
 * Words end at blanks, tabs and newlines outside quotes - and at a closing
 * quote: `"a"b` is two words.
 */
#include <string.h>

#include "args.h"
#include "words.h"

static void too_long(void)
{
	xtables_error(PARAMETER_PROBLEM, "Parameter too long!");
}

void words_reset(struct words *w)
{
	w->argc = 0;
	w->next = w->text;
	w->argv[0] = NULL;
}

/* The word of @len bytes that stands at w->next is complete. */
static void end_word(struct words *w, size_t len)
{
	if (w->argc + 1 >= WORDS_MAX)
		xtables_error(PARAMETER_PROBLEM, "Parser cannot handle more arguments");
	w->next[len] = '\0';
	w->argv[w->argc++] = w->next;
	w->argv[w->argc] = NULL;
	w->next += len + 1;
}

void words_add(struct words *w, const char *word)
{
	size_t len = strlen(word);

	if ((size_t)(w->text + sizeof(w->text) - w->next) <= len)
		too_long();
	memcpy(w->next, word, len);
	end_word(w, len);
}

void words_split(struct words *w, const char *text)
{
	bool quoted = false, escaped = false;
	size_t len = 0;

	for (; *text; text++) {
		char c = *text;
		bool literal = true;

		if (quoted && escaped) {
			escaped = false;
		} else if (quoted && c == '\\') {
			escaped = true;
			continue;
		} else if (c == '"' && !quoted) {
			quoted = true;
			continue;
		} else if (c == '"') {
			quoted = false;
			end_word(w, len);
			len = 0;
			continue;
		} else if (!quoted) {
			literal = c != ' ' && c != '\t' && c != '\n';
		}

		if (!literal) {
			if (len)
				end_word(w, len);
			len = 0;
			continue;
		}
		w->next[len++] = c;
		if (len >= WORD_BYTES)
			too_long();
	}
	if (len)
		end_word(w, len);
}
