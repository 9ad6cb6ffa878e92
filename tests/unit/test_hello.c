/* SPDX-License-Identifier: MIT */
/*
 * The TLS client of the load generator: its key schedule against RFC 8448,
 * its handshake against OpenSSL's server.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>
#include <openssl/ssl.h>

#include "tests/unit/hello_both.h"

static void
equals(const uint8_t *got, size_t len, const char *hex)
{
	uint8_t want[64];

	assert_int_equal(unhex(hex, want), len);
	assert_memory_equal(got, want, len);
}

static void
derives(struct crypto *c, const uint8_t *secret, const char *label,
    const char *hash, const char *want)
{
	uint8_t messages[32], out[32];

	assert_int_equal(unhex(hash, messages), 32);
	crypto_derive(c, secret, label, messages, out);
	equals(out, sizeof(out), want);
}

#define EMPTY "e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855"
#define HELLOS "860c06edc07858ee8e78f0e7428c58edd6b43f2ca3e6e95f02ed063cf0e1cad8"
#define SERVER "9608102a0f1ccc6db6250b7b7e417b1a000eaada3daae4777a7686c9ff83df13"
#define CLIENT "209145a96ee8e2a122ff810047cc952684658d6049e86429426db87c54ad143d"

/* RFC 8448 section 3 */
static void
has_the_key_schedule(void **state)
{
	struct crypto *c = &((struct both *)*state)->crypto;
	static const uint8_t zeros[32], nonce[2];
	uint8_t secret[32], salt[32], shared[32], traffic[32], out[32];

	crypto_hash(c, "", 0, out);
	equals(out, 32, EMPTY);
	crypto_hmac(c, zeros, zeros, 32, secret);
	equals(secret, 32, "33ad0a1c607ec03b09e6cd9893680ce2"
	    "10adf300aa1f2660e1b22e10f170f92a");
	crypto_derive(c, secret, "derived", out, salt);
	unhex("8bd4054fb55b9d63fdfbacf9f04b9f0d"
	    "35e6d63f537563efd46272900f89492d", shared);
	crypto_hmac(c, salt, shared, 32, secret);
	equals(secret, 32, "1dc826e93606aa6fdc0aadc12f741b01"
	    "046aa6b99f691ed221a9f0ca043fbeac");
	derives(c, secret, "c hs traffic", HELLOS,
	    "b3eddb126e067f35a780b3abf45e2d8f3b1a950738f52e9600746a0e27a55a21");
	derives(c, secret, "s hs traffic", HELLOS,
	    "b67b7d690cc16c4e75e54213cb2d37b4e9c912bcded9105d42befd59d391ad38");
	unhex(HELLOS, out);
	crypto_derive(c, secret, "s hs traffic", out, traffic);
	crypto_expand(c, traffic, "key", NULL, 0, out, 16);
	equals(out, 16, "3fce516009c21727d0f2e4e86ee403bc");
	crypto_expand(c, traffic, "iv", NULL, 0, out, 12);
	equals(out, 12, "5d313eb2671276ee13000b30");
	unhex(EMPTY, out);
	crypto_derive(c, secret, "derived", out, salt);
	crypto_hmac(c, salt, zeros, 32, secret);
	equals(secret, 32, "18df06843d13a08bf2a449844c5f8a47"
	    "8001bc4d4c627984d5a41da8d0402919");
	derives(c, secret, "c ap traffic", SERVER,
	    "9e40646ce79a7f9dc05af8889bce6552875afa0b06df0087f792ebb7c17504a5");
	derives(c, secret, "s ap traffic", SERVER,
	    "a11af9f05531f856ad47116b45a950328204b4f44bfb6b3a4b4f1f3fcb631643");
	derives(c, secret, "res master", CLIENT,
	    "7df235f2031d2a051287d02b0241b0bfdaf86cc856231f2d5aba46c434ec196c");
	unhex(CLIENT, out);
	crypto_derive(c, secret, "res master", out, traffic);
	crypto_expand(c, traffic, "resumption", nonce, 2, out, 32);
	equals(out, 32, "4ecd0eb6ec3b4d87f5d6028f922ca4c5"
	    "851a277fd41311c9e62d2c9492e1c4f3");
}

/* RFC 7748 section 6.1 */
static void
agrees_on_a_secret(void **state)
{
	static const uint8_t low_order[32];
	uint8_t mine[32], theirs[32], out[32];
	struct crypto c;
	EVP_PKEY *key;

	(void)state;
	unhex("77076d0a7318a57d3c16c17251b26645"
	    "df4c2f87ebc0992ab177fba51db92c2a", mine);
	unhex("de9edb7d7b7dc1b4d35b61c2ece43537"
	    "3f8343c85b78674dadfc7e146f882b4f", theirs);
	key = EVP_PKEY_new_raw_private_key(EVP_PKEY_X25519, NULL, mine, 32);
	crypto_init(&c, key);
	equals(c.share, 32, "8520f0098930a754748b7ddcb43ef75a"
	    "0dbf3a0d26381af4eba4a98eaa9b4e6a");
	for (int i = 0; i < 2; i++) {
		assert_int_equal(crypto_x25519(&c, theirs, out), 0);
		equals(out, 32, "4a5d9d5ba4ce2de1728e3bf480350f25"
		    "e07e21c947d19e3376f09b3c1e161742");
		assert_int_equal(crypto_x25519(&c, low_order, out), -1);
	}
	crypto_done(&c);
	EVP_PKEY_free(key);
}

