/* SPDX-License-Identifier: MIT */
/* worker/http_response: answers to our handshake, right and lying. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "tests/unit/feed.h"
#include "worker/http_response.h"

#define S101 "HTTP/1.1 101 Switching Protocols\r\n"
#define UP "Upgrade: websocket\r\n"
#define CONN "Connection: Upgrade\r\n"
#define KEY "dGhlIHNhbXBsZSBub25jZQ=="	/* RFC 6455 §1.3 */
#define ACCEPT "Sec-WebSocket-Accept: s3pPLMBiTxaQ9kYGzzhZRbK+xOo=\r\n"
#define PROTO "Sec-WebSocket-Protocol: "
#define EXT "Sec-WebSocket-Extensions: "
#define END "\r\n"
#define GOOD S101 UP CONN ACCEPT

struct row {
	const char *name;
	const char *head;
	size_t len;
	const char *offered;
	const char *wrong;	/* part of the sentence; NULL: a WebSocket */
	const char *chosen;
};

#define ROW(name, head, offered, wrong, chosen)                              \
	{ name, head, sizeof(head) - 1, offered, wrong, chosen }

static const struct row rows[] = {
	ROW("the sample", GOOD END, "", NULL, ""),
	ROW("other letters", S101 "upgrade: WebSocket\r\nCONNECTION: "
	    "keep-alive, UPGRADE\r\n" ACCEPT END, "", NULL, ""),
	ROW("no reason", "HTTP/1.1 101 \r\n" UP CONN ACCEPT END, "", NULL, ""),
	ROW("nothing behind the status", "HTTP/1.1 101\r\n" UP CONN ACCEPT
	    END, "", NULL, ""),
	ROW("blanks", S101 UP CONN "Sec-WebSocket-Accept: \t "
	    "s3pPLMBiTxaQ9kYGzzhZRbK+xOo= \t\r\n" END, "", NULL, ""),
	ROW("a subprotocol", GOOD PROTO "b\r\n" END, "a, b", NULL, "b"),
	ROW("none of those offered", GOOD END, "a, b", NULL, ""),
	ROW("empty extensions", GOOD EXT "\r\n" END, "", NULL, ""),

	ROW("no Upgrade", S101 CONN ACCEPT END, "", "without Upgrade", NULL),
	ROW("Upgrade to h2c", S101 "Upgrade: h2c\r\n" CONN ACCEPT END, "",
	    "without Upgrade", NULL),
	ROW("no Connection", S101 UP ACCEPT END, "", "without Connection",
	    NULL),
	ROW("Connection: close", S101 UP "Connection: close\r\n" ACCEPT END,
	    "", "without Connection", NULL),
	ROW("no Accept", S101 UP CONN END, "", "exactly one", NULL),
	ROW("two Accept", GOOD ACCEPT END, "", "exactly one", NULL),
	ROW("empty Accept", S101 UP CONN "Sec-WebSocket-Accept:\r\n" END, "",
	    "wrong Sec-WebSocket-Accept", NULL),
	ROW("other Accept", S101 UP CONN "Sec-WebSocket-Accept: "
	    "t3pPLMBiTxaQ9kYGzzhZRbK+xOo=\r\n" END, "",
	    "wrong Sec-WebSocket-Accept", NULL),
	ROW("Accept in small letters", S101 UP CONN "Sec-WebSocket-Accept: "
	    "s3pplmbitxaq9kygzzhzrbk+xoo=\r\n" END, "",
	    "wrong Sec-WebSocket-Accept", NULL),
	ROW("more than the Accept", S101 UP CONN "Sec-WebSocket-Accept: "
	    "s3pPLMBiTxaQ9kYGzzhZRbK+xOo=x\r\n" END, "",
	    "wrong Sec-WebSocket-Accept", NULL),
	ROW("extension", GOOD EXT "permessage-deflate\r\n" END, "",
	    "an extension that was not offered", NULL),
	ROW("subprotocol that was not offered", GOOD PROTO "c\r\n" END,
	    "a, b", "subprotocol that was not offered", NULL),
	ROW("several subprotocols", GOOD PROTO "a, b\r\n" END, "a, b",
	    "subprotocol that was not offered", NULL),
	ROW("two subprotocols", GOOD PROTO "a\r\n" PROTO "b\r\n" END,
	    "a, b", "more than one Sec-WebSocket-Protocol", NULL),
	ROW("empty subprotocol", GOOD PROTO "\r\n" END, "a",
	    "subprotocol that was not offered", NULL),
	ROW("other letters in a subprotocol", GOOD PROTO "A\r\n" END, "a",
	    "subprotocol that was not offered", NULL),
	ROW("subprotocol where none is offered", GOOD PROTO "a\r\n" END, "",
	    "subprotocol that was not offered", NULL),
	ROW("HTTP/1.0", "HTTP/1.0 101 x\r\n" UP CONN ACCEPT END, "",
	    "101 in HTTP/1.0", NULL),

	ROW("HTTP/2", "HTTP/2.0 101 x\r\n" END, "", "no answer in HTTP/1.1",
	    NULL),
	ROW("HTTP/1.11", "HTTP/1.11 101 x\r\n" END, "",
	    "no answer in HTTP/1.1", NULL),
	ROW("http", "http/1.1 101 x\r\n" END, "", "no answer in HTTP/1.1",
	    NULL),
	ROW("a request", "GET / HTTP/1.1\r\nHost: a\r\n" END, "",
	    "no answer in HTTP/1.1", NULL),
	ROW("SSH", "SSH-2.0-OpenSSH_9.2p1 Debian\r\n" END, "",
	    "no answer in HTTP/1.1", NULL),
	ROW("an empty line in front", "\r\n" GOOD END, "",
	    "no answer in HTTP/1.1", NULL),
	ROW("short", "HTTP/1.1 10\r\n" END, "", "malformed status", NULL),
	ROW("long", "HTTP/1.1 1010 x\r\n" END, "", "malformed status", NULL),
	ROW("letters", "HTTP/1.1 1o1 x\r\n" END, "", "malformed status",
	    NULL),
	ROW("099", "HTTP/1.1 099 x\r\n" END, "", "malformed status", NULL),
	ROW("600", "HTTP/1.1 600 x\r\n" END, "", "malformed status", NULL),
	ROW("two blanks", "HTTP/1.1  101 x\r\n" END, "", "malformed status",
	    NULL),
	ROW("bare LF", "HTTP/1.1 101 x\n\n", "", "without CRLF", NULL),
	ROW("lone CR", GOOD "X: a\rb\r\n" END, "", "without CRLF", NULL),
	ROW("folding", GOOD "X: a\r\n b\r\n" END, "", "line folding", NULL),
	ROW("NUL", GOOD "X: a\0b\r\n" END, "", "control byte", NULL),
	ROW("no colon", GOOD "Xyz\r\n" END, "", "malformed head", NULL),
	ROW("empty name", GOOD ": x\r\n" END, "", "malformed", NULL),
	ROW("blank in a name", GOOD "X y: z\r\n" END, "", "malformed", NULL),
};

