/* SPDX-License-Identifier: MIT */
/*
 * A request, from its first byte to the answer: where its head ends, what
 * is in it, and what is said to it.
 */
#include <stdio.h>
#include <stdlib.h>

#include "tests/fuzz/fuzz.h"
#include "worker/handshake.h"

static const char *const subprotocols[] = { "chat.v2", "chat.v1" };
static const char *const origins[] = { "https://example.org",
	"https://*.example.net", "null" };
static const struct handshake_rules rules = {
	origins, 3, subprotocols, 2, { true, true, 12, 5 }
};

/* Byte by byte it ends at the same place. */
static size_t
head_length(const uint8_t *data, size_t len)
{
	size_t scanned = 0, nibbled = 0, n = HTTP_MORE, whole;

	whole = http_head_length(data, len, &scanned);
	for (size_t i = 1; i <= len && n == HTTP_MORE; i++) {
		n = http_head_length(data, i, &nibbled);
		ASSERT(n <= i);
	}
	ASSERT(n == whole);
	return n;
}

/* What was let through: nothing that another server could read otherwise. */
static void
check_request(const struct http_request *req, const uint8_t *head,
    size_t len)
{
	ASSERT(req->n_headers <= 50 && http_is_token(req->method));
	ASSERT(req->path.len > 0 && req->path.data[0] == '/');
	ASSERT(memchr(req->target.data, '#', req->target.len) == NULL);
	check_inside(req->target.data, req->target.len, head, len);
	check_inside(req->path.data, req->path.len, head, len);
	check_inside(req->query.data, req->query.len, head, len);
	check_inside(req->host.data, req->host.len, head, len);
	ASSERT(http_header(req, "host", 0) != NULL);
	ASSERT(http_header(req, "host", 1) == NULL);
	ASSERT(http_header(req, "transfer-encoding", 0) == NULL);
	for (size_t i = 0; i < req->n_headers; i++) {
		const struct http_header *h = &req->headers[i];

		ASSERT(http_is_token(h->name));
		check_inside(h->name.data, h->name.len, head, len);
		check_inside(h->value.data, h->value.len, head, len);
		for (size_t k = 0; k < h->value.len; k++) {
			uint8_t c = (uint8_t)h->value.data[k];

			ASSERT((c >= ' ' && c != 0x7f) || c == '\t');
		}
	}
}

/* An answer is lines of printable ASCII, with one empty line at its end. */
static void
check_answer(const struct buf *answer)
{
	size_t scanned = 0, head = http_head_length(answer->data, answer->len,
	    &scanned);

	ASSERT(head != HTTP_MORE);
	ASSERT(memcmp(answer->data, "HTTP/1.1 ", 9) == 0);
	for (size_t i = 0; i < answer->len; i++) {
		uint8_t c = answer->data[i];

		ASSERT((c >= ' ' && c < 0x7f) || c == '\r' || c == '\n');
		ASSERT(c != '\n' || i >= head || answer->data[i - 1] == '\r');
	}
}

static void
check_refusal(const struct http_refusal *refusal)
{
	struct buf answer = BUF_INIT;

	ASSERT(refusal->status >= 400 && refusal->status <= 599);
	ASSERT(refusal->reason[0] != '\0');
	http_refusal_put(&answer, refusal);
	check_answer(&answer);
	buf_done(&answer);
}

static void
check_handshake(const struct http_request *req)
{
	struct http_refusal refusal = { 0 };
	struct buf answer = BUF_INIT;
	struct handshake hs;

	if (handshake_check(req, &rules, &hs, &refusal) == -1) {
		check_refusal(&refusal);
		return;
	}
	ASSERT(slice_equal(req->method, "GET"));
	ASSERT(slice_equal(*http_header(req, "Sec-WebSocket-Version", 0),
	    "13"));
	ASSERT(strlen(hs.accept) == HANDSHAKE_ACCEPT_LEN);
	ASSERT(!hs.deflate.agreed ||
	    http_header(req, "Sec-WebSocket-Extensions", 0) != NULL);
	ASSERT(hs.subprotocol == NULL ||
	    http_header(req, "Sec-WebSocket-Protocol", 0) != NULL);
	handshake_response_put(&answer, &hs);
	check_answer(&answer);
	buf_done(&answer);
}

int
LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	struct http_refusal refusal = { 0 };
	struct http_request *req;
	size_t n = head_length(data, size);
	uint8_t *head;

	if (n == HTTP_MORE)
		return 0;
	head = exact_copy(data, n);
	req = xmalloc(sizeof(*req));
	if (http_parse(head, n, 50, req, &refusal) == 0) {
		check_request(req, head, n);
		check_handshake(req);
	} else {
		check_refusal(&refusal);
	}
	free(req);
	free(head);
	return 0;
}
