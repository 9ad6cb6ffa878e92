/* SPDX-License-Identifier: MIT */
/* Owns the messages and the secrets of one handshake at a time. */
#include "hello.h"

#include <stdbool.h>
#include <stdlib.h>
#include <string.h>

#include "common/alloc.h"
#include "hello_parse.h"

#define MESSAGE_HEAD 4
/* Of both sides together, before the client's Finished. */
#define MESSAGES_MAX 32768

#define CLIENT_HELLO 1
#define NEW_SESSION_TICKET 4
#define CERTIFICATE_REQUEST 13
#define FINISHED 20

struct hello {
	struct crypto crypto;
	struct record_keys seal, open;	/* of the handshake */
	uint8_t full_early[CRYPTO_HASH], empty_hash[CRYPTO_HASH];
	const uint8_t *early;		/* full_early, or a ticket's */
	size_t step;			/* which message comes next */
	bool resuming;			/* with a ticket */
	/* Secrets of section 7.1. */
	uint8_t client[CRYPTO_HASH], server[CRYPTO_HASH];
	uint8_t master[CRYPTO_HASH];
	uint8_t hash[CRYPTO_HASH];	/* of all to the server's Finished */
	/*
	 * 0..taken understood, taken..len unfinished.  All of them lie one
	 * behind another, so that the hash of the first n is one call.
	 */
	size_t taken, len;
	uint8_t *messages;		/* behind the ClientHello's head */
	uint8_t record[RECORD_HEAD + MESSAGES_MAX + MESSAGE_HEAD +
	    CRYPTO_HASH];
};

/* Only for the ClientHello, whose size we know (HELLO_TICKET_MAX). */
static void
put(struct hello *h, const void *data, size_t len)
{
	memcpy(h->messages + h->len, data, len);
	h->len += len;
}

static void
put_number(struct hello *h, size_t bytes, uint32_t n)
{
	while (bytes-- > 0)
		h->messages[h->len++] = (uint8_t)(n >> 8 * bytes);
}

/* The length of what was put since `at`, into the two bytes before. */
static void
set_length(struct hello *h, size_t at)
{
	size_t len = h->len - at;

	h->messages[at - 2] = (uint8_t)(len >> 8);
	h->messages[at - 1] = (uint8_t)len;
}

struct hello *
hello_new(EVP_PKEY *key)
{
	static const uint8_t zeros[CRYPTO_HASH];
	struct hello *h = xcalloc(1, sizeof(*h));

	h->messages = h->record + RECORD_HEAD;
	crypto_init(&h->crypto, key);
	crypto_hmac(&h->crypto, zeros, zeros, sizeof(zeros), h->full_early);
	crypto_hash(&h->crypto, "", 0, h->empty_hash);
	return h;
}

void
hello_free(struct hello *h)
{
	record_keys_done(&h->seal);
	record_keys_done(&h->open);
	crypto_done(&h->crypto);
	free(h);
}

static void
put_extensions(struct hello *h)
{
	/* type, length, contents; the sections are RFC 8446's */
	static const uint8_t constant[] = {
		/* server_name (RFC 6066 section 3) */
		0, 0, 0, 14, 0, 12, 0, 0, 9,
		'l', 'o', 'c', 'a', 'l', 'h', 'o', 's', 't',
		/* supported_groups (4.2.7): x25519 */
		0, 10, 0, 4, 0, 2, TLS_X25519 >> 8, TLS_X25519 & 0xff,
		/* signature_algorithms (4.2.3): ecdsa_secp256r1_sha256,
		   rsa_pss_rsae_sha256, rsa_pkcs1_sha256 */
		0, 13, 0, 8, 0, 6, 4, 3, 8, 4, 4, 1,
		/* supported_versions (4.2.1) */
		0, TLS_EXT_SUPPORTED_VERSIONS, 0, 3, 2, TLS_1_3 >> 8,
		TLS_1_3 & 0xff,
		/* psk_key_exchange_modes (4.2.9): psk_dhe_ke; without it
		   servers give no tickets */
		0, 45, 0, 2, 1, 1,
		/* key_share (4.2.8): one of 32 bytes, which follow */
		0, TLS_EXT_KEY_SHARE, 0, 38, 0, 36, TLS_X25519 >> 8,
		TLS_X25519 & 0xff, 0, 32,
	};

	put(h, constant, sizeof(constant));
	put(h, h->crypto.share, sizeof(h->crypto.share));
}

/*
 * Section 4.2.11, with room for the binder, which needs the hash of all
 * before the binders, lengths included.
 */
