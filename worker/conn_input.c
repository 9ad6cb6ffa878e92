/* SPDX-License-Identifier: MIT */
/*
 * What comes in from a connection.  Bytes are decoded where they were
 * decrypted; only what is unfinished at the end of a read is kept, in the
 * stream's input evbuffer, and there the rest of it is decrypted to.
 */
#include "worker/conn_parts.h"

#include <openssl/ssl.h>
#include <string.h>

#include "common/log.h"
#include "common/poison.h"
#include "worker/api.h"
#include "worker/conn_client.h"
#include "worker/worker.h"

#define RECORD_BYTES 16384

/* ---- one step of each state ------------------------------------------- */

/* Returns how many bytes it took; 0: it needs *need bytes, or more. */
typedef size_t step_fn(struct wss_conn *, uint8_t *, size_t,
    uint64_t *need);

static size_t
discard(struct wss_conn *c, uint8_t *data, size_t len, uint64_t *need)
{
	(void)c;
	(void)data;
	(void)need;
	return len;
}

static size_t
take_head(struct wss_conn *c, uint8_t *data, size_t len, uint64_t *need)
{
	struct http_refusal refusal;
	size_t max = c->listen->max_header_size;
	size_t head = http_head_length(data, len, &c->head_scanned);

	if (head > max || (head == HTTP_MORE && len >= max)) {
		http_refuse(&refusal, 431,
		    "the request head is longer than %zu bytes", max);
		conn_refuse(c, &refusal);
		return len;
	}
	if (head == HTTP_MORE) {
		*need = 0;
		return 0;
	}
	conn_upgrade(c, data, head, head < len);
	return head;
}

/* RFC 6455 §4.1: a client waits for the answer. */
static size_t
take_too_early(struct wss_conn *c, uint8_t *data, size_t len, uint64_t *need)
{
	struct http_refusal refusal;

	(void)data;
	(void)need;
	http_refuse(&refusal, 400, "bytes came behind the request before it "
	    "was answered");
	conn_refuse(c, &refusal);
	return len;
}

/* A client that sends and does not read is not read either. */
static void
pause_if_full(struct wss_conn *c)
{
	if (c->state == CONN_OPEN &&
	    conn_queued(c) > c->route->config->output_high)
		c->paused_by_output = true;
}

static void
take_message(struct wss_conn *c, const struct ws_event *event)
{
	struct worker *w = c->worker;

	c->message_ms = w->now_ms;
	c->messages_in++;
	c->bytes_in += event->len;
	metrics_add(&w->metrics->messages_in, 1);
	metrics_add(&w->metrics->bytes_in, (int64_t)event->len);
	metrics_add(&c->route->metrics->messages_in, 1);
	metrics_add(&c->route->metrics->bytes_in, (int64_t)event->len);
	/* What comes after our Close is read on only to find the peer's. */
	if (c->state == CONN_OPEN)
		api_message(c, event);
	pause_if_full(c);
}

static size_t
take_frame(struct wss_conn *c, uint8_t *data, size_t len, uint64_t *need)
{
	struct ws_event event;

	ws_read(&c->ws, &c->route->limits, data, len, &event);
	switch (event.type) {
	case WS_EVENT_NEED:
		*need = event.need;
		return 0;
	case WS_EVENT_MESSAGE:
		take_message(c, &event);
		ws_release(&c->ws);
		break;
	case WS_EVENT_FRAGMENT:
		break;
	case WS_EVENT_PING:
		if (c->state == CONN_OPEN)
			conn_put_frame(c, WS_PONG, event.data, event.len);
		pause_if_full(c);
		break;
	case WS_EVENT_PONG:
		break;
	case WS_EVENT_CLOSE:
		conn_answer_close(c, event.code, (const char *)event.data,
		    event.len);
		return len;
	case WS_EVENT_ERROR:
		conn_fail(c, event.code, event.reason);
		return len;
	}
	return event.consumed;
}

static step_fn *const steps[CONN_STATES] = {
	[CONN_PROXY] = discard,
	[CONN_TLS] = discard,
	[CONN_HTTP] = take_head,
	[CONN_OPENING] = take_too_early,
	[CONN_OPEN] = take_frame,
	[CONN_CLOSING] = take_frame,
	[CONN_LINGER] = discard,
	[CONN_DEAD] = discard,
};

