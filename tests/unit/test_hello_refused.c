/* SPDX-License-Identifier: MIT */
/*
 * What a server may say to the TLS client of the load generator that is no
 * handshake: an error with a reason, and no byte read that is not there.
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
refuses(struct both *b, const uint8_t *data, size_t len, const char *why)
{
	struct taking t;

	assert_int_equal(take(b, data, len, &t), -1);
	assert_string_equal(t.err.text, why);
}

static void
refuses_any_changed_byte(void **state)
{
	static const uint8_t changes[] = { 0x01, 0x02, 0x80, 0xff };
	struct both *b = *state;
	struct taking t;
	size_t at, in_record = 0, size = 0;
	bool plain = true;

	begin(b);
	for (at = 0; at < b->flight_len; at++, in_record++) {
		if (in_record == size) {
			in_record = 0;
			size = record_size(b->flight + at);
			plain = b->flight[at] != RECORD_DATA;
		}
		/* The minor version means nothing (section 5.1). */
		if (plain && in_record == 2)
			continue;
		for (size_t i = 0; i < sizeof(changes); i++) {
			b->flight[at] ^= changes[i];
			assert_int_not_equal(take(b, b->flight, b->flight_len,
			    &t), 1);
			b->flight[at] ^= changes[i];
		}
	}
	assert_int_equal(take(b, b->flight, b->flight_len, &t), 1);
}

static void
waits_for_the_end(void **state)
{
	struct both *b = *state;
	struct taking t;

	begin(b);
	for (size_t len = 0; len < b->flight_len; len++)
		assert_int_equal(take(b, b->flight, len, &t), 0);
}

/* Each length of a ServerHello that says it is whole. */
static void
refuses_a_short_server_hello(void **state)
{
	struct both *b = *state;
	size_t whole, len;
	struct taking t;

	begin(b);
	whole = record_size(b->flight) - RECORD_HEAD - 4;
	for (len = 0; len < whole; len++) {
		b->flight[4] = (uint8_t)(len + 4);
		b->flight[RECORD_HEAD + 3] = (uint8_t)len;
		assert_int_equal(take(b, b->flight, RECORD_HEAD + 4 + len,
		    &t), -1);
	}
}

/*
 * A ServerHello: version, random, session id, suite, compression, and the
 * extensions that OpenSSL's has: supported_versions, then key_share.
 */
#define SUITE_AT (RECORD_HEAD + 4 + 2 + 32 + 1 + 32)
#define EXTENSIONS_AT (SUITE_AT + 2 + 1 + 2)

static void
refuses_a_wrong_server_hello(void **state)
{
	static const struct {
		size_t at;
		uint8_t byte;
		const char *why;
	} wrong[] = {
		{ RECORD_HEAD, 11,
		    "handshake message 11 instead of ServerHello" },
		{ RECORD_HEAD + 1, 1, "a ServerHello of 65654 bytes" },
		{ RECORD_HEAD + 5, 2, "not TLS 1.3" },
		{ RECORD_HEAD + 4 + 34, 33, "a malformed ServerHello" },
		{ RECORD_HEAD + 4 + 35, 0xff, "a malformed ServerHello" },
		{ SUITE_AT + 1, 2, "cipher suite 0x1302 instead of "
		    "TLS_AES_128_GCM_SHA256" },
		{ SUITE_AT + 2, 1, "a malformed ServerHello" },
		{ SUITE_AT + 4, 0, "a malformed ServerHello" },
		{ EXTENSIONS_AT + 1, 42, "extension 42 in a ServerHello" },
		{ EXTENSIONS_AT + 1, 41, "a ticket that was not offered" },
		{ EXTENSIONS_AT + 3, 1, "not TLS 1.3" },
		{ EXTENSIONS_AT + 5, 3, "not TLS 1.3" },
		{ EXTENSIONS_AT + 6 + 5, 23,
		    "a key share that is not X25519's" },
		{ EXTENSIONS_AT + 6 + 7, 31,
		    "a key share that is not X25519's" },
		{ EXTENSIONS_AT + 6 + 3, 255, "a malformed ServerHello" },
	};
	struct both *b = *state;
	uint8_t was;

	begin(b);
	assert_int_equal(b->flight[EXTENSIONS_AT + 1], 43);
	assert_int_equal(b->flight[EXTENSIONS_AT + 6 + 1], 51);
	for (size_t i = 0; i < sizeof(wrong) / sizeof(wrong[0]); i++) {
		was = b->flight[wrong[i].at];
		b->flight[wrong[i].at] = wrong[i].byte;
		refuses(b, b->flight, b->flight_len, wrong[i].why);
		b->flight[wrong[i].at] = was;
	}
	memset(b->flight + EXTENSIONS_AT + 6 + 8, 0, 32);
	refuses(b, b->flight, b->flight_len,
	    "a key share that gives no secret");
}