/* The connection's part: gathers a head, judges it when it is there. */
struct reading {
	const struct row *row;
	uint8_t data[8192];
	size_t len, scanned;
	bool complete;
};

static void
begin(void *ctx)
{
	struct reading *r = ctx;

	r->len = r->scanned = 0;
	r->complete = false;
}

static void
judge(const struct reading *r, size_t head)
{
	uint8_t *exact = malloc(head);
	struct http_response response;
	struct slice chosen;
	struct err err = ERR_INIT;
	int rc;

	memcpy(exact, r->data, head);
	rc = http_parse_response(exact, head, &response, &err);
	if (rc == 0) {
		assert_int_equal(response.status, 101);
		rc = http_check_upgrade(&response, KEY, r->row->offered,
		    &chosen, &err);
	}
	if (r->row->wrong == NULL) {
		assert_int_equal(rc, 0);
		assert_true(slice_equal(chosen, r->row->chosen));
	} else {
		assert_int_equal(rc, -1);
		if (strstr(err.text, r->row->wrong) == NULL)
			fail_msg("%s", err.text);
	}
	free(exact);
}

static void
piece(void *ctx, uint8_t *data, size_t len)
{
	struct reading *r = ctx;
	size_t head;

	memcpy(r->data + r->len, data, len);
	r->len += len;
	head = http_head_length(r->data, r->len, &r->scanned);
	if (r->complete || head == HTTP_MORE)
		return;
	r->complete = true;
	judge(r, head);
}

