/* SPDX-License-Identifier: MIT */
/*
 * The part of <wssd/handler.h> that is about other servers: calls into
 * handlers, and what they call.
 */
#include <stdlib.h>
#include <string.h>

#include "common/alloc.h"
#include "common/assert.h"
#include "worker/api.h"
#include "worker/outbound.h"
#include "worker/worker.h"

/* ---- calls into handlers ---------------------------------------------- */

static struct wss_bytes
bytes(struct slice slice)
{
	return (struct wss_bytes){ slice.data, slice.len };
}

void
api_out_opened(struct wss_out *out, const struct http_response *r,
    struct slice subprotocol)
{
	char *chosen = subprotocol.len == 0 ? NULL :
	    xstrndup(subprotocol.data, subprotocol.len);
	struct wss_answer answer = { r->status, chosen, r };

	if (out->events != NULL && out->events->opened != NULL) {
		api_enter(out->route);
		out->events->opened(out, &answer);
		api_leave(out->route);
	}
	free(chosen);
}

void
api_out_refused(struct wss_out *out, const struct http_response *r)
{
	struct wss_answer answer = { r->status, NULL, r };
	const struct wss_out_events *events = out->events;

	out->events = NULL;
	if (events == NULL || events->failed == NULL)
		return;
	api_enter(out->route);
	events->failed(out, WSS_OUT_REFUSED, "", &answer);
	api_leave(out->route);
}

void
api_out_message(struct wss_out *out, const struct ws_event *event)
{
	struct wss_message message = {
		.data = event->data,
		.len = event->len,
		.text = event->opcode == WS_TEXT,
	};

	if (out->events == NULL || out->events->message == NULL)
		return;
	api_enter(out->route);
	out->events->message(out, &message);
	api_leave(out->route);
}

void
api_out_writable(struct wss_out *out)
{
	if (out->events == NULL || out->events->writable == NULL)
		return;
	api_enter(out->route);
	out->events->writable(out);
	api_leave(out->route);
}

void
api_out_over(struct wss_out *out)
{
	const struct wss_out_events *events = out->events;

	out->events = NULL;
	if (events == NULL)
		return;
	api_enter(out->route);
	if (out->was_open && events->closed != NULL)
		events->closed(out, out->close_code, out->close_reason,
		    out->close_reason_len);
	else if (!out->was_open && events->failed != NULL)
		events->failed(out, out->failure, out->close_reason, NULL);
	api_leave(out->route);
}

/* ---- what they call --------------------------------------------------- */

size_t
wss_upstreams(const struct wss_route *r)
{
	return r->config->upstream.n;
}

const char *
wss_upstream(const struct wss_route *r, size_t n)
{
	ASSERT(n < r->config->upstream.n);
	return r->config->upstreams[n].url;
}

const char *
wss_upstream_path(const struct wss_route *r, size_t n)
{
	ASSERT(n < r->config->upstream.n);
	return r->config->upstreams[n].path;
}

int
wss_answer_field(const struct wss_answer *answer, size_t i,
    struct wss_bytes *name_out, struct wss_bytes *value_out)
{
	const struct http_response *head = answer->head;

	if (i >= head->n_headers)
		return 0;
	*name_out = bytes(head->headers[i].name);
	*value_out = bytes(head->headers[i].value);
	return 1;
}

/* Nothing in it ends a line early. */
static bool
is_clean(const char *text, bool blanks)
{
	for (const char *p = text; *p != '\0'; p++)
		if ((unsigned char)*p < ' ' + !blanks || *p == 0x7f)
			return false;
	return true;
}

/* Whole lines, each with its CRLF. */
static bool
are_fields(const char *text)
{
	struct http_refusal refusal;
	size_t len = strlen(text);

	return len == 0 || (len > 2 && text[len - 1] == '\n' &&
	    http_check_lines((const uint8_t *)text, len, &refusal) == 0 &&
	    strstr(text, "\r\n\r\n") == NULL && text[0] != '\r');
}

struct wss_out *
wss_dial(struct wss_route *r, const struct wss_dial *dial,
    const struct wss_out_events *events, void *user)
{
	const struct upstream *u;
	const char *host, *fields = dial->fields == NULL ? "" : dial->fields;
	const char *offered = dial->subprotocols == NULL ? "" :
	    dial->subprotocols;
	struct buf request = BUF_INIT;

	ASSERT(dial->upstream < r->config->upstream.n);
	u = &r->config->upstreams[dial->upstream];
	host = dial->host != NULL ? dial->host : u->authority;
	if (dial->target[0] != '/' || !is_clean(dial->target, false) ||
	    !is_clean(host, false) || !is_clean(offered, true) ||
	    !are_fields(fields))
		return NULL;
	buf_printf(&request, "GET %s HTTP/1.1\r\nHost: %s\r\n%s",
	    dial->target, host, fields);
	return outbound_new(r->worker->outbounds, r, u, &request, offered,
	    events, user);
}

void *
wss_out_user(const struct wss_out *out)
{
	return out->user;
}

enum wss_result
wss_out_send(struct wss_out *out, int text, const void *data, size_t len)
{
	size_t high = out->route->config->output_high;

	ASSERT(out->magic == OUT_MAGIC);
	if (out->state != OUT_OPEN)
		return WSS_CLOSED;
	if (outbound_queued(out) > high) {
		out->want_writable = true;
		return WSS_AGAIN;
	}
	outbound_put_frame(out, text ? WS_TEXT : WS_BINARY, data, len);
	if (outbound_queued(out) <= high)
		return WSS_OK;
	out->want_writable = true;
	return WSS_FULL;
}

size_t
wss_out_queued(const struct wss_out *out)
{
	return out->was_open ? out->left : outbound_queued(out);
}

void
wss_out_pause(struct wss_out *out)
{
	ASSERT(out->magic == OUT_MAGIC);
	out->paused = true;
	outbound_update_reading(out);
}

void
wss_out_resume(struct wss_out *out)
{
	ASSERT(out->magic == OUT_MAGIC);
	out->paused = false;
	/* Its silence was not its fault: the time starts anew. */
	out->received_ms = out->owner->worker->now_ms;
	outbound_update_reading(out);
	if (out->input_held)
		outbound_mark_dirty(out);
}

void
wss_out_close(struct wss_out *out, unsigned code, const char *reason,
    size_t reason_len)
{
	ASSERT(out->magic == OUT_MAGIC);
	if (!ws_close_code_valid(code) && code != WS_CLOSE_NO_STATUS)
		code = WS_CLOSE_INTERNAL;
	outbound_close(out, code, reason, reason_len);
}

void
wss_out_drop(struct wss_out *out)
{
	ASSERT(out->magic == OUT_MAGIC);
	out->events = NULL;
	list_remove(&out->ended);
	if (out->state != OUT_LINGER)
		outbound_set_state(out, OUT_DEAD);
}
