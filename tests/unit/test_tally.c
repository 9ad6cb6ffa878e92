/* SPDX-License-Identifier: MIT */
/* master/tally: sums by name, of cells that are not to be trusted. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "master/slot.h"
#include "master/tally.h"

static void
test_sum(void **state)
{
	struct metrics *sum = tally_new(), *a = tally_new(), *b = tally_new();

	(void)state;
	a->accepted = 3, b->accepted = 4;
	a->open = 1, b->open = 2;
	strcpy(a->routes[0].name, "/x");
	strcpy(a->routes[1].name, "/y");
	/* The same routes at other places, and one more. */
	strcpy(b->routes[0].name, "/y");
	strcpy(b->routes[1].name, "/z");
	strcpy(b->routes[4].name, "/x");
	for (size_t i = 0; i < 5; i++) {
		a->routes[i].upgrades = 10 + i;
		b->routes[i].upgrades = 100 + i;
		a->routes[i].open = b->routes[i].open = 1;
	}
	tally_add(sum, a, true);
	tally_add(sum, b, true);
	assert_int_equal(sum->accepted, 7);
	assert_int_equal(sum->open, 3);
	assert_string_equal(sum->routes[0].name, "/x");
	assert_int_equal(sum->routes[0].upgrades, 10 + 104);
	assert_int_equal(sum->routes[0].open, 2);
	assert_string_equal(sum->routes[1].name, "/y");
	assert_int_equal(sum->routes[1].upgrades, 11 + 100);
	assert_string_equal(sum->routes[2].name, "/z");
	assert_int_equal(sum->routes[2].upgrades, 101);
	assert_string_equal(sum->routes[3].name, "");
	/* One that is gone has nothing open, and nothing was ever negative. */
	tally_add(sum, a, false);
	assert_int_equal(sum->accepted, 10);
	assert_int_equal(sum->open, 3);
	assert_int_equal(sum->routes[0].open, 2);
	tally_free(sum);
	tally_free(a);
	tally_free(b);
}

static void
test_newest_certificate(void **state)
{
	struct metrics *sum = tally_new(), *a = tally_new(), *b = tally_new();

	(void)state;
	strcpy(a->contexts[0].name, "c");
	strcpy(a->contexts[0].subject, "old.example");
	a->contexts[0].generation = 3;
	a->contexts[0].handshakes = 5;
	strcpy(b->contexts[0].name, "c");
	strcpy(b->contexts[0].subject, "new.example");
	b->contexts[0].generation = 4;
	b->contexts[0].not_after = 77;
	b->contexts[0].handshakes = 6;
	tally_add(sum, b, true);
	tally_add(sum, a, true);
	assert_string_equal(sum->contexts[0].subject, "new.example");
	assert_int_equal(sum->contexts[0].not_after, 77);
	assert_int_equal(sum->contexts[0].handshakes, 11);
	/* Nobody who reckons with what a worker wrote overflows. */
	b->contexts[0].not_before = UINT64_MAX;
	b->contexts[0].not_after = 1ull << 63;
	tally_add(sum, b, true);
	assert_int_equal(sum->contexts[0].not_before, 253402300799);
	assert_int_equal(sum->contexts[0].not_after, 253402300799);
	tally_free(sum);
	tally_free(a);
	tally_free(b);
}

/* Names without an end, of any bytes, and more of them than there is room. */
static void
test_hostile_cells(void **state)
{
	struct metrics *sum = tally_new(), *cell = tally_new();

	(void)state;
	memset(cell, 0xff, sizeof(*cell));
	tally_add(sum, cell, true);
	assert_int_equal(strnlen(sum->routes[0].name, METRICS_NAME),
	    strlen(sum->routes[0].name));
	for (size_t i = 0; i < METRICS_NAME && sum->routes[0].name[i] != '\0';
	    i++)
		assert_in_range(sum->routes[0].name[i], ' ', '~');
	for (unsigned round = 0; round < 3; round++) {
		for (size_t i = 0; i < METRICS_ROUTES; i++)
			snprintf(cell->routes[i].name, METRICS_NAME, "%u-%zu",
			    round, i);
		tally_add(sum, cell, true);
	}
	tally_free(sum);
	tally_free(cell);
}

static void
test_backoff(void **state)
{
	static const uint64_t seconds[] = { 0, 1, 2, 4, 8, 16, 32, 60, 60 };

	(void)state;
	for (unsigned i = 0; i < sizeof(seconds) / sizeof(seconds[0]); i++)
		assert_int_equal(slot_backoff_ms(i), seconds[i] * 1000);
	assert_int_equal(slot_backoff_ms(UINT32_MAX), 60000);
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_sum),
		cmocka_unit_test(test_newest_certificate),
		cmocka_unit_test(test_hostile_cells),
		cmocka_unit_test(test_backoff),
	};

	return cmocka_run_group_tests_name("tally", tests, NULL, NULL);
}
