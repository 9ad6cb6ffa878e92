/* SPDX-License-Identifier: MIT */
/*
 * A CA for development and what it signs.  It may sign for few names only
 * (RFC 5280 section 4.2.1.10), so that trusting it is harmless.
 */
#ifndef WSSD_WORKER_TOOL_ISSUE_H
#define WSSD_WORKER_TOOL_ISSUE_H

#include <openssl/x509.h>
#include <stdbool.h>

#include "worker/tool/names.h"

/* How the CA's names begin; by that those are known that are ours. */
#define ISSUE_CA_NAME "wssd development CA"

/* EC P-256. */
EVP_PKEY *issue_key(struct err *);

/*
 * For localhost, everything below .test (RFC 6761: nobody can own it),
 * 127.0.0.0/8, ::1, and these names.
 */
X509 *issue_ca(EVP_PKEY *, const struct cert_name *, size_t n, struct err *);

/* For a server with these names; valid for a year, or as long as the CA. */
X509 *issue_leaf(EVP_PKEY *, X509 *ca, EVP_PKEY *ca_key,
    const struct cert_name *, size_t n, struct err *);

/* Has the certificate all these names? */
bool issue_has_names(X509 *, const struct cert_name *, size_t n);

/*
 * 0, or what a client that trusts this CA would say to the certificate of a
 * server: X509_V_ERR_*.  Dates apart.
 */
int issue_verify(X509 *, X509 *ca);

#endif
