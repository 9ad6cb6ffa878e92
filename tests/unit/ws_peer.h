/* SPDX-License-Identifier: MIT */
/*
 * A client that builds frames, right and wrong ones, and the connection's
 * part beside worker/ws: it keeps what was not consumed, gives it again in
 * other memory, and writes down what happens, one event a line.
 */
#ifndef WSSD_TESTS_UNIT_WS_PEER_H
#define WSSD_TESTS_UNIT_WS_PEER_H

#include <stdio.h>

#include "common/buf.h"
#include "tests/unit/feed.h"
#include "worker/ws.h"

/* How a frame differs from a proper one. */
enum shape { PROPER, UNMASKED, LEN16, LEN64, TOP_BIT, CLAIM };

struct frame {
	uint8_t first;		/* FIN, RSV, opcode */
	const char *payload;	/* NULL: no frame */
	size_t len;
	enum shape shape;
	uint64_t claim;		/* CLAIM: the length in the header */
};

#define F(first, text) { first, text, sizeof(text) - 1, PROPER, 0 }
#define SHAPED(first, text, shape) { first, text, sizeof(text) - 1, shape, 0 }
#define CLAIMED(first, text, n) { first, text, sizeof(text) - 1, CLAIM, n }

/* bit: 0x80 with a mask, 0 without */
static inline void
put_frame_as(struct buf *out, const struct frame *f, uint8_t mask_seed,
    uint8_t bit)
{
	const uint8_t mask[4] = { mask_seed, 0xfa, 0x21,
		(uint8_t)(mask_seed * 7) };
	uint64_t length = f->shape == CLAIM ? f->claim : f->len;

	buf_put_u8(out, f->first);
	if (f->shape == LEN64 || f->shape == TOP_BIT || length > UINT16_MAX) {
		buf_put_u8(out, bit | 127);
		buf_put_u64(out, f->shape == TOP_BIT ?
		    length | UINT64_C(1) << 63 : length);
	} else if (f->shape == LEN16 || length > 125) {
		buf_put_u8(out, bit | 126);
		buf_put_u16(out, (uint16_t)length);
	} else {
		buf_put_u8(out, (uint8_t)(bit | length));
	}
	if (bit != 0)
		buf_put(out, mask, 4);
	for (size_t i = 0; i < f->len; i++)
		buf_put_u8(out, (uint8_t)((uint8_t)f->payload[i] ^
		    (bit != 0 ? mask[i % 4] : 0)));
}

/* A client's. */
static inline void
put_frame(struct buf *out, const struct frame *f, uint8_t mask_seed)
{
	put_frame_as(out, f, mask_seed, f->shape == UNMASKED ? 0 : 0x80);
}

/* The connection's part: keeps what was not consumed, notes what happens. */
struct peer {
	struct ws ws;
	struct ws_limits limits;
	struct ws_deflate_pool *pool;	/* with deflate */
	struct ws_deflate_params deflate;
	uint8_t *kept;		/* of exactly that size */
	size_t n_kept;
	size_t given;
	size_t last_line_at;	/* bytes given when the transcript grew */
	struct buf transcript;
	const char *expected;	/* the transcript at the end; NULL: any */
	bool from_server;	/* it is a server, ws is a client's */
};

static inline uint8_t *
copy_exactly(const uint8_t *data, size_t len)
{
	uint8_t *copy = malloc(len == 0 ? 1 : len);

	if (len > 0)
		memcpy(copy, data, len);
	return copy;
}

static inline void
note(struct peer *p, const char *what, const struct ws_event *e)
{
	buf_printf(&p->transcript, "%s ", what);
	for (size_t i = 0; i < e->len; i++)
		buf_printf(&p->transcript,
		    e->data[i] >= ' ' && e->data[i] < 0x7f ? "%c" : "\\x%02x",
		    e->data[i]);
	buf_printf(&p->transcript, "\n");
}

static inline void
note_event(struct peer *p, const struct ws_event *e)
{
	char close[20];

	switch (e->type) {
	case WS_EVENT_NEED:
		return;
	case WS_EVENT_MESSAGE:
		note(p, e->opcode == WS_TEXT ? "text" : "binary", e);
		break;
	case WS_EVENT_FRAGMENT:
		buf_printf(&p->transcript, "fragment\n");
		break;
	case WS_EVENT_PING:
		note(p, "ping", e);
		break;
	case WS_EVENT_PONG:
		note(p, "pong", e);
		break;
	case WS_EVENT_CLOSE:
		snprintf(close, sizeof(close), "close %u", e->code);
		note(p, close, e);
		break;
	case WS_EVENT_ERROR:
		buf_printf(&p->transcript, "error %u %s\n", e->code,
		    e->reason);
		break;
	}
	p->last_line_at = p->given;
}

/* What holds of every event. */
static inline void
check_event(const struct peer *p, const struct ws_event *e, size_t len)
{
	if (e->type == WS_EVENT_NEED || e->type == WS_EVENT_ERROR)
		assert_int_equal(e->consumed, 0);
	else
		assert_in_range(e->consumed, p->from_server ? 2 : 6, len);
	if (e->type == WS_EVENT_NEED && !p->ws.closed) {
		/* A compressed frame may be somewhat more than a message. */
		uint64_t most = p->limits.max_message + (p->deflate.agreed ?
		    p->limits.max_message / 8 + 256 : 0);

		assert_true(e->need > len);
		assert_true(e->need <= WS_FRAME_HEAD_MAX +
		    (most > WS_CONTROL_MAX ? most : WS_CONTROL_MAX));
	}
	if (e->type == WS_EVENT_NEED && p->ws.closed)
		assert_int_equal(e->need, 0);
	assert_true(p->ws.message.len <= p->limits.max_message);
}

static inline void
peer_begin(void *ctx)
{
	struct peer *p = ctx;

	if (p->from_server)
		ws_init_client(&p->ws);
	else
		ws_init(&p->ws);
	if (p->deflate.agreed)
		p->ws.deflate = ws_deflate_new(p->pool, &p->deflate);
	p->kept = NULL;
	p->n_kept = p->given = p->last_line_at = 0;
	buf_clear(&p->transcript);
}

static inline void
peer_piece(void *ctx, uint8_t *data, size_t len)
{
	struct peer *p = ctx;
	struct buf all = BUF_INIT;
	struct ws_event e;
	uint8_t *rest;
	size_t n, used = 0;

	buf_reserve(&all, p->n_kept + len + 1);
	buf_put(&all, p->kept, p->n_kept);
	buf_put(&all, data, len);
	p->given += len;
	do {
		/* Exactly what is left, so that a read behind it is seen. */
		n = all.len - used;
		rest = copy_exactly(all.data + used, n);
		ws_read(&p->ws, &p->limits, rest, n, &e);
		check_event(p, &e, n);
		note_event(p, &e);
		if (n > 0)
			memcpy(all.data + used, rest, n);
		free(rest);
		used += e.consumed;
	} while (e.type != WS_EVENT_NEED && e.type != WS_EVENT_ERROR);
	free(p->kept);
	p->n_kept = all.len - used;
	p->kept = copy_exactly(all.data + used, p->n_kept);
	buf_done(&all);
}

static inline void
peer_end(void *ctx)
{
	struct peer *p = ctx;

	free(p->kept);
	ws_done(&p->ws);
	if (p->expected == NULL)
		return;
	buf_put_u8(&p->transcript, 0);
	assert_string_equal((const char *)p->transcript.data, p->expected);
}

static const struct feed peer_feed = { peer_begin, peer_piece, peer_end };

#endif
