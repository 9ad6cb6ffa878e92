/* SPDX-License-Identifier: MIT */
/* worker/utf8: against RFC 3629, and against libunistring's opinion. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

#include <cmocka.h>
#include <unistr.h>

#include "tests/unit/feed.h"
#include "worker/utf8.h"

#define WHOLE SIZE_MAX		/* no wrong byte, nothing missing */
#define CUT_OFF (SIZE_MAX - 1)	/* no wrong byte, but the end is missing */

struct vector {
	const char *name;
	const char *bytes;
	size_t len;
	size_t wrong;		/* where the first wrong byte is */
};

#define V(name, bytes, wrong) { name, bytes, sizeof(bytes) - 1, wrong }

static const struct vector vectors[] = {
	V("empty", "", WHOLE),
	V("ASCII", "Hello-\x01\x7f", WHOLE),
	V("NUL is a character", "a\0b", WHOLE),
	V("Autobahn 6.2.1", "Hello-\xc2\xb5@\xc3\x9f\xc3\xb6\xc3\xa4\xc3\xbc"
	    "\xc3\xa0\xc3\xa1-UTF-8!!", WHOLE),
	V("Autobahn 6.3.1", "\xce\xba\xe1\xbd\xb9\xcf\x83\xce\xbc\xce\xb5"
	    "\xed\xa0\x80" "edited", 12),
	V("Autobahn 6.4.1", "\xce\xba\xe1\xbd\xb9\xcf\x83\xce\xbc\xce\xb5"
	    "\xf4\x90\x80\x80" "edited", 12),
	V("U+0080", "\xc2\x80", WHOLE),
	V("U+07FF", "\xdf\xbf", WHOLE),
	V("U+0800", "\xe0\xa0\x80", WHOLE),
	V("U+D7FF", "\xed\x9f\xbf", WHOLE),
	V("U+E000", "\xee\x80\x80", WHOLE),
	V("U+FFFF", "\xef\xbf\xbf", WHOLE),
	V("U+10000", "\xf0\x90\x80\x80", WHOLE),
	V("U+10FFFF", "\xf4\x8f\xbf\xbf", WHOLE),
	V("U+110000", "\xf4\x90\x80\x80", 1),
	V("surrogate D800", "\xed\xa0\x80", 1),
	V("surrogate DFFF", "\xed\xbf\xbf", 1),
	V("overlong NUL", "\xc0\x80", 0),
	V("overlong slash in 3", "\xe0\x80\xaf", 1),
	V("overlong slash in 4", "\xf0\x80\x80\xaf", 1),
	V("overlong U+007F", "\xc1\xbf", 0),
	V("overlong U+07FF", "\xe0\x9f\xbf", 1),
	V("overlong U+FFFF", "\xf0\x8f\xbf\xbf", 1),
	V("lone tail", "a\x80", 1),
	V("lone tail BF", "\xbf", 0),
	V("F5", "\xf5\x80\x80\x80", 0),
	V("FE FF", "\xfe\xff", 0),
	V("tail missing before ASCII", "\xc3" "a", 1),
	V("second tail missing", "\xe2\x82" "a", 2),
	V("third tail missing", "\xf0\x9f\x98" "a", 3),
	V("first byte instead of a tail", "\xe2\xe2\x82\xac", 1),
	V("cut after C3", "abc\xc3", CUT_OFF),
	V("cut after E2 82", "abc\xe2\x82", CUT_OFF),
	V("cut after F0 9F 98", "abc\xf0\x9f\x98", CUT_OFF),
	V("wrong behind 40 of ASCII",
	    "0123456789012345678901234567890123456789\xff", 40),
	V("a long line of everything",
	    "The quick brown \xd0\xbb\xd0\xb8\xd1\x81\xd0\xb0 jumps "
	    "\xe2\x82\xac\xf0\x9f\x98\x80 over the lazy "
	    "\xe6\x88\x91\xe8\x83\xbd dog, twice",
	    WHOLE),
};

struct run {
	const struct vector *v;
	uint32_t state;
	size_t given;
	bool ok;
};

static void
begin(void *ctx)
{
	struct run *r = ctx;

	*r = (struct run){ .v = r->v, .state = UTF8_START, .ok = true };
}

