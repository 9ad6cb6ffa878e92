/* SPDX-License-Identifier: MIT */
/*
 * The worker's OSSL_PARAM_locate: what it finds, and that libcrypto asks the
 * program's.  Where it does not (linked with -Bsymbolic, say), the file can go.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>
#include <cmocka.h>

#include <openssl/evp.h>

/* Under other names, so that the program's own can count. */
#define OSSL_PARAM_locate tested_locate
#define OSSL_PARAM_locate_const tested_locate_const
OSSL_PARAM *OSSL_PARAM_locate(OSSL_PARAM *p, const char *key);
const OSSL_PARAM *OSSL_PARAM_locate_const(const OSSL_PARAM *p,
    const char *key);
#include "worker/ossl_param.c"
#undef OSSL_PARAM_locate
#undef OSSL_PARAM_locate_const

static unsigned asked;

OSSL_PARAM *
OSSL_PARAM_locate(OSSL_PARAM *p, const char *key)
{
	asked++;
	return tested_locate(p, key);
}

const OSSL_PARAM *
OSSL_PARAM_locate_const(const OSSL_PARAM *p, const char *key)
{
	asked++;
	return tested_locate_const(p, key);
}

static void
test_finds(void **state)
{
	static const char *const keys[] = { "tag", "taglen", "t", "ivlen",
		"iv", "", "keylen", "ivlen" };
	size_t value[8], n = sizeof(keys) / sizeof(keys[0]), i;
	OSSL_PARAM list[9];
	char key[16];

	(void)state;
	for (i = 0; i < n; i++)
		list[i] = OSSL_PARAM_construct_size_t(keys[i], &value[i]);
	list[n] = OSSL_PARAM_construct_end();
	for (i = 0; i < n; i++) {
		size_t first = strcmp(keys[i], "ivlen") == 0 ? 3 : i;

		/* The same characters elsewhere, and the same pointer. */
		strcpy(key, keys[i]);
		assert_ptr_equal(tested_locate(list, key), &list[first]);
		assert_ptr_equal(tested_locate_const(list, key),
		    &list[first]);
		assert_ptr_equal(tested_locate(&list[i], keys[i]), &list[i]);
	}
	assert_null(tested_locate(list, "ta"));
	assert_null(tested_locate(list, "tagl"));
	assert_null(tested_locate_const(list, "ivlens"));
	assert_null(tested_locate(&list[n], "iv"));
	assert_null(tested_locate(NULL, "iv"));
	assert_null(tested_locate_const(NULL, "iv"));
	assert_null(tested_locate(list, NULL));
	assert_null(tested_locate_const(list, NULL));
}

static void
test_is_asked(void **state)
{
	EVP_CIPHER_CTX *ctx = EVP_CIPHER_CTX_new();
	uint8_t key[16] = { 0 };

	(void)state;
	assert_int_equal(EVP_EncryptInit_ex(ctx, EVP_aes_128_gcm(), NULL, key,
	    NULL), 1);
	asked = 0;
	assert_int_equal(EVP_CIPHER_CTX_get_iv_length(ctx), 12);
	assert_true(asked > 0);
	EVP_CIPHER_CTX_free(ctx);
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_finds),
		cmocka_unit_test(test_is_asked),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
