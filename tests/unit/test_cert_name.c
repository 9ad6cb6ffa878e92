/* SPDX-License-Identifier: MIT */
/* Which names a certificate may be made for. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>

#include <cmocka.h>

#include "worker/tool/names.h"

#define TEN "abcdefghij"
#define SIXTY TEN TEN TEN TEN TEN TEN
#define LABEL_63 SIXTY "abc"

static void
test_names(void **state)
{
	static const struct {
		const char *text, *name;
		bool is_ip;
	} rows[] = {
		{ "localhost", "localhost", false },
		{ "A.Example", "a.example", false },
		{ "*.a.example", "*.a.example", false },
		{ "xn--bcher-kva.example", "xn--bcher-kva.example", false },
		{ "1.example", "1.example", false },
		{ LABEL_63 ".test", LABEL_63 ".test", false },
		{ "10.1.2.3", "10.1.2.3", true },
		{ "::1", "::1", true },
		{ "2001:DB8:0:0::1", "2001:db8::1", true },
		{ "::ffff:10.1.2.3", "10.1.2.3", true },
	};

	(void)state;
	for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
		struct cert_name name;
		struct err err = ERR_INIT;

		assert_int_equal(cert_name_parse(rows[i].text, &name, &err),
		    0);
		assert_string_equal(name.text, rows[i].name);
		assert_int_equal(name.is_ip, rows[i].is_ip);
		assert_string_equal(err.text, "");
	}
}

static void
test_no_names(void **state)
{
	static const char *const rows[] = {
		"", ".", "a.", ".a", "a..b", "-a", "a-", "a.-b", "a_b", "a b",
		"*", "*.", "*.test", "*.*.test", "a.*.test", "*a.test",
		"1.2.3", "1.2.3.400", "a.1", "[::1]", "::1%lo", "1.2.3.4:443",
		"a,DNS:b", "a;b", "a\nb", "a\x7f", "b\xc3\xbc" "cher.test",
		"@section", "DNS:a", SIXTY "abcd.test",
		SIXTY "." SIXTY "." SIXTY "." SIXTY "." TEN,
	};

	(void)state;
	for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
		struct cert_name name;
		struct err err = ERR_INIT;

		assert_int_equal(cert_name_parse(rows[i], &name, &err), -1);
		assert_true(err.text[0] != '\0');
		assert_null(strchr(err.text, '\n'));
	}
}

/* Nothing that comes through can say more than a name to OpenSSL. */
static void
test_every_byte(void **state)
{
	static const char allowed[] = "abcdefghijklmnopqrstuvwxyz0123456789-.";

	(void)state;
	for (int c = 1; c < 256; c++) {
		char text[] = { 'a', (char)c, 'b', '\0' };
		struct cert_name name;

		if (cert_name_parse(text, &name, NULL) == 0)
			assert_int_equal(strspn(name.text, allowed), 3);
	}
}

int
main(void)
{
	static const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_names),
		cmocka_unit_test(test_no_names),
		cmocka_unit_test(test_every_byte),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
