/* SPDX-License-Identifier: MIT */
/* What the files of the handler `proxy` share, and nobody else includes. */
#ifndef WSSD_WORKER_HANDLER_PROXY_H
#define WSSD_WORKER_HANDLER_PROXY_H

#include <stdbool.h>
#include <stdint.h>

#include "handlers.h"

/* The words of the settings `balance` and `on_upstream_loss`, in order. */
enum proxy_balance { PROXY_LEAST_CONNECTIONS, PROXY_BY_ADDRESS,
	PROXY_BY_HEADER };
enum proxy_loss { PROXY_CLOSE, PROXY_RECONNECT };

/* One server, as this worker has met it. */
struct proxy_upstream {
	uint64_t hash;			/* of its URL */
	unsigned clients;		/* on it, or on their way to it */
	unsigned failures;		/* in a row */
	uint64_t down_until_ms;		/* rather another one until then */
	uint64_t loss_ms;		/* when the log last said so */
};

/* The state of a route. */
struct proxy {
	struct wss_route *route;
	enum proxy_balance balance;
	const char *balance_header;
	enum proxy_loss on_loss;
	uint64_t reconnect_ms;
	const char *host;		/* "client", "upstream" or what to
					   send; never NULL */
	size_t turn;			/* where a search among equals begins */
	size_t n;
	struct proxy_upstream upstreams[];
};

/* What a client's request becomes; kept for as long as it may be needed. */
struct proxy_request {
	char *path;			/* what stands behind the route's */
	char *host;			/* NULL: that of the URL */
	char *offered;			/* subprotocols; NULL: none */
	char *fields;
};

/* malloc() that cannot fail: it ends the worker, as everywhere in wssd. */
void *proxy_alloc(size_t);
uint64_t proxy_now_ms(void);

/* ---- proxy_request.c ---- */

void proxy_request_make(struct proxy_request *, const struct proxy *,
    const struct wss_conn *, const struct wss_request *);
void proxy_request_done(struct proxy_request *);
/* The client's address, without a port. */
struct wss_bytes proxy_client_ip(const struct wss_conn *);
/* The request target for an upstream's URL; free() it. */
char *proxy_target(const struct proxy_request *, const struct wss_route *,
    size_t upstream);
/* The headers of an upstream's answer that are the client's, too. */
void proxy_pass_answer(struct wss_conn *, const struct wss_answer *);

/* ---- proxy_pool.c ---- */

#define PROXY_NONE SIZE_MAX

void proxy_pool_init(struct proxy *);
/* What decides for a client, when `balance` is not least-connections. */
uint64_t proxy_key(const struct proxy *, const struct wss_conn *,
    const struct wss_request *);
/*
 * The upstream for a client: one that works rather than one that does not,
 * and none that is in the set `tried`; PROXY_NONE: all are.
 */
size_t proxy_pick(struct proxy *, uint64_t key, uint64_t tried);
void proxy_note_ok(struct proxy *, size_t upstream);
void proxy_note_failure(struct proxy *, size_t upstream, const char *why);
/* An open connection to it has ended badly, which says nothing of the next. */
void proxy_note_loss(struct proxy *, size_t upstream, const char *why);

#endif
