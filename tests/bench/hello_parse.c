/* SPDX-License-Identifier: MIT */
/* Owns nothing: it reads with struct in, which never goes beyond its end. */
#include "hello_parse.h"

#include <string.h>

/* What is sure of an extension that was already there. */
#define SEEN_VERSION 1u
#define SEEN_SHARE 2u
#define SEEN_TICKET 4u

struct in {
	const uint8_t *at;
	size_t left;
};

/* NULL when there is not so much. */
static const uint8_t *
get(struct in *in, size_t len)
{
	const uint8_t *at = in->at;

	if (len > in->left)
		return NULL;
	in->at += len;
	in->left -= len;
	return at;
}

/* A number of 1 to 4 bytes. */
static int
get_number(struct in *in, size_t bytes, uint32_t *out)
{
	const uint8_t *at = get(in, bytes);
	uint32_t n = 0;

	if (at == NULL)
		return -1;
	while (bytes-- > 0)
		n = n << 8 | *at++;
	*out = n;
	return 0;
}

/* A vector with its length in so many bytes before it. */
static int
get_vector(struct in *in, size_t bytes, struct in *out)
{
	uint32_t len;
	const uint8_t *at;

	if (get_number(in, bytes, &len) < 0 || (at = get(in, len)) == NULL)
		return -1;
	*out = (struct in){ .at = at, .left = len };
	return 0;
}

static int
get_extension(struct in *in, uint32_t *type_out, struct in *out)
{
	return get_number(in, 2, type_out) < 0 ? -1 : get_vector(in, 2, out);
}

static int
malformed(struct err *err, const char *what)
{
	return err_set(err, "a malformed %s", what);
}

static int
read_share(struct in in, struct server_hello *out, struct err *err)
{
	uint32_t group;
	struct in share;

	if (get_number(&in, 2, &group) < 0 || group != TLS_X25519 ||
	    get_vector(&in, 2, &share) < 0 || share.left != 32 ||
	    in.left != 0)
		return err_set(err, "a key share that is not X25519's");
	out->share = share.at;
	return 0;
}

/* seen: which came before. */
static int
read_extension(struct in *in, unsigned *seen, struct server_hello *out,
    struct err *err)
{
	uint32_t type, value;
	unsigned bit;
	struct in body;

	if (get_extension(in, &type, &body) < 0)
		return malformed(err, "ServerHello");
	switch (type) {
	case TLS_EXT_SUPPORTED_VERSIONS:
		if (get_number(&body, 2, &value) < 0 || value != TLS_1_3 ||
		    body.left != 0)
			return err_set(err, "not TLS 1.3");
		bit = SEEN_VERSION;
		break;
	case TLS_EXT_KEY_SHARE:
		if (read_share(body, out, err) < 0)
			return -1;
		bit = SEEN_SHARE;
		break;
	case TLS_EXT_PRE_SHARED_KEY:
		if (get_number(&body, 2, &value) < 0 || value != 0 ||
		    body.left != 0)
			return err_set(err, "a ticket that was not offered");
		out->resumed = true;
		bit = SEEN_TICKET;
		break;
	default:
		return err_set(err, "extension %u in a ServerHello", type);
	}
	if (*seen & bit)
		return err_set(err, "extension %u twice", type);
	*seen |= bit;
	return 0;
}

static int
read_extensions(struct in *in, struct server_hello *out, struct err *err)
{
	unsigned seen = 0;

	out->resumed = false;
	while (in->left > 0)
		if (read_extension(in, &seen, out, err) < 0)
			return -1;
	if (!(seen & SEEN_VERSION))
		return err_set(err, "not TLS 1.3");
	if (!(seen & SEEN_SHARE))
		return err_set(err, "a ServerHello without key share");
	return 0;
}

