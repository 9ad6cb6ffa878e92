/* SPDX-License-Identifier: MIT */
/*
 * The TLS client of the load generator and an OpenSSL server, in memory; or
 * a server that says what a test wants under the same keys.
 */
#ifndef WSSD_TESTS_UNIT_HELLO_BOTH_H
#define WSSD_TESTS_UNIT_HELLO_BOTH_H

#include <openssl/ssl.h>
#include <stdio.h>

#include "tests/bench/hello.h"
#include "tests/unit/feed.h"
#include "tests/unit/own_cert.h"

#define FLIGHT_MAX 65536

/* Both sides.  The flight is all that the server says to our ClientHello. */
struct both {
	EVP_PKEY *key;
	struct hello *hello;
	struct crypto crypto;
	SSL_CTX *ctx;
	SSL *ssl;
	uint8_t server_secret[32];	/* of the handshake, says OpenSSL */
	uint8_t flight[FLIGHT_MAX];
	size_t flight_len;
	const struct hello_ticket *ticket;
};

/* How the client took it. */
struct taking {
	struct both *both;
	uint8_t *rest;			/* of exactly rest_len bytes */
	size_t rest_len;
	int result;
	struct err err;
};

static const uint8_t random_bytes[HELLO_RANDOM] = "always the same";

static inline size_t
unhex(const char *text, uint8_t *out)
{
	size_t n = strlen(text) / 2;

	for (size_t i = 0; i < n; i++)
		assert_int_equal(sscanf(text + 2 * i, "%2hhx", &out[i]), 1);
	return n;
}

static inline void
on_keylog(const SSL *ssl, const char *line)
{
	struct both *b = SSL_get_app_data(ssl);

	if (strncmp(line, "SERVER_HANDSHAKE_TRAFFIC_SECRET ", 32) == 0)
		assert_int_equal(unhex(strrchr(line, ' ') + 1,
		    b->server_secret), 32);
}

static inline void
begin(struct both *b)
{
	BIO *in = BIO_new(BIO_s_mem()), *out = BIO_new(BIO_s_mem());
	const uint8_t *record;
	size_t len;
	int n;

	SSL_free(b->ssl);
	b->ssl = SSL_new(b->ctx);
	SSL_set_app_data(b->ssl, b);
	SSL_set_bio(b->ssl, in, out);
	record = hello_begin(b->hello, b->ticket, 0, random_bytes, &len);
	assert_int_equal(BIO_write(in, record, (int)len), len);
	assert_int_equal(SSL_accept(b->ssl), -1);
	n = BIO_read(out, b->flight, sizeof(b->flight));
	assert_true(n > 0);
	b->flight_len = (size_t)n;
}

static inline int
setup(void **state)
{
	struct both *b = calloc(1, sizeof(*b));

	b->key = crypto_key_new();
	b->hello = hello_new(b->key);
	crypto_init(&b->crypto, b->key);
	b->ctx = SSL_CTX_new(TLS_server_method());
	use_own_cert(b->ctx);
	SSL_CTX_set_keylog_callback(b->ctx, on_keylog);
	*state = b;
	return 0;
}

static inline int
teardown(void **state)
{
	struct both *b = *state;

	SSL_free(b->ssl);
	SSL_CTX_free(b->ctx);
	crypto_done(&b->crypto);
	hello_free(b->hello);
	EVP_PKEY_free(b->key);
	free(b);
	return 0;
}

static inline void
take_begin(void *arg)
{
	struct taking *t = arg;
	size_t len;

	(void)hello_begin(t->both->hello, t->both->ticket, 0, random_bytes,
	    &len);
	t->rest = NULL;
	t->rest_len = 0;
	t->result = 0;
}

static inline void
take_piece(void *arg, uint8_t *data, size_t len)
{
	struct taking *t = arg;
	size_t used, n = t->rest_len + len;
	uint8_t *all = malloc(n == 0 ? 1 : n);

	if (t->rest_len > 0)
		memcpy(all, t->rest, t->rest_len);
	if (len > 0)
		memcpy(all + t->rest_len, data, len);
	free(t->rest);
	t->rest = all;
	t->rest_len = n;
	if (t->result != 0)
		return;
	t->result = hello_feed(t->both->hello, all, n, &used, &t->err);
	if (t->result < 0)
		return;
	assert_true(used <= n);
	t->rest_len = n - used;
	t->rest = malloc(t->rest_len == 0 ? 1 : t->rest_len);
	memcpy(t->rest, all + used, t->rest_len);
	free(all);
}

