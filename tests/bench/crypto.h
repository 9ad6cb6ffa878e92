/* SPDX-License-Identifier: MIT */
/*
 * What TLS_AES_128_GCM_SHA256 with X25519 needs of OpenSSL, made once for
 * each thread and used for all its connections: OpenSSL 3.0 looks an
 * algorithm up under locks and allocates for each call that does not bring
 * its context, which is dearer than the algorithms.
 */
#ifndef WSSD_BENCH_CRYPTO_H
#define WSSD_BENCH_CRYPTO_H

#include <openssl/evp.h>
#include <stddef.h>
#include <stdint.h>

#define CRYPTO_HASH 32		/* SHA-256, and all secrets */

struct crypto {
	EVP_MD *sha256;
	EVP_MD_CTX *hashing;
	EVP_CIPHER *aes_128_gcm;
	EVP_PKEY_CTX *deriving;	/* with our private key */
	EVP_PKEY *peer;		/* whose public key is each server's in turn */
	uint8_t share[32];	/* our public key */
};

/*
 * The X25519 key pair of all threads and connections of the program.  One
 * for each connection would only make the load dearer: the server cannot
 * tell, and what it says is no secret.
 */
EVP_PKEY *crypto_key_new(void);

void crypto_init(struct crypto *, EVP_PKEY *key);
void crypto_done(struct crypto *);

/* A call that fails here is a broken library, not a broken peer: aborts. */
void crypto_must(int ok);

void crypto_hash(struct crypto *, const void *data, size_t len,
    uint8_t out[static CRYPTO_HASH]);
/*
 * HMAC (RFC 2104).  With both of 32 bytes it is HKDF-Extract (RFC 5869
 * section 2.2) too, of the salt `key`.
 */
void crypto_hmac(struct crypto *, const uint8_t key[static CRYPTO_HASH],
    const void *data, size_t len, uint8_t out[static CRYPTO_HASH]);
/*
 * HKDF-Expand-Label (RFC 8446 section 7.1), for at most CRYPTO_HASH bytes.
 * The label is a constant of at most 12 characters, the context has at most
 * 255 bytes.
 */
void crypto_expand(struct crypto *, const uint8_t secret[static CRYPTO_HASH],
    const char *label, const void *context, size_t context_len, uint8_t *out,
    size_t len);
/* Derive-Secret, where the messages' hash is known. */
void crypto_derive(struct crypto *, const uint8_t secret[static CRYPTO_HASH],
    const char *label, const uint8_t hash[static CRYPTO_HASH],
    uint8_t out[static CRYPTO_HASH]);

/* -1 when nothing secret comes of their key (RFC 8446 section 7.4.2). */
int crypto_x25519(struct crypto *, const uint8_t theirs[static 32],
    uint8_t out[static 32]);

#endif
