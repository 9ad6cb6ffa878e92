/* SPDX-License-Identifier: MIT */
/*
 * Owns nothing: reads a request, writes an answer.  Runs in the worker.
 * Must never take a request for a WebSocket that another server would take
 * for something else, so each field of RFC 6455 §4.2.1 is read to the
 * letter.
 */
#include "worker/handshake.h"

#include <openssl/evp.h>
#include <string.h>
#include <strings.h>

#include "common/assert.h"

#define KEY_LEN 24	/* base64 of 16 bytes */
#define GUID "258EAFA5-E914-47DA-95CA-C5AB0DC85B11" /* §1.3 */
#define SHA1_LEN 20

/*
 * More subprotocols than this are offered by no client, and looking for
 * duplicates costs their square.
 */
#define OFFERS_MAX 64

struct offers {
	struct slice names[OFFERS_MAX];
	size_t n;
};

/* Steps through the elements of all fields of that name. */
struct list_walk {
	const struct http_request *req;
	const char *name;
	size_t field;
	struct slice rest;
};

static bool
list_step(struct list_walk *walk, struct slice *element)
{
	const struct slice *value;

	while (!http_list_next(&walk->rest, element)) {
		value = http_header(walk->req, walk->name, walk->field);
		if (value == NULL)
			return false;
		walk->rest = *value;
		walk->field++;
	}
	return true;
}

static bool
list_has(const struct http_request *req, const char *name, const char *word)
{
	struct list_walk walk = { .req = req, .name = name };
	struct slice element;

	while (list_step(&walk, &element))
		if (slice_equal_nocase(element, word))
			return true;
	return false;
}

bool
handshake_asked(const struct http_request *req)
{
	return list_has(req, "Upgrade", "websocket");
}

/* §4.2.1, items 1 to 4; the Host is http_parse()'s. */
static int
check_upgrade(const struct http_request *req, struct http_refusal *refusal)
{
	if (!slice_equal(req->method, "GET"))
		return http_refuse(refusal, 405,
		    "a WebSocket is opened with GET");
	if (!handshake_asked(req))
		return http_refuse(refusal, 426,
		    "this is a WebSocket server; connect with wss:// or ws://");
	if (!list_has(req, "Connection", "upgrade"))
		return http_refuse(refusal, 400,
		    "Connection does not name upgrade");
	return 0;
}

/* §4.2.1, item 6, and §4.4; at most once: §11.3.5. */
static int
check_version(const struct http_request *req, struct http_refusal *refusal)
{
	const struct slice *v = http_header(req, "Sec-WebSocket-Version", 0);

	if (http_header(req, "Sec-WebSocket-Version", 1) != NULL)
		return http_refuse(refusal, 400,
		    "more than one Sec-WebSocket-Version");
	if (v == NULL || !slice_equal(*v, "13"))
		return http_refuse(refusal, 426,
		    "this server speaks version 13 of the protocol");
	return 0;
}

static bool
is_base64(char c)
{
	return (c >= 'A' && c <= 'Z') || (c >= 'a' && c <= 'z') ||
	    (c >= '0' && c <= '9') || c == '+' || c == '/';
}

/*
 * base64 of 16 bytes.  The four bits of the last character that belong to
 * no byte may be anything: §4.2.1 asks for the decoded length only, and the
 * key is hashed as it stands.
 */
static bool
is_key(struct slice key)
{
	if (key.len != KEY_LEN || key.data[22] != '=' || key.data[23] != '=')
		return false;
	for (size_t i = 0; i < 22; i++)
		if (!is_base64(key.data[i]))
			return false;
	return true;
}

/* §4.2.1, item 5; exactly once: §11.3.1. */
static int
check_key(const struct http_request *req, struct http_refusal *refusal)
{
	const struct slice *key = http_header(req, "Sec-WebSocket-Key", 0);

	if (key == NULL || http_header(req, "Sec-WebSocket-Key", 1) != NULL)
		return http_refuse(refusal, 400,
		    "a WebSocket request has exactly one Sec-WebSocket-Key");
	if (!is_key(*key))
		return http_refuse(refusal, 400,
		    "Sec-WebSocket-Key is not base64 of 16 bytes");
	return 0;
}

/*
 * Of what the client offers, in its order, the first that the route takes.
 * An offer that breaks the grammar fails the handshake (§9.1).
 */
static int
check_extensions(const struct http_request *req,
    const struct handshake_rules *rules, struct ws_deflate_params *chosen,
    struct http_refusal *refusal)
{
	struct list_walk walk = { .req = req,
		.name = "Sec-WebSocket-Extensions" };
	struct ws_deflate_params other;
	struct slice element;
	size_t n = 0;

	*chosen = (struct ws_deflate_params){ .agreed = false };
	for (; list_step(&walk, &element); n++)
		if (extension_judge(element, &rules->extensions,
		    chosen->agreed ? &other : chosen) == EXTENSION_MALFORMED)
			return http_refuse(refusal, 400,
			    "malformed Sec-WebSocket-Extensions");
	if (n == 0 && walk.field > 0)
		return http_refuse(refusal, 400,
		    "empty Sec-WebSocket-Extensions");
	return 0;
}

static bool
same(struct slice a, struct slice b)
{
	return a.len == b.len && memcmp(a.data, b.data, a.len) == 0;
}

