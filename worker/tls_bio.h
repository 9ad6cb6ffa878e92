/* SPDX-License-Identifier: MIT */
/*
 * The BIO between an SSL and its sock: it reads the ciphertext that the turn
 * received, and its writes gather in the arena that the turn sends.
 */
#ifndef WSSD_WORKER_TLS_BIO_H
#define WSSD_WORKER_TLS_BIO_H

#include <openssl/bio.h>

#include "common/err.h"
#include "worker/transport.h"

/* One a worker; outlives all its BIOs. */
BIO_METHOD *tls_bio_method_new(void);
void tls_bio_method_free(BIO_METHOD *);

/* A BIO on sock, which must outlive it.  It does not close the sock. */
BIO *tls_bio_new(BIO_METHOD *, struct sock *);

#endif