int
parse_server_hello(const uint8_t *data, size_t len,
    const uint8_t session_id[static HELLO_SESSION_ID],
    struct server_hello *out, struct err *err)
{
	/* Section 4.1.3: SHA-256 of "HelloRetryRequest" */
	static const uint8_t retry[32] = {
		0xcf, 0x21, 0xad, 0x74, 0xe5, 0x9a, 0x61, 0x11,
		0xbe, 0x1d, 0x8c, 0x02, 0x1e, 0x65, 0xb8, 0x91,
		0xc2, 0xa2, 0x11, 0x16, 0x7a, 0xbb, 0x8c, 0x5e,
		0x07, 0x9e, 0x09, 0xe2, 0xc8, 0xa8, 0x33, 0x9c };
	struct in in = { .at = data, .left = len }, id, extensions;
	struct server_hello found;
	uint32_t version, suite, compression;
	const uint8_t *random;

	if (get_number(&in, 2, &version) < 0 ||
	    (random = get(&in, sizeof(retry))) == NULL ||
	    get_vector(&in, 1, &id) < 0 || get_number(&in, 2, &suite) < 0 ||
	    get_number(&in, 1, &compression) < 0)
		return malformed(err, "ServerHello");
	if (memcmp(random, retry, sizeof(retry)) == 0)
		return err_set(err, "a HelloRetryRequest: X25519 is refused");
	/* An older version ends without extensions. */
	if (version != 0x0303 || in.left == 0)
		return err_set(err, "not TLS 1.3");
	if (id.left != HELLO_SESSION_ID ||
	    memcmp(id.at, session_id, HELLO_SESSION_ID) != 0 ||
	    compression != 0 || get_vector(&in, 2, &extensions) < 0 ||
	    in.left != 0)
		return malformed(err, "ServerHello");
	if (suite != TLS_AES_128_GCM_SHA256)
		return err_set(err, "cipher suite 0x%04x instead of "
		    "TLS_AES_128_GCM_SHA256", suite);
	if (read_extensions(&extensions, &found, err) < 0)
		return -1;
	*out = found;
	return 0;
}

/* What they say matters to nobody here. */
int
parse_encrypted_extensions(const uint8_t *data, size_t len, struct err *err)
{
	struct in in = { .at = data, .left = len }, extensions, body;
	uint32_t type;

	if (get_vector(&in, 2, &extensions) < 0 || in.left != 0)
		return malformed(err, "EncryptedExtensions");
	while (extensions.left > 0)
		if (get_extension(&extensions, &type, &body) < 0)
			return malformed(err, "EncryptedExtensions");
	return 0;
}

int
parse_certificate(const uint8_t *data, size_t len, struct err *err)
{
	struct in in = { .at = data, .left = len }, context, list, one;

	if (get_vector(&in, 1, &context) < 0 || context.left != 0 ||
	    get_vector(&in, 3, &list) < 0 || in.left != 0 || list.left == 0)
		return malformed(err, "Certificate");
	while (list.left > 0)
		if (get_vector(&list, 3, &one) < 0 || one.left == 0 ||
		    get_vector(&list, 2, &one) < 0)
			return malformed(err, "Certificate");
	return 0;
}

int
parse_certificate_verify(const uint8_t *data, size_t len, struct err *err)
{
	struct in in = { .at = data, .left = len }, signature;
	uint32_t scheme;

	if (get_number(&in, 2, &scheme) < 0 ||
	    get_vector(&in, 2, &signature) < 0 || in.left != 0 ||
	    signature.left == 0)
		return malformed(err, "CertificateVerify");
	return 0;
}

int
parse_new_session_ticket(const uint8_t *data, size_t len,
    struct new_session_ticket *out, struct err *err)
{
	struct in in = { .at = data, .left = len }, nonce, ticket, extensions;
	uint32_t lifetime, age_add;

	if (get_number(&in, 4, &lifetime) < 0 ||
	    get_number(&in, 4, &age_add) < 0 ||
	    get_vector(&in, 1, &nonce) < 0 ||
	    get_vector(&in, 2, &ticket) < 0 || ticket.left == 0 ||
	    get_vector(&in, 2, &extensions) < 0 || in.left != 0)
		return malformed(err, "NewSessionTicket");
	*out = (struct new_session_ticket){ .age_add = age_add,
		.nonce = nonce.at, .nonce_len = nonce.left,
		.ticket = ticket.at, .ticket_len = ticket.left };
	return 0;
}
