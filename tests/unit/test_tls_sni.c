/* SPDX-License-Identifier: MIT */
/* worker/tls_sni: the extension taken apart, and the table of names. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>
#include <openssl/x509v3.h>

#include "common/alloc.h"
#include "common/count.h"
#include "worker/tls_sni.h"

/* ---- the extension ---------------------------------------------------------- */

static void
takes_a_name(void **state)
{
	static const uint8_t ext[] = "\0\x0e\0\0\x0b" "Example.org";
	size_t len = sizeof(ext) - 1;
	char name[TLS_SNI_NAME_MAX];

	(void)state;
	assert_true(tls_sni_parse(ext, len, name));
	assert_string_equal(name, "Example.org");
	for (size_t n = 0; n < len; n++) {
		uint8_t *cut = malloc(n + 1);	/* so that ASan sees */

		memcpy(cut, ext, n);
		assert_false(tls_sni_parse(cut, n, name));
		free(cut);
	}
}

static void
refuses_what_is_wrong(void **state)
{
	static const struct {
		const char *bytes;
		size_t len;
	} rows[] = {
		{ "\0\x04\0\0\x01" "ab", 7 },	/* bytes behind the name */
		{ "\0\x05\0\0\x01" "ab", 7 },	/* list longer than name */
		{ "\0\x03\0\0\x00", 5 },	/* an empty name */
		{ "\0\x04\x01\0\x01" "a", 6 },	/* another type */
		{ "\0\x05\0\0\x02" "a\0", 7 },	/* a NUL in the name */
		{ "\xff\xff\0\xff\xff" "a", 6 },
		{ "\0\x08\0\0\x01" "a\0\0\x01" "b", 10 },	/* two names */
	};
	uint8_t big[2 + 3 + TLS_SNI_NAME_MAX];
	char name[TLS_SNI_NAME_MAX];

	(void)state;
	for (size_t i = 0; i < COUNT(rows); i++)
		assert_false(tls_sni_parse((const uint8_t *)rows[i].bytes,
		    rows[i].len, name));
	memset(big, 'a', sizeof(big));
	memcpy(big, "\x01\x03\0\x01\0", 5);
	assert_false(tls_sni_parse(big, sizeof(big), name));
	memcpy(big, "\x01\x02\0\0\xff", 5);
	assert_true(tls_sni_parse(big, sizeof(big) - 1, name));
	assert_int_equal(strlen(name), TLS_SNI_NAME_MAX - 1);
}

/* ---- the table ----------------------------------------------------------------- */

static void
add_name(struct config_context *config, const char *name)
{
	struct config_strings *names = &config->server_name;

	names->items = xreallocarray(names->items, names->n + 1,
	    sizeof(*names->items));
	names->items[names->n++] = xstrdup(name);
}

static void
drop_names(struct config_context *config)
{
	for (size_t i = 0; i < config->server_name.n; i++)
		free(config->server_name.items[i]);
	free(config->server_name.items);
}

static const struct tls_ctx *
find(const struct tls_sni *sni, const char *name)
{
	const struct tls_named *named = tls_sni_find(sni, name, strlen(name));

	return named == NULL ? NULL : named->tls;
}

static void
finds_names(void **state)
{
	struct config_context config[3] = { { .name = NULL } };
	struct tls_ctx tls[3] = { { .config = &config[0] },
		{ .config = &config[1] }, { .config = &config[2] } };
	struct tls_named list[] = { { &tls[0], 7 }, { &tls[1], 8 },
		{ &tls[2], 9 } };
	struct tls_sni *sni;

	(void)state;
	add_name(&config[0], "default.example");
	add_name(&config[1], "example.org");
	add_name(&config[1], "*.example.org");
	add_name(&config[2], "www.example.org");
	sni = tls_sni_new(list, 3, false);
	assert_int_equal(tls_sni_first(sni)->index, 7);
	assert_int_equal(tls_sni_find(sni, "example.org", 11)->index, 8);
	assert_ptr_equal(find(sni, "example.org"), &tls[1]);
	assert_ptr_equal(find(sni, "EXAMPLE.org"), &tls[1]);
	assert_ptr_equal(find(sni, "a.example.org"), &tls[1]);
	assert_ptr_equal(find(sni, "A.Example.Org"), &tls[1]);
	/* exact goes before the wildcard */
	assert_ptr_equal(find(sni, "www.example.org"), &tls[2]);
	/* one label, and there must be one */
	assert_null(find(sni, "a.b.example.org"));
	assert_null(find(sni, ".example.org"));
	assert_null(find(sni, "*"));
	assert_null(find(sni, ""));
	assert_null(find(sni, "org"));
	assert_null(find(sni, "example.org."));
	assert_null(find(sni, "xexample.org"));
	tls_sni_free(sni);
	for (size_t i = 0; i < 3; i++)
		drop_names(&config[i]);
}