/* Fails at once: with the piece that has the wrong byte, not later. */
static void
piece(void *ctx, uint8_t *data, size_t len)
{
	struct run *r = ctx;

	if (!r->ok)
		return;
	r->ok = utf8_check(&r->state, data, len);
	r->given += len;
	assert_int_equal(r->ok, r->given <= r->v->wrong);
}

static void
end(void *ctx)
{
	struct run *r = ctx;

	assert_int_equal(r->ok && r->state == UTF8_START,
	    r->v->wrong == WHOLE);
}

static const struct feed feed = { begin, piece, end };

static void
test_vectors(void **state)
{
	(void)state;
	for (size_t i = 0; i < sizeof(vectors) / sizeof(*vectors); i++) {
		const struct vector *v = &vectors[i];
		struct run run = { .v = v };

		print_message("%s\n", v->name);
		feed_all(&feed, &run, v->bytes, v->len);
		assert_int_equal(utf8_valid((const uint8_t *)v->bytes, v->len),
		    v->wrong == WHOLE);
	}
}

/* Alone, where the end is near, and in a text, where whole characters are. */
static void
compare(const uint8_t *bytes, size_t len)
{
	uint8_t text[4 + 8];
	bool expected = u8_check(bytes, len) == NULL;

	memcpy(text, bytes, len);
	memcpy(text + len, "01234567", 8);
	if (utf8_valid(bytes, len) != expected ||
	    utf8_valid(text, len + 8) != expected)
		fail_msg("%02x %02x %02x %02x (%zu): expected %d", bytes[0],
		    bytes[1], bytes[2], bytes[3], len, expected);
}

static void
test_all_up_to_three_bytes(void **state)
{
	uint8_t b[4] = { 0 };

	(void)state;
	for (unsigned v = 0; v < 1u << 24; v++) {
		b[0] = (uint8_t)(v >> 16);
		b[1] = (uint8_t)(v >> 8);
		b[2] = (uint8_t)v;
		compare(b, 3);
		if (b[2] == 0)
			compare(b, 2);
		if (b[1] == 0 && b[2] == 0)
			compare(b, 1);
	}
}

static void
test_four_bytes_at_boundaries(void **state)
{
	static const uint8_t edges[] = { 0x00, 0x7f, 0x80, 0x8f, 0x90, 0x9f,
		0xa0, 0xbf, 0xc0, 0xff };
	uint8_t b[4];

	(void)state;
	for (unsigned v = 0; v < 256 * 256 * 100; v++) {
		b[0] = (uint8_t)(v / 100 >> 8);
		b[1] = (uint8_t)(v / 100);
		b[2] = edges[v / 10 % 10];
		b[3] = edges[v % 10];
		compare(b, 4);
	}
}

static size_t
random_text(uint64_t *seed, uint8_t *out, size_t room)
{
	static const ucs4_t most[] = { 0x7f, 0x7ff, 0xffff, 0x10ffff };
	size_t n = 0;

	while (room - n >= 4) {
		ucs4_t c = (ucs4_t)(feed_random(seed) %
		    (most[feed_random(seed) % 4] + 1));
		int len = u8_uctomb(out + n, c, 4);

		if (len > 0)
			n += (size_t)len;
	}
	return n;
}

/* Random texts, some with a random byte in them, in random pieces. */
static void
test_random(void **state)
{
	uint64_t seed = 42;
	uint8_t text[300];

	(void)state;
	for (int round = 0; round < 20000; round++) {
		size_t len = random_text(&seed, text,
		    4 + feed_random(&seed) % (sizeof(text) - 4));
		uint32_t s = UTF8_START;
		bool expected, ok = true;

		if (round % 2 == 1)
			text[feed_random(&seed) % len] =
			    (uint8_t)feed_random(&seed);
		expected = u8_check(text, len) == NULL;
		assert_int_equal(utf8_valid(text, len), expected);
		for (size_t at = 0, n; ok && at < len; at += n) {
			n = 1 + feed_random(&seed) % 40;
			if (n > len - at)
				n = len - at;
			ok = utf8_check(&s, text + at, n);
		}
		assert_int_equal(ok && s == UTF8_START, expected);
	}
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_vectors),
		cmocka_unit_test(test_all_up_to_three_bytes),
		cmocka_unit_test(test_four_bytes_at_boundaries),
		cmocka_unit_test(test_random),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
