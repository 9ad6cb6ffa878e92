/* SPDX-License-Identifier: MIT */
/* master/expiry: when what is due. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "master/expiry.h"

#define DAY 86400

static void
levels(void **state)
{
	static const struct {
		int64_t left;
		unsigned level;
	} rows[] = {
		{ 90 * DAY, 0 }, { 14 * DAY + 1, 0 }, { 14 * DAY, 1 },
		{ 7 * DAY + 1, 1 }, { 7 * DAY, 2 }, { DAY + 1, 2 },
		{ DAY, 3 }, { 1, 3 }, { 0, 4 }, { -1, 4 }, { -900 * DAY, 4 },
	};
	const int64_t now = 1760000000;

	(void)state;
	for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++)
		assert_int_equal(expiry_level((uint64_t)(now + rows[i].left),
		    now), rows[i].level);
}

int
main(void)
{
	static const struct CMUnitTest tests[] = {
		cmocka_unit_test(levels),
	};

	return cmocka_run_group_tests_name("expiry", tests, NULL, NULL);
}
