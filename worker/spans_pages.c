/* SPDX-License-Identifier: MIT */
/*
 * Owns the pages of the region, and two tables beside it: which span a page
 * belongs to, and the spans.
 *
 * A run of free pages is a span without a class.  Two runs never touch: the
 * first and the last page of each are in the table of pages, so a neighbour
 * is found and joined.
 */
#include <string.h>
#include <sys/mman.h>

#include "worker/spans_parts.h"

_Static_assert(sizeof(uint32_t) * SPAN_OPEN_PAGES % SPANS_PAGE == 0 &&
    sizeof(struct span) * SPAN_OPEN_PAGES % SPANS_PAGE == 0,
    "the tables are opened in pages");

static struct list *
runs_of(struct spans *s, uint32_t pages)
{
	return &s->runs[pages < SPANS_PAGES_MAX ? pages : SPANS_PAGES_MAX];
}

static struct span *
span_new(struct spans *s, uint32_t first, uint32_t pages)
{
	struct span *span;

	/* There are never more than pages, of which the guard has none. */
	if (list_empty(&s->spare)) {
		span = &s->all[++s->n_all];
		list_init(&span->link);
	} else {
		span = span_at(s->spare.next);
		list_remove(&span->link);
	}
	span->first = first;
	span->pages = pages;
	span->class = SPAN_NO_CLASS;
	return span;
}

static void
span_drop(struct spans *s, struct span *span)
{
	list_remove(&span->link);
	list_prepend(&s->spare, &span->link);
}

/* Its first and its last page know it, where neighbours look.  What was in use
   before is taken before the end of all, which may never have been. */
static void
run_keep(struct spans *s, struct span *run)
{
	uint32_t index = (uint32_t)(run - s->all);

	s->span_of[run->first] = index;
	s->span_of[run->first + run->pages - 1] = index;
	if (run->first + run->pages == s->pages_open)
		list_append(runs_of(s, run->pages), &run->link);
	else
		list_prepend(runs_of(s, run->pages), &run->link);
}

/* The run that page is in, if it is in one. */
static struct span *
run_at(const struct spans *s, uint32_t page)
{
	struct span *span;

	if (page >= s->pages_open || s->span_of[page] == 0)
		return NULL;
	span = &s->all[s->span_of[page]];
	return span->class == SPAN_NO_CLASS ? span : NULL;
}

/* A span that is in no list becomes a run, one with the runs beside it. */
static void
run_add(struct spans *s, struct span *run)
{
	struct span *before = run_at(s, run->first - 1);
	struct span *behind = run_at(s, run->first + run->pages);

	if (before != NULL) {
		s->span_of[run->first - 1] = 0;
		run->first = before->first;
		run->pages += before->pages;
		run->dirty |= before->dirty;
		span_drop(s, before);
	}
	if (behind != NULL) {
		s->span_of[behind->first] = 0;
		run->pages += behind->pages;
		run->dirty |= behind->dirty;
		span_drop(s, behind);
	}
	run_keep(s, run);
}

static bool
open_up(const void *start, size_t bytes)
{
	return mprotect((void *)(uintptr_t)start, bytes,
	    PROT_READ | PROT_WRITE) == 0;
}

/* False: the region is used up. */
static bool
open_pages(struct spans *s)
{
	uint32_t first = s->pages_open == 0 ? 1 : s->pages_open;
	uint32_t end = s->pages_open + SPAN_OPEN_PAGES;
	struct span *run;

	if (s->pages_open == s->pages_max)
		return false;
	if (!open_up(&s->span_of[s->pages_open],
	    SPAN_OPEN_PAGES * sizeof(*s->span_of)) ||
	    !open_up(&s->all[s->pages_open], SPAN_OPEN_PAGES * sizeof(*s->all)) ||
	    !open_up((const void *)(s->base + first * SPANS_PAGE),
	    (end - first) * SPANS_PAGE)) {
		s->pages_max = s->pages_open;	/* do not ask each time */
		return false;
	}
	s->pages_open = end;
	run = span_new(s, first, end - first);
	run->dirty = false;
	run_add(s, run);
	return true;
}

/* The shortest runs of at least so many pages. */
static struct list *
find_runs(struct spans *s, uint32_t pages)
{
	for (; pages <= SPANS_PAGES_MAX; pages++)
		if (!list_empty(&s->runs[pages]))
			return &s->runs[pages];
	return NULL;
}

struct span *
span_pages_take(struct spans *s, uint32_t pages)
{
	struct list *runs;
	struct span *run, *span;

	while ((runs = find_runs(s, pages)) == NULL)
		if (!open_pages(s))
			return NULL;
	run = span_at(runs->next);
	list_remove(&run->link);
	if (run->pages == pages)
		return run;
	span = span_new(s, run->first, pages);
	run->first += pages;
	run->pages -= pages;
	run_keep(s, run);
	return span;
}

void
span_pages_give(struct spans *s, struct span *span)
{
	/* A block that is freed again from here on belongs to nobody. */
	memset(&s->span_of[span->first], 0,
	    span->pages * sizeof(*s->span_of));
	span->class = SPAN_NO_CLASS;
	span->dirty = true;
	run_add(s, span);
}

/* In whole runs: a call for each span would cost more than the pages. */
void
span_pages_trim(struct spans *s)
{
	struct list *link, *next;

	for (size_t i = 0; i <= SPANS_PAGES_MAX; i++)
		LIST_EACH(link, next, &s->runs[i]) {
			struct span *run = span_at(link);

			if (run->dirty)
				madvise((void *)span_address(s, run),
				    run->pages * SPANS_PAGE, MADV_DONTNEED);
			run->dirty = false;
		}
}
