/* SPDX-License-Identifier: MIT */
/* Owns the pace at which a worker's connections are closed. */
#include "worker/drain.h"

#include <string.h>

#include "common/log.h"
#include "worker/accept.h"
#include "worker/conn_parts.h"
#include "worker/worker.h"

/* What is left of a stop's time for the last flush and the exit itself. */
#define EXIT_MS 500
/* The same for requests to the admin pages: less, as they all have to go. */
#define ADMIN_MS 300

static void
tell(struct wss_conn *c, const struct proto_drain *how)
{
	uint64_t timeout = how->timeout_ms > 2 * EXIT_MS ?
	    how->timeout_ms - EXIT_MS : how->timeout_ms / 2;
	struct http_refusal refusal;

	c->draining = true;
	if (timeout < c->close_timeout_ms)
		c->close_timeout_ms = timeout;
	switch (c->state) {
	case CONN_HTTP:
	case CONN_OPENING:
		http_refuse(&refusal, 503, "%s", how->reason);
		conn_refuse(c, &refusal);
		break;
	case CONN_CLOSING:
	case CONN_LINGER:
		conn_set_timer(c);
		break;
	default:
		conn_close(c, how->code, how->reason, strlen(how->reason));
		break;
	}
}

void
drain_start(struct worker *w, const struct proto_drain *how)
{
	uint64_t end = how->window_ms;

	/* Who is replaced shares its sockets with its successor. */
	if (how->code == WS_CLOSE_GOING_AWAY && w->snapshot != NULL)
		accept_close_clients(w);
	else
		accept_close_all(w);
	if (w->drain.on) {
		/* A stop after a drain has begun: sooner, never later. */
		uint64_t old_end = w->drain.start_ms + w->drain.how.window_ms;

		if (old_end <= w->now_ms)
			end = 0;
		else if (old_end - w->now_ms < end)
			end = old_end - w->now_ms;
	}
	w->drain.on = true;
	w->drain.how = *how;
	w->drain.how.window_ms = (uint32_t)end;
	w->drain.start_ms = w->now_ms;
	w->drain.total = w->n_conns - w->n_admin;
	w->drain.closed = 0;
	metrics_set(&w->metrics->draining, 1);
	log_info("closing %zu connections with %u within %u ms", w->drain.total,
	    how->code, (unsigned)end);
	drain_tick(w);
}

/* How many of the connections there were should be closed by now. */
static size_t
due(const struct worker *w)
{
	const struct drain *d = &w->drain;
	uint64_t elapsed = w->now_ms - d->start_ms;

	if (d->how.window_ms == 0 || elapsed >= d->how.window_ms)
		return SIZE_MAX;
	return 1 + (size_t)(d->total * elapsed / d->how.window_ms);
}

void
drain_tick(struct worker *w)
{
	struct list *link, *next;
	size_t n = due(w);

	/* Oldest first; what has gone by itself made the others' time
	   longer, not the window. */
	LIST_EACH(link, next, &w->conns) {
		struct wss_conn *c = LIST_ITEM(link, struct wss_conn, all);

		if (w->drain.closed >= n)
			break;
		if (c->draining || c->state == CONN_DEAD ||
		    c->listen->role == CONFIG_ADMIN)
			continue;
		/* A handshake may end, and have its Close, within the
		   window. */
		if (n != SIZE_MAX &&
		    (c->state == CONN_PROXY || c->state == CONN_TLS ||
		    c->state == CONN_HTTP || c->state == CONN_OPENING))
			continue;
		tell(c, &w->drain.how);
		w->drain.closed++;
	}
	transport_request_turn(w->transport);
}

bool
drain_refuses(const struct worker *w)
{
	return w->drain.on && due(w) == SIZE_MAX;
}

bool
drain_over(struct worker *w)
{
	struct drain *d = &w->drain;

	if (!d->on || w->n_conns > w->n_admin)
		return false;
	if (d->over_ms == 0) {
		/* Who asks for the admin pages now is answered still. */
		accept_last(w);
		d->over_ms = w->now_ms;
	}
	return w->n_admin == 0 || w->now_ms - d->over_ms >= ADMIN_MS;
}
