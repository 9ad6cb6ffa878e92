/* SPDX-License-Identifier: MIT */
/*
 * Owns the BIO and its method: passes bytes between OpenSSL and a sock.
 * A write fails for the moment (WANT_WRITE) when the sock's backlog is full;
 * libevent then keeps the plaintext in its output evbuffer, and the sock's
 * drained() makes it go on.
 */
#include "worker/tls_bio.h"

#include <string.h>

#include "common/assert.h"

static int
bio_read(BIO *bio, char *out, size_t len, size_t *n_out)
{
	struct sock *sock = ((struct tls_bio *)BIO_get_data(bio))->sock;

	BIO_clear_retry_flags(bio);
	*n_out = 0;
	if (sock == NULL)
		return 0;
	*n_out = sock_take(sock, out, len);
	if (*n_out > 0)
		return 1;
	if (!sock->eof)
		BIO_set_retry_read(bio);
	return 0;
}

static int
bio_write(BIO *bio, const char *data, size_t len, size_t *n_out)
{
	struct sock *sock = ((struct tls_bio *)BIO_get_data(bio))->sock;

	BIO_clear_retry_flags(bio);
	*n_out = 0;
	if (sock == NULL)
		return 0;
	if (sock_full(sock)) {
		BIO_set_retry_write(bio);
		return 0;
	}
	if (len > TRANSPORT_WRITE)
		len = TRANSPORT_WRITE;
	sock_write(sock, data, len);
	*n_out = len;
	return 1;
}

/*
 * Asked some 13 times a message, so the common answers come first.  There is
 * no descriptor to be had: libevent would close it or wait for it.
 */
static long
bio_ctrl(BIO *bio, int cmd, long number, void *pointer)
{
	const struct sock *sock;

	(void)number;
	(void)pointer;
	switch (cmd) {
	case BIO_CTRL_FLUSH:
	case BIO_CTRL_DUP:
		return 1;
	case BIO_CTRL_EOF:
		sock = ((struct tls_bio *)BIO_get_data(bio))->sock;
		return sock != NULL && sock->eof;
	case BIO_C_GET_FD:
		return -1;
	default:
		return 0;
	}
}

void
tls_bio_init(struct tls_bio *b)
{
	memset(b, 0, sizeof(*b));
	b->method = BIO_meth_new(
	    BIO_get_new_index() | BIO_TYPE_SOURCE_SINK, "wssd transport");
	ASSERT(b->method != NULL);
	BIO_meth_set_read_ex(b->method, bio_read);
	BIO_meth_set_write_ex(b->method, bio_write);
	BIO_meth_set_ctrl(b->method, bio_ctrl);
	b->bio = BIO_new(b->method);
	ASSERT(b->bio != NULL);
	BIO_set_data(b->bio, b);
	BIO_set_init(b->bio, 1);
}

void
tls_bio_done(struct tls_bio *b)
{
	BIO_free(b->bio);
	BIO_meth_free(b->method);
}

void
tls_bio_attach(struct tls_bio *b, SSL *ssl)
{
	BIO_up_ref(b->bio);
	SSL_set_bio(ssl, b->bio, b->bio);
}
