/* SPDX-License-Identifier: MIT */
/*
 * worker/tls_ctx: an SSL_CTX from descriptors.  What is said of wrong files
 * the integration tests have; here it is seen (by LeakSanitizer) that nothing
 * is left behind, and when a context is kept over a reload.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

#include <cmocka.h>
#include <openssl/pem.h>
#include <openssl/x509v3.h>
#include <sys/mman.h>

#include "common/alloc.h"
#include "common/settings.h"
#include "worker/tls_ctx.h"

struct fixture {
	struct config_context config;
	struct files files;
	struct proto_tickets tickets;
	struct tls_ctx_source source;
	struct buf warnings;
	EVP_PKEY *key;
	X509 *cert;
};

static X509 *
make_cert(EVP_PKEY *key, long ends)
{
	X509 *cert = X509_new();
	time_t now = time(NULL);

	X509_set_version(cert, 2);
	ASN1_INTEGER_set(X509_get_serialNumber(cert), 7);
	X509_time_adj(X509_getm_notBefore(cert), -7200, &now);
	X509_time_adj(X509_getm_notAfter(cert), ends, &now);
	X509_NAME_add_entry_by_txt(X509_get_subject_name(cert), "CN",
	    MBSTRING_ASC, (const unsigned char *)"localhost", -1, -1, 0);
	X509_set_issuer_name(cert, X509_get_subject_name(cert));
	X509_set_pubkey(cert, key);
	X509_sign(cert, key, EVP_sha256());
	return cert;
}

static void
add_file(struct fixture *f, const char *path, BIO *bio)
{
	char *data;
	long len = BIO_get_mem_data(bio, &data);
	int fd = memfd_create("file", MFD_CLOEXEC);

	assert_int_equal(write(fd, data, (size_t)len), len);
	files_add(&f->files, path, fd);
	BIO_free(bio);
}

static BIO *
pem_of_cert(X509 *cert)
{
	BIO *bio = BIO_new(BIO_s_mem());

	assert_int_equal(PEM_write_bio_X509(bio, cert), 1);
	return bio;
}

static BIO *
pem_of_key(EVP_PKEY *key, const char *passphrase)
{
	BIO *bio = BIO_new(BIO_s_mem());

	assert_int_equal(PEM_write_bio_PKCS8PrivateKey(bio, key,
	    passphrase == NULL ? NULL : EVP_aes_256_cbc(), passphrase,
	    passphrase == NULL ? 0 : (int)strlen(passphrase), NULL, NULL), 1);
	return bio;
}

static BIO *
text(const char *s)
{
	BIO *bio = BIO_new(BIO_s_mem());

	BIO_puts(bio, s);
	return bio;
}

static void
set(struct fixture *f, const char *key, const char *value)
{
	struct err err = ERR_INIT;

	if (settings_set(settings_find(SETTING_CONTEXT, key), &f->config,
	    value, &err) != 0)
		fail_msg("%s", err.text);
}

static int
set_up(void **state)
{
	struct fixture *f = xcalloc(1, sizeof(*f));

	f->key = EVP_EC_gen("P-256");
	f->cert = make_cert(f->key, 3600);
	f->config.name = xstrdup("x");
	f->config.place = (struct config_place){ "f", 3 };
	settings_init(SETTING_CONTEXT, &f->config);
	add_file(f, "/cert", pem_of_cert(f->cert));
	add_file(f, "/key", pem_of_key(f->key, NULL));
	add_file(f, "/none", text("nothing\n"));
	set(f, "local_cert", "/cert");
	set(f, "local_pk", "/key");
	f->source = (struct tls_ctx_source){ .tickets = &f->tickets,
		.ticket_lifetime_ms = 1000, .files = &f->files };
	*state = f;
	return 0;
}

static int
tear_down(void **state)
{
	struct fixture *f = *state;

	settings_done(SETTING_CONTEXT, &f->config);
	free(f->config.name);
	files_done(&f->files);
	buf_done(&f->warnings);
	X509_free(f->cert);
	EVP_PKEY_free(f->key);
	free(f);
	return 0;
}

static struct tls_ctx *
build(struct fixture *f)
{
	struct err err = ERR_INIT;
	struct tls_ctx *tls = tls_ctx_new(&f->config, &f->source,
	    &f->warnings, &err);

	if (tls == NULL)
		fail_msg("%s", err.text);
	return tls;
}

static void
refuses(struct fixture *f, const char *sentence)
{
	struct err err = ERR_INIT;

	assert_null(tls_ctx_new(&f->config, &f->source, &f->warnings, &err));
	if (strstr(err.text, sentence) == NULL)
		fail_msg("%s", err.text);
	assert_ptr_equal(strstr(err.text, "f:3: "), err.text);
}

static void
takes_everything(void **state)
{
	struct fixture *f = *state;
	struct tls_ctx *tls;

	add_file(f, "/ca/a", pem_of_cert(f->cert));
	add_file(f, "/ca/readme", text("nothing\n"));
	add_file(f, "/locked", pem_of_key(f->key, "secret"));
	add_file(f, "/pass", text("secret\n"));
	set(f, "local_pk", "/locked");
	set(f, "passphrase_file", "/pass");
	set(f, "server_name", "localhost");
	set(f, "verify_peer", "require");
	set(f, "cafile", "/cert");
	set(f, "capath", "/ca");
	set(f, "alpn_protocols", "a, b");
	tls = build(f);
	assert_int_equal(f->warnings.len, 0);
	assert_true(tls->info.sound);
	assert_string_equal(tls->info.subject, "localhost");
	assert_int_equal(tls->info.not_after - tls->info.not_before, 10800);
	assert_int_equal(SSL_CTX_get_verify_mode(tls->ssl_ctx),
	    SSL_VERIFY_PEER | SSL_VERIFY_FAIL_IF_NO_PEER_CERT);
	tls_ctx_unref(tls);
}

static void
leaves_nothing_behind(void **state)
{
	static const struct {
		const char *key, *value, *sentence;
	} rows[] = {
		{ "local_cert", "/none", "no certificate (PEM) in /none" },
		{ "local_pk", "/none", "no private key (PEM) in /none" },
		{ "ciphers", "NONE", "ciphers NONE" },
		{ "groups", "NONE", "groups NONE" },
		{ "dh_param", "/none", "no DH parameters (PEM) in /none" },
		{ "ocsp_staple", "/none", "no OCSP response (DER) in /none" },
		{ "passphrase_file", "/empty", "has nothing in its first" },
	};

	(void)state;
	for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
		void *own;

		set_up(&own);
		add_file(own, "/empty", text("\n"));
		set(own, rows[i].key, rows[i].value);
		refuses(own, rows[i].sentence);
		tear_down(&own);
	}
}

static void
is_kept_while_nothing_changes(void **state)
{
	struct fixture *f = *state;
	struct tls_ctx *a = build(f), *b;

	f->source.before = a;
	b = build(f);
	assert_ptr_equal(a, b);
	tls_ctx_unref(b);

	/* a setting, the lifetime of tickets, a file */
	set(f, "tls_max", "1.2");
	b = build(f);
	assert_ptr_not_equal(a, b);
	tls_ctx_unref(b);
	set(f, "tls_max", "1.3");
	f->source.ticket_lifetime_ms = 2000;
	b = build(f);
	assert_ptr_not_equal(a, b);
	tls_ctx_unref(b);
	f->source.ticket_lifetime_ms = 1000;
	add_file(f, "/key", pem_of_key(f->key, NULL));
	b = build(f);
	assert_ptr_not_equal(a, b);
	tls_ctx_unref(b);
	tls_ctx_unref(a);
}