static void
end(void *ctx)
{
	assert_true(((struct reading *)ctx)->complete);
}

static void
test_rows(void **state)
{
	static const struct feed feed = { begin, piece, end };
	static struct reading r;

	(void)state;
	for (size_t i = 0; i < sizeof(rows) / sizeof(*rows); i++) {
		print_message("%s\n", rows[i].name);
		r.row = &rows[i];
		feed_all(&feed, &r, rows[i].head, rows[i].len);
	}
}

static void
test_other_answers(void **state)
{
	static const char head[] = "HTTP/1.0 403 No\r\nSet-Cookie: a\r\n"
	    "X: \r\nset-cookie: b\r\nContent-Length: 5\r\n\r\n";
	struct http_response r;
	struct err err = ERR_INIT;

	(void)state;
	assert_int_equal(http_parse_response((const uint8_t *)head,
	    sizeof(head) - 1, &r, &err), 0);
	assert_int_equal(r.status, 403);
	assert_int_equal(r.n_headers, 4);
	assert_true(slice_equal(*http_response_header(&r, "Set-Cookie", 0),
	    "a"));
	assert_true(slice_equal(*http_response_header(&r, "Set-Cookie", 1),
	    "b"));
	assert_null(http_response_header(&r, "Set-Cookie", 2));
	assert_true(slice_equal(r.headers[1].value, ""));
}

static void
test_too_many_fields(void **state)
{
	struct http_response r;
	struct err err = ERR_INIT;
	struct buf head = BUF_INIT;

	(void)state;
	for (size_t n = HTTP_HEADERS_MAX; n <= HTTP_HEADERS_MAX + 1; n++) {
		buf_clear(&head);
		buf_printf(&head, "HTTP/1.1 200 OK\r\n");
		for (size_t i = 0; i < n; i++)
			buf_printf(&head, "X: y\r\n");
		buf_printf(&head, "\r\n");
		assert_int_equal(http_parse_response(head.data, head.len, &r,
		    &err), n > HTTP_HEADERS_MAX ? -1 : 0);
	}
	assert_string_equal(err.text, "more than 128 header fields");
	buf_done(&head);
}

static void
test_request(void **state)
{
	const uint8_t nonce[16] = "the sample nonce";
	char key[HTTP_KEY_LEN + 1];
	struct buf b = BUF_INIT;

	(void)state;
	http_make_key(nonce, key);
	assert_string_equal(key, KEY);
	http_upgrade_fields_put(&b, key, "");
	buf_put_u8(&b, 0);
	assert_string_equal((char *)b.data, UP CONN "Sec-WebSocket-Key: " KEY
	    "\r\nSec-WebSocket-Version: 13\r\n\r\n");
	buf_clear(&b);
	http_upgrade_fields_put(&b, key, "a, b");
	buf_put_u8(&b, 0);
	assert_string_equal((char *)b.data, UP CONN "Sec-WebSocket-Key: " KEY
	    "\r\nSec-WebSocket-Version: 13\r\n" PROTO "a, b\r\n\r\n");
	buf_done(&b);
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_rows),
		cmocka_unit_test(test_other_answers),
		cmocka_unit_test(test_too_many_fields),
		cmocka_unit_test(test_request),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
