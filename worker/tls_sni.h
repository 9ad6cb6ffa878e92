/* SPDX-License-Identifier: MIT */
/*
 * Which context a client gets: by the server name it asks for (RFC 6066
 * section 3), before anything of TLS is negotiated, so that all settings of a
 * context hold, its versions too.
 */
#ifndef WSSD_WORKER_TLS_SNI_H
#define WSSD_WORKER_TLS_SNI_H

#include <openssl/ssl.h>
#include <stdbool.h>
#include <stdint.h>

#include "worker/tls_ctx.h"

#define TLS_SNI_NAME_MAX 256	/* with the NUL */

/* The names of the contexts of one [listen]. */
struct tls_sni;

struct tls_named {
	const struct tls_ctx *tls;
	size_t index;			/* the caller's number for it */
};

/* What one connection got; its SSL points here. */
struct tls_choice {
	const struct tls_sni *sni;
	const struct tls_named *named;	/* the first, until a name is known */
};

/*
 * The first of the contexts (at least one) is for unknown names, unless
 * strict refuses them.  A context without server_name has the DNS names of
 * its certificates; a name that is in several belongs to the first that says
 * server_name, else to the first.  The contexts must outlive it.
 */
struct tls_sni *tls_sni_new(const struct tls_named *contexts, size_t n,
    bool strict);
void tls_sni_free(struct tls_sni *);

/* The context of a name, in any case; NULL: no context has it. */
const struct tls_named *tls_sni_find(const struct tls_sni *, const char *name,
    size_t len);
/* For a name that no context has. */
const struct tls_named *tls_sni_first(const struct tls_sni *);

/*
 * The host_name in a server_name extension, as a string.  false: there is
 * none, or the extension is not well-formed.  Pure.
 */
bool tls_sni_parse(const uint8_t *ext, size_t len,
    char name_out[TLS_SNI_NAME_MAX]);

/* For tls_ctx.c: makes the SSL_CTX look at names. */
void tls_sni_install(SSL_CTX *);
/* Begins a connection; the choice must outlive its handshake. */
void tls_sni_attach(SSL *, struct tls_choice *, const struct tls_sni *);

#endif