static inline void
take_end(void *arg)
{
	struct taking *t = arg;

	free(t->rest);
	t->rest = NULL;
	assert_int_equal(t->result, 1);
	assert_int_equal(t->rest_len, 0);
}

static const struct feed feed = { take_begin, take_piece, take_end };

/* What comes of one piece; the reason is in t->err. */
static inline int
take(struct both *b, const uint8_t *data, size_t len, struct taking *t)
{
	t->both = b;
	take_begin(t);
	feed_piece(&feed, t, data, len);
	free(t->rest);
	return t->result;
}

static inline size_t
record_size(const uint8_t *record)
{
	return RECORD_HEAD + ((size_t)record[3] << 8 | record[4]);
}

/* What the server said under its keys, as one piece. */
static inline size_t
secret_messages(struct both *b, uint8_t *out)
{
	struct record_keys open = { 0 };
	uint8_t record[RECORD_MAX], type;
	size_t at, size, len, n = 0;

	record_keys_init(&open, &b->crypto, b->server_secret, 0);
	for (at = 0; at < b->flight_len; at += size) {
		size = record_size(b->flight + at);
		if (b->flight[at] != RECORD_DATA)
			continue;
		memcpy(record, b->flight + at, size);
		assert_int_equal(record_open(&open, record, size, &type, &len,
		    NULL), 0);
		assert_int_equal(type, RECORD_HANDSHAKE);
		memcpy(out + n, record + RECORD_HEAD, len);
		n += len;
	}
	record_keys_done(&open);
	return n;
}

/* A flight of our own. */
struct script {
	struct record_keys seal;
	uint8_t data[FLIGHT_MAX * 4];
	size_t len;
};

static inline void
say_plain(struct script *s, uint8_t type, const uint8_t *data, size_t len)
{
	uint8_t head[] = { type, 3, 3, (uint8_t)(len >> 8), (uint8_t)len };

	memcpy(s->data + s->len, head, sizeof(head));
	memcpy(s->data + s->len + sizeof(head), data, len);
	s->len += sizeof(head) + len;
}

static inline void
say(struct script *s, uint8_t type, const uint8_t *data, size_t len)
{
	s->len += record_seal(&s->seal, type, data, len, s->data + s->len);
}

/* The ServerHello that there was; what follows it is said under its keys. */
static inline struct script *
script_new(struct both *b)
{
	struct script *s = calloc(1, sizeof(*s));

	begin(b);
	record_keys_init(&s->seal, &b->crypto, b->server_secret, 1);
	s->len = record_size(b->flight);
	memcpy(s->data, b->flight, s->len);
	return s;
}

static inline void
script_free(struct script *s)
{
	record_keys_done(&s->seal);
	free(s);
}

/* The NewSessionTicket that the server sends; its length. */
static inline size_t
get_ticket(struct both *b, uint8_t *record)
{
	struct record_keys seal = { 0 }, open = { 0 };
	uint8_t finished[HELLO_FINISHED], type;
	struct taking t;
	size_t len;

	begin(b);
	assert_int_equal(take(b, b->flight, b->flight_len, &t), 1);
	hello_finish(b->hello, finished);
	hello_keys(b->hello, &seal, &open);
	BIO_write(SSL_get_rbio(b->ssl), finished, sizeof(finished));
	assert_int_equal(SSL_accept(b->ssl), 1);
	assert_true(BIO_read(SSL_get_wbio(b->ssl), record, RECORD_MAX) > 0);
	assert_int_equal(record_open(&open, record, record_size(record),
	    &type, &len, NULL), 0);
	assert_int_equal(type, RECORD_HANDSHAKE);
	record_keys_done(&seal);
	record_keys_done(&open);
	return len;
}

#define WITH_BOTH(f) cmocka_unit_test_setup_teardown(f, setup, teardown)

#endif
