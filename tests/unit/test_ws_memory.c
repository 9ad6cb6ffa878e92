/* SPDX-License-Identifier: MIT */
/*
 * worker/ws: random and senseless input, where messages lie and how long,
 * and the Close frames the server sends.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

#include <cmocka.h>

#include "tests/unit/ws_peer.h"

#define A10 "aaaaaaaaaa"
#define A120 A10 A10 A10 A10 A10 A10 A10 A10 A10 A10 A10 A10

static const struct ws_limits usual = { 1000, 0, 6 };

static const char *const characters[] = { "a", " ", "Z", "\xc3\xa9",
	"\xd0\xb6", "\xe2\x82\xac", "\xf0\x9f\x98\x80",
	"all of it in plain ASCII, and rather long" };

/* One message in random fragments with pings between; its line is noted. */
static void
put_random_message(uint64_t *seed, struct buf *bytes, struct buf *expected)
{
	struct peer noting = { .transcript = *expected };
	bool text = feed_random(seed) % 2 == 0, fin;
	uint8_t opcode = text ? WS_TEXT : WS_BINARY;
	struct buf message = BUF_INIT;
	struct ws_event e = { .type = WS_EVENT_MESSAGE,
		.opcode = (enum ws_opcode)opcode };
	size_t done = 0;

	for (size_t n = feed_random(seed) % 60; n > 0; n--) {
		const char *c = characters[feed_random(seed) % 8];

		buf_put(&message, c, strlen(c));
		if (!text)
			buf_put_u8(&message, (uint8_t)feed_random(seed));
	}
	do {
		size_t left = message.len - done, n = left == 0 ? 0 :
		    feed_random(seed) % (left + 1);
		struct frame f = { 0, "", 0, PROPER, 0 };

		fin = done + n == message.len && feed_random(seed) % 2 == 0;
		f.first = (uint8_t)((fin ? 0x80 : 0) | opcode);
		if (n > 0)
			f.payload = (const char *)message.data + done;
		f.len = n;
		put_frame(bytes, &f, (uint8_t)feed_random(seed));
		done += n;
		opcode = WS_CONTINUATION;
		if (fin)
			break;
		buf_printf(&noting.transcript, "fragment\n");
		if (feed_random(seed) % 3 == 0) {
			put_frame(bytes, &(struct frame)F(0x89, "\xff?"), 9);
			buf_printf(&noting.transcript, "ping \\xff?\n");
		}
	} while (true);
	e.data = message.data;
	e.len = message.len;
	note_event(&noting, &e);
	*expected = noting.transcript;
	buf_done(&message);
}

/* Random messages, fragments and pieces give what was put in. */
static void
test_random(void **state)
{
	uint64_t seed = 20;

	(void)state;
	for (int round = 0; round < 300; round++) {
		struct buf bytes = BUF_INIT, expected = BUF_INIT;
		struct peer peer = { .limits = { 100000, 0, 0 } };

		for (int i = 0; i < 5; i++)
			put_random_message(&seed, &bytes, &expected);
		buf_put_u8(&expected, 0);
		peer.expected = (const char *)expected.data;
		for (int i = 0; i < 5; i++)
			feed_steps(&peer_feed, &peer, bytes.data, bytes.len,
			    1 + feed_random(&seed) % 100);
		feed_cut(&peer_feed, &peer, bytes.data, bytes.len,
		    feed_random(&seed) % bytes.len);
		buf_done(&bytes);
		buf_done(&expected);
		buf_done(&peer.transcript);
	}
}

/* Garbage gives events or an error, and no sanitizer report. */
static void
test_garbage(void **state)
{
	uint64_t seed = 99;
	uint8_t bytes[200];

	(void)state;
	for (int round = 0; round < 3000; round++) {
		struct peer peer = { .limits = { 300, 100, 4 } };

		for (size_t i = 0; i < sizeof(bytes); i++)
			bytes[i] = (uint8_t)feed_random(&seed);
		/* Mostly headers that get past the first checks. */
		bytes[0] = (uint8_t)(bytes[0] & 0x83);
		bytes[1] = (uint8_t)(0x80 | (bytes[1] & 0x1f));
		feed_steps(&peer_feed, &peer, bytes, sizeof(bytes),
		    1 + (size_t)round % 50);
		buf_done(&peer.transcript);
	}
}

