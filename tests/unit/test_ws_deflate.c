/* SPDX-License-Identifier: MIT */
/*
 * worker/ws_deflate, and what worker/ws makes of compressed messages.  The
 * bytes are those of RFC 7692 §7.2.3, or zlib's.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

#include <cmocka.h>
#include <zlib.h>

#include "tests/unit/ws_deflate_params.h"
#include "tests/unit/ws_peer.h"

#define FRAMES_MAX 6

#define HELLO "\xf2\x48\xcd\xc9\xc9\x07\x00"	/* §7.2.3.1 */
#define FLUSHED HELLO "\x00\x00\xff\xff"
#define AGAIN "\xf2\x00\x11\x00\x00"		/* §7.2.3.2 */
#define STORED "\x00\x05\x00\xfa\xff" "Hello\x00"	/* §7.2.3.3 */
#define FINAL "\xf3\x48\xcd\xc9\xc9\x07\x00\x00"	/* §7.2.3.4 */
#define TWO_BLOCKS "\xf2\x48\x05\x00\x00\x00\xff\xff\xca\xc9\xc9\x07\x00"

static const struct ws_limits usual = { 1000, 0, 6 };
static const struct ws_limits five = { 5, 0, 6 };

static const struct row {
	const char *name;
	const struct ws_deflate_params *params;
	const struct ws_limits *limits;
	struct frame frames[FRAMES_MAX];
	const char *expected;
	size_t at;		/* as in test_ws.c */
} rows[] = {
	{ "one message", &shared, &usual, { F(0xc1, HELLO) },
	    "text Hello\n", 0 },
	{ "binary", &shared, &usual, { F(0xc2, HELLO) }, "binary Hello\n",
	    0 },
	{ "twice", &shared, &usual, { F(0xc1, HELLO), F(0xc1, HELLO) },
	    "text Hello\ntext Hello\n", 0 },
	{ "two fragments", &shared, &usual,
	    { F(0x41, "\xf2\x48\xcd"), F(0x80, "\xc9\xc9\x07\x00") },
	    "fragment\ntext Hello\n", 0 },
	{ "fragments of nothing", &shared, &usual,
	    { F(0x41, ""), F(0x00, HELLO), F(0x80, "") },
	    "fragment\nfragment\ntext Hello\n", 0 },
	{ "takeover", &own, &usual, { F(0xc1, HELLO), F(0xc1, AGAIN) },
	    "text Hello\ntext Hello\n", 0 },
	{ "takeover that was not agreed on", &shared, &usual,
	    { F(0xc1, HELLO), F(0xc1, AGAIN) }, "text Hello\nerror 1007 "
	    "compressed message is not DEFLATE data, or not whole\n", 22 },
	{ "messages that need none", &own, &usual,
	    { F(0xc1, HELLO), F(0xc1, HELLO), F(0xc1, AGAIN) },
	    "text Hello\ntext Hello\ntext Hello\n", 0 },
	{ "stored", &shared, &usual, { F(0xc1, STORED) }, "text Hello\n", 0 },
	{ "BFINAL", &shared, &usual, { F(0xc1, FINAL), F(0xc1, HELLO) },
	    "text Hello\ntext Hello\n", 0 },
	{ "BFINAL, and the window stays", &own, &usual,
	    { F(0xc1, FINAL), F(0xc1, AGAIN) },
	    "text Hello\ntext Hello\n", 0 },
	{ "BFINAL as the last byte", &own, &usual,
	    { F(0xc1, "\xf3\x48\xcd\xc9\xc9\x07\x00"), F(0xc1, AGAIN) },
	    "text Hello\ntext Hello\n", 0 },
	{ "a block behind BFINAL", &shared, &usual,
	    { F(0xc1, "\xf3\x48\xcd\xc9\xc9\x07\x00" HELLO) },
	    "text HelloHello\n", 0 },
	{ "two blocks", &shared, &usual, { F(0xc1, TWO_BLOCKS) },
	    "text Hello\n", 0 },
	{ "a flush that was not cut off", &shared, &usual,
	    { F(0xc1, HELLO "\x00\x00\xff\xff\x00") }, "text Hello\n", 0 },
	{ "empty message", &own, &usual, { F(0xc1, "\x00"), F(0xc1, HELLO) },
	    "text \ntext Hello\n", 0 },
	{ "empty fixed block", &shared, &usual, { F(0xc2, "\x02\x00") },
	    "binary \n", 0 },
	{ "not compressed", &own, &usual,
	    { F(0x81, "Hello"), F(0xc1, HELLO), F(0x01, "a"), F(0x80, "b"),
	    F(0xc1, AGAIN) },
	    "text Hello\ntext Hello\nfragment\ntext ab\ntext Hello\n", 0 },
	{ "not compressed behind fragments that were", &shared, &usual,
	    { F(0x41, "\xf2\x48\xcd"), F(0x80, "\xc9\xc9\x07\x00"),
	    F(0x01, "\xf2"), F(0x80, "x") },
	    "fragment\ntext Hello\nfragment\n"
	    "error 1007 text is not UTF-8\n", 0 },
	{ "control frames between", &shared, &usual,
	    { F(0x41, "\xf2\x48"), F(0x89, "p"), F(0x00, "\xcd"),
	    F(0x8a, "q"), F(0x80, "\xc9\xc9\x07\x00") },
	    "fragment\nping p\nfragment\npong q\ntext Hello\n", 0 },

	/* RSV: RFC 7692 §6. */
	{ "RSV1 on a ping", &shared, &usual, { F(0xc9, "") },
	    "error 1002 reserved bit set where it has no meaning\n", 0 },
	{ "RSV1 on a close", &shared, &usual, { F(0xc8, "") },
	    "error 1002 reserved bit set where it has no meaning\n", 0 },
	{ "RSV1 on a continuation", &shared, &usual,
	    { F(0x41, "\xf2\x48\xcd"), F(0xc0, "\xc9\xc9\x07\x00") },
	    "fragment\n"
	    "error 1002 reserved bit set where it has no meaning\n", 15 },
	{ "RSV1 on a continuation of plain text", &shared, &usual,
	    { F(0x01, "a"), F(0xc0, "b") }, "fragment\n"
	    "error 1002 reserved bit set where it has no meaning\n", 13 },
	{ "RSV2", &shared, &usual, { F(0xa1, HELLO) },
	    "error 1002 reserved bit set where it has no meaning\n", 6 },
	{ "RSV1 and RSV3", &shared, &usual, { F(0xd1, HELLO) },
	    "error 1002 reserved bit set where it has no meaning\n", 6 },

	/* What is no DEFLATE data. */
	{ "no payload at all", &shared, &usual, { F(0xc1, "") }, "error 1007 "
	    "compressed message is not DEFLATE data, or not whole\n", 0 },
	{ "the end is missing", &shared, &usual,
	    { F(0xc1, "\xf2\x48\xcd\xc9\xc9") }, "error 1007 "
	    "compressed message is not DEFLATE data, or not whole\n", 0 },
	{ "block of type 3", &shared, &usual, { F(0xc1, "\xff" "abc") },
	    "error 1007 "
	    "compressed message is not DEFLATE data, or not whole\n", 7 },
	{ "stored block with a wrong length", &shared, &usual,
	    { F(0xc1, "\x00\x05\x00\x05\x00Hello\x00") }, "error 1007 "
	    "compressed message is not DEFLATE data, or not whole\n", 11 },
	{ "distance before the beginning", &own, &usual,
	    { F(0xc1, AGAIN) }, "error 1007 "
	    "compressed message is not DEFLATE data, or not whole\n", 9 },

	/* Limits: of what comes out. */
	{ "as big as allowed", &shared, &five, { F(0xc1, HELLO) },
	    "text Hello\n", 0 },
	{ "stored, as big as allowed", &shared, &five, { F(0xc1, STORED) },
	    "text Hello\n", 0 },
	{ "too big", &shared, &five,
	    { F(0xc1, "\x00\x06\x00\xf9\xff" "Hello!\x00") },
	    "error 1009 message too big (more than 5 when inflated)\n", 17 },
	{ "together too big", &shared, &five,
	    { F(0x41, FLUSHED), F(0x00, FLUSHED) }, "fragment\n"
	    "error 1009 message too big (more than 5 when inflated)\n", 25 },
	{ "a frame that could not be worth it", &shared, &five,
	    { CLAIMED(0xc1, "", 262) },
	    "error 1009 message too big (262 > 261)\n", 0 },
	{ "as many fragments as allowed", &shared,
	    &(const struct ws_limits){ 15, 0, 3 },
	    { F(0x41, FLUSHED), F(0x00, FLUSHED), F(0x80, HELLO) },
	    "fragment\nfragment\ntext HelloHelloHello\n", 0 },
	{ "too many fragments", &shared,
	    &(const struct ws_limits){ 15, 0, 2 },
	    { F(0x41, FLUSHED), F(0x00, FLUSHED), F(0x80, HELLO) },
	    "fragment\nfragment\n"
	    "error 1008 too many fragments in a message (more than 2)\n",
	    40 },

	/* UTF-8 of what comes out, as early as it does. */
	{ "not UTF-8", &shared, &usual,
	    { F(0xc1, "\x00\x05\x00\xfa\xff" "Hel\xff" "o\x00") },
	    "error 1007 text is not UTF-8\n", 15 },
	{ "not UTF-8, most of the frame missing", &shared, &usual,
	    { CLAIMED(0xc1, "\x00\x05\x00\xfa\xff" "He\xc0", 900) },
	    "error 1007 text is not UTF-8\n", 0 },
	{ "binary need not be", &shared, &usual,
	    { F(0xc2, "\x00\x05\x00\xfa\xff" "Hel\xff" "o\x00") },
	    "binary Hel\\xffo\n", 0 },
	{ "a character over two fragments", &shared, &usual,
	    { F(0x41, "\x00\x02\x00\xfd\xff" "\xe2\x82"),
	    F(0x80, "\x00\x01\x00\xfe\xff" "\xac\x00") },
	    "fragment\ntext \\xe2\\x82\\xac\n", 0 },
	{ "ends inside a character", &shared, &usual,
	    { F(0xc1, "\x00\x02\x00\xfd\xff" "\xe2\x82\x00") },
	    "error 1007 text ends inside a character\n", 0 },
};

