/* SPDX-License-Identifier: MIT */
/*
 * Owns the classes: which span has room, and which of its blocks comes next.
 * Nothing of its own lies in the pages but the links of free blocks, so a page
 * that no block has touched does not exist.
 */
#include "worker/spans.h"

#include <string.h>
#include <sys/mman.h>
#include <unistd.h>

#include "common/assert.h"
#include "worker/spans_parts.h"

/* Kept out of the two functions that every message calls. */
#define COLD __attribute__((noinline, cold))

#define ALIGNMENT ((size_t)2 << 20)	/* a huge page's, and its table's */
#define SPARE_WASTE 512		/* a span may waste this part of it more than
				   the best one, to be smaller */

/*
 * Classes are 8 bytes apart, then 16, then 64, then 1 KiB.  What is no
 * multiple of 16 is aligned to 8: no type with a larger alignment has such a
 * size.  It saves 160 bytes a connection, a third of it in OpenSSL's locks of
 * 56 bytes; above TINY_MAX are the contexts of ciphers and digests, and no
 * assembler shall find them elsewhere than malloc would put them.
 */
#define TINY_MAX ((size_t)192)
#define TINY_SHIFT 3
#define TINY_CLASSES (TINY_MAX >> TINY_SHIFT)
#define SMALL_MAX ((size_t)1 << 10)
#define SMALL_SHIFT 4
#define SMALL_CLASSES ((SMALL_MAX - TINY_MAX) >> SMALL_SHIFT)
#define MIDDLE_MAX ((size_t)8 << 10)
#define MIDDLE_SHIFT 6
#define MIDDLE_CLASSES ((MIDDLE_MAX - SMALL_MAX) >> MIDDLE_SHIFT)
#define LARGE_SHIFT 10
#define LARGE_CLASSES ((SPANS_BLOCK_MAX - MIDDLE_MAX) >> LARGE_SHIFT)

_Static_assert(TINY_CLASSES + SMALL_CLASSES + MIDDLE_CLASSES +
    LARGE_CLASSES == SPANS_CLASSES && SPANS_CLASSES <= SPAN_NO_CLASS,
    "a class is one byte");

/* ---- spans ------------------------------------------------------------------ */

static struct span *
span_make(struct spans *s, unsigned class)
{
	struct span *span = span_pages_take(s, s->classes[class].pages);

	if (span == NULL)
		return NULL;
	span->free = NULL;
	span->used = 0;
	span->fresh = 0;
	span->class = (uint8_t)class;
	for (uint32_t i = 0; i < span->pages; i++)
		s->span_of[span->first + i] = (uint32_t)(span - s->all);
	return span;
}

static COLD void
rest(struct spans_class *class, struct span *span)
{
	list_remove(&span->link);
	list_prepend(&class->idle, &span->link);
	span->rested = false;
}

/* For a class whose spans are full.  False: there are no pages. */
static bool
make_room(struct spans *s, unsigned class)
{
	struct spans_class *c = &s->classes[class];
	struct span *span;

	if (!list_empty(&c->idle)) {
		span = span_at(c->idle.next);
		list_remove(&span->link);
	} else {
		span = span_make(s, class);
		if (span == NULL)
			return false;
	}
	list_prepend(&c->room, &span->link);
	return true;
}

/* A span that was full has a free block again, and comes to the front: the
   block is likely to be in the cache still. */
static COLD void
has_room(struct spans_class *class, struct span *span)
{
	struct span *first = span_at(class->room.next);

	if (!list_empty(&class->room) && first->used == 0)
		rest(class, first);
	list_prepend(&class->room, &span->link);
}

static struct span *
span_of(const struct spans *s, const void *p)
{
	return &s->all[s->span_of[((uintptr_t)p - s->base) / SPANS_PAGE]];
}

/* ---- classes ---------------------------------------------------------------- */

static unsigned
class_of(size_t size)
{
	if (size <= TINY_MAX)
		return (unsigned)((size - (size != 0)) >> TINY_SHIFT);
	if (size <= SMALL_MAX)
		return (unsigned)(TINY_CLASSES +
		    ((size - 1 - TINY_MAX) >> SMALL_SHIFT));
	if (size <= MIDDLE_MAX)
		return (unsigned)(TINY_CLASSES + SMALL_CLASSES +
		    ((size - 1 - SMALL_MAX) >> MIDDLE_SHIFT));
	return (unsigned)(TINY_CLASSES + SMALL_CLASSES + MIDDLE_CLASSES +
	    ((size - 1 - MIDDLE_MAX) >> LARGE_SHIFT));
}

static size_t
class_size(size_t class)
{
	if (class < TINY_CLASSES)
		return (class + 1) << TINY_SHIFT;
	class -= TINY_CLASSES;
	if (class < SMALL_CLASSES)
		return TINY_MAX + ((class + 1) << SMALL_SHIFT);
	class -= SMALL_CLASSES;
	if (class < MIDDLE_CLASSES)
		return SMALL_MAX + ((class + 1) << MIDDLE_SHIFT);
	class -= MIDDLE_CLASSES;
	return MIDDLE_MAX + ((class + 1) << LARGE_SHIFT);
}

