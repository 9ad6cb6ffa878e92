/* SPDX-License-Identifier: MIT */
/*
 * Owns nothing: gives OpenSSL a private key, or what asks the signer for its
 * signatures.
 */
#include "worker/remote_key.h"
#include "worker/tls_build.h"

int
tls_apply_key(struct tls_build *b, STACK_OF(X509) *chain,
    const char *cert_path, const char *key_path, struct err *err)
{
	EVP_PKEY *key = b->signer != NULL ?
	    remote_key_new(b, sk_X509_value(chain, 0), cert_path, err) :
	    tls_load_key(b, chain, cert_path, key_path, err);
	int rc = 0;

	if (key == NULL)
		return -1;
	if (SSL_CTX_use_PrivateKey(b->ctx, key) != 1)
		rc = tls_refuse(b, err, "the key in", key_path);
	EVP_PKEY_free(key);
	/* A handshake then waits for the signer as for the client. */
	if (b->signer != NULL)
		SSL_CTX_set_mode(b->ctx, SSL_MODE_ASYNC);
	return rc;
}
