/* SPDX-License-Identifier: MIT */
/*
 * What an outgoing WebSocket receives and sends.  Frames are decoded as those
 * of clients are (conn_input.c): in place, and only what is unfinished is
 * kept.  What is sent is masked on its way into the output (RFC 6455 §5.3).
 */
#include "worker/outbound.h"

#include <openssl/rand.h>
#include <string.h>

#include "common/assert.h"
#include "common/log.h"
#include "worker/tls_client.h"
#include "worker/worker.h"

#define HEAD_MAX 16384		/* bytes of the answer's head */
#define RECORD_BYTES 16384

/* ---- sending ---------------------------------------------------------- */

/* §5.3, §10.3: the server's side must not be able to foresee it. */
static void
make_mask(struct outbounds *o, uint8_t mask[4])
{
	if (o->n_random < 4) {
		int ok = RAND_bytes(o->random, sizeof(o->random));

		ASSERT(ok == 1);
		o->n_random = sizeof(o->random);
	}
	o->n_random -= 4;
	memcpy(mask, o->random + o->n_random, 4);
}

void
outbound_put_frame(struct wss_out *out, enum ws_opcode opcode,
    const void *data, size_t len)
{
	uint8_t head[WS_FRAME_HEAD_MAX], mask[4];
	struct evbuffer_iovec room;
	uint8_t *at;
	size_t n;

	if (out->stream.broken)
		return;
	make_mask(out->owner, mask);
	n = ws_frame_client_head(head, true, 0, opcode, len, mask);
	if (evbuffer_reserve_space(out->stream.out, (ev_ssize_t)(n + len),
	    &room, 1) != 1)
		return;
	at = room.iov_base;
	memcpy(at, head, n);
	if (len > 0)
		memcpy(at + n, data, len);
	ws_frame_unmask(at + n, len, mask, 0);
	room.iov_len = n + len;
	evbuffer_commit_space(out->stream.out, &room, 1);
	out->stream.has_out = true;
	outbound_mark_dirty(out);
}

void
outbound_put_close(struct wss_out *out, unsigned code, const char *reason,
    size_t reason_len)
{
	uint8_t frame[2 + WS_CONTROL_MAX];
	size_t n = ws_close_frame(frame, code, reason, reason_len);

	outbound_put_frame(out, WS_CLOSE, frame + 2, n - 2);
}

size_t
outbound_queued(const struct wss_out *out)
{
	return out->has_stream ? stream_unsent(&out->stream) : 0;
}

/* ---- one step of each state ------------------------------------------- */

/* 101, or another final answer. */
static void
take_answer(struct wss_out *out, const uint8_t *head, size_t len)
{
	struct http_response r;
	struct slice subprotocol;
	struct err err = ERR_INIT;

	if (http_parse_response(head, len, &r, &err) == -1) {
		outbound_fail(out, WSS_OUT_BROKEN, err.text);
		return;
	}
	if (r.status != 101 && r.status < 200)
		return;
	if (r.status != 101) {
		metrics_add(&out->owner->worker->metrics->upstream_failed, 1);
		api_out_refused(out, &r);
		outbound_set_state(out, OUT_DEAD);
		return;
	}
	if (http_check_upgrade(&r, out->key, out->offered, &subprotocol,
	    &err) == -1) {
		outbound_fail(out, WSS_OUT_BROKEN, err.text);
		return;
	}
	outbound_set_state(out, OUT_OPEN);
	api_out_opened(out, &r, subprotocol);
}

static size_t
take_head(struct wss_out *out, const uint8_t *data, size_t len,
    uint64_t *need)
{
	size_t head = http_head_length(data, len, &out->head_scanned);

	*need = 0;
	if (head > HEAD_MAX || (head == HTTP_MORE && len >= HEAD_MAX)) {
		outbound_fail(out, WSS_OUT_BROKEN,
		    "the head of its answer is longer than 16384 bytes");
		return len;
	}
	if (head == HTTP_MORE)
		return 0;
	out->head_scanned = 0;
	take_answer(out, data, head);
	return head;
}

static void
take_close(struct wss_out *out, const struct ws_event *event)
{
	if (out->state == OUT_OPEN) {
		outbound_end(out, event->code, (const char *)event->data,
		    event->len);
		outbound_put_close(out, event->code, "", 0);
	}
	outbound_set_state(out, OUT_LINGER);
}

static size_t
take_frame(struct wss_out *out, uint8_t *data, size_t len, uint64_t *need)
{
	struct ws_event event;

	ws_read(&out->ws, &out->route->limits, data, len, &event);
	switch (event.type) {
	case WS_EVENT_NEED:
		*need = event.need;
		return 0;
	case WS_EVENT_MESSAGE:
		if (out->state == OUT_OPEN)
			api_out_message(out, &event);
		ws_release(&out->ws);
		break;
	case WS_EVENT_PING:
		if (out->state == OUT_OPEN)
			outbound_put_frame(out, WS_PONG, event.data,
			    event.len);
		break;
	case WS_EVENT_FRAGMENT:
	case WS_EVENT_PONG:
		break;
	case WS_EVENT_CLOSE:
		take_close(out, &event);
		return len;
	case WS_EVENT_ERROR:
		outbound_broke_rules(out, event.code, event.reason);
		return len;
	}
	return event.consumed;
}

/* Returns how many bytes it took; 0: it needs *need bytes, or more. */
static size_t
step(struct wss_out *out, uint8_t *data, size_t len, uint64_t *need)
{
	switch (out->state) {
	case OUT_HTTP:
		return take_head(out, data, len, need);
	case OUT_OPEN:
	case OUT_CLOSING:
		return take_frame(out, data, len, need);
	default:
		return len;
	}
}

