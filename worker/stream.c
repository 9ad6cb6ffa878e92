/* SPDX-License-Identifier: MIT */
/*
 * Owns the SSL, its bufferevent and the socket of one connection.  Relies on
 * three things of libevent 2.1 that its headers show but do not promise: a
 * bufferevent_openssl may have descriptor -1; `struct bufferevent` has the
 * member ev_write; and that event's callback writes what is in the output
 * evbuffer (tests/unit/test_stream.c tells when one of them changes).
 */
#include "worker/stream.h"

#include <event2/bufferevent_ssl.h>
#include <event2/bufferevent_struct.h>
#include <openssl/err.h>
#include <stdio.h>
#include <string.h>

#include "common/assert.h"
#include "worker/signing.h"
#include "worker/tls_ctx.h"

#define TLS_HANDSHAKE_RECORD 22		/* RFC 8446 §5.1 */

/* ---- waiting for the signer ------------------------------------------- */

/* Not here: it comes from within the signing, for many at once. */
static int
on_signed(SSL *ssl, void *arg)
{
	struct stream *s = arg;

	(void)ssl;
	sock_resume(&s->sock);
	sock_wake(&s->sock);
	return 1;
}

/*
 * What the client sends meanwhile stays in its socket: nobody would take it
 * out of the turn's slot.
 */
static enum stream_result
wait_for_signer(struct stream *s)
{
	s->signing_waits = true;
	sock_pause(&s->sock);
	return STREAM_MORE;
}

/* A paused job cannot be freed: it is gone on with, to its failure. */
static void
end_signing(struct stream *s)
{
	if (!s->signing_waits)
		return;
	signing_give_up(s->signing, s->ssl);
	sock_mute(&s->sock);
	tls_bio_begin(s->bio, &s->sock);
	(void)SSL_do_handshake(s->ssl);
	tls_bio_end(s->bio);
	ERR_clear_error();
}

/* ---- life ------------------------------------------------------------- */

void
stream_init(struct stream *s, struct transport *transport,
    struct tls_bio *bio, SSL_CTX *ctx, struct signing *signing, int fd)
{
	memset(s, 0, sizeof(*s));
	sock_init(&s->sock, transport, fd);
	if (ctx == NULL) {
		s->in = evbuffer_new();
		s->out = evbuffer_new();
		return;
	}
	s->ssl = SSL_new(ctx);
	ASSERT(s->ssl != NULL);
	s->bio = bio;
	tls_bio_attach(bio, s->ssl);
	SSL_set_accept_state(s->ssl);
	s->signing = signing;
	if (signing != NULL) {
		SSL_set_async_callback(s->ssl, on_signed);
		SSL_set_async_callback_arg(s->ssl, s);
	}
	sock_set_budgeted(&s->sock, true);
}

void
stream_done(struct stream *s)
{
	if (s->bev != NULL) {
		/* Frees the SSL too, a little later in the loop: it will not
		   look at the sock any more. */
		bufferevent_free(s->bev);
	} else if (s->ssl != NULL) {
		end_signing(s);
		SSL_free(s->ssl);
	} else {
		evbuffer_free(s->in);
		evbuffer_free(s->out);
	}
	s->bev = NULL;
	s->ssl = NULL;
	s->in = s->out = NULL;
	sock_done(&s->sock);
}

/* ---- handshake -------------------------------------------------------- */

/* libevent met an error while it wrote what was queued. */
static void
on_bufferevent_event(struct bufferevent *bev, short what, void *arg)
{
	struct stream *s = arg;

	(void)bev;
	if ((what & (BEV_EVENT_ERROR | BEV_EVENT_EOF)) != 0)
		s->broken = true;
}

/*
 * The keys of the key exchange are of no more use, but OpenSSL keeps them as
 * long as the connection.  This way what they protect stays secret even from
 * who reads this process's memory later, and 410 bytes are free (measured).
 * EVP_PKEY_set_type() empties a key before it finds that there is no type 0.
 */
