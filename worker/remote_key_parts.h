/* SPDX-License-Identifier: MIT */
/* What remote_key.c and remote_sign.c share, and nobody else includes. */
#ifndef WSSD_WORKER_REMOTE_KEY_PARTS_H
#define WSSD_WORKER_REMOTE_KEY_PARTS_H

#include <openssl/core_dispatch.h>
#include <openssl/evp.h>
#include <stdint.h>

#include "common/proto.h"
#include "common/proto_sign.h"

struct signing;

struct remote_key {
	const char *type;		/* "RSA", "EC", "ED25519" */
	EVP_PKEY *public;		/* OpenSSL's own; NULL before import */
	uint8_t id[PROTO_KEY_ID];
	struct signing *signing;	/* NULL: only to be compared with */
};

/* An entry of an OSSL_DISPATCH. */
#define REMOTE_FUNCTION(id, function) { id, (void (*)(void))(function) }

/* provider-signature(7) for all kinds of keys. */
extern const OSSL_DISPATCH remote_sign_functions[];

#endif
