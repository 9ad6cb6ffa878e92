/* SPDX-License-Identifier: MIT */
/*
 * Owns nothing: takes the caller's bytes apart into slices of themselves.
 * Runs in the worker.  Must never let a head pass that two parsers could
 * read in two ways (RFC 9112 §11).
 *
 * llhttp splits the fields (http_fields.c); the lines, the request line, the
 * names and the body are judged here and there again, so that what is
 * accepted does not depend on the version of llhttp (8.1 lets obs-fold, empty
 * names and several spaces pass).
 */
#include "worker/http.h"

#include <string.h>
#include <strings.h>

#define PORT_DIGITS_MAX 5

static bool
is_digit(char c)
{
	return c >= '0' && c <= '9';
}

static bool
is_alpha(char c)
{
	return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z');
}

static bool
is_hex(char c)
{
	return is_digit(c) || (c >= 'a' && c <= 'f') || (c >= 'A' && c <= 'F');
}

/* NUL is in no set. */
static bool
is_one_of(char c, const char *set)
{
	return c != '\0' && strchr(set, c) != NULL;
}

/* Cuts s at the first c: true, and what stood before it in out. */
static bool
cut(struct slice *s, char c, struct slice *out)
{
	const char *at = s->len == 0 ? NULL : memchr(s->data, c, s->len);

	if (at == NULL)
		return false;
	out->data = s->data;
	out->len = (size_t)(at - s->data);
	s->data += out->len + 1;
	s->len -= out->len + 1;
	return true;
}

/*
 * Every line ends in CRLF, none is a continuation of the one before
 * (obs-fold, RFC 9112 §5.2), and there is no other control byte than HTAB.
 */
int
http_check_lines(const uint8_t *head, size_t len,
    struct http_refusal *refusal)
{
	for (size_t i = 0; i < len; i++) {
		if (head[i] == '\r' && i + 1 < len && head[i + 1] == '\n') {
			i++;
			if (i + 1 < len &&
			    (head[i + 1] == ' ' || head[i + 1] == '\t'))
				return http_refuse(refusal, 400,
				    "line folding in the head");
		} else if (head[i] == '\r' || head[i] == '\n') {
			return http_refuse(refusal, 400,
			    "line of the head without CRLF");
		} else if ((head[i] < ' ' && head[i] != '\t') ||
		    head[i] == 0x7f) {
			return http_refuse(refusal, 400,
			    "control byte in the head");
		}
	}
	return 0;
}

/* RFC 9112 §3.2.1; '#' belongs to no request (RFC 9110 §4.1). */
static bool
split_target(struct http_request *req)
{
	struct slice rest = req->target;

	if (rest.len == 0 || rest.data[0] != '/')
		return false;
	for (size_t i = 0; i < rest.len; i++)
		if (rest.data[i] < 0x21 || rest.data[i] > 0x7e ||
		    rest.data[i] == '#')
			return false;
	if (cut(&rest, '?', &req->path)) {
		req->query = rest;
	} else {
		req->path = rest;
		req->query = (struct slice){ rest.data + rest.len, 0 };
	}
	return true;
}

/* method SP request-target SP HTTP-version, to the letter: RFC 9112 §3. */
static int
parse_request_line(struct slice head, struct http_request *req,
    struct http_refusal *refusal)
{
	struct slice line = { 0 };

	if (!cut(&head, '\r', &line) || !cut(&line, ' ', &req->method) ||
	    !cut(&line, ' ', &req->target) || !http_is_token(req->method) ||
	    line.len != strlen("HTTP/1.1") ||
	    memcmp(line.data, "HTTP/", strlen("HTTP/")) != 0 ||
	    !is_digit(line.data[5]) || line.data[6] != '.' ||
	    !is_digit(line.data[7]))
		return http_refuse(refusal, 400, "malformed request line");
	if (!slice_equal(line, "HTTP/1.1"))
		return http_refuse(refusal, 505,
		    "this server speaks HTTP/1.1 only");
	if (!split_target(req))
		return http_refuse(refusal, 400,
		    "request target is not a path of this server");
	return 0;
}

/*
 * Nothing is ever expected behind the head but frames.  A request that
 * announces a body is refused, and with it request smuggling.
 */
static int
check_body(const struct http_request *req, struct http_refusal *refusal)
{
	const struct slice *length;

	if (http_header(req, "Transfer-Encoding", 0) != NULL)
		return http_refuse(refusal, 400,
		    "a request with a body is not served here");
	for (size_t i = 0;
	     (length = http_header(req, "Content-Length", i)) != NULL; i++)
		if (!slice_equal(*length, "0"))
			return http_refuse(refusal, 400,
			    "a request with a body is not served here");
	return 0;
}

/* reg-name of RFC 3986 §3.2.2, at least one byte. */
static bool
is_reg_name(struct slice s)
{
	for (size_t i = 0; i < s.len; i++) {
		char c = s.data[i];

		if (c == '%') {
			if (s.len - i < 3 || !is_hex(s.data[i + 1]) ||
			    !is_hex(s.data[i + 2]))
				return false;
			i += 2;
		} else if (!is_alpha(c) && !is_digit(c) &&
		    !is_one_of(c, "-._~!$&'()*+,;=")) {
			return false;
		}
	}
	return s.len > 0;
}

