/* SPDX-License-Identifier: MIT */
/* Both sides of <wssd/handler.h>: calls into handlers, and what they call. */
#include "worker/api.h"

#include <event2/event.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "common/alloc.h"
#include "common/assert.h"
#include "common/err.h"
#include "common/log.h"
#include "common/settings.h"
#include "worker/conn_answer.h"
#include "worker/conn_parts.h"
#include "worker/snapshot.h"
#include "worker/worker.h"

struct wss_timer {
	struct list link;		/* in route->timers */
	struct wss_route *route;
	struct event *event;
	void (*fn)(void *);
	void *arg;
};

/* ---- calls into handlers ---------------------------------------------- */

void
api_enter(struct wss_route *r)
{
	if (r->worker->metrics != NULL)
		metrics_set(&r->worker->metrics->running_route, r->running);
}

void
api_leave(struct wss_route *r)
{
	if (r->worker->metrics != NULL)
		metrics_set(&r->worker->metrics->running_route, 0);
}

int
api_setup(struct wss_route *r)
{
	int rc = 0;

	if (r->handler->setup != NULL) {
		api_enter(r);
		rc = r->handler->setup(r, &r->state);
		api_leave(r);
	}
	return rc;
}

void
api_teardown(struct wss_route *r)
{
	if (!r->set_up)
		return;
	while (!list_empty(&r->timers))
		wss_timer_stop(LIST_ITEM(r->timers.next, struct wss_timer,
		    link));
	if (r->handler->teardown != NULL) {
		api_enter(r);
		r->handler->teardown(r->state);
		api_leave(r);
	}
}

static struct wss_bytes
bytes(struct slice slice)
{
	return (struct wss_bytes){ slice.data, slice.len };
}

static struct wss_request
request_of(const struct wss_conn *c, const struct http_request *request)
{
	const struct slice *origin = http_header(request, "origin", 0);
	struct wss_request r = {
		.path = bytes(request->path),
		.query = bytes(request->query),
		.host = bytes(request->host),
		.subprotocol = c->subprotocol,
		.head = request,
	};

	if (origin != NULL)
		r.origin = bytes(*origin);
	return r;
}

static int
ask(struct wss_conn *c, const struct http_request *request,
    int (*handle)(struct wss_conn *, const struct wss_request *),
    struct err *reason)
{
	struct wss_request r = request_of(c, request);
	struct wss_route *route = c->route;
	int status;

	route->error = reason;
	api_enter(route);
	status = handle(c, &r);
	api_leave(route);
	route->error = NULL;
	return status;
}

int
api_open(struct wss_conn *c, const struct http_request *request,
    struct err *reason)
{
	if (c->route->handler->open == NULL)
		return 0;
	return ask(c, request, c->route->handler->open, reason);
}

int
api_get(struct wss_conn *c, const struct http_request *request,
    struct err *reason)
{
	return ask(c, request, c->route->handler->get, reason);
}

void
api_message(struct wss_conn *c, const struct ws_event *event)
{
	struct wss_message message = {
		.data = event->data,
		.len = event->len,
		.text = event->opcode == WS_TEXT,
	};

	if (c->route->handler->message == NULL)
		return;
	api_enter(c->route);
	c->route->handler->message(c, &message);
	api_leave(c->route);
}

void
api_writable(struct wss_conn *c)
{
	if (c->route->handler->writable == NULL)
		return;
	api_enter(c->route);
	c->route->handler->writable(c);
	api_leave(c->route);
}

void
api_closed(struct wss_conn *c)
{
	if (c->route->handler->closed == NULL)
		return;
	api_enter(c->route);
	c->route->handler->closed(c, c->close_code,
	    c->close_reason == NULL ? "" : c->close_reason,
	    c->close_reason_len);
	api_leave(c->route);
}

/* ---- sending ---------------------------------------------------------- */

/* The queue is full: what the route wants done with one message more. */
static enum wss_result
refuse_message(struct wss_conn *c)
{
	static const char reason[] = "the client does not read fast enough";
	struct metrics *m = c->worker->metrics;

	c->want_writable = true;
	sock_want_drained(&c->stream.sock);
	switch (c->route->config->slow_consumer) {
	case CONFIG_SLOW_PAUSE:
		return WSS_AGAIN;
	case CONFIG_SLOW_DROP_NEW:
		metrics_add(&m->slow_dropped, 1);
		return WSS_DROPPED;
	default:
		metrics_add(&m->slow_closed, 1);
		conn_log(c, "close %u %s", WS_CLOSE_POLICY, reason);
		conn_close(c, WS_CLOSE_POLICY, reason, strlen(reason));
		return WSS_CLOSED;
	}
}

