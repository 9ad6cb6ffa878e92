/* SPDX-License-Identifier: MIT */
/*
 * Owns the stacks of free blocks.  A block knows its own size through
 * malloc_usable_size(), so there is no header in front of it and a block may
 * be freed by either library, or by free().
 *
 *	classes   [ small: as malloc's own | large: 16 to each power of two ]
 *	           24, 40, 56 ... 1016      1024, 1088 ... 2048 ... 2 MiB
 */
#include "worker/pool.h"

#include <event2/event.h>
#include <malloc.h>
#include <openssl/crypto.h>
#include <stdint.h>
#include <stdlib.h>

#include "common/alloc.h"
#include "common/log.h"

#define SMALL_FIRST 24			/* the smallest block of glibc's, */
#define SMALL_STEP 16			/* and what the next has more */
#define SMALL_CLASSES 63
#define SMALLEST_SHIFT 10		/* 1 KiB: the first large class */
#define LARGEST_SHIFT 21		/* 2 MiB */
#define STEP_BITS 4
#define STEPS (1 << STEP_BITS)	/* classes to each power of two: with 16 an
				   SSL (7,608 bytes) wastes 72 bytes, with 4
				   it wasted 584 */
#define LARGE_CLASSES ((LARGEST_SHIFT - SMALLEST_SHIFT) * STEPS + 1)
#define CLASSES (SMALL_CLASSES + LARGE_CLASSES)
#define SMALL_MAX (SMALL_FIRST + (SMALL_CLASSES - 1) * SMALL_STEP)
#define LARGE_MAX ((size_t)1 << LARGEST_SHIFT)
#define IDLE_BYTES_MAX ((size_t)8 << 20)

struct block {
	struct block *next;
};

static struct {
	struct block *free[CLASSES];
	size_t n[CLASSES];
	size_t lowest[CLASSES];		/* of n, since the last trim */
	size_t idle_bytes;
} pool;

/* What a block of that class holds at least. */
static size_t
class_size(unsigned class)
{
	size_t power;

	if (class < SMALL_CLASSES)
		return SMALL_FIRST + (size_t)class * SMALL_STEP;
	class -= SMALL_CLASSES;
	power = (size_t)1 << (SMALLEST_SHIFT + class / STEPS);
	return power + power / STEPS * (class % STEPS);
}

/* The largest class that is not above size, which is above SMALL_MAX. */
static unsigned
large_class(size_t size)
{
	unsigned shift = 63u - (unsigned)__builtin_clzl(size);
	unsigned step = (unsigned)((size - ((size_t)1 << shift)) >>
	    (shift - STEP_BITS));

	return SMALL_CLASSES + (shift - SMALLEST_SHIFT) * STEPS + step;
}

/* Of which a block of size bytes is taken; size is at most LARGE_MAX. */
static unsigned
class_above(size_t size)
{
	unsigned class;

	if (size <= SMALL_FIRST)
		return 0;
	if (size <= SMALL_MAX)
		return (unsigned)((size - SMALL_FIRST + SMALL_STEP - 1) /
		    SMALL_STEP);
	if (size <= (size_t)1 << SMALLEST_SHIFT)
		return SMALL_CLASSES;
	class = large_class(size);
	return class_size(class) < size ? class + 1 : class;
}

/* Where a block belongs that holds size bytes, SMALL_FIRST at least. */
static unsigned
class_below(size_t size)
{
	if (size < (size_t)1 << SMALLEST_SHIFT)
		return (unsigned)((size - SMALL_FIRST) / SMALL_STEP);
	return size > LARGE_MAX ? CLASSES - 1 : large_class(size);
}

static void *
pool_malloc(size_t size)
{
	unsigned class;
	struct block *block;

	if (size > LARGE_MAX)
		return xmalloc(size);
	class = class_above(size);
	block = pool.free[class];
	if (block == NULL)
		return xmalloc(class_size(class));
	pool.free[class] = block->next;
	if (--pool.n[class] < pool.lowest[class])
		pool.lowest[class] = pool.n[class];
	pool.idle_bytes -= class_size(class);
	return block;
}

static void
pool_free(void *p)
{
	struct block *block = p;
	unsigned class;
	size_t size;

	if (p == NULL)
		return;
	size = malloc_usable_size(p);
	/* malloc may give a few bytes more than asked, not a class more. */
	if (size < SMALL_FIRST || size >= LARGE_MAX + 4096 ||
	    pool.idle_bytes >= IDLE_BYTES_MAX) {
		free(p);
		return;
	}
	class = class_below(size);
	block->next = pool.free[class];
	pool.free[class] = block;
	pool.n[class]++;
	pool.idle_bytes += class_size(class);
}

static void *
pool_realloc(void *p, size_t size)
{
	/* OpenSSL begins the buffer of each handshake (21 KiB) like this: from
	   malloc it would be a new block every time, and end in the stacks. */
	if (p == NULL)
		return pool_malloc(size);
	return xreallocarray(p, size, 1);
}

static void *
crypto_malloc(size_t size, const char *file, int line)
{
	(void)file;
	(void)line;
	return pool_malloc(size);
}

static void *
crypto_realloc(void *p, size_t size, const char *file, int line)
{
	(void)file;
	(void)line;
	if (size == 0) {
		pool_free(p);
		return NULL;
	}
	return pool_realloc(p, size);
}

static void
crypto_free(void *p, const char *file, int line)
{
	(void)file;
	(void)line;
	pool_free(p);
}

void
pool_install(void)
{
#ifndef __SANITIZE_ADDRESS__	/* which must see each block come and go */
	/* May fail only when OpenSSL has allocated already: then it goes
	   on with malloc, slower and right. */
	if (CRYPTO_set_mem_functions(crypto_malloc, crypto_realloc,
	    crypto_free) != 1)
		log_warn("OpenSSL does not take the buffer pool");
	event_set_mem_functions(pool_malloc, pool_realloc, pool_free);
#else
	(void)crypto_malloc;
	(void)crypto_realloc;
	(void)crypto_free;
#endif
}

void
pool_trim(void)
{
	for (unsigned class = 0; class < CLASSES; class++) {
		for (size_t i = 0; i < pool.lowest[class]; i++) {
			struct block *block = pool.free[class];

			pool.free[class] = block->next;
			pool.n[class]--;
			pool.idle_bytes -= class_size(class);
			free(block);
		}
		pool.lowest[class] = pool.n[class];
	}
	/* What a burst has left in the heap, between blocks that live on,
	   goes back to the kernel only when it is asked to (measured, with
	   10,000 clients: 17.5 KiB each after 64 KiB from all of them, 14.8
	   twenty seconds later). */
	malloc_trim(0);
}

size_t
pool_idle_bytes(void)
{
	return pool.idle_bytes;
}