static void
test_message_is_in_place(void **state)
{
	static const struct frame whole = F(0x81, "Hello"),
		first = F(0x01, ""), last = F(0x80, "Hello");
	struct buf bytes = BUF_INIT;
	struct ws_event e;
	struct ws ws;

	(void)state;
	ws_init(&ws);
	put_frame(&bytes, &whole, 1);
	ws_read(&ws, &usual, bytes.data, bytes.len, &e);
	assert_int_equal(e.type, WS_EVENT_MESSAGE);
	assert_ptr_equal(e.data, bytes.data + 6);
	assert_null(ws.message.data);

	/* Also the only fragment that holds anything. */
	buf_clear(&bytes);
	put_frame(&bytes, &first, 1);
	put_frame(&bytes, &last, 1);
	ws_read(&ws, &usual, bytes.data, bytes.len, &e);
	assert_int_equal(e.type, WS_EVENT_FRAGMENT);
	ws_read(&ws, &usual, bytes.data + 6, bytes.len - 6, &e);
	assert_int_equal(e.type, WS_EVENT_MESSAGE);
	assert_ptr_equal(e.data, bytes.data + 12);
	assert_null(ws.message.data);
	buf_done(&bytes);
	ws_done(&ws);
}

/* A header that announces 1 GiB costs nothing; the message is given back. */
static void
test_memory(void **state)
{
	static const struct ws_limits large = { UINT64_C(1) << 31, 0, 0 };
	static const struct frame first = F(0x02, "abc"), last = F(0x80, "d"),
		huge = CLAIMED(0x00, "x", UINT64_C(1) << 30);
	struct buf bytes = BUF_INIT;
	struct ws_event e;
	struct ws ws;
	size_t used;

	(void)state;
	ws_init(&ws);
	assert_false(ws_in_message(&ws));
	put_frame(&bytes, &first, 1);
	ws_read(&ws, &large, bytes.data, bytes.len, &e);
	assert_int_equal(e.type, WS_EVENT_FRAGMENT);
	assert_true(ws_in_message(&ws));
	used = bytes.len;
	put_frame(&bytes, &huge, 2);
	ws_read(&ws, &large, bytes.data + used, bytes.len - used, &e);
	assert_int_equal(e.type, WS_EVENT_NEED);
	assert_int_equal(e.need, 14 + (UINT64_C(1) << 30));
	assert_true(ws.message.room < 1000);
	ws_done(&ws);

	ws_init(&ws);
	buf_clear(&bytes);
	put_frame(&bytes, &first, 1);
	put_frame(&bytes, &last, 1);
	ws_read(&ws, &large, bytes.data, bytes.len, &e);
	used = e.consumed;
	ws_read(&ws, &large, bytes.data + used, bytes.len - used, &e);
	assert_int_equal(e.type, WS_EVENT_MESSAGE);
	assert_memory_equal(e.data, "abcd", 4);
	ws_read(&ws, &large, NULL, 0, &e);
	assert_int_equal(e.type, WS_EVENT_NEED);
	assert_int_equal(e.need, 2);
	assert_null(ws.message.data);
	assert_false(ws_in_message(&ws));
	buf_done(&bytes);
	ws_done(&ws);
}

/* In a message as soon as one byte of it is there, and not afterwards. */
static void
test_in_message(void **state)
{
	static const struct frame text = F(0x81, "Hello"), ping = F(0x89, "Hi");
	struct buf bytes = BUF_INIT;
	struct ws_event e;
	struct ws ws;

	(void)state;
	ws_init(&ws);
	put_frame(&bytes, &ping, 1);
	ws_read(&ws, &usual, bytes.data, bytes.len - 1, &e);
	assert_int_equal(e.need, 8);
	assert_false(ws_in_message(&ws));
	ws_read(&ws, &usual, bytes.data, bytes.len, &e);
	assert_false(ws_in_message(&ws));
	buf_clear(&bytes);
	put_frame(&bytes, &text, 1);
	ws_read(&ws, &usual, bytes.data, 7, &e);
	assert_int_equal(e.need, 11);
	assert_true(ws_in_message(&ws));
	ws_read(&ws, &usual, bytes.data, bytes.len, &e);
	assert_int_equal(e.type, WS_EVENT_MESSAGE);
	assert_memory_equal(e.data, "Hello", 5);
	assert_false(ws_in_message(&ws));
	buf_done(&bytes);
	ws_done(&ws);
}

