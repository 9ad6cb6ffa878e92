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

#include "worker/pool.c"

static void
classes_grow_and_cover(void **state)
{
	(void)state;
	assert_int_equal(class_size(0), 24);
	assert_int_equal(class_size(SMALL_CLASSES - 1), 1016);
	assert_int_equal(class_size(SMALL_CLASSES), 1024);
	assert_int_equal(class_size(CLASSES - 1), LARGE_MAX);
	for (unsigned i = 1; i < CLASSES; i++)
		assert_true(class_size(i) > class_size(i - 1));
	for (size_t size = 24; size <= LARGE_MAX; size += size < 2048 ? 1 : 7) {
		unsigned above = class_above(size);
		unsigned below = class_below(size);

		assert_true(above < CLASSES);
		assert_true(class_size(above) >= size);
		assert_true(above == 0 || class_size(above - 1) < size);
		assert_true(class_size(below) <= size);
		assert_true(below + 1 == CLASSES ||
		    class_size(below + 1) > size);
	}
	assert_int_equal(class_above(0), 0);
	assert_int_equal(class_above(1), 0);
}

/* What malloc gives for a class comes back into that class. */
static void
a_class_is_a_size_of_malloc(void **state)
{
	(void)state;
	for (unsigned i = 0; i < SMALL_CLASSES; i++) {
		void *p = malloc(class_size(i));

		assert_int_equal(class_below(malloc_usable_size(p)), i);
		free(p);
	}
}

/* Whatever malloc gives, a block fits the class it comes back into. */
static void
blocks_keep_their_size(void **state)
{
	(void)state;
	for (size_t size = 1; size <= 300 * 1024; size += 1013) {
		uint8_t *a = pool_malloc(size), *b;

		memset(a, 0xaa, size);
		pool_free(a);
		b = pool_malloc(size);
		assert_true(malloc_usable_size(b) >= size);
		memset(b, 0x55, size);
		pool_free(b);
	}
}

static void
last_in_first_out(void **state)
{
	void *a = pool_malloc(20000), *b = pool_malloc(20000);

	(void)state;
	pool_free(a);
	pool_free(b);
	assert_ptr_equal(pool_malloc(20000), b);
	assert_ptr_equal(pool_malloc(20000), a);
	pool_free(a);
	pool_free(b);
}

static void
trim_gives_back_what_was_not_used(void **state)
{
	void *blocks[20];

	(void)state;
	pool_trim();
	for (int i = 0; i < 20; i++)
		blocks[i] = pool_malloc(32768);
	for (int i = 0; i < 20; i++)
		pool_free(blocks[i]);
	assert_true(pool_idle_bytes() >= 20 * 32768);
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
	/* A buffer that begins with realloc comes from the stacks, too. */
	p = pool_malloc(21848);
	pool_free(p);
	assert_ptr_equal(pool_realloc(NULL, 21848), p);
	pool_free(p);
	p = pool_malloc(48);
	pool_free(p);
	assert_ptr_equal(pool_malloc(50), p);
	pool_free(p);
	pool_free(NULL);
	assert_null(crypto_realloc(pool_malloc(2000), 0, "", 0));
}

static int
empty_pool(void **state)
{
	(void)state;
	pool_trim();
	pool_trim();
	return 0;
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(classes_grow_and_cover),
		cmocka_unit_test(a_class_is_a_size_of_malloc),
		cmocka_unit_test(blocks_keep_their_size),
		cmocka_unit_test(last_in_first_out),
		cmocka_unit_test(trim_gives_back_what_was_not_used),
		cmocka_unit_test(holds_no_more_than_its_bound),
		cmocka_unit_test(realloc_and_null),
	};

	return cmocka_run_group_tests_name("pool", tests, NULL, empty_pool);
}
