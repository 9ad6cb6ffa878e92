/* SPDX-License-Identifier: MIT */
/*
 * Who the client of a connection is, when that is not its TCP peer: by the
 * header of the PROXY protocol, then by those of the request.  Each time
 * only the address that is known so far is asked whether it is trusted.
 */
#ifndef WSSD_WORKER_CONN_CLIENT_H
#define WSSD_WORKER_CONN_CLIENT_H

#include "common/addr.h"
#include "worker/http.h"
#include "worker/limits.h"

struct config_listen;
struct worker;
struct wss_conn;

/* How a proxy that is trusted has brought the client. */
struct conn_via {
	struct addr addr;		/* the proxy's */
	char tls[16];			/* the client's to it, if it said so */
};

/*
 * Where a connection is counted.  A trusted proxy stands for many clients:
 * its own address has no limit.
 */
void conn_place(const struct worker *, const struct config_listen *,
    const struct addr *, struct limits_place *place_out);
/* Input in state PROXY. */
void conn_read_proxy(struct wss_conn *);
/*
 * What a trusted proxy says in the request's headers.  -1: they are wrong,
 * or the client has too many connections.
 */
int conn_learn_client(struct wss_conn *, const struct http_request *,
    struct http_refusal *);
/* The end: frees what the two have kept. */
void conn_forget_client(struct wss_conn *);

#endif
