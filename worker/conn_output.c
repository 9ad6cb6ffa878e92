/* SPDX-License-Identifier: MIT */
/*
 * What a connection sends.  While its own input is handled, its frames
 * gather in one buffer of the worker and leave in one stream_write(); what
 * others send it waits in the worker's `outgoing' until the end of the turn,
 * and only what finds no place in either waits in its stream.
 */
#include "worker/conn_parts.h"

#include <string.h>

#include "common/alloc.h"
#include "common/assert.h"
#include "worker/ahead.h"
#include "worker/api.h"
#include "worker/worker.h"

#define RECORD_BYTES 16384	/* the most in one TLS record */

void
conn_queue_dirty(struct wss_conn *c)
{
	struct worker *w = c->worker;

	if (c->dirty != 0)
		return;
	if (w->n_dirty == w->dirty_room) {
		w->dirty_room = w->dirty_room == 0 ? 64 : 2 * w->dirty_room;
		w->dirty = xreallocarray(w->dirty, w->dirty_room,
		    sizeof(struct wss_conn *));
	}
	w->dirty[w->n_dirty++] = c;
	c->dirty = w->n_dirty;
}

void
conn_mark_dirty(struct wss_conn *c)
{
	conn_queue_dirty(c);
	transport_request_turn(c->worker->transport);
}

/*
 * Asked several times a message.  While the input of a connection is handled
 * its stream grows only by what is written here: it is looked at then.
 */
size_t
conn_queued(const struct wss_conn *c)
{
	const struct worker *w = c->worker;

	if (w->current == c)
		return w->current_unsent + w->gather.len;
	return stream_unsent(&c->stream) + c->outgoing.bytes;
}

static void
note_unsent(const struct wss_conn *c)
{
	if (c->worker->current == c)
		c->worker->current_unsent = stream_unsent(&c->stream);
}

void
conn_flush_gather(struct wss_conn *c)
{
	struct buf *gather = &c->worker->gather;

	if (gather->len == 0)
		return;
	stream_write(&c->stream, gather->data, gather->len);
	buf_clear(gather);
	note_unsent(c);
}

/* In front of what is put from now on. */
static void
gather_outgoing(struct wss_conn *c)
{
	struct worker *w = c->worker;
	const uint8_t *piece;
	size_t len;

	while ((piece = outgoing_take(&w->outgoing, &c->outgoing,
	    &len)) != NULL) {
		if (w->gather.len + len > WORKER_GATHER_BYTES)
			conn_flush_gather(c);
		buf_put(&w->gather, piece, len);
	}
}

void
conn_begin_input(struct wss_conn *c)
{
	c->worker->current = c;
	gather_outgoing(c);
	note_unsent(c);
}

/* At the end of a turn most have one piece, and it needs no copy. */
static void
write_outgoing(struct wss_conn *c)
{
	const uint8_t *piece;
	size_t len;

	if (c->outgoing.first == c->outgoing.last) {
		piece = outgoing_take(&c->worker->outgoing, &c->outgoing, &len);
		if (piece != NULL)
			stream_write(&c->stream, piece, len);
		return;
	}
	gather_outgoing(c);
	conn_flush_gather(c);
}

/* Fills the record that gather has begun, and sends the rest uncopied. */
static void
put_large(struct wss_conn *c, const uint8_t *data, size_t len)
{
	struct buf *gather = &c->worker->gather;
	size_t fill = (RECORD_BYTES - gather->len % RECORD_BYTES) %
	    RECORD_BYTES;

	buf_put(gather, data, fill);
	conn_flush_gather(c);
	stream_write(&c->stream, data + fill, len - fill);
	note_unsent(c);
}

/* Behind what waits in its stream, if anything does. */
static void
put_into_stream(struct wss_conn *c, const void *head, size_t head_len,
    const void *data, size_t len)
{
	stream_queue(&c->stream, head, head_len);
	stream_queue(&c->stream, data, len);
	note_unsent(c);
}

/* Outside its own input: for the end of the turn. */
static void
put_later(struct wss_conn *c, const void *head, size_t head_len,
    const void *data, size_t len)
{
	struct outgoing *outgoing = &c->worker->outgoing;
	const uint8_t *piece;
	size_t n;

	conn_mark_dirty(c);
	if (stream_queued(&c->stream) == 0 &&
	    outgoing_put(outgoing, &c->outgoing, head, head_len, data, len))
		return;
	while ((piece = outgoing_take(outgoing, &c->outgoing, &n)) != NULL)
		stream_queue(&c->stream, piece, n);
	put_into_stream(c, head, head_len, data, len);
}

/*
 * In open() nothing is written yet, for the handler may still refuse: what
 * gather cannot hold waits in the stream, and then the rest does.
 */
static bool
put_in_open(struct wss_conn *c, const void *head, size_t head_len,
    const void *data, size_t len)
{
	struct buf *gather = &c->worker->gather;

	if (gather->len + len > WORKER_GATHER_BYTES) {
		stream_queue(&c->stream, gather->data, gather->len);
		buf_clear(gather);
		conn_mark_dirty(c);
	} else if (stream_queued(&c->stream) == 0) {
		return false;
	}
	put_into_stream(c, head, head_len, data, len);
	return true;
}

