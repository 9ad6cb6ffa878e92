/* SPDX-License-Identifier: MIT */
/*
 * Owns nothing: has llhttp take the fields of a head apart, a request's or a
 * response's, into slices of it.  Runs in the worker.  Must never take a
 * name that is no token.
 */
#include <llhttp.h>

#include "worker/http.h"

/* What the callbacks of llhttp fill in. */
struct fields {
	struct http_header *headers;
	size_t max, n;
	bool too_many;
	bool complete;
};

/*
 * The head is given at once, so a name and a value are one span each.
 */
static int
on_name(llhttp_t *parser, const char *at, size_t len)
{
	struct fields *f = parser->data;
	struct http_header *h;

	if (f->n >= f->max) {
		f->too_many = true;
		return HPE_USER;
	}
	h = &f->headers[f->n++];
	h->name = (struct slice){ at, len };
	h->value = (struct slice){ at + len, 0 };
	return 0;
}

static int
on_value(llhttp_t *parser, const char *at, size_t len)
{
	struct fields *f = parser->data;

	f->headers[f->n - 1].value = slice_trim((struct slice){ at, len });
	return 0;
}

/* The body of a response, if there is one, is nobody's business. */
static int
on_headers_complete(llhttp_t *parser)
{
	((struct fields *)parser->data)->complete = true;
	return parser->type == HTTP_RESPONSE ? HPE_PAUSED : 0;
}

static const llhttp_settings_t callbacks = {
	.on_header_field = on_name,
	.on_header_value = on_value,
	.on_headers_complete = on_headers_complete,
};

int
http_take_fields(enum http_kind kind, struct slice head, size_t max,
    struct http_header *headers, size_t *n_out, struct http_refusal *refusal)
{
	struct fields f = { .headers = headers, .max = max };
	bool is_request = kind == HTTP_KIND_REQUEST;
	llhttp_errno_t result;
	llhttp_t parser;

	if (f.max > HTTP_HEADERS_MAX)
		f.max = HTTP_HEADERS_MAX;
	llhttp_init(&parser, is_request ? HTTP_REQUEST : HTTP_RESPONSE,
	    &callbacks);
	parser.data = &f;
	result = llhttp_execute(&parser, head.data, head.len);
	if (f.too_many)
		return http_refuse(refusal, 431,
		    "more than %zu header fields", f.max);
	/* It also pauses behind every request that asks to upgrade. */
	if (!f.complete || (result != HPE_OK && result != HPE_PAUSED &&
	    result != HPE_PAUSED_UPGRADE))
		return http_refuse(refusal, 400, "malformed %s (%s)",
		    is_request ? "request head" : "head",
		    llhttp_errno_name(result));
	for (size_t i = 0; i < f.n; i++)
		if (!http_is_token(headers[i].name))
			return http_refuse(refusal, 400,
			    "malformed name of a header field");
	*n_out = f.n;
	return 0;
}