/* The inside of "[...]": an IPv6 address, by its characters. */
static bool
is_ip_literal(struct slice s)
{
	for (size_t i = 0; i < s.len; i++)
		if (!is_hex(s.data[i]) && !is_one_of(s.data[i], ":."))
			return false;
	return s.len > 0;
}

/* Nothing, or ":" and at most five digits (none is allowed, too). */
static bool
is_port(struct slice s)
{
	if (s.len > 0 && (s.data[0] != ':' || s.len > 1 + PORT_DIGITS_MAX))
		return false;
	for (size_t i = 1; i < s.len; i++)
		if (!is_digit(s.data[i]))
			return false;
	return true;
}

/* uri-host [":" port]: RFC 9110 §7.2. */
static bool
split_host(struct slice value, struct slice *host)
{
	struct slice rest = value, inside;
	const char *colon;

	if (value.len > 0 && value.data[0] == '[') {
		rest.data++;
		rest.len--;
		if (!cut(&rest, ']', &inside) || !is_ip_literal(inside))
			return false;
		*host = (struct slice){ value.data, inside.len + 2 };
		return is_port(rest);
	}
	colon = value.len == 0 ? NULL : memchr(value.data, ':', value.len);
	host->data = value.data;
	host->len = colon == NULL ? value.len : (size_t)(colon - value.data);
	rest.data += host->len;
	rest.len -= host->len;
	return is_reg_name(*host) && is_port(rest);
}

static int
check_host(struct http_request *req, struct http_refusal *refusal)
{
	const struct slice *host = http_header(req, "Host", 0);

	if (host == NULL || http_header(req, "Host", 1) != NULL)
		return http_refuse(refusal, 400,
		    "a request has exactly one Host field");
	if (!split_host(*host, &req->host))
		return http_refuse(refusal, 400, "malformed Host field");
	return 0;
}

size_t
http_head_length(const uint8_t *data, size_t len, size_t *scanned)
{
	size_t at = *scanned;

	/* Invariant: no head ends with an LF that stands before `at`. */
	while (at < len) {
		const uint8_t *lf = memchr(data + at, '\n', len - at);

		if (lf == NULL) {
			*scanned = len;
			return HTTP_MORE;
		}
		at = (size_t)(lf - data);
		if (at + 1 < len && data[at + 1] == '\n')
			return at + 2;
		if (at + 2 < len && data[at + 1] == '\r' &&
		    data[at + 2] == '\n')
			return at + 3;
		if (at + 1 == len || (at + 2 == len && data[at + 1] == '\r'))
			break;
		at++;
	}
	*scanned = at;
	return HTTP_MORE;
}

int
http_parse(const uint8_t *head, size_t len, size_t max_headers,
    struct http_request *req, struct http_refusal *refusal)
{
	struct slice all = { (const char *)head, len };
	size_t scanned = 0;

	if (http_head_length(head, len, &scanned) != len || len == HTTP_MORE)
		return http_refuse(refusal, 400, "malformed request head");
	if (http_check_lines(head, len, refusal) != 0)
		return -1;
	/* One empty line in front is forgiven: RFC 9112 §2.2. */
	if (head[0] == '\r') {
		all.data += 2;
		all.len -= 2;
	}
	req->n_headers = 0;
	if (parse_request_line(all, req, refusal) != 0 ||
	    http_take_fields(HTTP_KIND_REQUEST, all, max_headers,
	    req->headers, &req->n_headers, refusal) != 0 ||
	    check_body(req, refusal) != 0)
		return -1;
	return check_host(req, refusal);
}

const struct slice *
http_header(const struct http_request *req, const char *name, size_t n)
{
	for (size_t i = 0; i < req->n_headers; i++)
		if (slice_equal_nocase(req->headers[i].name, name) &&
		    n-- == 0)
			return &req->headers[i].value;
	return NULL;
}

bool
http_list_next(struct slice *rest, struct slice *element)
{
	while (rest->len > 0) {
		bool quoted = false;
		size_t n;

		/* A comma in a quoted-string (RFC 9110 §5.6.4) is text. */
		for (n = 0; n < rest->len; n++) {
			char c = rest->data[n];

			if (c == '"')
				quoted = !quoted;
			else if (c == '\\' && quoted && n + 1 < rest->len)
				n++;
			else if (c == ',' && !quoted)
				break;
		}
		*element = slice_trim((struct slice){ rest->data, n });
		if (n < rest->len)
			n++;
		rest->data += n;
		rest->len -= n;
		if (element->len > 0)
			return true;
	}
	return false;
}

bool
slice_equal(struct slice s, const char *text)
{
	return s.len == strlen(text) &&
	    (s.len == 0 || memcmp(s.data, text, s.len) == 0);
}

bool
slice_equal_nocase(struct slice s, const char *text)
{
	return s.len == strlen(text) &&
	    (s.len == 0 || strncasecmp(s.data, text, s.len) == 0);
}

struct slice
slice_trim(struct slice s)
{
	while (s.len > 0 && is_one_of(s.data[0], " \t")) {
		s.data++;
		s.len--;
	}
	while (s.len > 0 && is_one_of(s.data[s.len - 1], " \t"))
		s.len--;
	return s;
}

bool
http_is_token(struct slice s)
{
	for (size_t i = 0; i < s.len; i++)
		if (!is_alpha(s.data[i]) && !is_digit(s.data[i]) &&
		    !is_one_of(s.data[i], "!#$%&'*+-.^_`|~"))
			return false;
	return s.len > 0;
}
