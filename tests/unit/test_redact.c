/* SPDX-License-Identifier: MIT */
/* master/redact: no private key is left, and everything else is. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <unistd.h>

#include <cmocka.h>

#include "master/redact.h"

#define CERT                                                                 \
	"-----BEGIN CERTIFICATE-----\nMIIB\n-----END CERTIFICATE-----\n"
#define KEY(kind)                                                            \
	"-----BEGIN " kind "PRIVATE KEY-----\nSECRET\n"                      \
	"-----END " kind "PRIVATE KEY-----\n"

static const struct {
	const char *text, *left;
} cases[] = {
	{ "", "" },
	{ CERT, CERT },
	{ CERT CERT, CERT CERT },
	{ KEY(""), "" },
	{ KEY("") CERT, CERT },
	{ CERT KEY("RSA "), CERT },
	{ CERT KEY("EC ") CERT, CERT CERT },
	{ CERT KEY("ENCRYPTED ") "note\n" CERT, CERT "note\n" CERT },
	{ KEY("") KEY("RSA ") CERT, CERT },
	/* Cut off: nothing behind the beginning is trusted. */
	{ CERT "-----BEGIN PRIVATE KEY-----\nSECRET", CERT },
	{ CERT "-----BEGIN PRIVATE KEY-----", CERT },
	/* Written by another system, or with blanks. */
	{ "-----BEGIN PRIVATE KEY-----\r\nSECRET\r\n"
	  "-----END PRIVATE KEY-----\r\nx\r\n", "x\r\n" },
	{ "  -----BEGIN PRIVATE KEY-----\nSECRET\n"
	  "  -----END PRIVATE KEY-----\nx", "x" },
	/* All in one line. */
	{ "-----BEGIN PRIVATE KEY-----SECRET-----END PRIVATE KEY-----\nx",
	  "x" },
	{ "-----BEGIN PUBLIC KEY-----\nx\n-----END PUBLIC KEY-----\n",
	  "-----BEGIN PUBLIC KEY-----\nx\n-----END PUBLIC KEY-----\n" },
};

static void
texts(void **state)
{
	(void)state;
	for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
		/* Exactly as long: a read behind it is seen. */
		size_t len = strlen(cases[i].text);
		char *text = malloc(len + 1);
		size_t left;

		memcpy(text, cases[i].text, len);
		left = redact_text(text, len);
		text[left] = '\0';
		if (strcmp(text, cases[i].left) != 0)
			fail_msg("case %zu leaves \"%s\"", i, text);
		free(text);
	}
}

/* Cut anywhere, no piece of a secret is left. */
static void
cut_anywhere(void **state)
{
	static const char whole[] = CERT KEY("EC ") CERT;

	(void)state;
	for (size_t len = 0; len < sizeof(whole); len++) {
		char *text = malloc(len + 1);

		memcpy(text, whole, len);
		text[redact_text(text, len)] = '\0';
		assert_null(strstr(text, "SEC"));
		free(text);
	}
}

static int
file_with(const char *text)
{
	int fd = memfd_create("test", MFD_CLOEXEC);

	assert_true(fd >= 0);
	assert_int_equal(write(fd, text, strlen(text)), strlen(text));
	return fd;
}

static void
files(void **state)
{
	int fd = file_with(CERT KEY("")), copy = -1;
	char text[512] = "";

	(void)state;
	assert_int_equal(redact_file(fd, &copy, NULL), 0);
	assert_true(copy >= 0);
	assert_int_equal(pread(copy, text, sizeof(text) - 1, 0),
	    strlen(CERT));
	assert_string_equal(text, CERT);
	close(copy);
	close(fd);
	fd = file_with(CERT);
	copy = -1;
	assert_int_equal(redact_file(fd, &copy, NULL), 0);
	assert_int_equal(copy, -1);
	close(fd);
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(texts),
		cmocka_unit_test(cut_anywhere),
		cmocka_unit_test(files),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
