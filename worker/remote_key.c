/* SPDX-License-Identifier: MIT */
/*
 * Owns a provider of OpenSSL (provider(7)) that knows keys without their
 * private half: provider-keymgmt(7) for the key, provider-signature(7) for
 * what is done with it.  It lives in a library context of its own, so that
 * nobody else is given these keys by accident.
 *
 * OpenSSL compares a key with its certificate by exporting one of them to
 * the other's provider, and would export the private key too, to sign by its
 * own code: that fails here, and it comes back to this provider.
 */
#include "worker/remote_key.h"

#include <openssl/core_dispatch.h>
#include <openssl/core_names.h>
#include <openssl/crypto.h>
#include <openssl/err.h>
#include <openssl/params.h>
#include <openssl/provider.h>
#include <openssl/sha.h>
#include <stdlib.h>
#include <string.h>

#include "common/alloc.h"
#include "common/assert.h"
#include "common/count.h"
#include "worker/remote_key_parts.h"
#include "worker/signing.h"
#include "worker/tls_build.h"

#define NAME "wssd-remote-key"
#define PARAM_SIGNING "wssd-signing"	/* struct signing *, octets */

/* ---- the key ------------------------------------------------------------ */

static void *
key_new(const char *type)
{
	struct remote_key *key = xcalloc(1, sizeof(*key));

	key->type = type;
	return key;
}

static void *
rsa_new(void *provider)
{
	(void)provider;
	return key_new("RSA");
}

static void *
ec_new(void *provider)
{
	(void)provider;
	return key_new("EC");
}

static void *
ed25519_new(void *provider)
{
	(void)provider;
	return key_new("ED25519");
}

static void
key_free(void *data)
{
	struct remote_key *key = data;

	if (key == NULL)
		return;
	EVP_PKEY_free(key->public);
	signing_unref(key->signing);
	free(key);
}

static int
key_has(const void *data, int selection)
{
	(void)selection;
	return ((const struct remote_key *)data)->public != NULL;
}

static int
key_match(const void *a, const void *b, int selection)
{
	(void)selection;
	return EVP_PKEY_eq(((const struct remote_key *)a)->public,
	    ((const struct remote_key *)b)->public) == 1;
}

static bool
make_id(struct remote_key *key)
{
	unsigned char *der = NULL;
	int len = i2d_PUBKEY(key->public, &der);

	if (len <= 0)
		return false;
	SHA256(der, (size_t)len, key->id);
	OPENSSL_free(der);
	return true;
}

static EVP_PKEY *
public_of(const char *type, const OSSL_PARAM params[])
{
	EVP_PKEY_CTX *ctx = EVP_PKEY_CTX_new_from_name(NULL, type, NULL);
	OSSL_PARAM *copy = OSSL_PARAM_dup(params);
	EVP_PKEY *key = NULL;

	if (ctx != NULL && copy != NULL && EVP_PKEY_fromdata_init(ctx) == 1)
		(void)EVP_PKEY_fromdata(ctx, &key, EVP_PKEY_PUBLIC_KEY, copy);
	OSSL_PARAM_free(copy);
	EVP_PKEY_CTX_free(ctx);
	return key;
}

static int
key_import(void *data, int selection, const OSSL_PARAM params[])
{
	struct remote_key *key = data;
	const OSSL_PARAM *p = OSSL_PARAM_locate_const(params, PARAM_SIGNING);
	struct signing *signing;

	(void)selection;
	key->public = public_of(key->type, params);
	if (key->public == NULL || !make_id(key))
		return 0;
	if (p != NULL && p->data_size == sizeof(signing)) {
		memcpy(&signing, p->data, sizeof(signing));
		key->signing = signing_ref(signing);
	}
	return 1;
}

static int
key_export(void *data, int selection, OSSL_CALLBACK *give, void *arg)
{
	struct remote_key *key = data;
	OSSL_PARAM *params = NULL;
	int ok;

	if ((selection & OSSL_KEYMGMT_SELECT_PRIVATE_KEY) != 0)
		return 0;
	if (EVP_PKEY_todata(key->public, EVP_PKEY_PUBLIC_KEY, &params) != 1)
		return 0;
	ok = give(params, arg);
	OSSL_PARAM_free(params);
	return ok;
}

