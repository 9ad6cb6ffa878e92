/* SPDX-License-Identifier: MIT */
/* An answer to the handshake that comes later: the state OPENING. */
#ifndef WSSD_WORKER_OPENING_H
#define WSSD_WORKER_OPENING_H

#include "common/buf.h"
#include "worker/handshake.h"
#include "worker/http.h"

struct wss_conn;

/* What is kept of the request until then. */
struct opening {
	struct handshake handshake;
	struct buf fields;		/* more of the answer's header */
	struct buf host, path;		/* for the access log */
};

/* The handler has said WSS_LATER. */
void opening_begin(struct wss_conn *, const struct http_request *,
    const struct handshake *);
/* 101 with this subprotocol, or none. */
void opening_accept(struct wss_conn *, const char *subprotocol);
/* The refusal with what the handler adds to its header. */
void opening_put_fields(const struct opening *, struct buf *answer);
/* What is still known of the request: no header.  As long as the opening. */
void opening_request(const struct opening *, struct http_request *out);
void opening_free(struct opening *);

/* The 101 is on its way; upgrade.c */
void conn_become_open(struct wss_conn *, const struct http_request *);

#endif
