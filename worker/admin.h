/* SPDX-License-Identifier: MIT */
/*
 * What a [listen] with role = admin serves: /metrics, /livez and /readyz,
 * and nothing else.  Its requests never reach a route, and no other listen
 * has these pages.
 */
#ifndef WSSD_WORKER_ADMIN_H
#define WSSD_WORKER_ADMIN_H

#include "worker/conn.h"

/* Answers and ends the connection. */
void admin_answer(struct wss_conn *, const struct http_request *);

#endif
