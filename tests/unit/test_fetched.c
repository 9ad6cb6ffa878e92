/* SPDX-License-Identifier: MIT */
/*
 * What libcrypto fetches again and again: what is remembered, what is not,
 * and that libcrypto asks the program at all.  Where it does not (linked with
 * -Bsymbolic, say), the file can go.
 */
#include <pthread.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdio.h>
#include <cmocka.h>

#include <openssl/evp.h>
#include <openssl/ssl.h>

#include "worker/fetched.c"

static int
begin(void **state)
{
	(void)state;
	fetched_begin();
	return 0;
}

static int
forget(void **state)
{
	(void)state;
	fetched_forget();
	return 0;
}

/* Without begin(): as in every other program. */
static void
test_not_begun(void **state)
{
	EVP_MD *md = EVP_MD_fetch(NULL, "SHA256", NULL);

	(void)state;
	assert_non_null(md);
	assert_int_equal(memory.mds.n, 0);
	EVP_MD_free(md);
}

static void
test_the_same(void **state)
{
	EVP_MD *md[3], *libs = real.md(NULL, "SHA2-256", NULL);
	EVP_MAC *mac[2];
	EVP_KDF *kdf[2];

	(void)state;
	md[0] = EVP_MD_fetch(NULL, "SHA2-256", NULL);
	md[1] = EVP_MD_fetch(OSSL_LIB_CTX_get0_global_default(), "SHA2-256",
	    "");
	mac[0] = EVP_MAC_fetch(NULL, "HMAC", NULL);
	mac[1] = EVP_MAC_fetch(NULL, "HMAC", NULL);
	kdf[0] = EVP_KDF_fetch(NULL, "TLS13-KDF", NULL);
	kdf[1] = EVP_KDF_fetch(NULL, "TLS13-KDF", NULL);
	assert_ptr_equal(md[0], libs);
	assert_ptr_equal(md[1], libs);
	assert_non_null(mac[0]);
	assert_ptr_equal(mac[0], mac[1]);
	assert_non_null(kdf[0]);
	assert_ptr_equal(kdf[0], kdf[1]);
	assert_int_equal(memory.mds.n, 1);
	assert_int_equal(memory.macs.n, 1);
	assert_int_equal(memory.kdfs.n, 1);
	/* Who fetched them owns a reference, whatever becomes of ours. */
	fetched_forget();
	md[2] = EVP_MD_fetch(NULL, "SHA2-256", NULL);
	assert_ptr_equal(md[2], libs);
	assert_int_equal(EVP_MD_get_size(md[0]), 32);
	for (int i = 0; i < 3; i++)
		EVP_MD_free(md[i]);
	for (int i = 0; i < 2; i++) {
		EVP_MAC_free(mac[i]);
		EVP_KDF_free(kdf[i]);
	}
	EVP_MD_free(libs);
}

static void
test_not_remembered(void **state)
{
	OSSL_LIB_CTX *own = OSSL_LIB_CTX_new();
	EVP_MD *md;

	(void)state;
	md = EVP_MD_fetch(NULL, "SHA256", "provider=default");
	assert_non_null(md);
	EVP_MD_free(md);
	md = EVP_MD_fetch(own, "SHA256", NULL);
	assert_non_null(md);
	EVP_MD_free(md);
	assert_int_equal(memory.mds.n, 0);
	/* What there is not today may be there tomorrow. */
	for (int i = 0; i < 2; i++)
		assert_null(EVP_MD_fetch(NULL, "no such digest", NULL));
	assert_null(EVP_MD_fetch(NULL, "a name that is longer than there is "
	    "room for", NULL));
	OSSL_LIB_CTX_free(own);
}

static void
test_full(void **state)
{
	char name[16];
	EVP_MD *md;

	(void)state;
	for (int i = 0; i < METHODS_MAX; i++) {
		snprintf(name, sizeof(name), "none-%d", i);
		assert_null(EVP_MD_fetch(NULL, name, NULL));
	}
	assert_int_equal(memory.mds.n, METHODS_MAX);
	md = EVP_MD_fetch(NULL, "SHA256", NULL);
	assert_non_null(md);
	EVP_MD_free(md);
	assert_int_equal(memory.mds.n, METHODS_MAX);
}

struct heard {
	char text[256];
	size_t len;
};

static void
hear(const char *name, void *arg)
{
	struct heard *h = arg;

	h->len += (size_t)snprintf(h->text + h->len,
	    sizeof(h->text) - h->len, "%s ", name);
}

static void
test_names(void **state)
{
	static const char *const types[] = { "X25519", "EC", "RSA", "DH" };

	(void)state;
	for (size_t i = 0; i < 4; i++) {
		EVP_KEYMGMT *of = EVP_KEYMGMT_fetch(NULL, types[i], NULL);
		struct heard libs = { "", 0 }, first = { "", 0 },
		    again = { "", 0 };

		assert_non_null(of);
		assert_int_equal(real.names(of, hear, &libs), 1);
		assert_int_equal(EVP_KEYMGMT_names_do_all(of, hear, &first),
		    1);
		assert_int_equal(EVP_KEYMGMT_names_do_all(of, hear, &again),
		    1);
		assert_string_equal(first.text, libs.text);
		assert_string_equal(again.text, libs.text);
		assert_int_equal(memory.n_key_types, i + 1);
		EVP_KEYMGMT_free(of);
	}
}

static void *
fetch_in_a_thread(void *arg)
{
	EVP_MD *md = EVP_MD_fetch(NULL, "SHA512", NULL);

	(void)arg;
	assert_non_null(md);
	assert_int_equal(memory.mds.n, 0);
	EVP_MD_free(md);
	return NULL;
}

static void
test_other_threads(void **state)
{
	pthread_t thread;

	(void)state;
	assert_int_equal(pthread_create(&thread, NULL, fetch_in_a_thread,
	    NULL), 0);
	pthread_join(thread, NULL);
	assert_int_equal(memory.mds.n, 0);
}

/* The calls from inside: a digest that a MAC needs, the type of a key. */
static void
test_is_asked(void **state)
{
	unsigned char data[1] = { 0 }, out[32];
	size_t len = 0;
	EVP_PKEY *key;

	(void)state;
	assert_non_null(EVP_Q_mac(NULL, "HMAC", NULL, "SHA256", NULL, "key",
	    3, data, sizeof(data), out, sizeof(out), &len));
	assert_int_equal(memory.macs.n, 1);
	assert_int_equal(memory.mds.n, 1);
	key = EVP_PKEY_Q_keygen(NULL, NULL, "X25519");
	assert_non_null(key);
	assert_int_equal(memory.n_key_types, 1);
	EVP_PKEY_free(key);
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_not_begun),
		cmocka_unit_test_setup_teardown(test_the_same, begin, forget),
		cmocka_unit_test_setup_teardown(test_not_remembered, begin,
		    forget),
		cmocka_unit_test_setup_teardown(test_full, begin, forget),
		cmocka_unit_test_setup_teardown(test_names, begin, forget),
		cmocka_unit_test_setup_teardown(test_other_threads, begin,
		    forget),
		cmocka_unit_test_setup_teardown(test_is_asked, begin, forget),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
