/* SPDX-License-Identifier: MIT */
/* common/str: numbers, sizes, times, words. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

#include <cmocka.h>

#include "common/count.h"
#include "common/str.h"

struct number_case {
	const char *text;
	uint64_t value;
	const char *error;	/* NULL: the value is right */
};

typedef int parse_function(const char *, uint64_t *, struct err *);

static void
check_numbers(parse_function *parse, const struct number_case *cases,
    size_t n)
{
	for (size_t i = 0; i < n; i++) {
		struct err err = ERR_INIT;
		uint64_t v = 4711;
		int r = parse(cases[i].text, &v, &err);

		if (cases[i].error != NULL) {
			assert_int_equal(r, -1);
			assert_string_equal(err.text, cases[i].error);
			assert_int_equal(v, 4711);
			assert_int_equal(parse(cases[i].text, &v, NULL), -1);
		} else {
			assert_string_equal(err.text, "");
			assert_int_equal(r, 0);
			assert_true(v == cases[i].value);
		}
	}
}

static void
parses_uint(void **state)
{
	static const struct number_case cases[] = {
		{ "0", 0, NULL }, { "7", 7, NULL }, { "007", 7, NULL },
		{ "18446744073709551615", UINT64_MAX, NULL },
		{ "18446744073709551616", 0,
		    "`18446744073709551616' is too big" },
		{ "", 0, "`' is not a number" },
		{ "-1", 0, "`-1' is not a number" },
		{ "+1", 0, "`+1' is not a number" },
		{ " 1", 0, "` 1' is not a number" },
		{ "1 ", 0, "`1 ' is not a number" },
		{ "0x10", 0, "`0x10' is not a number" },
	};

	(void)state;
	check_numbers(str_parse_uint, cases, COUNT(cases));
}

static void
parses_size(void **state)
{
	static const struct number_case cases[] = {
		{ "0", 0, NULL }, { "4096", 4096, NULL },
		{ "64k", 65536, NULL }, { "64K", 65536, NULL },
		{ "16m", 16 << 20, NULL }, { "1g", 1 << 30, NULL },
		{ "17179869183g", 17179869183ull << 30, NULL },
		{ "17179869184g", 0, "`17179869184g' is too big" },
		{ "99999999999999999999", 0,
		    "`99999999999999999999' is too big" },
		{ "64kb", 0, "`64kb' is not a size: "
		    "write bytes, or 64k, 16m, 1g" },
		{ "64 k", 0, "`64 k' is not a size: "
		    "write bytes, or 64k, 16m, 1g" },
		{ "k", 0, "`k' is not a size: "
		    "write bytes, or 64k, 16m, 1g" },
	};

	(void)state;
	check_numbers(str_parse_size, cases, COUNT(cases));
}

static void
parses_duration(void **state)
{
	static const struct number_case cases[] = {
		{ "0", 0, NULL }, { "0s", 0, NULL }, { "00", 0, NULL },
		{ "500ms", 500, NULL }, { "10s", 10000, NULL },
		{ "10S", 10000, NULL }, { "5m", 300000, NULL },
		{ "1h", 3600000, NULL }, { "1d", 86400000, NULL },
		{ "10", 0, "`10' needs a unit: write 10s for seconds or "
		    "10ms for milliseconds" },
		{ "10 s", 0, "`10 s' is not a time: "
		    "write 500ms, 10s, 5m, 1h or 1d" },
		{ "1.5s", 0, "`1.5s' is not a time: "
		    "write 500ms, 10s, 5m, 1h or 1d" },
		{ "", 0, "`' is not a time: "
		    "write 500ms, 10s, 5m, 1h or 1d" },
		{ "300000000000d", 0, "`300000000000d' is too big" },
	};

	(void)state;
	check_numbers(str_parse_duration_ms, cases, COUNT(cases));
}

static void
parses_bool(void **state)
{
	static const char *const on[] = { "on", "yes", "true", "1", "On" };
	static const char *const off[] = { "off", "no", "false", "0", "NO" };
	struct err err = ERR_INIT;
	bool v;

	(void)state;
	for (size_t i = 0; i < COUNT(on); i++) {
		v = false;
		assert_int_equal(str_parse_bool(on[i], &v, &err), 0);
		assert_true(v);
		assert_int_equal(str_parse_bool(off[i], &v, &err), 0);
		assert_false(v);
	}
	v = true;
	assert_int_equal(str_parse_bool("2", &v, &err), -1);
	assert_string_equal(err.text, "`2' is neither on nor off");
	assert_true(v);
}

static void
formats_what_parses_back(void **state)
{
	static const struct {
		uint64_t value;
		const char *size, *duration;
	} cases[] = {
		{ 0, "0", "0" }, { 1, "1", "1ms" }, { 1000, "1000", "1s" },
		{ 1024, "1k", "1024ms" }, { 1536, "1536", "1536ms" },
		{ 65536, "64k", "65536ms" }, { 3 << 20, "3m", "3145728ms" },
		{ 60000, "60000", "1m" }, { 90000, "90000", "90s" },
		{ 86400000, "84375k", "1d" }, { 1 << 30, "1g",
		    "1073741824ms" },
		{ UINT64_MAX, "18446744073709551615",
		    "18446744073709551615ms" },
	};

	(void)state;
	for (size_t i = 0; i < COUNT(cases); i++) {
		char text[STR_NUMBER_MAX];
		uint64_t v;

		str_format_size(cases[i].value, text);
		assert_string_equal(text, cases[i].size);
		assert_int_equal(str_parse_size(text, &v, NULL), 0);
		assert_true(v == cases[i].value);
		str_format_duration(cases[i].value, text);
		assert_string_equal(text, cases[i].duration);
		assert_int_equal(str_parse_duration_ms(text, &v, NULL), 0);
		assert_true(v == cases[i].value);
	}
}