static bool
paused(const struct wss_conn *c)
{
	return c->state == CONN_OPEN &&
	    (c->paused_by_output || c->paused_by_handler);
}

static size_t
take(struct wss_conn *c, uint8_t *data, size_t len, uint64_t *need)
{
	size_t done = 0, n;

	while (done < len && !paused(c)) {
		n = steps[c->state](c, data + done, len - done, need);
		if (n == 0)
			break;
		done += n;
	}
	return done;
}

/* ---- what is unfinished ----------------------------------------------- */

static void
take_kept(struct wss_conn *c)
{
	struct evbuffer *in = c->stream.in;
	size_t len = stream_kept(&c->stream), done;
	uint64_t need = 0;

	if (len == 0 || paused(c))
		return;
	done = take(c, evbuffer_pullup(in, -1), len, &need);
	evbuffer_drain(in, done);
	c->stream.has_in = done < len;
	if (done < len)
		stream_reserve(&c->stream, need);
}

static void
take_new(struct wss_conn *c, uint8_t *data, size_t len)
{
	struct evbuffer *in = c->stream.in;
	uint64_t need = 0;
	size_t done;

	done = take(c, data, len, &need);
	if (done == len)
		return;
	if (need > len - done)
		evbuffer_expand(in, need - (len - done) > STREAM_AHEAD ?
		    len - done + STREAM_AHEAD : (size_t)need);
	evbuffer_add(in, data + done, len - done);
	c->stream.has_in = true;
}

/* ---- reading ---------------------------------------------------------- */

/* The peer will send no more. */
static void
input_ended(struct wss_conn *c, const char *why)
{
	if (c->stream.sock.eof)
		sock_pause(&c->stream.sock);
	switch (c->state) {
	case CONN_PROXY:
	case CONN_TLS:
	case CONN_HTTP:
	case CONN_OPENING:
		conn_set_state(c, CONN_DEAD);
		break;
	case CONN_OPEN:
	case CONN_CLOSING:
		if (why[0] == '\0')
			why = "closed without a Close frame";
		if (c->close_code == 0)
			conn_log(c, "close %u %s", WS_CLOSE_ABNORMAL, why);
		conn_set_cause(c, WS_CLOSE_ABNORMAL, why, strlen(why));
		conn_set_state(c, CONN_LINGER);
		break;
	default:
		conn_mark_dirty(c);
		break;
	}
}

/* One read into the unfinished frame's own place; as stream_read(). */
static int
read_kept(struct wss_conn *c, struct err *err)
{
	struct evbuffer_iovec space;
	uint8_t *data;
	int n;

	if (evbuffer_reserve_space(c->stream.in, RECORD_BYTES, &space, 1) != 1)
		return 0;
	n = stream_read(&c->stream, space.iov_base, space.iov_len, &data,
	    err);
	space.iov_len = n > 0 ? (size_t)n : 0;
	if (n > 0 && data != space.iov_base) {
		evbuffer_add(c->stream.in, data, (size_t)n);
		return n;
	}
	evbuffer_commit_space(c->stream.in, &space, 1);
	return n;
}

/* As stream_read(), into the memory that all connections share. */
static int
read_new(struct wss_conn *c, uint8_t **data_out, struct err *err)
{
	uint8_t *plain = c->worker->plain;
	int n;

	poison_nothing(plain, WORKER_PLAIN_BYTES);
	n = stream_read(&c->stream, plain, WORKER_PLAIN_BYTES, data_out, err);
	if (n > 0 && *data_out == plain)
		poison_behind(plain, (size_t)n, WORKER_PLAIN_BYTES);
	return n;
}

static void
read_all(struct wss_conn *c)
{
	struct err err = ERR_INIT;
	uint8_t *data;
	int n = 0;

	while (c->state != CONN_DEAD) {
		if (stream_kept(&c->stream) > 0) {
			n = read_kept(c, &err);
			if (n > 0)
				take_kept(c);
		} else {
			n = read_new(c, &data, &err);
			if (n > 0)
				take_new(c, data, (size_t)n);
		}
		if (n <= 0)
			break;
		c->received_ms = c->worker->now_ms;
		c->ping_ms = 0;
	}
	if (n < 0 && c->state != CONN_DEAD)
		input_ended(c, err.text);
}

