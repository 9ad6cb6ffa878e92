/* SPDX-License-Identifier: MIT */
/* worker/http: request heads, sane and hostile (RFC 9112). */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

#include <cmocka.h>

#include "common/buf.h"
#include "tests/unit/feed.h"
#include "worker/http.h"

#define GET "GET / HTTP/1.1\r\n"
#define HOST "Host: a\r\n"
#define END "\r\n"
#define UPGRADE "Upgrade: websocket\r\nConnection: Upgrade\r\n"

struct row {
	const char *name;
	const char *head;
	size_t len;
	unsigned status;	/* 0: accepted */
};

#define R(name, head, status) { name, head, sizeof(head) - 1, status }

static const struct row rows[] = {
	/* What parsers are known to disagree about. */
	R("an upgrade", GET HOST UPGRADE END, 0),
	R("bare LF everywhere", "GET / HTTP/1.1\nHost: a\n\n", 400),
	R("bare LF behind a field", GET "Host: a\n" END, 400),
	R("bare LF behind the request line", "GET / HTTP/1.1\n" HOST END, 400),
	R("bare LF at the end", GET "Host: a\r\n\n", 400),
	R("lone CR in a value", GET "Host: a\rX: b\r\n" END, 400),
	R("lone CR in the request line", "GET /\rx HTTP/1.1\r\n" HOST END, 400),
	R("obs-fold with a space", GET HOST "X: a\r\n b\r\n" END, 400),
	R("obs-fold with a tab", GET HOST "X: a\r\n\tb\r\n" END, 400),
	R("obs-fold behind the request line", GET " X: a\r\n" HOST END, 400),
	R("space before the colon", GET "Host : a\r\n" END, 400),
	R("tab before the colon", GET "Host\t: a\r\n" END, 400),
	R("NUL in a value", GET "Host: a\r\nX: a\0b\r\n" END, 400),
	R("0x01 in a value", GET HOST "X: a\001b\r\n" END, 400),
	R("DEL in a value", GET HOST "X: a\x7f" "b\r\n" END, 400),
	R("NUL in a name", GET HOST "X\0Y: b\r\n" END, 400),
	R("empty name", GET HOST ": b\r\n" END, 400),
	R("no token in a name", GET HOST "X(A: b\r\n" END, 400),
	R("0x80 in a name", GET HOST "X\x80: b\r\n" END, 400),
	R("no colon", GET HOST "Xyz\r\n" END, 400),
	R("two Host", GET HOST "Host: b\r\n" END, 400),
	R("two Host in other letters", GET HOST "hOST: a\r\n" END, 400),
	R("no Host", GET "X: a\r\n" END, 400),
	R("no field at all", GET END, 400),
	R("CL and TE", GET HOST "Content-Length: 4\r\n"
	    "Transfer-Encoding: chunked\r\n" END, 400),
	R("two CL", GET HOST "Content-Length: 0\r\nContent-Length: 5\r\n" END,
	    400),
	R("CL +3", GET HOST "Content-Length: +3\r\n" END, 400),
	R("get", "get / HTTP/1.1\r\n" HOST END, 400),
	R("HTTP/1.2", "GET / HTTP/1.2\r\n" HOST END, 505),
	R("HTTP/2.0", "GET / HTTP/2.0\r\n" HOST END, 505),
	R("two spaces before the target", "GET  / HTTP/1.1\r\n" HOST END, 400),
	R("space in the target", "GET /a b HTTP/1.1\r\n" HOST END, 400),
	R("0x80 in the target", "GET /\x80 HTTP/1.1\r\n" HOST END, 400),
	R("0x01 in the target", "GET /\001 HTTP/1.1\r\n" HOST END, 400),
	R("CRLF in front", "\r\n" GET HOST END, 0),

	/* The request line. */
	R("HTTP/1.0", "GET / HTTP/1.0\r\n" HOST END, 505),
	R("HTTP/0.9", "GET /\r\n" END, 400),
	R("HTTP/0.9, spoken aloud", "GET / HTTP/0.9\r\n" HOST END, 505),
	R("HTTP/11.1", "GET / HTTP/11.1\r\n" HOST END, 400),
	R("HTTP/1.", "GET / HTTP/1.\r\n" HOST END, 400),
	R("HTTP/x.1", "GET / HTTP/x.1\r\n" HOST END, 400),
	R("HTTP/1.x", "GET / HTTP/1.x\r\n" HOST END, 400),
	R("HTTP/1,1", "GET / HTTP/1,1\r\n" HOST END, 400),
	R("http/1.1", "GET / http/1.1\r\n" HOST END, 400),
	R("ICE/1.0", "SOURCE / ICE/1.0\r\n" HOST END, 400),
	R("HTTP/2's preface", "PRI * HTTP/2.0\r\n\r\n", 505),
	R("PRI", "PRI / HTTP/1.1\r\n" HOST END, 400),
	R("two spaces before the version", "GET /  HTTP/1.1\r\n" HOST END, 400),
	R("space behind the version", "GET / HTTP/1.1 \r\n" HOST END, 400),
	R("tab for a space", "GET\t/ HTTP/1.1\r\n" HOST END, 400),
	R("space in front", " GET / HTTP/1.1\r\n" HOST END, 400),
	R("CRLF and a space in front", "\r\n " GET HOST END, 400),
	R("LF in front", "\n" GET HOST END, 400),
	R("no target", "GET  HTTP/1.1\r\n" HOST END, 400),
	R("no version", "GET / \r\n" HOST END, 400),
	R("no method", "/ HTTP/1.1\r\n" HOST END, 400),
	R("nothing but an end", "\r\n\r\n", 400),
	R("method that is no token", "G(T / HTTP/1.1\r\n" HOST END, 400),
	R("method unknown", "FOO / HTTP/1.1\r\n" HOST END, 400),
	R("CONNECT", "CONNECT a:443 HTTP/1.1\r\n" HOST END, 400),
	R("absolute form", "GET http://a/ HTTP/1.1\r\n" HOST END, 400),
	R("absolute form, wss", "GET wss://a/ HTTP/1.1\r\n" HOST END, 400),
	R("asterisk form", "OPTIONS * HTTP/1.1\r\n" HOST END, 400),
	R("fragment", "GET /a#b HTTP/1.1\r\n" HOST END, 400),
	R("fragment behind a query", "GET /?a#b HTTP/1.1\r\n" HOST END, 400),
	R("DEL in the target", "GET /\x7f HTTP/1.1\r\n" HOST END, 400),
	R("first and last that a target may hold", "GET /!~?~! HTTP/1.1\r\n"
	    HOST END, 0),
	R("HEAD", "HEAD / HTTP/1.1\r\n" HOST END, 0),
	R("POST with nothing", "POST / HTTP/1.1\r\n" HOST
	    "Content-Length: 0\r\n" END, 0),
	R("a TLS hello, more or less", "\x16\x03\x01\x02\r\n\r\n", 400),

	/* Bodies. */
	R("CL 5", GET HOST "Content-Length: 5\r\n" END, 400),
	R("CL 5 and an upgrade", GET HOST UPGRADE "Content-Length: 5\r\n" END,
	    400),
	R("CL 00", GET HOST "Content-Length: 00\r\n" END, 400),
	R("CL empty", GET HOST "Content-Length:\r\n" END, 400),
	R("CL 0, 0", GET HOST "Content-Length: 0, 0\r\n" END, 400),
	R("CL -1", GET HOST "Content-Length: -1\r\n" END, 400),
	R("CL too big for 64 bits", GET HOST
	    "Content-Length: 99999999999999999999\r\n" END, 400),
	R("TE", GET HOST "Transfer-Encoding: chunked\r\n" END, 400),
	R("TE identity", GET HOST "Transfer-Encoding: identity\r\n" END, 400),
	R("TE empty", GET HOST UPGRADE "Transfer-Encoding:\r\n" END, 400),
	R("POST with TE", "POST / HTTP/1.1\r\n" HOST
	    "Transfer-Encoding: chunked\r\n" END, 400),

	/* Values. */
	R("0x80 in a value", GET HOST "X: a\x80\xff\r\n" END, 0),
	R("tab in a value", GET HOST "X: a\tb\r\n" END, 0),
	R("empty value", GET HOST "X:\r\nY: \r\nZ:  \t\r\n" END, 0),
	R("empty value at the end", GET HOST "Upgrade:\r\n" END, 0),
	R("no space behind the colon", GET "Host:a\r\n" END, 0),
	R("Connection: close", GET HOST "Connection: close\r\n" END, 0),
	R("Upgrade without Connection", GET HOST "Upgrade: h2c\r\n" END, 0),

	/* Host. */
	R("Host with a port", GET "Host: a.example:8443\r\n" END, 0),
	R("Host with an empty port", GET "Host: a:\r\n" END, 0),
	R("Host 127.0.0.1", GET "Host: 127.0.0.1:1\r\n" END, 0),
	R("Host ::1", GET "Host: [::1]\r\n" END, 0),
	R("Host ::1 with a port", GET "Host: [::ffff:1.2.3.4]:443\r\n" END, 0),
	R("Host of every character", GET "Host: a-._~!$&'()*+,;=%4f\r\n" END,
	    0),
	R("Host in capitals", GET "Host: A%4F\r\n" END, 0),
	R("Host with %a0", GET "Host: %a0\r\n" END, 0),
	R("Host FE80::A", GET "Host: [FE80::A]\r\n" END, 0),
	R("Host empty", GET "Host:\r\n" END, 400),
	R("Host of spaces", GET "Host:  \t \r\n" END, 400),
	R("Host of a port only", GET "Host: :443\r\n" END, 400),
	R("Host with a user", GET "Host: u@a\r\n" END, 400),
	R("Host with a path", GET "Host: a/b\r\n" END, 400),
	R("Host with a space", GET "Host: a b\r\n" END, 400),
	R("Host with 0x80", GET "Host: a\x80\r\n" END, 400),
	R("Host with half a %", GET "Host: a%4\r\n" END, 400),
	R("Host with %g0", GET "Host: a%g0\r\n" END, 400),
	R("Host with %0g", GET "Host: a%0g\r\n" END, 400),
	R("Host with a port of letters", GET "Host: a:http\r\n" END, 400),
	R("Host with a port of five digits", GET "Host: a:12345\r\n" END, 0),
	R("Host with a long port", GET "Host: a:123456\r\n" END, 400),
	R("Host with two ports", GET "Host: a:1:2\r\n" END, 400),
	R("Host [", GET "Host: [\r\n" END, 400),
	R("Host []", GET "Host: []\r\n" END, 400),
	R("Host [::1", GET "Host: [::1\r\n" END, 400),
	R("Host [::1]x", GET "Host: [::1]x\r\n" END, 400),
	R("Host [::1%lo]", GET "Host: [::1%lo]\r\n" END, 400),
	R("Host [::G]", GET "Host: [::G]\r\n" END, 400),
	R("Host [::@]", GET "Host: [::@]\r\n" END, 400),
	R("Host [::1]:x", GET "Host: [::1]:x\r\n" END, 400),
};

