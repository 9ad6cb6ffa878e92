/* SPDX-License-Identifier: MIT */
/*
 * Feeds a vector to a parser in every way the network may: whole, byte by
 * byte, and cut in two at every offset.  Each piece lies in memory of its
 * own and of exactly its size, so the sanitizer sees a read behind it.
 */
#ifndef WSSD_TESTS_UNIT_FEED_H
#define WSSD_TESTS_UNIT_FEED_H

#include <stdint.h>
#include <stdlib.h>
#include <string.h>

/* Long vectors are cut and nibbled at about this many places. */
#define FEED_CUTS 1024

struct feed {
	void (*begin)(void *ctx);
	void (*piece)(void *ctx, uint8_t *data, size_t len);
	void (*end)(void *ctx);
};

static inline void
feed_piece(const struct feed *f, void *ctx, const uint8_t *data, size_t len)
{
	uint8_t *copy = malloc(len == 0 ? 1 : len);

	if (len > 0)
		memcpy(copy, data, len);
	f->piece(ctx, copy, len);
	free(copy);
}

/* In pieces of `step` bytes. */
static inline void
feed_steps(const struct feed *f, void *ctx, const void *data, size_t len,
    size_t step)
{
	const uint8_t *bytes = data;

	f->begin(ctx);
	for (size_t i = 0; i < len; i += step)
		feed_piece(f, ctx, bytes + i, len - i < step ? len - i : step);
	f->end(ctx);
}

static inline void
feed_cut(const struct feed *f, void *ctx, const void *data, size_t len,
    size_t at)
{
	const uint8_t *bytes = data;

	f->begin(ctx);
	feed_piece(f, ctx, bytes, at);
	feed_piece(f, ctx, bytes + at, len - at);
	f->end(ctx);
}

static inline void
feed_all(const struct feed *f, void *ctx, const void *data, size_t len)
{
	size_t stride = 1 + len / FEED_CUTS;

	feed_steps(f, ctx, data, len, len == 0 ? 1 : len);
	feed_steps(f, ctx, data, len, stride);
	for (size_t at = 0; at <= len; at += stride)
		feed_cut(f, ctx, data, len, at);
}

/* Numbers that look random and are the same in every run (xorshift64). */
static inline uint64_t
feed_random(uint64_t *seed)
{
	*seed ^= *seed << 13;
	*seed ^= *seed >> 7;
	*seed ^= *seed << 17;
	return *seed;
}

#endif
