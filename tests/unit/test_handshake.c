/* SPDX-License-Identifier: MIT */
/* worker/handshake: RFC 6455 §4.2, with the sample of §1.3. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "common/buf.h"
#include "worker/handshake.h"

#define UP "Upgrade: websocket\r\n"
#define CONN "Connection: Upgrade\r\n"
#define KEY "Sec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\n"
#define VER "Sec-WebSocket-Version: 13\r\n"
#define ALL UP CONN KEY VER
#define PROTO "Sec-WebSocket-Protocol: "
#define EXT "Sec-WebSocket-Extensions: "

struct row {
	const char *name;
	const char *fields;
	unsigned status;		/* 0: 101 */
	const char *subprotocol;	/* chosen of the route's */
};

static const char *const route_subprotocols[] = { "chat.v2", "chat.v1" };
static const char *const route_origins[] = { "https://example.org",
	"https://*.example.net" };

static const struct handshake_rules route = {
	route_origins, 2, route_subprotocols, 2, { false, false, 15, 8 }
};

static const struct row rows[] = {
	{ "§1.2", ALL "Origin: https://example.org\r\n"
	    PROTO "chat.v1, superchat\r\n", 0, "chat.v1" },
	{ "nothing but what must be", ALL, 0, NULL },
	{ "other letters", "uPGRADE: WebSocket\r\nCONNECTION: UPGRADE\r\n"
	    "sec-websocket-key: dGhlIHNhbXBsZSBub25jZQ==\r\n"
	    "SEC-WEBSOCKET-VERSION: 13\r\n", 0, NULL },

	/* Upgrade and Connection. */
	{ "Firefox", UP "Connection: keep-alive, Upgrade\r\n" KEY VER, 0,
	    NULL },
	{ "Connection in two fields", UP "Connection: keep-alive\r\n" CONN
	    KEY VER, 0, NULL },
	{ "several to upgrade to", "Upgrade: h2c,websocket\r\n" CONN KEY VER,
	    0, NULL },
	{ "Upgrade in two fields", "Upgrade: h2c\r\n" UP CONN KEY VER, 0,
	    NULL },
	{ "no Upgrade", CONN KEY VER, 426, NULL },
	{ "nothing at all", "", 426, NULL },
	{ "Upgrade to h2c", "Upgrade: h2c\r\n" CONN KEY VER, 426, NULL },
	{ "Upgrade empty", "Upgrade:\r\n" CONN KEY VER, 426, NULL },
	{ "Upgrade to websocket/13", "Upgrade: websocket/13\r\n" CONN KEY VER,
	    426, NULL },
	{ "Upgrade to xwebsocket", "Upgrade: xwebsocket\r\n" CONN KEY VER,
	    426, NULL },
	{ "Upgrade to a quoted websocket", "Upgrade: \"x, websocket\"\r\n"
	    CONN KEY VER, 426, NULL },
	{ "no Connection", UP KEY VER, 400, NULL },
	{ "Connection: keep-alive", UP "Connection: keep-alive\r\n" KEY VER,
	    400, NULL },
	{ "Connection: upgrades", UP "Connection: upgrades\r\n" KEY VER, 400,
	    NULL },
	{ "Connection empty", UP "Connection: ,\r\n" KEY VER, 400, NULL },

	/* Sec-WebSocket-Version. */
	{ "no version", UP CONN KEY, 426, NULL },
	{ "version 8", UP CONN KEY "Sec-WebSocket-Version: 8\r\n", 426,
	    NULL },
	{ "version +13", UP CONN KEY "Sec-WebSocket-Version: +13\r\n", 426,
	    NULL },
	{ "version 013", UP CONN KEY "Sec-WebSocket-Version: 013\r\n", 426,
	    NULL },
	{ "version 13.0", UP CONN KEY "Sec-WebSocket-Version: 13.0\r\n", 426,
	    NULL },
	{ "versions 13, 8", UP CONN KEY "Sec-WebSocket-Version: 13, 8\r\n",
	    426, NULL },
	{ "version empty", UP CONN KEY "Sec-WebSocket-Version:\r\n", 426,
	    NULL },
	{ "version twice", ALL VER, 400, NULL },

	/* Sec-WebSocket-Key. */
	{ "no key", UP CONN VER, 400, NULL },
	{ "key twice", ALL KEY, 400, NULL },
	{ "key empty", UP CONN VER "Sec-WebSocket-Key:\r\n", 400, NULL },
	{ "key of 15 bytes", UP CONN VER
	    "Sec-WebSocket-Key: AAAAAAAAAAAAAAAAAAAA\r\n", 400, NULL },
	{ "key of 17 bytes", UP CONN VER
	    "Sec-WebSocket-Key: AAAAAAAAAAAAAAAAAAAAAAA=\r\n", 400, NULL },
	{ "key of 18 bytes", UP CONN VER
	    "Sec-WebSocket-Key: AAAAAAAAAAAAAAAAAAAAAAAA\r\n", 400, NULL },
	{ "key with = too early", UP CONN VER
	    "Sec-WebSocket-Key: AAAAAAAAAAAAAAAAAAAAA===\r\n", 400, NULL },
	{ "key with = and more", UP CONN VER
	    "Sec-WebSocket-Key: AAAAAAAAAAAAAAAAAAAAAA=A\r\n", 400, NULL },
	{ "key without =", UP CONN VER
	    "Sec-WebSocket-Key: AAAAAAAAAAAAAAAAAAAAAA\r\n", 400, NULL },
	{ "key in base64url", UP CONN VER
	    "Sec-WebSocket-Key: AAAAAAAAAA-_AAAAAAAAAA==\r\n", 400, NULL },
	{ "key with a ~", UP CONN VER
	    "Sec-WebSocket-Key: AAAAAAAAAA~AAAAAAAAAAA==\r\n", 400, NULL },
	{ "key with a space", UP CONN VER
	    "Sec-WebSocket-Key: AAAAAAAAAA AAAAAAAAAAA==\r\n", 400, NULL },
	{ "key of every kind of character", UP CONN VER
	    "Sec-WebSocket-Key: azAZ09+/AAAAAAAAAAAAAA==\r\n", 0, NULL },
	{ "key with its unused bits set", UP CONN VER
	    "Sec-WebSocket-Key: AAAAAAAAAAAAAAAAAAAAA/==\r\n", 0, NULL },

	/* Sec-WebSocket-Protocol. */
	{ "the server prefers", ALL PROTO "chat.v1, chat.v2\r\n", 0,
	    "chat.v2" },
	{ "in two fields", ALL PROTO "x\r\n" PROTO "chat.v1\r\n", 0,
	    "chat.v1" },
	{ "none that is ours", ALL PROTO "x, y\r\n", 0, NULL },
	{ "case matters", ALL PROTO "Chat.v1\r\n", 0, NULL },
	{ "empty elements", ALL PROTO ",x,,chat.v1,\r\n", 0, "chat.v1" },
	{ "twice", ALL PROTO "x, y, x\r\n", 400, NULL },
	{ "twice in two fields", ALL PROTO "x\r\n" PROTO "x\r\n", 400, NULL },
	{ "nearly twice", ALL PROTO "x, X, xx\r\n", 0, NULL },
	{ "no token", ALL PROTO "a b\r\n", 400, NULL },
	{ "quoted", ALL PROTO "\"chat.v1\"\r\n", 400, NULL },
	{ "subprotocols empty", ALL PROTO "\r\n", 400, NULL },
	{ "subprotocols of commas", ALL PROTO ", ,\r\n", 400, NULL },

	/* Sec-WebSocket-Extensions: declined here, but read. */
	{ "Chromium", ALL EXT "permessage-deflate; client_max_window_bits\r\n",
	    0, NULL },
	{ "several", ALL EXT "a, b ; c ;d=1;e = \"x\"\t, f;g=\"\\x\\y\"\r\n",
	    0, NULL },
	{ "tabs", ALL EXT "a\t;\tb\t=\tc\r\n", 0, NULL },
	{ "in two fields", ALL EXT "a\r\n" EXT "b; c\r\n", 0, NULL },
	{ "extensions empty", ALL EXT "\r\n", 400, NULL },
	{ "; in front", ALL EXT "; a\r\n", 400, NULL },
	{ "; and nothing", ALL EXT "a;\r\n", 400, NULL },
	{ ";;", ALL EXT "a;;b\r\n", 400, NULL },
	{ "= and nothing", ALL EXT "a;b=\r\n", 400, NULL },
	{ "= in front", ALL EXT "a;=b\r\n", 400, NULL },
	{ "value of the extension itself", ALL EXT "a=b\r\n", 400, NULL },
	{ "two words", ALL EXT "a b\r\n", 400, NULL },
	{ "two values", ALL EXT "a;b=c d\r\n", 400, NULL },
	{ "quotes empty", ALL EXT "a;b=\"\"\r\n", 400, NULL },
	{ "quotes not closed", ALL EXT "a;b=\"x\r\n", 400, NULL },
	{ "quotes end in a backslash", ALL EXT "a;b=\"x\\\r\n", 400, NULL },
	{ "a space in quotes", ALL EXT "a;b=\"x y\"\r\n", 400, NULL },
	{ "a comma in quotes", ALL EXT "a;b=\"x,y\"\r\n", 400, NULL },
	{ "an escaped quote", ALL EXT "a;b=\"x\\\"\"\r\n", 400, NULL },
	{ "the second is broken", ALL EXT "a, b;\r\n", 400, NULL },

	/* Origin. */
	{ "Origin on the list", ALL "Origin: https://www.example.net\r\n", 0,
	    NULL },
	{ "Origin not on the list", ALL "Origin: https://example.com\r\n",
	    403, NULL },
	{ "Origin empty", ALL "Origin:\r\n", 403, NULL },
	{ "Origin null", ALL "Origin: null\r\n", 403, NULL },
	{ "Origin twice", ALL "Origin: https://example.org\r\n"
	    "Origin: https://example.org\r\n", 400, NULL },
};

