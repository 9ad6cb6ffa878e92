/* SPDX-License-Identifier: MIT */
/*
 * What another server answers to a request for a WebSocket: it is an answer
 * to this very request, or refused.
 */
#include <stdlib.h>

#include "tests/fuzz/fuzz.h"
#include "worker/http_response.h"

static const char key[] = "dGhlIHNhbXBsZSBub25jZQ==";
static const char accept_value[] = "s3pPLMBiTxaQ9kYGzzhZRbK+xOo=";
static const char offered[] = "chat.v2, chat.v1";

static void
check_fields(const struct http_response *r, const uint8_t *head, size_t len)
{
	ASSERT(r->status >= 100 && r->status <= 599);
	ASSERT(r->n_headers <= HTTP_HEADERS_MAX);
	for (size_t i = 0; i < r->n_headers; i++) {
		const struct http_header *h = &r->headers[i];

		ASSERT(http_is_token(h->name));
		check_inside(h->name.data, h->name.len, head, len);
		check_inside(h->value.data, h->value.len, head, len);
	}
}

static void
check_upgrade(const struct http_response *r)
{
	struct slice subprotocol;
	struct err err = ERR_INIT;

	if (http_check_upgrade(r, key, offered, &subprotocol, &err) != 0) {
		ASSERT(err.text[0] != '\0');
		return;
	}
	ASSERT(!r->http_1_0);
	ASSERT(slice_equal(*http_response_header(r, "Sec-WebSocket-Accept",
	    0), accept_value));
	ASSERT(http_response_header(r, "Sec-WebSocket-Accept", 1) == NULL);
	ASSERT(subprotocol.len == 0 || slice_equal(subprotocol, "chat.v1") ||
	    slice_equal(subprotocol, "chat.v2"));
}

int
LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	struct err err = ERR_INIT;
	struct http_response *r;
	size_t scanned = 0, len = http_head_length(data, size, &scanned);
	uint8_t *head;

	if (len == HTTP_MORE)
		return 0;
	head = exact_copy(data, len);
	r = xmalloc(sizeof(*r));
	if (http_parse_response(head, len, r, &err) == 0) {
		check_fields(r, head, len);
		check_upgrade(r);
	} else {
		ASSERT(err.text[0] != '\0');
	}
	free(r);
	free(head);
	return 0;
}
