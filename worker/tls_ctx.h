/* SPDX-License-Identifier: MIT */
/*
 * A [context] made into an SSL_CTX, from descriptors: the worker cannot open
 * the files.
 */
#ifndef WSSD_WORKER_TLS_CTX_H
#define WSSD_WORKER_TLS_CTX_H

#include <openssl/ssl.h>
#include <stdbool.h>
#include <stdint.h>

#include "common/buf.h"
#include "common/config.h"
#include "common/err.h"
#include "common/files.h"
#include "common/proto.h"

struct remote_signer;
struct tls_staples;

/* Of several certificates: the subject of the first, the closest dates. */
struct tls_ctx_info {
	char subject[128];		/* the leaf's common name, or its
					   first DNS name */
	int64_t not_before, not_after;	/* seconds since 1970 */
	bool sound;			/* no client would complain */
};

#define TLS_ORIGIN_BYTES 32

/* Shared by reference: by all configs in which nothing of it changes. */
struct tls_ctx {
	unsigned refs;
	SSL_CTX *ssl_ctx;
	struct config_context *config;	/* a copy of its own, without place */
	uint8_t origin[TLS_ORIGIN_BYTES];	/* tls_origin.c */
	struct tls_ctx_info info;
	bool warned;			/* it is not kept: what was said is
					   said again at the next reload */
	struct tls_staples *staples;	/* or NULL */
	const struct proto_tickets *tickets;	/* the source's */
};

/* What tls_ctx_new() has besides the config. */
struct tls_ctx_source {
	const struct proto_tickets *tickets;	/* must outlive it; may change
					   between two calls of OpenSSL */
	uint64_t ticket_lifetime_ms;
	const struct files *files;
	bool strict;			/* `check': what is a warning else is
					   an error */
	struct tls_ctx *before;		/* in use, and replaced by this one,
					   or NULL: a sound one is replaced by
					   none that is not */
	const struct remote_signer *signer;	/* NULL: the keys are here */
};

/*
 * The one before, when nothing has changed, else a new one.  NULL: err says
 * which file and why ("file:line: ...").  Warnings get a line each.
 */
struct tls_ctx *tls_ctx_new(const struct config_context *,
    const struct tls_ctx_source *, struct buf *warnings, struct err *);
/*
 * An SSL keeps the SSL_CTX for longer, but then no callback of it may run any
 * more.
 */
void tls_ctx_unref(struct tls_ctx *);

/*
 * What the error queue says, without file names and numbers, and the queue
 * is empty afterwards: later calls rely on that.  "" when it is empty.
 */
void tls_reason(char *out, size_t size);
/*
 * A sentence of our own onto the error queue, for a callback of OpenSSL that
 * makes a handshake fail; tls_reason() finds it.
 */
void tls_give_reason(const char *fmt, ...)
    __attribute__((format(printf, 1, 2)));

#endif
