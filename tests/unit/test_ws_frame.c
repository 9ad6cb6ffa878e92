/* SPDX-License-Identifier: MIT */
/* worker/ws_frame: RFC 6455 §5.2 and §5.3, with the samples of §5.7. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "tests/unit/feed.h"
#include "worker/ws_frame.h"

struct vector {
	const char *name;
	const char *bytes;	/* the header; more may follow */
	size_t len;
	enum ws_frame_result result;
	struct ws_frame frame;
};

#define V(name, bytes, ...) { name, bytes, sizeof(bytes) - 1, __VA_ARGS__ }
#define OK(fin, rsv, opcode, length, head_len)                               \
	WS_FRAME_OK, { fin, rsv, opcode, false, { 0 }, length, head_len }
#define OK_MASKED(fin, rsv, opcode, m0, m1, m2, m3, length, head_len)        \
	WS_FRAME_OK, { fin, rsv, opcode, true, { m0, m1, m2, m3 }, length,   \
	    head_len }
#define WRONG(n) WS_FRAME_LENGTH, { .head_len = n }

static const struct vector vectors[] = {
	V("§5.7 single unmasked text", "\x81\x05Hello",
	    OK(true, 0, WS_TEXT, 5, 2)),
	V("§5.7 single masked text",
	    "\x81\x85\x37\xfa\x21\x3d\x7f\x9f\x4d\x51\x58",
	    OK_MASKED(true, 0, WS_TEXT, 0x37, 0xfa, 0x21, 0x3d, 5, 6)),
	V("§5.7 first fragment", "\x01\x03Hel", OK(false, 0, WS_TEXT, 3, 2)),
	V("§5.7 last fragment", "\x80\x02lo",
	    OK(true, 0, WS_CONTINUATION, 2, 2)),
	V("§5.7 ping", "\x89\x05Hello", OK(true, 0, WS_PING, 5, 2)),
	V("§5.7 masked pong", "\x8a\x85\x37\xfa\x21\x3d\x7f\x9f\x4d\x51\x58",
	    OK_MASKED(true, 0, WS_PONG, 0x37, 0xfa, 0x21, 0x3d, 5, 6)),
	V("§5.7 256 bytes of binary", "\x82\x7e\x01\x00",
	    OK(true, 0, WS_BINARY, 256, 4)),
	V("§5.7 64 KiB of binary", "\x82\x7f\0\0\0\0\0\x01\0\0",
	    OK(true, 0, WS_BINARY, 65536, 10)),
	V("every reserved bit", "\xf2\x00", OK(true, 7, WS_BINARY, 0, 2)),
	V("RSV1", "\x42\x00", OK(false, 4, WS_BINARY, 0, 2)),
	V("RSV3", "\x12\x00", OK(false, 1, WS_BINARY, 0, 2)),
	V("unknown opcode", "\x8f\x00", OK(true, 0, 0xf, 0, 2)),
	V("125", "\x82\x7d", OK(true, 0, WS_BINARY, 125, 2)),
	V("126 is the least of 16 bits", "\x82\x7e\x00\x7e",
	    OK(true, 0, WS_BINARY, 126, 4)),
	V("65535", "\x82\x7e\xff\xff", OK(true, 0, WS_BINARY, 65535, 4)),
	V("most of 63 bits", "\x82\x7f\x7f\xff\xff\xff\xff\xff\xff\xff",
	    OK(true, 0, WS_BINARY, INT64_MAX, 10)),
	V("longest header", "\x82\xff\0\0\0\x12\x34\x56\x78\x9a\1\2\3\4",
	    OK_MASKED(true, 0, WS_BINARY, 1, 2, 3, 4, 0x123456789a, 14)),
	V("16 bits, masked", "\x82\xfe\x01\x00\1\2\3\4",
	    OK_MASKED(true, 0, WS_BINARY, 1, 2, 3, 4, 256, 8)),
	V("125 in 16 bits", "\x82\x7e\x00\x7d", WRONG(4)),
	V("0 in 16 bits, masked", "\x82\xfe\x00\x00\1\2\3\4", WRONG(8)),
	V("65535 in 64 bits", "\x82\x7f\0\0\0\0\0\0\xff\xff", WRONG(10)),
	V("5 in 64 bits", "\x82\xff\0\0\0\0\0\0\0\5\1\2\3\4", WRONG(14)),
	V("top bit", "\x82\x7f\x80\0\0\0\0\0\0\0", WRONG(10)),
	V("all ones",
	    "\x82\xff\xff\xff\xff\xff\xff\xff\xff\xff\xff\xff\xff\xff",
	    WRONG(14)),
};

