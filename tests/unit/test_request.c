/* SPDX-License-Identifier: MIT */
/* master/request: a line of the control socket, in whatever pieces. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "common/count.h"
#include "master/request.h"
#include "tests/unit/feed.h"

#define TOO_LONG "the request is too long"
#define NO_TEXT "the request is no text"
#define EMPTY "the request is empty"
#define MANY "the request has more than 4 words"

/* As control.c collects it: until it is a request, or none. */
struct collected {
	uint8_t bytes[2 * REQUEST_MAX];
	size_t len;
	int parsed;
	char said[REQUEST_MAX + 64];	/* "word|word|", or the sentence */
	const char *wanted;		/* the same; NULL: not complete */
};

static void
begin(void *ctx)
{
	struct collected *c = ctx;

	c->len = 0;
	c->parsed = 0;
	c->said[0] = '\0';
}

static void
piece(void *ctx, uint8_t *data, size_t len)
{
	struct collected *c = ctx;
	struct err err = ERR_INIT;
	struct request r;
	uint8_t *exact;

	if (c->parsed != 0)
		return;
	memcpy(c->bytes + c->len, data, len);
	c->len += len;
	exact = malloc(c->len == 0 ? 1 : c->len);
	memcpy(exact, c->bytes, c->len);
	c->parsed = request_parse(exact, c->len, &r, &err);
	free(exact);
	if (c->parsed < 0)
		strcpy(c->said, err.text);
	for (size_t i = 0; c->parsed > 0 && i < r.n; i++)
		strcat(strcat(c->said, r.words[i]), "|");
}

static void
end(void *ctx)
{
	struct collected *c = ctx;

	if (c->wanted == NULL) {
		assert_int_equal(c->parsed, 0);
		return;
	}
	assert_string_equal(c->said, c->wanted);
	assert_int_equal(c->parsed, strchr(c->said, '|') != NULL ? 1 : -1);
}

static void
check(const void *bytes, size_t len, const char *wanted)
{
	static const struct feed feed = { begin, piece, end };
	static struct collected c;

	c.wanted = wanted;
	feed_all(&feed, &c, bytes, len);
}

static void
test_lines(void **state)
{
#define ROW(bytes, said) { bytes, sizeof(bytes) - 1, said }
	static const struct {
		const char *bytes;
		size_t len;
		const char *said;
	} rows[] = {
		ROW("", NULL),
		ROW("stat", NULL),
		ROW("status\n", "status|"),
		ROW("status\r\n", "status|"),
		ROW("  restart   rolling \n", "restart|rolling|"),
		ROW("a b c d\n", "a|b|c|d|"),
		ROW("a b c d e\n", MANY),
		ROW("kick gr\xc3\xbc\xc3\x9f" "e\n", "kick|gr\xc3\xbc\xc3\x9f" "e|"),
		/* What stands behind the line is none of its business. */
		ROW("status\n\0\xff\n", "status|"),
		ROW("\n", EMPTY),
		ROW("\r\n", EMPTY),
		ROW("   \n", EMPTY),
		/* Only the last one belongs to the end of the line. */
		ROW("status\r\r\n", NO_TEXT),
		ROW("sta\rtus\n", NO_TEXT),
		ROW("status\tx\n", NO_TEXT),
		ROW("sta\0tus\n", NO_TEXT),
		ROW("\0\n", NO_TEXT),
		ROW("\x1b[2Jstatus\n", NO_TEXT),
		ROW("status\x7f\n", NO_TEXT),
		ROW("\xff\xfe\n", NO_TEXT),
		ROW("status \xc3\n", NO_TEXT),
	};
#undef ROW

	(void)state;
	for (size_t i = 0; i < COUNT(rows); i++)
		check(rows[i].bytes, rows[i].len, rows[i].said);
}

/* The last byte that may be is the end of the line. */
static void
test_length(void **state)
{
	char line[REQUEST_MAX + 16], said[REQUEST_MAX + 16];

	(void)state;
	memset(line, 'x', sizeof(line));
	check(line, REQUEST_MAX - 1, NULL);
	check(line, REQUEST_MAX, TOO_LONG);
	check(line, sizeof(line), TOO_LONG);
	line[REQUEST_MAX] = '\n';
	check(line, REQUEST_MAX + 1, TOO_LONG);
	line[REQUEST_MAX - 1] = '\n';
	snprintf(said, sizeof(said), "%.*s|", REQUEST_MAX - 1, line);
	check(line, REQUEST_MAX, said);
	check(line, sizeof(line), said);
	memset(line, ' ', REQUEST_MAX - 1);
	check(line, REQUEST_MAX, EMPTY);
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_lines),
		cmocka_unit_test(test_length),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
