/* SPDX-License-Identifier: MIT */
/* What the files that serve one connection share; of no use to handlers. */
#ifndef WSSD_WORKER_CONN_PARTS_H
#define WSSD_WORKER_CONN_PARTS_H

#include "worker/conn.h"

/* ---- conn_input.c ---- */

/* What the turn received for it. */
void conn_input(struct wss_conn *);
/* Goes on with what was left when it was paused. */
void conn_resume_input(struct wss_conn *);
/* Stops or starts reading as the pause flags say. */
void conn_update_reading(struct wss_conn *);
/* Who speaks no TLS, or no PROXY: a sentence in HTTP (NULL: none), the end. */
void conn_refuse_plain(struct wss_conn *, const char *why);

/* ---- upgrade.c ---- */

/*
 * Answers the request whose whole head is given.  more: bytes came behind
 * it, before any answer: no WebSocket client does that.
 */
void conn_upgrade(struct wss_conn *, const uint8_t *head, size_t len,
    bool more);
/* Answers a request that is not even looked at, or in OPENING. */
void conn_refuse(struct wss_conn *, const struct http_refusal *);

/* ---- conn_timer.c ---- */

/* Deadlines: called when the connection's timer comes due, and sets it. */
void conn_on_timer(struct wss_conn *);
/* Sets the timer to the next deadline of the state it is in. */
void conn_set_timer(struct wss_conn *);

#endif