static void
forget_exchange(SSL *ssl)
{
	EVP_PKEY *key;

	if (SSL_get_tmp_key(ssl, &key) == 1) {
		EVP_PKEY_set_type(key, EVP_PKEY_NONE);
		EVP_PKEY_free(key);
	}
	if (SSL_get_peer_tmp_key(ssl, &key) == 1) {
		EVP_PKEY_set_type(key, EVP_PKEY_NONE);
		EVP_PKEY_free(key);
	}
	ERR_clear_error();
}

static void
handshake_done(struct stream *s, struct event_base *base)
{
	forget_exchange(s->ssl);
	/* Only a handshake signs: reading needs no job of its own. */
	SSL_clear_mode(s->ssl, SSL_MODE_ASYNC);
	s->bev = bufferevent_openssl_socket_new(base, -1, s->ssl,
	    BUFFEREVENT_SSL_OPEN, BEV_OPT_CLOSE_ON_FREE);
	ASSERT(s->bev != NULL);
	bufferevent_setcb(s->bev, NULL, NULL, on_bufferevent_event, s);
	s->in = bufferevent_get_input(s->bev);
	s->out = bufferevent_get_output(s->bev);
	sock_set_budgeted(&s->sock, false);
}

enum stream_result
stream_handshake(struct stream *s, struct event_base *base, struct err *err)
{
	char reason[ERR_TEXT_MAX];
	int rc;

	if (s->ssl == NULL || s->bev != NULL)
		return STREAM_OK;
	/* Only the very first bytes can be something else. */
	if (s->sock.in_len > 0 && SSL_in_before(s->ssl) &&
	    s->sock.in[0] != TLS_HANDSHAKE_RECORD)
		return STREAM_NOT_TLS;
	s->signing_waits = false;
	tls_bio_begin(s->bio, &s->sock);
	rc = SSL_do_handshake(s->ssl);
	tls_bio_end(s->bio);
	if (rc == 1) {
		handshake_done(s, base);
		return STREAM_OK;
	}
	switch (SSL_get_error(s->ssl, rc)) {
	case SSL_ERROR_WANT_READ:
	case SSL_ERROR_WANT_WRITE:
		return STREAM_MORE;
	case SSL_ERROR_WANT_ASYNC:
		return wait_for_signer(s);
	case SSL_ERROR_WANT_ASYNC_JOB:
		s->broken = true;
		err_set(err, "too many handshakes wait for the signer");
		return STREAM_ERROR;
	}
	s->broken = true;
	tls_reason(reason, sizeof(reason));
	if (s->sock.eof)
		snprintf(reason, sizeof(reason),
		    "the client hung up in the middle of it");
	err_set(err, "%s", reason[0] != '\0' ? reason : "unknown reason");
	return STREAM_ERROR;
}

/* ---- reading ---------------------------------------------------------- */

static int
tls_read(struct stream *s, uint8_t *room, size_t size, struct err *err)
{
	char reason[ERR_TEXT_MAX];
	int n;

	if (s->sock.in_len == 0 && !s->sock.eof && !SSL_has_pending(s->ssl))
		return 0;
	tls_bio_begin(s->bio, &s->sock);
	n = SSL_read(s->ssl, room, (int)size);
	tls_bio_end(s->bio);
	if (n > 0)
		return n;
	switch (SSL_get_error(s->ssl, n)) {
	case SSL_ERROR_WANT_READ:
	case SSL_ERROR_WANT_WRITE:
		return 0;
	case SSL_ERROR_ZERO_RETURN:
		/* A FIN counts as one, too: SSL_OP_IGNORE_UNEXPECTED_EOF. */
		s->ended = true;
		return err_set(err, "%s", s->sock.eof ?
		    "TCP closed without close_notify" : "");
	}
	s->broken = true;
	tls_reason(reason, sizeof(reason));
	return err_set(err, "TLS: %s",
	    reason[0] != '\0' ? reason : "unknown reason");
}

