/* SPDX-License-Identifier: MIT */
/*
 * worker/ws: what a client may send, and everything it may not.  A row is a
 * list of frames and the transcript it must give, however the bytes are cut.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

#include <cmocka.h>

#include "tests/unit/ws_peer.h"

#define FRAMES_MAX 8

struct row {
	const char *name;
	struct ws_limits limits;	/* all 0: the usual ones */
	struct frame frames[FRAMES_MAX];
	const char *expected;
	size_t at;	/* bytes after which the last line must be out, when
			   that is before the end; else 0 */
};

static const struct ws_limits usual = { 1000, 0, 6 };

#define USUAL { 0, 0, 0 }
#define TEN_A "aaaaaaaaaa"
#define A124 TEN_A TEN_A TEN_A TEN_A TEN_A TEN_A TEN_A TEN_A TEN_A TEN_A \
	TEN_A TEN_A "aaaa"
#define A125 A124 "a"
#define A126 A125 "a"

static const struct row rows[] = {
	/* Messages. */
	{ "text", USUAL, { F(0x81, "Hello") }, "text Hello\n", 0 },
	{ "binary", USUAL, { F(0x82, "\x01\xff") }, "binary \\x01\\xff\n", 0 },
	{ "empty text", USUAL, { F(0x81, "") }, "text \n", 0 },
	{ "empty binary", USUAL, { F(0x82, "") }, "binary \n", 0 },
	{ "two messages", USUAL, { F(0x81, "one"), F(0x81, "two") },
	    "text one\ntext two\n", 0 },
	{ "Autobahn 1.1.2", USUAL, { F(0x81, A125) }, "text " A125 "\n", 0 },
	{ "Autobahn 1.1.3", USUAL, { F(0x81, A126) }, "text " A126 "\n", 0 },
	{ "text in UTF-8", USUAL, { F(0x81, "\xe2\x82\xac\xc3\xa9") },
	    "text \\xe2\\x82\\xac\\xc3\\xa9\n", 0 },
	{ "binary need not be UTF-8", USUAL, { F(0x82, "\xff\xc3") },
	    "binary \\xff\\xc3\n", 0 },

	/* Fragments: §5.4. */
	{ "two fragments", USUAL, { F(0x01, "Hel"), F(0x80, "lo") },
	    "fragment\ntext Hello\n", 0 },
	{ "binary in fragments", USUAL,
	    { F(0x02, "\xff"), F(0x00, "\x80"), F(0x80, "\x01") },
	    "fragment\nfragment\nbinary \\xff\\x80\\x01\n", 0 },
	{ "empty fragments", USUAL,
	    { F(0x01, ""), F(0x00, ""), F(0x80, "") },
	    "fragment\nfragment\ntext \n", 0 },
	{ "empty but for the last", USUAL,
	    { F(0x01, ""), F(0x00, ""), F(0x80, "x") },
	    "fragment\nfragment\ntext x\n", 0 },
	{ "empty but for the first", USUAL, { F(0x01, "x"), F(0x80, "") },
	    "fragment\ntext x\n", 0 },
	{ "Autobahn 5.3: ping between fragments", USUAL,
	    { F(0x01, "frag1"), F(0x89, "ping"), F(0x80, "frag2") },
	    "fragment\nping ping\ntext frag1frag2\n", 0 },
	{ "pongs and pings between fragments", USUAL,
	    { F(0x01, "\xe2"), F(0x8a, "\xff"), F(0x00, "\x82"),
	    F(0x89, "\x80"), F(0x80, "\xac") },
	    "fragment\npong \\xff\nfragment\nping \\x80\n"
	    "text \\xe2\\x82\\xac\n", 0 },
	{ "two fragmented messages", USUAL,
	    { F(0x01, "a"), F(0x80, "b"), F(0x02, "c"), F(0x80, "d") },
	    "fragment\ntext ab\nfragment\nbinary cd\n", 0 },
	{ "whole after fragmented after whole", USUAL,
	    { F(0x81, "x"), F(0x01, "a"), F(0x80, "b"), F(0x82, "\xff") },
	    "text x\nfragment\ntext ab\nbinary \\xff\n", 0 },
	{ "Autobahn 5.9: continuation at first", USUAL,
	    { F(0x00, "x"), F(0x81, "y") },
	    "error 1002 continuation without a message to continue\n", 6 },
	{ "Autobahn 5.11: final continuation at first", USUAL,
	    { F(0x80, "x") },
	    "error 1002 continuation without a message to continue\n", 6 },
	{ "continuation behind a whole message", USUAL,
	    { F(0x81, "x"), F(0x80, "y") },
	    "text x\nerror 1002 continuation without a message to "
	    "continue\n", 13 },
	{ "continuation behind a fragmented message", USUAL,
	    { F(0x01, "x"), F(0x80, "y"), F(0x80, "z") },
	    "fragment\ntext xy\n"
	    "error 1002 continuation without a message to continue\n", 20 },
	{ "Autobahn 5.18: text inside a message", USUAL,
	    { F(0x01, "x"), F(0x81, "y") },
	    "fragment\nerror 1002 new message inside a fragmented one\n",
	    13 },
	{ "binary inside a message with an empty start", USUAL,
	    { F(0x01, ""), F(0x02, "y") },
	    "fragment\nerror 1002 new message inside a fragmented one\n",
	    12 },

	/* Headers: §5.2. */
	{ "RSV1", USUAL, { F(0xc1, "x") },
	    "error 1002 reserved bit set without an extension\n", 6 },
	{ "RSV2 on a ping", USUAL, { F(0xa9, "x") },
	    "error 1002 reserved bit set without an extension\n", 6 },
	{ "RSV3 on a continuation", USUAL, { F(0x01, "x"), F(0x90, "y") },
	    "fragment\nerror 1002 reserved bit set without an extension\n",
	    13 },
	{ "opcode 3", USUAL, { F(0x83, "x") },
	    "error 1002 unknown opcode 0x3\n", 6 },
	{ "opcode 7", USUAL, { F(0x87, "x") },
	    "error 1002 unknown opcode 0x7\n", 6 },
	{ "opcode 11", USUAL, { F(0x8b, "") },
	    "error 1002 unknown opcode 0xb\n", 0 },
	{ "opcode 15 behind a message", USUAL, { F(0x81, "a"), F(0x8f, "") },
	    "text a\nerror 1002 unknown opcode 0xf\n", 0 },
	{ "no mask", USUAL, { SHAPED(0x81, "Hello", UNMASKED) },
	    "error 1002 frame without a mask\n", 2 },
	{ "close without a mask", USUAL, { SHAPED(0x88, "", UNMASKED) },
	    "error 1002 frame without a mask\n", 2 },
	{ "length 5 in 16 bits", USUAL, { SHAPED(0x81, "Hello", LEN16) },
	    "error 1002 payload length is not in its shortest form\n", 8 },
	{ "length 126 in 64 bits", USUAL, { SHAPED(0x82, A126, LEN64) },
	    "error 1002 payload length is not in its shortest form\n", 14 },
	{ "top bit of the length", USUAL, { SHAPED(0x82, "x", TOP_BIT) },
	    "error 1002 payload length is not in its shortest form\n", 14 },

	/* Control frames: §5.5. */
	{ "ping", USUAL, { F(0x89, "Hello") }, "ping Hello\n", 0 },
	{ "empty ping", USUAL, { F(0x89, "") }, "ping \n", 0 },
	{ "ping of 125", USUAL, { F(0x89, A125) }, "ping " A125 "\n", 0 },
	{ "pong nobody asked for", USUAL, { F(0x8a, "x") }, "pong x\n", 0 },
	{ "Autobahn 2.5: ping of 126", USUAL, { F(0x89, A126) },
	    "error 1002 control frame too long (126 > 125)\n", 8 },
	{ "pong that claims much", USUAL, { CLAIMED(0x8a, "", 70000) },
	    "error 1002 control frame too long (70000 > 125)\n", 0 },
	{ "Autobahn 5.1: ping in fragments", USUAL,
	    { F(0x09, "a"), F(0x80, "b") },
	    "error 1002 fragmented control frame\n", 6 },
	{ "close in fragments", USUAL, { F(0x08, "\x03\xe8") },
	    "error 1002 fragmented control frame\n", 6 },
	{ "frame limit is not for pings", { 10, 2, 0 }, { F(0x89, "Hello") },
	    "ping Hello\n", 0 },
	{ "message limit is not for pings", { 1, 0, 1 },
	    { F(0x01, "a"), F(0x89, "Hello"), F(0x89, "x") },
	    "fragment\nping Hello\nping x\n", 0 },

	/* Close: §5.5.1, §7.4. */
	{ "close", USUAL, { F(0x88, "") }, "close 1005 \n", 0 },
	{ "close 1000", USUAL, { F(0x88, "\x03\xe8") }, "close 1000 \n", 0 },
	{ "close with a reason", USUAL, { F(0x88, "\x03\xe9going \xc3\xa9") },
	    "close 1001 going \\xc3\\xa9\n", 0 },
	{ "close inside a message", USUAL,
	    { F(0x01, "x"), F(0x88, "\x0f\xa0") },
	    "fragment\nclose 4000 \n", 0 },
	{ "nothing is heard behind a close", USUAL,
	    { F(0x88, ""), F(0x81, "x"), F(0x83, "") }, "close 1005 \n", 6 },
	{ "nothing is heard behind an error", USUAL,
	    { F(0x83, ""), F(0x81, "x") },
	    "error 1002 unknown opcode 0x3\n", 6 },
	{ "close with the longest reason", USUAL,
	    { F(0x88, "\x03\xe8" A124) },
	    "error 1002 control frame too long (126 > 125)\n", 8 },
	{ "close of one byte", USUAL, { F(0x88, "\x03") },
	    "error 1002 Close frame with a payload of one byte\n", 6 },
	{ "close 999", USUAL, { F(0x88, "\x03\xe7") },
	    "error 1002 invalid close code 999\n", 0 },
	{ "close 0", USUAL, { F(0x88, "\0\0") },
	    "error 1002 invalid close code 0\n", 0 },
	{ "close 1005", USUAL, { F(0x88, "\x03\xed") },
	    "error 1002 invalid close code 1005\n", 0 },
	{ "close 65535", USUAL, { F(0x88, "\xff\xff") },
	    "error 1002 invalid close code 65535\n", 0 },
	{ "Autobahn 7.5.1: reason is not UTF-8", USUAL,
	    { F(0x88, "\x03\xe8\xce\xba\xed\xa0\x80") },
	    "error 1007 reason of a Close frame is not UTF-8\n", 0 },
	{ "reason ends inside a character", USUAL,
	    { F(0x88, "\x03\xe8" "a\xe2\x82") },
	    "error 1007 reason of a Close frame is not UTF-8\n", 0 },

	/* UTF-8: §8.1. */
	{ "wrong byte", USUAL, { F(0x81, "Hello\xff---") },
	    "error 1007 text is not UTF-8\n", 12 },
	{ "nothing but a tail", USUAL, { F(0x81, "\x80") },
	    "error 1007 text is not UTF-8\n", 0 },
	{ "wrong byte, most of the frame missing", USUAL,
	    { CLAIMED(0x81, "abc\xc0", 900) },
	    "error 1007 text is not UTF-8\n", 0 },
	{ "character over three fragments", USUAL,
	    { F(0x01, "\xf0\x9f"), F(0x00, "\x98"), F(0x80, "\x80") },
	    "fragment\nfragment\ntext \\xf0\\x9f\\x98\\x80\n", 0 },
	{ "Autobahn 6.4.1: wrong byte in a fragment", USUAL,
	    { F(0x01, "\xce\xba\xe1\xbd\xb9\xcf\x83\xce\xbc\xce\xb5"),
	    F(0x00, "\xf4\x90\x80\x80"), F(0x80, "edited") },
	    "fragment\nerror 1007 text is not UTF-8\n", 25 },
	{ "ASCII where a fragment must go on", USUAL,
	    { F(0x01, "a\xc3"), F(0x80, "bcd") },
	    "fragment\nerror 1007 text is not UTF-8\n", 15 },
	{ "cut off at the end", USUAL, { F(0x81, "abc\xe2\x82") },
	    "error 1007 text ends inside a character\n", 0 },
	{ "cut off at the end of fragments", USUAL,
	    { F(0x01, "abc\xe2\x82"), F(0x80, "") },
	    "fragment\nerror 1007 text ends inside a character\n", 0 },

	/* Limits. */
	{ "as big as allowed", { 5, 0, 0 }, { F(0x81, "Hello") },
	    "text Hello\n", 0 },
	{ "too big, from the header alone", { 5, 0, 0 },
	    { F(0x81, "Hello!") },
	    "error 1009 message too big (6 > 5)\n", 6 },
	{ "far too big", { 65536, 0, 0 }, { CLAIMED(0x82, "", 70211) },
	    "error 1009 message too big (70211 > 65536)\n", 0 },
	{ "the biggest", { 65536, 0, 0 }, { CLAIMED(0x82, "", INT64_MAX) },
	    "error 1009 message too big (9223372036854775807 > 65536)\n", 0 },
	{ "fragments as big as allowed", { 5, 0, 0 },
	    { F(0x01, "Hel"), F(0x80, "lo") }, "fragment\ntext Hello\n", 0 },
	{ "fragments together too big", { 5, 0, 0 },
	    { F(0x01, "Hel"), F(0x80, "lo!") },
	    "fragment\nerror 1009 message too big (6 > 5)\n", 15 },
	{ "sum does not wrap round", { 5, 0, 0 },
	    { F(0x01, "Hel"), CLAIMED(0x80, "", INT64_MAX) },
	    "fragment\n"
	    "error 1009 message too big (9223372036854775810 > 5)\n", 0 },
	{ "the sum begins anew", { 5, 0, 0 },
	    { F(0x01, "Hel"), F(0x80, "lo"), F(0x81, "Hello") },
	    "fragment\ntext Hello\ntext Hello\n", 0 },
	{ "nothing allowed", { 0, 0, 1 }, { F(0x81, ""), F(0x81, "x") },
	    "text \nerror 1009 message too big (1 > 0)\n", 12 },
	{ "frame as big as allowed", { 100, 5, 0 }, { F(0x82, "Hello") },
	    "binary Hello\n", 0 },
	{ "frame too big", { 100, 5, 0 }, { F(0x82, "Hello!") },
	    "error 1009 frame too big (6 > 5)\n", 6 },
	{ "as many fragments as allowed", { 100, 0, 3 },
	    { F(0x01, "a"), F(0x00, ""), F(0x80, "b") },
	    "fragment\nfragment\ntext ab\n", 0 },
	{ "an empty fragment counts", { 100, 0, 3 },
	    { F(0x01, "a"), F(0x00, ""), F(0x00, ""), F(0x80, "b") },
	    "fragment\nfragment\nfragment\n"
	    "error 1008 too many fragments in a message (more than 3)\n",
	    25 },
	{ "the count begins anew", { 100, 0, 2 },
	    { F(0x01, "a"), F(0x80, "b"), F(0x01, "c"), F(0x80, "d"),
	    F(0x81, "e") },
	    "fragment\ntext ab\nfragment\ntext cd\ntext e\n", 0 },
	{ "no limit of fragments", { 100, 0, 0 },
	    { F(0x01, "a"), F(0x00, "b"), F(0x00, "c"), F(0x00, "d"),
	    F(0x00, "e"), F(0x00, "f"), F(0x80, "g") },
	    "fragment\nfragment\nfragment\nfragment\nfragment\nfragment\n"
	    "text abcdefg\n", 0 },
};