static void
count_message_out(struct wss_conn *c, size_t len)
{
	struct worker *w = c->worker;

	c->message_ms = w->now_ms;
	c->messages_out++;
	c->bytes_out += len;
	metrics_add(&w->metrics->messages_out, 1);
	metrics_add(&w->metrics->bytes_out, (int64_t)len);
	metrics_add(&c->route->metrics->messages_out, 1);
	metrics_add(&c->route->metrics->bytes_out, (int64_t)len);
}

enum wss_result
wss_send(struct wss_conn *c, int text, const void *data, size_t len)
{
	size_t high;

	ASSERT(c->magic == CONN_MAGIC);
	if (c->state != CONN_OPEN && !c->in_open)
		return WSS_CLOSED;
	high = c->route->config->output_high;
	if (conn_queued(c) > high)
		return refuse_message(c);
	count_message_out(c, len);
	conn_put_message(c, text ? WS_TEXT : WS_BINARY, data, len);
	if (conn_queued(c) <= high)
		return WSS_OK;
	c->want_writable = true;
	sock_want_drained(&c->stream.sock);
	return WSS_FULL;
}

void
wss_close(struct wss_conn *c, unsigned code, const char *reason)
{
	ASSERT(c->magic == CONN_MAGIC);
	if (reason == NULL)
		reason = "";
	if (!ws_close_code_valid(code) && code != WS_CLOSE_NO_STATUS)
		code = WS_CLOSE_INTERNAL;
	conn_close(c, code, reason, strlen(reason));
}

void
wss_pause(struct wss_conn *c)
{
	ASSERT(c->magic == CONN_MAGIC);
	c->paused_by_handler = true;
	conn_update_reading(c);
}

void
wss_resume(struct wss_conn *c)
{
	ASSERT(c->magic == CONN_MAGIC);
	c->paused_by_handler = false;
	/* Its silence was not its fault: the time starts anew. */
	c->received_ms = c->worker->now_ms;
	conn_update_reading(c);
	if (c->state == CONN_OPEN)
		conn_set_timer(c);
}

/* ---- answering without a WebSocket ------------------------------------ */

void
wss_answer(struct wss_conn *c, unsigned status, const char *type,
    const char *fields, const void *body, size_t len)
{
	struct http_answer answer = { status, type, fields, len };

	ASSERT(c->magic == CONN_MAGIC);
	conn_put_answer(c, &answer, body);
}

/* ---- connections ------------------------------------------------------ */

uint64_t
wss_id(const struct wss_conn *c)
{
	return c->id;
}

struct wss_conn *
wss_find(struct wss_route *r, uint64_t id)
{
	struct wss_conn *c = conns_find(r->worker, id);

	return c != NULL && (c->state == CONN_OPEN ||
	    c->state == CONN_OPENING) ? c : NULL;
}

const char *
wss_address(const struct wss_conn *conn)
{
	struct wss_conn *c = conns_find(conn->worker, conn->id);
	char text[ADDR_TEXT_MAX];

	ASSERT(c == conn);
	if (c->address == NULL) {
		addr_format_client(&c->addr, text);
		c->address = xstrdup(text);
	}
	return c->address;
}

const struct wss_peer *
wss_peer(const struct wss_conn *conn)
{
	struct wss_conn *c = conns_find(conn->worker, conn->id);

	ASSERT(c == conn);
	return conn_peer(c);
}

const char *
wss_subprotocol(const struct wss_conn *c)
{
	return c->subprotocol;
}

void *
wss_state(const struct wss_conn *c)
{
	return c->route->state;
}

struct wss_route *
wss_conn_route(const struct wss_conn *c)
{
	return c->route;
}

void
wss_set_user(struct wss_conn *c, void *user)
{
	c->user = user;
}

void *
wss_user(const struct wss_conn *c)
{
	return c->user;
}

int
wss_secure(const struct wss_conn *c)
{
	return c->secure;
}

