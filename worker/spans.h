/* SPDX-License-Identifier: MIT */
/*
 * Blocks of up to 32 KiB without a header, in spans of whole pages, each span
 * of blocks of one size.
 *
 * An idle TLS connection holds some 45 small blocks for days.  From malloc each
 * has 8 bytes in front of it, is rounded, and sits where the last handshake
 * left a hole.  Here it takes its size rounded up to 8 bytes (16 above 192, 64
 * above 1 KiB, 1 KiB above 8), and the table of pages and the spans themselves
 * take a quarter of a percent.
 *
 *	region   | guard | span | span | run of free pages | span | ... not
 *	                   '- block block block fresh fresh             yet open
 *
 * The region is reserved once, without access, and opened from its start as
 * it is needed: what is not open costs nothing, not even where the kernel
 * does not overcommit.  When it is used up, or was refused, spans_alloc()
 * says NULL and the caller asks malloc.
 *
 * Pure: knows neither OpenSSL nor libevent.  For one thread.
 */
#ifndef WSSD_WORKER_SPANS_H
#define WSSD_WORKER_SPANS_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "common/list.h"

#define SPANS_PAGE ((size_t)4096)
#define SPANS_PAGES_MAX 32		/* of a span */
#define SPANS_BLOCK_MAX ((size_t)32 << 10)
#define SPANS_CLASSES 212		/* sizes of blocks */

struct span;

/* The spans of one size of block. */
struct spans_class {
	struct list room;	/* with a free block; none but the first is
				   without one in use */
	struct list idle;	/* without a block in use */
	uint32_t size;
	uint16_t blocks;	/* of a span */
	uint16_t pages;
};

struct spans {
	uintptr_t base;		/* of the region; its page 0 is a guard */
	size_t bytes;		/* 0: there is none */
	uint32_t pages_open;
	uint32_t pages_max;
	uint32_t *span_of;	/* by page: index in all, 0 for none */
	struct span *all;	/* 0 is nobody */
	uint32_t n_all;		/* that have been used */
	struct list spare;	/* of those, the ones without pages */
	struct list runs[SPANS_PAGES_MAX + 1];	/* free pages, by length; the
						   last has all longer ones */
	struct spans_class classes[SPANS_CLASSES];
	void *map;		/* the region and both tables */
	size_t map_bytes;
};

/* Reserves a region of so many bytes, rounded up to a few MiB.  False: the
   kernel refuses, or has pages of another size; then there are no blocks. */
bool spans_init(struct spans *, size_t bytes);
/* The blocks are gone, too. */
void spans_done(struct spans *);

/* A block for size bytes, at most SPANS_BLOCK_MAX; the one that was freed last,
   if there is one.  Aligned for every type of that size.  NULL: no room. */
void *spans_alloc(struct spans *, size_t size);
void spans_free(struct spans *, void *);

/* What a block has, and whether size bytes belong into one like it. */
size_t spans_size(const struct spans *, const void *);
bool spans_fits(const struct spans *, const void *, size_t size);

/* To be called every few seconds: spans that had no block in use since the
   call before lose their pages, to the kernel and to other classes. */
void spans_trim(struct spans *);

/* Whether all of it lies in pages that are open. */
static inline bool
spans_can_read(const struct spans *s, const void *p, size_t len)
{
	size_t at = (uintptr_t)p - s->base;
	size_t end = s->pages_open * SPANS_PAGE;

	return at >= SPANS_PAGE && at < end && len <= end - at;
}

/* Whether a block is from here. */
static inline bool
spans_own(const struct spans *s, const void *p)
{
	return (uintptr_t)p - s->base < s->bytes;
}

#endif
