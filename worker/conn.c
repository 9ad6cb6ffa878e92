/* SPDX-License-Identifier: MIT */
/*
 * Owns the connections of a worker: how they begin, how they change state,
 * how they end.  What comes in is in conn_input.c, what goes out in
 * conn_output.c.
 */
#include "worker/conn_parts.h"

#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#include "common/alloc.h"
#include "common/assert.h"
#include "common/log.h"
#include "common/poison.h"
#include "worker/api.h"
#include "worker/opening.h"
#include "worker/conn_client.h"
#include "worker/tls_peer.h"
#include "worker/worker.h"

#define BY_ID_AT_FIRST 64
#define CLOSE_TIMEOUT_MS 5000	/* before a route is known */
#define CLOSE_REASON_MAX (WS_CONTROL_MAX - 2)

static const char *const state_names[CONN_STATES] = {
	[CONN_PROXY] = "proxy",
	[CONN_TLS] = "tls",
	[CONN_HTTP] = "http",
	[CONN_OPENING] = "opening",
	[CONN_OPEN] = "open",
	[CONN_CLOSING] = "closing",
	[CONN_LINGER] = "linger",
	[CONN_DEAD] = "dead",
};

#define TO(state) (1u << (state))

static const unsigned transitions[CONN_STATES] = {
	[CONN_PROXY] = TO(CONN_TLS) | TO(CONN_HTTP) | TO(CONN_LINGER) |
	    TO(CONN_DEAD),
	[CONN_TLS] = TO(CONN_HTTP) | TO(CONN_LINGER) | TO(CONN_DEAD),
	[CONN_HTTP] = TO(CONN_OPENING) | TO(CONN_OPEN) | TO(CONN_LINGER) |
	    TO(CONN_DEAD),
	[CONN_OPENING] = TO(CONN_OPEN) | TO(CONN_LINGER) | TO(CONN_DEAD),
	[CONN_OPEN] = TO(CONN_CLOSING) | TO(CONN_LINGER) | TO(CONN_DEAD),
	[CONN_CLOSING] = TO(CONN_LINGER) | TO(CONN_DEAD),
	[CONN_LINGER] = TO(CONN_DEAD),
	[CONN_DEAD] = 0,
};

const char *
conn_state_name(enum conn_state state)
{
	return state_names[state];
}

void
conn_log(struct wss_conn *c, const char *fmt, ...)
{
	char text[1024], address[ADDR_TEXT_MAX];
	va_list ap;

	if (log_level() < LOG_LEVEL_INFO ||
	    !ratelog_ask(&c->worker->ratelog, c->worker->now_ms))
		return;
	va_start(ap, fmt);
	vsnprintf(text, sizeof(text), fmt, ap);
	va_end(ap);
	addr_format_client(&c->addr, address);
	log_info("conn=%llx %s %s", (unsigned long long)c->id, address, text);
}

const struct wss_peer *
conn_peer(struct wss_conn *c)
{
	if (c->peer == NULL && c->stream.bev != NULL &&
	    c->choice.named->tls->config->verify_peer != CONFIG_VERIFY_OFF)
		c->peer = tls_peer_new(c->stream.ssl);
	return c->peer;
}

/* ---- by id ------------------------------------------------------------ */

static struct wss_conn **
id_head(struct worker *w, uint64_t id)
{
	return &w->by_id[id & (w->n_by_id - 1)];
}

static void
ids_grow(struct worker *w)
{
	struct wss_conn **old = w->by_id, *c, *next;
	size_t n_old = w->n_by_id;

	w->n_by_id = n_old == 0 ? BY_ID_AT_FIRST : 2 * n_old;
	w->by_id = xcalloc(w->n_by_id, sizeof(struct wss_conn *));
	for (size_t i = 0; i < n_old; i++) {
		for (c = old[i]; c != NULL; c = next) {
			next = c->id_next;
			c->id_next = *id_head(w, c->id);
			*id_head(w, c->id) = c;
		}
	}
	free(old);
}

