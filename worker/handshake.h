/* SPDX-License-Identifier: MIT */
/*
 * The opening handshake of RFC 6455 §4.2, server side, on a head that
 * http_parse() took apart.  Pure: no socket, no log, no allocation but that
 * of the struct buf the answer is put into.
 */
#ifndef WSSD_WORKER_HANDSHAKE_H
#define WSSD_WORKER_HANDSHAKE_H

#include "worker/extensions.h"
#include "worker/http.h"

#define HANDSHAKE_ACCEPT_LEN 28	/* base64 of a SHA-1 */

/* What the route asks for; the strings are the route's. */
struct handshake_rules {
	/*
	 * None = any.  "*" is any, too; "https://example.org:8443" is itself,
	 * ignoring case; with "*." right behind the slashes it stands for
	 * one or more labels there; "null" is what sandboxed pages send.
	 * Browsers leave out the default port and any trailing slash.
	 */
	const char *const *origins;
	size_t n_origins;
	const char *const *subprotocols; /* in the server's preference */
	size_t n_subprotocols;
	struct extension_rules extensions;
};

struct handshake {
	char accept[HANDSHAKE_ACCEPT_LEN + 1];
	const char *subprotocol;	/* one of the route's, or NULL */
	struct ws_deflate_params deflate;	/* may still be made shared:
					   ws_deflate_share() */
};

/* Does the request ask for a WebSocket at all? */
bool handshake_asked(const struct http_request *);

/*
 * All of §4.2.1 and the route's rules.  -1: *refusal_out is the answer:
 * 405 (not GET), 426 (no upgrade to websocket asked for, or a version other
 * than exactly "13"), 400 (Connection without upgrade; key, version or
 * Origin more than once; a key that is not base64 of 16 bytes, though its
 * unused bits are not looked at; subprotocols that are no tokens, offered
 * twice or more than 64; extension offers that break their grammar), 403
 * (an Origin that is not on the list; a missing Origin comes from no
 * browser and is let through).  A client that offers only subprotocols the
 * route does not have gets none (§4.2.2 /subprotocol/), the connection is
 * made.  So it is with extensions: see extensions.h.
 */
int handshake_check(const struct http_request *,
    const struct handshake_rules *, struct handshake *handshake_out,
    struct http_refusal *refusal_out);

/* The 101 answer. */
void handshake_response_put(struct buf *, const struct handshake *);

/* §4.2.2 item 5.4; key: the 24 bytes of Sec-WebSocket-Key (asserted). */
void handshake_accept(struct slice key,
    char out[HANDSHAKE_ACCEPT_LEN + 1]);

#endif