/* With other extensions than its own. */
static void
refuses_extensions(struct both *b, const uint8_t *data, size_t len,
    const char *why)
{
	uint8_t hello[256];
	size_t n = EXTENSIONS_AT - RECORD_HEAD;
	struct script *s = script_new(b);

	s->len = 0;
	memcpy(hello, b->flight + RECORD_HEAD, n);
	memcpy(hello + n, data, len);
	hello[3] = (uint8_t)(n + len - 4);
	hello[n - 2] = 0;
	hello[n - 1] = (uint8_t)len;
	say_plain(s, RECORD_HANDSHAKE, hello, n + len);
	refuses(b, s->data, s->len, why);
	script_free(s);
}

static void
refuses_wrong_extensions(void **state)
{
	static const uint8_t version[] = { 0, 43, 0, 2, 3, 4, 0, 43, 0, 2, 3,
		4 };
	uint8_t share[40] = { 0, 51, 0, 36, 0, 29, 0, 32 };

	refuses_extensions(*state, version, 6,
	    "a ServerHello without key share");
	refuses_extensions(*state, version, 12, "extension 43 twice");
	refuses_extensions(*state, version, 5, "a malformed ServerHello");
	refuses_extensions(*state, share, sizeof(share), "not TLS 1.3");
	refuses_extensions(*state, share, 0, "not TLS 1.3");
}

#define EE "\x08\0\0\2\0\0"
#define CERT "\x0b\0\0\x0a\0\0\0\6\0\0\1A\0\0"
#define VERIFY "\x0f\0\0\5\4\3\0\1S"
#define BYTES(text) sizeof(text) - 1, text

/* What a server says under its keys. */
static const struct said {
	uint8_t type;
	size_t len;
	const char *what, *why;
} said[] = {
	{ 22, BYTES(""), "an empty handshake record" },
	{ 23, BYTES("data"), "a record of type 23 in a handshake" },
	{ 20, BYTES("\1"), "a record of type 20 in a handshake" },
	{ 21, BYTES("\2\x28"), "the server refuses (TLS alert 40)" },
	{ 21, BYTES("\2"), "a record of type 21 in a handshake" },
	{ 22, BYTES(CERT),
	    "handshake message 11 instead of EncryptedExtensions" },
	{ 22, BYTES("\x08\xff\xff\xff"),
	    "a EncryptedExtensions of 16777215 bytes" },
	{ 22, BYTES("\x08\0\0\0"), "a malformed EncryptedExtensions" },
	{ 22, BYTES("\x08\0\0\2\0\1"), "a malformed EncryptedExtensions" },
	{ 22, BYTES("\x08\0\0\3\0\0A"), "a malformed EncryptedExtensions" },
	{ 22, BYTES("\x08\0\0\5\0\3\0\0\0"),
	    "a malformed EncryptedExtensions" },
	{ 22, BYTES("\x08\0\0\6\0\4\0\0\0\1"),
	    "a malformed EncryptedExtensions" },
	{ 22, BYTES(EE "\x0d\0\0\3\0\0\0"),
	    "the server wants a certificate" },
	{ 22, BYTES(EE "\x0b\0\0\0"), "a malformed Certificate" },
	{ 22, BYTES(EE "\x0b\0\0\4\0\0\0\0"), "a malformed Certificate" },
	{ 22, BYTES(EE "\x0b\0\0\4\0\0\0\1"), "a malformed Certificate" },
	{ 22, BYTES(EE "\x0b\0\0\4\1\0\0\0"), "a malformed Certificate" },
	{ 22, BYTES(EE "\x0b\0\0\7\0\0\0\3\0\0\1"),
	    "a malformed Certificate" },
	{ 22, BYTES(EE "\x0b\0\0\x0a\0\0\0\6\0\0\1A\0\1"),
	    "a malformed Certificate" },
	{ 22, BYTES(EE "\x0b\0\0\x0a\0\0\0\6\xff\xff\xff" "A\0\0"),
	    "a malformed Certificate" },
	{ 22, BYTES(EE CERT "\x14\0\0\0"),
	    "handshake message 20 instead of CertificateVerify" },
	{ 22, BYTES(EE CERT "\x0f\0\0\1\4"),
	    "a malformed CertificateVerify" },
	{ 22, BYTES(EE CERT "\x0f\0\0\4\4\3\0\0"),
	    "a malformed CertificateVerify" },
	{ 22, BYTES(EE CERT "\x0f\0\0\5\4\3\0\2S"),
	    "a malformed CertificateVerify" },
	{ 22, BYTES(EE CERT VERIFY "\x14\0\0\0"),
	    "a Finished that does not verify" },
	{ 22, BYTES(EE CERT VERIFY "\x14\0\0\x20"
	    "0123456789abcdef0123456789abcdef"),
	    "a Finished that does not verify" },
	{ 22, BYTES(EE CERT VERIFY "\x14\0\0\x21"
	    "0123456789abcdef0123456789abcdef!"),
	    "a Finished that does not verify" },
};

