/* SPDX-License-Identifier: MIT */
/* worker/line: one line of the access log, whatever is put into it. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "common/str.h"
#include "worker/line.h"

/* The line without what line_begin() wrote. */
static const char *
fields(struct line *l)
{
	l->text[l->len] = '\0';
	return strstr(l->text, l->json ? "\"x\"" : "Z x") + 3;
}

static const char *
one(struct line *l, bool json, const char *value, size_t len)
{
	line_init(l, json);
	line_begin(l, "x");
	line_text(l, "k", value, len);
	line_end(l);
	return fields(l);
}

static void
test_both_forms(void **state)
{
	struct line l;

	(void)state;
	for (int json = 0; json < 2; json++) {
		line_init(&l, json == 1);
		line_begin(&l, "x");
		line_word(&l, "id", "2f");
		line_text(&l, "path", "/a b", 4);
		line_number(&l, "n", UINT64_MAX);
		line_bool(&l, "yes", true);
		line_bool(&l, "no", false);
		line_end(&l);
		assert_string_equal(fields(&l), json == 1 ?
		    ",\"id\":\"2f\",\"path\":\"/a b\","
		    "\"n\":18446744073709551615,\"yes\":true,"
		    "\"no\":false}\n" :
		    " id=2f path=\"/a b\" n=18446744073709551615 yes=yes "
		    "no=no\n");
	}
}

static void
test_bytes_of_a_peer(void **state)
{
	static const struct {
		const char *bytes;
		size_t len;
		const char *text, *json;
	} rows[] = {
		{ "", 0, "", "" },
		{ "a\"b\\c", 5, "a\\\"b\\\\c", "a\\\"b\\\\c" },
		{ "\n\r\t\0\x1b[31m", 9, "\\x0A\\x0D\\x09\\x00\\x1B[31m",
		    "\\u000a\\u000d\\u0009\\u0000\\u001b[31m" },
		{ "\x7f", 1, "\\x7F", "\\u007f" },
		{ "\xc3\xa4", 2, "\\xC3\\xA4", "\xc3\xa4" },
		/* no UTF-8 */
		{ "\xc3(", 2, "\\xC3(", "\\u00c3(" },
		{ "\xed\xa0\x80", 3, "\\xED\\xA0\\x80",
		    "\\u00ed\\u00a0\\u0080" },
	};
	struct line l;
	char want[256];

	(void)state;
	for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
		snprintf(want, sizeof(want), " k=\"%s\"\n", rows[i].text);
		assert_int_equal(strcasecmp(one(&l, false, rows[i].bytes,
		    rows[i].len), want), 0);
		snprintf(want, sizeof(want), ",\"k\":\"%s\"}\n",
		    rows[i].json);
		assert_string_equal(one(&l, true, rows[i].bytes,
		    rows[i].len), want);
	}
}

/* Characters of one to four bytes, cut at every place. */
static void
test_cut_between_characters(void **state)
{
	static const char *const kinds[] = { "a", "\xc3\xa4", "\xe2\x82\xac",
		"\xf0\x9f\x98\x80", "\"", "\x01", "\xff" };
	char value[LINE_VALUE_MAX * 2];
	struct line l;

	(void)state;
	for (size_t k = 0; k < sizeof(kinds) / sizeof(kinds[0]); k++) {
		for (size_t shift = 0; shift < 8; shift++) {
			size_t len = 0, n = strlen(kinds[k]);
			const char *got;

			while (len < shift)
				value[len++] = '.';
			while (len + n < sizeof(value)) {
				memcpy(value + len, kinds[k], n);
				len += n;
			}
			got = one(&l, true, value, len);
			assert_non_null(strstr(got, "...\"}\n"));
			assert_true(str_is_utf8(got, strlen(got)));
			assert_true(strlen(got) < LINE_VALUE_MAX + 16);
		}
	}
}

/* A line ends as it should however much it is given. */
static void
test_full(void **state)
{
	char value[LINE_VALUE_MAX];
	struct line l;

	(void)state;
	memset(value, 'v', sizeof(value));
	for (int json = 0; json < 2; json++) {
		line_init(&l, json == 1);
		line_begin(&l, "x");
		for (int i = 0; i < 50; i++)
			line_text(&l, "k", value, sizeof(value) - 1);
		for (int i = 0; i < 5000; i++)
			line_number(&l, "n", 7);
		line_end(&l);
		assert_true(l.len <= sizeof(l.text));
		assert_int_equal(memcmp(l.text + l.len - 2, json == 1 ?
		    "}\n" : "7\n", 2), 0);
	}
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_both_forms),
		cmocka_unit_test(test_bytes_of_a_peer),
		cmocka_unit_test(test_cut_between_characters),
		cmocka_unit_test(test_full),
	};

	return cmocka_run_group_tests_name("line", tests, NULL, NULL);
}