/* The bytes so far, as the connection keeps them. */
struct run {
	const struct row *row;
	struct buf bytes;
	size_t scanned;
	size_t head_len;
};

static void
begin(void *ctx)
{
	struct run *r = ctx;

	buf_clear(&r->bytes);
	r->scanned = r->head_len = 0;
}

static void
piece(void *ctx, uint8_t *data, size_t len)
{
	struct run *r = ctx;
	uint8_t *exact;

	assert_int_equal(r->head_len, HTTP_MORE);
	buf_put(&r->bytes, data, len);
	exact = malloc(r->bytes.len == 0 ? 1 : r->bytes.len);
	memcpy(exact, r->bytes.data != NULL ? (const void *)r->bytes.data :
	    "", r->bytes.len);
	r->head_len = http_head_length(exact, r->bytes.len, &r->scanned);
	assert_true(r->scanned <= r->bytes.len);
	free(exact);
	/* Not before the last byte, and then all of it. */
	if (r->head_len != HTTP_MORE)
		assert_int_equal(r->head_len, r->row->len);
}

static void
end(void *ctx)
{
	struct run *r = ctx;
	struct http_refusal refusal = { 0 };
	struct http_request req;
	int result;

	if (r->bytes.len < r->row->len)
		return;
	result = http_parse(r->bytes.data, r->bytes.len, 100, &req, &refusal);
	if (refusal.status != r->row->status)
		fail_msg("%s: %u, not %u (%s)", r->row->name, refusal.status,
		    r->row->status, refusal.reason);
	assert_int_equal(result, r->row->status == 0 ? 0 : -1);
	assert_int_equal(refusal.reason[0] == '\0', result == 0);
}