static void
ids_add(struct worker *w, struct wss_conn *c)
{
	if (w->n_conns >= w->n_by_id)
		ids_grow(w);
	c->id_next = *id_head(w, c->id);
	*id_head(w, c->id) = c;
	w->n_conns++;
}

static void
ids_remove(struct worker *w, struct wss_conn *c)
{
	struct wss_conn **at = id_head(w, c->id);

	while (*at != c)
		at = &(*at)->id_next;
	*at = c->id_next;
	w->n_conns--;
}

/*
 * Ids are never given twice while the service runs: they begin with the
 * slot and the second of this worker's start.
 */
void
conns_start_ids(struct worker *w)
{
	const uint64_t epoch = 1760000000;	/* October 2025 */
	uint64_t seconds = (uint64_t)time(NULL) - epoch;

	w->last_id = (uint64_t)(w->slot + 1) << 48 |
	    (seconds & 0xfffffff) << 20;
}

struct wss_conn *
conns_find(struct worker *w, uint64_t id)
{
	struct wss_conn *c = w->n_by_id == 0 ? NULL : *id_head(w, id);

	while (c != NULL && c->id != id)
		c = c->id_next;
	return c;
}

/* ---- states ----------------------------------------------------------- */

static void
count_open(struct wss_conn *c, int change)
{
	struct metrics *m = c->worker->metrics;

	metrics_add(&m->open, change);
	metrics_add(&c->route->metrics->open, change);
	metrics_add(&c->listen_metrics->open, change);
}

static bool
is_websocket(enum conn_state state)
{
	return state == CONN_OPEN || state == CONN_CLOSING;
}

static void
websocket_over(struct wss_conn *c)
{
	struct worker *w = c->worker;

	if (c->close_code == 0)
		conn_set_cause(c, WS_CLOSE_ABNORMAL, "", 0);
	count_open(c, -1);
	metrics_add(&w->metrics->closed, 1);
	if (c->close_code == WS_CLOSE_ABNORMAL)
		metrics_add(&w->metrics->closed_abnormal, 1);
	accesslog_close(c);
	log_debug("conn=%llx close %u", (unsigned long long)c->id,
	    (unsigned)c->close_code);
	list_append(&w->ended, &c->ended);
}

/* The handler's answer is here, or not waited for any longer. */
static void
opening_over(struct wss_conn *c, enum conn_state next)
{
	opening_free(c->opening);
	c->opening = NULL;
	if (next == CONN_OPEN || c->refused_by_handler)
		return;
	conn_set_cause(c, WS_CLOSE_ABNORMAL, "", 0);
	list_append(&c->worker->ended, &c->ended);
}

void
conn_set_state(struct wss_conn *c, enum conn_state state)
{
	enum conn_state old = c->state;

	ASSERT(c->magic == CONN_MAGIC);
	if (old == state)
		return;
	ASSERT((transitions[old] & TO(state)) != 0);
	c->state = state;
	c->state_ms = c->worker->now_ms;
	if (old == CONN_OPENING)
		opening_over(c, state);
	if (state == CONN_OPEN)
		count_open(c, 1);
	if (is_websocket(old) && !is_websocket(state))
		websocket_over(c);
	if (state == CONN_DEAD) {
		wheel_clear(&c->timer);
		sock_pause(&c->stream.sock);
		list_append(&c->worker->dead, &c->dead);
	} else {
		conn_set_timer(c);
		conn_update_reading(c);
	}
	conn_mark_dirty(c);
}

