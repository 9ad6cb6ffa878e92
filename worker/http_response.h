/* SPDX-License-Identifier: MIT */
/*
 * The head of one HTTP/1.1 response (RFC 9112 §4), and whether it makes a
 * WebSocket (RFC 6455 §4.1), as a client sees it; and the request before it.
 * A server may lie: it is read as strictly as a client is.  Pure: no socket,
 * no log, no allocation but that of the struct buf the request is put into.
 */
#ifndef WSSD_WORKER_HTTP_RESPONSE_H
#define WSSD_WORKER_HTTP_RESPONSE_H

#include "common/err.h"
#include "worker/handshake.h"
#include "worker/http.h"

#define HTTP_KEY_LEN 24		/* of Sec-WebSocket-Key */

struct http_response {
	unsigned status;	/* 100 to 599 */
	bool http_1_0;		/* good enough to refuse with */
	size_t n_headers;
	struct http_header headers[HTTP_HEADERS_MAX];
};

/*
 * Takes a whole head apart: len is what http_head_length() said.  -1: err
 * says what is wrong with it, without a byte of the peer.
 */
int http_parse_response(const uint8_t *head, size_t len,
    struct http_response *response_out, struct err *);

/* The n-th (from 0) field of that name, ignoring case, or NULL. */
const struct slice *http_response_header(const struct http_response *,
    const char *name, size_t n);

/*
 * A response with status 101 against all of §4.1.  offered: the subprotocols
 * of the request, with commas between them, or "".  0: *subprotocol_out is
 * the server's choice, empty for none.
 */
int http_check_upgrade(const struct http_response *,
    const char key[HTTP_KEY_LEN + 1], const char *offered,
    struct slice *subprotocol_out, struct err *);

/* The key of 16 random bytes. */
void http_make_key(const uint8_t random[16], char key_out[HTTP_KEY_LEN + 1]);

/*
 * Puts the fields that make a request one for a WebSocket, and its end;
 * offered is as above.
 */
void http_upgrade_fields_put(struct buf *, const char key[HTTP_KEY_LEN + 1],
    const char *offered);

#endif
