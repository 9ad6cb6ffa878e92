/* SPDX-License-Identifier: MIT */
/*
 * Owns nothing: what OpenSSL wants signed becomes a question to the signer.
 */
#include <openssl/core_names.h>
#include <openssl/params.h>
#include <openssl/rsa.h>
#include <stdbool.h>
#include <stdlib.h>
#include <string.h>

#include "common/alloc.h"
#include "common/count.h"
#include "common/proto_sign.h"
#include "worker/remote_key_parts.h"
#include "worker/signing.h"

struct signature {
	struct remote_key *key;		/* the EVP_PKEY's, which outlives it */
	enum proto_scheme scheme;
	char digest[16];
};

static void *
signature_new(void *provider, const char *properties)
{
	(void)provider;
	(void)properties;
	return xcalloc(1, sizeof(struct signature));
}

static void
signature_free(void *data)
{
	free(data);
}

/* "pss" or its number; anything else is PKCS #1 1.5, the default. */
static void
set_padding(struct signature *s, const OSSL_PARAM *p)
{
	const char *text = NULL;
	int number = 0;

	if (p->data_type == OSSL_PARAM_UTF8_STRING)
		(void)OSSL_PARAM_get_utf8_string_ptr(p, &text);
	else
		(void)OSSL_PARAM_get_int(p, &number);
	s->scheme = number == RSA_PKCS1_PSS_PADDING || (text != NULL &&
	    strcmp(text, OSSL_PKEY_RSA_PAD_MODE_PSS) == 0) ? PROTO_RSA_PSS :
	    PROTO_RSA_PKCS1;
}

/* The salt is always as long as the digest (RFC 8446 §4.2.3). */
static int
signature_set(void *data, const OSSL_PARAM params[])
{
	struct signature *s = data;
	const OSSL_PARAM *p;

	if (params == NULL)
		return 1;
	p = OSSL_PARAM_locate_const(params, OSSL_SIGNATURE_PARAM_PAD_MODE);
	if (p != NULL)
		set_padding(s, p);
	return 1;
}

static const OSSL_PARAM *
signature_settable(void *data, void *provider)
{
	static const OSSL_PARAM params[] = {
		OSSL_PARAM_utf8_string(OSSL_SIGNATURE_PARAM_PAD_MODE, NULL,
		    0),
		OSSL_PARAM_utf8_string(OSSL_SIGNATURE_PARAM_PSS_SALTLEN, NULL,
		    0),
		OSSL_PARAM_END,
	};

	(void)data;
	(void)provider;
	return params;
}

/* Another name of a digest than those in its row. */
static bool
is_alias(const char *name, const char *known)
{
	EVP_MD *md = EVP_MD_fetch(NULL, known, NULL);
	bool is = md != NULL && EVP_MD_is_a(md, name) == 1;

	EVP_MD_free(md);
	return is;
}

/*
 * The name of a digest as the signer wants it.  OpenSSL comes with the first
 * and with the second one in each handshake: to look them up cost 7,000
 * instructions (measured).
 */
static const char *
digest_name(const char *name)
{
	static const char *const known[][2] = {
		{ "SHA256", "SHA2-256" },
		{ "SHA384", "SHA2-384" },
		{ "SHA512", "SHA2-512" },
	};

	for (size_t i = 0; i < COUNT(known); i++)
		if (strcmp(name, known[i][0]) == 0 ||
		    strcmp(name, known[i][1]) == 0)
			return known[i][0];
	for (size_t i = 0; i < COUNT(known); i++)
		if (is_alias(name, known[i][0]))
			return known[i][0];
	return NULL;
}

static int
signature_init(void *data, const char *digest, void *key,
    const OSSL_PARAM params[])
{
	struct signature *s = data;

	if (key != NULL)
		s->key = key;
	if (s->key == NULL || s->key->signing == NULL)
		return 0;
	s->digest[0] = '\0';
	if (strcmp(s->key->type, "ED25519") == 0) {
		s->scheme = PROTO_ED25519;
		return digest == NULL || digest[0] == '\0';
	}
	s->scheme = strcmp(s->key->type, "EC") == 0 ? PROTO_ECDSA :
	    PROTO_RSA_PKCS1;
	digest = digest == NULL ? NULL : digest_name(digest);
	if (digest == NULL)
		return 0;
	strcpy(s->digest, digest);
	return signature_set(s, params);
}

static int
signature_sign(void *data, unsigned char *out, size_t *len_out, size_t size,
    const unsigned char *tbs, size_t len)
{
	struct signature *s = data;
	size_t most = (size_t)EVP_PKEY_get_size(s->key->public);
	struct proto_sign question = { .scheme = (uint8_t)s->scheme };
	struct proto_signed answer;

	if (out == NULL) {
		*len_out = most;
		return 1;
	}
	if (len > sizeof(question.tbs) || size < most)
		return 0;
	memcpy(question.key, s->key->id, sizeof(question.key));
	memcpy(question.digest, s->digest, sizeof(question.digest));
	memcpy(question.tbs, tbs, len);
	question.len = (uint16_t)len;
	if (!signing_ask(s->key->signing, &question, &answer) ||
	    answer.len > size)
		return 0;
	memcpy(out, answer.signature, answer.len);
	*len_out = answer.len;
	return 1;
}

const OSSL_DISPATCH remote_sign_functions[] = {
	REMOTE_FUNCTION(OSSL_FUNC_SIGNATURE_NEWCTX, signature_new),
	REMOTE_FUNCTION(OSSL_FUNC_SIGNATURE_FREECTX, signature_free),
	REMOTE_FUNCTION(OSSL_FUNC_SIGNATURE_DIGEST_SIGN_INIT, signature_init),
	REMOTE_FUNCTION(OSSL_FUNC_SIGNATURE_DIGEST_SIGN, signature_sign),
	REMOTE_FUNCTION(OSSL_FUNC_SIGNATURE_SET_CTX_PARAMS, signature_set),
	REMOTE_FUNCTION(OSSL_FUNC_SIGNATURE_SETTABLE_CTX_PARAMS,
	    signature_settable),
	{ 0, NULL },
};
