/* SPDX-License-Identifier: MIT */
/*
 * Requests that ask for no WebSocket, on a route whose handler answers them
 * (`get' of <wssd/handler.h>).
 */
#ifndef WSSD_WORKER_CONN_ANSWER_H
#define WSSD_WORKER_CONN_ANSWER_H

#include "worker/http.h"
#include "worker/snapshot.h"

struct wss_conn;

enum conn_answer {
	CONN_ANSWER_NONE,
	CONN_ANSWER_BODY, CONN_ANSWER_HEAD,	/* inside get(): is wanted */
	CONN_ANSWERED
};

/* Is this request one for the handler's `get'? */
bool conn_wants_answer(const struct wss_route *, const struct http_request *);
/* Lets the handler answer it.  -1: it is to be refused. */
int conn_answer(struct wss_conn *, struct wss_route *,
    const struct http_request *, struct http_refusal *);
/* What the handler answers: the first time counts. */
void conn_put_answer(struct wss_conn *, const struct http_answer *,
    const void *body);

#endif