static void
refuses_what_is_no_handshake(void **state)
{
	struct both *b = *state;
	struct script *s;

	for (size_t i = 0; i < sizeof(said) / sizeof(said[0]); i++) {
		s = script_new(b);
		say(s, said[i].type, (const uint8_t *)said[i].what,
		    said[i].len);
		refuses(b, s->data, s->len, said[i].why);
		script_free(s);
	}
}

/* A Certificate that never ends, in whole records. */
static void
is_bounded(void **state)
{
	static const uint8_t part[RECORD_PLAIN_MAX] = EE "\x0b\0\x7e\0";
	struct script *s = script_new(*state);

	say(s, RECORD_HANDSHAKE, part, sizeof(part));
	say(s, RECORD_HANDSHAKE, part, sizeof(part));
	refuses(*state, s->data, s->len, "a handshake of over 32768 bytes");
	script_free(s);
}

static void
refuses_bytes_between_keys(void **state)
{
	struct both *b = *state;
	uint8_t messages[FLIGHT_MAX];
	struct script *s = script_new(b);
	size_t len = secret_messages(b, messages);

	memcpy(messages + len, EE, 6);
	say(s, RECORD_HANDSHAKE, messages, len + 6);
	refuses(b, s->data, s->len, "6 bytes behind a Finished");
	len = s->len = record_size(b->flight);
	memcpy(s->data + len, EE, 6);
	s->data[4] = (uint8_t)(s->data[4] + 6);
	refuses(b, s->data, len + 6, "6 bytes behind a ServerHello");
	script_free(s);
}

static void
refuses_other_records(void **state)
{
	struct both *b = *state;
	static const char http[] = "HTTP/1.1 400 Bad Request";
	struct script *s = script_new(b);
	size_t hello = s->len;

	refuses(b, (const uint8_t *)http, sizeof(http),
	    "not a TLS record (type 72, 20527 bytes)");
	s->len = 0;
	say(s, RECORD_HANDSHAKE, (const uint8_t *)EE, 6);
	refuses(b, s->data, s->len, "a record of type 23 in a handshake");
	s->len = hello;
	memcpy(s->data, b->flight, hello);
	say_plain(s, RECORD_HANDSHAKE, (const uint8_t *)EE, 6);
	refuses(b, s->data, s->len, "a record of type 22 in a handshake");
	s->len = hello;
	say_plain(s, RECORD_DATA, (const uint8_t *)EE, 6);
	refuses(b, s->data, s->len, "a record of 11 bytes");
	script_free(s);
}

