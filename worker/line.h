/* SPDX-License-Identifier: MIT */
/*
 * One line of the access log, in a fixed buffer: as text or as JSON, field
 * by field.  A line is always whole: a field that would not fit any more is
 * left out.
 *
 *	2026-11-22T12:00:00.123Z open id=2f01 path="/chat"
 *	{"time":"2026-11-22T12:00:00.123Z","event":"open","id":"2f01",...}
 */
#ifndef WSSD_WORKER_LINE_H
#define WSSD_WORKER_LINE_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#define LINE_BYTES 4000	/* less than PIPE_BUF: stays in one piece */
#define LINE_VALUE_MAX 512	/* of a field; what is longer ends in ... */

struct line {
	bool json;
	size_t len;
	char text[LINE_BYTES];
};

void line_init(struct line *, bool json);
/* Before all fields: the time and what happened. */
void line_begin(struct line *, const char *event);
/* As it is: what stands in front of the line. */
void line_printf(struct line *, const char *fmt, ...)
    __attribute__((format(printf, 2, 3)));
/* A value without blanks or quotes, of our own making. */
void line_word(struct line *, const char *key, const char *value);
/* Bytes of a peer: escaped, and cut. */
void line_text(struct line *, const char *key, const void *, size_t len);
void line_number(struct line *, const char *key, uint64_t);
void line_bool(struct line *, const char *key, bool);
void line_end(struct line *);

#endif