static void
check_prefix(const struct vector *v, const uint8_t *data, size_t len)
{
	struct ws_frame frame = { 0 };
	enum ws_frame_result result = ws_frame_parse(data, len, &frame);

	assert_int_equal(frame.head_len, len < 2 ? 2 : v->frame.head_len);
	if (len < v->frame.head_len) {
		assert_int_equal(result, WS_FRAME_MORE);
		return;
	}
	assert_int_equal(result, v->result);
	if (result != WS_FRAME_OK)
		return;
	assert_int_equal(frame.fin, v->frame.fin);
	assert_int_equal(frame.rsv, v->frame.rsv);
	assert_int_equal(frame.opcode, v->frame.opcode);
	assert_int_equal(frame.masked, v->frame.masked);
	assert_memory_equal(frame.mask, v->frame.mask, 4);
	assert_int_equal(frame.length, v->frame.length);
}

static void
test_parse(void **state)
{
	(void)state;
	for (size_t i = 0; i < sizeof(vectors) / sizeof(*vectors); i++) {
		const struct vector *v = &vectors[i];

		print_message("%s\n", v->name);
		for (size_t len = 0; len <= v->len; len++) {
			uint8_t *copy = malloc(len + 1);

			memcpy(copy, v->bytes, len);
			check_prefix(v, copy, len);
			free(copy);
		}
	}
}

static void
test_head(void **state)
{
	static const struct {
		uint64_t length;
		size_t head_len;
	} rows[] = {
		{ 0, 2 }, { 1, 2 }, { 125, 2 }, { 126, 4 }, { 65535, 4 },
		{ 65536, 10 }, { 0x123456789a, 10 }, { INT64_MAX, 10 },
	};
	uint8_t out[WS_SERVER_HEAD_MAX];
	struct ws_frame f;

	(void)state;
	for (size_t i = 0; i < sizeof(rows) / sizeof(*rows); i++)
		for (unsigned bits = 0; bits < 256; bits++) {
			assert_int_equal(ws_frame_head(out, bits >> 7 != 0,
			    bits >> 4 & 7, (enum ws_opcode)(bits & 0xf),
			    rows[i].length), rows[i].head_len);
			assert_int_equal(out[0], bits);
			assert_int_equal(ws_frame_parse(out,
			    rows[i].head_len, &f), WS_FRAME_OK);
			assert_int_equal(f.length, rows[i].length);
			assert_int_equal(f.head_len, rows[i].head_len);
			assert_false(f.masked);
		}
	ws_frame_head(out, true, 0, WS_BINARY, 65536);
	assert_memory_equal(out, "\x82\x7f\0\0\0\0\0\x01\0\0", 10);
}

static void
test_unmask_sample(void **state)
{
	uint8_t data[] = { 0x7f, 0x9f, 0x4d, 0x51, 0x58 };
	const uint8_t mask[4] = { 0x37, 0xfa, 0x21, 0x3d };

	(void)state;
	assert_int_equal(ws_frame_unmask(data, 5, mask, 0),
	    'H' | 'e' | 'l' | 'o');
	assert_memory_equal(data, "Hello", 5);
	assert_int_equal(ws_frame_unmask(data, 0, mask, 0), 0);
}

/* One byte at a time, as §5.3 says it. */
static uint8_t
unmask_slowly(uint8_t *data, size_t len, const uint8_t mask[4],
    uint64_t offset)
{
	uint8_t seen = 0;

	for (size_t i = 0; i < len; i++) {
		data[i] ^= mask[(offset + i) % 4];
		seen |= data[i];
	}
	return seen;
}

