/* SPDX-License-Identifier: MIT */
/*
 * A config as a worker uses it: contexts with their SSL_CTX, routes with
 * their handlers set up.  Immutable once built; a connection keeps the
 * snapshot it was opened under, so a reload touches no living connection.
 */
#ifndef WSSD_WORKER_SNAPSHOT_H
#define WSSD_WORKER_SNAPSHOT_H

#include <stdbool.h>
#include <stdint.h>
#include <wssd/handler.h>

#include "common/config.h"
#include "common/err.h"
#include "common/files.h"
#include "common/list.h"
#include "common/metrics.h"
#include "worker/handshake.h"
#include "worker/module.h"
#include "worker/tls_ctx.h"
#include "worker/tls_sni.h"
#include "worker/ws.h"

struct signing;
struct worker;

struct context {
	const struct config_context *config;
	struct tls_ctx *tls;
	struct metrics_context *metrics;	/* NULL until it is in use */
};

/* A [route]; the struct wss_route of the handlers. */
struct wss_route {
	struct worker *worker;
	struct snapshot *snapshot;	/* that it is part of */
	const struct config_route *config;
	const struct wss_handler *handler;
	void *state;			/* the handler's */
	bool set_up;			/* setup was called and succeeded */
	struct ws_limits limits;
	struct handshake_rules rules;
	struct list timers;		/* of the handler */
	SSL_CTX *upstream_ctx;		/* NULL without a wss:// upstream */
	struct metrics_route *metrics;	/* NULL until it is in use */
	uint64_t running;		/* what metrics->running_route says
					   while the handler runs */
	struct err *error;		/* where wss_error() writes */
	const struct files *files;	/* during setup; else NULL */
};

struct snapshot {
	unsigned refs;
	unsigned generation;
	struct config *config;
	struct context *contexts;	/* as config->contexts */
	struct tls_sni **names;		/* as config->listens; NULL for tcp */
	struct wss_route *routes;	/* as config->routes */
};

/*
 * Builds everything the config asks for; a handler may refuse in its setup.
 * The config becomes the snapshot's, also on failure.  before is the one in
 * use, or NULL: no sound certificate is replaced by one that clients would
 * complain about.  Warnings get a line each.
 */
struct snapshot *snapshot_new(struct worker *, struct config *,
    unsigned generation, const struct snapshot *before, struct signing *,
    const struct files *, const struct modules *, bool strict,
    struct buf *warnings, struct err *);
struct snapshot *snapshot_ref(struct snapshot *);
/* The last one calls the handlers' teardown. */
void snapshot_unref(struct snapshot *);

/* The snapshot is in use from now on: its names stand in the metrics. */
void snapshot_publish(struct snapshot *, struct metrics *);

/* The names of the listen's contexts; NULL for tcp. */
const struct tls_sni *snapshot_names(const struct snapshot *,
    const struct config_listen *);
/* The [listen] of that name, or NULL. */
const struct config_listen *snapshot_listen(const struct snapshot *,
    const char *name);

/*
 * Which route a request gets: of those for this listen and host the one with
 * the longest path that is the request's, or a folder above it; "/chat"
 * serves "/chat" and "/chat/x", not "/chatter".  Among equals the one that
 * names the host goes before one that takes any, and handler = static before
 * another one if the request does not ask for a WebSocket, else behind it.
 * NULL: 404.
 */
struct wss_route *snapshot_route(struct snapshot *, const char *listen,
    struct slice host, struct slice path, bool websocket);

#endif
