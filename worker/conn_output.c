/* SPDX-License-Identifier: MIT */
/*
 * What a connection sends.  While its own input is handled, its frames
 * gather in one buffer of the worker and leave in one stream_write(); what
 * others send it waits in its stream until the end of the turn.
 */
#include "worker/conn_parts.h"

#include "common/log.h"
#include "worker/api.h"
#include "worker/worker.h"

#define RECORD_BYTES 16384	/* the most in one TLS record */

void
conn_mark_dirty(struct wss_conn *c)
{
	if (list_empty(&c->dirty))
		list_append(&c->worker->dirty, &c->dirty);
	transport_request_turn(c->worker->transport);
}

size_t
conn_queued(const struct wss_conn *c)
{
	return stream_unsent(&c->stream) +
	    (c->worker->current == c ? c->worker->gather.len : 0);
}

void
conn_flush_gather(struct wss_conn *c)
{
	struct buf *gather = &c->worker->gather;

	if (gather->len == 0)
		return;
	stream_write(&c->stream, gather->data, gather->len);
	buf_clear(gather);
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
}

static void
put(struct wss_conn *c, const void *head, size_t head_len, const void *data,
    size_t len)
{
	struct buf *gather = &c->worker->gather;

	/* In open() nothing is written yet: the handler may still refuse. */
	if (c->worker->current != c ||
	    (c->in_open && gather->len + len > WORKER_GATHER_BYTES)) {
		if (c->worker->current == c) {
			stream_queue(&c->stream, gather->data, gather->len);
			buf_clear(gather);
		}
		stream_queue(&c->stream, head, head_len);
		stream_queue(&c->stream, data, len);
		conn_mark_dirty(c);
		return;
	}
	if (c->in_open && evbuffer_get_length(c->stream.out) > 0) {
		stream_queue(&c->stream, head, head_len);
		stream_queue(&c->stream, data, len);
		return;
	}
	if (gather->len + head_len + len > WORKER_GATHER_BYTES)
		conn_flush_gather(c);
	buf_put(gather, head, head_len);
	if (len > RECORD_BYTES)
		put_large(c, data, len);
	else
		buf_put(gather, data, len);
}

void
conn_put_frame(struct wss_conn *c, enum ws_opcode opcode, const void *data,
    size_t len)
{
	uint8_t head[WS_SERVER_HEAD_MAX];

	put(c, head, ws_frame_head(head, true, 0, opcode, len), data, len);
}

void
conn_put_message(struct wss_conn *c, enum ws_opcode opcode, const void *data,
    size_t len)
{
	struct ws_deflate *deflate = c->ws.deflate;
	uint8_t head[WS_SERVER_HEAD_MAX];
	const uint8_t *small;
	size_t n;

	if (deflate == NULL ||
	    len < c->route->config->compression_min_size ||
	    !ws_deflate(deflate, data, len, &small, &n)) {
		conn_put_frame(c, opcode, data, len);
		return;
	}
	put(c, head, ws_frame_head(head, true, WS_RSV1, opcode, n), small, n);
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
	evbuffer_drain(c->stream.out, evbuffer_get_length(c->stream.out));
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
	    (evbuffer_get_length(c->stream.out) > 0 ||
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
	if (c->stream.out != NULL)
		stream_flush(&c->stream);
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
