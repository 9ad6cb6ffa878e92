/* SPDX-License-Identifier: MIT */
/* Owns the private keys.  Nothing of them leaves this file. */
#include "worker/signer/keys.h"

#include <openssl/crypto.h>
#include <openssl/err.h>
#include <openssl/evp.h>
#include <openssl/pem.h>
#include <openssl/rsa.h>
#include <openssl/sha.h>
#include <stdlib.h>
#include <string.h>

#include "common/alloc.h"
#include "common/assert.h"
#include "common/proto_sign.h"
#include "worker/signer/tbs.h"
#include "worker/tls_build.h"

#define KEY_BYTES 8192		/* of secure memory: more than RSA 4096 */
#define MEMORY_MIN (256u << 10)

#define DIGESTS 3

/* Those that sign, as a request names them. */
static const char *const digests[DIGESTS] = {
	"SHA256", "SHA384", "SHA512",
};

struct key {
	uint8_t id[PROTO_KEY_ID];
	EVP_PKEY *private;
	/* What signs digests, made at the first use.  To look everything up
	   and set it up for each signature is an eighth of an ECDSA one
	   (measured: 285,000 instructions instead of 255,000, 22.9 us
	   instead of 19.7). */
	EVP_PKEY_CTX *signing[PROTO_SCHEMES][DIGESTS];
};

struct keys {
	struct key *items;
	size_t n;
	EVP_MD *digests[DIGESTS];
};

void
keys_prepare_memory(const struct config *config)
{
	size_t size = MEMORY_MIN;

	while (size < 2 * config->n_contexts * KEY_BYTES)
		size *= 2;
	/* Where it may not be locked it is only not swapped by luck. */
	(void)CRYPTO_secure_malloc_init(size, 32);
}

static bool
make_id(EVP_PKEY *key, uint8_t *id_out)
{
	unsigned char *der = NULL;
	int len = i2d_PUBKEY(key, &der);

	if (len <= 0)
		return false;
	SHA256(der, (size_t)len, id_out);
	OPENSSL_free(der);
	return true;
}

/* The certificates of a file, for the comparison with the key. */
static STACK_OF(X509) *
read_certificates(const struct tls_build *b, const char *path,
    struct err *err)
{
	STACK_OF(X509) *chain = sk_X509_new_null();
	struct buf bytes = BUF_INIT;
	X509 *cert;
	BIO *pem;

	if (tls_read_file(b, path, &bytes, err) == 0) {
		pem = tls_bio_of(&bytes);
		while ((cert = PEM_read_bio_X509_AUX(pem, NULL, NULL,
		    NULL)) != NULL)
			sk_X509_push(chain, cert);
		BIO_free(pem);
		if (sk_X509_num(chain) == 0)
			tls_refuse(b, err, "no certificate (PEM) in", path);
		ERR_clear_error();
	}
	/* The key may stand in the same file. */
	if (bytes.data != NULL)
		OPENSSL_cleanse(bytes.data, bytes.len);
	buf_done(&bytes);
	if (sk_X509_num(chain) > 0)
		return chain;
	sk_X509_free(chain);
	return NULL;
}

static int
load(struct key *key, const struct tls_build *b, const char *cert_path,
    const char *key_path, struct err *err)
{
	STACK_OF(X509) *chain = read_certificates(b, cert_path, err);

	if (chain == NULL)
		return -1;
	key->private = tls_load_key(b, chain, cert_path, key_path, err);
	sk_X509_pop_free(chain, X509_free);
	if (key->private == NULL)
		return -1;
	return make_id(key->private, key->id) ? 0 :
	    tls_refuse(b, err, "the key in", key_path);
}

static int
load_context(struct keys *keys, const struct tls_build *b, struct err *err)
{
	const struct config_context *c = b->config;

	keys->items = xreallocarray(keys->items, keys->n + c->local_cert.n,
	    sizeof(*keys->items));
	for (size_t i = 0; i < c->local_cert.n; i++) {
		keys->items[keys->n] = (struct key){ .private = NULL };
		if (load(&keys->items[keys->n++], b, c->local_cert.items[i],
		    c->local_pk.items[i], err) == -1)
			return -1;
	}
	return 0;
}

struct keys *
keys_load(const struct config *config, const struct files *files,
    struct err *err)
{
	struct keys *keys = xcalloc(1, sizeof(*keys));

	for (size_t i = 0; i < DIGESTS; i++) {
		keys->digests[i] = EVP_MD_fetch(NULL, digests[i], NULL);
		ASSERT(keys->digests[i] != NULL);
	}
	for (size_t i = 0; i < config->n_contexts; i++) {
		struct tls_build b = { .config = &config->contexts[i],
			.files = files };

		if (load_context(keys, &b, err) == 0)
			continue;
		keys_free(keys);
		return NULL;
	}
	return keys;
}

