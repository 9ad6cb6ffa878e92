/* SPDX-License-Identifier: MIT */
/*
 * The URL of a WebSocket server behind this one, taken apart:
 *
 *	ws://127.0.0.1:8282/path	TCP
 *	wss://app.example.org		TLS over TCP, port 443
 *	ws+unix:/run/app.sock:/path	a unix socket; a path behind a colon
 *
 * Pure: nothing is looked up, nothing is connected.
 */
#ifndef WSSD_COMMON_UPSTREAM_H
#define WSSD_COMMON_UPSTREAM_H

#include <stdbool.h>
#include <stdint.h>

#include "common/addr.h"
#include "common/err.h"

#define UPSTREAM_URL_MAX 512	/* bytes of a URL */

struct upstream {
	char *url;		/* as written */
	bool tls;
	bool is_unix;
	bool is_name;		/* of a host, which must be looked up */
	/*
	 * Where a socket is connected to, the same for all URLs that mean the
	 * same: "127.0.0.1:8282", "app.example.org:443", "/run/app.sock".
	 */
	char *endpoint;
	char *host;		/* for SNI and the certificate; without the
				   brackets; "localhost" for a unix socket */
	char *authority;	/* for Host: the port only where it is not the
				   scheme's */
	char *path;		/* "/path", or "" when the URL has none */
	struct addr addr;	/* neither a name nor a unix socket */
	uint16_t port;
};

/* On failure *upstream_out holds nothing, and err says what to write. */
int upstream_parse(const char *url, struct upstream *upstream_out,
    struct err *);
void upstream_done(struct upstream *);

#endif