static void
put_ticket(struct hello *h, const struct hello_ticket *t, uint32_t age_ms)
{
	put_number(h, 2, TLS_EXT_PRE_SHARED_KEY);
	put_number(h, 2, (uint32_t)(2 + 2 + t->id_len + 4 + 2 + 1 +
	    CRYPTO_HASH));
	put_number(h, 2, (uint32_t)(2 + t->id_len + 4));
	put_number(h, 2, (uint32_t)t->id_len);
	put(h, t->id, t->id_len);
	put_number(h, 4, age_ms + t->age_add);
	put_number(h, 2, 1 + CRYPTO_HASH);
	put_number(h, 1, CRYPTO_HASH);
	h->len += CRYPTO_HASH;
}

/* What a Finished has for its sender's secret (section 4.4.4). */
static void
finished_mac(struct hello *h, const uint8_t *secret, const uint8_t *hash,
    uint8_t *out)
{
	uint8_t key[CRYPTO_HASH];

	crypto_expand(&h->crypto, secret, "finished", NULL, 0, key,
	    sizeof(key));
	crypto_hmac(&h->crypto, key, hash, CRYPTO_HASH, out);
}

static void
set_binder(struct hello *h, const struct hello_ticket *t)
{
	uint8_t key[CRYPTO_HASH], hash[CRYPTO_HASH];
	size_t binders = 2 + 1 + CRYPTO_HASH;

	crypto_hash(&h->crypto, h->messages, h->len - binders, hash);
	crypto_derive(&h->crypto, t->early, "res binder", h->empty_hash, key);
	finished_mac(h, key, hash, h->messages + h->len - CRYPTO_HASH);
}

const uint8_t *
hello_begin(struct hello *h, const struct hello_ticket *ticket,
    uint32_t age_ms, const uint8_t random[static HELLO_RANDOM],
    size_t *len_out)
{
	/* lengths that set_length makes true, and legacy_version */
	static const uint8_t head[] = { CLIENT_HELLO, 0, 0, 0, 3, 3 };
	/* one cipher suite; the null compression; extensions of length 0 */
	static const uint8_t suites[] = { 0, 2, TLS_AES_128_GCM_SHA256 >> 8,
		TLS_AES_128_GCM_SHA256 & 0xff, 1, 0, 0, 0 };
	/* section 5.1: 0x0301 for what servers of old may see */
	static const uint8_t record[] = { RECORD_HANDSHAKE, 3, 1 };
	size_t extensions;

	h->step = h->taken = h->len = 0;
	h->resuming = ticket != NULL;
	h->early = ticket != NULL ? ticket->early : h->full_early;
	put(h, head, sizeof(head));
	put(h, random, 32);
	put_number(h, 1, 32);
	put(h, random + 32, 32);
	put(h, suites, sizeof(suites));
	extensions = h->len;
	put_extensions(h);
	if (ticket != NULL)
		put_ticket(h, ticket, age_ms);
	set_length(h, extensions);
	set_length(h, MESSAGE_HEAD);
	if (ticket != NULL)
		set_binder(h, ticket);
	h->taken = h->len;
	memcpy(h->record, record, sizeof(record));
	h->record[3] = (uint8_t)(h->len >> 8);
	h->record[4] = (uint8_t)h->len;
	*len_out = RECORD_HEAD + h->len;
	return h->record;
}

/* Section 7.1, from the shared secret and the messages so far. */
static void
make_handshake_keys(struct hello *h, const uint8_t *shared, size_t len)
{
	static const uint8_t zeros[CRYPTO_HASH];
	uint8_t salt[CRYPTO_HASH], secret[CRYPTO_HASH], hash[CRYPTO_HASH];

	crypto_derive(&h->crypto, h->early, "derived", h->empty_hash, salt);
	crypto_hmac(&h->crypto, salt, shared, CRYPTO_HASH, secret);
	crypto_hash(&h->crypto, h->messages, len, hash);
	crypto_derive(&h->crypto, secret, "c hs traffic", hash, h->client);
	crypto_derive(&h->crypto, secret, "s hs traffic", hash, h->server);
	crypto_derive(&h->crypto, secret, "derived", h->empty_hash, salt);
	crypto_hmac(&h->crypto, salt, zeros, sizeof(zeros), h->master);
	record_keys_init(&h->seal, &h->crypto, h->client, 1);
	record_keys_init(&h->open, &h->crypto, h->server, 0);
}

static int
take_server_hello(struct hello *h, const uint8_t *body, size_t len,
    struct err *err)
{
	const uint8_t *session_id = h->messages + MESSAGE_HEAD + 2 + 32 + 1;
	struct server_hello hello;
	uint8_t shared[32];