static void
escapes(void **state)
{
	static const char bytes[] = "a\"b\\c\n\x7f\xc3\xa4\0z";
	static const char escaped[] =
	    "a\\\"b\\\\c\\x0a\\x7f\\xc3\\xa4\\x00z";
	char out[64];

	(void)state;
	assert_ptr_equal(str_escape(bytes, sizeof(bytes) - 1, out,
	    sizeof(out)), out);
	assert_string_equal(out, escaped);
	assert_string_equal(str_escape("", 0, out, sizeof(out)), "");
	assert_string_equal(str_escape("abcdefgh", 8, out, 9), "abcdefgh");
	assert_string_equal(str_escape("abcdefgh", 8, out, 8), "abcd...");
	assert_string_equal(str_escape("abc\n", 4, out, 7), "abc...");
	assert_string_equal(str_escape("abc\n", 4, out, 8), "abc\\x0a");
	assert_string_equal(str_escape("abcdefgh", 8, out, 4), "...");
	assert_string_equal(str_escape("abcdefgh", 8, out, 3), "..");
	assert_string_equal(str_escape("abcdefgh", 8, out, 1), "");
	/* every size: terminated, never a part of an escape */
	for (size_t size = 1; size < sizeof(out); size++) {
		memset(out, '!', sizeof(out));
		str_escape(bytes, sizeof(bytes) - 1, out, size);
		assert_true(strlen(out) < size);
		assert_int_equal(out[size], '!');
	}
}

static void
finds_the_nearest(void **state)
{
	static const char *const words[] = { "workers", "user", "group",
		"log", "log_level", "ok" };
	static const struct {
		const char *word, *nearest;
	} cases[] = {
		{ "wrkers", "workers" }, { "Workers", "workers" },
		{ "wokrers", "workers" }, { "worker", "workers" },
		{ "loglevel", "log_level" }, { "lgo", "log" },
		{ "usr", "user" }, { "ko", "ok" }, { "x", NULL },
		{ "xy", NULL }, { "", NULL }, { "completely", NULL },
		{ "0123456789012345678901234567890123456789"
		    "0123456789012345678901234567890123456789", NULL },
	};

	(void)state;
	for (size_t i = 0; i < COUNT(cases); i++) {
		const char *near = str_nearest(cases[i].word, words,
		    COUNT(words));

		if (cases[i].nearest == NULL)
			assert_null(near);
		else
			assert_string_equal(near, cases[i].nearest);
	}
	assert_null(str_nearest("a", NULL, 0));
}

static void
cuts_items(void **state)
{
	char text[] = " a, b c ,,\td\t";
	char *rest = text;

	(void)state;
	assert_string_equal(str_next_item(&rest, ','), "a");
	assert_string_equal(str_next_item(&rest, ','), "b c");
	assert_string_equal(str_next_item(&rest, ','), "");
	assert_string_equal(str_next_item(&rest, ','), "d");
	assert_null(str_next_item(&rest, ','));
	assert_null(str_next_item(&rest, ','));
}

static void
knows_utf8(void **state)
{
	static const char *const good[] = { "", "abc", "\xc3\xa4",
		"\xe2\x82\xac", "\xf0\x9f\x98\x80", "\xed\x9f\xbf",
		"\xee\x80\x80", "\xf4\x8f\xbf\xbf", "\xe0\xa0\x80" };
	static const char *const bad[] = { "\x80", "\xc3", "\xc0\x80",
		"\xc1\xbf", "\xe0\x80\x80", "\xed\xa0\x80", "\xf0\x80\x80\x80",
		"\xf4\x90\x80\x80", "\xf5\x80\x80\x80", "\xff", "a\xe2\x82",
		"\xe2\x28\xa1", "\xc3\xa4\xa4" };

	(void)state;
	for (size_t i = 0; i < COUNT(good); i++)
		assert_true(str_is_utf8(good[i], strlen(good[i])));
	for (size_t i = 0; i < COUNT(bad); i++)
		assert_false(str_is_utf8(bad[i], strlen(bad[i])));
}

static void
escapes_for_json(void **state)
{
	static const struct {
		unsigned char c;
		bool utf8;
		const char *text;
	} cases[] = {
		{ 'a', true, "a" }, { '/', true, "/" }, { '"', true, "\\\"" },
		{ '\\', false, "\\\\" }, { 0, true, "\\u0000" },
		{ '\n', true, "\\u000a" }, { 0x1f, false, "\\u001f" },
		{ 0x7f, true, "\\u007f" }, { 0xc3, true, "\xc3" },
		{ 0xc3, false, "\\u00c3" }, { 0xff, false, "\\u00ff" },
	};

	(void)state;
	for (size_t i = 0; i < COUNT(cases); i++) {
		char out[STR_JSON_BYTE_MAX];
		size_t len = str_json_byte(cases[i].c, cases[i].utf8, out);

		assert_int_equal(len, strlen(cases[i].text));
		assert_memory_equal(out, cases[i].text, len);
	}
}

int
main(void)
{
	static const struct CMUnitTest tests[] = {
		cmocka_unit_test(parses_uint),
		cmocka_unit_test(parses_size),
		cmocka_unit_test(parses_duration),
		cmocka_unit_test(parses_bool),
		cmocka_unit_test(formats_what_parses_back),
		cmocka_unit_test(escapes),
		cmocka_unit_test(escapes_for_json),
		cmocka_unit_test(finds_the_nearest),
		cmocka_unit_test(cuts_items),
		cmocka_unit_test(knows_utf8),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
