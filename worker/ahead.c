/* SPDX-License-Identifier: MIT */
/*
 * Owns nothing, changes nothing.  Knows where OpenSSL 3.0 keeps what it needs
 * for a record, which its headers do not say (found by tracing each access to
 * memory).  A prefetch of a wrong address does no harm, and a pointer is only
 * followed into the pool, so another layout costs time and nothing else;
 * tests/unit/test_ahead.c tells when there is one.
 */
#include "worker/ahead.h"

#include <string.h>

#include "common/count.h"
#include "worker/ahead_openssl.h"
#include "worker/pool.h"
#include "worker/worker.h"

#define LINE 64				/* bytes of a line of the cache */

static inline void
fetch(const void *p, size_t from, size_t to)
{
	const char *at = p;

	for (size_t i = from; i < to; i += LINE)
		__builtin_prefetch(at + i);
	__builtin_prefetch(at + to - 1);
}

static const char *
pointer(const void *p, size_t at)
{
	const char *q;

	memcpy(&q, (const char *)p + at, sizeof(q));
	return q;
}

static void
fetch_ssl(const SSL *ssl)
{
	static const struct {
		uint16_t from, to;
	} used[] = { AHEAD_SSL_USED };

	for (size_t i = 0; i < COUNT(used); i++)
		fetch(ssl, used[i].from, used[i].to);
}

static void
fetch_ctx(const SSL *ssl, size_t at)
{
	fetch(pointer(ssl, at), 0, AHEAD_CTX_BYTES);
}

static void
fetch_cipher(const SSL *ssl, size_t at)
{
	const char *ctx = pointer(ssl, at);

	if (pool_can_read(ctx, AHEAD_CTX_BYTES))
		fetch(pointer(ctx, AHEAD_CTX_DATA), 0, AHEAD_CIPHER_BYTES);
}

void
ahead_conn(const struct wss_conn *c, unsigned others)
{
	const SSL *ssl;

	if (c == NULL)
		return;
	if (others == TRANSPORT_AHEAD) {
		fetch(c, 0, offsetof(struct wss_conn, place));
		return;
	}
	if (c->stream.bev == NULL)
		return;
	ssl = c->stream.ssl;
	switch (others) {
	case 3:
		fetch_ssl(ssl);
		break;
	case 2:
		fetch_ctx(ssl, AHEAD_SSL_READ);
		fetch_ctx(ssl, AHEAD_SSL_WRITE);
		break;
	case 1:
		fetch_cipher(ssl, AHEAD_SSL_READ);
		fetch_cipher(ssl, AHEAD_SSL_WRITE);
		break;
	}
}
