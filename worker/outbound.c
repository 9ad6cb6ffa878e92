/* SPDX-License-Identifier: MIT */
/*
 * Owns the outgoing WebSockets of a worker: how they change state, how they
 * end.  How they get their socket is in outbound_connect.c, what goes in and
 * out in outbound_io.c.
 */
#include "worker/outbound.h"

#include <openssl/rand.h>
#include <stdlib.h>
#include <string.h>

#include "common/alloc.h"
#include "common/assert.h"
#include "worker/worker.h"

#define LINGER_MS 2000		/* for the server to hang up, RFC 6455 §7.1.1 */

void
outbound_mark_dirty(struct wss_out *out)
{
	if (list_empty(&out->dirty))
		list_append(&out->owner->dirty, &out->dirty);
	transport_request_turn(out->owner->worker->transport);
}

/* ---- time ------------------------------------------------------------- */

void
outbound_set_timer(struct wss_out *out, uint64_t ms)
{
	struct timeval after = {
		.tv_sec = (time_t)(ms / 1000),
		.tv_usec = (suseconds_t)(ms % 1000 * 1000),
	};

	evtimer_add(out->timer, &after);
}

/*
 * Traffic only notes when it happened; here it is found out whether that was
 * too long ago.  While its input is not read no Pong can be seen.
 */
static void
look_at_silence(struct wss_out *out)
{
	const struct config_route *r = out->route->config;
	uint64_t now = out->owner->worker->now_ms;
	uint64_t interval = r->ping_interval_ms;
	uint64_t timeout = r->ping_timeout_ms;
	uint64_t due;

	if (interval == 0)
		return;
	if (out->paused)
		out->received_ms = now;
	if (timeout == 0)
		out->ping_ms = 0;
	if (out->ping_ms != 0 && timeout != 0 &&
	    now - out->ping_ms >= timeout) {
		outbound_lost(out, "no Pong within ping_timeout");
		return;
	}
	if (out->ping_ms == 0 && now - out->received_ms >= interval) {
		out->ping_ms = now;
		outbound_put_frame(out, WS_PING, NULL, 0);
	}
	if (out->ping_ms == 0)
		due = out->received_ms + interval;
	else
		due = out->ping_ms + timeout;
	outbound_set_timer(out, due > now ? due - now : interval);
}

static void
on_timer(evutil_socket_t fd, short what, void *arg)
{
	struct wss_out *out = arg;

	(void)fd;
	(void)what;
	ASSERT(out->magic == OUT_MAGIC);
	worker_now(out->owner->worker);
	switch (out->state) {
	case OUT_HTTP:
		outbound_fail(out, WSS_OUT_TIMEOUT,
		    "no answer within upstream_timeout");
		break;
	case OUT_OPEN:
		look_at_silence(out);
		break;
	case OUT_CLOSING:
	case OUT_LINGER:
		outbound_set_state(out, OUT_DEAD);
		break;
	case OUT_DEAD:
		break;
	default:
		outbound_fail(out, WSS_OUT_TIMEOUT,
		    "no connection within connect_timeout");
		break;
	}
}

/* ---- states ----------------------------------------------------------- */

void
outbound_set_state(struct wss_out *out, enum out_state state)
{
	const struct config_route *r = out->route->config;
	struct metrics *m = out->owner->worker->metrics;

	if (out->state == state || out->state == OUT_DEAD)
		return;
	metrics_add(&m->upstream_open, (state == OUT_OPEN) -
	    (out->state == OUT_OPEN));
	out->state = state;
	switch (state) {
	case OUT_HTTP:
		outbound_set_timer(out, r->upstream_timeout_ms);
		break;
	case OUT_OPEN:
		metrics_add(&m->upstream_ok, 1);
		out->received_ms = out->owner->worker->now_ms;
		if (r->ping_interval_ms != 0)
			outbound_set_timer(out, r->ping_interval_ms);
		else
			evtimer_del(out->timer);
		break;
	case OUT_CLOSING:
	case OUT_LINGER:
		out->paused = false;
		outbound_update_reading(out);
		outbound_set_timer(out, state == OUT_LINGER ? LINGER_MS :
		    r->close_timeout_ms);
		break;
	case OUT_DEAD:
		outbound_stop_connecting(out);
		evtimer_del(out->timer);
		if (out->has_stream)
			sock_pause(&out->stream.sock);
		list_append(&out->owner->dead, &out->dead);
		break;
	default:
		break;
	}
	outbound_mark_dirty(out);
}

/* ---- ends ------------------------------------------------------------- */

/* The handler will be told, once. */
static void
note_end(struct wss_out *out, const char *reason, size_t len)
{
	if (out->events == NULL || !list_empty(&out->ended))
		return;
	if (len > sizeof(out->close_reason) - 1)
		len = sizeof(out->close_reason) - 1;
	out->close_reason_len = (uint8_t)len;
	if (len > 0)
		memcpy(out->close_reason, reason, len);
	out->close_reason[len] = '\0';
	list_append(&out->owner->ended, &out->ended);
}

void
outbound_fail(struct wss_out *out, enum wss_out_failure failure,
    const char *why)
{
	if (out->state >= OUT_OPEN)
		return;
	metrics_add(&out->owner->worker->metrics->upstream_failed, 1);
	out->failure = failure;
	note_end(out, why, strlen(why));
	outbound_set_state(out, OUT_DEAD);
}

void
outbound_end(struct wss_out *out, unsigned code, const char *reason,
    size_t reason_len)
{
	if (!out->was_open)
		out->left = outbound_queued(out);
	out->was_open = true;
	out->close_code = (uint16_t)code;
	note_end(out, reason, reason_len);
}