static void
key_done(struct key *key)
{
	for (size_t scheme = 0; scheme < PROTO_SCHEMES; scheme++)
		for (size_t i = 0; i < DIGESTS; i++)
			EVP_PKEY_CTX_free(key->signing[scheme][i]);
	EVP_PKEY_free(key->private);
}

void
keys_free(struct keys *keys)
{
	if (keys == NULL)
		return;
	for (size_t i = 0; i < keys->n; i++)
		key_done(&keys->items[i]);
	for (size_t i = 0; i < DIGESTS; i++)
		EVP_MD_free(keys->digests[i]);
	free(keys->items);
	free(keys);
}

/* ---- signing ------------------------------------------------------------ */

static const struct {
	const char *type;
	bool digest;
} schemes[PROTO_SCHEMES] = {
	[PROTO_RSA_PKCS1] = { "RSA", true },
	[PROTO_RSA_PSS] = { "RSA", true },
	[PROTO_ECDSA] = { "EC", true },
	[PROTO_ED25519] = { "ED25519", false },
};

/* DIGESTS: none of them. */
static size_t
find_digest(const char *name)
{
	size_t i = 0;

	while (i < DIGESTS && strcmp(name, digests[i]) != 0)
		i++;
	return i;
}

static struct key *
find(const struct keys *keys, const struct proto_sign *m)
{
	for (size_t i = 0; i < keys->n; i++)
		if (memcmp(keys->items[i].id, m->key, PROTO_KEY_ID) == 0)
			return &keys->items[i];
	return NULL;
}

static bool
may_sign(EVP_PKEY *key, const struct proto_sign *m)
{
	return EVP_PKEY_is_a(key, schemes[m->scheme].type) &&
	    (schemes[m->scheme].digest ? find_digest(m->digest) < DIGESTS :
	    m->digest[0] == '\0') && tbs_is_of_server(m->tbs, m->len);
}

/* The salt is as long as the digest (RFC 8446 §4.2.3). */
static bool
set_up(EVP_PKEY_CTX *ctx, enum proto_scheme scheme, const EVP_MD *digest)
{
	return EVP_PKEY_sign_init(ctx) == 1 &&
	    (scheme != PROTO_RSA_PSS ||
	    EVP_PKEY_CTX_set_rsa_padding(ctx, RSA_PKCS1_PSS_PADDING) == 1) &&
	    EVP_PKEY_CTX_set_signature_md(ctx, digest) == 1 &&
	    (scheme != PROTO_RSA_PSS || EVP_PKEY_CTX_set_rsa_pss_saltlen(ctx,
	    RSA_PSS_SALTLEN_DIGEST) == 1);
}

/* NULL: it cannot be had. */
static EVP_PKEY_CTX *
signing(struct key *key, enum proto_scheme scheme, size_t digest,
    const EVP_MD *md)
{
	EVP_PKEY_CTX **ctx = &key->signing[scheme][digest];

	if (*ctx != NULL)
		return *ctx;
	*ctx = EVP_PKEY_CTX_new(key->private, NULL);
	if (*ctx == NULL || set_up(*ctx, scheme, md))
		return *ctx;
	EVP_PKEY_CTX_free(*ctx);
	*ctx = NULL;
	return NULL;
}

static bool
sign_digest(const struct keys *keys, struct key *key,
    const struct proto_sign *m, uint8_t *out, size_t *len_inout)
{
	size_t digest = find_digest(m->digest);
	const EVP_MD *md = keys->digests[digest];
	EVP_PKEY_CTX *ctx = signing(key, m->scheme, digest, md);
	uint8_t hash[EVP_MAX_MD_SIZE];
	unsigned len;

	return ctx != NULL &&
	    EVP_Digest(m->tbs, m->len, hash, &len, md, NULL) == 1 &&
	    EVP_PKEY_sign(ctx, out, len_inout, hash, len) == 1;
}

/* Ed25519 has a digest of its own, and one use for a context. */
static bool
sign_whole(EVP_PKEY *key, const struct proto_sign *m, uint8_t *out,
    size_t *len_inout)
{
	EVP_MD_CTX *ctx = EVP_MD_CTX_new();
	bool ok = ctx != NULL &&
	    EVP_DigestSignInit_ex(ctx, NULL, NULL, NULL, NULL, key,
	    NULL) == 1 &&
	    EVP_DigestSign(ctx, out, len_inout, m->tbs, m->len) == 1;

	EVP_MD_CTX_free(ctx);
	return ok;
}

void
keys_sign(struct keys *keys, const struct proto_sign *m,
    struct proto_signed *out)
{
	struct key *key = find(keys, m);
	size_t len = sizeof(out->signature);

	out->id = m->id;
	out->len = 0;
	if (key == NULL || !may_sign(key->private, m))
		return;
	if (schemes[m->scheme].digest ?
	    sign_digest(keys, key, m, out->signature, &len) :
	    sign_whole(key->private, m, out->signature, &len))
		out->len = (uint16_t)len;
	ERR_clear_error();
}
