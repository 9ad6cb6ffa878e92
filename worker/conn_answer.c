/* SPDX-License-Identifier: MIT */
/*
 * Requests that ask for no WebSocket, on a route whose handler answers them:
 * one answer, and the end.
 */
#include "worker/conn_answer.h"

#include <string.h>

#include "worker/accesslog.h"
#include "worker/api.h"
#include "worker/conn.h"
#include "worker/worker.h"

/* What clients that read slowly may hold in a worker, all together. */
#define ANSWERS_MAX (64u << 20)
#define TAKEN_WITHIN_MS 30000

bool
conn_wants_answer(const struct wss_route *route,
    const struct http_request *request)
{
	return route->handler->get != NULL && !handshake_asked(request);
}

static int
check(struct wss_conn *c, const struct http_request *request,
    struct http_refusal *refusal)
{
	if (!slice_equal(request->method, "GET") &&
	    !slice_equal(request->method, "HEAD"))
		return http_refuse(refusal, 405,
		    "this path knows GET and HEAD only");
	if (drain_refuses(c->worker))
		return http_refuse(refusal, 503, "the server is stopping");
	if (c->worker->answers_bytes > ANSWERS_MAX)
		return http_refuse(refusal, 503,
		    "too many answers are on their way");
	return 0;
}

int
conn_answer(struct wss_conn *c, struct wss_route *route,
    const struct http_request *request, struct http_refusal *refusal)
{
	struct err reason = ERR_INIT;
	int status;

	if (check(c, request, refusal) != 0)
		return -1;
	c->route = route;
	c->answer = slice_equal(request->method, "HEAD") ? CONN_ANSWER_HEAD :
	    CONN_ANSWER_BODY;
	status = api_get(c, request, &reason);
	c->route = NULL;
	/* Dead: it has closed the connection instead. */
	if (c->answer == CONN_ANSWERED || c->state == CONN_DEAD)
		return 0;
	c->answer = CONN_ANSWER_NONE;
	if (status < 400 || status > 599)
		status = 500;
	return http_refuse(refusal, (unsigned)status, "%s",
	    reason.text[0] != '\0' ? reason.text :
	    "the handler of this path has refused the request");
}

void
conn_put_answer(struct wss_conn *c, const struct http_answer *answer,
    const void *body)
{
	struct worker *w = c->worker;
	struct buf head = BUF_INIT;
	bool whole = c->answer == CONN_ANSWER_BODY;

	if ((c->answer != CONN_ANSWER_BODY && c->answer != CONN_ANSWER_HEAD) ||
	    c->state == CONN_DEAD)
		return;
	c->answer = CONN_ANSWERED;
	accesslog_answered(c, w->request, answer);
	metrics_add(&w->metrics->http_answered, 1);
	http_answer_put(&head, answer);
	conn_put_bytes(c, head.data, head.len);
	buf_done(&head);
	if (whole) {
		c->answer_bytes = answer->length;
		w->answers_bytes += answer->length;
		conn_flush_gather(c);
		stream_write(&c->stream, body, answer->length);
	}
	c->close_timeout_ms = TAKEN_WITHIN_MS;
	conn_set_state(c, CONN_LINGER);
}
