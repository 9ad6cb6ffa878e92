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
#include "common/proto_sign.h"
#include "worker/signer/tbs.h"
#include "worker/tls_build.h"

#define KEY_BYTES 8192		/* of secure memory: more than RSA 4096 */
#define MEMORY_MIN (256u << 10)

struct key {
	uint8_t id[PROTO_KEY_ID];
	EVP_PKEY *private;
};

struct keys {
	struct key *items;
	size_t n;
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

void
keys_free(struct keys *keys)
{
	if (keys == NULL)
		return;
	for (size_t i = 0; i < keys->n; i++)
		EVP_PKEY_free(keys->items[i].private);
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

static bool
digest_is_known(const char *name)
{
	return strcmp(name, "SHA256") == 0 || strcmp(name, "SHA384") == 0 ||
	    strcmp(name, "SHA512") == 0;
}

static EVP_PKEY *
find(const struct keys *keys, const struct proto_sign *m)
{
	for (size_t i = 0; i < keys->n; i++)
		if (memcmp(keys->items[i].id, m->key, PROTO_KEY_ID) == 0)
			return keys->items[i].private;
	return NULL;
}

static bool
start(EVP_MD_CTX *ctx, EVP_PKEY *key, const struct proto_sign *m)
{
	EVP_PKEY_CTX *how = NULL;

	if (EVP_DigestSignInit_ex(ctx, &how, schemes[m->scheme].digest ?
	    m->digest : NULL, NULL, NULL, key, NULL) != 1)
		return false;
	return m->scheme != PROTO_RSA_PSS ||
	    (EVP_PKEY_CTX_set_rsa_padding(how, RSA_PKCS1_PSS_PADDING) == 1 &&
	    EVP_PKEY_CTX_set_rsa_pss_saltlen(how,
	    RSA_PSS_SALTLEN_DIGEST) == 1);
}

static bool
may_sign(EVP_PKEY *key, const struct proto_sign *m)
{
	return EVP_PKEY_is_a(key, schemes[m->scheme].type) &&
	    (schemes[m->scheme].digest ? digest_is_known(m->digest) :
	    m->digest[0] == '\0') && tbs_is_of_server(m->tbs, m->len);
}

void
keys_sign(const struct keys *keys, const struct proto_sign *m,
    struct proto_signed *out)
{
	EVP_PKEY *key = find(keys, m);
	size_t len = sizeof(out->signature);
	EVP_MD_CTX *ctx;

	out->id = m->id;
	out->len = 0;
	if (key == NULL || !may_sign(key, m))
		return;
	ctx = EVP_MD_CTX_new();
	if (ctx != NULL && start(ctx, key, m) &&
	    EVP_DigestSign(ctx, out->signature, &len, m->tbs, m->len) == 1)
		out->len = (uint16_t)len;
	EVP_MD_CTX_free(ctx);
	ERR_clear_error();
}
