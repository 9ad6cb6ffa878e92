/* SPDX-License-Identifier: MIT */
/*
 * The BIO between OpenSSL and the socks of a worker: it reads the ciphertext
 * that the turn received, and its writes gather in the arena that the turn
 * sends.
 *
 * One BIO for all SSLs: OpenSSL does nothing with it on its own, so whoever
 * calls OpenSSL says before on which sock it is to read and write.  A BIO for
 * each SSL took 208 bytes a connection, and two lines of the cache a message
 * (measured).
 */
#ifndef WSSD_WORKER_TLS_BIO_H
#define WSSD_WORKER_TLS_BIO_H

#include <openssl/ssl.h>

#include "worker/transport.h"

/* One a worker. */
struct tls_bio {
	BIO_METHOD *method;
	BIO *bio;
	struct sock *sock;		/* of the call that runs, else NULL */
};

void tls_bio_init(struct tls_bio *);
/* Once all SSLs are freed: they, too, hold the BIO. */
void tls_bio_done(struct tls_bio *);

/* The SSL reads and writes through it.  It closes no sock. */
void tls_bio_attach(struct tls_bio *, SSL *);

/*
 * Around each call of OpenSSL or libevent that may read or write; in between
 * every BIO_read() and BIO_write() fails.
 */
static inline void
tls_bio_begin(struct tls_bio *b, struct sock *sock)
{
	b->sock = sock;
}

static inline void
tls_bio_end(struct tls_bio *b)
{
	b->sock = NULL;
}

#endif
