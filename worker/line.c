/* SPDX-License-Identifier: MIT */
/* Owns nothing but its buffer.  Pure, apart from the time of day. */
#include "worker/line.h"

#include <inttypes.h>
#include <stdarg.h>
#include <stdio.h>
#include <string.h>
#include <time.h>

#include "common/str.h"

#define END_BYTES 2		/* "}\n" always fits */

void
line_init(struct line *l, bool json)
{
	l->json = json;
	l->len = 0;
}

void
line_printf(struct line *l, const char *fmt, ...)
{
	size_t room = sizeof(l->text) - END_BYTES - l->len;
	va_list ap;
	int n;

	va_start(ap, fmt);
	n = vsnprintf(l->text + l->len, room, fmt, ap);
	va_end(ap);
	/* What does not fit is not there at all. */
	if (n > 0 && (size_t)n < room)
		l->len += (size_t)n;
}

void
line_begin(struct line *l, const char *event)
{
	struct timespec now;
	char when[32];
	struct tm tm;

	clock_gettime(CLOCK_REALTIME, &now);
	gmtime_r(&now.tv_sec, &tm);
	strftime(when, sizeof(when), "%Y-%m-%dT%H:%M:%S", &tm);
	line_printf(l, l->json ? "{\"time\":\"%s.%03ldZ\",\"event\":\"%s\"" :
	    "%s.%03ldZ %s", when, now.tv_nsec / 1000000, event);
}

void
line_word(struct line *l, const char *key, const char *value)
{
	line_printf(l, l->json ? ",\"%s\":\"%s\"" : " %s=%s", key, value);
}

/*
 * What is no UTF-8 becomes U+00XX byte by byte.  What does not fit is cut
 * between two characters.
 */
static void
escape_json(const unsigned char *data, size_t len, char *out, size_t size)
{
	bool utf8 = str_is_utf8((const char *)data, len);
	size_t at = 0, cut = 0, n;
	char piece[STR_JSON_BYTE_MAX];

	for (size_t i = 0; i < len; i++) {
		if ((!utf8 || (data[i] & 0xc0) != 0x80) &&
		    at + sizeof("...") <= size)
			cut = at;
		n = str_json_byte(data[i], utf8, piece);
		if (at + n >= size) {
			memcpy(out + cut, "...", sizeof("..."));
			return;
		}
		memcpy(out + at, piece, n);
		at += n;
	}
	out[at] = '\0';
}

void
line_text(struct line *l, const char *key, const void *data, size_t len)
{
	char value[LINE_VALUE_MAX];

	if (l->json)
		escape_json(data, len, value, sizeof(value));
	else
		str_escape(data, len, value, sizeof(value));
	line_printf(l, l->json ? ",\"%s\":\"%s\"" : " %s=\"%s\"", key, value);
}

void
line_number(struct line *l, const char *key, uint64_t value)
{
	line_printf(l, l->json ? ",\"%s\":%" PRIu64 : " %s=%" PRIu64, key,
	    value);
}

void
line_bool(struct line *l, const char *key, bool value)
{
	if (l->json)
		line_printf(l, ",\"%s\":%s", key, value ? "true" : "false");
	else
		line_printf(l, " %s=%s", key, value ? "yes" : "no");
}

void
line_end(struct line *l)
{
	if (l->json)
		l->text[l->len++] = '}';
	l->text[l->len++] = '\n';
}
