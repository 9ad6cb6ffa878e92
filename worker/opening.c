/* SPDX-License-Identifier: MIT */
/* Owns what is kept of a request whose answer the handler gives later. */
#include "worker/opening.h"

#include <stdlib.h>
#include <string.h>

#include "common/alloc.h"
#include "worker/conn.h"

void
opening_request(const struct opening *o, struct http_request *out)
{
	memset(out, 0, sizeof(*out));
	out->host = (struct slice){ (const char *)o->host.data, o->host.len };
	out->path = (struct slice){ (const char *)o->path.data, o->path.len };
}

void
opening_put_fields(const struct opening *o, struct buf *answer)
{
	const uint8_t *lf = memchr(answer->data, '\n', answer->len);
	size_t line = (size_t)(lf + 1 - answer->data);
	struct buf all = BUF_INIT;

	/* Behind the status line. */
	buf_put(&all, answer->data, line);
	buf_put(&all, o->fields.data, o->fields.len);
	buf_put(&all, answer->data + line, answer->len - line);
	buf_done(answer);
	*answer = all;
}

void
opening_begin(struct wss_conn *c, const struct http_request *request,
    const struct handshake *hs)
{
	struct opening *o = xcalloc(1, sizeof(*o));

	conn_unput(c);
	o->handshake = *hs;
	buf_put(&o->host, request->host.data, request->host.len);
	buf_put(&o->path, request->path.data, request->path.len);
	c->opening = o;
	conn_set_state(c, CONN_OPENING);
	if (c->close_in_open)
		conn_close(c, c->close_code, "", 0);
}

void
opening_accept(struct wss_conn *c, const char *subprotocol)
{
	struct opening *o = c->opening;
	struct http_request request;
	struct buf answer = BUF_INIT;

	if (subprotocol != NULL)
		c->own_subprotocol = xstrdup(subprotocol);
	c->subprotocol = o->handshake.subprotocol = c->own_subprotocol;
	handshake_response_put(&answer, &o->handshake);
	opening_put_fields(o, &answer);
	conn_put_bytes(c, answer.data, answer.len);
	buf_done(&answer);
	opening_request(o, &request);
	conn_become_open(c, &request);
}

void
opening_free(struct opening *o)
{
	buf_done(&o->fields);
	buf_done(&o->host);
	buf_done(&o->path);
	free(o);
}