#define N_ROWS (sizeof(rows) / sizeof(*rows))

static void
put_row(struct buf *out, const struct row *row)
{
	for (size_t i = 0; i < FRAMES_MAX; i++)
		if (row->frames[i].payload != NULL)
			put_frame(out, &row->frames[i], (uint8_t)(0x37 + i));
}

static void
test_rows(void **state)
{
	struct ws_deflate_pool pool = { .idle = NULL };

	(void)state;
	for (size_t i = 0; i < N_ROWS; i++) {
		const struct row *row = &rows[i];
		struct peer peer = { .limits = *row->limits,
			.pool = &pool, .deflate = *row->params,
			.expected = row->expected };
		struct buf bytes = BUF_INIT;

		print_message("%s\n", row->name);
		put_row(&bytes, row);
		feed_all(&peer_feed, &peer, bytes.data, bytes.len);
		feed_steps(&peer_feed, &peer, bytes.data, bytes.len, 1);
		if (row->expected != NULL)
			assert_int_equal(peer.last_line_at,
			    row->at != 0 ? row->at : bytes.len);
		assert_int_equal(pool.reserved, 0);
		buf_done(&bytes);
		buf_done(&peer.transcript);
	}
	ws_deflate_pool_done(&pool);
}

/* Whatever one connection left in the pool, the next does not notice. */
static void
test_no_state_leaks(void **state)
{
	struct ws_deflate_pool pool = { .idle = NULL };

	(void)state;
	for (size_t i = 0; i < N_ROWS * N_ROWS; i++) {
		const struct row *pair[] = { &rows[i / N_ROWS],
			&rows[i % N_ROWS] };

		for (size_t k = 0; k < 2; k++) {
			struct peer peer = { .limits = *pair[k]->limits,
				.pool = &pool, .deflate = *pair[k]->params,
				.expected = pair[k]->expected };
			struct buf bytes = BUF_INIT;

			put_row(&bytes, pair[k]);
			feed_steps(&peer_feed, &peer, bytes.data, bytes.len,
			    3);
			buf_done(&bytes);
			buf_done(&peer.transcript);
		}
	}
	ws_deflate_pool_done(&pool);
}