/* 0, or the status of the refusal. */
static unsigned
shake(const char *method, const char *fields,
    const struct handshake_rules *rules, struct handshake *out)
{
	struct buf head = BUF_INIT;
	struct http_refusal refusal = { 0 };
	struct http_request req;
	int result;

	buf_printf(&head, "%s / HTTP/1.1\r\nHost: a\r\n%s\r\n", method,
	    fields);
	assert_int_equal(http_parse(head.data, head.len, 100, &req,
	    &refusal), 0);
	result = handshake_check(&req, rules, out, &refusal);
	assert_int_equal(result, refusal.status == 0 ? 0 : -1);
	assert_int_equal(refusal.reason[0] == '\0', result == 0);
	buf_done(&head);
	return refusal.status;
}

static void
test_rows(void **state)
{
	(void)state;
	for (size_t i = 0; i < sizeof(rows) / sizeof(*rows); i++) {
		struct handshake h = { .accept = "untouched" };
		unsigned status = shake("GET", rows[i].fields, &route, &h);

		print_message("%s\n", rows[i].name);
		assert_int_equal(status, rows[i].status);
		if (status != 0) {
			assert_string_equal(h.accept, "untouched");
			continue;
		}
		assert_int_equal(strlen(h.accept), HANDSHAKE_ACCEPT_LEN);
		if (rows[i].subprotocol == NULL)
			assert_null(h.subprotocol);
		else
			assert_string_equal(h.subprotocol,
			    rows[i].subprotocol);
	}
}