static void
accepts_the_flight_in_any_pieces(void **state)
{
	struct both *b = *state;
	struct taking t = { .both = b };

	begin(b);
	feed_all(&feed, &t, b->flight, b->flight_len);
}

/* The connection works in both directions, so all secrets are right. */
static void
talk(struct both *b)
{
	struct record_keys seal = { 0 }, open = { 0 };
	uint8_t finished[HELLO_FINISHED], record[64], said[64] = { 0 };
	BIO *in = SSL_get_rbio(b->ssl), *out = SSL_get_wbio(b->ssl);
	size_t len;
	uint8_t type;

	hello_finish(b->hello, finished);
	hello_keys(b->hello, &seal, &open);
	BIO_write(in, finished, sizeof(finished));
	assert_int_equal(SSL_accept(b->ssl), 1);
	len = record_seal(&seal, RECORD_DATA, (const uint8_t *)"hello", 5,
	    record);
	BIO_write(in, record, (int)len);
	assert_int_equal(SSL_read(b->ssl, said, sizeof(said)), 5);
	assert_string_equal(said, "hello");
	(void)BIO_reset(out);
	/* The tickets were records too. */
	open.seq = SSL_session_reused(b->ssl) ? 1 : 2;
	assert_int_equal(SSL_write(b->ssl, "welcome", 7), 7);
	len = (size_t)BIO_read(out, record, sizeof(record));
	assert_int_equal(record_open(&open, record, len, &type, &len, NULL),
	    0);
	assert_int_equal(type, RECORD_DATA);
	assert_int_equal(len, 7);
	assert_memory_equal(record + RECORD_HEAD, "welcome", 7);
	record_keys_done(&seal);
	record_keys_done(&open);
}

static void
agrees_with_openssl(void **state)
{
	struct both *b = *state;
	struct taking t;

	for (int i = 0; i < 3; i++) {
		begin(b);
		assert_int_equal(take(b, b->flight, b->flight_len, &t), 1);
		talk(b);
	}
}

static void
leaves_what_is_behind(void **state)
{
	struct both *b = *state;
	size_t used = 0;

	begin(b);
	memcpy(b->flight + b->flight_len, "data", 4);
	assert_int_equal(hello_feed(b->hello, b->flight, b->flight_len + 4,
	    &used, NULL), 1);
	assert_int_equal(used, b->flight_len);
}

static void
accepts_any_fragments(void **state)
{
	static const size_t steps[] = { 1, 5, 36, 500, RECORD_PLAIN_MAX };
	struct both *b = *state;
	uint8_t messages[FLIGHT_MAX];
	size_t hello, len, at, n;
	struct script *s;
	struct taking t;

	for (size_t i = 0; i < sizeof(steps) / sizeof(steps[0]); i++) {
		s = script_new(b);
		s->len = 0;
		hello = record_size(b->flight) - RECORD_HEAD;
		for (at = 0; at < hello; at += n) {
			n = hello - at < steps[i] ? hello - at : steps[i];
			say_plain(s, RECORD_HANDSHAKE,
			    b->flight + RECORD_HEAD + at, n);
		}
		say_plain(s, RECORD_CHANGE_CIPHER_SPEC,
		    (const uint8_t *)"\1", 1);
		len = secret_messages(b, messages);
		for (at = 0; at < len; at += n) {
			n = len - at < steps[i] ? len - at : steps[i];
			say(s, RECORD_HANDSHAKE, messages + at, n);
		}
		assert_int_equal(take(b, s->data, s->len, &t), 1);
		talk(b);
		script_free(s);
	}
}

static void
resumes(void **state)
{
	struct both *b = *state;
	uint8_t record[RECORD_MAX];
	struct hello_ticket ticket;
	struct taking t;
	size_t len = get_ticket(b, record);

	assert_int_equal(hello_ticket(b->hello, record + RECORD_HEAD, len,
	    &ticket, NULL), 0);
	b->ticket = &ticket;
	for (int i = 0; i < 2; i++) {
		begin(b);
		assert_int_equal(take(b, b->flight, b->flight_len, &t), 1);
		talk(b);
		assert_true(SSL_session_reused(b->ssl));
	}
	feed_all(&feed, &t, b->flight, b->flight_len);
	b->ticket = NULL;
}

int
main(void)
{
	static const struct CMUnitTest tests[] = {
		WITH_BOTH(has_the_key_schedule),
		WITH_BOTH(agrees_on_a_secret),
		WITH_BOTH(accepts_the_flight_in_any_pieces),
		WITH_BOTH(agrees_with_openssl),
		WITH_BOTH(leaves_what_is_behind),
		WITH_BOTH(accepts_any_fragments),
		WITH_BOTH(resumes),
	};

	return cmocka_run_group_tests_name("hello", tests, NULL, NULL);
}