static void
finds_among_thousands(void **state)
{
	enum { N = 4096 };
	static struct config_context config[N];
	static struct tls_ctx tls[N];
	static struct tls_named list[N];
	struct tls_sni *sni;
	char name[64];

	(void)state;
	for (int i = 0; i < N; i++) {
		snprintf(name, sizeof(name), "%s%d.example", i % 2 == 0 ?
		    "*." : "", i);
		add_name(&config[i], name);
		tls[i].config = &config[i];
		list[i].tls = &tls[i];
	}
	sni = tls_sni_new(list, N, true);
	for (int i = 0; i < N; i++) {
		snprintf(name, sizeof(name), "%s%d.example", i % 2 == 0 ?
		    "www." : "", i);
		assert_ptr_equal(find(sni, name), &tls[i]);
		snprintf(name, sizeof(name), "%s%d.example", i % 2 == 0 ?
		    "" : "www.", i);
		assert_null(find(sni, name));
	}
	tls_sni_free(sni);
	for (int i = 0; i < N; i++)
		drop_names(&config[i]);
}

/* ---- names of certificates --------------------------------------------------- */

static SSL_CTX *
ctx_with_names(const char *names)
{
	SSL_CTX *ctx = SSL_CTX_new(TLS_server_method());
	EVP_PKEY *key = EVP_EC_gen("P-256");
	X509 *cert = X509_new();
	X509_EXTENSION *ext = X509V3_EXT_conf_nid(NULL, NULL,
	    NID_subject_alt_name, names);

	X509_set_version(cert, 2);
	X509_gmtime_adj(X509_getm_notBefore(cert), -60);
	X509_gmtime_adj(X509_getm_notAfter(cert), 3600);
	X509_set_pubkey(cert, key);
	assert_non_null(ext);
	X509_add_ext(cert, ext, -1);
	X509_sign(cert, key, EVP_sha256());
	assert_int_equal(SSL_CTX_use_certificate(ctx, cert), 1);
	assert_int_equal(SSL_CTX_use_PrivateKey(ctx, key), 1);
	X509_EXTENSION_free(ext);
	X509_free(cert);
	EVP_PKEY_free(key);
	return ctx;
}

static void
takes_names_of_certificates(void **state)
{
	struct config_context config[3] = { { .name = NULL } };
	struct tls_ctx tls[3] = { { .config = &config[0] },
		{ .config = &config[1] }, { .config = &config[2] } };
	struct tls_named list[] = { { &tls[0], 7 }, { &tls[1], 8 },
		{ &tls[2], 9 } };
	struct tls_sni *sni;

	(void)state;
	tls[0].ssl_ctx = ctx_with_names("DNS:A.example,DNS:said.example,"
	    "IP:127.0.0.1");
	tls[1].ssl_ctx = ctx_with_names("DNS:a.example,DNS:*.b.example");
	tls[2].ssl_ctx = ctx_with_names("DNS:not.example");
	add_name(&config[2], "said.example");
	sni = tls_sni_new(list, 3, false);
	/* the first that has it, but server_name goes before that */
	assert_ptr_equal(find(sni, "a.example"), &tls[0]);
	assert_ptr_equal(find(sni, "said.example"), &tls[2]);
	assert_ptr_equal(find(sni, "x.b.example"), &tls[1]);
	assert_null(find(sni, "not.example"));
	assert_null(find(sni, "127.0.0.1"));
	tls_sni_free(sni);
	drop_names(&config[2]);
	for (size_t i = 0; i < 3; i++)
		SSL_CTX_free(tls[i].ssl_ctx);
}

int
main(void)
{
	static const struct CMUnitTest tests[] = {
		cmocka_unit_test(takes_a_name),
		cmocka_unit_test(refuses_what_is_wrong),
		cmocka_unit_test(finds_names),
		cmocka_unit_test(finds_among_thousands),
		cmocka_unit_test(takes_names_of_certificates),
	};

	return cmocka_run_group_tests_name("tls_sni", tests, NULL, NULL);
}