/* 1#token, each once: §4.1 item 10. */
static int
read_offers(const struct http_request *req, struct offers *offers,
    struct http_refusal *refusal)
{
	struct list_walk walk = { .req = req,
		.name = "Sec-WebSocket-Protocol" };
	struct slice element;

	offers->n = 0;
	while (list_step(&walk, &element)) {
		if (!http_is_token(element))
			return http_refuse(refusal, 400,
			    "malformed Sec-WebSocket-Protocol");
		if (offers->n == OFFERS_MAX)
			return http_refuse(refusal, 400,
			    "more than %d subprotocols", OFFERS_MAX);
		for (size_t i = 0; i < offers->n; i++)
			if (same(element, offers->names[i]))
				return http_refuse(refusal, 400,
				    "a subprotocol is offered twice");
		offers->names[offers->n++] = element;
	}
	if (offers->n == 0 && walk.field > 0)
		return http_refuse(refusal, 400,
		    "empty Sec-WebSocket-Protocol");
	return 0;
}

/* The first of the route's that the client offers, or NULL. */
static const char *
choose_subprotocol(const struct handshake_rules *rules,
    const struct offers *offers)
{
	for (size_t i = 0; i < rules->n_subprotocols; i++)
		for (size_t k = 0; k < offers->n; k++)
			if (slice_equal(offers->names[k],
			    rules->subprotocols[i]))
				return rules->subprotocols[i];
	return NULL;
}

/* One or more labels of a host name, with the dots between them. */
static bool
are_labels(struct slice s)
{
	bool dot = true;

	for (size_t i = 0; i < s.len; i++) {
		char c = s.data[i];

		if (c == '.' ? dot :
		    !((c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') ||
		    (c >= '0' && c <= '9') || c == '-' || c == '_'))
			return false;
		dot = c == '.';
	}
	return !dot;
}

/* What rules there are: struct handshake_rules. */
static bool
origin_matches(struct slice origin, const char *rule)
{
	const char *star = strstr(rule, "://*.");
	size_t before, behind;

	if (strcmp(rule, "*") == 0)
		return true;
	if (star == NULL)
		return slice_equal_nocase(origin, rule);
	star += strlen("://");
	before = (size_t)(star - rule);
	behind = strlen(star + 1);
	if (origin.len < before + behind ||
	    strncasecmp(origin.data, rule, before) != 0 ||
	    strncasecmp(origin.data + origin.len - behind, star + 1,
	    behind) != 0)
		return false;
	return are_labels((struct slice){ origin.data + before,
	    origin.len - before - behind });
}

/* §10.2 and RFC 6454 §7.3: at most one Origin. */
static int
check_origin(const struct http_request *req,
    const struct handshake_rules *rules, struct http_refusal *refusal)
{
	const struct slice *origin = http_header(req, "Origin", 0);

	if (http_header(req, "Origin", 1) != NULL)
		return http_refuse(refusal, 400, "more than one Origin");
	if (origin == NULL || rules->n_origins == 0)
		return 0;
	for (size_t i = 0; i < rules->n_origins; i++)
		if (origin_matches(*origin, rules->origins[i]))
			return 0;
	return http_refuse(refusal, 403,
	    "pages of this Origin may not connect");
}

int
handshake_check(const struct http_request *req,
    const struct handshake_rules *rules, struct handshake *handshake_out,
    struct http_refusal *refusal)
{
	struct ws_deflate_params deflate;
	struct offers offers;

	if (check_upgrade(req, refusal) != 0 ||
	    check_version(req, refusal) != 0 ||
	    check_key(req, refusal) != 0 ||
	    check_extensions(req, rules, &deflate, refusal) != 0 ||
	    read_offers(req, &offers, refusal) != 0 ||
	    check_origin(req, rules, refusal) != 0)
		return -1;
	handshake_accept(*http_header(req, "Sec-WebSocket-Key", 0),
	    handshake_out->accept);
	handshake_out->subprotocol = choose_subprotocol(rules, &offers);
	handshake_out->deflate = deflate;
	return 0;
}

void
handshake_response_put(struct buf *out, const struct handshake *handshake)
{
	buf_printf(out,
	    "HTTP/1.1 101 Switching Protocols\r\n"
	    "Upgrade: websocket\r\n"
	    "Connection: Upgrade\r\n"
	    "Sec-WebSocket-Accept: %s\r\n",
	    handshake->accept);
	if (handshake->subprotocol != NULL)
		buf_printf(out, "Sec-WebSocket-Protocol: %s\r\n",
		    handshake->subprotocol);
	extension_response_put(out, &handshake->deflate);
	buf_printf(out, "\r\n");
}

void
handshake_accept(struct slice key, char out[HANDSHAKE_ACCEPT_LEN + 1])
{
	unsigned char text[KEY_LEN + sizeof(GUID) - 1], sum[SHA1_LEN];
	int ok;

	ASSERT(key.len == KEY_LEN);
	memcpy(text, key.data, KEY_LEN);
	memcpy(text + KEY_LEN, GUID, sizeof(GUID) - 1);
	/* Fails only for want of memory or of a provider. */
	ok = EVP_Digest(text, sizeof(text), sum, NULL, EVP_sha1(), NULL);
	ASSERT(ok == 1);
	EVP_EncodeBlock((unsigned char *)out, sum, SHA1_LEN);
}