static const OSSL_PARAM *
key_types(int selection)
{
	static const OSSL_PARAM types[] = {
		OSSL_PARAM_BN(OSSL_PKEY_PARAM_RSA_N, NULL, 0),
		OSSL_PARAM_BN(OSSL_PKEY_PARAM_RSA_E, NULL, 0),
		OSSL_PARAM_utf8_string(OSSL_PKEY_PARAM_GROUP_NAME, NULL, 0),
		OSSL_PARAM_octet_string(OSSL_PKEY_PARAM_PUB_KEY, NULL, 0),
		OSSL_PARAM_octet_string(PARAM_SIGNING, NULL, 0),
		OSSL_PARAM_END,
	};

	(void)selection;
	return types;
}

static int
key_get_params(void *data, OSSL_PARAM params[])
{
	return EVP_PKEY_get_params(((struct remote_key *)data)->public,
	    params);
}

static const OSSL_PARAM *
key_gettable(void *provider)
{
	static const OSSL_PARAM params[] = {
		OSSL_PARAM_int(OSSL_PKEY_PARAM_BITS, NULL),
		OSSL_PARAM_int(OSSL_PKEY_PARAM_SECURITY_BITS, NULL),
		OSSL_PARAM_int(OSSL_PKEY_PARAM_MAX_SIZE, NULL),
		OSSL_PARAM_utf8_string(OSSL_PKEY_PARAM_DEFAULT_DIGEST, NULL,
		    0),
		OSSL_PARAM_utf8_string(OSSL_PKEY_PARAM_MANDATORY_DIGEST, NULL,
		    0),
		OSSL_PARAM_utf8_string(OSSL_PKEY_PARAM_GROUP_NAME, NULL, 0),
		OSSL_PARAM_END,
	};

	(void)provider;
	return params;
}

static const char *
ec_operation(int operation)
{
	return operation == OSSL_OP_SIGNATURE ? "ECDSA" : "EC";
}

/* ---- the provider ------------------------------------------------------- */

#define ENTRY REMOTE_FUNCTION
#define KEY_FUNCTIONS(new_) \
	ENTRY(OSSL_FUNC_KEYMGMT_NEW, new_), \
	ENTRY(OSSL_FUNC_KEYMGMT_FREE, key_free), \
	ENTRY(OSSL_FUNC_KEYMGMT_HAS, key_has), \
	ENTRY(OSSL_FUNC_KEYMGMT_MATCH, key_match), \
	ENTRY(OSSL_FUNC_KEYMGMT_IMPORT, key_import), \
	ENTRY(OSSL_FUNC_KEYMGMT_IMPORT_TYPES, key_types), \
	ENTRY(OSSL_FUNC_KEYMGMT_EXPORT, key_export), \
	ENTRY(OSSL_FUNC_KEYMGMT_EXPORT_TYPES, key_types), \
	ENTRY(OSSL_FUNC_KEYMGMT_GET_PARAMS, key_get_params), \
	ENTRY(OSSL_FUNC_KEYMGMT_GETTABLE_PARAMS, key_gettable)

static const OSSL_DISPATCH rsa_functions[] = {
	KEY_FUNCTIONS(rsa_new),
	{ 0, NULL },
};

static const OSSL_DISPATCH ec_functions[] = {
	KEY_FUNCTIONS(ec_new),
	REMOTE_FUNCTION(OSSL_FUNC_KEYMGMT_QUERY_OPERATION_NAME, ec_operation),
	{ 0, NULL },
};

static const OSSL_DISPATCH ed25519_functions[] = {
	KEY_FUNCTIONS(ed25519_new),
	{ 0, NULL },
};

#define PROPERTIES "provider=" NAME

static const OSSL_ALGORITHM keys[] = {
	{ "RSA:rsaEncryption", PROPERTIES, rsa_functions, NULL },
	{ "EC:id-ecPublicKey", PROPERTIES, ec_functions, NULL },
	{ "ED25519", PROPERTIES, ed25519_functions, NULL },
	{ NULL, NULL, NULL, NULL },
};

