/* SPDX-License-Identifier: MIT */
/* common/err: one sentence, whatever is put into it. */
#include <errno.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

#include <cmocka.h>

#include "common/err.h"

static void
test_set(void **state)
{
	struct err err = ERR_INIT;

	(void)state;
	assert_string_equal(err.text, "");
	assert_int_equal(err_set(&err, "port %d is %s", 443, "busy"), -1);
	assert_string_equal(err.text, "port 443 is busy");
	assert_int_equal(err_set(&err, "another"), -1);
	assert_string_equal(err.text, "another");
}

static void
test_set_errno(void **state)
{
	struct err err = ERR_INIT;

	(void)state;
	errno = ENOENT;
	assert_int_equal(err_set_errno(&err, "cannot open %s", "/x"), -1);
	assert_string_equal(err.text,
	    "cannot open /x: No such file or directory");
	assert_int_equal(errno, ENOENT);
}

static void
test_prefix(void **state)
{
	struct err err = ERR_INIT;

	(void)state;
	err_set(&err, "no such user");
	assert_int_equal(err_prefix(&err, "%s:%d", "wssd.ini", 7), -1);
	assert_int_equal(err_prefix(&err, "reload"), -1);
	assert_string_equal(err.text, "reload: wssd.ini:7: no such user");
}

/* Who does not want the reason gives NULL. */
static void
test_nobody_asks(void **state)
{
	(void)state;
	errno = EPERM;
	assert_int_equal(err_set(NULL, "x"), -1);
	assert_int_equal(err_set_errno(NULL, "x"), -1);
	assert_int_equal(err_prefix(NULL, "x"), -1);
	assert_int_equal(errno, EPERM);
}

static void
test_too_long(void **state)
{
	struct err err = ERR_INIT;

	(void)state;
	err_set(&err, "%0600d", 1);
	assert_int_equal(strlen(err.text), ERR_TEXT_MAX - 1);
	errno = EPERM;
	err_set_errno(&err, "%0600d", 1);
	assert_int_equal(strlen(err.text), ERR_TEXT_MAX - 1);
	err_set_errno(&err, "%0505d", 1);
	assert_string_equal(err.text + 505, ": Oper");
	err_set(&err, "%0500d", 1);
	err_prefix(&err, "%020d", 2);
	assert_int_equal(strlen(err.text), ERR_TEXT_MAX - 1);
	assert_memory_equal(err.text, "00000000000000000002: 000", 25);
	err_prefix(&err, "%0600d", 3);
	assert_int_equal(strlen(err.text), ERR_TEXT_MAX - 1);
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_set),
		cmocka_unit_test(test_set_errno),
		cmocka_unit_test(test_prefix),
		cmocka_unit_test(test_nobody_asks),
		cmocka_unit_test(test_too_long),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