#define N_ROWS (sizeof(rows) / sizeof(*rows))

static void
put_row(struct buf *out, const struct row *row)
{
	for (size_t i = 0; i < FRAMES_MAX; i++)
		if (row->frames[i].payload != NULL)
			put_frame(out, &row->frames[i], (uint8_t)(0x37 + i));
}

static const struct ws_limits *
limits_of(const struct row *row)
{
	static const struct ws_limits none;

	return memcmp(&row->limits, &none, sizeof(none)) == 0 ? &usual :
	    &row->limits;
}

static void
test_rows(void **state)
{
	(void)state;
	for (size_t i = 0; i < N_ROWS; i++) {
		const struct row *row = &rows[i];
		struct peer peer = { .limits = *limits_of(row),
			.expected = row->expected };
		struct buf bytes = BUF_INIT;

		print_message("%s\n", row->name);
		put_row(&bytes, row);
		feed_all(&peer_feed, &peer, bytes.data, bytes.len);
		feed_steps(&peer_feed, &peer, bytes.data, bytes.len, 1);
		assert_int_equal(peer.last_line_at,
		    row->at != 0 ? row->at : bytes.len);
		buf_done(&bytes);
		buf_done(&peer.transcript);
	}
}

/* Does the row leave the connection fit for another one? */
static bool
goes_on(const struct row *row)
{
	return limits_of(row) == &usual &&
	    strstr(row->expected, "error") == NULL &&
	    strstr(row->expected, "close") == NULL;
}

