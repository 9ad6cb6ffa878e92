/* SPDX-License-Identifier: MIT */
/*
 * worker/ahead.c knows where OpenSSL keeps what a record needs.  When a new
 * version keeps it elsewhere these tests fail, and the addresses in
 * worker/ahead_openssl.h have to be found anew.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>

#include <openssl/ssl.h>
#include <stdlib.h>
#include <string.h>

#include "common/count.h"
#include "tests/unit/own_cert.h"
#include "worker/ahead_openssl.h"

/* ---- what OpenSSL has allocated --------------------------------------- */

#define BLOCKS 65536

static struct {
	void *p[BLOCKS];
	size_t size[BLOCKS];
	size_t n;
} made;

static void *
note(void *p, size_t size)
{
	assert_true(made.n < BLOCKS);
	made.p[made.n] = p;
	made.size[made.n++] = size;
	return p;
}

static void *
test_alloc(size_t size, const char *file, int line)
{
	(void)file;
	(void)line;
	return note(malloc(size), size);
}

static void *
test_resize(void *p, size_t size, const char *file, int line)
{
	(void)file;
	(void)line;
	return note(realloc(p, size), size);
}

static void
test_release(void *p, const char *file, int line)
{
	(void)file;
	(void)line;
	free(p);
}

/* Of the block that begins there; 0: none does. */
static size_t
size_of(const void *p)
{
	for (size_t i = made.n; i > 0; i--)
		if (made.p[i - 1] == p)
			return made.size[i - 1];
	return 0;
}

/* ---- two ends --------------------------------------------------------- */

struct pair {
	SSL_CTX *server_ctx, *client_ctx;
	SSL *server, *client;
};

static SSL_CTX *
make_server_ctx(void)
{
	SSL_CTX *ctx = SSL_CTX_new(TLS_server_method());

	use_own_cert(ctx);
	SSL_CTX_set_ciphersuites(ctx, "TLS_AES_128_GCM_SHA256");
	return ctx;
}

static void
connect_pair(struct pair *p)
{
	BIO *a, *b;
	int s = -1, c = -1;

	p->server_ctx = make_server_ctx();
	p->client_ctx = SSL_CTX_new(TLS_client_method());
	p->server = SSL_new(p->server_ctx);
	p->client = SSL_new(p->client_ctx);
	assert_int_equal(BIO_new_bio_pair(&a, 0, &b, 0), 1);
	SSL_set_bio(p->server, a, a);
	SSL_set_bio(p->client, b, b);
	SSL_set_accept_state(p->server);
	SSL_set_connect_state(p->client);
	for (int i = 0; i < 20 && (s != 1 || c != 1); i++) {
		c = SSL_do_handshake(p->client);
		s = SSL_do_handshake(p->server);
	}
	assert_true(s == 1 && c == 1);
}

static void
free_pair(struct pair *p)
{
	SSL_free(p->server);
	SSL_free(p->client);
	SSL_CTX_free(p->server_ctx);
	SSL_CTX_free(p->client_ctx);
}

static void *
pointer(const void *p, size_t at)
{
	void *q;

	memcpy(&q, (const char *)p + at, sizeof(q));
	return q;
}

/* The cipher's own memory, of that direction. */
static void *
cipher_of(const SSL *ssl, size_t at)
{
	EVP_CIPHER_CTX *ctx = pointer(ssl, at);

	/* Nothing is asked that is no block of that size. */
	assert_int_equal(size_of(ctx), AHEAD_CTX_BYTES);
	assert_true(EVP_CIPHER_is_a(EVP_CIPHER_CTX_get0_cipher(ctx),
	    "AES-128-GCM"));
	assert_int_equal(size_of(pointer(ctx, AHEAD_CTX_DATA)),
	    AHEAD_CIPHER_BYTES);
	return pointer(ctx, AHEAD_CTX_DATA);
}

/* ---- tests ------------------------------------------------------------ */

static void
an_ssl_is_as_large_as_was_thought(void **state)
{
	static const struct {
		size_t from, to;
	} used[] = { AHEAD_SSL_USED };
	struct pair p;

	(void)state;
	connect_pair(&p);
	for (size_t i = 0; i < COUNT(used); i++) {
		assert_true(used[i].from < used[i].to);
		assert_true(used[i].to <= size_of(p.server));
		assert_true(i == 0 || used[i - 1].to <= used[i].from);
	}
	free_pair(&p);
}

/* A record that is read changes the one cipher, one that is written the other. */
static void
the_ciphers_are_where_they_were(void **state)
{
	uint8_t read_before[AHEAD_CIPHER_BYTES];
	uint8_t write_before[AHEAD_CIPHER_BYTES];
	struct pair p;
	void *reads, *writes;
	char byte = 'x';

	(void)state;
	connect_pair(&p);
	reads = cipher_of(p.server, AHEAD_SSL_READ);
	writes = cipher_of(p.server, AHEAD_SSL_WRITE);
	assert_ptr_not_equal(reads, writes);
	memcpy(read_before, reads, sizeof(read_before));
	memcpy(write_before, writes, sizeof(write_before));
	assert_int_equal(SSL_write(p.client, &byte, 1), 1);
	assert_int_equal(SSL_read(p.server, &byte, 1), 1);
	assert_memory_not_equal(reads, read_before, sizeof(read_before));
	assert_memory_equal(writes, write_before, sizeof(write_before));
	assert_int_equal(SSL_write(p.server, &byte, 1), 1);
	assert_memory_not_equal(writes, write_before, sizeof(write_before));
	free_pair(&p);
}

int
main(void)
{
	static const struct CMUnitTest tests[] = {
		cmocka_unit_test(an_ssl_is_as_large_as_was_thought),
		cmocka_unit_test(the_ciphers_are_where_they_were),
	};

	if (CRYPTO_set_mem_functions(test_alloc, test_resize,
	    test_release) != 1)
		return 1;
	return cmocka_run_group_tests(tests, NULL, NULL);
}
