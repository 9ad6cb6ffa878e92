/* SPDX-License-Identifier: MIT */
/*
 * Owns the stacks of free blocks above 32 KiB, and the spans that have the
 * smaller ones (spans.c).  A block of the stacks knows its own size through
 * malloc_usable_size(), so there is no header in front of it; smaller ones
 * are malloc's, too, when the spans have no room.  Whatever either library
 * has given away is freed by that library, never by free().
 *
 *	classes of the stacks: 16 to each power of two
 *	           32 KiB, 34 ... 64 KiB, 68 ... 2 MiB
 */
#include "worker/pool.h"

#include <event2/event.h>
#include <malloc.h>
#include <openssl/crypto.h>
#include <stdbool.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include "common/alloc.h"
#include "common/log.h"
#include "worker/spans.h"

#define SMALLEST_SHIFT 15		/* 32 KiB: the first class */
#define LARGEST_SHIFT 21		/* 2 MiB */
#define STEP_BITS 4
#define STEPS (1 << STEP_BITS)	/* classes to each power of two */
#define CLASSES ((LARGEST_SHIFT - SMALLEST_SHIFT) * STEPS + 1)
#define SMALL_MAX ((size_t)1 << SMALLEST_SHIFT)
#define LARGE_MAX ((size_t)1 << LARGEST_SHIFT)
#define IDLE_BYTES_MAX ((size_t)8 << 20)
/* Of address space, reserved and not used: half a million connections. */
#define SPANS_BYTES ((size_t)8 << 30)

_Static_assert(SMALL_MAX == SPANS_BLOCK_MAX, "no size between");

struct block {
	struct block *next;
};

static struct {
	struct spans spans;
	struct block *free[CLASSES];
	size_t n[CLASSES];
	size_t lowest[CLASSES];		/* of n, since the last trim */
	size_t idle_bytes;
	/* Small blocks that other threads have freed, for the next trim. */
	struct block *strays;
} pool;

/*
 * A worker has one thread, but a module may bring a library that starts its
 * own and uses OpenSSL there.  Those get from malloc what they need, and touch
 * nothing of the pool but `strays'.
 */
static _Thread_local bool mine;

/* What a block of that class holds at least. */
static size_t
class_size(unsigned class)
{
	size_t power = (size_t)1 << (SMALLEST_SHIFT + class / STEPS);

	return power + power / STEPS * (class % STEPS);
}

/* Where a block belongs that holds size bytes, SMALL_MAX at least: the
   largest class that is not above them. */
static unsigned
class_below(size_t size)
{
	unsigned shift = 63u - (unsigned)__builtin_clzl(size);
	unsigned step = (unsigned)((size - ((size_t)1 << shift)) >>
	    (shift - STEP_BITS));

	if (size >= LARGE_MAX)
		return CLASSES - 1;
	return (shift - SMALLEST_SHIFT) * STEPS + step;
}

/* Of which a block of size bytes is taken; above SMALL_MAX. */
static unsigned
class_above(size_t size)
{
	unsigned class = class_below(size);

	return class_size(class) < size ? class + 1 : class;
}

static __attribute__((noinline)) void *
large_malloc(size_t size)
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

static void *
pool_malloc(size_t size)
{
	void *p;

	if (__builtin_expect(!mine, 0))
		return xmalloc(size);
	if (size > SMALL_MAX)
		return large_malloc(size);
	p = spans_alloc(&pool.spans, size);
	return p != NULL ? p : xmalloc(size);
}

static __attribute__((noinline)) void
large_free(void *p)
{
	struct block *block = p;
	size_t size = malloc_usable_size(p);
	unsigned class;

	/* malloc may give a few bytes more than asked, not a class more. */
	if (size < SMALL_MAX || size >= LARGE_MAX + 4096 ||
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

static __attribute__((noinline)) void
free_elsewhere(void *p)
{
	struct block *block = p;

	if (!spans_own(&pool.spans, p)) {
		free(p);
		return;
	}
	block->next = __atomic_load_n(&pool.strays, __ATOMIC_RELAXED);
	while (!__atomic_compare_exchange_n(&pool.strays, &block->next, block,
	    true, __ATOMIC_RELEASE, __ATOMIC_RELAXED))
		;
}

static void
free_strays(void)
{
	struct block *block = __atomic_exchange_n(&pool.strays, NULL,
	    __ATOMIC_ACQUIRE), *next;

	for (; block != NULL; block = next) {
		next = block->next;
		spans_free(&pool.spans, block);
	}
}

static void
pool_free(void *p)
{
	if (__builtin_expect(!mine, 0))
		free_elsewhere(p);
	else if (spans_own(&pool.spans, p))
		spans_free(&pool.spans, p);
	else if (p != NULL)
		large_free(p);
}

static size_t
block_size(void *p)
{
	if (spans_own(&pool.spans, p))
		return spans_size(&pool.spans, p);
	return malloc_usable_size(p);
}

static void *
pool_realloc(void *p, size_t size)
{
	bool own = spans_own(&pool.spans, p);
	size_t has;
	void *moved;

	/* OpenSSL begins the buffer of each handshake (21 KiB) like this: from
	   malloc it would be a new block every time, and end in the stacks. */
	if (p == NULL)
		return pool_malloc(size);
	if (own && spans_fits(&pool.spans, p, size))
		return p;
	if (!own && size > SMALL_MAX)
		return xreallocarray(p, size, 1);
	has = block_size(p);
	moved = pool_malloc(size);
	memcpy(moved, p, has < size ? has : size);
	pool_free(p);
	return moved;
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
	mine = true;
#ifndef __SANITIZE_ADDRESS__	/* which must see each block come and go */
	/* Without them all is malloc's, and right. */
	if (!spans_init(&pool.spans, SPANS_BYTES))
		log_warn("no address space for the buffer pool: small blocks "
		    "come from malloc");
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
	free_strays();
	spans_trim(&pool.spans);
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

bool
pool_can_read(const void *p, size_t len)
{
	return spans_can_read(&pool.spans, p, len);
}

size_t
pool_idle_bytes(void)
{
	return pool.idle_bytes;
}
