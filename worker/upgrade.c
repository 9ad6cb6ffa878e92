/* SPDX-License-Identifier: MIT */
/* From a whole request head to a WebSocket, or to an answer that says why not. */
#include "worker/conn_parts.h"

#include <stdlib.h>

#include "worker/admin.h"
#include "worker/api.h"
#include "worker/conn_answer.h"
#include "worker/conn_client.h"
#include "worker/opening.h"
#include "worker/worker.h"

/* Of the one that is being answered, or NULL. */
static const struct http_request *
request_of(const struct wss_conn *c, struct http_request *room)
{
	if (c->opening != NULL) {
		opening_request(c->opening, room);
		return room;
	}
	return c->worker->current == c ? c->worker->request : NULL;
}

void
conn_refuse(struct wss_conn *c, const struct http_refusal *refusal)
{
	struct http_request request;
	struct buf answer = BUF_INIT;

	metrics_add(&c->worker->metrics->http_refused, 1);
	conn_log(c, "refused %u: %s", refusal->status, refusal->reason);
	accesslog_refused(c, request_of(c, &request), refusal);
	http_refusal_put(&answer, refusal);
	if (c->opening != NULL)
		opening_put_fields(c->opening, &answer);
	conn_put_bytes(c, answer.data, answer.len);
	buf_done(&answer);
	conn_set_state(c, CONN_LINGER);
}

/* What the handler asked for inside open(). */
static void
close_now(struct wss_conn *c)
{
	char *reason = c->close_reason;
	unsigned code = c->close_code;

	c->close_reason = NULL;
	c->close_code = 0;
	conn_close(c, code, reason == NULL ? "" : reason,
	    c->close_reason_len);
	free(reason);
}

void
conn_become_open(struct wss_conn *c, const struct http_request *request)
{
	struct metrics *m = c->worker->metrics;

	c->message_ms = c->worker->now_ms;
	c->close_timeout_ms = c->route->config->close_timeout_ms;
	metrics_add(&m->upgrades, 1);
	metrics_add(&c->route->metrics->upgrades, 1);
	/* A request that was recalled goes with the state. */
	accesslog_open(c, request);
	conn_set_state(c, CONN_OPEN);
	if (c->close_in_open)
		close_now(c);
}

/*
 * Contexts of its own cost memory for as long as it lives, so there is a
 * limit to them; those above it are served, with the shared ones.
 */
static void
start_deflate(struct wss_conn *c, struct ws_deflate_params *params)
{
	struct worker *w = c->worker;
	uint64_t cost = ws_deflate_cost(params);
	uint64_t max =
	    c->snapshot->config->daemon.max_compression_memory_per_worker;

	if (!params->agreed)
		return;
	if (cost > 0 && w->deflate_pool.reserved + cost > max) {
		metrics_add(&w->metrics->compression_shared_by_limit, 1);
		ws_deflate_share(params);
	}
	c->ws.deflate = ws_deflate_new(&w->deflate_pool, params);
	metrics_set(&w->metrics->compression_memory,
	    w->deflate_pool.reserved);
}

/* The 101 goes first, so that what the handler sends stands behind it. */
static void
ask_handler(struct wss_conn *c, const struct http_request *request,
    struct handshake *hs)
{
	struct http_refusal refusal;
	struct buf answer = BUF_INIT;
	struct err reason = ERR_INIT;
	int status;

	c->subprotocol = hs->subprotocol;
	c->in_open = true;
	start_deflate(c, &hs->deflate);
	handshake_response_put(&answer, hs);
	conn_put_bytes(c, answer.data, answer.len);
	buf_done(&answer);
	status = api_open(c, request, &reason);
	c->in_open = false;
	if (status == 0) {
		conn_become_open(c, request);
		return;
	}
	if (status == WSS_LATER) {
		opening_begin(c, request, hs);
		return;
	}
	conn_unput(c);
	c->close_code = 0;
	if (status < 400 || status > 599)
		status = 500;
	http_refuse(&refusal, (unsigned)status, "%s", reason.text[0] != '\0' ?
	    reason.text : "the handler of this path has refused the request");
	conn_refuse(c, &refusal);
}

/*
 * RFC 9110 section 7.4: the request is for a name of another context, which
 * wants to see certificates of clients, and this one has not asked for them,
 * or not for the same.
 */
static bool
is_misdirected(const struct wss_conn *c, const struct http_request *request)
{
	const struct tls_named *meant;

	if (c->choice.named == NULL)
		return false;
	meant = tls_sni_find(c->choice.sni, request->host.data,
	    request->host.len);
	if (meant == NULL)
		meant = tls_sni_first(c->choice.sni);
	return meant != c->choice.named &&
	    meant->tls->config->verify_peer != CONFIG_VERIFY_OFF;
}

/* A request that is to become a WebSocket: -1: it is refused. */
static int
check_upgrade(struct wss_conn *c, const struct wss_route *route,
    const struct http_request *request, bool more, struct handshake *hs_out,
    struct http_refusal *refusal)
{
	if (handshake_check(request, &route->rules, hs_out, refusal) == -1)
		return -1;
	/* RFC 6455 §4.1: a client waits for the answer.  What does not is a
	   request smuggled past a proxy. */
	if (more)
		return http_refuse(refusal, 400, "bytes came behind the "
		    "request before it was answered");
	if (drain_refuses(c->worker))
		return http_refuse(refusal, 503, "the server is stopping");
	return 0;
}

/* 0: it has its answer, or its 101. */
static int
serve(struct wss_conn *c, const struct http_request *request, bool more,
    struct http_refusal *refusal)
{
	struct wss_route *route = snapshot_route(c->snapshot, c->listen->name,
	    request->host, request->path, handshake_asked(request));
	struct handshake hs;

	if (is_misdirected(c, request))
		return http_refuse(refusal, 421, "this host needs a connection "
		    "that was made for its name");
	if (route == NULL)
		return http_refuse(refusal, 404,
		    "there is nothing at this path");
	if (conn_wants_answer(route, request))
		return conn_answer(c, route, request, refusal);
	if (check_upgrade(c, route, request, more, &hs, refusal) != 0)
		return -1;
	c->route = route;
	ask_handler(c, request, &hs);
	return 0;
}

static void
answer_client(struct wss_conn *c, const struct http_request *request,
    bool more)
{
	struct http_refusal refusal;

	if (serve(c, request, more, &refusal) != 0)
		conn_refuse(c, &refusal);
}

void
conn_upgrade(struct wss_conn *c, const uint8_t *head, size_t len, bool more)
{
	struct http_request request;
	struct http_refusal refusal;

	if (http_parse(head, len, c->listen->max_headers, &request,
	    &refusal) != 0 ||
	    conn_learn_client(c, &request, &refusal) != 0) {
		conn_refuse(c, &refusal);
		return;
	}
	c->worker->request = &request;
	if (c->listen->role == CONFIG_ADMIN)
		admin_answer(c, &request);
	else
		answer_client(c, &request, more);
	c->worker->request = NULL;
}