/* Messages of several connections under way at once, with one pool. */
static void
test_interleaved(void **state)
{
	enum { PEERS = 9 };
	static const struct frame pieces[] = { F(0x41, "\xf2\x48\xcd"),
		F(0x00, "\xc9\xc9"), F(0x80, "\x07\x00") };
	struct ws_deflate_pool pool = { .idle = NULL };
	struct peer peers[PEERS];

	(void)state;
	for (size_t i = 0; i < PEERS; i++) {
		peers[i] = (struct peer){ .limits = usual, .pool = &pool,
			.deflate = i % 3 == 0 ? own : shared,
			.expected = "fragment\nfragment\ntext Hello\n" };
		peer_begin(&peers[i]);
	}
	for (size_t k = 0; k < 3; k++) {
		for (size_t i = 0; i < PEERS; i++) {
			struct buf bytes = BUF_INIT;

			put_frame(&bytes, &pieces[k], (uint8_t)i);
			feed_piece(&peer_feed, &peers[i], bytes.data,
			    bytes.len);
			buf_done(&bytes);
		}
	}
	for (size_t i = 0; i < PEERS; i++) {
		peer_end(&peers[i]);
		buf_done(&peers[i].transcript);
	}
	ws_deflate_pool_done(&pool);
}

/* ---- our compressor --------------------------------------------------- */