/* ---- what is unfinished ----------------------------------------------- */

static bool
paused(const struct wss_out *out)
{
	return out->state == OUT_OPEN && out->paused;
}

static size_t
take(struct wss_out *out, uint8_t *data, size_t len, uint64_t *need)
{
	size_t done = 0, n;

	while (done < len && !paused(out)) {
		n = step(out, data + done, len - done, need);
		if (n == 0)
			break;
		done += n;
	}
	return done;
}

static void
take_kept(struct wss_out *out)
{
	struct evbuffer *in = out->stream.in;
	size_t len = stream_kept(&out->stream), done;
	uint64_t need = 0;

	if (len == 0 || paused(out))
		return;
	done = take(out, evbuffer_pullup(in, -1), len, &need);
	evbuffer_drain(in, done);
	out->stream.has_in = done < len;
	if (done < len)
		stream_reserve(&out->stream, need);
}

static void
take_new(struct wss_out *out, uint8_t *data, size_t len)
{
	struct evbuffer *in = out->stream.in;
	uint64_t need = 0;
	size_t done = 0;

	if (stream_kept(&out->stream) > 0) {
		evbuffer_add(in, data, len);
		take_kept(out);
		return;
	}
	done = take(out, data, len, &need);
	if (done == len)
		return;
	evbuffer_add(in, data + done, len - done);
	out->stream.has_in = true;
	stream_reserve(&out->stream, need);
}

/* ---- reading ---------------------------------------------------------- */

/* The server will say no more; what is held is looked at before. */
static void
input_over(struct wss_out *out, const char *why)
{
	if (paused(out) && stream_kept(&out->stream) > 0)
		return;
	switch (out->state) {
	case OUT_HTTP:
		outbound_fail(out, WSS_OUT_UNREACHABLE, why[0] != '\0' ? why :
		    "it hung up instead of answering");
		break;
	case OUT_OPEN:
		outbound_lost(out, why[0] != '\0' ? why :
		    "it hung up without a Close frame");
		break;
	default:
		outbound_mark_dirty(out);
		break;
	}
}

static void
read_all(struct wss_out *out)
{
	struct worker *w = out->owner->worker;
	struct err err = ERR_INIT;
	uint8_t *data;
	int n;

	while (out->state != OUT_DEAD) {
		n = stream_read(&out->stream, w->plain, WORKER_PLAIN_BYTES,
		    &data, &err);
		if (n == 0)
			break;
		if (n < 0) {
			out->eof = true;
			sock_pause(&out->stream.sock);
			input_over(out, err.text);
			break;
		}
		out->received_ms = w->now_ms;
		out->ping_ms = 0;
		take_new(out, data, (size_t)n);
	}
}

/* Until the connection is secured; then the request goes. */
static void
handshake(struct wss_out *out)
{
	struct err err = ERR_INIT;

	switch (stream_handshake(&out->stream, out->owner->worker->base,
	    &err)) {
	case STREAM_OK:
		stream_queue(&out->stream, out->request.data,
		    out->request.len);
		buf_done(&out->request);
		outbound_set_state(out, OUT_HTTP);
		break;
	case STREAM_MORE:
		if (out->stream.sock.eof)
			outbound_fail(out, WSS_OUT_UNREACHABLE, "it hung up in "
			    "the TLS handshake");
		transport_request_turn(out->owner->worker->transport);
		break;
	case STREAM_NOT_TLS:
	case STREAM_ERROR:
		tls_client_explain(out->stream.ssl, out->stream.sock.eof,
		    &err);
		outbound_fail(out, WSS_OUT_UNREACHABLE, err.text);
		break;
	}
}

void
outbound_input(struct wss_out *out)
{
	if (out->state == OUT_TLS)
		handshake(out);
	if (out->stream.in != NULL)
		read_all(out);
	if (out->stream.broken && out->state == OUT_OPEN)
		outbound_lost(out, "TLS: cannot write");
	outbound_update_reading(out);
}

void
outbound_update_reading(struct wss_out *out)
{
	if (!out->has_stream || out->state == OUT_DEAD)
		return;
	if (paused(out)) {
		out->input_held = true;
		sock_pause(&out->stream.sock);
	} else if (!out->eof) {
		sock_resume(&out->stream.sock);
	}
}

/* ---- the end of the turn ---------------------------------------------- */

static void
go_on_reading(struct wss_out *out)
{
	if (paused(out) || !out->input_held)
		return;
	out->input_held = false;
	worker_now(out->owner->worker);
	take_kept(out);
	if (out->eof)
		input_over(out, "");
	outbound_update_reading(out);
}

void
outbound_flush(struct wss_out *out)
{
	if (out->state == OUT_DEAD || !out->has_stream)
		return;
	if (out->stream.out != NULL)
		stream_flush(&out->stream);
	if (out->stream.broken && out->state >= OUT_HTTP) {
		outbound_lost(out, "TLS: cannot write");
		return;
	}
	if (out->state == OUT_OPEN && out->want_writable) {
		if (outbound_queued(out) <= out->route->config->output_low) {
			out->want_writable = false;
			api_out_writable(out);
		} else {
			sock_want_drained(&out->stream.sock);
		}
	}
	go_on_reading(out);
	if (out->eof && out->state >= OUT_CLOSING &&
	    out->state != OUT_DEAD) {
		stream_flush(&out->stream);
		stream_finish(&out->stream);
		outbound_set_state(out, OUT_DEAD);
	}
}