/* Nothing of one message reaches the next: every row behind every good one. */
static void
test_no_state_leaks(void **state)
{
	char expected[2000];

	(void)state;
	for (size_t i = 0; i < N_ROWS * N_ROWS; i++) {
		const struct row *a = &rows[i / N_ROWS], *b = &rows[i % N_ROWS];
		struct peer peer = { .limits = usual, .expected = expected };
		struct buf bytes = BUF_INIT;

		if (!goes_on(a) || limits_of(b) != &usual)
			continue;
		put_row(&bytes, a);
		put_row(&bytes, b);
		snprintf(expected, sizeof(expected), "%s%s", a->expected,
		    b->expected);
		feed_steps(&peer_feed, &peer, bytes.data, bytes.len, 1);
		feed_steps(&peer_feed, &peer, bytes.data, bytes.len, 7);
		feed_steps(&peer_feed, &peer, bytes.data, bytes.len,
		    bytes.len);
		buf_done(&bytes);
		buf_done(&peer.transcript);
	}
}

static bool
has_shape(const struct row *row, enum shape shape)
{
	for (size_t i = 0; i < FRAMES_MAX; i++)
		if (row->frames[i].payload != NULL &&
		    row->frames[i].shape == shape)
			return true;
	return false;
}

/* The same rules hold for what a server sends, but for the mask: §5.1. */
static void
test_as_client(void **state)
{
	(void)state;
	for (size_t i = 0; i < N_ROWS; i++) {
		const struct row *row = &rows[i];
		struct peer peer = { .limits = *limits_of(row),
			.expected = row->expected, .from_server = true };
		struct buf bytes = BUF_INIT;

		if (has_shape(row, UNMASKED))
			continue;
		print_message("%s\n", row->name);
		for (size_t k = 0; k < FRAMES_MAX; k++)
			if (row->frames[k].payload != NULL)
				put_frame_as(&bytes, &row->frames[k], 0, 0);
		feed_all(&peer_feed, &peer, bytes.data, bytes.len);
		buf_done(&bytes);
		buf_done(&peer.transcript);
	}
}

static void
test_server_must_not_mask(void **state)
{
	static const struct frame good = F(0x81, "a"), masked = F(0x81, "b");
	struct peer peer = { .limits = usual, .from_server = true, .expected =
	    "text a\nerror 1002 frame with a mask from a server\n" };
	struct buf bytes = BUF_INIT;

	(void)state;
	put_frame_as(&bytes, &good, 0, 0);
	put_frame(&bytes, &masked, 0x37);
	feed_all(&peer_feed, &peer, bytes.data, bytes.len);
	buf_done(&bytes);
	buf_done(&peer.transcript);
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_rows),
		cmocka_unit_test(test_no_state_leaks),
		cmocka_unit_test(test_as_client),
		cmocka_unit_test(test_server_must_not_mask),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
