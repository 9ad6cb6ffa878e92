/* SPDX-License-Identifier: MIT */
/*
 * Reads the messages of a server's handshake (RFC 8446 section 4), of which
 * any byte may be hostile.  What they point to is the message's memory.
 */
#ifndef WSSD_BENCH_HELLO_PARSE_H
#define WSSD_BENCH_HELLO_PARSE_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "common/err.h"

#define HELLO_SESSION_ID 32

#define TLS_AES_128_GCM_SHA256 0x1301
#define TLS_X25519 0x001d
#define TLS_1_3 0x0304

#define TLS_EXT_PRE_SHARED_KEY 41
#define TLS_EXT_SUPPORTED_VERSIONS 43
#define TLS_EXT_KEY_SHARE 51

struct server_hello {
	const uint8_t *share;		/* 32 bytes */
	bool resumed;			/* with the one ticket we offered */
};

struct new_session_ticket {
	uint32_t age_add;
	const uint8_t *nonce, *ticket;
	size_t nonce_len, ticket_len;
};

/* All take the message without its head. */
int parse_server_hello(const uint8_t *, size_t len,
    const uint8_t session_id[static HELLO_SESSION_ID],
    struct server_hello *out, struct err *);
int parse_encrypted_extensions(const uint8_t *, size_t len, struct err *);
int parse_certificate(const uint8_t *, size_t len, struct err *);
int parse_certificate_verify(const uint8_t *, size_t len, struct err *);
int parse_new_session_ticket(const uint8_t *, size_t len,
    struct new_session_ticket *out, struct err *);

#endif