struct wss_bytes
wss_request_header(const struct wss_request *request, const char *name,
    size_t n)
{
	const struct slice *value = http_header(request->head, name, n);

	return value == NULL ? (struct wss_bytes){ NULL, 0 } : bytes(*value);
}

int
wss_request_field(const struct wss_request *request, size_t i,
    struct wss_bytes *name_out, struct wss_bytes *value_out)
{
	const struct http_request *head = request->head;

	if (i >= head->n_headers)
		return 0;
	*name_out = bytes(head->headers[i].name);
	*value_out = bytes(head->headers[i].value);
	return 1;
}

/* ---- the route -------------------------------------------------------- */

const char *
wss_option_value(const struct wss_route *r, const char *name)
{
	for (size_t i = 0; i < r->config->n_options; i++) {
		if (strcmp(r->config->options[i].name, name) == 0)
			return r->config->options[i].value;
	}
	return NULL;
}

int
wss_option_fd(const struct wss_route *r, const char *name)
{
	const struct setting *s = settings_find(SETTING_ROUTE, name);
	const char *path;

	if (r->files == NULL || s == NULL || (s->flags & SETTING_FILE) == 0)
		return -1;
	path = *(char *const *)(const void *)((const char *)r->config +
	    s->offset);
	return path == NULL ? -1 : files_fd(r->files, path);
}

const char *
wss_route_path(const struct wss_route *r)
{
	return r->config->path;
}

uint64_t
wss_setting(const struct wss_route *r, const char *key)
{
	const struct setting *s = settings_find(SETTING_ROUTE, key);
	const char *at;

	if (s == NULL)
		return 0;
	at = (const char *)r->config + s->offset;
	switch (s->type) {
	case SETTING_UINT:
	case SETTING_SIZE:
	case SETTING_DURATION:
	case SETTING_WORD:
		return *(const uint64_t *)(const void *)at;
	case SETTING_BOOL:
		return *(const bool *)(const void *)at;
	default:
		return 0;
	}
}

int
wss_error(struct wss_route *r, const char *fmt, ...)
{
	va_list ap;

	if (r->error == NULL)
		return -1;
	va_start(ap, fmt);
	vsnprintf(r->error->text, sizeof(r->error->text), fmt, ap);
	va_end(ap);
	return -1;
}

static void
on_timer(evutil_socket_t fd, short what, void *arg)
{
	struct wss_timer *timer = arg;
	struct wss_route *r = timer->route;
	void (*fn)(void *) = timer->fn;
	void *fn_arg = timer->arg;

	(void)fd;
	(void)what;
	worker_now(r->worker);
	wss_timer_stop(timer);
	api_enter(r);
	fn(fn_arg);
	api_leave(r);
}

struct wss_timer *
wss_timer_start(struct wss_route *r, uint64_t ms, void (*fn)(void *),
    void *arg)
{
	struct wss_timer *timer = xcalloc(1, sizeof(*timer));
	struct timeval after = {
		.tv_sec = (time_t)(ms / 1000),
		.tv_usec = (suseconds_t)(ms % 1000 * 1000),
	};

	timer->route = r;
	timer->fn = fn;
	timer->arg = arg;
	timer->event = evtimer_new(r->worker->base, on_timer, timer);
	evtimer_add(timer->event, &after);
	list_append(&r->timers, &timer->link);
	return timer;
}

void
wss_timer_stop(struct wss_timer *timer)
{
	if (timer == NULL)
		return;
	list_remove(&timer->link);
	event_free(timer->event);
	free(timer);
}

void
wss_log(struct wss_route *r, enum wss_level level, const char *fmt, ...)
{
	static const enum log_level levels[] = {
		[WSS_ERROR] = LOG_LEVEL_ERROR,
		[WSS_WARN] = LOG_LEVEL_WARN,
		[WSS_INFO] = LOG_LEVEL_INFO,
		[WSS_DEBUG] = LOG_LEVEL_DEBUG,
	};
	char text[1024];
	va_list ap;

	if ((unsigned)level > WSS_DEBUG)
		level = WSS_INFO;
	va_start(ap, fmt);
	vsnprintf(text, sizeof(text), fmt, ap);
	va_end(ap);
	log_at(levels[level], "route %s: %s", r->config->path, text);
}
