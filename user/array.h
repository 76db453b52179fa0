/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * array.h - arrays that grow
 *
 * The owner keeps the pointer, how many elements there are, and how many fit:
 *
 *	if (array_room(list->item, list->nr + 1, list->cap))
 *		return -ENOMEM;
 *	list->item[list->nr++] = item;
 */
#ifndef BPFIPT_ARRAY_H
#define BPFIPT_ARRAY_H

#include <errno.h>
#include <stdlib.h>

#define ARRAY_FIRST	8	/* elements: most chains have few rules */

/*
 * array_room() - make @array, which may move, hold @want elements
 * @cap:	how many fit; doubles until they do
 * Return: 0; -ENOMEM, and all is as it was.
 */
#define array_room(array, want, cap)					\
({									\
	size_t want_ = (want), cap_ = (cap) ? (cap) : ARRAY_FIRST;	\
	void *p_ = (array);						\
									\
	while (cap_ < want_)						\
		cap_ *= 2;						\
	if (cap_ != (cap))						\
		p_ = realloc(p_, cap_ * sizeof(*(array)));		\
	if (p_) {							\
		(array) = p_;						\
		(cap) = cap_;						\
	}								\
	p_ ? 0 : -ENOMEM;						\
})

#endif /* BPFIPT_ARRAY_H */
