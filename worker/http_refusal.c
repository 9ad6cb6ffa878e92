/* SPDX-License-Identifier: MIT */
/*
 * Owns the head of every answer that is not a 101.  Runs in the worker.
 * Must never put a byte of the peer into an answer.
 */
#include "worker/http.h"

#include <stdarg.h>
#include <stdio.h>
#include <string.h>

#include "common/count.h"

struct status {
	unsigned code;
	const char *text;
	const char *fields;	/* what RFC 9110 wants beside it */
};

static const struct status statuses[] = {
	{ 101, "Switching Protocols", "" },
	{ 200, "OK", "" },
	{ 301, "Moved Permanently", "" },
	{ 302, "Found", "" },
	{ 303, "See Other", "" },
	{ 307, "Temporary Redirect", "" },
	{ 308, "Permanent Redirect", "" },
	{ 400, "Bad Request", "" },
	{ 401, "Unauthorized", "" },
	{ 403, "Forbidden", "" },
	{ 404, "Not Found", "" },
	{ 405, "Method Not Allowed", "Allow: GET\r\n" },
	{ 408, "Request Timeout", "" },
	{ 409, "Conflict", "" },
	{ 410, "Gone", "" },
	{ 413, "Content Too Large", "" },
	{ 414, "URI Too Long", "" },
	{ 421, "Misdirected Request", "" },
	{ 426, "Upgrade Required",
	    "Connection: Upgrade\r\nUpgrade: websocket\r\n"
	    "Sec-WebSocket-Version: 13\r\n" },
	{ 429, "Too Many Requests", "Retry-After: 5\r\n" },
	{ 431, "Request Header Fields Too Large", "" },
	{ 500, "Internal Server Error", "" },
	{ 502, "Bad Gateway", "" },
	{ 503, "Service Unavailable", "Retry-After: 5\r\n" },
	{ 504, "Gateway Timeout", "" },
	{ 505, "HTTP Version Not Supported", "" },
};

static const struct status unknown_status = { 0, "Error", "" };

static const struct status *
find_status(unsigned code)
{
	for (size_t i = 0; i < COUNT(statuses); i++)
		if (statuses[i].code == code)
			return &statuses[i];
	return &unknown_status;
}

const char *
http_status_text(unsigned status)
{
	return find_status(status)->text;
}

int
http_refuse(struct http_refusal *refusal, unsigned status, const char *fmt,
    ...)
{
	va_list ap;

	refusal->status = status;
	va_start(ap, fmt);
	vsnprintf(refusal->reason, sizeof(refusal->reason), fmt, ap);
	va_end(ap);
	return -1;
}

void
http_refusal_put(struct buf *out, const struct http_refusal *refusal)
{
	const struct status *status = find_status(refusal->status);

	buf_printf(out,
	    "HTTP/1.1 %u %s\r\n"
	    "Content-Type: text/plain; charset=utf-8\r\n"
	    "Content-Length: %zu\r\n"
	    "Cache-Control: no-store\r\n"
	    "Connection: close\r\n"
	    "%s\r\n"
	    "%s\n",
	    refusal->status, status->text, strlen(refusal->reason) + 1,
	    status->fields, refusal->reason);
}

void
http_answer_put(struct buf *out, const struct http_answer *answer)
{
	buf_printf(out,
	    "HTTP/1.1 %u %s\r\n"
	    "Content-Type: %s\r\n"
	    "Content-Length: %zu\r\n"
	    "X-Content-Type-Options: nosniff\r\n"
	    "Connection: close\r\n"
	    "%s\r\n",
	    answer->status, http_status_text(answer->status), answer->type,
	    answer->length, answer->fields == NULL ? "" : answer->fields);
}
