/* SPDX-License-Identifier: MIT */
/* Who a client is, by its certificate: what wss_peer() gives to handlers. */
#ifndef WSSD_WORKER_TLS_PEER_H
#define WSSD_WORKER_TLS_PEER_H

#include <openssl/ssl.h>
#include <wssd/handler.h>

/* Of each string; what is longer is cut. */
#define TLS_PEER_TEXT_MAX 1024
#define TLS_PEER_NAMES_MAX 64

/* NULL: it has shown none, or it was not checked. */
struct wss_peer *tls_peer_new(const SSL *);
/* The same from a certificate, for tests. */
struct wss_peer *tls_peer_of(X509 *);
void tls_peer_free(struct wss_peer *);

#endif