/* As a client does it, by the book: §7.2.2. */
struct client {
	z_stream z;
	unsigned bits;
	bool takeover;
};

static void
client_expect(struct client *c, const uint8_t *data, size_t len,
    const uint8_t *want, size_t want_len)
{
	static uint8_t out[400000];
	uint8_t *in = malloc(len + 4);

	memcpy(in, data, len);
	memcpy(in + len, "\0\0\xff\xff", 4);
	if (!c->takeover)
		inflateReset(&c->z);
	c->z.next_in = in;
	c->z.avail_in = (uInt)len + 4;
	c->z.next_out = out;
	c->z.avail_out = sizeof(out);
	assert_int_equal(inflate(&c->z, Z_SYNC_FLUSH), Z_OK);
	assert_int_equal(c->z.avail_in, 0);
	assert_int_equal(sizeof(out) - c->z.avail_out, want_len);
	assert_memory_equal(out, want, want_len);
	free(in);
}

static void
fill(uint8_t *data, size_t len, bool random, uint64_t *seed)
{
	static const char words[] = "{\"user\":\"somebody\",\"text\":\"";

	for (size_t i = 0; i < len; i++)
		data[i] = random ? (uint8_t)feed_random(seed) :
		    (uint8_t)words[(i + len) % (sizeof(words) - 1)];
}

static void
round_trip(struct ws_deflate_pool *pool, unsigned bits, unsigned level,
    bool takeover)
{
	static const size_t sizes[] = { 1, 2, 100, 5, 4096, 70000, 300,
		300000, 33, 33, 33 };
	static uint8_t data[300000];
	const struct ws_deflate_params params = { .agreed = true,
		.server_takeover = takeover, .server_bits = (uint8_t)bits,
		.client_bits = 15, .memory_level = (uint8_t)level };
	struct ws_deflate *d = ws_deflate_new(pool, &params);
	struct client client = { .takeover = takeover };
	uint64_t seed = 88172645463325252u;
	const uint8_t *small;
	size_t n;

	assert_int_equal(inflateInit2(&client.z, -(int)bits), Z_OK);
	for (size_t i = 0; i < 2 * sizeof(sizes) / sizeof(*sizes); i++) {
		size_t len = sizes[i / 2];
		bool random = i % 2 == 1;

		fill(data, len, random, &seed);
		if (!ws_deflate(d, data, len, &small, &n)) {
			assert_false(takeover);
			assert_true(random || len < 100);
			continue;
		}
		assert_true(takeover || n < len);
		client_expect(&client, small, n, data, len);
	}
	inflateEnd(&client.z);
	ws_deflate_free(d);
}

