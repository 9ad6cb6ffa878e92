/* SPDX-License-Identifier: MIT */
/* common/map: what was put is found, and nothing else. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>

#include <cmocka.h>

#include "common/map.h"

static void
is_empty_at_first(void **state)
{
	struct map map = MAP_INIT;

	(void)state;
	assert_null(map_get(&map, "", 0));
	assert_null(map_get(&map, "a", 1));
	map_done(&map);
}

static void
keeps_the_first(void **state)
{
	struct map map = MAP_INIT;
	int a, b;

	(void)state;
	assert_true(map_put(&map, "key", 3, &a));
	assert_false(map_put(&map, "key", 3, &b));
	assert_ptr_equal(map_get(&map, "key", 3), &a);
	assert_ptr_equal(map_get(&map, "keyhole", 3), &a);
	assert_null(map_get(&map, "ke", 2));
	assert_null(map_get(&map, "KEY", 3));
	assert_true(map_put(&map, "", 0, &b));
	assert_ptr_equal(map_get(&map, "", 0), &b);
	assert_int_equal(map.n, 2);
	map_done(&map);
}

static void
grows(void **state)
{
	enum { N = 10000 };
	static char keys[N][16];
	static char missing[16];
	struct map map = MAP_INIT;

	(void)state;
	for (int i = 0; i < N; i++) {
		snprintf(keys[i], sizeof(keys[i]), "%d.example", i);
		assert_true(map_put(&map, keys[i], strlen(keys[i]), keys[i]));
	}
	for (int i = 0; i < N; i++) {
		assert_ptr_equal(map_get(&map, keys[i], strlen(keys[i])),
		    keys[i]);
		snprintf(missing, sizeof(missing), "%d.example", N + i);
		assert_null(map_get(&map, missing, strlen(missing)));
	}
	assert_true(map.room >= 2 * map.n);
	map_done(&map);
}

int
main(void)
{
	static const struct CMUnitTest tests[] = {
		cmocka_unit_test(is_empty_at_first),
		cmocka_unit_test(keeps_the_first),
		cmocka_unit_test(grows),
	};

	return cmocka_run_group_tests_name("map", tests, NULL, NULL);
}