/* What a span of so many pages wastes, and what it costs itself, by 2^20. */
static size_t
waste(size_t size, size_t pages)
{
	size_t bytes = pages * SPANS_PAGE;

	return ((bytes % size + sizeof(struct span) +
	    pages * sizeof(uint32_t)) << 20) / bytes;
}

/* Few, so that a span that is partly used costs little, and with little waste:
   28 for an SSL (7,608 bytes), of which they hold 15. */
static uint16_t
pages_for(size_t size)
{
	size_t least = SIZE_MAX;
	uint16_t pages = 1;

	for (size_t n = 1; n <= SPANS_PAGES_MAX; n++)
		if (n * SPANS_PAGE >= size && waste(size, n) < least)
			least = waste(size, n);
	while (pages * SPANS_PAGE < size ||
	    waste(size, pages) > least + (1 << 20) / SPARE_WASTE)
		pages++;
	return pages;
}

/* ---- what others call ------------------------------------------------------- */

static size_t
round_up(size_t n, size_t step)
{
	return (n + step - 1) / step * step;
}

static bool
reserve(struct spans *s, size_t bytes)
{
	size_t pages = bytes / SPANS_PAGE;
	size_t tables = pages * (sizeof(*s->span_of) + sizeof(*s->all));
	uintptr_t base;

	if (sysconf(_SC_PAGESIZE) != (long)SPANS_PAGE)
		return false;
	s->map_bytes = bytes + ALIGNMENT + tables;
	s->map = mmap(NULL, s->map_bytes, PROT_NONE,
	    MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE, -1, 0);
	if (s->map == MAP_FAILED)
		return false;
	base = round_up((uintptr_t)s->map, ALIGNMENT);
	s->base = base;
	s->bytes = bytes;
	s->span_of = (void *)(base + bytes);
	s->all = (void *)(s->span_of + pages);
	s->pages_max = (uint32_t)pages;
	return true;
}

bool
spans_init(struct spans *s, size_t bytes)
{
	memset(s, 0, sizeof(*s));
	list_init(&s->spare);
	for (size_t i = 0; i <= SPANS_PAGES_MAX; i++)
		list_init(&s->runs[i]);
	for (unsigned i = 0; i < SPANS_CLASSES; i++) {
		struct spans_class *c = &s->classes[i];

		list_init(&c->room);
		list_init(&c->idle);
		c->size = (uint32_t)class_size(i);
		c->pages = pages_for(c->size);
		c->blocks = (uint16_t)(c->pages * SPANS_PAGE / c->size);
	}
	return reserve(s, round_up(bytes, SPAN_OPEN_PAGES * SPANS_PAGE));
}

void
spans_done(struct spans *s)
{
	if (s->bytes > 0)
		munmap(s->map, s->map_bytes);
	s->bytes = 0;
	s->pages_max = s->pages_open = 0;
}

/* When the first span has no free block, or there is no span. */
static COLD void *
alloc_fresh(struct spans *s, size_t size)
{
	unsigned class = class_of(size);
	struct spans_class *c = &s->classes[class];
	struct span *span;

	if (list_empty(&c->room) && !make_room(s, class))
		return NULL;
	span = span_at(c->room.next);
	if (span->free == NULL) {
		span->free = (void *)(span_address(s, span) +
		    (size_t)span->fresh++ * c->size);
		span->free->next = NULL;
	}
	return spans_alloc(s, size);
}

void *
spans_alloc(struct spans *s, size_t size)
{
	struct spans_class *c = &s->classes[class_of(size)];
	struct span *span = span_at(c->room.next);
	struct spans_block *block;

	if (list_empty(&c->room) || span->free == NULL)
		return alloc_fresh(s, size);
	block = span->free;
	span->free = block->next;
	if (++span->used == c->blocks)
		list_remove(&span->link);
	return block;
}

void
spans_free(struct spans *s, void *p)
{
	struct span *span = span_of(s, p);
	struct spans_class *c;
	struct spans_block *block = p;

	ASSERT(span->used > 0 && span->free != block);	/* freed twice */
	c = &s->classes[span->class];
	block->next = span->free;
	span->free = block;
	if (span->used-- == c->blocks)
		has_room(c, span);
	else if (span->used == 0 && c->room.next != &span->link)
		rest(c, span);
}

size_t
spans_size(const struct spans *s, const void *p)
{
	return s->classes[span_of(s, p)->class].size;
}

bool
spans_fits(const struct spans *s, const void *p, size_t size)
{
	return size <= SPANS_BLOCK_MAX && class_of(size) == span_of(s, p)->class;
}

void
spans_trim(struct spans *s)
{
	struct list *link, *next;

	if (s->bytes == 0)
		return;
	for (unsigned i = 0; i < SPANS_CLASSES; i++) {
		struct spans_class *c = &s->classes[i];

		if (!list_empty(&c->room) &&
		    span_at(c->room.next)->used == 0)
			rest(c, span_at(c->room.next));
		LIST_EACH(link, next, &c->idle) {
			struct span *span = span_at(link);

			if (span->rested) {
				list_remove(link);
				span_pages_give(s, span);
			} else {
				span->rested = true;
			}
		}
	}
	span_pages_trim(s);
}
