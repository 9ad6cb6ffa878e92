/* SPDX-License-Identifier: MIT */
/* Owns the names of the metrics.  Pure: no socket, no log, no clock. */
#include "worker/prometheus.h"

#include <inttypes.h>
#include <stddef.h>
#include <string.h>

#include "common/count.h"

/* ---- lines ------------------------------------------------------------ */

static void
family(struct buf *out, const char *name, const char *type, const char *help)
{
	buf_printf(out, "# HELP %s %s\n# TYPE %s %s\n", name, help, name,
	    type);
}

/* A label's value: these three are escaped, all else may stand there. */
static void
label(struct buf *out, char before, const char *name, const char *value)
{
	buf_printf(out, "%c%s=\"", before, name);
	for (; *value != '\0'; value++) {
		if (*value == '\n')
			buf_put(out, "\\n", 2);
		else if (*value == '"' || *value == '\\')
			buf_printf(out, "\\%c", *value);
		else
			buf_put_u8(out, (uint8_t)*value);
	}
	buf_put_u8(out, '"');
}

static void
number(struct buf *out, uint64_t value)
{
	buf_printf(out, " %" PRIu64 "\n", value);
}

static void
single(struct buf *out, const char *name, const char *type, const char *help,
    uint64_t value)
{
	family(out, name, type, help);
	buf_printf(out, "%s", name);
	number(out, value);
}

/* ---- the workers' counters -------------------------------------------- */

struct counter {
	size_t offset;			/* in struct metrics */
	const char *name, *labels, *help;
};

#define OF(member) offsetof(struct metrics, member)

/* Rows of the same name stand together: they are one family. */
static const struct counter counters[] = {
	{ OF(accepted), "wssd_connections_total", "",
	    "TCP connections that were accepted." },
	{ OF(refused_limit), "wssd_connections_refused_total",
	    "{reason=\"limit\"}", "TCP connections that were closed at once." },
	{ OF(refused_emfile), "wssd_connections_refused_total",
	    "{reason=\"descriptors\"}", NULL },
	{ OF(tls_ok), "wssd_tls_handshakes_total", "{result=\"ok\"}",
	    "TLS handshakes." },
	{ OF(tls_failed), "wssd_tls_handshakes_total", "{result=\"failed\"}",
	    NULL },
	{ OF(tls_resumed), "wssd_tls_resumed_total", "",
	    "TLS handshakes that a session ticket made short." },
	{ OF(plain_on_tls), "wssd_plain_on_tls_total", "",
	    "Connections that spoke no TLS where it is wanted." },
	{ OF(proxy_failed), "wssd_proxy_failed_total", "",
	    "Connections without a valid PROXY header where there must be "
	    "one." },
	{ OF(upgrades), "wssd_handshakes_total", "{result=\"ok\"}",
	    "Requests for a WebSocket." },
	{ OF(http_refused), "wssd_handshakes_total", "{result=\"refused\"}",
	    NULL },
	{ OF(handshake_timeouts), "wssd_handshakes_total",
	    "{result=\"timeout\"}", NULL },
	{ OF(http_answered), "wssd_pages_total", "",
	    "Requests without an upgrade that a handler has answered." },
	{ OF(closed), "wssd_closes_total", "", "WebSockets that have ended." },
	{ OF(closed_abnormal), "wssd_abnormal_closes_total", "",
	    "WebSockets that have ended without a Close frame (1006)." },
	{ OF(protocol_errors), "wssd_protocol_errors_total", "",
	    "WebSockets closed with 1002, 1007, 1008 or 1009." },
	{ OF(pong_timeouts), "wssd_timeouts_total", "{kind=\"pong\"}",
	    "WebSockets that were silent for too long." },
	{ OF(idle_timeouts), "wssd_timeouts_total", "{kind=\"idle\"}", NULL },
	{ OF(slow_closed), "wssd_slow_consumers_total", "",
	    "WebSockets closed because they did not read." },
	{ OF(slow_dropped), "wssd_messages_dropped_total", "",
	    "Messages dropped because their client did not read." },
	{ OF(messages_in), "wssd_messages_received_total", "",
	    "Messages received." },
	{ OF(messages_out), "wssd_messages_sent_total", "",
	    "Messages sent." },
	{ OF(bytes_in), "wssd_receive_bytes_total", "",
	    "Payload of the messages received." },
	{ OF(bytes_out), "wssd_send_bytes_total", "",
	    "Payload of the messages sent." },
	{ OF(upstream_ok), "wssd_upstream_connections_total",
	    "{result=\"ok\"}", "WebSockets to other servers." },
	{ OF(upstream_failed), "wssd_upstream_connections_total",
	    "{result=\"failed\"}", NULL },
	{ OF(upstream_lost), "wssd_upstream_lost_total", "",
	    "WebSockets to other servers that ended without a Close of "
	    "theirs." },
	{ OF(compression_shared_by_limit), "wssd_compression_limited_total",
	    "", "WebSockets that got shared compression for want of memory." },
	{ OF(sandbox_refused), "wssd_sandbox_refused_total", "",
	    "System calls of the workers that the sandbox refused." },
	{ OF(access_log_dropped), "wssd_access_log_dropped_total", "",
	    "Lines of the access log that could not be written." },
};