static void
test_round_trip(void **state)
{
	struct ws_deflate_pool pool = { .idle = NULL };

	(void)state;
	for (unsigned bits = 9; bits <= 15; bits++)
		for (unsigned level = 1; level <= 9; level += 4) {
			round_trip(&pool, bits, level, false);
			round_trip(&pool, bits, level, true);
		}
	assert_int_equal(pool.reserved, 0);
	ws_deflate_pool_done(&pool);
}

static void
test_out_as_in_the_rfc(void **state)
{
	struct ws_deflate_pool pool = { .idle = NULL };
	struct ws_deflate *d = ws_deflate_new(&pool, &own);
	const uint8_t *small;
	size_t n;

	(void)state;
	assert_false(ws_deflate(d, "", 0, &small, &n));
	assert_true(ws_deflate(d, "Hello", 5, &small, &n));
	assert_int_equal(n, 7);
	assert_memory_equal(small, HELLO, 7);
	assert_true(ws_deflate(d, "Hello", 5, &small, &n));
	assert_int_equal(n, 5);
	assert_memory_equal(small, AGAIN, 5);
	ws_deflate_free(d);
	ws_deflate_pool_done(&pool);
}

/* ---- memory ----------------------------------------------------------- */

static size_t
zeros(uint8_t *out, size_t room, size_t len)
{
	uint8_t *data = calloc(1, len);
	z_stream z = { 0 };

	assert_int_equal(deflateInit2(&z, 9, Z_DEFLATED, -15, 9, 0), Z_OK);
	z.next_in = data;
	z.avail_in = (uInt)len;
	z.next_out = out;
	z.avail_out = (uInt)room;
	deflate(&z, Z_SYNC_FLUSH);
	assert_int_equal(z.avail_in, 0);
	deflateEnd(&z);
	free(data);
	return room - z.avail_out - 4;
}

/* A bomb goes off at max_message, and takes no more memory than that. */
static void
test_bomb(void **state)
{
	static uint8_t bomb[40000];
	struct ws_deflate_pool pool = { .idle = NULL };
	struct ws_deflate *d = ws_deflate_new(&pool, &shared);
	size_t len = zeros(bomb, sizeof(bomb), 32u << 20), max = 50000;
	struct buf out = BUF_INIT;

	(void)state;
	assert_in_range(len, 1, 36000);
	assert_int_equal(ws_inflate(d, bomb, len, max, &out),
	    WS_INFLATE_TOO_BIG);
	assert_in_range(out.room, max, 2 * max + 4096);
	buf_done(&out);
	ws_deflate_free(d);

	/* Exactly at the limit it is a message. */
	len = zeros(bomb, sizeof(bomb), max);
	d = ws_deflate_new(&pool, &shared);
	assert_int_equal(ws_inflate(d, bomb, len, max, &out), WS_INFLATE_OK);
	assert_int_equal(ws_inflate_end(d, 0, &out), WS_INFLATE_OK);
	assert_int_equal(out.len, max);
	buf_done(&out);
	ws_deflate_free(d);
	ws_deflate_pool_done(&pool);
}

