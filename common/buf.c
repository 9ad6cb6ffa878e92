/* SPDX-License-Identifier: MIT */
/* Owns the memory of a struct buf.  Pure: no I/O, no log. */
#include "common/buf.h"

#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "common/alloc.h"
#include "common/assert.h"

#define ROOM_AT_FIRST 256

void
buf_done(struct buf *b)
{
	free(b->data);
	*b = (struct buf)BUF_INIT;
}

void
buf_wipe(struct buf *b)
{
	if (b->data != NULL)
		explicit_bzero(b->data, b->room);
	buf_done(b);
}

void
buf_clear(struct buf *b)
{
	b->len = 0;
}

void
buf_reserve(struct buf *b, size_t len)
{
	size_t room = b->room == 0 ? ROOM_AT_FIRST : b->room;

	if (b->room - b->len >= len)
		return;
	ASSERT(len <= SIZE_MAX / 4 && b->len <= SIZE_MAX / 4);
	while (room < b->len + len)
		room *= 2;
	b->data = xreallocarray(b->data, room, 1);
	b->room = room;
}

void
buf_put(struct buf *b, const void *data, size_t len)
{
	if (len == 0)
		return;
	buf_reserve(b, len);
	memcpy(b->data + b->len, data, len);
	b->len += len;
}

static void
put_be(struct buf *b, uint64_t v, size_t bytes)
{
	buf_reserve(b, bytes);
	for (size_t i = bytes; i-- > 0;)
		b->data[b->len++] = (uint8_t)(v >> (8 * i));
}

void
buf_put_u8(struct buf *b, uint8_t v)
{
	put_be(b, v, 1);
}

void
buf_put_u16(struct buf *b, uint16_t v)
{
	put_be(b, v, 2);
}

void
buf_put_u32(struct buf *b, uint32_t v)
{
	put_be(b, v, 4);
}

void
buf_put_u64(struct buf *b, uint64_t v)
{
	put_be(b, v, 8);
}

void
buf_put_str(struct buf *b, const char *s)
{
	size_t len = strlen(s);

	ASSERT(len <= UINT16_MAX);
	buf_put_u16(b, (uint16_t)len);
	buf_put(b, s, len);
}

void
buf_printf(struct buf *b, const char *fmt, ...)
{
	va_list ap;
	int n;

	va_start(ap, fmt);
	n = vsnprintf(NULL, 0, fmt, ap);
	va_end(ap);
	ASSERT(n >= 0);
	buf_reserve(b, (size_t)n + 1);
	va_start(ap, fmt);
	vsnprintf((char *)b->data + b->len, (size_t)n + 1, fmt, ap);
	va_end(ap);
	b->len += (size_t)n;
}

static uint64_t
get_be(struct reader *r, size_t bytes)
{
	uint64_t v = 0;

	if (r->bad || r->len < bytes) {
		r->bad = true;
		return 0;
	}
	for (size_t i = 0; i < bytes; i++)
		v = v << 8 | r->data[i];
	r->data += bytes;
	r->len -= bytes;
	return v;
}

uint8_t
reader_u8(struct reader *r)
{
	return (uint8_t)get_be(r, 1);
}

uint16_t
reader_u16(struct reader *r)
{
	return (uint16_t)get_be(r, 2);
}

uint32_t
reader_u32(struct reader *r)
{
	return (uint32_t)get_be(r, 4);
}

uint64_t
reader_u64(struct reader *r)
{
	return get_be(r, 8);
}

void
reader_str(struct reader *r, char *out, size_t size)
{
	size_t len = reader_u16(r);

	out[0] = '\0';
	if (r->bad || len > r->len || len >= size ||
	    memchr(r->data, '\0', len) != NULL) {
		r->bad = true;
		return;
	}
	memcpy(out, r->data, len);
	out[len] = '\0';
	r->data += len;
	r->len -= len;
}

bool
reader_end(const struct reader *r)
{
	return !r->bad && r->len == 0;
}
