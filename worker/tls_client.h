/* SPDX-License-Identifier: MIT */
/* TLS to an upstream: this side is the client, and believes nobody. */
#ifndef WSSD_WORKER_TLS_CLIENT_H
#define WSSD_WORKER_TLS_CLIENT_H

#include <openssl/ssl.h>
#include <stdbool.h>

#include "common/config.h"
#include "common/err.h"
#include "common/files.h"

/* With the route's CAs, whose file must be among the files.  NULL: err. */
SSL_CTX *tls_client_ctx_new(const struct config_route *,
    const struct files *, struct err *);

/*
 * Makes a fresh SSL that of a client: the host is asked for (SNI) and must
 * be a name, or the address, in the certificate.
 */
void tls_client_start(SSL *, const char *host);

/* Why its handshake failed, in the words of who operates the proxy. */
void tls_client_explain(SSL *, bool hung_up, struct err *);

#endif
