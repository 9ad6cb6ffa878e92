/* SPDX-License-Identifier: MIT */
/*
 * Calls into handlers.  Each notes in the worker's metrics which route is
 * running, so that after a crash the master can tell; the functions that
 * handlers call are in <wssd/handler.h>.
 */
#ifndef WSSD_WORKER_API_H
#define WSSD_WORKER_API_H

#include <wssd/handler.h>

#include "common/err.h"
#include "worker/http.h"
#include "worker/ws.h"

/* Around each call: which route is running. */
void api_enter(struct wss_route *);
void api_leave(struct wss_route *);
int api_setup(struct wss_route *);
/* Stops the route's timers, too. */
void api_teardown(struct wss_route *);
/* 0, or the HTTP status to refuse with; reason: what wss_error() said. */
int api_open(struct wss_conn *, const struct http_request *,
    struct err *reason);
/* The same of a request without an upgrade; the handler has a `get'. */
int api_get(struct wss_conn *, const struct http_request *,
    struct err *reason);
void api_message(struct wss_conn *, const struct ws_event *);
void api_writable(struct wss_conn *);
void api_closed(struct wss_conn *);

#endif