/* Each row's fields cut short: an answer, and no sanitizer report. */
static void
test_cut_off(void **state)
{
	struct handshake h;

	(void)state;
	for (size_t i = 0; i < sizeof(rows) / sizeof(*rows); i++)
		for (size_t len = 0; len <= strlen(rows[i].fields); len++) {
			const char *fields = rows[i].fields;
			struct buf head = BUF_INIT;
			struct http_refusal refusal;
			struct http_request req;
			uint8_t *exact;

			buf_printf(&head, "GET / HTTP/1.1\r\nHost: a\r\n"
			    "%.*s\r\n\r\n", (int)len, fields);
			exact = malloc(head.len);
			memcpy(exact, head.data, head.len);
			if (http_parse(exact, head.len, 100, &req,
			    &refusal) == 0)
				handshake_check(&req, &route, &h, &refusal);
			free(exact);
			buf_done(&head);
		}
}

static void
test_method(void **state)
{
	struct handshake h;

	(void)state;
	assert_int_equal(shake("POST", ALL, &route, &h), 405);
	assert_int_equal(shake("HEAD", ALL, &route, &h), 405);
	assert_int_equal(shake("OPTIONS", "", &route, &h), 405);
}

static void
test_origins(void **state)
{
	static const struct {
		const char *rule, *origin;
		bool matches;
	} pairs[] = {
		{ "*", "https://a", true },
		{ "*", "null", true },
		{ "null", "null", true },
		{ "null", "https://null", false },
		{ "https://example.org", "https://example.org", true },
		{ "https://Example.org", "https://example.ORG", true },
		{ "https://example.org", "http://example.org", false },
		{ "https://example.org", "https://example.org:8443", false },
		{ "https://example.org", "https://www.example.org", false },
		{ "https://example.org", "https://example.org.evil", false },
		{ "https://example.org", "https://example.or", false },
		{ "https://a.org:8443", "https://a.org:8443", true },
		{ "https://*.a.org", "https://b.a.org", true },
		{ "https://*.a.org", "HTTPS://B-1_x.c.A.ORG", true },
		{ "https://*.a.org", "https://azAZ09.a.org", true },
		{ "https://*.a.org", "https://a.org", false },
		{ "https://*.a.org", "https://.a.org", false },
		{ "https://*.a.org", "https://b..a.org", false },
		{ "https://*.a.org", "https://.b.a.org", false },
		{ "https://*.a.org", "https://ba.org", false },
		{ "https://*.a.org", "http://b.a.org", false },
		{ "https://*.a.org", "https://b.a.org:1", false },
		{ "https://*.a.org:1", "https://b.a.org:1", true },
		{ "https://*.a.org", "https://evil/.a.org", false },
		{ "https://*.a.org", "https://evil:1@b.a.org", false },
		{ "https://*.a.org", "https://b.a.org.evil", false },
		{ "https://*.a.org", "https://b^.a.org", false },
		{ "https://*.a.org", "https://b~.a.org", false },
		{ "https://*.a.org", "https://*.a.org", false },
		{ "https://*.a.org", "https:", false },
		{ "https://a*.org", "https://ab.org", false },
	};
	struct handshake h;

	(void)state;
	for (size_t i = 0; i < sizeof(pairs) / sizeof(*pairs); i++) {
		const char *const origins[] = { "ftp://x", pairs[i].rule };
		struct handshake_rules rules = { .origins = origins,
			.n_origins = 2 };
		struct buf fields = BUF_INIT;

		print_message("%s %s\n", pairs[i].rule, pairs[i].origin);
		buf_printf(&fields, ALL "Origin: %s\r\n", pairs[i].origin);
		buf_put_u8(&fields, 0);
		assert_int_equal(shake("GET", (const char *)fields.data,
		    &rules, &h), pairs[i].matches ? 0 : 403);
		/* No list lets everybody in; no Origin comes in anyway. */
		rules.n_origins = 0;
		assert_int_equal(shake("GET", (const char *)fields.data,
		    &rules, &h), 0);
		buf_done(&fields);
	}
}

