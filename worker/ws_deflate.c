/* SPDX-License-Identifier: MIT */
/*
 * Owns the zlib streams.  Runs in the worker.  Must never let a peer's bytes
 * decide how much memory is taken: output is limited while it is made.
 */
#include "worker/ws_deflate.h"

#include <stdlib.h>
#include <string.h>
#define ZLIB_CONST
#include <zlib.h>

#include "common/alloc.h"
#include "common/assert.h"

#define IDLE_MAX 4		/* decompressors kept for the next message */
#define ALONE_MAX ((size_t)1 << 20)	/* of a message that is kept */
#define KEEP_BYTES ((size_t)256 << 10)	/* of the buffers in the pool */
#define INFLATE_STEP 4096	/* space made at a time */
#define FLUSH_BYTES 16		/* more than a flush marker, see zlib.h */

/* What a sender leaves out at the end of a message: §7.2.1. */
static const uint8_t tail[] = { 0x00, 0x00, 0xff, 0xff };

struct deflater {
	z_stream z;
};

struct inflater {
	z_stream z;
	struct inflater *next;	/* in the pool */
	bool ended;		/* a block with BFINAL was the last thing */
};

/* ---- zlib's memory ---------------------------------------------------- */

static void *
z_alloc(void *opaque, uInt items, uInt size)
{
	(void)opaque;
	return xmalloc((size_t)items * size);
}

static void
z_free(void *opaque, void *p)
{
	(void)opaque;
	free(p);
}

/* With an allocator that does not fail, and numbers that are in range,
 * nothing can go wrong here. */
static struct deflater *
deflater_new(unsigned bits, unsigned memory_level)
{
	struct deflater *d = xcalloc(1, sizeof(*d));
	int rc;

	d->z.zalloc = z_alloc;
	d->z.zfree = z_free;
	rc = deflateInit2(&d->z, Z_DEFAULT_COMPRESSION, Z_DEFLATED,
	    -(int)bits, (int)memory_level, Z_DEFAULT_STRATEGY);
	ASSERT(rc == Z_OK);
	return d;
}

static void
deflater_free(struct deflater *d)
{
	if (d == NULL)
		return;
	deflateEnd(&d->z);
	free(d);
}

static struct inflater *
inflater_new(unsigned bits)
{
	struct inflater *in = xcalloc(1, sizeof(*in));
	int rc;

	in->z.zalloc = z_alloc;
	in->z.zfree = z_free;
	rc = inflateInit2(&in->z, -(int)bits);
	ASSERT(rc == Z_OK);
	return in;
}

static void
inflater_free(struct inflater *in)
{
	if (in == NULL)
		return;
	inflateEnd(&in->z);
	free(in);
}

/* ---- the pool --------------------------------------------------------- */

void
ws_deflate_pool_trim(struct ws_deflate_pool *pool)
{
	buf_done(&pool->alone.plain);
	buf_done(&pool->alone.packed);
}

void
ws_deflate_pool_done(struct ws_deflate_pool *pool)
{
	struct inflater *in;

	while ((in = pool->idle) != NULL) {
		pool->idle = in->next;
		inflater_free(in);
	}
	for (size_t w = 0; w < WS_DEFLATE_WINDOWS; w++)
		for (size_t m = 0; m < WS_DEFLATE_LEVELS; m++)
			deflater_free(pool->shared[w][m]);
	ws_deflate_pool_trim(pool);
	buf_done(&pool->inflated);
	buf_done(&pool->deflated);
	*pool = (struct ws_deflate_pool){ .idle = NULL };
}

static struct inflater *
borrow(struct ws_deflate_pool *pool)
{
	struct inflater *in = pool->idle;

	if (in == NULL)
		return inflater_new(WS_DEFLATE_BITS_MAX);
	pool->idle = in->next;
	pool->n_idle--;
	return in;
}

