/* SPDX-License-Identifier: MIT */
/*
 * Owns nothing: takes the caller's bytes apart into slices of themselves.
 * Runs in the worker.  Must never take something for a WebSocket that the
 * server did not mean as an answer to this very request.
 */
#include "worker/http_response.h"

#include <openssl/evp.h>
#include <string.h>

/* HTTP-version SP status-code SP [ reason-phrase ]: RFC 9112 §4. */
static int
take_status_line(const uint8_t *head, size_t len, struct http_response *r,
    struct err *err)
{
	const uint8_t *code = head + strlen("HTTP/1.1 ");

	if (len < strlen("HTTP/1.1 101\r") ||
	    (memcmp(head, "HTTP/1.1 ", 9) != 0 &&
	    memcmp(head, "HTTP/1.0 ", 9) != 0))
		return err_set(err, "no answer in HTTP/1.1");
	r->http_1_0 = head[7] == '0';
	r->status = 0;
	for (size_t i = 0; i < 3; i++) {
		if (code[i] < '0' || code[i] > '9')
			return err_set(err, "malformed status");
		r->status = r->status * 10 + (unsigned)(code[i] - '0');
	}
	/* Some leave out the blank in front of an empty reason. */
	if (r->status < 100 || r->status > 599 ||
	    (code[3] != ' ' && code[3] != '\r'))
		return err_set(err, "malformed status");
	return 0;
}

int
http_parse_response(const uint8_t *head, size_t len,
    struct http_response *r, struct err *err)
{
	struct http_refusal refusal;
	size_t scanned = 0;

	if (len == HTTP_MORE || http_head_length(head, len, &scanned) != len)
		return err_set(err, "malformed head");
	if (http_check_lines(head, len, &refusal) != 0)
		return err_set(err, "%s", refusal.reason);
	if (take_status_line(head, len, r, err) != 0)
		return -1;
	r->n_headers = 0;
	if (http_take_fields(HTTP_KIND_RESPONSE,
	    (struct slice){ (const char *)head, len }, HTTP_HEADERS_MAX,
	    r->headers, &r->n_headers, &refusal) != 0)
		return err_set(err, "%s", refusal.reason);
	return 0;
}

const struct slice *
http_response_header(const struct http_response *r, const char *name,
    size_t n)
{
	for (size_t i = 0; i < r->n_headers; i++)
		if (slice_equal_nocase(r->headers[i].name, name) && n-- == 0)
			return &r->headers[i].value;
	return NULL;
}

static bool
has_word(const struct http_response *r, const char *name, const char *word)
{
	const struct slice *value;
	struct slice rest, element;

	for (size_t i = 0;
	     (value = http_response_header(r, name, i)) != NULL; i++)
		for (rest = *value; http_list_next(&rest, &element);)
			if (slice_equal_nocase(element, word))
				return true;
	return false;
}

/* Item 6 of §4.1; and at most one field: §11.3.4. */
static int
take_subprotocol(const struct http_response *r, const char *offered,
    struct slice *subprotocol_out, struct err *err)
{
	const struct slice *chosen = http_response_header(r,
	    "Sec-WebSocket-Protocol", 0);
	struct slice rest = { offered, strlen(offered) }, element;

	*subprotocol_out = (struct slice){ offered, 0 };
	if (chosen == NULL)
		return 0;
	if (http_response_header(r, "Sec-WebSocket-Protocol", 1) != NULL)
		return err_set(err, "more than one Sec-WebSocket-Protocol");
	while (http_list_next(&rest, &element)) {
		if (element.len == chosen->len && memcmp(element.data,
		    chosen->data, element.len) == 0) {
			*subprotocol_out = element;
			return 0;
		}
	}
	return err_set(err, "a subprotocol that was not offered");
}

int
http_check_upgrade(const struct http_response *r,
    const char key[HTTP_KEY_LEN + 1], const char *offered,
    struct slice *subprotocol_out, struct err *err)
{
	const struct slice *accept = http_response_header(r,
	    "Sec-WebSocket-Accept", 0);
	char wanted[HANDSHAKE_ACCEPT_LEN + 1];
	const struct slice *extensions;

	if (r->http_1_0)
		return err_set(err, "101 in HTTP/1.0");
	/* Items 1 to 4; an answer that has several is no proper one. */
	if (!has_word(r, "Upgrade", "websocket"))
		return err_set(err, "101 without Upgrade: websocket");
	if (!has_word(r, "Connection", "upgrade"))
		return err_set(err, "101 without Connection: upgrade");
	if (accept == NULL ||
	    http_response_header(r, "Sec-WebSocket-Accept", 1) != NULL)
		return err_set(err, "101 without exactly one "
		    "Sec-WebSocket-Accept");
	handshake_accept((struct slice){ key, HTTP_KEY_LEN }, wanted);
	if (!slice_equal(*accept, wanted))
		return err_set(err, "wrong Sec-WebSocket-Accept");
	/* Item 5: none was offered. */
	extensions = http_response_header(r, "Sec-WebSocket-Extensions", 0);
	if (extensions != NULL && extensions->len > 0)
		return err_set(err, "an extension that was not offered");
	return take_subprotocol(r, offered, subprotocol_out, err);
}

void
http_make_key(const uint8_t random[16], char key_out[HTTP_KEY_LEN + 1])
{
	EVP_EncodeBlock((unsigned char *)key_out, random, 16);
}

void
http_upgrade_fields_put(struct buf *out, const char key[HTTP_KEY_LEN + 1],
    const char *offered)
{
	buf_printf(out,
	    "Upgrade: websocket\r\n"
	    "Connection: Upgrade\r\n"
	    "Sec-WebSocket-Key: %s\r\n"
	    "Sec-WebSocket-Version: 13\r\n", key);
	if (offered[0] != '\0')
		buf_printf(out, "Sec-WebSocket-Protocol: %s\r\n", offered);
	buf_printf(out, "\r\n");
}