void
outbound_lost(struct wss_out *out, const char *why)
{
	if (out->state < OUT_OPEN) {
		outbound_fail(out, WSS_OUT_UNREACHABLE, why);
		return;
	}
	if (out->state == OUT_OPEN) {
		metrics_add(&out->owner->worker->metrics->upstream_lost, 1);
		outbound_end(out, WS_CLOSE_ABNORMAL, why, strlen(why));
	}
	outbound_set_state(out, OUT_DEAD);
}

void
outbound_broke_rules(struct wss_out *out, unsigned code, const char *why)
{
	if (out->state == OUT_OPEN) {
		metrics_add(&out->owner->worker->metrics->upstream_lost, 1);
		outbound_end(out, WS_CLOSE_BAD_GATEWAY, why, strlen(why));
		outbound_put_close(out, code, why, strlen(why));
	}
	outbound_set_state(out, OUT_LINGER);
}

void
outbound_close(struct wss_out *out, unsigned code, const char *reason,
    size_t reason_len)
{
	out->events = NULL;
	list_remove(&out->ended);
	if (out->state == OUT_OPEN) {
		outbound_put_close(out, code, reason, reason_len);
		outbound_set_state(out, OUT_CLOSING);
	} else if (out->state < OUT_OPEN) {
		outbound_set_state(out, OUT_DEAD);
	}
}

/* ---- life ------------------------------------------------------------- */

struct wss_out *
outbound_new(struct outbounds *o, struct wss_route *route,
    const struct upstream *upstream, struct buf *request,
    const char *offered, const struct wss_out_events *events, void *user)
{
	struct wss_out *out = xcalloc(1, sizeof(*out));
	uint8_t random[16];
	int ok = RAND_bytes(random, sizeof(random));

	ASSERT(ok == 1);
	out->magic = OUT_MAGIC;
	out->owner = o;
	out->route = route;
	(void)snapshot_ref(route->snapshot);
	out->upstream = upstream;
	out->events = events;
	out->user = user;
	out->fd = -1;
	out->offered = xstrdup(offered);
	http_make_key(random, out->key);
	http_upgrade_fields_put(request, out->key, offered);
	out->request = *request;
	*request = (struct buf)BUF_INIT;
	ws_init_client(&out->ws);
	list_append(&o->all, &out->all);
	list_init(&out->dirty);
	list_init(&out->ended);
	list_init(&out->dead);
	list_init(&out->waiting);
	out->timer = evtimer_new(o->worker->base, on_timer, out);
	outbound_connect(out);
	return out;
}

static void
out_free(struct wss_out *out)
{
	outbound_stop_connecting(out);
	list_remove(&out->all);
	list_remove(&out->dirty);
	list_remove(&out->ended);
	list_remove(&out->dead);
	event_free(out->timer);
	if (out->has_stream)
		stream_done(&out->stream);
	ws_done(&out->ws);
	buf_done(&out->request);
	free(out->offered);
	snapshot_unref(out->route->snapshot);
	out->magic = 0;
	free(out);
}

struct outbounds *
outbounds_new(struct worker *w)
{
	struct outbounds *o = xcalloc(1, sizeof(*o));

	o->worker = w;
	list_init(&o->all);
	list_init(&o->waiting);
	list_init(&o->asked);
	list_init(&o->dirty);
	list_init(&o->ended);
	list_init(&o->dead);
	return o;
}

void
outbounds_free(struct outbounds *o)
{
	while (!list_empty(&o->all))
		out_free(LIST_ITEM(o->all.next, struct wss_out, all));
	OPENSSL_cleanse(o->random, sizeof(o->random));
	free(o);
}

/* ---- the turn --------------------------------------------------------- */

static struct wss_out *
out_of(struct sock *sock)
{
	struct wss_out *out = LIST_ITEM(sock, struct wss_out, stream.sock);

	ASSERT(out->magic == OUT_MAGIC);
	return out;
}

void
outbounds_input(struct sock *sock)
{
	struct wss_out *out = out_of(sock);

	worker_now(out->owner->worker);
	if (out->state == OUT_DEAD)
		return;
	if (sock->error != 0)
		outbound_lost(out, strerror(sock->error));
	else
		outbound_input(out);
}

void
outbounds_drained(struct sock *sock)
{
	struct wss_out *out = out_of(sock);

	if (list_empty(&out->dirty))
		list_append(&out->owner->dirty, &out->dirty);
}

bool
outbounds_turn_end(struct outbounds *o)
{
	bool any = !list_empty(&o->dirty) || !list_empty(&o->ended);
	struct wss_out *out;

	while (!list_empty(&o->dirty)) {
		out = LIST_ITEM(o->dirty.next, struct wss_out, dirty);
		list_remove(&out->dirty);
		outbound_flush(out);
	}
	while (!list_empty(&o->ended)) {
		out = LIST_ITEM(o->ended.next, struct wss_out, ended);
		list_remove(&out->ended);
		api_out_over(out);
	}
	return any;
}

void
outbounds_turn_over(struct outbounds *o)
{
	while (!list_empty(&o->dead))
		out_free(LIST_ITEM(o->dead.next, struct wss_out, dead));
}

bool
outbounds_busy(struct outbounds *o)
{
	struct list *link, *next;

	LIST_EACH(link, next, &o->all) {
		struct wss_out *out = LIST_ITEM(link, struct wss_out, all);

		if (out->has_stream && out->state != OUT_DEAD &&
		    stream_unsent(&out->stream) > 0)
			return true;
	}
	return false;
}