static void
cut_everywhere(struct run *run, const struct row *row)
{
	static const struct feed feed = { begin, piece, end };

	run->row = row;
	feed_steps(&feed, run, row->head, row->len, row->len);
	feed_steps(&feed, run, row->head, row->len, 1);
	/* A piece behind the whole head would be frames: none is given. */
	for (size_t at = 0; at < row->len; at++)
		feed_cut(&feed, run, row->head, row->len, at);
}

static void
test_rows(void **state)
{
	struct run run = { .bytes = BUF_INIT };

	(void)state;
	for (size_t i = 0; i < sizeof(rows) / sizeof(*rows); i++)
		cut_everywhere(&run, &rows[i]);
	buf_done(&run.bytes);
}

/* Every row cut short is refused, by http_parse() alone. */
static void
test_cut_off(void **state)
{
	struct http_refusal refusal;
	struct http_request req;

	(void)state;
	for (size_t i = 0; i < sizeof(rows) / sizeof(*rows); i++)
		for (size_t len = 0; len < rows[i].len; len++) {
			uint8_t *copy = malloc(len == 0 ? 1 : len);

			memcpy(copy, rows[i].head, len);
			assert_int_equal(http_parse(copy, len, 100, &req,
			    &refusal), -1);
			assert_int_equal(refusal.status, 400);
			free(copy);
		}
}

