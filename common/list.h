/* SPDX-License-Identifier: MIT */
/*
 * An intrusive doubly linked list, a ring through its head: adding and
 * removing cost O(1) and need no allocation.  A link that is in no list
 * points at itself, so removing it twice does no harm.
 */
#ifndef WSSD_COMMON_LIST_H
#define WSSD_COMMON_LIST_H

#include <stdbool.h>
#include <stddef.h>

struct list {
	struct list *next, *prev;
};

#define LIST_ITEM(link, type, member)                                       \
	((type *)(void *)((char *)(link) - offsetof(type, member)))

/* The body may remove the current element. */
#define LIST_EACH(pos, next_, head)                                       \
	for ((pos) = (head)->next, (next_) = (pos)->next; (pos) != (head);   \
	     (pos) = (next_), (next_) = (pos)->next)

static inline void
list_init(struct list *l)
{
	l->next = l->prev = l;
}

static inline bool
list_empty(const struct list *l)
{
	return l->next == l;
}

static inline void
list_append(struct list *head, struct list *l)
{
	l->prev = head->prev;
	l->next = head;
	head->prev->next = l;
	head->prev = l;
}

static inline void
list_prepend(struct list *head, struct list *l)
{
	list_append(head->next, l);
}

static inline void
list_remove(struct list *l)
{
	l->prev->next = l->next;
	l->next->prev = l->prev;
	list_init(l);
}

#endif