void
stream_reserve(struct stream *s, uint64_t need)
{
	size_t have = evbuffer_get_length(s->in);
	size_t ahead = have > STREAM_AHEAD ? have : STREAM_AHEAD;

	if (need <= have)
		return;
	if (need - have < ahead)
		ahead = (size_t)(need - have);
	evbuffer_expand(s->in, ahead);
}

int
stream_read(struct stream *s, uint8_t *room, size_t size,
    uint8_t **data_out, struct err *err)
{
	size_t n;
	uint8_t *data;

	if (s->broken || s->ended)
		return err_set(err, "%s", "");
	if (s->ssl != NULL) {
		*data_out = room;
		return tls_read(s, room, size, err);
	}
	data = sock_take_all(&s->sock, &n);
	if (n > 0) {
		*data_out = data;
		return (int)n;
	}
	if (!s->sock.eof)
		return 0;
	s->ended = true;
	return err_set(err, "%s", "");
}

/* ---- writing ---------------------------------------------------------- */

/* Makes bufferevent_openssl write now instead of in the next turn. */
static void
tls_flush(struct stream *s)
{
	struct event *ev = &s->bev->ev_write;

	if (s->broken)
		return;
	tls_bio_begin(s->bio, &s->sock);
	event_get_callback(ev)(-1, EV_WRITE, event_get_callback_arg(ev));
	tls_bio_end(s->bio);
}

static void
tcp_flush(struct stream *s)
{
	struct evbuffer_iovec piece;

	while (!sock_full(&s->sock) &&
	    evbuffer_peek(s->out, -1, NULL, &piece, 1) > 0 &&
	    piece.iov_len > 0) {
		if (piece.iov_len > TRANSPORT_WRITE)
			piece.iov_len = TRANSPORT_WRITE;
		sock_write(&s->sock, piece.iov_base, piece.iov_len);
		evbuffer_drain(s->out, piece.iov_len);
	}
}

void
stream_flush(struct stream *s)
{
	if (!s->has_out)
		return;
	if (s->bev != NULL)
		tls_flush(s);
	else if (s->ssl == NULL)
		tcp_flush(s);
	s->has_out = evbuffer_get_length(s->out) > 0;
}

void
stream_queue(struct stream *s, const void *data, size_t len)
{
	if (s->broken)
		return;
	evbuffer_add(s->out, data, len);
	s->has_out = true;
}

void
stream_write(struct stream *s, const void *data, size_t len)
{
	int n;

	if (len == 0 || s->broken)
		return;
	if (stream_queued(s) > 0 || sock_full(&s->sock) ||
	    s->ssl == NULL) {
		stream_queue(s, data, len);
		stream_flush(s);
		return;
	}
	tls_bio_begin(s->bio, &s->sock);
	n = SSL_write(s->ssl, data, (int)len);
	tls_bio_end(s->bio);
	if (n > 0)
		return;
	switch (SSL_get_error(s->ssl, n)) {
	case SSL_ERROR_WANT_WRITE:
	case SSL_ERROR_WANT_READ:
		/* OpenSSL keeps how far it came and must get the same bytes
		   again: they lie in one chain of the empty evbuffer. */
		stream_queue(s, data, len);
		return;
	}
	ERR_clear_error();
	s->broken = true;
}

size_t
stream_unsent(const struct stream *s)
{
	return sock_unsent(&s->sock) + stream_queued(s);
}

void
stream_finish(struct stream *s)
{
	if (s->notified)
		return;
	s->notified = true;
	/* After a failed handshake OpenSSL has said its alert already. */
	if (s->bev != NULL && !s->broken) {
		tls_bio_begin(s->bio, &s->sock);
		SSL_shutdown(s->ssl);
		tls_bio_end(s->bio);
		ERR_clear_error();
	}
	sock_shutdown(&s->sock);
}

const char *
stream_protocol(const struct stream *s)
{
	return s->bev == NULL ? "" : SSL_get_version(s->ssl);
}

const char *
stream_cipher(const struct stream *s)
{
	return s->bev == NULL ? "" : SSL_get_cipher_name(s->ssl);
}