static bool
is_inside(struct slice s, const uint8_t *data, size_t len)
{
	const char *from = (const char *)data;

	return s.data >= from && s.data + s.len <= from + len;
}

/* Whatever is accepted keeps the promises of the header. */
static void
check_request(const struct http_request *req, const uint8_t *data, size_t len)
{
	assert_true(http_is_token(req->method));
	assert_true(req->target.data[0] == '/' && req->path.data[0] == '/');
	assert_true(is_inside(req->method, data, len));
	assert_true(is_inside(req->target, data, len));
	assert_true(is_inside(req->path, data, len));
	assert_true(is_inside(req->query, data, len));
	assert_true(is_inside(req->host, data, len) && req->host.len > 0);
	for (size_t i = 0; i < req->n_headers; i++) {
		struct slice value = req->headers[i].value;

		assert_true(http_is_token(req->headers[i].name));
		assert_true(is_inside(req->headers[i].name, data, len));
		assert_true(is_inside(value, data, len));
		for (size_t k = 0; k < value.len; k++)
			assert_true(value.data[k] == '\t' ||
			    (uint8_t)value.data[k] >= ' ');
	}
}

/* Every byte of a good request changed to every other one. */
static void
test_changed_bytes(void **state)
{
	static const char good[] = "GET /a?b HTTP/1.1\r\nHost: a:1\r\n" UPGRADE
	    "Content-Length: 0\r\nX: y\r\n\r\n";
	struct http_refusal refusal;
	struct http_request req;
	uint8_t copy[sizeof(good) - 1];

	(void)state;
	for (size_t i = 0; i < sizeof(copy) * 256; i++) {
		memcpy(copy, good, sizeof(copy));
		copy[i / 256] = (uint8_t)i;
		if (http_parse(copy, sizeof(copy), 100, &req, &refusal) == 0)
			check_request(&req, copy, sizeof(copy));
		else
			assert_in_range(refusal.status, 400, 505);
	}
}

static void
assert_slice(struct slice s, const char *expected)
{
	assert_int_equal(s.len, strlen(expected));
	assert_memory_equal(s.data, expected, s.len);
}

static void
test_parts(void **state)
{
	static const char head[] = "\r\nGET /chat/%20?a=b?c&d HTTP/1.1\r\n"
	    "Host: [::1]:8443\r\nX-Empty:\r\nx-list: a, b \t\r\n"
	    "X-LIST:\t c\r\nLast:  d e  \r\n\r\n";
	struct http_refusal refusal;
	struct http_request req;

	(void)state;
	assert_int_equal(http_parse((const uint8_t *)head, sizeof(head) - 1,
	    5, &req, &refusal), 0);
	assert_slice(req.method, "GET");
	assert_slice(req.target, "/chat/%20?a=b?c&d");
	assert_slice(req.path, "/chat/%20");
	assert_slice(req.query, "a=b?c&d");
	assert_slice(req.host, "[::1]");
	assert_int_equal(req.n_headers, 5);
	assert_slice(req.headers[1].name, "X-Empty");
	assert_slice(*http_header(&req, "x-empty", 0), "");
	assert_slice(*http_header(&req, "X-List", 0), "a, b");
	assert_slice(*http_header(&req, "X-List", 1), "c");
	assert_null(http_header(&req, "X-List", 2));
	assert_slice(*http_header(&req, "last", 0), "d e");
	assert_null(http_header(&req, "las", 0));
	check_request(&req, (const uint8_t *)head, sizeof(head) - 1);
}

