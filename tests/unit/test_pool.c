/* SPDX-License-Identifier: MIT */
/*
 * The buffer pool, its inside included: under the sanitizers it is not
 * installed, so it is called here directly.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>
#include <cmocka.h>

#include <pthread.h>

#include "common/count.h"
#include "worker/pool.c"
#include "worker/spans_parts.h"

static int
fill_pool(void **state)
{
	(void)state;
	mine = true;
	assert_true(spans_init(&pool.spans, (size_t)64 << 20));
	return 0;
}

static int
empty_pool(void **state)
{
	(void)state;
	pool_trim();
	pool_trim();
	spans_done(&pool.spans);
	return 0;
}

static void
classes_grow_and_cover(void **state)
{
	(void)state;
	assert_int_equal(class_size(0), SMALL_MAX);
	assert_int_equal(class_size(CLASSES - 1), LARGE_MAX);
	for (unsigned i = 1; i < CLASSES; i++)
		assert_true(class_size(i) > class_size(i - 1));
	for (size_t size = SMALL_MAX; size <= LARGE_MAX; size += 7) {
		unsigned above = class_above(size);
		unsigned below = class_below(size);

		assert_true(above < CLASSES);
		assert_true(class_size(above) >= size);
		assert_true(above == 0 || class_size(above - 1) < size);
		assert_true(class_size(below) <= size);
		assert_true(below + 1 == CLASSES ||
		    class_size(below + 1) > size);
	}
	assert_int_equal(class_below(LARGE_MAX + 4095), CLASSES - 1);
}

/* Whatever malloc gives, a block fits the class it comes back into. */
static void
blocks_keep_their_size(void **state)
{
	(void)state;
	for (size_t size = 0; size <= 300 * 1024; size += 1013) {
		uint8_t *a = pool_malloc(size), *b;

		assert_int_equal((uintptr_t)a % (size % 16 == 0 ? 16 : 8), 0);
		assert_int_equal(spans_own(&pool.spans, a), size <= SMALL_MAX);
		memset(a, 0xaa, size);
		pool_free(a);
		b = pool_malloc(size);
		assert_true(block_size(b) >= size);
		memset(b, 0x55, size);
		pool_free(b);
	}
}

static void
last_in_first_out(void **state)
{
	static const size_t sizes[] = { 50, 7608, 20000, 70000 };

	(void)state;
	for (size_t i = 0; i < COUNT(sizes); i++) {
		void *a = pool_malloc(sizes[i]), *b = pool_malloc(sizes[i]);

		pool_free(a);
		pool_free(b);
		assert_ptr_equal(pool_malloc(sizes[i]), b);
		assert_ptr_equal(pool_malloc(sizes[i]), a);
		pool_free(a);
		pool_free(b);
	}
}

static void
trim_gives_back_what_was_not_used(void **state)
{
	void *blocks[20];

	(void)state;
	pool_trim();
	for (int i = 0; i < 20; i++)
		blocks[i] = pool_malloc(65536);
	for (int i = 0; i < 20; i++)
		pool_free(blocks[i]);
	assert_true(pool_idle_bytes() >= 20 * 65536);
	/* The first trim only begins to watch; the second finds them idle. */
	pool_trim();
	pool_trim();
	assert_int_equal(pool_idle_bytes(), 0);
}

static void
holds_no_more_than_its_bound(void **state)
{
	enum { N = 20 };
	static void *blocks[N];

	(void)state;
	for (int i = 0; i < N; i++)
		blocks[i] = pool_malloc(LARGE_MAX);
	for (int i = 0; i < N; i++)
		pool_free(blocks[i]);
	assert_true(pool_idle_bytes() <= IDLE_BYTES_MAX + LARGE_MAX);
	pool_trim();
	pool_trim();
}

static void
realloc_and_null(void **state)
{
	uint8_t *p = pool_realloc(NULL, 100);

	(void)state;
	memset(p, 1, 100);
	p = pool_realloc(p, 50000);
	assert_int_equal(p[99], 1);
	pool_free(p);
	/* A buffer that begins with realloc comes from the pool, too. */
	p = pool_malloc(41848);
	pool_free(p);
	assert_ptr_equal(pool_realloc(NULL, 41848), p);
	pool_free(p);
	/* One that grows within its block stays where it is. */
	p = pool_malloc(250);
	assert_ptr_equal(pool_realloc(p, 256), p);
	pool_free(p);
	pool_free(NULL);
	assert_null(crypto_realloc(pool_malloc(2000), 0, "", 0));
	assert_null(crypto_realloc(pool_malloc(60000), 0, "", 0));
}

