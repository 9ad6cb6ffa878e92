/* SPDX-License-Identifier: MIT */
/* SIGN and SIGNED, between a worker and the signer: see proto.h. */
#ifndef WSSD_COMMON_PROTO_SIGN_H
#define WSSD_COMMON_PROTO_SIGN_H

#include "common/proto.h"

#define PROTO_KEY_ID 32	/* SHA-256 of the SubjectPublicKeyInfo */
#define PROTO_TBS_MAX 2304	/* DHE with 8,192 bits */
#define PROTO_SIGNATURE_MAX 1024	/* RSA with 8,192 bits */

enum proto_scheme { PROTO_RSA_PKCS1, PROTO_RSA_PSS, PROTO_ECDSA,
	PROTO_ED25519, PROTO_SCHEMES };
struct proto_sign {
	uint64_t id;		/* comes back in the answer */
	uint8_t key[PROTO_KEY_ID];
	uint8_t scheme;		/* enum proto_scheme */
	char digest[16];	/* "SHA256"; "" for Ed25519 */
	uint16_t len;
	uint8_t tbs[PROTO_TBS_MAX];	/* what is signed, whole: the signer
					   sees what it is (tbs.h) */
};

struct proto_signed {
	uint64_t id;
	uint16_t len;		/* 0: it was refused */
	uint8_t signature[PROTO_SIGNATURE_MAX];
};

PROTO_CODEC(sign)
PROTO_CODEC(signed)

#endif
