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

struct tls_ctx_info {
	char subject[128];		/* the leaf's common name, or its
					   first DNS name */
	int64_t not_before, not_after;	/* seconds since 1970 */
};

/*
 * NULL: err says which file and why ("file:line: ...").  A certificate that
 * is not in date is an error when strict, else a line in warnings.
 */
SSL_CTX *tls_ctx_new(const struct config_context *, const struct files *,
    bool strict, struct tls_ctx_info *info_out, struct buf *warnings,
    struct err *);

/*
 * What the error queue says, without file names and numbers, and the queue
 * is empty afterwards: later calls rely on that.  "" when it is empty.
 */
void tls_reason(char *out, size_t size);

#endif
