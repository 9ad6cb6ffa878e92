/* SPDX-License-Identifier: MIT */
/*
 * Session tickets (RFC 5077, RFC 8446 section 4.6.1) under the keys that the
 * master hands to every worker, so that a client is known wherever it comes
 * back.
 */
#ifndef WSSD_WORKER_TLS_TICKET_H
#define WSSD_WORKER_TLS_TICKET_H

#include <openssl/ssl.h>
#include <stdbool.h>

#include "common/proto.h"

/* The keys are those of the struct tls_ctx that a connection has chosen. */
void tls_ticket_install(SSL_CTX *);

/*
 * As long as there are no keys no tickets are given.
 * What SSL_CTX_set_tlsext_ticket_key_evp_cb(3) says its callback does; tls13:
 * a ticket that was used is always replaced.
 */
int tls_ticket_key(const struct proto_tickets *, unsigned char *name,
    unsigned char *iv, EVP_CIPHER_CTX *, EVP_MAC_CTX *, bool encrypt,
    bool tls13);

#endif
