/* SPDX-License-Identifier: MIT */
/*
 * permessage-deflate (RFC 7692) on zlib: the payloads of messages, in and
 * out.  extensions.c agrees on the parameters, ws.c knows the frames.  Pure:
 * no socket, no log.
 *
 * With context takeover a direction has a zlib stream of its own for as long
 * as the connection lives (made when it is first needed).  Without it, what
 * is sent goes through one compressor that the whole worker shares, and what
 * comes in through a decompressor that is lent while a message is under way:
 * as a rule within one call, so one serves all connections.
 */
#ifndef WSSD_WORKER_WS_DEFLATE_H
#define WSSD_WORKER_WS_DEFLATE_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "common/buf.h"

/* base-2 logarithms of the LZ77 window: §7.1.2 */
#define WS_DEFLATE_BITS_MIN 9	/* zlib does not compress with 8 */
#define WS_DEFLATE_BITS_MAX 15
#define WS_DEFLATE_LEVELS 9	/* zlib's memory levels, 1 to 9 */
#define WS_DEFLATE_WINDOWS (WS_DEFLATE_BITS_MAX - WS_DEFLATE_BITS_MIN + 1)

/* What server and client have agreed on. */
struct ws_deflate_params {
	bool agreed;
	bool server_takeover;	/* of what we send: a message may refer to
				   those before it */
	bool client_takeover;	/* of what we receive */
	bool server_bits_asked;	/* so they must stand in the answer */
	uint8_t server_bits;	/* 9 to 15: our compressor */
	uint8_t client_bits;	/* 8 to 15: the client's */
	uint8_t memory_level;	/* 1 to 9: our compressor */
};

struct deflater;
struct inflater;

/* What the connections of a worker share.  All zero at first. */
struct ws_deflate_pool {
	struct deflater *shared[WS_DEFLATE_WINDOWS][WS_DEFLATE_LEVELS];
	struct inflater *idle;		/* to be lent */
	size_t n_idle;
	struct buf inflated;		/* the message being read */
	struct buf deflated;		/* the message being sent */
	struct ws_deflate_alone {
		unsigned bits, memory_level;
		struct buf plain, packed;
	} alone;			/* the latest that refers to nothing
					   before it: a broadcast's next
					   member gets the same */
	uint64_t reserved;		/* bytes, for streams of their own */
};

/* Of one connection. */
struct ws_deflate {
	struct ws_deflate_pool *pool;
	struct ws_deflate_params params;
	struct deflater *deflater;	/* its own, or NULL */
	struct inflater *inflater;	/* its own, a lent one, or NULL */
};

enum ws_inflate_result {
	WS_INFLATE_OK,
	WS_INFLATE_TOO_BIG,	/* more than max bytes */
	WS_INFLATE_BROKEN	/* no DEFLATE data, or its end is missing */
};

void ws_deflate_pool_done(struct ws_deflate_pool *);
/* Gives back what only a message of the past needed. */
void ws_deflate_pool_trim(struct ws_deflate_pool *);

/*
 * The most memory that a connection's own streams can take; 0 for one that
 * has none, because there is no context takeover.
 */
uint64_t ws_deflate_cost(const struct ws_deflate_params *);
/*
 * No context takeover in either direction, whatever was offered: a server
 * may always answer so (§7.1.1).
 */
void ws_deflate_share(struct ws_deflate_params *);

/* Reserves its cost in the pool, and allocates nothing else yet. */
struct ws_deflate *ws_deflate_new(struct ws_deflate_pool *,
    const struct ws_deflate_params *);
void ws_deflate_free(struct ws_deflate *);	/* or NULL */

/*
 * Inflates the next bytes of a message behind what is in `out`, at most max
 * bytes; memory is taken as they come, so a bomb costs no more than max.
 * After anything but WS_INFLATE_OK the stream is of no more use.
 */
enum ws_inflate_result ws_inflate(struct ws_deflate *, const uint8_t *data,
    size_t len, size_t max, struct buf *out);
/* The message ends here (§7.2.2): what is left of it, and the judgement. */
enum ws_inflate_result ws_inflate_end(struct ws_deflate *, size_t max,
    struct buf *out);

/*
 * The payload of a message as it is sent with RSV1 set.  It lies in the
 * pool and is valid until the next call.  False: the message is better sent
 * as it is.  A message to many connections is compressed once for all of them
 * that have agreed on the same window and no context takeover; with it, each
 * has a history of its own.
 */
bool ws_deflate(struct ws_deflate *, const void *data, size_t len,
    const uint8_t **data_out, size_t *len_out);
/* What was in it has been handed on: much memory goes, a little stays. */
void ws_deflate_trim(struct buf *);

#endif