	if (parse_server_hello(body, len, session_id, &hello, err) < 0)
		return -1;
	if (hello.resumed && !h->resuming)
		return err_set(err, "a ticket that was not offered");
	if (h->resuming && !hello.resumed)
		return err_set(err, "not resumed");
	if (crypto_x25519(&h->crypto, hello.share, shared) < 0)
		return err_set(err, "a key share that gives no secret");
	make_handshake_keys(h, shared, (size_t)(body + len - h->messages));
	return 0;
}

static int
take_extensions(struct hello *h, const uint8_t *body, size_t len,
    struct err *err)
{
	(void)h;
	return parse_encrypted_extensions(body, len, err);
}

static int
take_certificate(struct hello *h, const uint8_t *body, size_t len,
    struct err *err)
{
	(void)h;
	return parse_certificate(body, len, err);
}

static int
take_verify(struct hello *h, const uint8_t *body, size_t len, struct err *err)
{
	(void)h;
	return parse_certificate_verify(body, len, err);
}

static int
take_finished(struct hello *h, const uint8_t *body, size_t len,
    struct err *err)
{
	uint8_t hash[CRYPTO_HASH], mac[CRYPTO_HASH];

	crypto_hash(&h->crypto, h->messages, h->taken, hash);
	finished_mac(h, h->server, hash, mac);
	if (len != sizeof(mac) || memcmp(body, mac, sizeof(mac)) != 0)
		return err_set(err, "a Finished that does not verify");
	crypto_hash(&h->crypto, h->messages,
	    (size_t)(body + len - h->messages), h->hash);
	return 0;
}

/* What the server has to say, in this order. */
static const struct step {
	uint8_t type;
	const char *name;
	bool full_only;		/* not with a ticket */
	bool new_keys;		/* what is behind it has other keys */
	int (*take)(struct hello *, const uint8_t *body, size_t len,
	    struct err *);
} steps[] = {
	{ 2, "ServerHello", false, true, take_server_hello },
	{ 8, "EncryptedExtensions", false, false, take_extensions },
	{ 11, "Certificate", true, false, take_certificate },
	{ 15, "CertificateVerify", true, false, take_verify },
	{ FINISHED, "Finished", false, true, take_finished },
};

#define STEPS (sizeof(steps) / sizeof(steps[0]))

/* Of what is behind the head. */
static size_t
message_length(const uint8_t head[static MESSAGE_HEAD])
{
	return (size_t)head[1] << 16 | (size_t)head[2] << 8 | head[3];
}

/* All messages that are whole. */
static int
take_messages(struct hello *h, struct err *err)
{
	const struct step *step;
	const uint8_t *head;
	size_t len;

	while (h->step < STEPS && h->len - h->taken >= MESSAGE_HEAD) {
		step = &steps[h->step];
		head = h->messages + h->taken;
		if (head[0] == CERTIFICATE_REQUEST)
			return err_set(err, "the server wants a certificate");
		if (head[0] != step->type)
			return err_set(err, "handshake message %u instead of "
			    "%s", head[0], step->name);
		len = message_length(head);
		if (len > MESSAGES_MAX - h->taken - MESSAGE_HEAD)
			return err_set(err, "a %s of %zu bytes", step->name,
			    len);
		if (len > h->len - h->taken - MESSAGE_HEAD)
			return 0;
		if (step->take(h, head + MESSAGE_HEAD, len, err) < 0)
			return -1;
		h->taken += MESSAGE_HEAD + len;
		if (step->new_keys && h->taken != h->len)
			return err_set(err, "%zu bytes behind a %s",
			    h->len - h->taken, step->name);
		do
			h->step++;
		while (h->step < STEPS && h->resuming &&
		    steps[h->step].full_only);
	}
	return 0;
}

static int
take_fragment(struct hello *h, const uint8_t *data, size_t len,
    struct err *err)
{
	/* Section 5.1 */
	if (len == 0)
		return err_set(err, "an empty handshake record");
	if (len > MESSAGES_MAX - h->len)
		return err_set(err, "a handshake of over %d bytes",
		    MESSAGES_MAX);
	memcpy(h->messages + h->len, data, len);
	h->len += len;
	return take_messages(h, err);
}

