/* SPDX-License-Identifier: MIT */
/*
 * What connections are sent while somebody else is served, up to the end of
 * the turn: in one memory that the worker's connections share.
 *
 * Whoever is sent something is written to once a turn.  Until then the bytes
 * would wait in an evbuffer of its own, which means an allocation, and for
 * bufferevent_openssl a chain and a longer way: a broadcast to 1,000 clients
 * took 10,800 instructions a delivery that way and takes 8,600.
 * Bytes that are put again and again, as a broadcast's are, lie here once.
 *
 * Pure memory; the worker's one thread.
 */
#ifndef WSSD_WORKER_OUTGOING_H
#define WSSD_WORKER_OUTGOING_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "common/buf.h"

/* More than this in one turn does not come here: outgoing_put() says so. */
#define OUTGOING_BYTES_MAX (4u << 20)

struct outgoing {
	struct buf memory;		/* pieces, and their bytes */
	size_t n_pieces;		/* put and not taken */
	uint32_t bytes_at, bytes_len;	/* the latest; len = 0: none */
};

/* Of one connection, in the order in which they were put.  Zeros: empty. */
struct outgoing_queue {
	uint32_t first, last;		/* where a piece lies, + 1; 0 = none */
	uint32_t bytes;			/* in all */
};

void outgoing_init(struct outgoing *);
void outgoing_done(struct outgoing *);

/* Appends head and data as one piece.  False: there is no room for it. */
bool outgoing_put(struct outgoing *, struct outgoing_queue *, const void *head,
    size_t head_len, const void *data, size_t len);

/*
 * The first piece, which is no longer in the queue then; NULL: none.  Valid
 * until the next outgoing_put().
 */
const uint8_t *outgoing_take(struct outgoing *, struct outgoing_queue *,
    size_t *len_out);
/* Forgets what is in the queue. */
void outgoing_drop(struct outgoing *, struct outgoing_queue *);

/* Gives memory back that no piece needs.  Only while no piece is in use. */
void outgoing_trim(struct outgoing *);

#endif