/* With what was said, so that it is said again. */
static void
is_not_kept_with_a_warning(void **state)
{
	struct fixture *f = *state;
	struct tls_ctx *a, *b;
	size_t said;

	set(f, "server_name", "other.example");
	a = build(f);
	said = f->warnings.len;
	assert_true(said > 0);
	f->source.before = a;
	b = build(f);
	assert_ptr_not_equal(a, b);
	assert_int_equal(f->warnings.len, 2 * said);
	tls_ctx_unref(a);
	tls_ctx_unref(b);
}

/* Nothing that is right is replaced by what is not. */
static void
gets_no_worse(void **state)
{
	struct fixture *f = *state;
	X509 *old = make_cert(f->key, -60);
	struct tls_ctx *good = build(f), *bad, *other;

	add_file(f, "/cert", pem_of_cert(old));
	bad = build(f);		/* at a start */
	assert_false(bad->info.sound);
	assert_true(f->warnings.len > 0);
	f->source.before = good;
	refuses(f, "expired on");
	f->source.before = bad;
	other = build(f);
	assert_false(other->info.sound);
	tls_ctx_unref(other);
	f->source.before = NULL;
	f->source.strict = true;
	refuses(f, "expired on");
	X509_free(old);
	tls_ctx_unref(good);
	tls_ctx_unref(bad);
}

int
main(void)
{
	static const struct CMUnitTest tests[] = {
		cmocka_unit_test_setup_teardown(takes_everything, set_up,
		    tear_down),
		cmocka_unit_test(leaves_nothing_behind),
		cmocka_unit_test_setup_teardown(is_kept_while_nothing_changes,
		    set_up, tear_down),
		cmocka_unit_test_setup_teardown(is_not_kept_with_a_warning,
		    set_up, tear_down),
		cmocka_unit_test_setup_teardown(gets_no_worse, set_up,
		    tear_down),
	};

	return cmocka_run_group_tests_name("tls_ctx", tests, NULL, NULL);
}