static int
take_record(struct hello *h, uint8_t *record, size_t len, struct err *err)
{
	uint8_t *body = record + RECORD_HEAD, type = record[0];
	/* Up to the ServerHello there are no keys, then all has them. */
	uint8_t wanted = h->step == 0 ? RECORD_HANDSHAKE : RECORD_DATA;

	len -= RECORD_HEAD;
	/* Section D.4: it may stand anywhere and says nothing. */
	if (type == RECORD_CHANGE_CIPHER_SPEC && len == 1 && body[0] == 1)
		return 0;
	if (h->step > 0 && type == RECORD_DATA &&
	    record_open(&h->open, record, RECORD_HEAD + len, &type, &len,
	    err) < 0)
		return -1;
	if (type == RECORD_ALERT && len == 2)
		return err_set(err, "the server refuses (TLS alert %u)",
		    body[1]);
	if (record[0] != wanted || type != RECORD_HANDSHAKE)
		return err_set(err, "a record of type %u in a handshake",
		    type);
	return take_fragment(h, body, len, err);
}

/* As record_length, but whatever its type is; 0 when it is not all there. */
static long
whole_record(const uint8_t *data, size_t len, struct err *err)
{
	size_t body;

	if (len < RECORD_HEAD)
		return 0;
	body = (size_t)data[3] << 8 | data[4];
	if (data[0] < RECORD_CHANGE_CIPHER_SPEC || data[0] > RECORD_DATA ||
	    data[1] != 3 || body > RECORD_MAX - RECORD_HEAD)
		return err_set(err, "not a TLS record (type %u, %zu bytes)",
		    data[0], body);
	return body > len - RECORD_HEAD ? 0 : (long)(RECORD_HEAD + body);
}

int
hello_feed(struct hello *h, uint8_t *data, size_t len, size_t *used_out,
    struct err *err)
{
	size_t used = 0;
	long n = 1;

	while (h->step < STEPS && n > 0) {
		n = whole_record(data + used, len - used, err);
		if (n < 0 || (n > 0 &&
		    take_record(h, data + used, (size_t)n, err) < 0))
			return -1;
		used += (size_t)n;
	}
	*used_out = used;
	return h->step == STEPS;
}

void
hello_finish(struct hello *h, uint8_t out[static HELLO_FINISHED])
{
	static const uint8_t change_cipher_spec[RECORD_HEAD + 1] = {
		RECORD_CHANGE_CIPHER_SPEC, 3, 3, 0, 1, 1 };
	static const uint8_t head[MESSAGE_HEAD] = { FINISHED, 0, 0,
		CRYPTO_HASH };
	uint8_t message[MESSAGE_HEAD + CRYPTO_HASH];

	memcpy(message, head, sizeof(head));
	finished_mac(h, h->client, h->hash, message + MESSAGE_HEAD);
	memcpy(h->messages + h->len, message, sizeof(message));
	h->len += sizeof(message);
	memcpy(out, change_cipher_spec, sizeof(change_cipher_spec));
	record_seal(&h->seal, RECORD_HANDSHAKE, message, sizeof(message),
	    out + sizeof(change_cipher_spec));
}

void
hello_keys(struct hello *h, struct record_keys *seal,
    struct record_keys *open)
{
	uint8_t secret[CRYPTO_HASH];

	crypto_derive(&h->crypto, h->master, "c ap traffic", h->hash, secret);
	record_keys_init(seal, &h->crypto, secret, 1);
	crypto_derive(&h->crypto, h->master, "s ap traffic", h->hash, secret);
	record_keys_init(open, &h->crypto, secret, 0);
}

/* Section 4.6.1: the PSK is made of the resumption secret and the nonce. */
int
hello_ticket(struct hello *h, const uint8_t *message, size_t len,
    struct hello_ticket *ticket_out, struct err *err)
{
	static const uint8_t zeros[CRYPTO_HASH];
	uint8_t hash[CRYPTO_HASH], secret[CRYPTO_HASH], psk[CRYPTO_HASH];
	struct new_session_ticket t;

	if (len < MESSAGE_HEAD || message[0] != NEW_SESSION_TICKET ||
	    message_length(message) != len - MESSAGE_HEAD)
		return err_set(err, "not a whole NewSessionTicket");
	if (parse_new_session_ticket(message + MESSAGE_HEAD,
	    len - MESSAGE_HEAD, &t, err) < 0)
		return -1;
	if (t.ticket_len > sizeof(ticket_out->id))
		return err_set(err, "a ticket of %zu bytes", t.ticket_len);
	crypto_hash(&h->crypto, h->messages, h->len, hash);
	crypto_derive(&h->crypto, h->master, "res master", hash, secret);
	crypto_expand(&h->crypto, secret, "resumption", t.nonce, t.nonce_len,
	    psk, sizeof(psk));
	crypto_hmac(&h->crypto, zeros, psk, sizeof(psk), ticket_out->early);
	memcpy(ticket_out->id, t.ticket, t.ticket_len);
	ticket_out->id_len = t.ticket_len;
	ticket_out->age_add = t.age_add;
	return 0;
}