static void
put(struct wss_conn *c, const void *head, size_t head_len, const void *data,
    size_t len)
{
	struct buf *gather = &c->worker->gather;

	if (c->worker->current != c) {
		put_later(c, head, head_len, data, len);
		return;
	}
	if (c->in_open && put_in_open(c, head, head_len, data, len))
		return;
	if (gather->len + head_len + len > WORKER_GATHER_BYTES)
		conn_flush_gather(c);
	buf_put(gather, head, head_len);
	if (len > RECORD_BYTES)
		put_large(c, data, len);
	else
		buf_put(gather, data, len);
}

/*
 * The usual frame goes straight to where it is encrypted from.  False: it is
 * not the usual one.
 */
static bool
gather_frame(struct wss_conn *c, uint8_t rsv, enum ws_opcode opcode,
    const void *data, size_t len)
{
	struct worker *w = c->worker;
	uint8_t *at;

	if (w->current != c || c->in_open || len == 0 || len > RECORD_BYTES)
		return false;
	if (w->gather.len + WS_SERVER_HEAD_MAX + len > WORKER_GATHER_BYTES)
		conn_flush_gather(c);
	ASSERT(w->gather.room >= WORKER_GATHER_BYTES);
	at = w->gather.data + w->gather.len;
	at += ws_frame_head(at, true, rsv, opcode, len);
	memcpy(at, data, len);
	w->gather.len = (size_t)(at - w->gather.data) + len;
	return true;
}

static void
put_frame(struct wss_conn *c, uint8_t rsv, enum ws_opcode opcode,
    const void *data, size_t len)
{
	uint8_t head[WS_SERVER_HEAD_MAX];

	if (!gather_frame(c, rsv, opcode, data, len))
		put(c, head, ws_frame_head(head, true, rsv, opcode, len),
		    data, len);
}

void
conn_put_frame(struct wss_conn *c, enum ws_opcode opcode, const void *data,
    size_t len)
{
	put_frame(c, 0, opcode, data, len);
}

void
conn_put_message(struct wss_conn *c, enum ws_opcode opcode, const void *data,
    size_t len)
{
	struct ws_deflate *deflate = c->ws.deflate;
	const uint8_t *small;
	size_t n;

	if (deflate == NULL ||
	    len < c->route->config->compression_min_size ||
	    !ws_deflate(deflate, data, len, &small, &n)) {
		put_frame(c, 0, opcode, data, len);
		return;
	}
	put_frame(c, WS_RSV1, opcode, small, n);
	ws_deflate_trim(&deflate->pool->deflated);
}

void
conn_put_bytes(struct wss_conn *c, const void *data, size_t len)
{
	put(c, data, len, NULL, 0);
}

void
conn_unput(struct wss_conn *c)
{
	buf_clear(&c->worker->gather);
	outgoing_drop(&c->worker->outgoing, &c->outgoing);
	evbuffer_drain(c->stream.out, evbuffer_get_length(c->stream.out));
	note_unsent(c);
}

/* There is room again: reading goes on, and the handler hears of it. */
static void
below_low_mark(struct wss_conn *c)
{
	if (c->paused_by_output) {
		c->paused_by_output = false;
		conn_update_reading(c);
	}
	if (c->want_writable) {
		c->want_writable = false;
		api_writable(c);
	}
}

/* Above the high mark it is read no further; below the low one it goes on. */
static void
check_marks(struct wss_conn *c)
{
	size_t queued = conn_queued(c);
	bool drained = c->drained;

	c->drained = false;
	if (queued > c->route->config->output_high) {
		c->paused_by_output = true;
		conn_update_reading(c);
	} else if ((drained || queued == 0) &&
	    queued <= c->route->config->output_low) {
		below_low_mark(c);
	}
	if (c->paused_by_output || c->want_writable)
		sock_want_drained(&c->stream.sock);
}

/* Says goodbye once everything before it is on its way. */
static void
finish(struct wss_conn *c)
{
	if (c->stream.out != NULL && !c->stream.broken &&
	    (stream_queued(&c->stream) > 0 ||
	    sock_full(&c->stream.sock)))
		return;
	if (!c->stream.notified) {
		stream_finish(&c->stream);
		c->state_ms = c->worker->now_ms;
		conn_set_timer(c);
	}
	/* The peer has hung up too.  Until then its bytes are read: closing
	   now would make a reset of them, and our last words be lost. */
	if (!c->stream.sock.eof)
		return;
	if (c->stream.sock.backlog == NULL)
		conn_set_state(c, CONN_DEAD);
	else
		sock_want_drained(&c->stream.sock);
}

void
conn_flush(struct wss_conn *c)
{
	if (c->state == CONN_DEAD)
		return;
	if (c->stream.out != NULL) {
		write_outgoing(c);
		stream_flush(&c->stream);
	}
	if (c->stream.broken && c->state != CONN_LINGER &&
	    c->state != CONN_TLS) {
		conn_abort(c, "TLS: cannot write");
		return;
	}
	if (c->state == CONN_OPEN)
		check_marks(c);
	if (c->state == CONN_OPEN || c->state == CONN_CLOSING)
		conn_resume_input(c);
	if (c->state == CONN_LINGER)
		finish(c);
}

/* conn_flush() may append to it. */
void
conns_flush_dirty(struct worker *w)
{
	struct wss_conn *c;

	for (uint32_t i = 0; i < w->n_dirty; i++) {
		for (unsigned k = TRANSPORT_AHEAD; k > 0; k--)
			if (i + k < w->n_dirty)
				ahead_conn(w->dirty[i + k], k);
		c = w->dirty[i];
		if (c == NULL)
			continue;
		c->dirty = 0;
		conn_flush(c);
	}
	w->n_dirty = 0;
}