static uint64_t
value_at(const struct metrics *m, size_t offset)
{
	return *(const uint64_t *)(const void *)((const char *)m + offset);
}

static bool
is_listed(size_t offset)
{
	for (size_t i = 0; i < COUNT(counters); i++)
		if (counters[i].offset == offset)
			return true;
	return false;
}

/* A counter without a name of its own: it is shown all the same. */
static void
put_other(struct buf *out, const char *member, uint64_t value)
{
	buf_printf(out, "# HELP wssd_%s_total %s in wssctl status --json.\n"
	    "# TYPE wssd_%s_total counter\nwssd_%s_total", member, member,
	    member, member);
	number(out, value);
}

#define PUT_OTHER(member)                                                    \
	if (!is_listed(OF(member)))                                          \
		put_other(out, #member, m->member);

static void
put_counters(struct buf *out, const struct metrics *m)
{
	const char *last = "";

	for (size_t i = 0; i < COUNT(counters); i++) {
		const struct counter *c = &counters[i];

		if (strcmp(c->name, last) != 0)
			family(out, c->name, "counter", c->help);
		last = c->name;
		buf_printf(out, "%s%s", c->name, c->labels);
		number(out, value_at(m, c->offset));
	}
	METRICS_WORKER_COUNTERS(PUT_OTHER)
}

/* ---- rows by name ------------------------------------------------------ */

struct column {
	size_t offset;			/* in the row */
	const char *name, *type, *help;
};

struct rows {
	const void *first;
	size_t n, size;
	const char *label;		/* of the row's name, its first member */
	const char *second;		/* another label, or NULL */
	size_t second_offset;
	size_t generation_offset;	/* SIZE_MAX: always shown */
	size_t open_offset;		/* shown while it is not 0; SIZE_MAX */
	uint64_t generation;
};

/* What the config has no more is shown while somebody is there. */
static bool
is_shown(const struct rows *r, const char *row)
{
	if (row[0] == '\0')
		return false;
	if (r->generation_offset == SIZE_MAX)
		return true;
	return *(const uint64_t *)(const void *)(row +
	    r->generation_offset) >= r->generation ||
	    (r->open_offset != SIZE_MAX && *(const uint64_t *)(const void *)
	    (row + r->open_offset) > 0);
}

static void
put_rows(struct buf *out, const struct rows *r, const struct column *columns,
    size_t n_columns)
{
	for (size_t k = 0; k < n_columns; k++) {
		const struct column *c = &columns[k];

		family(out, c->name, c->type, c->help);
		for (size_t i = 0; i < r->n; i++) {
			const char *row = (const char *)r->first +
			    i * r->size;

			if (!is_shown(r, row))
				continue;
			buf_printf(out, "%s", c->name);
			label(out, '{', r->label, row);
			if (r->second != NULL)
				label(out, ',', r->second,
				    row + r->second_offset);
			buf_put_u8(out, '}');
			number(out, *(const uint64_t *)(const void *)(row +
			    c->offset));
		}
	}
}

static void
put_listens(struct buf *out, const struct metrics *m)
{
	static const struct column columns[] = {
		{ offsetof(struct metrics_listen, accepted),
		    "wssd_listen_connections_total", "counter",
		    "TCP connections accepted by a listen." },
		{ offsetof(struct metrics_listen, open),
		    "wssd_listen_websockets", "gauge",
		    "WebSockets that are open, by their listen." },
	};
	struct rows rows = { m->listens, METRICS_LISTENS,
		sizeof(m->listens[0]), "listen", NULL, 0, SIZE_MAX, SIZE_MAX,
		0 };

	put_rows(out, &rows, columns, COUNT(columns));
}

static void
put_contexts(struct buf *out, const struct metrics *m, uint64_t generation)
{
	static const struct column columns[] = {
		{ offsetof(struct metrics_context, not_after),
		    "wssd_tls_certificate_not_after_timestamp_seconds",
		    "gauge", "When the certificate expires." },
		{ offsetof(struct metrics_context, handshakes),
		    "wssd_tls_context_handshakes_total", "counter",
		    "TLS handshakes with a context." },
	};
	struct rows rows = { m->contexts, METRICS_CONTEXTS,
		sizeof(m->contexts[0]), "context", NULL, 0,
		offsetof(struct metrics_context, generation), SIZE_MAX,
		generation };

	put_rows(out, &rows, columns, COUNT(columns));
}

#define ROUTE(member) offsetof(struct metrics_route, member)

static void
put_routes(struct buf *out, const struct metrics *m, uint64_t generation)
{
	static const struct column columns[] = {
		{ ROUTE(open), "wssd_route_websockets", "gauge",
		    "WebSockets that are open, by their route." },
		{ ROUTE(upgrades), "wssd_route_handshakes_total", "counter",
		    "WebSockets opened on a route." },
		{ ROUTE(messages_in), "wssd_route_messages_received_total",
		    "counter", "Messages received on a route." },
		{ ROUTE(messages_out), "wssd_route_messages_sent_total",
		    "counter", "Messages sent on a route." },
		{ ROUTE(bytes_in), "wssd_route_receive_bytes_total",
		    "counter", "Payload received on a route." },
		{ ROUTE(bytes_out), "wssd_route_send_bytes_total",
		    "counter", "Payload sent on a route." },
	};
	struct rows rows = { m->routes, METRICS_ROUTES, sizeof(m->routes[0]),
		"route", "handler", ROUTE(handler), ROUTE(generation),
		ROUTE(open), generation };

	put_rows(out, &rows, columns, COUNT(columns));
}

/* ---- each worker ------------------------------------------------------ */

#define WORKER(member) offsetof(struct board_worker, member)

static const struct {
	size_t offset;
	bool microseconds;
	const char *name, *type, *help;
} worker_columns[] = {
	{ WORKER(running), false, "wssd_worker_up", "gauge",
	    "Whether the worker serves." },
	{ WORKER(connections), false, "wssd_worker_connections", "gauge",
	    "Connections of a worker." },
	{ WORKER(loop_lag_us), true, "wssd_worker_loop_lag_seconds", "gauge",
	    "The longest turn of a worker's loop in the last second." },
	{ WORKER(rss_bytes), false, "wssd_worker_resident_memory_bytes",
	    "gauge", "Memory of a worker." },
	{ WORKER(restarts), false, "wssd_worker_restarts_total", "counter",
	    "Workers that were started again after they had died." },
};

static void
put_workers(struct buf *out, const struct board_page *page)
{
	for (size_t k = 0; k < COUNT(worker_columns); k++) {
		family(out, worker_columns[k].name, worker_columns[k].type,
		    worker_columns[k].help);
		for (size_t i = 0; i < page->n_workers; i++) {
			uint64_t value = *(const uint64_t *)(const void *)
			    ((const char *)&page->workers[i] +
			    worker_columns[k].offset);

			buf_printf(out, "%s{worker=\"%zu\"}",
			    worker_columns[k].name, i);
			if (worker_columns[k].microseconds)
				buf_printf(out, " %" PRIu64 ".%06" PRIu64
				    "\n", value / 1000000, value % 1000000);
			else
				number(out, value);
		}
	}
}

void
prometheus_put(struct buf *out, const struct board_page *page,
    const char *libraries)
{
	const struct metrics *m = &page->total;

	family(out, "wssd_build_info", "gauge", "The version that runs.");
	buf_printf(out, "wssd_build_info");
	label(out, '{', "version", WSSD_VERSION);
	label(out, ',', "libraries", libraries);
	buf_printf(out, "} 1\n");
	single(out, "process_start_time_seconds", "gauge",
	    "When the master was started.", page->started_at);
	single(out, "wssd_config_generation", "gauge",
	    "Goes up with each configuration that was tried.",
	    page->generation);
	single(out, "wssd_config_last_reload_successful", "gauge",
	    "0: the last reload has changed nothing.", !page->reload_failed);
	single(out, "wssd_config_last_reload_success_timestamp_seconds",
	    "gauge", "When the configuration in use was read.",
	    page->loaded_at);
	single(out, "wssd_connections", "gauge",
	    "Connections, from accept to the end.", m->connections);
	single(out, "wssd_websockets", "gauge",
	    "WebSockets that are open.", m->open);
	single(out, "wssd_upstream_websockets", "gauge",
	    "WebSockets to other servers that are open.", m->upstream_open);
	put_counters(out, m);
	put_listens(out, m);
	put_contexts(out, m, page->generation);
	put_routes(out, m, page->generation);
	put_workers(out, page);
}
