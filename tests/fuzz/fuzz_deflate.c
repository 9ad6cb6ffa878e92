/* SPDX-License-Identifier: MIT */
/*
 * Inflating: the same as zlib makes of it in one go, however it is cut, and
 * never more than the limit.  Deflating: what comes out goes in again.
 */
#include <stdlib.h>
#include <zlib.h>

#include "common/buf.h"
#include "tests/fuzz/fuzz.h"
#include "worker/ws_deflate.h"

#define MOST 70000

static const struct ws_deflate_params modes[] = {
	{ .agreed = true, .server_bits = 9, .client_bits = 8,
	    .memory_level = 1 },
	{ .agreed = true, .server_bits = 15, .client_bits = 15,
	    .memory_level = 8 },
	{ .agreed = true, .server_bits = 9, .client_bits = 9,
	    .memory_level = 1, .server_takeover = true,
	    .client_takeover = true },
	{ .agreed = true, .server_bits = 15, .client_bits = 15,
	    .memory_level = 9, .server_takeover = true,
	    .client_takeover = true },
};

/* The message as one piece, by zlib itself; up to the first BFINAL. */
static bool
by_zlib(struct input in, size_t max, struct buf *out)
{
	static const uint8_t tail[] = { 0, 0, 0xff, 0xff };
	uint8_t *all = xmalloc(in.len + sizeof(tail));
	z_stream z = { 0 };
	int rc;

	if (in.len > 0)
		memcpy(all, in.data, in.len);
	memcpy(all + in.len, tail, sizeof(tail));
	ASSERT(inflateInit2(&z, -15) == Z_OK);
	buf_reserve(out, max + 1);
	z.next_in = all;
	z.avail_in = (uInt)(in.len + sizeof(tail));
	z.next_out = out->data;
	z.avail_out = (uInt)max + 1;
	rc = inflate(&z, Z_SYNC_FLUSH);
	out->len = max + 1 - z.avail_out;
	rc = rc == Z_OK && (z.data_type & (128 | 64)) == 128 &&
	    z.avail_in == 0 && out->len <= max;
	inflateEnd(&z);
	free(all);
	return rc;
}

static enum ws_inflate_result
inflate_in_steps(struct ws_deflate *d, struct input in, size_t step,
    size_t max, struct buf *out)
{
	enum ws_inflate_result result = WS_INFLATE_OK;

	while (in.len > 0 && result == WS_INFLATE_OK) {
		struct input piece = input_take(&in, step);
		uint8_t *exact = exact_copy(piece.data, piece.len);

		result = ws_inflate(d, exact, piece.len, max - out->len, out);
		ASSERT(result == WS_INFLATE_TOO_BIG || out->len <= max);
		ASSERT(out->len <= max + 1 && out->room <= 2 * max + 8192);
		free(exact);
	}
	if (result == WS_INFLATE_OK)
		result = ws_inflate_end(d, max - out->len, out);
	ASSERT(result != WS_INFLATE_OK || out->len <= max);
	return result;
}

static void
check_in(struct ws_deflate_pool *pool, struct input in, size_t step,
    size_t max)
{
	struct ws_deflate *d = ws_deflate_new(pool, &modes[1]);
	struct buf plain = BUF_INIT, out = BUF_INIT, again = BUF_INIT;
	enum ws_inflate_result result;

	result = inflate_in_steps(d, in, in.len == 0 ? 1 : in.len, max, &out);
	if (by_zlib(in, max, &plain)) {
		ASSERT(result == WS_INFLATE_OK && out.len == plain.len);
		ASSERT(out.len == 0 ||
		    memcmp(out.data, plain.data, out.len) == 0);
	}
	ws_deflate_free(d);
	d = ws_deflate_new(pool, &modes[1]);
	ASSERT(inflate_in_steps(d, in, step, max, &again) == result);
	ASSERT(result != WS_INFLATE_OK || (out.len == again.len &&
	    (out.len == 0 || memcmp(out.data, again.data, out.len) == 0)));
	ws_deflate_free(d);
	buf_done(&plain);
	buf_done(&out);
	buf_done(&again);
}

/* The client's window is as large as ours, so the roles can be swapped. */
static void
check_round_trip(struct ws_deflate_pool *pool, struct input in, size_t step)
{
	for (size_t i = 0; i < sizeof(modes) / sizeof(*modes); i++) {
		struct ws_deflate *d = ws_deflate_new(pool, &modes[i]);
		struct input rest = in;

		while (rest.len > 0) {
			struct input piece = input_take(&rest, step * 16);
			struct buf out = BUF_INIT;
			const uint8_t *small;
			size_t n;

			if (!ws_deflate(d, piece.data, piece.len, &small, &n))
				continue;
			ASSERT(ws_inflate(d, small, n, piece.len, &out) ==
			    WS_INFLATE_OK);
			ASSERT(ws_inflate_end(d, piece.len - out.len,
			    &out) == WS_INFLATE_OK);
			ASSERT(out.len == piece.len && memcmp(out.data,
			    piece.data, out.len) == 0);
			buf_done(&out);
		}
		ws_deflate_free(d);
	}
}

int
LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	struct input in = { data, size };
	size_t step = (size_t)input_u8(&in) + 1, max = input_u16(&in);
	struct ws_deflate_pool pool = { .idle = NULL };

	ASSERT(max < MOST);
	check_in(&pool, in, step, max);
	check_round_trip(&pool, in, step);
	ASSERT(pool.reserved == 0);
	ws_deflate_pool_done(&pool);
	return 0;
}
