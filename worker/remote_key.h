/* SPDX-License-Identifier: MIT */
/*
 * A private key that is not here: an EVP_PKEY which has the public half, and
 * asks the signer when something is to be signed.  RSA, EC and Ed25519.
 */
#ifndef WSSD_WORKER_REMOTE_KEY_H
#define WSSD_WORKER_REMOTE_KEY_H

#include <openssl/evp.h>
#include <openssl/x509.h>

#include "common/err.h"

struct remote_keys;
struct signing;
struct tls_build;

/* What makes such keys: one a worker, which outlives all of them. */
struct remote_keys *remote_keys_new(void);
void remote_keys_free(struct remote_keys *);

struct remote_signer {
	struct remote_keys *keys;
	struct signing *signing;	/* who is asked */
};

/*
 * The key of that certificate, of the build's signer, for use inside an
 * ASYNC_JOB (SSL_MODE_ASYNC): the job pauses until the answer is there, and
 * then calls the callback of its wait context (SSL_set_async_callback).  It
 * holds a reference to the signing.
 */
EVP_PKEY *remote_key_new(const struct tls_build *, const X509 *leaf,
    const char *cert_path, struct err *);

#endif
