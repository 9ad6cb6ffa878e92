/* SPDX-License-Identifier: MIT */
/*
 * The access log: a line when a WebSocket opens, one when it ends, one when
 * a request is refused or answered with a page; as text or as JSON.
 * docs/access-log.md has the fields.
 *
 * Lines gather in a fixed buffer and are written once a turn, never waiting:
 * what a full disk or a slow reader does not take stays in the buffer, and
 * when that is full, lines are dropped and counted.
 */
#ifndef WSSD_WORKER_ACCESSLOG_H
#define WSSD_WORKER_ACCESSLOG_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "common/log.h"
#include "worker/http.h"

#define ACCESSLOG_BYTES (32u << 10)

struct wss_conn;
struct worker;

/* Embedded in the worker; the fields are accesslog's own. */
struct accesslog {
	int fd;			/* -1: off */
	bool json;
	enum log_format format;
	size_t piece;		/* the most bytes of one write */
	bool socket;
	bool blocked;		/* it took nothing: tried again at a tick */
	size_t len;
	uint64_t dropped;	/* and not yet said */
	uint64_t said_ms;
	char buffer[ACCESSLOG_BYTES];
};

void accesslog_init(struct accesslog *);
/* Writes on to fd from now on, which is its; -1: off. */
void accesslog_to(struct worker *, int fd, enum log_format, bool json);
void accesslog_done(struct worker *);

void accesslog_open(struct wss_conn *, const struct http_request *);
/* The request is NULL when it was not understood. */
void accesslog_refused(struct wss_conn *, const struct http_request *,
    const struct http_refusal *);
void accesslog_answered(struct wss_conn *, const struct http_request *,
    const struct http_answer *);
void accesslog_close(struct wss_conn *);

/* At the end of a turn. */
void accesslog_flush(struct worker *);
/* Every tick: tries again, and says what was dropped. */
void accesslog_tick(struct worker *);

#endif