static void
test_many_offers(void **state)
{
	struct handshake h;

	(void)state;
	for (int n = 64; n <= 65; n++) {
		struct buf fields = BUF_INIT;

		buf_printf(&fields, ALL PROTO "chat.v1");
		for (int i = 1; i < n; i++)
			buf_printf(&fields, ",p%d", i);
		buf_printf(&fields, "\r\n");
		buf_put_u8(&fields, 0);
		assert_int_equal(shake("GET", (const char *)fields.data,
		    &route, &h), n <= 64 ? 0 : 400);
		buf_done(&fields);
	}
	assert_string_equal(h.subprotocol, "chat.v1");
}

static void
test_accept(void **state)
{
	char out[HANDSHAKE_ACCEPT_LEN + 1];

	(void)state;
	handshake_accept((struct slice){ "dGhlIHNhbXBsZSBub25jZQ==", 24 },
	    out);
	assert_string_equal(out, "s3pPLMBiTxaQ9kYGzzhZRbK+xOo=");
}

static void
test_response(void **state)
{
	struct buf out = BUF_INIT;
	struct handshake h;

	(void)state;
	assert_int_equal(shake("GET", ALL PROTO "chat.v2\r\n", &route, &h), 0);
	handshake_response_put(&out, &h);
	buf_put_u8(&out, 0);
	assert_string_equal((const char *)out.data,
	    "HTTP/1.1 101 Switching Protocols\r\n" UP CONN
	    "Sec-WebSocket-Accept: s3pPLMBiTxaQ9kYGzzhZRbK+xOo=\r\n"
	    PROTO "chat.v2\r\n\r\n");
	buf_clear(&out);
	assert_int_equal(shake("GET", ALL, &route, &h), 0);
	handshake_response_put(&out, &h);
	buf_put_u8(&out, 0);
	assert_string_equal((const char *)out.data,
	    "HTTP/1.1 101 Switching Protocols\r\n" UP CONN
	    "Sec-WebSocket-Accept: s3pPLMBiTxaQ9kYGzzhZRbK+xOo=\r\n\r\n");
	buf_done(&out);
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_rows),
		cmocka_unit_test(test_cut_off),
		cmocka_unit_test(test_method),
		cmocka_unit_test(test_origins),
		cmocka_unit_test(test_many_offers),
		cmocka_unit_test(test_accept),
		cmocka_unit_test(test_response),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
