/* SPDX-License-Identifier: MIT */
/*
 * Owns nothing: passes bytes between OpenSSL and the sock behind the BIO.
 * A write fails for the moment (WANT_WRITE) when the sock's backlog is full;
 * libevent then keeps the plaintext in its output evbuffer, and the sock's
 * drained() makes it go on.
 */
#include "worker/tls_bio.h"

#include "common/assert.h"

static int
bio_read(BIO *bio, char *out, size_t len, size_t *n_out)
{
	struct sock *sock = BIO_get_data(bio);

	BIO_clear_retry_flags(bio);
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
	struct sock *sock = BIO_get_data(bio);

	BIO_clear_retry_flags(bio);
	*n_out = 0;
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
	(void)number;
	(void)pointer;
	switch (cmd) {
	case BIO_CTRL_FLUSH:
	case BIO_CTRL_DUP:
		return 1;
	case BIO_CTRL_EOF:
		return ((struct sock *)BIO_get_data(bio))->eof;
	case BIO_C_GET_FD:
		return -1;
	default:
		return 0;
	}
}

BIO_METHOD *
tls_bio_method_new(void)
{
	BIO_METHOD *method = BIO_meth_new(
	    BIO_get_new_index() | BIO_TYPE_SOURCE_SINK, "wssd transport");

	ASSERT(method != NULL);
	BIO_meth_set_read_ex(method, bio_read);
	BIO_meth_set_write_ex(method, bio_write);
	BIO_meth_set_ctrl(method, bio_ctrl);
	return method;
}

void
tls_bio_method_free(BIO_METHOD *method)
{
	BIO_meth_free(method);
}

BIO *
tls_bio_new(BIO_METHOD *method, struct sock *sock)
{
	BIO *bio = BIO_new(method);

	ASSERT(bio != NULL);
	BIO_set_data(bio, sock);
	BIO_set_init(bio, 1);
	return bio;
}