/* Whatever became of it, a large message leaves no memory with the worker. */
static void
test_large_ones_leave_nothing(void **state)
{
	static const struct ws_limits large = { 4u << 20, 0, 0 };
	static const size_t sizes[] = { 4u << 20, (4u << 20) + 1 };
	static uint8_t data[20000];
	struct ws_deflate_pool pool = { .idle = NULL };

	(void)state;
	for (size_t i = 0; i < 4; i++) {
		size_t len = zeros(data, sizeof(data), sizes[i / 2]);
		struct frame f = { i % 2 ? 0xc2 : 0x42, (char *)data, len,
			PROPER, 0 };
		struct buf bytes = BUF_INIT;
		struct ws_event e;
		struct ws ws;

		ws_init(&ws);
		ws.deflate = ws_deflate_new(&pool, &shared);
		put_frame(&bytes, &f, 1);
		ws_read(&ws, &large, bytes.data, bytes.len, &e);
		assert_int_equal(e.type, i >= 2 ? WS_EVENT_ERROR :
		    i == 1 ? WS_EVENT_MESSAGE : WS_EVENT_FRAGMENT);
		ws_release(&ws);
		assert_true(pool.inflated.room <= 256 << 10);
		ws_done(&ws);
		buf_done(&bytes);
	}
	ws_deflate_pool_done(&pool);
}

size_t __sanitizer_get_current_allocated_bytes(void) __attribute__((weak));

/* What is reserved is enough for what is used. */
static void
test_cost(void **state)
{
	static uint8_t data[100000];
	uint64_t seed = 5;

	(void)state;
	if (__sanitizer_get_current_allocated_bytes == NULL)
		return;
	fill(data, sizeof(data), true, &seed);
	for (uint8_t bits = 9; bits <= 15; bits++) {
		struct ws_deflate_pool pool = { .idle = NULL };
		struct ws_deflate_params params = own;
		struct buf out = BUF_INIT;
		struct ws_deflate *d;
		const uint8_t *small;
		size_t n, before, used;

		params.server_bits = params.client_bits = bits;
		params.memory_level = (uint8_t)(bits - 7);
		before = __sanitizer_get_current_allocated_bytes();
		d = ws_deflate_new(&pool, &params);
		assert_int_equal(pool.reserved, ws_deflate_cost(&params));
		ws_deflate(d, data, sizeof(data), &small, &n);
		assert_int_equal(ws_inflate(d, small, n, sizeof(data), &out),
		    WS_INFLATE_OK);
		buf_done(&out);
		buf_done(&pool.deflated);
		used = __sanitizer_get_current_allocated_bytes() - before;
		assert_in_range(used, ws_deflate_cost(&params) * 9 / 10,
		    ws_deflate_cost(&params) + 1024);
		ws_deflate_free(d);
		ws_deflate_pool_done(&pool);
		assert_int_equal(__sanitizer_get_current_allocated_bytes(),
		    before);
	}
}

/* Between two messages only a context of its own is held. */
static void
test_idle(void **state)
{
	struct ws_deflate_pool pool = { .idle = NULL };
	struct ws ws;
	struct ws_event e;
	struct buf bytes = BUF_INIT;
	const struct frame f = F(0xc1, HELLO);

	(void)state;
	ws_init(&ws);
	ws.deflate = ws_deflate_new(&pool, &shared);
	put_frame(&bytes, &f, 1);
	ws_read(&ws, &usual, bytes.data, bytes.len, &e);
	assert_int_equal(e.type, WS_EVENT_MESSAGE);
	ws_release(&ws);
	assert_null(ws.message.data);
	assert_null(ws.deflate->inflater);
	assert_null(ws.deflate->deflater);
	assert_int_equal(pool.n_idle, 1);
	ws_done(&ws);
	buf_done(&bytes);
	ws_deflate_pool_done(&pool);
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_rows),
		cmocka_unit_test(test_no_state_leaks),
		cmocka_unit_test(test_interleaved),
		cmocka_unit_test(test_round_trip),
		cmocka_unit_test(test_out_as_in_the_rfc),
		cmocka_unit_test(test_bomb),
		cmocka_unit_test(test_large_ones_leave_nothing),
		cmocka_unit_test(test_cost),
		cmocka_unit_test(test_idle),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