/* Every alignment, offset and length; no byte beside the payload changes. */
static void
test_unmask_differs_never(void **state)
{
	uint64_t seed = 7;
	uint8_t a[256], b[256], mask[4];

	(void)state;
	for (size_t len = 0; len <= 200; len++)
		for (size_t align = 0; align < 16; align++) {
			uint64_t offset = feed_random(&seed) >> (align * 4);

			for (size_t i = 0; i < sizeof(a); i++)
				a[i] = b[i] = (uint8_t)feed_random(&seed);
			for (size_t i = 0; i < 4; i++)
				mask[i] = (uint8_t)feed_random(&seed);
			assert_int_equal(
			    ws_frame_unmask(a + align, len, mask, offset),
			    unmask_slowly(b + align, len, mask, offset));
			assert_memory_equal(a, b, sizeof(a));
		}
}

/* The one byte that is not ASCII is seen wherever it stands. */
static void
test_unmask_sees_every_byte(void **state)
{
	const uint8_t mask[4] = { 0, 0, 0, 0 };
	uint8_t data[150];

	(void)state;
	for (size_t len = 1; len <= sizeof(data); len++)
		for (size_t at = 0; at < len; at++) {
			memset(data, 0, len);
			data[at] = 0x80;
			assert_int_equal(
			    ws_frame_unmask(data, len, mask, 0), 0x80);
		}
}

struct run {
	uint8_t out[300];
	uint64_t done;
	uint8_t seen;
	const uint8_t *plain;
	const uint8_t *mask;
};

static void
begin(void *ctx)
{
	struct run *r = ctx;

	r->done = 0;
	r->seen = 0;
}

static void
piece(void *ctx, uint8_t *data, size_t len)
{
	struct run *r = ctx;

	r->seen |= ws_frame_unmask(data, len, r->mask, r->done);
	memcpy(r->out + r->done, data, len);
	r->done += len;
}

static void
end(void *ctx)
{
	struct run *r = ctx;

	assert_memory_equal(r->out, r->plain, r->done);
}

static void
test_unmask_in_pieces(void **state)
{
	static const struct feed feed = { begin, piece, end };
	const uint8_t mask[4] = { 0x37, 0xfa, 0x21, 0x3d };
	uint8_t plain[300], masked[300], expected = 0;
	struct run run = { .plain = plain, .mask = mask };
	uint64_t seed = 3;

	(void)state;
	for (size_t i = 0; i < sizeof(plain); i++)
		expected |= plain[i] = (uint8_t)feed_random(&seed);
	memcpy(masked, plain, sizeof(plain));
	unmask_slowly(masked, sizeof(masked), mask, 0);
	feed_all(&feed, &run, masked, sizeof(masked));
	assert_int_equal(run.seen, expected);
	for (size_t step = 2; step < 80; step++)
		feed_steps(&feed, &run, masked, sizeof(masked), step);
}

/* What a client sends is what a server reads: the two are each other's. */
static void
test_client_head(void **state)
{
	static const uint64_t lengths[] = { 0, 125, 126, 65535, 65536,
		UINT64_C(1) << 40 };
	const uint8_t mask[4] = { 0x37, 0xfa, 0x21, 0x3d };

	(void)state;
	for (size_t i = 0; i < sizeof(lengths) / sizeof(*lengths); i++) {
		uint8_t head[WS_FRAME_HEAD_MAX];
		struct ws_frame f;
		size_t n = ws_frame_client_head(head, i % 2 == 0, 4, WS_BINARY,
		    lengths[i], mask);

		assert_int_equal(n, i < 2 ? 6 : i < 4 ? 8 : 14);
		assert_int_equal(ws_frame_parse(head, n, &f), WS_FRAME_OK);
		assert_true(f.masked);
		assert_memory_equal(f.mask, mask, 4);
		assert_true(f.length == lengths[i]);
		assert_int_equal(f.head_len, n);
		assert_int_equal(f.fin, i % 2 == 0);
		assert_int_equal(f.rsv, 4);
		assert_int_equal(f.opcode, WS_BINARY);
	}
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_parse),
		cmocka_unit_test(test_head),
		cmocka_unit_test(test_client_head),
		cmocka_unit_test(test_unmask_sample),
		cmocka_unit_test(test_unmask_differs_never),
		cmocka_unit_test(test_unmask_sees_every_byte),
		cmocka_unit_test(test_unmask_in_pieces),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