/* Spans, stacks, and what is too large for them: from each into each. */
static void
realloc_across_kinds(void **state)
{
	static const size_t sizes[] = {
		1, 16, 17, 100, 1024, 1025, 7608, 8192, 8193, 21848, SMALL_MAX,
		SMALL_MAX + 1, 50000, 300000, LARGE_MAX, LARGE_MAX + 1,
		LARGE_MAX * 2,
	};

	(void)state;
	for (size_t i = 0; i < COUNT(sizes); i++)
		for (size_t k = 0; k < COUNT(sizes); k++) {
			size_t kept = sizes[i] < sizes[k] ? sizes[i] : sizes[k];
			uint8_t *p = pool_malloc(sizes[i]);

			memset(p, 0x5a, sizes[i]);
			p = pool_realloc(p, sizes[k]);
			assert_true(block_size(p) >= sizes[k]);
			assert_int_equal(spans_own(&pool.spans, p),
			    sizes[k] <= SMALL_MAX);
			assert_int_equal(p[0], 0x5a);
			assert_memory_equal(p, p + 1, kept - 1);
			memset(p, 0xa5, sizes[k]);
			pool_free(p);
		}
}

/* Without room in the spans, and then with it again, and the other way. */
static void
goes_on_with_malloc(void **state)
{
	enum { N = 20000 };
	static uint8_t *blocks[N];
	size_t own = 0;

	(void)state;
	empty_pool(NULL);
	assert_true(spans_init(&pool.spans, 1));
	for (size_t i = 0; i < N; i++) {
		blocks[i] = pool_malloc(500);
		memset(blocks[i], (int)(i % 251), 500);
		own += spans_own(&pool.spans, blocks[i]);
	}
	assert_true(own > 0 && own < N);
	for (size_t i = 0; i < N; i += 2)
		blocks[i] = pool_realloc(blocks[i], 600);
	for (size_t i = 0; i < N; i++) {
		assert_int_equal(blocks[i][0], i % 251);
		assert_memory_equal(blocks[i], blocks[i] + 1, 499);
		pool_free(blocks[i]);
	}
	pool_trim();
	pool_trim();
	/* The pages have left their class. */
	assert_true(spans_own(&pool.spans, pool_malloc(20000)));
	spans_done(&pool.spans);
	/* No region at all: every block is malloc's. */
	assert_false(spans_init(&pool.spans, (size_t)1 << 56));
	blocks[0] = pool_realloc(pool_malloc(500), 700);
	assert_false(spans_own(&pool.spans, blocks[0]));
	pool_free(blocks[0]);
	pool_free(pool_malloc(SMALL_MAX));
	pool_trim();
}

/* ---- other threads ---------------------------------------------------- */

#define HANDED 500

struct handed {
	void *small[HANDED], *grown[HANDED], *large;
	bool from_spans;		/* what the thread itself was given */
};

static void *
use_and_free(void *arg)
{
	struct handed *h = arg;

	for (size_t i = 0; i < HANDED; i++) {
		void *own = pool_malloc(1 + i);

		h->from_spans |= spans_own(&pool.spans, own);
		memset(own, 1, 1 + i);
		pool_free(own);
		pool_free(h->small[i]);
		h->grown[i] = pool_realloc(h->grown[i], 4000);
		assert_memory_equal(h->grown[i], "grown", 5);
	}
	pool_free(h->large);
	return NULL;
}

/* Two of them free blocks of the pool while it goes on: none is lost, and
   none is given to two. */
static void
other_threads_may_free(void **state)
{
	static struct handed handed[2];
	void *block, *before = pool_malloc(40);
	pthread_t threads[2];
	size_t page;

	(void)state;
	for (int t = 0; t < 2; t++) {
		for (size_t i = 0; i < HANDED; i++) {
			handed[t].small[i] = pool_malloc(40);
			handed[t].grown[i] = pool_malloc(16);
			memcpy(handed[t].grown[i], "grown", 5);
		}
		handed[t].large = pool_malloc(100000);
		assert_int_equal(pthread_create(&threads[t], NULL,
		    use_and_free, &handed[t]), 0);
	}
	for (int i = 0; i < 20000; i++) {
		block = pool_malloc(40);
		memset(block, 0xff, 40);
		pool_free(block);
		if (i % 100 == 0)
			pool_trim();
	}
	for (int t = 0; t < 2; t++)
		pthread_join(threads[t], NULL);
	pool_trim();
	assert_null(pool.strays);
	for (int t = 0; t < 2; t++) {
		assert_false(handed[t].from_spans);
		for (size_t i = 0; i < HANDED; i++)
			pool_free(handed[t].grown[i]);
	}
	/* All that went through the threads is free again: the one span has
	   one block in use. */
	page = ((uintptr_t)before - pool.spans.base) / SPANS_PAGE;
	assert_int_equal(pool.spans.all[pool.spans.span_of[page]].used, 1);
	pool_free(before);
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(classes_grow_and_cover),
		cmocka_unit_test(blocks_keep_their_size),
		cmocka_unit_test(last_in_first_out),
		cmocka_unit_test(trim_gives_back_what_was_not_used),
		cmocka_unit_test(holds_no_more_than_its_bound),
		cmocka_unit_test(realloc_and_null),
		cmocka_unit_test(realloc_across_kinds),
		cmocka_unit_test(other_threads_may_free),
		cmocka_unit_test_setup_teardown(goes_on_with_malloc, NULL,
		    fill_pool),
	};

	return cmocka_run_group_tests_name("pool", tests, fill_pool, empty_pool);
}
