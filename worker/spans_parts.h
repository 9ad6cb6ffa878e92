/* SPDX-License-Identifier: MIT */
/*
 * What spans.c and spans_pages.c share: the span, and whose pages are whose.
 * Nobody else includes it.
 */
#ifndef WSSD_WORKER_SPANS_PARTS_H
#define WSSD_WORKER_SPANS_PARTS_H

#include "worker/spans.h"

#define SPAN_NO_CLASS UINT8_MAX
/* Opened at a time: a page of one table and ten of the other. */
#define SPAN_OPEN_PAGES 1024u

struct spans_block {
	struct spans_block *next;
};

struct span {
	struct list link;	/* in room or idle of its class, in runs, in
				   spare, or nowhere: all blocks are in use */
	struct spans_block *free;	/* last in, first out */
	uint32_t first;		/* page */
	uint32_t pages;
	uint16_t used;		/* blocks */
	uint16_t fresh;		/* the first block that never was one */
	uint8_t class;
	bool rested;		/* the last trim has found it idle */
	bool dirty;		/* a run the kernel has yet to take back */
};

static inline struct span *
span_at(struct list *link)
{
	return LIST_ITEM(link, struct span, link);
}

static inline uintptr_t
span_address(const struct spans *s, const struct span *span)
{
	return s->base + span->first * SPANS_PAGE;
}

/* ---- spans_pages.c ---- */

/* So many pages, a span that is in no list.  NULL: none left. */
struct span *span_pages_take(struct spans *, uint32_t pages);
/* The span is in no list, and gone afterwards. */
void span_pages_give(struct spans *, struct span *);
/* What was given goes back to the kernel. */
void span_pages_trim(struct spans *);

#endif