void
conn_set_cause(struct wss_conn *c, unsigned code, const char *reason,
    size_t reason_len)
{
	if (c->close_code != 0)
		return;
	if (reason_len > CLOSE_REASON_MAX)
		reason_len = CLOSE_REASON_MAX;
	free(c->close_reason);
	c->close_reason = NULL;
	c->close_code = (uint16_t)code;
	c->close_reason_len = (uint8_t)reason_len;
	if (reason_len > 0) {
		/* A NUL may stand inside; one more ends it. */
		c->close_reason = xcalloc(1, reason_len + 1);
		memcpy(c->close_reason, reason, reason_len);
	}
}

/* ---- ends ------------------------------------------------------------- */

static void
send_close(struct wss_conn *c, unsigned code, const char *reason, size_t len)
{
	uint8_t frame[2 + WS_CONTROL_MAX];

	if (c->close_sent)
		return;
	c->close_sent = true;
	conn_put_bytes(c, frame, ws_close_frame(frame, code, reason, len));
}

void
conn_close(struct wss_conn *c, unsigned code, const char *reason,
    size_t reason_len)
{
	struct http_refusal refusal;

	switch (c->state) {
	case CONN_PROXY:
	case CONN_TLS:
	case CONN_HTTP:
		if (!c->in_open) {
			conn_set_state(c, CONN_DEAD);
		} else {
			c->close_in_open = true;
			conn_set_cause(c, code, reason, reason_len);
		}
		break;
	case CONN_OPENING:
		http_refuse(&refusal, 503, "the connection is closed before "
		    "it was open");
		conn_refuse(c, &refusal);
		break;
	case CONN_OPEN:
		conn_set_cause(c, code, reason, reason_len);
		send_close(c, code, reason, reason_len);
		conn_set_state(c, CONN_CLOSING);
		break;
	default:
		break;
	}
}

void
conn_answer_close(struct wss_conn *c, unsigned code, const char *reason,
    size_t reason_len)
{
	c->close_received = true;
	c->closed_by_client = c->close_code == 0;
	conn_set_cause(c, code, reason, reason_len);
	/* §5.5.1: the answer echoes the status code it received. */
	send_close(c, code, "", 0);
	conn_set_state(c, CONN_LINGER);
}

void
conn_fail(struct wss_conn *c, unsigned code, const char *reason)
{
	ASSERT(is_websocket(c->state));
	metrics_add(&c->worker->metrics->protocol_errors, 1);
	conn_set_cause(c, code, reason, strlen(reason));
	conn_log(c, "close %u %s", code, reason);
	send_close(c, code, reason, strlen(reason));
	conn_set_state(c, CONN_LINGER);
}

void
conn_abort(struct wss_conn *c, const char *why)
{
	if (c->state == CONN_DEAD)
		return;
	if (is_websocket(c->state)) {
		if (c->close_code == 0 && why[0] != '\0')
			conn_log(c, "close %u %s", WS_CLOSE_ABNORMAL, why);
		conn_set_cause(c, WS_CLOSE_ABNORMAL, why, strlen(why));
	}
	conn_set_state(c, CONN_DEAD);
}

/* ---- the turn --------------------------------------------------------- */

static struct wss_conn *
conn_of(struct sock *sock)
{
	struct wss_conn *c = LIST_ITEM(sock, struct wss_conn, stream.sock);

	ASSERT(c->magic == CONN_MAGIC);
	return c;
}

void
conns_input(struct sock *sock)
{
	struct wss_conn *c = conn_of(sock);
	uint8_t *slot = sock->in;

	worker_now(c->worker);
	if (c->state == CONN_DEAD)
		return;
	if (sock->error != 0) {
		conn_abort(c, strerror(sock->error));
		return;
	}
	/* Behind its bytes lie those of whoever had the slot before. */
	poison_behind(slot, sock->in_len, TRANSPORT_SLOT);
	conn_input(c);
	poison_nothing(slot, TRANSPORT_SLOT);
}

void
conns_drained(struct sock *sock)
{
	struct wss_conn *c = conn_of(sock);

	worker_now(c->worker);
	c->received_ms = c->worker->now_ms;
	c->drained = true;
	conn_queue_dirty(c);
}

