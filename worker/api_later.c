/* SPDX-License-Identifier: MIT */
/*
 * The part of <wssd/handler.h> that is about an `open` whose answer comes
 * later.  Owns nothing: the connection keeps what is needed (upgrade.c).
 */
#include "common/assert.h"
#include "worker/conn_parts.h"
#include "worker/opening.h"

#define FIELDS_MAX 16384	/* bytes of header a handler may add */

void
wss_accept(struct wss_conn *c, const char *subprotocol)
{
	ASSERT(c->magic == CONN_MAGIC);
	if (c->state == CONN_OPENING)
		opening_accept(c, subprotocol);
}

void
wss_refuse(struct wss_conn *c, unsigned status)
{
	struct http_refusal refusal;

	ASSERT(c->magic == CONN_MAGIC);
	if (c->state != CONN_OPENING)
		return;
	c->refused_by_handler = true;
	if (status < 300 || status > 599)
		status = 500;
	http_refuse(&refusal, status, "%s", status == 502 ?
	    "the server behind this one cannot be reached" : status == 504 ?
	    "the server behind this one does not answer" :
	    "the handler of this path has refused the request");
	conn_refuse(c, &refusal);
}

static bool
is_clean(struct wss_bytes b)
{
	for (size_t i = 0; i < b.len; i++)
		if (((unsigned char)b.data[i] < ' ' && b.data[i] != '\t') ||
		    b.data[i] == 0x7f)
			return false;
	return true;
}

void
wss_answer_header(struct wss_conn *c, struct wss_bytes name,
    struct wss_bytes value)
{
	struct buf *fields;

	ASSERT(c->magic == CONN_MAGIC);
	if (c->state != CONN_OPENING || !is_clean(value) ||
	    !http_is_token((struct slice){ name.data, name.len }))
		return;
	fields = &c->opening->fields;
	if (fields->len + name.len + value.len > FIELDS_MAX)
		return;
	buf_put(fields, name.data, name.len);
	buf_put(fields, ": ", 2);
	buf_put(fields, value.data, value.len);
	buf_put(fields, "\r\n", 2);
}