static void
test_no_query(void **state)
{
	static const struct {
		const char *head, *path, *query, *host;
	} targets[] = {
		{ "GET /a HTTP/1.1\r\nHost: b.c\r\n\r\n", "/a", "", "b.c" },
		{ "GET /a? HTTP/1.1\r\nHost: b:\r\n\r\n", "/a", "", "b" },
		{ "GET /?x HTTP/1.1\r\nHost: b:1\r\n\r\n", "/", "x", "b" },
		{ "GET //a/../b HTTP/1.1\r\nHost: B\r\n\r\n", "//a/../b", "",
		    "B" },
	};
	struct http_refusal refusal;
	struct http_request req;

	(void)state;
	for (size_t i = 0; i < sizeof(targets) / sizeof(*targets); i++) {
		assert_int_equal(http_parse((const uint8_t *)targets[i].head,
		    strlen(targets[i].head), 5, &req, &refusal), 0);
		assert_slice(req.path, targets[i].path);
		assert_slice(req.query, targets[i].query);
		assert_slice(req.host, targets[i].host);
	}
}

static int
parse_fields(size_t n, size_t max, unsigned *status)
{
	struct buf head = BUF_INIT;
	struct http_refusal refusal = { 0 };
	struct http_request req;
	int result;

	buf_printf(&head, GET HOST);
	for (size_t i = 1; i < n; i++)
		buf_printf(&head, "X-%zu: y\r\n", i);
	buf_printf(&head, "\r\n");
	result = http_parse(head.data, head.len, max, &req, &refusal);
	*status = refusal.status;
	if (result == 0)
		assert_int_equal(req.n_headers, n);
	buf_done(&head);
	return result;
}

static void
test_limits(void **state)
{
	struct buf head = BUF_INIT;
	struct http_refusal refusal;
	struct http_request req;
	unsigned status;

	(void)state;
	assert_int_equal(parse_fields(100, 100, &status), 0);
	assert_int_equal(parse_fields(101, 100, &status), -1);
	assert_int_equal(status, 431);
	assert_int_equal(parse_fields(1, 0, &status), -1);
	assert_int_equal(status, 431);
	assert_int_equal(parse_fields(HTTP_HEADERS_MAX, 100000, &status), 0);
	assert_int_equal(parse_fields(HTTP_HEADERS_MAX + 1, 100000, &status),
	    -1);
	assert_int_equal(status, 431);
	assert_int_equal(parse_fields(500, 128, &status), -1);
	assert_int_equal(status, 431);

	/* How long a head may be is the connection's to say. */
	buf_printf(&head, GET HOST "X: ");
	for (int i = 0; i < 65536; i++)
		buf_put_u8(&head, 'x');
	buf_printf(&head, "\r\n\r\n");
	assert_int_equal(http_parse(head.data, head.len, 128, &req, &refusal),
	    0);
	assert_int_equal(req.headers[1].value.len, 65536);
	buf_done(&head);
}

static void
test_head_length(void **state)
{
	static const struct {
		const char *bytes;
		size_t expected, scanned;
	} heads[] = {
		{ "", HTTP_MORE, 0 },
		{ "abc", HTTP_MORE, 3 },
		{ "abc\r", HTTP_MORE, 4 },
		{ "abc\r\n", HTTP_MORE, 4 },
		{ "abc\r\n\r", HTTP_MORE, 4 },
		{ "abc\r\n\r\n", 7, 0 },
		{ "abc\r\n\r\nframes\r\n\r\n", 7, 0 },
		{ "abc\r\n\rx\r\n", HTTP_MORE, 8 },
		{ "abc\n\r", HTTP_MORE, 3 },
		{ "abc\n\n", 5, 0 },
		{ "abc\n\r\n", 6, 0 },
		{ "abc\nd\ne\n", HTTP_MORE, 7 },
	};

	(void)state;
	for (size_t i = 0; i < sizeof(heads) / sizeof(*heads); i++) {
		size_t scanned = 0;

		assert_int_equal(http_head_length(
		    (const uint8_t *)heads[i].bytes, strlen(heads[i].bytes),
		    &scanned), heads[i].expected);
		assert_int_equal(scanned, heads[i].scanned);
	}
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_rows),
		cmocka_unit_test(test_cut_off),
		cmocka_unit_test(test_changed_bytes),
		cmocka_unit_test(test_parts),
		cmocka_unit_test(test_no_query),
		cmocka_unit_test(test_limits),
		cmocka_unit_test(test_head_length),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