static void
test_close_codes(void **state)
{
	(void)state;
	for (unsigned code = 0; code < 70000; code++) {
		bool expected = (code >= 1000 && code <= 1014 &&
		    code != 1004 && code != 1005 && code != 1006) ||
		    (code >= 3000 && code <= 4999);

		assert_int_equal(ws_close_code_valid(code), expected);
	}
}

static void
test_close_frame(void **state)
{
	static const struct {
		unsigned code;
		const char *reason;
		size_t reason_len, kept;	/* kept: SIZE_MAX = no code */
	} close_rows[] = {
		{ 1000, "", 0, 0 },
		{ 1000, NULL, 0, 0 },
		{ 1009, "message too big", 15, 15 },
		{ 4999, "x", 1, 1 },
		{ 1005, "x", 1, SIZE_MAX },
		{ 1006, "", 0, SIZE_MAX },
		{ 1015, "", 0, SIZE_MAX },
		{ 70000, "", 0, SIZE_MAX },
		{ 1000, A120 "aaaa", 123, 123 },
		{ 1000, A120 "aaaaaa", 126, 123 },
		/* The euro sign does not fit: 121 + 3 > 123. */
		{ 1000, A120 "a\xe2\x82\xac!", 125, 121 },
		{ 1000, A120 "aa\xc3\xa9!", 125, 122 },
		/* Here it fits to the byte. */
		{ 1000, A120 "\xe2\x82\xac!", 124, 123 },
		{ 1000, "not UTF-8 \xff", 11, 0 },
		{ 1000, "cut \xe2\x82", 6, 0 },
	};
	uint8_t out[2 + WS_CONTROL_MAX], tails[200];

	(void)state;
	for (size_t i = 0; i < sizeof(close_rows) / sizeof(*close_rows); i++) {
		size_t kept = close_rows[i].kept, len;

		len = ws_close_frame(out, close_rows[i].code,
		    close_rows[i].reason, close_rows[i].reason_len);
		assert_int_equal(out[0], 0x88);
		assert_int_equal(out[1], len - 2);
		if (kept == SIZE_MAX) {
			assert_int_equal(len, 2);
			continue;
		}
		assert_int_equal(len, 4 + kept);
		assert_int_equal(out[2] << 8 | out[3], close_rows[i].code);
		if (kept > 0)
			assert_memory_equal(out + 4, close_rows[i].reason,
			    kept);
	}
	/* Nothing but tails: there is no character's end to cut at. */
	memset(tails, 0x80, sizeof(tails));
	assert_int_equal(ws_close_frame(out, 1000, (const char *)tails,
	    sizeof(tails)), 4);
}

/* RFC 6455 §5.7, byte for byte. */
static void
test_sample(void **state)
{
	uint8_t hello[] = { 0x81, 0x85, 0x37, 0xfa, 0x21, 0x3d, 0x7f, 0x9f,
		0x4d, 0x51, 0x58 };
	struct ws_event e;
	struct ws ws;

	(void)state;
	ws_init(&ws);
	ws_read(&ws, &usual, hello, sizeof(hello), &e);
	assert_int_equal(e.type, WS_EVENT_MESSAGE);
	assert_int_equal(e.opcode, WS_TEXT);
	assert_int_equal(e.consumed, sizeof(hello));
	assert_int_equal(e.len, 5);
	assert_memory_equal(e.data, "Hello", 5);
	ws_done(&ws);
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_sample),
		cmocka_unit_test(test_random),
		cmocka_unit_test(test_garbage),
		cmocka_unit_test(test_message_is_in_place),
		cmocka_unit_test(test_memory),
		cmocka_unit_test(test_in_message),
		cmocka_unit_test(test_close_codes),
		cmocka_unit_test(test_close_frame),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