/* Frames of the input are handled between conn_begin_input() and this. */
static void
end_input(struct wss_conn *c)
{
	conn_flush_gather(c);
	c->worker->current = NULL;
	if (c->stream.broken && c->state == CONN_OPEN)
		conn_abort(c, "TLS: cannot write");
	conn_update_reading(c);
	/* A goodbye goes now, while its frame is the last piece of the arena:
	   one send, where the end of the turn would need two. */
	if (c->state == CONN_LINGER)
		conn_flush(c);
	/* Marks and pauses are seen to at the end of the turn. */
	else if (c->paused_by_output)
		conn_mark_dirty(c);
}

/* ---- the TLS handshake ------------------------------------------------ */

void
conn_refuse_plain(struct wss_conn *c, const char *why)
{
	struct http_refusal refusal;
	struct buf answer = BUF_INIT;
	size_t len;

	if (why != NULL) {
		http_refuse(&refusal, 400, "%s", why);
		http_refusal_put(&answer, &refusal);
		sock_write(&c->stream.sock, answer.data, answer.len);
		buf_done(&answer);
	}
	sock_take_all(&c->stream.sock, &len);
	c->stream.broken = true;
	conn_set_state(c, CONN_LINGER);
}

static void
not_tls(struct wss_conn *c)
{
	uint8_t first = c->stream.sock.in[0];

	metrics_add(&c->worker->metrics->plain_on_tls, 1);
	conn_log(c, "refused: ws:// or http:// on the wss:// port");
	/* Every HTTP method begins with a capital letter. */
	conn_refuse_plain(c, first < 'A' || first > 'Z' ? NULL :
	    "this port speaks wss:// (TLS), and the request came without "
	    "TLS");
}

static bool
handshake(struct wss_conn *c)
{
	struct metrics *m = c->worker->metrics;
	struct context *context;
	struct err err = ERR_INIT;

	switch (stream_handshake(&c->stream, c->worker->base, &err)) {
	case STREAM_OK:
		context = &c->snapshot->contexts[c->choice.named->index];
		metrics_add(&m->tls_ok, 1);
		metrics_add(&context->metrics->handshakes, 1);
		if (SSL_session_reused(c->stream.ssl))
			metrics_add(&m->tls_resumed, 1);
		conn_set_state(c, CONN_HTTP);
		return true;
	case STREAM_NOT_TLS:
		not_tls(c);
		return false;
	case STREAM_ERROR:
		metrics_add(&m->tls_failed, 1);
		conn_log(c, "TLS handshake failed: %s", err.text);
		conn_set_state(c, CONN_LINGER);
		return false;
	case STREAM_MORE:
		if (c->stream.sock.eof)
			conn_set_state(c, CONN_DEAD);
		return false;
	}
	return false;
}

void
conn_input(struct wss_conn *c)
{
	size_t len;

	conn_begin_input(c);
	if (c->state == CONN_PROXY)
		conn_read_proxy(c);
	if (c->state == CONN_TLS)
		handshake(c);
	if (c->stream.in != NULL && c->state != CONN_PROXY) {
		read_all(c);
	} else if (c->state == CONN_LINGER) {
		/* Never became a stream: what comes is thrown away. */
		sock_take_all(&c->stream.sock, &len);
		if (c->stream.sock.eof)
			input_ended(c, "");
	}
	end_input(c);
}

void
conn_resume_input(struct wss_conn *c)
{
	if (paused(c) || stream_kept(&c->stream) == 0 || !c->input_held)
		return;
	c->input_held = false;
	worker_now(c->worker);
	conn_begin_input(c);
	take_kept(c);
	end_input(c);
}

void
conn_update_reading(struct wss_conn *c)
{
	if (c->state == CONN_DEAD || c->stream.sock.eof)
		return;
	if (c->stream.signing_waits)
		return;
	if (paused(c)) {
		c->input_held = true;
		sock_pause(&c->stream.sock);
	} else {
		sock_resume(&c->stream.sock);
		if (c->input_held)
			conn_mark_dirty(c);
	}
}
