/* SPDX-License-Identifier: MIT */
/*
 * The record protection of TLS 1.3 with AES-128-GCM (RFC 8446 section 5),
 * one direction.  Without OpenSSL's SSL a message costs half, and one system
 * call can carry the records of many connections.  A key update is not
 * understood.
 */
#ifndef WSSD_BENCH_RECORD_H
#define WSSD_BENCH_RECORD_H

#include <openssl/evp.h>
#include <stddef.h>
#include <stdint.h>

#include "common/err.h"
#include "crypto.h"

#define RECORD_HEAD 5
#define RECORD_PLAIN_MAX 16384
/* head + content type + tag: by how much a sealed record is longer */
#define RECORD_OVERHEAD (RECORD_HEAD + 1 + 16)
#define RECORD_MAX (RECORD_HEAD + RECORD_PLAIN_MAX + 256)

#define RECORD_CHANGE_CIPHER_SPEC 20
#define RECORD_ALERT 21
#define RECORD_HANDSHAKE 22
#define RECORD_DATA 23

struct record_keys {
	EVP_CIPHER_CTX *cipher;		/* NULL before the first secret */
	uint64_t seq;
	uint8_t iv[12];
};

/*
 * From a traffic secret (RFC 8446 section 7.3).  Keys that were there are
 * replaced, so at first all must be zero.
 */
void record_keys_init(struct record_keys *, struct crypto *,
    const uint8_t *secret, int seal);
void record_keys_done(struct record_keys *);

/*
 * Writes one record of len <= RECORD_PLAIN_MAX bytes of that type to out,
 * which has room for len + RECORD_OVERHEAD; returns its length.
 */
size_t record_seal(struct record_keys *, uint8_t type, const uint8_t *data,
    size_t len, uint8_t *out);

/*
 * The length of the record that starts at data, 0 when its head is not all
 * there, -1 when it cannot be a record.
 */
long record_length(const uint8_t *data, size_t len, struct err *);

/*
 * Opens one whole record in place: the plaintext is at record + RECORD_HEAD.
 * Its content type and length are left in the outputs.
 */
int record_open(struct record_keys *, uint8_t *record, size_t len,
    uint8_t *type_out, size_t *len_out, struct err *);

#endif
