/* SPDX-License-Identifier: MIT */
/* Owns the contexts of OpenSSL; knows the key schedule's parts, no message. */
#include "crypto.h"

#include <openssl/err.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define BLOCK 64			/* of SHA-256 */

void
crypto_must(int ok)
{
	if (ok != 1) {
		fprintf(stderr, "bench-load: OpenSSL refused a call\n");
		ERR_print_errors_fp(stderr);
		abort();
	}
}

EVP_PKEY *
crypto_key_new(void)
{
	EVP_PKEY *key = EVP_PKEY_Q_keygen(NULL, NULL, "X25519");

	crypto_must(key != NULL);
	return key;
}

void
crypto_init(struct crypto *c, EVP_PKEY *key)
{
	size_t len = sizeof(c->share);

	c->sha256 = EVP_MD_fetch(NULL, "SHA256", NULL);
	c->hashing = EVP_MD_CTX_new();
	c->aes_128_gcm = EVP_CIPHER_fetch(NULL, "AES-128-GCM", NULL);
	c->deriving = EVP_PKEY_CTX_new(key, NULL);
	crypto_must(c->sha256 != NULL && c->hashing != NULL &&
	    c->aes_128_gcm != NULL && c->deriving != NULL);
	crypto_must(EVP_PKEY_derive_init(c->deriving));
	crypto_must(EVP_PKEY_get_raw_public_key(key, c->share, &len));
	c->peer = EVP_PKEY_new_raw_public_key(EVP_PKEY_X25519, NULL, c->share,
	    sizeof(c->share));
	crypto_must(c->peer != NULL);
}

void
crypto_done(struct crypto *c)
{
	EVP_PKEY_free(c->peer);
	EVP_PKEY_CTX_free(c->deriving);
	EVP_CIPHER_free(c->aes_128_gcm);
	EVP_MD_CTX_free(c->hashing);
	EVP_MD_free(c->sha256);
}

/* Of a block, which may be missing, and what follows it. */
static void
hash(struct crypto *c, const uint8_t *block, const void *data, size_t len,
    uint8_t *out)
{
	crypto_must(EVP_DigestInit_ex(c->hashing, c->sha256, NULL));
	if (block != NULL)
		crypto_must(EVP_DigestUpdate(c->hashing, block, BLOCK));
	crypto_must(EVP_DigestUpdate(c->hashing, data, len));
	crypto_must(EVP_DigestFinal_ex(c->hashing, out, NULL));
}

void
crypto_hash(struct crypto *c, const void *data, size_t len,
    uint8_t out[static CRYPTO_HASH])
{
	hash(c, NULL, data, len, out);
}

void
crypto_hmac(struct crypto *c, const uint8_t key[static CRYPTO_HASH],
    const void *data, size_t len, uint8_t out[static CRYPTO_HASH])
{
	uint8_t inner[BLOCK], outer[BLOCK], key_byte;
	int i;

	for (i = 0; i < BLOCK; i++) {
		key_byte = i < CRYPTO_HASH ? key[i] : 0;
		inner[i] = key_byte ^ 0x36;
		outer[i] = key_byte ^ 0x5c;
	}
	hash(c, inner, data, len, out);
	hash(c, outer, out, CRYPTO_HASH, out);
}

/* One HMAC block is enough for what is asked (RFC 5869 section 2.3). */
void
crypto_expand(struct crypto *c, const uint8_t secret[static CRYPTO_HASH],
    const char *label, const void *context, size_t context_len, uint8_t *out,
    size_t len)
{
	uint8_t info[2 + 1 + 18 + 1 + 255 + 1], block[CRYPTO_HASH];
	size_t label_len = strlen(label), n = 0;

	crypto_must(len <= CRYPTO_HASH && label_len <= 12 &&
	    context_len <= 255);
	info[n++] = 0;
	info[n++] = (uint8_t)len;
	info[n++] = (uint8_t)(6 + label_len);
	memcpy(info + n, "tls13 ", 6);
	memcpy(info + n + 6, label, label_len);
	n += 6 + label_len;
	info[n++] = (uint8_t)context_len;
	if (context_len > 0)
		memcpy(info + n, context, context_len);
	n += context_len;
	info[n++] = 1;
	crypto_hmac(c, secret, info, n, block);
	memcpy(out, block, len);
}

void
crypto_derive(struct crypto *c, const uint8_t secret[static CRYPTO_HASH],
    const char *label, const uint8_t hashed[static CRYPTO_HASH],
    uint8_t out[static CRYPTO_HASH])
{
	crypto_expand(c, secret, label, hashed, CRYPTO_HASH, out, CRYPTO_HASH);
}

int
crypto_x25519(struct crypto *c, const uint8_t theirs[static 32],
    uint8_t out[static 32])
{
	size_t len = 32;

	/* Any 32 bytes are a public key (RFC 7748 section 5). */
	crypto_must(EVP_PKEY_set1_encoded_public_key(c->peer, theirs, 32));
	crypto_must(EVP_PKEY_derive_set_peer_ex(c->deriving, c->peer, 0));
	if (EVP_PKEY_derive(c->deriving, out, &len) != 1 || len != 32) {
		ERR_clear_error();
		return -1;
	}
	return 0;
}
