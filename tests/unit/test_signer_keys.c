/* SPDX-License-Identifier: MIT */
/*
 * worker/signer: what is signed, with which key, and what is not.
 */
#include <openssl/evp.h>
#include <openssl/pem.h>
#include <openssl/sha.h>
#include <openssl/x509.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>
#include <sys/mman.h>
#include <unistd.h>

#include <cmocka.h>

#include "worker/signer/keys.h"
#include "worker/signer/tbs.h"

static const char verify_text[] = "TLS 1.3, server CertificateVerify";

/* ---- what it is --------------------------------------------------------- */

static size_t
certificate_verify(uint8_t *out, const char *text, size_t hash)
{
	size_t len = strlen(text) + 1;

	memset(out, ' ', 64);
	memcpy(out + 64, text, len);
	memset(out + 64 + len, 0xab, hash);
	return 64 + len + hash;
}

static size_t
key_exchange(uint8_t *out, uint8_t type, uint8_t point)
{
	memset(out, 0xcd, 64 + 4 + point);
	out[64] = type;
	out[67] = point;
	return 64 + 4 + (size_t)point;
}

static void
only_what_servers_sign(void **state)
{
	uint8_t tbs[PROTO_TBS_MAX];
	size_t len;

	(void)state;
	assert_true(tbs_is_of_server(tbs, certificate_verify(tbs, verify_text,
	    32)));
	assert_true(tbs_is_of_server(tbs, certificate_verify(tbs, verify_text,
	    48)));
	assert_false(tbs_is_of_server(tbs, certificate_verify(tbs,
	    verify_text, 64)));
	assert_false(tbs_is_of_server(tbs, certificate_verify(tbs,
	    "TLS 1.3, client CertificateVerify", 32)));
	len = certificate_verify(tbs, verify_text, 32);
	tbs[10] = 'x';
	assert_false(tbs_is_of_server(tbs, len));
	assert_true(tbs_is_of_server(tbs, key_exchange(tbs, 3, 32)));
	assert_true(tbs_is_of_server(tbs, key_exchange(tbs, 3, 65)));
	assert_false(tbs_is_of_server(tbs, key_exchange(tbs, 1, 65)));
	len = key_exchange(tbs, 3, 65);
	assert_false(tbs_is_of_server(tbs, len - 1));
	assert_false(tbs_is_of_server(tbs, len + 1));
}

static size_t
put_number(uint8_t *out, size_t at, size_t n)
{
	out[at] = (uint8_t)(n >> 8);
	out[at + 1] = (uint8_t)n;
	memset(out + at + 2, 0xee, n);
	return at + 2 + n;
}

static void
classic_diffie_hellman(void **state)
{
	uint8_t tbs[PROTO_TBS_MAX];
	size_t len;

	(void)state;
	memset(tbs, 0xcd, sizeof(tbs));
	len = put_number(tbs, put_number(tbs, put_number(tbs, 64, 256), 1),
	    256);
	for (size_t n = 0; n < sizeof(tbs); n++)
		assert_int_equal(tbs_is_of_server(tbs, n), n == len);
	/* The longest that there is. */
	len = put_number(tbs, put_number(tbs, put_number(tbs, 64, 1024), 1),
	    1024);
	assert_true(tbs_is_of_server(tbs, len));
	/* A prime that nobody uses, and a number of nothing. */
	len = put_number(tbs, put_number(tbs, put_number(tbs, 64, 64), 1), 64);
	assert_false(tbs_is_of_server(tbs, len));
	len = put_number(tbs, put_number(tbs, put_number(tbs, 64, 256), 0),
	    256);
	assert_false(tbs_is_of_server(tbs, len));
}

/* No length of the right beginning is right by accident. */
static void
every_length(void **state)
{
	uint8_t tbs[PROTO_TBS_MAX];
	size_t right = 64 + sizeof(verify_text);

	(void)state;
	memset(tbs, 0, sizeof(tbs));
	certificate_verify(tbs, verify_text, 64);
	for (size_t len = 0; len < sizeof(tbs); len++)
		assert_int_equal(tbs_is_of_server(tbs, len),
		    len == right + 32 || len == right + 48);
}

/* ---- who signs ---------------------------------------------------------- */

struct pair {
	EVP_PKEY *key;
	struct config_context context;
	char *cert_paths[1], *key_paths[1];
	struct config config;
	struct files files;
	struct keys *keys;
};