static void
says_why_a_server_will_not(void **state)
{
	struct both *b = *state;

	SSL_CTX_set1_groups_list(b->ctx, "P-256");
	begin(b);
	refuses(b, b->flight, b->flight_len,
	    "the server refuses (TLS alert 40)");
	SSL_CTX_set1_groups_list(b->ctx, "X25519");
	SSL_CTX_set_ciphersuites(b->ctx, "TLS_AES_256_GCM_SHA384");
	begin(b);
	refuses(b, b->flight, b->flight_len,
	    "the server refuses (TLS alert 40)");
	SSL_CTX_set_ciphersuites(b->ctx, "TLS_AES_128_GCM_SHA256");
	SSL_CTX_set_max_proto_version(b->ctx, TLS1_2_VERSION);
	begin(b);
	refuses(b, b->flight, b->flight_len,
	    "the server refuses (TLS alert 70)");
}

/* Section 4.1.3: it is a ServerHello with a random of its own. */
static void
refuses_to_retry(void **state)
{
	struct both *b = *state;

	begin(b);
	EVP_Digest("HelloRetryRequest", 17, b->flight + RECORD_HEAD + 4 + 2,
	    NULL, EVP_sha256(), NULL);
	refuses(b, b->flight, b->flight_len,
	    "a HelloRetryRequest: X25519 is refused");
}

static void
insists_on_its_ticket(void **state)
{
	struct both *b = *state;
	uint8_t record[RECORD_MAX];
	struct hello_ticket ticket;
	size_t len = get_ticket(b, record);

	assert_int_equal(hello_ticket(b->hello, record + RECORD_HEAD, len,
	    &ticket, NULL), 0);
	/* One that the server does not know. */
	ticket.id[0] ^= 1;
	b->ticket = &ticket;
	begin(b);
	refuses(b, b->flight, b->flight_len, "not resumed");
	b->ticket = NULL;
}

static void
refuses_a_wrong_ticket(void **state)
{
	struct both *b = *state;
	uint8_t record[RECORD_MAX], *message = record + RECORD_HEAD, *copy;
	struct hello_ticket ticket = { .id_len = 7 };
	struct err err;
	size_t len, n, whole = get_ticket(b, record);

	for (len = 0; len < whole; len++) {
		n = len < 4 ? 0 : len - 4;
		message[2] = (uint8_t)(n >> 8);
		message[3] = (uint8_t)n;
		copy = malloc(len == 0 ? 1 : len);
		memcpy(copy, message, len);
		assert_int_equal(hello_ticket(b->hello, copy, len, &ticket,
		    &err), -1);
		free(copy);
	}
	assert_int_equal(ticket.id_len, 7);
	/* One that is larger than any. */
	memset(message, 0, 4 + 8 + 1 + 2 + 3000 + 2);
	memcpy(message, "\4\0\x0b\xc5", 4);
	memcpy(message + 13, "\x0b\xb8", 2);
	assert_int_equal(hello_ticket(b->hello, message, 4 + 3013, &ticket,
	    &err), -1);
	assert_string_equal(err.text, "a ticket of 3000 bytes");
}

int
main(void)
{
	static const struct CMUnitTest tests[] = {
		WITH_BOTH(refuses_any_changed_byte),
		WITH_BOTH(waits_for_the_end),
		WITH_BOTH(refuses_a_short_server_hello),
		WITH_BOTH(refuses_a_wrong_server_hello),
		WITH_BOTH(refuses_wrong_extensions),
		WITH_BOTH(refuses_what_is_no_handshake),
		WITH_BOTH(is_bounded),
		WITH_BOTH(refuses_bytes_between_keys),
		WITH_BOTH(refuses_other_records),
		WITH_BOTH(says_why_a_server_will_not),
		WITH_BOTH(refuses_to_retry),
		WITH_BOTH(insists_on_its_ticket),
		WITH_BOTH(refuses_a_wrong_ticket),
	};

	return cmocka_run_group_tests_name("hello_refused", tests, NULL, NULL);
}