/* The first names of the keys. */
static const char *const types[] = { "RSA", "EC", "ED25519" };

static const OSSL_ALGORITHM signatures[] = {
	{ "RSA:rsaEncryption", PROPERTIES, remote_sign_functions, NULL },
	{ "ECDSA", PROPERTIES, remote_sign_functions, NULL },
	{ "ED25519", PROPERTIES, remote_sign_functions, NULL },
	{ NULL, NULL, NULL, NULL },
};

static const OSSL_ALGORITHM *
query(void *provider, int operation, int *no_cache)
{
	(void)provider;
	*no_cache = 0;
	switch (operation) {
	case OSSL_OP_KEYMGMT:
		return keys;
	case OSSL_OP_SIGNATURE:
		return signatures;
	default:
		return NULL;
	}
}

static int
init(const OSSL_CORE_HANDLE *handle, const OSSL_DISPATCH *in,
    const OSSL_DISPATCH **out, void **provider_out)
{
	static const OSSL_DISPATCH functions[] = {
		REMOTE_FUNCTION(OSSL_FUNC_PROVIDER_QUERY_OPERATION, query),
		{ 0, NULL },
	};
	static char nothing;

	(void)handle;
	(void)in;
	*out = functions;
	*provider_out = &nothing;
	return 1;
}

/* ---- a key of a certificate --------------------------------------------- */

struct remote_keys {
	OSSL_LIB_CTX *lib;
	OSSL_PROVIDER *provider;
};

struct remote_keys *
remote_keys_new(void)
{
	struct remote_keys *r = xcalloc(1, sizeof(*r));

	r->lib = OSSL_LIB_CTX_new();
	ASSERT(r->lib != NULL);
	ASSERT(OSSL_PROVIDER_add_builtin(r->lib, NAME, init) == 1);
	r->provider = OSSL_PROVIDER_load(r->lib, NAME);
	ASSERT(r->provider != NULL);
	return r;
}

void
remote_keys_free(struct remote_keys *r)
{
	if (r == NULL)
		return;
	OSSL_PROVIDER_unload(r->provider);
	OSSL_LIB_CTX_free(r->lib);
	free(r);
}

static EVP_PKEY *
make(const struct remote_signer *signer, const char *type, EVP_PKEY *public)
{
	struct signing *signing = signer->signing;
	OSSL_PARAM own[] = {
		OSSL_PARAM_octet_string(PARAM_SIGNING, &signing,
		    sizeof(signing)),
		OSSL_PARAM_END,
	};
	EVP_PKEY_CTX *ctx = EVP_PKEY_CTX_new_from_name(signer->keys->lib,
	    type, NULL);
	OSSL_PARAM *params = NULL, *all = NULL;
	EVP_PKEY *key = NULL;

	if (ctx != NULL && EVP_PKEY_todata(public, EVP_PKEY_PUBLIC_KEY,
	    &params) == 1 && (all = OSSL_PARAM_merge(params, own)) != NULL &&
	    EVP_PKEY_fromdata_init(ctx) == 1)
		(void)EVP_PKEY_fromdata(ctx, &key, EVP_PKEY_KEYPAIR, all);
	OPENSSL_free(all);
	OSSL_PARAM_free(params);
	EVP_PKEY_CTX_free(ctx);
	return key;
}

EVP_PKEY *
remote_key_new(const struct tls_build *b, const X509 *leaf,
    const char *cert_path, struct err *err)
{
	EVP_PKEY *public = X509_get0_pubkey(leaf), *key;

	for (size_t i = 0; public != NULL && i < COUNT(types); i++) {
		if (!EVP_PKEY_is_a(public, types[i]))
			continue;
		key = make(b->signer, types[i], public);
		if (key == NULL)
			tls_refuse(b, err, "the certificate in", cert_path);
		return key;
	}
	ERR_clear_error();
	tls_error(b, err, "the certificate in %s has a kind of key that needs "
	    "key_isolation = off", cert_path);
	return NULL;
}