static int
file_of(BIO *bio)
{
	char *data;
	long len = BIO_get_mem_data(bio, &data);
	int fd = memfd_create("pem", MFD_CLOEXEC);

	assert_true(fd >= 0);
	assert_int_equal(write(fd, data, (size_t)len), len);
	BIO_free(bio);
	return fd;
}

static X509 *
certificate_of(EVP_PKEY *key)
{
	X509 *cert = X509_new();

	X509_gmtime_adj(X509_getm_notBefore(cert), 0);
	X509_gmtime_adj(X509_getm_notAfter(cert), 3600);
	X509_set_pubkey(cert, key);
	assert_true(X509_sign(cert, key, EVP_PKEY_is_a(key, "ED25519") ? NULL :
	    EVP_sha256()) > 0);
	return cert;
}

static char cert_path[] = "cert", key_path[] = "key", ini[] = "x.ini";

static void
load(struct pair *p, EVP_PKEY *key, EVP_PKEY *of_cert, struct err *err)
{
	BIO *bio = BIO_new(BIO_s_mem());
	X509 *cert = certificate_of(of_cert);

	memset(p, 0, sizeof(*p));
	p->key = key;
	p->context.place = (struct config_place){ ini, 3 };
	p->cert_paths[0] = cert_path;
	p->key_paths[0] = key_path;
	p->context.local_cert = (struct config_strings){ p->cert_paths, 1 };
	p->context.local_pk = (struct config_strings){ p->key_paths, 1 };
	p->config.contexts = &p->context;
	p->config.n_contexts = 1;
	PEM_write_bio_X509(bio, cert);
	X509_free(cert);
	files_add(&p->files, cert_path, file_of(bio));
	bio = BIO_new(BIO_s_mem());
	PEM_write_bio_PrivateKey(bio, key, NULL, NULL, 0, NULL, NULL);
	files_add(&p->files, key_path, file_of(bio));
	p->keys = keys_load(&p->config, &p->files, err);
}

static void
done(struct pair *p)
{
	keys_free(p->keys);
	files_done(&p->files);
	EVP_PKEY_free(p->key);
}

static void
question_for(const struct pair *p, enum proto_scheme scheme,
    const char *digest, struct proto_sign *m)
{
	unsigned char *der = NULL;
	int len = i2d_PUBKEY(p->key, &der);

	memset(m, 0, sizeof(*m));
	m->id = 42;
	SHA256(der, (size_t)len, m->key);
	OPENSSL_free(der);
	m->scheme = (uint8_t)scheme;
	snprintf(m->digest, sizeof(m->digest), "%s", digest);
	m->len = (uint16_t)certificate_verify(m->tbs, verify_text, 32);
}

static bool
is_good(EVP_PKEY *key, const struct proto_sign *m,
    const struct proto_signed *a)
{
	EVP_MD_CTX *ctx = EVP_MD_CTX_new();
	EVP_PKEY_CTX *how = NULL;
	int ok = EVP_DigestVerifyInit_ex(ctx, &how, m->digest[0] != '\0' ?
	    m->digest : NULL, NULL, NULL, key, NULL);

	if (ok == 1 && m->scheme == PROTO_RSA_PSS) {
		EVP_PKEY_CTX_set_rsa_padding(how, RSA_PKCS1_PSS_PADDING);
		EVP_PKEY_CTX_set_rsa_pss_saltlen(how, RSA_PSS_SALTLEN_DIGEST);
	}
	if (ok == 1)
		ok = EVP_DigestVerify(ctx, a->signature, a->len, m->tbs,
		    m->len);
	EVP_MD_CTX_free(ctx);
	return ok == 1;
}

