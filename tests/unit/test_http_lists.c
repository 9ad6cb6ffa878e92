/* SPDX-License-Identifier: MIT */
/* worker/http: lists, tokens and slices (RFC 9110 §5.6). */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>

#include <cmocka.h>

#include "worker/http.h"

static void
test_lists(void **state)
{
	static const struct {
		const char *list, *expected;	/* with | behind each */
	} lists[] = {
		{ "", "" },
		{ "a", "a|" },
		{ "a,b", "a|b|" },
		{ " a \t,\tb c ,d", "a|b c|d|" },
		{ ",,a, ,b,", "a|b|" },
		{ " , ,\t", "" },
		{ "a;x=\"1,2\",b", "a;x=\"1,2\"|b|" },
		{ "\"\\\",\",b", "\"\\\",\"|b|" },
		{ "a\\,b", "a\\|b|" },
		{ "\"a,b", "\"a,b|" },
		{ "\"a\\", "\"a\\|" },
	};

	(void)state;
	for (size_t i = 0; i < sizeof(lists) / sizeof(*lists); i++) {
		struct slice rest = { lists[i].list, strlen(lists[i].list) };
		struct slice e;
		char seen[100] = "";

		while (http_list_next(&rest, &e))
			snprintf(seen + strlen(seen),
			    sizeof(seen) - strlen(seen), "%.*s|", (int)e.len,
			    e.data);
		assert_string_equal(seen, lists[i].expected);
	}
}

static void
test_slices(void **state)
{
	struct slice none = { NULL, 0 }, abc = { "aBcd", 3 };

	(void)state;
	assert_true(slice_equal(abc, "aBc"));
	assert_false(slice_equal(abc, "abc"));
	assert_false(slice_equal(abc, "aB"));
	assert_false(slice_equal(abc, "aBcd"));
	assert_true(slice_equal(none, ""));
	assert_false(slice_equal(none, "a"));
	assert_true(slice_equal_nocase(abc, "AbC"));
	assert_false(slice_equal_nocase(abc, "abd"));
	assert_false(slice_equal_nocase(abc, "ab"));
	assert_true(slice_equal_nocase(none, ""));
	assert_false(http_is_token(none));
	for (unsigned c = 0; c < 256; c++) {
		char byte = (char)c;
		bool expected = c > ' ' && c < 0x7f &&
		    strchr("\"(),/:;<=>?@[\\]{}", (int)c) == NULL;

		assert_int_equal(http_is_token((struct slice){ &byte, 1 }),
		    expected);
	}
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_lists),
		cmocka_unit_test(test_slices),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