static void
give_back(struct ws_deflate_pool *pool, struct inflater *in)
{
	if (pool->n_idle == IDLE_MAX) {
		inflater_free(in);
		return;
	}
	inflateReset(&in->z);
	in->ended = false;
	in->next = pool->idle;
	pool->idle = in;
	pool->n_idle++;
}

static struct deflater *
shared_deflater(struct ws_deflate_pool *pool, unsigned bits,
    unsigned memory_level)
{
	struct deflater **d;

	ASSERT(bits >= WS_DEFLATE_BITS_MIN && bits <= WS_DEFLATE_BITS_MAX &&
	    memory_level >= 1 && memory_level <= WS_DEFLATE_LEVELS);
	d = &pool->shared[bits - WS_DEFLATE_BITS_MIN][memory_level - 1];
	if (*d == NULL)
		*d = deflater_new(bits, memory_level);
	else
		deflateReset(&(*d)->z);
	return *d;
}

void
ws_deflate_trim(struct buf *b)
{
	if (b->room > KEEP_BYTES)
		buf_done(b);
}

/* ---- a connection ----------------------------------------------------- */

/* The formulas of zconf.h, with zlib's own structs. */
uint64_t
ws_deflate_cost(const struct ws_deflate_params *p)
{
	uint64_t cost = 0;

	if (p->server_takeover)
		cost += ((uint64_t)1 << (p->server_bits + 2)) +
		    ((uint64_t)1 << (p->memory_level + 9)) + 6144;
	if (p->client_takeover)
		cost += ((uint64_t)1 << p->client_bits) + 7168;
	return cost;
}

void
ws_deflate_share(struct ws_deflate_params *p)
{
	p->server_takeover = p->client_takeover = false;
}

struct ws_deflate *
ws_deflate_new(struct ws_deflate_pool *pool,
    const struct ws_deflate_params *params)
{
	struct ws_deflate *d = xcalloc(1, sizeof(*d));

	d->pool = pool;
	d->params = *params;
	pool->reserved += ws_deflate_cost(params);
	return d;
}

void
ws_deflate_free(struct ws_deflate *d)
{
	if (d == NULL)
		return;
	d->pool->reserved -= ws_deflate_cost(&d->params);
	deflater_free(d->deflater);
	inflater_free(d->inflater);
	free(d);
}

/* ---- in --------------------------------------------------------------- */

static struct inflater *
inflater_of(struct ws_deflate *d)
{
	unsigned bits = d->params.client_bits;

	if (d->inflater != NULL)
		return d->inflater;
	/* zlib's compressor makes 9 of 8, and a larger window takes all that
	   a smaller one does. */
	if (bits < WS_DEFLATE_BITS_MIN)
		bits = WS_DEFLATE_BITS_MIN;
	d->inflater = d->params.client_takeover ? inflater_new(bits) :
	    borrow(d->pool);
	return d->inflater;
}

/*
 * One call of zlib with space for at most `max` bytes more.  Returns zlib's
 * result.
 */
static int
step(struct inflater *in, size_t max, struct buf *out, size_t *made_out)
{
	z_stream *z = &in->z;
	size_t space;
	int rc;

	buf_reserve(out, INFLATE_STEP);
	space = out->room - out->len;
	if (space > max)
		space = max;
	z->next_out = out->data + out->len;
	z->avail_out = (uInt)space;
	if (z->avail_in > 0)
		in->ended = false;
	rc = inflate(z, Z_SYNC_FLUSH);
	*made_out = space - z->avail_out;
	out->len += *made_out;
	return rc;
}

enum ws_inflate_result
ws_inflate(struct ws_deflate *d, const uint8_t *data, size_t len, size_t max,
    struct buf *out)
{
	struct inflater *in = inflater_of(d);
	size_t made;
	int rc;

