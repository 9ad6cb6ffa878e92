/* SPDX-License-Identifier: MIT */
/* A private key or a certificate in a file of its own. */
#ifndef WSSD_WORKER_TOOL_PEM_H
#define WSSD_WORKER_TOOL_PEM_H

#include <openssl/x509.h>

#include "common/err.h"

/*
 * The first of the file; NULL, and 0, when there is no such file.  -1: it is
 * there and cannot be used.
 */
int pem_read_key(const char *path, EVP_PKEY **key_out, struct err *);
int pem_read_cert(const char *path, X509 **cert_out, struct err *);

/* Whole or not at all: a new file, renamed.  Keys get 0600, else 0644. */
int pem_write_key(const char *path, EVP_PKEY *, struct err *);
int pem_write_cert(const char *path, X509 *, struct err *);

/* err_set() with OpenSSL's reason behind it, if it has one; returns -1. */
int tool_err(struct err *, const char *what, const char *which);

#endif