void
conns_turn_end(void *arg)
{
	struct worker *w = arg;
	struct wss_conn *c;

	while (w->n_dirty > 0 || !list_empty(&w->ended)) {
		conns_flush_dirty(w);
		if (!list_empty(&w->ended)) {
			c = LIST_ITEM(w->ended.next, struct wss_conn, ended);
			list_remove(&c->ended);
			api_closed(c);
		}
	}
}

static void
conn_free(struct wss_conn *c)
{
	struct worker *w = c->worker;

	list_remove(&c->all);
	if (c->dirty != 0)
		w->dirty[c->dirty - 1] = NULL;
	list_remove(&c->dead);
	wheel_clear(&c->timer);
	ids_remove(w, c);
	w->n_admin -= c->listen->role == CONFIG_ADMIN;
	limits_count(&w->limits, &c->place, -1);
	w->answers_bytes -= c->answer_bytes;
	outgoing_drop(&w->outgoing, &c->outgoing);
	stream_done(&c->stream);
	ws_done(&c->ws);
	metrics_set(&w->metrics->compression_memory,
	    w->deflate_pool.reserved);
	snapshot_unref(c->snapshot);
	conn_forget_client(c);
	free(c->close_reason);
	free(c->address);
	free(c->own_subprotocol);
	tls_peer_free(c->peer);
	c->magic = 0;
	free(c);
}

void
conns_turn_over(void *arg)
{
	struct worker *w = arg;

	while (!list_empty(&w->dead))
		conn_free(LIST_ITEM(w->dead.next, struct wss_conn, dead));
}

void
conns_init(struct worker *w)
{
	list_init(&w->conns);
	list_init(&w->ended);
	list_init(&w->dead);
	wheel_init(&w->wheel, w->now_ms);
	w->plain = xmalloc(WORKER_PLAIN_BYTES);
	buf_reserve(&w->gather, WORKER_GATHER_BYTES);
	outgoing_init(&w->outgoing);
}

void
conns_done(struct worker *w)
{
	buf_done(&w->gather);
	outgoing_done(&w->outgoing);
	ws_deflate_pool_done(&w->deflate_pool);
	free(w->by_id);
	free(w->dirty);
	free(w->plain);
}

/* ---- beginning -------------------------------------------------------- */

struct wss_conn *
conn_new(struct worker *w, int fd, const struct addr *addr,
    const struct limits_place *place, const struct config_listen *listen,
    struct metrics_listen *metrics)
{
	struct wss_conn *c = xcalloc(1, sizeof(*c));
	const struct tls_sni *names = snapshot_names(w->snapshot, listen);

	c->magic = CONN_MAGIC;
	c->worker = w;
	c->snapshot = snapshot_ref(w->snapshot);
	c->listen = listen;
	c->listen_metrics = metrics;
	addr_client_set(&c->addr, addr);
	c->id = ++w->last_id;
	c->accepted_ms = c->state_ms = c->received_ms = w->now_ms;
	c->close_timeout_ms = CLOSE_TIMEOUT_MS;
	list_append(&w->conns, &c->all);
	list_init(&c->ended);
	list_init(&c->dead);
	wheel_entry_init(&c->timer);
	ids_add(w, c);
	w->n_admin += listen->role == CONFIG_ADMIN;
	c->place = *place;
	limits_count(&w->limits, &c->place, 1);
	ws_init(&c->ws);
	c->secure = names != NULL;
	c->state = listen->proxy_protocol ? CONN_PROXY :
	    names != NULL ? CONN_TLS : CONN_HTTP;
	stream_init(&c->stream, w->transport, &w->bio, names != NULL ?
	    tls_sni_first(names)->tls->ssl_ctx : NULL, w->signing, fd);
	if (names != NULL)
		tls_sni_attach(c->stream.ssl, &c->choice, names);
	conn_set_timer(c);
	return c;
}