	ASSERT(len <= UINT32_MAX && max < UINT32_MAX);
	in->z.next_in = data;
	in->z.avail_in = (uInt)len;
	do {
		/* With room for one byte too many, to see that it comes. */
		rc = step(in, max + 1, out, &made);
		if (made > max)
			return WS_INFLATE_TOO_BIG;
		max -= made;
		if (rc == Z_STREAM_END) {
			/* §7.2.3.4: BFINAL ends a block, not the message or
			   the window. */
			inflateResetKeep(&in->z);
			in->ended = true;
		} else if (rc != Z_OK && rc != Z_BUF_ERROR) {
			return WS_INFLATE_BROKEN;
		}
	} while (in->z.avail_in > 0 || in->z.avail_out == 0);
	return WS_INFLATE_OK;
}

enum ws_inflate_result
ws_inflate_end(struct ws_deflate *d, size_t max, struct buf *out)
{
	struct inflater *in = inflater_of(d);
	enum ws_inflate_result result = WS_INFLATE_OK;

	if (!in->ended)
		result = ws_inflate(d, tail, sizeof(tail), max, out);
	if (result != WS_INFLATE_OK)
		return result;
	/* Between two blocks: 128, and not in the last: 64 (zlib.h). */
	if (!in->ended && (in->z.data_type & (128 | 64)) != 128)
		return WS_INFLATE_BROKEN;
	if (!d->params.client_takeover) {
		give_back(d->pool, in);
		d->inflater = NULL;
	}
	return WS_INFLATE_OK;
}

/* ---- out -------------------------------------------------------------- */

static void
compress_message(z_stream *z, const void *data, size_t len, struct buf *out)
{
	size_t space = deflateBound(z, len) + FLUSH_BYTES;

	z->next_in = data;
	z->avail_in = (uInt)len;
	buf_clear(out);
	do {
		buf_reserve(out, space);
		z->next_out = out->data + out->len;
		z->avail_out = (uInt)space;
		deflate(z, Z_SYNC_FLUSH);
		out->len += space - z->avail_out;
	} while (z->avail_out == 0);
	ASSERT(z->avail_in == 0 && out->len > sizeof(tail) &&
	    memcmp(out->data + out->len - sizeof(tail), tail,
	    sizeof(tail)) == 0);
	out->len -= sizeof(tail);
}

static bool
is_kept(const struct ws_deflate_alone *kept, unsigned bits,
    unsigned memory_level, const void *data, size_t len)
{
	return kept->bits == bits && kept->memory_level == memory_level &&
	    kept->plain.len == len && memcmp(kept->plain.data, data, len) == 0;
}

/* Referring to nothing before it; len is not 0. */
static const struct buf *
compress_alone(struct ws_deflate_pool *pool, unsigned bits,
    unsigned memory_level, const void *data, size_t len)
{
	struct ws_deflate_alone *kept = &pool->alone;
	z_stream *z;

	if (is_kept(kept, bits, memory_level, data, len))
		return &kept->packed;
	z = &shared_deflater(pool, bits, memory_level)->z;
	if (len > ALONE_MAX) {
		compress_message(z, data, len, &pool->deflated);
		return &pool->deflated;
	}
	compress_message(z, data, len, &kept->packed);
	buf_clear(&kept->plain);
	buf_put(&kept->plain, data, len);
	kept->bits = bits;
	kept->memory_level = memory_level;
	return &kept->packed;
}

bool
ws_deflate(struct ws_deflate *d, const void *data, size_t len,
    const uint8_t **data_out, size_t *len_out)
{
	const struct ws_deflate_params *p = &d->params;
	const struct buf *out = &d->pool->deflated;

	/* An empty message has nothing to compress, and zlib makes nothing
	   of it. */
	if (len == 0 || len > INT32_MAX)
		return false;
	if (!p->server_takeover) {
		out = compress_alone(d->pool, p->server_bits,
		    p->memory_level, data, len);
		if (out->len >= len)
			return false;
	} else {
		/* Also when it grew: the window holds it now. */
		if (d->deflater == NULL)
			d->deflater = deflater_new(p->server_bits,
			    p->memory_level);
		compress_message(&d->deflater->z, data, len,
		    &d->pool->deflated);
	}
	*data_out = out->data;
	*len_out = out->len;
	return true;
}
