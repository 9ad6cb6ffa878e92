/* SPDX-License-Identifier: MIT */
/* What a client would say to the certificates a server has sent. */
#ifndef WSSD_WORKER_TOOL_TRUST_H
#define WSSD_WORKER_TOOL_TRUST_H

#include <openssl/x509.h>
#include <stdbool.h>

#include "common/err.h"
#include "common/findings.h"

struct trust {
	X509_STORE *store;
	bool private_ca;	/* a file of such was given */
};

/* The CAs of this machine, and those of the file, which may be NULL. */
int trust_init(struct trust *, const char *cafile, struct err *);
void trust_done(struct trust *);

/*
 * The chain as it came, the server's own first; the name, which may be an
 * address, was wanted ("" = none); `where' begins each line.
 */
void trust_judge(const struct trust *, STACK_OF(X509) *chain,
    const char *name, const char *where, struct findings *);

#endif
