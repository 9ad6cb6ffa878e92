/* SPDX-License-Identifier: MIT */
/*
 * The plaintext side of a connection: TLS through bufferevent_openssl, or
 * nothing in between on a tcp listen.
 *
 * bufferevent_openssl owns the SSL and the output that a slow client leaves
 * behind, and continues it.  The usual message takes a shorter way: it is
 * read by SSL_read() into memory that all connections of the worker share
 * and decoded there, and what is sent in a turn leaves in one SSL_write()
 * while the output evbuffer is empty.  (By itself bufferevent_openssl
 * allocates an input chain for every turn, waits for the loop before it
 * writes, and makes a record of each chain: measured at 1.6 to 2.3 times the
 * cost of a bare epoll program; this way it is below 1.0.)
 *
 * The handshake is driven here too, on the bare SSL; the bufferevent comes
 * when it is done, so a half-open peer costs no buffers.
 */
#ifndef WSSD_WORKER_STREAM_H
#define WSSD_WORKER_STREAM_H

#include <event2/buffer.h>
#include <event2/bufferevent.h>
#include <openssl/ssl.h>
#include <stdbool.h>
#include <stdint.h>

#include "common/err.h"
#include "worker/tls_bio.h"
#include "worker/transport.h"

struct signing;

struct stream {
	SSL *ssl;			/* the bufferevent's, once there is
					   one; NULL on tcp */
	struct tls_bio *bio;		/* the worker's */
	struct bufferevent *bev;	/* NULL on tcp and before the end of
					   the handshake */
	struct evbuffer *in;		/* an unfinished head or frame */
	struct evbuffer *out;		/* what waits for a slow client */
	struct signing *signing;	/* NULL: the keys are here */
	bool has_in, has_out;		/* false: nothing is in them.  Else they
					   must be looked at, in lines of the
					   cache that a message seldom needs */
	bool broken;			/* the TLS layer is of no more use */
	bool notified;			/* our close_notify was sent */
	bool ended;			/* the peer will say no more */
	bool signing_waits;		/* the handshake, for the signer */
	struct sock sock;
};

enum stream_result {
	STREAM_OK,
	STREAM_MORE,			/* wait for input */
	STREAM_NOT_TLS,			/* the first byte is no TLS record */
	STREAM_ERROR			/* err says why */
};

/* How much is in `in' and in `out'. */
static inline size_t
stream_kept(const struct stream *s)
{
	return s->has_in ? evbuffer_get_length(s->in) : 0;
}

static inline size_t
stream_queued(const struct stream *s)
{
	return s->has_out ? evbuffer_get_length(s->out) : 0;
}

/*
 * ctx is NULL for tcp; signing is what its keys ask, or NULL, and lives as
 * long as the stream.  fd is the stream's from now on.
 */
void stream_init(struct stream *, struct transport *, struct tls_bio *,
    SSL_CTX *ctx, struct signing *signing, int fd);
/* Frees all, closes the socket.  Only at the end of a turn. */
void stream_done(struct stream *);

/* Goes on with the TLS handshake; STREAM_OK also at once for tcp. */
enum stream_result stream_handshake(struct stream *, struct event_base *,
    struct err *);

/*
 * The next decrypted bytes, in *data_out, writable: room[0..size), or the
 * receive slot itself on tcp.  0: no more now.  -1: the stream has ended or
 * broke; err says how ("" for a clean end).
 */
int stream_read(struct stream *, uint8_t *room, size_t size,
    uint8_t **data_out, struct err *);

/*
 * Space is made ahead in `in` for the rest of a frame, so that it lands in
 * one piece; a header that only claims a length (need: of the whole) gets no
 * more than this, or than as much again as has come.
 */
#define STREAM_AHEAD ((size_t)256 << 10)
void stream_reserve(struct stream *, uint64_t need);

/*
 * Sends len bytes in this turn, in one TLS record for each 16 KiB.  What the
 * client's queue does not take now waits in `out`.
 */
void stream_write(struct stream *, const void *data, size_t len);
/* Behind all that waits; sent by stream_flush() at the end of the turn. */
void stream_queue(struct stream *, const void *data, size_t len);
void stream_flush(struct stream *);
/* Bytes on this side that the kernel has not taken. */
size_t stream_unsent(const struct stream *);

/* close_notify (RFC 8446 §6.1) and FIN, behind all that was written. */
void stream_finish(struct stream *);

/* "TLSv1.3 TLS_AES_128_GCM_SHA256", or "" for tcp. */
const char *stream_protocol(const struct stream *);
const char *stream_cipher(const struct stream *);

#endif
