/* SPDX-License-Identifier: MIT */
/* common/buf: what is put in comes out, and nothing is read behind it. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "common/buf.h"

static void
test_bytes(void **state)
{
	static const uint8_t expected[] = { 0x01, 0x02, 0x03, 0x04, 0x05,
		0x06, 0x07, 0x08, 0x09, 0x0a, 0x0b, 0x0c, 0x0d, 0x0e, 0x0f,
		0, 2, 'h', 'i', 'x', '-', '7' };
	struct buf b = BUF_INIT;

	(void)state;
	assert_null(b.data);
	buf_put(&b, NULL, 0);
	assert_null(b.data);
	buf_put_u8(&b, 0x01);
	buf_put_u16(&b, 0x0203);
	buf_put_u32(&b, 0x04050607);
	buf_put_u64(&b, 0x08090a0b0c0d0e0f);
	buf_put_str(&b, "hi");
	buf_put(&b, "x", 1);
	buf_printf(&b, "%d", -7);
	assert_int_equal(b.len, sizeof(expected));
	assert_memory_equal(b.data, expected, sizeof(expected));
	buf_clear(&b);
	assert_int_equal(b.len, 0);
	assert_non_null(b.data);
	buf_done(&b);
	assert_null(b.data);
	assert_int_equal(b.room, 0);
	buf_done(&b);
}

static void
test_grows(void **state)
{
	struct buf b = BUF_INIT;

	(void)state;
	buf_reserve(&b, 0);
	for (size_t i = 0; i < 100000; i++) {
		buf_put_u8(&b, (uint8_t)(i * 7));
		assert_true(b.room >= b.len);
	}
	for (size_t i = 0; i < 100000; i++)
		assert_int_equal(b.data[i], (uint8_t)(i * 7));
	assert_true(b.room < 300000);
	buf_reserve(&b, 1000000);
	assert_true(b.room >= 1100000);
	assert_int_equal(b.len, 100000);
	buf_done(&b);
}

static void
test_reader(void **state)
{
	struct buf b = BUF_INIT;
	struct reader r;
	char text[6];

	(void)state;
	buf_put_u64(&b, UINT64_MAX - 1);
	buf_put_u32(&b, 0xfffffffe);
	buf_put_u16(&b, 0xfffe);
	buf_put_u8(&b, 0xfe);
	buf_put_str(&b, "hello");
	buf_put_str(&b, "");
	r = (struct reader){ .data = b.data, .len = b.len };
	assert_false(reader_end(&r));
	assert_int_equal(reader_u64(&r), UINT64_MAX - 1);
	assert_int_equal(reader_u32(&r), 0xfffffffe);
	assert_int_equal(reader_u16(&r), 0xfffe);
	assert_int_equal(reader_u8(&r), 0xfe);
	reader_str(&r, text, sizeof(text));
	assert_string_equal(text, "hello");
	assert_false(reader_end(&r));
	reader_str(&r, text, sizeof(text));
	assert_string_equal(text, "");
	assert_true(reader_end(&r));
	buf_done(&b);
}

/* Cut short at every byte: bad, and it stays so. */
static void
test_reader_cut_off(void **state)
{
	struct buf b = BUF_INIT;
	char text[10];

	(void)state;
	buf_put_u64(&b, 1);
	buf_put_u32(&b, 2);
	buf_put_u16(&b, 3);
	buf_put_u8(&b, 4);
	buf_put_str(&b, "hello");
	for (size_t len = 0; len < b.len; len++) {
		uint8_t *exact = malloc(len == 0 ? 1 : len);
		struct reader r = { .data = exact, .len = len };

		memcpy(exact, b.data, len);
		(void)reader_u64(&r);
		(void)reader_u32(&r);
		(void)reader_u16(&r);
		(void)reader_u8(&r);
		reader_str(&r, text, sizeof(text));
		assert_string_equal(text, "");
		assert_true(r.bad);
		assert_false(reader_end(&r));
		assert_int_equal(reader_u8(&r), 0);
		free(exact);
	}
	buf_done(&b);
}

static void
test_reader_strings(void **state)
{
	static const struct {
		const char *bytes;
		size_t len;
		const char *text;	/* NULL: bad */
	} strings[] = {
		{ "\0\0", 2, "" },
		{ "\0\3abc", 5, "abc" },
		{ "\0\4abcd", 6, NULL },	/* too long for out */
		{ "\0\3ab", 4, NULL },
		{ "\0\3a\0c", 5, NULL },
		{ "\xff\xff", 2, NULL },
		{ "\0", 1, NULL },
	};
	char out[4];

	(void)state;
	for (size_t i = 0; i < sizeof(strings) / sizeof(*strings); i++) {
		struct reader r = { (const uint8_t *)strings[i].bytes,
			strings[i].len, false };

		reader_str(&r, out, sizeof(out));
		assert_int_equal(r.bad, strings[i].text == NULL);
		assert_string_equal(out,
		    strings[i].text == NULL ? "" : strings[i].text);
	}
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_bytes),
		cmocka_unit_test(test_grows),
		cmocka_unit_test(test_reader),
		cmocka_unit_test(test_reader_cut_off),
		cmocka_unit_test(test_reader_strings),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
