/* SPDX-License-Identifier: MIT */
/*
 * The client's side of a TLS 1.3 handshake (RFC 8446) for a load: one cipher
 * suite, one group, no choice of anything.  OpenSSL's client costs more CPU
 * than its server does, and then it is the client that is measured.
 *
 * The server's Finished is verified, and so all that it said; whether it has
 * the certificate's key, and whether to trust that, is not: this is a load,
 * not a client.
 *
 * Bytes in, bytes out: no socket.  What a server sends is bounded, and what
 * RFC 8446 does not let it send here is an error.  After an error nothing
 * but hello_begin and hello_free.
 */
#ifndef WSSD_BENCH_HELLO_H
#define WSSD_BENCH_HELLO_H

#include <stddef.h>
#include <stdint.h>

#include "common/err.h"
#include "crypto.h"
#include "record.h"

#define HELLO_RANDOM 64		/* for client random and session id */
#define HELLO_TICKET_MAX 2048
/* ChangeCipherSpec, and the record with Finished */
#define HELLO_FINISHED (RECORD_HEAD + 1 + RECORD_OVERHEAD + 4 + CRYPTO_HASH)

/* One for each thread: it serves all its connections, one at a time. */
struct hello;

/* What an earlier connection left for the next one (section 4.6.1). */
struct hello_ticket {
	uint8_t id[HELLO_TICKET_MAX];
	size_t id_len;
	uint32_t age_add;
	uint8_t early[CRYPTO_HASH];	/* the early secret of its PSK */
};

struct hello *hello_new(EVP_PKEY *key);
void hello_free(struct hello *);

/*
 * The ClientHello's record; it is good until hello_feed.  With a ticket of
 * that age the session must be resumed, NULL is a full handshake.
 */
const uint8_t *hello_begin(struct hello *, const struct hello_ticket *,
    uint32_t age_ms, const uint8_t random[static HELLO_RANDOM],
    size_t *len_out);

/*
 * Takes the whole records at data, and opens them in place.  1: that was the
 * server's Finished, and what is behind the used bytes belongs to the
 * connection; 0: more is needed, all but the rest was used.
 */
int hello_feed(struct hello *, uint8_t *data, size_t len, size_t *used_out,
    struct err *);

/* The client's Finished; with it the handshake is done. */
void hello_finish(struct hello *, uint8_t out[static HELLO_FINISHED]);
/* The keys of what follows (record_keys_init). */
void hello_keys(struct hello *, struct record_keys *seal,
    struct record_keys *open);

/* Reads a NewSessionTicket message of the connection of hello_finish. */
int hello_ticket(struct hello *, const uint8_t *, size_t len,
    struct hello_ticket *ticket_out, struct err *);

#endif
