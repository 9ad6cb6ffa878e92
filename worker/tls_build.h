/* SPDX-License-Identifier: MIT */
/*
 * What the files that build an SSL_CTX share; of no use to others.  A build
 * is a list of steps (tls_ctx.c), each of which can refuse.
 */
#ifndef WSSD_WORKER_TLS_BUILD_H
#define WSSD_WORKER_TLS_BUILD_H

#include <openssl/ssl.h>
#include <stdbool.h>

#include "common/buf.h"
#include "common/config.h"
#include "common/err.h"
#include "common/files.h"
#include "worker/tls_ctx.h"

struct tls_build {
	struct tls_ctx *tls;		/* what becomes of it */
	SSL_CTX *ctx;
	const struct config_context *config;
	const struct files *files;
	uint64_t ticket_lifetime_ms;
	const struct remote_signer *signer;	/* NULL: the keys are here */
	struct tls_ctx_info *info;
	struct buf *warnings;
	bool strict;			/* what a client would complain about
					   is an error */
	bool check;			/* so is what will be replaced soon */
};

/* "file:line: TEXT VALUE: what the error queue says". */
int tls_refuse(const struct tls_build *, struct err *, const char *text,
    const char *value);
/* "file:line: " and the sentence. */
int tls_error(const struct tls_build *, struct err *, const char *fmt, ...)
    __attribute__((format(printf, 3, 4)));
/* The same as a line of the warnings. */
void tls_warn(const struct tls_build *, const char *fmt, ...)
    __attribute__((format(printf, 2, 3)));
/*
 * For what a client would complain about: an error (-1) when strict, else a
 * warning (0), and the context is not sound.
 */
int tls_complain(const struct tls_build *, struct err *, const char *fmt, ...)
    __attribute__((format(printf, 3, 4)));
/* The same for what gets old by itself: an error only for `check'. */
int tls_complain_of_age(const struct tls_build *, struct err *,
    const char *fmt, ...) __attribute__((format(printf, 3, 4)));

/*
 * The bytes of a file, behind those that are there.  The descriptor is shared
 * with all other workers, and so would be its offset: read by position.
 */
int tls_read_file(const struct tls_build *, const char *path, struct buf *,
    struct err *);
/* A BIO over the buffer's bytes; never NULL. */
BIO *tls_bio_of(const struct buf *);
/*
 * After a loop of PEM_read_bio_*() has returned NULL: true when that was the
 * end of the file, and the error queue is empty then.
 */
bool tls_pem_end(void);
/* The name of a certificate for a sentence: its CN, or the whole subject. */
void tls_name_of(const X509 *, char *out, size_t size);
/* "2026-11-20 09:30:00 UTC". */
void tls_date(int64_t seconds, char *out, size_t size);

/* tls_origin.c: the same number for the same settings and files. */
void tls_origin(const struct config_context *, const struct tls_ctx_source *,
    uint8_t out[TLS_ORIGIN_BYTES]);

/* ---- the steps of other files ---- */

/* tls_cert.c: the certificates with their chains and keys. */
int tls_apply_pairs(struct tls_build *, struct err *);
/* tls_key.c: the private key of the certificate set last, chain[0]. */
/* tls_keyfile.c: the private key of chain[0], read and compared. */
EVP_PKEY *tls_load_key(const struct tls_build *, STACK_OF(X509) *chain,
    const char *cert_path, const char *key_path, struct err *);
int tls_apply_key(struct tls_build *, STACK_OF(X509) *chain,
    const char *cert_path, const char *key_path, struct err *);
/* tls_ocsp.c */
int tls_apply_staples(struct tls_build *, struct err *);
void tls_staples_free(struct tls_staples *);
/* tls_verify.c: certificates of clients, and what a session belongs to. */
int tls_apply_verify(struct tls_build *, struct err *);

#endif
