/* SPDX-License-Identifier: MIT */
/*
 * The head of one HTTP/1.1 request (RFC 9112), and the answers to it that
 * are not a 101.  Tokenised by llhttp in strict mode; what llhttp lets pass
 * is refused here.  Pure: no socket, no log, no allocation but that of the
 * struct buf an answer is put into.
 */
#ifndef WSSD_WORKER_HTTP_H
#define WSSD_WORKER_HTTP_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "common/buf.h"

#define HTTP_HEADERS_MAX 128	/* the setting max_headers goes to here */

/* Bytes inside the request's head: no copy, not terminated. */
struct slice {
	const char *data;
	size_t len;
};

struct http_header {
	struct slice name;
	struct slice value;	/* without white space around it */
};

struct http_request {
	struct slice method;
	struct slice target;	/* as sent: path and query */
	struct slice path;	/* the target up to '?'; begins with '/'; as
				   sent, so %XX is not decoded */
	struct slice query;	/* behind '?', or empty */
	struct slice host;	/* of the one Host header, without the port;
				   [v6] keeps its brackets */
	size_t n_headers;
	struct http_header headers[HTTP_HEADERS_MAX];
};

/* Why a request is answered with something else than 101. */
struct http_refusal {
	unsigned status;	/* 400, 403, 404, 405, 426, 431, 503, 505 ... */
	char reason[160];	/* one sentence, for the body and the log;
				   ASCII, holds no bytes of the peer */
};

#define HTTP_MORE 0

/*
 * The length of the head, its empty line included, or HTTP_MORE.  *scanned
 * is where the search goes on (0 at first), so that a head that comes byte
 * by byte costs no square.  Lines that end in a bare LF are found, too:
 * http_parse() refuses them at once, instead of a time-out later.
 */
size_t http_head_length(const uint8_t *data, size_t len, size_t *scanned);

/*
 * What holds of every line of a head, a request's or a response's: it ends in
 * CRLF, none is a continuation, and there are no control bytes.  -1: 400.
 */
int http_check_lines(const uint8_t *head, size_t len,
    struct http_refusal *refusal_out);

/*
 * The fields of a head, as llhttp splits them, into headers[max]: at most
 * HTTP_HEADERS_MAX.  -1: 431 for more, else 400.
 */
enum http_kind { HTTP_KIND_REQUEST, HTTP_KIND_RESPONSE };
int http_take_fields(enum http_kind, struct slice head, size_t max,
    struct http_header *headers, size_t *n_out,
    struct http_refusal *refusal_out);

/*
 * Takes a whole head apart: len is what http_head_length() said.  -1:
 * *refusal_out says how to answer, and *request_out holds nothing of use.
 * Refused are also, since every one of them is either an attack or a
 * mistake: bare CR or LF, obs-fold, NUL and control bytes, a field name that
 * is no token, none or several Host or one that is no host[:port], more than
 * one space around the target, a target that is not in origin form or holds
 * a '#', any body (Transfer-Encoding, or a Content-Length other than "0"),
 * all with 400; more than max_headers fields with 431; and with 505 a
 * request line that is well-formed but for a version other than HTTP/1.1,
 * HTTP/2's preface among them (RFC 9110 §15.6.6).  The method may be any
 * that llhttp knows: who wants GET says so.
 */
int http_parse(const uint8_t *head, size_t len, size_t max_headers,
    struct http_request *request_out, struct http_refusal *refusal_out);

/* The n-th (from 0) field of that name, ignoring case, or NULL. */
const struct slice *http_header(const struct http_request *,
    const char *name, size_t n);

/*
 * Walks the comma-separated elements of a list field (RFC 9110 §5.6.1):
 * *rest is the value at first and what is left afterwards.  False: no more.
 * Empty elements are passed over; a comma inside a quoted-string is text.
 */
bool http_list_next(struct slice *rest, struct slice *element_out);

bool slice_equal(struct slice, const char *);
bool slice_equal_nocase(struct slice, const char *);
/* Without the optional white space of RFC 9110 §5.6.3 around it. */
struct slice slice_trim(struct slice);
/* RFC 9110 §5.6.2: one or more token characters. */
bool http_is_token(struct slice);

/* "Not Found" for 404, "Error" for a status not known here. */
const char *http_status_text(unsigned status);

/* An answer that a handler gives; the strings are its own. */
struct http_answer {
	unsigned status;
	const char *type;	/* of the content */
	const char *fields;	/* more lines, each with its CRLF; or NULL */
	size_t length;		/* of the body */
};

/* Its head, with Connection: close. */
void http_answer_put(struct buf *, const struct http_answer *);

/* Fills in a refusal; returns -1, so that `return http_refuse(...)` reads
 * well. */
int http_refuse(struct http_refusal *, unsigned status, const char *fmt, ...)
    __attribute__((format(printf, 3, 4)));

/*
 * The whole answer: text/plain with the reason as its body, Connection:
 * close, and what the status demands (426: Upgrade and
 * Sec-WebSocket-Version: 13; 405: Allow: GET; 429 and 503: Retry-After).
 */
void http_refusal_put(struct buf *, const struct http_refusal *);

#endif