static void
signatures_are_good(void **state)
{
	static const struct {
		const char *type;
		enum proto_scheme scheme;
		const char *digest;
	} cases[] = {
		{ "RSA", PROTO_RSA_PKCS1, "SHA256" },
		{ "RSA", PROTO_RSA_PSS, "SHA384" },
		{ "RSA", PROTO_RSA_PSS, "SHA512" },
		{ "EC", PROTO_ECDSA, "SHA256" },
		{ "ED25519", PROTO_ED25519, "" },
	};

	(void)state;
	for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
		EVP_PKEY *key = strcmp(cases[i].type, "RSA") == 0 ?
		    EVP_RSA_gen(2048) : strcmp(cases[i].type, "EC") == 0 ?
		    EVP_EC_gen("P-256") :
		    EVP_PKEY_Q_keygen(NULL, NULL, "ED25519");
		struct proto_sign m;
		struct proto_signed a;
		struct pair p;

		load(&p, key, key, NULL);
		assert_non_null(p.keys);
		question_for(&p, cases[i].scheme, cases[i].digest, &m);
		keys_sign(p.keys, &m, &a);
		assert_true(a.id == 42);
		if (a.len == 0 || !is_good(key, &m, &a))
			fail_msg("case %zu is not well signed", i);
		done(&p);
	}
}

/* What is set up for one kind of signature is not in the way of another. */
static void
one_after_the_other(void **state)
{
	static const struct {
		enum proto_scheme scheme;
		const char *digest;
		bool good;
	} cases[] = {
		{ PROTO_RSA_PKCS1, "SHA256", true },
		{ PROTO_RSA_PSS, "SHA256", true },
		{ PROTO_RSA_PKCS1, "SHA256", true },
		{ PROTO_ECDSA, "SHA256", false },
		{ PROTO_RSA_PSS, "SHA384", true },
		{ PROTO_RSA_PKCS1, "SHA512", true },
		{ PROTO_RSA_PSS, "MD5", false },
		{ PROTO_RSA_PSS, "SHA256", true },
		{ PROTO_RSA_PSS, "SHA384", true },
	};
	EVP_PKEY *key = EVP_RSA_gen(2048);
	struct proto_sign m;
	struct proto_signed a;
	struct pair p;

	(void)state;
	load(&p, key, key, NULL);
	for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
		question_for(&p, cases[i].scheme, cases[i].digest, &m);
		m.tbs[m.len - 1] = (uint8_t)i;
		keys_sign(p.keys, &m, &a);
		if (cases[i].good ? a.len != 256 || !is_good(key, &m, &a) :
		    a.len != 0)
			fail_msg("signature %zu", i);
	}
	done(&p);
}

static void
the_rest_is_refused(void **state)
{
	EVP_PKEY *key = EVP_EC_gen("P-256");
	struct proto_sign m;
	struct proto_signed a;
	struct pair p;

	(void)state;
	load(&p, key, key, NULL);
	question_for(&p, PROTO_ECDSA, "SHA256", &m);
	keys_sign(p.keys, &m, &a);
	assert_true(a.len > 0);
	m.key[0] ^= 1;				/* nobody's key */
	keys_sign(p.keys, &m, &a);
	assert_int_equal(a.len, 0);
	question_for(&p, PROTO_RSA_PSS, "SHA256", &m);
	keys_sign(p.keys, &m, &a);
	assert_int_equal(a.len, 0);
	question_for(&p, PROTO_ECDSA, "SHA1", &m);
	keys_sign(p.keys, &m, &a);
	assert_int_equal(a.len, 0);
	question_for(&p, PROTO_ECDSA, "", &m);
	keys_sign(p.keys, &m, &a);
	assert_int_equal(a.len, 0);
	question_for(&p, PROTO_ED25519, "", &m);
	keys_sign(p.keys, &m, &a);
	assert_int_equal(a.len, 0);
	question_for(&p, PROTO_ECDSA, "SHA256", &m);
	m.tbs[64] = 't';			/* not what a server signs */
	keys_sign(p.keys, &m, &a);
	assert_int_equal(a.len, 0);
	done(&p);
}

static void
foreign_key(void **state)
{
	EVP_PKEY *key = EVP_EC_gen("P-256"), *other = EVP_EC_gen("P-256");
	struct err err = ERR_INIT;
	struct pair p;

	(void)state;
	load(&p, key, other, &err);
	assert_null(p.keys);
	assert_string_equal(err.text, "x.ini:3: the key in key does not "
	    "belong to the certificate in cert");
	done(&p);
	EVP_PKEY_free(other);
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(only_what_servers_sign),
		cmocka_unit_test(every_length),
		cmocka_unit_test(classic_diffie_hellman),
		cmocka_unit_test(signatures_are_good),
		cmocka_unit_test(one_after_the_other),
		cmocka_unit_test(the_rest_is_refused),
		cmocka_unit_test(foreign_key),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
